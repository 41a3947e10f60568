//! One content on the local disk: its data file, and which blocks of it are here.
//!
//! Promises: a block counts as here only after its bytes are in the data file; a claim from before a restart counts
//! only after it was looked at. The lock is held during local I/O only when the file is opened first.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::content::blocks::{BLOCK_BYTES, Blocks};
use crate::content::index::{Claim, Proof, short_checksum};
use crate::content::key::ContentKey;
use crate::disk;
use crate::error::{ErrorKind, Result, fail};

/// Where data files are, and the number of the next one.
pub(super) struct DataDir {
    path: PathBuf,
    next_generation: AtomicU64,
}

impl DataDir {
    pub fn new(path: PathBuf, next_generation: u64) -> DataDir {
        DataDir { path, next_generation: AtomicU64::new(next_generation) }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn new_generation(&self) -> u64 {
        self.next_generation.fetch_add(1, Ordering::Relaxed)
    }

    pub fn data_file(&self, key: ContentKey, generation: u64) -> PathBuf {
        self.path.join(format!("{key}.{generation:x}"))
    }

    /// Names the blocks of a content that is here in part.
    pub fn map_file(&self, key: ContentKey, generation: u64) -> PathBuf {
        self.path.join(format!("{key}.{generation:x}.map"))
    }

    /// The generation in the name of a data file or map.
    pub fn generation_in(name: &str) -> Option<u64> {
        u64::from_str_radix(name.split('.').nth(1)?, 16).ok()
    }

    pub fn remove(&self, key: ContentKey, generation: u64) {
        for path in [self.data_file(key, generation), self.map_file(key, generation)] {
            match std::fs::remove_file(&path) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => log::warn!("cannot remove {}: {e}", path.display()),
                _ => {}
            }
        }
    }
}

pub(super) struct Item {
    pub key: ContentKey,
    dir: Arc<DataDir>,
    /// Not to be kept: the file was forgotten, or its bytes turned out to be wrong.
    void: AtomicBool,
    /// Bytes that the catalog counts for it.
    pub reserved: AtomicU64,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    generation: u64,
    /// Claimed before the last restart and not looked at yet.
    claim: Option<Claim>,
    file: Option<Arc<File>>,
    size: Option<u64>,
    complete: bool,
    blocks: Blocks,
}

impl Item {
    pub fn new(key: ContentKey, dir: Arc<DataDir>) -> Item {
        let state = State { generation: dir.new_generation(), ..State::default() };
        Item { key, dir, void: AtomicBool::new(false), reserved: AtomicU64::new(0), state: Mutex::new(state) }
    }

