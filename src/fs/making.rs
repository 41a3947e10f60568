//! Creating files and directories, removing them.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Millis;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::effects::bound_to;
use crate::fs::handles::{Body, OpenFile};
use crate::fs::hidden;
use crate::fs::securing::Secured;
use crate::fs::state::{Inner, State};
use crate::fs::types::{Attributes, Caller, OpenMode, Opened};
use crate::ids::{Ino, RemoteId};
use crate::names::from_file_name;
use crate::outbox::{Draft, Heir, Phase, Place, Sent, Want};
use crate::provider::{EntryKind, Operation};
use crate::store::{Local, Node};
use crate::tree::{Invalidation, Listing};

/// A document that left its name a moment ago.
pub(super) struct Departed {
    pub ino: Ino,
    /// What it has; nothing if it was removed.
    content: Option<Secured>,
}

impl Inner {
    pub async fn create(
        self: &Arc<Self>,
        parent: Ino,
        name: &OsStr,
        permissions: u32,
        mode: OpenMode,
        caller: Caller,
    ) -> Result<(Attributes, Opened)> {
        match self.create_as_seen(parent, name, permissions, mode, caller).await {
            // A listing came in between: there is such a file now.
            Err(error) if error.kind() == ErrorKind::Conflict => {
                self.create_as_seen(parent, name, permissions, mode, caller).await
            }
            other => other,
        }
    }

    async fn create_as_seen(
        self: &Arc<Self>,
        parent: Ino,
        name: &OsStr,
        permissions: u32,
        mode: OpenMode,
        caller: Caller,
    ) -> Result<(Attributes, Opened)> {
        let name = self.new_name(parent, name).await?;
        let existing = self.lock().tree.child(parent, &name)?;
        if let Some(ino) = existing {
            if mode.exclusive {
                return fail(ErrorKind::Exists, format!("{name} exists"));
            }
            let opened = self.open(ino, mode).await?;
            return Ok((self.attributes(ino).await?, opened));
        }
        let local = self.may_make(parent, &name, EntryKind::File)?;
        if !local {
            self.check_place(parent).await?;
        }
        let tunnel = if local { None } else { self.tunnel(parent, &name).await? };
        let spool = self.spool.create()?;
        let file = {
            let mut state = self.lock();
            let ino = state.tree.new_ino();
            let node = new_node(ino, parent, &name, false, permissions, caller);
            let node = Node { spool: Some(spool.name().to_owned()), ..node };
            state.tree.check_free(parent, &name, ino)?;
            state.tree.insert(node)?;
            if !local {
                let place = state.place(parent, &name)?;
                state.changes.create(ino, false, place, self.rest_until());
            }
            state.tree.touch_dir(parent)?;
            if let Some(moved) = &tunnel {
                let place = state.place(parent, &name)?;
                self.pass_on(&mut state, moved, ino, place)?;
            }
            self.commit(&mut state);
            let base = state.tree.node(ino)?.remote.as_ref().and_then(|r| r.revision.clone());
            OpenFile::new(ino, Body::Local(spool), 0, base)
        };
        {
            let mut open = file.lock();
            (open.dirty, open.frozen, open.unsettled) = (true, false, true);
        }
        self.handles().set_current(file.clone());
        self.count_handle(&file, true);
        let attributes = self.attributes(file.ino).await?;
        Ok((attributes, self.opened(&file, true)))
    }

