//! Names, nodes and listings: what is known of the tree, in memory as far as it is hot, in the store for the rest.
//!
//! Directories are kept and dropped whole: a listing answers for every name in it, also for those that are not there.
//! The tree itself never asks a service; it takes listings in ([`Tree::merge`]) and says what they changed.
//!
//! Writes are collected ([`Tree::take_writes`]) so that the caller can put them into one transaction with the
//! journal's.

mod children;
mod merge;
mod node;
mod unwritten;

pub use children::Children;
pub use merge::{Merged, Pending, Snapshot};
pub use node::{ino_of, is_local_ino, remote_of};

use std::collections::{HashMap, HashSet};
use std::ops::Bound;
use std::sync::Arc;

use lru::LruCache;

use crate::clock::Millis;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::{Ino, RemoteId};
use crate::names::form_prefix;
use crate::provider::Entry;
use crate::store::{ListingRow, Node, Store, Write};
use unwritten::Unwritten;

/// What somebody who remembers names, attributes or content must forget.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Invalidation {
    /// A name appeared, or means something else now.
    Entry {
        parent: Ino,
        name: String,
    },
    /// A name went away; watchers are told.
    Deleted {
        parent: Ino,
        child: Ino,
        name: String,
        directory: bool,
    },
    Attributes {
        ino: Ino,
    },
    /// Content and attributes.
    Content {
        ino: Ino,
    },
}

impl Invalidation {
    /// That this node is not where it was any more.
    pub fn left(node: &Node) -> Invalidation {
        let Node { parent, ino, directory, .. } = *node;
        Invalidation::Deleted { parent, child: ino, name: node.name.clone(), directory }
    }
}

/// When a directory was listed, and what proves that it did not change since.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    pub fetched: Millis,
    pub validator: Option<String>,
    /// Fetched by this process; what an earlier one left is shown at once and refreshed behind.
    pub fresh: bool,
}

/// A directory's children. Their nodes are in memory as long as this is.
#[derive(Debug, Default)]
pub struct Dir {
    pub names: Children,
    /// `None`: never listed; only what was made here is in it.
    pub listing: Option<Listing>,
}

impl Dir {
    /// The children that come after this name, at most so many.
    pub fn after(&self, name: &str, most: usize) -> Vec<Ino> {
        let next = self.names.range::<str, _>((Bound::Excluded(name), Bound::Unbounded));
        next.take(most).map(|(_, ino)| *ino).collect()
    }
}

/// Nodes in memory: about 1.5 KiB each with their names, so 45 MiB at most, plus the one directory that is larger than
/// all others.
const NODES_MAX: usize = 30_000;

pub struct Tree {
    store: Arc<Store>,
    root: Node,
    dirs: LruCache<Ino, Dir>,
    /// Nodes of the directories in memory.
    nodes: HashMap<Ino, Box<Node>>,
    /// Nodes without a name that programs still have open.
    orphans: HashMap<Ino, Node>,
    /// Those of them that nobody removed here.
    lost: HashSet<Ino>,
    last_local_ino: u64,
    nodes_max: usize,
    writes: Unwritten,
}

impl Tree {
    pub fn open(store: Arc<Store>, root: &Entry) -> Result<Tree> {
        let last_local_ino = store.highest_local_ino()?.max(Ino::ROOT.0);
        let mut node = node::from_entry(root, Ino::ROOT, Ino::ROOT, &root.id);
        if let Some(known) = store.node(Ino::ROOT)? {
            node.local = known.local;
        }
        let (nodes, orphans, lost) = Default::default();
        let dirs = LruCache::unbounded();
        Ok(Tree {
            store,
            root: node,
            dirs,
            nodes,
            orphans,
            lost,
            last_local_ino,
            nodes_max: NODES_MAX,
            writes: Unwritten::default(),
        })
    }

    /// For tests of what happens when memory is small.
    pub fn with_nodes_max(mut self, nodes_max: usize) -> Tree {
        self.nodes_max = nodes_max;
        self
    }

    pub fn new_ino(&mut self) -> Ino {
        self.last_local_ino += 1;
        Ino(self.last_local_ino)
    }

    pub fn take_writes(&mut self) -> Vec<Write> {
        self.writes.take()
    }

    /// The node, loaded with its whole directory when it is not in memory. Errors: `NotFound`.
    pub fn node(&mut self, ino: Ino) -> Result<&Node> {
        if ino == Ino::ROOT {
            return Ok(&self.root);
        }
        self.load(ino)?;
        match self.nodes.get(&ino).map(|node| &**node).or_else(|| self.orphans.get(&ino)) {
            Some(node) => Ok(node),
            None => fail(ErrorKind::NotFound, "it is not there any more"),
        }
    }

