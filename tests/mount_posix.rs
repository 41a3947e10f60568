//! Named checks of what POSIX promises, each on a path; the list runs on a real mount.
//!
//! A check takes a directory and panics when the promise is broken, so that any file system can run it.

mod support;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime};

use support::{Setup, noise};

type Check = fn(&Path);

const CHECKS: &[(&str, Check)] = &[
    ("write_then_read", write_then_read),
    ("write_beyond_the_end_leaves_zeros", write_beyond_the_end_leaves_zeros),
    ("append_goes_to_the_end", append_goes_to_the_end),
    ("truncate_grows_and_shrinks", truncate_grows_and_shrinks),
    ("open_with_truncate_empties", open_with_truncate_empties),
    ("exclusive_creation_fails_when_it_is_there", exclusive_creation_fails_when_it_is_there),
    ("a_read_only_descriptor_refuses_to_write", a_read_only_descriptor_refuses_to_write),
    ("an_unlinked_file_lives_until_closed", an_unlinked_file_lives_until_closed),
    ("a_replaced_file_lives_until_closed", a_replaced_file_lives_until_closed),
    ("the_size_is_right_while_open", the_size_is_right_while_open),
    ("two_descriptors_see_each_other", two_descriptors_see_each_other),
    ("a_shared_mapping_is_written", a_shared_mapping_is_written),
    ("directories_come_and_go", directories_come_and_go),
    ("a_full_directory_is_not_removed", a_full_directory_is_not_removed),
    ("wrong_types_are_refused", wrong_types_are_refused),
    ("a_missing_name_is_enoent_and_appears_when_made", a_missing_name_is_enoent_and_appears_when_made),
    ("a_large_directory_lists_everything_once", a_large_directory_lists_everything_once),
    ("small_buffers_list_everything", small_buffers_list_everything),
    ("rename_replaces", rename_replaces),
    ("rename_moves_a_full_directory", rename_moves_a_full_directory),
    ("rename_into_itself_is_refused", rename_into_itself_is_refused),
    ("rename_noreplace_and_exchange", rename_noreplace_and_exchange),
    ("unknown_rename_flags_are_refused", unknown_rename_flags_are_refused),
    ("a_directory_never_replaces_a_file", a_directory_never_replaces_a_file),
    ("links_and_devices_are_refused", links_and_devices_are_refused),
    ("mode_and_times_are_kept", mode_and_times_are_kept),
    ("writing_moves_the_time", writing_moves_the_time),
    ("extended_attributes", extended_attributes),
    ("capabilities_are_refused", capabilities_are_refused),
    ("names_up_to_255_bytes", names_up_to_255_bytes),
    ("awkward_names", awkward_names),
    ("statfs_has_blocks", statfs_has_blocks),
    ("locks_exclude_each_other", locks_exclude_each_other),
    ("fallocate_and_seek", fallocate_and_seek),
    ("copy_file_range_copies", copy_file_range_copies),
    ("fsync_works_on_files_and_directories", fsync_works_on_files_and_directories),
    ("many_writers_each_keep_their_bytes", many_writers_each_keep_their_bytes),
    ("a_descriptor_survives_rename", a_descriptor_survives_rename),
];

fn run_checks(setup: Setup) {
    let mount = setup.mount();
    let mut failed = Vec::new();
    for (name, check) in CHECKS {
        let dir = mount.path(name);
        fs::create_dir(&dir).unwrap();
        if std::panic::catch_unwind(|| check(&dir)).is_err() {
            failed.push(*name);
        }
    }
    mount.expect_no_panic();
    assert!(failed.is_empty(), "broken: {failed:#?}");
    mount.sync();
}

#[test]
fn posix_promises_hold() {
    run_checks(Setup::default());
}

/// Everything rests in the outbox meanwhile.
#[test]
fn posix_promises_hold_while_nothing_is_sent() {
    run_checks(Setup::options("settle=30,timeout=10"));
}

/// Most faults live between close and upload.
#[test]
fn posix_promises_hold_far_away_and_without_settling() {
    run_checks(Setup::options("settle=0,timeout=10").latency(Duration::from_millis(20)));
}

