//! A node's content as a file of this machine, whatever becomes of the document it came from.

use std::sync::Arc;

use crate::content::SpoolFile;
use crate::error::Result;
use crate::fs::handles::Body;
use crate::fs::state::{Inner, State};
use crate::fs::writing::blocking;
use crate::ids::Ino;
use crate::outbox::Draft;
use crate::store::Node;

/// A node's content on this machine, held so that nobody removes it.
pub(super) struct Secured {
    pub spool: Arc<SpoolFile>,
    pub size: u64,
}

impl Inner {
    /// The node's content as a spool file, durable, whatever becomes of the document it came from.
    pub(super) async fn secure(self: &Arc<Self>, node: &Node) -> Result<Secured> {
        let open = self.handles().current(node.ino);
        if let Some(file) = open {
            self.settle(&file).await?;
        }
        let node = self.lock().tree.node(node.ino)?.clone();
        let (body, size) = self.content_of(&node)?;
        let (spool, size) = match body {
            Body::Local(spool) => (spool, size),
            remote => self.copy_of(remote, size).await?,
        };
        let synced = spool.clone();
        blocking(move || synced.sync()).await?;
        Ok(Secured { spool, size })
    }

    /// The secured content as what is to be sent; from now on it is the node's.
    pub(super) fn draft_of(&self, state: &mut State, ino: Ino, secured: &Secured) -> Result<Draft> {
        if let Some(draft) = state.changes.get(ino).and_then(|c| c.draft.clone()) {
            return Ok(draft);
        }
        let generation = state.changes.new_generation();
        let (spool, size) = (secured.spool.name().to_owned(), secured.size);
        self.spool.keep(&spool);
        state.journaled.remove(&spool);
        state.tree.update(ino, |n| {
            n.spool = Some(spool.clone());
            n.spool_bytes = size;
        })?;
        Ok(Draft { spool, size, generation, unsettled: false, copy_of: None })
    }
}
