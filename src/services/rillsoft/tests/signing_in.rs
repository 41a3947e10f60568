//! Mounting and signing in.

use super::*;

#[tokio::test]
async fn mounting_takes_five_requests_and_directories_then_none() {
    let fixture = Fixture::new(refuse).await;
    let account = fixture.provider.sign_in().await.unwrap();
    assert_eq!(account.user.as_deref(), Some("ada"));
    let mut lines = fixture.stub.lines();
    assert_eq!(lines[..2], ["POST /api/v1/login", "GET /api/v2/clients/5"]);
    lines[2..].sort();
    let lists = ["/api/v2/clients/5/dms/documents", "/api/v2/clients/5/dms/folders", "/api/v2/clients/5/projects"];
    assert_eq!(lines[2..], lists.map(|list| format!("GET {list}")));
    let request = || ListRequest { known: None, max_age: Duration::from_secs(30) };
    for dir in [Place::Root.remote_id(), Place::Project(7).remote_id(), plans()] {
        let part = fixture.provider.list(&dir, request()).next().await.unwrap().unwrap();
        assert!(matches!(part, ListPart::Entries { entries, .. } if entries.len() == 1), "{dir}");
    }
    assert_eq!(fixture.stub.lines().len(), 5);
}

#[tokio::test]
async fn every_request_carries_token_and_accept_and_the_login_is_plain_json() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let received = fixture.stub.received();
    let login = &received[0];
    assert_eq!(login.json(), json!({ "username": "ada", "password": "love lace" }));
    assert_eq!(login.header("content-type"), Some("application/json"));
    assert_eq!(login.header("authorization"), None);
    assert!(received.iter().all(|request| request.header("accept") == Some("application/json")));
    let bearer = format!("Bearer {TOKEN}");
    assert!(received[1..].iter().all(|request| request.header("authorization") == Some(bearer.as_str())));
}

#[tokio::test]
async fn a_token_is_found_wherever_the_answer_has_it() {
    for answer in [
        json!({ "token": TOKEN }),
        json!({ "access_token": TOKEN, "expires": 5 }),
        json!({ "jwt": TOKEN }),
        json!({ "status": "ok", "data": { "token": TOKEN } }),
    ] {
        let stub = Stub::start(move |received| match received.method.as_str() {
            "POST" => Answer::json(200, answer.clone()),
            _ => Answer::json(200, json!([])),
        })
        .await;
        let dir = tempfile::tempdir().unwrap();
        let provider = open(&stub.url, "", dir.path()).unwrap();
        provider.sign_in().await.unwrap();
        assert_eq!(stub.received()[1].header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
}

#[tokio::test]
async fn a_refused_password_is_tried_once_and_never_shown() {
    let error_body =
        json!({ "status": "error", "code": 401, "message": "Authentication failed", "details": "love lace" });
    let stub = Stub::start(move |_| Answer::json(401, error_body.clone())).await;
    let dir = tempfile::tempdir().unwrap();
    let provider = open(&stub.url, "", dir.path()).unwrap();
    for _ in 0..3 {
        let error = list_all(&provider, &provider.root().id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SignedOut);
        assert!(!format!("{error} {error:?}").contains("love lace"), "{error}");
    }
    assert_eq!(stub.lines(), ["POST /api/v1/login"]);
}
