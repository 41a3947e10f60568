//! Exact request forms and the reading of answers, against a stub on loopback.

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
        AttachItem { name: name.into(), staged: StagedAsset::none(), content: self.content(bytes), description: None }
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

#[tokio::test]
async fn mounting_takes_five_requests_and_directories_then_none() {
    let fixture = Fixture::new(refuse).await;
    let account = fixture.provider.sign_in().await.unwrap();
    assert_eq!(account.user.as_deref(), Some("ada"));
    let mut lines = fixture.stub.lines();
    assert_eq!(lines[..2], ["POST /api/v1/login", "GET /api/v2/clients/5"]);
    lines[2..].sort();
    let lists = ["/api/v2/clients/5/dms/documents", "/api/v2/clients/5/dms/folders", "/api/v2/clients/5/projects"];
    assert_eq!(lines[2..], lists.map(|list| format!("GET {list}")));
    let request = || ListRequest { known: None, max_age: Duration::from_secs(30) };
    for dir in [Place::Root.remote_id(), Place::Project(7).remote_id(), plans()] {
        let part = fixture.provider.list(&dir, request()).next().await.unwrap().unwrap();
        assert!(matches!(part, ListPart::Entries { entries, .. } if entries.len() == 1), "{dir}");
    }
    assert_eq!(fixture.stub.lines().len(), 5);
}

#[tokio::test]
async fn every_request_carries_token_and_accept_and_the_login_is_plain_json() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let received = fixture.stub.received();
    let login = &received[0];
    assert_eq!(login.json(), json!({ "username": "ada", "password": "love lace" }));
    assert_eq!(login.header("content-type"), Some("application/json"));
    assert_eq!(login.header("authorization"), None);
    assert!(received.iter().all(|request| request.header("accept") == Some("application/json")));
    let bearer = format!("Bearer {TOKEN}");
    assert!(received[1..].iter().all(|request| request.header("authorization") == Some(bearer.as_str())));
}

#[tokio::test]
async fn a_token_is_found_wherever_the_answer_has_it() {
    for answer in [
        json!({ "token": TOKEN }),
        json!({ "access_token": TOKEN, "expires": 5 }),
        json!({ "jwt": TOKEN }),
        json!({ "status": "ok", "data": { "token": TOKEN } }),
    ] {
        let stub = Stub::start(move |received| match received.method.as_str() {
            "POST" => Answer::json(200, answer.clone()),
            _ => Answer::json(200, json!([])),
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, "", dir.path()).unwrap();
        provider.sign_in().await.unwrap();
        assert_eq!(stub.received()[1].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
}

#[tokio::test]
async fn a_refused_password_is_tried_once_and_never_shown() {
    let error_body =
        json!({ "status": "error", "code": 401, "message": "Authentication failed", "details": "love lace" });
    let stub = Stub::start(move |_| Answer::json(401, error_body.clone())).await;
    let dir = tempfile::tempdir().unwrap();
    let provider = open(&stub.url, "", dir.path()).unwrap();
    for _ in 0..3 {
        let error = list_all(&provider, &provider.root().id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SignedOut);
        assert!(!format!("{error} {error:?}").contains("love lace"), "{error}");
    }
    assert_eq!(stub.lines(), ["POST /api/v1/login"]);
}

#[tokio::test]
async fn a_thousand_documents_of_all_projects_are_one_request() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let many: Vec<Value> = (0..1000).map(|n| document(1000 + n, 17, &format!("f{n}.txt"), n)).collect();
    fixture.lists.set("documents", json!({ "status": "success", "data": many }));
    let before = fixture.stub.lines().len();
    let request = ListRequest { known: None, max_age: Duration::from_millis(200) };
    tokio::time::sleep(Duration::from_millis(250)).await;
    let plans = plans();
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    let ListPart::Entries { entries, age, .. } = part else { panic!("no entries") };
    assert_eq!(entries.len(), 1000);
    assert!(age < Duration::from_secs(1));
    assert_eq!(fixture.stub.lines()[before..], [format!("GET {DMS}/documents")]);
}

#[tokio::test]
async fn a_listing_shows_folders_and_documents_with_all_they_tell() {
    let fixture = Fixture::new(refuse).await;
    fixture.lists.set("documents", json!([document(8, 17, "plan.txt", 5), document(9, 1, "top.txt", 6)]));
    let top = list_all(&fixture.provider, &Place::Project(7).remote_id()).await.unwrap();
    let told: Vec<_> = top.iter().map(|e| (e.id.as_str(), e.name.as_str(), e.size)).collect();
    assert_eq!(told, [("folder:7/17", "Plans", None), ("document:7/9", "top.txt", Some(6))]);
    assert_eq!(top[0].offers, Operations::of(&[Operation::CreateFile]));
    let plan = list_all(&fixture.provider, &plans()).await.unwrap().remove(0);
    assert_eq!(plan.author.as_deref(), Some("ada"));
    let attributes = [("folder_id", "17"), ("parent_uuid", TASK), ("project_id", "7")];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(plan.attributes, BTreeMap::from(attributes));
    let not_for_files = Operations::of(&[Operation::CreateFile, Operation::MakeDir]);
    assert_eq!(plan.offers.bits(), Operations::ALL.bits() & !not_for_files.bits());
    assert_eq!(fixture.provider.root().offers, Operations::NONE);
}

#[tokio::test]
async fn documents_in_unknown_folders_have_the_folders_asked_for_again_and_stay_visible() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    fixture.lists.set("documents", json!([document(8, 99, "odd.txt", 5)]));
    let project = Place::Project(7).remote_id();
    for expected in [2, 1] {
        let before = fixture.lines().len();
        let request = ListRequest { known: None, max_age: Duration::from_millis(200) };
        tokio::time::sleep(Duration::from_millis(250)).await;
        let part = fixture.provider.list(&project, request).next().await.unwrap().unwrap();
        let ListPart::Entries { entries, .. } = part else { panic!("no entries") };
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["Plans", "folder 99"]);
        assert_eq!(fixture.lines().len() - before, expected, "asked again once, not for ever");
    }
    let stranger = Place::Folder { project: 7, folder: 99 }.remote_id();
    assert_eq!(list_all(&fixture.provider, &stranger).await.unwrap()[0].name, "odd.txt");
}

