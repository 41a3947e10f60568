use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::error::{ErrorKind, fail};

/// Says what it was asked, in the fields at hand.
struct Echo;

fn change(path: &str) -> ChangeStatus {
    let state = ChangeState::Failed;
    let error = Some("refused".into());
    ChangeStatus { id: 7, path: path.into(), kind: "create".into(), state, error, bytes_sent: 1, bytes_total: 2 }
}

#[async_trait]
impl Control for Echo {
    async fn status(&self) -> Result<Status> {
        Ok(Status { account: "acme".into(), failed: 1, changes: vec![change("a b.txt")], ..Status::default() })
    }
    async fn sync(
        &self,
        path: &str,
        timeout: Option<Duration>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Vec<ChangeStatus>> {
        progress.send_replace(Progress { changes_left: 3, ..Progress::default() });
        tokio::time::sleep(timeout.unwrap_or_default()).await;
        Ok(vec![change(path)])
    }
    async fn refresh(&self, path: &str) -> Result<()> {
        fail(ErrorKind::NotFound, format!("{path} is not there"))
    }
    async fn history(&self, _path: &str) -> Result<Vec<RevisionLine>> {
        Ok(Vec::new())
    }
    async fn restore(&self, _path: &str, _number: u64) -> Result<()> {
        Ok(())
    }
    async fn outbox_list(&self, after: u64) -> Result<Vec<ChangeStatus>> {
        Ok(if after < 7 { vec![change("x")] } else { Vec::new() })
    }
    async fn outbox_retry(&self, ids: &[u64]) -> Result<u64> {
        Ok(ids.len() as u64)
    }
    async fn outbox_discard(&self, ids: &[u64]) -> Result<u64> {
        Ok(ids.len() as u64)
    }
    async fn outbox_export(&self, _ids: &[u64], dir: &Path) -> Result<Vec<PathBuf>> {
        Ok(vec![dir.join("x")])
    }
    async fn unmount(&self, _now: bool, _progress: &watch::Sender<Progress>) -> Result<Vec<ChangeStatus>> {
        Ok(Vec::new())
    }
}

struct Daemon {
    socket: PathBuf,
    _dir: tempfile::TempDir,
}

/// Serves on a path longer than a socket address can hold.
fn daemon() -> Daemon {
    let dir = tempfile::tempdir().unwrap();
    let long = dir.path().join("d".repeat(120));
    std::fs::create_dir(&long).unwrap();
    let socket = long.join("acme.sock");
    tokio::spawn(serve(bind(&socket).unwrap(), Arc::new(Echo), std::future::pending()));
    Daemon { socket, _dir: dir }
}

/// Calls from a thread, as commands do. Also the lines of progress that came.
async fn ask(daemon: &Daemon, request: Request) -> (Result<Answer>, Vec<Progress>) {
    let socket = daemon.socket.clone();
    let asked = tokio::task::spawn_blocking(move || {
        let mut seen = Vec::new();
        (call(&socket, &request, |progress| seen.push(progress)), seen)
    });
    tokio::time::timeout(Duration::from_secs(20), asked).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_request_gets_its_answer_over_a_private_socket() {
    let daemon = daemon();
    assert_eq!(std::fs::metadata(&daemon.socket).unwrap().permissions().mode() & 0o777, 0o600);
    let Answer::Status(status) = ask(&daemon, Request::Status).await.0.unwrap() else { panic!() };
    assert_eq!(status.account, "acme");
    let answer = ask(&daemon, Request::OutboxExport { ids: vec![], dir: "/tmp/d".into() }).await.0;
    assert_eq!(answer.unwrap(), Answer::Files(vec!["/tmp/d/x".into()]));
}

#[tokio::test]
async fn an_error_arrives_in_the_daemons_words() {
    let error = ask(&daemon(), Request::Refresh { path: "p".into() }).await.0.unwrap_err();
    assert_eq!(error.to_string(), "p is not there");
}

#[tokio::test]
async fn waiting_shows_progress_and_then_what_is_left() {
    let request = Request::Sync { path: "docs/ü".into(), timeout_ms: Some(1500) };
    let (answer, seen) = ask(&daemon(), request).await;
    assert_eq!(answer.unwrap(), Answer::Changes(vec![change("docs/ü")]));
    assert_eq!(seen.first().map(|p| p.changes_left), Some(3));
}

#[tokio::test]
async fn discarding_needs_names() {
    let daemon = daemon();
    assert!(ask(&daemon, Request::OutboxDiscard { ids: vec![] }).await.0.is_err());
    assert_eq!(ask(&daemon, Request::OutboxDiscard { ids: vec![1, 2] }).await.0.unwrap(), Answer::Count(2));
}

#[tokio::test]
async fn garbage_and_endless_lines_end_the_connection_only() {
    use tokio::io::AsyncWriteExt;
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    tokio::spawn(serve(bind(&socket).unwrap(), Arc::new(Echo), std::future::pending()));
    for line in [b"{\"request\":\"frobnicate\"}\n".to_vec(), vec![b'x'; REQUEST_BYTES_MAX as usize + 10]] {
        let mut stream = tokio::net::UnixStream::connect(&socket).await.unwrap();
        // The server may hang up before all is written.
        let _ = stream.write_all(&line).await;
    }
    let daemon = Daemon { socket, _dir: dir };
    assert!(ask(&daemon, Request::Status).await.0.is_ok());
}

#[tokio::test]
async fn a_dead_daemons_socket_is_replaced_and_a_living_ones_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("s.sock");
    drop(bind(&socket).unwrap());
    assert!(socket.exists(), "a killed daemon leaves its socket behind");
    let error = call(&socket, &Request::Status, |_| ()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Offline);
    let _listening = bind(&socket).unwrap();
    assert_eq!(bind(&socket).unwrap_err().kind(), ErrorKind::Exists);
}

#[test]
fn the_text_says_how_to_settle_failed_changes() {
    let status = Status {
        account: "acme".into(),
        service: "redmine".into(),
        mountpoint: "/mnt".into(),
        failed: 1,
        changes: vec![change("a.txt")],
        cache: CacheStatus { bytes: 1536, limit: 10 << 30 },
        ..Status::default()
    };
    let text = status.to_string();
    for part in ["offline", "1 failed", "#7 failed create a.txt: refused", "outbox retry", "1.5 KiB of 10.0 GiB"] {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn the_json_has_the_promised_fields() {
    let json = serde_json::to_value(Status { changes: vec![change("a")], ..Status::default() }).unwrap();
    for field in
        ["account", "service", "mountpoint", "online", "pending", "uploading", "failed", "changes", "cache", "requests"]
    {
        assert!(json.get(field).is_some(), "{field}");
    }
    for field in ["path", "kind", "state", "error", "bytes_sent", "bytes_total"] {
        assert!(json["changes"][0].get(field).is_some(), "{field}");
    }
    assert_eq!(json["changes"][0]["state"], "failed");
    assert!(json["cache"].get("bytes").is_some() && json["cache"].get("limit").is_some());
}
