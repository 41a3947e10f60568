//! Reading one revision of a file, whoever has it open.
//!
//! Owns which fetches are under way and who waits for their bytes. Promises: what is here is served at the first
//! poll; the same bytes are asked for once, however many wait for them; a read ends, at the latest, when its time is
//! over and nothing arrives; wrong bytes are never served.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::content::blocks::BLOCK_BYTES;
use crate::content::cache::Cache;
use crate::content::direct::Direct;
use crate::content::fetch::{self, Landing};
use crate::content::item::Item;
use crate::content::prefetch::{Ahead, FLIGHTS_AHEAD_MAX, Streams};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::provider::{Provider, ReadTarget};

/// Files up to this size are fetched whole with one request: over a slow line (100 Mbit/s) that takes a third of a
/// second, and most programs that read a part of such a file read all of it.
pub(super) const WHOLE_BYTES_MAX: u64 = 4 << 20;
/// Who has read no more than this of a file that is not small may only look what it is, as file managers do with
/// hundreds: a part is fetched then, and the whole when they read on.
const LOOK_BYTES_MAX: u64 = 64 << 10;
const LOOKED_INTO_BYTES_MIN: u64 = 256 << 10;
/// A read whose time is over waits on while so much arrived within it: its bytes are at the end of a long stream.
const PROGRESS_BYTES_MIN: u64 = 1 << 20;
/// Most bytes asked for at once by somebody who waits for them.
const CHUNK_BYTES: u64 = 8 << 20;
/// The same for the whole of a very large content: fewer requests, which some services count.
const CHUNK_BYTES_MAX: u64 = 32 << 20;
/// A whole content is fetched in so many requests, if they are neither too small nor too large then.
const CHUNKS_OF_WHOLE: u64 = 32;
/// For so long after a read that waited in vain, others are answered like it.
const GIVEN_UP_FOR: Duration = Duration::from_secs(1);

/// Reads one revision. Shared by all who have it open; when the last one drops it, its fetches end.
pub struct Reader {
    shared: Arc<Shared>,
}

/// What the reader and its fetches share.
pub(super) struct Shared {
    pub cache: Arc<Cache>,
    pub provider: Arc<dyn Provider>,
    pub target: ReadTarget,
    pub item: Arc<Item>,
    pub closed: CancellationToken,
    /// Bytes that arrived so far.
    pub received: AtomicU64,
    /// Fetches write in turns: the kernel lets one thread write to a file, and the others spin.
    pub writing: tokio::sync::Mutex<()>,
    direct: Direct,
    traffic: Mutex<Traffic>,
}

#[derive(Default)]
struct Traffic {
    streams: Streams,
    /// At most [`FLIGHTS_AHEAD_MAX`], and those that somebody waits for.
    flights: Vec<Flight>,
    /// One per read that waits.
    waiters: Vec<Waiter>,
    next_flight: u64,
    /// A range was answered with that range.
    ranges_proven: bool,
    /// A range was answered with the whole content.
    ranges_ignored: bool,
    /// There is no room in the cache: what is not here passes through memory.
    uncached: bool,
    /// What makes every further fetch pointless.
    failed: Option<Error>,
    /// A read has just waited in vain.
    gave_up: Option<(Instant, Error)>,
}

impl Traffic {
    /// The kernel asks once more for what its read-ahead did not get: the program has waited its time already.
    fn has_just_given_up(&self) -> Option<Error> {
        let (at, error) = self.gave_up.as_ref()?;
        (at.elapsed() < GIVEN_UP_FOR).then(|| error.clone())
    }
}

/// A fetch under way. `start..arrived` is in the data file.
struct Flight {
    id: u64,
    start: u64,
    arrived: u64,
    /// `u64::MAX` while the end of the content is not known.
    end: u64,
}

struct Waiter {
    range: Range<u64>,
    done: oneshot::Sender<Result<()>>,
}

enum Answer {
    Here { end: u64 },
    Wait(oneshot::Receiver<Result<()>>),
    Uncached { end: u64 },
}

impl Reader {
    pub(super) fn new(
        cache: Arc<Cache>,
        provider: Arc<dyn Provider>,
        target: ReadTarget,
        item: Arc<Item>,
    ) -> Arc<Reader> {
        let (closed, received) = (CancellationToken::new(), AtomicU64::new(0));
        let (writing, direct, traffic) = (tokio::sync::Mutex::default(), Direct::default(), Mutex::default());
        let shared = Shared { cache, provider, target, item, closed, received, writing, direct, traffic };
        Arc::new(Reader { shared: Arc::new(shared) })
    }

    /// Size in bytes: as the listing said, or as the first download showed.
    pub fn size(&self) -> Option<u64> {
        self.shared.size()
    }

