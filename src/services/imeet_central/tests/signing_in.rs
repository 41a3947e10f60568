//! Tokens.

use super::*;

#[tokio::test]
async fn many_parallel_401s_cause_one_token_request() {
    let stub = Stub::start(|received| match received.path() {
        "/oauth2/token" => granted(),
        _ => items(json!([])),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let provider = open(&stub.url, "", dir.path()).unwrap();
    let root = provider.root().id;
    futures::future::join_all((0..10).map(|_| list_all(&provider, &root))).await;
    assert_eq!(stub.lines().iter().filter(|line| line.contains("token")).count(), 1);
}

#[tokio::test]
async fn tokens_are_asked_for_as_json_and_then_as_a_form() {
    let stub = Stub::start(|received| match (received.path(), received.header("content-type")) {
        ("/oauth2/token", Some("application/json")) => Answer::json(400, json!({ "error": "invalid_request" })),
        ("/oauth2/token", _) => granted(),
        _ => items(json!([])),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    open(&stub.url, "", dir.path()).unwrap().sign_in().await.unwrap();
    let received = stub.received();
    assert_eq!(received[0].json()["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer");
    let form = String::from_utf8(received[1].body.clone()).unwrap();
    let grant = "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=";
    assert!(form.starts_with(grant), "{form}");
    assert_eq!(received[2].line(), "GET /v1/workspaces?limit=25");
}

#[tokio::test]
async fn a_refused_sign_in_says_what_to_do_and_nothing_secret() {
    let stub = Stub::start(|received| {
        let echoed = received.json()["assertion"].clone();
        Answer::json(400, json!({ "error": "invalid_grant", "error_description": echoed }))
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let error = open(&stub.url, "", dir.path()).unwrap().sign_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    assert!(error.to_string().contains("clock"), "{error}");
    assert!(!error.to_string().contains("eyJ"), "no part of an assertion: {error}");
    assert_eq!(stub.lines().len(), 1, "final: not tried again");
}

#[test]
fn the_token_endpoint_is_found_beside_the_api() {
    for (base, token) in [
        ("https://edge.imeetcentral.com", "https://oidc.imeetcentral.com/oauth2/token"),
        ("https://edge.centraldesktop.com/", "https://oidc.centraldesktop.com/oauth2/token"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/oauth2/token"),
    ] {
        assert_eq!(token_url_beside(base).unwrap(), token);
    }
}
