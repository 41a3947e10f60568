//! Building all floors, mounting, and serving until there is nothing left to do.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use super::MountRequest;
use super::account::MountedAccount;
use super::control;
use super::stop;
use crate::clock::SystemClock;
use crate::config::MountOptions;
use crate::content::Cache;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::{FileSystem, Parts};
use crate::fuse::{Invalidations, MountPlan, Session};
use crate::http::Instruments;
use crate::provider::{AccountInfo, Provider};
use crate::services::registry::{self, ServiceOptions};
use crate::store::{Store, Write};

/// Threads for requests and transfers. The kernel's calls have threads of their own.
const WORKERS: usize = 4;
/// Every call from the kernel ends by itself before this much after the mount's timeout.
const CALL_MARGIN: Duration = Duration::from_secs(5);
/// A daemon that nobody can ask any more is gone within this time.
const ENDING_DEADLINE: Duration = Duration::from_secs(8);
/// For so long the service may still be working on what a killed daemon asked it for.
const GRACE: Duration = Duration::from_secs(3);
/// Remembered of the last successful sign-in.
const USER: &str = "user";
const IDENTITY: &str = "account";
/// Which part of what the service has was shown.
const SHOWN: &str = "shown";

/// Mounts the account and serves it until the mount is gone and the outbox is empty (or `linger` is over).
/// Calls `ready` once the mount answers. Makes the process's threads: whoever wants to fork does so before.
///
/// Errors: `Locked` when another daemon has the account, `SignedOut`, `Offline` at the first mount of an account,
/// `Invalid` for settings, and those of mounting.
pub fn mount(request: MountRequest, ready: Box<dyn FnOnce() + Send>) -> Result<()> {
    let _lock = lock(&request)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let result = runtime.block_on(serve(&request, &runtime, ready));
    // What still runs then is a request whose change stays in the journal.
    runtime.shutdown_timeout(Duration::from_secs(2));
    result
}