#[tokio::test]
async fn a_service_without_a_folder_call_shows_folders_by_number() {
    for status in [404, 405] {
        let fixture = Fixture::with("main_folder = 1\n", move |_, _| Answer::status(status)).await;
        fixture.lists.0.lock().unwrap().remove("folders");
        let documents = json!([document(8, 17, "plan.txt", 5), document(9, 1, "top.txt", 6)]);
        fixture.lists.set("documents", documents);
        for _ in 0..2 {
            let top = list_all(&fixture.provider, &Place::Project(7).remote_id()).await.unwrap();
            let names: Vec<_> = top.iter().map(|entry| entry.name.as_str()).collect();
            assert_eq!(names, ["folder 17", "top.txt"]);
        }
        let asked = fixture.lines().into_iter().filter(|line| line.ends_with("/folders")).count();
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_list_that_is_cut_or_none_is_an_error_and_never_a_removal() {
    for odd in [
        json!({ "data": [document(8, 17, "a", 1)], "total": 2 }),
        json!({ "data": [document(8, 17, "a", 1)], "links": { "next": "/x" } }),
        json!({ "data": [document(8, 17, "a", 1)], "nextPage": 2 }),
        json!({ "data": "none" }),
        json!({ "documents": [] }),
        json!([{}, { "name": "without id" }]),
        json!("text"),
    ] {
        let fixture = Fixture::new(refuse).await;
        fixture.lists.set("documents", odd.clone());
        let error = list_all(&fixture.provider, &plans()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{odd}");
    }
    let fixture = Fixture::new(refuse).await;
    let refused = json!({ "status": "error", "code": 403, "message": "Access denied", "details": "" });
    fixture.lists.set("documents", refused);
    assert_eq!(list_all(&fixture.provider, &plans()).await.unwrap_err().kind(), ErrorKind::Denied);
}

/// Answers creates and updates as documented: 201 and no body.
fn stores(id: u64, name: &'static str, size: u64) -> impl Fn(&Received, &Lists) -> Answer + Send + Sync {
    move |received, lists| match received.method.as_str() {
        "POST" => {
            lists.set("documents", json!([document(8, 17, "plan.txt", 5), document(id, 17, name, size)]));
            Answer::status(201)
        }
        _ => Answer::status(404),
    }
}

#[tokio::test]
async fn a_new_document_is_one_form_under_project_folder_and_task() {
    let fixture = Fixture::new(stores(9, "Plän.pdf", 6)).await;
    fixture.provider.sign_in().await.unwrap();
    let created = fixture.create("Plän.pdf", b"%PDF-1").await.unwrap();
    assert_eq!(created.id.as_str(), "document:7/9");
    assert_eq!(created.revision.unwrap().as_str(), "s6-2024-05-06T07:08:00Z");
    let sent = fixture.sent();
    assert_eq!(sent.line(), format!("POST {DMS}/projects/7/folders/17/parent/{TASK}/documents"));
    let file = "Content-Disposition: form-data; name=\"file\"; filename=\"Plän.pdf\"; \
                filename*=UTF-8''Pl%C3%A4n%2Epdf\r\nContent-Type: application/pdf";
    assert_eq!(parts(&sent), [(file.to_owned(), "%PDF-1".to_owned()), text_part("name", "Plän.pdf")]);
    assert_eq!(sent.header("content-length"), Some(sent.body.len().to_string().as_str()));
    assert_eq!(sent.header("transfer-encoding"), None);
    assert_eq!(sent.header("x-http-method-override"), None);
    let asked = fixture.lines()[4..].to_vec();
    let tasks = "GET /api/v2/clients/5/projects/7/tasks".to_owned();
    assert_eq!(asked, [tasks, sent.line(), format!("GET {DMS}/documents")]);
}

#[tokio::test]
async fn a_batch_is_found_by_one_list_and_the_highest_new_id_counts() {
    let fixture = Fixture::new(|received, lists| {
        if received.method == "POST" {
            let listed = [(8, "plan.txt"), (9, "a"), (10, "b"), (12, "a"), (11, "a")];
            lists.set("documents", listed.map(|(id, name)| document(id, 17, name, 1)).to_vec().into());
        }
        Answer::status(201)
    })
    .await;
    fixture.provider.sign_in().await.unwrap();
    let items = [fixture.item("a", b"x"), fixture.item("b", b"x")];
    let outcomes = fixture.provider.attach(&plans(), &items).await.unwrap();
    let ids: Vec<_> = outcomes.into_iter().map(|outcome| outcome.unwrap().id).collect();
    assert_eq!(ids.iter().map(RemoteId::as_str).collect::<Vec<_>>(), ["document:7/12", "document:7/10"]);
    let lists = fixture.lines()[4..].iter().filter(|line| line.ends_with("/dms/documents")).count();
    assert_eq!(lists, 1);
}

#[tokio::test]
async fn the_configured_task_is_used_and_a_wrong_one_is_said() {
    let setting = "[accounts.acme.parent]\n7 = \"my-task\"\n";
    let fixture = Fixture::with(setting, stores(9, "a.txt", 1)).await;
    fixture.lists.set("tasks", json!("never asked"));
    fixture.create("a.txt", b"x").await.unwrap();
    assert!(fixture.sent().target.contains("/parent/my-task/"));

    let fixture = Fixture::with(setting, refuse).await;
    let error = fixture.create("a.txt", b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("parent.7"), "{error}");
}

#[tokio::test]
async fn a_refused_task_gives_way_to_the_next_one_and_without_any_the_setting_is_named() {
    let fixture = Fixture::new(|received, lists| match received.target.contains("/parent/good/") {
        true => stores(9, "a.txt", 1)(received, lists),
        false => Answer::status(404),
    })
    .await;
    fixture.lists.set("tasks", json!([{ "uuid": "bad" }, { "uuid": "good" }]));
    fixture.create("a.txt", b"x").await.unwrap();

    let fixture = Fixture::new(refuse).await;
    fixture.lists.0.lock().unwrap().remove("tasks");
    fixture.lists.set("documents", json!([]));
    let error = fixture.create("a.txt", b"x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains("parent.7"), "{error}");
    assert!(fixture.lines().iter().all(|line| !line.starts_with("POST")), "nothing was sent");
}

#[tokio::test]
async fn an_upload_that_the_service_cut_is_told_and_not_repeated() {
    let fixture = Fixture::new(stores(9, "a.txt", 3)).await;
    let error = fixture.create("a.txt", b"longer").await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary(), error.is_unclear()), (ErrorKind::Protocol, false, false));
    let fixture = Fixture::new(|received, _| Answer::status(if received.method == "POST" { 201 } else { 404 })).await;
    let error = fixture.create("a.txt", b"longer").await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary(), error.is_unclear()), (ErrorKind::Protocol, false, false));
}

