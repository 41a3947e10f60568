//! Settings and credentials.

use std::os::unix::fs::PermissionsExt;

use super::*;

const OAUTH: &str = "client_id = \"c1\"\nclient_secret = \"cs3cret\"\nrefresh_token = \"r0\"\n";

async fn with_launchpad(settings: &str, launchpad: impl Fn(&Received) -> Answer + Send + Sync + 'static) -> Fixture {
    let stub = Stub::start(move |received| match received.path() {
        "/authorization/token" => launchpad(received),
        _ => Answer::json(200, json!([])),
    })
    .await;
    let dir = tempfile::tempdir().unwrap();
    let provider = reopened(&stub, settings, dir.path());
    Fixture { stub, provider, dir }
}

fn reopened(stub: &Stub, settings: &str, dir: &Path) -> Basecamp {
    let settings = format!("{CONTACT}launchpad_url = \"{}\"\n{settings}", stub.url);
    open(&stub.url, &settings, dir).unwrap()
}

fn granted(refresh_token: &str) -> Answer {
    let answer = json!({ "access_token": "a1", "expires_in": 1209600, "refresh_token": refresh_token });
    Answer::json(200, answer)
}

fn token_request(received: &Received) -> String {
    String::from_utf8(received.body.clone()).unwrap()
}

#[tokio::test]
async fn a_refresh_token_is_traded_in_a_form() {
    let fixture = with_launchpad(OAUTH, |_| granted("r0")).await;
    fixture.provider.sign_in().await.unwrap();
    let received = fixture.stub.received();
    assert_eq!(received[0].line(), "POST /authorization/token");
    assert_eq!(received[0].header("content-type"), Some("application/x-www-form-urlencoded"));
    let fields = "grant_type=refresh_token&refresh_token=r0&client_id=c1&client_secret=cs3cret";
    assert_eq!(token_request(&received[0]), fields);
    assert!(received[0].header("user-agent").unwrap().contains("admin@example.org"));
    assert_eq!(received[1].header("authorization"), Some("Bearer a1"));
}

#[tokio::test]
async fn a_new_refresh_token_is_stored_before_its_access_token_is_used() {
    let fixture = with_launchpad(OAUTH, |_| granted("r1")).await;
    fixture.provider.sign_in().await.unwrap();
    let stored = fixture.dir.path().join("state/basecamp-refresh-token.json");
    assert_eq!(std::fs::metadata(&stored).unwrap().permissions().mode() & 0o777, 0o600);
    let again = reopened(&fixture.stub, OAUTH, fixture.dir.path());
    again.sign_in().await.unwrap();
    assert!(token_request(&fixture.stub.received()[2]).contains("&refresh_token=r1&"));
    let newly_configured = reopened(&fixture.stub, &OAUTH.replace("r0", "r9"), fixture.dir.path());
    newly_configured.sign_in().await.unwrap();
    assert!(token_request(&fixture.stub.received()[4]).contains("&refresh_token=r9&"));
}

#[tokio::test]
async fn a_token_that_cannot_be_stored_is_not_used() {
    let fixture = with_launchpad(OAUTH, |_| granted("r1")).await;
    std::fs::write(fixture.dir.path().join("state"), "in the way").unwrap();
    fixture.provider.sign_in().await.unwrap_err();
    assert_eq!(fixture.stub.received().len(), 1);
}

#[tokio::test]
async fn a_dead_grant_says_what_to_do_and_no_secret() {
    let fixture = with_launchpad(OAUTH, |_| {
        Answer::json(400, json!({ "error": "authorization_expired", "error_description": "r0 cs3cret" }))
    })
    .await;
    let error = fixture.provider.sign_in().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::SignedOut);
    assert!(error.detail().contains("authorization_expired") && error.detail().contains("new consent"), "{error}");
    assert!(!error.to_string().contains("cs3cret"));
    for _ in 0..5 {
        fixture.provider.stat(&project(7)).await.unwrap_err();
    }
    assert!(fixture.stub.received().len() <= 1, "nobody asks on and on");
}

#[test]
fn settings_that_cannot_work_are_refused_with_the_remedy() {
    let dir = tempfile::tempdir().unwrap();
    let refused = |settings: &str| open("https://basecamp.com", settings, dir.path()).err().unwrap();
    for (settings, told) in [
        (BASIC.to_owned(), "contact is missing"),
        (format!("contact = \"me\"\n{BASIC}"), "contact must be"),
        (format!("contact = \"a@b.org (x)\"\n{BASIC}"), "contact must be"),
        (format!("{CONTACT}username = \"ann\"\n"), "password is missing"),
        (CONTACT.to_owned(), "client_id is missing"),
        (format!("{CONTACT}{BASIC}{OAUTH}"), "either username"),
        (format!("{CONTACT}{BASIC}overwrite = \"refuse\"\n"), "overwrite"),
        (format!("{CONTACT}{BASIC}usrname = \"x\"\n"), "usrname"),
    ] {
        let error = refused(&settings);
        assert_eq!(error.kind(), ErrorKind::Invalid);
        assert!(error.detail().contains(told), "{error}");
    }
}
