//! `.collabfs` over a service that counts what it is asked.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use tempfile::TempDir;

use super::*;
use crate::clock::{Millis, SystemClock};
use crate::content::Cache;
use crate::fs::{FileSystem, Lookup, OpenMode, Parts};
use crate::ids::RevisionId;
use crate::provider::*;
use crate::store::Store;

/// `docs/plan.txt` with revisions, and a trash.
#[derive(Default)]
struct Library {
    revisions: Mutex<Vec<String>>,
    trash: Mutex<Vec<Entry>>,
    lists_trash: bool,
    offline: Mutex<bool>,
    histories_asked: AtomicUsize,
    trash_asked: AtomicUsize,
    reads: Mutex<Vec<(String, bool)>>,
}

impl Library {
    fn check_online(&self) -> Result<()> {
        if *self.offline.lock().unwrap() { fail(ErrorKind::Offline, "no network") } else { Ok(()) }
    }

    fn plan(&self) -> Entry {
        let revisions = self.revisions.lock().unwrap();
        let size = revisions.last().map(|text| text.len() as u64);
        let revision = Some(RevisionId::new(revisions.len()));
        Entry { revision, ..Entry::file(RemoteId::new("file", "plan"), "plan.txt", size) }
    }
}

fn unused<T>() -> Result<T> {
    fail(ErrorKind::Unsupported, "not in this library")
}

#[async_trait]
impl Provider for Library {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "library",
            operations: Operations::ALL,
            unproven: Operations::NONE,
            ranges: true,
            staged: false,
            attach_batch_max: 1,
            revises_in_place: true,
            conditional_revise: false,
            versions: true,
            changes: false,
            case_sensitive: true,
            duplicate_names: true,
            reservations: false,
            trash_listed: self.lists_trash,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: 255,
            uploads_parallel: 1,
            requests_parallel: 1,
        }
    }

    fn check_name(&self, _: &str, _: EntryKind) -> Result<()> {
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        Ok(AccountInfo::default())
    }

    fn root(&self) -> Entry {
        Entry::directory(RemoteId::new("dir", "root"), "")
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, _: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        let entries = match dir.service_id() {
            "root" => vec![
                Entry::directory(RemoteId::new("dir", "docs"), "docs"),
                Entry::directory(RemoteId::new("dir", "odd"), ".collabfs"),
            ],
            "docs" => vec![self.plan()],
            _ => Vec::new(),
        };
        stream::iter([Ok(ListPart::Entries { entries, validator: None, age: Duration::ZERO })]).boxed()
    }

    async fn stat(&self, _: &RemoteId) -> Result<Entry> {
        Ok(self.plan())
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        let revision = target.revision.as_ref().map_or("", |r| r.as_str()).to_owned();
        self.reads.lock().unwrap().push((revision.clone(), target.old));
        let text = match revision.parse::<usize>() {
            Ok(number) => self.revisions.lock().unwrap()[number - 1].clone(),
            Err(_) => format!("trashed {}", target.id.service_id()),
        };
        let (total, bytes) = (text.len() as u64, Bytes::from(text));
        let part = bytes.slice(range.start as usize..range.end.unwrap_or(total).min(total) as usize);
        Ok(Download { start: range.start, total: Some(total), stream: stream::iter([Ok(part)]).boxed() })
    }

    async fn versions(&self, _: &RemoteId) -> Result<Vec<Version>> {
        self.histories_asked.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.check_online()?;
        let revisions = self.revisions.lock().unwrap();
        let version = |(i, text): (usize, &String)| Version {
            revision: RevisionId::new(i + 1),
            number: i as u64 + 1,
            size: Some(text.len() as u64),
            created: Some(UNIX_EPOCH + Duration::from_secs(1_000_000 + i as u64)),
            author: Some(format!("a/{i}")),
            comment: None,
        };
        Ok(revisions.iter().enumerate().map(version).collect())
    }

    async fn list_trash(&self) -> Result<Vec<Entry>> {
        self.trash_asked.fetch_add(1, Ordering::Relaxed);
        Ok(self.trash.lock().unwrap().clone())
    }

    async fn stage(&self, _: &RemoteId, _: &str, _: &Content) -> Result<StagedAsset> {
        unused()
    }

    async fn attach(&self, _: &RemoteId, _: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        unused()
    }

    async fn revise(&self, _: &Located, _: Option<&RevisionId>, _: &Content) -> Result<Revised> {
        unused()
    }

    async fn make_dir(&self, _: &RemoteId, _: &str) -> Result<Entry> {
        unused()
    }

    async fn relocate(&self, _: &Located, _: &RemoteId, _: &str) -> Result<()> {
        unused()
    }

    async fn delete(&self, _: &Located) -> Result<()> {
        unused()
    }
}