#[tokio::test]
async fn a_create_without_an_answer_is_unclear_and_sent_once() {
    for answer in [Answer::lost(), Answer::status(500)] {
        let fixture = Fixture::new(move |_, _| answer.clone()).await;
        fixture.provider.sign_in().await.unwrap();
        let error = fixture.create("a.txt", b"x").await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        let posts = fixture.lines().into_iter().filter(|line| line.starts_with("POST")).count();
        assert_eq!(posts, 1);
    }
}

#[tokio::test]
async fn refusals_of_an_upload_are_told_apart() {
    for (status, bytes, kind) in [
        (403, "x", ErrorKind::Denied),
        (413, "x", ErrorKind::TooLarge),
        (400, "x", ErrorKind::Invalid),
        (415, "x", ErrorKind::Invalid),
        (422, "x", ErrorKind::Invalid),
        (405, "x", ErrorKind::Unsupported),
        (400, "", ErrorKind::Invalid),
    ] {
        let fixture = Fixture::new(move |_, _| Answer::status(status)).await;
        let error = fixture.create("a.txt", bytes.as_bytes()).await.unwrap_err();
        assert_eq!((error.kind(), error.is_unclear()), (kind, false), "{status}");
        assert_eq!(error.to_string().contains("empty"), bytes.is_empty());
    }
}