#[test]
fn inode_numbers_are_the_same_after_a_remount() {
    let mut mount = Setup::default().mount();
    mount.works("mkdir d; echo a > a; echo b > d/b");
    let numbers = |mount: &support::Mount| mount.works("stat -c %i . a d d/b");
    let before = numbers(&mount);
    mount.sync();
    assert_eq!(numbers(&mount), before, "after the upload");
    mount.remount();
    assert_eq!(numbers(&mount), before, "after a remount");
}

#[test]
fn a_read_only_mount_refuses_changes() {
    let mount = Setup::options("ro").mount();
    mount.service.web_user().create_file(&support::service::in_folder("a.txt"), "text").unwrap();
    assert_eq!(mount.works("cat a.txt"), "text");
    for script in ["echo x > b.txt", "echo x >> a.txt", "rm a.txt", "mkdir d", "mv a.txt b.txt"] {
        let ran = mount.shell(script);
        assert!(!ran.succeeded() && ran.output.contains("Read-only file system"), "{script}: {}", ran.output);
    }
}

#[test]
fn the_mount_is_shown_as_what_it_is() {
    let mount = Setup::default().mount();
    let mounts = fs::read_to_string("/proc/mounts").unwrap();
    let root = mount.root();
    let line = mounts.lines().find(|line| line.split(' ').nth(1) == root.to_str()).unwrap();
    assert!(line.starts_with("acme ") && line.contains(" fuse.collabfs "), "{line}");
    assert!(line.contains("nosuid") && line.contains("nodev"), "{line}");
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: io::Result<T>, errno: i32) {
    let e = result.expect_err("should have been refused");
    assert_eq!(e.raw_os_error(), Some(errno), "{e}");
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// The result of a system call.
fn check(result: i64) -> io::Result<i64> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

fn write_then_read(dir: &Path) {
    for length in [0, 1, 4095, 4096, 4097, 1 << 20, (3 << 20) + 7] {
        let path = dir.join(format!("f{length}"));
        let bytes = noise(length, 7);
        fs::write(&path, &bytes).unwrap();
        assert!(fs::read(&path).unwrap() == bytes, "{length} bytes");
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.len(), metadata.blocks()), (length as u64, (length as u64).div_ceil(512)));
    }
}

fn write_beyond_the_end_leaves_zeros(dir: &Path) {
    let file = File::create_new(dir.join("f")).unwrap();
    file.write_at(b"end", 10_000).unwrap();
    let bytes = fs::read(dir.join("f")).unwrap();
    assert_eq!(bytes.len(), 10_003);
    assert!(bytes[..10_000].iter().all(|byte| *byte == 0) && &bytes[10_000..] == b"end");
}

fn append_goes_to_the_end(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "one ").unwrap();
    let mut a = OpenOptions::new().append(true).open(&path).unwrap();
    let mut b = OpenOptions::new().append(true).open(&path).unwrap();
    a.write_all(b"two ").unwrap();
    b.write_all(b"three ").unwrap();
    a.write_all(b"four").unwrap();
    assert_eq!(fs::read_to_string(&path).unwrap(), "one two three four");
}

fn truncate_grows_and_shrinks(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "0123456789").unwrap();
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.set_len(4).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123");
    file.set_len(6).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"0123\0\0");
    drop(file);
    assert_eq!(check(unsafe { libc::truncate(c(&path).as_ptr(), 2) }.into()).unwrap(), 0);
    assert_eq!(fs::read(&path).unwrap(), b"01");
}

fn open_with_truncate_empties(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "something").unwrap();
    let file = File::create(&path).unwrap();
    assert_eq!(file.metadata().unwrap().len(), 0);
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"");
}

fn exclusive_creation_fails_when_it_is_there(dir: &Path) {
    File::create_new(dir.join("f")).unwrap();
    refused(File::create_new(dir.join("f")), libc::EEXIST);
    refused(fs::create_dir(dir.join("f")), libc::EEXIST);
}

fn a_read_only_descriptor_refuses_to_write(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    refused(File::open(dir.join("f")).unwrap().write(b"y"), libc::EBADF);
    let write_only = OpenOptions::new().write(true).open(dir.join("f")).unwrap();
    refused((&write_only).read(&mut [0]), libc::EBADF);
}