/// Two daemons on one account's state would send everything twice. One whose mount is gone already may be just ending.
fn lock(request: &MountRequest) -> Result<File> {
    let path = request.places.state_dir.join("lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path)?;
    let end = Instant::now() + ENDING_DEADLINE;
    while Instant::now() < end {
        // SAFETY: a plain system call on a descriptor that is open.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) } == 0 {
            return Ok(file);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let account = &request.account.name;
    fail(ErrorKind::Locked, format!("another daemon serves the account {account}; unmount it first (collabfs umount)"))
}

async fn serve(request: &MountRequest, runtime: &Runtime, ready: Box<dyn FnOnce() + Send>) -> Result<()> {
    let MountRequest { account, options, places, mountpoint, .. } = request;
    let instruments = Instruments::default();
    let service = ServiceOptions {
        attachments: options.attachments,
        timeout: options.timeout,
        state_dir: places.state_dir.clone(),
        instruments: instruments.clone(),
    };
    let provider = registry::open(account, &service)?;
    let store = Arc::new(Store::open(&places.state_dir)?);
    let identity = check_identity(&store, request)?;
    let shown = expire_other_listings(&store, options)?;
    let cache = Cache::open(&places.cache_dir, options.cache_size_bytes, options.timeout)?;
    let fs = FileSystem::new(Parts {
        provider: provider.clone(),
        store: store.clone(),
        cache: cache.clone(),
        spool_dir: &places.state_dir.join("spool"),
        clock: Arc::new(SystemClock),
        options: options.clone(),
        grace: GRACE,
    })?;
    sign_in(&provider, &store, &fs, options.timeout).await?;
    // Only now: whoever mistyped the address can mend it without anything to remove.
    store.write(vec![Write::PutFact(IDENTITY, identity), Write::PutFact(SHOWN, shown)]);
    let socket = control::bind(&places.control_socket)?;
    let invalidations = Invalidations::default();
    let queue = invalidations.clone();
    fs.on_invalidation(move |what| queue.push(what));
    let session = Arc::new(mount_session(request, &fs, runtime, &invalidations, mountpoint)?);
    let mounted = Arc::new(MountedAccount::new(request, fs.clone(), instruments.metrics, session.clone()));
    // Weak: the account holds the file system.
    let told = Arc::downgrade(&mounted);
    fs.on_status(move || told.upgrade().map(|m| format!("{}\n", m.status_now())).unwrap_or_default());
    let working = tokio::spawn(async move { fs.run().await });
    let (ending, end) = tokio::sync::oneshot::channel::<()>();
    let end = async { drop(end.await) };
    let listening = tokio::spawn(control::serve(socket, mounted.clone(), end));
    log::info!("{} is mounted on {}", account.name, mountpoint.display());
    ready();
    stop::wait(&mounted, options.linger).await;
    drop(ending);
    if let Err(e) = listening.await {
        log::error!("control socket: {e}");
    }
    working.abort();
    remove_socket(&places.control_socket);
    cache.settle(Duration::from_secs(2));
    Ok(())
}

fn mount_session(
    request: &MountRequest,
    fs: &FileSystem,
    runtime: &Runtime,
    invalidations: &Invalidations,
    mountpoint: &Path,
) -> Result<Session> {
    let plan = MountPlan {
        mountpoint: mountpoint.to_owned(),
        account: request.account.name.clone(),
        read_only: request.options.read_only,
        no_exec: request.options.no_exec,
        allow_other: request.options.allow_other,
        deadline: request.options.timeout + CALL_MARGIN,
    };
    Session::mount(fs.clone(), &plan, runtime.handle().clone(), invalidations)
}

/// What was remembered of one service must never be taken for another one's. Answers which service this is.
fn check_identity(store: &Store, request: &MountRequest) -> Result<String> {
    let identity = format!("{} {}", request.account.service, request.account.url);
    match store.fact(IDENTITY)? {
        None => Ok(identity),
        Some(known) if known == identity => Ok(identity),
        Some(known) => {
            let state_dir = request.places.state_dir.display();
            let detail = format!(
                "{state_dir} belongs to {known}, not to {identity}; name the account otherwise, or remove that directory if nothing unsent is in it"
            );
            fail(ErrorKind::Invalid, detail)
        }
    }
}

/// "Not modified" is said of another selection than the one that an earlier mount showed. Answers what this one shows.
fn expire_other_listings(store: &Store, options: &MountOptions) -> Result<String> {
    let shown = if options.attachments { "attachments too" } else { "files" };
    if store.fact(SHOWN)?.is_some_and(|before| before != shown) {
        store.write(vec![Write::ExpireListings]);
    }
    Ok(shown.to_owned())
}

/// An account that was mounted before shows its tree at once and signs in behind; the first time, a person wants to
/// know at once whether the credentials are right.
async fn sign_in(provider: &Arc<dyn Provider>, store: &Arc<Store>, fs: &FileSystem, timeout: Duration) -> Result<()> {
    if let Some(user) = store.fact(USER)? {
        fs.set_user(Some(user).filter(|user| !user.is_empty()));
        return Ok(());
    }
    let deadline = timeout + provider.sign_in_patience().unwrap_or_default();
    match tokio::time::timeout(deadline, provider.sign_in()).await {
        Ok(Ok(info)) => {
            remember(&info, store, fs);
            Ok(())
        }
        Ok(Err(e)) => Err(e),
        Err(_) => Err(Error::new(ErrorKind::TimedOut, "the service did not answer the sign-in in time")),
    }
}

fn remember(info: &AccountInfo, store: &Store, fs: &FileSystem) {
    fs.set_user(info.user.clone());
    store.write(vec![Write::PutFact(USER, info.user.clone().unwrap_or_default())]);
}

fn remove_socket(path: &Path) {
    if let Err(e) = std::fs::remove_file(path) {
        log::debug!("{}: {e}", path.display());
    }
}
