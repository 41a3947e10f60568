//! From a path to the daemon that serves it, without touching the mount: a dead one would not answer.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

use crate::cli::Environment;
use crate::cli::environment::home_of;
use crate::config::{BaseDirs, Places};
use crate::daemon::control::{self, Answer, Progress, Request};
use crate::error::{ErrorKind, Result, fail};

/// One line of `/proc/self/mountinfo` that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub account: String,
    pub mountpoint: PathBuf,
    /// Which directory of the account's tree is seen there: `/`, or another one in a bind mount.
    pub root: PathBuf,
    /// Who mounted it.
    pub uid: u32,
}

/// The daemon of an account, and a path in its tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub account: String,
    /// Relative to the mount's root; `""` is the root itself.
    pub path: String,
    /// Where it is mounted, if it was found by a path.
    pub mountpoint: Option<PathBuf>,
    /// Where the daemon may listen, the likeliest first.
    sockets: Vec<PathBuf>,
}

impl Target {
    /// Asks the daemon. Errors as [`control::call`].
    pub fn call(&self, request: &Request, mut on_progress: impl FnMut(Progress)) -> Result<Answer> {
        // One that nobody listens on is left over from a daemon that died, or of another session.
        for socket in &self.sockets {
            match control::call(socket, request, &mut on_progress) {
                Err(e) if e.kind() == ErrorKind::Offline && e.detail().starts_with("no daemon") => {}
                answer => return answer,
            }
        }
        let hint = "mount it; a dead mount is cleared by `fusermount3 -u`";
        fail(ErrorKind::Offline, format!("no daemon of account {} answers; {hint}", self.account))
    }
}

/// All mounts of this program.
pub fn mounts() -> Result<Vec<Mount>> {
    Ok(parse_mountinfo(&std::fs::read("/proc/self/mountinfo")?))
}

/// Our lines of a mountinfo file (proc_pid_mountinfo(5)).
pub fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    text.split(|b| *b == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
    let dash = fields.iter().position(|f| *f == b"-")?;
    let [kind, source, super_options, ..] = fields[dash + 1..] else { return None };
    if kind != b"fuse.collabfs" {
        return None;
    }
    let uid = super_options.split(|b| *b == b',').find_map(|o| o.strip_prefix(b"user_id="));
    Some(Mount {
        account: String::from_utf8(unescape(source)).ok()?,
        mountpoint: PathBuf::from(std::ffi::OsString::from_vec(unescape(fields.get(4)?))),
        root: PathBuf::from(std::ffi::OsString::from_vec(unescape(fields.get(3)?))),
        uid: std::str::from_utf8(uid?).ok()?.parse().ok()?,
    })
}

/// The kernel writes space, tab, newline and backslash as `\ooo`.
fn unescape(field: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(field.len());
    let mut rest = field;
    while let [first, tail @ ..] = rest {
        let octal = tail.get(..3).and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u8::from_str_radix(d, 8).ok());
        match (first, octal) {
            (b'\\', Some(byte)) => {
                out.push(byte);
                rest = &tail[3..];
            }
            _ => {
                out.push(*first);
                rest = tail;
            }
        }
    }
    out
}

/// The mount that a path is in, and the path below it.
pub fn find<'a>(mounts: &'a [Mount], path: &Path) -> Option<(&'a Mount, PathBuf)> {
    // The last one mounted on a place hides those before it.
    let covering = mounts.iter().rev().filter(|m| path.starts_with(&m.mountpoint));
    let mount = covering.max_by_key(|m| m.mountpoint.components().count())?;
    let below = path.strip_prefix(&mount.mountpoint).unwrap_or(Path::new(""));
    let root = mount.root.strip_prefix("/").unwrap_or(&mount.root);
    Some((mount, root.components().chain(below.components()).collect()))
}

/// The daemon and path that a person means by a path.
pub fn target(path: &Path, environment: &Environment) -> Result<Target> {
    let mounts = mounts()?;
    let absolute = lexically_absolute(&environment.current_dir, path);
    let found = find(&mounts, &absolute);
    // Perhaps through a symbolic link from outside.
    let found = found.or_else(|| find(&mounts, &path.canonicalize().ok()?));
    let Some((mount, below)) = found else {
        let known: Vec<String> = mounts.iter().map(|m| m.mountpoint.display().to_string()).collect();
        let known = match known.is_empty() {
            true => "nothing is mounted".to_owned(),
            false => format!("mounted: {}", known.join(", ")),
        };
        return fail(ErrorKind::Invalid, format!("{} is not in a mount of collabfs ({known})", path.display()));
    };
    let Some(below) = below.to_str() else {
        return fail(ErrorKind::BadName, format!("{} is not UTF-8; no such name exists on a service", path.display()));
    };
    if mount.uid != environment.uid && environment.uid != 0 {
        let who = mount.uid;
        return fail(
            ErrorKind::Denied,
            format!("{} was mounted by user {who}; ask as that user", mount.mountpoint.display()),
        );
    }
    Ok(Target {
        account: mount.account.clone(),
        path: below.to_owned(),
        mountpoint: Some(mount.mountpoint.clone()),
        sockets: sockets_of(&mount.account, mount.uid, environment),
    })
}

