//! What commands ask of a mounted account: what is pending, waiting for it, deciding about failures, history.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::content::Reader;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::FileSystem;
use crate::fs::state::{Inner, State};
use crate::ids::{Ino, RemoteId};
use crate::outbox::{Change, ChangeId};
use crate::provider::{Content, ReadTarget, Version};
use crate::store::Remote;
use crate::tree::Tree;

const RESTORE_STEP_BYTES: usize = 1 << 20;

/// One change as commands show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeLine {
    pub id: u64,
    /// Below the mount's root.
    pub path: String,
    pub kind: &'static str,
    pub state: LineState,
    pub error: Option<String>,
    pub bytes_sent: u64,
    pub bytes_total: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineState {
    Pending,
    Uploading,
    Failed,
}

/// How much there is left to do.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CountedChanges {
    pub pending: u64,
    pub uploading: u64,
    pub failed: u64,
    pub bytes_sent: u64,
    pub bytes_total: u64,
}

impl FileSystem {
    pub fn is_online(&self) -> bool {
        self.inner.lock().online
    }

    pub fn user(&self) -> Option<String> {
        self.inner.lock().user.clone()
    }

    /// What a person should know or do, one sentence each.
    pub fn notices(&self) -> Vec<String> {
        self.inner.lock().notices.lines(self.inner.now())
    }

    /// What was undone, because the service refused it, since this was asked last: one sentence each.
    pub fn take_undone(&self) -> Vec<String> {
        self.inner.lock().notices.take_untold()
    }

    /// Bytes in the content cache, and their limit.
    pub fn cache_usage(&self) -> (u64, u64) {
        let usage = self.inner.cache.usage();
        (usage.bytes, usage.limit)
    }

    /// Changes at or under the path with an id above `after`, in order of id, at most `lines_max`.
    pub fn changes(&self, path: &str, after: u64, lines_max: usize) -> Vec<ChangeLine> {
        let mut guard = self.inner.lock();
        let state = &mut *guard;
        let mut changes: Vec<Change> =
            state.changes.iter().filter(|c| c.id.0 > after && !c.is_unborn()).cloned().collect();
        changes.sort_by_key(|c| c.id);
        let lines = changes.into_iter().map(|c| state.line(&c)).filter(|line| is_under(&line.path, path));
        lines.take(lines_max).collect()
    }

    /// Counts what is at or under the path. Of everything (the empty path) no path is looked up: this is asked often.
    pub fn count_changes(&self, path: &str) -> CountedChanges {
        let mut guard = self.inner.lock();
        let State { tree, changes, sending, .. } = &mut *guard;
        let mut counted = CountedChanges::default();
        for change in changes.iter().filter(|c| !c.is_unborn()) {
            if !path.is_empty() && !is_under(&path_of(tree, change), path) {
                continue;
            }
            match line_state(change) {
                LineState::Pending => counted.pending += 1,
                LineState::Uploading => counted.uploading += 1,
                LineState::Failed => counted.failed += 1,
            }
            counted.bytes_sent += bytes_sent(sending, change);
            counted.bytes_total += change.draft.as_ref().map_or(0, |d| d.size);
        }
        counted
    }

    /// Nothing rests from now on, or changes rest again.
    pub fn hurry(&self, on: bool) {
        let mut state = self.inner.lock();
        state.hurry_all = on;
        if on {
            state.changes.confirm_all();
            self.inner.commit(&mut state);
        }
        drop(state);
        self.inner.wake.notify_one();
    }

    /// Makes failed changes due again: these, or all for an empty list. Answers how many.
    pub fn retry(&self, ids: &[u64]) -> u64 {
        let mut state = self.inner.lock();
        let retried = state.changes.retry(|id| ids.is_empty() || ids.contains(&id.0));
        self.inner.commit(&mut state);
        self.inner.wake.notify_one();
        retried
    }

