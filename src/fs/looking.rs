//! Looking at the service before or after something is sent: what became of a request whose answer is not known, and
//! whether a removal that had to wait still holds.

use std::collections::HashSet;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::delivery::{base, located};
use crate::fs::state::Inner;
use crate::ids::{Ino, RemoteId};
use crate::outbox::{Change, Draft, Outcome, Phase, Sent};
use crate::provider::confirm::{find_out, list_all};
use crate::provider::{Attempt, Confirmation, Content};

/// Entries of one name in one directory that are told apart.
const SAME_NAMED_MAX: usize = 64;

impl Inner {
    /// A removal that could not be sent for a while must not take what others did meanwhile along. Errors: `NotEmpty`;
    /// `Conflict` when there is a new revision.
    pub(super) async fn check_removal(&self, change: &Change) -> Result<()> {
        let base = base(change)?;
        if change.directory {
            return match list_all(&*self.provider, &base.id).await?.is_empty() {
                true => Ok(()),
                false => fail(ErrorKind::NotEmpty, "somebody else put something in meanwhile"),
            };
        }
        if base.revision.is_none() {
            return Ok(());
        }
        let there = self.provider.stat(&base.id).await?.revision;
        if there.is_none() || there == base.revision {
            return Ok(());
        }
        fail(ErrorKind::Conflict, "somebody else made a new revision meanwhile")
    }

    /// Finds out what became of something that was sent before.
    pub(super) async fn confirm(&self, change: &Change) -> Result<Outcome> {
        let Phase::Sending(sent) = &change.phase else { return Ok(Outcome::NotDone) };
        let found = self.find_ours(change.ino, self.attempt(change, sent)?).await?;
        Ok(match (found, sent) {
            (Confirmation::Created(created), Sent::Attach { draft, container, name, .. }) => Outcome::Attached {
                generation: draft.generation,
                size: draft.size,
                container: container.clone(),
                name: name.clone(),
                created,
            },
            (Confirmation::Revised(revised), Sent::Revise { draft }) => {
                Outcome::Revised { generation: draft.generation, size: draft.size, revised }
            }
            (Confirmation::MadeDir(entry), Sent::MakeDir { parent, .. }) => {
                Outcome::Made { id: entry.id, parent: parent.clone(), name: entry.name }
            }
            (Confirmation::Done, Sent::Relocate { parent, name }) => {
                Outcome::Relocated { parent: parent.clone(), name: name.clone() }
            }
            _ => Outcome::NotDone,
        })
    }

    /// What became of an attempt. What is known to be something else's, it did not make, though it bears the same name by
    /// now.
    async fn find_ours(&self, ino: Ino, mut attempt: Attempt) -> Result<Confirmation> {
        for _ in 0..SAME_NAMED_MAX {
            // Not being able to look leaves open what became of it.
            let found = find_out(&*self.provider, &attempt).await.map_err(Error::unclear)?;
            let id = match &found {
                Confirmation::Created(created) => &created.id,
                Confirmation::MadeDir(entry) => &entry.id,
                _ => return Ok(found),
            };
            let mut state = self.lock();
            let owner = match state.changes.node_of(id) {
                Some(owner) => Some(owner),
                None => state.tree.node_of(id)?,
            };
            if owner.is_none_or(|owner| owner == ino) {
                drop(state);
                return Ok(found);
            }
            attempt.exclude(id.clone());
        }
        fail(ErrorKind::Protocol, "too many entries of the same name to tell which is ours").map_err(Error::unclear)
    }

    fn attempt(&self, change: &Change, sent: &Sent) -> Result<Attempt> {
        // What was sent, which a newer draft may have overtaken.
        let content =
            |draft: &Draft| Ok::<_, Error>(Content::new(self.spool.get(&draft.spool)?.path().to_owned(), draft.size));
        let set = |ids: &Vec<RemoteId>| ids.iter().cloned().collect::<HashSet<_>>();
        Ok(match sent {
            Sent::Attach { draft, container, name, before, .. } => Attempt::Attach {
                container: container.clone(),
                name: name.clone(),
                content: content(draft)?,
                before: set(before),
            },
            Sent::Revise { draft } => Attempt::Revise {
                file: located(change)?,
                base: base(change)?.revision.clone(),
                content: content(draft)?,
            },
            Sent::MakeDir { parent, name, before } => {
                Attempt::MakeDir { parent: parent.clone(), name: name.clone(), before: set(before) }
            }
            Sent::Relocate { parent, name } => {
                Attempt::Relocate { entry: located(change)?, to_parent: parent.clone(), to_name: name.clone() }
            }
        })
    }
}
