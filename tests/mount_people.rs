//! Several people, one service: what others do while a file is open here, waits here, or is written on two machines at
//! the same moment. Nobody's bytes are lost, and it is said.

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::process::Command;
use std::time::{Duration, Instant};

use collabfs::demo::DemoOptions;
use support::service::in_folder;
use support::{ACCOUNT, Mount, Setup, noise, sha256};

/// The daemon of somebody else, on a state of its own, before the same service.
fn second_mount(first: &Mount, options: &str) -> Mount {
    Setup::options(options).mount_account(&first.service.server().account_toml())
}

/// Digests of all revisions of all files in the folder, whatever they are called.
fn all_contents(mount: &Mount) -> BTreeSet<String> {
    let prefix = in_folder("");
    let entries = mount.service.snapshot().entries;
    let here = entries.iter().filter(|entry| entry.path.starts_with(&prefix));
    here.flat_map(|entry| entry.revisions.iter().filter_map(|r| r.sha256.clone())).collect()
}

fn conflict_copies(mount: &Mount) -> Vec<String> {
    mount.service.files().into_iter().filter(|name| name.contains("(conflict ")).collect()
}

#[test]
fn the_same_file_written_on_two_mounts_keeps_both() {
    let first = Setup::options("settle=0.1,ttl=1,timeout=10").mount();
    let second = second_mount(&first, "settle=0.1,ttl=1,timeout=10");
    fs::write(first.path("plan.txt"), "begun").unwrap();
    first.sync();
    run_refresh(&second);
    let id = first.service.file("plan.txt").id;
    let mut written = BTreeSet::from([sha256(b"begun")]);
    for round in 0..8_u64 {
        let texts = [format!("first {round}"), format!("second, round {round}")];
        // Both have the same revision open before either writes.
        let open = |mount: &Mount| {
            fs::read(mount.path("plan.txt")).unwrap();
            fs::OpenOptions::new().write(true).truncate(true).open(mount.path("plan.txt")).unwrap()
        };
        let mut files = [open(&first), open(&second)];
        for (file, text) in files.iter_mut().zip(&texts) {
            file.write_all(text.as_bytes()).unwrap();
            written.insert(sha256(text.as_bytes()));
        }
        let [ours, theirs] = files;
        match round % 2 {
            0 => (drop(ours), drop(theirs)),
            _ => (drop(theirs), drop(ours)),
        };
        first.sync();
        second.sync();
        run_refresh(&first);
        run_refresh(&second);
    }
    let kept = all_contents(&first);
    assert!(written.is_subset(&kept), "lost: {:?}", written.difference(&kept).collect::<Vec<_>>());
    assert_eq!(first.service.file("plan.txt").id, id);
    assert!(!conflict_copies(&first).is_empty(), "{:?}", first.service.files());
    let names = |mount: &Mount| mount.works("ls -1");
    assert_eq!(names(&first), names(&second), "both see the same");
    for name in names(&first).lines() {
        assert_eq!(fs::read(first.path(name)).unwrap(), fs::read(second.path(name)).unwrap(), "{name}");
    }
}

fn run_refresh(mount: &Mount) {
    support::run(mount.collabfs(["refresh"]).arg(mount.path("")), Duration::from_secs(30)).expect_success();
}

/// A document that is open here, and written after somebody else saved it.
fn saved_by_both(options: &str) -> Mount {
    let mount = Setup::options(options).mount();
    mount.service.web_user().create_file(&in_folder("plan.txt"), "begun").unwrap();
    mount.works("test \"$(cat plan.txt)\" = begun");
    let mut open = fs::OpenOptions::new().write(true).truncate(true).open(mount.path("plan.txt")).unwrap();
    mount.service.web_user().revise(&in_folder("plan.txt"), "theirs").unwrap();
    open.write_all(b"ours").unwrap();
    drop(open);
    mount.sync();
    mount
}

#[test]
fn ours_is_set_beside_theirs_unless_wished_otherwise() {
    let mount = saved_by_both("settle=0.1,timeout=10");
    mount.service.expect("plan.txt", b"theirs", 2);
    let copies = conflict_copies(&mount);
    assert_eq!(copies.len(), 1, "{:?}", mount.service.files());
    mount.service.expect(&copies[0], b"ours", 1);
    run_refresh(&mount);
    assert_eq!(fs::read(mount.path("plan.txt")).unwrap(), b"theirs");
    assert_eq!(fs::read(mount.path(&copies[0])).unwrap(), b"ours");
    assert!(mount.log().contains("both are kept"), "{}", mount.log());
}

