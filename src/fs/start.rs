//! Building the file system from its parts, and taking up what an earlier process left.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::Notify;

use crate::clock::{Clock, Millis};
use crate::config::MountOptions;
use crate::content::{Cache, Spool};
use crate::error::{Error, ErrorKind, Result};
use crate::fs::FileSystem;
use crate::fs::effects::bound_to;
use crate::fs::hidden::Hidden;
use crate::fs::journaled::{Journaled, restore_contents};
use crate::fs::notices::Notices;
use crate::fs::recent::Recent;
use crate::fs::reserving;
use crate::fs::state::{Inner, State};
use crate::fs::successors::OwnSuccessors;
use crate::fs::types::Space;
use crate::fs::vacated::Vacated;
use crate::fs::walk::Walk;
use crate::ids::Ino;
use crate::names::{LocalNames, NAME_BYTES_MAX, to_file_name};
use crate::outbox::{Change, ChangeSet, Want};
use crate::provider::Provider;
use crate::store::{ChangeRow, Local, Node, Store};
use crate::tree::Tree;

/// Shown where the service does not tell its space.
const UNKNOWN_SPACE_BYTES: u64 = 1 << 50;

/// What a file system is made of.
pub struct Parts<'a> {
    pub provider: Arc<dyn Provider>,
    pub store: Arc<Store>,
    pub cache: Arc<Cache>,
    /// Directory of the spool files.
    pub spool_dir: &'a Path,
    pub clock: Arc<dyn Clock>,
    pub options: MountOptions,
    /// For so long the service may still be working on what an earlier process asked it for.
    pub grace: Duration,
}

impl FileSystem {
    /// Builds the file system. What the journal holds is due again; spool files that nothing refers to are removed.
    /// Nothing is sent before [`FileSystem::run`].
    pub fn new(parts: Parts) -> Result<FileSystem> {
        let Parts { provider, store, cache, spool_dir, clock, options, grace } = parts;
        let mut tree = Tree::open(store.clone(), &provider.root())?;
        let changes = take_up(&store, &mut tree, clock.now().plus(grace))?;
        let mut used = store.spool_files()?;
        used.extend(changes.iter().flat_map(|c| c.spool_files()).map(str::to_owned));
        let spool = Spool::open(spool_dir, &used)?;
        restore_contents(&store, &spool, &used)?;
        let state = State {
            tree,
            changes,
            recent: Recent::default(),
            hurried: HashSet::new(),
            hurry_all: false,
            waiters: HashMap::new(),
            sending: HashMap::new(),
            own_successors: OwnSuccessors::default(),
            reserved: reserving::remembered(&store),
            online: true,
            user: None,
            notices: Notices::default(),
            space: None,
            walk: Walk::default(),
            journaled: Journaled::default(),
            vacated: Vacated::default(),
        };
        let inner = Inner {
            provider,
            store,
            cache,
            spool,
            hidden: Hidden::new(&clock, &options),
            clock,
            local_names: LocalNames::new(options.local_names.clone()),
            options,
            state: Mutex::new(state),
            handles: Mutex::default(),
            flights: Mutex::default(),
            wake: Notify::new(),
            released: Notify::new(),
            invalidate: OnceLock::new(),
        };
        Ok(FileSystem { inner: Arc::new(inner) })
    }

    /// Sends changes and follows the service's, until it is dropped.
    pub async fn run(&self) {
        tokio::join!(
            self.inner.clone().deliver(),
            self.inner.clone().follow_changes(),
            self.inner.clone().watch_space(),
            self.inner.clone().give_back_reservations(),
            self.inner.clone().expire_local_files(),
            self.inner.clone().remove_released()
        );
    }

    /// Who is signed in: named in conflict copies.
    pub fn set_user(&self, user: Option<String>) {
        self.inner.lock().user = user;
    }
}

/// The journal of an earlier process.
fn take_up(store: &Store, tree: &mut Tree, answered: Millis) -> Result<ChangeSet> {
    let rows = store.changes()?.iter().map(read).collect::<Result<Vec<Change>>>()?;
    let restored = ChangeSet::restore(rows, answered);
    for ino in restored.unborn {
        log::info!("{} was never closed and is dropped", tree.path(ino));
        tree.remove(ino, false)?;
    }
    let mut changes = restored.set;
    for ino in store.documents_with_spool()? {
        // Emptied or begun anew, and never written: what the service has stands.
        if changes.get(ino).is_none_or(|change| change.draft.is_none()) {
            tree.update(ino, |node| node.spool = None)?;
        }
    }
    for ino in restored.interrupted {
        take_back(&mut changes, tree, ino)?;
    }
    let mut writes = tree.take_writes();
    writes.extend(changes.take_writes());
    store.write(writes);
    if !changes.is_empty() {
        log::info!("{} changes of an earlier mount go on", changes.len());
    }
    Ok(changes)
}

/// A save that did not come to its end: the document is there again under its name, unless that is taken.
fn take_back(changes: &mut ChangeSet, tree: &mut Tree, ino: Ino) -> Result<()> {
    let Some(change) = changes.get(ino).cloned() else { return Ok(()) };
    let Some(base) = change.base else { return Ok(()) };
    let name = to_file_name(&base.name);
    let Some(parent) = tree.node_of(&base.parent)? else { return Ok(()) };
    if tree.child(parent, &name)?.is_some() {
        return Ok(());
    }
    log::info!("{}: a save was interrupted; the document stands as it was", base.name);
    if change.want == Want::Gone {
        changes.forget(ino);
        let (remote, local) = (None, Local::default());
        let node = Node { ino, parent, name, directory: false, remote, local, spool: None, spool_bytes: 0 };
        let remote = Some(bound_to(&node, &base));
        tree.insert(Node { remote, ..node })?;
        return tree.expire(parent);
    }
    changes.unrelocate(ino, parent);
    tree.rename(ino, parent, &name)
}

fn read(row: &ChangeRow) -> Result<Change> {
    let broken = |e| Error::new(ErrorKind::LocalIo, format!("the journal's entry {} cannot be read: {e}", row.seq));
    serde_json::from_str(&row.data).map_err(broken)
}

impl Inner {
    pub fn space(&self) -> Space {
        let known = self.lock().space;
        let (total_bytes, free_bytes) = known.map_or((UNKNOWN_SPACE_BYTES, UNKNOWN_SPACE_BYTES), |q| (q.total, q.free));
        Space { total_bytes, free_bytes, files: 0, name_bytes_max: NAME_BYTES_MAX as u32 }
    }
}
