//! Lists, single items, downloads, versions.

use futures::StreamExt;

use super::*;
use crate::provider::confirm::list_all;

fn target(version: u64, size: u64) -> ReadTarget {
    ReadTarget { id: file_id("D1"), revision: Some(model::numbered(version)), old: false, size: Some(size) }
}

async fn read(provider: &OracleContent, target: &ReadTarget, range: ByteRange) -> Result<Vec<u8>> {
    let mut download = provider.read(target, range).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok(bytes)
}

#[tokio::test]
async fn the_home_folder_has_a_list_of_its_own_and_offsets_count_what_came() {
    let fixture = Fixture::new(|received| match received.target.as_str() {
        "/documents/api/1.2/folders/items?limit=1000" => page(vec![folder("F1", "P"), file("D1", "a", 1)], true, 3),
        "/documents/api/1.2/folders/items?limit=1000&offset=2" => page(vec![file("D2", "b", 7)], false, 3),
        "/documents/api/1.2/folders/F1/items?limit=1000" => page(vec![], false, 0),
        other => panic!("{other}"),
    })
    .await;
    let listed = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap();
    let told: Vec<_> = listed.iter().map(|e| (e.id.as_str(), e.name.as_str(), e.size)).collect();
    assert_eq!(told, [("folder:F1", "P", None), ("file:D1", "a", Some(3)), ("file:D2", "b", Some(3))]);
    assert_eq!(listed[2].revision.as_ref().unwrap().as_str(), "v7");
    assert!(listed[0].offers.has(Operation::CreateFile) && !listed[1].offers.has(Operation::Describe));
    list_all(&fixture.provider, &folder_id("F1")).await.unwrap();
    for received in fixture.stub.received() {
        assert_eq!(received.header("accept"), Some("application/json"));
        assert_eq!(received.header("authorization"), Some("Bearer fixed-token-1"));
    }
}

#[tokio::test]
async fn who_holds_a_reservation_is_told_unless_it_is_ourselves() {
    let fixture = Fixture::new(|received| match received.path() {
        "/documents/api/1.2/folders/self" => ok(folder("self", "Home")),
        _ => {
            let held = |id: &str, by: &str| {
                let mut held = file(id, id, 1);
                held["reservedBy"] = json!({ "id": by, "displayName": format!("User {by}"), "type": "user" });
                held
            };
            page(vec![held("D1", "UME"), held("D2", "UOTHER"), file("D3", "c", 1)], false, 3)
        }
    })
    .await;
    let listed = list_all(&fixture.provider, &folder_id("F1")).await.unwrap();
    let held: Vec<_> = listed.iter().map(|entry| entry.reserved_by.as_deref()).collect();
    assert_eq!(held, [None, Some("User UOTHER"), None]);
    list_all(&fixture.provider, &folder_id("F1")).await.unwrap();
    assert_eq!(fixture.lines().iter().filter(|line| line.contains("self")).count(), 1, "asked once");
}

