//! Exact request forms and the reading of answers, against a stub on loopback.

mod account;
mod changing;
mod following;
mod reading;

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::http::stub::{Answer, Received, Stub};
use crate::provider::Validator;
use crate::provider::confirm::list_all;

const CONTACT: &str = "contact = \"admin@example.org\"\n";
const BASIC: &str = "username = \"ann\"\npassword = \"s3cret\"\n";

/// A service whose API is the closure; paths are those below the base address.
struct Fixture {
    stub: Stub,
    provider: Basecamp,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new(api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        Fixture::with("", api).await
    }

    async fn with(settings: &str, api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        let stub = Stub::start(move |received| {
            let mut received = received.clone();
            received.target = received.target.strip_prefix("/1111/api/v1").expect("the API's address").to_owned();
            api(&received)
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, &format!("{CONTACT}{BASIC}{settings}"), dir.path()).unwrap();
        Fixture { stub, provider, dir }
    }

    /// Method and target of each request, below the base address.
    fn lines(&self) -> Vec<String> {
        self.stub.lines().into_iter().map(|line| line.replace("/1111/api/v1", "")).collect()
    }

    fn content(&self, bytes: &[u8]) -> Content {
        let path = self.dir.path().join("content");
        std::fs::write(&path, bytes).unwrap();
        Content::new(path, bytes.len() as u64)
    }

    async fn item(&self, name: &str, bytes: &[u8]) -> AttachItem {
        let content = self.content(bytes);
        let staged = self.provider.stage(&project(7), name, &content).await.unwrap();
        AttachItem { name: name.into(), staged, content, description: None, hidden_like: None }
    }

    async fn parts(&self, dir: &RemoteId, known: Option<Validator>) -> Vec<ListPart> {
        let request = ListRequest { known, max_age: Duration::ZERO };
        self.provider.list(dir, request).map(Result::unwrap).collect().await
    }

    async fn validator(&self, dir: &RemoteId) -> Option<Validator> {
        match self.parts(dir, None).await.remove(0) {
            ListPart::Entries { validator, .. } => validator,
            ListPart::Unchanged => panic!("nothing was known"),
        }
    }
}

fn open(url: &str, settings: &str, dir: &Path) -> Result<Basecamp> {
    let text = format!("[accounts.acme]\nservice = \"basecamp\"\nurl = \"{url}/1111/api/v1\"\n{settings}");
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: settings.contains("attachments = true"),
        timeout: Duration::from_secs(5),
        state_dir: dir.join("state"),
        instruments: Default::default(),
    };
    Basecamp::open(&config.account("acme").unwrap(), &options)
}

fn project(id: u64) -> RemoteId {
    Place::Project(id).remote_id()
}

fn file(upload: u64, name: &str) -> Located {
    let id = Place::File { project: 7, upload }.remote_id();
    Located { id, parent: project(7), name: name.into(), kind: EntryKind::File }
}

fn target(upload: u64, size: u64) -> ReadTarget {
    ReadTarget { id: file(upload, "").id, revision: None, old: false, size: Some(size) }
}

fn project_json(count: u64, updated: &str) -> Value {
    json!({ "id": 7, "name": "Work", "attachments": { "count": count, "updated_at": updated } })
}

/// As in a list: attachment 1000 + `upload`, 5 bytes.
fn listed(upload: u64, name: &str) -> Value {
    json!({
        "id": 1000 + upload, "key": format!("key{upload}"), "name": name, "byte_size": 5, "private": false,
        "content_type": "text/plain", "created_at": "2020-01-01T10:00:00.000-05:00", "trashed": false,
        "url": format!("/1111/api/v1/projects/7/attachments/{}/key{upload}/original/{name}", 1000 + upload),
        "creator": { "id": 73, "name": "Ann" }, "attachable": { "id": upload, "type": "Upload" },
    })
}

/// As alone: the attachment within has no id.
fn upload_json(upload: u64, name: &str, size: u64) -> Value {
    let mut attachment = listed(upload, name);
    let fields = attachment.as_object_mut().unwrap();
    fields.retain(|key, _| !["id", "attachable", "private", "trashed"].contains(&key.as_str()));
    attachment["byte_size"] = size.into();
    json!({ "id": upload, "content": "", "trashed": false, "private": false, "attachments": [attachment] })
}

/// One page of attachments with these numbers.
fn page(uploads: impl IntoIterator<Item = u64>) -> Answer {
    let items: Vec<Value> = uploads.into_iter().map(|n| listed(n, &format!("f{n}.txt"))).collect();
    Answer::json(200, Value::from(items))
}

