//! Exact request forms and the reading of answers, against a stub on loopback.

mod changing;
mod listing;
mod reading;
mod signing_in;
mod uploading;

use std::collections::BTreeMap;
use std::sync::Mutex;

use futures::StreamExt;
use serde_json::{Value, json};

use super::*;
use crate::config::Config;
use crate::http::stub::{Answer, Received, Stub};
use crate::provider::confirm::{find_out, list_all};

const TOKEN: &str = "head.e30.signature-0123456789";
const TASK: &str = "11111111-1111-1111-1111-111111111111";
const DMS: &str = "/api/v2/clients/5/dms";
const UPDATE: &str = "POST /api/v2/clients/5/dms/projects/7/documents/8";

/// A service whose lists can be changed while it runs. What no list answers is left to a closure.
#[derive(Clone, Default)]
struct Lists(Arc<Mutex<BTreeMap<&'static str, Value>>>);

impl Lists {
    fn set(&self, list: &'static str, value: Value) {
        self.0.lock().unwrap().insert(list, value);
    }

    fn answer(&self, received: &Received) -> Option<Answer> {
        let list = match received.line().as_str() {
            "POST /api/v1/login" => return Some(Answer::json(200, json!({ "token": TOKEN }))),
            "GET /api/v2/clients/5" => return Some(Answer::json(200, json!({ "id": 5, "name": "Acme" }))),
            "GET /api/v2/clients/5/projects" => "projects",
            "GET /api/v2/clients/5/dms/documents" => "documents",
            "GET /api/v2/clients/5/dms/folders" => "folders",
            "GET /api/v2/clients/5/projects/7/tasks" => "tasks",
            _ => return None,
        };
        self.0.lock().unwrap().get(list).map(|value| Answer::json(200, value.clone()))
    }
}

struct Fixture {
    stub: Stub,
    lists: Lists,
    provider: Rillsoft,
    dir: tempfile::TempDir,
}

impl Fixture {
    /// One project 7 with main folder 1, folder 17 and document 8 in it.
    async fn new(api: impl Fn(&Received, &Lists) -> Answer + Send + Sync + 'static) -> Fixture {
        Fixture::with("", api).await
    }

    async fn with(settings: &str, api: impl Fn(&Received, &Lists) -> Answer + Send + Sync + 'static) -> Fixture {
        let lists = Lists::default();
        lists.set("projects", json!([{ "id": 7, "uuid": "project-uuid", "name": "Bridge" }]));
        lists.set("folders", json!([folder(1, "Main", None), folder(17, "Plans", Some(1))]));
        lists.set("documents", json!([document(8, 17, "plan.txt", 5)]));
        lists.set("tasks", json!([{ "uuid": TASK, "name": "Paint", "parentUuid": "project-uuid" }]));
        let known = lists.clone();
        let stub = Stub::start(move |received| known.answer(received).unwrap_or_else(|| api(received, &known))).await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, settings, dir.path()).unwrap();
        Fixture { stub, lists, provider, dir }
    }

    /// What was asked, without the logins.
    fn lines(&self) -> Vec<String> {
        self.stub.lines().into_iter().filter(|line| !line.ends_with("/login")).collect()
    }

    /// The last request that was no reading.
    fn sent(&self) -> Received {
        self.stub.received().into_iter().rfind(|received| received.method != "GET").unwrap()
    }

    fn content(&self, bytes: &[u8]) -> Content {
        let path = self.dir.path().join("content");
        std::fs::write(&path, bytes).unwrap();
        Content::new(path, bytes.len() as u64)
    }

    fn item(&self, name: &str, bytes: &[u8]) -> AttachItem {
        AttachItem {
            name: name.into(),
            staged: StagedAsset::none(),
            content: self.content(bytes),
            description: None,
            hidden_like: None,
        }
    }

    async fn create(&self, name: &str, bytes: &[u8]) -> Result<Created> {
        self.provider.attach(&plans(), &[self.item(name, bytes)]).await?.remove(0)
    }
}

fn folder(id: u64, name: &str, parent: Option<u64>) -> Value {
    json!({ "id": id, "name": name, "parentId": parent })
}

fn document(id: u64, folder: u64, name: &str, size: u64) -> Value {
    json!({ "id": id, "projectId": 7, "folderId": folder, "parentUuid": TASK, "name": name, "fileSize": size,
            "createdAt": "2024-05-06T07:08:00Z", "createdUserName": "ada" })
}

fn plans() -> RemoteId {
    Place::Folder { project: 7, folder: 17 }.remote_id()
}

fn plan() -> Located {
    let id = Place::Document { project: 7, document: 8 }.remote_id();
    Located { id, parent: plans(), name: "plan.txt".into(), kind: EntryKind::File }
}

fn open(url: &str, settings: &str, dir: &std::path::Path) -> Result<Rillsoft> {
    let text = format!(
        "[accounts.acme]\nservice = \"rillsoft\"\nurl = \"{url}\"\nclient_id = 5\nusername = \"ada\"\n\
         password = \"love lace\"\n{settings}"
    );
    let config = Config::parse(&text, &dir.join("config.toml"), dir, true).unwrap();
    let options = ServiceOptions {
        attachments: false,
        timeout: Duration::from_secs(5),
        state_dir: dir.into(),
        instruments: Default::default(),
    };
    Rillsoft::open(&config.account("acme").unwrap(), &options)
}

/// The parts of a form: the head of each and its value, in order.
fn parts(received: &Received) -> Vec<(String, String)> {
    let content_type = received.header("content-type").unwrap();
    let boundary = content_type.strip_prefix("multipart/form-data; boundary=").expect("a form");
    let body = String::from_utf8(received.body.clone()).unwrap();
    let pieces: Vec<&str> = body.split(&format!("--{boundary}")).collect();
    let inner = &pieces[1..pieces.len() - 1];
    let split = inner.iter().map(|piece| piece.trim_start_matches("\r\n").split_once("\r\n\r\n").unwrap());
    split.map(|(head, value)| (head.to_owned(), value.strip_suffix("\r\n").unwrap().to_owned())).collect()
}

fn text_part(name: &str, value: &str) -> (String, String) {
    (format!("Content-Disposition: form-data; name=\"{name}\""), value.to_owned())
}

fn refuse(_: &Received, _: &Lists) -> Answer {
    Answer::status(404)
}

#[test]
fn wrong_settings_are_said() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, word) in [
        ("method_override = \"DELETE\"", "method_override"),
        ("path.login = \"\"", "path.login"),
        ("path.folders = \"/x/{project_id}\"", "path.folders"),
        ("path.tasks = \"x\"", "path.tasks"),
        ("path.uploads = \"/x\"", "path.uploads"),
        ("parent.x = \"u\"", "parent.x"),
        ("main_folder = \"one\"", "main_folder"),
    ] {
        let error = open("https://ris.example", settings, dir.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.to_string().contains(word), "{error}");
    }
}
