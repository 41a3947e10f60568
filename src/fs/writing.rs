//! Reading and writing.

use std::sync::Arc;

use bytes::Bytes;

use crate::content::SpoolFile;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::handles::{Body, Handle, OpenFile};
use crate::fs::hidden::HiddenFile;
use crate::fs::state::Inner;
use crate::ids::HandleId;

/// Bytes that one copy step holds in memory.
const COPY_STEP_BYTES: u64 = 1 << 20;

impl Inner {
    pub async fn read(self: &Arc<Self>, handle: HandleId, offset: u64, size: u32) -> Result<Bytes> {
        let source = self.readable(handle)?;
        source.read(offset, size).await
    }

    pub(super) fn readable(&self, handle: HandleId) -> Result<Readable> {
        match self.handles().get(handle)? {
            Handle::File { file, .. } => Ok(Readable::Open(file.clone())),
            Handle::Hidden(file) => Ok(Readable::Hidden(file.clone())),
            Handle::Dir { .. } => fail(ErrorKind::IsDirectory, "a directory is not read like a file"),
        }
    }

    pub async fn write(self: &Arc<Self>, handle: HandleId, offset: u64, data: Bytes) -> Result<u32> {
        let (file, may_write) = self.handles().file(handle)?;
        if !may_write {
            return fail(ErrorKind::Invalid, "the file is not open for writing");
        }
        self.check_size(offset + data.len() as u64)?;
        let spool = self.writable(&file).await?;
        spool.write_at(offset, &data)?;
        if spool.is_write_out_due() {
            let spool = spool.clone();
            drop(tokio::task::spawn_blocking(move || spool.begin_to_write_out()));
        }
        let mut state = file.lock();
        state.size = state.size.max(offset + data.len() as u64);
        state.touch();
        Ok(data.len() as u32)
    }

    fn check_size(&self, size: u64) -> Result<()> {
        match self.provider.capabilities().file_bytes_max {
            Some(most) if size > most => fail(ErrorKind::TooLarge, format!("the service takes {most} bytes at most")),
            _ => Ok(()),
        }
    }

    /// A spool file with the present content that may be changed.
    async fn writable(self: &Arc<Self>, file: &Arc<OpenFile>) -> Result<Arc<SpoolFile>> {
        if let Some(spool) = file.lock().writable_spool() {
            return Ok(spool);
        }
        let _turn = file.turning.lock().await;
        let (body, size) = {
            let state = file.lock();
            if let Some(spool) = state.writable_spool() {
                return Ok(spool);
            }
            (state.body.clone(), state.size)
        };
        let (spool, size) = self.copy_of(body, size).await?;
        let mut state = file.lock();
        state.body = Body::Local(spool.clone());
        state.size = size;
        state.frozen = false;
        Ok(spool)
    }

    /// A spool file of its own with this content.
    pub async fn copy_of(self: &Arc<Self>, body: Body, size: u64) -> Result<(Arc<SpoolFile>, u64)> {
        let inner = self.clone();
        let (source, size) = match body {
            Body::Local(spool) => (Source::Spool(spool), size),
            Body::Remote(reader) => {
                let whole = reader.fetch_all().await?;
                let size = whole.metadata()?.len();
                (Source::Cached(whole), size)
            }
        };
        blocking(move || {
            let from = match &source {
                Source::Spool(spool) => spool.file(),
                Source::Cached(file) => file,
            };
            Ok((inner.spool.copy_of(from, size)?, size))
        })
        .await
    }

