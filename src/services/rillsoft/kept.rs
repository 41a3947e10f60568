//! One list that answers for many directories: asked for once however many want it, and kept as long as it may be used.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};

/// An answer, and when it was asked for: what happened before is in it.
pub struct Answer<T> {
    pub asked: Instant,
    pub list: Arc<T>,
}

impl<T> Clone for Answer<T> {
    fn clone(&self) -> Self {
        Answer { asked: self.asked, list: self.list.clone() }
    }
}

type Flight<T> = Shared<BoxFuture<'static, Result<Answer<T>>>>;

/// The newest answer, and the request for the next one. Invariant: `newest` shows everything that we changed ourselves.
pub struct Kept<T> {
    state: Arc<Mutex<State<T>>>,
}

struct State<T> {
    newest: Option<Answer<T>>,
    under_way: Option<(Instant, Flight<T>)>,
    /// When we last changed something; an answer asked for before does not show that.
    changed: Option<Instant>,
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Kept { state: Arc::new(Mutex::new(State { newest: None, under_way: None, changed: None })) }
    }
}

impl<T: Send + Sync + 'static> Kept<T> {
    /// The newest answer, whatever its age.
    pub fn newest(&self) -> Option<Answer<T>> {
        self.lock().newest.clone()
    }

    /// An answer that is at most so old: the one that is kept, the one under way, or a new one by `fetch`.
    pub async fn within<F>(&self, max_age: Duration, fetch: impl Fn() -> F) -> Result<Answer<T>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        self.asked_since(Instant::now().checked_sub(max_age), fetch).await
    }

    /// An answer that was asked for not before `oldest`; `None` takes any.
    pub async fn asked_since<F>(&self, oldest: Option<Instant>, fetch: impl Fn() -> F) -> Result<Answer<T>>
    where
        F: Future<Output = Result<T>> + Send + 'static,
    {
        let changed = self.lock().changed;
        loop {
            let (asked, flight) = {
                let mut state = self.lock();
                if let Some(newest) = state.newest.as_ref().filter(|newest| Some(newest.asked) >= oldest) {
                    return Ok(newest.clone());
                }
                match &state.under_way {
                    Some(under_way) if under_way.1.peek().is_none() => under_way.clone(),
                    _ => self.start(&mut state, fetch()),
                }
            };
            let outcome = flight.await;
            // What began too early is waited for all the same: two requests at once would not be faster.
            if Some(asked) >= oldest.max(changed) || outcome.as_ref().is_err_and(says_enough) {
                return outcome;
            }
        }
    }

    /// A task of its own: whoever gives up waiting does not take the answer away from others.
    fn start(
        &self,
        state: &mut State<T>,
        fetch: impl Future<Output = Result<T>> + Send + 'static,
    ) -> (Instant, Flight<T>) {
        let asked = Instant::now();
        let shared = self.state.clone();
        let task = tokio::spawn(async move {
            let outcome = fetch.await.map(|list| Answer { asked, list: Arc::new(list) });
            let mut state = shared.lock().unwrap_or_else(|e| e.into_inner());
            state.under_way = None;
            if let Ok(answer) = &outcome
                && Some(asked) >= state.changed
            {
                state.newest = Some(answer.clone());
            }
            outcome
        });
        let ended = async { task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "a listing broke off"))) };
        let flight = ended.boxed().shared();
        state.under_way = Some((asked, flight.clone()));
        (asked, flight)
    }

    /// Something changed by us that only a new answer shows.
    pub fn forget(&self) {
        let mut state = self.lock();
        state.newest = None;
        state.changed = Some(Instant::now());
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl<T: Clone + Send + Sync + 'static> Kept<T> {
    /// Something changed by us whose effect is known: it is entered into the answer that is kept.
    pub fn enter(&self, change: impl FnOnce(&mut T)) {
        let mut state = self.lock();
        state.changed = Some(Instant::now());
        if let Some(newest) = &mut state.newest {
            change(Arc::make_mut(&mut newest.list));
        }
    }
}

/// Whether the failure of a request that began too early spares the next one: without an answer, asking again would only
/// make the wait longer. What was answered badly then may be answered well now.
fn says_enough(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Offline | ErrorKind::TimedOut | ErrorKind::RateLimited | ErrorKind::SignedOut)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Default, Clone)]
    struct Service {
        asked: Arc<AtomicU64>,
    }

    impl Service {
        fn list(&self) -> impl Future<Output = Result<u64>> + Send + 'static {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                Ok(n)
            }
        }

        fn asked(&self) -> u64 {
            self.asked.load(Ordering::SeqCst)
        }
    }

    #[tokio::test(start_paused = true)]
    async fn askers_share_one_request_as_long_as_its_answer_is_young_enough() {
        let (kept, service) = (Kept::default(), Service::default());
        let age = Duration::from_secs(30);
        let askers = (0..50).map(|_| kept.within(age, || service.list()));
        for answer in futures::future::join_all(askers).await {
            assert_eq!(*answer.unwrap().list, 0);
        }
        tokio::time::advance(Duration::from_secs(29)).await;
        kept.within(age, || service.list()).await.unwrap();
        assert_eq!(service.asked(), 1);
        tokio::time::advance(Duration::from_secs(1)).await;
        kept.within(age, || service.list()).await.unwrap();
        assert_eq!(service.asked(), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_wants_it_fresh_does_not_get_what_was_asked_for_before() {
        let (kept, service) = (Kept::default(), Service::default());
        let early = kept.within(Duration::ZERO, || service.list());
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let late = (0..20).map(|_| kept.within(Duration::ZERO, || service.list()));
            futures::future::join_all(late).await
        };
        let (early, late) = tokio::join!(early, late);
        assert_eq!(*early.unwrap().list, 0);
        assert!(late.into_iter().all(|answer| *answer.unwrap().list == 1));
        assert_eq!(service.asked(), 2);
    }

    /// Asks while a request is under way that is going to fail so. Returns how many requests that made, and whether it
    /// succeeded.
    async fn asked_beside_a_failing_request(kind: ErrorKind) -> (u64, bool) {
        let (kept, service) = (Kept::default(), Service::default());
        let failing = kept.within(Duration::ZERO, || {
            let list = service.list();
            async move { list.await.and(Err(Error::new(kind, "on purpose"))) }
        });
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            kept.within(Duration::ZERO, || service.list()).await
        };
        let (failed, late) = tokio::join!(failing, late);
        assert!(failed.is_err());
        (service.asked(), late.is_ok())
    }

    #[tokio::test(start_paused = true)]
    async fn whoever_wants_it_fresh_does_not_get_an_earlier_bad_answer() {
        assert_eq!(asked_beside_a_failing_request(ErrorKind::Protocol).await, (2, true));
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_waits_twice_for_a_service_that_does_not_answer() {
        assert_eq!(asked_beside_a_failing_request(ErrorKind::TimedOut).await, (1, false));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_was_asked_for_before_our_change_is_not_kept() {
        let (kept, service) = (Kept::default(), Service::default());
        let age = Duration::from_secs(30);
        let early = kept.within(age, || service.list());
        let change = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            kept.forget();
            kept.within(age, || service.list()).await
        };
        let (_, after) = tokio::join!(early, change);
        assert_eq!((*after.unwrap().list, service.asked()), (1, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_is_entered_without_asking_again() {
        let (kept, service) = (Kept::default(), Service::default());
        let age = Duration::from_secs(30);
        kept.within(age, || service.list()).await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        kept.enter(|list| *list += 10);
        assert_eq!(*kept.within(age, || service.list()).await.unwrap().list, 10);
        assert_eq!(service.asked(), 1);
    }
}
