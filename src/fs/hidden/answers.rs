//! Lists of the service that are kept for the mount's ttl. Whoever asks meanwhile gets the list that is there, or
//! shares the request that is under way.

use std::collections::HashMap;
use std::hash::Hash;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use lru::LruCache;

use crate::clock::{Clock, Millis};
use crate::config::MountOptions;
use crate::error::{ErrorKind, Result, fail};

/// One list, shared by all who look at it.
pub(super) type List<T> = Arc<Vec<Arc<T>>>;
type Flight<T> = Shared<BoxFuture<'static, Result<List<T>>>>;

pub(super) struct Answers<K: Hash + Eq, T> {
    clock: Arc<dyn Clock>,
    ttl: Duration,
    timeout: Duration,
    /// Items in all lists together.
    items_max: usize,
    state: Mutex<State<K, T>>,
}

struct State<K: Hash + Eq, T> {
    kept: LruCache<K, Kept<T>>,
    items: usize,
    flights: HashMap<K, Flight<T>>,
}

struct Kept<T> {
    list: List<T>,
    asked: Millis,
}

impl<K, T> Answers<K, T>
where
    K: Hash + Eq + Clone + Send + 'static,
    T: Send + Sync + 'static,
{
    /// Keeps the lists that were used last, with `items_max` items in all.
    pub fn new(clock: Arc<dyn Clock>, options: &MountOptions, items_max: usize) -> Arc<Answers<K, T>> {
        let state = State { kept: LruCache::unbounded(), items: 0, flights: HashMap::new() };
        let (ttl, timeout) = (options.ttl, options.timeout);
        Arc::new(Answers { clock, ttl, timeout, items_max, state: Mutex::new(state) })
    }

    /// The list of this key: the kept one while it is fresh, else what `ask` brings. An old one is better than none
    /// while the service cannot be asked. Errors: `TimedOut` after the mount's timeout; those of `ask`.
    pub async fn get<F>(self: &Arc<Self>, key: K, ask: impl FnOnce() -> F) -> Result<List<T>>
    where
        F: Future<Output = Result<Vec<Arc<T>>>> + Send + 'static,
    {
        let (flight, older) = {
            let mut state = self.lock();
            let older = state.kept.get(&key).map(|kept| (kept.list.clone(), kept.asked));
            if let Some((list, asked)) = &older
                && self.clock.now().since(*asked) < self.ttl
            {
                return Ok(list.clone());
            }
            let flight = match state.flights.get(&key) {
                Some(flight) => flight.clone(),
                None => self.begin(&mut state, key, ask()),
            };
            (flight, older)
        };
        let answer = match tokio::time::timeout(self.timeout, flight).await {
            Ok(answer) => answer,
            Err(_) => fail(ErrorKind::TimedOut, "the service did not answer in time"),
        };
        match (answer, older) {
            (Err(e), Some((list, _))) if e.is_offline() || e.is_temporary() => Ok(list),
            (answer, _) => answer,
        }
    }

    /// Goes on when nobody waits for it any more.
    fn begin<F>(self: &Arc<Self>, state: &mut State<K, T>, key: K, asking: F) -> Flight<T>
    where
        F: Future<Output = Result<Vec<Arc<T>>>> + Send + 'static,
    {
        let (answers, landing, asked) = (self.clone(), key.clone(), self.clock.now());
        let task = tokio::spawn(async move {
            let asking = AssertUnwindSafe(asking).catch_unwind();
            let answer = asking.await.unwrap_or_else(|_| fail(ErrorKind::Bug, "a fault while the service was asked"));
            let answer = answer.map(Arc::new);
            answers.landed(landing, asked, &answer);
            answer
        });
        let joined = async move { task.await.unwrap_or_else(|e| fail(ErrorKind::Bug, format!("asking failed: {e}"))) };
        let flight = joined.boxed().shared();
        state.flights.insert(key, flight.clone());
        flight
    }

    fn landed(&self, key: K, asked: Millis, answer: &Result<List<T>>) {
        let mut state = self.lock();
        state.flights.remove(&key);
        let Ok(list) = answer else { return };
        state.items += list.len() + 1;
        if let Some(old) = state.kept.put(key, Kept { list: list.clone(), asked }) {
            state.items -= old.list.len() + 1;
        }
        while state.items > self.items_max && state.kept.len() > 1 {
            if let Some((_, oldest)) = state.kept.pop_lru() {
                state.items -= oldest.list.len() + 1;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<K, T>> {
        // Nothing under this lock can panic between two steps that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