/// A save in two steps: the old content goes to a backup's name, then the new one takes the name. What is set beside in
/// between must not get that name, or the save replaces it.
#[test]
fn a_name_that_a_save_is_about_to_take_is_not_given_to_ours() {
    let mount = saved_by_both("settle=0.1,timeout=10");
    let copy = conflict_copies(&mount).remove(0);
    run_refresh(&mount);
    mount.works(&format!("cat plan.txt '{copy}'; mv '{copy}' '{copy}~'"));
    let mut open = fs::OpenOptions::new().write(true).truncate(true).open(mount.path("plan.txt")).unwrap();
    mount.service.web_user().revise(&in_folder("plan.txt"), "theirs again").unwrap();
    open.write_all(b"ours again").unwrap();
    drop(open);
    mount.sync();
    assert!(!mount.path(&copy).exists(), "{}", mount.works("ls -l"));
    fs::write(mount.path(&copy), "edited").unwrap();
    mount.sync();
    mount.service.expect(&copy, b"edited", 2);
    let beside = conflict_copies(&mount).into_iter().find(|name| *name != copy).expect("a second copy");
    mount.service.expect(&beside, b"ours again", 1);
    mount.service.expect("plan.txt", b"theirs again", 3);
}

#[test]
fn ours_follows_theirs_where_that_is_wished() {
    let mount = saved_by_both("settle=0.1,timeout=10,conflict=revise");
    mount.service.expect("plan.txt", b"ours", 3);
    assert_eq!(conflict_copies(&mount), [""; 0]);
    let file = mount.service.file("plan.txt");
    assert_eq!(file.revisions[1].sha256.as_deref(), Some(sha256(b"theirs").as_str()), "theirs is in the history");
    assert!(mount.log().contains("theirs is in the history"), "{}", mount.log());
}

/// A document that waits here, while somebody else does something to it.
fn waiting(act: impl FnOnce(&Mount)) -> Mount {
    let mount = Setup::options("settle=600,timeout=10").mount();
    mount.service.web_user().create_folder(&in_folder("dir")).unwrap();
    mount.service.web_user().create_file(&in_folder("dir/plan.txt"), "begun").unwrap();
    mount.works("test \"$(cat dir/plan.txt)\" = begun; echo ours > dir/plan.txt");
    act(&mount);
    mount
}

#[test]
fn what_was_removed_there_comes_back_with_ours() {
    let mount = waiting(|mount| drop(mount.service.web_user().delete(&in_folder("dir/plan.txt")).unwrap()));
    mount.sync();
    mount.service.expect("dir/plan.txt", b"ours\n", 1);
    assert_eq!(mount.works("cat dir/plan.txt"), "ours\n");
}

#[test]
fn our_revision_follows_a_document_that_was_renamed_there() {
    let mount = waiting(|mount| {
        mount.service.web_user().rename(&in_folder("dir/plan.txt"), "renamed.txt").unwrap();
    });
    run_refresh(&mount);
    mount.sync();
    assert_eq!(mount.service.files().len(), 1, "{:?}", mount.service.files());
    let file = mount.service.file(&mount.service.files()[0]);
    assert_eq!(file.revisions.last().unwrap().sha256.as_deref(), Some(sha256(b"ours\n").as_str()));
    assert_eq!(file.revisions.len(), 2, "the same document");
}

#[test]
fn bytes_whose_directory_was_removed_there_can_be_exported() {
    let mount = waiting(|mount| drop(mount.service.web_user().delete(&in_folder("dir")).unwrap()));
    let synced =
        support::run(mount.collabfs(["sync"]).arg(mount.root()).args(["--timeout", "20"]), Duration::from_secs(60));
    assert_eq!(synced.code, Some(1), "{}", synced.output);
    assert!(synced.output.contains("plan.txt"), "{}", synced.output);
    let target = mount.local().join("saved");
    support::run(
        mount.collabfs(["outbox", "export"]).arg(&target).args(["--account", ACCOUNT]),
        Duration::from_secs(30),
    )
    .expect_success();
    let found = support::run(Command::new("grep").arg("-rl").arg("ours").arg(&target), Duration::from_secs(10));
    assert!(found.succeeded(), "exported: {}", found.output);
}

fn with_reservations(options: &str) -> Mount {
    let demo = DemoOptions { seed_samples: false, ..DemoOptions::new("oracle-content") };
    let mount = Setup { demo, options: options.into(), ..Setup::default() }.mount();
    mount.service.web_user().create_file(&in_folder("plan.txt"), "begun").unwrap();
    mount.works("test \"$(cat plan.txt)\" = begun");
    mount
}

