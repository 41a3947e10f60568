//! `.collabfs/history`: the tree once more, in which every file of the service is a directory with its revisions.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::SystemTime;

use jiff::Zoned;
use jiff::tz::TimeZone;

use super::answers::List;
use super::{ENTRIES_MAX, Leaf, known, mirror};
use crate::content::Reader;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::state::{Inner, State};
use crate::fs::types::{Attributes, NodeKind};
use crate::ids::{Ino, RemoteId, RevisionId};
use crate::names::{numbered, revision_name, split_extension};
use crate::provider::{Operation, Version};

/// Which history: a file's, as of its current revision, so that a new one shows at once. The extension is in the
/// names.
pub(super) type HistoryKey = (RemoteId, Option<RevisionId>, String);

/// One revision as a file.
pub(super) struct Revision {
    pub name: String,
    pub version: Version,
    /// The last one of its list.
    newest: bool,
}

impl Revision {
    pub fn facts(&self, id: &RemoteId) -> Vec<(String, String)> {
        let Version { revision, author, comment, .. } = &self.version;
        known(&[
            ("id", Some(id.service_id())),
            ("revision", Some(revision.as_str())),
            ("author", author.as_deref()),
            ("comment", comment.as_deref()),
        ])
    }
}

/// What the mirror of a node shows.
enum Mirrored {
    Directory,
    File(Document),
}

struct Document {
    id: RemoteId,
    revision: Option<RevisionId>,
    size: Option<u64>,
    /// The name it has here.
    name: String,
}

impl Inner {
    fn mirrored(&self, of: Ino) -> Result<Mirrored> {
        let mut state = self.lock();
        let node = state.tree.node(of)?;
        match &node.remote {
            Some(_) if node.directory => Ok(Mirrored::Directory),
            Some(remote) => Ok(Mirrored::File(Document {
                id: remote.id.clone(),
                revision: remote.revision.clone(),
                size: remote.size,
                name: node.name.clone(),
            })),
            None => fail(ErrorKind::NotFound, format!("{} is not on the service", node.name)),
        }
    }

    pub(super) fn mirror_attributes(&self, of: Ino) -> Result<Attributes> {
        self.mirrored(of)?;
        let mut state = self.lock();
        let shown = self.attributes_of(&mut state, of)?;
        let mode = 0o555 & !(self.options.umask as u16);
        Ok(Attributes { ino: mirror(of), kind: NodeKind::Directory, size_bytes: 0, mode, nlink: 2, ..shown })
    }

    pub(super) async fn history_child(self: &Arc<Self>, of: Ino, name: &str) -> Result<Option<Ino>> {
        match self.mirrored(of)? {
            Mirrored::Directory => {
                self.listed(of).await?;
                let mut state = self.lock();
                let child = state.tree.child(of, name)?;
                Ok(child.filter(|ino| state.is_on_service(*ino)).map(mirror))
            }
            Mirrored::File(document) => {
                let revisions = self.revisions(&document).await?;
                let found = revisions.iter().find(|revision| revision.name == name);
                Ok(found.map(|revision| self.note_revision(of, &document.id, revision)))
            }
        }
    }

    pub(super) async fn history_names(self: &Arc<Self>, of: Ino) -> Result<Vec<(String, Ino)>> {
        match self.mirrored(of)? {
            Mirrored::Directory => {
                self.listed(of).await?;
                let mut state = self.lock();
                let all: Vec<(String, Ino)> =
                    state.tree.dir(of)?.names.iter().map(|(name, ino)| (name.to_string(), *ino)).collect();
                let shown = all.into_iter().filter(|(_, ino)| state.is_on_service(*ino));
                Ok(shown.map(|(name, ino)| (name, mirror(ino))).collect())
            }
            Mirrored::File(document) => {
                let revisions = self.revisions(&document).await?;
                let named = |r: &Arc<Revision>| (r.name.clone(), self.note_revision(of, &document.id, r));
                Ok(revisions.iter().map(named).collect())
            }
        }
    }

    fn note_revision(&self, file: Ino, id: &RemoteId, revision: &Arc<Revision>) -> Ino {
        self.hidden.note(Leaf::Revision { file, id: id.clone(), revision: revision.clone() })
    }

    /// Oldest first.
    async fn revisions(&self, document: &Document) -> Result<List<Revision>> {
        let extension = split_extension(&document.name).1.to_owned();
        let (id, current) = (document.id.clone(), (document.revision.clone(), document.size));
        let key = (id.clone(), current.0.clone(), extension.clone());
        let provider = self.provider.clone();
        let ask = || async move {
            let versions = provider.versions(&id).await?;
            Ok(named(newest_of(versions, &id), current, &extension))
        };
        self.hidden.histories.get(key, ask).await
    }

    pub(super) fn open_revision(&self, file: Ino, id: RemoteId, revision: &Revision) -> Result<Arc<Reader>> {
        let node = self.lock().tree.node(file)?.clone();
        self.check_operation(&node, Operation::Read, "read")?;
        let listed = node.remote.as_ref().and_then(|remote| remote.revision.as_ref());
        let current = revision.newest && listed == Some(&revision.version.revision);
        Ok(self.revision_reader(id, &revision.version, current))
    }
}

impl State {
    fn is_on_service(&mut self, ino: Ino) -> bool {
        self.tree.node(ino).is_ok_and(|node| node.remote.is_some())
    }
}

/// As many as one directory shows.
fn newest_of(mut versions: Vec<Version>, id: &RemoteId) -> Vec<Version> {
    let surplus = versions.len().saturating_sub(ENTRIES_MAX);
    if surplus > 0 {
        log::warn!("{id} has {} revisions; its history shows the newest {ENTRIES_MAX}", versions.len());
        versions.drain(..surplus);
    }
    versions
}

/// Revisions as files. `current`: revision and size of the file itself, which tells what a history leaves out.
fn named(versions: Vec<Version>, current: (Option<RevisionId>, Option<u64>), extension: &str) -> Vec<Arc<Revision>> {
    let count = versions.len();
    let digits = versions.iter().map(|v| v.number).max().unwrap_or(0).to_string().len();
    let mut taken = HashSet::new();
    let all = versions.into_iter().enumerate().map(|(i, mut version)| {
        if version.size.is_none() && current.0.as_ref() == Some(&version.revision) {
            version.size = current.1;
        }
        let at = version.created.and_then(local_time);
        let plain = revision_name(version.number, digits, at.as_ref(), version.author.as_deref(), extension);
        // Numbers are unique unless the service errs.
        let mut name = plain.clone();
        let mut copies = 1;
        while !taken.insert(name.clone()) {
            copies += 1;
            name = numbered(&plain, copies);
        }
        Arc::new(Revision { name, version, newest: i + 1 == count })
    });
    all.collect()
}

/// As the clock on this machine's wall showed it.
fn local_time(at: SystemTime) -> Option<Zoned> {
    Some(jiff::Timestamp::try_from(at).ok()?.to_zoned(TimeZone::system()))
}
