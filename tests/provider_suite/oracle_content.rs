//! Oracle Content: the suite, and what is particular about it.

use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::confirm::list_all;
use collabfs::provider::{ByteRange, EntryKind, Provider};

use crate::bench::{Bench, Registered, open, read, read_whole, target};

const ORACLE_CONTENT: Registered = Registered::demo("oracle-content", &[], "");

crate::behaves_like_a_provider!(ORACLE_CONTENT);

/// The demo's account, with another way to sign in.
fn account(bench: &Bench, way: &str) -> String {
    let own = bench.server.account_toml();
    let kept = own.lines().filter(|line| !line.starts_with("username") && !line.starts_with("password"));
    let kept: Vec<_> = kept.filter(|line| way.is_empty() || !line.starts_with("api")).collect();
    format!("{}\n{way}\n", kept.join("\n"))
}

fn another(bench: &Bench, way: &str) -> Arc<dyn Provider> {
    open(&bench.server, &account(bench, way), bench.dir.path(), Duration::from_secs(10))
}

#[tokio::test]
async fn a_new_file_never_becomes_a_revision_of_somebody_elses() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    bench.web_file("plan.txt", "theirs").await;
    for name in ["plan.txt", "Plan.TXT"] {
        assert_eq!(bench.create(name, b"ours").await.unwrap_err().kind(), ErrorKind::Exists);
    }
    assert_eq!((bench.revisions("plan.txt"), bench.list().await.len()), (1, 1));
}

#[tokio::test]
async fn a_new_directory_is_never_a_numbered_one() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    bench.web.create_folder(&bench.path("Dir")).unwrap();
    for name in ["Dir", "dir"] {
        assert_eq!(bench.provider.make_dir(&bench.work, name).await.unwrap_err().kind(), ErrorKind::Exists);
    }
    assert_eq!(bench.list().await.len(), 1);
}

#[tokio::test]
async fn a_file_renamed_on_the_web_keeps_its_new_name_through_a_revision() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let entry = bench.web_file("a.txt", "old").await;
    let known = bench.located(&entry);
    bench.web.rename(&bench.path("a.txt"), "b.txt").unwrap();
    bench.provider.stat(&entry.id).await.unwrap();
    bench.provider.revise(&known, entry.revision.as_ref(), &bench.content(b"new")).await.unwrap();
    let now = bench.entry("b.txt").await;
    assert_eq!((now.id, bench.list().await.len()), (entry.id, 1));
}

#[tokio::test]
async fn only_the_case_of_a_name_is_changed() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let entry = bench.web_file("plan.txt", "x").await;
    bench.provider.relocate(&bench.located(&entry), &bench.work, "Plan.txt").await.unwrap();
    assert_eq!(bench.entry("Plan.txt").await.id, entry.id);
}

#[tokio::test]
async fn a_move_with_a_new_name_finds_a_way_around_taken_names() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    bench.web.create_folder(&bench.path("dir")).unwrap();
    let entry = bench.web_file("a.txt", "ours").await;
    bench.web.create_file(&bench.path("b.txt"), "theirs").unwrap();
    bench.web.create_file(&bench.path("dir/a.txt"), "theirs").unwrap();
    let dir = bench.entry("dir").await;
    bench.provider.relocate(&bench.located(&entry), &dir.id, "b.txt").await.unwrap();
    let snapshot = bench.snapshot();
    let files = snapshot.files();
    assert_eq!(files, ["Work/b.txt", "Work/dir/a.txt", "Work/dir/b.txt"]);
    let moved = list_all(&*bench.provider, &dir.id).await.unwrap().into_iter().find(|e| e.name == "b.txt").unwrap();
    assert_eq!(read_whole(&*bench.provider, &moved).await, b"ours");
    let located = collabfs::provider::Located { parent: dir.id.clone(), ..bench.located(&moved) };
    let taken = bench.provider.relocate(&located, &bench.work, "b.txt").await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Exists);
    assert_eq!(bench.snapshot().files(), files, "and leaves everything where it was");
}

