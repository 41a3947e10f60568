//! One fetch: asks the service for a range, writes what arrives, tries again where it was cut.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use futures::StreamExt;
use tokio::runtime::{Handle, RuntimeFlavor};

use crate::content::reader::{Shared, pause_before_try};
use crate::disk;
use crate::error::{Error, ErrorKind, Result};
use crate::provider::{ByteRange, Download};

/// Tries that may bring nothing new, one after the other. The HTTP client below repeats what did not begin at all.
pub(super) const FRUITLESS_TRIES_MAX: u32 = 3;
/// Pieces of a stream that are written at a time, if so many are there: some 256 KiB.
const PIECES_AT_ONCE: usize = 16;
/// Room in the cache is asked for in such steps.
const RESERVE_BYTES: u64 = 8 << 20;

/// How a fetch ended.
pub(super) enum Landing {
    Done,
    /// The cache or the disk is full.
    NoRoom,
    /// A later fetch may succeed.
    Failed(Error),
    /// The service does not have this revision any more.
    Gone(Error),
    /// What the service sent contradicts what it said before: nothing of it may be kept.
    Contradicted(Error),
}

/// Why a try ended before its end.
enum Stop {
    NoRoom,
    Error(Error),
    /// What the service sends contradicts what it said before: nothing of it may be kept.
    Contradiction(Error),
    /// Another fetch brings these bytes.
    Superfluous,
}

type Tried = std::result::Result<(), Stop>;

/// What a download brought so far.
struct Arrival {
    first: u64,
    position: u64,
    total: Option<u64>,
}

impl From<Error> for Stop {
    fn from(e: Error) -> Stop {
        Stop::Error(e)
    }
}

struct Fetch {
    shared: Arc<Shared>,
    id: u64,
    start: u64,
    /// `start..arrived` is in the data file.
    arrived: u64,
    /// Readers know of `start..told`.
    told: u64,
    /// `u64::MAX` while the end of the content is not known.
    end: u64,
    reserved_until: u64,
}

/// Fetches a range and tells `shared` what arrives. Ends at once when the reader is closed.
pub(super) async fn fly(shared: Arc<Shared>, id: u64, range: Range<u64>) {
    let closed = shared.closed.clone();
    let Range { start, end } = range;
    let fetch = Fetch { shared, id, start, arrived: start, told: start, end, reserved_until: start };
    // None: the reader was closed, and nobody waits.
    let _ = closed.run_until_cancelled(fetch.run()).await;
}

impl Fetch {
    async fn run(mut self) {
        let mut failures = 0;
        let landing = loop {
            let before = self.told;
            let error = match self.one_try().await {
                Ok(()) | Err(Stop::Superfluous) => break Landing::Done,
                Err(Stop::NoRoom) => break Landing::NoRoom,
                Err(Stop::Contradiction(error)) => break Landing::Contradicted(error),
                Err(Stop::Error(error)) => error,
            };
            failures = if self.told > before { 1 } else { failures + 1 };
            if failures >= FRUITLESS_TRIES_MAX || !error.is_temporary() {
                break self.failure(error);
            }
            tokio::time::sleep(pause_before_try(failures)).await;
        };
        self.shared.land(self.id, landing);
    }

    /// A reader is bound to one revision: when the service does not have it, nothing else may be read instead.
    fn failure(&self, error: Error) -> Landing {
        let subject = &self.shared.target.id;
        match is_gone(&error) {
            true => Landing::Gone(stale(&error).during("read", subject)),
            false => Landing::Failed(error.during("read", subject)),
        }
    }

    async fn one_try(&mut self) -> Tried {
        self.arrived = self.told;
        let asked = self.range();
        let shared = self.shared.clone();
        let answer = shared.within_time(shared.provider.read(&shared.target, asked)).await;
        let download = answer.unwrap_or_else(|| Err(shared.timed_out()))?;
        self.check_answer(&asked, &download)?;
        let mut arrival = Arrival { first: download.start, position: download.start, total: download.total };
        let mut pieces = download.stream.ready_chunks(PIECES_AT_ONCE);
        loop {
            let is_over = self.arrived >= self.end;
            let batch = match shared.within_time(pieces.next()).await {
                Some(Some(batch)) => batch,
                Some(None) => return self.at_stream_end(&asked, &arrival),
                // All bytes came; only the end of the stream did not.
                None if is_over && arrival.total.is_some() => return Ok(()),
                None => return Err(shared.timed_out().into()),
            };
            if is_over && arrival.first > 0 {
                // More than was asked for, and of no use.
                return Ok(());
            }
            let (batch, cut) = split_at_error(batch);
            self.take(&mut arrival, batch).await?;
            if let Some(error) = cut {
                return if self.told >= self.end { Ok(()) } else { Err(error.into()) };
            }
        }
    }

    fn range(&self) -> ByteRange {
        if !self.shared.may_ask_for_ranges() {
            return ByteRange::WHOLE;
        }
        let to_the_end = self.end == u64::MAX || self.arrived == 0 && self.shared.size() == Some(self.end);
        ByteRange { start: self.arrived, end: (!to_the_end).then_some(self.end) }
    }

