//! What to send next: due times, dependencies, batches.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::clock::Millis;
use crate::ids::{Ino, RemoteId};
use crate::outbox::{Change, ChangeId, ChangeSet, Phase, Sent, Want};
use crate::provider::Capabilities;

/// Longest time that a staged asset waits for others that are on their way to its container.
const GATHER_MAX: Duration = Duration::from_secs(3);
/// The same when nobody is known to come, or somebody waits: a program that copies many files needs a moment for the
/// next one, and nobody notices it.
const GATHER_BRIEFLY: Duration = Duration::from_millis(20);

/// One request to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send the bytes of a new file.
    Stage(ChangeId),
    /// Have the service itself make a new file out of one that it has.
    Copy(ChangeId),
    /// Turn deferred assets into files of one container.
    Attach {
        container: RemoteId,
        items: Vec<ChangeId>,
    },
    MakeDir(ChangeId),
    Relocate(ChangeId),
    Revise(ChangeId),
    Describe(ChangeId),
    Delete(ChangeId),
    /// Find out what became of something sent before.
    Confirm(ChangeId),
}

/// What can be sent now, and when to ask again if nothing else happens.
#[derive(Debug, Default)]
pub struct Plan {
    pub steps: Vec<Step>,
    pub wake_at: Option<Millis>,
}

/// Whose changes need not rest.
#[derive(Debug, Clone, Copy)]
pub struct Hurry<'a> {
    /// Everybody's: the outbox is being emptied.
    pub all: bool,
    /// Nodes that somebody waits for.
    pub nodes: &'a HashSet<Ino>,
}

impl ChangeSet {
    /// The node is about to be renamed or removed: until [`ChangeSet::resume`] nothing of it is sent, however urgent. What
    /// was sent is still found out.
    pub fn suspend(&mut self, ino: Ino) {
        *self.suspended.entry(ino).or_default() += 1;
    }

    pub fn resume(&mut self, ino: Ino) {
        let Some(count) = self.suspended.get_mut(&ino) else { return };
        *count -= 1;
        if *count == 0 {
            self.suspended.remove(&ino);
        }
    }

    /// Plans at most `steps_max` requests, attaching not counted. Looks only at what can be sent now: the time it takes
    /// does not grow with what rests, waits for others or is under way.
    pub fn plan(&mut self, now: Millis, capabilities: &Capabilities, steps_max: usize, hurry: Hurry) -> Plan {
        self.refresh_index();
        self.wake_up(now);
        let mut planner =
            Planner { set: self, capabilities, now, hurry, plan: Plan::default(), staged: HashMap::new() };
        planner.take_ready(steps_max);
        planner.attach_batches();
        planner.plan
    }
}

struct Planner<'a> {
    set: &'a ChangeSet,
    capabilities: &'a Capabilities,
    now: Millis,
    hurry: Hurry<'a>,
    plan: Plan,
    staged: HashMap<RemoteId, BTreeSet<ChangeId>>,
}

impl<'a> Planner<'a> {
    fn take_ready(&mut self, steps_max: usize) {
        let (set, index) = (self.set, &self.set.index);
        for id in &index.staged {
            self.consider(*id, steps_max);
        }
        // Who is waited for comes first.
        for ino in self.hurry.nodes {
            if let Some(change) = set.get(*ino).filter(|c| index.can_be_sent(c)) {
                self.consider_early(change.id, steps_max);
            }
        }
        let mut ready = index.ready.iter();
        while let Some(id) = ready.next().filter(|_| self.plan.steps.len() < steps_max) {
            self.consider(*id, steps_max);
        }
        if let Some((due_at, _)) = index.resting.first() {
            self.wake(*due_at);
        }
        if self.hurry.all {
            let mut early = index.resting.iter().map(|(_, id)| id).chain(&index.held);
            while let Some(id) = early.next().filter(|_| self.plan.steps.len() < steps_max) {
                self.consider_early(*id, steps_max);
            }
        }
    }

    /// It is wanted on the service although it rests, or is open for writing. What a program emptied and did not write
    /// yet is not meant for anybody.
    fn consider_early(&mut self, id: ChangeId, steps_max: usize) {
        let Some(change) = self.set.by_id(id) else { return };
        if change.earliest() > self.now {
            return self.wake(change.earliest());
        }
        let only_looks = matches!(change.phase, Phase::Sending(_));
        if only_looks || !change.draft.as_ref().is_some_and(|draft| draft.unsettled) {
            self.consider(id, steps_max);
        }
    }

    fn wake(&mut self, at: Millis) {
        self.plan.wake_at = Some(self.plan.wake_at.map_or(at, |earliest| earliest.min(at)));
    }

