//! What came of a request, and what that leaves to do.

use crate::clock::Millis;
use crate::error::{Advice, Error, ErrorKind};
use crate::ids::{Ino, RemoteId};
use crate::names::made_way_in_vain;
use crate::outbox::change::backoff_ms;
use crate::outbox::{Base, Change, ChangeId, ChangeSet, Failure, Phase, Sent, Want};
use crate::provider::{Created, Revised, StagedAsset};

/// What came of one request for one change.
#[derive(Debug, Clone)]
pub enum Outcome {
    Staged {
        generation: u64,
        size: u64,
        asset: StagedAsset,
    },
    /// The file is on the service, made from the draft of `generation`.
    Attached {
        generation: u64,
        size: u64,
        container: RemoteId,
        name: String,
        created: Created,
    },
    Revised {
        generation: u64,
        size: u64,
        revised: Revised,
    },
    /// The content equals what the service has already.
    Unchanged {
        generation: u64,
    },
    Made {
        id: RemoteId,
        parent: RemoteId,
        name: String,
    },
    Relocated {
        parent: RemoteId,
        name: String,
    },
    Described,
    Deleted,
    /// What was sent before did not arrive: it may be sent again.
    NotDone,
    Failed(Error),
}

/// What the tree has to learn from an outcome.
#[derive(Debug, Clone)]
pub enum Effect {
    /// The node is bound to this now. `content`: the spool file whose bytes the service has from now on.
    Bound { ino: Ino, base: Base, content: Option<String> },
    /// The entry is gone on the service, as wanted.
    Removed { ino: Ino, id: Option<RemoteId> },
    /// The entry is not on the service any more, although it was not removed here.
    Vanished { ino: Ino },
    /// Somebody else made a new revision of it since ours was begun.
    Conflict { ino: Ino },
    /// It was removed here, but cannot be removed there, or is not what was removed any more: it stands.
    Stands { base: Base, error: Error },
    /// Nothing of it is left to do.
    Done { ino: Ino },
    /// It stays undone for now; the error says why.
    Stays { ino: Ino, error: Error },
}

/// Added to the pause before bytes are sent anew with every time that the service had forgotten them.
const RESTAGE_PAUSE_MS: u64 = 5_000;

impl ChangeSet {
    /// A request for the change goes out. What must not be repeated blindly is noted in its phase.
    pub fn begin(&mut self, id: ChangeId, sent: Option<Sent>) {
        let Some(ino) = self.ino_of.get(&id).copied() else { return };
        let change = self.change_mut(ino);
        change.in_flight = true;
        if let Some(sent) = sent {
            change.phase = Phase::Sending(sent);
        }
    }

    /// A request for the change ended.
    pub fn complete(&mut self, id: ChangeId, outcome: Outcome, now: Millis) -> Vec<Effect> {
        let Some(ino) = self.ino_of.get(&id).copied() else { return Vec::new() };
        let change = self.change_mut(ino);
        change.in_flight = false;
        let mut effects = match outcome {
            Outcome::Failed(error) => return self.failed(ino, error, now),
            other => self.succeeded(ino, other, now),
        };
        let change = self.change_mut(ino);
        change.attempts = 0;
        change.failure = None;
        if let Some(done) = self.drop_if_done(ino) {
            effects.push(done);
        }
        effects
    }

    fn succeeded(&mut self, ino: Ino, outcome: Outcome, now: Millis) -> Vec<Effect> {
        let change = self.change_mut(ino);
        let mut base = change.base.clone();
        let (mut content, mut made) = (None, None);
        match outcome {
            Outcome::Staged { generation, asset, .. } => {
                let expires = asset.expires.and_then(|t| t.duration_since(std::time::UNIX_EPOCH).ok());
                let expires = expires.map(|d| Millis(d.as_millis() as u64));
                change.phase = Phase::Staged { generation, token: asset.token, expires, since: now, name: asset.name };
                return Vec::new();
            }
            Outcome::NotDone => {
                change.phase = settled(&change.phase);
                return Vec::new();
            }
            Outcome::Described => change.description = None,
            Outcome::Unchanged { generation } => content = Some((generation, None)),
            Outcome::Attached { generation, size, container, name, created } => {
                let name = created.renamed.unwrap_or(name);
                base = Some(Base {
                    id: created.id,
                    parent: container,
                    name,
                    revision: created.revision,
                    size: Some(size),
                });
                content = Some((generation, None));
            }
            Outcome::Revised { generation, size, revised } => content = Some((generation, Some((size, revised)))),
            Outcome::Made { id, parent, name } => made = Some(Base { id, parent, name, revision: None, size: None }),
            Outcome::Relocated { parent, name } => base = base.map(|b| Base { parent, name, ..b }),
            Outcome::Deleted => base = None,
            Outcome::Failed(_) => {}
        }
        let sent = content.as_ref().and_then(|(generation, _)| change.spool_of(*generation));
        change.phase = Phase::Waiting;
        if let Some((generation, revised)) = &content {
            if change.draft.as_ref().is_some_and(|d| d.generation == *generation) {
                change.draft = None;
            }
            if let Some((size, revised)) = revised {
                let revision = revised.revision.clone();
                base = base.map(|b| Base { id: revised.id.clone(), revision, size: Some(*size), ..b });
            }
        }
        if let Some(made) = made {
            self.directory_made(ino, &made.id);
            base = Some(made);
        }
        let change = self.change_mut(ino);
        let gone = change.base.as_ref().filter(|_| base.is_none()).map(|b| b.id.clone());
        self.set_base(ino, base.clone());
        match base {
            Some(base) => vec![Effect::Bound { ino, base, content: sent }],
            None => vec![Effect::Removed { ino, id: gone }],
        }
    }

