//! New documents and new content.

use super::*;

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

/// Somebody else stored a document of the same name and size in the moment between our request and our look.
#[tokio::test]
async fn a_document_of_somebody_else_is_not_taken_for_ours() {
    let posts = std::sync::atomic::AtomicU64::new(0);
    let fixture = Fixture::new(move |received, lists| {
        if received.method != "POST" {
            return Answer::status(404);
        }
        match posts.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0 => lists.set("documents", json!([document(9, 17, "first.txt", 1)])),
            _ => {
                let mut theirs = document(11, 17, "a.txt", 1);
                theirs["createdUserName"] = "bob".into();
                lists.set("documents", json!([document(9, 17, "first.txt", 1), document(10, 17, "a.txt", 1), theirs]));
            }
        }
        Answer::status(201)
    })
    .await;
    fixture.lists.set("documents", json!([]));
    fixture.create("first.txt", b"x").await.unwrap();
    let created = fixture.create("a.txt", b"x").await.unwrap();
    assert_eq!(created.id, Place::Document { project: 7, document: 10 }.remote_id());
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
