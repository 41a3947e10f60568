//! Listings: when one is asked for, who shares it, and what is prefetched.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, Shared};
use futures::{FutureExt, StreamExt};

use crate::clock::Millis;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::state::{Inner, PendingView};
use crate::ids::{Ino, RemoteId};
use crate::provider::{Entry, ListPart, ListRequest, Validator};
use crate::tree::{Invalidation, Listing, Snapshot};

/// Entries of one directory; more are a service that pages without end.
const ENTRIES_MAX: usize = 250_000;

/// What is known of earlier is not trusted for so long, when it says that a name is missing.
const PATIENCE_FOR_NEWS: Duration = Duration::from_secs(2);

type Flight = Shared<BoxFuture<'static, Result<()>>>;

/// Listings under way, by directory, so that concurrent askers share one.
pub(super) type Flights = HashMap<Ino, Flight>;

/// Whether a directory has to be listed before it can answer.
pub(super) enum Need {
    Nothing,
    /// What an earlier process left is shown, and refreshed meanwhile.
    Behind,
    /// `known`: there is an older listing to fall back to.
    Now {
        known: bool,
    },
}

impl Inner {
    /// Returns when the directory's names can be trusted, as far as the freshness that was promised goes.
    pub async fn listed(self: &Arc<Self>, dir: Ino) -> Result<()> {
        match self.listing_need(dir)? {
            Need::Nothing => Ok(()),
            Need::Behind => {
                drop(self.list_shared(dir));
                Ok(())
            }
            Need::Now { known } => match self.list_within_deadline(dir).await {
                // Old names are better than none while the service cannot be asked.
                Err(e) if known && (e.is_offline() || e.is_temporary()) => Ok(()),
                other => other,
            },
        }
    }

    /// Waits a moment for the listing that is to replace an earlier process's.
    pub(super) async fn listed_by_this_process(self: &Arc<Self>, dir: Ino) {
        if let Ok(Need::Behind) = self.listing_need(dir)
            && self.lock().online
            && tokio::time::timeout(PATIENCE_FOR_NEWS, self.list_shared(dir)).await.is_err()
        {
            log::debug!("a directory takes long to list; what it had before is taken for now");
        }
    }

    pub(super) fn listing_need(&self, dir: Ino) -> Result<Need> {
        let mut state = self.lock();
        let node = state.tree.node(dir)?;
        if !node.directory {
            return fail(ErrorKind::NotDirectory, format!("{} is a file", node.name));
        }
        if node.remote.is_none() {
            return Ok(Need::Nothing);
        }
        let Some(listing) = state.tree.dir(dir)?.listing.clone() else { return Ok(Need::Now { known: false }) };
        let expired = self.now().since(listing.fetched) >= self.options.ttl;
        // While the service cannot be reached, what is known is shown at once, and asking goes on behind.
        let behind = !listing.fresh || !state.online;
        Ok(match (behind, expired) {
            (_, false) => Need::Nothing,
            (true, true) => Need::Behind,
            (false, true) => Need::Now { known: true },
        })
    }

    async fn list_within_deadline(self: &Arc<Self>, dir: Ino) -> Result<()> {
        let flight = self.list_shared(dir);
        self.list_ahead(dir);
        self.in_time(flight).await
    }

    async fn in_time(&self, flight: Flight) -> Result<()> {
        match tokio::time::timeout(self.options.timeout, flight).await {
            Ok(result) => result,
            Err(_) => fail(ErrorKind::TimedOut, "the service did not list the directory in time"),
        }
    }

    /// Lists the directory again whatever its age. A listing that is under way already does not count: what it has may
    /// be older than this call.
    pub async fn relisted(self: &Arc<Self>, dir: Ino) -> Result<()> {
        let older = self.flights.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get(&dir).cloned();
        if let Some(older) = older {
            // Whatever became of it.
            let _ = tokio::time::timeout(self.options.timeout, older).await;
        }
        self.lock().tree.expire(dir)?;
        let flight = self.list_since(dir, Some(Duration::ZERO));
        self.in_time(flight).await
    }

    /// Joins the listing that is under way, or starts one. It goes on when nobody waits for it any more.
    pub fn list_shared(self: &Arc<Self>, dir: Ino) -> Flight {
        self.list_since(dir, None)
    }

    /// `max_age`: how old what a provider fetched before may be; `None` as usual.
    fn list_since(self: &Arc<Self>, dir: Ino, max_age: Option<Duration>) -> Flight {
        let mut flights = self.flights.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(flight) = flights.get(&dir) {
            return flight.clone();
        }
        // One that has just ended, since whoever asks looked, is as good as the next one.
        if max_age.is_none() && matches!(self.listing_need(dir), Ok(Need::Nothing)) {
            return futures::future::ready(Ok(())).boxed().shared();
        }
        let inner = self.clone();
        let task = tokio::spawn(async move {
            let result = inner.list(dir, max_age).await;
            inner.flights.lock().unwrap_or_else(std::sync::PoisonError::into_inner).remove(&dir);
            result
        });
        let joined =
            async move { task.await.unwrap_or_else(|e| fail(ErrorKind::Bug, format!("a listing failed: {e}"))) };
        let flight = joined.boxed().shared();
        flights.insert(dir, flight.clone());
        flight
    }