    /// The name as a service would get it, in a directory whose names are known.
    pub async fn new_name(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<String> {
        if hidden::is_hidden_name(parent, name) {
            return hidden::read_only();
        }
        self.check_writable()?;
        let name = from_file_name(name)?;
        self.listed(parent).await?;
        Ok(name)
    }

    /// Whether something of this name may be made here; answers whether it stays on this machine.
    pub fn may_make(&self, parent: Ino, name: &str, kind: EntryKind) -> Result<bool> {
        let mut state = self.lock();
        if self.is_local_place(&mut state, parent, name) {
            return Ok(true);
        }
        let directory = state.tree.node(parent)?;
        let (operation, what) = match kind {
            EntryKind::File => (Operation::CreateFile, "keep files"),
            EntryKind::Directory => (Operation::MakeDir, "make directories"),
        };
        self.check_operation(directory, operation, what)?;
        if let Err(refused) = self.provider.check_name(name, kind) {
            let stays = kind == EntryKind::File && self.local_names.reason_where_refused(name).is_some();
            return if stays { Ok(true) } else { Err(refused) };
        }
        self.check_case(&mut state, parent, name, None)?;
        Ok(false)
    }

    /// Whether the service takes new files in the directory. While it cannot be asked, it is taken to do so.
    async fn check_place(&self, parent: Ino) -> Result<()> {
        let remote = self.lock().tree.node(parent)?.remote.clone();
        let Some(remote) = remote else { return Ok(()) };
        match tokio::time::timeout(self.options.timeout, self.provider.check_place(&remote.id)).await {
            Ok(Err(e)) if e.kind() == ErrorKind::Invalid => Err(e),
            _ => Ok(()),
        }
    }

    /// Where case does not count, a name that differs from another one by its case only would be that other one.
    pub fn check_case(&self, state: &mut State, parent: Ino, name: &str, except: Option<Ino>) -> Result<()> {
        if self.provider.capabilities().case_sensitive {
            return Ok(());
        }
        let others = state.tree.dir(parent)?.names.in_other_case(name);
        match others.iter().any(|ino| Some(*ino) != except) {
            true => fail(ErrorKind::Exists, format!("{name}: case does not count on this service")),
            false => Ok(()),
        }
    }

    pub async fn make_dir(
        self: &Arc<Self>,
        parent: Ino,
        name: &OsStr,
        permissions: u32,
        caller: Caller,
    ) -> Result<Attributes> {
        let name = self.new_name(parent, name).await?;
        if self.lock().tree.child(parent, &name)?.is_some() {
            return fail(ErrorKind::Exists, format!("{name} exists"));
        }
        let local = self.may_make(parent, &name, EntryKind::Directory)?;
        let (ino, answer) = {
            let mut state = self.lock();
            // A listing may have come in meanwhile.
            if state.tree.child(parent, &name)?.is_some() {
                return fail(ErrorKind::Exists, format!("{name} exists"));
            }
            let ino = state.tree.new_ino();
            state.tree.insert(new_node(ino, parent, &name, true, permissions, caller))?;
            state.tree.touch_dir(parent)?;
            // Nothing is in it that we did not put there.
            state.tree.set_listing(ino, Listing { fetched: self.now(), validator: None, fresh: true })?;
            if !local {
                let place = state.place(parent, &name)?;
                state.changes.create(ino, true, place, Millis(0));
            }
            let answer = if local { None } else { state.expect_answer(ino) };
            self.commit(&mut state);
            (ino, answer)
        };
        if !local && let Err(e) = self.await_answer(answer).await {
            let mut state = self.lock();
            state.changes.forget(ino);
            state.tree.remove(ino, false)?;
            if e.kind() == ErrorKind::Exists {
                // Somebody else's, which is to be seen.
                state.tree.expire(parent)?;
            }
            self.commit(&mut state);
            return Err(e);
        }
        self.attributes(ino).await
    }

    pub async fn unlink(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<()> {
        let ino = self.existing(parent, name).await?;
        let node = self.lock().tree.node(ino)?.clone();
        if node.directory {
            return fail(ErrorKind::IsDirectory, format!("{} is a directory", node.name));
        }
        self.remove(node).await
    }

    pub async fn remove_dir(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<()> {
        let ino = self.existing(parent, name).await?;
        let node = self.lock().tree.node(ino)?.clone();
        if !node.directory {
            return fail(ErrorKind::NotDirectory, format!("{} is a file", node.name));
        }
        self.check_operation(&node, Operation::Delete, "remove this")?;
        if let Some(remote) = &node.remote {
            self.hurry_leaving(&remote.id);
            // The service would take a full directory to the trash with all that others put there meanwhile.
            self.relisted(ino).await?;
        }
        if !self.lock().tree.dir(ino)?.names.is_empty() {
            return fail(ErrorKind::NotEmpty, format!("{} is not empty", node.name));
        }
        self.remove(node).await
    }

    /// What was removed from the directory need not rest: the directory goes too, and somebody waits for that.
    fn hurry_leaving(&self, dir: &RemoteId) {
        let mut guard = self.lock();
        let State { changes, hurried, .. } = &mut *guard;
        let leaving = changes.iter().filter(|c| c.want == Want::Gone && c.left_places().any(|(from, _)| from == dir));
        hurried.extend(leaving.map(|c| c.ino));
    }

    async fn existing(self: &Arc<Self>, parent: Ino, name: &OsStr) -> Result<Ino> {
        let name = self.new_name(parent, name).await?;
        let found = self.lock().tree.child(parent, &name)?;
        match found {
            Some(ino) => Ok(ino),
            None => fail(ErrorKind::NotFound, format!("{name} is not there")),
        }
    }

    /// Removes the node here at once, and on the service. What the service refuses comes back. A file rests first:
    /// programs that replace a file by removing it (tar, git, install, zip) make a new one of its name at once, and that
    /// is its next revision.
    async fn remove(self: &Arc<Self>, node: Node) -> Result<()> {
        let unsent = self.undecided(node.ino).await?;
        let node = self.lock().tree.node(node.ino)?.clone();
        self.check_operation(&node, Operation::Delete, "remove this")?;
        let ino = node.ino;
        let open = self.handles().current(ino).is_some();
        let (durable, sends, rests, answer) = {
            let mut guard = self.lock();
            let state = &mut *guard;
            let known = state.base_of(ino)?;
            let local = state.is_local(ino)?;
            let rests = !local && known.is_some() && !node.directory && self.removals_rest();
            if rests {
                self.open_tunnel(state, &node)?;
            }
            self.vacate(state, node.parent, &node.name);
            state.tree.remove(ino, open)?;
            state.tree.touch_dir(node.parent)?;
            if !local {
                let rest_until = if rests { self.rest_until() } else { self.now() };
                state.changes.remove(ino, node.directory, known, rest_until);
                if rests {
                    state.changes.await_successor(ino);
                }
            }
            let sends = state.changes.get(ino).is_some_and(|c| c.base.is_some());
            let answer = if sends && !rests { state.expect_answer(ino) } else { None };
            (self.commit_durable(state), sends, rests, answer)
        };
        // It is decided: what it is now may be sent.
        drop(unsent);
        durable.wait().await?;
        let spool = || node.spool.iter().filter(|_| !open).cloned().collect();
        if rests || !sends {
            // A program that has it open holds it, and lets it go with its last handle.
            self.release_later(spool());
            self.wake.notify_one();
            return Ok(());
        }
        match self.await_answer(answer).await {
            Ok(()) => {
                self.release_later(spool());
                Ok(())
            }
            Err(e) => {
                self.restore(node)?;
                Err(e)
            }
        }
    }

    /// Whether a removal need not be answered by the service. Should it refuse, the file stands again.
    pub fn removals_rest(&self) -> bool {
        !self.options.sync && !self.options.settle.is_zero()
    }

    /// Puts back what could not be removed, unless its name was taken meanwhile.
    fn restore(&self, node: Node) -> Result<()> {
        let mut state = self.lock();
        state.changes.forget(node.ino);
        if state.tree.child(node.parent, &node.name)?.is_none() {
            state.tree.insert(node.clone())?;
        }
        self.commit(&mut state);
        drop(state);
        self.tell_kernel(vec![Invalidation::Entry { parent: node.parent, name: node.name }]);
        Ok(())
    }

    /// The document that was renamed away from this name a moment ago.
    pub async fn tunnel(self: &Arc<Self>, parent: Ino, name: &str) -> Result<Option<Departed>> {
        let node = {
            let mut state = self.lock();
            let Some(ino) = state.changes.tunnel(parent, name, self.now()) else { return Ok(None) };
            if !self.can_return(&mut state, ino, parent)? {
                return Ok(None);
            }
            match state.tree.node(ino) {
                Ok(node) => node.clone(),
                // Removed, and the service has not been told yet: it need not be.
                Err(_) => {
                    let untold = state.changes.get(ino).is_some_and(|change| !change.in_flight);
                    return Ok(untold.then_some(Departed { ino, content: None }));
                }
            }
        };
        // Without the old content at hand the new file is a new one: nothing is lost, only not joined.
        let content = self.secure(&node).await.ok();
        Ok(content.map(|content| Departed { ino: node.ino, content: Some(content) }))
    }

    /// Whether the service can have the document at the place it was renamed away from: it is there still, or goes back.
    fn can_return(&self, state: &mut State, moved: Ino, parent: Ino) -> Result<bool> {
        let known = state.base_of(moved).unwrap_or(None);
        let at = match state.changes.get(moved).map(|change| (&change.base, &change.phase)) {
            Some((Some(base), _)) => Some((base.parent.clone(), base.name.clone())),
            Some((None, Phase::Sending(Sent::Attach { container, name, .. }))) => {
                Some((container.clone(), name.clone()))
            }
            Some(_) => None,
            None => known.map(|base| (base.parent, base.name)),
        };
        let (Some((dir, name)), Some(left)) = (at, state.changes.tunnel_name(moved)) else { return Ok(true) };
        let operations = self.provider.capabilities().operations;
        let named = name == left || operations.has(Operation::Rename);
        let place = state.place(parent, &name)?;
        Ok(named && (place.parent_id.as_ref() == Some(&dir) || operations.has(Operation::Move)))
    }

    /// The new file `heir` is the next revision of a document, which goes on as a copy under its new name.
    pub fn pass_on(&self, state: &mut State, from: &Departed, heir: Ino, mut place: Place) -> Result<()> {
        let moved = from.ino;
        let known = state.base_of(moved).unwrap_or(None);
        let base = state.changes.get(moved).map_or_else(|| known.clone(), |c| c.base.clone());
        let remote = state.tree.node(moved).ok().and_then(|n| n.remote.clone());
        if let Some(name) = state.changes.tunnel_name(moved) {
            place.name = name.to_owned();
        }
        let own = Heir {
            ino: heir,
            known: state.base_of(heir)?,
            draft: state.changes.get(heir).and_then(|c| c.draft.clone()),
        };
        let ghost = state.tree.new_ino();
        state.changes.inherit(own, (moved, known), ghost, place, self.rest_until());
        // The moved node may be gone already, but what the service has of it is not.
        state.tree.update(heir, |n| n.remote = remote.or_else(|| Some(bound_to(n, &base?))))?;
        let Ok(copy) = state.tree.node(moved).cloned() else { return Ok(()) };
        self.spool_of_copy(state, &copy, from)?;
        let copy = state.tree.node(moved)?.clone();
        if !state.tree.is_orphan(moved) && !self.is_local_place(state, copy.parent, &copy.name) {
            self.publish(state, &copy)?;
            let document = state.tree.node(heir)?.remote.as_ref().map(|remote| remote.id.clone());
            state.changes.hide_like(moved, document);
        }
        Ok(())
    }

    /// What the service has of the document is another one's from now on: its own content is what is on this machine.
    fn spool_of_copy(&self, state: &mut State, copy: &Node, from: &Departed) -> Result<()> {
        let secured = from.content.as_ref().filter(|_| copy.spool.is_none());
        if let Some(content) = secured {
            self.spool.keep(content.spool.name());
            state.journaled.remove(content.spool.name());
        }
        state.tree.update(copy.ino, |n| {
            n.remote = None;
            if let Some(content) = secured {
                n.spool = Some(content.spool.name().to_owned());
                n.spool_bytes = content.size;
            }
        })
    }

    /// A file that was local so far, or is a copy, goes up as a new file of its name.
    pub fn publish(&self, state: &mut State, node: &Node) -> Result<()> {
        let place = state.place(node.parent, &node.name)?;
        state.changes.create(node.ino, node.directory, place.clone(), self.rest_until());
        if let Some(spool) = &node.spool {
            self.spool.keep(spool);
            let draft = Draft {
                spool: spool.clone(),
                size: node.spool_bytes,
                generation: state.changes.new_generation(),
                unsettled: false,
                copy_of: None,
            };
            state.changes.content(node.ino, None, place, draft, self.rest_until());
        }
        Ok(())
    }
}

fn new_node(ino: Ino, parent: Ino, name: &str, directory: bool, permissions: u32, caller: Caller) -> Node {
    let mut node = Node {
        ino,
        parent,
        name: name.to_owned(),
        directory,
        remote: None,
        local: Local { mode: Some((permissions & 0o7777) as u16), ..Local::default() },
        spool: None,
        spool_bytes: 0,
    };
    node.local.uid = Some(caller.uid);
    node.local.gid = Some(caller.gid);
    node.set_created(SystemTime::now());
    node
}
