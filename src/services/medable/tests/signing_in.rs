//! The three ways to sign in.

use super::*;

fn signed_in(session: &str) -> Answer {
    let answer = Answer::json(200, json!({ "_id": "4444", "object": "account" }));
    let answer = answer.header("Set-Cookie", &format!("md.sid={session}; Path=/acme; HttpOnly"));
    answer.header("Set-Cookie", "md.fingerprint=f1; Path=/").header("Medable-Csrf-Token", &format!("csrf-{session}"))
}

const SESSION: &str = "auth = \"session\"\nusername = \"ann@example.org\"\npassword = \"pa55word\"\n";

/// A service that knows a machine once its code was right, and whose sessions can be ended.
async fn with_sessions(settings: &str, ended: Times, code: &'static str) -> Fixture {
    let sessions = Arc::new(Mutex::new(0));
    Fixture::with(settings, move |received, line| match line {
        "POST /accounts/login" => {
            let is_known = received.header("cookie").is_some_and(|c| c.contains("md.fingerprint=f1"));
            match (received.json()["location"]["verificationToken"].as_str(), is_known) {
                (None, false) => fault(200, "kNewLocation").header("Set-Cookie", "md.fingerprint=f0; Path=/"),
                (Some("123456"), _) | (_, true) => {
                    let mut sessions = sessions.lock().unwrap();
                    *sessions += 1;
                    signed_in(&format!("s{sessions}"))
                }
                _ => fault(403, "kUnverifiedLocation"),
            }
        }
        "GET /accounts/me" => Answer::json(200, json!({ "_id": "4444", "email": "ann@example.org" })),
        _ if ended.again() => fault(403, code),
        _ => list(json!([])).header("Medable-Csrf-Token", "csrf-next"),
    })
    .await
}

#[tokio::test]
async fn a_machine_that_is_not_known_tells_what_to_do_and_is_known_after_its_code() {
    let fixture = with_sessions(SESSION, Times::new(0), "").await;
    let error = fixture.provider.sign_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    assert!(error.detail().contains("verification_token ="), "{error}");
    let login = fixture.last();
    assert_eq!(login.json(), json!({ "email": "ann@example.org", "password": "pa55word" }));
    assert_eq!(login.header("medable-client-key"), Some(KEY));

    let with_code = format!("{SESSION}verification_token = \"123456\"");
    let provider = open(&fixture.stub.url, &with_code, fixture.dir.path()).unwrap();
    provider.sign_in().await.unwrap();
    let login = fixture.stub.received().into_iter().rfind(|r| r.path().ends_with("login")).unwrap();
    let location = json!({ "verificationToken": "123456", "locationName": "collabfs", "singleUse": false });
    assert_eq!(login.json()["location"], location);
    assert_eq!(login.header("cookie"), Some("md.fingerprint=f0"), "the machine it sent the code to");

    // The next mount: the same setting, but the code is used up and not needed.
    let provider = open(&fixture.stub.url, &with_code, fixture.dir.path()).unwrap();
    provider.sign_in().await.unwrap();
    let login = fixture.stub.received().into_iter().rfind(|r| r.path().ends_with("login")).unwrap();
    assert_eq!((login.json().get("location"), login.header("cookie")), (None, Some("md.fingerprint=f1")));
}

#[tokio::test]
async fn a_session_carries_cookies_and_the_newest_csrf_value() {
    let fixture = with_sessions(&format!("{SESSION}verification_token = \"123456\""), Times::new(0), "").await;
    fixture.provider.sign_in().await.unwrap();
    fixture.provider.sign_in().await.unwrap();
    let root = fixture.provider.root().id;
    crate::provider::confirm::list_all(&fixture.provider, &root).await.unwrap();
    let received = fixture.stub.received();
    let whoami = received.iter().find(|r| r.path().ends_with("/me")).unwrap();
    assert_eq!(whoami.header("cookie"), Some("md.sid=s1; md.fingerprint=f1"));
    assert_eq!(whoami.header("medable-csrf-token"), Some("csrf-s1"));
    assert_eq!(whoami.header("medable-client-key"), Some(KEY));
    assert_eq!(fixture.last().header("medable-csrf-token"), Some("csrf-next"));
}

#[tokio::test]
async fn a_session_that_ended_is_renewed_and_the_request_repeated_once() {
    for code in ["kNotLoggedIn", "kSessionExpired", "kLoggedInElsewhere", "kCSRFTokenMismatch"] {
        let settings = format!("{SESSION}verification_token = \"123456\"");
        let ended = Times::new(0);
        let fixture = with_sessions(&settings, ended.clone(), code).await;
        fixture.provider.sign_in().await.unwrap();
        *ended.0.lock().unwrap() = 1;
        fixture.provider.make_dir(&project().remote_id(), "x").await.unwrap_err();
        let posts = fixture.lines().iter().filter(|line| *line == "POST /c_folders").count();
        let logins = fixture.lines().iter().filter(|line| *line == "POST /accounts/login").count();
        assert_eq!((posts, logins), (2, 2), "{code}");
    }
}

#[tokio::test]
async fn wrong_credentials_are_told_without_the_password_and_not_tried_again_at_once() {
    let fixture = Fixture::with(SESSION, |_, _| {
        Answer::json(403, json!({ "object": "fault", "code": "kInvalidCredentials", "message": "pa55word is wrong" }))
    })
    .await;
    for _ in 0..3 {
        let error = fixture.provider.stat(&project().remote_id()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SignedOut);
        assert!(!error.to_string().contains("pa55word"), "{error}");
    }
    assert_eq!(fixture.lines().len(), 1);
}

#[tokio::test]
async fn a_signed_request_has_its_four_headers_and_is_signed_anew_by_the_services_clock() {
    let stale = Times::new(1);
    let fixture = Fixture::with("auth = \"signature\"\nsecret = \"secret-0123456789\"", move |_, _| {
        let answer = if stale.again() {
            fault(400, "kStaleRequestSignature")
        } else {
            Answer::json(200, json!({ "_id": "5516" }))
        };
        answer.header("Medable-Server-Time", "1428120813000")
    })
    .await;
    fixture.provider.stat(&project().remote_id()).await.unwrap();
    let received = fixture.stub.received();
    assert_eq!(received.len(), 2);
    let header = |n: usize, name: &str| received[n].header(name).unwrap().to_owned();
    assert_ne!(header(0, "medable-client-nonce"), header(1, "medable-client-nonce"));
    let corrected: i64 = header(1, "medable-client-timestamp").parse().unwrap();
    assert!((1_428_120_813_000..1_428_120_873_000).contains(&corrected), "{corrected}");
    assert_eq!(header(1, "medable-client-signature").len(), 64);
    assert!(received[1].header("authorization").is_none());
}

#[test]
fn settings_that_are_missing_or_wrong_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (settings, words) in [
        ("", "token is missing"),
        ("auth = \"magic\"", "unknown"),
        ("auth = \"session\"", "username is missing"),
        ("username = \"a\"", "password is missing"),
        ("auth = \"signature\"", "secret is missing"),
        ("token = \"t\"\nrate = -1", "rate"),
        ("token = \"t\"\ntokn = \"t\"", "tokn"),
    ] {
        let error = open("http://127.0.0.1:1", settings, dir.path()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().contains(words), "{settings}: {error}");
    }
}
