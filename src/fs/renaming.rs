//! Renaming: where saves of editors are told from the wishes of people.
//!
//! A rename of what the service does not have, or over a document by what it does not have, is a local fact and
//! folds. A document renamed to a backup of itself rests, since a new file of its name is about to come. Every other
//! rename goes to the service at once, and its answer is the caller's.

use std::ffi::OsStr;
use std::sync::Arc;

use crate::clock::Millis;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::delivery::ExpectedAnswer;
use crate::fs::securing::Secured;
use crate::fs::state::{Inner, State};
use crate::fs::types::RenameMode;
use crate::ids::Ino;
use crate::names::is_backup_of;
use crate::outbox::{Change, Heir, Phase};
use crate::provider::{EntryKind, Operation};
use crate::store::Node;

/// One rename, with everything it has to know.
struct Renaming {
    source: Node,
    target: Option<Node>,
    parent: Ino,
    name: String,
    /// The source stays on this machine so far.
    source_local: bool,
    /// The new place keeps things on this machine.
    place_local: bool,
}

/// What is left to do when the tree is as it shall be.
enum Then {
    Nothing,
    /// The service's answer to this node's change is the caller's.
    Ask(Ino, Option<ExpectedAnswer>),
}

/// Times that a listing may come in between looking at a name and taking it.
const LISTINGS_MAX: usize = 3;

impl Inner {
    pub async fn rename(self: &Arc<Self>, from: (Ino, &OsStr), to: (Ino, &OsStr), mode: RenameMode) -> Result<()> {
        for _ in 1..LISTINGS_MAX {
            match self.rename_as_seen(from, to, mode).await {
                // A listing came in between, and something else is there now.
                Err(error) if error.kind() == ErrorKind::Conflict => {}
                other => return other,
            }
        }
        self.rename_as_seen(from, to, mode).await
    }

    async fn rename_as_seen(self: &Arc<Self>, from: (Ino, &OsStr), to: (Ino, &OsStr), mode: RenameMode) -> Result<()> {
        let old_name = self.new_name(from.0, from.1).await?;
        let name = self.new_name(to.0, to.1).await?;
        let source = self.look(from.0, &old_name, to.0, &name)?.source;
        let unsent = self.undecided(source.ino).await?;
        let renaming = self.look(from.0, &old_name, to.0, &name)?;
        match (&renaming.target, mode) {
            (Some(target), _) if target.ino == renaming.source.ino => return Ok(()),
            (Some(_), RenameMode::NoReplace) => return fail(ErrorKind::Exists, format!("{name} exists")),
            (None, RenameMode::Exchange) => return fail(ErrorKind::NotFound, format!("{name} is not there")),
            (Some(target), RenameMode::Exchange) => return self.exchange(&renaming.source, target).await,
            _ => {}
        }
        self.check_rename(&renaming).await?;
        let undo = renaming.source.clone();
        self.vacate(&mut self.lock(), undo.parent, &undo.name);
        let then = if renaming.source.directory {
            self.rename_directory(&renaming).await?
        } else if renaming.target.is_some() {
            self.rename_over(renaming).await?
        } else {
            self.rename_file(renaming).await?
        };
        self.touch_dirs(from.0, to.0)?;
        // It is decided: what it is now may be sent.
        drop(unsent);
        self.wake.notify_one();
        match then {
            Then::Nothing => self.kept().await,
            Then::Ask(ino, answer) => match self.await_answer(answer).await {
                Ok(()) => Ok(()),
                Err(e) => {
                    self.rename_back(ino, &undo)?;
                    Err(e)
                }
            },
        }
    }

    fn look(&self, parent: Ino, old_name: &str, new_parent: Ino, name: &str) -> Result<Renaming> {
        let mut state = self.lock();
        let Some(ino) = state.tree.child(parent, old_name)? else {
            return fail(ErrorKind::NotFound, format!("{old_name} is not there"));
        };
        let source = state.tree.node(ino)?.clone();
        let target = match state.tree.child(new_parent, name)? {
            Some(ino) => Some(state.tree.node(ino)?.clone()),
            None => None,
        };
        let source_local = state.is_local(ino)?;
        let place_local =
            self.is_local_place(&mut state, new_parent, name) && target.as_ref().is_none_or(|t| t.remote.is_none());
        Ok(Renaming { source, target, parent: new_parent, name: name.to_owned(), source_local, place_local })
    }

