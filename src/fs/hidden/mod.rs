//! `.collabfs` at the root: reachable but never listed, so that what walks the tree (find, du, rsync, indexers) does
//! not walk in here.
//!
//! `status` is what `collabfs status` says. `history` mirrors the tree; a file in it is a directory with one
//! read-only file per revision. `trash` holds what the service lists of its trash. Everything is read-only.
//!
//! Inode numbers have the top bit, which nodes of the tree never have. A mirrored directory's number is made of its
//! node's, so that nothing has to be remembered for it. The number of a revision or a trashed entry is a hash of its
//! identity; what it stands for is remembered for a while only, and looked up again by its name after that.

mod answers;
mod history;
#[cfg(test)]
mod tests;
mod trash;

use std::ffi::OsStr;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use lru::LruCache;

use crate::clock::Clock;
use crate::config::MountOptions;
use crate::content::Reader;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::handles::Handle;
use crate::fs::state::Inner;
use crate::fs::types::{Attributes, Lookup, NodeKind, Opened};
use crate::ids::{Ino, RemoteId};
use crate::names::HIDDEN_NAME;
use crate::provider::EntryKind;
use answers::Answers;
use history::{HistoryKey, Revision};
use trash::Trashed;

/// Nodes of the tree are below 2^62 (tree/node.rs).
const FIRST: u64 = 1 << 63;
const MIRRORS: u64 = FIRST | 1 << 62;
const LEAVES: u64 = FIRST | 1 << 61;
const LEAF_BITS: u64 = (1 << 61) - 1;
const TOP: Ino = Ino(FIRST);
const STATUS: Ino = Ino(FIRST + 1);
const TRASH: Ino = Ino(FIRST + 2);
const HISTORY: Ino = mirror(Ino::ROOT);

/// Revisions and trashed entries that are remembered by number: about 8 MB.
const LEAVES_MAX: NonZeroUsize = NonZeroUsize::new(32_768).unwrap();
/// Entries of one hidden directory; so many always fit among the leaves while it is being read.
const ENTRIES_MAX: usize = 10_000;
/// Revisions in all histories that are kept for the ttl: about 8 MB.
const REVISIONS_KEPT_MAX: usize = 32_768;

const READ_ONLY: &str = "what is under .collabfs is read-only";

pub(super) fn is_hidden(ino: Ino) -> bool {
    ino.0 >= FIRST
}

/// Whether this name in this directory is `.collabfs`, or below it.
pub(super) fn is_hidden_name(parent: Ino, name: &OsStr) -> bool {
    is_hidden(parent) || (parent == Ino::ROOT && name == HIDDEN_NAME)
}

pub(super) fn read_only<T>() -> Result<T> {
    fail(ErrorKind::Unsupported, READ_ONLY)
}

const fn mirror(of: Ino) -> Ino {
    Ino(MIRRORS | of.0)
}

/// What a number stands for.
#[derive(Clone, Copy)]
enum Spot {
    Top,
    Status,
    Trash,
    /// The history of a node of the tree, be it a directory or a file.
    Mirror(Ino),
    Leaf,
}

impl Spot {
    fn of(ino: Ino) -> Result<Spot> {
        match ino {
            TOP => Ok(Spot::Top),
            STATUS => Ok(Spot::Status),
            TRASH => Ok(Spot::Trash),
            Ino(n) if n & MIRRORS == MIRRORS => Ok(Spot::Mirror(Ino(n & !MIRRORS))),
            Ino(n) if n & LEAVES == LEAVES => Ok(Spot::Leaf),
            _ => fail(ErrorKind::NotFound, "there is nothing of this number"),
        }
    }
}

/// A read-only file with content of the service.
#[derive(Clone)]
enum Leaf {
    Revision { file: Ino, id: RemoteId, revision: Arc<Revision> },
    Trashed(Arc<Trashed>),
}

impl Leaf {
    /// The same for the same content, whenever it is asked for.
    fn ino(&self) -> Ino {
        let mut hasher = DefaultHasher::new();
        match self {
            Leaf::Revision { id, revision, .. } => (id.as_str(), revision.version.revision.as_str()).hash(&mut hasher),
            Leaf::Trashed(trashed) => trashed.entry.id.as_str().hash(&mut hasher),
        }
        Ino(LEAVES | (hasher.finish() & LEAF_BITS))
    }
}

/// What is open of the hidden directory.
#[derive(Clone)]
pub(super) enum HiddenFile {
    /// Made when it was opened.
    Text(Bytes),
    Content(Arc<Reader>),
}

