//! Lists, single things, changes of names and places, reading.

use futures::StreamExt;

use super::*;
use crate::provider::confirm::list_all;

const MEMBERS: &str = "&paths[]=created&paths[]=updated&paths[]=creator&paths[]=updater&paths[]=access";

#[tokio::test]
async fn a_project_costs_two_lists_of_1000_however_many_directories_it_has() {
    let fixture = Fixture::new(|_, line| match line {
        line if line.starts_with("GET /c_folders?") => list(json!([
            { "_id": "5517", "c_name": "Sub", "access": 4 },
            { "_id": "5518", "c_name": "Inner", "c_parent": { "_id": "5517" } }])),
        line if line.starts_with("GET /c_files?") => list(json!([
            { "_id": "5519", "c_name": "a.txt", "c_content": file_value(2), "created": "2015-04-04T04:13:33.431Z" },
            { "_id": "5520", "c_name": "a.txt", "c_folder": "5518" }])),
        other => panic!("{other}"),
    })
    .await;
    let age = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let mut names = Vec::new();
    for place in [project(), folder(), Place::Folder { project: "5516".into(), id: "5518".into() }] {
        let id = place.remote_id();
        let mut parts = fixture.provider.list(&id, age.clone());
        let Some(Ok(ListPart::Entries { entries, .. })) = parts.next().await else { panic!("no entries") };
        names.push(entries.iter().map(|entry| entry.name.clone()).collect::<Vec<_>>());
    }
    assert_eq!(names, [vec!["Sub", "a.txt"], vec!["Inner"], vec!["a.txt"]]);
    let mut lines = fixture.lines();
    lines.sort();
    let condition = r#"where={"c_project._id":"5516"}&sort={"_id":1}&limit=1000"#;
    assert_eq!(
        lines,
        [
            format!("GET /c_files?{condition}&paths[]=c_name&paths[]=c_folder&paths[]=c_content{MEMBERS}"),
            format!("GET /c_folders?{condition}&paths[]=c_name&paths[]=c_parent{MEMBERS}"),
        ]
    );
    let received = fixture.last();
    assert_eq!(received.header("medable-client-key"), Some(KEY));
    assert_eq!(received.header("authorization"), Some("Bearer token-0123456789"));
}

#[tokio::test]
async fn pages_go_on_by_id_until_nothing_more_is_said_to_come() {
    let fixture = Fixture::new(|_, line| match line.contains(r#"where={"_id":{"$gt":"5517"}}"#) {
        false => Answer::json(200, json!({ "object": "list", "data": [{ "_id": "5517" }], "hasMore": true })),
        true => list(json!([{ "_id": "5518" }])),
    })
    .await;
    let root = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap();
    assert_eq!(root.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["project:5517", "project:5518"]);
    assert_eq!(fixture.lines().len(), 2);
}

#[tokio::test]
async fn a_list_that_never_ends_is_an_error() {
    for data in [json!([]), json!([{ "_id": "5517" }])] {
        let answer = Answer::json(200, json!({ "object": "list", "data": data, "hasMore": true }));
        let fixture = Fixture::new(move |_, _| answer.clone()).await;
        let error = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol);
        assert!(fixture.lines().len() <= 2);
    }
}

#[tokio::test]
async fn a_fault_is_read_by_its_code_and_not_by_its_status() {
    use ErrorKind::*;
    for (status, code, kind, unclear) in [
        (403, "kAccessDenied", Denied, false),
        (400, "kNotFound", NotFound, false),
        (403, "kTokenExpired", SignedOut, false),
        (400, "kExists", Exists, false),
        (400, "kValidationError", Invalid, false),
        (413, "kRequestTooLarge", TooLarge, false),
        (403, "kThrottled", RateLimited, false),
        (200, "kAccessDenied", Denied, false),
        (500, "kUnheardOf", Server, true),
        (504, "kTimeout", TimedOut, true),
        (503, "kTooBusy", RateLimited, false),
    ] {
        let fixture = Fixture::new(move |_, _| fault(status, code)).await;
        let error = fixture.provider.make_dir(&project().remote_id(), "x").await.unwrap_err();
        assert_eq!((error.kind(), error.is_unclear()), (kind, unclear), "{code}");
        assert_eq!(fixture.lines().len(), 1, "{code}");
    }
}

