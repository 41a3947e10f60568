//! Mounting and leaving, as people, scripts and mount(8) do it: in the background, twice, after a crash, in a hurry.

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use collabfs::demo::DemoOptions;
use support::service::{FOLDER, PROJECT};
use support::{ACCOUNT, Mount, Ran, Setup, run};

const DEADLINE: Duration = Duration::from_secs(60);

fn in_background(mount: &Mount, options: &str) -> Ran {
    let mut command = mount.collabfs(["mount", ACCOUNT]);
    command.arg(mount.root()).args(["-o", options]).args(mount.places());
    run(&mut command, DEADLINE)
}

/// Mounts in the background; the daemon ends soon after its mount, whatever is left.
fn mounted(mount: &Mount) {
    let ran = in_background(mount, "settle=0.1,timeout=10,linger=20");
    assert!(ran.succeeded(), "{}", ran.output);
}

fn is_mounted(mount: &Mount) -> bool {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().any(|line| line.split(' ').nth(4) == mount.root().to_str())
}

/// The processes that have this mount's lock file open.
fn daemons(mount: &Mount) -> Vec<u32> {
    let lock = mount.state_dir().join("lock");
    let processes = fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let has_lock = |pid: &u32| {
        let Ok(files) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        files.filter_map(|file| fs::read_link(file.ok()?.path()).ok()).any(|target| target == lock)
    };
    processes.filter(has_lock).collect()
}

#[track_caller]
fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn mount_returns_when_the_mount_answers_and_umount_when_all_is_on_the_service() {
    let mount = Setup::default().latency(Duration::from_millis(50)).unmounted();
    mounted(&mount);
    for n in 0..20 {
        fs::write(mount.path(format!("f{n}")), format!("content {n}")).unwrap();
    }
    run(mount.collabfs(["umount"]).arg(mount.root()), DEADLINE).expect_success();
    assert!(!is_mounted(&mount));
    for n in 0..20 {
        mount.service.expect(&format!("f{n}"), format!("content {n}").as_bytes(), 1);
    }
    eventually("the daemon ends", || daemons(&mount).is_empty());
    assert!(mount.state_dir().join("collabfs.log").exists());
}

#[test]
fn a_second_mount_of_the_account_is_refused_with_the_reason() {
    let mount = Setup::default().unmounted();
    mounted(&mount);
    let same_place = in_background(&mount, "");
    assert_eq!(same_place.code, Some(1));
    assert!(same_place.output.contains("mounted on"), "{}", same_place.output);
    let elsewhere = mount.local().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let mut command = mount.collabfs(["mount", ACCOUNT]);
    let ran = run(command.arg(&elsewhere).args(mount.places()), DEADLINE);
    assert_eq!(ran.code, Some(1));
    assert!(ran.output.contains("umount it first"), "{}", ran.output);
    assert_eq!(daemons(&mount).len(), 1);
}

#[test]
fn umount_now_says_what_is_left_and_the_next_mount_goes_on() {
    let mount = Setup::default().unmounted();
    let resting = in_background(&mount, "settle=600,timeout=10");
    assert!(resting.succeeded(), "{}", resting.output);
    fs::write(mount.path("late.txt"), "late").unwrap();
    let left = run(mount.collabfs(["umount", "--now"]).arg(mount.root()), DEADLINE);
    assert!(left.succeeded() && left.output.contains("late.txt"), "{}", left.output);
    assert_eq!(mount.service.files(), [""; 0]);
    eventually("the daemon ends", || daemons(&mount).is_empty());
    mounted(&mount);
    assert_eq!(fs::read(mount.path("late.txt")).unwrap(), b"late");
    mount.sync();
    mount.service.expect("late.txt", b"late", 1);
}

