//! Exact request forms and the reading of answers, against a stub on loopback.

mod changing;
mod listing;
mod reading;
mod signing_in;

use std::sync::OnceLock;
use std::time::Duration;

use futures::StreamExt;
use rsa::pkcs8::EncodePrivateKey;
use rsa::pkcs8::LineEnding;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::http::stub::{Answer, Received, Stub};
use crate::provider::confirm::list_all;

const TOKEN: &str = "token-0123456789";

fn key_pem() -> &'static str {
    static PEM: OnceLock<String> = OnceLock::new();
    PEM.get_or_init(|| {
        let key = rsa::RsaPrivateKey::new(&mut rsa::rand_core::OsRng, 1024).unwrap();
        key.to_pkcs8_pem(LineEnding::CRLF).unwrap().to_string()
    })
}

/// A mounted service whose API is the closure; tokens are given to everybody.
struct Fixture {
    stub: Stub,
    provider: ImeetCentral,
    dir: tempfile::TempDir,
}

impl Fixture {
    async fn new(api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        Fixture::with("", api).await
    }

    async fn with(settings: &str, api: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
        let stub = Stub::start(move |received| match received.path() {
            "/oauth2/token" => granted(),
            _ => api(received),
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, settings, dir.path()).unwrap();
        Fixture { stub, provider, dir }
    }

    /// What was asked, without the token requests.
    fn lines(&self) -> Vec<String> {
        self.stub.lines().into_iter().filter(|line| !line.contains("/oauth2/")).collect()
    }

    fn last(&self) -> Received {
        self.stub.received().pop().unwrap()
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
}

fn granted() -> Answer {
    Answer::json(200, json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 }))
}

fn open(url: &str, settings: &str, dir: &std::path::Path) -> Result<ImeetCentral> {
    let key_file = dir.join("key.json");
    std::fs::write(&key_file, json!({ "client_id": "c1", "private_key": key_pem() }).to_string()).unwrap();
    let text = format!(
        "[accounts.acme]\nservice = \"imeet-central\"\nurl = \"{url}\"\nkey_file = \"{}\"\n{settings}",
        key_file.display()
    );
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: settings.contains("attachments = true"),
        timeout: Duration::from_secs(5),
        state_dir: dir.into(),
        instruments: Default::default(),
    };
    ImeetCentral::open(&config.account("acme").unwrap(), &options)
}

fn id(kind: Kind, id: &str) -> RemoteId {
    Place::new(kind, id).remote_id()
}

fn located(kind: Kind, service_id: &str, parent: RemoteId, name: &str) -> Located {
    let entry_kind = if kind == Kind::File { EntryKind::File } else { EntryKind::Directory };
    Located { id: id(kind, service_id), parent, name: name.into(), kind: entry_kind }
}

fn items(objects: Value) -> Answer {
    Answer::json(200, json!({ "items": objects, "links": {} }))
}

fn file_object(id: &str, version: u64, size: u64) -> Value {
    json!({ "id": id, "details": { "fileName": format!("{id}.txt"), "version": version, "size": size } })
}

#[test]
fn names_the_service_would_refuse_are_refused_here() {
    let dir = tempfile::tempdir().unwrap();
    let provider = open("http://127.0.0.1:9", "", dir.path()).unwrap();
    for bad in ["", "a/b", "a\\b", "a\nb"] {
        assert_eq!(provider.check_name(bad, EntryKind::File).unwrap_err().kind(), ErrorKind::BadName, "{bad:?}");
    }
    let long = "ä".repeat(256);
    assert_eq!(provider.check_name(&long, EntryKind::File).unwrap_err().kind(), ErrorKind::NameTooLong);
    provider.check_name("Plän 1 (final).txt", EntryKind::File).unwrap();
}