    fn load(&mut self, ino: Ino) -> Result<()> {
        if let Some(node) = self.nodes.get(&ino) {
            // Using a child keeps its directory in memory.
            self.dirs.promote(&node.parent);
            return Ok(());
        }
        if self.orphans.contains_key(&ino) {
            return Ok(());
        }
        self.relieve();
        let parent = match self.writes.node(ino) {
            Some(node) => node.map(|node| node.parent),
            None => self.store.node(ino)?.map(|node| node.parent),
        };
        if let Some(parent) = parent {
            self.dir(parent)?;
        }
        Ok(())
    }

    /// Changes a node; its row is written.
    pub fn update(&mut self, ino: Ino, change: impl FnOnce(&mut Node)) -> Result<()> {
        self.node(ino)?;
        if let Some(node) = self.orphans.get_mut(&ino) {
            change(node);
            return Ok(());
        }
        let node =
            if ino == Ino::ROOT { Some(&mut self.root) } else { self.nodes.get_mut(&ino).map(|node| &mut **node) };
        if let Some(node) = node {
            change(node);
            self.writes.push(Write::PutNode(Box::new(node.clone())));
        }
        Ok(())
    }

    /// The directory's children, loaded when they are not in memory.
    pub fn dir(&mut self, ino: Ino) -> Result<&mut Dir> {
        if self.dirs.get(&ino).is_none() {
            self.load_dir(ino)?;
        }
        // It was there or has just been loaded, and nothing was dropped since.
        self.dirs.get_mut(&ino).ok_or_else(|| Error::new(ErrorKind::Bug, "a directory was dropped while in use"))
    }

    fn load_dir(&mut self, ino: Ino) -> Result<()> {
        self.relieve();
        let listing = self.writes.listing(ino, self.store.listing(ino)?);
        let mut dir = Dir {
            names: Children::default(),
            listing: listing.map(|l| Listing { fetched: l.fetched, validator: l.validator, fresh: false }),
        };
        for node in self.writes.children(ino, self.store.children(ino)?) {
            if node.ino == Ino::ROOT {
                continue;
            }
            dir.names.insert(&node.name, node.ino);
            self.nodes.insert(node.ino, Box::new(node));
        }
        self.dirs.put(ino, dir);
        self.shrink(ino);
        Ok(())
    }

    /// Drops the directories that were not used for the longest time.
    fn shrink(&mut self, keep: Ino) {
        while self.nodes.len() > self.nodes_max && self.dirs.len() > 1 {
            let Some((&oldest, _)) = self.dirs.peek_lru() else { return };
            if oldest == keep {
                self.dirs.promote(&keep);
                continue;
            }
            if let Some((_, dir)) = self.dirs.pop_lru() {
                for ino in dir.names.values() {
                    self.nodes.remove(ino);
                }
            }
        }
    }

    /// Writes what a large listing changed. What an operation changed is written with its change, or not at all.
    fn relieve(&mut self) {
        if self.writes.is_large() {
            self.store.write(self.writes.take());
        }
    }

    pub fn child(&mut self, dir: Ino, name: &str) -> Result<Option<Ino>> {
        Ok(self.dir(dir)?.names.get(name).copied())
    }

    /// The node that is bound to this entry of the service.
    pub fn node_of(&mut self, id: &RemoteId) -> Result<Option<Ino>> {
        if self.root.remote.as_ref().is_some_and(|remote| remote.id == *id) {
            return Ok(Some(Ino::ROOT));
        }
        self.relieve();
        let stored = self.store.node_of(id)?.map(|node| node.ino);
        Ok(self.writes.bound_to(id, stored))
    }

    /// What the service has in this directory under this name of its own.
    pub fn entries_called(&mut self, dir: Ino, remote: &str) -> Result<Vec<RemoteId>> {
        let names = &self.dir(dir)?.names;
        let prefix = form_prefix(remote);
        // A name that was typed here is the service's as it is.
        let typed = names.get(remote).into_iter();
        let from = (Bound::Included(prefix.as_str()), Bound::Unbounded);
        let shown = names.range::<str, _>(from).take_while(|(name, _)| name.starts_with(&prefix));
        let inos: HashSet<Ino> = typed.chain(shown.map(|(_, ino)| ino)).copied().collect();
        let called = |ino: Ino| self.nodes.get(&ino)?.remote.as_ref().filter(|r| r.name == remote);
        Ok(inos.into_iter().filter_map(called).map(|r| r.id.clone()).collect())
    }

    /// Puts a new node into its directory.
    pub fn insert(&mut self, node: Node) -> Result<()> {
        self.dir(node.parent)?.names.insert(&node.name, node.ino);
        self.forget_orphan(node.ino);
        self.writes.push(Write::PutNode(Box::new(node.clone())));
        self.nodes.insert(node.ino, Box::new(node));
        Ok(())
    }

    /// Errors: `Conflict` when a node other than this one has the name by now: a listing came in since it was looked.
    pub fn check_free(&mut self, parent: Ino, name: &str, ino: Ino) -> Result<()> {
        match self.child(parent, name)? {
            Some(other) if other != ino => fail(ErrorKind::Conflict, format!("{name}: somebody else's is there now")),
            _ => Ok(()),
        }
    }