    fn failed(&mut self, ino: Ino, error: Error, now: Millis) -> Vec<Effect> {
        let change = self.change_mut(ino);
        let was = if error.is_unclear() { change.phase.clone() } else { settled(&change.phase) };
        let spoilt_asset =
            matches!(change.phase, Phase::Sending(Sent::Attach { .. })) && error.kind() == ErrorKind::Stale;
        let copied = matches!(&change.phase, Phase::Sending(Sent::Attach { draft, .. }) if draft.copy_of.is_some());
        change.phase = was;
        if copied && !error.is_temporary() && !error.is_unclear() && error.kind() != ErrorKind::Exists {
            // The service cannot, or not this one: then the bytes are sent.
            change.draft.iter_mut().for_each(|draft| draft.copy_of = None);
            return self.drop_if_done(ino).into_iter().collect();
        }
        use ErrorKind::{Conflict, Denied, NotEmpty, Unsupported};
        match (error.kind(), &change.want, change.base.is_some()) {
            (ErrorKind::NotFound, Want::Gone, _) => {
                change.phase = Phase::Waiting;
                let id = change.base.as_ref().map(|b| b.id.clone());
                self.set_base(ino, None);
                let done = self.drop_if_done(ino);
                return [Some(Effect::Removed { ino, id }), done].into_iter().flatten().collect();
            }
            (ErrorKind::NotFound, _, true) => {
                // Removed there meanwhile: unsent content comes back as a new file, a mere rename has no object.
                change.phase = Phase::Waiting;
                self.set_base(ino, None);
                if self.change_mut(ino).draft.is_none() {
                    self.take(ino);
                }
                return vec![Effect::Vanished { ino }];
            }
            (Conflict | NotEmpty | Unsupported | Denied, Want::Gone, true) => {
                let base = self.take(ino).and_then(|change| change.base);
                return base.map(|base| Effect::Stands { base, error }).into_iter().collect();
            }
            (ErrorKind::Conflict, Want::Here(_), true) => return vec![Effect::Conflict { ino }],
            // Somebody else took the name meanwhile, or it was never free where case does not count.
            (ErrorKind::Exists, Want::Here(place), false) if !change.directory && !made_way_in_vain(&place.name) => {
                change.phase = Phase::Waiting;
                return vec![Effect::Conflict { ino }];
            }
            _ => {}
        }
        if spoilt_asset {
            // The bytes are sent anew; a service that forgets them again and again is given more and more time.
            change.phase = Phase::Waiting;
            change.not_before = Millis(now.0 + u64::from(change.attempts) * RESTAGE_PAUSE_MS);
            change.attempts = change.attempts.saturating_add(1);
            return Vec::new();
        }
        change.note_failure(&error, now);
        // A failed sending of what was removed meanwhile leaves nothing to do.
        vec![self.drop_if_done(ino).unwrap_or(Effect::Stays { ino, error })]
    }

    /// Forgets a change that asks for nothing any more.
    pub(super) fn drop_if_done(&mut self, ino: Ino) -> Option<Effect> {
        let change = self.changes.get(&ino)?;
        if change.in_flight || matches!(change.phase, Phase::Sending(_)) {
            return None;
        }
        let done = match (&change.base, &change.want) {
            (None, Want::Gone) => true,
            (Some(_), Want::Here(_)) => {
                change.draft.is_none() && change.description.is_none() && !change.is_displaced()
            }
            _ => false,
        };
        if !done {
            return None;
        }
        self.take(ino);
        Some(Effect::Done { ino })
    }

    /// The directory is on the service now: what shall lie in it can go there.
    fn directory_made(&mut self, dir: Ino, id: &RemoteId) {
        let waits = |c: &&mut Change| c.place().is_some_and(|p| p.parent == dir && p.parent_id.is_none());
        let mut inside = Vec::new();
        for change in self.changes.values_mut().filter(waits) {
            if let Want::Here(place) = &mut change.want {
                place.parent_id = Some(id.clone());
            }
            inside.push(change.ino);
        }
        inside.into_iter().for_each(|ino| self.touch(ino));
    }
}

/// The phase without what was clearly answered.
fn settled(phase: &Phase) -> Phase {
    match phase {
        // The deferred asset is still there in all likelihood; if not, it is sent anew.
        Phase::Sending(Sent::Attach { draft, token, name, .. }) if draft.copy_of.is_none() => {
            let (generation, token, name) = (draft.generation, token.clone(), Some(name.clone()));
            Phase::Staged { generation, token, expires: None, since: Millis(0), name }
        }
        Phase::Sending(_) => Phase::Waiting,
        other => other.clone(),
    }
}

impl Change {
    fn note_failure(&mut self, error: &Error, now: Millis) {
        let needs_person = match error.advice() {
            Advice::Again | Advice::AgainAfter(_) => false,
            // Space is made by others too: worth another look now and then.
            Advice::TellUser => error.kind() != ErrorKind::Quota,
            Advice::Never => true,
        };
        self.not_before = Millis(now.0 + backoff_ms(self.attempts, error));
        self.attempts = self.attempts.saturating_add(1);
        let since = self.failure.as_ref().map_or(now, |f| f.since);
        let signed_out = error.kind() == ErrorKind::SignedOut;
        self.failure = Some(Failure { message: error.to_string(), since, needs_person, signed_out });
    }
}