    /// Gives changes up; what the service has shows again with the next listing.
    pub async fn discard(&self, ids: &[u64]) -> Result<u64> {
        let mut discarded = 0;
        for id in ids {
            discarded += u64::from(self.inner.discard(ChangeId(*id)).await?);
        }
        Ok(discarded)
    }

    /// Copies the unsent bytes of changes (all for an empty list) into a local directory. Nothing is overwritten.
    pub fn export(&self, ids: &[u64], dir: &Path) -> Result<Vec<PathBuf>> {
        let wanted: Vec<(String, String)> = {
            let mut guard = self.inner.lock();
            let state = &mut *guard;
            let changes: Vec<Change> =
                state.changes.iter().filter(|c| ids.is_empty() || ids.contains(&c.id.0)).cloned().collect();
            let drafts = changes.into_iter().filter_map(|c| Some((state.line(&c).path, c.draft?.spool)));
            drafts.collect()
        };
        let mut written = Vec::new();
        for (path, spool) in wanted {
            let spool = self.inner.spool.get(&spool)?;
            let target = dir.join(&path);
            if let Some(parent) = target.parent() {
                std::fs::create_dir_all(parent)?;
            }
            let copy = std::fs::File::options().write(true).create_new(true).open(&target)?;
            crate::disk::copy_content(spool.file(), &copy)?;
            copy.sync_all()?;
            written.push(target);
        }
        Ok(written)
    }

    /// Asks the service anew what is at the path.
    pub async fn refresh(&self, path: &str) -> Result<()> {
        let ino = self.inner.resolve(path).await?;
        let (directory, parent) = {
            let mut state = self.inner.lock();
            let node = state.tree.node(ino)?;
            (node.directory, node.parent)
        };
        if ino != Ino::ROOT {
            self.inner.relisted(parent).await?;
        }
        if directory { self.inner.relisted(ino).await } else { Ok(()) }
    }

    /// The file's revisions, oldest first.
    pub async fn history(&self, path: &str) -> Result<Vec<Version>> {
        let ino = self.inner.resolve(path).await?;
        self.inner.versions(ino).await
    }

    /// Makes an old revision's content the newest revision.
    pub async fn restore(&self, path: &str, number: u64) -> Result<()> {
        let ino = self.inner.resolve(path).await?;
        self.inner.restore_version(ino, number).await
    }
}