    /// The bytes from `offset` on; fewer than `len` only at the end of the content. Answers at the first poll what is
    /// here.
    ///
    /// Errors: `Stale` when the service does not have this revision any more; `TimedOut`; `Protocol` when the service
    /// sent another length than it announced; what the provider says.
    pub async fn read(&self, offset: u64, len: usize) -> Result<Bytes> {
        let shared = &self.shared;
        let mut asks_again = false;
        loop {
            let answer = shared.ask(offset, len as u64, asks_again)?;
            asks_again = true;
            match answer {
                Answer::Here { end } if end <= offset => return Ok(Bytes::new()),
                Answer::Here { end } => match shared.item.read(offset, (end - offset) as usize) {
                    Ok(bytes) => return Ok(bytes),
                    Err(e) => shared.give_up_disk(&e),
                },
                Answer::Wait(waiting) => shared.wait(waiting).await?,
                Answer::Uncached { end } => return shared.read_uncached(offset..end).await,
            }
        }
    }

    /// A local file with exactly this content, if the whole of it is here.
    pub fn complete(&self) -> Option<Arc<File>> {
        self.shared.item.complete()
    }

    /// Fetches the whole content. Errors as for [`Reader::read`]; `DiskFull` when the cache has no room for it.
    pub async fn fetch_all(&self) -> Result<Arc<File>> {
        let shared = &self.shared;
        if let Some(0) = self.size() {
            shared.item.learn_size(0)?;
        }
        let chunk = (self.size().unwrap_or(0) / CHUNKS_OF_WHOLE).clamp(CHUNK_BYTES, CHUNK_BYTES_MAX);
        let mut position = 0;
        while self.complete().is_none() {
            shared.ask_ahead(position, chunk.next_multiple_of(BLOCK_BYTES));
            match shared.ask(position, BLOCK_BYTES, false)? {
                Answer::Here { end } if end <= position => break,
                Answer::Here { end } => position = end,
                Answer::Wait(waiting) => shared.wait(waiting).await?,
                Answer::Uncached { .. } => return fail(ErrorKind::DiskFull, "there is no room in the content cache"),
            }
        }
        self.complete().ok_or_else(|| Error::new(ErrorKind::LocalIo, "the cached content cannot be opened"))
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.closed.cancel();
        self.shared.cache.forget_reader(self.shared.item.key);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.cache.release(&self.item);
    }
}

impl Shared {
    fn traffic(&self) -> MutexGuard<'_, Traffic> {
        // A panic under this lock is a fault of ours; the worst it leaves is a wait that ends by its time.
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn size(&self) -> Option<u64> {
        self.item.size().or(self.target.size)
    }

    pub fn may_ask_for_ranges(&self) -> bool {
        self.has_ranges(&self.traffic())
    }

    fn has_ranges(&self, traffic: &Traffic) -> bool {
        !traffic.ranges_ignored && self.provider.capabilities().ranges
    }

    /// Says whether the bytes are here, and else starts what brings them. Who asks again after waiting reads no more than
    /// before.
    fn ask(self: &Arc<Self>, offset: u64, len: u64, again: bool) -> Result<Answer> {
        let size = self.size();
        let end = offset.saturating_add(len).min(size.unwrap_or(u64::MAX)).max(offset);
        if end == offset || self.item.is_complete() {
            return Ok(Answer::Here { end });
        }
        let mut traffic = self.traffic();
        let here = self.arrived_until(&traffic, offset, end) >= end;
        if traffic.uncached && !here {
            return Ok(Answer::Uncached { end });
        }
        match &traffic.failed {
            Some(e) if !here => return Err(e.clone()),
            Some(_) => return Ok(Answer::Here { end }),
            None => {}
        }
        if !here && let Some(e) = traffic.has_just_given_up() {
            return Err(e);
        }
        let ahead = if again { None } else { traffic.streams.observe(offset, end) };
        if !here {
            self.start_wanted(&mut traffic, offset..end, size);
        }
        if let Some(ahead) = ahead {
            self.start_ahead(&mut traffic, ahead, size);
        }
        if here {
            return Ok(Answer::Here { end });
        }
        let (done, waiting) = oneshot::channel();
        traffic.waiters.retain(|waiter| !waiter.done.is_closed());
        traffic.waiters.push(Waiter { range: offset..end, done });
        Ok(Answer::Wait(waiting))
    }

    /// Starts fetching what a caller of [`Reader::fetch_all`] will ask for soon, so much per request.
    fn ask_ahead(self: &Arc<Self>, from: u64, chunk: u64) {
        let Some(size) = self.size() else { return };
        let mut traffic = self.traffic();
        if traffic.failed.is_none() && !traffic.uncached && self.has_ranges(&traffic) {
            let window = chunk * FLIGHTS_AHEAD_MAX as u64;
            self.start_gaps(&mut traffic, from..size.min(from + window), chunk, self.flights_ahead_max());
        }
    }

