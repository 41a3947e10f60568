//! What the process finds around it, read once.

use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::config::BaseDirs;
use crate::error::{ErrorKind, Result, fail};

pub struct Environment {
    pub base: BaseDirs,
    pub uid: u32,
    pub gid: u32,
    pub current_dir: PathBuf,
    /// `COLLABFS_LOG`: what to log, as `debug` or `info,collabfs::http=trace`.
    pub log_filter: Option<String>,
}

impl Environment {
    /// Errors: `Invalid` when there is no home directory.
    pub fn of_process() -> Result<Environment> {
        // SAFETY: plain system calls that cannot fail.
        let (uid, gid) = unsafe { (libc::geteuid(), libc::getegid()) };
        let variable = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        // systemd starts mount helpers without HOME.
        let Some(home) = variable("HOME").filter(|home| home.is_absolute()).or_else(|| home_of(uid)) else {
            return fail(ErrorKind::Invalid, "there is no home directory; set HOME");
        };
        let mut base = BaseDirs::new(home, variable);
        // sudo and containers pass on a runtime directory that is somebody else's, or is not there.
        base.runtime = base.runtime.filter(|dir| dir.metadata().is_ok_and(|m| m.is_dir() && m.uid() == uid));
        Ok(Environment {
            base,
            uid,
            gid,
            // A removed directory has no name; paths given absolutely do not need it.
            current_dir: std::env::current_dir().unwrap_or_else(|_| PathBuf::from("/")),
            log_filter: std::env::var("COLLABFS_LOG").ok().filter(|filter| !filter.is_empty()),
        })
    }
}

/// The home directory as the user database knows it.
pub fn home_of(uid: u32) -> Option<PathBuf> {
    let mut buffer = vec![0 as libc::c_char; 16 << 10];
    // SAFETY: all zero is a valid value for this plain C structure.
    let mut entry: libc::passwd = unsafe { std::mem::zeroed() };
    let mut found = std::ptr::null_mut();
    // SAFETY: every pointer is valid for the call, and `buffer` has the length told.
    let failed = unsafe { libc::getpwuid_r(uid, &mut entry, buffer.as_mut_ptr(), buffer.len(), &mut found) };
    if failed != 0 || found.is_null() || entry.pw_dir.is_null() {
        return None;
    }
    // SAFETY: after success `pw_dir` is a C string inside `buffer`, which is still there.
    let dir = unsafe { CStr::from_ptr(entry.pw_dir) };
    Some(PathBuf::from(OsStr::from_bytes(dir.to_bytes()))).filter(|dir| dir.is_absolute())
}