#[tokio::test]
async fn directories_are_made_renamed_moved_and_removed_by_their_properties() {
    let fixture = Fixture::new(|_, line| match line {
        line if line.starts_with("POST") => Answer::json(200, json!({ "_id": "5599", "object": "c_folder" })),
        line if line.starts_with("GET") => list(json!([])),
        line if line.starts_with("DELETE") => Answer::status(200),
        _ => Answer::json(200, json!({ "_id": "5517" })),
    })
    .await;
    let provider = &fixture.provider;
    let made = provider.make_dir(&folder().remote_id(), "New").await.unwrap();
    assert_eq!((made.id.as_str(), made.name.as_str()), ("folder:5516/5599", "New"));
    assert_eq!(fixture.last().target, "/acme/v2/c_folders");
    let body = json!({ "c_name": "New", "c_project": { "_id": "5516" }, "c_parent": { "_id": "5517" } });
    assert_eq!(fixture.last().json(), body);
    provider.make_dir(&Place::Root.remote_id(), "P").await.unwrap();
    assert_eq!(
        (fixture.last().target.as_str(), fixture.last().json()),
        ("/acme/v2/c_projects", json!({ "c_name": "P" }))
    );

    let sub = located(&folder(), &project(), "Sub");
    provider.relocate(&sub, &sub.parent, "Other").await.unwrap();
    assert_eq!(
        (fixture.last().line().as_str(), fixture.last().json()),
        ("PUT /acme/v2/c_folders/5517", json!({ "c_name": "Other" }))
    );
    let other_project = Place::Project("6666".into());
    let error = provider.relocate(&sub, &other_project.remote_id(), "Sub").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossDevice);

    let file = located(&Place::File("5519".into()), &folder(), "a.txt");
    provider.relocate(&file, &project().remote_id(), "b.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "c_name": "b.txt", "c_folder": null }));
    provider.relocate(&file, &other_project.remote_id(), "a.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "c_project": { "_id": "6666" }, "c_folder": null }));

    let before = fixture.lines().len();
    provider.delete(&sub).await.unwrap();
    assert_eq!(
        fixture.lines()[before..],
        [
            r#"GET /c_folders?where={"c_parent._id":"5517"}&limit=1&paths[]=_id"#,
            r#"GET /c_files?where={"c_folder._id":"5517"}&limit=1&paths[]=_id"#,
            "DELETE /c_folders/5517",
        ]
    );
}

#[tokio::test]
async fn a_directory_that_holds_something_is_not_removed() {
    let fixture = Fixture::new(|_, _| list(json!([{ "_id": "5519" }]))).await;
    let error = fixture.provider.delete(&located(&folder(), &project(), "Sub")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotEmpty);
    assert_eq!(fixture.lines().len(), 1);
}

/// An API that tells an address, and a storage host that wants a fresh one after `stale` reads.
async fn readable_file(stale: u32) -> Fixture {
    let refusals = Times::new(stale);
    Fixture::new(move |received, line| match line {
        "GET /c_files/5519/c_content/content" => {
            let host = received.header("host").unwrap();
            let mut facet = file_value(2);
            facet["object"] = "facet".into();
            facet["url"] = format!("http://{host}/bucket/a?signature=s3cret").into();
            Answer::json(200, facet)
        }
        "GET /bucket/a?signature=s3cret" if refusals.again() => {
            storage_fault(403, "AccessDenied", "Request has expired")
        }
        "GET /bucket/a?signature=s3cret" => match received.header("range") {
            Some("bytes=1-2") => Answer::bytes(206, b"el").header("Content-Range", "bytes 1-2/5"),
            Some(other) => panic!("{other}"),
            None => Answer::bytes(200, b"hello"),
        },
        other => panic!("{other}"),
    })
    .await
}

async fn read(fixture: &Fixture, etag: &str, range: ByteRange) -> Result<Vec<u8>> {
    let id = Place::File("5519".into()).remote_id();
    let target = ReadTarget { id, revision: Some(RevisionId::new(etag)), old: false, size: Some(5) };
    let mut stream = fixture.provider.read(&target, range).await?.stream;
    let mut bytes = Vec::new();
    while let Some(chunk) = stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn content_comes_from_the_signed_address_without_any_of_our_headers() {
    let fixture = readable_file(0).await;
    assert_eq!(read(&fixture, ETAG, ByteRange::WHOLE).await.unwrap(), b"hello");
    assert_eq!(read(&fixture, ETAG, ByteRange { start: 1, end: Some(3) }).await.unwrap(), b"el");
    let received = fixture.stub.received();
    assert_eq!(received.len(), 3, "one address serves all ranges");
    assert_eq!(received[0].header("accept"), Some("application/json"));
    for request in &received[1..] {
        let foreign =
            request.headers.iter().find(|(n, _)| n.starts_with("medable") || n == "authorization" || n == "cookie");
        assert_eq!(foreign, None);
    }
}

#[tokio::test]
async fn an_address_that_ran_out_is_asked_for_again_once() {
    let fixture = readable_file(1).await;
    assert_eq!(read(&fixture, ETAG, ByteRange { start: 1, end: Some(3) }).await.unwrap(), b"el");
    assert_eq!(fixture.lines().len(), 4);
    let fixture = readable_file(9).await;
    assert_eq!(read(&fixture, ETAG, ByteRange::WHOLE).await.unwrap_err().kind(), ErrorKind::Denied);
    assert_eq!(fixture.lines().len(), 4);
}

#[tokio::test]
async fn another_revision_is_never_read_instead() {
    let fixture = readable_file(0).await;
    assert_eq!(read(&fixture, "older", ByteRange::WHOLE).await.unwrap_err().kind(), ErrorKind::Conflict);
    assert_eq!(fixture.lines().len(), 1);
}

#[tokio::test]
async fn content_that_is_not_ready_is_waited_for_and_one_that_failed_is_not() {
    let waits = Times::new(1);
    let fixture = Fixture::new(move |received, line| match line {
        "GET /c_files/5519/c_content/content" if waits.again() => fault(202, "kMediaNotReady"),
        "GET /c_files/5519/c_content/content" => {
            let mut facet = file_value(2);
            facet["url"] = format!("http://{}/bucket/a", received.header("host").unwrap()).into();
            Answer::json(200, facet)
        }
        _ => Answer::bytes(200, b"hello"),
    })
    .await;
    assert_eq!(read(&fixture, ETAG, ByteRange::WHOLE).await.unwrap(), b"hello");

    let fixture = Fixture::new(|_, _| fault(500, "kStreamMediaError")).await;
    let error = read(&fixture, ETAG, ByteRange::WHOLE).await.unwrap_err();
    assert_eq!((error.kind(), error.is_temporary()), (ErrorKind::Server, false));
    assert_eq!(fixture.lines().len(), 1);
}

#[tokio::test]
async fn the_mount_checks_who_we_are_and_what_the_settings_name() {
    let fixture = Fixture::new(|_, line| match line {
        "GET /accounts/me" => {
            Answer::json(200, json!({ "_id": "4444", "object": "account", "email": "ann@example.org" }))
        }
        "GET /c_projects?limit=1" => fault(400, "kInvalidObject"),
        other => panic!("{other}"),
    })
    .await;
    let error = fixture.provider.sign_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.detail().contains("c_projects"), "{error}");
}

#[tokio::test]
async fn single_properties_are_shown_as_directories_of_their_ready_facets() {
    let image = json!({ "name": "content", "state": 2, "ETag": ETAG, "size": 5, "mime": "image/jpeg", "facets": [
        { "name": "thumbnail", "state": 2, "ETag": "t", "size": 1, "mime": "image/png" }, { "name": "large", "state": 1 }] });
    let settings = format!("token = \"{TOKEN}\"\npaths = [\"accounts/me/image\"]");
    let fixture = Fixture::with(&settings, move |_, line| match line {
        "GET /accounts/me/image" => Answer::json(200, image.clone()),
        other => panic!("{other}"),
    })
    .await;
    let mut at = fixture.provider.root();
    assert!(!at.offers.has(Operation::CreateFile));
    for name in ["accounts", "me", "image"] {
        let below = list_all(&fixture.provider, &at.id).await.unwrap();
        assert_eq!(below.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), [name]);
        at = below[0].clone();
    }
    let facets = list_all(&fixture.provider, &at.id).await.unwrap();
    let told: Vec<_> = facets.iter().map(|f| (f.name.as_str(), f.size, f.offers.has(Operation::Revise))).collect();
    assert_eq!(told, [("content.jpg", Some(5), true), ("thumbnail.png", Some(1), false)]);
    assert_eq!(fixture.lines().len(), 1);
    let error = fixture.provider.make_dir(&at.id, "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}