    /// Most requests under way for bytes that nobody waits for yet.
    fn flights_ahead_max(&self) -> usize {
        self.provider.capabilities().requests_parallel.clamp(1, FLIGHTS_AHEAD_MAX)
    }

    /// The first byte at or after `from` that is not in the data file, or something at or after `to`.
    fn arrived_until(&self, traffic: &Traffic, from: u64, to: u64) -> u64 {
        let mut position = from;
        while position < to {
            let flown = traffic.flights.iter().filter(|f| f.start <= position).map(|f| f.arrived).max().unwrap_or(0);
            let next = self.item.present_until(position).max(flown);
            if next <= position {
                break;
            }
            position = next;
        }
        position
    }

    fn start_wanted(self: &Arc<Self>, traffic: &mut Traffic, wanted: Range<u64>, size: Option<u64>) {
        match size {
            Some(size) if self.has_ranges(traffic) => {
                let is_look = size > LOOKED_INTO_BYTES_MIN && traffic.streams.read_so_far(wanted.end) <= LOOK_BYTES_MAX;
                let range = if size <= WHOLE_BYTES_MAX && !is_look { 0..size } else { wanted };
                let end = range.end.next_multiple_of(BLOCK_BYTES).min(size);
                self.start_gaps(traffic, range.start..end, CHUNK_BYTES, usize::MAX);
            }
            _ if traffic.flights.iter().any(|f| f.start == 0 && f.end >= size.unwrap_or(u64::MAX)) => {}
            _ => self.start(traffic, 0..size.unwrap_or(u64::MAX)),
        }
    }

    fn start_ahead(self: &Arc<Self>, traffic: &mut Traffic, ahead: Ahead, size: Option<u64>) {
        // Before one range was answered as asked, several could bring the whole content several times.
        let Some(size) = size.filter(|_| traffic.ranges_proven && self.has_ranges(traffic)) else { return };
        // Of a file that is fetched whole, the rest comes with one request.
        let (to, chunk) = if size <= WHOLE_BYTES_MAX { (size, WHOLE_BYTES_MAX) } else { (ahead.to, ahead.chunk) };
        let range = ahead.from.min(size)..to.min(size);
        let horizon = self.start_gaps(traffic, range, chunk, self.flights_ahead_max());
        traffic.streams.started(ahead, horizon);
    }

    /// Starts fetches for what of `wanted` is neither here nor on its way, as long as there are fewer than
    /// `flights_max`. Returns up to where everything is here or on its way.
    fn start_gaps(self: &Arc<Self>, traffic: &mut Traffic, wanted: Range<u64>, chunk: u64, flights_max: usize) -> u64 {
        let mut position = wanted.start / BLOCK_BYTES * BLOCK_BYTES;
        while position < wanted.end {
            let flying = traffic.flights.iter().filter(|f| f.start <= position).map(|f| f.end).max().unwrap_or(0);
            let covered = self.item.present_until(position).max(flying);
            if covered > position {
                position = covered;
                continue;
            }
            if traffic.flights.len() >= flights_max {
                break;
            }
            let next_flight = traffic.flights.iter().map(|f| f.start).filter(|s| *s > position).min();
            let limit = wanted.end.min(position + chunk).min(next_flight.unwrap_or(u64::MAX));
            let end = self.item.absent_until(position, limit);
            self.start(traffic, position..end);
            position = end;
        }
        position.max(wanted.start)
    }

    fn start(self: &Arc<Self>, traffic: &mut Traffic, range: Range<u64>) {
        let id = traffic.next_flight;
        traffic.next_flight += 1;
        traffic.flights.push(Flight { id, start: range.start, arrived: range.start, end: range.end });
        self.cache.runtime.spawn(fetch::fly(self.clone(), id, range));
    }

    /// Waits for the bytes, at most for the time of a mount; longer only while plenty arrives.
    async fn wait(&self, mut waiting: oneshot::Receiver<Result<()>>) -> Result<()> {
        loop {
            let before = self.received.load(Ordering::Relaxed);
            match self.within_time(&mut waiting).await {
                Some(Ok(outcome)) => return outcome.inspect_err(|e| self.note_patience(e)),
                // Whoever would have told is gone: look again what is here.
                Some(Err(_)) => return Ok(()),
                None if self.received.load(Ordering::Relaxed) - before >= PROGRESS_BYTES_MIN => {}
                None => {
                    let error = self.timed_out();
                    self.note_patience(&error);
                    return Err(error);
                }
            }
        }
    }

    fn note_patience(&self, error: &Error) {
        if error.kind() == ErrorKind::TimedOut {
            self.traffic().gave_up = Some((Instant::now(), error.clone()));
        }
    }

