//! Folding: what programs do becomes what a person would say was done.
//!
//! A change is not a step but a difference (what the service has, what is wanted), so most folding needs no rule at
//! all: three saves leave one draft, created and deleted leaves nothing, two renames leave the last name. The rules
//! that are here move an *identity*: [`ChangeSet::take_over`] when a new file is renamed over a document,
//! [`ChangeSet::inherit`] when a document was renamed away and its name is written anew.

use std::collections::{HashMap, HashSet};

use crate::clock::Millis;
use crate::ids::{Ino, RemoteId};
use crate::outbox::index::Index;
use crate::outbox::{Base, Change, ChangeId, Draft, Phase, Place, Sent, Want};
use crate::store::{ChangeRow, Write};

/// A document that was renamed away: a new file of its old name is its next revision.
#[derive(Debug, Clone, PartialEq)]
struct Tunnel {
    parent: Ino,
    /// The file name shown here.
    name: String,
    /// The service's name.
    remote_name: String,
    moved: Ino,
    until: Millis,
}

/// Documents renamed away within one tunnel time; more than these are forgotten, oldest first.
const TUNNELS_MAX: usize = 1024;

/// Every change that the service must still learn. At most one per node.
#[derive(Default)]
pub struct ChangeSet {
    pub(super) changes: HashMap<Ino, Change>,
    pub(super) ino_of: HashMap<ChangeId, Ino>,
    pub(super) by_remote: HashMap<RemoteId, Ino>,
    /// Nodes that programs have open for writing, with how many times: their content is not sent yet.
    writers: HashMap<Ino, u32>,
    /// Nodes that are about to be renamed or removed, with how many times: see [`ChangeSet::suspend`].
    pub(super) suspended: HashMap<Ino, u32>,
    tunnels: Vec<Tunnel>,
    /// Whose journal rows have to be written.
    touched: HashSet<Ino>,
    /// Whose part of the index has to be made anew.
    pub(super) unindexed: HashSet<Ino>,
    pub(super) index: Index,
    last_id: u64,
    last_generation: u64,
}

impl ChangeSet {
    /// Takes the journal back after a restart. `answered`: by then the service has done what it was asked before.
    pub fn restore(rows: Vec<Change>, answered: Millis) -> Restored {
        let mut restored = Restored::default();
        let set = &mut restored.set;
        for mut change in rows {
            let ino = change.ino;
            set.last_id = set.last_id.max(change.id.0);
            let sent = match &change.phase {
                Phase::Sending(Sent::Attach { draft, .. } | Sent::Revise { draft }) => draft.generation,
                Phase::Staged { generation, .. } => *generation,
                _ => 0,
            };
            if change.failure.as_ref().is_some_and(|failure| failure.signed_out) {
                (change.failure, change.attempts, change.not_before) = (None, 0, Millis(0));
                set.touch(ino);
            }
            if matches!(change.phase, Phase::Sending(_)) {
                change.unanswered_until = answered;
            }
            let newest = change.draft.as_ref().map_or(0, |d| d.generation);
            set.last_generation = set.last_generation.max(newest).max(sent);
            if change.base.is_some() && change.draft.as_ref().is_some_and(|d| d.unsettled) {
                change.draft = None;
                set.touch(ino);
            }
            if change.is_unborn() && change.phase == Phase::Waiting {
                restored.unborn.push(ino);
                set.touch(ino);
                continue;
            }
            let interrupted = change.provisional && change.phase == Phase::Waiting;
            set.insert(change);
            if set.drop_if_done(ino).is_none() && interrupted {
                restored.interrupted.push(ino);
            }
        }
        restored
    }

    pub fn get(&self, ino: Ino) -> Option<&Change> {
        self.changes.get(&ino)
    }

    pub fn by_id(&self, id: ChangeId) -> Option<&Change> {
        self.changes.get(self.ino_of.get(&id)?)
    }

