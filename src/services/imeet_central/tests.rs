//! Exact request forms and the reading of answers, against a stub on loopback.

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
        let staged = StagedAsset { token: Some(token.into()), expires: None };
        AttachItem { name: name.into(), staged, content: self.content(b"x"), description: None }
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

#[tokio::test]
async fn a_folder_is_listed_by_two_lists_of_25_whose_links_are_followed() {
    let fixture = Fixture::new(|received| match received.target.as_str() {
        "/v1/folders/F%2F1/folders?limit=25" => items(json!([{ "id": "s", "details": { "folderName": "Sub" } }])),
        "/v1/folders/F%2F1/files?limit=25" => Answer::json(
            200,
            json!({ "items": [file_object("a", 1, 5)], "links": { "next": "/v1/folders/F%2F1/files?after=a" } }),
        ),
        "/v1/folders/F%2F1/files?after=a" => items(json!([file_object("b", 2, 6)])),
        other => panic!("{other}"),
    })
    .await;
    let mut entries = list_all(&fixture.provider, &id(Kind::Folder, "F/1")).await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.id.as_str(), e.size)).collect();
    assert_eq!(told, [("Sub", "folder:s", None), ("a.txt", "file:a", Some(5)), ("b.txt", "file:b", Some(6))]);
    assert!(fixture.stub.received()[1..].iter().all(|r| r.header("authorization") == Some("Bearer token-0123456789")));
}

#[tokio::test]
async fn a_list_that_leads_in_a_circle_or_elsewhere_is_an_error() {
    for next in ["?limit=25", "https://evil.example/v1"] {
        let fixture = Fixture::new(move |_| Answer::json(200, json!({ "items": [], "links": { "next": next } }))).await;
        let error = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{next}");
        assert_eq!(fixture.lines().len(), 1);
    }
}

#[tokio::test]
async fn attachments_add_directories_for_tasks_milestones_and_records() {
    let fixture = Fixture::with("attachments = true", |received| match received.path() {
        "/v1/workspaces/w/tasks" => items(json!([{ "id": "t", "details": { "title": "Paint" } }])),
        "/v1/tasks/t/files" => items(json!([file_object("a", 1, 5)])),
        _ => items(json!([])),
    })
    .await;
    let workspace = list_all(&fixture.provider, &id(Kind::Workspace, "w")).await.unwrap();
    let names: Vec<_> = workspace.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["@tasks", "@milestones", "@records"]);
    let tasks = list_all(&fixture.provider, &workspace[0].id).await.unwrap();
    assert_eq!((tasks[0].name.as_str(), tasks[0].offers), ("Paint", Operations::of(&[Operation::CreateFile])));
    let files = list_all(&fixture.provider, &tasks[0].id).await.unwrap();
    assert_eq!(files[0].id.as_str(), "file:a");
    assert!(files[0].offers.has(Operation::Revise));
}

#[tokio::test]
async fn an_upload_is_the_bare_file_with_its_name_and_type_in_headers() {
    let fixture = Fixture::new(|_| Answer::text(201, "\"6d5f-asset\"\r\n")).await;
    let content = fixture.content(b"%PDF-1");
    let staged = fixture.provider.stage(&id(Kind::Folder, "f"), "Plän.pdf", &content).await.unwrap();
    assert_eq!(staged.token.as_deref(), Some("6d5f-asset"));
    let received = fixture.last();
    assert_eq!(received.line(), "POST /v1/files/upload");
    assert_eq!(received.body, b"%PDF-1");
    assert_eq!(received.header("content-type"), Some("application/pdf"));
    assert_eq!(received.header("content-length"), Some("6"));
    let disposition = "attachment; filename=\"Pl_n.pdf\"; filename*=UTF-8''Pl%C3%A4n.pdf";
    assert_eq!(received.header("content-disposition"), Some(disposition));
}

