//! Sending what the outbox plans, and taking in what came of it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::oneshot;

use crate::clock::Millis;
use crate::content::SpoolFile;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::effects;
use crate::fs::handles::Body;
use crate::fs::state::{Inner, State};
use crate::ids::{Ino, RemoteId, RevisionId};
use crate::outbox::{Base, Change, ChangeId, Draft, Hurry, Outcome, Phase, Sent, Step};
use crate::provider::{AttachItem, Content, EntryKind, Located, ReadTarget, StagedAsset};
use crate::store::Durable;

/// What became of a change that somebody waits for.
pub(super) type ExpectedAnswer = oneshot::Receiver<Result<()>>;

/// What one request needs to know, taken under the lock before it goes out.
struct Job {
    step: Step,
    changes: Vec<Change>,
    /// The content of each change, held so that a newer draft takes nothing away from under the request.
    contents: Vec<Option<Arc<SpoolFile>>>,
    /// The journal's note of it, to be on the disk before anything is sent.
    noted: Option<Durable>,
}

/// For so long after its time a removal is sent as it was meant; later, it is looked first whether it still holds.
const REMOVAL_CURRENT: Duration = Duration::from_secs(5);

impl Inner {
    /// Sends changes as they become due, until the process ends.
    pub async fn deliver(self: Arc<Self>) {
        let mut under_way = tokio::task::JoinSet::new();
        loop {
            let capabilities = self.provider.capabilities();
            let free = capabilities.uploads_parallel.max(1).saturating_sub(under_way.len());
            let (jobs, wake_at) = self.plan(free, &capabilities);
            for job in jobs {
                let inner = self.clone();
                under_way.spawn(async move { inner.perform(job).await });
            }
            let pause = wake_at.map_or(std::time::Duration::from_secs(60), |at| at.since(self.now()));
            tokio::select! {
                _ = self.wake.notified() => {}
                _ = tokio::time::sleep(pause) => {}
                Some(ended) = under_way.join_next(), if !under_way.is_empty() => {
                    if let Err(e) = ended {
                        log::error!("a request ended without an outcome: {e}");
                    }
                }
            }
        }
    }

    fn plan(&self, free: usize, capabilities: &crate::provider::Capabilities) -> (Vec<Job>, Option<Millis>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        if free == 0 || state.changes.is_empty() {
            return (Vec::new(), None);
        }
        let hurry = Hurry { all: state.hurry_all, nodes: &state.hurried };
        let plan = state.changes.plan(self.now(), capabilities, free, hurry);
        let jobs = plan.steps.into_iter().filter_map(|step| self.begin(state, step)).collect();
        (jobs, plan.wake_at)
    }

    fn begin(&self, state: &mut State, step: Step) -> Option<Job> {
        let ids = step.ids();
        let (mut changes, mut contents) = (Vec::new(), Vec::new());
        let mut noted = false;
        for id in ids {
            let change = state.changes.by_id(id)?.clone();
            let before = self.same_named(state, &change);
            let note = change.note_of(&step, before);
            noted |= note.is_some();
            state.changes.begin(id, note);
            let change = state.changes.by_id(id)?.clone();
            contents.push(draft(&change).and_then(|d| self.spool.get(&d.spool)).ok());
            changes.push(change);
        }
        let noted = noted.then(|| self.commit_durable(state));
        Some(Job { step, changes, contents, noted })
    }

    /// Entries of the change's wanted name that are in its directory already.
    fn same_named(&self, state: &mut State, change: &Change) -> Vec<RemoteId> {
        let Some(place) = change.place() else { return Vec::new() };
        let mut same = state.tree.entries_called(place.parent, &place.name).unwrap_or_default();
        // What was moved away here may be there still.
        same.extend(place.parent_id.iter().flat_map(|dir| state.changes.leaving(dir, &place.name)));
        same
    }

    async fn perform(self: &Arc<Self>, mut job: Job) {
        let outcomes = match job.noted.take() {
            Some(noted) => match noted.wait().await {
                Ok(()) => self.send_guarded(&job).await,
                // Nothing was sent: the journal could not take the note.
                Err(e) => vec![Outcome::Failed(e); job.changes.len()],
            },
            None => self.send_guarded(&job).await,
        };
        effects::take_in(self, job.changes.into_iter().zip(outcomes).collect()).await;
        drop(job.contents);
        self.wake.notify_one();
    }

