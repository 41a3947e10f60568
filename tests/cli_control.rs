//! Commands that ask the daemon, against a daemon that only plays one: what they send, print and exit with.

mod support;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use collabfs::daemon::control::{
    self, CHANGES_MAX, ChangeState, ChangeStatus, Control, Progress, RevisionLine, Status,
};
use collabfs::error::Result;
use tempfile::TempDir;
use tokio::sync::{oneshot, watch};

/// Has `left` changes that failed, and remembers what it was told.
struct Played {
    left: u64,
    lingering: bool,
    told: Mutex<Vec<String>>,
    ended: Mutex<Option<oneshot::Sender<()>>>,
}

fn change(id: u64) -> ChangeStatus {
    ChangeStatus {
        id,
        path: format!("plans/{id}.txt"),
        kind: "create".into(),
        state: ChangeState::Failed,
        error: Some("the service refuses the name".into()),
        bytes_sent: 0,
        bytes_total: 7,
    }
}

impl Played {
    fn tell(&self, what: String) {
        self.told.lock().unwrap().push(what);
    }

    fn changes(&self, after: u64) -> Vec<ChangeStatus> {
        (after + 1..=self.left).take(CHANGES_MAX).map(change).collect()
    }
}

#[async_trait]
impl Control for Played {
    async fn status(&self) -> Result<Status> {
        Ok(Status {
            account: "acme".into(),
            mountpoint: "/mnt/acme".into(),
            failed: self.left,
            lingering: self.lingering,
            changes: self.changes(0),
            ..Status::default()
        })
    }
    async fn sync(
        &self,
        path: &str,
        timeout: Option<Duration>,
        _: &watch::Sender<Progress>,
    ) -> Result<Vec<ChangeStatus>> {
        self.tell(format!("sync {path:?} {timeout:?}"));
        Ok(self.changes(0))
    }
    async fn refresh(&self, _: &str) -> Result<()> {
        Ok(())
    }
    async fn history(&self, _: &str) -> Result<Vec<RevisionLine>> {
        Ok(Vec::new())
    }
    async fn restore(&self, _: &str, _: u64) -> Result<()> {
        Ok(())
    }
    async fn outbox_list(&self, after: u64) -> Result<Vec<ChangeStatus>> {
        Ok(self.changes(after))
    }
    async fn outbox_retry(&self, ids: &[u64]) -> Result<u64> {
        self.tell(format!("retry {ids:?}"));
        Ok(self.left)
    }
    async fn outbox_discard(&self, ids: &[u64]) -> Result<u64> {
        self.tell(format!("discard {ids:?}"));
        Ok(ids.len() as u64)
    }
    async fn outbox_export(&self, ids: &[u64], dir: &Path) -> Result<Vec<PathBuf>> {
        self.tell(format!("export {ids:?}"));
        Ok(vec![dir.join("plans/1.txt")])
    }
    async fn unmount(&self, now: bool, _: &watch::Sender<Progress>) -> Result<Vec<ChangeStatus>> {
        self.tell(format!("unmount {now}"));
        if let Some(ended) = self.ended.lock().unwrap().take() {
            ended.send(()).unwrap();
        }
        Ok(Vec::new())
    }
}

/// A home, and in it the daemon of account `acme`.
struct Home {
    dir: TempDir,
    daemon: Arc<Played>,
}

impl Home {
    /// Needs a tokio runtime. An unmounted daemon lives on for a moment, as real ones do.
    fn with_daemon(left: u64, lingering: bool) -> Home {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join(".local/state/collabfs/run/acme.sock");
        std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
        let (ended, end) = oneshot::channel();
        let daemon = Arc::new(Played { left, lingering, told: Mutex::default(), ended: Mutex::new(Some(ended)) });
        let served = control::serve(control::bind(&socket).unwrap(), daemon.clone(), std::future::pending());
        tokio::spawn(async move {
            tokio::select! {
                _ = served => {}
                _ = async { end.await.unwrap(); tokio::time::sleep(Duration::from_millis(300)).await } => {}
            }
        });
        Home { dir, daemon }
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collabfs"));
        command.args(arguments).env_clear().env("HOME", self.dir.path()).current_dir(self.dir.path());
        support::process::see_no_mounts(&mut command);
        let done = tokio::task::spawn_blocking(move || command.output().unwrap());
        tokio::time::timeout(Duration::from_secs(60), done).await.expect("the command hangs").unwrap()
    }

    fn told(&self) -> Vec<String> {
        self.daemon.told.lock().unwrap().clone()
    }
}

fn printed(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_every_daemon_as_text_and_as_json() {
    let home = Home::with_daemon(2, false);
    let text = printed(&home.run(&["status"]).await);
    assert!(text.contains("2 failed") && text.contains("outbox retry"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&printed(&home.run(&["status", "--json"]).await)).unwrap();
    assert_eq!(json["changes"][1]["path"], "plans/2.txt");
}

#[tokio::test(flavor = "multi_thread")]
async fn sync_fails_with_the_list_while_something_is_left() {
    let home = Home::with_daemon(1, false);
    let output = home.run(&["sync", "--timeout", "2.5"]).await;
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("plans/1.txt: the service refuses the name"));
    assert_eq!(home.told(), ["sync \"\" Some(2.5s)"]);
    assert_eq!(Home::with_daemon(0, false).run(&["sync"]).await.status.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_outbox_is_listed_to_its_end() {
    let left = CHANGES_MAX as u64 * 2 + 1;
    let lines = printed(&Home::with_daemon(left, false).run(&["outbox", "list"]).await).lines().count();
    assert_eq!(lines as u64, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_changes_are_settled_by_number() {
    let home = Home::with_daemon(3, false);
    assert_eq!(printed(&home.run(&["outbox", "retry"]).await), "3 changes tried again\n");
    assert_eq!(printed(&home.run(&["outbox", "discard", "2", "3", "--account", "acme"]).await), "2 changes given up\n");
    let exported = printed(&home.run(&["outbox", "export", "saved", "1"]).await);
    assert_eq!(exported.trim_end(), home.dir.path().join("saved/plans/1.txt").to_str().unwrap());
    assert_eq!(home.told(), ["retry []", "discard [2, 3]", "export [1]"]);
    assert_eq!(home.run(&["outbox", "discard"]).await.status.code(), Some(2), "never all by leaving the list empty");
}

/// Gives the home a configuration, then tries to mount.
async fn mount(home: &Home) -> String {
    let config = home.dir.path().join("config.toml");
    std::fs::write(&config, "[accounts.acme]\nservice = 'nobody-has-it'\nurl = 'https://localhost'").unwrap();
    std::fs::create_dir(home.dir.path().join("mnt")).unwrap();
    let output = home.run(&["mount", "acme", "mnt", "--config", "config.toml", "--foreground"]).await;
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_mount_of_an_account_is_refused() {
    let home = Home::with_daemon(0, false);
    assert!(mount(&home).await.contains("mounted at /mnt/acme already"));
    assert!(home.told().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lingering_daemon_gives_way_to_a_new_mount() {
    let home = Home::with_daemon(1, true);
    assert!(!mount(&home).await.contains("already"));
    assert_eq!(home.told(), ["unmount true"]);
}