struct Fixture {
    library: Arc<Library>,
    fs: FileSystem,
    _dir: TempDir,
}

fn fixture(library: Library, ttl: Duration) -> Fixture {
    let dir = tempfile::tempdir().unwrap();
    let library = Arc::new(library);
    let fs = FileSystem::new(Parts {
        provider: library.clone(),
        store: Arc::new(Store::open(dir.path()).unwrap()),
        cache: Cache::open(&dir.path().join("cache"), 1 << 20, Duration::from_secs(5)).unwrap(),
        spool_dir: &dir.path().join("spool"),
        clock: Arc::new(SystemClock),
        options: MountOptions { ttl, timeout: Duration::from_secs(5), ..MountOptions::defaults(0, 0) },
        grace: Duration::ZERO,
    });
    Fixture { library, fs: fs.unwrap(), _dir: dir }
}

fn with_revisions(texts: &[&str]) -> Library {
    Library { revisions: Mutex::new(texts.iter().map(|t| (*t).to_owned()).collect()), ..Library::default() }
}

impl Fixture {
    async fn at(&self, path: &str) -> Result<Attributes> {
        let mut at = self.fs.attributes(Ino::ROOT, None).await?;
        for name in path.split('/') {
            match self.fs.lookup(at.ino, OsStr::new(name)).await? {
                Lookup::Found(found) => at = found,
                Lookup::Absent => return fail(ErrorKind::NotFound, path),
            }
        }
        Ok(at)
    }

    async fn names(&self, path: &str) -> Result<Vec<String>> {
        let handle = self.fs.open_dir(self.at(path).await?.ino).await?;
        // A page at a time, as the kernel does.
        let (mut names, mut offset) = (Vec::new(), 0);
        loop {
            let page = self.fs.read_dir(handle, offset, 2).await?;
            let Some(last) = page.last() else { break };
            offset = last.next_offset;
            names.extend(page.into_iter().map(|entry| entry.name));
        }
        self.fs.release_dir(handle).await;
        Ok(names)
    }

    async fn text(&self, path: &str) -> Result<String> {
        let opened = self.fs.open(self.at(path).await?.ino, OpenMode { read: true, ..OpenMode::default() }).await?;
        let bytes = self.fs.read(opened.handle, 0, 1000).await?;
        self.fs.fsync(opened.handle).await?;
        self.fs.flush(opened.handle).await?;
        self.fs.release(opened.handle).await;
        Ok(String::from_utf8(bytes.to_vec()).unwrap())
    }

    async fn fact(&self, path: &str, name: &str) -> Result<String> {
        let value = self.fs.get_attribute(self.at(path).await?.ino, OsStr::new(name)).await?;
        Ok(String::from_utf8(value).unwrap())
    }

    fn histories_asked(&self) -> usize {
        self.library.histories_asked.load(Ordering::Relaxed)
    }
}

const HISTORY_OF_PLAN: &str = ".collabfs/history/docs/plan.txt";
const LONG: Duration = Duration::from_secs(600);

