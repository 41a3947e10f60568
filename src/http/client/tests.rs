//! The whole stack against a stub on loopback.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::StreamExt;

use super::*;
use crate::http::body::FileBody;
use crate::http::layers::faults::Fault;
use crate::http::stub::{Answer, Stub};

const KEY: &str = "key-0123456789";

fn client_with(stub: &Stub, change: impl FnOnce(&mut ClientSettings)) -> Client {
    let mut settings = ClientSettings::new(&stub.url, Duration::from_secs(5)).unwrap();
    let name = "x-api-key".parse().unwrap();
    settings.authorizer = Some(Arc::new(FixedHeaders::new(name, KEY).unwrap()));
    change(&mut settings);
    Client::new(settings).unwrap()
}

fn client(stub: &Stub) -> Client {
    client_with(stub, |_| {})
}

/// Answers in turn; the last one again and again.
fn script(answers: Vec<Answer>) -> impl Fn(&crate::http::stub::Received) -> Answer + Send + Sync + 'static {
    let next = AtomicUsize::new(0);
    move |_| answers[next.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)].clone()
}

fn file(bytes: &[u8]) -> (tempfile::TempDir, FileBody) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("content");
    std::fs::write(&path, bytes).unwrap();
    (dir, FileBody { path, size_bytes: bytes.len() as u64, sent_bytes: Default::default() })
}

#[tokio::test]
async fn a_request_has_the_headers_every_service_needs() {
    let stub = Stub::start(|_| Answer::text(200, "ok")).await;
    client(&stub).send(&Request::get("a", "/v1/x").query("name", "a b&c")).await.unwrap();
    let received = &stub.received()[0];
    assert_eq!(received.line(), "GET /v1/x?name=a+b%26c");
    assert_eq!(received.header("x-api-key"), Some(KEY));
    assert_eq!(received.header("accept-encoding"), Some("identity"));
    assert!(received.header("user-agent").unwrap().starts_with("collabfs/"));
}

#[tokio::test]
async fn a_file_goes_up_with_its_length_and_not_in_chunks() {
    let stub = Stub::start(|_| Answer::status(201)).await;
    let content = vec![7; 600_000];
    let (_dir, body) = file(&content);
    client(&stub).send(&Request::post("up", "/up").file(body.clone())).await.unwrap();
    let received = &stub.received()[0];
    assert_eq!(received.header("content-length"), Some("600000"));
    assert_eq!(received.header("transfer-encoding"), None);
    assert_eq!(received.body, content);
    assert_eq!(body.sent_bytes.load(Ordering::Relaxed), 600_000);
}

#[tokio::test]
async fn an_empty_file_goes_up_with_a_length_of_0() {
    let stub = Stub::start(|_| Answer::status(201)).await;
    let (_dir, body) = file(b"");
    client(&stub).send(&Request::put("up", "/up").file(body)).await.unwrap();
    assert_eq!(stub.received()[0].header("content-length"), Some("0"));
}

#[tokio::test]
async fn a_file_that_shrank_breaks_the_request_off() {
    let stub = Stub::start(|_| Answer::status(201)).await;
    let (_dir, mut body) = file(b"short");
    body.size_bytes = 500_000;
    let error = client(&stub).send(&Request::post("up", "/up").file(body)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::LocalIo);
    assert!(!error.is_unclear(), "the service cannot have taken half a body");
    assert!(stub.received().is_empty());
}