#[tokio::test]
async fn new_content_is_sent_with_file_and_name_and_nothing_else() {
    let fixture = Fixture::with("method_override = \"PUT\"\n", |received, lists| {
        lists.set("documents", json!([document(8, 17, "plan.txt", received.method.len() as u64 - 1)]));
        Answer::status(201)
    })
    .await;
    fixture.provider.sign_in().await.unwrap();
    let base = list_all(&fixture.provider, &plans()).await.unwrap().remove(0).revision;
    let before = fixture.lines().len();
    let revised = fixture.provider.revise(&plan(), base.as_ref(), &fixture.content(b"new")).await.unwrap();
    assert_eq!(revised.id, plan().id);
    assert_eq!(revised.revision.unwrap().as_str(), "s3-2024-05-06T07:08:00Z");
    assert_eq!(fixture.lines()[before..], [UPDATE.to_owned(), format!("GET {DMS}/documents")]);
    let sent = fixture.sent();
    assert_eq!(sent.header("x-http-method-override"), Some("PUT"));
    let sent = parts(&sent);
    assert!(sent[0].0.contains("name=\"file\"; filename=\"plan.txt\"") && sent[0].0.ends_with("text/plain"));
    assert_eq!((sent.len(), &sent[1]), (2, &text_part("name", "plan.txt")));
}

#[tokio::test]
async fn a_save_of_the_same_size_within_the_same_minute_is_another_revision() {
    let fixture = Fixture::new(|_, _| Answer::status(201)).await;
    let base = list_all(&fixture.provider, &plans()).await.unwrap().remove(0).revision;
    let revised = fixture.provider.revise(&plan(), base.as_ref(), &fixture.content(b"five!")).await.unwrap();
    assert_ne!(revised.revision, base);
    assert_eq!(list_all(&fixture.provider, &plans()).await.unwrap()[0].revision, revised.revision);
}

#[tokio::test]
async fn an_update_that_changed_nothing_is_an_error() {
    for (bytes, kind) in [(3, ErrorKind::Protocol), (3 << 20, ErrorKind::TooLarge)] {
        let fixture = Fixture::new(|_, _| Answer::status(201)).await;
        fixture.provider.sign_in().await.unwrap();
        let content = fixture.content(&vec![b'x'; bytes]);
        let error = fixture.provider.revise(&plan(), None, &content).await.unwrap_err();
        assert_eq!((error.kind(), error.is_temporary(), error.is_unclear()), (kind, false, false));
    }
}

