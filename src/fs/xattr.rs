//! Extended attributes: facts of the service under `user.collabfs.`, everything else kept on this machine.
//!
//! The facts can be asked for by name and are not listed, like CephFS's and mergerfs's: programs that copy files carry
//! every listed attribute along (`cp -a`, `mv`, `rsync -X`, `tar`), and the facts of one document are wrong on another,
//! or on another file system.

use std::ffi::OsStr;
use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::hidden;
use crate::fs::state::{Inner, State};
use crate::ids::Ino;
use crate::outbox::Change;
use crate::provider::Operation;
use crate::store::{Durable, Node, Remote, Write};

const PREFIX: &str = "user.collabfs.";
const DESCRIPTION: &str = "user.collabfs.description";
/// As Linux allows at most for one value.
const VALUE_BYTES_MAX: usize = 65_536;
/// As Linux allows at most for the names of one file, each with the zero byte that ends it: with more, listing them
/// would fail.
const NAMES_BYTES_MAX: usize = 65_536;
const DESCRIPTION_BYTES_MAX: usize = 16_384;

impl Inner {
    pub fn get_attribute(&self, ino: Ino, name: &OsStr) -> Result<Vec<u8>> {
        let name = name.to_str().ok_or_else(none_such)?;
        if let Some(fact) = name.strip_prefix(PREFIX) {
            let facts = self.facts(ino)?;
            let found = facts.into_iter().find(|(key, _)| key == fact);
            return found.map(|(_, value)| value.into_bytes()).ok_or_else(none_such);
        }
        // Asked before every write: names that are never kept must not cost a look into the database.
        if !name.starts_with("user.") || hidden::is_hidden(ino) {
            return Err(none_such());
        }
        self.lock().tree.node(ino)?;
        self.store.attribute(ino, name)?.ok_or_else(none_such)
    }

    pub fn list_attributes(&self, ino: Ino) -> Result<Vec<String>> {
        if hidden::is_hidden(ino) {
            return Ok(Vec::new());
        }
        self.lock().tree.node(ino)?;
        self.store.attribute_names(ino)
    }

    pub async fn set_attribute(
        self: &Arc<Self>,
        ino: Ino,
        name: &OsStr,
        value: &[u8],
        create: bool,
        replace: bool,
    ) -> Result<()> {
        let name = self.changeable(ino, name)?;
        if name == DESCRIPTION {
            check_existence(self.description(ino)?.is_some(), create, replace)?;
            return self.set_description(ino, value).await;
        }
        if value.len() > VALUE_BYTES_MAX {
            return fail(ErrorKind::TooLarge, "an attribute's value is 64 KiB at most");
        }
        // Under the lock, so that nobody removes the node or sets the same meanwhile.
        let mut state = self.lock();
        if state.tree.is_orphan(ino) {
            return fail(ErrorKind::Stale, "the file was removed: nothing can be kept of it");
        }
        state.tree.node(ino)?;
        let names = self.store.attribute_names(ino)?;
        let exists = names.iter().any(|n| n == name);
        check_existence(exists, create, replace)?;
        let bytes = names.iter().map(|n| n.len() + 1).sum::<usize>() + name.len() + 1;
        if !exists && bytes > NAMES_BYTES_MAX {
            return fail(ErrorKind::DiskFull, "the file has too many attributes");
        }
        self.commit(&mut state);
        self.store.write(vec![Write::PutAttribute(ino, name.to_owned(), value.to_vec())]);
        Ok(())
    }

    pub async fn remove_attribute(self: &Arc<Self>, ino: Ino, name: &OsStr) -> Result<()> {
        let name = self.changeable(ino, name)?;
        if name == DESCRIPTION {
            self.description(ino)?.ok_or_else(none_such)?;
            return self.set_description(ino, b"").await;
        }
        self.store.attribute(ino, name)?.ok_or_else(none_such)?;
        self.store.write(vec![Write::RemoveAttribute(ino, name.to_owned())]);
        Ok(())
    }

