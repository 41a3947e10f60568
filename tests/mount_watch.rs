//! Programs that watch directories (inotify) on a real mount: they see what others do on the service.

mod support;

use std::collections::BTreeSet;
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use support::service::in_folder;
use support::{Mount, Setup};

const OPTIONS: &str = "settle=0.1,ttl=1,timeout=10";
/// Watched directories are listed every two seconds; the rest is for a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// One inotify instance.
struct Watcher {
    events: File,
}

/// What happened, to what: `created a.txt`, `removed d/` (a directory).
type Event = String;

impl Watcher {
    fn of(path: &Path) -> Watcher {
        let name = CString::new(path.as_os_str().as_bytes()).unwrap();
        let mask = libc::IN_CREATE | libc::IN_DELETE | libc::IN_MODIFY | libc::IN_MOVE | libc::IN_ATTRIB;
        // SAFETY: plain system calls; the name ends in 0, and the descriptor is ours alone.
        unsafe {
            let fd = libc::inotify_init1(libc::IN_NONBLOCK | libc::IN_CLOEXEC);
            assert!(fd >= 0 && libc::inotify_add_watch(fd, name.as_ptr(), mask) >= 0);
            Watcher { events: File::from_raw_fd(fd) }
        }
    }

    /// What came within the time, or until `enough` says so.
    fn wait(&mut self, time: Duration, enough: impl Fn(&[Event]) -> bool) -> Vec<Event> {
        let end = Instant::now() + time;
        let mut seen = Vec::new();
        while !enough(&seen) {
            let left = end.saturating_duration_since(Instant::now()).as_millis() as libc::c_int;
            let mut ready = libc::pollfd { fd: self.events.as_raw_fd(), events: libc::POLLIN, revents: 0 };
            // SAFETY: one valid pollfd.
            if unsafe { libc::poll(&mut ready, 1, left) } == 0 {
                break;
            }
            let mut buffer = [0; 64 << 10];
            let length = self.events.read(&mut buffer).unwrap();
            seen.extend(events(&buffer[..length]));
        }
        seen
    }

    #[track_caller]
    fn expect(&mut self, wanted: &[&str]) {
        let all_there = |seen: &[Event]| wanted.iter().all(|one| seen.iter().any(|event| event == one));
        let seen = self.wait(PATIENCE, all_there);
        assert!(all_there(&seen), "{wanted:?} was to come, {seen:?} came");
    }
}

/// See inotify(7): watch, mask, cookie, length of the name, the name filled up with zeros.
fn events(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while bytes.len() >= 16 {
        let number = |at: usize| u32::from_ne_bytes(bytes[at..at + 4].try_into().unwrap());
        let (mask, length) = (number(4), number(12) as usize);
        let name = String::from_utf8_lossy(&bytes[16..16 + length]).trim_end_matches('\0').to_owned();
        let what = match mask {
            m if m & libc::IN_CREATE != 0 => "created",
            m if m & libc::IN_DELETE != 0 => "removed",
            m if m & libc::IN_MODIFY != 0 => "changed",
            m if m & libc::IN_MOVE != 0 => "moved",
            _ => "attributes of",
        };
        let slash = if mask & libc::IN_ISDIR != 0 { "/" } else { "" };
        events.push(format!("{what} {name}{slash}"));
        bytes = &bytes[16 + length..];
    }
    events
}

