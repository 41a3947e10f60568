//! What the file system holds in memory, and the one lock round it.
//!
//! Lock order: the table of open files, then one open file, then [`State`]. None of them is held across an await,
//! and nothing is sent to the kernel or to the service under any of them.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::{Notify, oneshot};

use crate::clock::{Clock, Millis};
use crate::config::MountOptions;
use crate::content::{Cache, Spool};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::handles::Handles;
use crate::fs::hidden::Hidden;
use crate::fs::journaled::Journaled;
use crate::fs::listing::Flights;
use crate::fs::notices::Notices;
use crate::fs::recent::Recent;
use crate::fs::reserving::Reservation;
use crate::fs::successors::OwnSuccessors;
use crate::fs::vacated::Vacated;
use crate::fs::walk::Walk;
use crate::ids::{Ino, RemoteId};
use crate::names::LocalNames;
use crate::outbox::{Base, ChangeId, ChangeSet, Place};
use crate::provider::{Capabilities, Content, Operation, Operations, Provider, Quota};
use crate::store::{Durable, Node, Store};
use crate::tree::{Invalidation, Pending, Tree};

/// Everything the parts of the file system share.
pub(super) struct Inner {
    // dependencies
    pub provider: Arc<dyn Provider>,
    pub store: Arc<Store>,
    pub cache: Arc<Cache>,
    pub spool: Spool,
    pub clock: Arc<dyn Clock>,
    // constants
    pub options: MountOptions,
    pub local_names: LocalNames,
    // mutable
    pub state: Mutex<State>,
    pub handles: Mutex<Handles>,
    pub flights: Mutex<Flights>,
    pub hidden: Hidden,
    /// Wakes the delivery when there may be something to send.
    pub wake: Notify,
    /// Wakes the removal of spool files.
    pub released: Notify,
    pub invalidate: OnceLock<Box<dyn Fn(Invalidation) + Send + Sync>>,
}

pub(super) struct State {
    pub tree: Tree,
    pub changes: ChangeSet,
    pub recent: Recent,
    /// Nodes whose changes somebody waits for: they do not rest.
    pub hurried: HashSet<Ino>,
    /// Nothing rests: the outbox is being emptied.
    pub hurry_all: bool,
    pub waiters: HashMap<ChangeId, Vec<oneshot::Sender<Result<()>>>>,
    /// Contents being sent, for progress displays.
    pub sending: HashMap<ChangeId, Content>,
    /// What was opened at a revision that our own next one replaced is as good as that one.
    pub own_successors: OwnSuccessors,
    /// Files that we reserved on the service.
    pub reserved: Vec<Reservation>,
    /// The service answered the last request that was made.
    pub online: bool,
    pub user: Option<String>,
    /// What a person should know or do, by the kind of trouble.
    pub notices: Notices,
    pub space: Option<Quota>,
    pub walk: Walk,
    pub journaled: Journaled,
    pub vacated: Vacated,
}

impl Inner {
    pub fn lock(&self) -> MutexGuard<'_, State> {
        // A panic under the lock is answered with EIO by the kernel's door; the state stays usable, since every
        // change of it is complete before the next line can fail.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Millis {
        self.clock.now()
    }

    /// Puts what was changed into the store; a moment later it survives the end of the process.
    pub fn commit(&self, state: &mut State) {
        let writes = state.take_writes();
        if !writes.is_empty() {
            self.store.write(writes);
        }
    }

    /// The same; what is awaited survives a power loss too.
    pub fn commit_durable(&self, state: &mut State) -> Durable {
        self.store.write_durable(state.take_writes())
    }

    pub fn tell_kernel(&self, invalidations: Vec<Invalidation>) {
        if let Some(invalidate) = self.invalidate.get() {
            invalidations.into_iter().for_each(invalidate);
        }
    }

    pub fn check_writable(&self) -> Result<()> {
        match self.options.read_only {
            true => Err(Error::new(ErrorKind::ReadOnly, "mounted read-only")),
            false => Ok(()),
        }
    }

    /// Whether this node or name is kept on this machine: by its own name, or by a directory above it.
    pub fn is_local_place(&self, state: &mut State, parent: Ino, name: &str) -> bool {
        self.local_names.reason(name).is_some() || state.is_local_dir(parent)
    }

    pub fn check_operation(&self, node: &Node, operation: Operation, what: &str) -> Result<()> {
        check_operation(&self.provider.capabilities(), node, operation, what)
    }
}