    fn consider(&mut self, id: ChangeId, steps_max: usize) {
        if let Some(change) = self.set.by_id(id)
            && !self.set.index.must_wait(self.set, self.capabilities, change)
        {
            self.choose(change, steps_max);
        }
    }

    fn choose(&mut self, change: &Change, steps_max: usize) {
        if let Phase::Sending(_) = change.phase {
            return self.push(Step::Confirm(change.id), steps_max);
        }
        if self.set.suspended.contains_key(&change.ino) {
            return;
        }
        match (&change.base, &change.want) {
            (None, Want::Gone) => {}
            (Some(_), Want::Gone) => self.push(Step::Delete(change.id), steps_max),
            (None, Want::Here(place)) => {
                let Some(container) = &place.parent_id else { return };
                if change.directory {
                    self.push(Step::MakeDir(change.id), steps_max);
                } else if is_staged(change, self.now) {
                    self.staged.entry(container.clone()).or_default().insert(change.id);
                } else if change.draft.as_ref().is_some_and(|draft| draft.copy_of.is_some()) {
                    self.push(Step::Copy(change.id), steps_max);
                } else {
                    self.push(Step::Stage(change.id), steps_max);
                }
            }
            (Some(_), Want::Here(place)) if change.is_displaced() => {
                if place.parent_id.is_some() {
                    self.push(Step::Relocate(change.id), steps_max);
                }
            }
            (Some(_), Want::Here(_)) if change.draft.is_some() => self.push(Step::Revise(change.id), steps_max),
            (Some(_), Want::Here(_)) => self.push(Step::Describe(change.id), steps_max),
        }
    }

    fn push(&mut self, step: Step, steps_max: usize) {
        if self.plan.steps.len() < steps_max && !self.plan.steps.contains(&step) {
            self.plan.steps.push(step);
        }
    }

    /// Staged assets of one container go together: when the batch is full, or when its oldest has waited long enough.
    fn attach_batches(&mut self) {
        let batch_max = self.capabilities.attach_batch_max.max(1);
        for (container, staged) in std::mem::take(&mut self.staged) {
            let staged: Vec<&Change> = staged.iter().filter_map(|id| self.set.by_id(*id)).collect();
            for batch in staged.chunks(batch_max) {
                let since = batch.iter().map(|c| staged_since(c)).min().unwrap_or_default();
                let due_at = since.plus(self.patience(&container, batch));
                if batch.len() == batch_max || due_at <= self.now {
                    let items = batch.iter().map(|c| c.id).collect();
                    self.plan.steps.push(Step::Attach { container: container.clone(), items });
                } else {
                    self.wake(due_at);
                }
            }
        }
    }

    /// How long a batch that is not full waits for company.
    fn patience(&self, container: &RemoteId, batch: &[&Change]) -> Duration {
        let company = self.set.index.is_expecting(container);
        let awaited = batch.iter().any(|c| self.hurry.nodes.contains(&c.ino));
        match (company, awaited) {
            (true, false) => GATHER_MAX,
            (true, true) | (false, false) => GATHER_BRIEFLY,
            (false, true) => Duration::ZERO,
        }
    }
}

/// Whether the asset of the newest content is on the service and still good.
fn is_staged(change: &Change, now: Millis) -> bool {
    let expired = |expires: &Option<Millis>| expires.is_some_and(|at| at <= now);
    matches!(&change.phase, Phase::Staged { expires, .. } if change.has_staged_draft() && !expired(expires))
}

fn staged_since(change: &Change) -> Millis {
    match &change.phase {
        Phase::Staged { since, .. } => *since,
        _ => Millis(0),
    }
}

impl Change {
    /// What is noted before the step's request goes out, for steps that must not be repeated blindly.
    pub fn note_of(&self, step: &Step, before: Vec<RemoteId>) -> Option<Sent> {
        let place = self.place();
        let parent = place.and_then(|p| p.parent_id.clone());
        match step {
            Step::Attach { container, .. } => {
                let Phase::Staged { generation, token, .. } = &self.phase else { return None };
                let name = place?.name.clone();
                let draft = self.draft.clone().filter(|d| d.generation == *generation)?;
                Some(Sent::Attach { draft, container: container.clone(), name, before, token: token.clone() })
            }
            Step::Copy(_) => {
                let (draft, name) = (self.draft.clone()?, place?.name.clone());
                Some(Sent::Attach { draft, container: parent?, name, before, token: None })
            }
            Step::MakeDir(_) => Some(Sent::MakeDir { parent: parent?, name: place?.name.clone(), before }),
            Step::Relocate(_) => Some(Sent::Relocate { parent: parent?, name: place?.name.clone() }),
            Step::Revise(_) => Some(Sent::Revise { draft: self.draft.clone()? }),
            _ => None,
        }
    }
}
