//! Names and attributes, directories read.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{ErrorKind, Result, fail};
use crate::fs::handles::{Handle, HeldSize};
use crate::fs::hidden;
use crate::fs::state::{Inner, State};
use crate::fs::types::{Attributes, DirEntry, Lookup, NodeKind, SetAttributes, SetTime};
use crate::ids::{HandleId, Ino};
use crate::names::NAME_BYTES_MAX;
use crate::provider::{Operation, Operations};
use crate::store::Node;

const DIRECTORY_MODE: u16 = 0o777;
const FILE_MODE: u16 = 0o666;

impl Inner {
    pub async fn lookup(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<Lookup> {
        if hidden::is_hidden_name(parent, name) {
            return self.hidden_lookup(parent, name).await;
        }
        // What is no Unicode cannot be on a service.
        let Some(name) = name.to_str() else { return Ok(Lookup::Absent) };
        if name.len() > NAME_BYTES_MAX {
            return fail(ErrorKind::NameTooLong, "a name has 255 bytes at most");
        }
        self.listed(parent).await?;
        if self.lock().tree.child(parent, name)?.is_none() {
            // What was made since an earlier process listed the directory must not be said to be missing.
            self.listed_by_this_process(parent).await;
        }
        let found = self.lock().tree.child(parent, name)?;
        match found {
            Some(ino) => {
                let held = self.handles().held(ino);
                Ok(Lookup::Found(self.attributes_for_kernel(&mut self.lock(), ino, held.as_ref())?))
            }
            None => Ok(Lookup::Absent),
        }
    }

    pub async fn attributes(self: &Arc<Self>, ino: Ino) -> Result<Attributes> {
        if hidden::is_hidden(ino) {
            return self.hidden_attributes(ino);
        }
        let parent = {
            let mut state = self.lock();
            let orphan = state.tree.is_orphan(ino);
            (ino != Ino::ROOT && !orphan).then_some(state.tree.node(ino)?.parent)
        };
        if let Some(parent) = parent {
            self.listed(parent).await?;
        }
        let open = self.open_size(ino);
        let held = self.handles().held(ino);
        let mut attributes = self.attributes_for_kernel(&mut self.lock(), ino, held.as_ref())?;
        if let Some((size, modified)) = open {
            attributes.size_bytes = size;
            if let Some(modified) = modified {
                (attributes.modified, attributes.changed) = (modified, modified);
            }
        }
        Ok(attributes)
    }

    /// Size and time of what is open and not in the journal yet: no answer may be older than a program's own write.
    fn open_size(&self, ino: Ino) -> Option<(u64, Option<SystemTime>)> {
        let file = self.handles().current(ino)?;
        // While it is put into the journal, the node does not have it yet.
        let turning = file.turning.try_lock().is_err();
        let open = file.lock();
        (open.dirty || turning).then_some((open.size, open.modified))
    }

    /// As [`Inner::attributes_of`], with the size that an open revision has.
    fn attributes_for_kernel(&self, state: &mut State, ino: Ino, held: Option<&HeldSize>) -> Result<Attributes> {
        let mut attributes = self.attributes_of(state, ino)?;
        let node = state.tree.node(ino)?;
        if let (Some(held), None, Some(remote)) = (held, &node.spool, &node.remote)
            && remote.revision.as_ref() != Some(&held.revision)
        {
            attributes.size_bytes = held.bytes;
        }
        Ok(attributes)
    }

    pub fn attributes_of(&self, state: &mut State, ino: Ino) -> Result<Attributes> {
        let removed = state.tree.is_orphan(ino);
        let node = state.tree.node(ino)?;
        Ok(self.attributes_of_node(node, removed))
    }

    fn attributes_of_node(&self, node: &Node, removed: bool) -> Attributes {
        let kind = if node.directory { NodeKind::Directory } else { NodeKind::File };
        Attributes {
            ino: node.ino,
            kind,
            size_bytes: if node.directory { 0 } else { node.size_bytes() },
            accessed: node.accessed(),
            modified: node.modified(),
            changed: node.changed(),
            created: node.created(),
            mode: self.mode(node),
            uid: node.local.uid.unwrap_or(self.options.uid),
            gid: node.local.gid.unwrap_or(self.options.gid),
            nlink: match (removed, node.directory) {
                (true, _) => 0,
                (false, true) => 2,
                (false, false) => 1,
            },
        }
    }

    /// What was set here; else what the account may do, through the umask.
    fn mode(&self, node: &Node) -> u16 {
        if let Some(mode) = node.local.mode {
            return mode;
        }
        let full = if node.directory { DIRECTORY_MODE } else { FILE_MODE } & !(self.options.umask as u16);
        let Some(remote) = &node.remote else { return full };
        let permits = Operations::from_bits(remote.permits);
        let change = if node.directory { Operation::CreateFile } else { Operation::Revise };
        let writable = permits.has(change) || (node.directory && permits.has(Operation::MakeDir));
        let writable = if writable { full } else { full & !0o222 };
        if node.directory || permits.has(Operation::Read) { writable } else { writable & !0o444 }
    }

    pub async fn set_attributes(
        self: &Arc<Self>,
        ino: Ino,
        handle: Option<HandleId>,
        set: SetAttributes,
    ) -> Result<Attributes> {
        if hidden::is_hidden(ino) {
            return hidden::read_only();
        }
        self.check_writable()?;
        if let Some(size) = set.size_bytes {
            self.resize(ino, handle, size).await?;
        }
        let touches_facts = set.mode.is_some() || set.uid.is_some() || set.gid.is_some();
        if touches_facts || set.accessed.is_some() || set.modified.is_some() {
            self.set_local(ino, &set)?;
        }
        self.attributes(ino).await
    }

    async fn resize(self: &Arc<Self>, ino: Ino, handle: Option<HandleId>, size: u64) -> Result<()> {
        if let Some(handle) = handle {
            let (file, _) = self.handles().file(handle)?;
            return self.truncate(&file, size).await;
        }
        // By path: like opening, truncating and closing it.
        let opened = self.open(ino, crate::fs::types::OpenMode { write: true, ..Default::default() }).await?;
        let (file, _) = self.handles().file(opened.handle)?;
        let result = match self.truncate(&file, size).await {
            Ok(()) => self.flush(opened.handle).await,
            Err(e) => Err(e),
        };
        self.release(opened.handle).await;
        result
    }

    /// Modes, owners and times are kept on this machine: no service of ours can hold them.
    fn set_local(&self, ino: Ino, set: &SetAttributes) -> Result<()> {
        let now = SystemTime::now();
        let time = |t: SetTime| match t {
            SetTime::Now => now,
            SetTime::At(at) => at,
        };
        if let (Some(modified), Some(file)) = (set.modified, self.handles().current(ino)) {
            // A time that is set after the last write is the one that stays.
            let mut open = file.lock();
            open.modified = Some(time(modified));
        }
        let mut state = self.lock();
        state.tree.update(ino, |node| {
            if let Some(mode) = set.mode {
                node.local.mode = Some((mode & 0o7777) as u16);
            }
            node.local.uid = set.uid.or(node.local.uid);
            node.local.gid = set.gid.or(node.local.gid);
            if let Some(accessed) = set.accessed {
                node.set_accessed(time(accessed));
            }
            if let Some(modified) = set.modified {
                node.set_modified(time(modified));
            }
            node.set_changed(now);
        })?;
        self.commit(&mut state);
        Ok(())
    }

    pub async fn open_dir(self: &Arc<Self>, ino: Ino) -> Result<HandleId> {
        match hidden::is_hidden(ino) {
            true => self.hidden_check_dir(ino)?,
            false => self.listed(ino).await?,
        }
        Ok(self.handles().add(Handle::Dir { ino, entries: None }))
    }

    pub async fn read_dir(
        self: &Arc<Self>,
        handle: HandleId,
        offset: u64,
        entries_max: usize,
    ) -> Result<Vec<DirEntry>> {
        let (ino, known) = match self.handles().get(handle)? {
            Handle::Dir { ino, entries } => (*ino, entries.clone().filter(|_| offset > 0)),
            _ => return fail(ErrorKind::NotDirectory, "the handle is no directory's"),
        };
        let entries = match known {
            Some(entries) => entries,
            None => self.snapshot_names(handle, ino).await?,
        };
        let rest = entries.iter().enumerate().skip(offset as usize);
        let entry = |i: usize, name: &String, attributes: Attributes| DirEntry {
            name: name.clone(),
            attributes,
            next_offset: i as u64 + 1,
        };
        // What was removed since the snapshot is left out, its place in the order stays.
        if hidden::is_hidden(ino) {
            let found = rest.filter_map(|(i, (name, ino))| Some(entry(i, name, self.hidden_attributes(*ino).ok()?)));
            return Ok(found.take(entries_max).collect());
        }
        let held = self.handles().all_held();
        let mut state = self.lock();
        let mut attributes = |ino| self.attributes_for_kernel(&mut state, ino, held.get(&ino)).ok();
        let found = rest.filter_map(|(i, (name, ino))| Some(entry(i, name, attributes(*ino)?)));
        Ok(found.take(entries_max).collect())
    }

    async fn snapshot_names(self: &Arc<Self>, handle: HandleId, ino: Ino) -> Result<Arc<Vec<(String, Ino)>>> {
        let names: Vec<(String, Ino)> = if hidden::is_hidden(ino) {
            self.hidden_names(ino).await?
        } else {
            self.listed(ino).await?;
            let mut state = self.lock();
            state.tree.dir(ino)?.names.iter().map(|(name, ino)| (name.to_string(), *ino)).collect()
        };
        let names = Arc::new(names);
        if let Handle::Dir { entries, .. } = self.handles().get(handle)? {
            *entries = Some(names.clone());
        }
        Ok(names)
    }
}
