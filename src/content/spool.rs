//! Spool: the local bytes of files being written, or waiting to go up.
//!
//! Names of spool files are what nodes and changes refer to. A file goes away when it was released *and* nobody in
//! this process holds it any more; what a crash leaves behind is swept at the next start.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::Result;

pub struct Spool {
    dir: PathBuf,
    next: AtomicU64,
    open: Mutex<HashMap<String, Weak<SpoolFile>>>,
    /// Names that nothing seemed to refer to any more when somebody last looked.
    leaving: Mutex<HashSet<String>>,
}

/// One spool file. Reads and writes go straight to the page cache and never wait for the network.
pub struct SpoolFile {
    name: String,
    path: PathBuf,
    file: File,
    doomed: AtomicBool,
    /// Bytes written since the kernel was last told to write them out.
    since_write_out: AtomicU64,
}

/// After so many bytes the kernel is told to write them out. By itself it begins when a tenth of the memory is full of
/// them, which would leave all of a large file to the sync at its close.
const WRITE_OUT_BYTES: u64 = 16 << 20;

impl Spool {
    /// Opens the spool directory, and removes every file that is not among `used`.
    pub fn open(dir: &Path, used: &HashSet<String>) -> Result<Spool> {
        std::fs::create_dir_all(dir)?;
        let mut highest = 0;
        for entry in std::fs::read_dir(dir)? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            highest = highest.max(u64::from_str_radix(&name, 16).unwrap_or(0));
            if !used.contains(&name) {
                std::fs::remove_file(entry.path())?;
            }
        }
        Ok(Spool {
            dir: dir.to_owned(),
            next: AtomicU64::new(highest + 1),
            open: Mutex::default(),
            leaving: Mutex::default(),
        })
    }

    /// Writes a spool file anew, as the journal has it. Blocks until it is on the disk.
    pub fn restore(&self, name: &str, content: &[u8]) -> Result<()> {
        let file = File::options().write(true).create(true).truncate(true).open(self.dir.join(name))?;
        file.write_all_at(content, 0)?;
        Ok(file.sync_all()?)
    }

    /// Makes an empty spool file. Errors: `DiskFull`, `LocalIo`.
    pub fn create(&self) -> Result<Arc<SpoolFile>> {
        let name = format!("{:012x}", self.next.fetch_add(1, Ordering::Relaxed));
        let path = self.dir.join(&name);
        let file = File::options().read(true).write(true).create_new(true).open(&path)?;
        Ok(self.register(name, path, file))
    }

    /// The spool file of this name. Errors: `LocalIo` when it is missing.
    pub fn get(&self, name: &str) -> Result<Arc<SpoolFile>> {
        if let Some(file) = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(Weak::upgrade) {
            return Ok(file);
        }
        let path = self.dir.join(name);
        let file = File::options().read(true).write(true).open(&path)?;
        Ok(self.register(name.to_owned(), path, file))
    }

    fn register(&self, name: String, path: PathBuf, file: File) -> Arc<SpoolFile> {
        let (doomed, since_write_out) = (AtomicBool::new(false), AtomicU64::new(0));
        let file = Arc::new(SpoolFile { name: name.clone(), path, file, doomed, since_write_out });
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, file| file.strong_count() > 0);
        open.insert(name, Arc::downgrade(&file));
        file
    }

    /// The file will be released once the journal no longer names it, unless it is kept until then.
    pub fn begin_release(&self, name: &str) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
    }

    /// Names that nothing seemed to refer to any more when their release was begun.
    pub fn leaving(&self) -> Vec<String> {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Something refers to the file (again): a file that is held stays, even if it was released meanwhile.
    pub fn keep(&self, name: &str) {
        self.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        let held = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(Weak::upgrade);
        if let Some(file) = held {
            file.doomed.store(false, Ordering::Release);
        }
    }

    /// Releases the file if it was not kept since [`Spool::begin_release`]. Answers whether it did.
    pub fn finish_release(&self, name: &str) -> bool {
        let leaves = self.leaving.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if leaves {
            self.release(name);
        }
        leaves
    }

    /// Nothing refers to this spool file any more: it is removed once nobody in this process holds it.
    pub fn release(&self, name: &str) {
        let held = self.open.lock().unwrap_or_else(PoisonError::into_inner).get(name).and_then(Weak::upgrade);
        match held {
            Some(file) => file.doomed.store(true, Ordering::Release),
            None => remove(&self.dir.join(name)),
        }
    }

    /// A new spool file with the first `size` bytes of `from`.
    pub fn copy_of(&self, from: &File, size: u64) -> Result<Arc<SpoolFile>> {
        let copy = self.create()?;
        match crate::disk::copy_content(from, &copy.file).and_then(|_| copy.file.set_len(size)) {
            Ok(()) => Ok(copy),
            Err(e) => {
                self.release(&copy.name);
                Err(e.into())
            }
        }
    }
}

impl SpoolFile {
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn read_at(&self, offset: u64, length: usize) -> Result<bytes::Bytes> {
        let mut buffer = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.file.read_at(&mut buffer[filled..], offset + filled as u64)? {
                0 => break,
                n => filled += n,
            }
        }
        buffer.truncate(filled);
        Ok(buffer.into())
    }

    pub fn write_at(&self, offset: u64, data: &[u8]) -> Result<()> {
        crate::disk::write_pieces_at(&self.file, &[data], offset)?;
        self.since_write_out.fetch_add(data.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Whether enough was written to call [`SpoolFile::begin_to_write_out`]; answers yes once.
    pub fn is_write_out_due(&self) -> bool {
        let due = self.since_write_out.load(Ordering::Relaxed) >= WRITE_OUT_BYTES;
        due && self.since_write_out.swap(0, Ordering::Relaxed) >= WRITE_OUT_BYTES
    }

    /// Blocks while the disk is busy.
    pub fn begin_to_write_out(&self) {
        crate::disk::begin_to_write_out(&self.file);
    }

    pub fn set_len(&self, size: u64) -> Result<()> {
        Ok(self.file.set_len(size)?)
    }

    /// Returns when the bytes, and the file's name in its directory, are on the disk. Blocks.
    ///
    /// ext4, XFS and btrfs write a new file's name with its first sync.
    pub fn sync(&self) -> Result<()> {
        Ok(self.file.sync_all()?)
    }
}

impl Drop for SpoolFile {
    fn drop(&mut self) {
        if *self.doomed.get_mut() {
            remove(&self.path);
        }
    }
}

fn remove(path: &Path) {
    if let Err(e) = std::fs::remove_file(path)
        && e.kind() != std::io::ErrorKind::NotFound
    {
        log::warn!("{} could not be removed: {e}", path.display());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_written_out_now_and_then_and_a_small_one_not() {
        let dir = tempfile::tempdir().unwrap();
        let spool = Spool::open(dir.path(), &HashSet::new()).unwrap();
        let file = spool.create().unwrap();
        let piece = vec![7; 4 << 20];
        let mut due = Vec::new();
        for n in 0..9 {
            file.write_at(n * piece.len() as u64, &piece).unwrap();
            due.push(file.is_write_out_due());
        }
        assert_eq!(due, [false, false, false, true, false, false, false, true, false]);
        file.begin_to_write_out();
        assert_eq!(file.read_at(8 * piece.len() as u64, 10).unwrap(), vec![7; 10]);
    }
}