fn an_unlinked_file_lives_until_closed(dir: &Path) {
    let path = dir.join("f");
    let mut file = OpenOptions::new().create_new(true).read(true).write(true).open(&path).unwrap();
    file.write_all(b"before").unwrap();
    fs::remove_file(&path).unwrap();
    refused(fs::metadata(&path), libc::ENOENT);
    file.write_all(b" after").unwrap();
    let mut text = String::new();
    file.seek(SeekFrom::Start(0)).unwrap();
    file.read_to_string(&mut text).unwrap();
    assert_eq!(text, "before after");
    assert_eq!(fs::read_dir(dir).unwrap().count(), 0);
    drop(file);
    File::create_new(&path).unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"");
}

fn a_replaced_file_lives_until_closed(dir: &Path) {
    fs::write(dir.join("f"), "old").unwrap();
    let mut old = File::open(dir.join("f")).unwrap();
    fs::write(dir.join("g"), "new").unwrap();
    fs::rename(dir.join("g"), dir.join("f")).unwrap();
    let mut text = String::new();
    old.read_to_string(&mut text).unwrap();
    assert_eq!(text, "old");
    assert_eq!(fs::read_to_string(dir.join("f")).unwrap(), "new");
}

fn the_size_is_right_while_open(dir: &Path) {
    let path = dir.join("f");
    let mut file = File::create_new(&path).unwrap();
    for n in 1..=10u64 {
        file.write_all(&[b'x'; 1000]).unwrap();
        file.set_permissions(fs::Permissions::from_mode(0o600 + n as u32 % 8)).unwrap();
        assert_eq!((file.metadata().unwrap().len(), fs::metadata(&path).unwrap().len()), (n * 1000, n * 1000));
    }
}

fn two_descriptors_see_each_other(dir: &Path) {
    let path = dir.join("f");
    let writer = File::create_new(&path).unwrap();
    let reader = File::open(&path).unwrap();
    for n in 0..50u64 {
        writer.write_at(&n.to_le_bytes(), n * 8).unwrap();
        let mut seen = [0; 8];
        reader.read_exact_at(&mut seen, n * 8).unwrap();
        assert_eq!(u64::from_le_bytes(seen), n);
    }
}

fn a_shared_mapping_is_written(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, [b'a'; 8192]).unwrap();
    let file = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // SAFETY: a fresh mapping of a file of this length; unmapped below.
    unsafe {
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        let map = libc::mmap(std::ptr::null_mut(), 8192, protection, libc::MAP_SHARED, file.as_raw_fd(), 0);
        assert_ne!(map, libc::MAP_FAILED, "{}", io::Error::last_os_error());
        map.cast::<u8>().add(5000).write(b'b');
        assert_eq!(libc::msync(map, 8192, libc::MS_SYNC), 0);
        libc::munmap(map, 8192);
    }
    drop(file);
    let bytes = fs::read(&path).unwrap();
    assert_eq!((bytes.len(), bytes[4999], bytes[5000], bytes[5001]), (8192, b'a', b'b', b'a'));
}

fn directories_come_and_go(dir: &Path) {
    fs::create_dir_all(dir.join("a/b/c")).unwrap();
    assert!(fs::metadata(dir.join("a/b/c")).unwrap().is_dir());
    refused(fs::create_dir(dir.join("a")), libc::EEXIST);
    fs::remove_dir(dir.join("a/b/c")).unwrap();
    fs::remove_dir(dir.join("a/b")).unwrap();
    fs::remove_dir(dir.join("a")).unwrap();
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
}

fn a_full_directory_is_not_removed(dir: &Path) {
    fs::create_dir(dir.join("d")).unwrap();
    fs::write(dir.join("d/f"), "x").unwrap();
    refused(fs::remove_dir(dir.join("d")), libc::ENOTEMPTY);
    fs::create_dir(dir.join("e")).unwrap();
    refused(fs::rename(dir.join("e"), dir.join("d")), libc::ENOTEMPTY);
    assert_eq!(fs::read(dir.join("d/f")).unwrap(), b"x");
}

fn wrong_types_are_refused(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    refused(fs::remove_file(dir.join("d")), libc::EISDIR);
    refused(fs::remove_dir(dir.join("f")), libc::ENOTDIR);
    refused(fs::metadata(dir.join("f/below")), libc::ENOTDIR);
    refused(OpenOptions::new().write(true).open(dir.join("d")), libc::EISDIR);
    refused(fs::read_dir(dir.join("f")), libc::ENOTDIR);
}