    /// `claim` is looked at before the first use.
    pub fn claimed(claim: Claim, dir: Arc<DataDir>) -> Item {
        let state = State { generation: claim.generation, claim: Some(claim), ..State::default() };
        let (void, reserved) = (AtomicBool::new(false), AtomicU64::new(claim.stored));
        Item { key: claim.key, dir, void, reserved, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Every change of the state is one assignment or a mark: right even where a panic cut it off.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state after what was claimed before a restart was looked at.
    fn looked_at(&self) -> MutexGuard<'_, State> {
        let mut state = self.state();
        if let Some(claim) = state.claim.take()
            && let Err(e) = self.take_over(&mut state, &claim)
        {
            log::info!("the cached content {} is fetched again: {e}", self.key);
            self.dir.remove(self.key, state.generation);
            *state = State { generation: self.dir.new_generation(), ..State::default() };
        }
        state
    }

    fn take_over(&self, state: &mut State, claim: &Claim) -> Result<()> {
        let path = self.dir.data_file(self.key, claim.generation);
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        match claim.proof {
            Proof::Map => {
                (state.size, state.blocks) = read_map(&self.dir.map_file(self.key, claim.generation))?;
                let end_of_last = state.blocks.end_of_last(state.size);
                if file.metadata()?.len() < end_of_last {
                    return fail(ErrorKind::LocalIo, "the data file is shorter than its map says");
                }
            }
            Proof::Durable | Proof::Checksum(_) => {
                check_whole(&file, claim)?;
                state.size = Some(claim.size);
                state.complete = true;
            }
        }
        state.file = Some(Arc::new(file));
        Ok(())
    }

    pub fn generation(&self) -> u64 {
        self.state().generation
    }

    pub fn size(&self) -> Option<u64> {
        self.looked_at().size
    }

    /// Learns the size of the whole content. Errors: `Protocol` when another one was known.
    pub fn learn_size(&self, size: u64) -> Result<()> {
        let mut state = self.looked_at();
        match state.size {
            Some(known) if known != size => {
                fail(ErrorKind::Protocol, format!("the service sent {size} bytes where there should be {known}"))
            }
            _ => {
                state.size = Some(size);
                // An empty content is here without a fetch.
                state.complete |= size == 0;
                Ok(())
            }
        }
    }

    /// The data file, if the whole content is in it.
    pub fn complete(&self) -> Option<Arc<File>> {
        let mut state = self.looked_at();
        match state.complete {
            true => self.opened(&mut state).ok(),
            false => None,
        }
    }

    /// Whether there is nothing of it yet.
    pub fn is_fresh(&self) -> bool {
        let state = self.looked_at();
        state.file.is_none() && !state.complete
    }

    pub fn is_complete(&self) -> bool {
        self.looked_at().complete
    }

    fn opened(&self, state: &mut State) -> io::Result<Arc<File>> {
        if let Some(file) = &state.file {
            return Ok(file.clone());
        }
        let path = self.dir.data_file(self.key, state.generation);
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path)?;
        Ok(state.file.insert(Arc::new(file)).clone())
    }

    /// The first byte at or after `offset` that is not here.
    pub fn present_until(&self, offset: u64) -> u64 {
        let state = self.looked_at();
        match state.complete {
            true => u64::MAX,
            false => state.blocks.present_until(offset),
        }
    }

    /// The first byte at or after `offset` that is here, but not after `limit`.
    pub fn absent_until(&self, offset: u64, limit: u64) -> u64 {
        let state = self.looked_at();
        match state.complete {
            true => offset,
            false => state.blocks.absent_until(offset, limit),
        }
    }

    /// Reads bytes that are here.
    pub fn read(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        let file = self.opened(&mut self.looked_at())?;
        let mut buffer = vec![0; len];
        file.read_exact_at(&mut buffer, offset)?;
        Ok(buffer.into())
    }

    /// The file to write to; call [`Item::mark`] after writing.
    pub fn file(&self) -> io::Result<Arc<File>> {
        self.opened(&mut self.looked_at())
    }

    /// Says that `start..end` was written. Returns whether this made the content complete.
    pub fn mark(&self, start: u64, end: u64) -> bool {
        let mut state = self.looked_at();
        let size = state.size;
        state.blocks.mark(start, end, size);
        let whole = size.is_some_and(|size| state.blocks.count() >= Blocks::needed_for(size));
        let became_complete = whole && !state.complete;
        state.complete |= whole;
        became_complete
    }

