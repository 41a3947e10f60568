//! Recognises a walk through the tree (`find`, `du`, an indexer) and lists the next directories ahead of it.

use std::sync::Arc;

use crate::fs::state::Inner;
use crate::ids::Ino;

/// Directories listed one after the other before a walk is assumed.
const WALK_STEPS: usize = 2;
/// Siblings looked at for each that is listed ahead: files lie between directories.
const LOOKED_AT_PER_LISTING: usize = 64;

/// The last directories that had to be listed for somebody, by their parent.
#[derive(Default)]
pub(super) struct Walk {
    parent: Option<Ino>,
    steps: usize,
}

impl Walk {
    /// A directory under `parent` had to be listed. Answers whether its siblings will be wanted too.
    fn step(&mut self, parent: Ino) -> bool {
        match self.parent == Some(parent) {
            true => self.steps += 1,
            false => *self = Walk { parent: Some(parent), steps: 1 },
        }
        self.steps >= WALK_STEPS
    }
}

impl Inner {
    /// A program had to wait for this directory's listing: its next siblings are listed meanwhile, as many at a time
    /// as the service likes.
    pub fn list_ahead(self: &Arc<Self>, dir: Ino) {
        let ahead = self.provider.capabilities().requests_parallel;
        let siblings = {
            let mut state = self.lock();
            let Ok(node) = state.tree.node(dir) else { return };
            let (parent, name) = (node.parent, node.name.clone());
            if dir == Ino::ROOT || !state.walk.step(parent) {
                return;
            }
            let Ok(next) = state.tree.dir(parent).map(|d| d.after(&name, ahead * LOOKED_AT_PER_LISTING)) else {
                return;
            };
            let unlisted = next.into_iter().filter(|ino| {
                let is_dir = state.tree.node(*ino).is_ok_and(|n| n.directory && n.remote.is_some());
                is_dir && state.tree.dir(*ino).is_ok_and(|d| d.listing.is_none())
            });
            unlisted.take(ahead).collect::<Vec<Ino>>()
        };
        for sibling in siblings {
            drop(self.list_shared(sibling));
        }
    }
}