#[tokio::test]
async fn a_block_is_read_of_the_version_that_was_opened() {
    let fixture = Fixture::new(|_| Answer::bytes(206, b"ell").header("Content-Range", "bytes 1-3/5")).await;
    let part = ByteRange { start: 1, end: Some(4) };
    assert_eq!(read(&fixture.provider, &target(6, 5), part).await.unwrap(), b"ell");
    assert_eq!(fixture.lines(), ["GET /files/D1/data?version=6"]);
    assert_eq!(fixture.last().header("range"), Some("bytes=1-3"));
    let other = read(&fixture.provider, &target(6, 9), part).await.unwrap_err();
    assert_eq!(other.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn version_1_1_is_read_whole() {
    let settings = "api = '1.1'\nusername = 'ann'\npassword = 'secret-word'";
    let fixture = Fixture::with(settings, |_| Answer::bytes(200, b"hello")).await;
    let bytes = read(&fixture.provider, &target(6, 5), ByteRange { start: 1, end: Some(4) }).await.unwrap();
    assert_eq!(bytes, b"hello");
    let received = fixture.last();
    assert_eq!(received.line(), "GET /documents/api/1.1/files/D1/data?version=6");
    assert_eq!(received.header("range"), None);
    assert_eq!(received.header("authorization"), Some("Basic YW5uOnNlY3JldC13b3Jk"));
    assert!(!fixture.provider.capabilities().ranges);
}

#[tokio::test]
async fn an_empty_file_and_its_end_need_no_request() {
    let fixture = Fixture::new(|_| Answer::status(416)).await;
    assert!(read(&fixture.provider, &target(1, 0), ByteRange::WHOLE).await.unwrap().is_empty());
    assert!(read(&fixture.provider, &target(1, 5), ByteRange { start: 5, end: Some(9) }).await.unwrap().is_empty());
    assert!(fixture.lines().is_empty());
}

#[tokio::test]
async fn a_version_that_is_not_kept_is_told_from_a_file_that_is_gone() {
    for (there, kind) in [(true, ErrorKind::Conflict), (false, ErrorKind::NotFound)] {
        let fixture = Fixture::new(move |received| match received.path().ends_with("/data") {
            false if there => ok(file("D1", "a", 9)),
            _ => Answer::status(404),
        })
        .await;
        let error = read(&fixture.provider, &target(2, 5), ByteRange::WHOLE).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn content_of_another_length_never_looks_complete() {
    let fixture = Fixture::new(|_| Answer::bytes(200, b"hell")).await;
    assert!(read(&fixture.provider, &target(1, 5), ByteRange::WHOLE).await.is_err());
}

#[tokio::test]
async fn versions_are_given_oldest_first() {
    let fixture = Fixture::new(|_| {
        let items = vec![file("D1", "a", 3), file("D1", "a", 1), file("D1", "a", 2)];
        ok(json!({ "id": "D1", "name": "a", "type": "file", "items": items, "errorCode": 0 }))
    })
    .await;
    let versions = fixture.provider.versions(&file_id("D1")).await.unwrap();
    let told: Vec<_> = versions.iter().map(|v| (v.number, v.revision.as_str())).collect();
    assert_eq!(told, [(1, "v1"), (2, "v2"), (3, "v3")]);
    assert_eq!(fixture.lines(), ["GET /files/D1/versions"]);
}

#[tokio::test]
async fn a_link_opens_what_is_not_shared_and_goes_with_every_request() {
    let settings = "token = 't'\nlink = 'LF1'\nlink_code = 'test12345'\napplink = 'AL1'\naccess_token = 'al-token'\n\
                    folder = 'F9'";
    let fixture = Fixture::with(settings, |_| page(vec![], false, 0)).await;
    list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap();
    let received = fixture.last();
    assert_eq!(received.path(), "/documents/api/1.2/folders/F9/items");
    assert_eq!(received.header("linkid"), Some("LF1"));
    assert_eq!(received.header("cookie"), Some("dAccessCode-LF1=test12345"));
    assert_eq!((received.header("applinkid"), received.header("accesstoken")), (Some("AL1"), Some("al-token")));
}

#[tokio::test]
async fn another_host_sees_neither_token_nor_link() {
    let storage = Stub::start(|_| Answer::bytes(200, b"hello")).await;
    let address = format!("{}/object", storage.url);
    let settings = "token = 't'\nlink = 'LF1'\nlink_code = 'test12345'";
    let api = move |_: &Received| Answer::status(302).header("Location", &address);
    let fixture = Fixture::with(settings, api).await;
    assert_eq!(read(&fixture.provider, &target(1, 5), ByteRange::WHOLE).await.unwrap(), b"hello");
    let seen = &storage.received()[0];
    for name in ["authorization", "linkid", "cookie"] {
        assert_eq!(seen.header(name), None, "{name}");
    }
}