fn a_missing_name_is_enoent_and_appears_when_made(dir: &Path) {
    let path = dir.join("f");
    for _ in 0..3 {
        refused(fs::metadata(&path), libc::ENOENT);
    }
    refused(fs::remove_file(&path), libc::ENOENT);
    refused(fs::rename(&path, dir.join("g")), libc::ENOENT);
    fs::write(&path, "now").unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 3);
}

fn a_large_directory_lists_everything_once(dir: &Path) {
    let names: BTreeSet<String> = (0..1500).map(|n| format!("file with a rather long name {n:05}.txt")).collect();
    for name in &names {
        File::create_new(dir.join(name)).unwrap();
    }
    let mut listed: Vec<String> =
        fs::read_dir(dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    listed.sort();
    assert_eq!(listed, names.into_iter().collect::<Vec<_>>());
}

fn small_buffers_list_everything(dir: &Path) {
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

fn rename_replaces(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    fs::write(dir.join("b"), "b").unwrap();
    fs::rename(dir.join("a"), dir.join("b")).unwrap();
    assert_eq!(fs::read(dir.join("b")).unwrap(), b"a");
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
    fs::rename(dir.join("b"), dir.join("b")).unwrap();
    assert_eq!(fs::read(dir.join("b")).unwrap(), b"a");
}

fn rename_moves_a_full_directory(dir: &Path) {
    fs::create_dir_all(dir.join("a/b")).unwrap();
    fs::write(dir.join("a/b/f"), "x").unwrap();
    fs::create_dir(dir.join("target")).unwrap();
    fs::rename(dir.join("a"), dir.join("target/z")).unwrap();
    assert_eq!(fs::read(dir.join("target/z/b/f")).unwrap(), b"x");
    refused(fs::metadata(dir.join("a")), libc::ENOENT);
}

fn rename_into_itself_is_refused(dir: &Path) {
    fs::create_dir_all(dir.join("a/b")).unwrap();
    refused(fs::rename(dir.join("a"), dir.join("a/b/c")), libc::EINVAL);
}

fn rename2(from: &Path, to: &Path, flags: u32) -> io::Result<i64> {
    let (from, to) = (c(from), c(to));
    // SAFETY: both are C strings for the time of the call.
    check(unsafe { libc::renameat2(libc::AT_FDCWD, from.as_ptr(), libc::AT_FDCWD, to.as_ptr(), flags) }.into())
}

fn rename_noreplace_and_exchange(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    fs::write(dir.join("b"), "b").unwrap();
    refused(rename2(&dir.join("a"), &dir.join("b"), libc::RENAME_NOREPLACE), libc::EEXIST);
    rename2(&dir.join("a"), &dir.join("c"), libc::RENAME_NOREPLACE).unwrap();
    rename2(&dir.join("b"), &dir.join("c"), libc::RENAME_EXCHANGE).unwrap();
    assert_eq!((fs::read(dir.join("b")).unwrap(), fs::read(dir.join("c")).unwrap()), (b"a".to_vec(), b"b".to_vec()));
}

fn unknown_rename_flags_are_refused(dir: &Path) {
    fs::write(dir.join("a"), "a").unwrap();
    refused(rename2(&dir.join("a"), &dir.join("b"), libc::RENAME_WHITEOUT), libc::EINVAL);
    assert_eq!(fs::read(dir.join("a")).unwrap(), b"a");
}

fn a_directory_never_replaces_a_file(dir: &Path) {
    fs::write(dir.join("f"), "x").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    refused(fs::rename(dir.join("d"), dir.join("f")), libc::ENOTDIR);
    refused(fs::rename(dir.join("f"), dir.join("d")), libc::EISDIR);
}

fn links_and_devices_are_refused(dir: &Path) {
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

fn mode_and_times_are_kept(dir: &Path) {
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

fn writing_moves_the_time(dir: &Path) {
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

fn extended_attributes(dir: &Path) {
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

fn capabilities_are_refused(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "x").unwrap();
    refused(get_xattr(&path, "security.capability", 100), libc::ENODATA);
    refused(set_xattr(&path, "trusted.test", b"x", 0), libc::EOPNOTSUPP);
    refused(set_xattr(&path, "security.test", b"x", 0), libc::EOPNOTSUPP);
}

fn names_up_to_255_bytes(dir: &Path) {
    let longest = "n".repeat(255);
    fs::write(dir.join(&longest), "x").unwrap();
    assert_eq!(fs::read(dir.join(&longest)).unwrap(), b"x");
    refused(fs::write(dir.join("n".repeat(256)), "x"), libc::ENAMETOOLONG);
}

fn awkward_names(dir: &Path) {
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

fn statfs_has_blocks(dir: &Path) {
    // SAFETY: all-zero is a valid value, and the kernel fills it.
    let mut space: libc::statvfs = unsafe { std::mem::zeroed() };
    check(unsafe { libc::statvfs(c(dir).as_ptr(), &mut space) }.into()).unwrap();
    assert!(space.f_blocks > 0 && space.f_bavail > 0 && space.f_ffree > 0 && space.f_namemax >= 255);
}

fn locks_exclude_each_other(dir: &Path) {
    let path = dir.join("f");
    fs::write(&path, "x").unwrap();
    let (a, b) = (File::open(&path).unwrap(), File::open(&path).unwrap());
    a.lock().unwrap();
    assert!(b.try_lock().is_err());
    a.unlock().unwrap();
    b.try_lock().unwrap();
}

fn fallocate_and_seek(dir: &Path) {
    let path = dir.join("f");
    let file = File::create_new(&path).unwrap();
    // SAFETY: the descriptor is open.
    check(unsafe { libc::fallocate(file.as_raw_fd(), 0, 0, 5000) }.into()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
    check(unsafe { libc::fallocate(file.as_raw_fd(), libc::FALLOC_FL_KEEP_SIZE, 0, 9000) }.into()).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().len(), 5000);
    let punch = libc::FALLOC_FL_PUNCH_HOLE | libc::FALLOC_FL_KEEP_SIZE;
    refused(check(unsafe { libc::fallocate(file.as_raw_fd(), punch, 0, 100) }.into()), libc::EOPNOTSUPP);
    assert_eq!(check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_DATA) }).unwrap(), 0);
    assert_eq!(check(unsafe { libc::lseek(file.as_raw_fd(), 0, libc::SEEK_HOLE) }).unwrap(), 5000);
}

fn copy_file_range_copies(dir: &Path) {
    let bytes = noise(500_000, 3);
    fs::write(dir.join("a"), &bytes).unwrap();
    // fs::copy uses copy_file_range where it can.
    assert_eq!(fs::copy(dir.join("a"), dir.join("b")).unwrap(), 500_000);
    assert!(fs::read(dir.join("b")).unwrap() == bytes);
    let (from, to) = (File::open(dir.join("a")).unwrap(), File::create_new(dir.join("c")).unwrap());
    let (mut from_offset, mut to_offset) = (1000, 5);
    // SAFETY: both descriptors are open, the offsets are ours.
    let copied = check(unsafe {
        libc::copy_file_range(from.as_raw_fd(), &mut from_offset, to.as_raw_fd(), &mut to_offset, 2000, 0)
    } as i64);
    let copied = copied.unwrap() as usize;
    assert!((1..=2000).contains(&copied));
    assert_eq!(fs::read(dir.join("c")).unwrap()[5..], bytes[1000..1000 + copied]);
}

fn fsync_works_on_files_and_directories(dir: &Path) {
    let mut file = File::create_new(dir.join("f")).unwrap();
    file.write_all(b"x").unwrap();
    file.sync_all().unwrap();
    file.sync_data().unwrap();
    File::open(dir).unwrap().sync_all().unwrap();
}

fn many_writers_each_keep_their_bytes(dir: &Path) {
    std::thread::scope(|scope| {
        for writer in 0..8u64 {
            scope.spawn(move || {
                for n in 0..10 {
                    fs::write(dir.join(format!("{writer}-{n}")), noise(20_000, writer * 100 + n)).unwrap();
                }
            });
        }
    });
    for writer in 0..8u64 {
        for n in 0..10 {
            let path = dir.join(format!("{writer}-{n}"));
            assert!(fs::read(path).unwrap() == noise(20_000, writer * 100 + n), "{writer}-{n}");
        }
    }
}

fn a_descriptor_survives_rename(dir: &Path) {
    let mut file = File::create_new(dir.join("f")).unwrap();
    file.write_all(b"one ").unwrap();
    fs::create_dir(dir.join("d")).unwrap();
    fs::rename(dir.join("f"), dir.join("d/g")).unwrap();
    file.write_all(b"two").unwrap();
    drop(file);
    assert_eq!(fs::read_to_string(dir.join("d/g")).unwrap(), "one two");
}