#[tokio::test]
async fn a_busy_service_is_asked_again_when_it_says() {
    let busy = Answer::status(429).header("Retry-After", "1");
    let stub = Stub::start(script(vec![busy, Answer::text(200, "ok")])).await;
    let start = std::time::Instant::now();
    let response = client(&stub).send(&Request::post("a", "/a")).await.unwrap();
    assert_eq!(response.text(), "ok");
    assert!(start.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_wish_to_wait_beyond_the_deadline_is_an_error_at_once() {
    let stub = Stub::start(|_| Answer::status(429).header("Retry-After", "600")).await;
    let client = client(&stub);
    let start = std::time::Instant::now();
    let error = client.send(&Request::get("a", "/a")).await.unwrap().checked().err().unwrap();
    assert_eq!(error.advice(), crate::error::Advice::AgainAfter(Duration::from_secs(600)));
    let error = client.send(&Request::get("a", "/a")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::RateLimited);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(stub.lines().len(), 1, "nobody asks during the pause");
}

#[tokio::test]
async fn a_failing_read_is_repeated_and_a_failing_change_is_not() {
    let stub = Stub::start(script(vec![Answer::status(500), Answer::text(200, "ok")])).await;
    client(&stub).send(&Request::get("a", "/a")).await.unwrap().checked().unwrap();
    assert_eq!(stub.lines().len(), 2);

    let stub = Stub::start(script(vec![Answer::status(500), Answer::text(200, "ok")])).await;
    let error = client(&stub).send(&Request::post("a", "/a")).await.unwrap().checked().err().unwrap();
    assert!(error.is_unclear());
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_change_is_unclear_and_not_repeated() {
    let stub = Stub::start(|_| Answer::lost()).await;
    let error = client(&stub).send(&Request::post("a", "/a")).await.err().unwrap();
    assert!(error.is_unclear() && error.is_offline());
    assert_eq!(stub.lines().len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_a_read_is_asked_for_again() {
    let stub = Stub::start(script(vec![Answer::lost(), Answer::text(200, "ok")])).await;
    assert_eq!(client(&stub).send(&Request::get("a", "/a")).await.unwrap().text(), "ok");
}

#[tokio::test]
async fn a_truncated_answer_is_asked_for_again() {
    let half = Answer::text(200, "complete").cut_in_half();
    let stub = Stub::start(script(vec![half, Answer::text(200, "complete")])).await;
    assert_eq!(client(&stub).send(&Request::get("a", "/a")).await.unwrap().text(), "complete");
}

#[tokio::test]
async fn a_truncated_download_ends_with_an_error() {
    let stub = Stub::start(|_| Answer::bytes(200, &[1; 1000]).cut_in_half()).await;
    let response = client(&stub).send(&Request::get("a", "/a").streamed()).await.unwrap();
    let pieces: Vec<_> = response.into_stream().collect().await;
    assert_eq!(pieces.last().unwrap().as_ref().unwrap_err().kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let stub = Stub::start(|_| Answer::bytes(200, &[b' '; 5000])).await;
    let client = client_with(&stub, |settings| settings.deadlines.whole = Duration::from_millis(300));
    let error = client.send(&Request::get("a", "/a").answer_bytes_max(4999)).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_silent_service_costs_no_more_than_the_deadline() {
    let stub = Stub::start(|_| Answer::silence()).await;
    let client = client_with(&stub, |settings| settings.deadlines.whole = Duration::from_millis(300));
    let start = std::time::Instant::now();
    let error = client.send(&Request::post("a", "/a")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.is_unclear());
    assert!(start.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn a_stalled_upload_is_noticed() {
    // Accepts connections and reads nothing: the sockets' buffers fill up.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut settings = ClientSettings::new(&url, Duration::from_millis(500)).unwrap();
    settings.deadlines.idle = Duration::from_millis(200);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("big");
    std::fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
    let body = FileBody { path, size_bytes: 1 << 30, sent_bytes: Default::default() };
    let sending = async { Client::new(settings).unwrap().send(&Request::post("up", "/up").file(body)).await };
    let error = tokio::time::timeout(Duration::from_secs(10), sending).await.expect("an end").err().unwrap();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(error.is_unclear());
}

#[tokio::test]
async fn nobody_there_is_clear_and_said_quickly() {
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let settings = ClientSettings::new(&format!("http://{gone}"), Duration::from_secs(5)).unwrap();
    let error = Client::new(settings).unwrap().send(&Request::post("a", "/a")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Offline);
    assert!(!error.is_unclear());
}

#[tokio::test]
async fn a_redirect_elsewhere_is_followed_without_credentials() {
    let storage = Stub::start(|_| Answer::text(200, "bytes")).await;
    let target = format!("{}/signed?sig=1", storage.url);
    let api = Stub::start(move |_| Answer::status(302).header("Location", &target)).await;
    let request = Request::get("read", "/file").streamed().header(RANGE, "bytes=1-2").unwrap();
    let request = request.header("x-link-token".parse().unwrap(), "secret").unwrap();
    let response = client(&api).send_following(&request).await.unwrap();
    assert_eq!(response.status, 200);
    let received = &storage.received()[0];
    assert_eq!(received.line(), "GET /signed?sig=1");
    assert_eq!((received.header("x-api-key"), received.header("x-link-token")), (None, None));
    assert_eq!(received.header("range"), Some("bytes=1-2"));
}

#[tokio::test]
async fn a_redirect_at_home_keeps_credentials_and_a_circle_ends() {
    let stub = Stub::start(|received| match received.path() {
        "/a" => Answer::status(307).header("Location", "/b"),
        "/b" => Answer::text(200, "here"),
        _ => Answer::status(302).header("Location", "/circle"),
    })
    .await;
    let client = client(&stub);
    assert_eq!(client.send_following(&Request::get("r", "/a")).await.unwrap().text(), "here");
    assert_eq!(stub.received()[1].header("x-api-key"), Some(KEY));
    let error = client.send_following(&Request::get("r", "/circle")).await.err().unwrap();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn a_change_is_never_redirected() {
    let stub = Stub::start(|_| Answer::status(302).header("Location", "/elsewhere")).await;
    let response = client(&stub).send_following(&Request::delete("d", "/a")).await.unwrap();
    assert_eq!(response.status, 302);
    assert_eq!(stub.lines(), ["DELETE /a"]);
}

#[test]
fn a_redirect_never_leads_from_encrypted_to_open_or_into_this_machine() {
    let url = |text: &str| text.parse::<Url>().unwrap();
    for target in ["http://x.example/", "http://127.0.0.1/", "https://127.0.0.1/", "ftp://x.example/"] {
        assert!(check_hop(&url("https://x.example/"), &url(target)).is_err(), "{target}");
    }
    check_hop(&url("https://x.example/"), &url("https://y.example/")).unwrap();
}

#[tokio::test]
async fn credentials_do_not_come_back_in_messages() {
    let stub = Stub::start(|_| Answer::text(400, &format!("your key {KEY} is odd"))).await;
    let error = client(&stub).send(&Request::get("a", "/a")).await.unwrap().checked().err().unwrap();
    assert!(error.to_string().contains("your key *** is odd"), "{error}");
}

#[tokio::test]
async fn requests_are_counted_by_kind_and_outcome() {
    let stub = Stub::start(script(vec![Answer::status(503), Answer::text(200, "12345")])).await;
    let instruments = Instruments::default();
    let client = client_with(&stub, |settings| settings.instruments = instruments.clone());
    client.send(&Request::get("list", "/a")).await.unwrap();
    let counts = instruments.metrics.snapshot();
    let told: Vec<_> = counts.iter().map(|c| (c.kind, c.outcome, c.count, c.bytes_received)).collect();
    assert_eq!(told, [("list", "failed", 1, 0), ("list", "ok", 1, 5)]);
}

#[tokio::test]
async fn faults_hit_the_request_they_are_meant_for() {
    let stub = Stub::start(|_| Answer::text(200, "ok")).await;
    let instruments = Instruments::default();
    let client = client_with(&stub, |settings| settings.instruments = instruments.clone());
    instruments.faults.add("attach", 2, Fault::AnswerLost);
    let attach = Request::post("attach", "/attach");
    client.send(&attach).await.unwrap();
    assert!(client.send(&attach).await.err().unwrap().is_unclear());
    client.send(&attach).await.unwrap();
    assert_eq!(stub.lines().len(), 3, "the lost one was carried out");
}

#[tokio::test]
async fn uploads_do_not_starve_listings() {
    let stub = Stub::start(|received| match received.method.as_str() {
        "POST" => Answer::silence(),
        _ => Answer::text(200, "listing"),
    })
    .await;
    let client = client_with(&stub, |settings| settings.limits.uploads_parallel = 1);
    let uploads: Vec<_> = (0..3).map(|_| file(b"x")).collect();
    let uploading = futures::future::join_all(uploads.iter().map(|(_, body)| {
        let (client, request) = (client.clone(), Request::post("up", "/up").file(body.clone()));
        async move { client.send(&request).await.map(|_| ()) }
    }));
    let listing = async { client.send(&Request::get("list", "/")).await };
    tokio::select! {
        _ = uploading => panic!("an upload was answered"),
        listing = listing => assert_eq!(listing.unwrap().text(), "listing"),
    }
}

#[tokio::test]
async fn a_failure_that_is_final_is_not_repeated() {
    let stub = Stub::start(|_| Answer::text(500, "for ever")).await;
    let request = Request::get("a", "/a").final_if(|response| response.text() == "for ever");
    client(&stub).send(&request).await.unwrap();
    assert_eq!(stub.lines().len(), 1);
}
