//! Content files by number. Bodies are written and read in big pieces, without holding any lock of the store.

use std::fmt::Display;
use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::body::{Body, Bytes};
use futures::{Stream, StreamExt};
use rand::RngCore;
use sha2::{Digest, Sha256};
use tokio::io::AsyncWriteExt;

use super::node::Content;
use crate::error::{Error, ErrorKind, Result};

/// Bytes per piece of a download: big enough that thread switches cost little against copying.
const PIECE_BYTES: u64 = 512 << 10;
/// Pieces read ahead of the socket.
const PIECES_AHEAD: usize = 2;
/// Bytes gathered before an upload's piece goes to a writing thread.
const WRITE_BUFFER_BYTES: usize = 1 << 20;
/// Sub-folders, so that no folder holds more than some hundred files of a large tree.
const FAN_OUT: u64 = 256;

pub struct Blobs {
    dir: PathBuf,
    next: AtomicU64,
}

impl Blobs {
    /// Opens the folder of content files; those not `in_use` were left by uploads that never ended, and go.
    pub fn open(dir: PathBuf, in_use: impl Fn(u64) -> bool) -> Result<Blobs> {
        let mut newest = 0;
        for part in 0..FAN_OUT {
            let folder = dir.join(format!("{part:02x}"));
            std::fs::create_dir_all(&folder)?;
            for found in std::fs::read_dir(&folder)? {
                let path = found?.path();
                match path.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse().ok()) {
                    Some(blob) if in_use(blob) => newest = newest.max(blob),
                    _ => std::fs::remove_file(&path)?,
                }
            }
        }
        Ok(Blobs { dir, next: AtomicU64::new(newest + 1) })
    }

    fn path(&self, blob: u64) -> PathBuf {
        self.dir.join(format!("{:02x}", blob % FAN_OUT)).join(blob.to_string())
    }

    fn reserve(&self) -> Unfinished {
        let blob = self.next.fetch_add(1, Ordering::Relaxed);
        Unfinished { blob, path: self.path(blob), kept: false }
    }

    /// Stores bytes that are in memory already.
    pub fn write(&self, bytes: &[u8]) -> Result<Content> {
        let unfinished = self.reserve();
        std::fs::write(&unfinished.path, bytes)?;
        Ok(unfinished.keep(bytes.len() as u64))
    }

    /// Stores so many random bytes. Repeats a random block with its number in front: no two blocks are equal, and it is
    /// as fast as the disk.
    pub fn write_random(&self, size_bytes: u64) -> Result<Content> {
        let unfinished = self.reserve();
        let mut block = vec![0; WRITE_BUFFER_BYTES.min(size_bytes as usize)];
        rand::rng().fill_bytes(&mut block);
        let mut file = File::create(&unfinished.path)?;
        let mut left = size_bytes as usize;
        while left > 0 {
            if let Some(number) = block.first_chunk_mut::<8>() {
                *number = left.to_le_bytes();
            }
            let length = left.min(block.len());
            file.write_all(&block[..length])?;
            left -= length;
        }
        Ok(unfinished.keep(size_bytes))
    }

    pub fn read(&self, content: Content) -> Result<Vec<u8>> {
        Ok(std::fs::read(self.path(content.blob))?)
    }

    /// Stores a request's body as it arrives. Errors: `Protocol` when it breaks off, `LocalIo`, `DiskFull`.
    pub async fn receive(&self, body: Body) -> Result<Content> {
        self.receive_pieces(body.into_data_stream()).await
    }

    /// The same for a part of a body.
    pub async fn receive_pieces<E: Display>(
        &self,
        pieces: impl Stream<Item = std::result::Result<Bytes, E>>,
    ) -> Result<Content> {
        let unfinished = self.reserve();
        let file = tokio::fs::File::create(&unfinished.path).await?;
        let mut writer = tokio::io::BufWriter::with_capacity(WRITE_BUFFER_BYTES, file);
        let mut pieces = std::pin::pin!(pieces);
        let mut size_bytes = 0;
        while let Some(piece) = pieces.next().await {
            let piece = piece.map_err(|e| Error::new(ErrorKind::Protocol, format!("body broke off: {e}")))?;
            size_bytes += piece.len() as u64;
            writer.write_all(&piece).await?;
        }
        writer.flush().await?;
        Ok(unfinished.keep(size_bytes))
    }

    /// A body of `length` bytes from `start`. Both must lie within the content.
    pub fn send(&self, content: Content, start: u64, length: u64) -> Result<Body> {
        debug_assert!(start + length <= content.size_bytes);
        let file = Arc::new(File::open(self.path(content.blob))?);
        Ok(Body::from_stream(pieces(file, start, length)))
    }

    /// SHA-256 of a content, in hexadecimal.
    pub fn sha256(&self, content: Content) -> Result<String> {
        sha256_of_file(&self.path(content.blob))
    }
}

fn pieces(file: Arc<File>, start: u64, length: u64) -> impl Stream<Item = std::io::Result<Bytes>> {
    let offsets = (start..start + length).step_by(PIECE_BYTES as usize);
    let end = start + length;
    futures::stream::iter(offsets)
        .map(move |offset| read_piece(file.clone(), offset, PIECE_BYTES.min(end - offset)))
        .buffered(PIECES_AHEAD)
}

async fn read_piece(file: Arc<File>, offset: u64, length: u64) -> std::io::Result<Bytes> {
    tokio::task::spawn_blocking(move || {
        let mut piece = vec![0; length as usize];
        file.read_exact_at(&mut piece, offset)?;
        Ok(piece.into())
    })
    .await?
}

fn sha256_of_file(path: &Path) -> Result<String> {
    let mut file = File::open(path)?;
    let mut digest = Sha256::new();
    let mut piece = vec![0; PIECE_BYTES as usize];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(format!("{:x}", digest.finalize())),
            read => digest.update(&piece[..read]),
        }
    }
}

/// A content file being written; removed unless it is kept.
struct Unfinished {
    blob: u64,
    path: PathBuf,
    kept: bool,
}

impl Unfinished {
    fn keep(mut self, size_bytes: u64) -> Content {
        self.kept = true;
        Content { blob: self.blob, size_bytes }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if !self.kept {
            // Nothing to do about a failure here; the next start removes what is left.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
