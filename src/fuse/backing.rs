//! Passthrough: files that the kernel reads from the local disk by itself.
//!
//! The kernel binds passthrough to the *inode*: as long as one handle has it, every further open of that inode must
//! have it too, with the same backing file, or fails with EIO. A writer needs its own spool file, so it could not
//! open what somebody is reading. Hence passthrough is for read-only mounts; elsewhere the page cache is kept from
//! open to open, which is as fast on every read but the first.
//!
//! It needs CAP_SYS_ADMIN. The first refusal turns it off for this mount.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fuser::BackingId;

use crate::ids::Ino;

#[derive(Default)]
pub struct Backings {
    wanted: bool,
    refused: AtomicBool,
    open: Mutex<HashMap<Ino, OpenInode>>,
}

/// How the handles of one inode read. All the same way: the kernel accepts no mixture.
struct OpenInode {
    backing: Option<Arc<BackingId>>,
    handles: usize,
}

impl Backings {
    /// For a mount that shall have passthrough; the default is one without.
    pub fn wanted() -> Backings {
        Backings { wanted: true, ..Backings::default() }
    }

    /// Counts a handle, and tells what the kernel shall read it from. `register` is called at most once.
    pub fn opened(
        &self,
        ino: Ino,
        local: Option<&File>,
        register: impl FnOnce(&File) -> io::Result<BackingId>,
    ) -> Option<Arc<BackingId>> {
        if !self.wanted {
            return None;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inode) = open.get_mut(&ino) {
            inode.handles += 1;
            return inode.backing.clone();
        }
        let local = local.filter(|_| !self.refused.load(Ordering::Relaxed));
        let backing = local.and_then(|file| match register(file) {
            Ok(id) => Some(Arc::new(id)),
            Err(e) => {
                log::info!("the kernel does not read cached files by itself here: {e}");
                self.refused.store(true, Ordering::Relaxed);
                None
            }
        });
        open.insert(ino, OpenInode { backing: backing.clone(), handles: 1 });
        backing
    }

    pub fn released(&self, ino: Ino) {
        if !self.wanted {
            return;
        }
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(inode) = open.get_mut(&ino) {
            inode.handles -= 1;
            if inode.handles == 0 {
                open.remove(&ino);
            }
        }
    }
}
