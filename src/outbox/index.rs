//! What planning needs to know of all changes, kept change by change: with a hundred thousand of them waiting, the next
//! request must not cost a look at each.
//!
//! Invariant: after [`ChangeSet::refresh_index`] the index is what [`Facts::of`] says of every change in the set.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;

use crate::clock::Millis;
use crate::ids::{Ino, RemoteId};
use crate::outbox::{Change, ChangeId, ChangeSet, Phase, Want};
use crate::provider::Capabilities;

/// Whether something can be sent for a change, as far as that does not depend on others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// Nothing to send, or not before something else happens to it.
    Idle,
    /// A program has it open for writing.
    Held,
    /// Can be sent from then on.
    From(Millis),
}

/// What one change contributes to the index.
#[derive(Debug, Clone, PartialEq)]
struct Facts {
    id: ChangeId,
    standing: Standing,
    /// Its bytes are on the service, to be attached.
    staged: bool,
    /// The container that its bytes will be attached to, when they are not there yet and will be soon.
    comes_to: Option<RemoteId>,
    /// The places on the service where its entry is, or may be, and will not stay; the names without case.
    leaves: Vec<(RemoteId, String)>,
    /// The directories that its entry is in, or may be, and will leave.
    departs: Vec<RemoteId>,
    spool_files: Vec<String>,
}

#[derive(Default)]
pub(super) struct Index {
    facts: HashMap<Ino, Facts>,
    /// What can be sent now, and is not staged.
    pub ready: BTreeSet<ChangeId>,
    /// What can be attached now.
    pub staged: BTreeSet<ChangeId>,
    pub resting: BTreeSet<(Millis, ChangeId)>,
    pub held: BTreeSet<ChangeId>,
    coming: Counts<RemoteId>,
    leaving: HashMap<(RemoteId, String), BTreeSet<ChangeId>>,
    departing: Counts<RemoteId>,
    spool_files: Counts<String>,
}

/// How many there are of each.
struct Counts<K>(HashMap<K, usize>);

impl<K> Default for Counts<K> {
    fn default() -> Counts<K> {
        Counts(HashMap::new())
    }
}

impl<K: Hash + Eq + Clone> Counts<K> {
    fn add(&mut self, key: &K) {
        *self.0.entry(key.clone()).or_default() += 1;
    }

    fn remove(&mut self, key: &K) {
        if let Some(count) = self.0.get_mut(key) {
            *count -= 1;
            if *count == 0 {
                self.0.remove(key);
            }
        }
    }

    fn has(&self, key: &K) -> bool {
        self.0.contains_key(key)
    }
}

impl Facts {
    fn of(change: &Change, held: bool) -> Facts {
        let wanted_dir = change.place().and_then(|place| place.parent_id.as_ref());
        let new_file = change.base.is_none() && !change.directory && change.draft.is_some();
        let comes = new_file && !held && change.failure.is_none() && !change.has_staged_draft();
        let copied = change.draft.as_ref().is_some_and(|draft| draft.copy_of.is_some());
        let comes = comes && !copied && !matches!(change.phase, Phase::Sending(_));
        Facts {
            id: change.id,
            standing: standing(change, held),
            staged: change.has_staged_draft(),
            comes_to: change.place().and_then(|p| p.parent_id.clone()).filter(|_| comes),
            leaves: change.left_places().map(|(dir, name)| (dir.clone(), name.to_lowercase())).collect(),
            departs: change.left_places().map(|(dir, _)| dir).filter(|dir| Some(*dir) != wanted_dir).cloned().collect(),
            spool_files: change.spool_files().map(str::to_owned).collect(),
        }
    }
}

fn standing(change: &Change, held: bool) -> Standing {
    let sending = matches!(change.phase, Phase::Sending(_));
    if change.in_flight || change.needs_person() || change.is_unborn() && change.phase == Phase::Waiting {
        return Standing::Idle;
    }
    // Its directory has to be made first; or there is nothing to do at all.
    let impossible = match &change.want {
        Want::Here(place) => place.parent_id.is_none() && (change.base.is_none() || change.is_displaced()),
        Want::Gone => change.base.is_none(),
    };
    match (impossible && !sending, held && change.want != Want::Gone) {
        (true, _) => Standing::Idle,
        (false, true) => Standing::Held,
        (false, false) => Standing::From(change.rest_until.max(change.earliest())),
    }
}

impl Index {
    fn add(&mut self, ino: Ino, facts: Facts) {
        match facts.standing {
            Standing::Idle => {}
            Standing::Held => drop(self.held.insert(facts.id)),
            Standing::From(due_at) => drop(self.resting.insert((due_at, facts.id))),
        }
        facts.comes_to.iter().for_each(|container| self.coming.add(container));
        facts.departs.iter().for_each(|dir| self.departing.add(dir));
        facts.spool_files.iter().for_each(|name| self.spool_files.add(name));
        for place in &facts.leaves {
            self.leaving.entry(place.clone()).or_default().insert(facts.id);
        }
        self.facts.insert(ino, facts);
    }

    fn remove(&mut self, ino: Ino) {
        let Some(facts) = self.facts.remove(&ino) else { return };
        self.ready.remove(&facts.id);
        self.staged.remove(&facts.id);
        self.held.remove(&facts.id);
        if let Standing::From(due_at) = facts.standing {
            self.resting.remove(&(due_at, facts.id));
        }
        facts.comes_to.iter().for_each(|container| self.coming.remove(container));
        facts.departs.iter().for_each(|dir| self.departing.remove(dir));
        facts.spool_files.iter().for_each(|name| self.spool_files.remove(name));
        for place in &facts.leaves {
            let Some(leaving) = self.leaving.get_mut(place) else { continue };
            leaving.remove(&facts.id);
            if leaving.is_empty() {
                self.leaving.remove(place);
            }
        }
    }

