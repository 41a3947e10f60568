//! Who watches what: the inotify watches of this machine's programs that are on one mount.
//!
//! The kernel shows each watch in proc_pid_fdinfo(5). Programs of other users are not seen by an ordinary user's daemon,
//! and could not enter its mount either, unless with `allow_other`.

use std::collections::HashSet;
use std::path::Path;

use crate::ids::Ino;

/// Numbers of the directories and files of this device that a program watches. Looks through all processes: some
/// microseconds for each of their descriptors.
///
/// `device`: `major:minor`, as mountinfo shows it.
pub fn watched(device: &str) -> HashSet<Ino> {
    let Some(device) = kernel_device(device) else { return HashSet::new() };
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let numbered = processes.filter(|process| process.file_name().to_string_lossy().parse::<u32>().is_ok());
    let mut found = HashSet::new();
    for process in numbered {
        watched_by(&process.path(), device, &mut found);
    }
    found
}

fn watched_by(process: &Path, device: u64, found: &mut HashSet<Ino>) {
    // Other users' processes, and those that ended meanwhile, show nothing.
    let descriptors = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    for descriptor in descriptors {
        let is_inotify = std::fs::read_link(descriptor.path()).is_ok_and(|to| to == Path::new("anon_inode:inotify"));
        if is_inotify {
            let info = process.join("fdinfo").join(descriptor.file_name());
            let info = std::fs::read_to_string(info).unwrap_or_default();
            found.extend(info.lines().filter_map(|line| watch_on(line, device)));
        }
    }
}

/// `inotify wd:1 ino:2f sdev:800013 mask:...`, the numbers in hex.
fn watch_on(line: &str, device: u64) -> Option<Ino> {
    let fields = line.strip_prefix("inotify ")?;
    let number = |key: &str| {
        let text = fields.split(' ').find_map(|field| field.strip_prefix(key))?;
        u64::from_str_radix(text, 16).ok()
    };
    (number("sdev:")? == device).then_some(Ino(number("ino:")?))
}

/// As the kernel counts devices within itself: 20 bits of minor number.
fn kernel_device(device: &str) -> Option<u64> {
    let (major, minor) = device.split_once(':')?;
    Some((major.parse::<u64>().ok()? << 20) | minor.parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watch_on_this_device_is_read_and_others_are_not() {
        let line = "inotify wd:3 ino:2f sdev:33 mask:fc6 ignored_mask:0 fhandle-bytes:c fhandle-type:81 f_handle:2f";
        let device = kernel_device("0:51").unwrap();
        assert_eq!(watch_on(line, device), Some(Ino(0x2f)));
        assert_eq!(watch_on(line, kernel_device("8:51").unwrap()), None);
        for other in ["pos:\t0", "inotify wd:3", "fanotify ino:2f sdev:33", "inotify wd:3 ino:xx sdev:33"] {
            assert_eq!(watch_on(other, device), None, "{other}");
        }
    }

    #[test]
    fn devices_are_numbered_as_in_the_kernel() {
        assert_eq!(kernel_device("8:19"), Some(0x80_0013));
        assert_eq!(kernel_device("0"), None);
    }

    #[test]
    fn a_watch_of_this_process_is_found() {
        use std::os::unix::fs::MetadataExt;
        let dir = tempfile::tempdir().unwrap();
        let found = dir.path().metadata().unwrap();
        let device = format!("{}:{}", libc::major(found.dev()), libc::minor(found.dev()));
        assert!(!watched(&device).contains(&Ino(found.ino())));
        let path = std::ffi::CString::new(dir.path().to_str().unwrap()).unwrap();
        // SAFETY: plain system calls; the descriptor stays open until the process ends.
        let watch = unsafe { libc::inotify_add_watch(libc::inotify_init(), path.as_ptr(), libc::IN_CREATE) };
        assert!(watch >= 0);
        assert!(watched(&device).contains(&Ino(found.ino())));
    }
}
