//! Attributes, times and open flags between the kernel's form and ours.

use std::time::SystemTime;

use fuser::{FileAttr, FileType, Generation, INodeNo, OpenAccMode, OpenFlags, TimeOrNow};

use crate::fs::{Attributes, NodeKind, OpenMode, SetTime};
use crate::ids::Ino;

/// Inode numbers are never given to another node, so generations are not needed.
pub const GENERATION: Generation = Generation(0);
/// Also the unit of I/O that programs are advised to use.
const BLOCK_SIZE_BYTES: u32 = 4096;

pub fn file_attr(a: &Attributes) -> FileAttr {
    FileAttr {
        ino: INodeNo(a.ino.0),
        size: a.size_bytes,
        // With 0 blocks `cp` would take the file for one big hole.
        blocks: a.size_bytes.div_ceil(512),
        atime: a.accessed,
        mtime: a.modified,
        ctime: a.changed,
        crtime: a.created,
        kind: file_type(a.kind),
        perm: a.mode,
        nlink: a.nlink,
        uid: a.uid,
        gid: a.gid,
        rdev: 0,
        blksize: BLOCK_SIZE_BYTES,
        flags: 0,
    }
}

pub fn file_type(kind: NodeKind) -> FileType {
    match kind {
        NodeKind::Directory => FileType::Directory,
        NodeKind::File => FileType::RegularFile,
    }
}

/// Inode 0 with a lifetime tells the kernel: certainly not there, and do not ask again so soon.
pub fn absent() -> FileAttr {
    directory(Ino(0))
}

/// For `.` and `..`, of which the kernel takes only the number and the type.
pub fn directory(ino: Ino) -> FileAttr {
    file_attr(&Attributes {
        ino,
        kind: NodeKind::Directory,
        size_bytes: 0,
        accessed: SystemTime::UNIX_EPOCH,
        modified: SystemTime::UNIX_EPOCH,
        changed: SystemTime::UNIX_EPOCH,
        created: SystemTime::UNIX_EPOCH,
        mode: 0,
        uid: 0,
        gid: 0,
        nlink: 1,
    })
}

pub fn set_time(time: TimeOrNow) -> SetTime {
    match time {
        TimeOrNow::Now => SetTime::Now,
        TimeOrNow::SpecificTime(at) => SetTime::At(at),
    }
}

pub fn open_mode(flags: OpenFlags) -> OpenMode {
    let access = flags.acc_mode();
    OpenMode {
        read: access != OpenAccMode::O_WRONLY,
        write: access != OpenAccMode::O_RDONLY,
        truncate: flags.0 & libc::O_TRUNC != 0,
        append: flags.0 & libc::O_APPEND != 0,
        exclusive: flags.0 & libc::O_EXCL != 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_one_byte_takes_a_block() {
        let one_byte = Attributes {
            ino: Ino(5),
            kind: NodeKind::File,
            size_bytes: 1,
            accessed: SystemTime::UNIX_EPOCH,
            modified: SystemTime::UNIX_EPOCH,
            changed: SystemTime::UNIX_EPOCH,
            created: SystemTime::UNIX_EPOCH,
            mode: 0o644,
            uid: 1,
            gid: 2,
            nlink: 1,
        };
        let attr = file_attr(&one_byte);
        assert_eq!((attr.ino.0, attr.size, attr.blocks, attr.kind), (5, 1, 1, FileType::RegularFile));
        assert_eq!(file_attr(&Attributes { size_bytes: 0, ..one_byte.clone() }).blocks, 0);
        assert_eq!(file_attr(&Attributes { size_bytes: 513, ..one_byte }).blocks, 2);
    }

    #[test]
    fn open_flags_are_told_apart() {
        let mode = open_mode(OpenFlags(libc::O_WRONLY | libc::O_TRUNC));
        assert_eq!(mode, OpenMode { write: true, truncate: true, ..OpenMode::default() });
        let mode = open_mode(OpenFlags(libc::O_RDWR | libc::O_APPEND | libc::O_EXCL));
        assert_eq!(mode, OpenMode { read: true, write: true, append: true, exclusive: true, truncate: false });
        assert_eq!(open_mode(OpenFlags(libc::O_RDONLY)), OpenMode { read: true, ..OpenMode::default() });
    }
}
