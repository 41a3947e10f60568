//! Mounting and leaving.

use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use fuser::{Config, MountOption, SessionACL, SessionUnmounter};
use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::FileSystem;
use crate::fuse::announce::Announced;
use crate::fuse::front::Front;
use crate::fuse::notify::Invalidations;
use crate::fuse::plan::MountPlan;
use crate::fuse::stage::Stage;

/// Threads that read requests. Most are answered there and then; four keep that going while some touch the disk.
const THREADS: usize = 4;
/// As /proc/mounts shows the type.
const FILE_SYSTEM_TYPE: &str = "fuse.collabfs";
/// A far service needs more under way than the kernel's 128 KiB. Only root may set it.
const READ_AHEAD_KIB: u32 = 1024;

/// A mounted file system. Dropping it does not unmount.
pub struct Session {
    mountpoint: PathBuf,
    unmounter: Mutex<SessionUnmounter>,
    announced: Announced,
    invalidations: Invalidations,
    /// `None` as long as it runs.
    end: watch::Receiver<Option<std::result::Result<(), String>>>,
}

impl Session {
    /// Mounts and starts to answer. Blocks for a moment. `invalidations` are told to the kernel from now on.
    pub fn mount(fs: FileSystem, plan: &MountPlan, runtime: Handle, invalidations: &Invalidations) -> Result<Session> {
        let mountpoint = free_mountpoint(&plan.mountpoint)?;
        let announced = Announced::default();
        let front = Front::new(fs.clone(), runtime.clone(), plan, announced.clone());
        let mut session = fuser::Session::new(front, &mountpoint, &config(plan)).map_err(|e| cannot_mount(plan, &e))?;
        let unmounter = Mutex::new(session.unmount_callable());
        let _ = invalidations.send_to(session.notifier(), announced.clone())?;
        let (ended, end) = watch::channel(None);
        let (to_kernel, to_programs) = (invalidations.clone(), announced.clone());
        std::thread::Builder::new().name("fuse-session".into()).spawn(move || {
            let result = session.run();
            to_kernel.close();
            to_programs.close();
            ended.send_replace(Some(result.map_err(|e| e.to_string())));
        })?;
        if let Some(mount) = mount_at(&mountpoint) {
            read_far_ahead(&mount.device);
            announced.start(Stage::new(&mountpoint, mount.device), fs, runtime)?;
        }
        Ok(Session { mountpoint, unmounter, announced, invalidations: invalidations.clone(), end })
    }

    /// Returns when the kernel knows what has changed so far, at the latest after a second.
    pub async fn kernel_knows(&self) {
        let invalidations = self.invalidations.clone();
        let _ = tokio::task::spawn_blocking(move || invalidations.wait_until_told(Duration::from_secs(1))).await;
    }

    pub fn mountpoint(&self) -> &Path {
        &self.mountpoint
    }

    /// Returns when nothing is mounted any more, whoever unmounted it.
    pub async fn ended(&self) -> Result<()> {
        let mut end = self.end.clone();
        let result = end.wait_for(Option::is_some).await.map(|end| end.clone());
        match result {
            Ok(Some(Err(why))) => fail(ErrorKind::Bug, format!("the kernel connection broke: {why}")),
            _ => Ok(()),
        }
    }

    /// Unmounts. What is busy disappears from the tree at once, and [`Session::ended`] follows when its last file
    /// is closed. May block for a moment.
    pub fn unmount(&self) -> Result<()> {
        if self.end.borrow().is_some() {
            return Ok(());
        }
        self.announced.close();
        let tried = self.unmounter.lock().unwrap_or_else(PoisonError::into_inner).unmount();
        match tried {
            Ok(()) => Ok(()),
            Err(_) => detach(&self.mountpoint),
        }
    }
}

fn config(plan: &MountPlan) -> Config {
    let mut config = Config::default();
    config.n_threads = Some(THREADS);
    config.acl = if plan.allow_other { SessionACL::All } else { SessionACL::Owner };
    config.mount_options = vec![
        MountOption::FSName(without_commas(&plan.account)),
        // Not `Subtype`: fuser drops that one when root mounts.
        MountOption::CUSTOM("subtype=collabfs".into()),
        MountOption::NoSuid,
        MountOption::NoDev,
        MountOption::DefaultPermissions,
    ];
    if plan.read_only {
        config.mount_options.push(MountOption::RO);
    }
    if plan.no_exec {
        config.mount_options.push(MountOption::NoExec);
    }
    config
}

/// A comma would begin another mount option.
fn without_commas(name: &str) -> String {
    name.replace(',', "_")
}

fn cannot_mount(plan: &MountPlan, e: &io::Error) -> Error {
    let hint = match e.kind() {
        io::ErrorKind::NotFound => "is the fuse kernel module loaded (/dev/fuse)?",
        io::ErrorKind::PermissionDenied if plan.allow_other => "is user_allow_other set in /etc/fuse.conf?",
        io::ErrorKind::PermissionDenied => "may this user read and write /dev/fuse, and is fusermount3 installed?",
        _ => "is fusermount3 installed (package fuse3)?",
    };
    Error::new(ErrorKind::LocalIo, format!("cannot mount on {}: {e}; {hint}", plan.mountpoint.display()))
}

