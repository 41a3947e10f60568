//! Making, replacing, renaming, removing; and what is found out afterwards.

use super::*;
use crate::services::basecamp::session::Facts;

/// Takes uploads as 20, 21, ...; answers everything else as told.
async fn taking(settings: &str, other: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
    let next = std::sync::atomic::AtomicU64::new(20);
    Fixture::with(settings, move |received| match (received.method.as_str(), received.path()) {
        ("POST", "/attachments.json") => Answer::json(200, json!({ "token": "4f71-ea" })),
        ("POST", "/projects/7/uploads.json") => {
            let upload = next.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let name = received.json()["attachments"][0]["name"].as_str().unwrap().to_owned();
            Answer::json(201, upload_json(upload, &name, 5))
        }
        ("GET", "/projects/7/uploads/1.json") => Answer::json(200, upload_json(1, "a.txt", 9)),
        _ => other(received),
    })
    .await
}

#[tokio::test]
async fn a_file_is_made_by_its_bytes_and_then_an_upload() {
    let fixture = taking("", |_| Answer::status(500)).await;
    let item = fixture.item("survey 2.ods", b"hello").await;
    let created = fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!((created.id.as_str(), created.revision.unwrap().as_str()), ("file:7/20", "kkey20"));
    let received = fixture.stub.received();
    assert_eq!(fixture.lines(), ["POST /attachments.json", "POST /projects/7/uploads.json"]);
    assert_eq!(received[0].body, b"hello");
    assert_eq!(received[0].header("content-type"), Some("application/vnd.oasis.opendocument.spreadsheet"));
    assert_eq!((received[0].header("content-length"), received[0].header("transfer-encoding")), (Some("5"), None));
    assert_eq!(received[1].header("content-type"), Some("application/json; charset=utf-8"));
    let body = json!({ "content": "", "attachments": [{ "token": "4f71-ea", "name": "survey 2.ods" }] });
    assert_eq!(received[1].json(), body);
}

#[tokio::test]
async fn a_description_goes_along_as_content() {
    let fixture = taking("", |_| Answer::status(500)).await;
    let item = AttachItem { description: Some("Hi there!".into()), ..fixture.item("a.txt", b"hello").await };
    fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!(fixture.stub.received()[1].json()["content"], "Hi there!");
}

/// What was hidden from clients, and goes up again as another file.
#[tokio::test]
async fn what_comes_from_a_private_file_is_private_also_when_that_is_gone() {
    for (project_of_clients, upload, private) in
        [(true, 1, json!(true)), (true, 2, Value::Null), (true, 3, json!(true)), (false, 3, Value::Null)]
    {
        let fixture = taking("", move |received| match (received.method.as_str(), received.path()) {
            ("GET", "/projects/7/uploads/2.json") => Answer::json(200, upload_json(2, "b.txt", 9)),
            ("GET", "/projects/7.json") => {
                Answer::json(200, json!({ "id": 7, "name": "Work", "is_client_project": project_of_clients }))
            }
            ("DELETE", _) => Answer::status(204),
            _ => Answer::status(404),
        })
        .await;
        fixture
            .provider
            .session
            .note_file(Place::File { project: 7, upload: 1 }, Facts { private: true, ..Facts::default() });
        fixture.provider.trash_upload(7, 1).await.unwrap();
        let hidden_like = Some(Place::File { project: 7, upload }.remote_id());
        let item = AttachItem { hidden_like, ..fixture.item("old.txt", b"hello").await };
        fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap();
        let received = fixture.stub.received();
        assert_eq!(received.last().unwrap().json()["private"], private, "{project_of_clients} {upload}");
    }
}

#[tokio::test]
async fn an_upload_that_tells_only_its_address_is_known_by_that() {
    let fixture = Fixture::new(|received| match received.path() {
        "/attachments.json" => Answer::json(200, json!({ "token": "t" })),
        _ => Answer::text(201, "").header("Location", "https://basecamp.com/1111/api/v1/projects/7/uploads/31.json"),
    })
    .await;
    let item = fixture.item("a.txt", b"hello").await;
    let created = fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!((created.id.as_str(), created.revision), ("file:7/31", None));
}

#[tokio::test]
async fn a_file_stored_with_another_size_goes_to_the_trash_and_is_an_error() {
    let fixture = taking("", |_| Answer::status(204)).await;
    let item = fixture.item("a.txt", b"more than five").await;
    let error = fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap_err();
    assert_eq!((error.kind(), error.is_unclear()), (ErrorKind::Protocol, false));
    assert_eq!(fixture.lines()[2], "DELETE /projects/7/uploads/20.json");
}