#[tokio::test]
async fn a_lost_answer_to_an_update_is_judged_by_the_bytes() {
    let fixture = Fixture::new(|received, _| match received.method.as_str() {
        "POST" => Answer::lost(),
        _ => Answer::text(200, "five!"),
    })
    .await;
    let base = list_all(&fixture.provider, &plans()).await.unwrap().remove(0).revision;
    for (bytes, done) in [(b"five!", true), (b"other", false)] {
        let content = fixture.content(bytes);
        let error = fixture.provider.revise(&plan(), base.as_ref(), &content).await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        let attempt = Attempt::Revise { file: plan(), base: base.clone(), content };
        let found = find_out(&fixture.provider, &attempt).await.unwrap();
        assert_eq!(matches!(found, Confirmation::Revised(_)), done, "{found:?}");
    }
}

#[tokio::test]
async fn renames_and_moves_send_only_what_changes() {
    let fixture = Fixture::new(|_, _| Answer::status(201)).await;
    fixture.provider.sign_in().await.unwrap();
    let (plans, top) = (plans(), Place::Project(7).remote_id());
    for (to, name, expected) in [
        (&plans, "other.txt", vec![text_part("name", "other.txt")]),
        (&top, "plan.txt", vec![text_part("folderId", "1")]),
        (&top, "other.txt", vec![text_part("folderId", "1"), text_part("name", "other.txt")]),
    ] {
        let before = fixture.lines().len();
        fixture.provider.relocate(&plan(), to, name).await.unwrap();
        assert_eq!(parts(&fixture.sent()), expected);
        assert_eq!(fixture.lines()[before..], [UPDATE.to_owned(), format!("GET {DMS}/documents")]);
    }
    let before = fixture.lines().len();
    fixture.provider.describe(&plan(), "words").await.unwrap();
    assert_eq!(parts(&fixture.sent()), [text_part("description", "words")]);
    let request = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    let ListPart::Entries { entries, .. } = part else { panic!("no entries") };
    assert_eq!(entries[0].description.as_deref(), Some("words"));
    assert_eq!(fixture.lines().len(), before + 1);
}

#[tokio::test]
async fn a_rename_that_moves_the_time_of_storing_is_no_new_revision() {
    let fixture = Fixture::new(|_, lists| {
        let mut renamed = document(8, 17, "other.txt", 5);
        renamed["createdAt"] = json!("2024-05-06T09:00:00Z");
        lists.set("documents", json!([renamed]));
        Answer::status(201)
    })
    .await;
    let before = list_all(&fixture.provider, &plans()).await.unwrap().remove(0);
    fixture.provider.relocate(&plan(), &plans(), "other.txt").await.unwrap();
    let after = fixture.provider.stat(&plan().id).await.unwrap();
    assert_eq!((after.name.as_str(), after.revision), ("other.txt", before.revision));
}

#[tokio::test]
async fn moves_that_the_service_cannot_make_are_refused_without_a_request() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let folder = Located {
        id: plans(),
        parent: Place::Project(7).remote_id(),
        name: "Plans".into(),
        kind: EntryKind::Directory,
    };
    let before = fixture.lines().len();
    for (entry, to, kind) in [
        (plan(), Place::Project(6).remote_id(), ErrorKind::CrossDevice),
        (plan(), Place::Folder { project: 6, folder: 17 }.remote_id(), ErrorKind::CrossDevice),
        (plan(), Place::Root.remote_id(), ErrorKind::Unsupported),
        (folder.clone(), Place::Project(7).remote_id(), ErrorKind::Unsupported),
    ] {
        assert_eq!(fixture.provider.relocate(&entry, &to, "x").await.unwrap_err().kind(), kind);
    }
    assert_eq!(fixture.provider.delete(&folder).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let made = fixture.provider.make_dir(&plans(), "x").await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.lines().len(), before);
}

