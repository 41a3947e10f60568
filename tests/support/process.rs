//! Programs with a deadline.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// What became of a program.
#[derive(Debug)]
pub struct Ran {
    /// `None`: ended by a signal, or by us at the deadline.
    pub code: Option<i32>,
    /// What it wrote to its outputs, in order.
    pub output: String,
    pub took: Duration,
}

impl Ran {
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }

    #[track_caller]
    pub fn expect_success(self) -> String {
        assert!(self.succeeded(), "exit code {:?} after {:?}:\n{}", self.code, self.took, self.output);
        self.output
    }
}

/// Runs a program to its end; at the deadline it is killed, with everything it started.
pub fn run(command: &mut Command, deadline: Duration) -> Ran {
    // A file, not a pipe: what a background child keeps open must not keep us waiting.
    let mut output = tempfile::tempfile().unwrap();
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output.try_clone().unwrap())
        .process_group(0)
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start {command:?}: {e}"));
    let code = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status.code();
        }
        if started.elapsed() > deadline {
            kill_group(child.id());
            let _ = child.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    Ran { code, output: contents(&mut output), took: started.elapsed() }
}

/// Lets the program see no mount of collabfs that is there already: what somebody else mounted on this machine, with this
/// program or another build of it, is not what a test is about. Only root can.
pub fn see_no_mounts(command: &mut Command) {
    // SAFETY: geteuid cannot fail.
    if unsafe { libc::geteuid() } != 0 {
        return;
    }
    // Nothing may be allocated after the fork.
    let there: Vec<CString> = collabfs::cli::locate::mounts()
        .unwrap()
        .into_iter()
        .rev()
        .map(|mount| CString::new(mount.mountpoint.into_os_string().into_vec()).unwrap())
        .collect();
    let apart = move || {
        let private = libc::MS_REC | libc::MS_PRIVATE;
        // SAFETY: plain system calls with strings that live as long as the closure.
        let done = unsafe {
            libc::unshare(libc::CLONE_NEWNS) == 0
                && libc::mount(std::ptr::null(), c"/".as_ptr(), std::ptr::null(), private, std::ptr::null()) == 0
                && there.iter().all(|at| libc::umount2(at.as_ptr(), libc::MNT_DETACH) == 0)
        };
        if done { Ok(()) } else { Err(std::io::Error::last_os_error()) }
    };
    // SAFETY: the closure makes system calls only.
    unsafe { command.pre_exec(apart) };
}

/// Kills one of our own processes.
pub fn kill(id: u32) {
    // SAFETY: the id is that of a child that was not waited for yet.
    unsafe { libc::kill(id as i32, libc::SIGKILL) };
}

fn kill_group(id: u32) {
    // SAFETY: the group is the one our own child leads.
    unsafe { libc::kill(-(id as i32), libc::SIGKILL) };
}

fn contents(file: &mut File) -> String {
    let mut bytes = Vec::new();
    file.rewind().unwrap();
    file.read_to_end(&mut bytes).unwrap();
    String::from_utf8_lossy(&bytes).into_owned()
}