#[tokio::test]
async fn a_block_of_an_opened_version_stays_readable_while_others_save() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let entry = bench.web_file("a.txt", "hello").await;
    bench.web.revise(&bench.path("a.txt"), "HELLO").unwrap();
    let part = ByteRange { start: 1, end: Some(3) };
    assert_eq!(read(&*bench.provider, &target(&entry), part).await.unwrap(), (1, b"el".to_vec()));
}

#[tokio::test]
async fn a_file_with_versions_is_removed_by_one_call() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    for name in ["a.txt", "b.txt"] {
        bench.web_file(name, "one").await;
        bench.web.revise(&bench.path(name), "two").unwrap();
    }
    let (first, second) = (bench.entry("a.txt").await, bench.entry("b.txt").await);
    bench.server.requests().clear();
    bench.provider.delete(&bench.located(&first)).await.unwrap();
    bench.provider.delete(&bench.located(&second)).await.unwrap();
    let count = |kind| bench.server.requests().count(kind);
    assert_eq!((count("delete"), count("list")), (2, 1), "looked after once");
    assert!(bench.list().await.is_empty());
}

#[tokio::test]
async fn a_file_is_reserved_against_others_and_given_back() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let entry = bench.web_file("a.txt", "x").await;
    bench.provider.reserve(&bench.located(&entry), true).await.unwrap();
    assert_eq!(bench.entry("a.txt").await.reserved_by, None, "by ourselves");
    assert!(bench.snapshot().get(&bench.path("a.txt")).unwrap().locked_by.is_some());
    bench.provider.reserve(&bench.located(&entry), false).await.unwrap();
    bench.web.lock(&bench.path("a.txt")).unwrap();
    assert_eq!(bench.entry("a.txt").await.reserved_by.as_deref(), Some("grace@example.org"));
    let error = bench.provider.reserve(&bench.located(&entry), true).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Locked);
}

#[tokio::test]
async fn a_copy_is_made_on_the_service() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let entry = bench.web_file("a.txt", "hello").await;
    let below = bench.provider.make_dir(&bench.work, "below").await.unwrap();
    let created = bench.provider.copy(&bench.located(&entry), &below.id, "a.txt").await.unwrap();
    let copy = bench.provider.stat(&created.id).await.unwrap();
    assert_eq!(read_whole(&*bench.provider, &copy).await, b"hello");
    let taken = bench.provider.copy(&bench.located(&entry), &below.id, "a.txt").await.unwrap_err();
    assert_eq!(taken.kind(), ErrorKind::Exists);
    // Another name would take two calls.
    let renamed = bench.provider.copy(&bench.located(&entry), &below.id, "b.txt").await.unwrap_err();
    assert_eq!(renamed.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn metadata_values_go_with_uploads_and_are_shown() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let settings = "[accounts.acme.metadata]\ncollection = \"Archive\"\nretention = \"ten years\"\n";
    let account = format!("{}{settings}", bench.server.account_toml());
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    let item = bench.stage("a.txt", b"x").await.unwrap();
    provider.attach(&bench.work, &[item]).await.unwrap().remove(0).unwrap();
    let entry = bench.entry("a.txt").await;
    assert_eq!(entry.attributes["metadata.Archive.retention"], "ten years");
}

#[tokio::test]
async fn the_home_folder_takes_folders_and_files() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let root = bench.provider.root().id;
    bench.provider.make_dir(&root, "Second").await.unwrap();
    let item = bench.stage("loose.txt", b"x").await.unwrap();
    bench.provider.attach(&root, &[item]).await.unwrap().remove(0).unwrap();
    let mut listed = list_all(&*bench.provider, &root).await.unwrap();
    listed.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = listed.iter().map(|e| (e.name.as_str(), e.kind)).collect();
    let directory = EntryKind::Directory;
    assert_eq!(told, [("Second", directory), ("Work", directory), ("loose.txt", EntryKind::File)]);
}

