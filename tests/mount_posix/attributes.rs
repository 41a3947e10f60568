//! What is promised of attributes and locks.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use crate::{c, check, refused};

pub fn mode_and_times_are_kept(dir: &Path) {
    let path = dir.join("f");
    let file = OpenOptions::new().create_new(true).write(true).mode(0o640).open(&path).unwrap();
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o640);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 123_456_789);
    file.set_times(fs::FileTimes::new().set_modified(time).set_accessed(time)).unwrap();
    drop(file);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!(metadata.permissions().mode() & 0o7777, 0o755);
    assert_eq!((metadata.modified().unwrap(), metadata.accessed().unwrap()), (time, time));
}

pub fn writing_moves_the_time(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "a").unwrap();
    let old = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_modified(old).unwrap();
    file.write_at(b"b", 0).unwrap();
    drop(file);
    let age = fs::metadata(&path).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(age < Duration::from_secs(60), "{age:?}");
}

fn set_xattr(path: &Path, name: &str, value: &[u8], flags: i32) -> io::Result<i64> {
    let (path, name) = (c(path), CString::new(name).unwrap());
    // SAFETY: pointers and length belong together, for the time of the call.
    check(unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), flags) }.into())
}

fn get_xattr(path: &Path, name: &str, room: usize) -> io::Result<Vec<u8>> {
    let (path, name, mut value) = (c(path), CString::new(name).unwrap(), vec![0u8; room]);
    // SAFETY: as above.
    let got = check(unsafe { libc::getxattr(path.as_ptr(), name.as_ptr(), value.as_mut_ptr().cast(), room) } as i64)?;
    value.resize(got as usize, 0);
    Ok(value)
}

pub fn extended_attributes(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "x").unwrap();
    refused(get_xattr(&path, "user.test", 10), libc::ENODATA);
    set_xattr(&path, "user.test", b"value", libc::XATTR_CREATE).unwrap();
    refused(set_xattr(&path, "user.test", b"v", libc::XATTR_CREATE), libc::EEXIST);
    refused(set_xattr(&path, "user.other", b"v", libc::XATTR_REPLACE), libc::ENODATA);
    assert_eq!(get_xattr(&path, "user.test", 100).unwrap(), b"value");
    assert_eq!(get_xattr(&path, "user.test", 0).unwrap().len(), 5);
    refused(get_xattr(&path, "user.test", 4), libc::ERANGE);
    assert!(get_xattr(&path, "user.collabfs.state", 1000).is_ok());
    let name = CString::new("user.test").unwrap();
    // SAFETY: C strings for the time of the call.
    check(unsafe { libc::removexattr(c(&path).as_ptr(), name.as_ptr()) }.into()).unwrap();
    refused(get_xattr(&path, "user.test", 10), libc::ENODATA);
}

pub fn capabilities_are_refused(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "x").unwrap();
    refused(get_xattr(&path, "security.capability", 100), libc::ENODATA);
    refused(set_xattr(&path, "trusted.test", b"x", 0), libc::EOPNOTSUPP);
    refused(set_xattr(&path, "security.test", b"x", 0), libc::EOPNOTSUPP);
}

pub fn statfs_has_blocks(dir: &Path) {
    // SAFETY: all-zero is a valid value, and the kernel fills it.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    check(unsafe { libc::statvfs(c(dir).as_ptr(), &mut space) }.into()).unwrap();
    assert!(space.f_blocks > 0 && space.f_bavail > 0 && space.f_ffree > 0 && space.f_namemax >= 255);
}

pub fn locks_exclude_each_other(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "x").unwrap();
    let (a, b) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    a.lock().unwrap();
    assert!(b.try_lock().is_err());
    a.unlock().unwrap();
    b.try_lock().unwrap();
}
