//! `collabfs mount`, and what mount(8) asks for.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::cli::args::MountArgs;
use crate::cli::mount_helper::PLACE_OPTIONS;
use crate::cli::{Environment, Outcome, locate, logging, unexpected_answer};
use crate::config::{BaseDirs, Config, MountOption, MountOptions, Places, split_options};
use crate::daemon::background::{self, Readiness, Side};
use crate::daemon::control::{self, Answer, Request};
use crate::daemon::{self, MountRequest};
use crate::error::{ErrorKind, Result, fail};
use crate::fuse::is_dead;
use crate::person;

/// A daemon told to end finishes the request that is under way.
const GIVE_WAY_DEADLINE: Duration = Duration::from_secs(60);

pub(super) fn run(args: &MountArgs, environment: &Environment) -> Result<Outcome> {
    let request = prepared(args, environment)?;
    if request.foreground {
        logging::to_stderr(environment.log_filter.as_deref());
        daemon::mount(request, Box::new(|| ()))?;
        return Ok(Outcome::Success);
    }
    match background::detach()? {
        Side::Parent(daemon) => daemon.wait().map(|()| Outcome::Success),
        Side::Child(readiness) => serve(request, readiness, environment),
    }
}

/// The daemon, in the background: its errors go to the waiting parent until it is ready, to the log in any case.
fn serve(request: MountRequest, readiness: Readiness, environment: &Environment) -> Result<Outcome> {
    let log_file = request.places.state_dir.join("collabfs.log");
    if let Err(e) = logging::to_file(&log_file, environment.log_filter.as_deref()) {
        readiness.failed(&e);
        return Err(e);
    }
    let note = readiness.note();
    person::heard_by(move |text| note(text));
    let readiness = std::sync::Arc::new(std::sync::Mutex::new(Some(readiness)));
    let take = |slot: &std::sync::Mutex<Option<Readiness>>| slot.lock().ok().and_then(|mut slot| slot.take());
    let slot = readiness.clone();
    let ready = move || {
        if let Some(readiness) = take(&slot) {
            readiness.ok();
        }
    };
    let served = daemon::mount(request, Box::new(ready));
    if let Err(e) = &served {
        log::error!("the mount ended: {e}");
        if let Some(readiness) = take(&readiness) {
            readiness.failed(e);
        }
    }
    served.map(|()| Outcome::Success)
}

/// A request that is ready for the daemon: the mount point is free, the directories are there.
pub(super) fn prepared(args: &MountArgs, environment: &Environment) -> Result<MountRequest> {
    let request = request(args, &environment.base, &environment.current_dir, (environment.uid, environment.gid))?;
    let mountpoint = check_mountpoint(&request.mountpoint)?;
    request.places.create()?;
    end_lingering(&request)?;
    Ok(MountRequest { mountpoint, ..request })
}

/// A daemon that stayed behind to empty the outbox gives way: the new one goes on where it stands.
/// Errors: `Exists` when the account's daemon has a mount.
fn end_lingering(request: &MountRequest) -> Result<()> {
    let socket = &request.places.control_socket;
    let status = match control::call(socket, &Request::Status, |_| ()) {
        Ok(Answer::Status(status)) => status,
        Err(e) if e.kind() == ErrorKind::Offline => return Ok(()),
        Ok(_) => return unexpected_answer(),
        Err(e) => return Err(e),
    };
    if !status.lingering {
        let (account, there) = (&status.account, &status.mountpoint);
        return fail(ErrorKind::Exists, format!("account {account} is mounted at {there} already; umount it first"));
    }
    match control::call(socket, &Request::Unmount { now: true }, |_| ()) {
        Err(e) if e.kind() != ErrorKind::Offline => return Err(e),
        _ => {}
    }
    let end = Instant::now() + GIVE_WAY_DEADLINE;
    while !matches!(control::call(socket, &Request::Status, |_| ()), Err(e) if e.kind() == ErrorKind::Offline) {
        if Instant::now() > end {
            let why = "the daemon that still empties the outbox does not end; try again in a minute";
            return fail(ErrorKind::TimedOut, why);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Everything that the command line and the configuration say about a mount. Touches nothing but the configuration.
/// `owner`: the user and group that own everything unless an option says otherwise.
pub fn request(args: &MountArgs, base: &BaseDirs, current_dir: &Path, owner: (u32, u32)) -> Result<MountRequest> {
    let given: Vec<MountOption> = args.options.iter().flat_map(|text| split_options(text)).collect();
    let (places, given): (Vec<_>, Vec<_>) = given.into_iter().partition(|o| PLACE_OPTIONS.contains(&&*o.key));
    let place = |name: &str, argument: &Option<PathBuf>| {
        let option = || places.iter().rev().find(|o| o.key == name)?.value.as_ref().map(PathBuf::from);
        argument.clone().or_else(option).map(|path| current_dir.join(path))
    };
    let config = place("config", &args.config).unwrap_or_else(|| base.config_file());
    let account = Config::load(&config, &base.home)?.account(&args.account)?;
    let options = MountOptions::resolve(&account, &given, owner.0, owner.1)?;
    let (state_dir, cache_dir) = (place("state_dir", &args.state_dir), place("cache_dir", &args.cache_dir));
    let places = Places::of_account(&account.name, base, state_dir, cache_dir);
    let mountpoint = current_dir.join(&args.mountpoint);
    Ok(MountRequest { account, options, places, mountpoint, foreground: args.foreground })
}

/// A mount point whose daemon was killed: the new one frees it, if it was one of ours. Such a directory cannot be looked
/// at, so that the path is made out from the directory above.
fn dead_mount(path: &Path) -> Result<PathBuf> {
    let above = path.parent().and_then(|above| above.canonicalize().ok());
    let real = above.zip(path.file_name()).map(|(above, name)| above.join(name));
    match real.filter(|real| locate::mounts().is_ok_and(|mounts| mounts.iter().any(|m| m.mountpoint == *real))) {
        Some(real) => Ok(real),
        None => {
            let shown = path.display();
            fail(ErrorKind::Invalid, format!("{shown} holds a dead mount; clear it with `fusermount3 -u {shown}`"))
        }
    }
}

/// The mount point without links. Errors say what stands in the way.
fn check_mountpoint(path: &Path) -> Result<PathBuf> {
    let shown = path.display();
    let looked_at = path.canonicalize().and_then(|real| Ok((real.metadata()?, real)));
    let (metadata, real) = match looked_at {
        Ok(found) => found,
        Err(e) if is_dead(&e) => return dead_mount(path),
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return fail(ErrorKind::NotFound, format!("{shown} does not exist; make it with `mkdir -p {shown}`"));
        }
        Err(e) => return fail(ErrorKind::LocalIo, format!("{shown}: {e}")),
    };
    if !metadata.is_dir() {
        return fail(ErrorKind::NotDirectory, format!("{shown} is no directory; mount on an empty directory"));
    }
    if let Some(mount) = locate::mounts()?.iter().find(|m| m.mountpoint == real) {
        let account = &mount.account;
        return fail(ErrorKind::Exists, format!("account {account} is mounted on {shown} already; umount it first"));
    }
    Ok(real)
}