#[tokio::test]
async fn a_file_is_a_directory_of_its_revisions() {
    let fixture = fixture(with_revisions(&["one", "second", "3rd"]), LONG);
    assert_eq!(fixture.names(".collabfs").await.unwrap(), ["status", "history"]);
    assert_eq!(fixture.names(".collabfs/history/docs").await.unwrap(), ["plan.txt"]);
    let names = fixture.names(HISTORY_OF_PLAN).await.unwrap();
    assert_eq!(names.len(), 3);
    assert!(names[1].starts_with("2 1970-01-1") && names[1].ends_with(" a\u{2215}1.txt"), "{names:?}");
    assert!(fixture.library.reads.lock().unwrap().is_empty(), "a listing fetches no content");
    for (name, text) in names.iter().zip(["one", "second", "3rd"]) {
        let path = format!("{HISTORY_OF_PLAN}/{name}");
        let attributes = fixture.at(&path).await.unwrap();
        assert_eq!((attributes.size_bytes, attributes.mode & 0o222), (text.len() as u64, 0));
        assert_eq!(fixture.text(&path).await.unwrap(), text);
        assert_eq!(fixture.text(&path).await.unwrap(), text);
    }
    let reads = fixture.library.reads.lock().unwrap().clone();
    assert_eq!(reads, [("1".into(), true), ("2".into(), true), ("3".into(), false)], "each once, the last as current");
    assert_eq!(fixture.histories_asked(), 1);
}

#[tokio::test]
async fn concurrent_askers_share_one_request() {
    let fixture = fixture(with_revisions(&["a", "b"]), Duration::ZERO);
    fixture.at(HISTORY_OF_PLAN).await.unwrap();
    let all = futures::future::join_all((0..20).map(|_| fixture.names(HISTORY_OF_PLAN))).await;
    assert!(all.iter().all(|names| names.as_ref().unwrap().len() == 2));
    assert_eq!(fixture.histories_asked(), 1);
}

#[tokio::test]
async fn an_old_list_is_better_than_none() {
    let fixture = fixture(with_revisions(&["a", "b"]), Duration::ZERO);
    assert_eq!(fixture.names(HISTORY_OF_PLAN).await.unwrap().len(), 2);
    *fixture.library.offline.lock().unwrap() = true;
    assert_eq!(fixture.names(HISTORY_OF_PLAN).await.unwrap().len(), 2);
    assert_eq!(fixture.histories_asked(), 2);
}

#[tokio::test]
async fn a_revision_keeps_its_number_and_tells_its_facts() {
    let fixture = fixture(with_revisions(&["a", "b"]), LONG);
    let names = fixture.names(HISTORY_OF_PLAN).await.unwrap();
    let path = format!("{HISTORY_OF_PLAN}/{}", names[0]);
    let first = fixture.at(&path).await.unwrap();
    assert!(is_hidden(first.ino));
    assert_eq!(first.modified, UNIX_EPOCH + Duration::from_secs(1_000_000));
    assert_eq!(fixture.at(&path).await.unwrap().ino, first.ino);
    assert_eq!(fixture.fact(&path, "user.collabfs.revision").await.unwrap(), "1");
    assert_eq!(fixture.fact(&path, "user.collabfs.author").await.unwrap(), "a/0");
    assert_eq!(fixture.fact(HISTORY_OF_PLAN, "user.collabfs.id").await.unwrap(), "plan");
    let parents = [fixture.fs.parent_of(first.ino).await.unwrap(), fixture.at(HISTORY_OF_PLAN).await.unwrap().ino];
    assert_eq!(parents[0], parents[1]);
}

