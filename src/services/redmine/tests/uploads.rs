//! Uploading and attaching.

use super::*;
use crate::services::redmine::model::{Attachment, revision_of};

const UPLOAD: &str = "POST /uploads.json?filename=it%EF%BC%87s+new.txt";

#[tokio::test]
async fn bytes_go_up_as_they_are_under_a_name_that_is_not_rewritten() {
    let fixture = Fixture::new(vec![(UPLOAD, uploaded(21, b"hello"))]).await;
    let content = fixture.content(b"hello");
    let staged = fixture.provider.stage(&Place::Files(1).remote_id(), "it's new.txt", &content).await.unwrap();
    assert_eq!(staged.token.unwrap(), format!("21.{}", sha256(b"hello")));
    let request = fixture.last_with("POST");
    assert_eq!(request.header("content-type"), Some("application/octet-stream"));
    assert_eq!((request.header("content-length"), request.header("transfer-encoding")), (Some("5"), None));
    assert_eq!(request.body, b"hello");
}

#[tokio::test]
async fn other_bytes_than_were_sent_are_noticed_and_thrown_away() {
    let fixture =
        Fixture::new(vec![(UPLOAD, uploaded(21, b"hallo")), ("DELETE /attachments/21.json", Answer::status(204))])
            .await;
    let content = fixture.content(b"hello");
    let error = fixture.provider.stage(&Place::Files(1).remote_id(), "it's new.txt", &content).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(fixture.lines(), [UPLOAD, "DELETE /attachments/21.json"]);
}

#[tokio::test]
async fn a_refused_upload_is_too_large_unless_a_larger_one_was_taken() {
    let large = AtomicU64::new(100);
    let fixture = Fixture::with(move |received| {
        let fits = received.body.len() as u64 <= large.load(Ordering::Relaxed) && !received.target.contains("exe");
        let refusal = json!({ "errors": ["Diese Datei kann nicht hochgeladen werden"] });
        Some(if fits { uploaded(21, &received.body) } else { Answer::json(422, refusal) })
    })
    .await;
    let files = Place::Files(1).remote_id();
    let content = fixture.content(&[b'x'; 101]);
    let error = fixture.provider.stage(&files, "big", &content).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    let content = fixture.content(&[b'x'; 100]);
    fixture.provider.stage(&files, "fits", &content).await.unwrap();
    let error = fixture.provider.stage(&files, "a.exe", &content).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::BadName);
}

#[tokio::test]
async fn one_file_is_attached_in_the_documented_form() {
    let attach = "POST /projects/1/files.json";
    for (container, version) in [(Place::Files(1), None), (Place::Version { project: 1, version: 4 }, Some(4))] {
        let fixture = Fixture::new(vec![(attach, Answer::status(204))]).await;
        let token = format!("21.{}", sha256(b"x"));
        let item = AttachItem { description: Some("d".into()), ..fixture.item("a.txt", &token) };
        let created = fixture.provider.attach(&container.remote_id(), &[item]).await.unwrap().remove(0).unwrap();
        assert_eq!(created.id.as_str(), "file:21");
        let listed = Attachment::read(&super::file(21, "a.txt", b"x")).map(|file| revision_of(&file));
        assert_eq!(created.revision, listed, "as the list will show it");
        let mut file = json!({ "token": token, "filename": "a.txt", "description": "d" });
        if let Some(version) = version {
            file["version_id"] = version.into();
        }
        assert_eq!(fixture.last_with("POST").json(), json!({ "file": file }));
        assert_eq!(fixture.last_with("POST").header("content-type"), Some("application/json"));
        assert_eq!(fixture.lines().len(), 1);
    }
}

#[tokio::test]
async fn many_files_are_attached_at_once_and_compared_with_the_list() {
    let fixture = Fixture::new(vec![
        ("POST /projects/1/files.json", Answer::status(204)),
        ("GET /projects/1/files.json", files(json!([file(21, "a", b"x"), file(23, "c", b"x")]))),
    ])
    .await;
    let items = [fixture.item("a", "21.ab"), fixture.item("b", "22.ab"), fixture.item("c", "23.ab")];
    let place = Place::Version { project: 1, version: 4 }.remote_id();
    let outcomes = fixture.provider.attach(&place, &items).await.unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind(), ErrorKind::Stale);
    let sent = fixture.last_with("POST").json();
    assert_eq!(sent["version_id"], 4);
    assert_eq!(sent["attachments"][1], json!({ "token": "22.ab", "filename": "b" }));
    assert_eq!(fixture.lines().len(), 2);
}

#[tokio::test]
async fn issues_and_news_take_uploads_in_an_update() {
    for (place, line, name) in [
        (Place::Issue { project: 1, issue: 7 }, "PUT /issues/7.json", "issue"),
        (Place::News { project: 1, news: 4 }, "PUT /news/4.json", "news"),
    ] {
        let fixture = Fixture::new(vec![(line, Answer::status(204))]).await;
        let item = fixture.item("a.txt", "21.ab");
        fixture.provider.attach(&place.remote_id(), &[item]).await.unwrap().remove(0).unwrap();
        let uploads = json!([{ "token": "21.ab", "filename": "a.txt" }]);
        assert_eq!(fixture.last_with("PUT").json(), json!({ name: { "uploads": uploads } }));
    }
}

