//! A service of a few lines, and the loop that sends what the outbox plans to it.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use collabfs::clock::{Clock, FakeClock, Millis};
use collabfs::error::{Error, ErrorKind};
use collabfs::ids::{Ino, RemoteId, RevisionId};
use collabfs::outbox::{Base, ChangeId, ChangeSet, Draft, Hurry, Outcome, Phase, Place, Sent, Step, Want};
use collabfs::provider::{Capabilities, Created, Operations, Revised, StagedAsset};

pub const ROOT: Ino = Ino(1);

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    Done,
    /// Refused for now; nothing happened, and that is known.
    Refused,
    /// Nothing happened, but that is not known.
    LostBefore,
    /// It happened, but that is not known.
    LostAfter,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Thing {
    pub name: String,
    pub revisions: Vec<String>,
}

pub struct Player {
    pub set: ChangeSet,
    pub clock: FakeClock,
    /// The service's things in its one directory.
    pub things: BTreeMap<u64, Thing>,
    staged: BTreeMap<u64, String>,
    last: u64,
    /// Calls that had an effect, in order.
    pub calls: Vec<String>,
}

impl Player {
    pub fn new() -> Player {
        Player {
            set: ChangeSet::default(),
            clock: FakeClock::starting_at(Millis(1_000_000)),
            things: BTreeMap::new(),
            staged: BTreeMap::new(),
            last: 0,
            calls: Vec::new(),
        }
    }

    pub fn place(&self, name: &str) -> Place {
        Place { parent: ROOT, parent_id: Some(root()), name: name.into() }
    }

    pub fn draft(&mut self, content: &str) -> Draft {
        let generation = self.set.new_generation();
        Draft { spool: content.into(), size: content.len() as u64, generation, unsettled: false, copy_of: None }
    }

    pub fn rest(&self) -> Millis {
        self.clock.now().plus(Duration::from_secs(1))
    }

    /// Puts a document there that the service has already; answers what is known of it.
    pub fn document(&mut self, name: &str, content: &str) -> Base {
        self.last += 1;
        self.things.insert(self.last, Thing { name: name.into(), revisions: vec![content.into()] });
        self.base(self.last).unwrap()
    }

    pub fn base(&self, id: u64) -> Option<Base> {
        let thing = self.things.get(&id)?;
        let revision = Some(RevisionId::new(thing.revisions.len()));
        let size = thing.revisions.last().map(|r| r.len() as u64);
        Some(Base { id: remote(id), parent: root(), name: thing.name.clone(), revision, size })
    }

    /// Sends what is due until nothing is left, letting time pass between. Answers the time it took.
    pub fn drain(&mut self, mut fate: impl FnMut() -> Fate) -> Duration {
        let begun = self.clock.now();
        for _ in 0..20_000 {
            if self.set.is_empty() {
                return self.clock.now().since(begun);
            }
            let nobody = HashSet::new();
            let hurry = Hurry { all: false, nodes: &nobody };
            let plan = self.set.plan(self.clock.now(), &capabilities(), 3, hurry);
            if plan.steps.is_empty() {
                let pause = plan.wake_at.map_or(Duration::from_secs(60), |at| at.since(self.clock.now()));
                self.clock.advance(pause.max(Duration::from_millis(1)));
            }
            for step in plan.steps {
                let fate = fate();
                self.perform(step, fate);
            }
        }
        panic!("never done: {:#?}", self.set.iter().collect::<Vec<_>>());
    }

    fn perform(&mut self, step: Step, fate: Fate) {
        let ids = match &step {
            Step::Attach { items, .. } => items.clone(),
            Step::Stage(id)
            | Step::Copy(id)
            | Step::MakeDir(id)
            | Step::Relocate(id)
            | Step::Revise(id)
            | Step::Describe(id)
            | Step::Delete(id)
            | Step::Confirm(id) => vec![*id],
        };
        for id in ids {
            let before = self.things.keys().map(|id| remote(*id)).collect();
            let note = self.set.by_id(id).and_then(|change| change.note_of(&step, before));
            self.set.begin(id, note);
            let outcome = match fate {
                // Looking that fails tells nothing about what was looked for.
                Fate::Refused if matches!(step, Step::Confirm(_)) => {
                    Outcome::Failed(Error::new(ErrorKind::Server, "refused").unclear())
                }
                Fate::Refused => Outcome::Failed(Error::new(ErrorKind::Server, "refused")),
                Fate::LostBefore => Outcome::Failed(Error::new(ErrorKind::Offline, "lost").unclear()),
                Fate::Done => self.take_effect(&step, id),
                Fate::LostAfter => {
                    self.take_effect(&step, id);
                    Outcome::Failed(Error::new(ErrorKind::Offline, "lost").unclear())
                }
            };
            self.set.complete(id, outcome, self.clock.now());
        }
    }