/// Whether somebody else can reserve the document now.
fn is_free(mount: &Mount) -> bool {
    mount.service.snapshot().get(&in_folder("plan.txt")).unwrap().locked_by.is_none()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < Duration::from_secs(60), "never: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_file_is_reserved_while_it_is_written_and_until_it_is_sent() {
    let mount = with_reservations("settle=0.1,timeout=10,reserve");
    assert!(is_free(&mount), "reading reserves nothing");
    let mut open = fs::OpenOptions::new().write(true).truncate(true).open(mount.path("plan.txt")).unwrap();
    assert!(!is_free(&mount));
    open.write_all(b"ours").unwrap();
    drop(open);
    eventually("given back", || is_free(&mount));
    mount.service.expect("plan.txt", b"ours", 2);
}

#[test]
fn a_reservation_is_given_back_after_a_crash() {
    let mut mount = with_reservations("settle=0.1,timeout=10,reserve");
    let open = fs::OpenOptions::new().append(true).open(mount.path("plan.txt")).unwrap();
    assert!(!is_free(&mount));
    mount.kill();
    drop(open);
    assert!(!is_free(&mount));
    mount.start();
    eventually("given back", || is_free(&mount));
}

#[test]
fn what_somebody_else_reserved_is_busy() {
    let mount = with_reservations("settle=0.1,timeout=10,ttl=0,reserve");
    mount.service.web_user().lock(&in_folder("plan.txt")).unwrap();
    let error = fs::OpenOptions::new().append(true).open(mount.path("plan.txt")).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::EBUSY));
    assert_eq!(fs::read(mount.path("plan.txt")).unwrap(), b"begun", "reading goes on");
    assert!(mount.log().contains("reserved"), "{}", mount.log());
}

/// One account's trouble is its own.
#[test]
fn an_account_whose_service_hangs_slows_no_other() {
    let hanging = Setup::options("settle=0.1,ttl=0,timeout=20").mount();
    let working = Setup::options("settle=0.1,timeout=20").mount();
    hanging.service.fault("*:hang");
    let stuck = hanging.path("");
    let waiting = std::thread::spawn(move || fs::read_dir(stuck).map(Iterator::count));
    for n in 0..20 {
        fs::write(working.path(format!("f{n}")), "x").unwrap();
    }
    working.sync();
    assert_eq!(working.service.files().len(), 20);
    hanging.service.heal();
    let _ = waiting.join();
}

#[test]
fn what_others_changed_or_put_in_is_not_removed_with_what_was_seen_here() {
    let mount = Setup::options("settle=0.1,ttl=1,timeout=3").mount();
    mount.works("mkdir shelf && echo ours > plan.txt && echo other > other.txt");
    mount.sync();
    mount.service.fault("*:reset");
    mount.works("rm plan.txt other.txt; rmdir shelf || true");
    // Longer than a removal is taken for one that is just being sent.
    std::thread::sleep(Duration::from_secs(6));
    mount.service.web_user().revise(&in_folder("plan.txt"), b"theirs\n").unwrap();
    mount.service.web_user().create_file(&in_folder("shelf/new.txt"), b"new\n").unwrap();
    mount.service.heal();
    support::run(&mut mount.collabfs(["outbox", "retry", "--account", ACCOUNT]), Duration::from_secs(30))
        .expect_success();
    let synced = support::run(mount.collabfs(["sync"]).arg(mount.root()), Duration::from_secs(60));
    assert!(!synced.succeeded() && synced.output.contains("somebody else made a new revision"), "{}", synced.output);
    run_refresh(&mount);
    mount.service.expect("plan.txt", b"theirs\n", 2);
    mount.service.expect("shelf/new.txt", b"new\n", 1);
    assert_eq!(mount.works("cat plan.txt shelf/new.txt"), "theirs\nnew\n");
    assert_eq!(mount.service.trash(), ["other.txt"], "what nobody changed is gone");
}

#[test]
fn a_service_to_which_every_name_is_taken_is_not_asked_for_ever() {
    let mount = Setup::options("settle=0.1,ttl=1,timeout=3").mount();
    mount.works("ls");
    mount.service.fault("attach:409");
    mount.works("echo ours > plan.txt");
    let ended = Instant::now() + Duration::from_secs(20);
    while mount.status()["failed"].as_u64() != Some(1) {
        assert!(Instant::now() < ended, "{}", mount.status());
        std::thread::sleep(Duration::from_millis(50));
    }
    let asked = mount.service.changes_asked().iter().filter(|request| request.kind == "attach").count();
    assert!(asked <= 5, "{asked} times");
    mount.service.heal();
    support::run(&mut mount.collabfs(["outbox", "retry", "--account", ACCOUNT]), Duration::from_secs(30))
        .expect_success();
    mount.sync();
    assert_eq!(mount.service.files().len(), 1, "{:?}", mount.service.files());
}