/// Whether looking at a mountpoint failed because the daemon behind it is gone, or just going.
pub fn is_dead(e: &io::Error) -> bool {
    matches!(e.kind(), io::ErrorKind::NotConnected | io::ErrorKind::ConnectionAborted)
}

/// The mountpoint as an absolute path, freed from what a killed daemon left there.
fn free_mountpoint(mountpoint: &Path) -> Result<PathBuf> {
    let shown = mountpoint.display();
    let metadata = match mountpoint.metadata() {
        Err(e) if is_dead(&e) => {
            log::info!("removing the dead mount at {shown}");
            detach(mountpoint)?;
            mountpoint.metadata()
        }
        other => other,
    };
    let metadata =
        metadata.map_err(|e| Error::new(ErrorKind::NotFound, format!("{shown}: {e}; make the directory first")))?;
    if !metadata.is_dir() {
        return fail(ErrorKind::NotDirectory, format!("{shown} is not a directory"));
    }
    let path = mountpoint.canonicalize()?;
    if let Some(mount) = mount_at(&path).filter(|mount| mount.kind == FILE_SYSTEM_TYPE) {
        return fail(ErrorKind::Exists, format!("{} is mounted on {shown} already; unmount it first", mount.source));
    }
    Ok(path)
}

/// Takes the mount out of the tree even if it is busy or dead.
pub fn detach(mountpoint: &Path) -> Result<()> {
    let path = std::ffi::CString::new(mountpoint.as_os_str().as_bytes())
        .map_err(|_| Error::new(ErrorKind::Invalid, "a path with a zero byte"))?;
    // SAFETY: the path is a valid C string for the time of the call.
    if unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH | libc::UMOUNT_NOFOLLOW) } == 0 {
        return Ok(());
    }
    let as_user = io::Error::last_os_error();
    // Ordinary users unmount through the set-uid program.
    let status = Command::new("fusermount3").arg("-uz").arg("--").arg(mountpoint).stderr(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        _ => fail(ErrorKind::LocalIo, format!("cannot unmount {}: {as_user}", mountpoint.display())),
    }
}

/// A line of /proc/self/mountinfo (see proc_pid_mountinfo(5)).
struct Mount {
    /// `major:minor`
    device: String,
    kind: String,
    source: String,
}

/// The mount that is seen at exactly this path: the last one made there.
fn mount_at(path: &Path) -> Option<Mount> {
    let table = std::fs::read("/proc/self/mountinfo").ok()?;
    table.split(|b| *b == b'\n').rev().find_map(|line| {
        let fields: Vec<&[u8]> = line.split(|b| *b == b' ').collect();
        let (device, point) = (fields.get(2)?, fields.get(4)?);
        let after = fields.iter().position(|field| *field == b"-")? + 1;
        let text = |field: &[u8]| String::from_utf8_lossy(field).into_owned();
        (unescaped(point) == path.as_os_str().as_bytes()).then(|| Mount {
            device: text(device),
            kind: fields.get(after).map_or(String::new(), |field| text(field)),
            source: fields.get(after + 1).map_or(String::new(), |field| text(field)),
        })
    })
}

/// Space, tab, newline and backslash stand as three octal digits.
fn unescaped(field: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&byte, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|digits| byte == b'\\' && digits.iter().all(|d| (b'0'..b'8').contains(d)));
        match octal {
            Some(digits) => {
                bytes.push(digits.iter().fold(0u8, |sum, d| sum.wrapping_mul(8).wrapping_add(d - b'0')));
                rest = &tail[3..];
            }
            None => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    bytes
}

fn read_far_ahead(device: &str) {
    let setting = format!("/sys/class/bdi/{device}/read_ahead_kb");
    if let Err(e) = std::fs::write(&setting, READ_AHEAD_KIB.to_string()) {
        log::debug!("{setting} stays as it is: {e}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_in_mountpoints_are_understood() {
        assert_eq!(unescaped(br"/mnt/my\040drive"), b"/mnt/my drive");
        assert_eq!(unescaped(br"/mnt/a\134b\"), br"/mnt/a\b\");
        assert_eq!(unescaped(b"/mnt"), b"/mnt");
    }

    #[test]
    fn the_root_of_this_machine_is_a_mount() {
        let root = mount_at(Path::new("/")).unwrap();
        assert!(root.device.contains(':') && !root.kind.is_empty());
    }

    #[test]
    fn a_missing_mountpoint_is_said() {
        let e = free_mountpoint(Path::new("/nonexistent/mountpoint")).unwrap_err();
        assert_eq!(e.kind(), ErrorKind::NotFound);
        assert!(e.detail().contains("make the directory first"), "{e}");
    }

    #[test]
    fn an_account_name_cannot_smuggle_in_a_mount_option() {
        assert_eq!(without_commas("a,suid"), "a_suid");
    }
}
