//! The daemon is killed at any moment. After the next mount nothing is lost, and nothing is on the service twice.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::fd::IntoRawFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use support::{Mount, Setup, noise, sha256};

/// What `close` accepted: name and the number of the last accepted save.
type Accepted = BTreeMap<String, u64>;

const FILES: u64 = 6;

fn content(name: &str, save: u64) -> Vec<u8> {
    let mut bytes = format!("{name} {save}\n").into_bytes();
    bytes.extend(noise(5_000 + (save as usize * 37) % 40_000, save));
    bytes
}

/// Writes a file and closes it, as careful programs do: `fs::write` does not look at what close says.
fn write_and_close(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    // SAFETY: the descriptor is ours, and nobody uses it after this.
    match unsafe { libc::close(file.into_raw_fd()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Saves files round and round until told to stop or the mount is gone; tells what was accepted.
fn save_until(mount: &Mount, stop: &AtomicBool, first: u64) -> (Accepted, u64) {
    let (mut accepted, mut save) = (Accepted::new(), first);
    while !stop.load(Ordering::Relaxed) {
        save += 1;
        let name = format!("f{}.bin", save % FILES);
        let path = mount.path(&name);
        // Half of the saves in place, half by a temporary name.
        let saved = match save % 2 {
            0 => write_and_close(&path, &content(&name, save)),
            _ => {
                let temporary = mount.path(format!(".{name}.part"));
                write_and_close(&temporary, &content(&name, save)).and_then(|()| fs::rename(&temporary, &path))
            }
        };
        match saved {
            Ok(()) => drop(accepted.insert(name, save)),
            Err(_) => break,
        }
    }
    (accepted, save)
}

/// Checks every accepted file, in the mount and on the service. A save under way when the daemon died may have
/// arrived or not; an older one than the last accepted must not be the newest.
fn expect_accepted(mount: &Mount, accepted: &Accepted, last_save: u64) {
    let mine: Vec<String> = mount.service.files().into_iter().filter(|name| name.starts_with('f')).collect();
    for (name, save) in accepted {
        let possible: Vec<u64> =
            (*save..=last_save).filter(|n| n == save || format!("f{}.bin", n % FILES) == *name).collect();
        let bytes = fs::read(mount.path(name)).unwrap();
        let found = possible.iter().find(|n| content(name, **n) == bytes);
        assert!(found.is_some(), "{name}: what close accepted as save {save} is lost");
        assert_eq!(mine.iter().filter(|other| *other == name).count(), 1, "{name} on the service: {mine:?}");
        let file = mount.service.file(name);
        let newest = file.revisions.last().unwrap();
        assert_eq!(newest.sha256.as_deref(), Some(sha256(&bytes).as_str()), "{name} on the service");
        let mut hashes: Vec<_> = file.revisions.iter().map(|revision| &revision.sha256).collect();
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), file.revisions.len(), "{name}: the same bytes were sent twice");
    }
}

/// A fixed sequence, so that a failure can be repeated.
fn moments(seed: u64) -> impl Iterator<Item = Duration> {
    let bytes = noise(64, seed);
    bytes.into_iter().map(|byte| Duration::from_millis(40 + u64::from(byte) * 4))
}

fn killed_again_and_again(setup: Setup, seed: u64, times: usize) {
    let mut mount = setup.mount();
    let (mut accepted, mut last) = (Accepted::new(), 0);
    for (round, moment) in moments(seed).take(times).enumerate() {
        let stop = AtomicBool::new(false);
        let pid = mount.pid();
        let (newly, save) = std::thread::scope(|scope| {
            let saver = scope.spawn(|| save_until(&mount, &stop, last));
            std::thread::sleep(moment);
            support::process::kill(pid);
            stop.store(true, Ordering::Relaxed);
            mount.abort();
            saver.join().unwrap()
        });
        accepted.extend(newly);
        last = save;
        mount.kill();
        mount.start();
        for (name, save) in &accepted {
            let bytes = fs::read(mount.path(name)).unwrap_or_else(|e| panic!("round {round}: {name}: {e}"));
            let possible = (*save..=last).any(|n| content(name, n) == bytes);
            let (length, head) = (bytes.len(), String::from_utf8_lossy(&bytes[..bytes.len().min(16)]).into_owned());
            assert!(
                possible,
                "seed {seed}, round {round}: {name} is not what close accepted as save {save} of {last}, \
                 but {length} bytes beginning with {head:?}"
            );
        }
    }
    mount.sync();
    assert!(!accepted.is_empty(), "nothing was saved at all");
    expect_accepted(&mount, &accepted, last);
    mount.expect_no_panic();
}

#[test]
fn killed_at_random_while_saving_nothing_is_lost_or_doubled() {
    killed_again_and_again(Setup::options("settle=0.1,timeout=10"), 1, 8);
}

#[test]
fn killed_at_random_without_settling_nothing_is_lost_or_doubled() {
    killed_again_and_again(Setup::options("settle=0,timeout=10").latency(Duration::from_millis(10)), 2, 8);
}

#[test]
fn killed_while_everything_rests_nothing_is_lost() {
    let mut mount = Setup::options("settle=3600,timeout=10").mount();
    mount.works("mkdir d; echo one > d/one.txt; echo two > two.txt; mv two.txt d/zwei.txt");
    mount.kill();
    mount.start();
    assert_eq!(mount.works("cat d/one.txt d/zwei.txt"), "one\ntwo\n");
    mount.set_options("settle=0.1,timeout=10");
    mount.kill();
    mount.start();
    mount.sync();
    assert_eq!(mount.service.files(), ["d/one.txt", "d/zwei.txt"]);
}

#[test]
fn a_file_that_was_never_closed_is_not_sent_in_part() {
    let mut mount = Setup::default().mount();
    mount.works("ls > /dev/null");
    let mut file = fs::File::create_new(mount.path("half.bin")).unwrap();
    file.write_all(&noise(100_000, 1)).unwrap();
    // Longer than changes rest: what is still open must not go.
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!(mount.service.files(), [""; 0]);
    mount.kill();
    drop(file);
    mount.start();
    mount.sync();
    if mount.service.files() == ["half.bin"] {
        mount.service.expect("half.bin", &noise(100_000, 1), 1);
    }
}

/// Contents up to this size are kept in the journal, and their spool files never synced.
const JOURNALED_BYTES_MAX: u64 = 32 << 10;

/// A power loss leaves of a file that was never synced anything: nothing, its name only, other bytes.
fn lose_what_was_not_synced(mount: &Mount) -> usize {
    let files = fs::read_dir(mount.state_dir().join("spool")).unwrap().map(|entry| entry.unwrap().path());
    let small: Vec<_> = files.filter(|path| path.metadata().unwrap().len() <= JOURNALED_BYTES_MAX).collect();
    for (number, path) in small.iter().enumerate() {
        match number % 3 {
            0 => fs::remove_file(path).unwrap(),
            1 => fs::write(path, "").unwrap(),
            _ => fs::write(path, noise(700, 7)).unwrap(),
        }
    }
    small.len()
}

#[test]
fn a_power_loss_takes_nothing_that_close_accepted() {
    let mut mount = Setup::options("settle=3600,timeout=10").mount();
    mount.works("ls > /dev/null");
    let mut written = BTreeMap::new();
    for n in 0..60_u64 {
        let bytes = noise(n as usize * 1_000, n);
        write_and_close(&mount.path(format!("f{n:02}")), &bytes).unwrap();
        written.insert(format!("f{n:02}"), bytes);
    }
    for n in (0..60_u64).step_by(5) {
        // Written again, longer or shorter: what was kept of the first time must not come back.
        let bytes = noise(60_000 - n as usize * 1_000, n + 100);
        write_and_close(&mount.path(format!("f{n:02}")), &bytes).unwrap();
        written.insert(format!("f{n:02}"), bytes);
    }
    for n in (2..60_u64).step_by(10) {
        // Grown in place by the same handle, from a small content to a large one, each of them accepted.
        let path = mount.path(format!("f{n:02}"));
        let mut file = fs::File::options().append(true).open(&path).unwrap();
        for seed in [1, 2] {
            let more = noise(20_000, seed);
            file.write_all(&more).unwrap();
            file.sync_all().unwrap();
            written.get_mut(&format!("f{n:02}")).unwrap().extend(more);
        }
    }
    mount.works("mv f03 renamed; mv f04 f07; printf kept-here > .#lock");
    let moved = [("f03", "renamed"), ("f04", "f07")].map(|(old, new)| (new.to_owned(), written.remove(old).unwrap()));
    written.extend(moved);
    mount.kill();
    assert!(lose_what_was_not_synced(&mount) > 20);
    mount.set_options("settle=0.1,timeout=10");
    mount.start();
    for (name, bytes) in &written {
        assert!(fs::read(mount.path(name)).unwrap() == *bytes, "{name} before it is sent");
    }
    assert_eq!(mount.works("cat .#lock"), "kept-here");
    mount.sync();
    for (name, bytes) in &written {
        mount.service.expect(name, bytes, 1);
    }
    assert_eq!(mount.service.files().len(), written.len());
    // And once more: what was taken out of the journal is in the spool files for good.
    mount.kill();
    mount.start();
    assert_eq!(mount.works("cat .#lock"), "kept-here");
    mount.expect_no_panic();
}
