//! Exact request forms, faults and unfinished uploads, against a stub on loopback that is API and storage host in one.

mod listing;
mod signing_in;
mod uploads;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::http::stub::{Answer, Received, Stub};

const KEY: &str = "A1b2C3d4E5f6G7h8I9j0K1";
const TOKEN: &str = "token-0123456789";
const ETAG: &str = "0123456789abcdef0123456789abcdef";

/// A mounted account at `/acme/v2` of a stub; its bucket is `/bucket` of the same stub.
struct Fixture {
    stub: Stub,
    provider: Medable,
    dir: tempfile::TempDir,
}

impl Fixture {
    /// Signed in by token; the API is the closure, which sees paths below `/acme/v2`.
    async fn new(api: impl Fn(&Received, &str) -> Answer + Send + Sync + 'static) -> Fixture {
        Fixture::with(&format!("token = \"{TOKEN}\""), api).await
    }

    async fn with(settings: &str, api: impl Fn(&Received, &str) -> Answer + Send + Sync + 'static) -> Fixture {
        let stub = Stub::start(move |received| {
            let target = received.target.strip_prefix("/acme/v2").unwrap_or(&received.target).to_owned();
            api(received, &format!("{} {}", received.method, readable(&target)))
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, settings, dir.path()).unwrap();
        Fixture { stub, provider, dir }
    }

    /// Method and decoded target of each request.
    fn lines(&self) -> Vec<String> {
        let lines = self.stub.lines().into_iter();
        lines.map(|line| readable(&line.replace("/acme/v2", ""))).collect()
    }

    fn last(&self) -> Received {
        self.stub.received().pop().unwrap()
    }

    fn content(&self, bytes: &[u8]) -> Content {
        let path = self.dir.path().join("content");
        std::fs::write(&path, bytes).unwrap();
        Content::new(path, bytes.len() as u64)
    }

    async fn attach(&self, container: &Place, name: &str, bytes: &[u8]) -> Result<Created> {
        let item = AttachItem {
            name: name.into(),
            staged: StagedAsset::none(),
            content: self.content(bytes),
            description: None,
            hidden_like: None,
        };
        self.provider.attach(&container.remote_id(), &[item]).await.unwrap().remove(0)
    }
}

fn open(url: &str, settings: &str, dir: &std::path::Path) -> Result<Medable> {
    let text =
        format!("[accounts.acme]\nservice = \"medable\"\nurl = \"{url}/acme\"\nclient_key = \"{KEY}\"\n{settings}");
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: false,
        timeout: Duration::from_secs(5),
        state_dir: dir.into(),
        instruments: Default::default(),
    };
    Medable::open(&config.account("acme").unwrap(), &options)
}

fn readable(target: &str) -> String {
    percent_encoding::percent_decode_str(&target.replace('+', " ")).decode_utf8_lossy().into_owned()
}

fn list(data: Value) -> Answer {
    Answer::json(200, json!({ "object": "list", "data": data, "hasMore": false }))
}

fn fault(status: u16, code: &str) -> Answer {
    Answer::json(status, json!({ "object": "fault", "name": "error", "code": code, "status": status }))
}

/// A File value in a state, as the property is read.
fn file_value(state: u64) -> Value {
    match state {
        2 => json!({ "name": "content", "state": 2, "ETag": ETAG, "size": 5, "mime": "text/plain" }),
        _ => json!({ "name": "content", "state": state }),
    }
}

/// The upload entry of a pending facet, with a mark that tells forms apart.
fn upload_entry(url: &str, mark: &str) -> Value {
    let field = |key: &str, value: &str| json!({ "key": key, "value": value });
    json!({
        "name": "content", "state": 0, "location": 5, "maxFileSize": 5_120_000,
        "uploadKey": "file", "uploadMethod": "post", "uploadUrl": format!("{url}/bucket"),
        "fields": [field("x-amz-date", "20150404T041333Z"), field("content-type", "image/jpeg"),
            field("key", "a/b.jpeg"), field("policy", mark)],
    })
}

fn storage_fault(status: u16, code: &str, message: &str) -> Answer {
    Answer::text(status, &format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>"))
}

fn project() -> Place {
    Place::Project("5516".into())
}

fn folder() -> Place {
    Place::Folder { project: "5516".into(), id: "5517".into() }
}

fn located(place: &Place, parent: &Place, name: &str) -> Located {
    let kind = if matches!(place, Place::File(_)) { EntryKind::File } else { EntryKind::Directory };
    Located { id: place.remote_id(), parent: parent.remote_id(), name: name.into(), kind }
}

/// Answers a `where` of one file name.
fn named(data: &Value) -> Answer {
    list(json!([data]))
}

/// Counts down: true as long as something is left.
#[derive(Clone)]
struct Times(Arc<Mutex<u32>>);

impl Times {
    fn new(times: u32) -> Times {
        Times(Arc::new(Mutex::new(times)))
    }

    fn again(&self) -> bool {
        let mut left = self.0.lock().unwrap();
        let again = *left > 0;
        *left = left.saturating_sub(1);
        again
    }
}
