//! A service that misbehaves in every way we could think of: the right errno within the deadline; never a panic, a
//! hang, or a lost byte.

mod support;

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use support::service::in_folder;
use support::{Mount, Setup, noise};

/// The mount's own deadline, as given by `timeout`.
const TIMEOUT_S: u64 = 3;
/// What a caller may wait at most: the deadline and the front's margin, on a busy machine.
const LIMIT: Duration = Duration::from_secs(TIMEOUT_S + 12);

fn mounted() -> Mount {
    let mount = Setup::options(&format!("settle=0.1,timeout={TIMEOUT_S},ttl=1")).mount();
    let user = mount.service.web_user();
    user.create_file(&in_folder("a.txt"), "content of a").unwrap();
    user.create_file(&in_folder("big.bin"), noise(3_000_000, 5)).unwrap();
    mount
}

/// Runs it in a thread of its own and fails when there is no answer within the limit.
#[track_caller]
fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, answer) = mpsc::channel();
    std::thread::spawn(move || done.send(work()));
    answer.recv_timeout(LIMIT).unwrap_or_else(|_| panic!("{what}: no answer within {LIMIT:?}"))
}

#[track_caller]
fn expect_errno<T: std::fmt::Debug>(what: &str, result: io::Result<T>, allowed: &[i32]) {
    let e = result.expect_err(what);
    assert!(e.raw_os_error().is_some_and(|number| allowed.contains(&number)), "{what}: {e}");
}

const NETWORK: &[i32] = &[libc::EIO, libc::ENETUNREACH, libc::EHOSTDOWN, libc::ETIMEDOUT, libc::EAGAIN];

/// Faults that a reader of a listing or a file may meet; after each the service is well again.
const READ_FAULTS: &[&str] =
    &["500", "503", "429", "429+retry-after=1", "reset", "truncate", "html", "bad-json", "wrong-types", "hang"];

#[test]
fn a_listing_that_fails_is_an_error_and_works_again_later() {
    for fault in READ_FAULTS {
        let mount = mounted();
        mount.service.fault(&format!("list:{fault}"));
        let path = mount.path("");
        let result = in_time(fault, move || fs::read_dir(path)?.collect::<io::Result<Vec<_>>>());
        // What cannot be read may also be shown as missing or empty only if it is; it is not.
        expect_errno(fault, result, NETWORK);
        mount.service.heal();
        assert_eq!(eventually_listed(&mount), ["a.txt", "big.bin"], "after {fault}");
        mount.expect_no_panic();
    }
}