#[tokio::test]
async fn a_folder_that_vanished_is_not_taken_for_the_document() {
    let fixture = Fixture::new(refuse).await;
    let top = Place::Project(7).remote_id();
    assert_eq!(fixture.provider.relocate(&plan(), &top, "plan.txt").await.unwrap_err().kind(), ErrorKind::Invalid);
    fixture.lists.set("documents", json!([]));
    assert_eq!(fixture.provider.relocate(&plan(), &top, "plan.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_removal_is_one_request_and_is_entered_into_the_list() {
    let fixture = Fixture::new(|_, _| Answer::status(204)).await;
    fixture.provider.sign_in().await.unwrap();
    assert!(fixture.provider.capabilities().unproven.has(Operation::Delete));
    fixture.provider.delete(&plan()).await.unwrap();
    assert_eq!(fixture.sent().line(), UPDATE.replace("POST", "DELETE"));
    let plans = plans();
    let request = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    assert!(matches!(part, ListPart::Entries { entries, .. } if entries.is_empty()));
    assert_eq!(fixture.lines().len(), 5);
    assert!(!fixture.provider.capabilities().unproven.has(Operation::Delete));
}

#[tokio::test]
async fn a_missing_call_leaves_the_abilities_and_a_missing_document_does_not() {
    let fixture = Fixture::new(refuse).await;
    let gone = Located { id: Place::Document { project: 7, document: 99 }.remote_id(), ..plan() };
    assert_eq!(fixture.provider.delete(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(fixture.provider.capabilities().operations.has(Operation::Delete));
    for _ in 0..2 {
        assert_eq!(fixture.provider.delete(&plan()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(fixture.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 2);
    assert!(!fixture.provider.capabilities().operations.has(Operation::Delete));
    assert!(!list_all(&fixture.provider, &plans()).await.unwrap()[0].offers.has(Operation::Delete));
}

fn target(document: u64, size: u64) -> ReadTarget {
    let id = Place::Document { project: 7, document }.remote_id();
    ReadTarget { id, revision: Some(RevisionId::new("s5-2024-05-06T07:08:00Z")), old: false, size: Some(size) }
}

async fn read(provider: &Rillsoft, target: &ReadTarget) -> Result<Vec<u8>> {
    let chunks: Vec<_> = provider.read(target, ByteRange { start: 2, end: Some(3) }).await?.stream.collect().await;
    chunks.into_iter().collect::<Result<Vec<_>>>().map(|chunks| chunks.concat())
}

#[tokio::test]
async fn content_comes_whole_from_the_assumed_path() {
    let fixture = Fixture::new(|_, _| Answer::text(200, "five!")).await;
    assert_eq!(read(&fixture.provider, &target(8, 5)).await.unwrap(), b"five!");
    let received = fixture.stub.received().pop().unwrap();
    assert_eq!(received.line(), format!("GET {DMS}/projects/7/documents/8/file"));
    assert_eq!(received.header("range"), None);
}

#[tokio::test]
async fn what_is_no_content_is_an_error() {
    let error_body = json!({ "status": "error", "code": 403, "message": "Access denied", "details": "" });
    for (answer, size, kind) in [
        (Answer::json(200, error_body), 5, ErrorKind::Denied),
        (Answer::text(200, "something longer"), 5, ErrorKind::Protocol),
        (Answer::text(200, "changed"), 7777, ErrorKind::Conflict),
        (Answer::status(403), 5, ErrorKind::Denied),
        (Answer::status(404), 5, ErrorKind::Unsupported),
        (Answer::status(405), 5, ErrorKind::Unsupported),
    ] {
        let fixture = Fixture::new(move |_, _| answer.clone()).await;
        assert_eq!(read(&fixture.provider, &target(8, size)).await.unwrap_err().kind(), kind);
    }
    let fixture = Fixture::new(refuse).await;
    assert_eq!(read(&fixture.provider, &target(99, 5)).await.unwrap_err().kind(), ErrorKind::NotFound);
    let json_document = br#"{"status":"error","code":403}"#;
    let fixture =
        Fixture::new(|_, _| Answer::bytes(200, json_document).header("Content-Type", "application/json")).await;
    assert_eq!(read(&fixture.provider, &target(8, json_document.len() as u64)).await.unwrap(), json_document);
}

#[tokio::test]
async fn templates_replace_assumed_paths_and_an_empty_one_takes_the_call_away() {
    let settings = "path.download = \"/dl/{project_id}/{document_id}?c={client_id}\"\npath.delete = \"\"\n";
    let fixture = Fixture::with(settings, |_, _| Answer::text(200, "five!")).await;
    read(&fixture.provider, &target(8, 5)).await.unwrap();
    assert_eq!(fixture.stub.lines().pop().unwrap(), "GET /dl/7/8?c=5");
    assert!(!fixture.provider.capabilities().operations.has(Operation::Delete));
    assert_eq!(fixture.provider.delete(&plan()).await.unwrap_err().kind(), ErrorKind::Unsupported);
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
