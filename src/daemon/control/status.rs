//! What `collabfs status` shows, as data and as text.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How a mounted account is doing. The field names are what `status --json` promises.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub account: String,
    pub service: String,
    pub mountpoint: String,
    /// Who is signed in, as the service tells.
    pub user: Option<String>,
    pub online: bool,
    /// The mount is gone; the daemon stays until the outbox is empty.
    pub lingering: bool,
    /// Changes that wait. Those being sent and those that failed are not among them.
    pub pending: u64,
    pub uploading: u64,
    pub failed: u64,
    /// The changes themselves: failed ones first, then in order, at most [`super::CHANGES_MAX`].
    pub changes: Vec<ChangeStatus>,
    pub cache: CacheStatus,
    /// Files that never leave this machine: locks, swap files and their like.
    #[serde(default)]
    pub local: LocalStatus,
    /// How many requests were sent, by kind and then by outcome.
    pub requests: BTreeMap<String, BTreeMap<String, u64>>,
    /// What a person should know or do, one sentence each (sign in again, the service is full...).
    pub notices: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStatus {
    pub bytes: u64,
    pub limit: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalStatus {
    pub files: u64,
    pub bytes: u64,
    /// Age of the one that was not written for the longest time.
    pub oldest_seconds: Option<u64>,
}

/// One thing that the service still has to learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeStatus {
    /// Names the change for `collabfs outbox`.
    pub id: u64,
    /// Below the mount's root.
    pub path: String,
    /// `create`, `revise`, `rename`, `move`, `delete`, `mkdir`, `rmdir`, `set attribute`.
    pub kind: String,
    pub state: ChangeState,
    pub error: Option<String>,
    pub bytes_sent: u64,
    pub bytes_total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeState {
    Pending,
    Uploading,
    Failed,
}

/// How many changes the text shows; all are in the JSON and in `outbox list`.
const SHOWN_MAX: usize = 20;

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = if self.online { "online" } else { "offline" };
        let user = self.user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
        writeln!(f, "{} ({}) at {}: {link}{user}", self.account, self.service, self.mountpoint)?;
        if self.lingering {
            writeln!(f, "  the mount is gone; the daemon stays until the outbox is empty")?;
        }
        for notice in &self.notices {
            writeln!(f, "  ! {notice}")?;
        }
        match (self.pending, self.uploading, self.failed) {
            (0, 0, 0) => writeln!(f, "  everything is on the service")?,
            (pending, uploading, failed) => {
                writeln!(f, "  changes: {pending} waiting, {uploading} being sent, {failed} failed")?
            }
        }
        for change in self.changes.iter().take(SHOWN_MAX) {
            writeln!(f, "    {change}")?;
        }
        if self.changes.len() > SHOWN_MAX {
            writeln!(f, "    and {} more; see `collabfs outbox list`", self.changes.len() - SHOWN_MAX)?;
        }
        if self.failed > 0 {
            writeln!(
                f,
                "  Failed changes stay until you decide: `collabfs outbox retry`, `collabfs outbox export DIR`"
            )?;
            writeln!(f, "  (saves their bytes), `collabfs outbox discard ID...` (gives them up).")?;
        }
        if self.local.files > 0 {
            let LocalStatus { files, bytes, oldest_seconds } = self.local;
            let days = oldest_seconds.unwrap_or(0) / (24 * 3600);
            writeln!(f, "  kept on this machine: {files} files, {}, the oldest {days} days old", human_bytes(bytes))?;
        }
        write!(f, "  cache: {} of {}", human_bytes(self.cache.bytes), human_bytes(self.cache.limit))
    }
}

impl fmt::Display for ChangeStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.state {
            ChangeState::Pending => "pending",
            ChangeState::Uploading => "uploading",
            ChangeState::Failed => "failed",
        };
        write!(f, "#{} {state} {} {}", self.id, self.kind, self.path)?;
        if self.state == ChangeState::Uploading && self.bytes_total > 0 {
            write!(f, " ({} of {})", human_bytes(self.bytes_sent), human_bytes(self.bytes_total))?;
        }
        match &self.error {
            Some(error) => write!(f, ": {error}"),
            None => Ok(()),
        }
    }
}

/// `1.5 MiB`; bytes below 1 KiB are exact.
pub fn human_bytes(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, "B");
    for next in ["KiB", "MiB", "GiB", "TiB"] {
        if value < 1024.0 {
            break;
        }
        (value, unit) = (value / 1024.0, next);
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{value:.1} {unit}") }
}
