//! The only table of error numbers, and how loudly each kind of failure is logged.

use fuser::Errno;
use log::Level;

use crate::error::ErrorKind;

/// The kernel asked for something that this file system does not have; it remembers the answer for this mount.
pub(super) const NOT_IMPLEMENTED: Errno = Errno::ENOSYS;
/// Hard links, symbolic links, devices: no service has them.
pub(super) const NOT_OFFERED: Errno = Errno::EPERM;
/// A mode of `fallocate`, or a namespace of extended attributes, that is not kept. Tools go on without it.
pub(super) const MODE_NOT_OFFERED: Errno = Errno::EOPNOTSUPP;
pub(super) const BAD_ARGUMENT: Errno = Errno::EINVAL;
pub(super) const NO_ATTRIBUTE: Errno = Errno::ENODATA;
/// The caller's buffer is too small for the attribute.
pub(super) const BUFFER_TOO_SMALL: Errno = Errno::ERANGE;

/// What a program sees for a kind of failure.
pub fn errno(kind: ErrorKind) -> Errno {
    match kind {
        ErrorKind::NotFound => Errno::ENOENT,
        ErrorKind::Exists => Errno::EEXIST,
        ErrorKind::NotEmpty => Errno::ENOTEMPTY,
        ErrorKind::IsDirectory => Errno::EISDIR,
        ErrorKind::NotDirectory => Errno::ENOTDIR,
        ErrorKind::Denied => Errno::EACCES,
        // Not EKEYREJECTED or EPERM: programs and people know "permission denied"; `status` says to sign in again.
        ErrorKind::SignedOut => Errno::EACCES,
        // Not ENOSYS: the kernel would never ask again, although other directories may offer it.
        // Not EOPNOTSUPP: link(2), mkdir(2) and rename(2) name EPERM for "the file system does not support it".
        ErrorKind::Unsupported => Errno::EPERM,
        ErrorKind::CrossDevice => Errno::EXDEV,
        // What the handle was opened on is no longer what the service has; EBUSY would suggest to wait.
        ErrorKind::Conflict | ErrorKind::Stale => Errno::ESTALE,
        ErrorKind::TooLarge => Errno::EFBIG,
        ErrorKind::Quota => Errno::EDQUOT,
        ErrorKind::DiskFull => Errno::ENOSPC,
        ErrorKind::BadName | ErrorKind::Invalid => Errno::EINVAL,
        ErrorKind::NameTooLong => Errno::ENAMETOOLONG,
        ErrorKind::Locked => Errno::EBUSY,
        ErrorKind::NotReady => Errno::EAGAIN,
        ErrorKind::ReadOnly => Errno::EROFS,
        ErrorKind::NoAttribute => NO_ATTRIBUTE,
        ErrorKind::AttributeNotKept => Errno::EOPNOTSUPP,
        // Not EAGAIN: programs take it for a non-blocking descriptor and spin.
        ErrorKind::RateLimited => Errno::EIO,
        // Not ENETUNREACH or EHOSTDOWN: that no connection came about does not tell which of them it was.
        // Not ETIMEDOUT: hardly any program expects it from a file.
        ErrorKind::Offline | ErrorKind::TimedOut => Errno::EIO,
        ErrorKind::Server | ErrorKind::Protocol | ErrorKind::LocalIo | ErrorKind::Bug => Errno::EIO,
    }
}

/// How loudly a failed call is logged: a question with the answer "no" is no event.
pub fn level(kind: ErrorKind) -> Level {
    match kind {
        ErrorKind::NotFound
        | ErrorKind::Exists
        | ErrorKind::NotEmpty
        | ErrorKind::IsDirectory
        | ErrorKind::NotDirectory
        | ErrorKind::NoAttribute
        | ErrorKind::AttributeNotKept
        | ErrorKind::CrossDevice
        | ErrorKind::ReadOnly
        | ErrorKind::Invalid => Level::Debug,
        ErrorKind::Unsupported | ErrorKind::BadName | ErrorKind::NameTooLong => Level::Info,
        ErrorKind::Denied
        | ErrorKind::SignedOut
        | ErrorKind::Conflict
        | ErrorKind::Stale
        | ErrorKind::TooLarge
        | ErrorKind::Quota
        | ErrorKind::Locked
        | ErrorKind::NotReady
        | ErrorKind::RateLimited
        | ErrorKind::Offline
        | ErrorKind::TimedOut
        | ErrorKind::Server => Level::Warn,
        ErrorKind::DiskFull | ErrorKind::Protocol | ErrorKind::LocalIo | ErrorKind::Bug => Level::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The errno table of the README, row by row.
    #[test]
    fn every_promised_situation_has_its_errno() {
        let promised = [
            (ErrorKind::Unsupported, libc::EPERM),
            (ErrorKind::Denied, libc::EACCES),
            (ErrorKind::SignedOut, libc::EACCES),
            (ErrorKind::BadName, libc::EINVAL),
            (ErrorKind::NameTooLong, libc::ENAMETOOLONG),
            (ErrorKind::CrossDevice, libc::EXDEV),
            (ErrorKind::TooLarge, libc::EFBIG),
            (ErrorKind::Quota, libc::EDQUOT),
            (ErrorKind::DiskFull, libc::ENOSPC),
            (ErrorKind::Locked, libc::EBUSY),
            (ErrorKind::NotReady, libc::EAGAIN),
            (ErrorKind::NotFound, libc::ENOENT),
            (ErrorKind::Stale, libc::ESTALE),
            (ErrorKind::TimedOut, libc::EIO),
            (ErrorKind::Protocol, libc::EIO),
            (ErrorKind::NoAttribute, libc::ENODATA),
            (ErrorKind::AttributeNotKept, libc::EOPNOTSUPP),
            (ErrorKind::ReadOnly, libc::EROFS),
        ];
        for (kind, number) in promised {
            assert_eq!(errno(kind).code(), number, "{kind:?}");
        }
    }

    #[test]
    fn a_question_answered_with_no_is_not_logged_as_a_warning() {
        assert_eq!(level(ErrorKind::NotFound), Level::Debug);
        assert_eq!(level(ErrorKind::NoAttribute), Level::Debug);
        assert_eq!(level(ErrorKind::Bug), Level::Error);
    }
}
