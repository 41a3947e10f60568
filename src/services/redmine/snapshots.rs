//! What one request told about many directories, kept in memory for those who ask for the next one soon.

use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use futures::FutureExt;
use lru::LruCache;
use tokio::sync::OnceCell;

use crate::error::Result;

/// Answers kept of one kind: far more projects, or issues, than are looked into within a listing's lifetime.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(2_000).unwrap();
/// Things within all the answers of one kind, some 300 bytes each. The newest answer stays whatever its size.
const THINGS_MAX: usize = 30_000;

/// An answer that can say how much it holds.
pub trait Weighed {
    fn things(&self) -> usize;
}

impl<T> Weighed for Vec<T> {
    fn things(&self) -> usize {
        self.len()
    }
}

/// Answers by what was asked for. Who asks while the same question is under way shares its answer.
pub struct Snapshots<K: Hash + Eq, V> {
    kept: Mutex<LruCache<K, Arc<Snapshot<V>>>>,
}

struct Snapshot<V> {
    asked: Instant,
    answer: OnceCell<Arc<V>>,
}

impl<K: Hash + Eq, V> Default for Snapshots<K, V> {
    fn default() -> Self {
        Snapshots { kept: Mutex::new(LruCache::new(KEPT_MAX)) }
    }
}

impl<K: Hash + Eq + Clone, V: Weighed> Snapshots<K, V> {
    /// The answer that was asked for at most `age_max` ago, else a fresh one by `fetch`; and its age.
    pub async fn get(
        &self,
        key: &K,
        age_max: Duration,
        fetch: impl Future<Output = Result<V>> + Send,
    ) -> Result<(Arc<V>, Duration)> {
        // In a box: questions are asked within questions, and each place that may ask one would hold it in itself.
        let fetch = async { fetch.await.map(Arc::new) }.boxed();
        let snapshot = self.asked_within(key, age_max);
        let answer = snapshot.answer.get_or_try_init(|| fetch).await?.clone();
        self.trim();
        Ok((answer, snapshot.asked.elapsed()))
    }

    fn asked_within(&self, key: &K, age_max: Duration) -> Arc<Snapshot<V>> {
        let mut kept = self.kept();
        match kept.get(key).filter(|snapshot| snapshot.asked.elapsed() <= age_max && !age_max.is_zero()) {
            Some(snapshot) => snapshot.clone(),
            None => {
                let snapshot = Arc::new(Snapshot { asked: Instant::now(), answer: OnceCell::new() });
                kept.put(key.clone(), snapshot.clone());
                snapshot
            }
        }
    }

    /// Keeps what an answer to another question told.
    pub fn put(&self, key: K, asked: Instant, answer: V) {
        let snapshot = Snapshot { asked, answer: OnceCell::new_with(Some(Arc::new(answer))) };
        self.kept().put(key, Arc::new(snapshot));
        self.trim();
    }

    /// The last answer, of whatever age, if it is still known.
    pub fn last(&self, key: &K) -> Option<Arc<V>> {
        self.kept().peek(key)?.answer.get().cloned()
    }

    /// What was answered, or is being answered, is out of date now.
    pub fn forget(&self, key: &K) {
        self.kept().pop(key);
    }

    fn trim(&self) {
        let mut kept = self.kept();
        let things = |kept: &LruCache<K, Arc<Snapshot<V>>>| -> usize {
            kept.iter().filter_map(|(_, snapshot)| snapshot.answer.get()).map(|answer| answer.things()).sum()
        };
        let mut total = things(&kept);
        while total > THINGS_MAX && kept.len() > 1 {
            let oldest = kept.pop_lru();
            total -= oldest.and_then(|(_, snapshot)| Some(snapshot.answer.get()?.things())).unwrap_or(0);
        }
    }

    fn kept(&self) -> MutexGuard<'_, LruCache<K, Arc<Snapshot<V>>>> {
        self.kept.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::error::{ErrorKind, fail};

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn who_asks_again_soon_gets_the_same_answer_and_who_wants_a_fresh_one_a_fresh_one() {
        let (snapshots, asked) = (Snapshots::<u64, Vec<u64>>::default(), AtomicUsize::new(0));
        let fetch = || async { Ok(vec![asked.fetch_add(1, Ordering::Relaxed) as u64]) };
        assert_eq!(*snapshots.get(&1, MINUTE, fetch()).await.unwrap().0, [0]);
        assert_eq!(*snapshots.get(&1, MINUTE, fetch()).await.unwrap().0, [0]);
        assert_eq!(*snapshots.get(&1, Duration::ZERO, fetch()).await.unwrap().0, [1]);
        assert_eq!(*snapshots.get(&1, MINUTE, fetch()).await.unwrap().0, [1]);
        snapshots.forget(&1);
        assert_eq!(*snapshots.get(&1, MINUTE, fetch()).await.unwrap().0, [2]);
    }

    #[tokio::test]
    async fn many_who_ask_at_once_share_one_question() {
        let (snapshots, asked) = (Snapshots::<u64, Vec<u64>>::default(), AtomicUsize::new(0));
        let fetch = || async {
            asked.fetch_add(1, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(vec![7])
        };
        let all = futures::future::join_all((0..20).map(|_| snapshots.get(&1, MINUTE, fetch()))).await;
        assert!(all.into_iter().all(|answer| *answer.unwrap().0 == [7]));
        assert_eq!(asked.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn a_failure_is_not_kept() {
        let snapshots = Snapshots::<u64, Vec<u64>>::default();
        let failed = snapshots.get(&1, MINUTE, async { fail(ErrorKind::Offline, "away") }).await;
        assert!(failed.is_err() && snapshots.last(&1).is_none());
        assert!(snapshots.get(&1, MINUTE, async { Ok(vec![1]) }).await.is_ok());
    }

    #[test]
    fn memory_is_bounded_but_the_newest_answer_stays() {
        let snapshots = Snapshots::<u64, Vec<u64>>::default();
        (0..10).for_each(|key| snapshots.put(key, Instant::now(), vec![0; 10_000]));
        let kept: Vec<_> = (0..10).filter(|key| snapshots.last(key).is_some()).collect();
        assert_eq!(kept, [7, 8, 9]);
        snapshots.put(10, Instant::now(), vec![0; 100_000]);
        assert!(snapshots.last(&10).is_some() && snapshots.last(&9).is_none());
    }
}
