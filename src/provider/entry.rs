//! What a listing tells about a thing in the remote tree.

use std::collections::BTreeMap;
use std::time::SystemTime;

use crate::ids::{RemoteId, RevisionId};
use crate::provider::Operations;

/// The service's own number of a revision, which is another one after a save.
pub const VERSION_FACT: &str = "version";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EntryKind {
    /// A project, folder, or a container that files hang on.
    Directory,
    File,
}

/// A thing in the remote tree: project, folder, file, or a container that files hang on.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    pub id: RemoteId,
    /// The name as the service has it: any text, not necessarily unique or usable as a file name.
    pub name: String,
    pub kind: EntryKind,
    /// Bytes of the content. `None` when the service does not tell before the first download.
    pub size: Option<u64>,
    /// Identifies the content. `None` for directories, and where the service tells nothing about it.
    pub revision: Option<RevisionId>,
    pub created: Option<SystemTime>,
    pub modified: Option<SystemTime>,
    pub author: Option<String>,
    pub description: Option<String>,
    /// Address of the entry on the service's web pages.
    pub url: Option<String>,
    pub mime: Option<String>,
    /// What the service offers for this entry. What is missing here ends in "not offered" (EPERM).
    pub offers: Operations,
    /// What this account may do with it. What is offered but missing here ends in "not allowed" (EACCES).
    pub permits: Operations,
    /// Somebody else holds a reservation on it.
    pub reserved_by: Option<String>,
    /// Further facts shown as `user.collabfs.KEY`; [`VERSION_FACT`] is one of the present revision alone.
    pub attributes: BTreeMap<String, String>,
}

impl Entry {
    /// A directory with nothing but id and name; every operation offered and permitted.
    pub fn directory(id: RemoteId, name: impl Into<String>) -> Entry {
        Entry::bare(id, name.into(), EntryKind::Directory)
    }

    /// A file with nothing but id, name and size; every operation offered and permitted.
    pub fn file(id: RemoteId, name: impl Into<String>, size: Option<u64>) -> Entry {
        Entry { size, ..Entry::bare(id, name.into(), EntryKind::File) }
    }

    fn bare(id: RemoteId, name: String, kind: EntryKind) -> Entry {
        Entry {
            id,
            name,
            kind,
            size: None,
            revision: None,
            created: None,
            modified: None,
            author: None,
            description: None,
            url: None,
            mime: None,
            offers: Operations::ALL,
            permits: Operations::ALL,
            reserved_by: None,
            attributes: BTreeMap::new(),
        }
    }
}

/// One content version of a file, as its history lists it.
#[derive(Debug, Clone, PartialEq)]
pub struct Version {
    pub revision: RevisionId,
    /// Counted from 1, oldest first.
    pub number: u64,
    pub size: Option<u64>,
    pub created: Option<SystemTime>,
    pub author: Option<String>,
    pub comment: Option<String>,
}