    /// `None` when the time of the mount is over first.
    pub async fn within_time<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let limited = {
            // A timer is bound to a runtime when it is made, and the first poll may come from a thread outside of it.
            let _inside = self.cache.runtime.enter();
            tokio::time::timeout(self.cache.timeout, work)
        };
        limited.await.ok()
    }

    pub fn timed_out(&self) -> Error {
        let seconds = self.cache.timeout.as_secs_f32();
        Error::new(ErrorKind::TimedOut, format!("the content did not arrive within {seconds} s"))
            .during("read", &self.target.id)
    }

    async fn read_uncached(&self, wanted: Range<u64>) -> Result<Bytes> {
        self.within_time(self.direct.read(self, wanted)).await.unwrap_or_else(|| Err(self.timed_out()))
    }

    /// The data file cannot be read: from now on everything passes through memory.
    fn give_up_disk(&self, e: &io::Error) {
        log::warn!("the cached content of {} cannot be read: {e}", self.target.id);
        let mut traffic = self.traffic();
        traffic.uncached = true;
        self.discard(&mut traffic, &Ok(()));
    }

    /// Nothing that is in the data file, or will be written to it, is to be served.
    fn discard(&self, traffic: &mut Traffic, news: &Result<()>) {
        self.item.discard();
        self.closed.cancel();
        // A fetch that is not listed any more cannot mark anything as here.
        traffic.flights.clear();
        for waiter in traffic.waiters.drain(..) {
            let _ = waiter.done.send(news.clone());
        }
    }

    /// A fetch wrote up to `arrived`.
    pub fn advance(&self, flight: u64, arrived: u64) {
        let mut traffic = self.traffic();
        let Some(flight) = traffic.flights.iter_mut().find(|f| f.id == flight) else { return };
        let written_from = (flight.arrived / BLOCK_BYTES * BLOCK_BYTES).max(flight.start);
        flight.arrived = arrived;
        let completed = self.item.mark(written_from, arrived);
        self.wake_satisfied(&mut traffic);
        drop(traffic);
        if completed {
            self.cache.completed(&self.item);
        }
    }

    fn wake_satisfied(&self, traffic: &mut Traffic) {
        let waiters = std::mem::take(&mut traffic.waiters);
        for waiter in waiters {
            let Range { start, end } = waiter.range;
            // An end after the content's end is possible while the size was not known.
            let end = end.min(self.size().unwrap_or(u64::MAX));
            if self.arrived_until(traffic, start, end) >= end {
                let _ = waiter.done.send(Ok(()));
            } else {
                traffic.waiters.push(waiter);
            }
        }
    }

    /// A range was answered as asked.
    pub fn prove_ranges(&self) {
        self.traffic().ranges_proven = true;
    }

    /// The service sends the whole content although a range was asked for. Returns whether this fetch is the one to
    /// take it; else another one does already.
    pub fn take_whole(&self, flight: u64) -> bool {
        let end = self.size().unwrap_or(u64::MAX);
        let mut traffic = self.traffic();
        traffic.ranges_ignored = true;
        if traffic.flights.iter().any(|f| f.id != flight && f.start == 0 && f.end >= end) {
            return false;
        }
        if let Some(flight) = traffic.flights.iter_mut().find(|f| f.id == flight) {
            let arrived = if flight.start == 0 { flight.arrived } else { 0 };
            *flight = Flight { id: flight.id, start: 0, arrived, end };
        }
        true
    }

    /// A fetch ended.
    pub fn land(&self, flight: u64, landing: Landing) {
        let mut traffic = self.traffic();
        let Some(index) = traffic.flights.iter().position(|f| f.id == flight) else { return };
        let flight = traffic.flights.swap_remove(index);
        let concerned = flight.arrived..flight.end;
        let news = match landing {
            Landing::Done => Ok(()),
            Landing::NoRoom => {
                traffic.uncached = true;
                Ok(())
            }
            Landing::Failed(error) => {
                traffic.streams.failed(flight.arrived);
                Err(error)
            }
            Landing::Gone(error) => {
                traffic.failed = Some(error.clone());
                Err(error)
            }
            Landing::Contradicted(error) => {
                traffic.failed = Some(error.clone());
                return self.discard(&mut traffic, &Err(error));
            }
        };
        let waiters = std::mem::take(&mut traffic.waiters);
        for waiter in waiters {
            let concerns = waiter.range.start < concerned.end && waiter.range.end > concerned.start;
            if concerns || traffic.uncached || traffic.failed.is_some() {
                let _ = waiter.done.send(news.clone());
            } else {
                traffic.waiters.push(waiter);
            }
        }
    }
}

/// The pause before the next try of a fetch that was cut.
pub(super) fn pause_before_try(failures: u32) -> Duration {
    Duration::from_millis(100) * 2u32.saturating_pow(failures.min(5))
}
