//! Ends a test that hangs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

/// Aborts the mount when it is not dropped in time.
pub struct Watchdog {
    done: Arc<(Mutex<bool>, Condvar)>,
}

impl Watchdog {
    pub fn start(mountpoint: PathBuf, deadline: Duration) -> Watchdog {
        let done = Arc::new((Mutex::new(false), Condvar::new()));
        let shared = done.clone();
        std::thread::spawn(move || {
            let (lock, changed) = &*shared;
            let guard = lock.lock().unwrap();
            let (guard, _) = changed.wait_timeout_while(guard, deadline, |done| !*done).unwrap();
            if !*guard {
                eprintln!("watchdog: {deadline:?} are over, aborting {}", mountpoint.display());
                abort(&mountpoint);
            }
        });
        Watchdog { done }
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        *self.done.0.lock().unwrap() = true;
        self.done.1.notify_all();
    }
}

/// Frees every caller that waits for the mount, by fusectl. Nothing when it is not mounted.
pub fn abort(mountpoint: &Path) {
    if let Some(connection) = connection_of(mountpoint) {
        let _ = std::fs::write(format!("/sys/fs/fuse/connections/{connection}/abort"), "1");
    }
}

/// The minor number of the device, which names the connection.
pub fn connection_of(mountpoint: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let line = table.lines().rev().find(|line| line.split(' ').nth(4) == mountpoint.to_str())?;
    let is_ours = line.contains(" fuse.collabfs ");
    let minor = line.split(' ').nth(2)?.split_once(':')?.1;
    is_ours.then(|| minor.to_owned())
}