/// A circuit breaker or a back-off may take a moment to try again.
fn eventually_listed(mount: &Mount) -> Vec<String> {
    let started = Instant::now();
    loop {
        let path = mount.path("");
        let names = in_time("listing again", move || {
            fs::read_dir(path)?.map(|e| Ok(e?.file_name().into_string().unwrap())).collect::<io::Result<Vec<_>>>()
        });
        match names {
            Ok(mut names) => {
                names.sort();
                return names;
            }
            Err(e) => assert!(started.elapsed() < Duration::from_secs(30), "{e}\n{}", mount.log()),
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_download_that_fails_is_an_error_and_never_wrong_bytes() {
    for fault in READ_FAULTS.iter().chain(&["wrong-length", "404", "403", "401"]) {
        let mount = mounted();
        mount.works("ls -l");
        mount.service.fault(&format!("download:{fault}"));
        let path = mount.path("big.bin");
        let result = in_time(fault, move || fs::read(path));
        match result {
            // A retry may have done it, or the body arrived whole in spite of a strange status.
            Ok(bytes) => assert!(bytes == noise(3_000_000, 5), "wrong bytes with {fault}"),
            Err(e) => {
                let allowed = [NETWORK, &[libc::ENOENT, libc::EACCES, libc::EPERM, libc::ESTALE]].concat();
                assert!(allowed.contains(&e.raw_os_error().unwrap()), "{fault}: {e}");
            }
        }
        mount.service.heal();
        let path = mount.path("big.bin");
        let started = Instant::now();
        while !in_time(fault, {
            let path = path.clone();
            move || fs::read(path).is_ok_and(|bytes| bytes == noise(3_000_000, 5))
        }) {
            assert!(started.elapsed() < Duration::from_secs(30), "still unreadable after {fault}\n{}", mount.log());
            std::thread::sleep(Duration::from_millis(200));
        }
        mount.expect_no_panic();
    }
}

#[test]
fn being_told_to_wait_for_an_hour_is_an_error_at_once() {
    let mount = mounted();
    mount.works("ls -l; cat a.txt");
    mount.service.fault("download:429+retry-after=3600");
    let path = mount.path("big.bin");
    let started = Instant::now();
    expect_errno("an hour", in_time("an hour", move || fs::read(path)), NETWORK);
    assert!(started.elapsed() < Duration::from_secs(TIMEOUT_S + 1), "{:?}", started.elapsed());
    mount.works("ls -l; cat a.txt");
}

#[test]
fn a_slow_drip_is_read_to_the_end() {
    let mount = mounted();
    mount.service.fault("download:drip=300ms");
    let path = mount.path("a.txt");
    assert_eq!(in_time("drip", move || fs::read(path)).unwrap(), b"content of a");
}

/// Every way a change's answer can go missing: the bytes arrive, and exactly once.
#[test]
fn a_change_is_sent_until_it_is_there_and_only_once() {
    let faults = ["500", "503", "429+retry-after=1", "reset", "truncate", "lost", "html", "bad-json", "hang"];
    for call in ["upload", "attach", "revise"] {
        for fault in faults {
            let mount = mounted();
            mount.works("ls > /dev/null");
            mount.service.fault(&format!("{call}:{fault}:next=2"));
            let bytes = noise(70_000, 9);
            fs::write(mount.path("new.bin"), &bytes).unwrap();
            fs::write(mount.path("a.txt"), "changed").unwrap();
            let what = format!("{call}:{fault}");
            // Shown when the test fails.
            eprintln!("{what}");
            let _ = support::run(
                mount.collabfs(["sync"]).arg(mount.root()).args(["--timeout", "40"]),
                Duration::from_secs(60),
            );
            retry_failed(&mount);
            mount.sync();
            let files = mount.service.files();
            assert_eq!(files, ["a.txt", "big.bin", "new.bin"], "{what}");
            mount.service.expect("new.bin", &bytes, 1);
            mount.service.expect("a.txt", b"changed", 2);
            assert_eq!(fs::read(mount.path("new.bin")).unwrap(), bytes, "{what}");
            mount.expect_no_panic();
        }
    }
}

/// A failure that only a person may decide about stays visible; here the person says: again.
fn retry_failed(mount: &Mount) {
    let status = mount.status();
    if status["failed"].as_u64().unwrap_or(0) > 0 {
        support::run(mount.collabfs(["outbox", "retry"]).arg(mount.root()), LIMIT);
    }
}

#[test]
fn folders_and_names_change_once_in_spite_of_lost_answers() {
    for fault in ["lost", "503", "reset"] {
        let mount = mounted();
        mount.works("ls > /dev/null");
        for call in ["create-folder", "change", "delete"] {
            mount.service.fault(&format!("{call}:{fault}:next=1"));
        }
        mount.works("mkdir d; mv a.txt d/b.txt; rm big.bin");
        mount.sync();
        assert_eq!(mount.service.files(), ["d/b.txt"], "{fault}");
        let folders = mount.service.snapshot();
        assert_eq!(folders.all(&in_folder("d")).len(), 1, "{fault}");
        mount.service.expect("d/b.txt", b"content of a", 1);
        mount.expect_no_panic();
    }
}

#[test]
fn endless_paging_ends() {
    let mount = mounted();
    mount.service.fault("list:endless");
    let path = mount.path("");
    let result = in_time("endless", move || fs::read_dir(path).map(|entries| entries.count()));
    if let Ok(count) = result {
        assert!(count < 10_000, "{count} entries");
    }
    mount.expect_no_panic();
}

#[test]
fn a_folder_that_contains_itself_is_walked_to_an_end() {
    let mount = mounted();
    mount.service.web_user().create_folder(&in_folder("inner")).unwrap();
    mount.service.fault("list:cycle");
    let walk = mount.shell("timeout 20 find . -maxdepth 30 | head -n 2000 | wc -l");
    assert!(walk.output.trim().lines().last().is_some_and(|n| n.parse::<u32>().is_ok()), "{}", walk.output);
    mount.expect_no_panic();
}

#[test]
fn huge_names_do_not_break_a_listing() {
    let mount = mounted();
    mount.service.fault("list:huge-names");
    let path = mount.path("");
    let names =
        in_time("huge names", move || fs::read_dir(path)?.map(|e| Ok(e?.file_name())).collect::<io::Result<Vec<_>>>());
    if let Ok(names) = names {
        assert!(names.iter().all(|name| name.len() <= 255));
    }
    mount.expect_no_panic();
}

#[test]
fn refused_credentials_are_permission_denied_and_the_bytes_wait() {
    let mount = mounted();
    mount.works("ls > /dev/null; cat a.txt");
    mount.service.server().revoke_tokens();
    mount.service.fault("token:401");
    fs::write(mount.path("waiting.txt"), "not lost").unwrap();
    let path: PathBuf = mount.path("big.bin");
    let result = in_time("signed out", move || fs::read(path));
    expect_errno("signed out", result, &[libc::EACCES]);
    assert_eq!(fs::read(mount.path("waiting.txt")).unwrap(), b"not lost");
    mount.expect_no_panic();
}

#[test]
fn statfs_and_known_names_answer_while_the_service_hangs() {
    let mount = Setup::options(&format!("settle=0.1,timeout={TIMEOUT_S}")).mount();
    mount.service.web_user().create_file(&in_folder("a.txt"), "text").unwrap();
    mount.works("ls -l; cat a.txt");
    mount.service.fault("*:hang");
    let started = Instant::now();
    mount.works("df . ; ls -l; cat a.txt");
    assert!(started.elapsed() < Duration::from_secs(TIMEOUT_S), "{:?}", started.elapsed());
    fs::write(mount.path("b.txt"), "later").unwrap();
    mount.works("cat b.txt; mv b.txt c.txt; rm c.txt");
    mount.expect_no_panic();
}

#[test]
fn a_hung_service_does_not_keep_the_mount_from_being_left() {
    let mut mount = mounted();
    mount.works("ls > /dev/null");
    mount.service.fault("*:hang");
    fs::write(mount.path("kept.txt"), "kept").unwrap();
    let left = support::run(mount.collabfs(["umount"]).arg(mount.root()).arg("--now"), Duration::from_secs(30));
    assert!(left.code.is_some(), "umount --now hangs: {}", left.output);
    let started = Instant::now();
    while !mount.has_ended() {
        assert!(started.elapsed() < Duration::from_secs(30), "the daemon stays\n{}", mount.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    mount.service.heal();
    mount.kill();
    mount.start();
    mount.sync();
    mount.service.expect("kept.txt", b"kept", 1);
}
