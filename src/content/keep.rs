//! The keeper: a thread that makes cached contents durable in the background and claims them in the index.
//!
//! Nobody waits for it but [`Keeper::finish`]. It owns the index.

use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::content::cache::Shelf;
use crate::content::evict::{ENTRIES_MAX, stored_bytes};
use crate::content::index::{Claim, Index, Proof};
use crate::content::item::{DataDir, Item, checksum_of};
use crate::content::key::ContentKey;
use crate::error::Result;

/// Contents up to this size are claimed with a checksum, larger ones after a sync: a sync per small file would keep
/// the disk busy for longer than the download took.
const CHECKSUM_BYTES_MAX: u64 = 4 << 20;
/// Contents that are here in part and wait to be made durable; each holds an open file. Further ones are dropped.
const PARTS_WAITING_MAX: usize = 64;

pub(super) enum Job {
    /// Removes the files that no claim of the index names, made before this generation.
    Sweep { claims: Vec<Claim>, before_generation: u64 },
    /// A whole content is here.
    Whole { key: ContentKey, generation: u64, size: u64 },
    /// A part of a content is here, and its last user left.
    Part(Arc<Item>),
    /// Writes the index anew, in the order of use.
    Rewrite,
}

#[derive(Default)]
pub(super) struct Keeper {
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    parts: usize,
    busy: bool,
    stopped: bool,
}

impl Keeper {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        // A queue is right after every single change of it.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a job over. Gives it back when too many are waiting: what it is about is then fetched again after a
    /// restart.
    pub fn enqueue(&self, job: Job) -> std::result::Result<(), Job> {
        let mut queue = self.queue();
        let is_part = matches!(job, Job::Part(_));
        if queue.jobs.len() >= ENTRIES_MAX || is_part && queue.parts >= PARTS_WAITING_MAX {
            return Err(job);
        }
        queue.parts += usize::from(is_part);
        queue.jobs.push_back(job);
        self.changed.notify_all();
        Ok(())
    }

    /// Waits until everything handed over is done. Returns whether that was so within the time.
    pub fn finish(&self, time: Duration) -> bool {
        let waiting = |queue: &mut Queue| !queue.stopped && (queue.busy || !queue.jobs.is_empty());
        match self.changed.wait_timeout_while(self.queue(), time, waiting) {
            Ok((_, result)) => !result.timed_out(),
            Err(_) => false,
        }
    }

    /// Ends the thread after its current job.
    pub fn stop(&self) {
        let dropped = {
            let mut queue = self.queue();
            queue.stopped = true;
            std::mem::take(&mut queue.jobs)
        };
        drop(dropped);
        self.changed.notify_all();
    }

    fn next(&self) -> Option<Job> {
        let mut queue = self.queue();
        queue.busy = false;
        self.changed.notify_all();
        let idle = |queue: &mut Queue| !queue.stopped && queue.jobs.is_empty();
        let mut queue = self.changed.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
        let job = queue.jobs.pop_front()?;
        queue.busy = true;
        queue.parts -= usize::from(matches!(job, Job::Part(_)));
        Some(job)
    }

    /// The thread: does jobs until it is stopped.
    pub fn run(&self, shelf: &Shelf, mut index: Index) {
        while let Some(job) = self.next() {
            if let Err(e) = work(shelf, &mut index, job) {
                log::warn!("the content cache forgets a content at the next start: {e}");
            }
        }
    }
}

fn work(shelf: &Shelf, index: &mut Index, job: Job) -> Result<()> {
    match job {
        Job::Sweep { claims, before_generation } => {
            shelf.remove(shelf.catalog().trim());
            sweep(shelf, &claims, before_generation)?;
        }
        Job::Whole { key, generation, size } => {
            let claim = prove(shelf, key, generation, size)?;
            index.append(&claim)?;
            shelf.catalog().indexed(claim);
        }
        Job::Part(item) => {
            let claim = item.settle_part().and_then(|claim| index.append(&claim).map(|()| claim));
            let leftover = shelf.catalog().settled(&item, claim.as_ref().ok().copied());
            shelf.clean_up(leftover);
            claim?;
        }
        Job::Rewrite => rewrite(shelf, index)?,
    }
    let alive = shelf.catalog().len();
    if index.is_long(alive) { rewrite(shelf, index) } else { Ok(()) }
}

fn rewrite(shelf: &Shelf, index: &mut Index) -> Result<()> {
    let claims = shelf.catalog().claims();
    index.rewrite(claims.into_iter())
}

fn prove(shelf: &Shelf, key: ContentKey, generation: u64, size: u64) -> Result<Claim> {
    let file = File::open(shelf.dir().data_file(key, generation))?;
    let proof = match size {
        0..=CHECKSUM_BYTES_MAX => Proof::Checksum(checksum_of(&file, size)?),
        _ => {
            file.sync_data()?;
            Proof::Durable
        }
    };
    Ok(Claim { key, generation, size, stored: stored_bytes(size), proof })
}

fn sweep(shelf: &Shelf, claims: &[Claim], before_generation: u64) -> Result<()> {
    let claimed: HashSet<u64> = claims.iter().map(|claim| claim.generation).collect();
    let mut found = HashSet::new();
    for file in std::fs::read_dir(shelf.dir().path())? {
        let file = file?;
        match file.file_name().to_str().and_then(DataDir::generation_in) {
            Some(generation) if generation >= before_generation => {}
            Some(generation) if claimed.contains(&generation) => {
                found.insert(generation);
            }
            _ => std::fs::remove_file(file.path())?,
        }
    }
    let mut catalog = shelf.catalog();
    for claim in claims.iter().filter(|claim| !found.contains(&claim.generation)) {
        catalog.drop_missing(claim.key, claim.generation);
    }
    Ok(())
}
