//! The file system under test beside a plain tree that says how it must look.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use collabfs::clock::SystemClock;
use collabfs::config::MountOptions;
use collabfs::content::Cache;
use collabfs::error::{ErrorKind, Result};
use collabfs::fs::*;
use collabfs::ids::Ino;
use collabfs::provider::Operations;
use collabfs::store::Store;

use crate::service::FakeService;

const CALLER: Caller = Caller { uid: 0, gid: 0, pid: 1 };
const DEADLINE: Duration = Duration::from_secs(8);

/// How the tree must look: path to content; `None` is a directory.
#[derive(Debug, Clone, Default)]
pub struct Plain {
    entries: BTreeMap<String, Option<Vec<u8>>>,
}

impl Plain {
    pub fn iter(&self) -> impl Iterator<Item = (&String, &Option<Vec<u8>>)> {
        self.entries.iter()
    }

    pub fn contains(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    pub fn is_dir(&self, path: &str) -> bool {
        self.entries.get(path).is_some_and(Option::is_none)
    }

    pub fn has_children(&self, dir: &str) -> bool {
        let below = format!("{dir}/");
        self.entries.keys().any(|p| p.starts_with(&below))
    }

    /// A file's content; of what is none, nothing.
    pub fn content(&self, path: &str) -> Vec<u8> {
        self.entries.get(path).cloned().flatten().unwrap_or_default()
    }

    /// What never leaves this machine.
    pub fn local(&self) -> Plain {
        let stays = |path: &&String| path.ends_with('~') || path.contains(".goutputstream");
        let entries = self.entries.iter().filter(|(path, _)| stays(path));
        Plain { entries: entries.map(|(path, content)| (path.clone(), content.clone())).collect() }
    }

    /// Answers what was there before.
    pub fn insert(&mut self, path: &str, content: Option<Vec<u8>>) -> Option<Option<Vec<u8>>> {
        self.entries.insert(path.to_owned(), content)
    }

    pub fn remove(&mut self, path: &str) {
        self.entries.remove(path);
    }

    /// With all that is below.
    pub fn relocate(&mut self, from: &str, to: &str) {
        let below = format!("{from}/");
        let moved: Vec<String> = self.entries.keys().filter(|p| *p == from || p.starts_with(&below)).cloned().collect();
        for path in moved {
            if let Some(content) = self.entries.remove(&path) {
                self.entries.insert(format!("{to}{}", &path[from.len()..]), content);
            }
        }
    }
}

pub struct World {
    pub service: FakeService,
    pub fs: FileSystem,
    store: Arc<Store>,
    running: tokio::task::JoinHandle<()>,
    dir: PathBuf,
    starts: u32,
    /// Errors that are nobody's fault here.
    pub excused: Vec<ErrorKind>,
    /// Nobody else works on the service.
    pub alone: bool,
}

impl World {
    pub fn new(dir: &std::path::Path, service: FakeService) -> World {
        let (fs, store, running) = start(dir, &service, 0);
        let mut excused = Vec::new();
        if service.shape.operations != Operations::ALL {
            // What is being sent and cannot be taken back is waited for, but not for ever.
            excused.extend([ErrorKind::Unsupported, ErrorKind::CrossDevice, ErrorKind::TimedOut]);
        }
        if !service.shape.case_sensitive {
            excused.push(ErrorKind::Exists);
        }
        World { service, fs, store, running, dir: dir.to_owned(), starts: 0, excused, alone: true }
    }

    pub fn may_refuse(&self, why: ErrorKind) -> bool {
        self.excused.contains(&why)
    }

    /// What was done so far is meant: the first step of a save is not taken back after a crash.
    pub async fn mean_it(&self) {
        self.fs.hurry(true);
        self.fs.hurry(false);
        self.store.write_durable(Vec::new()).wait().await.unwrap();
    }

