//! The mount as one of its own programs sees it: where changes are announced.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::ids::Ino;

/// What happened on the service, as it is done again on the mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Appear { parent: Ino, name: String, directory: bool },
    Leave { parent: Ino, name: String, directory: bool },
    Change { parent: Ino, name: String, ino: Ino },
}

impl Act {
    pub(super) fn parent(&self) -> Ino {
        let (Act::Appear { parent, .. } | Act::Leave { parent, .. } | Act::Change { parent, .. }) = self;
        *parent
    }

    pub(super) fn name(&self) -> &str {
        let (Act::Appear { name, .. } | Act::Leave { name, .. } | Act::Change { name, .. }) = self;
        name
    }

    pub(super) fn is_about(&self, parent: Ino, name: &OsStr) -> bool {
        self.parent() == parent && name == self.name()
    }
}

/// What is reached is certainly on this mount, also when the mount is gone or another lies over it: then nothing is.
pub(super) struct Stage {
    mountpoint: PathBuf,
    /// `major:minor`
    device: String,
}

impl Stage {
    pub fn new(mountpoint: &Path, device: String) -> Stage {
        Stage { mountpoint: mountpoint.to_owned(), device }
    }

    pub fn device(&self) -> &str {
        &self.device
    }

    /// Looks a name up in the top directory.
    pub fn look_up(&self, name: &str) {
        let looked = self.directory("", Ino::ROOT).and_then(|top| open_at(&top, name.as_bytes(), libc::O_PATH));
        log::trace!("{name}: {looked:?}");
    }

    /// Does to the entry of the directory at `path` what makes the kernel tell its watchers. The directory stays open for
    /// that moment only, since an open one keeps the mount busy.
    pub fn play(&self, act: &Act, path: &str) -> io::Result<()> {
        let dir = self.directory(path, act.parent())?;
        let name = c_string(act.name().as_bytes())?;
        let (fd, name) = (dir.as_raw_fd(), name.as_ptr());
        // To set the time of the last change alone is shown to watchers as a change of the content.
        let times = [
            libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_OMIT },
            libc::timespec { tv_sec: 0, tv_nsec: libc::UTIME_NOW },
        ];
        // SAFETY: the descriptor is open, the name ends in 0, and there are two times; all live longer than the call.
        let answer = unsafe {
            match act {
                Act::Appear { directory: true, .. } => libc::mkdirat(fd, name, 0o777),
                Act::Appear { .. } => libc::mknodat(fd, name, libc::S_IFREG | 0o666, 0),
                Act::Leave { directory: true, .. } => libc::unlinkat(fd, name, libc::AT_REMOVEDIR),
                Act::Leave { .. } => libc::unlinkat(fd, name, 0),
                Act::Change { .. } => libc::utimensat(fd, name, times.as_ptr(), libc::AT_SYMLINK_NOFOLLOW),
            }
        };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Opens a directory of the mount, name by name. Errors: `NotFound` also if it is another one by now.
    fn directory(&self, path: &str, number: Ino) -> io::Result<OwnedFd> {
        const FLAGS: libc::c_int = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
        let top = self.mountpoint.as_os_str().as_bytes();
        let mut dir = open_in(libc::AT_FDCWD, top, FLAGS)?;
        self.check(&dir, Ino::ROOT)?;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            dir = open_at(&dir, name.as_bytes(), FLAGS)?;
        }
        self.check(&dir, number)?;
        Ok(dir)
    }

    fn check(&self, dir: &OwnedFd, number: Ino) -> io::Result<()> {
        // SAFETY: all zeros are a valid `stat`, which the call fills while it lives.
        let (answer, found) = unsafe {
            let mut found: libc::stat = std::mem::zeroed();
            (libc::fstat(dir.as_raw_fd(), &mut found), found)
        };
        if answer != 0 {
            return Err(io::Error::last_os_error());
        }
        let device = format!("{}:{}", libc::major(found.st_dev), libc::minor(found.st_dev));
        match device == self.device && found.st_ino == number.0 {
            true => Ok(()),
            false => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn open_at(dir: &OwnedFd, name: &[u8], flags: libc::c_int) -> io::Result<OwnedFd> {
    open_in(dir.as_raw_fd(), name, flags)
}

fn open_in(dir: libc::c_int, name: &[u8], flags: libc::c_int) -> io::Result<OwnedFd> {
    let name = c_string(name)?;
    // SAFETY: the name ends in 0 and lives longer than the call; what is opened is ours alone.
    unsafe {
        match libc::openat(dir, name.as_ptr(), flags | libc::O_CLOEXEC) {
            -1 => Err(io::Error::last_os_error()),
            fd => Ok(OwnedFd::from_raw_fd(fd)),
        }
    }
}

fn c_string(bytes: &[u8]) -> io::Result<CString> {
    CString::new(bytes).map_err(|_| io::ErrorKind::InvalidInput.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    /// A directory that is no mount of ours stands for what lies under one that is gone.
    #[test]
    fn nothing_is_done_outside_the_mount() {
        let dir = tempfile::tempdir().unwrap();
        let found = dir.path().metadata().unwrap();
        let device = format!("{}:{}", libc::major(found.dev()), libc::minor(found.dev()));
        let act = Act::Appear { parent: Ino::ROOT, name: "a".into(), directory: false };
        for device in ["0:1", &device] {
            assert!(Stage::new(dir.path(), device.into()).play(&act, "").is_err());
        }
        assert!(!dir.path().join("a").exists());
    }
}