#[tokio::test]
async fn outcomes_of_an_attach_are_matched_by_asset_and_only_201_counts() {
    let fixture = Fixture::new(|_| {
        let outcome =
            |asset: &str, status: u16, body: Value| json!({ "requestId": asset, "status": status, "body": body });
        Answer::json(
            200,
            json!({ "responses": [
                outcome("gone", 404, json!("no such asset")),
                outcome("full", 507, json!("no space")),
                outcome("odd", 200, json!("x")),
                outcome("good", 201, json!(77)),
                outcome("down", 500, json!(null)),
            ] }),
        )
    })
    .await;
    let assets = ["good", "gone", "full", "odd", "down", "unmentioned"];
    let batch: Vec<_> = assets.iter().map(|asset| fixture.item("a.txt", asset)).collect();
    let outcomes = fixture.provider.attach(&id(Kind::Task, "t"), &batch).await.unwrap();
    assert_eq!(fixture.last().line(), "POST /v1/tasks/t/files");
    assert_eq!(fixture.last().json(), json!({ "deferredAssetIds": assets }));
    assert_eq!(outcomes[0].as_ref().unwrap().id.as_str(), "file:77");
    let errors: Vec<_> = outcomes[1..].iter().map(|o| o.as_ref().unwrap_err()).collect();
    let told: Vec<_> = errors.iter().map(|e| (e.kind(), e.is_unclear())).collect();
    use ErrorKind::*;
    assert_eq!(told, [(Stale, false), (Quota, false), (Protocol, true), (Server, true), (Protocol, true)]);
}

#[tokio::test]
async fn an_attach_without_a_readable_answer_is_unclear() {
    for answer in [Answer::lost(), Answer::text(200, "<html>"), Answer::status(500), Answer::json(200, json!({}))] {
        let fixture = Fixture::new(move |_| answer.clone()).await;
        let batch = [fixture.item("a.txt", "asset")];
        let error = fixture.provider.attach(&id(Kind::Folder, "f"), &batch).await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        assert_eq!(fixture.lines().len(), 1, "never repeated blindly");
    }
}

#[tokio::test]
async fn a_revision_is_put_under_the_name_the_service_knows() {
    let fixture = Fixture::new(|_| Answer::status(201)).await;
    let file = located(Kind::File, "f1", id(Kind::Folder, "d"), "report.txt");
    let content = fixture.content(b"new");
    let revised = fixture.provider.revise(&file, Some(&model::numbered(3)), &content).await.unwrap();
    assert_eq!(revised, Revised { id: file.id.clone(), revision: Some(model::numbered(4)) });
    let received = fixture.last();
    assert_eq!((received.line().as_str(), received.body.as_slice()), ("PUT /v1/files/f1", b"new".as_slice()));
    assert_eq!(received.header("content-disposition"), Some("attachment; filename=report.txt"));
    assert_eq!(received.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn a_locked_file_and_a_lost_answer_are_told_apart_when_revising() {
    for (answer, kind, unclear) in [
        (Answer::status(423), ErrorKind::Locked, false),
        (Answer::status(409), ErrorKind::Locked, false),
        (Answer::status(403), ErrorKind::Denied, false),
        (Answer::status(413), ErrorKind::TooLarge, false),
        (Answer::lost(), ErrorKind::Offline, true),
    ] {
        let fixture = Fixture::new(move |_| answer.clone()).await;
        let file = located(Kind::File, "f1", id(Kind::Folder, "d"), "a.txt");
        let error = fixture.provider.revise(&file, None, &fixture.content(b"x")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_unclear()), (kind, unclear));
    }
}

#[tokio::test]
async fn folders_are_made_renamed_moved_and_removed_as_assumed() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "POST" if received.path().starts_with("/v1/folders") => Answer::text(201, "sub-id"),
        "POST" => Answer::text(201, " new-id\n"),
        "PATCH" => Answer::json(200, json!({ "id": "x" })),
        _ => Answer::status(204),
    })
    .await;
    let provider = &fixture.provider;
    let top = provider.make_dir(&id(Kind::Workspace, "w"), "Top").await.unwrap();
    assert_eq!((top.id.as_str(), top.name.as_str()), ("folder:new-id", "Top"));
    assert_eq!(fixture.last().line(), "POST /v1/workspaces/w/folders");
    assert_eq!(fixture.last().json(), json!({ "folderName": "Top" }));
    let unproven = provider.capabilities().unproven;
    assert!(unproven.has(Operation::Rename) && unproven.has(Operation::MakeDir));

    let folder = Located { id: top.id.clone(), parent: id(Kind::Workspace, "w"), name: "Top".into(), kind: top.kind };
    provider.relocate(&folder, &folder.parent, "Other").await.unwrap();
    assert_eq!(fixture.last().line(), "PATCH /v1/folders/new-id");
    assert_eq!(fixture.last().json(), json!({ "folderName": "Other" }));

    let file = located(Kind::File, "f", top.id.clone(), "a.txt");
    let sub = provider.make_dir(&top.id, "Sub").await.unwrap();
    provider.relocate(&file, &sub.id, "b.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "fileName": "b.txt", "folderId": "sub-id" }));
    provider.describe(&file, "words").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "description": "words" }));
    provider.delete(&file).await.unwrap();
    assert_eq!(fixture.last().line(), "DELETE /v1/files/f");
    assert!(!provider.capabilities().unproven.has(Operation::Rename), "it worked for a folder and a file");
}

