//! What a service can do at all ([`Capabilities`]) and what may be done with one entry ([`Operations`]).

use std::fmt;
use std::ops::{BitAnd, BitOr};

/// One thing that can be done with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum Operation {
    /// Create a file in this directory.
    CreateFile = 1,
    /// Make a directory in this directory.
    MakeDir = 2,
    /// Send new content for this file.
    Revise = 4,
    /// Give this entry another name in its directory.
    Rename = 8,
    /// Put this entry into another directory.
    Move = 16,
    /// Remove this entry.
    Delete = 32,
    /// Set this entry's description.
    Describe = 64,
    /// Read this file's content.
    Read = 128,
}

/// A set of [`Operation`]s.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Operations(u16);

impl Operations {
    pub const NONE: Operations = Operations(0);
    pub const ALL: Operations = Operations(255);

    pub const fn of(list: &[Operation]) -> Operations {
        let (mut bits, mut i) = (0, 0);
        while i < list.len() {
            bits |= list[i] as u16;
            i += 1;
        }
        Operations(bits)
    }

    pub const fn has(self, operation: Operation) -> bool {
        self.0 & operation as u16 != 0
    }

    pub const fn without(self, operation: Operation) -> Operations {
        Operations(self.0 & !(operation as u16))
    }

    pub const fn with(self, operation: Operation) -> Operations {
        Operations(self.0 | operation as u16)
    }

    /// For the store.
    pub const fn bits(self) -> u16 {
        self.0
    }

    pub const fn from_bits(bits: u16) -> Operations {
        Operations(bits)
    }
}

impl BitAnd for Operations {
    type Output = Operations;
    fn bitand(self, other: Operations) -> Operations {
        Operations(self.0 & other.0)
    }
}

impl BitOr for Operations {
    type Output = Operations;
    fn bitor(self, other: Operations) -> Operations {
        Operations(self.0 | other.0)
    }
}

impl fmt::Debug for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use Operation::*;
        let all = [CreateFile, MakeDir, Revise, Rename, Move, Delete, Describe, Read];
        f.debug_set().entries(all.iter().filter(|o| self.has(**o))).finish()
    }
}

/// What a service can do, and its limits.
#[derive(Debug, Clone)]
pub struct Capabilities {
    /// Short name as in the configuration.
    pub service: &'static str,
    /// Operations the service offers somewhere; an operation refused with "no such call" leaves this set.
    pub operations: Operations,
    /// Operations on files that no documentation promises and that were not seen to work yet.
    pub unproven: Operations,
    /// Content can be read in byte ranges (may turn out to be wrong: [`super::Download`] says what came).
    pub ranges: bool,
    /// Bytes are sent first and attached later; else `attach` does both.
    pub staged: bool,
    /// Most items of one `attach`.
    pub attach_batch_max: usize,
    /// A revision keeps the file's id; else the file is replaced (new first, old trashed last) and gets a new id.
    pub revises_in_place: bool,
    /// `revise` itself refuses with `Conflict` when the base moved on.
    pub conditional_revise: bool,
    /// Old revisions can be listed and read.
    pub versions: bool,
    /// There is a change feed; listings may then live long.
    pub changes: bool,
    /// `Plan.txt` and `plan.txt` may lie side by side.
    pub case_sensitive: bool,
    /// Two entries of one name may lie side by side.
    pub duplicate_names: bool,
    pub reservations: bool,
    pub trash_listed: bool,
    pub server_copy: bool,
    pub file_bytes_max: Option<u64>,
    pub name_bytes_max: usize,
    /// Uploads that may run at the same time.
    pub uploads_parallel: usize,
    /// Requests (listings, reads) that are worth having under way at the same time.
    pub requests_parallel: usize,
}

impl Capabilities {
    /// What may be done with an entry: what it offers, as far as the service (still) can.
    pub fn allowed(&self, entry: Operations) -> Operations {
        entry & self.operations
    }
}