    /// The node that a pending change binds to this remote entry.
    pub fn node_of(&self, id: &RemoteId) -> Option<Ino> {
        self.by_remote.get(id).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = &Change> {
        self.changes.values()
    }

    pub fn len(&self) -> usize {
        self.changes.len()
    }

    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// A program opened the file for writing: nothing of it is sent until [`ChangeSet::release`].
    pub fn hold(&mut self, ino: Ino) {
        *self.writers.entry(ino).or_default() += 1;
        self.unindexed.insert(ino);
    }

    /// The last writer's file is settled: what is in it was meant.
    pub fn release(&mut self, ino: Ino) {
        let Some(count) = self.writers.get_mut(&ino) else { return };
        *count -= 1;
        if *count > 0 {
            return;
        }
        self.writers.remove(&ino);
        self.unindexed.insert(ino);
        if let Some(draft) = self.changes.get_mut(&ino).and_then(|c| c.draft.as_mut())
            && draft.unsettled
        {
            draft.unsettled = false;
            self.touch(ino);
        }
    }

    pub fn is_held(&self, ino: Ino) -> bool {
        self.writers.contains_key(&ino)
    }

    pub fn new_generation(&mut self) -> u64 {
        self.last_generation += 1;
        self.last_generation
    }

    /// A file or directory was made here.
    pub fn create(&mut self, ino: Ino, directory: bool, place: Place, rest_until: Millis) {
        let id = self.new_id();
        let change = Change { rest_until, ..Change::new(id, ino, directory, None, Want::Here(place)) };
        self.insert(change);
    }

    /// New content was accepted. `known`: what the service has, for a file without a change so far.
    pub fn content(&mut self, ino: Ino, known: Option<Base>, place: Place, draft: Draft, rest_until: Millis) {
        let change = self.entry(ino, false, known, place);
        change.draft = Some(draft);
        change.provisional = false;
        change.rest_until = rest_until;
        change.revive();
    }

    /// The file or directory was given another name or parent.
    pub fn relocate(&mut self, ino: Ino, directory: bool, known: Option<Base>, place: Place, rest_until: Millis) {
        let change = self.entry(ino, directory, known, place.clone());
        change.want = Want::Here(place);
        change.provisional = false;
        change.rest_until = rest_until;
        change.revive();
        // Renamed back before anything was sent: nothing is left to say.
        self.drop_if_done(ino);
    }

    /// What was just done to the node is the first step of a save in all likelihood: see [`Change::provisional`].
    pub fn await_successor(&mut self, ino: Ino) {
        if self.changes.get(&ino).is_some_and(|change| change.base.is_some()) {
            self.change_mut(ino).provisional = true;
        }
    }

    /// What was done so far is meant, whatever happens next.
    pub fn confirm_all(&mut self) {
        let unsure: Vec<Ino> = self.changes.values().filter(|c| c.provisional).map(|c| c.ino).collect();
        unsure.into_iter().for_each(|ino| self.change_mut(ino).provisional = false);
    }

    pub fn describe(&mut self, ino: Ino, directory: bool, known: Option<Base>, place: Place, text: String) {
        let change = self.entry(ino, directory, known, place);
        change.description = Some(text);
        change.revive();
    }

    /// The service refused a description.
    pub fn undescribe(&mut self, ino: Ino) {
        if self.changes.contains_key(&ino) {
            let change = self.change_mut(ino);
            change.description = None;
            change.revive();
            self.drop_if_done(ino);
        }
    }

    /// It was removed here. Nothing is left of what the service never had.
    pub fn remove(&mut self, ino: Ino, directory: bool, known: Option<Base>, rest_until: Millis) {
        let change = self.entry_wanting(ino, directory, known, Want::Gone);
        change.want = Want::Gone;
        change.provisional = false;
        change.draft = None;
        change.description = None;
        change.rest_until = rest_until;
        change.revive();
        self.drop_if_done(ino);
    }

    /// It stays on this machine from now on: what the service never had, it never learns.
    pub fn forget(&mut self, ino: Ino) -> Option<Change> {
        self.take(ino)
    }

    /// The node stays on this machine from now on; what the service has of it goes away under `ghost`'s node.
    pub fn leave(&mut self, ino: Ino, known: Option<Base>, ghost: Ino, rest_until: Millis) {
        let own = self.take(ino).or_else(|| Some(Change::new(self.new_id(), ino, false, Some(known?), Want::Gone)));
        if let Some(own) = own {
            self.insert(Change { rest_until, ..own.departing(ghost) });
            self.drop_if_done(ghost);
        }
    }

    /// The service refused a rename: the entry is wanted where it is.
    pub fn unrelocate(&mut self, ino: Ino, parent: Ino) {
        let Some(change) = self.changes.get_mut(&ino) else { return };
        if let (Some(base), Want::Here(place)) = (&change.base, &mut change.want) {
            *place = Place { parent, parent_id: Some(base.parent.clone()), name: base.name.clone() };
        }
        self.change_mut(ino).revive();
        self.drop_if_done(ino);
    }

    /// `winner` was renamed over `loser`: the document goes on under the winner's node, with the winner's content as
    /// its next revision, and what the service had of the winner under its own name goes away under `ghost`'s node.
    /// `draft`: the winner's content, needed whenever the loser is on the service.
    pub fn take_over(
        &mut self,
        winner: Heir,
        loser: (Ino, Option<Base>),
        ghost: Ino,
        place: Place,
        rest_until: Millis,
    ) {
        let own = self.take_or_known(&winner);
        if let Some(own) = own.filter(|c| c.base.is_some() || c.in_flight || matches!(c.phase, Phase::Sending(_))) {
            self.insert(own.departing(ghost));
        }
        self.close_tunnel(loser.0);
        let inherited = self.take(loser.0).or_else(|| {
            let base = loser.1?;
            Some(Change::new(self.new_id(), loser.0, false, Some(base), Want::Gone))
        });
        let change = inherited.unwrap_or_else(|| Change::new(self.new_id(), winner.ino, false, None, Want::Gone));
        self.succeed(change, winner.ino, winner.draft, place, rest_until);
    }

    /// Remembers that a document was renamed away from a place (`place.name`: the service's name; `name`: ours).
    pub fn open_tunnel(&mut self, place: &Place, name: &str, moved: Ino, until: Millis) {
        if self.tunnels.len() >= TUNNELS_MAX {
            self.tunnels.remove(0);
        }
        let (parent, name, remote_name) = (place.parent, name.to_owned(), place.name.clone());
        self.tunnels.retain(|t| !(t.parent == parent && t.name == name));
        // Renamed on and on: the first name is the document's.
        if self.tunnels.iter().any(|t| t.moved == moved) {
            return;
        }
        self.tunnels.push(Tunnel { parent, name, remote_name, moved, until });
    }

    /// The service's name that the document had before it was renamed away.
    pub fn tunnel_name(&self, moved: Ino) -> Option<&str> {
        self.tunnels.iter().find(|t| t.moved == moved).map(|t| t.remote_name.as_str())
    }

    /// The node of the document that had this name a moment ago and was renamed away.
    pub fn tunnel(&mut self, parent: Ino, name: &str, now: Millis) -> Option<Ino> {
        self.tunnels.retain(|t| t.until > now);
        self.tunnels.iter().find(|t| t.parent == parent && t.name == name).map(|t| t.moved)
    }

    pub fn close_tunnel(&mut self, moved: Ino) {
        self.tunnels.retain(|t| t.moved != moved);
    }

    /// The new file `heir` goes on as the document that `from` was; `from` is a copy on this machine from now on.
    pub fn inherit(&mut self, heir: Heir, from: (Ino, Option<Base>), ghost: Ino, place: Place, rest_until: Millis) {
        self.take_over(heir, from, ghost, place, rest_until);
    }

    /// Two documents swapped names: the histories stay with the names, the contents go along.
    pub fn exchange(&mut self, a: (Heir, Place), b: (Heir, Place), rest_until: Millis) {
        let (of_a, of_b) = (self.take_or_known(&a.0), self.take_or_known(&b.0));
        for (change, heir, place) in [(of_b, a.0, a.1), (of_a, b.0, b.1)] {
            let change = change.unwrap_or_else(|| Change::new(self.new_id(), heir.ino, false, None, Want::Gone));
            self.succeed(change, heir.ino, heir.draft, place, rest_until);
        }
    }

    fn take_or_known(&mut self, heir: &Heir) -> Option<Change> {
        self.take(heir.ino).or_else(|| {
            let base = heir.known.clone()?;
            Some(Change::new(self.new_id(), heir.ino, false, Some(base), Want::Gone))
        })
    }

    fn succeed(&mut self, change: Change, ino: Ino, draft: Option<Draft>, place: Place, rest_until: Millis) {
        let mut change = Change { ino, want: Want::Here(place), draft, provisional: false, rest_until, ..change };
        change.revive();
        self.insert(change);
        self.drop_if_done(ino);
    }

    /// The entry is not on the service any more although it was not removed here. Unsent content becomes a new file;
    /// a mere rename or removal is forgotten. Answers what the service had; `None` when a request of our own, whose
    /// answer will tell, may be what took it away.
    pub fn vanished(&mut self, ino: Ino) -> Option<Base> {
        let change = self.changes.get(&ino).filter(|_| self.may_vanish(ino))?;
        let base = change.base.clone()?;
        let keep = change.draft.is_some() && change.want != Want::Gone;
        self.set_base(ino, None);
        let change = self.change_mut(ino);
        change.phase = Phase::Waiting;
        change.hidden_like = Some(base.id.clone());
        if !keep {
            self.take(ino);
        }
        Some(base)
    }

    /// The content that goes up as a new file comes from this document.
    pub fn hide_like(&mut self, ino: Ino, document: Option<RemoteId>) {
        if document.is_some() && self.changes.contains_key(&ino) {
            self.change_mut(ino).hidden_like = document;
        }
    }

    /// Whether the node's change is about an entry, and no request of our own may be what takes it away.
    pub fn may_vanish(&self, ino: Ino) -> bool {
        let unclear = |c: &Change| c.in_flight || matches!(c.phase, Phase::Sending(_));
        self.changes.get(&ino).is_some_and(|change| change.base.is_some() && !unclear(change))
    }

    /// The document moved on without us: our content becomes a new file at `place`.
    pub fn detach(&mut self, ino: Ino, place: Place) {
        if self.changes.contains_key(&ino) {
            self.hide_like(ino, self.changes.get(&ino).and_then(|change| Some(change.base.as_ref()?.id.clone())));
            self.set_base(ino, None);
            let change = self.change_mut(ino);
            change.want = Want::Here(place);
            change.phase = Phase::Waiting;
            change.revive();
        }
    }

    /// Makes changes that failed due again, and answers how many.
    pub fn retry(&mut self, wanted: impl Fn(ChangeId) -> bool) -> u64 {
        let failed = self.changes.values().filter(|c| c.failure.is_some() && wanted(c.id));
        let failed: Vec<Ino> = failed.map(|c| c.ino).collect();
        failed.iter().for_each(|ino| self.change_mut(*ino).revive());
        failed.len() as u64
    }

    /// Names of entries that requests whose answers are not known may have made in this directory.
    pub fn being_made(&self, dir: &RemoteId) -> HashSet<String> {
        let made = |c: &Change| match &c.phase {
            Phase::Sending(Sent::Attach { container: into, name, .. } | Sent::MakeDir { parent: into, name, .. }) => {
                (into == dir).then(|| name.clone())
            }
            // Where a file is replaced, its next revision is another entry.
            Phase::Sending(Sent::Revise { .. }) => c.base.as_ref().filter(|b| b.parent == *dir).map(|b| b.name.clone()),
            _ => None,
        };
        self.changes.values().filter_map(made).collect()
    }

    /// Every journal row that changed since the last call.
    pub fn take_writes(&mut self) -> Vec<Write> {
        let touched = std::mem::take(&mut self.touched);
        touched.into_iter().map(|ino| self.changes.get(&ino).map_or(Write::RemoveChange(ino), row)).collect()
    }

    fn entry(&mut self, ino: Ino, directory: bool, known: Option<Base>, place: Place) -> &mut Change {
        self.entry_wanting(ino, directory, known, Want::Here(place))
    }

    /// The node's change; a new one, which asks for nothing but `want`, if it had none.
    fn entry_wanting(&mut self, ino: Ino, directory: bool, known: Option<Base>, want: Want) -> &mut Change {
        if !self.changes.contains_key(&ino) {
            let id = self.new_id();
            self.insert(Change::new(id, ino, directory, known, want));
        }
        self.change_mut(ino)
    }

    /// The change of a node that is known to have one; its row will be written.
    pub(super) fn change_mut(&mut self, ino: Ino) -> &mut Change {
        self.touch(ino);
        // Callers looked it up or inserted it just before.
        self.changes.get_mut(&ino).expect("the change is in the set")
    }

    /// The node's change is another one now, or gone.
    pub(super) fn touch(&mut self, ino: Ino) {
        self.touched.insert(ino);
        self.unindexed.insert(ino);
    }

    pub(super) fn insert(&mut self, change: Change) {
        if let Some(base) = &change.base {
            self.by_remote.insert(base.id.clone(), change.ino);
        }
        self.ino_of.insert(change.id, change.ino);
        self.touch(change.ino);
        self.changes.insert(change.ino, change);
    }

    pub(super) fn take(&mut self, ino: Ino) -> Option<Change> {
        let change = self.changes.remove(&ino)?;
        self.ino_of.remove(&change.id);
        if let Some(base) = &change.base {
            self.by_remote.remove(&base.id);
        }
        self.touch(ino);
        Some(change)
    }

    /// Binds the change to what the service has now.
    pub(super) fn set_base(&mut self, ino: Ino, base: Option<Base>) {
        let change = self.change_mut(ino);
        let old = std::mem::replace(&mut change.base, base.clone());
        if let Some(old) = old {
            self.by_remote.remove(&old.id);
        }
        if let Some(base) = base {
            self.by_remote.insert(base.id, ino);
        }
    }

    fn new_id(&mut self) -> ChangeId {
        self.last_id += 1;
        ChangeId(self.last_id)
    }
}

/// The journal after a restart.
#[derive(Default)]
pub struct Restored {
    pub set: ChangeSet,
    /// Files that were created and never closed: nobody was promised anything about them.
    pub unborn: Vec<Ino>,
    /// Documents that were removed or renamed away by a save which did not come to its end: they stand.
    pub interrupted: Vec<Ino>,
}

/// A node that takes over a document.
#[derive(Debug, Clone)]
pub struct Heir {
    pub ino: Ino,
    /// What the service has under the node's own identity.
    pub known: Option<Base>,
    /// The node's content.
    pub draft: Option<Draft>,
}

impl Change {
    /// What the service has of it goes away, under a node of its own.
    fn departing(self, ghost: Ino) -> Change {
        let (draft, description, failure) = (None, None, None);
        Change { ino: ghost, want: Want::Gone, draft, description, failure, provisional: false, ..self }
    }

    /// A person or program did something new with it: an old failure says nothing about the new try.
    pub(super) fn revive(&mut self) {
        self.failure = None;
        self.attempts = 0;
        self.not_before = Millis(0);
    }
}

fn row(change: &Change) -> Write {
    // A change is plain data: nothing in it can fail to become JSON.
    let data = serde_json::to_string(change).expect("a change has a JSON form");
    Write::PutChange(Box::new(ChangeRow { ino: change.ino, seq: change.id.0, data }))
}
