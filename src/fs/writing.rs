//! Reading, writing and making durable what was written.

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Millis;
use crate::content::SpoolFile;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::handles::{Body, Handle, OpenFile};
use crate::fs::hidden::HiddenFile;
use crate::fs::state::{Inner, State};
use crate::ids::{HandleId, Ino, RevisionId};
use crate::outbox::{Base, Draft};
use crate::store::Durable;

/// Bytes that one copy step holds in memory.
const COPY_STEP_BYTES: u64 = 1 << 20;

/// What a flush found to keep.
struct Kept {
    spool: Arc<SpoolFile>,
    size: u64,
    unsettled: bool,
    copy_of: Option<Base>,
}

impl Inner {
    pub async fn read(self: &Arc<Self>, handle: HandleId, offset: u64, size: u32) -> Result<Bytes> {
        let source = self.readable(handle)?;
        source.read(offset, size).await
    }

    fn readable(&self, handle: HandleId) -> Result<Readable> {
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

    /// A descriptor was closed.
    pub async fn flush(self: &Arc<Self>, handle: HandleId) -> Result<()> {
        let file = match self.handles().get(handle)? {
            Handle::File { file, write: true } => file.clone(),
            _ => return Ok(()),
        };
        let changed = self.settle(&file).await?;
        // A shell closes a copy of its descriptor before the program writes: that the file is new or emptied is no
        // content yet. It goes up with the last close.
        let is_meant = !file.lock().unsettled;
        match self.options.sync && changed && is_meant {
            true => self.delivered(file.ino).await,
            false => Ok(()),
        }
    }

    pub async fn fsync(self: &Arc<Self>, handle: HandleId) -> Result<()> {
        let file = match self.readable(handle)? {
            Readable::Open(file) => file,
            Readable::Hidden(_) => return Ok(()),
        };
        self.settle(&file).await?;
        match self.options.sync || self.options.fsync_remote {
            true => self.delivered(file.ino).await,
            false => Ok(()),
        }
    }

    /// Puts what was written onto the disk and into the journal. Answers whether there was anything.
    /// The order is the promise: bytes first, then the journal that names them, then the answer.
    pub async fn settle(self: &Arc<Self>, file: &Arc<OpenFile>) -> Result<bool> {
        let _turn = file.turning.lock().await;
        let Some(kept) = begin_settling(file) else { return Ok(false) };
        let spool = kept.spool.clone();
        let result = match blocking(move || spool.sync()).await {
            Ok(()) => match self.journal(file, &kept) {
                Ok(durable) => durable.wait().await,
                Err(e) => Err(e),
            },
            Err(e) => Err(e),
        };
        if self.options.sync || self.options.fsync_remote {
            // It may go up while it is still open: what is written from now on goes into another spool file.
            file.lock().frozen = true;
        }
        if let Err(e) = result {
            file.lock().dirty = true;
            return Err(e.during("keeping", self.lock().tree.path(file.ino)));
        }
        self.wake.notify_one();
        Ok(true)
    }

    fn journal(self: &Arc<Self>, file: &OpenFile, kept: &Kept) -> Result<Durable> {
        let (modified, base) = {
            let open = file.lock();
            (open.modified, open.base.clone())
        };
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.tree.is_orphan(file.ino) {
            return Ok(self.store.write_durable(Vec::new()));
        }
        let old = state.tree.node(file.ino)?.spool.clone();
        let local = state.is_local(file.ino)?;
        if !local {
            self.journal_draft(state, file.ino, kept, base)?;
        }
        let (name, size) = (kept.spool.name().to_owned(), kept.size);
        state.tree.update(file.ino, |node| {
            node.spool = Some(name);
            node.spool_bytes = size;
            if let Some(modified) = modified {
                node.set_modified(modified);
            }
        })?;
        let durable = self.commit_durable(state);
        drop(guard);
        self.release_later(old.into_iter().filter(|old| old != kept.spool.name()).collect());
        Ok(durable)
    }

    fn journal_draft(&self, state: &mut State, ino: Ino, kept: &Kept, base: Option<RevisionId>) -> Result<()> {
        let generation = state.changes.new_generation();
        let spool = kept.spool.name().to_owned();
        let Kept { size, unsettled, ref copy_of, .. } = *kept;
        let draft = Draft { spool, size, generation, unsettled, copy_of: copy_of.clone() };
        // The content was made from the revision that was opened, whatever was listed since.
        let known = state.base_of(ino)?.map(|known| match base {
            Some(opened) => Base { revision: Some(state.continued(&known.id, opened)), ..known },
            None => known,
        });
        let place = state.place_of(ino)?;
        let rest_until = self.rest_until();
        state.changes.content(ino, known, place, draft, rest_until);
        Ok(())
    }

    /// The end of the settle time for what happens now.
    pub fn rest_until(&self) -> Millis {
        match self.options.sync {
            true => Millis(0),
            false => self.now().plus(self.options.settle),
        }
    }

    pub fn handles(&self) -> std::sync::MutexGuard<'_, crate::fs::handles::Handles> {
        self.handles.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// What a handle reads from.
enum Readable {
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

/// Takes what is dirty as being kept: what is written meanwhile makes it dirty again.
fn begin_settling(file: &OpenFile) -> Option<Kept> {
    let mut open = file.lock();
    let Body::Local(spool) = &open.body else { return None };
    if !open.dirty {
        return None;
    }
    let (spool, copy_of) = (spool.clone(), open.copy_of.clone());
    let kept = Kept { spool, size: open.size, unsettled: open.unsettled, copy_of };
    open.dirty = false;
    Some(kept)
}

/// Runs what may block for longer than a system call from memory.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => fail(ErrorKind::Bug, format!("a blocking task failed: {e}")),
    }
}