#[test]
fn after_a_plain_umount_the_daemon_stays_until_all_is_sent() {
    for program in ["umount", "fusermount3"] {
        let mount = Setup::default().latency(Duration::from_millis(100)).unmounted();
        mounted(&mount);
        for n in 0..10 {
            fs::write(mount.path(format!("f{n}")), "x").unwrap();
        }
        let mut command = Command::new(program);
        if program == "fusermount3" {
            command.arg("-u");
        }
        run(command.arg(mount.root()), DEADLINE).expect_success();
        assert!(!is_mounted(&mount));
        eventually("the daemon ends", || daemons(&mount).is_empty());
        assert_eq!(mount.service.files().len(), 10, "after {program}");
    }
}

#[test]
fn what_a_killed_daemon_left_at_the_mountpoint_is_cleared() {
    let mount = Setup::default().unmounted();
    mounted(&mount);
    fs::write(mount.path("kept.txt"), "kept").unwrap();
    for pid in daemons(&mount) {
        support::process::kill(pid);
    }
    eventually("the daemon is gone", || daemons(&mount).is_empty());
    eventually("the mount is dead", || {
        fs::metadata(mount.root()).is_err_and(|e| e.raw_os_error() == Some(libc::ENOTCONN))
    });
    mounted(&mount);
    assert_eq!(fs::read(mount.path("kept.txt")).unwrap(), b"kept");
    mount.sync();
    mount.service.expect("kept.txt", b"kept", 1);
}

#[test]
fn a_known_tree_shows_without_the_service() {
    let mount = Setup::default().unmounted();
    mounted(&mount);
    fs::write(mount.path("known.txt"), "known").unwrap();
    run(mount.collabfs(["umount"]).arg(mount.root()), DEADLINE).expect_success();
    eventually("the daemon ends", || daemons(&mount).is_empty());
    mount.service.forget_requests();
    mount.service.fault("*:reset");
    mounted(&mount);
    assert_eq!(fs::read(mount.path("known.txt")).unwrap(), b"known");
    fs::write(mount.path("new.txt"), "new").unwrap();
    mount.service.heal();
    mount.sync();
    mount.service.expect("new.txt", b"new", 1);
}

/// The program under the name that mount(8) calls.
fn helper(mount: &Mount) -> PathBuf {
    let helper = mount.local().join("mount.collabfs");
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_collabfs"), &helper).unwrap();
    helper
}

#[test]
fn mount_8_mounts_through_the_helper_and_through_mount_fuse() {
    let mount = Setup::default().unmounted();
    let helper = helper(&mount);
    let root = mount.root();
    let places = mount.places().chunks(2).map(|pair| place_option(&pair[0], &pair[1])).collect::<Vec<_>>().join(",");
    let options = format!("rw,settle=0.1,linger=20,_netdev,x-systemd.automount,nosuid,{places}");
    let mut by_helper = mount.collabfs([""; 0]);
    by_helper = with_program(by_helper, &helper);
    by_helper.arg(ACCOUNT).arg(&root).args(["-o", &options]);
    run(&mut by_helper, DEADLINE).expect_success();
    assert!(root.join(PROJECT).join(FOLDER).is_dir());
    run(mount.collabfs(["umount"]).arg(&root), DEADLINE).expect_success();
    eventually("the daemon ends", || daemons(&mount).is_empty());

    // mount.fuse3 looks for the type's program in the path.
    let programs = mount.local().join("programs");
    fs::create_dir(&programs).unwrap();
    std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_collabfs"), programs.join("collabfs")).unwrap();
    let mut by_mount_fuse = with_program(mount.collabfs([""; 0]), Path::new("mount.fuse3"));
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    by_mount_fuse.arg(ACCOUNT).arg(&root).args(["-t", "fuse.collabfs", "-o", &options]).env("PATH", path);
    run(&mut by_mount_fuse, DEADLINE).expect_success();
    assert!(root.join(PROJECT).join(FOLDER).is_dir());
}

/// `--state-dir DIR` as `state_dir=DIR`.
fn place_option(name: &std::ffi::OsStr, value: &std::ffi::OsStr) -> String {
    let name = name.to_str().unwrap().trim_start_matches("--").replace('-', "_");
    format!("{name}={}", value.to_str().unwrap())
}

