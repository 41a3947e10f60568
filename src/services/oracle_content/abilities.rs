//! What the service turned out to have: a call it refuses as not existing is not tried again in this session.

use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};

use crate::provider::{EntryKind, Operation, Operations};

const OF_FILES: Operations =
    Operations::of(&[Operation::Revise, Operation::Rename, Operation::Move, Operation::Delete, Operation::Read]);
const OF_FOLDERS: Operations = Operations::of(&[
    Operation::CreateFile,
    Operation::MakeDir,
    Operation::Rename,
    Operation::Move,
    Operation::Delete,
    Operation::Describe,
]);
/// The home folder is nobody's to rename, move or remove.
const OF_HOME: Operations = Operations::of(&[Operation::CreateFile, Operation::MakeDir]);

#[derive(Default)]
pub struct Abilities {
    /// Bits of [`Operations`].
    missing_for_files: AtomicU16,
    missing_for_folders: AtomicU16,
    move_worked: AtomicBool,
    range_ignored: AtomicBool,
    keep_both_refused: AtomicBool,
    file_removal_proven: AtomicBool,
}

impl Abilities {
    pub fn of(&self, kind: EntryKind) -> Operations {
        match kind {
            EntryKind::File => less(OF_FILES, self.missing(kind)),
            EntryKind::Directory => less(OF_FOLDERS, self.missing(kind)),
        }
    }

    pub fn of_home(&self) -> Operations {
        less(OF_HOME, self.missing(EntryKind::Directory))
    }

    pub fn of_all(&self) -> Operations {
        self.of(EntryKind::File) | self.of(EntryKind::Directory)
    }

    /// Moving folders is on no page (copying them is); once a move worked, the family of calls is there.
    pub fn unproven(&self) -> Operations {
        match self.move_worked.load(Ordering::Relaxed) {
            true => Operations::NONE,
            false => Operations::of(&[Operation::Move]),
        }
    }

    pub fn is_missing(&self, kind: EntryKind, operation: Operation) -> bool {
        self.missing(kind).has(operation)
    }

    /// Says once what the service lacks.
    pub fn note_missing(&self, kind: EntryKind, operation: Operation) {
        let bit = Operations::of(&[operation]).bits();
        if self.missing_bits(kind).fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            log::warn!("the service has no call to {operation:?} a {kind:?}: it is refused from now on");
        }
    }

    pub fn note_move_worked(&self) {
        self.move_worked.store(true, Ordering::Relaxed);
    }

    pub fn takes_ranges(&self) -> bool {
        !self.range_ignored.load(Ordering::Relaxed)
    }

    pub fn note_range_ignored(&self) {
        self.range_ignored.store(true, Ordering::Relaxed);
    }

    /// Whether uploads may say that a taken name is to be left alone.
    pub fn takes_keep_both(&self) -> bool {
        !self.keep_both_refused.load(Ordering::Relaxed)
    }

    pub fn note_keep_both_refused(&self) {
        self.keep_both_refused.store(true, Ordering::Relaxed);
    }

    /// Whether one call is known to remove a file with all its versions.
    pub fn is_file_removal_proven(&self) -> bool {
        self.file_removal_proven.load(Ordering::Relaxed)
    }

    pub fn note_file_removal_proven(&self) {
        self.file_removal_proven.store(true, Ordering::Relaxed);
    }

    fn missing(&self, kind: EntryKind) -> Operations {
        Operations::from_bits(self.missing_bits(kind).load(Ordering::Relaxed))
    }

    fn missing_bits(&self, kind: EntryKind) -> &AtomicU16 {
        match kind {
            EntryKind::File => &self.missing_for_files,
            EntryKind::Directory => &self.missing_for_folders,
        }
    }
}

fn less(operations: Operations, missing: Operations) -> Operations {
    Operations::from_bits(operations.bits() & !missing.bits())
}
