//! Lets programs that watch directories and files (inotify) see what others did on the service.
//!
//! The kernel makes such events of what programs do on the mount only; of what it is told to forget, watchers hear
//! nothing. So a thread of this daemon does on the mount what was done on the service: it makes what appeared, removes
//! what left, touches what changed. Its requests come back to this daemon, which knows them by the thread's number and
//! answers them from [`Announced`]. Nothing that this thread asks for is ever carried out, and it asks only for what
//! somebody watches.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsStr;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tokio::runtime::Handle;

use crate::fs::{Attributes, FileSystem, Invalidation, Lookup, NodeKind};
use crate::fuse::stage::{Act, Stage};
use crate::fuse::watchers::watched;
use crate::ids::Ino;

/// What is to be announced beyond these is not: watchers see it when they look.
const WAITING_MAX: usize = 16_384;
/// Looking for watchers goes through all processes: not more often than this.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Watched directories are not listed more often than this, however short `ttl` is.
const KEEP_INTERVAL_MIN: Duration = Duration::from_secs(2);
/// Watched directories that are kept current.
const KEPT_CURRENT_MAX: usize = 64;
/// Numbers that what left is shown under for the moment of its removal. No node has one (hidden ones begin at 2^63).
const GHOSTS: u64 = 1 << 62;
/// A name that nobody else looks up, by which the thread learns that its requests are known as its own.
const PROBE: &str = ".collabfs-announcer-probe";

/// The queue, and what the thread is about to ask. Cheap to clone.
#[derive(Clone, Default)]
pub struct Announced {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    /// The kernel's number of the thread; 0 while there is none.
    thread: AtomicU32,
    recognised: AtomicBool,
    ghosts: AtomicU64,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Invalidation>,
    act: Option<Act>,
    closed: bool,
}

/// What the kernel's door asks about its callers.
impl Announced {
    /// Whether this is the announcing thread: its requests must not be carried out.
    pub fn is_asking(&self, pid: u32) -> bool {
        pid != 0 && pid == self.shared.thread.load(Ordering::Relaxed)
    }

    /// How the announcing thread finds what it acts on: absent before it appears, and still there before it leaves.
    /// `None` for other callers and other names, which are looked up.
    pub fn lookup(&self, pid: u32, parent: Ino, name: &OsStr) -> Option<Lookup> {
        if !self.is_asking(pid) {
            return None;
        }
        if name == PROBE {
            self.shared.recognised.store(true, Ordering::Relaxed);
            return Some(Lookup::Absent);
        }
        match self.lock().act.as_ref().filter(|act| act.is_about(parent, name))? {
            Act::Appear { .. } => Some(Lookup::Absent),
            Act::Leave { directory, .. } => Some(Lookup::Found(self.ghost(*directory))),
            Act::Change { .. } => None,
        }
    }

    /// Whether the thread was to ask for something to appear here; the answer is what is there.
    pub fn appears(&self, parent: Ino, name: &OsStr) -> bool {
        self.lock().act.as_ref().is_some_and(|act| matches!(act, Act::Appear { .. }) && act.is_about(parent, name))
    }

    /// Whether the thread was to ask for this to leave; the answer is that it did.
    pub fn leaves(&self, parent: Ino, name: &OsStr) -> bool {
        self.lock().act.as_ref().is_some_and(|act| matches!(act, Act::Leave { .. }) && act.is_about(parent, name))
    }

    /// Whether the thread was to touch this; the answer is how it is.
    pub fn changes(&self, number: Ino) -> bool {
        self.lock().act.as_ref().is_some_and(|act| matches!(act, Act::Change { ino, .. } if *ino == number))
    }

