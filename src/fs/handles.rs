//! Open files and directories.
//!
//! All handles of one file share one [`OpenFile`], so that what one writes another reads. It holds the content of one
//! revision, or a spool file from the first write on. When the service's content changes while nobody writes, later
//! opens get a new `OpenFile`; the handles that are open go on with the revision they began with.
//!
//! The kernel has one size and one set of pages for a file. They are those of the revision that was opened first, as
//! long as it is open; handles of a later one are read past the pages.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use lru::LruCache;

use crate::content::{Reader, SpoolFile};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::hidden::HiddenFile;
use crate::ids::{HandleId, Ino, RevisionId};
use crate::outbox::Base;

/// Files whose last seen content is remembered, to tell whether the kernel's pages are still right.
const SEEN_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

pub(super) enum Handle {
    File { file: Arc<OpenFile>, write: bool },
    Dir { ino: Ino, entries: Option<Arc<Vec<(String, Ino)>>> },
    Hidden(HiddenFile),
}

pub(super) struct Handles {
    open: HashMap<HandleId, Handle>,
    files: HashMap<Ino, Arc<OpenFile>>,
    /// Of each open file, whose content the kernel's size and pages are.
    paged: HashMap<Ino, Arc<OpenFile>>,
    /// What the kernel last got of each file.
    seen: LruCache<Ino, ContentTag>,
    last: u64,
}

/// Size of a revision that is open.
pub(super) struct HeldSize {
    pub revision: RevisionId,
    pub bytes: u64,
}

/// Tells contents of one file apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ContentTag {
    Revision(Option<RevisionId>, Option<u64>),
    Spool(String),
}

pub(super) struct OpenFile {
    pub ino: Ino,
    /// Held while the content is exchanged or made durable.
    pub turning: tokio::sync::Mutex<()>,
    state: Mutex<OpenState>,
}

pub(super) struct OpenState {
    pub body: Body,
    pub size: u64,
    /// There is content that no flush has put into the journal.
    pub dirty: bool,
    /// New or emptied, and not written since.
    pub unsettled: bool,
    /// The spool file is in the journal and may be on its way: it must not be changed any more.
    pub frozen: bool,
    pub writers: u32,
    pub handles: u32,
    /// Time of the last write that is not in the node yet.
    pub modified: Option<SystemTime>,
    /// The revision that the content was made from.
    pub base: Option<RevisionId>,
    /// What the content is a copy of, byte for byte.
    pub copy_of: Option<Base>,
}

#[derive(Clone)]
pub(super) enum Body {
    Remote(Arc<Reader>),
    Local(Arc<SpoolFile>),
}

impl Default for Handles {
    fn default() -> Self {
        let (open, files, paged) = Default::default();
        Handles { open, files, paged, seen: LruCache::new(SEEN_MAX), last: 0 }
    }
}

impl Handles {
    pub fn add(&mut self, handle: Handle) -> HandleId {
        self.last += 1;
        let id = HandleId(self.last);
        self.open.insert(id, handle);
        id
    }

    pub fn get(&mut self, id: HandleId) -> Result<&mut Handle> {
        self.open.get_mut(&id).ok_or_else(|| Error::new(ErrorKind::Bug, "the handle is not open"))
    }

    /// The open file of a handle, and whether the handle may write.
    pub fn file(&mut self, id: HandleId) -> Result<(Arc<OpenFile>, bool)> {
        match self.get(id)? {
            Handle::File { file, write } => Ok((file.clone(), *write)),
            _ => Err(Error::new(ErrorKind::IsDirectory, "the handle is no file's")),
        }
    }

    pub fn remove(&mut self, id: HandleId) -> Option<Handle> {
        self.open.remove(&id)
    }

    /// The open file that later opens of the node join.
    pub fn current(&self, ino: Ino) -> Option<Arc<OpenFile>> {
        self.files.get(&ino).cloned()
    }

    /// Whether any revision of the file is open.
    pub fn is_open(&self, ino: Ino) -> bool {
        self.files.contains_key(&ino) || self.paged.contains_key(&ino)
    }

    pub fn set_current(&mut self, file: Arc<OpenFile>) {
        self.files.insert(file.ino, file);
    }

    pub fn remove_current(&mut self, file: &Arc<OpenFile>) {
        if self.files.get(&file.ino).is_some_and(|f| Arc::ptr_eq(f, file)) {
            self.files.remove(&file.ino);
        }
    }

    /// Whether the kernel may keep pages of this content: not while an earlier revision is open.
    pub fn take_pages(&mut self, file: &Arc<OpenFile>) -> bool {
        let other = self.paged.get(&file.ino).filter(|owner| !Arc::ptr_eq(owner, file));
        if other.is_some_and(|owner| owner.revision().is_some() && owner.revision() != file.revision()) {
            return false;
        }
        self.paged.insert(file.ino, file.clone());
        true
    }

    /// The last handle of this file is closed. The revision that the kernel's size and pages were of, if they were its.
    pub fn leave_pages(&mut self, file: &Arc<OpenFile>) -> Option<RevisionId> {
        let is_owner = self.paged.get(&file.ino).is_some_and(|owner| Arc::ptr_eq(owner, file));
        is_owner.then(|| self.paged.remove(&file.ino))??.revision()
    }

    /// The open revision that the kernel's pages are of, and its size: as long as it is open, that is the file's size.
    pub fn held(&self, ino: Ino) -> Option<HeldSize> {
        let owner = self.paged.get(&ino)?;
        Some(HeldSize { revision: owner.revision()?, bytes: owner.lock().size })
    }

    /// The same of all open files.
    pub fn all_held(&self) -> HashMap<Ino, HeldSize> {
        self.paged.keys().filter_map(|ino| Some((*ino, self.held(*ino)?))).collect()
    }

    /// Whether the kernel's pages of the file are of this content; from now on they are.
    pub fn saw(&mut self, ino: Ino, tag: ContentTag) -> bool {
        self.seen.put(ino, tag.clone()).is_some_and(|before| before == tag)
    }
}

impl OpenFile {
    pub fn new(ino: Ino, body: Body, size: u64, base: Option<RevisionId>) -> Arc<OpenFile> {
        let frozen = matches!(body, Body::Local(_));
        let state = OpenState {
            body,
            size,
            dirty: false,
            unsettled: false,
            frozen,
            writers: 0,
            handles: 0,
            modified: None,
            base,
            copy_of: None,
        };
        Arc::new(OpenFile { ino, turning: tokio::sync::Mutex::default(), state: Mutex::new(state) })
    }

    /// The revision of the service that is read; `None` for content on this machine.
    fn revision(&self) -> Option<RevisionId> {
        let state = self.lock();
        state.base.clone().filter(|_| matches!(state.body, Body::Remote(_)))
    }

    pub fn lock(&self) -> MutexGuard<'_, OpenState> {
        // Each change of the state is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl OpenState {
    /// The spool file, if it may be written to.
    pub fn writable_spool(&self) -> Option<Arc<SpoolFile>> {
        match &self.body {
            Body::Local(spool) if !self.frozen => Some(spool.clone()),
            _ => None,
        }
    }

    pub fn touch(&mut self) {
        self.dirty = true;
        self.unsettled = false;
        self.copy_of = None;
        self.modified = Some(SystemTime::now());
    }
}
