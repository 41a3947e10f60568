//! Binding and finding the socket, whatever the length of its path.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result, fail};

/// Bytes of a socket address, its end mark left out (unix(7)).
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Makes the socket and listens on it. One that a dead daemon left behind is replaced.
/// Errors: `Exists` when a living daemon listens there.
pub fn bind(path: &Path) -> Result<tokio::net::UnixListener> {
    if connect(path).is_ok() {
        return fail(ErrorKind::Exists, format!("another daemon listens at {}; unmount it first", path.display()));
    }
    let said = |e: io::Error| Error::from(e).during("making the control socket", path.display());
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(said(e)),
        _ => {}
    }
    let listener = with_short(path, |short| UnixListener::bind(short)).map_err(said)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(said)?;
    listener.set_nonblocking(true).map_err(said)?;
    tokio::net::UnixListener::from_std(listener).map_err(said)
}

pub(super) fn connect(path: &Path) -> io::Result<UnixStream> {
    with_short(path, |short| UnixStream::connect(short))
}

/// Runs `f` with a path to the same place that fits into a socket address.
fn with_short<T>(path: &Path, f: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return f(path) };
    if path.as_os_str().len() <= SOCKET_PATH_BYTES_MAX {
        return f(path);
    }
    let dir = File::options().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(dir)?;
    f(&PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(name))
}