    /// Takes a node out of the tree. With `keep_open` it can still be asked for by its number.
    pub fn remove(&mut self, ino: Ino, keep_open: bool) -> Result<Node> {
        let node = self.node(ino)?.clone();
        if self.nodes.remove(&ino).is_some() {
            self.unname(&node)?;
            self.writes.push(Write::RemoveNode(ino));
            if node.directory {
                self.drop_dir(ino);
            }
        }
        match keep_open {
            true => drop(self.orphans.insert(ino, node.clone())),
            false => self.forget_orphan(ino),
        }
        Ok(node)
    }

    /// Takes out of the tree what others removed although it is open here.
    fn lose(&mut self, ino: Ino) -> Result<Node> {
        let node = self.remove(ino, true)?;
        self.lost.insert(ino);
        Ok(node)
    }

    /// Whether others removed the node while it was open here.
    pub fn was_lost(&self, ino: Ino) -> bool {
        self.lost.contains(&ino)
    }

    /// Takes the node's name out of its directory, unless another node has that name by now.
    fn unname(&mut self, node: &Node) -> Result<()> {
        let names = &mut self.dir(node.parent)?.names;
        if names.get(node.name.as_str()) == Some(&node.ino) {
            names.remove(&node.name);
        }
        Ok(())
    }

    /// Gives a node another name or directory. What has that name already is not looked at.
    pub fn rename(&mut self, ino: Ino, parent: Ino, name: &str) -> Result<()> {
        self.dir(parent)?;
        let old = self.node(ino)?.clone();
        self.unname(&old)?;
        self.nodes.remove(&ino);
        self.insert(Node { parent, name: name.to_owned(), ..old })
    }

    /// Two nodes change places.
    pub fn swap(&mut self, a: Ino, b: Ino) -> Result<()> {
        let (at_a, at_b) = (self.node(a)?.clone(), self.node(b)?.clone());
        for (node, place) in [(&at_a, &at_b), (&at_b, &at_a)] {
            self.insert(Node { parent: place.parent, name: place.name.clone(), ..node.clone() })?;
        }
        Ok(())
    }

    /// Something was made, renamed or removed in the directory: its time moves.
    pub fn touch_dir(&mut self, dir: Ino) -> Result<()> {
        let now = std::time::SystemTime::now();
        self.update(dir, |node| node.set_modified(now))
    }

    pub fn forget_orphan(&mut self, ino: Ino) {
        self.orphans.remove(&ino);
        self.lost.remove(&ino);
    }

    pub fn is_orphan(&self, ino: Ino) -> bool {
        self.orphans.contains_key(&ino)
    }

    /// Makes the directory's listing count as old, so that it is fetched again when asked for.
    pub fn expire(&mut self, dir: Ino) -> Result<()> {
        if let Some(listing) = &mut self.dir(dir)?.listing {
            listing.fetched = Millis(0);
            listing.fresh = true;
        }
        Ok(())
    }

    /// Every directory in memory that was listed, for when all may have changed.
    pub fn expire_all(&mut self) {
        for (_, dir) in self.dirs.iter_mut() {
            if let Some(listing) = &mut dir.listing {
                listing.fetched = Millis(0);
                listing.fresh = true;
            }
        }
    }

    pub fn set_listing(&mut self, dir: Ino, listing: Listing) -> Result<()> {
        self.writes.push(Write::PutListing(ListingRow {
            dir,
            fetched: listing.fetched,
            validator: listing.validator.clone(),
        }));
        self.dir(dir)?.listing = Some(listing);
        Ok(())
    }

    /// Forgets a removed directory and everything under it that is in memory; the store's rows of what was under it
    /// go with the next listing of nobody, so they are removed here, level by level.
    fn drop_dir(&mut self, ino: Ino) {
        let mut doomed = vec![ino];
        while let Some(dir) = doomed.pop() {
            let children = match self.dirs.pop(&dir) {
                Some(dir) => dir.names.values().filter_map(|i| Some(*self.nodes.remove(i)?)).collect(),
                None => self.store.children(dir).unwrap_or_default(),
            };
            for child in children {
                self.writes.push(Write::RemoveNode(child.ino));
                if child.directory {
                    doomed.push(child.ino);
                }
            }
        }
    }

    /// Names from the root to the node, joined by `/`; empty for the root. Stops at a removed ancestor.
    pub fn path(&mut self, ino: Ino) -> String {
        const DEPTH_MAX: usize = 4096;
        let mut names = Vec::new();
        let mut at = ino;
        while at != Ino::ROOT && names.len() < DEPTH_MAX {
            let Ok(node) = self.node(at) else { break };
            names.push(node.name.clone());
            at = node.parent;
        }
        names.reverse();
        names.join("/")
    }
}