#[tokio::test]
async fn version_1_1_works_with_a_password_and_whole_files() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let account = bench.server.account_toml().replace("api = \"1.2\"", "api = \"1.1\"");
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    assert_eq!(provider.sign_in().await.unwrap().user.as_deref(), Some("demo@example.org"));
    let entry = bench.web_file("a.txt", "hello").await;
    bench.server.requests().clear();
    let part = ByteRange { start: 1, end: Some(3) };
    assert_eq!(read(&*provider, &target(&entry), part).await.unwrap(), (0, b"hello".to_vec()));
    provider.revise(&bench.located(&entry), entry.revision.as_ref(), &bench.content(b"new")).await.unwrap();
    assert_eq!((bench.server.requests().total(), bench.revisions("a.txt")), (2, 2));
}

#[tokio::test]
async fn a_device_code_leads_to_refresh_tokens_that_last() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let way = "grant = \"device\"";
    another(&bench, way).sign_in().await.unwrap();
    bench.server.requests().clear();
    for _ in 0..3 {
        list_all(&*another(&bench, way), &bench.work).await.unwrap();
    }
    let count = |kind| bench.server.requests().count(kind);
    assert_eq!((count("token"), count("sign-in")), (3, 0), "one refresh token after another, nobody asked");
}

#[tokio::test]
async fn a_browser_signs_in_over_loopback() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let way = "grant = \"code\"";
    let provider = another(&bench, way);
    let marker = bench.server.url().to_owned();
    let browser = tokio::spawn(async move {
        let address = loop {
            match logged_address(&marker) {
                Some(address) => break address,
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        // Follows the redirect to the listener, as a browser does.
        collabfs::http::Client::new(collabfs::http::ClientSettings::new(&marker, Duration::from_secs(10)).unwrap())
            .unwrap()
            .send_following(&collabfs::http::Request::get("browser", address))
            .await
            .unwrap()
            .text()
    });
    log_for_us();
    provider.sign_in().await.unwrap();
    assert!(browser.await.unwrap().contains("Signed in"));
    bench.server.requests().clear();
    another(&bench, way).sign_in().await.unwrap();
    assert_eq!(bench.server.requests().count("sign-in"), 0);
}

#[tokio::test]
async fn a_sign_in_that_died_asks_the_person_again() {
    let bench = Bench::new(&ORACLE_CONTENT).await;
    let way = "grant = \"device\"";
    another(&bench, way).sign_in().await.unwrap();
    let file = bench.server.data_dir().join("oracle-content-sign-in.json");
    let kept = std::fs::read_to_string(&file).unwrap();
    list_all(&*another(&bench, way), &bench.work).await.unwrap();
    // An old backup of the state brings a token back that was used already.
    std::fs::write(&file, kept).unwrap();
    let provider = another(&bench, way);
    let error = list_all(&*provider, &bench.work).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    bench.server.requests().clear();
    provider.sign_in().await.unwrap();
    assert_eq!(bench.server.requests().count("sign-in"), 1);
    list_all(&*provider, &bench.work).await.unwrap();
}

/// The log's lines, where a person finds the address to open.
struct Lines(Mutex<Vec<String>>);

fn lines() -> &'static Lines {
    static LINES: OnceLock<Lines> = OnceLock::new();
    LINES.get_or_init(|| Lines(Mutex::default()))
}

fn log_for_us() {
    // Another test may have been first.
    let _ = log::set_logger(lines());
    log::set_max_level(log::LevelFilter::Warn);
}

fn logged_address(url: &str) -> Option<String> {
    let lines = lines().0.lock().unwrap();
    let start = format!("{url}/oauth2/v1/authorize?");
    lines.iter().find_map(|line| line.find(&start).map(|at| line[at..].trim().to_owned()))
}

impl log::Log for Lines {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        self.0.lock().unwrap().push(record.args().to_string());
    }

    fn flush(&self) {}
}