impl HiddenFile {
    pub async fn read(&self, offset: u64, size: u32) -> Result<Bytes> {
        match self {
            HiddenFile::Content(reader) => reader.read(offset, size as usize).await,
            HiddenFile::Text(text) => {
                let start = (offset.min(text.len() as u64)) as usize;
                Ok(text.slice(start..start.saturating_add(size as usize).min(text.len())))
            }
        }
    }
}

/// What the hidden directory remembers.
pub(super) struct Hidden {
    status: OnceLock<Box<dyn Fn() -> String + Send + Sync>>,
    leaves: Mutex<LruCache<Ino, Leaf>>,
    histories: Arc<Answers<HistoryKey, Revision>>,
    trash: Arc<Answers<u64, Trashed>>,
    mounted: SystemTime,
}

impl Hidden {
    pub fn new(clock: &Arc<dyn Clock>, options: &MountOptions) -> Hidden {
        Hidden {
            status: OnceLock::new(),
            leaves: Mutex::new(LruCache::new(LEAVES_MAX)),
            histories: Answers::new(clock.clone(), options, REVISIONS_KEPT_MAX),
            trash: Answers::new(clock.clone(), options, ENTRIES_MAX),
            mounted: clock.now().to_system_time(),
        }
    }

    pub fn set_status(&self, text: Box<dyn Fn() -> String + Send + Sync>) {
        let _ = self.status.set(text);
    }

    /// Remembers what the number stands for.
    fn note(&self, leaf: Leaf) -> Ino {
        let ino = leaf.ino();
        self.leaves.lock().unwrap_or_else(PoisonError::into_inner).put(ino, leaf);
        ino
    }

    fn leaf(&self, ino: Ino) -> Result<Leaf> {
        let known = self.leaves.lock().unwrap_or_else(PoisonError::into_inner).get(&ino).cloned();
        // ESTALE makes the kernel look the name up again.
        known.ok_or_else(|| Error::new(ErrorKind::Stale, "it was not looked at for long; look it up again"))
    }
}

