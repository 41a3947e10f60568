//! Reading where the cache has no room: through memory, by one stream that goes on where the last read ended.

use std::collections::VecDeque;
use std::ops::Range;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::content::fetch::{FRUITLESS_TRIES_MAX, is_gone, stale};
use crate::content::reader::{Shared, pause_before_try};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::provider::ByteRange;

/// Bytes asked for with one request. The service is asked to send no more than is likely to be wanted.
const REQUEST_BYTES: u64 = 4 << 20;
/// Bytes kept behind the position: the kernel's requests come in any order.
const BEHIND_BYTES_MAX: usize = 4 << 20;
/// A gap up to this size is read over rather than asked anew.
const SKIP_BYTES_MAX: u64 = 1 << 20;

/// The stream of a reader whose content is not cached. Reads take turns.
#[derive(Default)]
pub(super) struct Direct {
    open: tokio::sync::Mutex<Option<Open>>,
}

struct Open {
    stream: BoxStream<'static, Result<Bytes>>,
    /// Offset of the first byte kept.
    first: u64,
    /// Offset of the next byte of the stream.
    position: u64,
    kept: VecDeque<Bytes>,
}

impl Direct {
    pub async fn read(&self, shared: &Shared, wanted: Range<u64>) -> Result<Bytes> {
        let mut slot = self.open.lock().await;
        // Taken out, so that a read that is given up leaves no half-read stream behind.
        let mut content = BytesMut::with_capacity((wanted.end - wanted.start).min(REQUEST_BYTES) as usize);
        let mut position = wanted.start;
        let mut failures = 0;
        while position < wanted.end {
            match step(shared, slot.take(), position..wanted.end, &mut content).await {
                Ok(Step::End) => break,
                Ok(Step::Served { bytes, open }) => {
                    position += bytes;
                    *slot = open;
                }
                Err(e) if e.is_temporary() && failures + 1 < FRUITLESS_TRIES_MAX => {
                    failures += 1;
                    tokio::time::sleep(pause_before_try(failures)).await;
                }
                Err(e) => return Err(gone_as_stale(e)),
            }
        }
        Ok(content.freeze())
    }
}

enum Step {
    End,
    Served {
        bytes: u64,
        /// The stream to go on with.
        open: Option<Open>,
    },
}

/// Appends the next bytes of `wanted` to `content`.
async fn step(shared: &Shared, open: Option<Open>, wanted: Range<u64>, content: &mut BytesMut) -> Result<Step> {
    let (mut open, is_new) = match open {
        Some(open) if open.can_serve(wanted.start, shared) => (open, false),
        _ => (start(shared, &wanted).await?, true),
    };
    match open.serve(wanted, content).await? {
        0 if is_new => check_end(shared, open.position).map(|()| Step::End),
        // The stream ended where its request ended: the next one goes on, unless this is the content's end.
        0 => Ok(Step::Served { bytes: 0, open: None }),
        bytes => Ok(Step::Served { bytes, open: Some(open) }),
    }
}

/// A stream that brings nothing is right at the content's end only.
fn check_end(shared: &Shared, end: u64) -> Result<()> {
    match shared.size() {
        Some(size) if end != size => {
            fail(ErrorKind::Protocol, format!("the content ended at byte {end} instead of {size}"))
        }
        _ => Ok(()),
    }
}

fn gone_as_stale(error: Error) -> Error {
    if is_gone(&error) { stale(&error) } else { error }
}

async fn start(shared: &Shared, wanted: &Range<u64>) -> Result<Open> {
    let range = match shared.may_ask_for_ranges() {
        true => {
            let end = wanted.end.max(wanted.start + REQUEST_BYTES);
            ByteRange { start: wanted.start, end: Some(end.min(shared.size().unwrap_or(u64::MAX))) }
        }
        false => ByteRange::WHOLE,
    };
    let download = shared.provider.read(&shared.target, range).await?;
    if let (Some(total), Some(size)) = (download.total, shared.size())
        && total != size
    {
        return fail(ErrorKind::Protocol, format!("the service sent {total} bytes where there should be {size}"));
    }
    if download.start > wanted.start {
        return fail(ErrorKind::Protocol, format!("asked for bytes from {}, got later ones", wanted.start));
    }
    let kept = VecDeque::new();
    Ok(Open { stream: download.stream, first: download.start, position: download.start, kept })
}

impl Open {
    fn can_serve(&self, offset: u64, shared: &Shared) -> bool {
        let skip = if shared.may_ask_for_ranges() { SKIP_BYTES_MAX } else { u64::MAX };
        self.first <= offset && offset.saturating_sub(self.position) <= skip
    }

    /// Appends the first bytes of `wanted` to `content`. Returns how many; 0 at the end of the stream.
    async fn serve(&mut self, wanted: Range<u64>, content: &mut BytesMut) -> Result<u64> {
        while self.position <= wanted.start {
            let Some(piece) = self.stream.next().await else { return Ok(0) };
            let piece = piece?;
            self.position += piece.len() as u64;
            self.kept.push_back(piece);
            self.forget_behind();
        }
        let (mut piece_start, mut position) = (self.first, wanted.start);
        for piece in &self.kept {
            let piece_end = piece_start + piece.len() as u64;
            if piece_end > position && position < wanted.end {
                let to = wanted.end.min(piece_end);
                content.extend_from_slice(&piece[(position - piece_start) as usize..(to - piece_start) as usize]);
                position = to;
            }
            piece_start = piece_end;
        }
        Ok(position - wanted.start)
    }

    fn forget_behind(&mut self) {
        while (self.position - self.first) as usize > BEHIND_BYTES_MAX && self.kept.len() > 1 {
            if let Some(piece) = self.kept.pop_front() {
                self.first += piece.len() as u64;
            }
        }
    }
}
