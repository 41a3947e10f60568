//! Projects as they were fetched last: two lists answer for all directories of a project, and whoever asks for one
//! while they are under way waits for them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::services::medable::tree::Snapshot;

/// Entries kept in memory, some 400 bytes each; the newest project is kept whatever its size, for a walk through it is
/// under way.
const ENTRIES_MAX: usize = 100_000;
/// Projects kept or under way: small ones would be many.
const PROJECTS_MAX: usize = 1_000;

type Fetching = Shared<BoxFuture<'static, Result<Arc<Snapshot>>>>;

#[derive(Clone, Default)]
pub struct Snapshots(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    projects: HashMap<String, Known>,
    /// Counts fetches.
    next: u64,
}

enum Known {
    Fetched(Arc<Snapshot>),
    Fetching { number: u64, begun: Instant, fetching: Fetching },
}

impl Snapshots {
    /// The project as it was at most `max_age` ago; `fetch` is called when that is not known.
    pub async fn of<F>(&self, project: &str, max_age: Duration, fetch: impl Fn() -> F) -> Result<Arc<Snapshot>>
    where
        F: Future<Output = Result<Snapshot>> + Send + 'static,
    {
        let asked = Instant::now();
        let fresh_from = asked.checked_sub(max_age).unwrap_or(asked);
        loop {
            let (begun, fetching) = {
                let mut state = self.state();
                match state.projects.get(project) {
                    Some(Known::Fetched(snapshot)) if snapshot.begun >= fresh_from => return Ok(snapshot.clone()),
                    Some(Known::Fetching { begun, fetching, .. }) => (*begun, fetching.clone()),
                    _ => self.start(&mut state, project, fetch()),
                }
            };
            let fetched = fetching.await;
            // What began too early says nothing; when it is over, another one can begin.
            if begun >= fresh_from {
                return fetched;
            }
        }
    }

    /// What is known of a project, if it is no older.
    pub fn recent(&self, project: &str, max_age: Duration) -> Option<Arc<Snapshot>> {
        match self.state().projects.get(project) {
            Some(Known::Fetched(snapshot)) if snapshot.begun.elapsed() <= max_age => Some(snapshot.clone()),
            _ => None,
        }
    }

    /// Something in the project was changed: what was fetched before, or is being fetched now, does not count any more.
    pub fn forget(&self, project: &str) {
        self.state().projects.remove(project);
    }

    pub fn forget_all(&self) {
        self.state().projects.clear();
    }

    /// A task of its own: an asker who gives up does not take it from the others.
    fn start(
        &self,
        state: &mut State,
        project: &str,
        fetch: impl Future<Output = Result<Snapshot>> + Send + 'static,
    ) -> (Instant, Fetching) {
        state.next += 1;
        let (number, begun) = (state.next, Instant::now());
        let (shared, name) = (self.clone(), project.to_owned());
        let task = tokio::spawn(async move {
            let fetched = fetch.await.map(Arc::new);
            shared.fetched(&name, number, &fetched);
            fetched
        });
        let fetching =
            async { task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "fetching a project broke off"))) };
        let fetching = fetching.boxed().shared();
        state.projects.insert(project.to_owned(), Known::Fetching { number, begun, fetching: fetching.clone() });
        (begun, fetching)
    }

    fn fetched(&self, project: &str, number: u64, fetched: &Result<Arc<Snapshot>>) {
        let mut state = self.state();
        // Forgotten meanwhile: it may be older than a change of ours.
        if !matches!(state.projects.get(project), Some(Known::Fetching { number: n, .. }) if *n == number) {
            return;
        }
        match fetched {
            Ok(snapshot) => {
                state.projects.insert(project.to_owned(), Known::Fetched(snapshot.clone()));
                state.bound(project);
            }
            Err(_) => drop(state.projects.remove(project)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl State {
    /// Forgets the oldest projects, but never `newest`.
    fn bound(&mut self, newest: &str) {
        let fetched = self.projects.iter().filter_map(|(project, known)| match known {
            Known::Fetched(snapshot) => Some((snapshot.begun, snapshot.entry_count, project.clone())),
            Known::Fetching { .. } => None,
        });
        let mut others: Vec<_> = fetched.filter(|(.., project)| project != newest).collect();
        others.sort_by_key(|(begun, ..)| std::cmp::Reverse(*begun));
        let mut entries = match self.projects.get(newest) {
            Some(Known::Fetched(snapshot)) => snapshot.entry_count,
            _ => 0,
        };
        for (place, (_, count, project)) in others.into_iter().enumerate() {
            entries += count;
            if entries > ENTRIES_MAX || place + 1 >= PROJECTS_MAX {
                self.projects.remove(&project);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn fetching(count: &Arc<AtomicUsize>) -> impl Fn() -> BoxFuture<'static, Result<Snapshot>> {
        let count = count.clone();
        move || {
            let count = count.clone();
            let begun = Instant::now();
            async move {
                tokio::time::sleep(Duration::from_millis(100)).await;
                count.fetch_add(1, Ordering::SeqCst);
                Ok(Snapshot::empty(begun))
            }
            .boxed()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn askers_share_what_is_fresh_enough_for_them() {
        let (snapshots, count) = (Snapshots::default(), Arc::new(AtomicUsize::new(0)));
        let fetch = fetching(&count);
        let many = (0..10).map(|_| snapshots.of("p", Duration::ZERO, &fetch));
        futures::future::try_join_all(many).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        snapshots.of("p", Duration::from_secs(5), &fetch).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 1);
        snapshots.of("p", Duration::ZERO, &fetch).await.unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_under_way_when_something_changed_does_not_count() {
        let (snapshots, count) = (Snapshots::default(), Arc::new(AtomicUsize::new(0)));
        let fetch = fetching(&count);
        let early = snapshots.of("p", Duration::ZERO, &fetch);
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            snapshots.forget("p");
            snapshots.of("p", Duration::from_secs(5), &fetch).await
        };
        tokio::try_join!(early, late).unwrap();
        assert_eq!(count.load(Ordering::SeqCst), 2);
        assert!(snapshots.recent("p", Duration::from_millis(150)).is_some(), "the later one is kept");
    }

    #[tokio::test(start_paused = true)]
    async fn one_who_wants_it_fresh_does_not_take_what_began_before() {
        let (snapshots, count) = (Snapshots::default(), Arc::new(AtomicUsize::new(0)));
        let fetch = fetching(&count);
        let early = snapshots.of("p", Duration::ZERO, &fetch);
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            snapshots.of("p", Duration::ZERO, &fetch).await
        };
        let (early, late) = tokio::try_join!(early, late).unwrap();
        assert!(late.begun > early.begun);
    }
}
