//! Entries as nodes: numbers, times, facts.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::ids::{Ino, RemoteId};
use crate::provider::{Entry, EntryKind};
use crate::store::{Local, Node, Remote};

/// Numbers up to here are given in order to what is made here.
const LOCAL_MAX: u64 = u32::MAX as u64;

/// The inode number of an entry that was met in a listing: a hash of its id, so that it is the same after every
/// remount, wherever the entry was moved, even with a new database.
pub fn ino_of(id: &RemoteId) -> Ino {
    // The default hasher's keys are fixed: SipHash-1-3 with zeros.
    let mut hasher = DefaultHasher::new();
    id.as_str().hash(&mut hasher);
    // 62 bits: positive as SQLite's integer, with the top quarter left to the hidden directory.
    let hash = hasher.finish() & (u64::MAX >> 2);
    Ino(if hash <= LOCAL_MAX { hash + LOCAL_MAX + 1 } else { hash })
}

pub fn is_local_ino(ino: Ino) -> bool {
    ino.0 <= LOCAL_MAX
}

pub(super) fn nanos(time: SystemTime) -> i64 {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n),
    }
}

/// The service's facts about an entry of the directory `parent`.
pub fn remote_of(entry: &Entry, parent: &RemoteId) -> Remote {
    Remote {
        id: entry.id.clone(),
        parent: parent.clone(),
        name: entry.name.clone(),
        revision: entry.revision.clone(),
        size: entry.size,
        created_ns: entry.created.map(nanos),
        modified_ns: entry.modified.map(nanos),
        author: entry.author.clone(),
        description: entry.description.clone(),
        url: entry.url.clone(),
        mime: entry.mime.clone(),
        offers: entry.offers.bits(),
        permits: entry.permits.bits(),
        reserved_by: entry.reserved_by.clone(),
        attributes: entry.attributes.clone().into(),
        revision_awaited: false,
    }
}

pub(super) fn from_entry(entry: &Entry, ino: Ino, parent: Ino, parent_id: &RemoteId) -> Node {
    Node {
        ino,
        parent,
        name: String::new(),
        directory: entry.kind == EntryKind::Directory,
        remote: Some(remote_of(entry, parent_id)),
        local: Local::default(),
        spool: None,
        spool_bytes: 0,
    }
}

impl Node {
    /// When the content was changed, as programs shall see it.
    pub fn modified(&self) -> SystemTime {
        let remote = self.remote.as_ref().and_then(|r| r.modified_ns.or(r.created_ns));
        from_nanos(self.local.modified_ns.or(remote).unwrap_or(0))
    }

    pub fn changed(&self) -> SystemTime {
        self.local.changed_ns.map_or_else(|| self.modified(), from_nanos)
    }

    pub fn accessed(&self) -> SystemTime {
        self.local.accessed_ns.map_or_else(|| self.modified(), from_nanos)
    }

    pub fn created(&self) -> SystemTime {
        let remote = self.remote.as_ref().and_then(|r| r.created_ns);
        self.local.created_ns.or(remote).map_or_else(|| self.modified(), from_nanos)
    }

    /// The content was changed at this time, and with it the node.
    pub fn set_modified(&mut self, at: SystemTime) {
        self.local.modified_ns = Some(nanos(at));
        self.local.changed_ns = Some(nanos(at));
    }

    pub fn set_accessed(&mut self, at: SystemTime) {
        self.local.accessed_ns = Some(nanos(at));
    }

    /// The node's facts were changed at this time.
    pub fn set_changed(&mut self, at: SystemTime) {
        self.local.changed_ns = Some(nanos(at));
    }

    /// The node was made here at this time.
    pub fn set_created(&mut self, at: SystemTime) {
        self.local.created_ns = Some(nanos(at));
        self.set_accessed(at);
        self.set_modified(at);
    }

    /// Bytes of the current content; 0 while the service has not told them.
    pub fn size_bytes(&self) -> u64 {
        match (&self.spool, &self.remote) {
            (Some(_), _) => self.spool_bytes,
            (None, Some(remote)) => remote.size.unwrap_or(0),
            (None, None) => 0,
        }
    }
}

fn from_nanos(ns: i64) -> SystemTime {
    let magnitude = Duration::from_nanos(ns.unsigned_abs());
    if ns < 0 { UNIX_EPOCH - magnitude } else { UNIX_EPOCH + magnitude }
}
