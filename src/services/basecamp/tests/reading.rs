//! Downloads: two hosts, one of which sees no credentials.

use super::*;

/// A storage host, and an API that redirects to it.
async fn with_storage(storage: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> (Fixture, Stub) {
    let storage = Stub::start(storage).await;
    let signed = format!("{}/object?signature=abc", storage.url);
    let fixture = Fixture::new(move |received| match received.path() {
        "/projects/7/uploads/1.json" => Answer::json(200, upload_json(1, "f1.txt", 5)),
        "/projects/7/attachments/1001/key1/original/f1.txt" => {
            Answer::text(302, "<html>moved</html>").header("Location", &signed)
        }
        other => panic!("{other}"),
    })
    .await;
    // The address of the content is known then.
    fixture.provider.stat(&file(1, "").id).await.unwrap();
    (fixture, storage)
}

async fn read(fixture: &Fixture, range: ByteRange) -> Result<(u64, Vec<u8>)> {
    let mut download = fixture.provider.read(&target(1, 5), range).await?;
    let mut bytes = Vec::new();
    while let Some(chunk) = download.stream.next().await {
        bytes.extend_from_slice(&chunk?);
    }
    Ok((download.start, bytes))
}

#[tokio::test]
async fn a_download_costs_two_requests_and_storage_sees_no_credentials() {
    let (fixture, storage) = with_storage(|_| Answer::bytes(200, b"hello")).await;
    assert_eq!(read(&fixture, ByteRange::WHOLE).await.unwrap(), (0, b"hello".to_vec()));
    assert_eq!(fixture.lines()[1..], ["GET /projects/7/attachments/1001/key1/original/f1.txt"]);
    let received = storage.received();
    assert_eq!((received.len(), received[0].line().as_str()), (1, "GET /object?signature=abc"));
    assert_eq!((received[0].header("authorization"), received[0].header("range")), (None, None));
}

#[tokio::test]
async fn further_ranges_go_to_storage_at_once() {
    let (fixture, storage) = with_storage(|_| Answer::bytes(206, b"ell").header("Content-Range", "bytes 1-3/5")).await;
    let part = ByteRange { start: 1, end: Some(4) };
    for _ in 0..3 {
        assert_eq!(read(&fixture, part).await.unwrap(), (1, b"ell".to_vec()));
    }
    assert_eq!((fixture.lines().len(), storage.lines().len()), (2, 3));
    assert_eq!(fixture.stub.received()[1].header("range"), None, "the API knows of no ranges");
    assert_eq!(storage.received()[2].header("range"), Some("bytes=1-3"));
}

#[tokio::test]
async fn an_expired_address_is_asked_for_anew() {
    let asked = std::sync::atomic::AtomicU64::new(0);
    let (fixture, storage) = with_storage(move |_| match asked.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
        0 => Answer::bytes(200, b"hello"),
        1 => Answer::text(403, "expired"),
        _ => Answer::bytes(200, b"hello"),
    })
    .await;
    read(&fixture, ByteRange::WHOLE).await.unwrap();
    read(&fixture, ByteRange::WHOLE).await.unwrap();
    assert_eq!((fixture.lines().len(), storage.lines().len()), (3, 3));
}

#[tokio::test]
async fn content_that_comes_without_a_redirect_is_taken_too() {
    let fixture = Fixture::new(|received| match received.path() {
        "/projects/7/uploads/1.json" => Answer::json(200, upload_json(1, "f1.txt", 5)),
        _ => Answer::bytes(200, b"hello"),
    })
    .await;
    let part = ByteRange { start: 1, end: Some(2) };
    assert_eq!(read(&fixture, part).await.unwrap(), (0, b"hello".to_vec()));
    assert!(!fixture.provider.capabilities().ranges);
}

#[tokio::test]
async fn content_of_another_length_is_an_error() {
    let (fixture, _storage) = with_storage(|_| Answer::bytes(200, b"hello and more")).await;
    assert_eq!(read(&fixture, ByteRange::WHOLE).await.unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn what_is_gone_is_not_found() {
    let fixture = Fixture::new(|_| Answer::json(404, json!({ "status": "404", "error": "Not Found" }))).await;
    assert_eq!(read(&fixture, ByteRange::WHOLE).await.unwrap_err().kind(), ErrorKind::NotFound);
    let fixture = Fixture::new(|_| {
        let mut upload = upload_json(1, "f1.txt", 5);
        upload["trashed"] = true.into();
        Answer::json(200, upload)
    })
    .await;
    assert_eq!(fixture.provider.stat(&file(1, "").id).await.unwrap_err().kind(), ErrorKind::NotFound);
}
