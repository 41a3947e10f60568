//! The content cache of one account: finds, keeps and evicts contents.
//!
//! Lock order: `readers`, `Shelf::catalog`, an item's own. No I/O under the first two.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::content::evict::{Catalog, Leftover, Removal};
use crate::content::index::Index;
use crate::content::item::{DataDir, Item};
use crate::content::keep::{Job, Keeper};
use crate::content::key::ContentKey;
use crate::content::reader::Reader;
use crate::disk;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{Provider, ReadTarget};

/// The cache leaves this part of the disk to others: the last twentieth.
const DISK_PART_LEFT_FREE: u64 = 20;

/// Local copies of revisions, in blocks, bounded in size, least recently used out first.
///
/// What is open or pinned is not evicted. Survives restarts: after a crash it serves only bytes that were certainly
/// written, and fetches the others again. Memory: about 200 bytes per cached content (at most 100,000), and a bit per
/// 128 KiB of what is open.
pub struct Cache {
    shelf: Arc<Shelf>,
    keeper: Arc<Keeper>,
    pub(super) runtime: Handle,
    pub(super) timeout: Duration,
    keeper_thread: Option<JoinHandle<()>>,
    /// Keeps other processes off the directory.
    _lock: File,

    readers: Mutex<HashMap<ContentKey, Weak<Reader>>>,
}

/// How much room the cache takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    pub bytes: u64,
    pub limit: u64,
}

/// What the cache and its keeper share: the files, and what is known about them.
pub(super) struct Shelf {
    dir: Arc<DataDir>,
    catalog: Mutex<Catalog>,
}

impl Shelf {
    pub fn dir(&self) -> &DataDir {
        &self.dir
    }

    pub fn catalog(&self) -> MutexGuard<'_, Catalog> {
        // A panic under this lock is a fault of ours; the worst that a half change leads to is a file fetched again.
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes data files that the catalog does not know any more.
    pub fn remove(&self, removals: Vec<Removal>) {
        for (key, generation) in removals {
            self.dir.remove(key, generation);
        }
    }

    /// What is left to do where nothing can be settled any more.
    pub fn clean_up(&self, leftover: Leftover) {
        if let Leftover::Remove(removal) = leftover {
            self.remove(vec![removal]);
        }
    }
}