#[test]
fn renaming_what_somebody_else_removed_says_so_at_once() {
    let mount = Setup::options("settle=0.1,ttl=60,timeout=20").mount();
    mount.works("echo a > a.txt; echo b > b.txt; mkdir into");
    mount.sync();
    mount.service.web_user().delete(&in_folder("a.txt")).unwrap();
    mount.service.web_user().delete(&in_folder("b.txt")).unwrap();
    for (from, to) in [("a.txt", "new.txt"), ("b.txt", "into/b.txt")] {
        let begun = Instant::now();
        let error = fs::rename(mount.path(from), mount.path(to)).unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::NotFound, "{from}");
        assert!(begun.elapsed() < Duration::from_secs(10), "it waited for the deadline");
        assert!(!mount.path(from).exists() && !mount.path(to).exists());
    }
    mount.sync();
    assert!(mount.service.files().is_empty());
}

/// What a person renames keeps its history, also when it takes the name of what was renamed away just now.
#[test]
fn documents_that_pass_names_on_keep_their_histories() {
    let mount = Setup::options("settle=0.1,timeout=20").mount();
    let grace = mount.service.web_user();
    for name in ["report.txt", "draft.txt"] {
        grace.create_file(&in_folder(name), format!("first {name}")).unwrap();
        grace.revise(&in_folder(name), format!("second {name}")).unwrap();
    }
    let id = |name: &str| mount.service.file(name).id;
    let (report, draft) = (id("report.txt"), id("draft.txt"));
    mount.works("mv report.txt report-2025.txt && mv draft.txt report.txt");
    mount.sync();
    assert_eq!((id("report-2025.txt"), id("report.txt")), (report.clone(), draft.clone()));
    mount.service.expect("report.txt", b"second draft.txt", 2);
    mount.service.expect("report-2025.txt", b"second report.txt", 2);
    mount.works("mv report.txt spare.txt && mv report-2025.txt report.txt && mv spare.txt report-2025.txt");
    mount.sync();
    assert_eq!((id("report.txt"), id("report-2025.txt")), (report, draft));
    assert!(mount.service.trash().is_empty(), "{:?}", mount.service.trash());
}

/// The kernel has one size and one set of pages for a file, whoever has it open.
#[test]
fn an_open_file_is_read_to_its_end_whatever_others_save() {
    let mount = Setup::options("settle=0.1,ttl=60,timeout=20").mount();
    let grace = mount.service.web_user();
    let sizes = [3_200_000, 10, 5_000_000, 3_200_000, 0, 700];
    let contents: Vec<Vec<u8>> = sizes.iter().zip(1..).map(|(size, seed)| noise(*size, seed)).collect();
    grace.create_file(&in_folder("big.bin"), contents[0].clone()).unwrap();
    for pair in contents.windows(2) {
        let [old, new] = pair else { unreachable!() };
        let path = mount.path("big.bin");
        // Wholly here: what is not cannot be had any more after a new revision, and reading it is an error (ESTALE).
        assert!(fs::read(&path).unwrap() == *old);
        let mut open = fs::File::open(&path).unwrap();
        let mut read = vec![0; old.len().min(10)];
        open.read_exact(&mut read).unwrap();
        grace.revise(&in_folder("big.bin"), new.clone()).unwrap();
        run_refresh(&mount);
        // Whoever opens it now has the new one, also to the end.
        assert!(fs::read(&path).unwrap() == *new, "{} after {} bytes", new.len(), old.len());
        assert_eq!(open.metadata().unwrap().len(), old.len() as u64);
        open.read_to_end(&mut read).unwrap();
        assert!(read == *old, "{} of {} bytes, or others", read.len(), old.len());
        assert!(fs::read(&path).unwrap() == *new);
        drop(open);
        let end = Instant::now() + Duration::from_secs(10);
        while fs::metadata(&path).unwrap().len() != new.len() as u64 {
            assert!(Instant::now() < end, "the size stays that of the closed revision");
            std::thread::sleep(Duration::from_millis(10));
        }
        assert!(fs::read(&path).unwrap() == *new);
    }
    mount.service.forget_requests();
    mount.sync();
    assert!(mount.service.changes_asked().is_empty());
}

/// The program that removed it was told that it is done, and is gone by now.
#[test]
fn a_removal_that_the_service_refuses_afterwards_is_told() {
    let mount = Setup::options("settle=0.2,timeout=10").mount();
    mount.works("echo text > plan.txt");
    mount.sync();
    mount.service.fault("delete:403");
    mount.works("rm plan.txt");
    let synced = support::run(mount.collabfs(["sync"]).arg(mount.root()), Duration::from_secs(30));
    assert!(!synced.succeeded());
    assert!(synced.output.contains("plan.txt: was removed here"), "{}", synced.output);
    assert_eq!(mount.works("cat plan.txt"), "text\n");
    let notices = mount.status()["notices"].clone();
    assert!(notices[0].as_str().unwrap().contains("plan.txt: was removed here"), "{notices}");
    // Told once.
    mount.sync();
}