#[tokio::test]
async fn a_forgotten_number_is_stale_and_its_name_finds_it_again() {
    let fixture = fixture(with_revisions(&["a"]), LONG);
    let names = fixture.names(HISTORY_OF_PLAN).await.unwrap();
    let path = format!("{HISTORY_OF_PLAN}/{}", names[0]);
    let ino = fixture.at(&path).await.unwrap().ino;
    fixture.fs.inner.hidden.leaves.lock().unwrap().clear();
    assert_eq!(fixture.fs.attributes(ino, None).await.unwrap_err().kind(), ErrorKind::Stale);
    assert_eq!(fixture.at(&path).await.unwrap().ino, ino);
    let nothing = fixture.fs.attributes(Ino(FIRST + 77), None).await.unwrap_err();
    assert_eq!(nothing.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn nothing_can_be_changed() {
    let fixture = fixture(with_revisions(&["a"]), LONG);
    let names = fixture.names(HISTORY_OF_PLAN).await.unwrap();
    let file = fixture.at(&format!("{HISTORY_OF_PLAN}/{}", names[0])).await.unwrap().ino;
    let dir = fixture.at(HISTORY_OF_PLAN).await.unwrap().ino;
    let caller = crate::fs::Caller { uid: 0, gid: 0, pid: 1 };
    let write = OpenMode { write: true, ..OpenMode::default() };
    let name = OsStr::new("x");
    let refused = [
        fixture.fs.open(file, write).await.map(drop),
        fixture.fs.create(dir, name, 0o644, write, caller).await.map(drop),
        fixture.fs.make_dir(dir, name, 0o755, caller).await.map(drop),
        fixture.fs.unlink(dir, OsStr::new(&names[0])).await,
        fixture.fs.remove_dir(Ino::ROOT, OsStr::new(HIDDEN_NAME)).await,
        fixture.fs.rename(dir, OsStr::new(&names[0]), Ino::ROOT, name, crate::fs::RenameMode::Replace).await,
        fixture.fs.rename(Ino::ROOT, OsStr::new("docs"), dir, name, crate::fs::RenameMode::Replace).await,
        fixture.fs.set_attributes(file, None, Default::default()).await.map(drop),
        fixture.fs.set_attribute(file, OsStr::new("user.x"), b"1", false, false).await,
    ];
    for (i, result) in refused.into_iter().enumerate() {
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Unsupported, "attempt {i}");
    }
}

#[tokio::test]
async fn an_entry_that_is_really_called_so_is_shown_under_a_number() {
    let fixture = fixture(with_revisions(&["a"]), LONG);
    let handle = fixture.fs.open_dir(Ino::ROOT).await.unwrap();
    let shown = fixture.fs.read_dir(handle, 0, 100).await.unwrap();
    let names: Vec<&str> = shown.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, [".collabfs~2", "docs"]);
}

#[tokio::test]
async fn the_trash_is_shown_where_the_service_lists_it() {
    let file = |id: &str| Entry::file(RemoteId::new("file", id), "gone.txt", Some(9));
    let unreadable = Entry { offers: Operations::NONE, ..file("c") };
    let folder = Entry::directory(RemoteId::new("dir", "d"), "folder");
    let trash = Mutex::new(vec![file("a"), file("b"), unreadable, folder]);
    let fixture = fixture(Library { trash, lists_trash: true, ..with_revisions(&["a"]) }, LONG);
    let names: BTreeSet<String> = fixture.names(".collabfs/trash").await.unwrap().into_iter().collect();
    let expected = ["folder", "gone.txt", "gone~2.txt", "gone~3.txt"];
    assert_eq!(names, expected.into_iter().map(str::to_owned).collect());
    assert_eq!(fixture.text(".collabfs/trash/gone~2.txt").await.unwrap(), "trashed b");
    assert_eq!(fixture.fact(".collabfs/trash/gone~2.txt", "user.collabfs.id").await.unwrap(), "b");
    let refused = fixture.text(".collabfs/trash/gone~3.txt").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.names(".collabfs/trash/folder").await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.library.trash_asked.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn the_status_is_what_who_knows_says() {
    let fixture = fixture(with_revisions(&["a"]), LONG);
    assert_eq!(fixture.text(".collabfs/status").await.unwrap(), "online, 0 changes to be sent\n");
    fixture.fs.on_status(|| "all is well\n".to_owned());
    assert_eq!(fixture.text(".collabfs/status").await.unwrap(), "all is well\n");
    assert_eq!(fixture.at(".collabfs/status").await.unwrap().size_bytes, 12);
}

/// What is kept of histories is bounded by their revisions, not by their number.
#[tokio::test]
async fn the_histories_that_were_used_last_are_kept() {
    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Millis {
            Millis(1)
        }
    }
    let answers: Arc<Answers<u32, u32>> = Answers::new(Arc::new(Fixed), &MountOptions::defaults(0, 0), 10);
    let asked = Arc::new(AtomicUsize::new(0));
    for key in [1, 2, 3, 3, 2, 1] {
        let asked = asked.clone();
        let ask = || async move {
            asked.fetch_add(1, Ordering::Relaxed);
            Ok(vec![Arc::new(0), Arc::new(1), Arc::new(2), Arc::new(3)])
        };
        assert_eq!(answers.get(key, ask).await.unwrap().len(), 4);
    }
    assert_eq!(asked.load(Ordering::Relaxed), 4, "two lists of five fit");
}