    fn check_answer(&mut self, asked: &ByteRange, download: &Download) -> Tried {
        if let Some(size) = download.total.or(self.shared.target.size) {
            self.learn_size(size)?;
        }
        if let (Some(total), Some(expected)) = (download.total, self.shared.target.size)
            && total != expected
        {
            return Err(self.wrong_length(total, expected));
        }
        match download.start {
            start if start == asked.start => Ok(()),
            0 => self.become_whole(),
            start => {
                let detail = format!("asked for bytes from {}, got them from {start}", asked.start);
                Err(Error::new(ErrorKind::Protocol, detail).into())
            }
        }
    }

    /// The service sends everything, whatever was asked.
    fn become_whole(&mut self) -> Tried {
        if !self.shared.take_whole(self.id) {
            return Err(Stop::Superfluous);
        }
        if self.start > 0 {
            (self.start, self.arrived, self.told, self.reserved_until) = (0, 0, 0, 0);
        }
        self.end = self.shared.size().unwrap_or(u64::MAX);
        Ok(())
    }

    fn learn_size(&mut self, size: u64) -> Tried {
        let learned = self.shared.item.learn_size(size);
        learned.map_err(|e| Stop::Contradiction(e.during("read", &self.shared.target.id)))?;
        if self.end == u64::MAX {
            self.end = size;
        }
        Ok(())
    }

    /// Writes what is new of a batch, and tells of it.
    async fn take(&mut self, arrival: &mut Arrival, batch: Vec<Bytes>) -> Tried {
        let bytes: u64 = batch.iter().map(|piece| piece.len() as u64).sum();
        let batch_start = arrival.position;
        arrival.position += bytes;
        self.shared.received.fetch_add(bytes, Ordering::Relaxed);
        if let Some(size) = self.shared.size()
            && arrival.position > size
        {
            return Err(self.wrong_length(arrival.position, size));
        }
        if arrival.position > self.end && arrival.first == 0 {
            self.become_whole()?;
        }
        let new_end = arrival.position.min(self.end);
        if new_end <= self.arrived {
            return Ok(());
        }
        self.reserve(new_end).await?;
        let wanted = self.arrived..new_end;
        let item = &self.shared.item;
        let written = {
            let _turn = self.shared.writing.lock().await;
            blocking(|| item.file().and_then(|file| write(&file, batch_start, &batch, wanted)))
        };
        written.map_err(|e| self.no_room(&e))?;
        self.arrived = new_end;
        // Where nothing but the stream's end tells the length, the last bytes are not given out before it.
        if arrival.total.is_some() || self.shared.size() != Some(new_end) {
            self.tell();
        }
        Ok(())
    }

    fn tell(&mut self) {
        self.told = self.arrived;
        self.shared.advance(self.id, self.told);
    }

    async fn reserve(&mut self, until: u64) -> Tried {
        while self.reserved_until < until {
            let step = RESERVE_BYTES.min(self.end - self.reserved_until);
            if !self.shared.cache.make_room(&self.shared.item, step).await {
                return Err(Stop::NoRoom);
            }
            self.reserved_until += step;
        }
        Ok(())
    }

    /// A disk that is full, or fails, must not keep anybody from reading: the bytes then pass through memory.
    fn no_room(&self, e: &io::Error) -> Stop {
        log::warn!("the content cache cannot keep {}: {e}", self.shared.target.id);
        Stop::NoRoom
    }

    fn at_stream_end(&mut self, asked: &ByteRange, arrival: &Arrival) -> Tried {
        if self.end == u64::MAX {
            self.learn_size(arrival.position)?;
        }
        if self.arrived >= self.end {
            self.tell();
            if asked.end.is_some() {
                self.shared.prove_ranges();
            }
            return Ok(());
        }
        if *asked == ByteRange::WHOLE && arrival.total.is_none() {
            return Err(self.wrong_length(arrival.position, self.end));
        }
        let detail = format!("the content ended at byte {} instead of {}", arrival.position, self.end);
        Err(Error::new(ErrorKind::Protocol, detail).into())
    }

    fn wrong_length(&self, got: u64, expected: u64) -> Stop {
        let detail = format!("the service sent {got} bytes where there should be {expected}");
        Stop::Contradiction(Error::new(ErrorKind::Protocol, detail).during("read", &self.shared.target.id))
    }
}

/// Whether the service does not have this revision (any more).
pub(super) fn is_gone(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound | ErrorKind::Stale)
}

pub(super) fn stale(error: &Error) -> Error {
    Error::new(ErrorKind::Stale, format!("the service does not have this revision any more: {}", error.detail()))
}

fn split_at_error(batch: Vec<Result<Bytes>>) -> (Vec<Bytes>, Option<Error>) {
    let mut pieces = Vec::with_capacity(batch.len());
    for piece in batch {
        match piece {
            Ok(piece) => pieces.push(piece),
            Err(e) => return (pieces, Some(e)),
        }
    }
    (pieces, None)
}

/// Writing waits for the disk when much is unwritten: others must not wait for this thread then.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}

/// Writes the part of `pieces`, which begin at `position`, that lies in `wanted`.
fn write(file: &File, mut position: u64, pieces: &[Bytes], wanted: Range<u64>) -> io::Result<()> {
    let mut parts = Vec::with_capacity(pieces.len());
    for piece in pieces {
        let end = position + piece.len() as u64;
        let (from, to) = (wanted.start.max(position), wanted.end.min(end));
        if from < to {
            parts.push(&piece[(from - position) as usize..(to - position) as usize]);
        }
        position = end;
    }
    disk::write_pieces_at(file, &parts, wanted.start)
}
