//! The one writer: a thread that takes everything in line into one transaction (group commit).

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rusqlite::{Connection, Transaction};
use tokio::sync::oneshot;

use super::{ChangeRow, ListingRow, Node, changes, contents, nodes, sql};
use crate::error::{Error, Result};
use crate::ids::Ino;

/// Submissions that may wait in line before a writer has to wait; a full line is a few MB.
const LINE_LENGTH_MAX: usize = 8192;
/// Submissions of one transaction: bounds the time until the first of them is answered.
const BATCH_LENGTH_MAX: usize = 1024;
/// For so long, writes that nobody waits for wait for others, so that all go in one transaction. A killed process loses
/// no more than that, a power loss may lose them anyway.
const COMPANY_TIME: Duration = Duration::from_millis(20);
/// Key of the fact that is written where something must be written.
const SYNC_MARK: &str = "sync-mark";
/// Writes that are kept for another try while the disk is full; with more than these the database counts as broken.
const LEFT_OVER_MAX: usize = 100_000;

/// One thing to remember.
#[derive(Debug, Clone)]
pub enum Write {
    PutNode(Box<Node>),
    /// Forgets a node and its attributes.
    RemoveNode(Ino),
    /// Forgets what is known about the content of a directory (not the children themselves).
    PutListing(ListingRow),
    /// Every directory has to be listed anew, whatever it looked like.
    ExpireListings,
    PutChange(Box<ChangeRow>),
    RemoveChange(Ino),
    /// Keeps the content of a spool file.
    PutContent(String, Bytes),
    RemoveContent(String),
    PutAttribute(Ino, String, Vec<u8>),
    RemoveAttribute(Ino, String),
    /// Gives all local attributes of the first node to the second.
    MoveAttributes(Ino, Ino),
    PutFact(&'static str, String),
}

type Done = oneshot::Sender<Result<()>>;

struct Submission {
    writes: Vec<Write>,
    done: Option<Done>,
}

/// How many submissions were committed, and the error that ended the writer, if any.
#[derive(Default)]
struct Progress {
    submitted: u64,
    committed: u64,
    broken: Option<Error>,
}

pub(super) struct Writer {
    line: Option<SyncSender<Submission>>,
    progress: Arc<(Mutex<Progress>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(connection: Connection) -> Result<Writer> {
        let (line, submissions) = sync_channel(LINE_LENGTH_MAX);
        let progress = Arc::new((Mutex::new(Progress::default()), Condvar::new()));
        let shared = progress.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run(connection, submissions, &shared))?;
        Ok(Writer { line: Some(line), progress, thread: Some(thread) })
    }

    /// Puts writes in line. An empty submission only says that somebody waits. Answers its place in the line.
    pub(super) fn submit(&self, writes: Vec<Write>, done: Option<Done>) -> u64 {
        let Some(line) = &self.line else { return 0 };
        let place = {
            let mut progress = self.progress.0.lock().unwrap_or_else(PoisonError::into_inner);
            progress.submitted += 1;
            progress.submitted
        };
        // A send fails only after the writer's thread ended; `done` is dropped then and its waiter gets an error.
        let _ = line.send(Submission { writes, done });
        place
    }

