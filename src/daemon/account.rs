//! What a mounted account does for commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::watch;
use tokio::time::Instant;

use super::MountRequest;
use super::control::{
    CHANGES_MAX, CacheStatus, ChangeState, ChangeStatus, Control, LocalStatus, Progress, RevisionLine, Status,
};
use crate::error::{ErrorKind, Result, fail};
use crate::fs::{ChangeLine, CountedChanges, FileSystem, LineState};
use crate::fuse::Session;
use crate::http::Metrics;

const LOOK_INTERVAL: Duration = Duration::from_millis(50);

pub(super) struct MountedAccount {
    account: String,
    service: String,
    mountpoint: PathBuf,
    pub fs: FileSystem,
    metrics: Metrics,
    pub session: Arc<Session>,
    unmounted: watch::Sender<bool>,
    leave: watch::Sender<bool>,
}

impl MountedAccount {
    pub fn new(request: &MountRequest, fs: FileSystem, metrics: Metrics, session: Arc<Session>) -> MountedAccount {
        MountedAccount {
            account: request.account.name.clone(),
            service: request.account.service.clone(),
            mountpoint: request.mountpoint.clone(),
            fs,
            metrics,
            session,
            unmounted: watch::channel(false).0,
            leave: watch::channel(false).0,
        }
    }

    pub fn set_unmounted(&self) {
        self.unmounted.send_replace(true);
    }

    /// Returns when a command wants the daemon to end whatever is left.
    pub async fn told_to_leave(&self) {
        // The sender lives as long as this value.
        let _ = self.leave.subscribe().wait_for(|leave| *leave).await;
    }

    /// Waits until nothing under the path is pending, or the time is over; says how far it is.
    async fn drain(&self, path: &str, timeout: Option<Duration>, progress: &watch::Sender<Progress>) {
        let end = timeout.map(|timeout| Instant::now() + timeout);
        self.fs.hurry(true);
        loop {
            let counted = self.fs.count_changes(path);
            progress.send_replace(shown(counted));
            let over = end.is_some_and(|end| Instant::now() >= end);
            if counted.pending + counted.uploading == 0 || over {
                break;
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if !*self.unmounted.borrow() {
            self.fs.hurry(false);
        }
    }

    /// How the account is doing; never asks the service.
    pub fn status_now(&self) -> Status {
        let counted = self.fs.count_changes("");
        let (bytes, limit) = self.fs.cache_usage();
        let mut changes = self.left("");
        changes.sort_by_key(|c| (c.state != ChangeState::Failed, c.id));
        Status {
            account: self.account.clone(),
            service: self.service.clone(),
            mountpoint: self.mountpoint.display().to_string(),
            user: self.fs.user(),
            online: self.fs.is_online(),
            lingering: *self.unmounted.borrow(),
            pending: counted.pending,
            uploading: counted.uploading,
            failed: counted.failed,
            changes,
            cache: CacheStatus { bytes, limit },
            local: self.local(),
            requests: self.requests(),
            notices: self.fs.notices(),
        }
    }

    fn local(&self) -> LocalStatus {
        let found = self.fs.local_files().unwrap_or_else(|e| {
            log::warn!("files that stay on this machine could not be counted: {e}");
            Default::default()
        });
        let oldest_seconds = found.oldest.and_then(|at| at.elapsed().ok()).map(|age| age.as_secs());
        LocalStatus { files: found.files, bytes: found.bytes, oldest_seconds }
    }

    /// How many requests were sent, by kind and then by outcome.
    fn requests(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let mut requests: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for row in self.metrics.snapshot() {
            *requests.entry(row.kind.into()).or_default().entry(row.outcome.into()).or_default() += row.count;
        }
        requests
    }

    fn left(&self, path: &str) -> Vec<ChangeStatus> {
        self.fs.changes(path, 0, CHANGES_MAX).into_iter().map(line).collect()
    }
}

#[async_trait]
impl Control for MountedAccount {
    async fn status(&self) -> Result<Status> {
        Ok(self.status_now())
    }

    async fn sync(
        &self,
        path: &str,
        timeout: Option<Duration>,
        progress: &watch::Sender<Progress>,
    ) -> Result<Vec<ChangeStatus>> {
        self.drain(path, timeout, progress).await;
        let left = self.left(path);
        if !left.is_empty() {
            return Ok(left);
        }
        let undone = self.fs.take_undone();
        match undone.is_empty() {
            true => Ok(left),
            false => fail(ErrorKind::Denied, format!("not all that was done here could stay: {}", undone.join("; "))),
        }
    }

    async fn refresh(&self, path: &str) -> Result<()> {
        self.fs.refresh(path).await?;
        // Whoever looks now must not see what the kernel remembers.
        self.session.kernel_knows().await;
        Ok(())
    }

    async fn history(&self, path: &str) -> Result<Vec<RevisionLine>> {
        let versions = self.fs.history(path).await?;
        let lines = versions.into_iter().map(|v| RevisionLine {
            number: v.number,
            size_bytes: v.size,
            created: v.created.and_then(|at| jiff::Timestamp::try_from(at).ok()).map(|at| at.to_string()),
            author: v.author,
            comment: v.comment,
        });
        Ok(lines.collect())
    }

    async fn restore(&self, path: &str, number: u64) -> Result<()> {
        self.fs.restore(path, number).await
    }

    async fn outbox_list(&self, after: u64) -> Result<Vec<ChangeStatus>> {
        Ok(self.fs.changes("", after, CHANGES_MAX).into_iter().map(line).collect())
    }

    async fn outbox_retry(&self, ids: &[u64]) -> Result<u64> {
        Ok(self.fs.retry(ids))
    }

    async fn outbox_discard(&self, ids: &[u64]) -> Result<u64> {
        self.fs.discard(ids).await
    }

    async fn outbox_export(&self, ids: &[u64], dir: &Path) -> Result<Vec<PathBuf>> {
        self.fs.export(ids, dir)
    }

    async fn unmount(&self, now: bool, progress: &watch::Sender<Progress>) -> Result<Vec<ChangeStatus>> {
        if !now {
            self.drain("", None, progress).await;
        }
        self.session.unmount()?;
        self.session.ended().await?;
        let left = self.left("");
        self.leave.send_replace(true);
        Ok(left)
    }
}

fn shown(counted: CountedChanges) -> Progress {
    Progress {
        changes_left: counted.pending + counted.uploading,
        failed: counted.failed,
        bytes_sent: counted.bytes_sent,
        bytes_total: counted.bytes_total,
    }
}

fn line(line: ChangeLine) -> ChangeStatus {
    let state = match line.state {
        LineState::Pending => ChangeState::Pending,
        LineState::Uploading => ChangeState::Uploading,
        LineState::Failed => ChangeState::Failed,
    };
    ChangeStatus {
        id: line.id,
        path: line.path,
        kind: line.kind.into(),
        state,
        error: line.error,
        bytes_sent: line.bytes_sent,
        bytes_total: line.bytes_total,
    }
}
