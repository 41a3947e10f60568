//! Directory lines as the kernel takes them, `.` and `..` included.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fuser::{FileType, INodeNo, ReplyDirectory, ReplyDirectoryPlus};

use crate::error::Result;
use crate::fs::{DirEntry, FileSystem};
use crate::fuse::attr::{GENERATION, directory, file_attr, file_type};
use crate::ids::{HandleId, Ino};

/// `.` and `..` come first.
const DOTS: u64 = 2;
/// Bounds of how many entries are asked for at once.
const ENTRIES_MIN: usize = 32;
const ENTRIES_MAX: usize = 2048;

/// How many entries to ask for. fuser does not tell how large the kernel's buffer is, which is anything from a page
/// to a megabyte: what fitted last time, and as much again, is a good guess.
pub struct Batch(AtomicUsize);

impl Default for Batch {
    fn default() -> Batch {
        Batch(AtomicUsize::new(128))
    }
}

impl Batch {
    pub fn entries_max(&self) -> usize {
        (2 * self.0.load(Ordering::Relaxed)).clamp(ENTRIES_MIN, ENTRIES_MAX)
    }

    fn fitted(&self, entries: usize) {
        self.0.store(entries, Ordering::Relaxed);
    }
}

/// One line of a directory as the kernel sees it.
pub enum Line {
    Dots { name: &'static str, ino: Ino },
    Entry(DirEntry),
}

impl Line {
    fn next_offset(&self) -> u64 {
        match self {
            Line::Dots { name: ".", .. } => 1,
            Line::Dots { .. } => DOTS,
            Line::Entry(entry) => entry.next_offset + DOTS,
        }
    }
}

/// Lines from the kernel's `offset` on.
pub async fn lines(fs: FileSystem, ino: Ino, handle: HandleId, offset: u64, entries_max: usize) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    if offset < 1 {
        lines.push(Line::Dots { name: ".", ino });
    }
    if offset < DOTS {
        lines.push(Line::Dots { name: "..", ino: fs.parent_of(ino).await? });
    }
    let entries = fs.read_dir(handle, offset.saturating_sub(DOTS), entries_max).await?;
    lines.extend(entries.into_iter().map(Line::Entry));
    Ok(lines)
}

/// As many lines as fit.
pub fn fill(reply: &mut ReplyDirectory, lines: &[Line], batch: &Batch) {
    batch.fitted(lines.iter().take_while(|line| !add(reply, line)).count());
}

/// As many lines as fit, with attributes that hold for `ttl`.
pub fn fill_plus(reply: &mut ReplyDirectoryPlus, lines: &[Line], batch: &Batch, ttl: &Duration) {
    batch.fitted(lines.iter().take_while(|line| !add_plus(reply, line, ttl)).count());
}

/// True when there was no room for it.
fn add(reply: &mut ReplyDirectory, line: &Line) -> bool {
    let offset = line.next_offset();
    match line {
        Line::Dots { name, ino } => reply.add(INodeNo(ino.0), offset, FileType::Directory, name),
        Line::Entry(DirEntry { name, attributes, .. }) => {
            reply.add(INodeNo(attributes.ino.0), offset, file_type(attributes.kind), name)
        }
    }
}

/// True when there was no room for it.
fn add_plus(reply: &mut ReplyDirectoryPlus, line: &Line, ttl: &Duration) -> bool {
    let offset = line.next_offset();
    let (name, attr) = match line {
        Line::Dots { name, ino } => (*name, directory(*ino)),
        Line::Entry(DirEntry { name, attributes, .. }) => (name.as_str(), file_attr(attributes)),
    };
    reply.add(attr.ino, offset, name, ttl, &attr, GENERATION)
}