    /// A panic below is a fault of this program, and must not leave its change under way for ever.
    async fn send_guarded(self: &Arc<Self>, job: &Job) -> Vec<Outcome> {
        match AssertUnwindSafe(self.send(job)).catch_unwind().await {
            Ok(outcomes) => outcomes,
            Err(_) => {
                let bug = Error::new(ErrorKind::Bug, "the request ended in a fault of collabfs; see the log");
                vec![Outcome::Failed(bug.unclear()); job.changes.len()]
            }
        }
    }

    async fn send(self: &Arc<Self>, job: &Job) -> Vec<Outcome> {
        if let Step::Attach { container, .. } = &job.step {
            return self.attach(container, &job.changes).await;
        }
        let Some(change) = job.changes.first() else { return Vec::new() };
        let result = match &job.step {
            Step::Stage(_) => self.stage(change).await,
            Step::Copy(_) => self.copy_there(change).await,
            Step::MakeDir(_) => self.make_dir_there(change).await,
            Step::Relocate(_) => self.relocate_there(change).await,
            Step::Revise(_) => self.revise(change).await,
            Step::Describe(_) => self.describe(change).await,
            Step::Delete(_) => self.delete(change).await,
            // Whatever hinders the looking: what was sent stays unclear.
            Step::Confirm(_) => self.confirm(change).await.map_err(Error::unclear),
            Step::Attach { .. } => return Vec::new(),
        };
        vec![result.unwrap_or_else(Outcome::Failed)]
    }

    async fn stage(self: &Arc<Self>, change: &Change) -> Result<Outcome> {
        let draft = draft(change)?;
        if !self.frozen(change.ino, draft).await? {
            return Ok(Outcome::NotDone);
        }
        let (container, name) = there(change)?;
        let asset =
            self.with_content(change, draft, async |content| self.provider.stage(&container, &name, content).await);
        Ok(Outcome::Staged { generation: draft.generation, size: draft.size, asset: asset.await? })
    }

    /// Sees to it that a program which has the file open goes on in another spool file. What it wrote since the draft was
    /// made is kept first: then there is a newer draft to be sent, and the answer is no.
    async fn frozen(self: &Arc<Self>, ino: Ino, draft: &Draft) -> Result<bool> {
        let Some(file) = self.handles().current(ino) else { return Ok(true) };
        let newer = {
            let mut open = file.lock();
            let writes_there = matches!(&open.body, Body::Local(spool) if spool.name() == draft.spool);
            open.frozen |= writes_there;
            writes_there && open.dirty
        };
        if newer {
            self.settle(&file).await?;
        }
        Ok(!newer)
    }

    /// Runs `send` with the draft's bytes, whose progress can be watched meanwhile.
    async fn with_content<T>(
        &self,
        change: &Change,
        draft: &Draft,
        send: impl AsyncFnOnce(&Content) -> Result<T>,
    ) -> Result<T> {
        // Held while it is sent: a newer draft may release the file meanwhile.
        let spool = self.spool.get(&draft.spool)?;
        let content = Content::new(spool.path().to_owned(), draft.size);
        self.lock().sending.insert(change.id, content.clone());
        let result = send(&content).await;
        self.lock().sending.remove(&change.id);
        result
    }

    async fn attach(self: &Arc<Self>, container: &RemoteId, changes: &[Change]) -> Vec<Outcome> {
        let items: Result<Vec<(AttachItem, u64, u64)>> = changes.iter().map(|c| self.attach_item(c)).collect();
        let items = match items {
            Ok(items) => items,
            Err(e) => return vec![Outcome::Failed(e); changes.len()],
        };
        let sent: Vec<AttachItem> = items.iter().map(|(item, _, _)| item.clone()).collect();
        match self.provider.attach(container, &sent).await {
            Ok(results) if results.len() == items.len() => results
                .into_iter()
                .zip(items)
                .map(|(result, (item, generation, size))| match result {
                    Ok(created) => {
                        Outcome::Attached { generation, size, container: container.clone(), name: item.name, created }
                    }
                    Err(e) => Outcome::Failed(e),
                })
                .collect(),
            Ok(_) => {
                vec![Outcome::Failed(Error::new(ErrorKind::Bug, "not one outcome per item").unclear()); changes.len()]
            }
            Err(e) => vec![Outcome::Failed(e); changes.len()],
        }
    }

    fn attach_item(&self, change: &Change) -> Result<(AttachItem, u64, u64)> {
        let Phase::Sending(Sent::Attach { draft, name, token, .. }) = &change.phase else {
            return fail(ErrorKind::Bug, "an attach without a note of it");
        };
        let spool = self.spool.get(&draft.spool)?;
        let item = AttachItem {
            name: name.clone(),
            staged: StagedAsset { token: token.clone(), expires: None, name: None },
            content: Content::new(spool.path().to_owned(), draft.size),
            description: change.description.clone(),
            hidden_like: change.hidden_like.clone(),
        };
        Ok((item, draft.generation, draft.size))
    }