    /// The name of an attribute that may be set. Only `user.` attributes are kept, and `user.collabfs.` are the
    /// service's, but for the description.
    fn changeable<'a>(&self, ino: Ino, name: &'a OsStr) -> Result<&'a str> {
        if hidden::is_hidden(ino) {
            return hidden::read_only();
        }
        self.check_writable()?;
        let Some(name) = name.to_str() else { return fail(ErrorKind::Invalid, "an attribute's name is UTF-8") };
        if name != DESCRIPTION && name.starts_with(PREFIX) {
            return fail(ErrorKind::Unsupported, format!("{name} is the service's own and cannot be set"));
        }
        match name.starts_with("user.") {
            true => Ok(name),
            false => fail(ErrorKind::AttributeNotKept, format!("{name}: only user attributes are kept")),
        }
    }

    fn description(&self, ino: Ino) -> Result<Option<String>> {
        let mut state = self.lock();
        let pending = state.changes.get(ino).and_then(|change| change.description.clone());
        let known = state.tree.node(ino)?.remote.as_ref().and_then(|remote| remote.description.clone());
        Ok(pending.or(known).filter(|text| !text.is_empty()))
    }

    /// The service's answer is the caller's. For what the service does not have yet there is none: the description
    /// follows the file.
    async fn set_description(self: &Arc<Self>, ino: Ino, value: &[u8]) -> Result<()> {
        let Ok(text) = std::str::from_utf8(value) else { return fail(ErrorKind::Invalid, "a description is UTF-8") };
        if text.len() > DESCRIPTION_BYTES_MAX {
            return fail(ErrorKind::TooLarge, "a description is 16 KiB at most");
        }
        let (before, durable) = self.note_description(ino, text)?;
        let Some(Remote { description: old, .. }) = before.remote else { return durable.wait().await };
        let answer = self.answered(ino).await;
        if answer.is_err() {
            let mut state = self.lock();
            state.changes.undescribe(ino);
            state.tree.update(ino, |n| n.remote.iter_mut().for_each(|r| r.description = old.clone()))?;
            self.commit(&mut state);
        }
        answer
    }

    /// Answers the node as it was.
    fn note_description(&self, ino: Ino, text: &str) -> Result<(Node, Durable)> {
        let mut state = self.lock();
        let before = state.tree.node(ino)?.clone();
        self.check_describable(&mut state, &before)?;
        let (known, place) = (state.base_of(ino)?, state.place_of(ino)?);
        state.changes.describe(ino, before.directory, known, place, text.to_owned());
        state.tree.update(ino, |n| n.remote.iter_mut().for_each(|r| r.description = Some(text.to_owned())))?;
        Ok((before, self.commit_durable(&mut state)))
    }

    fn check_describable(&self, state: &mut State, node: &Node) -> Result<()> {
        if state.is_local(node.ino)? || state.tree.is_orphan(node.ino) {
            return fail(ErrorKind::Unsupported, format!("{} is not on the service", node.name));
        }
        if node.remote.is_none() && !self.provider.capabilities().operations.has(Operation::Describe) {
            return fail(ErrorKind::Unsupported, "the service keeps no descriptions");
        }
        self.check_operation(node, Operation::Describe, "keep a description")
    }

    /// What is shown of the node, in the order of the README.
    pub fn facts(&self, ino: Ino) -> Result<Vec<(String, String)>> {
        if hidden::is_hidden(ino) {
            return self.hidden_facts(ino);
        }
        let state = self.state_words(ino)?;
        let description = self.description(ino)?;
        let mut facts = Vec::new();
        let mut add = |key: &str, value: Option<&str>| facts.extend(value.map(|v| (key.to_owned(), v.to_owned())));
        let mut guard = self.lock();
        let remote = guard.tree.node(ino)?.remote.as_ref();
        add("id", remote.map(|r| r.id.service_id()));
        add("revision", remote.and_then(|r| r.revision.as_ref()).map(|r| r.as_str()));
        add("state", Some(&state));
        add("description", description.as_deref());
        let Some(remote) = remote else { return Ok(facts) };
        add("url", remote.url.as_deref());
        add("author", remote.author.as_deref());
        add("mime", remote.mime.as_deref());
        add("reserved_by", remote.reserved_by.as_deref());
        for (key, value) in remote.attributes.iter() {
            add(key, Some(value));
        }
        Ok(facts)
    }

    /// Whether the service has everything that was done here.
    fn state_words(&self, ino: Ino) -> Result<String> {
        // What is written and not closed yet is in no journal.
        let open = self.handles().current(ino);
        let dirty = open.is_some_and(|file| file.lock().dirty);
        let mut state = self.lock();
        if let Some(change) = state.changes.get(ino) {
            return Ok(change_words(change));
        }
        if state.is_local(ino)? {
            let name = state.tree.node(ino)?.name.clone();
            let names = &self.local_names;
            let reason = names.reason(&name).or_else(|| names.reason_where_refused(&name));
            let reason = reason.unwrap_or("in a local directory");
            return Ok(format!("local: {reason}"));
        }
        Ok(if dirty { "pending" } else { "synced" }.to_owned())
    }
}

fn change_words(change: &Change) -> String {
    match &change.failure {
        Some(failure) if failure.needs_person => format!("failed: {}", failure.message),
        _ if change.in_flight => "uploading".to_owned(),
        // Tried in vain so far, perhaps: `collabfs status` says why.
        _ => "pending".to_owned(),
    }
}

/// What XATTR_CREATE and XATTR_REPLACE ask for.
fn check_existence(exists: bool, create: bool, replace: bool) -> Result<()> {
    match exists {
        true if create => fail(ErrorKind::Exists, "the attribute exists"),
        false if replace => Err(none_such()),
        _ => Ok(()),
    }
}

fn none_such() -> Error {
    Error::new(ErrorKind::NoAttribute, "no such attribute")
}
