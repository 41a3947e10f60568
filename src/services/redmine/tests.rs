//! Exact request forms and the reading of answers, against a stub on loopback.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::*;
use crate::config::Config;
use crate::error::ErrorKind;
use crate::http::stub::{Answer, Received, Stub};
use crate::provider::confirm::{find_out, list_all};

mod changes;
mod lists;
mod uploads;

const KEY: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";

/// A mounted service whose API is a table of answers, by method and target. Who we are and which projects there are is
/// answered by itself unless the table says otherwise.
struct Fixture {
    stub: Stub,
    provider: Redmine,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new(answers: Vec<(&'static str, Answer)>) -> Fixture {
        let answers: HashMap<_, _> = answers.into_iter().collect();
        Fixture::with(move |received| answers.get(received.line().as_str()).cloned()).await
    }

    async fn with(api: impl Fn(&Received) -> Option<Answer> + Send + Sync + 'static) -> Fixture {
        let usual = move |received: &Received| {
            api(received).unwrap_or_else(|| match received.line().as_str() {
                "GET /users/current.json?include=memberships" => me(json!({ "admin": true })),
                "GET /projects.json?include=enabled_modules&status=1%7C5&limit=100" => projects(json!([harbour()])),
                other => panic!("nothing is to be asked by {other}"),
            })
        };
        let stub = Stub::start(usual).await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, "", dir.path()).unwrap();
        Fixture { stub, provider, dir }
    }

    /// What was asked, without who we are and which projects there are.
    fn lines(&self) -> Vec<String> {
        let usual = |line: &String| line.contains("/users/current.json") || line.contains(" /projects.json");
        self.stub.lines().into_iter().filter(|line| !usual(line)).collect()
    }

    fn last_with(&self, method: &str) -> Received {
        self.stub.received().into_iter().rfind(|received| received.method == method).unwrap()
    }

    fn content(&self, bytes: &[u8]) -> Content {
        let path = self.dir.path().join("content");
        std::fs::write(&path, bytes).unwrap();
        Content::new(path, bytes.len() as u64)
    }

    fn item(&self, name: &str, token: &str) -> AttachItem {
        let staged = StagedAsset { token: Some(token.into()), expires: None, name: None };
        AttachItem { name: name.into(), staged, content: self.content(b"x"), description: None, hidden_like: None }
    }

    fn file(&self, id: u64, name: &str, parent: Place) -> Located {
        Located {
            id: Place::File(id).remote_id(),
            parent: parent.remote_id(),
            name: name.into(),
            kind: EntryKind::File,
        }
    }
}

fn open(url: &str, settings: &str, dir: &std::path::Path) -> Result<Redmine> {
    let text = format!("[accounts.acme]\nservice = \"redmine\"\nurl = \"{url}\"\napi_key = \"{KEY}\"\n{settings}");
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: true,
        timeout: Duration::from_secs(5),
        state_dir: dir.into(),
        instruments: Default::default(),
    };
    Redmine::open(&config.account("acme").unwrap(), &options)
}

fn me(facts: Value) -> Answer {
    let mut user = json!({ "id": 5, "login": "sam", "admin": false });
    user.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    Answer::json(200, json!({ "user": user }))
}

fn projects(list: Value) -> Answer {
    let total = list.as_array().unwrap().len();
    Answer::json(200, json!({ "projects": list, "total_count": total, "offset": 0, "limit": 100 }))
}

fn harbour() -> Value {
    let modules = ["files", "issue_tracking", "wiki", "news"].map(|name| json!({ "id": 1, "name": name }));
    json!({ "id": 1, "name": "Harbour", "identifier": "harbour", "status": 1, "enabled_modules": modules })
}

fn versions(list: Value) -> Answer {
    let total = list.as_array().unwrap().len();
    Answer::json(200, json!({ "versions": list, "total_count": total }))
}

fn files(list: Value) -> Answer {
    Answer::json(200, json!({ "files": list }))
}

fn file(id: u64, name: &str, bytes: &[u8]) -> Value {
    json!({ "id": id, "filename": name, "filesize": bytes.len(), "digest": sha256(bytes), "description": "",
            "created_on": "2026-11-22T01:00:23Z", "downloads": 0 })
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn uploaded(id: u64, bytes: &[u8]) -> Answer {
    Answer::json(201, json!({ "upload": { "id": id, "token": format!("{id}.{}", sha256(bytes)) } }))
}

fn listed(entries: &[Entry]) -> Vec<(&str, &str)> {
    entries.iter().map(|entry| (entry.name.as_str(), entry.id.as_str())).collect()
}

#[tokio::test]
async fn the_account_needs_an_address_and_a_key_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    assert!(open("http://127.0.0.1:1", "", dir.path()).is_ok());
    assert!(open("http://127.0.0.1:1", "contact = \"x\"", dir.path()).is_err());
}

#[tokio::test]
async fn signing_in_asks_who_we_are_with_the_key_in_its_header() {
    let fixture = Fixture::new(vec![]).await;
    assert_eq!(fixture.provider.sign_in().await.unwrap().user.as_deref(), Some("sam"));
    let request = fixture.stub.received().pop().unwrap();
    assert_eq!(request.line(), "GET /users/current.json?include=memberships");
    assert_eq!(request.header("x-redmine-api-key"), Some(KEY));
    assert_eq!(request.header("authorization"), None);
}

#[tokio::test]
async fn a_refused_key_and_an_api_that_is_switched_off_are_told_apart() {
    let who = "GET /users/current.json?include=memberships";
    for (status, kind) in [(401, ErrorKind::SignedOut), (403, ErrorKind::Denied)] {
        let fixture = Fixture::new(vec![(who, Answer::status(status))]).await;
        let error = fixture.provider.sign_in().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(!error.to_string().contains(KEY));
    }
}

#[tokio::test]
async fn projects_that_vanish_are_believed_only_with_a_key_that_is_good() {
    let seen = std::sync::atomic::AtomicUsize::new(0);
    let fixture = Fixture::with(move |received| match received.path() {
        "/projects.json" if seen.fetch_add(1, Ordering::Relaxed) > 0 => Some(projects(json!([]))),
        "/users/current.json" if seen.load(Ordering::Relaxed) > 1 => Some(Answer::status(401)),
        _ => None,
    })
    .await;
    let root = fixture.provider.root().id;
    assert_eq!(list_all(&fixture.provider, &root).await.unwrap().len(), 1);
    let error = list_all(&fixture.provider, &root).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
}

#[tokio::test]
async fn a_file_is_downloaded_whole_by_its_number() {
    let target = |size| ReadTarget { id: Place::File(7).remote_id(), revision: None, old: false, size: Some(size) };
    let answer = Answer::bytes(200, b"hello");
    let fixture = Fixture::new(vec![("GET /attachments/download/7.json", answer)]).await;
    let range = ByteRange { start: 2, end: Some(3) };
    let download = fixture.provider.read(&target(5), range).await.unwrap();
    assert_eq!((download.start, download.total), (0, Some(5)));
    assert_eq!(fixture.stub.received()[0].header("range"), None);
    assert_eq!(fixture.provider.read(&target(6), range).await.err().unwrap().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_redirect_to_the_login_page_is_no_content() {
    let login = Answer::status(302).header("Location", "/login?back_url=x");
    let fixture = Fixture::new(vec![("GET /attachments/download/7.json", login)]).await;
    let target = ReadTarget { id: Place::File(7).remote_id(), revision: None, old: false, size: None };
    assert!(fixture.provider.read(&target, ByteRange::WHOLE).await.is_err());
    assert_eq!(fixture.lines().len(), 1);
}
