//! Named checks of what POSIX promises, each on a path; the list runs on a real mount.
//!
//! A check takes a directory and panics when the promise is broken, so that any file system can run it.

mod attributes;
mod files;
mod names;
#[path = "../support/mod.rs"]
mod support;

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use support::Setup;

type Check = fn(&Path);

const CHECKS: &[(&str, Check)] = &[
    ("write_then_read", files::write_then_read),
    ("write_beyond_the_end_leaves_zeros", files::write_beyond_the_end_leaves_zeros),
    ("append_goes_to_the_end", files::append_goes_to_the_end),
    ("truncate_grows_and_shrinks", files::truncate_grows_and_shrinks),
    ("open_with_truncate_empties", files::open_with_truncate_empties),
    ("exclusive_creation_fails_when_it_is_there", files::exclusive_creation_fails_when_it_is_there),
    ("a_read_only_descriptor_refuses_to_write", files::a_read_only_descriptor_refuses_to_write),
    ("an_unlinked_file_lives_until_closed", files::an_unlinked_file_lives_until_closed),
    ("a_replaced_file_lives_until_closed", files::a_replaced_file_lives_until_closed),
    ("the_size_is_right_while_open", files::the_size_is_right_while_open),
    ("two_descriptors_see_each_other", files::two_descriptors_see_each_other),
    ("a_shared_mapping_is_written", files::a_shared_mapping_is_written),
    ("directories_come_and_go", names::directories_come_and_go),
    ("a_full_directory_is_not_removed", names::a_full_directory_is_not_removed),
    ("wrong_types_are_refused", names::wrong_types_are_refused),
    ("a_missing_name_is_enoent_and_appears_when_made", names::a_missing_name_is_enoent_and_appears_when_made),
    ("a_large_directory_lists_everything_once", names::a_large_directory_lists_everything_once),
    ("small_buffers_list_everything", names::small_buffers_list_everything),
    ("rename_replaces", names::rename_replaces),
    ("rename_moves_a_full_directory", names::rename_moves_a_full_directory),
    ("rename_into_itself_is_refused", names::rename_into_itself_is_refused),
    ("rename_noreplace_and_exchange", names::rename_noreplace_and_exchange),
    ("unknown_rename_flags_are_refused", names::unknown_rename_flags_are_refused),
    ("a_directory_never_replaces_a_file", names::a_directory_never_replaces_a_file),
    ("links_and_devices_are_refused", names::links_and_devices_are_refused),
    ("mode_and_times_are_kept", attributes::mode_and_times_are_kept),
    ("writing_moves_the_time", attributes::writing_moves_the_time),
    ("extended_attributes", attributes::extended_attributes),
    ("capabilities_are_refused", attributes::capabilities_are_refused),
    ("names_up_to_255_bytes", names::names_up_to_255_bytes),
    ("awkward_names", names::awkward_names),
    ("statfs_has_blocks", attributes::statfs_has_blocks),
    ("locks_exclude_each_other", attributes::locks_exclude_each_other),
    ("fallocate_and_seek", files::fallocate_and_seek),
    ("copy_file_range_copies", files::copy_file_range_copies),
    ("fsync_works_on_files_and_directories", files::fsync_works_on_files_and_directories),
    ("many_writers_each_keep_their_bytes", files::many_writers_each_keep_their_bytes),
    ("a_descriptor_survives_rename", files::a_descriptor_survives_rename),
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