    async fn check_rename(self: &Arc<Self>, renaming: &Renaming) -> Result<()> {
        let Renaming { source, target, parent, name, .. } = renaming;
        match target {
            Some(t) if t.directory && !source.directory => {
                return fail(ErrorKind::IsDirectory, format!("{name} is a directory"));
            }
            Some(t) if !t.directory && source.directory => {
                return fail(ErrorKind::NotDirectory, format!("{name} is a file"));
            }
            _ => {}
        }
        if source.directory && self.lock().is_inside(*parent, source.ino)? {
            return fail(ErrorKind::Invalid, "a directory cannot be moved into itself");
        }
        if renaming.place_local && !source.directory {
            return self.check_going_home(renaming);
        }
        let kind = if source.directory { EntryKind::Directory } else { EntryKind::File };
        if target.is_none() || source.directory {
            self.check_new_place(renaming, kind)?;
        }
        Ok(())
    }

    /// A document gets a name, or a directory, that stays on this machine. A backup's name asks for nothing: new content
    /// comes in all likelihood, and then the document never had it.
    fn check_going_home(&self, renaming: &Renaming) -> Result<()> {
        let Renaming { source, parent, name, source_local, .. } = renaming;
        let in_place = *parent == source.parent;
        if *source_local || (in_place && is_backup_of(name, &source.name)) {
            return Ok(());
        }
        if self.lock().is_local_dir(*parent) {
            return self.check_operation(source, Operation::Delete, "remove this");
        }
        let (operation, what) = if in_place { (Operation::Rename, "rename") } else { (Operation::Move, "move") };
        self.check_operation(source, operation, &format!("{what} this"))
    }

    fn check_new_place(&self, renaming: &Renaming, kind: EntryKind) -> Result<()> {
        let Renaming { source, parent, name, .. } = renaming;
        self.provider.check_name(name, kind)?;
        let mut state = self.lock();
        self.check_case(&mut state, *parent, name, Some(source.ino))?;
        if source.remote.is_none() {
            drop(state);
            return self.may_make(*parent, name, kind).map(drop);
        }
        drop(state);
        if source.parent == *parent {
            return self.check_operation(source, Operation::Rename, "rename this");
        }
        let into = self.lock().tree.node(*parent)?.clone();
        let operation = if kind == EntryKind::File { Operation::CreateFile } else { Operation::MakeDir };
        let moved = self.check_operation(source, Operation::Move, "move this").or_else(|refused| {
            // What could not be removed after copying would be there twice.
            self.check_operation(source, Operation::Delete, "move this").and(Err(refused))
        });
        match moved.and_then(|()| self.check_operation(&into, operation, "take this")) {
            // `mv` copies then, and says itself what it cannot.
            Err(e) if e.kind() == ErrorKind::Unsupported => fail(ErrorKind::CrossDevice, e.detail().to_owned()),
            other => other,
        }
    }

    async fn rename_directory(self: &Arc<Self>, renaming: &Renaming) -> Result<Then> {
        let Renaming { source, target, parent, name, source_local, place_local } = renaming;
        if source_local != place_local && (*source_local || self.lock().is_local_dir(*parent)) {
            return fail(ErrorKind::CrossDevice, "a directory cannot change between this machine and the service");
        }
        if let Some(target) = target {
            let at = self.lock().tree.node(target.parent)?.ino;
            self.remove_dir(at, OsStr::new(&target.name)).await?;
        }
        let mut state = self.lock();
        state.tree.check_free(*parent, name, source.ino)?;
        if *source_local {
            state.tree.rename(source.ino, *parent, name)?;
            self.commit(&mut state);
            return Ok(Then::Nothing);
        }
        self.relocate(&mut state, source, *parent, name, Millis(0))?;
        Ok(state.ask(source.ino))
    }

