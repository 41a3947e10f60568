//! Files on the local disk: atomic and durable writing, free space, cheap copies.

use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Error, ErrorKind, Result};

/// One step of a copy: large enough that system calls do not count, small enough that a signal ends the copy soon.
const COPY_STEP_BYTES: usize = 16 << 20;

/// Most pieces that the kernel takes at a time (`IOV_MAX`).
const VECTOR_MAX: usize = 1024;
/// Most bytes of one write. For larger ones ext4 looks for page cache folios so large that finding them was measured
/// to take ten times as long as writing.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// Size and free space of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiskSpace {
    pub total_bytes: u64,
    /// What an ordinary user may still write.
    pub free_bytes: u64,
}

/// Replaces the file at `path` by `content`, readable by its owner only.
///
/// After a crash at any moment the file has either its old or its new content; when this returns it has the new one
/// durably. Errors: `DiskFull`, `LocalIo`.
pub fn write_atomic(path: &Path, content: &[u8]) -> Result<()> {
    let temporary = temporary_beside(path);
    let written = write_durably(&temporary, content).and_then(|()| std::fs::rename(&temporary, path));
    if let Err(e) = written {
        // Only the leftover is lost; the error that counts is the first one.
        let _ = std::fs::remove_file(&temporary);
        return Err(Error::from(e).during("write", path.display()));
    }
    sync_dir_of(path)
}

fn write_durably(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// A name in the same directory that no other writer uses: the process and a counter are in it.
fn temporary_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(format!(".{}.{}.tmp", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Makes a file's content and its name durable.
pub fn sync_file_and_dir(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(|e| Error::from(e).during("sync", path.display()))?;
    sync_dir_of(path)
}

/// Makes the names in the directory that holds `path` durable.
pub fn sync_dir_of(path: &Path) -> Result<()> {
    let dir = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    sync_dir(dir)
}

/// Makes the names in a directory durable.
pub fn sync_dir(dir: &Path) -> Result<()> {
    File::open(dir).and_then(|d| d.sync_all()).map_err(|e| Error::from(e).during("sync", dir.display()))
}

/// Size and free space of the file system that holds `path`.
pub fn space(path: &Path) -> Result<DiskSpace> {
    let text = CString::new(path.as_os_str().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Invalid, "a path with a zero byte"))?;
    let mut facts = MaybeUninit::<libc::statvfs>::uninit();
    // SAFETY: `text` ends with a zero byte, and `facts` is as large as the call writes.
    let failed = unsafe { libc::statvfs(text.as_ptr(), facts.as_mut_ptr()) } != 0;
    if failed {
        return Err(Error::from(io::Error::last_os_error()).during("statvfs", path.display()));
    }
    // SAFETY: the call succeeded, so that it filled the structure.
    let facts = unsafe { facts.assume_init() };
    Ok(DiskSpace { total_bytes: facts.f_blocks * facts.f_frsize, free_bytes: facts.f_bavail * facts.f_frsize })
}

/// Whether two files hold the same bytes.
pub fn same_content(a: &File, b: &File) -> Result<bool> {
    const STEP_BYTES: usize = 256 << 10;
    let size = a.metadata()?.len();
    if b.metadata()?.len() != size {
        return Ok(false);
    }
    let (mut of_a, mut of_b) = (vec![0; STEP_BYTES], vec![0; STEP_BYTES]);
    let mut offset = 0;
    while offset < size {
        let step = (size - offset).min(STEP_BYTES as u64) as usize;
        a.read_exact_at(&mut of_a[..step], offset)?;
        b.read_exact_at(&mut of_b[..step], offset)?;
        if of_a[..step] != of_b[..step] {
            return Ok(false);
        }
        offset += step as u64;
    }
    Ok(true)
}

/// Copies the content of `from` to the start of the empty file `to`, sharing its blocks where the file system can.
/// Returns the bytes copied. Does not make them durable.
pub fn copy_content(from: &File, to: &File) -> io::Result<u64> {
    let size = from.metadata()?.len();
    if reflink(from, to).is_ok() {
        return Ok(size);
    }
    let copied = copy_in_kernel(from, to, size)?;
    copy_by_hand(from, to, copied)
}

fn reflink(from: &File, to: &File) -> io::Result<()> {
    // SAFETY: both descriptors are open; the call takes no pointer.
    match unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Copies what `copy_file_range` is willing to copy: nothing between some file systems. Returns how far it came.
fn copy_in_kernel(from: &File, to: &File, size: u64) -> io::Result<u64> {
    let (mut from_offset, mut to_offset) = (0i64, 0i64);
    while (from_offset as u64) < size {
        let step = COPY_STEP_BYTES.min((size - from_offset as u64) as usize);
        // SAFETY: both descriptors are open, both offsets live through the call.
        let copied = unsafe {
            libc::copy_file_range(from.as_raw_fd(), &mut from_offset, to.as_raw_fd(), &mut to_offset, step, 0)
        };
        match copied {
            0 => break,
            n if n > 0 => {}
            _ => match io::Error::last_os_error() {
                e if matches!(e.raw_os_error(), Some(libc::ENOSPC | libc::EDQUOT | libc::EIO)) => return Err(e),
                _ => break,
            },
        }
    }
    Ok(to_offset as u64)
}

fn copy_by_hand(from: &File, to: &File, mut offset: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 256 << 10];
    loop {
        match from.read_at(&mut buffer, offset)? {
            0 => return Ok(offset),
            n => {
                to.write_all_at(&buffer[..n], offset)?;
                offset += n as u64;
            }
        }
    }
}

/// Has the kernel begin to write what is in its cache of the file, so that a later sync has less to wait for. Promises
/// nothing; may block while the disk is busy.
pub fn begin_to_write_out(file: &File) {
    // SAFETY: a plain system call on an open descriptor. Offset and length 0: all of the file.
    if unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) } != 0 {
        log::trace!("not written out ahead: {}", io::Error::last_os_error());
    }
}

