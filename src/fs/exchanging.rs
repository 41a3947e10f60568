//! Two names that change places.

use std::sync::Arc;

use crate::clock::Millis;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::securing::Secured;
use crate::fs::state::Inner;
use crate::ids::Ino;
use crate::outbox::Heir;
use crate::provider::Operation;
use crate::store::{Durable, Node};

impl Inner {
    /// Two documents swap their names; the histories stay with the names.
    pub(super) async fn exchange(self: &Arc<Self>, a: &Node, b: &Node) -> Result<()> {
        if a.directory || b.directory {
            return fail(ErrorKind::Invalid, "directories cannot be exchanged");
        }
        for node in [a, b] {
            self.check_operation(node, Operation::Revise, "replace the content")?;
        }
        let (of_a, of_b) = (self.secure(a).await?, self.secure(b).await?);
        let durable = self.swap((a.ino, of_a), (b.ino, of_b))?;
        self.wake.notify_one();
        durable.wait().await
    }

    fn swap(&self, a: (Ino, Secured), b: (Ino, Secured)) -> Result<Durable> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let (a_local, b_local) = (state.is_local(a.0)?, state.is_local(b.0)?);
        // Whoever stays here or goes on as the other's document has its content here.
        let drafts = (self.draft_of(state, a.0, &a.1)?, self.draft_of(state, b.0, &b.1)?);
        let (a, b) = (state.tree.node(a.0)?.clone(), state.tree.node(b.0)?.clone());
        let (place_a, place_b) = (state.place_of(a.ino)?, state.place_of(b.ino)?);
        if !(a_local && b_local) {
            let of_a = Heir { ino: a.ino, known: state.base_of(a.ino)?, draft: Some(drafts.0) };
            let of_b = Heir { ino: b.ino, known: state.base_of(b.ino)?, draft: Some(drafts.1) };
            state.changes.exchange((of_a, place_b), (of_b, place_a), self.rest_until());
        }
        if a_local != b_local {
            // The one that gets the local name stays here.
            let ghost = state.tree.new_ino();
            state.changes.leave(if a_local { b.ino } else { a.ino }, None, ghost, Millis(0));
        }
        let (a_remote, b_remote) = (a.remote.clone(), b.remote.clone());
        state.tree.swap(a.ino, b.ino)?;
        state.tree.update(a.ino, |n| n.remote = b_remote)?;
        state.tree.update(b.ino, |n| n.remote = a_remote)?;
        Ok(self.commit_durable(state))
    }
}