    /// The new name is free.
    async fn rename_file(self: &Arc<Self>, renaming: Renaming) -> Result<Then> {
        let Renaming { source, parent, name, source_local, place_local, .. } = renaming;
        if place_local && !source_local {
            return self.take_home(&source, parent, &name).await;
        }
        let tunnel = if place_local { None } else { self.tunnel(parent, &name).await? };
        // A document that gets the name of a removed one stays itself: somebody wanted the other one to go.
        let goes = source.remote.is_none() || self.check_operation(&source, Operation::Delete, "remove this").is_ok();
        let is_revision = |moved: Ino| source.remote.is_none() || self.lock().tree.node(moved).is_ok();
        let is_new = self.is_new_here(&source);
        let tunnel = tunnel.filter(|moved| is_new && goes && moved.ino != source.ino && is_revision(moved.ino));
        if let Some(moved) = tunnel {
            let secured = self.secure(&source).await?;
            let mut state = self.lock();
            state.tree.check_free(parent, &name, source.ino)?;
            state.tree.rename(source.ino, parent, &name)?;
            let place = state.place(parent, &name)?;
            let draft = self.draft_of(&mut state, source.ino, &secured)?;
            let known = state.base_of(source.ino)?;
            state.changes.content(source.ino, known, place.clone(), draft, self.rest_until());
            self.pass_on(&mut state, &moved, source.ino, place)?;
            self.commit(&mut state);
            return Ok(Then::Nothing);
        }
        let mut state = self.lock();
        state.tree.check_free(parent, &name, source.ino)?;
        if source_local {
            state.tree.rename(source.ino, parent, &name)?;
            if !place_local {
                let node = state.tree.node(source.ino)?.clone();
                self.publish(&mut state, &node)?;
            }
            self.commit(&mut state);
            return Ok(Then::Nothing);
        }
        let unsent = source.remote.is_none();
        let backup = parent == source.parent && is_backup_of(&name, &source.name);
        let rest_until = if unsent || backup { self.rest_until() } else { Millis(0) };
        self.open_tunnel(&mut state, &source)?;
        self.relocate(&mut state, &source, parent, &name, rest_until)?;
        if backup {
            state.changes.await_successor(source.ino);
            self.commit(&mut state);
        }
        Ok(if unsent || backup { Then::Nothing } else { state.ask(source.ino) })
    }

    /// Whether the file may be what a program has just saved: a document that has been on the service for longer, and gets
    /// another one's name, is renamed by a person, and keeps its history.
    fn is_new_here(&self, node: &Node) -> bool {
        let made = node.local.created_ns.map(|_| node.created());
        let age = made.map(|at| at.elapsed().unwrap_or_default());
        node.remote.is_none() || age.is_some_and(|age| age <= self.options.tunnel)
    }

    /// A service file gets a name that stays on this machine.
    async fn take_home(self: &Arc<Self>, source: &Node, parent: Ino, name: &str) -> Result<Then> {
        if !self.stays_for_now(source, parent, name)? {
            let secured = self.secure(source).await?;
            let ghost = self.leave_service(source, &secured, parent, name)?;
            return Ok(if self.removals_rest() { Then::Nothing } else { self.lock().ask(ghost) });
        }
        Ok(Then::Nothing)
    }