    /// What has rested long enough is ready. Time does not go back.
    fn wake_up(&mut self, now: Millis, mut is_staged: impl FnMut(ChangeId) -> bool) {
        while let Some((due_at, id)) = self.resting.first().copied().filter(|(due_at, _)| *due_at <= now) {
            self.resting.remove(&(due_at, id));
            if is_staged(id) {
                self.staged.insert(id)
            } else {
                self.ready.insert(id)
            };
        }
    }

    /// Whether it may be sent, sooner or later, without anything else happening to it.
    pub fn can_be_sent(&self, change: &Change) -> bool {
        self.facts.get(&change.ino).is_some_and(|facts| facts.standing != Standing::Idle)
    }

    /// Whether new files are on their way to this container.
    pub fn is_expecting(&self, container: &RemoteId) -> bool {
        self.coming.has(container)
    }

    /// Whether another change has to be sent before this one: names and directories have to be left first.
    pub fn must_wait(&self, set: &ChangeSet, capabilities: &Capabilities, change: &Change) -> bool {
        if let (Want::Gone, Some(base)) = (&change.want, &change.base) {
            return change.directory && self.departing.has(&base.id);
        }
        let wants_place = change.base.is_none() || change.is_displaced();
        // To find out what became of something needs nobody's place.
        let only_looks = matches!(change.phase, Phase::Sending(_));
        if capabilities.duplicate_names || !wants_place || only_looks {
            return false;
        }
        let occupant = |c: &Change| self.occupant(set, capabilities, c);
        let Some(first) = occupant(change) else { return false };
        // A ring (a to b, b to c, c to a) would wait for ever: its oldest member goes first, over a spare name.
        let (mut next, mut oldest) = (Some(first), change.id);
        for _ in 0..set.len() {
            match next {
                Some(id) if id == change.id => return oldest != change.id,
                Some(id) => (oldest, next) = (oldest.min(id), set.by_id(id).and_then(occupant)),
                None => break,
            }
        }
        true
    }

    /// The change whose entry is about to leave the place that this one wants.
    fn occupant(&self, set: &ChangeSet, capabilities: &Capabilities, change: &Change) -> Option<ChangeId> {
        let place = change.place()?;
        let leaving = self.leaving.get(&(place.parent_id.clone()?, place.name.to_lowercase()))?;
        let in_the_way = |id: &&ChangeId| {
            let leaver = set.by_id(**id);
            let same_case = leaver.is_some_and(|c| c.left_places().any(|(_, name)| *name == place.name));
            **id != change.id && (same_case || !capabilities.case_sensitive)
        };
        leaving.iter().find(in_the_way).copied()
    }
}

impl ChangeSet {
    /// Takes in what happened to changes since the last call.
    pub(super) fn refresh_index(&mut self) {
        let stale = std::mem::take(&mut self.unindexed);
        // First all that was: a change may have gone from one node to another.
        for ino in &stale {
            self.index.remove(*ino);
        }
        for ino in stale {
            if let Some(change) = self.changes.get(&ino) {
                self.index.add(ino, Facts::of(change, self.is_held(ino)));
            }
        }
        debug_assert!(
            self.changes.iter().all(|(ino, c)| self.index.facts.get(ino) == Some(&Facts::of(c, self.is_held(*ino))))
                && self.index.facts.len() == self.changes.len(),
            "a change was changed and not indexed"
        );
        debug_assert!(
            self.by_remote.iter().all(|(id, ino)| {
                self.changes.get(ino).and_then(|change| change.base.as_ref()).is_some_and(|base| base.id == *id)
            }),
            "an entry is bound to a node whose change is about another one"
        );
    }

    /// What has rested long enough is ready from now on.
    pub(super) fn wake_up(&mut self, now: Millis) {
        let (ino_of, changes) = (&self.ino_of, &self.changes);
        let change = |id: ChangeId| changes.get(ino_of.get(&id)?);
        let mut meant = Vec::new();
        self.index.wake_up(now, |id| {
            meant.extend(change(id).filter(|c| c.provisional).map(|c| c.ino));
            change(id).is_some_and(Change::has_staged_draft)
        });
        for ino in meant {
            // Nothing that the index knows of it changes.
            self.change_mut(ino).provisional = false;
        }
    }

    /// Entries that the service still has, or may have, at this place, and that will not stay there.
    pub fn leaving(&mut self, parent: &RemoteId, name: &str) -> Vec<RemoteId> {
        self.refresh_index();
        let ids = self.index.leaving.get(&(parent.clone(), name.to_lowercase())).into_iter().flatten();
        let leavers = ids.filter_map(|id| self.by_id(*id));
        let there = leavers.filter(|c| c.left_places().any(|(dir, left)| dir == parent && left == name));
        there.filter_map(|c| Some(c.base.as_ref()?.id.clone())).collect()
    }

    /// Whether another change's entry still has this place on the service and is about to leave it; without case.
    pub fn occupies(&mut self, parent: &RemoteId, name: &str, except: ChangeId) -> bool {
        self.refresh_index();
        let leaving = self.index.leaving.get(&(parent.clone(), name.to_lowercase()));
        leaving.is_some_and(|ids| ids.iter().any(|id| *id != except))
    }

    /// Whether a change needs this spool file.
    pub fn uses_spool_file(&mut self, name: &str) -> bool {
        self.refresh_index();
        self.index.spool_files.has(&name.to_owned())
    }
}