    /// Changes the length. To 0 the old content is not needed, and so not fetched.
    pub async fn truncate(self: &Arc<Self>, file: &Arc<OpenFile>, size: u64) -> Result<()> {
        self.check_size(size)?;
        if size == 0 {
            let _turn = file.turning.lock().await;
            let spool = self.spool.create()?;
            let mut state = file.lock();
            if state.size > 0 || matches!(state.body, Body::Local(_)) {
                let was_dirty_spool = state.writable_spool();
                state.body = Body::Local(spool);
                state.size = 0;
                state.frozen = false;
                state.touch();
                state.unsettled = true;
                self.release_later(was_dirty_spool.iter().map(|s| s.name().to_owned()).collect());
            } else {
                self.spool.release(spool.name());
            }
            return Ok(());
        }
        if file.lock().size == size {
            return Ok(());
        }
        let spool = self.writable(file).await?;
        spool.set_len(size)?;
        let mut state = file.lock();
        state.size = size;
        state.touch();
        Ok(())
    }

    pub async fn allocate(self: &Arc<Self>, handle: HandleId, end: u64, keep_size: bool) -> Result<()> {
        let (file, _) = self.handles().file(handle)?;
        if keep_size || file.lock().size >= end {
            return Ok(());
        }
        self.truncate(&file, end).await
    }

    pub async fn copy_range(self: &Arc<Self>, from: (HandleId, u64), to: (HandleId, u64), length: u64) -> Result<u64> {
        let source = self.readable(from.0)?;
        if let (Readable::Open(file), 0, 0) = (&source, from.1, to.1)
            && let Some(copied) = self.copy_whole(file, to.0, length).await?
        {
            return Ok(copied);
        }
        let mut copied = 0;
        while copied < length {
            let step = (length - copied).min(COPY_STEP_BYTES);
            let data = source.read(from.1 + copied, step as u32).await?;
            if data.is_empty() {
                break;
            }
            copied += u64::from(self.write(to.0, to.1 + copied, data).await?);
        }
        Ok(copied)
    }

    /// Copies a file into an empty one without looking at the bytes, and remembers what it is a copy of. `None` when it is
    /// anything else that is to be copied.
    async fn copy_whole(self: &Arc<Self>, from: &Arc<OpenFile>, to: HandleId, length: u64) -> Result<Option<u64>> {
        let (target, may_write) = self.handles().file(to)?;
        let (body, size, revision) = {
            let source = from.lock();
            (source.body.clone(), source.size, source.base.clone())
        };
        if !may_write || size == 0 || length < size || target.lock().size > 0 || Arc::ptr_eq(from, &target) {
            return Ok(None);
        }
        self.check_size(size)?;
        let known = match &body {
            Body::Remote(_) if self.provider.capabilities().server_copy => self.lock().base_of(from.ino)?,
            _ => None,
        };
        let _turn = target.turning.lock().await;
        let (spool, size) = self.copy_of(body, size).await?;
        let mut open = target.lock();
        let replaced = open.writable_spool();
        open.body = Body::Local(spool);
        open.size = size;
        open.frozen = false;
        open.touch();
        open.copy_of = known.filter(|base| base.revision.is_some() && base.revision == revision);
        drop(open);
        self.release_later(replaced.iter().map(|spool| spool.name().to_owned()).collect());
        Ok(Some(size))
    }

    pub fn handles(&self) -> std::sync::MutexGuard<'_, crate::fs::handles::Handles> {
        self.handles.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a handle reads from.
pub(super) enum Readable {
    Open(Arc<OpenFile>),
    Hidden(HiddenFile),
}

impl Readable {
    async fn read(&self, offset: u64, size: u32) -> Result<Bytes> {
        let file = match self {
            Readable::Open(file) => file,
            Readable::Hidden(file) => return file.read(offset, size).await,
        };
        let body = file.lock().body.clone();
        match body {
            Body::Local(spool) => spool.read_at(offset, size as usize),
            Body::Remote(reader) => reader.read(offset, size as usize).await,
        }
    }
}

enum Source {
    Spool(Arc<SpoolFile>),
    Cached(Arc<std::fs::File>),
}

/// Runs what may block for longer than a system call from memory.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => fail(ErrorKind::Bug, format!("a blocking task failed: {e}")),
    }
}
