//! A rename that the service refuses: the program that waits for it gets the error, and all is as before; when nobody
//! waits any more, the document gets a name that it can have.

use crate::error::{Error, ErrorKind, Result};
use crate::fs::state::{Inner, State};
use crate::ids::Ino;
use crate::names::{made_way_in_vain, to_file_name};
use crate::store::Node;
use crate::tree::Invalidation;

impl Inner {
    /// The service refused: the node goes back to where it was, if that is still free.
    pub fn rename_back(&self, ino: Ino, undo: &Node) -> Result<()> {
        let mut state = self.lock();
        if ino != undo.ino || state.tree.is_orphan(ino) || state.tree.node(ino).is_err() {
            return Ok(());
        }
        let told = state.turn_back(ino, undo.parent, &undo.name)?;
        self.commit(&mut state);
        drop(state);
        self.tell_kernel(told.unwrap_or_default());
        Ok(())
    }

    /// The service refuses a rename, and nobody waits for the answer. It may be the name that a program gave the old
    /// content while it saved: when the new one did not come and the service cannot rename, it has its old name again.
    /// Or the name is somebody else's by now: then ours lies beside. Answers what changed if it was one of these.
    pub fn settle_rename(&self, state: &mut State, ino: Ino, error: &Error) -> Result<Option<Vec<Invalidation>>> {
        let displaced = state.changes.get(ino).filter(|change| change.is_displaced());
        let Some((id, base)) = displaced.and_then(|change| Some((change.id, change.base.clone()?))) else {
            return Ok(None);
        };
        if state.waiters.contains_key(&id) {
            return Ok(None);
        }
        let node = state.tree.node(ino)?.clone();
        match error.kind() {
            ErrorKind::Exists if !made_way_in_vain(&node.name) => self.rename_beside(state, &node).map(Some),
            ErrorKind::Unsupported if self.local_names.reason(&node.name).is_some() => {
                let Some(parent) = state.tree.node_of(&base.parent)? else { return Ok(None) };
                let old_name = to_file_name(&base.name);
                let told = format!("{}: the service cannot rename; it is {old_name} again", node.name);
                log::warn!("{told}");
                state.notices.undone(self.now(), told);
                state.turn_back(ino, parent, &old_name)
            }
            _ => Ok(None),
        }
    }

    /// A program gives the name up.
    pub fn vacate(&self, state: &mut State, parent: Ino, name: &str) {
        state.vacated.note(parent, name, self.now().plus(self.options.tunnel));
    }
}

impl State {
    /// A rename is undone. `None` when the old name is taken by now.
    fn turn_back(&mut self, ino: Ino, parent: Ino, name: &str) -> Result<Option<Vec<Invalidation>>> {
        if self.tree.child(parent, name)?.is_some() {
            return Ok(None);
        }
        self.changes.unrelocate(ino, parent);
        let node = self.tree.node(ino)?;
        let left = Invalidation::left(node);
        self.tree.rename(ino, parent, name)?;
        Ok(Some(vec![left, Invalidation::Entry { parent, name: name.to_owned() }]))
    }
}