    /// Makes it the content of `path`, by another name for the same file where that is possible, else by a copy.
    pub fn adopt(&self, path: &Path, size: u64) -> Result<()> {
        let mut state = self.looked_at();
        let ours = self.dir.data_file(self.key, state.generation);
        if std::fs::hard_link(path, &ours).is_err() {
            let copy = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&ours)?;
            disk::copy_content(&File::open(path)?, &copy)?;
        }
        let file = OpenOptions::new().read(true).write(true).open(&ours)?;
        if file.metadata()?.len() != size {
            return fail(ErrorKind::Invalid, format!("{} does not have {size} bytes", path.display()));
        }
        *state = State { generation: state.generation, size: Some(size), complete: true, ..State::default() };
        state.file = Some(Arc::new(file));
        Ok(())
    }

    /// Nothing of it is to be kept, and nothing more of it is to be served from the disk.
    pub fn discard(&self) {
        self.void.store(true, Ordering::Relaxed);
        let mut state = self.state();
        state.blocks = Blocks::default();
        state.complete = false;
        state.claim = None;
    }

    /// Not kept after its last user; served until then.
    pub fn forget(&self) {
        self.void.store(true, Ordering::Relaxed);
    }

    pub fn is_void(&self) -> bool {
        self.void.load(Ordering::Relaxed)
    }

    /// Makes the blocks that are here durable, and then the map that names them. Returns the claim for the index.
    pub fn settle_part(&self) -> Result<Claim> {
        // The blocks first, the sync afterwards: what comes in between may be durable without being named.
        let (file, generation, size, blocks) = {
            let mut state = self.looked_at();
            (self.opened(&mut state)?, state.generation, state.size, state.blocks.clone())
        };
        file.sync_data()?;
        disk::write_atomic(&self.dir.map_file(self.key, generation), &format_map(size, &blocks))?;
        let stored = self.reserved.load(Ordering::Relaxed);
        Ok(Claim { key: self.key, generation, size: size.unwrap_or(0), stored, proof: Proof::Map })
    }

    /// What is to be kept of it when its last user left.
    pub fn remains(&self) -> Remains {
        let state = self.state();
        match (&state.claim, self.is_void()) {
            (_, true) => Remains::Nothing,
            (Some(claim), false) => Remains::Untouched(*claim),
            (None, false) if state.complete => Remains::Whole { size: state.size.unwrap_or(0) },
            (None, false) if state.blocks.count() > 0 => Remains::Part { stored: state.blocks.count() * BLOCK_BYTES },
            (None, false) => Remains::Nothing,
        }
    }
}

/// What is to be kept of an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remains {
    Nothing,
    /// Nobody looked at it; the claim is as good as before.
    Untouched(Claim),
    Whole {
        size: u64,
    },
    Part {
        /// Bytes on the disk.
        stored: u64,
    },
}

fn check_whole(file: &File, claim: &Claim) -> Result<()> {
    if file.metadata()?.len() != claim.size {
        return fail(ErrorKind::LocalIo, "the data file has another size than was claimed");
    }
    if let Proof::Checksum(claimed) = claim.proof
        && checksum_of(file, claim.size)? != claimed
    {
        return fail(ErrorKind::LocalIo, "the data file has another checksum than was claimed");
    }
    Ok(())
}

/// Checksum of a small file.
pub(super) fn checksum_of(file: &File, size: u64) -> io::Result<u64> {
    let mut content = vec![0; size as usize];
    file.read_exact_at(&mut content, 0)?;
    Ok(short_checksum(&content))
}

/// The size (`u64::MAX`: not known), the bitmap, the checksum of both.
fn format_map(size: Option<u64>, blocks: &Blocks) -> Vec<u8> {
    let mut bytes = size.unwrap_or(u64::MAX).to_le_bytes().to_vec();
    bytes.extend(blocks.to_bytes());
    bytes.extend(short_checksum(&bytes).to_le_bytes());
    bytes
}

fn read_map(path: &Path) -> Result<(Option<u64>, Blocks)> {
    let bytes = std::fs::read(path)?;
    let parts =
        bytes.split_last_chunk::<8>().and_then(|(body, check)| Some((body.split_first_chunk::<8>()?, body, check)));
    match parts {
        Some(((size, bitmap), body, check)) if short_checksum(body) == u64::from_le_bytes(*check) => {
            let size = u64::from_le_bytes(*size);
            Ok(((size != u64::MAX).then_some(size), Blocks::from_bytes(bitmap)))
        }
        _ => fail(ErrorKind::LocalIo, "the map of a cached content is garbled"),
    }
}
