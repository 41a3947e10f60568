//! The two stages, their expiry, and what becomes of an upload that was cut off.

use std::collections::HashSet;

use super::*;

/// A service that takes an upload: `forms` are the storage host's answers in turn, the last again and again.
async fn taking(forms: Vec<Answer>) -> Fixture {
    let next = Arc::new(Mutex::new(0));
    Fixture::new(move |received, line| {
        let url = format!("http://{}", received.header("host").unwrap());
        let pending = || {
            let mut value = file_value(0);
            value["uploads"] = json!([upload_entry(&url, "first")]);
            value["facets"] = json!([{ "name": "thumbnail", "state": 0 }]);
            value
        };
        match line {
            "POST /c_files" => Answer::json(200, json!({ "_id": "5519", "object": "c_file", "c_content": pending() })),
            "PUT /c_files/5519/c_content" => Answer::json(200, pending()),
            "PUT /c_files/5519/c_content/refresh" => list(json!([upload_entry(&url, "refreshed")])),
            "GET /c_files/5519/c_content" => Answer::json(200, file_value(2)),
            "POST /bucket" => {
                let mut next = next.lock().unwrap();
                let answer = forms[(*next).min(forms.len() - 1)].clone();
                *next += 1;
                answer
            }
            "DELETE /c_files/5519" => Answer::json(200, json!(true)),
            other => panic!("{other}"),
        }
    })
    .await
}

fn stored() -> Answer {
    Answer::text(201, "<PostResponse><ETag>x</ETag></PostResponse>")
}