/// Whether the service offers the operation for this node (`Unsupported` if not) and this account may do it
/// (`Denied` if not). What the service does not have yet offers everything.
fn check_operation(capabilities: &Capabilities, node: &Node, operation: Operation, what: &str) -> Result<()> {
    let Some(remote) = &node.remote else { return Ok(()) };
    if !capabilities.allowed(Operations::from_bits(remote.offers)).has(operation) {
        let detail = format!("{}: the service cannot {what} here", node.name);
        return Err(Error::new(ErrorKind::Unsupported, detail));
    }
    if !Operations::from_bits(remote.permits).has(operation) {
        return Err(Error::new(ErrorKind::Denied, format!("{}: this account may not {what} here", node.name)));
    }
    Ok(())
}

impl State {
    pub fn take_writes(&mut self) -> Vec<crate::store::Write> {
        let mut writes = self.tree.take_writes();
        writes.extend(self.changes.take_writes());
        writes.extend(self.journaled.take_writes());
        writes
    }

    /// What the service has of the node; `None` when it has nothing.
    pub fn base_of(&mut self, ino: Ino) -> Result<Option<Base>> {
        let remote = self.tree.node(ino)?.remote.as_ref();
        Ok(remote.map(|r| Base {
            id: r.id.clone(),
            parent: r.parent.clone(),
            name: r.name.clone(),
            revision: r.revision.clone(),
            size: r.size,
        }))
    }

    pub fn place(&mut self, parent: Ino, name: &str) -> Result<Place> {
        let parent_id = self.tree.node(parent)?.remote.as_ref().map(|r| r.id.clone());
        Ok(Place { parent, parent_id, name: name.to_owned() })
    }

    /// The place where the node's change wants it, or where it is.
    pub fn place_of(&mut self, ino: Ino) -> Result<Place> {
        if let Some(place) = self.changes.get(ino).and_then(|c| c.place()) {
            return Ok(place.clone());
        }
        let node = self.tree.node(ino)?;
        let name = node.remote.as_ref().map_or_else(|| node.name.clone(), |r| r.name.clone());
        let parent = node.parent;
        self.place(parent, &name)
    }

    /// The node stays on this machine: neither does the service have it, nor will it learn of it.
    pub fn is_local(&mut self, ino: Ino) -> Result<bool> {
        Ok(ino != Ino::ROOT && self.tree.node(ino)?.remote.is_none() && self.changes.get(ino).is_none())
    }

    pub fn is_local_dir(&mut self, ino: Ino) -> bool {
        self.is_local(ino).unwrap_or(false)
    }
}

/// What a listing has to respect of what was done here.
pub(super) struct PendingView<'a> {
    pub changes: &'a ChangeSet,
    pub recent: &'a Recent,
    pub handles: &'a Handles,
    /// Names that requests under way may be making in the directory.
    pub being_made: HashSet<String>,
    /// The moment at which the listing was begun.
    pub begun: u64,
}

impl Pending for PendingView<'_> {
    fn bound(&self, id: &RemoteId) -> Option<Ino> {
        self.changes.node_of(id)
    }

    fn is_pending(&self, ino: Ino) -> bool {
        self.changes.get(ino).is_some()
    }

    fn may_outlive(&self, ino: Ino) -> bool {
        self.changes.may_vanish(ino)
    }

    fn is_open(&self, ino: Ino) -> bool {
        self.handles.is_open(ino)
    }

    fn may_be_ours(&self, name: &str) -> bool {
        self.being_made.contains(name)
    }

    fn is_newer(&self, ino: Ino, id: &RemoteId) -> bool {
        self.recent.is_newer(ino, id, self.begun)
    }
}