#[tokio::test]
async fn a_refused_call_is_not_asked_again_and_leaves_the_abilities() {
    let fixture = Fixture::new(|_| Answer::status(405)).await;
    let file = located(Kind::File, "f", id(Kind::Folder, "d"), "a.txt");
    let folder = located(Kind::Folder, "g", id(Kind::Folder, "d"), "g");
    for _ in 0..2 {
        assert_eq!(fixture.provider.delete(&file).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(fixture.provider.delete(&folder).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(fixture.lines(), ["DELETE /v1/files/f", "DELETE /v1/folders/g"]);
    let capabilities = fixture.provider.capabilities();
    assert!(!capabilities.operations.has(Operation::Delete));
    assert!(capabilities.operations.has(Operation::Rename));
}

#[tokio::test]
async fn a_404_is_a_missing_call_only_if_the_thing_is_there() {
    let fixture = Fixture::new(|received| match received.line().as_str() {
        "GET /v1/files/there" => Answer::json(200, file_object("there", 1, 1)),
        _ => Answer::status(404),
    })
    .await;
    let gone = located(Kind::File, "gone", id(Kind::Folder, "d"), "a.txt");
    assert_eq!(fixture.provider.delete(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
    let there = located(Kind::File, "there", id(Kind::Folder, "d"), "a.txt");
    assert_eq!(fixture.provider.delete(&there).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn switched_off_changes_are_refused_without_a_request() {
    let fixture = Fixture::with("assumed_writes = false", |_| Answer::status(500)).await;
    let error = fixture.provider.make_dir(&id(Kind::Workspace, "w"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(fixture.stub.lines().is_empty());
    let operations = fixture.provider.capabilities().operations;
    let documented = [Operation::CreateFile, Operation::Revise, Operation::Read];
    assert_eq!(operations, Operations::of(&documented));
}

#[tokio::test]
async fn moves_that_cannot_be_expressed_are_refused_in_the_right_words() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/workspaces/w/folders" => items(json!([{ "id": "a" }, { "id": "b" }])),
        "/v1/folders/far" => Answer::json(200, json!({ "id": "far", "details": { "workspaceId": "v" } })),
        "/v1/workspaces/w/files" => items(json!([])),
        other => panic!("{other}"),
    })
    .await;
    list_all(&fixture.provider, &id(Kind::Workspace, "w")).await.unwrap();
    let file = located(Kind::File, "f", id(Kind::Folder, "a"), "a.txt");
    let folder = located(Kind::Folder, "b", id(Kind::Folder, "a"), "b");
    for (entry, to, kind) in [
        (&file, id(Kind::Workspace, "w"), ErrorKind::Unsupported),
        (&folder, id(Kind::Workspace, "w"), ErrorKind::Unsupported),
        (&folder, id(Kind::Workspace, "v"), ErrorKind::CrossDevice),
        (&file, id(Kind::Folder, "far"), ErrorKind::CrossDevice),
        (&file, id(Kind::Task, "t"), ErrorKind::CrossDevice),
    ] {
        let error = fixture.provider.relocate(entry, &to, &entry.name).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{} to {to}: {error}", entry.id);
    }
    assert!(fixture.lines().iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn a_service_without_lists_shows_known_folders_and_what_was_uploaded() {
    let settings = "[accounts.acme.drop_folders.w]\nInbox = \"in\"\n";
    let fixture = Fixture::with(settings, |received| match received.line().as_str() {
        "GET /v1/workspaces?limit=25" => items(json!([{ "id": "w", "details": { "workspaceName": "W" } }])),
        "POST /v1/files/upload" => Answer::text(201, "asset"),
        "POST /v1/folders/in/files" => {
            Answer::json(200, json!({ "responses": [{ "requestId": "asset", "status": 201, "body": "f" }] }))
        }
        _ => Answer::status(404),
    })
    .await;
    let provider = &fixture.provider;
    let workspace = list_all(provider, &provider.root().id).await.unwrap().remove(0);
    let known = list_all(provider, &workspace.id).await.unwrap();
    assert_eq!((known.len(), known[0].name.as_str(), known[0].id.as_str()), (1, "Inbox", "folder:in"));
    assert!(list_all(provider, &known[0].id).await.unwrap().is_empty());
    provider.attach(&known[0].id, &[fixture.item("a.txt", "asset")]).await.unwrap()[0].as_ref().unwrap();
    let uploaded = list_all(provider, &known[0].id).await.unwrap();
    assert_eq!((uploaded[0].name.as_str(), uploaded[0].size), ("a.txt", Some(1)));
    assert_eq!(provider.stat(&uploaded[0].id).await.unwrap().name, "a.txt");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_not_found() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/workspaces" => items(json!([])),
        _ => Answer::status(404),
    })
    .await;
    for gone in [id(Kind::Folder, "f"), id(Kind::Workspace, "w")] {
        assert_eq!(list_all(&fixture.provider, &gone).await.unwrap_err().kind(), ErrorKind::NotFound, "{gone}");
    }
}

#[tokio::test]
async fn without_a_call_to_look_at_a_file_its_list_is_asked() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/folders/d/files" => items(json!([file_object("a", 7, 5)])),
        "/v1/folders/d/folders" => items(json!([])),
        _ => Answer::status(404),
    })
    .await;
    list_all(&fixture.provider, &id(Kind::Folder, "d")).await.unwrap();
    let entry = fixture.provider.stat(&id(Kind::File, "a")).await.unwrap();
    assert_eq!(entry.revision, Some(model::numbered(7)));
    let error = fixture.provider.stat(&id(Kind::File, "b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

fn target(size: u64) -> ReadTarget {
    ReadTarget { id: id(Kind::File, "f"), revision: Some(model::numbered(1)), old: false, size: Some(size) }
}

async fn bytes(download: Download) -> Result<Vec<u8>> {
    let chunks: Vec<_> = download.stream.collect().await;
    chunks.into_iter().collect::<Result<Vec<_>>>().map(|chunks| chunks.concat())
}

#[tokio::test]
async fn a_part_is_read_by_range_and_the_whole_without() {
    let fixture = Fixture::new(|received| match received.header("range") {
        Some("bytes=2-4") => Answer::text(206, "cde").header("Content-Range", "bytes 2-4/10"),
        None => Answer::text(200, "abcdefghij"),
        other => panic!("{other:?}"),
    })
    .await;
    let part = fixture.provider.read(&target(10), ByteRange { start: 2, end: Some(5) }).await.unwrap();
    assert_eq!((part.start, part.total), (2, Some(10)));
    assert_eq!(bytes(part).await.unwrap(), b"cde");
    let whole = fixture.provider.read(&target(10), ByteRange::WHOLE).await.unwrap();
    assert_eq!(bytes(whole).await.unwrap(), b"abcdefghij");
    assert_eq!(fixture.lines(), vec!["GET /v1/files/f/download"; 2]);
}

#[tokio::test]
async fn a_service_that_ignores_ranges_is_not_asked_for_them_again() {
    let fixture = Fixture::new(|_| Answer::text(200, "abcdefghij")).await;
    assert!(fixture.provider.capabilities().ranges);
    for _ in 0..2 {
        let part = fixture.provider.read(&target(10), ByteRange { start: 2, end: Some(5) }).await.unwrap();
        assert_eq!((part.start, bytes(part).await.unwrap().len()), (0, 10));
    }
    assert!(!fixture.provider.capabilities().ranges);
    assert_eq!(fixture.last().header("range"), None);
}

#[tokio::test]
async fn content_that_changed_since_it_was_listed_is_a_conflict() {
    for (version, size, kind) in [(2, 4, ErrorKind::Conflict), (1, 10, ErrorKind::Protocol)] {
        let fixture = Fixture::new(move |received| match received.path() {
            "/v1/files/f/download" => Answer::text(200, "four"),
            _ => Answer::json(200, file_object("f", version, size)),
        })
        .await;
        let error = fixture.provider.read(&target(10), ByteRange::WHOLE).await.err().unwrap();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn a_redirected_download_does_not_carry_the_token_along() {
    let storage = Stub::start(|_| Answer::text(200, "0123456789")).await;
    let location = format!("{}/objects/f?signature=1", storage.url);
    let fixture = Fixture::new(move |_| Answer::status(302).header("Location", &location)).await;
    let download = fixture.provider.read(&target(10), ByteRange::WHOLE).await.unwrap();
    assert_eq!(bytes(download).await.unwrap(), b"0123456789");
    assert_eq!(storage.received()[0].header("authorization"), None);
}

#[tokio::test]
async fn old_versions_are_listed_and_read_by_number() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/files/f/versions" => items(json!([
            { "id": "2", "details": { "version": 2, "size": 4 } },
            { "id": "1", "details": { "size": "3" } },
        ])),
        "/v1/files/f/versions/1/download" => Answer::text(200, "old"),
        other => panic!("{other}"),
    })
    .await;
    let versions = fixture.provider.versions(&id(Kind::File, "f")).await.unwrap();
    assert_eq!(versions.iter().map(|v| (v.number, v.size)).collect::<Vec<_>>(), [(1, Some(3)), (2, Some(4))]);
    let old = ReadTarget { revision: Some(versions[0].revision.clone()), old: true, ..target(3) };
    let download = fixture.provider.read(&old, ByteRange::WHOLE).await.unwrap();
    assert_eq!(bytes(download).await.unwrap(), b"old");
}

#[tokio::test]
async fn many_parallel_401s_cause_one_token_request() {
    let stub = Stub::start(|received| match received.path() {
        "/oauth2/token" => granted(),
        _ => items(json!([])),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let provider = open(&stub.url, "", dir.path()).unwrap();
    let root = provider.root().id;
    futures::future::join_all((0..10).map(|_| list_all(&provider, &root))).await;
    assert_eq!(stub.lines().iter().filter(|line| line.contains("token")).count(), 1);
}

#[tokio::test]
async fn tokens_are_asked_for_as_json_and_then_as_a_form() {
    let stub = Stub::start(|received| match (received.path(), received.header("content-type")) {
        ("/oauth2/token", Some("application/json")) => Answer::json(400, json!({ "error": "invalid_request" })),
        ("/oauth2/token", _) => granted(),
        _ => items(json!([])),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    open(&stub.url, "", dir.path()).unwrap().sign_in().await.unwrap();
    let received = stub.received();
    assert_eq!(received[0].json()["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let form = String::from_utf8(received[1].body.clone()).unwrap();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert!(form.starts_with(grant), "{form}");
    assert_eq!(received[2].line(), "GET /v1/workspaces?limit=25");
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_do_and_nothing_secret() {
    let stub = Stub::start(|received| {
        let echoed = received.json()["assertion"].clone();
        Answer::json(400, json!({ "error": "invalid_grant", "error_description": echoed }))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let error = open(&stub.url, "", dir.path()).unwrap().sign_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    assert!(error.to_string().contains("clock"), "{error}");
    assert!(!error.to_string().contains("eyJ"), "no part of an assertion: {error}");
    assert_eq!(stub.lines().len(), 1, "final: not tried again");
}

#[test]
fn the_token_endpoint_is_found_beside_the_api() {
    for (base, token) in [
        ("https://edge.imeetcentral.com", "https://oidc.imeetcentral.com/oauth2/token"),
        ("https://edge.centraldesktop.com/", "https://oidc.centraldesktop.com/oauth2/token"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/oauth2/token"),
    ] {
        assert_eq!(token_url_beside(base).unwrap(), token);
    }
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
