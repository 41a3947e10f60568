//! The protocol of extended attributes: a question with no room asks for the size.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use fuser::Errno;

use crate::fuse::errno::BUFFER_TOO_SMALL;

#[derive(Debug, PartialEq, Eq)]
pub enum Answer {
    /// How many bytes there are.
    Size(u32),
    Value(Vec<u8>),
}

/// What to answer to a caller who has room for `room` bytes; 0 asks only for the size.
pub fn answer(value: Vec<u8>, room: u32) -> Result<Answer, Errno> {
    let size = u32::try_from(value.len()).map_err(|_| BUFFER_TOO_SMALL)?;
    match room {
        0 => Ok(Answer::Size(size)),
        _ if size <= room => Ok(Answer::Value(value)),
        _ => Err(BUFFER_TOO_SMALL),
    }
}

/// Names as listxattr(2) gives them: each ended by a zero byte.
pub fn joined(names: &[String]) -> Vec<u8> {
    names.iter().flat_map(|name| name.bytes().chain([0])).collect()
}

/// The only namespace that is kept. `security.` and `system.` (capabilities, access control lists) would claim
/// protections that nobody enforces.
pub fn is_user(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b"user.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_room_asks_for_the_size_and_too_little_room_is_an_error() {
        let value = || b"12345".to_vec();
        assert_eq!(answer(value(), 0).unwrap(), Answer::Size(5));
        assert_eq!(answer(value(), 5).unwrap(), Answer::Value(value()));
        assert_eq!(answer(value(), 4).unwrap_err().code(), BUFFER_TOO_SMALL.code());
        assert_eq!(answer(Vec::new(), 0).unwrap(), Answer::Size(0));
    }

    #[test]
    fn each_name_ends_with_a_zero() {
        assert_eq!(joined(&["user.a".into(), "user.b".into()]), b"user.a\0user.b\0");
        assert_eq!(joined(&[]), b"");
    }

    #[test]
    fn capabilities_and_access_lists_are_not_kept() {
        assert!(is_user(OsStr::new("user.collabfs.id")));
        assert!(!is_user(OsStr::new("security.capability")));
        assert!(!is_user(OsStr::new("system.posix_acl_access")));
    }
}