    async fn list(self: &Arc<Self>, dir: Ino, max_age: Option<Duration>) -> Result<()> {
        let (id, known, max_age, begun) = {
            let mut state = self.lock();
            let node = state.tree.node(dir)?;
            let Some(id) = node.remote.as_ref().map(|r| r.id.clone()) else { return Ok(()) };
            let listing = state.tree.dir(dir)?.listing.as_ref();
            let known = listing.and_then(|l| l.validator.clone()).map(Validator);
            // What is said to be outdated must not be answered from what a provider fetched before.
            let outdated = listing.is_some_and(|l| l.fetched == Millis(0));
            let usual = if outdated { Duration::ZERO } else { self.options.ttl / 2 };
            (id, known, max_age.unwrap_or(usual), state.recent.listing_begins())
        };
        let request = ListRequest { known, max_age };
        let fetched = self.fetch(&id, request).await;
        let result = match fetched {
            Ok(fetched) => self.take_in(dir, fetched, begun),
            Err(e) => Err(self.listing_failed(dir, e)),
        };
        self.lock().recent.listing_ends();
        result
    }

    async fn fetch(&self, id: &RemoteId, request: ListRequest) -> Result<Fetched> {
        let mut fetched = Fetched { entries: Some(Vec::new()), validator: None, age: Duration::ZERO };
        let mut parts = self.provider.list(id, request);
        while let Some(part) = parts.next().await {
            match part? {
                ListPart::Unchanged => fetched.entries = None,
                ListPart::Entries { entries, validator, age } => {
                    let all = fetched.entries.get_or_insert_default();
                    all.extend(entries);
                    if all.len() > ENTRIES_MAX {
                        let detail = format!("more than {ENTRIES_MAX} entries in one directory");
                        return fail(ErrorKind::Protocol, detail);
                    }
                    fetched.validator = validator.or(fetched.validator);
                    fetched.age = fetched.age.max(age);
                }
            }
        }
        Ok(fetched)
    }

    fn take_in(self: &Arc<Self>, dir: Ino, fetched: Fetched, begun: u64) -> Result<()> {
        let now = self.now();
        let since = Millis(now.0.saturating_sub(fetched.age.as_millis() as u64));
        // What is open is not forgotten; nothing is opened meanwhile.
        let handles = self.handles();
        let mut state = self.lock();
        state.online = true;
        let validator = match &fetched.entries {
            Some(_) => fetched.validator.map(|v| v.0),
            None => state.tree.dir(dir)?.listing.as_ref().and_then(|l| l.validator.clone()),
        };
        let listing = Listing { fetched: since, validator, fresh: true };
        let Some(entries) = fetched.entries else { return state.tree.set_listing(dir, listing) };
        let state = &mut *state;
        let id = state.tree.node(dir)?.remote.as_ref().map(|r| r.id.clone());
        let being_made = id.map(|id| state.changes.being_made(&id)).unwrap_or_default();
        let view = PendingView { changes: &state.changes, recent: &state.recent, handles: &handles, being_made, begun };
        let files_succeed = !self.provider.capabilities().revises_in_place;
        let mut merged = state.tree.merge(dir, Snapshot { entries, listing, files_succeed }, &view)?;
        drop(handles);
        for ino in merged.vanished {
            merged.invalidations.extend(self.outlived(state, ino)?);
        }
        self.commit(state);
        self.release_later(merged.released);
        self.tell_kernel(merged.invalidations);
        self.wake.notify_one();
        Ok(())
    }

    /// A directory that is gone on the service goes here too, unless something in it waits to be sent.
    fn listing_failed(&self, dir: Ino, e: Error) -> Error {
        let mut state = self.lock();
        state.online = state.online && !e.is_offline();
        if e.kind() != ErrorKind::NotFound || dir == Ino::ROOT {
            return e;
        }
        let path = state.tree.path(dir);
        let inside = state.changes.iter().any(|c| c.place().is_some_and(|p| p.parent == dir));
        if let (false, Ok(node)) = (inside, state.tree.node(dir).cloned()) {
            let gone = state.tree.remove(dir, true).is_ok();
            let _ = state.tree.expire(node.parent);
            self.commit(&mut state);
            drop(state);
            if gone {
                self.tell_kernel(vec![Invalidation::left(&node)]);
            }
        }
        e.during("listing", path)
    }
}

struct Fetched {
    /// `None`: nothing changed.
    entries: Option<Vec<Entry>>,
    validator: Option<Validator>,
    age: Duration,
}
