//! A provider before a demo service of its own, and short words for what statements do with it.

use std::future::Future;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use collabfs::config::Config;
use collabfs::demo::{DemoOptions, DemoServer, Snapshot, WebUser};
use collabfs::error::Result;
use collabfs::ids::RemoteId;
use collabfs::provider::confirm::list_all;
use collabfs::provider::{
    AttachItem, ByteRange, Capabilities, Content, Created, Entry, Located, Operation, Operations, Provider, ReadTarget,
};
use collabfs::services::registry::{self, ServiceOptions};
use futures::StreamExt;

use crate::redmine_server::{MANAGER, RealRedmine};

/// A statement that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(60);

/// A service in this suite.
pub struct Registered {
    pub service: &'static str,
    /// A server that we did not write, instead of the demo service.
    real: bool,
    /// Folders to be made in a new project to have a directory that takes files: none where a project itself does.
    work_folders: &'static [&'static str],
    /// Lines for the account beyond what the demo service says.
    settings: &'static str,
}

impl Registered {
    pub const fn demo(
        service: &'static str,
        work_folders: &'static [&'static str],
        settings: &'static str,
    ) -> Registered {
        Registered { service, real: false, work_folders, settings }
    }

    pub const fn real(service: &'static str, work_folders: &'static [&'static str]) -> Registered {
        Registered { service, real: true, work_folders, settings: "" }
    }
}

/// The demo service of a bench. Statements for real servers do not ask for it.
pub struct Demo(Option<DemoServer>);

impl Deref for Demo {
    type Target = DemoServer;

    fn deref(&self) -> &DemoServer {
        self.0.as_ref().expect("this statement is about the demo service")
    }
}

impl Demo {
    pub async fn stop(self) {
        if let Some(server) = self.0 {
            server.stop().await.unwrap();
        }
    }
}

/// Somebody else who works on the service.
pub enum Web {
    Demo(WebUser),
    Real(RealRedmine),
}

/// What only people of the demo service can do.
impl Deref for Web {
    type Target = WebUser;

    fn deref(&self) -> &WebUser {
        match self {
            Web::Demo(web) => web,
            Web::Real(_) => panic!("this statement is about the demo service"),
        }
    }
}

impl Web {
    pub fn create_project(&self, name: &str) -> Result<()> {
        match self {
            Web::Demo(web) => web.create_project(name).map(drop),
            Web::Real(server) => waited_for(server.create_project(name)),
        }
    }

    pub fn create_folder(&self, path: &str) -> Result<()> {
        match self {
            Web::Demo(web) => web.create_folder(path).map(drop),
            Web::Real(server) => waited_for(server.create_folder(path)),
        }
    }

    pub fn create_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        match self {
            Web::Demo(web) => web.create_file(path, bytes).map(drop),
            Web::Real(server) => waited_for(server.create_file(path, bytes.into())),
        }
    }

    /// The name that the service gives to a file that a person names so.
    fn stored_name(&self, name: &str) -> String {
        match self {
            Web::Demo(_) => name.to_owned(),
            Web::Real(_) => RealRedmine::stored_name(name),
        }
    }

    pub fn revise(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<()> {
        match self {
            Web::Demo(web) => web.revise(path, bytes).map(drop),
            Web::Real(server) => waited_for(server.revise(path, bytes.into())),
        }
    }

    pub fn delete(&self, path: &str) -> Result<()> {
        match self {
            Web::Demo(web) => web.delete(path).map(drop),
            Web::Real(server) => waited_for(server.delete(path)),
        }
    }
}

fn waited_for<T>(work: impl Future<Output = T>) -> T {
    tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(work))
}

pub struct Bench {
    pub server: Demo,
    pub provider: Arc<dyn Provider>,
    pub web: Web,
    /// A directory that takes files, and its path on the service.
    pub work: RemoteId,
    work_offers: Operations,
    pub work_path: String,
    pub dir: tempfile::TempDir,
}

pub async fn within_deadline(statement: impl Future<Output = ()>) {
    tokio::time::timeout(DEADLINE, statement).await.expect("the statement hangs");
}

impl Bench {
    pub async fn new(registered: &Registered) -> Bench {
        Bench::with(registered, |_| {}).await
    }