    /// Has the service copy a file. Errors: `Unsupported` when it is not the file any more that was copied here.
    async fn copy_there(self: &Arc<Self>, change: &Change) -> Result<Outcome> {
        let Phase::Sending(Sent::Attach { draft, container, name, .. }) = &change.phase else {
            return fail(ErrorKind::Bug, "a copy without a note of it");
        };
        if !self.frozen(change.ino, draft).await? {
            return Ok(Outcome::NotDone);
        }
        let changed = || Error::new(ErrorKind::Unsupported, "somebody else changed what is to be copied");
        let source = draft.copy_of.clone().ok_or_else(changed)?;
        let now = self.provider.stat(&source.id).await?;
        if now.revision != source.revision {
            return Err(changed());
        }
        let from = Located { id: source.id, parent: source.parent, name: now.name, kind: EntryKind::File };
        let created = self.provider.copy(&from, container, name).await?;
        let same = match self.provider.stat(&from.id).await {
            Ok(after) => after.revision == source.revision,
            // Removed since, which changed nothing of it.
            Err(e) => e.kind() == ErrorKind::NotFound,
        };
        // Changed at this very moment: nobody knows which content was copied, so ours follows as a revision.
        let generation = if same { draft.generation } else { 0 };
        Ok(Outcome::Attached {
            generation,
            size: draft.size,
            container: container.clone(),
            name: name.clone(),
            created,
        })
    }

    async fn make_dir_there(&self, change: &Change) -> Result<Outcome> {
        let (parent, name) = there(change)?;
        let entry = self.provider.make_dir(&parent, &name).await?;
        Ok(Outcome::Made { id: entry.id, parent, name: entry.name })
    }

    async fn relocate_there(&self, change: &Change) -> Result<Outcome> {
        let (parent, name) = there(change)?;
        match self.provider.relocate(&located(change)?, &parent, &name).await {
            Ok(()) => Ok(Outcome::Relocated { parent, name }),
            // A ring of renames on a service with unique names goes over a spare name.
            Err(e) if e.kind() == ErrorKind::Exists && self.lock().changes.occupies(&parent, &name, change.id) => {
                let spare = format!("{name}.collabfs-{}", change.id.0);
                self.provider.relocate(&located(change)?, &parent, &spare).await?;
                Ok(Outcome::Relocated { parent, name: spare })
            }
            Err(e) => Err(e),
        }
    }

    async fn revise(self: &Arc<Self>, change: &Change) -> Result<Outcome> {
        let draft = draft(change)?;
        let base = base(change)?;
        if !self.frozen(change.ino, draft).await? {
            return Ok(Outcome::NotDone);
        }
        if self.is_unchanged(base, draft).await? {
            return Ok(Outcome::Unchanged { generation: draft.generation });
        }
        let (current, name) = self.current(base).await?;
        let file = Located { name, ..located(change)? };
        let revised = self
            .with_content(change, draft, async |content| self.provider.revise(&file, current.as_ref(), content).await);
        Ok(Outcome::Revised { generation: draft.generation, size: draft.size, revised: revised.await? })
    }

    /// The revision that the new one is to follow, and the name that the document has there by now. Errors: `Conflict`
    /// when somebody else made a revision since ours was begun, unless it is wished, and loses nothing, that ours
    /// follows theirs.
    async fn current(&self, base: &Base) -> Result<(Option<RevisionId>, String)> {
        let capabilities = self.provider.capabilities();
        let follows = self.options.conflict_revise && capabilities.versions && capabilities.revises_in_place;
        if base.revision.is_none() || (capabilities.conditional_revise && !follows) {
            return Ok((base.revision.clone(), base.name.clone()));
        }
        let now = self.provider.stat(&base.id).await?;
        if now.revision == base.revision {
            return Ok((now.revision, now.name));
        }
        if !follows {
            return fail(ErrorKind::Conflict, "somebody else made a new revision meanwhile");
        }
        log::warn!(
            "{}: somebody else made a new revision meanwhile; ours follows it, theirs is in the history",
            base.name
        );
        Ok((now.revision, now.name))
    }

    /// Whether the draft's bytes are those of its base, as far as that can be told without asking the service.
    async fn is_unchanged(self: &Arc<Self>, base: &Base, draft: &Draft) -> Result<bool> {
        let Some(revision) = base.revision.clone() else { return Ok(false) };
        if base.size != Some(draft.size) || !self.cache.contains(&base.id, &revision) {
            return Ok(false);
        }
        let target = ReadTarget { id: base.id.clone(), revision: Some(revision), old: false, size: base.size };
        let Some(cached) = self.cache.reader(self.provider.clone(), target).complete() else { return Ok(false) };
        let spool = self.spool.get(&draft.spool)?;
        crate::fs::writing::blocking(move || crate::disk::same_content(&cached, spool.file())).await
    }

