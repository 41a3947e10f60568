//! New files and new versions.

use super::*;

/// The form without its random boundary.
fn form(received: &Received) -> String {
    let boundary = received.header("content-type").unwrap().split_once("boundary=").unwrap().1;
    String::from_utf8(received.body.clone()).unwrap().replace(boundary, "B")
}

const NEW_FILE: &str = "--B\r\nContent-Disposition: form-data; name=\"jsonInputParameters\"\r\n\
    Content-Type: application/json\r\n\r\n{\"duplicateResolution\":\"TimeStampSuffix\",\"parentID\":\"F1\"}\r\n\
    --B\r\nContent-Disposition: form-data; name=\"primaryFile\"; filename=\"Plän.csv\"\r\n\
    Content-Type: text/csv\r\n\r\na;b\r\n--B--\r\n";

#[tokio::test]
async fn a_new_file_is_one_form_with_the_parameters_before_the_content() {
    let fixture = Fixture::new(|_| Answer::json(201, file("D7", "Plän.csv", 1))).await;
    let created = fixture.create("Plän.csv").await.unwrap();
    let expected = Created { id: file_id("D7"), revision: Some(model::numbered(1)), renamed: None, existed: false };
    assert_eq!(created, expected);
    assert_eq!(fixture.lines(), ["POST /files/data"]);
    assert_eq!(form(&fixture.last()), NEW_FILE);
    assert!(fixture.last().header("content-length").is_some());
}

#[tokio::test]
async fn a_file_that_got_a_suffix_is_withdrawn_because_its_name_is_taken() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "POST" => Answer::json(201, file("D7", "Plan102030.csv", 1)),
        _ => done(),
    })
    .await;
    assert_eq!(fixture.create("Plan.csv").await.unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(fixture.lines(), ["POST /files/data", "DELETE /files/D7"]);
}

#[tokio::test]
async fn a_service_without_the_parameter_is_looked_at_before_anything_is_overwritten() {
    let api = |taken: bool| {
        move |received: &Received| match received.method.as_str() {
            "GET" => page(if taken { vec![file("D1", "plan.CSV", 4)] } else { vec![] }, false, taken.into()),
            _ if form(received).contains("duplicateResolution") => Answer::json(400, json!({ "errorCode": "-1" })),
            _ => ok(file("D7", "Plan.csv", 1)),
        }
    };
    let fixture = Fixture::new(api(true)).await;
    assert_eq!(fixture.create("Plan.csv").await.unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(fixture.lines(), ["POST /files/data", "GET /folders/F1/items?limit=1000"]);
    let fixture = Fixture::new(api(false)).await;
    fixture.create("Plan.csv").await.unwrap();
    fixture.create("Plan.csv").await.unwrap();
    assert_eq!(fixture.lines().len(), 3 + 2, "the second file is not tried with it");
}

#[tokio::test]
async fn an_upload_that_became_a_revision_all_the_same_is_told() {
    let fixture = Fixture::new(|_| ok(file("D1", "Plan.csv", 5))).await;
    let created = fixture.create("Plan.csv").await.unwrap();
    assert!(created.existed);
    assert_eq!(created.revision, Some(model::numbered(5)));
}

#[tokio::test]
async fn a_new_file_without_a_readable_answer_is_unclear_and_not_repeated() {
    for answer in [Answer::lost(), Answer::text(200, "<html>"), Answer::status(500), ok(json!({ "errorCode": "0" }))] {
        let fixture = Fixture::new(move |_| answer.clone()).await;
        let error = fixture.create("a.txt").await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        assert_eq!(fixture.lines().len(), 1);
    }
}

#[tokio::test]
async fn a_revision_goes_under_the_name_that_the_file_has_now() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "GET" => ok(file("D1", "renamed.csv", 3)),
        _ => ok(file("D1", "renamed.csv", 4)),
    })
    .await;
    fixture.provider.stat(&file_id("D1")).await.unwrap();
    let known = located(file_id("D1"), "F1", "budget.csv");
    let base = model::numbered(3);
    let revised = fixture.provider.revise(&known, Some(&base), &fixture.content(b"a;b")).await.unwrap();
    assert_eq!(revised, Revised { id: file_id("D1"), revision: Some(model::numbered(4)) });
    assert_eq!(fixture.last().line(), "POST /documents/api/1.2/files/D1/data");
    let expected = "--B\r\nContent-Disposition: form-data; name=\"primaryFile\"; filename=\"renamed.csv\"\r\n\
                    Content-Type: text/csv\r\n\r\na;b\r\n--B--\r\n";
    assert_eq!(form(&fixture.last()), expected);
}

#[tokio::test]
async fn metadata_values_follow_the_content() {
    let settings = "token = 't'\n[accounts.acme.metadata]\ncollection = 'CollectionA'\nfieldA = 'valueA'";
    let fixture = Fixture::with(settings, |_| ok(file("D1", "a.txt", 2))).await;
    let known = located(file_id("D1"), "F1", "a.txt");
    fixture.provider.revise(&known, None, &fixture.content(b"x")).await.unwrap();
    let tail = "x\r\n--B\r\nContent-Disposition: form-data; name=\"metadataValues\"\r\n\
                Content-Type: application/json\r\n\r\n{\"collection\":\"CollectionA\",\"fieldA\":\"valueA\"}\r\n--B--\r\n";
    let form = form(&fixture.last());
    assert!(form.ends_with(tail), "{form}");
}

#[tokio::test]
async fn a_file_that_somebody_else_reserved_is_locked_and_not_forbidden() {
    for (holder, kind) in [(Some("UOTHER"), ErrorKind::Locked), (None, ErrorKind::Denied)] {
        let fixture = Fixture::new(move |received| match (received.method.as_str(), received.path()) {
            ("POST", _) => no_rights(),
            (_, "/documents/api/1.2/folders/self") => ok(folder("self", "")),
            _ => {
                let mut seen = file("D1", "a.txt", 1);
                if let Some(holder) = holder {
                    seen["reservedBy"] = json!({ "id": holder, "type": "user" });
                }
                ok(seen)
            }
        })
        .await;
        let known = located(file_id("D1"), "F1", "a.txt");
        let error = fixture.provider.revise(&known, None, &fixture.content(b"x")).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
    }
}
