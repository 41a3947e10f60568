//! Starts and stops a demo service.

use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::act::WebUser;
use super::connection::{ConnectionCut, CuttableListener};
use super::dialect::Dialect;
use super::faults::FaultRules;
use super::guard::guard;
use super::options::DemoOptions;
use super::requests::RequestLog;
use super::service::Service;
use super::snapshot::Snapshot;
use super::store::{Store, create_private_dir};
use super::{control, dialects};
use crate::error::{Error, ErrorKind, Result, fail};

/// How long a stop waits for requests under way before it cuts their connections.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// A running demo service. Dropping it cuts its connections; [`DemoServer::stop`] is the orderly way.
pub struct DemoServer {
    service: Arc<Service>,
    addr: SocketAddr,
    /// Held while this server may write to its data.
    _lock: Option<File>,
    accepting: CancellationToken,
    connections: CancellationToken,
    listeners: Vec<JoinHandle<()>>,
}

impl DemoServer {
    /// Starts a service within the current tokio runtime; it answers when this returns.
    ///
    /// Errors: `Invalid` for an unknown service or an address that is not loopback (the control calls are open to
    /// everybody who can connect), or data that another server uses; `LocalIo` when the port is taken or the data cannot be read.
    pub async fn start(options: DemoOptions) -> Result<DemoServer> {
        let dialect = dialect_named(&options.service)?;
        if !options.listen.ip().is_loopback() {
            return fail(ErrorKind::Invalid, format!("{}: the demo service listens on loopback only", options.listen));
        }
        let api = bind(options.listen).await?;
        let storage = bind(SocketAddr::new(options.listen.ip(), 0)).await?;
        let (addr, storage_addr) = (api.local_addr()?, storage.local_addr()?);
        let lock = options.data_dir.as_deref().map(lock_data_dir).transpose()?;
        let open = move || {
            let service = Arc::new(new_service(dialect, &options, addr, storage_addr)?);
            let router = service.dialect.router(service.clone())?;
            Ok((service, router))
        };
        let (service, router) = blocking(open).await?;
        let mut server = DemoServer {
            service: service.clone(),
            addr,
            _lock: lock,
            accepting: CancellationToken::new(),
            connections: CancellationToken::new(),
            listeners: Vec::new(),
        };
        let router = guarded(router, &service);
        server.serve(api, router.nest("/_demo", control::router(service.clone())));
        if let Some(router) = service.dialect.storage_router(service.clone()) {
            server.serve(storage, guarded(router, &service));
        }
        Ok(server)
    }

    fn serve(&mut self, tcp: TcpListener, router: Router) {
        let listener = CuttableListener { tcp, cut_all: self.connections.clone() };
        let app = router.into_make_service_with_connect_info::<ConnectionCut>();
        let stopped = self.accepting.clone().cancelled_owned();
        self.listeners.push(tokio::spawn(async move {
            // It never fails: accepting is retried, and connections end on their own.
            let _ = axum::serve(listener, app).with_graceful_shutdown(stopped).await;
        }));
    }

    /// Base address of the API, without a trailing slash.
    pub fn url(&self) -> &str {
        &self.service.url
    }

    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Lines for `[accounts.NAME]` (without that header) that let collabfs use this service.
    pub fn account_toml(&self) -> String {
        self.service.dialect.account_toml(&self.service)
    }

    /// Whether the service played lists a file's old revisions.
    pub fn lists_revisions(&self) -> bool {
        self.service.dialect.lists_revisions()
    }

    /// The directory that holds data and credentials.
    pub fn data_dir(&self) -> &Path {
        self.service.store.dir()
    }

    pub fn faults(&self) -> &FaultRules {
        &self.service.faults
    }

    pub fn requests(&self) -> &RequestLog {
        &self.service.requests
    }

    /// The tree as a web user sees it, with the SHA-256 of every revision. Reads contents: not for the async path of
    /// a program under load.
    pub fn snapshot(&self) -> Result<Snapshot> {
        Snapshot::take(&self.service, true)
    }

    /// Somebody who works on the same projects in a browser.
    pub fn web_user(&self, name: impl Into<String>) -> WebUser {
        WebUser::new(self.service.clone(), name)
    }

    /// Makes every access token worthless, so that clients must sign in again.
    pub fn revoke_tokens(&self) {
        self.service.tokens.revoke_all();
    }

    /// Lets requests under way end, for a second at most, and makes the data durable.
    pub async fn stop(mut self) -> Result<()> {
        self.accepting.cancel();
        for mut listener in std::mem::take(&mut self.listeners) {
            if tokio::time::timeout(STOP_GRACE, &mut listener).await.is_err() {
                self.connections.cancel();
                // A connection notices at once; its handler's last answer has nowhere to go.
                let _ = tokio::time::timeout(STOP_GRACE, listener).await;
            }
        }
        let service = self.service.clone();
        blocking(move || service.store.sync()).await
    }
}

impl Drop for DemoServer {
    fn drop(&mut self) {
        self.accepting.cancel();
        self.connections.cancel();
    }
}

fn dialect_named(name: &str) -> Result<Box<dyn Dialect>> {
    let mut known = dialects();
    match known.iter().position(|dialect| dialect.name() == name) {
        Some(place) => Ok(known.swap_remove(place)),
        None => {
            let names: Vec<_> = known.iter().map(|dialect| dialect.name()).collect();
            fail(ErrorKind::Invalid, format!("no demo of service {name:?}; there are: {}", names.join(", ")))
        }
    }
}

/// Two servers on the same data would each undo what the other writes. Errors: `Invalid` when another has it.
fn lock_data_dir(dir: &Path) -> Result<File> {
    create_private_dir(dir)?;
    let lock = OpenOptions::new().create(true).append(true).open(dir.join("lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(_) => fail(ErrorKind::Invalid, format!("{}: used by another demo service", dir.display())),
    }
}

/// Work on files, off the threads that serve connections.
pub async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|e| Err(Error::new(ErrorKind::Bug, e.to_string())))
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|e| Error::new(ErrorKind::LocalIo, format!("listen on {address}: {e}")))
}

fn new_service(
    dialect: Box<dyn Dialect>,
    options: &DemoOptions,
    addr: SocketAddr,
    storage_addr: SocketAddr,
) -> Result<Service> {
    let store = Store::open(options.data_dir.as_deref())?;
    if options.seed_samples && store.is_empty() {
        dialect.seed(&store)?;
    }
    let faults = FaultRules::default();
    options.faults.iter().cloned().try_for_each(|rule| faults.add(rule))?;
    Ok(Service {
        dialect,
        store,
        behaviour: options.behaviour.clone(),
        page_size: options.page_size,
        latency: options.latency,
        url: format!("http://{addr}"),
        storage_url: format!("http://{storage_addr}"),
        tokens: Default::default(),
        tickets: Default::default(),
        faults,
        requests: RequestLog::default(),
    })
}

fn guarded(router: Router, service: &Arc<Service>) -> Router {
    router.layer(from_fn_with_state(service.clone(), guard))
}
