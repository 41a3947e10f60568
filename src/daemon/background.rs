//! Going to the background: the command returns when the mount answers, or says why it does not.
//!
//! The process forks before it has threads. The parent waits at a pipe for lines from the child: notes to print
//! meanwhile, and then `ok`, or an error to print. A child that dies closes the pipe, so that the parent never waits for
//! nothing.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::time::{Duration, Instant};

use crate::error::{Error, ErrorKind, Result, fail};

/// The child's own deadlines are shorter; this one is for a child that hangs.
const READY_DEADLINE: Duration = Duration::from_secs(300);
const MESSAGE_BYTES_MAX: u64 = 8 << 10;
const OK: &str = "ok";
/// Begins a line that is for the person, and not the end.
const NOTE: &str = "note: ";

/// Which of the two processes this is.
pub enum Side {
    Parent(Waiting),
    Child(Readiness),
}

/// The parent's end: what becomes of the child.
pub struct Waiting {
    pipe: File,
    child: libc::pid_t,
}

/// The child's end: says that it is ready, or why it never will be. Dropped silently it counts as a failure.
pub struct Readiness {
    pipe: File,
}

/// Splits the process in two. The child has no terminal, no standard streams and `/` as its directory.
///
/// Must be called while the process has one thread: another thread's locks would stay locked in the child for ever.
pub fn detach() -> Result<Side> {
    let (reading, writing) = pipe()?;
    // SAFETY: the caller promises a single thread, so that every lock is free in the child.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error().into()),
        0 => {
            drop(reading);
            leave_terminal()?;
            Ok(Side::Child(Readiness { pipe: writing }))
        }
        child => Ok(Side::Parent(Waiting { pipe: reading, child })),
    }
}

impl Waiting {
    /// Waits for the child's word. Errors: the child's own, or that it died without one.
    pub fn wait(mut self) -> Result<()> {
        if !readable_within(&self.pipe, READY_DEADLINE)? {
            // SAFETY: a plain system call; the child is ours and not waited for.
            unsafe { libc::kill(self.child, libc::SIGTERM) };
            let seconds = READY_DEADLINE.as_secs();
            return fail(ErrorKind::TimedOut, format!("the mount was not ready after {seconds} seconds; see the log"));
        }
        let mut message = String::new();
        for line in BufReader::new((&mut self.pipe).take(MESSAGE_BYTES_MAX)).lines() {
            let line = line?;
            match line.strip_prefix(NOTE) {
                Some(note) => eprintln!("{note}"),
                None if line == OK => return Ok(()),
                None => message.extend([&*line, "\n"]),
            }
        }
        match message.trim_end() {
            "" => fail(ErrorKind::Bug, "the daemon died while it started; its log may say why"),
            message => fail(ErrorKind::Invalid, message),
        }
    }
}

impl Readiness {
    /// Says things to the person as long as the parent waits.
    pub fn note(&self) -> impl Fn(&str) + Send + Sync + 'static {
        let pipe = self.pipe.try_clone();
        move |text| {
            if let Ok(mut pipe) = pipe.as_ref() {
                // Once the parent is gone, the log has it.
                let _ = pipe.write_all(format!("{NOTE}{}\n", text.replace('\n', " ")).as_bytes());
            }
        }
    }

    pub fn ok(self) {
        self.say(format!("{OK}\n").as_bytes());
    }

    pub fn failed(self, why: &Error) {
        self.say(format!("{why}\n").as_bytes());
    }

    fn say(mut self, message: &[u8]) {
        if let Err(e) = self.pipe.write_all(message) {
            log::debug!("nobody waits for the mount any more: {e}");
        }
    }
}

fn pipe() -> Result<(File, File)> {
    let mut ends = [0; 2];
    // SAFETY: `ends` has room for the two descriptors; after success both are ours alone.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(std::io::Error::last_os_error().into());
        }
        Ok((OwnedFd::from_raw_fd(ends[0]).into(), OwnedFd::from_raw_fd(ends[1]).into()))
    }
}

fn readable_within(pipe: &File, deadline: Duration) -> Result<bool> {
    let end = Instant::now() + deadline;
    loop {
        let left = end.saturating_duration_since(Instant::now()).as_millis() as libc::c_int;
        let mut wanted = libc::pollfd { fd: pipe.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one valid pollfd. A hang-up counts as readable: the end of the pipe is an answer too.
        match unsafe { libc::poll(&mut wanted, 1, left) } {
            0 => return Ok(false),
            -1 => match std::io::Error::last_os_error() {
                e if e.kind() == std::io::ErrorKind::Interrupted => continue,
                e => return Err(e.into()),
            },
            _ => return Ok(true),
        }
    }
}

/// A session of its own, so that a closing terminal ends nothing, and no directory kept busy.
fn leave_terminal() -> Result<()> {
    let null = File::options().read(true).write(true).open("/dev/null")?;
    // SAFETY: plain system calls on descriptors of this process.
    unsafe {
        libc::setsid();
        for standard in 0..3 {
            if libc::dup2(null.as_raw_fd(), standard) < 0 {
                return Err(std::io::Error::last_os_error().into());
            }
        }
    }
    std::env::set_current_dir("/")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two ends without a fork: a test process has threads.
    fn ends() -> (Waiting, Readiness) {
        let (reading, writing) = pipe().unwrap();
        // 0 would be our whole process group; no test lets the deadline pass with a child to kill.
        (Waiting { pipe: reading, child: 0 }, Readiness { pipe: writing })
    }

    #[test]
    fn the_parent_hears_that_the_mount_answers() {
        let (waiting, readiness) = ends();
        readiness.ok();
        waiting.wait().unwrap();
    }

    #[test]
    fn what_the_child_notes_is_neither_the_end_nor_an_error() {
        let (waiting, readiness) = ends();
        let note = readiness.note();
        note("open this address");
        note("and type this code");
        readiness.ok();
        waiting.wait().unwrap();
        note("nobody reads this any more");
    }

    #[test]
    fn the_parent_prints_the_childs_error() {
        let (waiting, readiness) = ends();
        readiness.failed(&Error::new(ErrorKind::SignedOut, "the key is refused"));
        assert_eq!(waiting.wait().unwrap_err().to_string(), "the key is refused");
    }

    #[test]
    fn a_child_that_dies_is_noticed() {
        let (waiting, readiness) = ends();
        drop(readiness);
        assert!(waiting.wait().unwrap_err().to_string().contains("died"));
    }

    #[test]
    fn nothing_said_is_nothing_readable() {
        let (waiting, _readiness) = ends();
        assert!(!readable_within(&waiting.pipe, Duration::from_millis(20)).unwrap());
    }
}