/// The names of a form's parts in their order; the file's own name stands there too.
fn parts(form: &Received) -> Vec<String> {
    let text = String::from_utf8_lossy(&form.body).into_owned();
    text.split("name=\"").skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_new_file_is_an_instance_then_a_form_then_a_look() {
    let fixture = taking(vec![stored()]).await;
    let created = fixture.attach(&folder(), "IMG_1399.JPG", b"hello").await.unwrap();
    assert_eq!((created.id.as_str(), created.revision), ("file:5519", Some(RevisionId::new(ETAG))));
    assert_eq!(fixture.lines(), ["POST /c_files", "POST /bucket", "GET /c_files/5519/c_content"]);
    let received = fixture.stub.received();
    let body = json!({ "c_name": "IMG_1399.JPG", "c_project": { "_id": "5516" }, "c_folder": { "_id": "5517" },
        "c_content": { "content": "IMG_1399.JPG" } });
    assert_eq!(received[0].json(), body);
    assert_eq!(received[0].header("content-type"), Some("application/json"));

    let form = &received[1];
    assert_eq!(parts(form), ["x-amz-date", "content-type", "key", "policy", "file", "file"], "the file comes last");
    assert!(form.body.windows(9).any(|w| w == b"\r\n\r\nhello"));
    assert_eq!(form.header("content-length"), Some(form.body.len().to_string().as_str()));
    assert_eq!(form.header("transfer-encoding"), None);
    assert!(form.headers.iter().all(|(n, _)| !n.starts_with("medable") && n != "authorization" && n != "cookie"));
}

#[tokio::test]
async fn a_file_in_no_folder_refers_to_its_project_only() {
    let fixture = taking(vec![stored()]).await;
    fixture.attach(&project(), "a.txt", b"hello").await.unwrap();
    let body = json!({ "c_name": "a.txt", "c_project": { "_id": "5516" }, "c_content": { "content": "a.txt" } });
    assert_eq!(fixture.stub.received()[0].json(), body);
}

#[tokio::test]
async fn new_content_is_a_write_of_the_property_a_form_and_a_look() {
    let fixture = taking(vec![stored()]).await;
    let file = located(&Place::File("5519".into()), &folder(), "a.txt");
    let revised = fixture.provider.revise(&file, None, &fixture.content(b"hello")).await.unwrap();
    assert_eq!(revised, Revised { id: file.id.clone(), revision: Some(RevisionId::new(ETAG)) });
    let lines = ["PUT /c_files/5519/c_content", "POST /bucket", "GET /c_files/5519/c_content"];
    assert_eq!(fixture.lines(), lines);
    assert_eq!(fixture.stub.received()[0].json(), json!({ "content": "a.txt" }));
}

#[tokio::test]
async fn an_expired_form_is_refreshed_and_sent_again() {
    let expired = storage_fault(403, "AccessDenied", "Invalid according to Policy: Policy expired.");
    let fixture = taking(vec![expired, stored()]).await;
    fixture.attach(&folder(), "a.txt", b"hello").await.unwrap();
    let received = fixture.stub.received();
    assert_eq!(received[2].line(), "PUT /acme/v2/c_files/5519/c_content/refresh");
    assert_eq!(received[2].json(), json!(["content"]));
    assert!(String::from_utf8_lossy(&received[3].body).contains("refreshed"));
    assert_eq!(received.len(), 5);
}

#[tokio::test]
async fn a_storage_that_stumbles_gets_the_same_form_again() {
    let fixture = taking(vec![storage_fault(503, "SlowDown", "Reduce your rate"), Answer::lost(), stored()]).await;
    fixture.attach(&folder(), "a.txt", b"hello").await.unwrap();
    let received = fixture.stub.received();
    assert_eq!(fixture.lines().iter().filter(|line| *line == "POST /c_files").count(), 1);
    assert_eq!(parts(&received[1]), parts(&received[3]));
}

#[tokio::test]
async fn an_upload_that_can_never_succeed_leaves_no_file_behind() {
    for (answer, kind) in [
        (storage_fault(400, "EntityTooLarge", "too large"), ErrorKind::TooLarge),
        (storage_fault(403, "SignatureDoesNotMatch", "no"), ErrorKind::Bug),
    ] {
        let fixture = taking(vec![answer]).await;
        let error = fixture.attach(&folder(), "a.txt", b"hello").await.unwrap_err();
        assert_eq!((error.kind(), error.is_unclear()), (kind, false));
        assert_eq!(fixture.lines(), ["POST /c_files", "POST /bucket", "DELETE /c_files/5519"]);
    }
}

#[tokio::test]
async fn a_file_over_the_entrys_limit_is_not_sent_and_the_limit_is_remembered() {
    let fixture = taking(vec![stored()]).await;
    assert_eq!(fixture.provider.capabilities().file_bytes_max, None);
    let error = fixture.attach(&folder(), "a.bin", &vec![7; 5_120_001]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TooLarge);
    assert_eq!(fixture.lines(), ["POST /c_files", "DELETE /c_files/5519"]);
    assert_eq!(fixture.provider.capabilities().file_bytes_max, Some(5_120_000));
}

#[tokio::test]
async fn a_create_without_a_readable_answer_is_unclear_and_never_repeated() {
    for answer in [Answer::lost(), Answer::text(200, "<html>"), Answer::status(500), Answer::json(200, json!({}))] {
        let fixture = Fixture::new(move |_, _| answer.clone()).await;
        let error = fixture.attach(&project(), "a.txt", b"hello").await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        assert_eq!(fixture.lines().len(), 1);
    }
}

/// A service where one file of the name is there, in a state that an upload cuts through.
async fn cut_off(state: u64, creator: &'static str, waits: bool) -> Fixture {
    let finished = Times::new(0);
    Fixture::new(move |received, line| {
        let url = format!("http://{}", received.header("host").unwrap());
        match line {
            line if line.starts_with("GET /c_files?") => named(&json!({ "_id": "5519", "c_name": "a.txt",
                "c_folder": { "_id": "5517" }, "creator": { "_id": creator }, "c_content": file_value(state) })),
            "GET /accounts/me" => Answer::json(200, json!({ "_id": "4444" })),
            "GET /c_files/5519" => Answer::json(200, json!({ "_id": "5519", "c_content": file_value(state) })),
            "PUT /c_files/5519/c_content/refresh" if waits => list(json!([upload_entry(&url, "refreshed")])),
            "PUT /c_files/5519/c_content/refresh" => list(json!([])),
            "PUT /c_files/5519/c_content" => {
                let mut value = file_value(0);
                value["uploads"] = json!([upload_entry(&url, "anew")]);
                Answer::json(200, value)
            }
            "POST /bucket" => {
                *finished.0.lock().unwrap() = u32::MAX;
                stored()
            }
            "GET /c_files/5519/c_content" => Answer::json(200, file_value(if finished.again() { 2 } else { state })),
            "GET /c_files/5519/c_content/content" => {
                let mut facet = file_value(2);
                facet["url"] = format!("{url}/bytes").into();
                Answer::json(200, facet)
            }
            "GET /bytes" => Answer::bytes(200, b"hello"),
            other => panic!("{other}"),
        }
    })
    .await
}

fn attempt(fixture: &Fixture, bytes: &[u8], before: &[&str]) -> Attempt {
    let before: HashSet<_> = before.iter().map(|id| Place::File((*id).into()).remote_id()).collect();
    let content = fixture.content(bytes);
    Attempt::Attach { container: folder().remote_id(), name: "a.txt".into(), content, before }
}

async fn looked(fixture: &Fixture, attempt: &Attempt) -> Confirmation {
    fixture.provider.confirm(attempt).await.unwrap().unwrap()
}

#[tokio::test]
async fn an_upload_cut_off_after_the_instance_was_made_is_finished_and_not_doubled() {
    let fixture = cut_off(0, "4444", true).await;
    let found = looked(&fixture, &attempt(&fixture, b"hello", &[])).await;
    assert!(matches!(found, Confirmation::Created(created) if created.id.as_str() == "file:5519"));
    let lines = fixture.lines();
    assert!(lines[0].contains(r#"where={"c_name":"a.txt","c_project._id":"5516"}"#), "{}", lines[0]);
    let rest =
        ["GET /accounts/me", "PUT /c_files/5519/c_content/refresh", "POST /bucket", "GET /c_files/5519/c_content"];
    assert_eq!(lines[1..], rest);
}

#[tokio::test]
async fn an_upload_whose_window_is_gone_for_good_begins_anew_in_the_same_file() {
    for state in [0, 3, 4] {
        let fixture = cut_off(state, "4444", false).await;
        let found = looked(&fixture, &attempt(&fixture, b"hello", &[])).await;
        assert!(matches!(found, Confirmation::Created(_)), "{state}");
        let lines = fixture.lines();
        assert_eq!(lines.iter().filter(|line| *line == "PUT /c_files/5519/c_content").count(), 1, "{state}");
        assert!(lines.iter().all(|line| line != "POST /c_files"), "{state}");
    }
}

#[tokio::test]
async fn somebody_elses_pending_file_and_those_that_were_there_before_are_left_alone() {
    let fixture = cut_off(0, "3333", true).await;
    assert!(matches!(looked(&fixture, &attempt(&fixture, b"hello", &[])).await, Confirmation::NotDone));
    let fixture = cut_off(2, "4444", true).await;
    assert!(matches!(looked(&fixture, &attempt(&fixture, b"hello", &["5519"])).await, Confirmation::NotDone));
    assert_eq!(fixture.lines().len(), 1);
}

#[tokio::test]
async fn a_finished_file_of_that_name_is_ours_only_with_our_bytes() {
    let fixture = cut_off(2, "4444", true).await;
    assert!(matches!(looked(&fixture, &attempt(&fixture, b"hello", &[])).await, Confirmation::Created(_)));
    for other in [&b"HELLO"[..], b"hello again"] {
        let fixture = cut_off(2, "4444", true).await;
        assert!(matches!(looked(&fixture, &attempt(&fixture, other, &[])).await, Confirmation::NotDone));
    }
}

#[tokio::test]
async fn a_revision_cut_off_half_way_is_finished_and_an_untouched_file_is_told_as_such() {
    let revise = |fixture: &Fixture| Attempt::Revise {
        file: located(&Place::File("5519".into()), &folder(), "a.txt"),
        base: Some(RevisionId::new("older")),
        content: fixture.content(b"hello"),
    };
    let fixture = cut_off(0, "4444", true).await;
    let found = looked(&fixture, &revise(&fixture)).await;
    assert!(matches!(found, Confirmation::Revised(revised) if revised.revision == Some(RevisionId::new(ETAG))));
    let fixture = cut_off(2, "4444", true).await;
    let mut untouched = revise(&fixture);
    if let Attempt::Revise { base, .. } = &mut untouched {
        *base = Some(RevisionId::new(ETAG));
    }
    assert!(matches!(looked(&fixture, &untouched).await, Confirmation::NotDone));
    assert_eq!(fixture.lines(), ["GET /c_files/5519"]);
}

#[tokio::test]
async fn a_copy_is_a_reference_to_the_other_files_facet() {
    let fixture = taking(vec![stored()]).await;
    let from = located(&Place::File("5518".into()), &folder(), "a.txt");
    let created = fixture.provider.copy(&from, &project().remote_id(), "b.txt").await.unwrap();
    assert_eq!(created.id.as_str(), "file:5519");
    let source = json!({ "source": "facet", "filename": "b.txt", "path": "/c_files/5518/c_content/content" });
    let body = json!({ "c_name": "b.txt", "c_project": { "_id": "5516" }, "c_content": { "content": source } });
    assert_eq!(fixture.stub.received()[0].json(), body);
    assert_eq!(fixture.lines(), ["POST /c_files", "GET /c_files/5519/c_content"]);
}
