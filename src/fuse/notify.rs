//! Tells the kernel what to forget, from a thread of its own.
//!
//! The kernel may make a notification wait for a call under way in the same directory. Sent from within a call, or
//! under a lock that a call needs, it would wait for itself, unkillably. So callers only leave word in a queue.

use std::collections::{HashMap, VecDeque};
use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use fuser::{INodeNo, Notifier};

use crate::fs::Invalidation;
use crate::fuse::announce::Announced;
use crate::ids::Ino;

/// What is dropped beyond these heals by itself: names when the kernel's time for them is over, content at the next
/// open. About 16 MB at worst.
const NAMES_MAX: usize = 65_536;
const INODES_MAX: usize = 262_144;

/// The queue. Cheap to clone; never waits for the kernel.
#[derive(Clone, Default)]
pub struct Invalidations {
    queue: Arc<Queue>,
}

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Entry and Deleted, in order.
    names: VecDeque<Invalidation>,
    inodes: HashMap<Ino, Depth>,
    closed: bool,
    /// The thread is telling what it took out of here.
    telling: bool,
    /// Said once: it could be thousands of times.
    overflow_said: bool,
}

/// Ordered: what is told of an inode several times becomes the deepest of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Attributes,
    Content,
}

impl Invalidations {
    pub fn push(&self, what: Invalidation) {
        let mut state = self.lock();
        let taken = !state.closed && state.take(what);
        if !taken && !state.closed && !std::mem::replace(&mut state.overflow_said, true) {
            log::warn!("more changes than the kernel could be told: some show a little later");
        }
        drop(state);
        self.queue.changed.notify_all();
    }

    /// Waits until the kernel knows all that was pushed so far, or the time is over. Must not be called from within a call
    /// of the kernel, for which a notification may wait.
    pub(super) fn wait_until_told(&self, patience: Duration) {
        let waiting = |state: &mut State| !state.closed && (state.telling || !state.is_empty());
        // What is told later, heals by itself.
        drop(self.queue.changed.wait_timeout_while(self.lock(), patience, waiting));
    }

    /// Ends the thread, once it has told what it is telling.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        *state = State { closed: true, ..State::default() };
        drop(state);
        self.queue.changed.notify_all();
    }

    /// Starts the thread that tells the kernel, and then those who announce it to programs. It ends after
    /// [`Invalidations::close`], or when the kernel is gone.
    pub(super) fn send_to(&self, kernel: Notifier, announced: Announced) -> io::Result<JoinHandle<()>> {
        let queue = self.clone();
        let work = move || queue.run(|what| tell(&kernel, what), |what| announced.push(what));
        std::thread::Builder::new().name("fuse-notify".into()).spawn(work)
    }

    fn run(&self, mut tell: impl FnMut(&Invalidation) -> io::Result<()>, then: impl Fn(Invalidation)) {
        while let Some(batch) = self.next_batch() {
            for what in batch {
                // Nothing is lost: the kernel holds nothing of it, or nothing is mounted any more.
                if let Err(e) = tell(&what) {
                    log::debug!("the kernel did not take {what:?}: {e}");
                }
                then(what);
            }
        }
    }

    /// Waits for the next things to tell; `None` when closed.
    fn next_batch(&self) -> Option<Vec<Invalidation>> {
        let mut state = self.lock();
        state.telling = false;
        self.queue.changed.notify_all();
        while !state.closed && state.is_empty() {
            state = self.queue.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.telling = !state.closed;
        (!state.closed).then(|| state.drain())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Each change of the state is complete in itself, so a panic elsewhere leaves it usable.
        self.queue.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_empty(&self) -> bool {
        self.names.is_empty() && self.inodes.is_empty()
    }

    /// Whether there was room.
    fn take(&mut self, what: Invalidation) -> bool {
        let (ino, depth) = match what {
            Invalidation::Attributes { ino } => (ino, Depth::Attributes),
            Invalidation::Content { ino } => (ino, Depth::Content),
            name => {
                let room = self.names.len() < NAMES_MAX;
                if room && self.names.back() != Some(&name) {
                    self.names.push_back(name);
                }
                return room;
            }
        };
        let room = self.inodes.len() < INODES_MAX;
        match self.inodes.get_mut(&ino) {
            Some(known) => *known = depth.max(*known),
            None if room => drop(self.inodes.insert(ino, depth)),
            None => return false,
        }
        true
    }

    fn drain(&mut self) -> Vec<Invalidation> {
        let inodes = self.inodes.drain().map(|(ino, depth)| match depth {
            Depth::Attributes => Invalidation::Attributes { ino },
            Depth::Content => Invalidation::Content { ino },
        });
        // Content first: who follows a new name must not find old bytes behind it.
        inodes.chain(self.names.drain(..)).collect()
    }
}

fn tell(kernel: &Notifier, what: &Invalidation) -> io::Result<()> {
    match what {
        Invalidation::Entry { parent, name } => kernel.inval_entry(INodeNo(parent.0), OsStr::new(name)),
        Invalidation::Deleted { parent, child, name, .. } => {
            kernel.delete(INodeNo(parent.0), INodeNo(child.0), OsStr::new(name))
        }
        // A negative offset leaves the pages alone; 0 and length 0 mean all of them.
        Invalidation::Attributes { ino } => kernel.inval_inode(INodeNo(ino.0), -1, 0),
        Invalidation::Content { ino } => kernel.inval_inode(INodeNo(ino.0), 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str) -> Invalidation {
        Invalidation::Entry { parent: Ino::ROOT, name: name.into() }
    }

    #[test]
    fn what_is_told_twice_is_sent_once_and_as_deep_as_the_deepest() {
        let queue = Invalidations::default();
        for _ in 0..3 {
            queue.push(Invalidation::Content { ino: Ino(5) });
            queue.push(Invalidation::Attributes { ino: Ino(5) });
            queue.push(entry("a"));
        }
        assert_eq!(queue.next_batch().unwrap(), [Invalidation::Content { ino: Ino(5) }, entry("a")]);
    }

    #[test]
    fn the_queue_has_an_end_but_keeps_what_it_has() {
        let queue = Invalidations::default();
        for n in 0..NAMES_MAX + 10 {
            queue.push(entry(&n.to_string()));
        }
        let batch = queue.next_batch().unwrap();
        assert_eq!((batch.len(), &batch[0]), (NAMES_MAX, &entry("0")));
    }

    #[test]
    fn who_waits_goes_on_when_all_is_told() {
        let queue = Invalidations::default();
        let told = Arc::new(Mutex::new(0));
        let (telling, count) = (queue.clone(), told.clone());
        let slowly = move |_: &Invalidation| {
            std::thread::sleep(Duration::from_millis(20));
            *count.lock().unwrap() += 1;
            Ok(())
        };
        let thread = std::thread::spawn(move || telling.run(slowly, drop));
        (0..5).for_each(|n| queue.push(entry(&n.to_string())));
        queue.wait_until_told(Duration::from_secs(10));
        assert_eq!(*told.lock().unwrap(), 5);
        queue.close();
        thread.join().unwrap();
        queue.wait_until_told(Duration::from_secs(10));
    }

    #[test]
    fn closing_ends_the_thread_that_waits() {
        let queue = Invalidations::default();
        let waiting = queue.clone();
        let thread = std::thread::spawn(move || waiting.run(|_| Ok(()), drop));
        queue.close();
        thread.join().unwrap();
        queue.push(entry("too late"));
        assert!(queue.next_batch().is_none());
    }
}
