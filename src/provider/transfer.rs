//! Bytes on their way: what is read, what is sent, and what came of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;
use crate::ids::{RemoteId, RevisionId};

/// Which content to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadTarget {
    pub id: RemoteId,
    /// The revision wanted. `None` where the service tells no revisions.
    pub revision: Option<RevisionId>,
    /// Whether that is an older revision, to be fetched from the history, and not the current one.
    pub old: bool,
    /// Size of that revision, if known; a download of another length is a fault.
    pub size: Option<u64>,
}

/// Bytes `start..end`; `end` is exclusive, `None` means to the end of the content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    pub start: u64,
    pub end: Option<u64>,
}

impl ByteRange {
    pub const WHOLE: ByteRange = ByteRange { start: 0, end: None };

    /// The value of a `Range` header for this part of a content of `size` bytes; `None` when everything is wanted.
    /// Both of its ends are inclusive (RFC 9110, 14.1.2).
    pub fn header(self, size: Option<u64>) -> Option<String> {
        let to_the_end = self.end.is_none_or(|end| size.is_some_and(|size| end >= size));
        match (self.start, self.end) {
            (0, _) if to_the_end => None,
            (start, Some(end)) if end > start => Some(format!("bytes={start}-{}", end - 1)),
            (start, _) => Some(format!("bytes={start}-")),
        }
    }
}

/// Content that is arriving.
pub struct Download {
    /// Offset of the stream's first byte. 0 when the service ignored the range: then the whole content comes.
    pub start: u64,
    /// Size of the whole content, where the answer tells it.
    pub total: Option<u64>,
    /// The bytes in order. Ends with an error when fewer bytes came than were announced.
    pub stream: BoxStream<'static, Result<Bytes>>,
}

/// A re-readable source of content with a known length: retries need to read it again.
#[derive(Debug, Clone)]
pub struct Content {
    /// A file that does not change as long as the content is in use.
    pub path: PathBuf,
    pub size: u64,
    sent: Arc<AtomicU64>,
}

impl Content {
    pub fn new(path: PathBuf, size: u64) -> Content {
        Content { path, size, sent: Arc::default() }
    }

    /// Bytes sent so far in the current try; for progress displays.
    pub fn sent_bytes(&self) -> u64 {
        self.sent.load(Ordering::Relaxed)
    }

    /// The counter that whoever sends the bytes moves on, and sets to 0 at the start of a try.
    pub fn sent_counter(&self) -> &Arc<AtomicU64> {
        &self.sent
    }
}

/// Bytes uploaded but not yet attached to anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedAsset {
    /// The service's name for it; `None` where nothing was sent yet because the service has one step only.
    pub token: Option<String>,
    /// When the service forgets it, if that is known.
    pub expires: Option<SystemTime>,
    /// What the file will be called, where the upload says so and attaching cannot: renamed meanwhile, it is sent anew.
    pub name: Option<String>,
}

impl StagedAsset {
    pub fn none() -> StagedAsset {
        StagedAsset { token: None, expires: None, name: None }
    }
}

/// One deferred asset to be attached.
#[derive(Debug, Clone)]
pub struct AttachItem {
    pub name: String,
    pub staged: StagedAsset,
    pub content: Content,
    /// Shown beside the file by services that can.
    pub description: Option<String>,
    /// A document, perhaps one that is gone, whose content this was: whoever may not see that one must not see the new
    /// file either.
    pub hidden_like: Option<RemoteId>,
}

/// A file that was made. Fields the answer did not tell stay `None`; the next listing fills them.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub id: RemoteId,
    pub revision: Option<RevisionId>,
    /// The name the service gave it, when that differs from the one asked for.
    pub renamed: Option<String>,
    /// The service put the content into a file that was there already, as a new revision of it.
    pub existed: bool,
}

/// A revision that was made.
#[derive(Debug, Clone, PartialEq)]
pub struct Revised {
    /// The id afterwards: another one only where the service cannot revise in place.
    pub id: RemoteId,
    pub revision: Option<RevisionId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_asked_for_only_when_a_part_is_wanted() {
        let range = |start, end| ByteRange { start, end };
        assert_eq!(ByteRange::WHOLE.header(Some(10)), None);
        assert_eq!(range(0, Some(10)).header(Some(10)), None);
        assert_eq!(range(0, Some(5)).header(Some(10)).as_deref(), Some("bytes=0-4"));
        assert_eq!(range(5, None).header(Some(10)).as_deref(), Some("bytes=5-"));
        assert_eq!(range(5, Some(20)).header(None).as_deref(), Some("bytes=5-19"));
    }
}