/// The daemon of an account, by its name.
pub fn of_account(account: &str, environment: &Environment) -> Result<Target> {
    crate::config::check_account_name(account)?;
    let sockets = sockets_of(account, environment.uid, environment);
    Ok(Target { account: account.to_owned(), path: String::new(), mountpoint: None, sockets })
}

/// The daemons of this user: mounted, or lingering without a mount.
pub fn all(environment: &Environment) -> Result<Vec<Target>> {
    let mut accounts: Vec<String> =
        mounts()?.into_iter().filter(|m| m.uid == environment.uid).map(|m| m.account).collect();
    for dir in socket_dirs(environment.uid, environment) {
        let Ok(entries) = std::fs::read_dir(dir) else { continue };
        for entry in entries.flatten() {
            let name = PathBuf::from(entry.file_name());
            let account = name.file_stem().and_then(OsStr::to_str);
            if name.extension() == Some(OsStr::new("sock"))
                && let Some(account) = account
                && is_listening(&entry.path())
            {
                accounts.push(account.to_owned());
            }
        }
    }
    accounts.sort_unstable();
    accounts.dedup();
    accounts.iter().map(|account| of_account(account, environment)).collect()
}

fn is_listening(socket: &Path) -> bool {
    !matches!(control::call(socket, &Request::Status, |_| ()), Err(e) if e.kind() == ErrorKind::Offline)
}

/// Where daemons of a user make their sockets: a login session has a runtime directory, a mount at boot has none.
fn socket_dirs(uid: u32, environment: &Environment) -> Vec<PathBuf> {
    let of = |base: &BaseDirs| {
        let places = Places::of_account("-", base, None, None);
        places.control_socket.parent().map(Path::to_path_buf)
    };
    let mut bases = Vec::new();
    if uid == environment.uid {
        bases.push(environment.base.clone());
        bases.push(BaseDirs { runtime: None, ..environment.base.clone() });
    }
    if let Some(home) = home_of(uid) {
        let runtime = PathBuf::from(format!("/run/user/{uid}"));
        let elsewhere = BaseDirs::new(home, |_| None);
        bases.push(BaseDirs { runtime: Some(runtime), ..elsewhere.clone() });
        bases.push(elsewhere);
    }
    let mut dirs: Vec<PathBuf> = Vec::new();
    for dir in bases.iter().filter_map(of) {
        if !dirs.contains(&dir) {
            dirs.push(dir);
        }
    }
    dirs
}

fn sockets_of(account: &str, uid: u32, environment: &Environment) -> Vec<PathBuf> {
    socket_dirs(uid, environment).into_iter().map(|dir| dir.join(format!("{account}.sock"))).collect()
}

/// The path without `.` and `..`, and without asking any file system.
fn lexically_absolute(current_dir: &Path, path: &Path) -> PathBuf {
    let mut absolute = PathBuf::new();
    for component in current_dir.join(path).components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                absolute.pop();
            }
            other => absolute.push(OsStr::from_bytes(other.as_os_str().as_bytes())),
        }
    }
    absolute
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTINFO: &[u8] = b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw\n\
        90 22 0:50 / /home/ann/My\\040Work rw,nosuid,nodev shared:9 - fuse.collabfs acme rw,user_id=1000,group_id=1000\n\
        91 90 0:51 / /home/ann/My\\040Work/inner rw - fuse.collabfs beta rw,user_id=1000,group_id=1000\n\
        92 22 0:50 /plans/2026 /srv/plans rw - fuse.collabfs acme rw,user_id=1000,group_id=1000\n\
        93 22 0:52 / /mnt/other rw - fuse.sshfs host: rw,user_id=1000,group_id=1000\n\
        broken line\n";

    #[test]
    fn our_mounts_are_read_from_mountinfo() {
        let mounts = parse_mountinfo(MOUNTINFO);
        assert_eq!(mounts.iter().map(|m| &*m.account).collect::<Vec<_>>(), ["acme", "beta", "acme"]);
        assert_eq!(mounts[0].mountpoint, Path::new("/home/ann/My Work"));
        assert_eq!(mounts[0].uid, 1000);
    }

    #[test]
    fn the_longest_mount_point_wins_and_bind_mounts_keep_their_root() {
        let mounts = parse_mountinfo(MOUNTINFO);
        let found = |path: &str| find(&mounts, Path::new(path)).map(|(m, below)| (m.account.clone(), below));
        assert_eq!(found("/home/ann/My Work/a/b"), Some(("acme".into(), "a/b".into())));
        assert_eq!(found("/home/ann/My Work/inner/x"), Some(("beta".into(), "x".into())));
        assert_eq!(found("/home/ann/My Work"), Some(("acme".into(), "".into())));
        assert_eq!(found("/srv/plans/q1.txt"), Some(("acme".into(), "plans/2026/q1.txt".into())));
        assert_eq!(found("/home/ann/My Workshop"), None);
        assert_eq!(found("/mnt/other/x"), None);
    }

    #[test]
    fn paths_are_made_absolute_without_asking_the_mount() {
        let absolute = |path| lexically_absolute(Path::new("/home/ann"), Path::new(path));
        assert_eq!(absolute("./a/../b"), Path::new("/home/ann/b"));
        assert_eq!(absolute("/x/../../y"), Path::new("/y"));
    }
}
