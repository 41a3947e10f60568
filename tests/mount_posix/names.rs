//! What is promised of names and directories.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;

use crate::{c, check, refused};

pub fn directories_come_and_go(dir: &Path) {
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    assert!(fs::metadata(dir.join("a/b/c")).unwrap().is_dir());
    refused(fs::create_dir(dir.join("a")), libc::EEXIST);
    fs::remove_dir(dir.join("a/b/c")).unwrap();
    fs::remove_dir(dir.join("a/b")).unwrap();
    fs::remove_dir(dir.join("a")).unwrap();
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
}

pub fn a_full_directory_is_not_removed(dir: &Path) {
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/f"), "x").unwrap();
    refused(fs::remove_dir(dir.join("d")), libc::ENOTEMPTY);
    fs::create_dir(dir.join("e")).unwrap();
    refused(fs::rename(dir.join("e"), dir.join("d")), libc::ENOTEMPTY);
    assert_eq!(fs::read(dir.join("d/f")).unwrap(), b"x");
}

pub fn wrong_types_are_refused(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    refused(fs::remove_file(dir.join("d")), libc::EISDIR);
    refused(fs::remove_dir(dir.join("f")), libc::ENOTDIR);
    refused(fs::metadata(dir.join("f/below")), libc::ENOTDIR);
    refused(OpenOptions::new().write(true).open(dir.join("d")), libc::EISDIR);
    refused(fs::read_dir(dir.join("f")), libc::ENOTDIR);
}

pub fn a_missing_name_is_enoent_and_appears_when_made(dir: &Path) {
    let path = dir.join("f");
    for _ in 0..3 {
        refused(fs::metadata(&path), libc::ENOENT);
    }
    refused(fs::remove_file(&path), libc::ENOENT);
    refused(fs::rename(&path, dir.join("g")), libc::ENOENT);
    fs::write(&path, "now").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 3);
}

pub fn a_large_directory_lists_everything_once(dir: &Path) {
    let names: BTreeSet<String> = (0..1500).map(|n| format!("file with a rather long name {n:05}.txt")).collect();
    for name in &names {
        File::create_new(dir.join(name)).unwrap();
    }
    let mut listed: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    listed.sort();
    assert_eq!(listed, names.into_iter().collect::<Vec<_>>());
}

pub fn small_buffers_list_everything(dir: &Path) {
    for n in 0..100 {
        File::create_new(dir.join(format!("f{n:03}"))).unwrap();
    }
    for size in [280, 512, 4096, 65_536, 1 << 20] {
        let names = raw_listing(dir, size);
        assert_eq!(names.len(), 102, "with a buffer of {size} bytes: {names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 102);
    }
}

/// Names as getdents64 gives them, `.` and `..` included.
fn raw_listing(dir: &Path, buffer_bytes: usize) -> Vec<Vec<u8>> {
    let dir = File::open(dir).unwrap();
    let (mut names, mut buffer) = (Vec::new(), vec![0u8; buffer_bytes]);
    loop {
        // SAFETY: the kernel writes at most the length given.
        let filled = unsafe { libc::syscall(libc::SYS_getdents64, dir.as_raw_fd(), buffer.as_mut_ptr(), buffer_bytes) };
        let filled = check(filled).unwrap() as usize;
        if filled == 0 {
            return names;
        }
        let mut at = 0;
        while at < filled {
            let length = u16::from_ne_bytes([buffer[at + 16], buffer[at + 17]]) as usize;
            let name = &buffer[at + 19..at + length];
            names.push(name.split(|byte| *byte == 0).next().unwrap().to_vec());
            at += length;
        }
    }
}

pub fn rename_replaces(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    fs::write(dir.join("b"), "b").unwrap();
    fs::rename(dir.join("a"), dir.join("b")).unwrap();
    assert_eq!(fs::read(dir.join("b")).unwrap(), b"a");
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
    fs::rename(dir.join("b"), dir.join("b")).unwrap();
    assert_eq!(fs::read(dir.join("b")).unwrap(), b"a");
}

pub fn rename_moves_a_full_directory(dir: &Path) {
    fs::create_dir_all(dir.join("a/b")).unwrap();
    fs::write(dir.join("a/b/f"), "x").unwrap();
    fs::create_dir(dir.join("target")).unwrap();
    fs::rename(dir.join("a"), dir.join("target/z")).unwrap();
    assert_eq!(fs::read(dir.join("target/z/b/f")).unwrap(), b"x");
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
}

pub fn rename_into_itself_is_refused(dir: &Path) {
    fs::create_dir_all(dir.join("a/b")).unwrap();
    refused(fs::rename(dir.join("a"), dir.join("a/b/c")), libc::EINVAL);
}

fn rename2(from: &Path, to: &Path, flags: u32) -> io::Result<i64> {
    let (from, to) = (c(from), c(to));
    // SAFETY: both are C strings for the time of the call.
    check(unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) }.into())
}

pub fn rename_noreplace_and_exchange(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    fs::write(dir.join("b"), "b").unwrap();
    refused(rename2(&dir.join("a"), &dir.join("b"), libc::RENAME_NOREPLACE), libc::EEXIST);
    rename2(&dir.join("a"), &dir.join("c"), libc::RENAME_NOREPLACE).unwrap();
    rename2(&dir.join("b"), &dir.join("c"), libc::RENAME_EXCHANGE).unwrap();
    assert_eq!((fs::read(dir.join("b")).unwrap(), fs::read(dir.join("c")).unwrap()), (b"a".to_vec(), b"b".to_vec()));
}

pub fn unknown_rename_flags_are_refused(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    refused(rename2(&dir.join("a"), &dir.join("b"), libc::RENAME_WHITEOUT), libc::EINVAL);
    assert_eq!(fs::read(dir.join("a")).unwrap(), b"a");
}

pub fn a_directory_never_replaces_a_file(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    refused(fs::rename(dir.join("d"), dir.join("f")), libc::ENOTDIR);
    refused(fs::rename(dir.join("f"), dir.join("d")), libc::EISDIR);
}

pub fn links_and_devices_are_refused(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    refused(fs::hard_link(dir.join("f"), dir.join("hard")), libc::EPERM);
    refused(std::os::unix::fs::symlink("f", dir.join("soft")), libc::EPERM);
    let pipe = c(&dir.join("pipe"));
    // SAFETY: a C string for the time of the call.
    refused(check(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }.into()), libc::EPERM);
    let plain = c(&dir.join("plain"));
    // SAFETY: as above.
    check(unsafe { libc::mknod(plain.as_ptr(), libc::S_IFREG | 0o600, 0) }.into()).unwrap();
    assert!(fs::metadata(dir.join("plain")).unwrap().is_file());
}

pub fn names_up_to_255_bytes(dir: &Path) {
    let longest = "n".repeat(255);
    fs::write(dir.join(&longest), "x").unwrap();
    assert_eq!(fs::read(dir.join(&longest)).unwrap(), b"x");
    refused(fs::write(dir.join("n".repeat(256)), "x"), libc::ENAMETOOLONG);
}

pub fn awkward_names(dir: &Path) {
    let names =
        ["with space", "Grüße", "日本語", "a'b\"c", "-dash", "semi;colon", "per%20cent", "50%", "a&b=c+d", "#x"];
    for name in names {
        fs::write(dir.join(name), name).unwrap();
    }
    let listed: BTreeSet<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(listed, names.iter().map(|name| name.into()).collect());
    for name in names {
        assert_eq!(fs::read_to_string(dir.join(name)).unwrap(), name);
    }
}
