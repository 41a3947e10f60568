//! Exact request forms and the reading of answers, against a stub on loopback.

mod changing;
mod reading;
mod signing_in;
mod uploading;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::http::stub::{Answer, Received, Stub};
use crate::provider::Operation;

/// An API made of a closure, and a provider before it with a fixed token.
struct Fixture {
    stub: Stub,
    provider: OracleContent,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new(api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        Fixture::with("token = 'fixed-token-1'", api).await
    }

    /// In the settings, `URL` stands for the stub's address.
    async fn with(settings: &str, api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        let stub = Stub::start(api).await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, settings, dir.path()).unwrap();
        Fixture { stub, provider, dir }
    }

    /// What was asked, without the API's base path.
    fn lines(&self) -> Vec<String> {
        self.stub.lines().into_iter().map(|line| line.replace("/documents/api/1.2", "")).collect()
    }

    fn last(&self) -> Received {
        self.stub.received().pop().unwrap()
    }

    fn content(&self, bytes: &[u8]) -> Content {
        let path = self.dir.path().join("content");
        std::fs::write(&path, bytes).unwrap();
        Content::new(path, bytes.len() as u64)
    }

    async fn create(&self, name: &str) -> Result<Created> {
        let item = AttachItem {
            name: name.into(),
            staged: StagedAsset::none(),
            content: self.content(b"a;b"),
            description: None,
            hidden_like: None,
        };
        self.provider.attach(&folder_id("F1"), &[item]).await?.remove(0)
    }
}

fn open(url: &str, settings: &str, dir: &std::path::Path) -> Result<OracleContent> {
    let settings = settings.replace("URL", url);
    let text = format!("[accounts.acme]\nservice = \"oracle-content\"\nurl = \"{url}\"\n{settings}");
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: false,
        timeout: Duration::from_secs(5),
        state_dir: dir.into(),
        instruments: Default::default(),
    };
    OracleContent::open(&config.account("acme").unwrap(), &options)
}

fn folder_id(id: &str) -> RemoteId {
    Place::folder(id).remote_id()
}

fn file_id(id: &str) -> RemoteId {
    Place::file(id).remote_id()
}

fn located(id: RemoteId, parent: &str, name: &str) -> Located {
    let kind = if id.kind() == "file" { EntryKind::File } else { EntryKind::Directory };
    Located { id, parent: folder_id(parent), name: name.into(), kind }
}

fn file(id: &str, name: &str, version: u64) -> Value {
    json!({ "id": id, "name": name, "type": "file", "parentID": "F1", "size": "3", "version": version.to_string(),
            "modifiedTime": "2025-05-04T10:11:12Z", "errorCode": "0", "errorMessage": "Successfully checked in" })
}

fn folder(id: &str, name: &str) -> Value {
    json!({ "id": id, "name": name, "type": "folder", "parentID": "F1", "errorCode": "0",
            "ownedBy": { "id": "UME", "displayName": "User Me", "type": "user" } })
}

fn page(items: Vec<Value>, has_more: bool, total: usize) -> Answer {
    let count = items.len().to_string();
    let more = if has_more { "1" } else { "0" };
    ok(json!({ "items": items, "count": count, "hasMore": more, "totalResults": total.to_string(), "errorCode": "0" }))
}

fn ok(body: Value) -> Answer {
    Answer::json(200, body)
}

fn done() -> Answer {
    ok(json!({ "errorCode": "0" }))
}

/// The refusal that the page Upload File Version shows in its fourth example.
fn no_rights() -> Answer {
    let text =
        "Content item 'example2.txt' was not successfully checked in. User 'User BB' has insufficient privilege.";
    let body = json!({ "errorCode": "-20", "errorKey": "!csUnableToCheckIn,example2.txt", "errorMessage": text,
                       "errorType": "file", "title": text });
    Answer::json(403, body).header("x-oracle-dms-ecid", "ecid-77")
}

#[test]
fn the_address_may_name_host_api_or_version() {
    let dir = tempfile::tempdir().unwrap();
    let base = |url: &str, settings: &str| {
        let provider = open(url, &format!("token = 't'\n{settings}"), dir.path())?;
        Ok::<_, crate::error::Error>(provider.client.base().path().to_owned())
    };
    for url in ["https://x.example", "https://x.example/", "https://x.example/documents/api"] {
        assert_eq!(base(url, "").unwrap(), "/documents/api/1.2", "{url}");
        assert_eq!(base(url, "api = '1.1'").unwrap(), "/documents/api/1.1", "{url}");
    }
    assert_eq!(base("https://x.example/documents/api/1.1", "").unwrap(), "/documents/api/1.1");
    assert_eq!(base("https://x.example", "api = '1.3'").unwrap_err().kind(), ErrorKind::Invalid);
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, word) in [
        ("", "no way to sign in"),
        ("grant = 'device'", "identity_url"),
        ("grant = 'magic'", "grant must be"),
        ("grant = 'refresh'\nidentity_url = 'https://i.example'\nclient_id = 'c'", "refresh_token"),
        ("username = 'u'\npassword = 'p'", "identity_url"),
        ("token = 't'\nlink_code = 'x'", "link"),
        ("token = 't'\napplink = 'x'", "access_token"),
        ("token = 't'\naccess_token = 'x'", "applink"),
        ("token = 't'\npasword = 'x'", "pasword"),
        ("token = 't'\n[accounts.acme.metadata]\nfieldA = 'x'", "collection"),
    ] {
        let error = open("https://x.example", settings, dir.path()).err().expect(settings);
        assert_eq!(error.kind(), ErrorKind::Invalid, "{settings}");
        assert!(error.detail().contains(word), "{settings}: {error}");
    }
}

#[tokio::test]
async fn a_failure_that_comes_with_200_is_a_failure() {
    let fixture = Fixture::new(|_| ok(json!({ "errorCode": "-42", "errorMessage": "no such thing" }))).await;
    let error = fixture.provider.stat(&file_id("D1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Server);
    assert!(!error.is_temporary() && error.detail().contains("no such thing (errorCode -42)"), "{error}");
}

#[tokio::test]
async fn a_refusal_says_what_the_service_said_and_its_trace_id() {
    let fixture = Fixture::new(|_| no_rights()).await;
    let error = fixture.provider.stat(&folder_id("F1")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    for part in ["403", "insufficient privilege", "errorCode -20", "ecid-77"] {
        assert!(error.detail().contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_refusal_for_space_is_a_quota() {
    let full = json!({ "errorCode": "-16", "errorMessage": "The quota of the user is exceeded." });
    let fixture = Fixture::new(move |_| Answer::json(403, full.clone())).await;
    assert_eq!(fixture.create("a.txt").await.unwrap_err().kind(), ErrorKind::Quota);
}

#[tokio::test]
async fn a_call_that_does_not_exist_is_not_tried_again() {
    let fixture = Fixture::new(|_| Answer::status(405)).await;
    for _ in 0..2 {
        let error = fixture.provider.make_dir(&folder_id("F1"), "d").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert_eq!(fixture.lines().len(), 1);
    assert!(!fixture.provider.capabilities().operations.has(Operation::MakeDir));
    assert!(!fixture.provider.root().offers.has(Operation::MakeDir));
}