    pub async fn with(registered: &Registered, change: impl FnOnce(&mut DemoOptions)) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        if registered.real {
            let server = RealRedmine::new(MANAGER).await;
            let account = server.account_toml(&server.url);
            let provider = open_at(dir.path(), &account, dir.path(), Duration::from_secs(30));
            return Bench::at_work(registered, Demo(None), provider, Web::Real(server), dir).await;
        }
        let mut options = DemoOptions { seed_samples: false, ..DemoOptions::new(registered.service) };
        change(&mut options);
        let server = DemoServer::start(options).await.unwrap();
        let account = format!("{}{}", server.account_toml(), registered.settings);
        let provider = open(&server, &account, dir.path(), Duration::from_secs(30));
        let web = Web::Demo(server.web_user("grace@example.org"));
        Bench::at_work(registered, Demo(Some(server)), provider, web, dir).await
    }

    async fn at_work(
        registered: &Registered,
        server: Demo,
        provider: Arc<dyn Provider>,
        web: Web,
        dir: tempfile::TempDir,
    ) -> Bench {
        web.create_project("Work").unwrap();
        let mut work_path = "Work".to_owned();
        for folder in registered.work_folders {
            work_path = format!("{work_path}/{folder}");
            web.create_folder(&work_path).unwrap();
        }
        let mut work = provider.root().id;
        let mut work_offers = Operations::NONE;
        for name in work_path.split('/') {
            let found = list_all(&*provider, &work).await.unwrap().into_iter().find(|entry| entry.name == name);
            let found = found.expect("the work directory");
            (work, work_offers) = (found.id, found.offers);
        }
        server.0.iter().for_each(|demo| demo.requests().clear());
        Bench { server, provider, web, work, work_offers, work_path, dir }
    }

    /// The same service by another provider whose operations end after so long.
    pub fn impatient(&self, timeout: Duration) -> Arc<dyn Provider> {
        open(&self.server, &self.server.account_toml(), self.dir.path(), timeout)
    }

    /// Whether the service can do it at all, and in the work directory.
    pub fn can(&self, operation: Operation) -> bool {
        let here = operation != Operation::MakeDir || self.work_offers.has(Operation::MakeDir);
        here && self.provider.capabilities().operations.has(operation)
    }

    pub fn capabilities(&self) -> Capabilities {
        self.provider.capabilities()
    }

    pub fn snapshot(&self) -> Snapshot {
        self.server.snapshot().unwrap()
    }

    pub fn path(&self, name: &str) -> String {
        format!("{}/{name}", self.work_path)
    }

    pub async fn list(&self) -> Vec<Entry> {
        list_all(&*self.provider, &self.work).await.unwrap()
    }

    pub async fn entry(&self, name: &str) -> Entry {
        let found = self.list().await.into_iter().find(|entry| entry.name == name);
        found.unwrap_or_else(|| panic!("{name} is not listed"))
    }

    /// A file that a web user made, as it is listed.
    pub async fn web_file(&self, name: &str, bytes: impl Into<Vec<u8>>) -> Entry {
        self.web.create_file(&self.path(name), bytes).unwrap();
        self.entry(&self.web.stored_name(name)).await
    }

    pub fn content(&self, bytes: &[u8]) -> Content {
        content_in(self.dir.path(), bytes)
    }

    pub async fn stage(&self, name: &str, bytes: &[u8]) -> Result<AttachItem> {
        let content = self.content(bytes);
        let staged = self.provider.stage(&self.work, name, &content).await?;
        Ok(AttachItem { name: name.to_owned(), staged, content, description: None, hidden_like: None })
    }

    /// Both steps of creating a file.
    pub async fn create(&self, name: &str, bytes: &[u8]) -> Result<Created> {
        let item = self.stage(name, bytes).await?;
        self.provider.attach(&self.work, &[item]).await?.remove(0)
    }

    pub fn located(&self, entry: &Entry) -> Located {
        Located { id: entry.id.clone(), parent: self.work.clone(), name: entry.name.clone(), kind: entry.kind }
    }

    /// How many entries of this name the service has in the work directory.
    pub fn count(&self, name: &str) -> usize {
        match &self.web {
            Web::Demo(_) => self.snapshot().all(&self.path(name)).len(),
            Web::Real(server) => waited_for(server.files(&self.path(name))).unwrap().len(),
        }
    }

    /// The media type that the service has of a file.
    pub fn media_type(&self, name: &str) -> String {
        match &self.web {
            Web::Demo(_) => self.snapshot().get(&self.path(name)).unwrap().mime.clone(),
            Web::Real(server) => {
                let files = waited_for(server.files(&self.path(name))).unwrap();
                files[0]["content_type"].as_str().unwrap_or_default().to_owned()
            }
        }
    }

    /// Requests that the demo service counted since the bench was ready, or since its log was cleared.
    pub fn requests_counted(&self) -> Option<u64> {
        self.server.0.as_ref().map(|demo| demo.requests().total())
    }

    pub fn revisions(&self, name: &str) -> usize {
        self.snapshot().get(&self.path(name)).map_or(0, |entry| entry.revisions.len())
    }

    pub fn fault(&self, rule: &str) {
        self.server.faults().add_text(rule).unwrap();
    }
}

pub fn open(server: &DemoServer, account: &str, dir: &Path, timeout: Duration) -> Arc<dyn Provider> {
    open_at(server.data_dir(), account, dir, timeout)
}

/// `state_dir`: where the provider keeps what it must not forget.
fn open_at(state_dir: &Path, account: &str, dir: &Path, timeout: Duration) -> Arc<dyn Provider> {
    let text = format!("[accounts.acme]\n{account}");
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: account.contains("attachments = true"),
        timeout,
        state_dir: state_dir.to_owned(),
        instruments: Default::default(),
    };
    registry::open(&config.account("acme").unwrap(), &options).unwrap()
}

pub fn content_in(dir: &Path, bytes: &[u8]) -> Content {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let path = dir.join(format!("content-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
    std::fs::write(&path, bytes).unwrap();
    Content::new(path, bytes.len() as u64)
}

pub fn target(entry: &Entry) -> ReadTarget {
    ReadTarget { id: entry.id.clone(), revision: entry.revision.clone(), old: false, size: entry.size }
}

/// Reads and gives offset and bytes; the first error ends it.
pub async fn read(provider: &dyn Provider, target: &ReadTarget, range: ByteRange) -> Result<(u64, Vec<u8>)> {
    let mut download = provider.read(target, range).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok((download.start, bytes))
}

pub async fn read_whole(provider: &dyn Provider, entry: &Entry) -> Vec<u8> {
    read(provider, &target(entry), ByteRange::WHOLE).await.unwrap().1
}

/// Bytes without repetition at any distance that matters.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect()
}