/// The same environment for another program.
fn with_program(command: Command, program: &Path) -> Command {
    let mut other = Command::new(program);
    for (key, value) in command.get_envs() {
        if let Some(value) = value {
            other.env(key, value);
        }
    }
    if let Some(dir) = command.get_current_dir() {
        other.current_dir(dir);
    }
    other
}

#[test]
fn a_first_mount_that_fails_says_why_and_leaves_nothing_in_the_way_of_the_next() {
    let mount = Setup::default().unmounted();
    let config = mount.config_file();
    let right = fs::read_to_string(&config).unwrap();
    let url = mount.service.server().url();
    fs::write(&config, right.replace(url, "http://127.0.0.1:9")).unwrap();
    let ran = in_background(&mount, "timeout=5");
    assert_eq!(ran.code, Some(1), "{}", ran.output);
    assert_eq!(ran.output.lines().count(), 1, "{}", ran.output);
    assert!(!is_mounted(&mount));
    fs::write(&config, right).unwrap();
    mounted(&mount);
    assert!(mount.path("").is_dir());
}

#[test]
fn a_mount_right_after_an_umount_works_and_umount_says_when_something_is_left() {
    let mount = Setup::default().unmounted();
    mounted(&mount);
    fs::write(mount.path("a.txt"), "a").unwrap();
    mount.sync();
    mount.service.fault("upload:400");
    fs::write(mount.path("refused.txt"), "refused").unwrap();
    for round in 0..12 {
        let left = run(mount.collabfs(["umount"]).arg(mount.root()), DEADLINE);
        assert_eq!(left.code, Some(1), "round {round}: {}", left.output);
        assert!(left.output.contains("refused.txt"), "round {round}: {}", left.output);
        mounted(&mount);
    }
    mount.service.heal();
    run(&mut mount.collabfs(["outbox", "retry", "--account", ACCOUNT]), DEADLINE).expect_success();
    run(mount.collabfs(["umount"]).arg(mount.root()), DEADLINE).expect_success();
    mount.service.expect("refused.txt", b"refused", 1);
}

/// The demo's person agrees between two polls, so that only the invitation has to be seen.
#[test]
fn who_signs_in_by_a_code_is_shown_where_by_check_and_by_a_first_mount() {
    let demo = DemoOptions { seed_samples: false, ..DemoOptions::new("oracle-content") };
    for command in ["check", "mount"] {
        let mount = Setup { demo: demo.clone(), ..Setup::default() }.unmounted();
        let account = fs::read_to_string(mount.config_file()).unwrap();
        let lines = account.lines().filter(|line| !line.starts_with("username") && !line.starts_with("password"));
        let by_device = lines.chain(["grant = \"device\""]).collect::<Vec<_>>().join("\n");
        fs::write(mount.config_file(), by_device).unwrap();
        let ran = match command {
            "mount" => in_background(&mount, ""),
            _ => {
                let mut check = mount.collabfs(["check", ACCOUNT]);
                run(check.arg("--config").arg(mount.config_file()).arg("--state-dir").arg(mount.state_dir()), DEADLINE)
            }
        };
        assert!(ran.succeeded(), "{command}: {}", ran.output);
        assert!(ran.output.contains("/device in a browser and enter the code"), "{command}: {}", ran.output);
    }
}

#[test]
fn what_waits_for_better_credentials_goes_on_at_the_next_mount() {
    let mount = Setup::default().unmounted();
    mounted(&mount);
    fs::write(mount.path("a.txt"), "a").unwrap();
    mount.sync();
    mount.service.fault("upload:401");
    mount.service.fault("token:401");
    fs::write(mount.path("waits.txt"), "waits").unwrap();
    eventually("the change is told to wait for a person", || mount.status()["failed"] == 1);
    mount.service.heal();
    assert_eq!(run(mount.collabfs(["umount"]).arg(mount.root()), DEADLINE).code, Some(1));
    mounted(&mount);
    mount.sync();
    mount.service.expect("waits.txt", b"waits", 1);
}
