//! Recognises who reads in sequence, and says how far ahead to fetch for them. No I/O.

use crate::content::blocks::BLOCK_BYTES;

/// Sequences followed at the same time in one file: a few programs, or a player with sound and picture apart.
const STREAMS: usize = 4;
/// Who has read so much in sequence is worth reading ahead for; thumbnails and file types need less.
const SEQUENCE_BYTES_MIN: u64 = BLOCK_BYTES;
const WINDOW_BYTES_MIN: u64 = 1 << 20;
/// 64 MiB under way give 3 GiB/s at 20 ms.
const WINDOW_BYTES_USUAL: u64 = 64 << 20;
/// For who has read hundreds of MiB: not faster, but fewer requests, which some services count.
const WINDOW_BYTES_MAX: u64 = 128 << 20;
/// The window is so many times what was read in sequence: it reaches its maximum within about five round trips.
const WINDOW_GROWTH: u64 = 4;
const CHUNK_BYTES_MIN: u64 = 1 << 20;
/// Most requests under way for bytes that nobody waits for yet.
pub(super) const FLIGHTS_AHEAD_MAX: usize = 8;
/// The kernel sends the requests of its own read-ahead in any order, so far apart at most.
const DISORDER_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Clone, Copy, Default)]
struct Stream {
    /// Bytes read in sequence so far.
    read: u64,
    /// The highest byte that was read, exclusive.
    position: u64,
    /// Fetches up to here were started.
    horizon: u64,
    last_use: u64,
}

#[derive(Debug, Default)]
pub(super) struct Streams {
    streams: [Stream; STREAMS],
    uses: u64,
}

/// What to fetch ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ahead {
    pub from: u64,
    pub to: u64,
    /// Size of one request.
    pub chunk: u64,
    stream: usize,
}

impl Streams {
    /// Notes a read of `offset..end`. Returns what should be on its way now; tell [`Streams::started`] what is.
    pub fn observe(&mut self, offset: u64, end: u64) -> Option<Ahead> {
        self.uses += 1;
        let continued = self.streams.iter().position(|stream| stream.continues(offset, end));
        let index = continued.unwrap_or_else(|| self.least_recently_used());
        let stream = &mut self.streams[index];
        stream.last_use = self.uses;
        if continued.is_none() {
            *stream = Stream { read: end - offset, position: end, horizon: end, last_use: self.uses };
            return None;
        }
        stream.read += end - offset;
        stream.position = stream.position.max(end);
        stream.ahead(index)
    }

    fn least_recently_used(&self) -> usize {
        (0..STREAMS).min_by_key(|i| self.streams[*i].last_use).unwrap_or(0)
    }

    /// Bytes read in sequence by whoever has read up to here.
    pub fn read_so_far(&self, position: u64) -> u64 {
        let here = self.streams.iter().filter(|stream| stream.position == position);
        here.map(|stream| stream.read).max().unwrap_or(0)
    }

    /// Fetches for this were started, up to `horizon`.
    pub fn started(&mut self, ahead: Ahead, horizon: u64) {
        self.streams[ahead.stream].horizon = horizon;
    }

    /// What was started from here on did not come.
    pub fn failed(&mut self, from: u64) {
        for stream in &mut self.streams {
            stream.horizon = stream.horizon.min(from);
        }
    }
}

impl Stream {
    fn continues(&self, offset: u64, end: u64) -> bool {
        if self.read == 0 {
            return false;
        }
        // Whoever has read little may jump about near by; whoever has read much is disordered by the kernel only.
        let slack = if self.read >= DISORDER_BYTES_MAX { DISORDER_BYTES_MAX } else { 0 };
        offset <= self.position + slack && end + DISORDER_BYTES_MAX.min(self.read) > self.position
    }

    fn ahead(&self, index: usize) -> Option<Ahead> {
        if self.read <= SEQUENCE_BYTES_MIN {
            return None;
        }
        let usual = (WINDOW_GROWTH * self.read).clamp(WINDOW_BYTES_MIN, WINDOW_BYTES_USUAL);
        let window = usual.max((self.read / 2).min(WINDOW_BYTES_MAX));
        let parallel = if window > WINDOW_BYTES_USUAL { FLIGHTS_AHEAD_MAX / 2 } else { FLIGHTS_AHEAD_MAX };
        let chunk = (window / parallel as u64).next_multiple_of(BLOCK_BYTES).max(CHUNK_BYTES_MIN);
        let (from, to) = (self.horizon.max(self.position), self.position + window);
        // Whole requests only: a small one costs a round trip like a large one.
        (to >= from + chunk).then_some(Ahead { from, to, chunk, stream: index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u64 = 1 << 10;
    const MIB: u64 = 1 << 20;

    #[test]
    fn a_look_at_the_header_fetches_nothing_ahead() {
        let mut streams = Streams::default();
        for i in 0..8 {
            assert_eq!(streams.observe(i * 16 * KIB, (i + 1) * 16 * KIB), None);
        }
    }

    #[test]
    fn reading_on_opens_a_window_that_grows_to_its_maximum() {
        let mut streams = Streams::default();
        let mut windows = Vec::new();
        for i in 0..4000 {
            let (offset, end) = (i * 128 * KIB, (i + 1) * 128 * KIB);
            if let Some(ahead) = streams.observe(offset, end) {
                windows.push(ahead.to - end);
                streams.started(ahead, ahead.to);
            }
        }
        assert_eq!(windows[0], WINDOW_BYTES_MIN);
        assert_eq!(windows.last(), Some(&WINDOW_BYTES_MAX));
        assert!(windows.windows(2).all(|pair| pair[0] <= pair[1]));
    }

    #[test]
    fn requests_in_another_order_are_still_one_sequence() {
        let mut streams = Streams::default();
        for i in 0..16 {
            streams.observe(i * 128 * KIB, (i + 1) * 128 * KIB);
        }
        for swapped in [17, 16, 19, 18] {
            streams.observe(swapped * 128 * KIB, (swapped + 1) * 128 * KIB);
        }
        assert_eq!(streams.streams.iter().filter(|stream| stream.read > 0).count(), 1);
    }

    #[test]
    fn random_reads_fetch_nothing_ahead() {
        let mut streams = Streams::default();
        let mut offset = 12_345;
        for _ in 0..200 {
            offset = (offset * 48_271) % (1 << 31);
            assert_eq!(streams.observe(offset, offset + 4 * KIB), None);
        }
    }

    #[test]
    fn what_did_not_come_is_started_again() {
        let mut streams = Streams::default();
        streams.observe(0, MIB);
        let ahead = streams.observe(MIB, 2 * MIB).unwrap();
        streams.started(ahead, ahead.to);
        streams.failed(3 * MIB);
        assert_eq!(streams.observe(2 * MIB, 3 * MIB).map(|ahead| ahead.from), Some(3 * MIB));
    }
}
