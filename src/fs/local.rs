//! Files that stay on this machine: how many there are, and which of them nobody needs any more.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::error::Result;
use crate::fs::FileSystem;
use crate::fs::state::Inner;
use crate::names::document_of;
use crate::store::Node;

/// Looked at for a status, or for what has expired; more are counted as so many.
const FILES_MAX: usize = 10_000;
/// A lock, swap, autosave or backup file whose document is gone goes after this time.
const EXPIRY: Duration = Duration::from_secs(7 * 24 * 3600);
const LOOK_INTERVAL: Duration = Duration::from_secs(6 * 3600);

/// What stays on this machine.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalFiles {
    pub files: u64,
    pub bytes: u64,
    /// When the one was written that was not written for the longest time.
    pub oldest: Option<SystemTime>,
}

impl FileSystem {
    /// What stays on this machine. Asks the store.
    pub fn local_files(&self) -> Result<LocalFiles> {
        let files = self.inner.store.local_files(FILES_MAX)?;
        Ok(LocalFiles {
            files: files.len() as u64,
            bytes: files.iter().map(|node| node.spool_bytes).sum(),
            oldest: files.iter().map(Node::modified).min(),
        })
    }
}

impl Inner {
    /// Removes what has expired, now and then, until the process ends.
    pub async fn expire_local_files(self: Arc<Self>) {
        loop {
            if let Err(e) = self.expire_local_files_of(SystemTime::now()) {
                log::warn!("files that stay on this machine could not be looked through: {e}");
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// Removes those whose document is gone, which nobody has open, and which nobody wrote for a week. What belongs to no
    /// document (a desktop's own files) stays as long as its directory.
    pub fn expire_local_files_of(self: &Arc<Self>, now: SystemTime) -> Result<()> {
        for node in self.store.local_files(FILES_MAX)? {
            let Some(document) = document_of(&node.name) else { continue };
            let is_old = now.duration_since(node.modified()).is_ok_and(|age| age > EXPIRY);
            if !is_old || self.handles().current(node.ino).is_some() {
                continue;
            }
            let mut state = self.lock();
            if state.tree.child(node.parent, document)?.is_some() || !state.is_local(node.ino)? {
                continue;
            }
            log::info!("{} belonged to {document}, which is gone; it is removed from this machine", node.name);
            state.tree.remove(node.ino, false)?;
            self.commit(&mut state);
            drop(state);
            self.release_later(node.spool.into_iter().collect());
        }
        Ok(())
    }
}