    /// The process ends without a warning and starts again: what it left on the disk is taken over by the next one,
    /// and whatever it still does reaches neither the service nor anything somebody looks at.
    pub async fn crash(&mut self) {
        self.running.abort();
        self.service = self.service.reconnected();
        let left = state_dir(&self.dir, self.starts);
        self.starts += 1;
        let taken = state_dir(&self.dir, self.starts);
        std::fs::create_dir_all(taken.join("spool")).unwrap();
        // The database at one moment, and every spool file that was there at that moment.
        keep_files(&left.join("spool"), &taken.join("spool"));
        let database = rusqlite::Connection::open(left.join("collabfs.sqlite")).unwrap();
        let target = taken.join("collabfs.sqlite");
        database.execute("VACUUM INTO ?1", [target.to_str().unwrap()]).unwrap();
        keep_files(&left.join("spool"), &taken.join("spool"));
        (self.fs, self.store, self.running) = start(&self.dir, &self.service, self.starts);
    }

    pub async fn at(&self, path: &str) -> Result<Ino> {
        let mut ino = Ino::ROOT;
        for name in path.split('/').filter(|n| !n.is_empty()) {
            match self.fs.lookup(ino, OsStr::new(name)).await? {
                Lookup::Found(attributes) => ino = attributes.ino,
                Lookup::Absent => return collabfs::error::fail(ErrorKind::NotFound, path.to_owned()),
            }
        }
        Ok(ino)
    }

    async fn place<'a>(&self, path: &'a str) -> Result<(Ino, &'a OsStr)> {
        let (dir, name) = path.rsplit_once('/').unwrap_or(("", path));
        Ok((self.at(dir).await?, OsStr::new(name)))
    }

    pub async fn create(&self, path: &str, content: &[u8]) -> Result<()> {
        let (dir, name) = self.place(path).await?;
        let mode = OpenMode { read: true, write: true, truncate: true, ..OpenMode::default() };
        let (_, opened) = self.fs.create(dir, name, 0o644, mode, CALLER).await?;
        // As a shell does: the first close comes before the first byte.
        self.fs.flush(opened.handle).await?;
        self.fs.write(opened.handle, 0, bytes::Bytes::copy_from_slice(content)).await?;
        let closed = self.fs.flush(opened.handle).await;
        self.fs.release(opened.handle).await;
        closed
    }

    pub async fn append(&self, path: &str, content: &[u8]) -> Result<()> {
        let ino = self.at(path).await?;
        let opened = self.fs.open(ino, OpenMode { write: true, append: true, ..OpenMode::default() }).await?;
        let size = self.fs.attributes(ino, Some(opened.handle)).await?.size_bytes;
        self.fs.write(opened.handle, size, bytes::Bytes::copy_from_slice(content)).await?;
        let closed = self.fs.flush(opened.handle).await;
        self.fs.release(opened.handle).await;
        closed
    }

    pub async fn read(&self, path: &str) -> Result<Vec<u8>> {
        let ino = self.at(path).await?;
        let opened = self.fs.open(ino, OpenMode { read: true, ..OpenMode::default() }).await?;
        let read = self.fs.read(opened.handle, 0, 1 << 20).await;
        self.fs.release(opened.handle).await;
        Ok(read?.to_vec())
    }

    pub async fn make_dir(&self, path: &str) -> Result<()> {
        let (dir, name) = self.place(path).await?;
        self.fs.make_dir(dir, name, 0o755, CALLER).await.map(drop)
    }

    pub async fn remove_dir(&self, path: &str) -> Result<()> {
        let (dir, name) = self.place(path).await?;
        self.fs.remove_dir(dir, name).await
    }

    pub async fn unlink(&self, path: &str) -> Result<()> {
        let (dir, name) = self.place(path).await?;
        self.fs.unlink(dir, name).await
    }

    pub async fn rename(&self, from: &str, to: &str, mode: RenameMode) -> Result<()> {
        let (dir, name) = self.place(from).await?;
        let (to_dir, to_name) = self.place(to).await?;
        self.fs.rename(dir, name, to_dir, to_name, mode).await
    }