impl Cache {
    /// Opens the cache in `dir`, which is made if it is missing. Call it inside the tokio runtime that fetches shall
    /// run in. `limit_bytes`: most bytes it takes, besides which it never takes the last 5 % of the disk. `timeout`:
    /// how long a read waits for the service.
    ///
    /// Errors: `Locked` when another process uses the directory, `LocalIo`, `DiskFull`.
    pub fn open(dir: &Path, limit_bytes: u64, timeout: Duration) -> Result<Arc<Cache>> {
        let data_path = dir.join("data");
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&data_path).map_err(|e| context(e, dir))?;
        let lock = lock(dir)?;
        let (index, claims) =
            Index::open(dir.join("index")).map_err(|e| e.during("open the content cache", dir.display()))?;
        let before_generation = first_free_generation(&claims);
        let data_dir = Arc::new(DataDir::new(data_path, before_generation));
        let catalog = Mutex::new(Catalog::new(data_dir.clone(), limit_bytes, &claims));
        let shelf = Arc::new(Shelf { dir: data_dir, catalog });
        let keeper = Arc::new(Keeper::default());
        // An empty queue takes a job.
        let _ = keeper.enqueue(Job::Sweep { claims, before_generation });
        let thread = {
            let (shelf, keeper) = (shelf.clone(), keeper.clone());
            std::thread::Builder::new().name("content-keeper".into()).spawn(move || keeper.run(&shelf, index))?
        };
        let (runtime, keeper_thread, readers) = (Handle::current(), Some(thread), Mutex::default());
        Ok(Arc::new(Cache { shelf, keeper, runtime, timeout, keeper_thread, _lock: lock, readers }))
    }

    /// The one reader of a content, shared by all who have it open. Does not touch the disk or the network.
    ///
    /// Without a revision nothing can be shared or kept: the reader then has its own copy, for as long as it lives.
    pub fn reader(self: &Arc<Self>, provider: Arc<dyn Provider>, target: ReadTarget) -> Arc<Reader> {
        let Some(revision) = &target.revision else {
            let item = self.acquire(unshared_key(&target.id), target.size);
            item.forget();
            return Reader::new(self.clone(), provider, target, item);
        };
        let key = ContentKey::new(&target.id, revision);
        let mut readers = self.readers();
        if let Some(reader) = readers.get(&key).and_then(Weak::upgrade) {
            return reader;
        }
        let item = self.acquire(key, target.size);
        let reader = Reader::new(self.clone(), provider, target, item);
        readers.insert(key, Arc::downgrade(&reader));
        reader
    }

    /// Takes a local file as the whole content of a revision, so that reading it needs no download. The file must
    /// not be written to any more; it may be removed. Blocks on local I/O.
    pub fn adopt(&self, key: (RemoteId, RevisionId), path: &Path, size: u64) -> Result<()> {
        let key = ContentKey::new(&key.0, &key.1);
        let item = self.acquire(key, Some(size));
        let adopted = match item.is_fresh() && Arc::strong_count(&item) == ITEM_OWNERS_ALONE {
            true => self.take_in(&item, path, size),
            // Somebody reads it already, or it is here.
            false => Ok(()),
        };
        if adopted.is_err() {
            item.discard();
        }
        self.release(&item);
        adopted.map_err(|e| e.during("adopt", path.display()))
    }

    fn take_in(&self, item: &Item, path: &Path, size: u64) -> Result<()> {
        let Some(removals) = self.reserve(item, size) else {
            return fail(ErrorKind::DiskFull, "there is no room in the content cache");
        };
        self.shelf.remove(removals);
        item.adopt(path, size)?;
        self.completed(item);
        Ok(())
    }

    /// Whether the whole content is here.
    pub fn contains(&self, id: &RemoteId, revision: &RevisionId) -> bool {
        let key = ContentKey::new(id, revision);
        let (kept, item) = {
            let catalog = self.shelf.catalog();
            (catalog.is_kept_whole(key), catalog.in_use(key))
        };
        kept.unwrap_or_else(|| item.is_some_and(|item| item.is_complete()))
    }

    /// Copies the content to a new file, readable by its owner only. `false` when the whole content is not here.
    /// Not durable. Blocks on local I/O. Errors: `LocalIo`, `DiskFull`.
    pub fn copy_to(&self, id: &RemoteId, revision: &RevisionId, path: &Path) -> Result<bool> {
        if !self.contains(id, revision) {
            return Ok(false);
        }
        let item = self.acquire(ContentKey::new(id, revision), None);
        let copied = item.complete().map(|file| copy_file(&file, path));
        self.release(&item);
        copied.transpose().map(|copy| copy.is_some())
    }

    /// Drops all revisions of a file. Those that are open go when they are closed.
    pub fn forget(&self, id: &RemoteId) {
        let removals = self.shelf.catalog().forget(ContentKey::file_part(id));
        self.shelf.remove(removals);
    }

    /// Keeps all revisions of a file until [`Cache::unpin`] or a restart.
    pub fn pin(&self, id: &RemoteId) {
        self.shelf.catalog().pin(ContentKey::file_part(id));
    }

    pub fn unpin(&self, id: &RemoteId) {
        self.shelf.catalog().unpin(ContentKey::file_part(id));
    }

    pub fn usage(&self) -> Usage {
        let catalog = self.shelf.catalog();
        Usage { bytes: catalog.used_bytes(), limit: catalog.limit_bytes() }
    }

    /// Waits until everything that is here is sure to be found after a restart, at most so long. Returns whether
    /// that is so. Blocks; for the end of a mount.
    pub fn settle(&self, time: Duration) -> bool {
        self.keeper.enqueue(Job::Rewrite).is_ok() && self.keeper.finish(time)
    }

    fn readers(&self) -> MutexGuard<'_, HashMap<ContentKey, Weak<Reader>>> {
        // A map of weak references is right after every single change of it.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn forget_reader(&self, key: ContentKey) {
        let mut readers = self.readers();
        if readers.get(&key).is_some_and(|reader| reader.strong_count() == 0) {
            readers.remove(&key);
        }
    }

    fn acquire(&self, key: ContentKey, size: Option<u64>) -> Arc<Item> {
        let (item, removals) = self.shelf.catalog().acquire(key, size);
        self.shelf.remove(removals);
        item
    }

    /// One user of the item left.
    pub(super) fn release(&self, item: &Arc<Item>) {
        let leftover = self.shelf.catalog().release(item);
        let Leftover::Settle(item) = leftover else { return self.shelf.clean_up(leftover) };
        if let Err(Job::Part(item)) = self.keeper.enqueue(Job::Part(item)) {
            let leftover = self.shelf.catalog().settled(&item, None);
            self.shelf.clean_up(leftover);
        }
    }

    /// The whole content of the item is here now.
    pub(super) fn completed(&self, item: &Item) {
        if let (Some(size), false) = (item.size(), item.is_void()) {
            let job = Job::Whole { key: item.key, generation: item.generation(), size };
            if self.keeper.enqueue(job).is_err() {
                log::debug!("too much waits to be made durable: {} is fetched again after a restart", item.key);
            }
        }
    }

    /// Makes room for so many bytes of the item, evicting others if need be. `false` when there is none.
    pub(super) async fn make_room(&self, item: &Item, bytes: u64) -> bool {
        let Some(removals) = self.reserve(item, bytes) else { return false };
        if !removals.is_empty() {
            let shelf = self.shelf.clone();
            // Removing a large file takes long enough to keep others of this thread waiting.
            let _ = self.runtime.spawn_blocking(move || shelf.remove(removals)).await;
        }
        true
    }

    fn reserve(&self, item: &Item, bytes: u64) -> Option<Vec<Removal>> {
        let spare_bytes = match disk::space(self.shelf.dir().path()) {
            Ok(space) => space.free_bytes.saturating_sub(space.total_bytes / DISK_PART_LEFT_FREE),
            Err(_) => 0,
        };
        self.shelf.catalog().reserve(item, bytes, spare_bytes)
    }
}

