//! For who shows to watching programs what others did: where a node is, and keeping current what is watched.

use std::time::Duration;

use crate::fs::listing::Need;
use crate::fs::{FileSystem, NodeKind};
use crate::ids::Ino;

impl FileSystem {
    /// For how long a listing is taken as fresh.
    pub fn freshness(&self) -> Duration {
        self.inner.options.ttl
    }

    /// Names below the root, joined by slashes; empty for the root.
    pub fn path_of(&self, ino: Ino) -> String {
        self.inner.lock().tree.path(ino)
    }

    /// Directory and name of a node that has one.
    pub fn place_of(&self, ino: Ino) -> Option<(Ino, String)> {
        let mut state = self.inner.lock();
        if ino == Ino::ROOT || state.tree.is_orphan(ino) {
            return None;
        }
        state.tree.node(ino).ok().map(|node| (node.parent, node.name.clone()))
    }

    /// What has this name in the directory, as far as is known without asking.
    pub fn kind_of_child(&self, dir: Ino, name: &str) -> Option<NodeKind> {
        let mut state = self.inner.lock();
        let child = state.tree.child(dir, name).ok()??;
        let directory = state.tree.node(child).ok()?.directory;
        Some(if directory { NodeKind::Directory } else { NodeKind::File })
    }

    /// Lists a directory (of a file, the one it is in) again if its listing is old. What was never listed is not.
    pub async fn keep_current(&self, ino: Ino) {
        let directory = self.inner.lock().tree.node(ino).ok().map(|n| if n.directory { n.ino } else { n.parent });
        let Some(dir) = directory else { return };
        if let Ok(Need::Behind | Need::Now { known: true }) = self.inner.listing_need(dir)
            && let Err(e) = self.inner.list_shared(dir).await
        {
            log::debug!("what is watched could not be listed: {e}");
        }
    }
}
