//! What the file system takes and answers. No type of the kernel's door in here.

use std::sync::Arc;
use std::time::SystemTime;

use crate::ids::{HandleId, Ino};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeKind {
    Directory,
    File,
}

/// What `stat` shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attributes {
    pub ino: Ino,
    pub kind: NodeKind,
    pub size_bytes: u64,
    pub accessed: SystemTime,
    pub modified: SystemTime,
    pub changed: SystemTime,
    pub created: SystemTime,
    /// Permission bits only.
    pub mode: u16,
    pub uid: u32,
    pub gid: u32,
    pub nlink: u32,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lookup {
    Found(Attributes),
    /// Certainly not there: the kernel may remember that.
    Absent,
}

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OpenMode {
    pub read: bool,
    pub write: bool,
    pub truncate: bool,
    pub append: bool,
    /// O_EXCL of a creation.
    pub exclusive: bool,
}

#[derive(Clone)]
pub struct Opened {
    pub handle: HandleId,
    /// The pages that the kernel has of this file are still right.
    pub keep_cache: bool,
    /// A local file with exactly this content, which the kernel may read by itself (read-only handles only).
    pub backing: Option<Arc<std::fs::File>>,
    /// Reads must not go through the page cache (the size is not known before the first download).
    pub direct_io: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetTime {
    Now,
    At(SystemTime),
}

/// What `setattr` changes; `None` leaves it.
#[derive(Debug, Clone, Default)]
pub struct SetAttributes {
    pub mode: Option<u32>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub size_bytes: Option<u64>,
    pub accessed: Option<SetTime>,
    pub modified: Option<SetTime>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RenameMode {
    /// Replaces what has the new name.
    Replace,
    /// Fails with `Exists` when the new name is taken.
    NoReplace,
    /// Swaps the two.
    Exchange,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    pub name: String,
    pub attributes: Attributes,
    /// Where to go on after this entry.
    pub next_offset: u64,
}

/// What `statfs` shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Space {
    pub total_bytes: u64,
    pub free_bytes: u64,
    pub files: u64,
    pub name_bytes_max: u32,
}

/// Who asks: shown as the owner of what is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    pub uid: u32,
    pub gid: u32,
    pub pid: u32,
}
