//! Content and old versions.

use super::*;

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