fn names(mount: &Mount) -> BTreeSet<String> {
    let entries = fs::read_dir(mount.path("")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn watchers_see_what_others_do_and_the_service_is_asked_for_nothing_but_lists() {
    let mount = Setup::options(OPTIONS).mount();
    let grace = mount.service.web_user();
    grace.create_file(&in_folder("plan.txt"), "first").unwrap();
    assert_eq!(names(&mount), BTreeSet::from(["plan.txt".to_owned()]));
    let mut watcher = Watcher::of(&mount.path(""));
    assert_eq!(fs::read(mount.path("plan.txt")).unwrap(), b"first");
    mount.service.forget_requests();

    grace.create_file(&in_folder("new.txt"), "new").unwrap();
    grace.create_folder(&in_folder("folder")).unwrap();
    watcher.expect(&["created new.txt", "created folder/"]);
    grace.revise(&in_folder("plan.txt"), "a second one").unwrap();
    watcher.expect(&["changed plan.txt"]);
    assert_eq!(fs::read(mount.path("plan.txt")).unwrap(), b"a second one");
    grace.rename(&in_folder("new.txt"), "newer.txt").unwrap();
    watcher.expect(&["removed new.txt", "created newer.txt"]);
    assert_eq!(fs::read(mount.path("newer.txt")).unwrap(), b"new");
    grace.delete(&in_folder("newer.txt")).unwrap();
    grace.delete(&in_folder("folder")).unwrap();
    watcher.expect(&["removed newer.txt", "removed folder/"]);
    assert_eq!(names(&mount), BTreeSet::from(["plan.txt".to_owned()]));

    mount.sync();
    assert!(mount.service.changes_asked().is_empty(), "{:?}", mount.service.changes_asked());
    mount.service.expect("plan.txt", b"a second one", 2);
    assert!(mount.service.trash().iter().all(|name| name != "plan.txt"));
    mount.expect_no_panic();
}

#[test]
fn a_watched_file_is_kept_current_without_its_directory_being_watched() {
    let mount = Setup::options(OPTIONS).mount();
    fs::write(mount.path("log.txt"), "one line").unwrap();
    mount.sync();
    let mut watcher = Watcher::of(&mount.path("log.txt"));
    mount.service.web_user().revise(&in_folder("log.txt"), "one line, and another").unwrap();
    watcher.expect(&["changed "]);
    assert_eq!(fs::read(mount.path("log.txt")).unwrap(), b"one line, and another");
}

/// What we do ourselves is told by the kernel, once; taking in what the service made of it must not tell it again.
#[test]
fn own_changes_are_not_told_twice() {
    let mount = Setup::options(OPTIONS).mount();
    names(&mount);
    let mut watcher = Watcher::of(&mount.path(""));
    fs::write(mount.path("mine.txt"), "mine").unwrap();
    fs::create_dir(mount.path("own")).unwrap();
    mount.sync();
    // Until the directory was certainly listed again: when somebody else's file shows.
    mount.service.web_user().create_file(&in_folder("last.txt"), "").unwrap();
    let seen = watcher.wait(PATIENCE, |seen| seen.iter().any(|event| event == "created last.txt"));
    let count = |wanted: &str| seen.iter().filter(|event| *event == wanted).count();
    assert_eq!((count("created mine.txt"), count("created own/"), count("created last.txt")), (1, 1, 1), "{seen:?}");
    assert!(!seen.iter().any(|event| event.starts_with("removed")), "{seen:?}");
}

/// While the daemon acts what others did, programs do the same in earnest, under the same names.
#[test]
fn acting_for_watchers_touches_nothing_that_is_done_in_earnest() {
    let mount = Setup::options(OPTIONS).mount();
    names(&mount);
    let _watcher = Watcher::of(&mount.path(""));
    let grace = mount.service.web_user();
    let mut expected = BTreeSet::new();
    for round in 0..40 {
        let theirs = format!("theirs-{round}.txt");
        grace.create_file(&in_folder(&theirs), theirs.clone()).unwrap();
        let ours = format!("ours-{round}.txt");
        fs::write(mount.path(&ours), &ours).unwrap();
        mount.works(&format!("ls -l > /dev/null; mkdir d{round}"));
        if round % 4 == 0 {
            grace.delete(&in_folder(&theirs)).unwrap();
            fs::remove_file(mount.path(&ours)).unwrap();
            fs::remove_dir(mount.path(format!("d{round}"))).unwrap();
        } else {
            expected.extend([theirs, ours, format!("d{round}")]);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    mount.sync();
    support::run(mount.collabfs(["refresh"]).arg(mount.path("")), PATIENCE).expect_success();
    assert_eq!(names(&mount), expected);
    for name in expected.iter().filter(|name| name.ends_with(".txt")) {
        mount.service.expect(name, name.as_bytes(), 1);
        assert_eq!(fs::read(mount.path(name)).unwrap(), name.as_bytes());
    }
    mount.expect_no_panic();
}

#[test]
fn a_file_manager_sees_them_too_and_unmounting_does_not_wait_for_it() {
    let mut mount = Setup::options(OPTIONS).mount();
    names(&mount);
    let log = mount.local().join("events");
    let mut command = std::process::Command::new("gio");
    let mut monitor =
        command.arg("monitor").arg("-d").arg(mount.path("")).stdout(File::create(&log).unwrap()).spawn().unwrap();
    mount.service.web_user().create_file(&in_folder("theirs.txt"), "theirs").unwrap();
    let end = Instant::now() + PATIENCE;
    let is_told = || fs::read_to_string(&log).unwrap().contains("theirs.txt: created");
    while !is_told() && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(50));
    }
    let told = is_told();
    mount.umount();
    monitor.kill().unwrap();
    monitor.wait().unwrap();
    assert!(told, "{}", fs::read_to_string(&log).unwrap());
}