#[tokio::test]
async fn a_thousand_files_cost_one_request_and_twenty_pages() {
    let fixture = Fixture::new(|received| match received.target.as_str() {
        "/projects/7.json" => Answer::json(200, project_json(1000, "2020-01-01T10:00:00-05:00")),
        "/projects/7/attachments.json?sort=oldest" => page(1..=50),
        other => {
            let number = other.strip_prefix("/projects/7/attachments.json?sort=oldest&page=").expect(other);
            let number: u64 = number.parse().unwrap();
            page(number * 50 - 49..=number * 50)
        }
    })
    .await;
    let entries = list_all(&fixture.provider, &project(7)).await.unwrap();
    assert_eq!((entries.len(), fixture.lines().len()), (1000, 21));
    assert_eq!((entries[999].id.as_str(), entries[999].name.as_str()), ("file:7/1000", "f1000.txt"));
}

#[tokio::test]
async fn an_empty_project_costs_one_request() {
    let fixture = Fixture::new(|_| Answer::json(200, project_json(0, "2020-01-01T10:00:00-05:00"))).await;
    assert!(list_all(&fixture.provider, &project(7)).await.unwrap().is_empty());
    assert_eq!(fixture.lines(), ["GET /projects/7.json"]);
}

#[tokio::test]
async fn projects_are_never_asked_for_by_page() {
    let fixture = Fixture::new(|_| {
        let project = |id: u64| json!({ "id": id, "name": format!("P{id}"), "archived": id == 3 });
        Answer::json(200, (1..=50).chain(50..=50).map(project).collect())
    })
    .await;
    let entries = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap();
    assert_eq!(entries.len(), 49, "each once, without the archived one");
    assert_eq!(fixture.lines(), ["GET /projects.json"]);
}

#[tokio::test]
async fn every_request_says_who_asks() {
    let fixture = Fixture::new(|_| Answer::json(200, json!([]))).await;
    fixture.provider.sign_in().await.unwrap();
    let received = fixture.stub.received().remove(0);
    let agent = concat!("collabfs/", env!("CARGO_PKG_VERSION"), " (admin@example.org)");
    assert_eq!(received.header("user-agent"), Some(agent));
    assert_eq!(received.header("authorization"), Some("Basic YW5uOnMzY3JldA=="));
    assert_eq!(received.header("content-type"), None);
}

#[tokio::test]
async fn the_listing_after_signing_in_is_spared_once() {
    let fixture = Fixture::new(|_| Answer::json(200, json!([{ "id": 1, "name": "P" }]))).await;
    fixture.provider.sign_in().await.unwrap();
    let root = fixture.provider.root().id;
    let recent = ListRequest { known: None, max_age: Duration::from_secs(30) };
    for requests in [1, 2] {
        let parts: Vec<_> = fixture.provider.list(&root, recent.clone()).collect().await;
        assert!(matches!(&parts[..], [Ok(ListPart::Entries { entries, .. })] if entries.len() == 1));
        assert_eq!(fixture.lines().len(), requests);
    }
}

#[tokio::test]
async fn an_unchanged_project_costs_one_conditional_request() {
    let fixture = Fixture::new(|received| match (received.path(), received.header("if-none-match")) {
        ("/projects/7.json", Some("W/\"a\"")) => Answer::status(304),
        ("/projects/7.json", None) => {
            Answer::json(200, project_json(1, "2020-01-01T10:00:00-05:00")).header("ETag", "W/\"a\"")
        }
        _ => page([1]),
    })
    .await;
    let known = fixture.validator(&project(7)).await;
    assert!(matches!(fixture.parts(&project(7), known).await[..], [ListPart::Unchanged]));
    assert_eq!(fixture.lines()[2..], ["GET /projects/7.json"]);
}

#[tokio::test]
async fn a_project_changed_elsewhere_keeps_its_files_unread() {
    let fixture = Fixture::new(|received| match received.path() {
        // A new tag each time, as when only a message was written.
        "/projects/7.json" => {
            Answer::json(200, project_json(1, "2020-01-01T10:00:00-05:00")).header("Last-Modified", "x")
        }
        _ => page([1]),
    })
    .await;
    let known = fixture.validator(&project(7)).await;
    assert!(matches!(fixture.parts(&project(7), known).await[..], [ListPart::Unchanged]));
    assert_eq!(fixture.stub.received()[2].header("if-modified-since"), Some("x"));
}

#[tokio::test]
async fn what_changed_in_this_very_second_is_not_taken_as_settled() {
    let fixture = Fixture::new(|received| match received.path() {
        "/projects/7.json" => Answer::json(200, project_json(1, "2020-01-01T10:00:00Z"))
            .header("ETag", "\"a\"")
            .header("Date", "Wed, 01 Jan 2020 10:00:01 GMT"),
        _ => page([1]),
    })
    .await;
    assert_eq!(fixture.validator(&project(7)).await, None);
}

