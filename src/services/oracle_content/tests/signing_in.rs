//! Tokens: which requests get them, and that a refresh token is used once.

use std::sync::{Arc, Mutex};

use super::*;
use crate::provider::confirm::list_all;

const OAUTH: &str = "identity_url = 'URL'\nclient_id = 'app-1'\nscope = 'https://x.example:443/urn:opc:cec:all'";

fn fields(received: &Received) -> Vec<(String, String)> {
    let url = crate::http::Url::parse(&format!("http://x/?{}", String::from_utf8_lossy(&received.body))).unwrap();
    url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect()
}

fn field(received: &Received, name: &str) -> Option<String> {
    fields(received).into_iter().find(|(n, _)| n == name).map(|(_, value)| value)
}

fn oauth_error(code: &str) -> Answer {
    Answer::json(400, json!({ "error": code, "error_description": format!("{code} it is") }))
}

/// An identity service whose refresh tokens `r0`, `r1`, ... work once, in this order, and an API that takes its tokens.
#[derive(Clone, Default)]
struct Identity {
    given: Arc<Mutex<u64>>,
    /// Polls before the person has typed the code.
    pending: Arc<Mutex<u64>>,
}

impl Identity {
    fn answer(&self, received: &Received) -> Answer {
        match received.path() {
            "/oauth2/v1/token" => self.token(received),
            "/oauth2/v1/device" => ok(json!({ "device_code": "dc", "user_code": "WXYZ", "expires_in": 300,
                                              "verification_uri": "https://id.example/device", "interval": 1 })),
            _ if received.header("authorization").is_some_and(|a| a.starts_with("Bearer access-")) => {
                match received.path().ends_with("/self") {
                    true => ok(folder("self", "")),
                    false => page(vec![], false, 0),
                }
            }
            _ => Answer::status(401),
        }
    }

    fn token(&self, received: &Received) -> Answer {
        let mut given = self.given.lock().unwrap();
        match field(received, "grant_type").as_deref() {
            Some("refresh_token") if field(received, "refresh_token") == Some(format!("r{given}")) => *given += 1,
            Some("refresh_token") => return oauth_error("invalid_grant"),
            Some("urn:ietf:params:oauth:grant-type:device_code") if *self.pending.lock().unwrap() > 0 => {
                *self.pending.lock().unwrap() -= 1;
                return oauth_error("authorization_pending");
            }
            _ => {}
        }
        ok(json!({ "access_token": format!("access-{given}-0123"), "token_type": "Bearer", "expires_in": 3600,
                   "refresh_token": format!("r{given}") }))
    }

    async fn fixture(&self, settings: &str) -> Fixture {
        let identity = self.clone();
        Fixture::with(&format!("{settings}\n{OAUTH}"), move |received| identity.answer(received)).await
    }
}

impl Fixture {
    fn token_requests(&self) -> Vec<Received> {
        self.stub.received().into_iter().filter(|r| r.path() == "/oauth2/v1/token").collect()
    }

    /// Another process with the same state directory.
    fn reopened(&self, settings: &str) -> OracleContent {
        open(&self.stub.url, &format!("{settings}\n{OAUTH}"), self.dir.path()).unwrap()
    }
}