    async fn describe(&self, change: &Change) -> Result<Outcome> {
        if let Some(text) = &change.description {
            self.provider.describe(&located(change)?, text).await?;
        }
        Ok(Outcome::Described)
    }

    async fn delete(&self, change: &Change) -> Result<Outcome> {
        let overdue = self.now().since(change.rest_until) > REMOVAL_CURRENT;
        if overdue || change.attempts > 0 {
            self.check_removal(change).await?;
        }
        self.provider.delete(&located(change)?).await?;
        Ok(Outcome::Deleted)
    }

    /// Waits for the service's answer to what was done to this node, at most for the mount's timeout. No answer in
    /// time, or a service that cannot be asked, is no error: the journal has it, and it goes on.
    pub async fn answered(self: &Arc<Self>, ino: Ino) -> Result<()> {
        let answer = self.lock().expect_answer(ino);
        self.await_answer(answer).await
    }

    /// The same for an answer that was expected since the change was made: it may have come already.
    pub async fn await_answer(self: &Arc<Self>, answer: Option<ExpectedAnswer>) -> Result<()> {
        let durable = self.commit_durable(&mut self.lock());
        durable.wait().await?;
        self.wake.notify_one();
        let Some(answer) = answer.filter(|_| self.lock().online) else { return Ok(()) };
        match tokio::time::timeout(self.options.timeout, answer).await {
            // What somebody else holds, they may hold for long.
            Ok(Ok(Err(e))) if e.kind() == ErrorKind::Locked => Err(e),
            Ok(Ok(Err(e))) if !e.is_temporary() && e.kind() != ErrorKind::SignedOut => Err(e),
            _ => Ok(()),
        }
    }

    /// Waits until the file's content is on the service, and fails when that fails.
    pub async fn delivered(self: &Arc<Self>, ino: Ino) -> Result<()> {
        let (answer, _durable) = {
            let mut state = self.lock();
            (state.expect_answer(ino), self.commit_durable(&mut state))
        };
        let Some(answer) = answer else { return Ok(()) };
        self.wake.notify_one();
        match tokio::time::timeout(self.options.timeout, answer).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Ok(()),
            Err(_) => {
                fail(ErrorKind::TimedOut, "the service did not take the content in time; it is kept and sent later")
            }
        }
    }
}

impl State {
    /// Puts the node's change in front and listens for its answer, from this moment on. `None` when no answer will come
    /// soon, since its directory has to be made first, and that failed so far.
    pub fn expect_answer(&mut self, ino: Ino) -> Option<ExpectedAnswer> {
        let change = self.changes.get(ino)?;
        if change.place().is_some_and(|p| p.parent_id.is_none()) {
            return None;
        }
        let id = change.id;
        let (answer, answered) = oneshot::channel();
        self.waiters.entry(id).or_default().push(answer);
        self.hurried.insert(ino);
        Some(answered)
    }
}

impl Step {
    fn ids(&self) -> Vec<ChangeId> {
        match self {
            Step::Attach { items, .. } => items.clone(),
            Step::Stage(id)
            | Step::Copy(id)
            | Step::MakeDir(id)
            | Step::Relocate(id)
            | Step::Revise(id)
            | Step::Describe(id)
            | Step::Delete(id)
            | Step::Confirm(id) => vec![*id],
        }
    }
}

pub(super) fn draft(change: &Change) -> Result<&Draft> {
    change.draft.as_ref().ok_or_else(|| Error::new(ErrorKind::Bug, "a change without content"))
}

pub(super) fn base(change: &Change) -> Result<&Base> {
    change.base.as_ref().ok_or_else(|| Error::new(ErrorKind::Bug, "a change of what the service does not have"))
}

/// Where the change wants its entry, in the service's words.
fn there(change: &Change) -> Result<(RemoteId, String)> {
    let place = change.place().and_then(|p| Some((p.parent_id.clone()?, p.name.clone())));
    place.ok_or_else(|| Error::new(ErrorKind::Bug, "a change without a place on the service"))
}

pub(super) fn located(change: &Change) -> Result<Located> {
    let base = base(change)?;
    let kind = if change.directory { EntryKind::Directory } else { EntryKind::File };
    Ok(Located { id: base.id.clone(), parent: base.parent.clone(), name: base.name.clone(), kind })
}
