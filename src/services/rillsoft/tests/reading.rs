//! Content.

use super::*;

fn target(document: u64, size: u64) -> ReadTarget {
    let id = Place::Document { project: 7, document }.remote_id();
    ReadTarget { id, revision: Some(RevisionId::new("s5-2024-05-06T07:08:00Z")), old: false, size: Some(size) }
}

async fn read(provider: &Rillsoft, target: &ReadTarget) -> Result<Vec<u8>> {
    let chunks: Vec<_> = provider.read(target, ByteRange { start: 2, end: Some(3) }).await?.stream.collect().await;
    chunks.into_iter().collect::<Result<Vec<_>>>().map(|chunks| chunks.concat())
}

#[tokio::test]
async fn content_comes_whole_from_the_assumed_path() {
    let fixture = Fixture::new(|_, _| Answer::text(200, "five!")).await;
    assert_eq!(read(&fixture.provider, &target(8, 5)).await.unwrap(), b"five!");
    let received = fixture.stub.received().pop().unwrap();
    assert_eq!(received.line(), format!("GET {DMS}/projects/7/documents/8/file"));
    assert_eq!(received.header("range"), None);
}

#[tokio::test]
async fn what_is_no_content_is_an_error() {
    let error_body = json!({ "status": "error", "code": 403, "message": "Access denied", "details": "" });
    for (answer, size, kind) in [
        (Answer::json(200, error_body), 5, ErrorKind::Denied),
        (Answer::text(200, "something longer"), 5, ErrorKind::Protocol),
        (Answer::text(200, "changed"), 7777, ErrorKind::Conflict),
        (Answer::status(403), 5, ErrorKind::Denied),
        (Answer::status(404), 5, ErrorKind::Unsupported),
        (Answer::status(405), 5, ErrorKind::Unsupported),
    ] {
        let fixture = Fixture::new(move |_, _| answer.clone()).await;
        assert_eq!(read(&fixture.provider, &target(8, size)).await.unwrap_err().kind(), kind);
    }
    let fixture = Fixture::new(refuse).await;
    assert_eq!(read(&fixture.provider, &target(99, 5)).await.unwrap_err().kind(), ErrorKind::NotFound);
    let json_document = br#"{"status":"error","code":403}"#;
    let fixture =
        Fixture::new(|_, _| Answer::bytes(200, json_document).header("Content-Type", "application/json")).await;
    assert_eq!(read(&fixture.provider, &target(8, json_document.len() as u64)).await.unwrap(), json_document);
}

#[tokio::test]
async fn templates_replace_assumed_paths_and_an_empty_one_takes_the_call_away() {
    let settings = "path.download = \"/dl/{project_id}/{document_id}?c={client_id}\"\npath.delete = \"\"\n";
    let fixture = Fixture::with(settings, |_, _| Answer::text(200, "five!")).await;
    read(&fixture.provider, &target(8, 5)).await.unwrap();
    assert_eq!(fixture.stub.lines().pop().unwrap(), "GET /dl/7/8?c=5");
    assert!(!fixture.provider.capabilities().operations.has(Operation::Delete));
    assert_eq!(fixture.provider.delete(&plan()).await.unwrap_err().kind(), ErrorKind::Unsupported);
}