/// Who holds an item that only [`Cache::adopt`] works on: the catalog and it.
const ITEM_OWNERS_ALONE: usize = 2;

impl Drop for Cache {
    /// Waits for what the keeper is doing at the moment, so that the directory may be used again afterwards.
    fn drop(&mut self) {
        self.keeper.stop();
        if let Some(thread) = self.keeper_thread.take()
            && thread.join().is_err()
        {
            log::error!("the thread of the content cache ended by a panic");
        }
    }
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(|e| context(e, &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let detail = format!("the content cache {} is in use by another process", dir.display());
            fail(ErrorKind::Locked, detail)
        }
        Err(TryLockError::Error(e)) => Err(context(e, &path)),
    }
}

fn first_free_generation(claims: &[crate::content::index::Claim]) -> u64 {
    // The time in it: what an index that was lost named is never named again.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    let after_all = claims.iter().map(|claim| claim.generation + 1).max().unwrap_or(0);
    after_all.max(now.as_micros() as u64)
}

fn unshared_key(id: &RemoteId) -> ContentKey {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    ContentKey { file: ContentKey::file_part(id), revision: COUNTER.fetch_add(1, Ordering::Relaxed) }
}

fn copy_file(from: &File, path: &Path) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let to = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(|e| context(e, path))?;
    disk::copy_content(from, &to).map(|_| ()).map_err(|e| context(e, path))
}

fn context(e: std::io::Error, path: &Path) -> Error {
    Error::from(e).during("open the content cache", path.display())
}