#[tokio::test]
async fn a_list_that_shifts_while_it_is_read_is_read_again() {
    let (asked, seen) = (std::sync::atomic::AtomicU64::new(0), std::sync::atomic::Ordering::SeqCst);
    let fixture = Fixture::new(move |received| match received.target.as_str() {
        "/projects/7.json" => Answer::json(200, project_json(51, "2020-01-01T10:00:00-05:00")),
        "/projects/7/attachments.json?sort=oldest" => page(1..=50),
        // The first time, a removal has moved the last one to the page before.
        "/projects/7/attachments.json?sort=oldest&page=2" if asked.fetch_add(1, seen) == 0 => page([]),
        "/projects/7/attachments.json?sort=oldest&page=2" => page([51]),
        _ => page([]),
    })
    .await;
    assert_eq!(list_all(&fixture.provider, &project(7)).await.unwrap().len(), 51);
    assert_eq!(fixture.lines().iter().filter(|line| *line == "GET /projects/7.json").count(), 2);
}

#[tokio::test]
async fn a_list_whose_pages_repeat_ends() {
    let fixture = Fixture::new(|received| match received.path() {
        "/projects/7.json" => Answer::json(200, json!({ "id": 7, "name": "Work" })),
        _ => page(1..=50),
    })
    .await;
    assert_eq!(list_all(&fixture.provider, &project(7)).await.unwrap().len(), 50);
    assert_eq!(fixture.lines().len(), 3);
}

#[tokio::test]
async fn only_files_that_hang_on_uploads_and_have_content_are_shown() {
    let api = |received: &Received| match received.path() {
        "/projects/7.json" => Answer::json(200, project_json(5, "2020-01-01T10:00:00-05:00")),
        _ => {
            let mut all: Vec<Value> = (1..=5).map(|n| listed(n, &format!("f{n}.txt"))).collect();
            all[1]["attachable"]["type"] = "Message".into();
            all[2]["trashed"] = true.into();
            all[3].as_object_mut().unwrap().remove("url");
            all[4]["attachable"]["type"] = "CalendarEvent".into();
            Answer::json(200, all.into())
        }
    };
    let names = |entries: Vec<Entry>| entries.into_iter().map(|entry| entry.name).collect::<Vec<_>>();
    let plain = Fixture::new(api).await;
    assert_eq!(names(list_all(&plain.provider, &project(7)).await.unwrap()), ["f1.txt"]);

    let fixture = Fixture::with("attachments = true\n", api).await;
    let entries = list_all(&fixture.provider, &project(7)).await.unwrap();
    let messages = entries[1].clone();
    assert_eq!(names(entries), ["f1.txt", "@messages", "@to-dos", "@comments"]);
    let recent = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let parts: Vec<_> = fixture.provider.list(&messages.id, recent).collect().await;
    let [Ok(ListPart::Entries { entries, .. })] = &parts[..] else { panic!("one part") };
    assert_eq!((entries[0].id.as_str(), entries[0].offers), ("attachment:7/1002", Operations::of(&[Operation::Read])));
    assert_eq!(fixture.lines().len(), 2, "all of it stands in one list");
    assert_eq!((messages.offers, entries.len()), (Operations::NONE, 1));
}

#[tokio::test]
async fn a_file_whose_name_could_not_be_given_again_takes_no_new_content() {
    let fixture = Fixture::new(|received| match received.path() {
        "/projects/7.json" => Answer::json(200, project_json(2, "2020-01-01T10:00:00-05:00")),
        _ => Answer::json(200, json!([listed(1, "README"), listed(2, "a.txt")])),
    })
    .await;
    let entries = list_all(&fixture.provider, &project(7)).await.unwrap();
    let can: HashSet<_> = entries.iter().map(|e| (e.name.as_str(), e.offers.has(Operation::Revise))).collect();
    assert_eq!(can, HashSet::from([("README", false), ("a.txt", true)]));
}

#[tokio::test]
async fn refusals_have_their_meaning() {
    let answers = [
        (401, ErrorKind::SignedOut),
        (403, ErrorKind::Denied),
        (404, ErrorKind::NotFound),
        (415, ErrorKind::Bug),
        (400, ErrorKind::Bug),
    ];
    for (status, kind) in answers {
        let fixture = Fixture::new(move |_| Answer::json(status, json!({ "error": "no" }))).await;
        assert_eq!(fixture.provider.stat(&project(7)).await.unwrap_err().kind(), kind, "{status}");
    }
    let fixture = Fixture::new(|_| Answer::status(507)).await;
    let error = fixture.provider.make_dir(&fixture.provider.root().id, "P").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Quota);
}