    /// Renames what never left this machine, and an editor's backup: its document stays where it is until new content
    /// comes, or nothing does. Answers whether it was one of these.
    fn stays_for_now(&self, source: &Node, parent: Ino, name: &str) -> Result<bool> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.tree.check_free(parent, name, source.ino)?;
        let unsent = state.changes.get(source.ino).is_some_and(|c| c.base.is_none());
        if source.remote.is_none() && unsent {
            self.open_tunnel(state, source)?;
            // It may be there all the same, if the answer was lost: then it goes away again.
            let ghost = state.tree.new_ino();
            state.changes.leave(source.ino, None, ghost, Millis(0));
            state.tree.rename(source.ino, parent, name)?;
            self.commit(state);
            return Ok(true);
        }
        if state.is_local_dir(parent) {
            return Ok(false);
        }
        self.open_tunnel(state, source)?;
        let until = self.now().plus(self.options.tunnel);
        self.relocate(state, source, parent, name, until)?;
        state.changes.await_successor(source.ino);
        self.commit(state);
        Ok(true)
    }

    /// A document goes into a directory of this machine, most often a trash: its bytes stay here, the service removes it.
    /// Brought back before the service was told, it is the same document. Answers the node whose change tells.
    fn leave_service(&self, source: &Node, secured: &Secured, parent: Ino, name: &str) -> Result<Ino> {
        let mut guard = self.lock();
        let state = &mut *guard;
        state.tree.check_free(parent, name, source.ino)?;
        let known = state.base_of(source.ino)?;
        let ghost = state.tree.new_ino();
        self.draft_of(state, source.ino, secured)?;
        let (place, rest_until) = (state.place_of(source.ino)?, self.rest_until());
        let rest_until = if self.removals_rest() { rest_until } else { self.now() };
        state.changes.leave(source.ino, known, ghost, rest_until);
        state.changes.open_tunnel(&place, &source.name, ghost, self.now().plus(self.options.tunnel));
        state.tree.rename(source.ino, parent, name)?;
        state.tree.update(source.ino, |n| n.remote = None)?;
        self.commit(state);
        Ok(ghost)
    }

    /// Something has the new name already: it gets the source's content as its next revision.
    async fn rename_over(self: &Arc<Self>, renaming: Renaming) -> Result<Then> {
        let Renaming { source, target, parent, name, source_local, place_local } = renaming;
        let Some(target) = target else { return Ok(Then::Nothing) };
        if place_local {
            self.drop_local(&target).await?;
            let free = Renaming { source, target: None, parent, name, source_local, place_local };
            return self.rename_file(free).await;
        }
        self.check_operation(&target, Operation::Revise, "replace the content")?;
        if source.remote.is_some() {
            self.check_operation(&source, Operation::Delete, "remove this")?;
        }
        let secured = self.secure(&source).await?;
        let open = self.handles().current(target.ino).is_some();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.tree.check_free(parent, &name, target.ino)?;
        let winner = Heir {
            ino: source.ino,
            known: state.base_of(source.ino)?,
            draft: Some(self.draft_of(state, source.ino, &secured)?),
        };
        let place = state.place_of(target.ino)?;
        let loser = (target.ino, state.base_of(target.ino)?);
        let ghost = state.tree.new_ino();
        state.tree.remove(target.ino, open)?;
        state.tree.rename(source.ino, parent, &name)?;
        let remote = target.remote.clone();
        state.tree.update(source.ino, |n| n.remote = remote)?;
        state.changes.take_over(winner, loser, ghost, place, self.rest_until());
        if self.options.sync {
            state.hurried.insert(source.ino);
        }
        let then = if self.options.sync { state.ask(source.ino) } else { Then::Nothing };
        self.commit(state);
        drop(guard);
        self.release_later(target.spool.into_iter().filter(|_| !open).collect());
        Ok(then)
    }

    async fn drop_local(self: &Arc<Self>, target: &Node) -> Result<()> {
        let open = self.handles().current(target.ino).is_some();
        let mut state = self.lock();
        state.tree.remove(target.ino, open)?;
        state.changes.remove(target.ino, false, None, Millis(0));
        self.commit(&mut state);
        drop(state);
        self.release_later(target.spool.iter().filter(|_| !open).cloned().collect());
        Ok(())
    }

    /// Remembers under which name the service has, or may have, the document that leaves it.
    pub fn open_tunnel(&self, state: &mut State, source: &Node) -> Result<()> {
        let may_be_there = |change: &Change| change.base.is_some() || matches!(change.phase, Phase::Sending(_));
        if source.remote.is_none() && !state.changes.get(source.ino).is_some_and(may_be_there) {
            return Ok(());
        }
        let place = state.place_of(source.ino)?;
        let until = self.now().plus(self.options.tunnel);
        state.changes.open_tunnel(&place, &source.name, source.ino, until);
        Ok(())
    }

    pub fn relocate(
        &self,
        state: &mut State,
        source: &Node,
        parent: Ino,
        name: &str,
        rest_until: Millis,
    ) -> Result<()> {
        let known = state.base_of(source.ino)?;
        let mut place = state.place(parent, name)?;
        if source.name == name {
            // Only moved: the service's own name may be one that cannot be a file name.
            place.name = state.place_of(source.ino)?.name;
        }
        state.changes.relocate(source.ino, source.directory, known, place, rest_until);
        state.tree.rename(source.ino, parent, name)?;
        self.commit(state);
        Ok(())
    }

    fn touch_dirs(&self, from: Ino, to: Ino) -> Result<()> {
        let mut state = self.lock();
        state.tree.touch_dir(from)?;
        state.tree.touch_dir(to)?;
        self.commit(&mut state);
        Ok(())
    }

    /// What was done here only is on the disk.
    pub async fn kept(&self) -> Result<()> {
        let durable = self.commit_durable(&mut self.lock());
        durable.wait().await
    }
}

impl State {
    fn ask(&mut self, ino: Ino) -> Then {
        Then::Ask(ino, self.expect_answer(ino))
    }

    fn is_inside(&mut self, mut dir: Ino, ancestor: Ino) -> Result<bool> {
        loop {
            if dir == ancestor {
                return Ok(true);
            }
            if dir == Ino::ROOT {
                return Ok(false);
            }
            dir = self.tree.node(dir)?.parent;
        }
    }
}