impl Inner {
    pub async fn hidden_lookup(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<Lookup> {
        let Some(name) = name.to_str() else { return Ok(Lookup::Absent) };
        let found = match parent {
            Ino::ROOT => Some(TOP),
            _ => self.hidden_child(parent, name).await?,
        };
        Ok(match found {
            Some(ino) => Lookup::Found(self.hidden_attributes(ino)?),
            None => Lookup::Absent,
        })
    }

    async fn hidden_child(self: &Arc<Self>, parent: Ino, name: &str) -> Result<Option<Ino>> {
        let find = |names: Vec<(String, Ino)>| names.into_iter().find(|(n, _)| n == name).map(|(_, ino)| ino);
        match Spot::of(parent)? {
            Spot::Top => Ok(find(self.top_names())),
            Spot::Mirror(of) => self.history_child(of, name).await,
            Spot::Trash => self.trash_child(name).await,
            Spot::Status | Spot::Leaf => self.hidden_check_dir(parent).map(|()| None),
        }
    }

    /// Names and numbers of what is in a hidden directory. Nothing is fetched but the list itself.
    pub async fn hidden_names(self: &Arc<Self>, ino: Ino) -> Result<Vec<(String, Ino)>> {
        match Spot::of(ino)? {
            Spot::Top => Ok(self.top_names()),
            Spot::Mirror(of) => self.history_names(of).await,
            Spot::Trash => self.trash_names().await,
            Spot::Status | Spot::Leaf => self.hidden_check_dir(ino).map(|()| Vec::new()),
        }
    }

    /// Whether it can be listed. Answered without a request.
    pub fn hidden_check_dir(&self, ino: Ino) -> Result<()> {
        match Spot::of(ino)? {
            Spot::Top | Spot::Trash => Ok(()),
            Spot::Mirror(of) => self.mirror_attributes(of).map(drop),
            Spot::Status => not_a_directory(),
            Spot::Leaf => match self.hidden.leaf(ino)? {
                Leaf::Trashed(trashed) if trashed.entry.kind == EntryKind::Directory => {
                    fail(ErrorKind::Unsupported, "the service does not list what is in a folder in its trash")
                }
                _ => not_a_directory(),
            },
        }
    }

    fn top_names(&self) -> Vec<(String, Ino)> {
        let capabilities = self.provider.capabilities();
        let all = [("status", STATUS, true), ("history", HISTORY, capabilities.versions)];
        let all = all.into_iter().chain([("trash", TRASH, capabilities.trash_listed)]);
        all.filter(|(_, _, there)| *there).map(|(name, ino, _)| (name.to_owned(), ino)).collect()
    }

    pub fn hidden_attributes(&self, ino: Ino) -> Result<Attributes> {
        match Spot::of(ino)? {
            Spot::Top | Spot::Trash => Ok(self.hidden_dir(ino, self.hidden.mounted)),
            Spot::Status => Ok(self.hidden_file(ino, Some(self.status_text().len() as u64), Some(SystemTime::now()))),
            Spot::Mirror(of) => self.mirror_attributes(of),
            Spot::Leaf => Ok(match self.hidden.leaf(ino)? {
                Leaf::Revision { revision, .. } => {
                    self.hidden_file(ino, revision.version.size, revision.version.created)
                }
                Leaf::Trashed(trashed) => self.trashed_attributes(ino, &trashed.entry),
            }),
        }
    }

    fn hidden_dir(&self, ino: Ino, time: SystemTime) -> Attributes {
        let file = self.hidden_file(ino, None, Some(time));
        let mode = 0o555 & !(self.options.umask as u16);
        Attributes { kind: NodeKind::Directory, mode, nlink: 2, ..file }
    }

    fn hidden_file(&self, ino: Ino, size: Option<u64>, modified: Option<SystemTime>) -> Attributes {
        let time = modified.unwrap_or(UNIX_EPOCH);
        Attributes {
            ino,
            kind: NodeKind::File,
            size_bytes: size.unwrap_or(0),
            accessed: time,
            modified: time,
            changed: time,
            created: time,
            mode: 0o444 & !(self.options.umask as u16),
            uid: self.options.uid,
            gid: self.options.gid,
            nlink: 1,
        }
    }

    pub fn hidden_parent(&self, ino: Ino) -> Result<Ino> {
        match Spot::of(ino)? {
            Spot::Top => Ok(Ino::ROOT),
            Spot::Status | Spot::Trash | Spot::Mirror(Ino::ROOT) => Ok(TOP),
            Spot::Mirror(of) => Ok(mirror(self.lock().tree.node(of)?.parent)),
            Spot::Leaf => match self.hidden.leaf(ino)? {
                Leaf::Revision { file, .. } => Ok(mirror(file)),
                Leaf::Trashed(_) => Ok(TRASH),
            },
        }
    }

    pub fn hidden_open(&self, ino: Ino) -> Result<Opened> {
        match Spot::of(ino)? {
            Spot::Status => {
                let file = HiddenFile::Text(Bytes::from(self.status_text()));
                let handle = self.handles().add(Handle::Hidden(file));
                Ok(Opened { handle, keep_cache: false, backing: None, direct_io: true })
            }
            Spot::Leaf => match self.hidden.leaf(ino)? {
                Leaf::Revision { file, id, revision } => {
                    Ok(self.opened_content(self.open_revision(file, id, &revision)?, true))
                }
                Leaf::Trashed(trashed) => {
                    Ok(self.opened_content(self.open_trashed(&trashed.entry)?, trashed.entry.revision.is_some()))
                }
            },
            Spot::Top | Spot::Trash | Spot::Mirror(_) => fail(ErrorKind::IsDirectory, "it is a directory"),
        }
    }

    /// `immutable`: the number never stands for another content, so what the kernel has of it stays right.
    fn opened_content(&self, reader: Arc<Reader>, immutable: bool) -> Opened {
        let (backing, direct_io) = (reader.complete(), reader.size().is_none());
        let handle = self.handles().add(Handle::Hidden(HiddenFile::Content(reader)));
        Opened { handle, keep_cache: immutable && !direct_io, backing, direct_io }
    }

    /// Shown as `user.collabfs.KEY`.
    pub fn hidden_facts(&self, ino: Ino) -> Result<Vec<(String, String)>> {
        match Spot::of(ino)? {
            Spot::Mirror(of) => self.facts(of),
            Spot::Leaf => Ok(match self.hidden.leaf(ino)? {
                Leaf::Revision { id, revision, .. } => revision.facts(&id),
                Leaf::Trashed(trashed) => trashed.facts(),
            }),
            Spot::Top | Spot::Status | Spot::Trash => Ok(Vec::new()),
        }
    }

    fn status_text(&self) -> String {
        if let Some(text) = self.hidden.status.get() {
            return text();
        }
        let state = self.lock();
        let word = if state.online { "online" } else { "offline" };
        format!("{word}, {} changes to be sent\n", state.changes.len())
    }
}

fn not_a_directory<T>() -> Result<T> {
    fail(ErrorKind::NotDirectory, "it is a file")
}

/// Facts that are known, with their keys.
fn known(facts: &[(&str, Option<&str>)]) -> Vec<(String, String)> {
    facts.iter().filter_map(|(key, value)| Some(((*key).to_owned(), (*value)?.to_owned()))).collect()
}