    fn ghost(&self, directory: bool) -> Attributes {
        let now = SystemTime::now();
        Attributes {
            ino: Ino(GHOSTS + self.shared.ghosts.fetch_add(1, Ordering::Relaxed)),
            kind: if directory { NodeKind::Directory } else { NodeKind::File },
            size_bytes: 0,
            accessed: now,
            modified: now,
            changed: now,
            created: now,
            mode: if directory { 0o700 } else { 0o600 },
            // SAFETY: these always succeed.
            uid: unsafe { libc::geteuid() },
            gid: unsafe { libc::getegid() },
            nlink: if directory { 2 } else { 1 },
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete in itself, so a panic elsewhere leaves it usable.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The thread's side.
impl Announced {
    /// To be announced, now that the kernel knows of it. Never waits.
    pub(super) fn push(&self, what: Invalidation) {
        let mut state = self.lock();
        if state.closed || self.shared.thread.load(Ordering::Relaxed) == 0 || state.waiting.len() >= WAITING_MAX {
            return;
        }
        state.waiting.push_back(what);
        drop(state);
        self.shared.changed.notify_one();
    }

    /// Ends the thread after what it is announcing.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State { closed: true, act: state.act.take(), ..State::default() };
        drop(state);
        self.shared.changed.notify_all();
    }

    /// Starts the thread, for the mount that `stage` shows. It ends after [`Announced::close`].
    pub(super) fn start(&self, stage: Stage, fs: FileSystem, runtime: Handle) -> std::io::Result<()> {
        let announced = self.clone();
        let work = move || announced.run(&stage, &fs, &runtime);
        std::thread::Builder::new().name("fuse-announce".into()).spawn(work).map(drop)
    }

    fn run(&self, stage: &Stage, fs: &FileSystem, runtime: &Handle) {
        // SAFETY: always succeeds.
        self.shared.thread.store(unsafe { libc::gettid() } as u32, Ordering::Relaxed);
        stage.look_up(PROBE);
        if !self.shared.recognised.load(Ordering::Relaxed) {
            // Otherwise it would do in earnest what it means to announce.
            self.shared.thread.store(0, Ordering::Relaxed);
            return log::info!(
                "programs that watch directories are not told what others do: own requests look foreign"
            );
        }
        let mut looked = Instant::now();
        while let Some(batch) = self.next_batch(&mut looked, fs.freshness()) {
            let watched = watched(stage.device());
            if watched.is_empty() {
                continue;
            }
            batch.iter().filter_map(|what| act_of(fs, what, &watched)).for_each(|act| self.play(act, fs, stage));
            for ino in watched.into_iter().take(KEPT_CURRENT_MAX) {
                let fs = fs.clone();
                runtime.spawn(async move { fs.keep_current(ino).await });
            }
        }
        self.shared.thread.store(0, Ordering::Relaxed);
    }

    /// Waits for something to announce, at most for `freshness`, and no shorter than looking for watchers may be apart.
    /// `None` when closed.
    fn next_batch(&self, looked: &mut Instant, freshness: Duration) -> Option<VecDeque<Invalidation>> {
        let (earliest, latest) = (*looked + LOOK_INTERVAL, *looked + freshness.max(KEEP_INTERVAL_MIN));
        let mut state = self.lock();
        while !state.closed {
            let until = if state.waiting.is_empty() { latest } else { earliest };
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                *looked = Instant::now();
                return Some(std::mem::take(&mut state.waiting));
            }
            state = self.shared.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        None
    }

    fn play(&self, act: Act, fs: &FileSystem, stage: &Stage) {
        self.lock().act = Some(act.clone());
        if let Err(e) = stage.play(&act, &fs.path_of(act.parent())) {
            // Gone again, or nobody may write there: whoever looks sees it all the same.
            log::debug!("{act:?} was not announced: {e}");
        }
        self.lock().act = None;
    }
}

/// How to show a change to those who watch its directory, or the file itself.
fn act_of(fs: &FileSystem, what: &Invalidation, watched: &HashSet<Ino>) -> Option<Act> {
    match what {
        Invalidation::Entry { parent, name } if watched.contains(parent) => {
            let directory = fs.kind_of_child(*parent, name)? == NodeKind::Directory;
            Some(Act::Appear { parent: *parent, name: name.clone(), directory })
        }
        Invalidation::Deleted { parent, name, directory, .. } if watched.contains(parent) => {
            // Another one may have the name by now, and that one did not leave.
            let left = fs.kind_of_child(*parent, name).is_none();
            left.then(|| Act::Leave { parent: *parent, name: name.clone(), directory: *directory })
        }
        Invalidation::Content { ino } => {
            let (parent, name) = fs.place_of(*ino)?;
            let is_watched = watched.contains(&parent) || watched.contains(ino);
            is_watched.then_some(Act::Change { parent, name, ino: *ino })
        }
        // That times or a description changed there needs no attention here.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIR: Ino = Ino(5);
    const THREAD: u32 = 77;

    fn acting(act: Act) -> Announced {
        let announced = Announced::default();
        announced.shared.thread.store(THREAD, Ordering::Relaxed);
        announced.lock().act = Some(act);
        announced
    }

    fn appear() -> Act {
        Act::Appear { parent: DIR, name: "a".into(), directory: false }
    }

    #[test]
    fn only_the_thread_sees_what_it_acts() {
        let announced = acting(appear());
        assert_eq!(announced.lookup(THREAD, DIR, "a".as_ref()), Some(Lookup::Absent));
        assert_eq!(announced.lookup(THREAD + 1, DIR, "a".as_ref()), None);
        assert_eq!(announced.lookup(THREAD, DIR, "b".as_ref()), None);
        assert_eq!(announced.lookup(THREAD, Ino(6), "a".as_ref()), None);
        assert!(announced.appears(DIR, "a".as_ref()) && !announced.leaves(DIR, "a".as_ref()));
    }

    #[test]
    fn without_a_thread_nobody_is_taken_for_it() {
        let announced = Announced::default();
        announced.lock().act = Some(appear());
        assert!(!announced.is_asking(0), "the kernel's own requests have no number");
        assert_eq!(announced.lookup(0, DIR, "a".as_ref()), None);
    }

    #[test]
    fn what_leaves_is_shown_under_a_number_that_nothing_has() {
        let announced = acting(Act::Leave { parent: DIR, name: "a".into(), directory: true });
        let ghost = || match announced.lookup(THREAD, DIR, "a".as_ref()) {
            Some(Lookup::Found(attributes)) => attributes,
            other => panic!("{other:?}"),
        };
        let (first, second) = (ghost(), ghost());
        assert!(first.ino != second.ino && first.ino.0 >= GHOSTS);
        assert_eq!(first.kind, NodeKind::Directory);
    }

    #[test]
    fn a_full_queue_drops_and_a_closed_one_ends() {
        let announced = acting(appear());
        for n in 0..WAITING_MAX as u64 + 10 {
            announced.push(Invalidation::Content { ino: Ino(n) });
        }
        let mut looked = Instant::now() - LOOK_INTERVAL;
        let batch = announced.next_batch(&mut looked, Duration::from_secs(60)).unwrap();
        assert_eq!(batch.len(), WAITING_MAX);
        announced.close();
        announced.push(Invalidation::Content { ino: Ino(1) });
        assert!(announced.next_batch(&mut looked, Duration::from_secs(60)).is_none());
    }
}