impl Inner {
    /// The node at a path below the mount's root.
    pub async fn resolve(self: &Arc<Self>, path: &str) -> Result<Ino> {
        let mut at = Ino::ROOT;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            self.listed(at).await?;
            let child = self.lock().tree.child(at, name)?;
            match child {
                Some(ino) => at = ino,
                None => return fail(ErrorKind::NotFound, format!("{path}: {name} is not there")),
            }
        }
        Ok(at)
    }

    pub async fn versions(self: &Arc<Self>, ino: Ino) -> Result<Vec<Version>> {
        self.provider.versions(&self.remote_file(ino)?.id).await
    }

    fn remote_file(&self, ino: Ino) -> Result<Remote> {
        let node = self.lock().tree.node(ino)?.clone();
        match node.remote {
            Some(remote) if !node.directory => Ok(remote),
            Some(_) => fail(ErrorKind::IsDirectory, format!("{} is a directory", node.name)),
            None => fail(ErrorKind::NotFound, format!("{} is not on the service yet", node.name)),
        }
    }

    /// A reader of one revision. `current`: it certainly is the one that the service gives out without being asked
    /// for a revision.
    pub fn revision_reader(&self, id: RemoteId, version: &Version, current: bool) -> Arc<Reader> {
        let revision = Some(version.revision.clone());
        let target = ReadTarget { id, revision, old: !current, size: version.size };
        self.cache.reader(self.provider.clone(), target)
    }

    async fn restore_version(self: &Arc<Self>, ino: Ino, number: u64) -> Result<()> {
        let versions = self.versions(ino).await?;
        let Some(version) = versions.iter().find(|v| v.number == number) else {
            let newest = versions.last().map_or(0, |v| v.number);
            return fail(ErrorKind::NotFound, format!("there is no revision {number}; the newest is {newest}"));
        };
        let remote = self.remote_file(ino)?;
        let current = remote.revision.as_ref() == Some(&version.revision);
        let whole = self.revision_reader(remote.id, version, current).fetch_all().await?;
        let opened = self.open(ino, crate::fs::OpenMode { write: true, truncate: true, ..Default::default() }).await?;
        let copied = self.copy_into(opened.handle, &whole).await;
        let kept = self.flush(opened.handle).await;
        self.release(opened.handle).await;
        self.tell_kernel(vec![crate::tree::Invalidation::Content { ino }]);
        copied.and(kept)?;
        self.delivered(ino).await
    }

    async fn copy_into(self: &Arc<Self>, handle: crate::ids::HandleId, from: &std::fs::File) -> Result<()> {
        use std::os::unix::fs::FileExt;
        let mut offset = 0;
        let mut buffer = vec![0; RESTORE_STEP_BYTES];
        loop {
            let n = from.read_at(&mut buffer, offset)?;
            if n == 0 {
                return Ok(());
            }
            self.write(handle, offset, bytes::Bytes::copy_from_slice(&buffer[..n])).await?;
            offset += n as u64;
        }
    }

    async fn discard(self: &Arc<Self>, id: ChangeId) -> Result<bool> {
        let (ino, relist) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let Some(change) = state.changes.by_id(id).filter(|c| !c.in_flight).cloned() else { return Ok(false) };
            state.changes.forget(change.ino);
            let Ok(node) = state.tree.node(change.ino).cloned() else {
                self.commit(state);
                return Ok(true);
            };
            let spool = node.spool.clone();
            if node.remote.is_none() {
                state.tree.remove(change.ino, true)?;
            } else {
                state.tree.update(change.ino, |n| n.spool = None)?;
            }
            self.commit(state);
            self.release_later(spool.into_iter().collect());
            (change.ino, node.parent)
        };
        self.tell_kernel(vec![crate::tree::Invalidation::Content { ino }]);
        // The service's own view shows again.
        let _ = self.relisted(relist).await;
        Ok(true)
    }
}

impl State {
    fn line(&mut self, change: &Change) -> ChangeLine {
        ChangeLine {
            id: change.id.0,
            path: path_of(&mut self.tree, change),
            kind: change.kind(),
            state: line_state(change),
            error: change.failure.as_ref().map(|f| f.message.clone()),
            bytes_sent: bytes_sent(&self.sending, change),
            bytes_total: change.draft.as_ref().map_or(0, |d| d.size),
        }
    }
}

fn path_of(tree: &mut Tree, change: &Change) -> String {
    let is_there = !tree.is_orphan(change.ino) && tree.node(change.ino).is_ok();
    match is_there {
        true => tree.path(change.ino),
        // Removed here: the name that the service still has. Or it lost its directory there: the name it was to have.
        false => {
            let wanted = change.place().map(|place| place.name.clone());
            change.base.as_ref().map(|b| b.name.clone()).or(wanted).unwrap_or_default()
        }
    }
}

fn line_state(change: &Change) -> LineState {
    match change.state() {
        "failed" => LineState::Failed,
        "uploading" => LineState::Uploading,
        _ => LineState::Pending,
    }
}

fn bytes_sent(sending: &HashMap<ChangeId, Content>, change: &Change) -> u64 {
    sending.get(&change.id).map_or(0, |content| content.sent_bytes())
}

fn is_under(path: &str, dir: &str) -> bool {
    let dir = dir.trim_matches('/');
    dir.is_empty() || path == dir || path.strip_prefix(dir).is_some_and(|rest| rest.starts_with('/'))
}
