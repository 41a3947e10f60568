//! What others did meanwhile to a document that is being worked on here: our content is kept, and theirs too.

use crate::clock::Millis;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::state::{Inner, State};
use crate::ids::Ino;
use crate::names::conflict_name;
use crate::outbox::Place;
use crate::store::Node;
use crate::tree::Invalidation;

impl Inner {
    /// The entry of a node with a change is not on the service any more. Unsent content becomes a new file, beside
    /// somebody else's that has the name by now; a mere rename or removal has lost its object.
    pub(super) fn outlived(&self, state: &mut State, ino: Ino) -> Result<Vec<Invalidation>> {
        // A request of our own may be what took it away.
        let Some(base) = state.changes.vanished(ino) else { return Ok(Vec::new()) };
        log::info!("{} was removed on the service meanwhile", base.name);
        if state.changes.get(ino).is_none() {
            state.tree.remove(ino, true)?;
            return Ok(Vec::new());
        }
        let node = state.tree.node(ino)?.clone();
        if state.tree.child(node.parent, &node.name)? != Some(ino) {
            return self.set_beside(state, ino);
        }
        state.tree.update(ino, |n| n.remote = None)?;
        Ok(Vec::new())
    }

    /// Somebody else's revision stays what it is; ours becomes a file beside it.
    pub(super) fn set_beside(&self, state: &mut State, ino: Ino) -> Result<Vec<Invalidation>> {
        let node = state.tree.node(ino)?.clone();
        let name = self.name_beside(state, &node)?;
        let path = state.tree.path(ino);
        log::warn!("{path}: somebody else's is there by now; both are kept, ours as {name}");
        let Place { parent, parent_id, .. } = state.place_of(ino)?;
        state.changes.detach(ino, Place { parent, parent_id, name: name.clone() });
        state.tree.rename(ino, node.parent, &name)?;
        state.tree.update(ino, |n| n.remote = None)?;
        Ok(vec![Invalidation::left(&node), Invalidation::Entry { parent: node.parent, name }])
    }

    /// A file that others removed has been written to through a handle that was open: it comes back as a new file, under
    /// its name if that is free.
    pub(super) fn bring_back(&self, state: &mut State, ino: Ino) -> Result<Invalidation> {
        let node = state.tree.node(ino)?.clone();
        let parent = state.tree.node(node.parent)?.ino;
        if state.tree.is_orphan(parent) {
            return fail(ErrorKind::Stale, "somebody else removed the directory on the service meanwhile");
        }
        let is_free = state.tree.child(parent, &node.name)?.is_none();
        let name = if is_free { node.name.clone() } else { self.name_beside(state, &node)? };
        log::warn!(
            "{}/{name} was removed on the service while it was written here; ours is kept",
            state.tree.path(parent)
        );
        state.tree.insert(Node { name: name.clone(), remote: None, ..node })?;
        Ok(Invalidation::Entry { parent, name })
    }

    /// A free name for what lies beside somebody else's of the same name.
    pub(super) fn name_beside(&self, state: &mut State, node: &Node) -> Result<String> {
        let user = state.user.clone().unwrap_or_else(|| self.options.uid.to_string());
        let now = jiff::Zoned::now();
        let mut name = conflict_name(&node.name, &now, &user);
        let mut number = 2;
        while state.tree.child(node.parent, &name)?.is_some() || state.vacated.holds(node.parent, &name, self.now()) {
            name = conflict_name(&node.name, &now, &format!("{user} {number}"));
            number += 1;
        }
        Ok(name)
    }

    /// The same for a document whose rename the service refuses because of its name.
    pub(super) fn rename_beside(&self, state: &mut State, node: &Node) -> Result<Vec<Invalidation>> {
        let name = self.name_beside(state, node)?;
        log::warn!("{}: somebody else's is there by now; both are kept, ours as {name}", state.tree.path(node.ino));
        self.relocate(state, node, node.parent, &name, Millis(0))?;
        Ok(vec![Invalidation::left(node), Invalidation::Entry { parent: node.parent, name }])
    }
}