    fn take_effect(&mut self, step: &Step, id: ChangeId) -> Outcome {
        let change = self.set.by_id(id).unwrap().clone();
        let here = change.base.as_ref().map(|b| number(&b.id));
        match (step, &change.want) {
            (Step::Confirm(_), _) => self.look(&change.phase, here),
            (Step::Stage(_), _) => {
                let draft = change.draft.unwrap();
                self.last += 1;
                self.staged.insert(self.last, draft.spool);
                let asset = StagedAsset { token: Some(self.last.to_string()), expires: None, name: None };
                Outcome::Staged { generation: draft.generation, size: draft.size, asset }
            }
            (Step::Attach { .. }, _) => self.attach(&change.phase),
            (Step::Copy(_), _) => self.copy(&change.phase),
            (Step::Revise(_), _) => {
                let draft = change.draft.unwrap();
                let Some(thing) = self.things.get_mut(&here.unwrap()) else { return gone() };
                thing.revisions.push(draft.spool.clone());
                self.calls.push(format!("revise {}", thing.name));
                self.revised(draft.generation, here.unwrap())
            }
            (Step::Relocate(_), Want::Here(place)) => {
                let Some(thing) = self.things.get_mut(&here.unwrap()) else { return gone() };
                self.calls.push(format!("rename {} {}", thing.name, place.name));
                thing.name = place.name.clone();
                Outcome::Relocated { parent: root(), name: place.name.clone() }
            }
            (Step::Delete(_), _) => match self.things.remove(&here.unwrap()) {
                Some(thing) => {
                    self.calls.push(format!("delete {}", thing.name));
                    Outcome::Deleted
                }
                None => gone(),
            },
            other => panic!("not played: {other:?}"),
        }
    }

    fn attach(&mut self, phase: &Phase) -> Outcome {
        let Phase::Sending(Sent::Attach { draft, name, token, .. }) = phase else { panic!("attached without a note") };
        let token: u64 = token.as_ref().unwrap().parse().unwrap();
        let Some(content) = self.staged.remove(&token) else {
            return Outcome::Failed(Error::new(ErrorKind::Stale, "no such asset"));
        };
        self.last += 1;
        self.things.insert(self.last, Thing { name: name.clone(), revisions: vec![content] });
        self.calls.push(format!("create {name}"));
        self.attached(draft.generation, name, self.last)
    }

    fn copy(&mut self, phase: &Phase) -> Outcome {
        let Phase::Sending(Sent::Attach { draft, name, .. }) = phase else { panic!("copied without a note") };
        let source = draft.copy_of.as_ref().map(|base| number(&base.id));
        let Some(source) = source.and_then(|id| self.things.get(&id)) else {
            return Outcome::Failed(Error::new(ErrorKind::NotFound, "no such thing"));
        };
        let revisions = vec![source.revisions.last().unwrap().clone()];
        self.last += 1;
        self.things.insert(self.last, Thing { name: name.clone(), revisions });
        self.calls.push(format!("copy {name}"));
        self.attached(draft.generation, name, self.last)
    }

    fn attached(&self, generation: u64, name: &str, id: u64) -> Outcome {
        let created = Created { id: remote(id), revision: Some(RevisionId::new(1)), renamed: None, existed: false };
        Outcome::Attached { generation, size: 1, container: root(), name: name.into(), created }
    }

    fn revised(&self, generation: u64, id: u64) -> Outcome {
        let revision = Some(RevisionId::new(self.things[&id].revisions.len()));
        Outcome::Revised { generation, size: 1, revised: Revised { id: remote(id), revision } }
    }

    /// Finds out what became of a request, as `provider::confirm` does.
    fn look(&self, phase: &Phase, here: Option<u64>) -> Outcome {
        match phase {
            Phase::Sending(Sent::Attach { draft, name, before, .. }) => {
                let ours = |(id, thing): &(&u64, &Thing)| {
                    thing.name == *name && thing.revisions[0] == draft.spool && !before.contains(&remote(**id))
                };
                let found = self.things.iter().find(ours).map(|(id, _)| *id);
                found.map_or(Outcome::NotDone, |id| self.attached(draft.generation, name, id))
            }
            Phase::Sending(Sent::Revise { draft }) => match here.and_then(|id| self.things.get(&id)) {
                None => gone(),
                Some(thing) if thing.revisions.last() == Some(&draft.spool) => {
                    self.revised(draft.generation, here.unwrap())
                }
                Some(_) => Outcome::NotDone,
            },
            Phase::Sending(Sent::Relocate { name, .. }) => match here.and_then(|id| self.things.get(&id)) {
                Some(thing) if thing.name == *name => Outcome::Relocated { parent: root(), name: name.clone() },
                _ => Outcome::NotDone,
            },
            _ => Outcome::NotDone,
        }
    }

    /// Names and newest contents on the service.
    pub fn tree(&self) -> Vec<(String, String)> {
        let mut tree: Vec<_> =
            self.things.values().map(|t| (t.name.clone(), t.revisions.last().cloned().unwrap())).collect();
        tree.sort();
        tree
    }
}

fn gone() -> Outcome {
    Outcome::Failed(Error::new(ErrorKind::NotFound, "gone"))
}

pub fn root() -> RemoteId {
    RemoteId::new("dir", 0)
}

pub fn remote(id: u64) -> RemoteId {
    RemoteId::new("file", id)
}

fn number(id: &RemoteId) -> u64 {
    id.service_id().parse().unwrap()
}

pub fn capabilities() -> Capabilities {
    Capabilities {
        service: "played",
        operations: Operations::ALL,
        unproven: Operations::NONE,
        ranges: true,
        staged: true,
        attach_batch_max: 5,
        revises_in_place: true,
        conditional_revise: false,
        versions: true,
        changes: false,
        case_sensitive: true,
        duplicate_names: true,
        reservations: false,
        trash_listed: false,
        server_copy: false,
        file_bytes_max: None,
        name_bytes_max: 255,
        uploads_parallel: 3,
        requests_parallel: 4,
    }
}

/// A program made a file and closed it.
pub fn create(player: &mut Player, ino: Ino, name: &str, content: &str) {
    let (place, draft, rest) = (player.place(name), player.draft(content), player.rest());
    player.set.create(ino, false, place.clone(), rest);
    player.set.content(ino, None, place, draft, rest);
}