#[tokio::test]
async fn a_refused_token_is_sent_again_once() {
    let fixture = Fixture::new(|received| match received.path() {
        "/attachments.json" => Answer::json(200, json!({ "token": "t" })),
        _ => Answer::json(422, json!({})),
    })
    .await;
    let item = fixture.item("a.txt", b"hello").await;
    for kind in [ErrorKind::Stale, ErrorKind::BadName] {
        let outcome = fixture.provider.attach(&project(7), std::slice::from_ref(&item)).await.unwrap().remove(0);
        assert_eq!(outcome.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn new_content_is_a_new_upload_and_the_old_one_goes_last() {
    let fixture = taking("", |_| Answer::status(204)).await;
    fixture.provider.stat(&file(1, "").id).await.unwrap();
    let revised = fixture.provider.revise(&file(1, "a.txt"), None, &fixture.content(b"hello")).await.unwrap();
    assert_eq!((revised.id.as_str(), revised.revision.unwrap().as_str()), ("file:7/20", "kkey20"));
    let changes = ["POST /attachments.json", "POST /projects/7/uploads.json", "DELETE /projects/7/uploads/1.json"];
    assert_eq!(fixture.lines()[1..], changes);
}

#[tokio::test]
async fn new_content_is_sent_anew_once_when_its_token_is_refused() {
    let refused = std::sync::atomic::AtomicBool::new(false);
    let fixture = Fixture::new(move |received| match (received.method.as_str(), received.path()) {
        ("POST", "/attachments.json") => Answer::json(200, json!({ "token": "t" })),
        ("POST", _) if !refused.swap(true, std::sync::atomic::Ordering::SeqCst) => Answer::json(422, json!({})),
        ("POST", _) => Answer::json(201, upload_json(20, "a.txt", 5)),
        ("DELETE", _) => Answer::status(204),
        _ => Answer::json(200, upload_json(1, "a.txt", 9)),
    })
    .await;
    fixture.provider.revise(&file(1, "a.txt"), None, &fixture.content(b"hello")).await.unwrap();
    let uploads = fixture.lines().iter().filter(|line| *line == "POST /attachments.json").count();
    assert_eq!((uploads, fixture.lines().last().unwrap().as_str()), (2, "DELETE /projects/7/uploads/1.json"));
}

#[tokio::test]
async fn with_keep_the_old_one_stays() {
    let fixture = taking("overwrite = \"keep\"\n", |_| Answer::status(500)).await;
    fixture.provider.revise(&file(1, "a.txt"), None, &fixture.content(b"hello")).await.unwrap();
    assert!(fixture.lines().iter().all(|line| !line.starts_with("DELETE")));
}

#[tokio::test]
async fn what_is_hidden_from_clients_stays_hidden_and_keeps_its_text() {
    let fixture = Fixture::new(|received| match (received.method.as_str(), received.path()) {
        ("POST", "/attachments.json") => Answer::json(200, json!({ "token": "t" })),
        ("POST", _) => Answer::json(201, upload_json(20, "a.txt", 5)),
        ("DELETE", _) => Answer::status(204),
        _ => {
            let mut upload = upload_json(1, "a.txt", 9);
            (upload["private"], upload["content"]) = (true.into(), "Hi there!".into());
            Answer::json(200, upload)
        }
    })
    .await;
    fixture.provider.revise(&file(1, "a.txt"), None, &fixture.content(b"hello")).await.unwrap();
    let body = fixture.stub.received()[2].json();
    assert_eq!((&body["private"], &body["content"]), (&json!(true), &json!("Hi there!")));
}

#[tokio::test]
async fn an_old_upload_that_is_gone_or_must_stay_is_no_failure() {
    for status in [404, 403] {
        let fixture = taking("", move |_| Answer::status(status)).await;
        let revised = fixture.provider.revise(&file(1, "a.txt"), None, &fixture.content(b"hello")).await.unwrap();
        assert_eq!(revised.id.as_str(), "file:7/20");
    }
}

/// The newest files of project 7, with `bytes` as everybody's content.
fn newest(received: &Received, uploads: &[u64], bytes: &[u8]) -> Answer {
    match (received.method.as_str(), received.target.as_str()) {
        ("GET", "/projects/7/attachments.json") => {
            Answer::json(200, uploads.iter().map(|n| listed(*n, "a.txt")).collect())
        }
        ("GET", path) if path.contains("/original/") => Answer::bytes(200, bytes),
        ("DELETE", "/projects/7/uploads/10.json") => Answer::status(204),
        _ => panic!("{}", received.line()),
    }
}

async fn looked_back(fixture: &Fixture) -> Confirmation {
    let attempt = Attempt::Revise { file: file(10, "a.txt"), base: None, content: fixture.content(b"hello") };
    fixture.provider.confirm(&attempt).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_replacement_that_broke_off_is_finished_and_not_repeated() {
    let fixture = Fixture::new(|received| newest(received, &[12, 10, 9], b"hello")).await;
    let Confirmation::Revised(revised) = looked_back(&fixture).await else { panic!("it is there") };
    assert_eq!(revised.id.as_str(), "file:7/12");
    assert_eq!(fixture.lines().last().unwrap(), "DELETE /projects/7/uploads/10.json");
    assert_eq!(fixture.lines().len(), 3);
}

#[tokio::test]
async fn an_older_file_or_other_bytes_are_no_replacement() {
    let older = Fixture::new(|received| newest(received, &[10, 9], b"hello")).await;
    assert!(matches!(looked_back(&older).await, Confirmation::NotDone));
    assert_eq!(older.lines(), ["GET /projects/7/attachments.json"]);
    let other = Fixture::new(|received| newest(received, &[12, 10], b"HELLO")).await;
    assert!(matches!(looked_back(&other).await, Confirmation::NotDone));
}

#[tokio::test]
async fn a_file_that_was_there_before_is_not_the_one_that_was_made() {
    let fixture = Fixture::new(|received| newest(received, &[12, 10], b"hello")).await;
    for (before, made) in [(vec![10], true), (vec![10, 12], false)] {
        let attempt = Attempt::Attach {
            container: project(7),
            name: "a.txt".into(),
            content: fixture.content(b"hello"),
            before: before.into_iter().map(|upload| file(upload, "").id).collect(),
        };
        let found = fixture.provider.confirm(&attempt).await.unwrap().unwrap();
        assert_eq!(matches!(found, Confirmation::Created(created) if created.id.as_str() == "file:7/12"), made);
    }
}

#[tokio::test]
async fn a_rename_needs_the_attachments_id_which_the_upload_may_not_tell() {
    let fixture = Fixture::new(|received| match (received.method.as_str(), received.path()) {
        ("GET", "/projects/7/uploads/1.json") => {
            let mut upload = upload_json(1, "a.txt", 5);
            upload["attachments"][0]["url"] = "/1111/api/v1/elsewhere/a.txt".into();
            Answer::json(200, upload)
        }
        ("GET", "/projects/7/attachments.json") => Answer::json(200, json!([listed(2, "b.txt"), listed(1, "a.txt")])),
        ("PUT", "/projects/7/attachments/1001.json") => Answer::json(200, listed(1, "new.txt")),
        _ => panic!("{}", received.line()),
    })
    .await;
    for _ in 0..2 {
        fixture.provider.relocate(&file(1, "a.txt"), &project(7), "new.txt").await.unwrap();
    }
    assert_eq!(fixture.lines().len(), 4, "known from then on");
    assert_eq!(fixture.stub.received()[2].json(), json!({ "name": "new.txt" }));
}

#[tokio::test]
async fn projects_are_made_and_renamed() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "POST" => Answer::json(201, json!({ "id": 9, "name": "New" })),
        _ => Answer::json(200, json!({ "id": 9, "name": "Newer" })),
    })
    .await;
    let root = fixture.provider.root().id;
    let made = fixture.provider.make_dir(&root, "New").await.unwrap();
    let located = Located { id: made.id, parent: root.clone(), name: "New".into(), kind: EntryKind::Directory };
    fixture.provider.relocate(&located, &root, "Newer").await.unwrap();
    assert_eq!(fixture.lines(), ["POST /projects.json", "PUT /projects/9.json"]);
    assert_eq!(fixture.stub.received()[0].json(), json!({ "name": "New" }));
    assert_eq!(fixture.stub.received()[1].json(), json!({ "name": "Newer" }));
}

#[tokio::test]
async fn what_the_service_cannot_do_sends_nothing() {
    let fixture = Fixture::new(|received| panic!("{}", received.line())).await;
    let provider = &fixture.provider;
    let in_project = provider.make_dir(&project(7), "dir").await.unwrap_err();
    let moved = provider.relocate(&file(1, "a.txt"), &project(8), "a.txt").await.unwrap_err();
    let whole = Located { id: project(7), parent: provider.root().id, name: "P".into(), kind: EntryKind::Directory };
    let removed = provider.delete(&whole).await.unwrap_err();
    let at_root = provider.stage(&provider.root().id, "a.txt", &fixture.content(b"x")).await.unwrap_err();
    let kinds = [in_project.kind(), moved.kind(), removed.kind(), at_root.kind()];
    let (cannot, copy) = (ErrorKind::Unsupported, ErrorKind::CrossDevice);
    assert_eq!(kinds, [cannot, copy, cannot, cannot]);
}
