//! Bodies that go out: always with a length, never chunked, readable again for the next try.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use tokio::io::AsyncReadExt;
use tokio_util::io::ReaderStream;

use crate::error::{Error, ErrorKind, Result};
use crate::http::multipart::Multipart;
use crate::http::transport::Progress;

/// Read at a time from a file that goes up: large enough that the disk and the scheduler do not count.
const CHUNK_BYTES: usize = 256 << 10;

#[derive(Clone)]
pub enum Body {
    Empty,
    Bytes(Bytes),
    File(FileBody),
    Multipart(Multipart),
}

/// A local file as a body (or as a part of one).
#[derive(Clone)]
pub struct FileBody {
    pub path: PathBuf,
    /// Exactly so many bytes are sent. A shorter file breaks the request off; what a longer one has more is left out.
    pub size_bytes: u64,
    /// Moved on while bytes go out, set to 0 at the start of a try.
    pub sent_bytes: Arc<AtomicU64>,
}

impl Body {
    pub(super) fn len(&self) -> u64 {
        match self {
            Body::Empty => 0,
            Body::Bytes(bytes) => bytes.len() as u64,
            Body::File(file) => file.size_bytes,
            Body::Multipart(form) => form.len(),
        }
    }

    pub(super) fn is_file(&self) -> bool {
        matches!(self, Body::File(_) | Body::Multipart(_))
    }

    /// Opens the body for one try.
    pub(super) fn open(&self, progress: &Progress) -> (reqwest::Body, LocalFault) {
        let fault = LocalFault::default();
        let body = match self {
            Body::Empty => reqwest::Body::default(),
            Body::Bytes(bytes) => bytes.clone().into(),
            Body::File(file) => reqwest::Body::wrap_stream(watched(file.stream(), progress.clone(), fault.clone())),
            Body::Multipart(form) => {
                reqwest::Body::wrap_stream(watched(form.stream(), progress.clone(), fault.clone()))
            }
        };
        (body, fault)
    }
}

/// Why we broke off a body: kept aside, because the HTTP library reports only that it broke.
#[derive(Clone, Default)]
pub(super) struct LocalFault(Arc<Mutex<Option<Error>>>);

impl LocalFault {
    pub(super) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(|e| e.into_inner()).take()
    }

    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Some(error);
    }
}

fn watched(
    body: BoxStream<'static, Result<Bytes>>,
    progress: Progress,
    fault: LocalFault,
) -> impl futures::Stream<Item = std::io::Result<Bytes>> + Send + 'static {
    body.map(move |chunk| {
        progress.touch();
        chunk.map_err(|error| {
            let text = error.to_string();
            fault.set(error);
            std::io::Error::other(text)
        })
    })
}

impl FileBody {
    /// The file's bytes, counted; an error when it cannot be read or has fewer than it should.
    pub(super) fn stream(&self) -> BoxStream<'static, Result<Bytes>> {
        self.sent_bytes.store(0, Ordering::Relaxed);
        let FileBody { path, size_bytes, sent_bytes } = self.clone();
        let opened = async move {
            let file = tokio::fs::File::open(&path).await.map_err(|e| unreadable(e, &path))?;
            let mut rest_bytes = size_bytes;
            let shown = path.clone();
            let chunks = ReaderStream::with_capacity(file.take(size_bytes), CHUNK_BYTES).map(move |chunk| {
                let chunk = chunk.map_err(|e| unreadable(e, &path))?;
                rest_bytes -= chunk.len() as u64;
                sent_bytes.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                Ok((chunk, rest_bytes))
            });
            Ok::<_, Error>(whole_or_error(chunks.boxed(), size_bytes, shown))
        };
        stream::once(opened)
            .flat_map(|opened| match opened {
                Ok(chunks) => chunks,
                Err(error) => stream::once(async { Err(error) }).boxed(),
            })
            .boxed()
    }
}

/// Ends with an error when the file ended before its size.
fn whole_or_error(
    chunks: BoxStream<'static, Result<(Bytes, u64)>>,
    size_bytes: u64,
    path: PathBuf,
) -> BoxStream<'static, Result<Bytes>> {
    let start = (chunks, size_bytes, path);
    stream::try_unfold(start, |(mut chunks, rest_bytes, path)| async move {
        match chunks.next().await {
            Some(Ok((chunk, rest_bytes))) => Ok(Some((chunk, (chunks, rest_bytes, path)))),
            Some(Err(error)) => Err(error),
            None if rest_bytes == 0 => Ok(None),
            None => {
                let text = format!("{}: ends {rest_bytes} bytes before its size", path.display());
                Err(Error::new(ErrorKind::LocalIo, text))
            }
        }
    })
    .boxed()
}

fn unreadable(error: std::io::Error, path: &std::path::Path) -> Error {
    Error::new(ErrorKind::LocalIo, format!("{}: {error}", path.display()))
}
