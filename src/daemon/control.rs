//! The control socket: how commands talk to the daemon of an account.
//!
//! A Unix socket with mode 0600; the peer must be the daemon's user or root. JSON lines: one [`Request`] from the
//! command, then any number of progress lines and one final line from the daemon. A command that goes away ends the
//! waiting, never the work.

mod client;
mod server;
mod socket;
mod status;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::error::Result;
pub use client::call;
pub use server::serve;
pub use socket::bind;
pub use status::{CacheStatus, ChangeState, ChangeStatus, LocalStatus, Status, human_bytes};

/// Longest request line; paths are at most 4 KiB.
const REQUEST_BYTES_MAX: u64 = 256 << 10;
/// Longest answer line: [`CHANGES_MAX`] changes with long paths and errors.
const RESPONSE_BYTES_MAX: u64 = 16 << 20;
/// Most changes in one answer; [`Control::outbox_list`] is asked again for more.
pub const CHANGES_MAX: usize = 1000;
/// A working daemon says something at least so often.
const HEARTBEAT: Duration = Duration::from_secs(1);
/// A daemon that is silent for so long hangs.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// What a command asks for. Paths are relative to the mount's root, `""` is the root itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "request", rename_all = "kebab-case")]
pub enum Request {
    Status,
    /// Waits until every change at or under the path is on the service.
    Sync {
        path: String,
        timeout_ms: Option<u64>,
    },
    /// Asks the service what is at the path now.
    Refresh {
        path: String,
    },
    History {
        path: String,
    },
    /// Makes an old revision the newest one.
    Restore {
        path: String,
        number: u64,
    },
    /// The changes with an id above `after`, in order, at most [`CHANGES_MAX`].
    OutboxList {
        after: u64,
    },
    /// Tries failed changes again: these, or all when there are none.
    OutboxRetry {
        ids: Vec<u64>,
    },
    /// Gives failed changes up: these, and never all by leaving the list empty.
    OutboxDiscard {
        ids: Vec<u64>,
    },
    /// Copies the bytes of changes into a local directory: of these, or of all when there are none.
    OutboxExport {
        ids: Vec<u64>,
        dir: std::path::PathBuf,
    },
    /// Unmounts and ends the daemon: when the outbox is empty, or now.
    Unmount {
        now: bool,
    },
}

/// One line from the daemon.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Response {
    Progress(Progress),
    Done(Answer),
    Failed { message: String },
}

/// How far a waiting request is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// Changes that are not on the service yet, the failed ones left out.
    pub changes_left: u64,
    pub failed: u64,
    pub bytes_sent: u64,
    pub bytes_total: u64,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    Done,
    Status(Box<Status>),
    /// Changes: all that are asked for, or those that `sync` and `unmount` leave behind.
    Changes(Vec<ChangeStatus>),
    Revisions(Vec<RevisionLine>),
    /// How many changes were touched.
    Count(u64),
    /// Files that were written.
    Files(Vec<std::path::PathBuf>),
}

/// One old or current revision of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevisionLine {
    /// Counted from 1, oldest first.
    pub number: u64,
    pub size_bytes: Option<u64>,
    /// RFC 3339.
    pub created: Option<String>,
    pub author: Option<String>,
    pub comment: Option<String>,
}

/// What the daemon of an account does for commands. Paths as in [`Request`].
///
/// A call may be dropped at any await: the command went away. What it had begun on the service goes on.
#[async_trait]
pub trait Control: Send + Sync + 'static {
    async fn status(&self) -> Result<Status>;

    /// Waits until every change at or under the path is on the service, or failed, or the time is over.
    /// Answers the changes that are left, none when all is well.
    async fn sync(
        &self,
        path: &str,
        timeout: Option<Duration>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Vec<ChangeStatus>>;

    async fn refresh(&self, path: &str) -> Result<()>;

    /// Oldest first.
    async fn history(&self, path: &str) -> Result<Vec<RevisionLine>>;

    async fn restore(&self, path: &str, number: u64) -> Result<()>;

    /// The changes with an id above `after`, in order of id, at most [`CHANGES_MAX`].
    async fn outbox_list(&self, after: u64) -> Result<Vec<ChangeStatus>>;

    /// Makes failed changes due again (all for an empty list) and answers how many.
    async fn outbox_retry(&self, ids: &[u64]) -> Result<u64>;

    async fn outbox_discard(&self, ids: &[u64]) -> Result<u64>;

    /// Copies the spooled bytes of changes into `dir` and answers the files written. Nothing is overwritten.
    async fn outbox_export(&self, ids: &[u64], dir: &Path) -> Result<Vec<std::path::PathBuf>>;

    /// Waits until the outbox holds nothing but failed changes (not when `now`), then takes the mount away and lets
    /// the daemon end. Answers what is left for the next mount. `Locked` when files are still open.
    async fn unmount(&self, now: bool, progress: &watch::Sender<Progress>) -> Result<Vec<ChangeStatus>>;
}

#[cfg(test)]
mod tests;