/// Writes all pieces, one after the other, from `offset` on: many small ones with one system call.
pub fn write_pieces_at(file: &File, pieces: &[&[u8]], mut offset: u64) -> io::Result<()> {
    let mut left: Vec<IoSlice> = pieces.iter().flat_map(|p| p.chunks(WRITE_BYTES_MAX)).map(IoSlice::new).collect();
    let mut slices = &mut left[..];
    while !slices.is_empty() {
        let count = count_for_one_write(slices) as libc::c_int;
        // SAFETY: an `IoSlice` is laid out as an `iovec`, and its bytes are borrowed for the whole call.
        let written = unsafe { libc::pwritev(file.as_raw_fd(), slices.as_ptr().cast(), count, offset as libc::off_t) };
        match written {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            n if n > 0 => {
                offset += n as u64;
                IoSlice::advance_slices(&mut slices, n as usize);
            }
            _ => match io::Error::last_os_error() {
                e if e.kind() == io::ErrorKind::Interrupted => {}
                e => return Err(e),
            },
        }
    }
    Ok(())
}

fn count_for_one_write(slices: &[IoSlice]) -> usize {
    let mut bytes = 0;
    let fits = |slice: &&IoSlice| {
        bytes += slice.len();
        bytes <= WRITE_BYTES_MAX
    };
    slices.iter().take(VECTOR_MAX).take_while(fits).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_atomic_write_replaces_the_file_and_leaves_nothing_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("facts");
        write_atomic(&path, b"old").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"new");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_atomic_write_names_the_file() {
        let error = write_atomic(Path::new("/nonexistent/facts"), b"new").unwrap_err();
        assert!(error.to_string().contains("/nonexistent/facts"), "{error}");
    }

    #[test]
    fn every_way_of_copying_gives_the_same_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let content: Vec<u8> = (0..700_001u32).map(|i| (i % 251) as u8).collect();
        std::fs::write(dir.path().join("from"), &content).unwrap();
        let from = File::open(dir.path().join("from")).unwrap();
        let copy_to = |name: &str, copy: &dyn Fn(&File) -> io::Result<u64>| {
            let to = File::create(dir.path().join(name)).unwrap();
            assert_eq!(copy(&to).unwrap(), content.len() as u64);
            assert!(std::fs::read(dir.path().join(name)).unwrap() == content, "{name}");
        };
        copy_to("any way", &|to| copy_content(&from, to));
        copy_to("by hand", &|to| copy_by_hand(&from, to, 0));
    }

    #[test]
    fn pieces_are_written_one_after_the_other() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pieces");
        let file = File::create(&path).unwrap();
        let content: Vec<u8> = (0..5000u32).map(|i| (i % 251) as u8).collect();
        // More pieces than one call takes, and an empty one among them.
        let pieces: Vec<&[u8]> = content.chunks(3).chain([&[][..]]).collect();
        write_pieces_at(&file, &pieces, 10).unwrap();
        assert!(std::fs::read(&path).unwrap()[10..] == content);
    }

    #[test]
    fn the_free_space_is_at_most_the_whole() {
        let dir = tempfile::tempdir().unwrap();
        let space = space(dir.path()).unwrap();
        assert!(space.total_bytes > 0 && space.free_bytes <= space.total_bytes);
        assert!(super::space(Path::new("/nonexistent")).is_err());
    }
}