    /// Looks at every directory anew.
    pub async fn refresh_all(&self) {
        let mut dirs = vec![String::new()];
        while let Some(dir) = dirs.pop() {
            // It may be gone meanwhile.
            let _ = self.fs.refresh(&dir).await;
            let children = self.seen().await;
            let below = |path: &&String| path.rsplit_once('/').map_or("", |(parent, _)| parent) == dir;
            dirs.extend(children.iter().filter(|(p, c)| c.is_none() && below(p)).map(|(p, _)| p.clone()));
        }
    }

    /// Everything that is seen through the file system.
    pub async fn seen(&self) -> Plain {
        let mut seen = Plain::default();
        let mut dirs = vec![(Ino::ROOT, String::new())];
        while let Some((ino, path)) = dirs.pop() {
            let handle = self.fs.open_dir(ino).await.unwrap();
            for entry in self.fs.read_dir(handle, 0, 10_000).await.unwrap() {
                let path = if path.is_empty() { entry.name.clone() } else { format!("{path}/{}", entry.name) };
                if entry.attributes.kind == NodeKind::Directory {
                    assert_eq!(seen.insert(&path, None), None, "{path} is there twice");
                    dirs.push((entry.attributes.ino, path));
                } else {
                    let content = match self.read(&path).await {
                        Ok(content) => content,
                        // Shown here still, and gone there.
                        Err(error) if !self.alone && self.may_refuse(error.kind()) => continue,
                        Err(error) => panic!("{path}: {error}"),
                    };
                    let size = entry.attributes.size_bytes;
                    assert!(content.len() as u64 == size || !self.alone, "size of {path}");
                    assert_eq!(seen.insert(&path, Some(content)), None, "{path} is there twice");
                }
            }
            self.fs.release_dir(handle).await;
        }
        seen
    }

    /// Waits until everything is on the service.
    pub async fn drain(&self) {
        self.fs.hurry(true);
        let end = Instant::now() + DEADLINE;
        loop {
            let left = self.fs.changes("", 0, 100);
            if left.is_empty() {
                break;
            }
            assert!(
                Instant::now() < end,
                "left over: {left:#?}; sent: {:?}",
                self.service.act(|inside| inside.changes_made.clone())
            );
            // Backoff after a failure is not what is tested here.
            self.fs.retry(&[]);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        self.fs.hurry(false);
    }
}

/// Copies what is not there yet.
fn keep_files(from: &std::path::Path, to: &std::path::Path) {
    for file in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(file.file_name());
        if !target.exists() {
            // It may be removed at this very moment.
            let _ = std::fs::copy(file.path(), target);
        }
    }
}

fn state_dir(dir: &std::path::Path, number: u32) -> PathBuf {
    dir.join(format!("state-{number}"))
}

type Started = (FileSystem, Arc<Store>, tokio::task::JoinHandle<()>);

fn start(dir: &std::path::Path, service: &FakeService, number: u32) -> Started {
    let mut options = MountOptions::defaults(0, 0);
    options.settle = Duration::from_millis(20);
    options.tunnel = Duration::from_millis(300);
    options.timeout = Duration::from_secs(5);
    let state = state_dir(dir, number);
    std::fs::create_dir_all(&state).unwrap();
    let store = Arc::new(Store::open(&state).unwrap());
    let parts = Parts {
        provider: Arc::new(service.clone()),
        store: store.clone(),
        cache: Cache::open(&dir.join(format!("cache-{number}")), 1 << 30, options.timeout).unwrap(),
        spool_dir: &state.join("spool"),
        clock: Arc::new(SystemClock),
        options,
        // This service is never still at work on what a killed process asked for.
        grace: Duration::ZERO,
    };
    let fs = FileSystem::new(parts).unwrap();
    let running = fs.clone();
    (fs, store, tokio::spawn(async move { running.run().await }))
}