#[tokio::test]
async fn a_password_is_traded_for_a_token_with_the_clients_secret_in_the_header() {
    let settings = "username = 'ann'\npassword = 'p&w'\nclient_secret = 'cs'";
    let fixture = Identity::default().fixture(settings).await;
    let info = fixture.provider.sign_in().await.unwrap();
    assert_eq!(info.user.as_deref(), Some("User Me"));
    let asked = &fixture.token_requests()[0];
    assert_eq!(asked.header("authorization"), Some("Basic YXBwLTE6Y3M="));
    assert_eq!(asked.header("content-type"), Some("application/x-www-form-urlencoded"));
    let expected = [
        ("grant_type", "password"),
        ("username", "ann"),
        ("password", "p&w"),
        ("scope", "https://x.example:443/urn:opc:cec:all"),
    ];
    assert_eq!(fields(asked), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    assert_eq!(fixture.stub.lines(), ["POST /oauth2/v1/token", "GET /documents/api/1.2/folders/self"]);
}

#[tokio::test]
async fn each_refresh_token_is_used_once_and_the_next_one_is_kept_across_restarts() {
    let settings = "refresh_token = 'r0'";
    let identity = Identity::default();
    let fixture = identity.fixture(settings).await;
    let root = fixture.provider.root().id;
    let listings = (0..20).map(|_| list_all(&fixture.provider, &root));
    assert!(futures::future::join_all(listings).await.iter().all(Result::is_ok));
    list_all(&fixture.reopened(settings), &root).await.unwrap();
    list_all(&fixture.reopened(settings), &root).await.unwrap();
    let used: Vec<_> = fixture.token_requests().iter().filter_map(|r| field(r, "refresh_token")).collect();
    assert_eq!(used, ["r0", "r1", "r2"]);
    assert_eq!(field(&fixture.token_requests()[0], "client_id").as_deref(), Some("app-1"), "a public client");
    assert_eq!(fixture.token_requests()[0].header("authorization"), None);
}

#[tokio::test]
async fn two_processes_never_use_the_same_refresh_token() {
    let settings = "refresh_token = 'r0'";
    let identity = Identity::default();
    let fixture = identity.fixture(settings).await;
    let others: Vec<_> = (0..4).map(|_| fixture.reopened(settings)).collect();
    let root = fixture.provider.root().id;
    let listings = others.iter().map(|other| list_all(other, &root));
    assert!(futures::future::join_all(listings).await.iter().all(Result::is_ok));
    assert_eq!(*identity.given.lock().unwrap(), 4);
}

#[tokio::test]
async fn a_refused_refresh_token_is_never_sent_again() {
    let fixture = Identity::default().fixture("refresh_token = 'used-before'").await;
    for _ in 0..3 {
        let error = fixture.provider.sign_in().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::SignedOut);
        assert!(!error.detail().contains("used-before"), "{error}");
    }
    assert_eq!(fixture.token_requests().len(), 1);
}

#[tokio::test]
async fn a_token_request_without_an_answer_is_not_repeated_by_itself() {
    let fixture = Fixture::with(&format!("refresh_token = 'r0'\n{OAUTH}"), |_| Answer::lost()).await;
    fixture.provider.sign_in().await.unwrap_err();
    assert_eq!(fixture.stub.lines(), ["POST /oauth2/v1/token"]);
}

#[tokio::test]
async fn a_person_types_a_code_once_and_the_refresh_token_does_afterwards() {
    let identity = Identity { pending: Arc::new(Mutex::new(1)), ..Default::default() };
    let settings = "grant = 'device'";
    let fixture = identity.fixture(settings).await;
    let root = fixture.provider.root().id;
    let nobody = list_all(&fixture.provider, &root).await.unwrap_err();
    assert_eq!(nobody.kind(), ErrorKind::SignedOut);
    assert!(nobody.detail().contains("collabfs check acme"), "{nobody}");
    assert!(fixture.stub.lines().is_empty(), "requests in the background ask nobody");
    fixture.provider.sign_in().await.unwrap();
    let asked = fixture.stub.received();
    assert_eq!(asked[0].line(), "POST /oauth2/v1/device");
    let scope = "https://x.example:443/urn:opc:cec:all offline_access";
    let expected = [("response_type", "device_code"), ("scope", scope), ("client_id", "app-1")];
    assert_eq!(fields(&asked[0]), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    let polled =
        [("grant_type", "urn:ietf:params:oauth:grant-type:device_code"), ("device_code", "dc"), ("client_id", "app-1")];
    assert_eq!(fields(&asked[1]), polled.map(|(n, v)| (n.to_owned(), v.to_owned())));
    let later = fixture.reopened(settings);
    later.sign_in().await.unwrap();
    let grants: Vec<_> = fixture.token_requests().iter().filter_map(|r| field(r, "grant_type")).collect();
    assert_eq!(grants[2..], ["refresh_token"], "pending, granted, renewed");
    assert!(later.sign_in_patience().is_some());
}

#[tokio::test]
async fn a_page_that_guesses_the_way_back_is_not_listened_to() {
    let port = free_port();
    let settings = format!("grant = 'code'\nredirect_uri = 'http://localhost:{port}/back'");
    let fixture = Identity::default().fixture(&settings).await;
    let guessing = async {
        loop {
            match browse(port, "/back?code=evil&state=wrong").await {
                Some(answer) => break assert!(answer.starts_with("HTTP/1.1 404")),
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    };
    tokio::select! {
        ended = fixture.provider.sign_in() => panic!("a wrong state was taken: {ended:?}"),
        () = guessing => {}
    }
    assert!(fixture.token_requests().is_empty());
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// What a browser is told, if anybody listens.
async fn browse(port: u16, target: &str) -> Option<String> {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.ok()?;
    stream.write_all(format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    Some(answer)
}
