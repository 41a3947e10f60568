//! What came of requests, taken into the tree: nodes bound, contents adopted, conflicts set beside, waiters answered.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::state::{Inner, State};
use crate::fs::writing::blocking;
use crate::ids::{Ino, RemoteId, RevisionId};
use crate::outbox::{Base, Change, ChangeId, Effect, Outcome};
use crate::provider::{Operations, VERSION_FACT};
use crate::store::{Facts, Node, Remote};
use crate::tree::Invalidation;

/// Spool files whose bytes the service has now, and that become cached revisions.
struct Adoption {
    id: RemoteId,
    revision: RevisionId,
    spool: String,
    size: u64,
}

/// What is done once the lock is given back.
#[derive(Default)]
struct After {
    invalidations: Vec<Invalidation>,
    released: Vec<String>,
    relist: Vec<Ino>,
}

/// Takes in the outcomes of one request, with the changes as they were when it went out.
pub(super) async fn take_in(inner: &Arc<Inner>, outcomes: Vec<(Change, Outcome)>) {
    // Before anybody can ask for the new revision: what was sent need not be fetched to be read.
    for (change, outcome) in &outcomes {
        if let Some(adoption) = adoption(change, outcome) {
            adopt(inner, adoption).await;
        }
    }
    let mut after = After::default();
    {
        let mut guard = inner.lock();
        let state = &mut *guard;
        let now = inner.now();
        for (change, outcome) in outcomes {
            let id = change.id;
            note_own(state, &change, &outcome);
            after.released.extend(change.spool_files().map(str::to_owned));
            note_link(state, &outcome);
            let kind = state.changes.by_id(id).map_or("", |c| c.kind());
            for effect in state.changes.complete(id, outcome, now) {
                let result = apply(inner, state, id, kind, effect, &mut after);
                if let Err(e) = result {
                    log::error!("an answer of the service could not be taken in: {e}");
                }
            }
        }
        inner.commit(state);
    }
    inner.tell_kernel(after.invalidations);
    inner.release_later(after.released);
    for dir in after.relist {
        drop(inner.list_shared(dir));
    }
}

fn adoption(change: &Change, outcome: &Outcome) -> Option<Adoption> {
    let draft = change.draft.as_ref()?;
    let (sent, id, revision) = match outcome {
        Outcome::Attached { generation, created, .. } => (*generation, &created.id, created.revision.clone()?),
        Outcome::Revised { generation, revised, .. } => (*generation, &revised.id, revised.revision.clone()?),
        _ => return None,
    };
    let (spool, size) = (draft.spool.clone(), draft.size);
    (sent == draft.generation).then(|| Adoption { id: id.clone(), revision, spool, size })
}

/// Our own revision takes the place of its base: what is open at the base goes on from ours.
fn note_own(state: &mut State, change: &Change, outcome: &Outcome) {
    let Outcome::Revised { revised, .. } = outcome else { return };
    let base = change.base.as_ref().and_then(|b| b.revision.clone());
    if let (Some(base), Some(own)) = (base, revised.revision.clone()) {
        state.own_successors.put(revised.id.clone(), base, own);
    }
}

/// Whether the service could be asked at all.
fn note_link(state: &mut State, outcome: &Outcome) {
    state.online = !matches!(outcome, Outcome::Failed(e) if e.is_offline());
    const SIGNED_OUT: &str = "signed-out";
    const FULL: &str = "full";
    match outcome {
        Outcome::Failed(e) if e.kind() == ErrorKind::SignedOut => {
            let notice = format!("the service refuses the credentials ({e}); renew them, then `collabfs outbox retry`");
            state.notices.stand(SIGNED_OUT, notice);
        }
        Outcome::Failed(e) if e.kind() == ErrorKind::Quota => {
            state.notices.stand(FULL, format!("the service has no space left ({e})"));
        }
        Outcome::Failed(_) => {}
        _ => state.notices.all_is_well(),
    }
}

fn apply(inner: &Inner, state: &mut State, id: ChangeId, kind: &str, effect: Effect, after: &mut After) -> Result<()> {
    match effect {
        Effect::Bound { ino, base, content } => bind(state, ino, base, content, after),
        Effect::Removed { ino, id } => {
            state.recent.changed(ino, id.as_ref());
            Ok(())
        }
        Effect::Vanished { ino } => {
            vanish(state, ino, after)?;
            if state.changes.get(ino).is_none() {
                answer(state, id, fail(ErrorKind::NotFound, "somebody else removed it on the service meanwhile"));
            }
            Ok(())
        }
        Effect::Conflict { ino } => set_beside(inner, state, ino, after),
        Effect::Stands { base, error } => {
            let told =
                format!("{}: was removed here, but cannot be removed on the service ({error}); it stays", base.name);
            log::warn!("{told}");
            if !state.waiters.contains_key(&id) {
                state.notices.undone(inner.now(), told);
            }
            answer(state, id, Err(error));
            if let Some(dir) = state.tree.node_of(&base.parent)? {
                state.tree.expire(dir)?;
                after.relist.push(dir);
            }
            Ok(())
        }
        Effect::Done { ino } => {
            state.hurried.remove(&ino);
            answer(state, id, Ok(()));
            Ok(())
        }
        Effect::Stays { ino, error } => {
            if let Some(told) = inner.settle_rename(state, ino, &error)? {
                after.invalidations.extend(told);
                return Ok(());
            }
            let awaited = state.waiters.contains_key(&id);
            report(state, ino, kind, &error, awaited);
            if !error.is_temporary() {
                state.hurried.remove(&ino);
            }
            answer(state, id, Err(error));
            Ok(())
        }
    }
}

