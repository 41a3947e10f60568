//! `collabfs umount`

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::cli::args::UmountArgs;
use crate::cli::progress::ProgressLine;
use crate::cli::{Environment, Outcome, locate, unexpected_answer};
use crate::daemon::control::{Answer, Request};
use crate::error::{ErrorKind, Result, fail};

/// How long the kernel may take to let go of a mount that nobody uses.
const GONE_DEADLINE: Duration = Duration::from_secs(10);

pub fn run(args: &UmountArgs, environment: &Environment) -> Result<Outcome> {
    let target = locate::target(&args.mountpoint, environment)?;
    let Some(mountpoint) = target.mountpoint.as_deref().filter(|_| target.path.is_empty()) else {
        let hint = "name the mount point itself";
        return fail(ErrorKind::Invalid, format!("{} is inside a mount; {hint}", args.mountpoint.display()));
    };
    let line = ProgressLine::new(&target.account);
    let answer = target.call(&Request::Unmount { now: args.now }, |progress| line.show(&progress));
    drop(line);
    let mut outcome = Outcome::Success;
    match answer {
        Ok(Answer::Changes(left)) => {
            if !left.is_empty() {
                // With `--now` that was to be expected.
                outcome = if args.now { Outcome::Success } else { Outcome::Unfinished };
                eprintln!("collabfs: {} changes go on at the next mount of {}:", left.len(), target.account);
                left.iter().for_each(|change| eprintln!("  {change}"));
            }
        }
        Ok(_) => return unexpected_answer(),
        // It ended before its answer was out, or died: what it accepted is safe on disk.
        Err(e) if e.kind() == ErrorKind::Offline => {
            eprintln!("collabfs: the daemon did not say what is left; what it was given goes on at the next mount");
            clear_dead_mount(mountpoint)?;
        }
        Err(e) => return Err(e),
    }
    wait_until_gone(mountpoint)?;
    Ok(outcome)
}

fn clear_dead_mount(mountpoint: &Path) -> Result<()> {
    if !is_mounted(mountpoint)? {
        return Ok(());
    }
    let done = Command::new("fusermount3").arg("-u").arg(mountpoint).output();
    match done {
        Ok(output) if output.status.success() => Ok(()),
        _ => {
            let shown = mountpoint.display();
            fail(
                ErrorKind::LocalIo,
                format!("the daemon of {shown} is gone, its mount is not; try `umount -l {shown}`"),
            )
        }
    }
}

fn is_mounted(mountpoint: &Path) -> Result<bool> {
    Ok(locate::mounts()?.iter().any(|m| m.mountpoint == mountpoint))
}

fn wait_until_gone(mountpoint: &Path) -> Result<()> {
    let end = Instant::now() + GONE_DEADLINE;
    while is_mounted(mountpoint)? {
        if Instant::now() > end {
            let hint = "close what uses it, or `umount -l` it";
            return fail(ErrorKind::Locked, format!("{} is still mounted; {hint}", mountpoint.display()));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