    /// Waits until everything submitted so far is committed.
    pub(super) fn catch_up(&self) -> Result<()> {
        let (lock, changed) = &*self.progress;
        let is_behind = {
            let progress = lock.lock().unwrap_or_else(PoisonError::into_inner);
            progress.committed < progress.submitted
        };
        let target = if is_behind { self.submit(Vec::new(), None) } else { 0 };
        let mut progress = lock.lock().unwrap_or_else(PoisonError::into_inner);
        while progress.committed < target {
            progress = changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
        }
        match &progress.broken {
            Some(e) => Err(e.clone()),
            None => Ok(()),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.line = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn run(connection: Connection, submissions: Receiver<Submission>, progress: &(Mutex<Progress>, Condvar)) {
    let mut journal = Journal { connection, left_over: Vec::new(), unsynced: true };
    while let Some(mut batch) = next_batch(&submissions) {
        let result = journal.commit(&batch);
        if let Err(e) = &result {
            log::error!("the journal could not be written: {e}");
            let not_waited_for = batch.iter_mut().filter(|s| s.done.is_none());
            journal.left_over.extend(not_waited_for.flat_map(|s| std::mem::take(&mut s.writes)));
        }
        finish(batch, &result, journal.left_over.len() > LEFT_OVER_MAX, progress);
    }
    if let Err(e) = journal.commit(&[]) {
        log::error!("the journal could not be written at the end: {e}");
    }
}

/// What goes into one transaction: all that is in line, and when nobody waits for it, what comes within a moment.
fn next_batch(submissions: &Receiver<Submission>) -> Option<Vec<Submission>> {
    let mut batch = vec![submissions.recv().ok()?];
    let until = Instant::now() + COMPANY_TIME;
    let mut is_awaited = batch[0].is_awaited();
    while batch.len() < BATCH_LENGTH_MAX {
        let next = match is_awaited {
            true => submissions.try_recv().ok(),
            false => submissions.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        };
        let Some(next) = next else { break };
        is_awaited |= next.is_awaited();
        batch.push(next);
    }
    Some(batch)
}

impl Submission {
    /// Somebody waits for it, or for what was submitted before it.
    fn is_awaited(&self) -> bool {
        self.done.is_some() || self.writes.is_empty()
    }
}

/// The writer's own connection.
struct Journal {
    connection: Connection,
    /// What could not be written and nobody waits for: tried again, in order, before everything that comes later.
    left_over: Vec<Write>,
    /// Something was committed that a power loss may take back.
    unsynced: bool,
}

impl Journal {
    fn commit(&mut self, batch: &[Submission]) -> Result<()> {
        let durable = batch.iter().any(|s| s.done.is_some());
        let mut writes = self.left_over.iter().chain(batch.iter().flat_map(|s| &s.writes)).peekable();
        if writes.peek().is_none() && !(durable && self.unsynced) {
            return Ok(());
        }
        // FULL syncs the log at the commit, and with it every commit before.
        self.connection.pragma_update(None, "synchronous", if durable { "FULL" } else { "NORMAL" }).map_err(sql)?;
        let transaction = self.connection.transaction().map_err(sql)?;
        if writes.peek().is_none() {
            // A commit without a write would sync nothing.
            apply(&transaction, &Write::PutFact(SYNC_MARK, String::new()))?;
        }
        for write in writes {
            apply(&transaction, write)?;
        }
        transaction.commit().map_err(sql)?;
        self.unsynced = !durable;
        self.left_over.clear();
        Ok(())
    }
}

fn finish(batch: Vec<Submission>, result: &Result<()>, broken: bool, (lock, changed): &(Mutex<Progress>, Condvar)) {
    let mut progress = lock.lock().unwrap_or_else(PoisonError::into_inner);
    progress.committed += batch.len() as u64;
    // Reading fails too from then on, so that nothing is built on what is not there.
    progress.broken = result.as_ref().err().filter(|_| broken).cloned();
    drop(progress);
    changed.notify_all();
    for submission in batch {
        if let Some(done) = submission.done {
            let _ = done.send(result.clone());
        }
    }
}

fn apply(transaction: &Transaction, write: &Write) -> Result<()> {
    match write {
        Write::PutNode(node) => nodes::put(transaction, node),
        Write::RemoveNode(ino) => nodes::remove(transaction, *ino),
        Write::PutListing(row) => nodes::put_listing(transaction, row),
        Write::ExpireListings => nodes::expire_listings(transaction),
        Write::PutChange(row) => changes::put(transaction, row),
        Write::RemoveChange(ino) => changes::remove(transaction, *ino),
        Write::PutContent(spool, bytes) => contents::put(transaction, spool, bytes),
        Write::RemoveContent(spool) => contents::remove(transaction, spool),
        Write::PutAttribute(ino, name, value) => nodes::put_attribute(transaction, *ino, name, value),
        Write::RemoveAttribute(ino, name) => nodes::remove_attribute(transaction, *ino, name),
        Write::MoveAttributes(from, to) => nodes::move_attributes(transaction, *from, *to),
        Write::PutFact(key, value) => transaction
            .prepare_cached("INSERT OR REPLACE INTO facts (key, value) VALUES (?1, ?2)")
            .and_then(|mut s| s.execute((key, value)))
            .map(drop)
            .map_err(sql),
    }
}