fn answer(state: &mut State, id: ChangeId, result: Result<()>) {
    for waiter in state.waiters.remove(&id).unwrap_or_default() {
        // Whoever waited may have gone; the change is the same.
        let _ = waiter.send(result.clone());
    }
}

/// One line a person can act on, once per failure and not once per try.
fn report(state: &mut State, ino: Ino, kind: &str, error: &Error, awaited: bool) {
    let (place, base) = match state.changes.get(ino) {
        Some(change) => (change.place().cloned(), change.base.clone()),
        None => (None, None),
    };
    let path = match (place, base) {
        (Some(place), _) => format!("{}/{}", state.tree.path(place.parent), place.name),
        // Removed here: where the service has it.
        (None, Some(base)) => match state.tree.node_of(&base.parent) {
            Ok(Some(dir)) => format!("{}/{}", state.tree.path(dir), base.name),
            _ => base.name,
        },
        (None, None) => state.tree.path(ino),
    };
    match state.changes.get(ino).map(|c| (c.attempts, c.needs_person())) {
        // Whoever waits is told, and it is undone.
        Some((_, true)) if awaited => log::info!("{kind} {path}: {error}"),
        Some((_, true)) => log::warn!("{kind} {path}: {error}; kept, see `collabfs outbox`"),
        Some((attempts, false)) if attempts <= 1 => log::warn!("{kind} {path}: {error}; will be tried again"),
        _ => log::debug!("{kind} {path}: {error}"),
    }
}

fn bind(state: &mut State, ino: Ino, base: Base, content: Option<String>, after: &mut After) -> Result<()> {
    state.recent.changed(ino, Some(&base.id));
    // A removed node's request may still end: there is nothing to bind.
    let Ok(node) = state.tree.node(ino).cloned() else { return Ok(()) };
    if state.tree.is_orphan(ino) {
        return Ok(());
    }
    let mut remote = bound_to(&node, &base);
    let waits =
        state.changes.get(ino).and_then(|c| c.draft.as_ref()).is_some_and(|d| node.spool.as_ref() == Some(&d.spool));
    // The node may have other content by now, which has to stay.
    let sent = content.is_some() && node.spool == content && !waits;
    if sent {
        remote.revision_awaited = base.revision.is_none();
        after.released.extend(node.spool.clone());
    }
    state.tree.update(ino, |n| {
        n.remote = Some(remote);
        if sent {
            n.spool = None;
            n.spool_bytes = 0;
        }
    })
}

/// What the service told, on top of what was known of the entry.
pub(super) fn bound_to(node: &Node, base: &Base) -> Remote {
    // Where a save is another document, the facts of the old one are wrong; the next listing tells the new one's.
    let (known, other) = match node.remote.clone() {
        Some(known) if known.id != base.id => (None, Some(known)),
        known => (known, None),
    };
    let (offers, permits) = other.map_or((Operations::ALL.bits(), Operations::ALL.bits()), |r| (r.offers, r.permits));
    let fresh = || Remote {
        id: base.id.clone(),
        parent: base.parent.clone(),
        name: base.name.clone(),
        revision: None,
        size: None,
        created_ns: node.local.created_ns,
        modified_ns: None,
        author: None,
        description: None,
        url: None,
        mime: None,
        offers,
        permits,
        reserved_by: None,
        attributes: Facts::default(),
        revision_awaited: false,
    };
    let (id, parent, name) = (base.id.clone(), base.parent.clone(), base.name.clone());
    let mut known = known.unwrap_or_else(fresh);
    if known.revision != base.revision {
        known.attributes = known.attributes.without(VERSION_FACT);
    }
    Remote { id, parent, name, revision: base.revision.clone(), size: base.size, ..known }
}

/// Removed on the service meanwhile.
fn vanish(state: &mut State, ino: Ino, after: &mut After) -> Result<()> {
    let path = state.tree.path(ino);
    let Ok(node) = state.tree.node(ino).cloned() else { return Ok(()) };
    if state.changes.get(ino).is_some() {
        log::warn!("{path} was removed on the service meanwhile; what was written here comes back as a new file");
        return state.tree.update(ino, |n| n.remote = None);
    }
    log::info!("{path} was removed on the service meanwhile");
    state.tree.remove(ino, true)?;
    after.invalidations.push(Invalidation::left(&node));
    after.released.extend(node.spool);
    Ok(())
}

fn set_beside(inner: &Inner, state: &mut State, ino: Ino, after: &mut After) -> Result<()> {
    let parent = state.tree.node(ino)?.parent;
    after.invalidations.extend(inner.set_beside(state, ino)?);
    state.tree.expire(parent)?;
    after.relist.push(parent);
    Ok(())
}

async fn adopt(inner: &Arc<Inner>, adoption: Adoption) {
    let Adoption { id, revision, spool, size } = adoption;
    let shared = inner.clone();
    let adopted = blocking(move || {
        let file = shared.spool.get(&spool)?;
        shared.cache.adopt((id, revision), file.path(), size)
    });
    if let Err(e) = adopted.await {
        log::debug!("a sent file was not kept in the cache: {e}");
    }
}