#[tokio::test]
async fn a_wiki_page_gets_its_text_back_and_is_read_again_when_somebody_saved_it() {
    let (page, saves) = ("/projects/1/wiki/Start.json", std::sync::atomic::AtomicU64::new(0));
    let fixture = Fixture::with(move |received| {
        let version = saves.load(Ordering::Relaxed) + 3;
        let attachments = if version == 4 { json!([file(21, "a.txt", b"x")]) } else { json!([]) };
        let now =
            json!({ "title": "Start", "text": format!("v{version}"), "version": version, "attachments": attachments });
        match (received.method.as_str(), received.path()) {
            ("GET", path) if path == page => Some(Answer::json(200, json!({ "wiki_page": now }))),
            ("PUT", path) if path == page && saves.fetch_add(1, Ordering::Relaxed) == 0 => Some(Answer::status(409)),
            ("PUT", path) if path == page => {
                saves.store(1, Ordering::Relaxed);
                Some(Answer::status(204))
            }
            _ => None,
        }
    })
    .await;
    let place = Place::Page { project: 1, title: "Start".into() };
    let item = fixture.item("a.txt", "21.ab");
    fixture.provider.attach(&place.remote_id(), &[item]).await.unwrap().remove(0).unwrap();
    let uploads = json!([{ "token": "21.ab", "filename": "a.txt" }]);
    let page = json!({ "wiki_page": { "text": "v4", "version": 4, "uploads": uploads } });
    assert_eq!(fixture.last_with("PUT").json(), page);
    let methods: Vec<_> = fixture.lines().iter().map(|line| line[..3].to_owned()).collect();
    assert_eq!(methods, ["GET", "PUT", "GET", "PUT", "GET"]);
}

#[tokio::test]
async fn a_token_used_by_a_try_whose_answer_was_lost_counts_as_done() {
    let attaches = std::sync::atomic::AtomicUsize::new(0);
    let fixture = Fixture::with(move |received| match received.line().as_str() {
        "POST /projects/1/files.json" if attaches.fetch_add(1, Ordering::Relaxed) == 0 => Some(Answer::lost()),
        "POST /projects/1/files.json" => Some(Answer::status(404)),
        "GET /projects/1/files.json" => Some(files(json!([file(21, "a", b"x")]))),
        "GET /projects/1/versions.json" => Some(versions(json!([]))),
        _ => None,
    })
    .await;
    let item = fixture.item("a", "21.ab");
    let created = fixture.provider.attach(&Place::Files(1).remote_id(), &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!(created.id, Place::File(21).remote_id());
}

#[tokio::test]
async fn a_refused_token_is_either_gone_or_not_wanted() {
    for (kept, kind) in [(false, ErrorKind::Stale), (true, ErrorKind::BadName)] {
        let fixture = Fixture::with(move |received| match received.line().as_str() {
            "POST /projects/1/files.json" => Some(Answer::status(404)),
            "GET /projects/1/files.json" => Some(files(json!([]))),
            "GET /projects/1/versions.json" => Some(versions(json!([]))),
            "GET /attachments/21.json" if kept => Some(Answer::json(200, json!({ "attachment": file(21, "a", b"x") }))),
            "GET /attachments/21.json" => Some(Answer::status(404)),
            "DELETE /attachments/21.json" if kept => Some(Answer::status(204)),
            _ => None,
        })
        .await;
        let item = fixture.item("a", "21.ab");
        let outcome = fixture.provider.attach(&Place::Files(1).remote_id(), &[item]).await.unwrap().remove(0);
        assert_eq!(outcome.unwrap_err().kind(), kind);
    }
}

#[tokio::test]
async fn a_version_that_is_gone_is_told_apart_from_a_service_that_fails() {
    let fixture = Fixture::with(move |received| match received.line().as_str() {
        "POST /projects/1/files.json" => Some(Answer::status(500).header("Retry-After", "0")),
        "GET /projects/1/files.json" => Some(files(json!([]))),
        "GET /projects/1/versions.json" => Some(versions(json!([]))),
        _ => None,
    })
    .await;
    let item = fixture.item("a", "21.ab");
    let place = Place::Version { project: 1, version: 4 }.remote_id();
    let error = fixture.provider.attach(&place, &[item]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_refusal_is_remembered_and_its_upload_removed() {
    let fixture = Fixture::with(move |received| match received.line().as_str() {
        "GET /users/current.json?include=memberships" => Some(me(json!({}))),
        "POST /projects/1/files.json" => Some(Answer::status(403)),
        "DELETE /attachments/21.json" => Some(Answer::status(204)),
        "GET /projects/1/files.json" => Some(files(json!([]))),
        "GET /projects/1/versions.json" => Some(versions(json!([]))),
        _ => None,
    })
    .await;
    let dir = Place::Files(1).remote_id();
    assert!(fixture.provider.stat(&dir).await.unwrap().permits.has(Operation::CreateFile), "nobody says otherwise");
    let item = fixture.item("a", "21.ab");
    let error = fixture.provider.attach(&dir, &[item]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert!(!fixture.provider.stat(&dir).await.unwrap().permits.has(Operation::CreateFile));
}
