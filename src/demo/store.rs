//! The content store: a service-neutral tree of projects, folders, containers and files with revisions, a trash, and
//! staged assets. In memory for speed, journalled line by line, contents in files beside it.
//!
//! The lock is held for short steps in memory and one small append; never while a body travels.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rand::Rng;

use super::blobs::Blobs;
use super::journal::{Journal, Record};
use super::moment::now_ms;
use super::node::{Content, Kind, NewNode, Node, NodeId, Revision, Staged};
use super::tree::Tree;
use crate::error::{ErrorKind, Result, fail};

/// Staged assets kept; the oldest are forgotten first. Bounds what clients leave behind that never attach.
const STAGED_MAX: usize = 100_000;

pub struct Store {
    dir: PathBuf,
    /// Made for this run only, and removed with the store.
    temporary: bool,
    blobs: Blobs,
    state: Mutex<State>,
    digests: Mutex<HashMap<u64, String>>,
}

struct State {
    journal: Journal,
    tree: Tree,
}

impl Store {
    /// Opens the store in `dir`, or in a new temporary directory that goes when the store is dropped.
    pub fn open(dir: Option<&Path>) -> Result<Store> {
        let temporary = dir.is_none();
        let dir = dir.map_or_else(temporary_dir, Path::to_owned);
        create_private_dir(&dir)?;
        let mut tree = Tree::default();
        let mut journal = Journal::open(&dir.join("journal.jsonl"), |record| tree.apply(record))?;
        tree.forget_old_staged();
        journal.compact(tree.records())?;
        let in_use = tree.blobs_in_use();
        let blobs = Blobs::open(dir.join("content"), |blob| in_use.contains(&blob))?;
        let state = Mutex::new(State { journal, tree });
        Ok(Store { dir, temporary, blobs, state, digests: Mutex::default() })
    }

    /// Where dialects may keep files of their own.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn blobs(&self) -> &Blobs {
        &self.blobs
    }

    pub fn is_empty(&self) -> bool {
        self.lock().tree.nodes.is_empty()
    }

    /// Makes everything durable.
    pub fn sync(&self) -> Result<()> {
        self.lock().journal.sync()
    }

    /// A live node: neither it nor any folder above it lies in the trash.
    pub fn get(&self, id: NodeId) -> Option<Node> {
        let state = self.lock();
        // The root is live, and no node.
        state.tree.nodes.get(&id).filter(|_| state.tree.is_live(id)).cloned()
    }

    /// Live children of one kind with ids above `after`, oldest first, at most `limit`.
    pub fn children(&self, parent: NodeId, kind: Kind, after: NodeId, limit: usize) -> Vec<Node> {
        self.lock().tree.children(parent, kind, after).take(limit).cloned().collect()
    }

    /// Live children of every kind, oldest first within a kind.
    pub fn all_children(&self, parent: NodeId) -> Vec<Node> {
        Kind::ALL.iter().flat_map(|&kind| self.children(parent, kind, NodeId::ROOT, usize::MAX)).collect()
    }

    /// The oldest live child that `wanted` accepts.
    pub fn find_child(&self, parent: NodeId, wanted: impl Fn(&Node) -> bool) -> Option<Node> {
        let state = self.lock();
        let nodes = Kind::ALL.iter().flat_map(|&kind| state.tree.children(parent, kind, NodeId::ROOT));
        nodes.filter(|node| wanted(node)).min_by_key(|node| node.id).cloned()
    }

    /// The nearest node of a kind that holds `id`, or is it.
    pub fn nearest(&self, mut id: NodeId, kind: Kind) -> Option<NodeId> {
        let state = self.lock();
        while let Some(node) = state.tree.nodes.get(&id) {
            if node.kind == kind {
                return Some(id);
            }
            id = node.parent;
        }
        None
    }

    /// Names from the project down to the node, also for one in the trash.
    pub fn names_from_root(&self, mut id: NodeId) -> Vec<String> {
        let state = self.lock();
        let mut names = Vec::new();
        while let Some(node) = state.tree.nodes.get(&id) {
            names.push(node.name.clone());
            id = node.parent;
        }
        names.reverse();
        names
    }

    /// Nodes that were put into the trash themselves.
    pub fn trash(&self) -> Vec<Node> {
        let state = self.lock();
        let mut trashed: Vec<_> = state.tree.nodes.values().filter(|node| node.trashed).cloned().collect();
        trashed.sort_by_key(|node| node.id);
        trashed
    }

    /// Errors: `NotFound` without a live parent.
    pub fn create(&self, new: NewNode) -> Result<Node> {
        let mut state = self.lock();
        if new.parent != NodeId::ROOT && !state.tree.is_live(new.parent) {
            return fail(ErrorKind::NotFound, format!("no parent {}", new.parent.0));
        }
        let now = now_ms();
        let id = NodeId(state.tree.next_id);
        let first = new.content.map(|content| first_revision(content, now, &new.author));
        let node = Node {
            id,
            parent: new.parent,
            kind: new.kind,
            name: new.name,
            description: new.description,
            mime: new.mime,
            created_ms: now,
            modified_ms: now,
            created_by: new.author.clone(),
            modified_by: new.author,
            trashed: false,
            locked_by: None,
            attributes: Default::default(),
            revisions: Vec::new(),
        };
        let records = std::iter::once(Record::Node(node)).chain(first.map(|first| Record::Revision(id, first)));
        state.commit(records.collect())?;
        Ok(state.tree.nodes[&id].clone())
    }

    /// Changes a live node by `change`, which may refuse; nothing is changed then.
    /// Errors: `NotFound`; `Invalid` for a folder moved into itself; those of `change`.
    pub fn edit(&self, id: NodeId, change: impl FnOnce(&mut Node) -> Result<()>) -> Result<Node> {
        let mut state = self.lock();
        if !state.tree.is_live(id) {
            return fail(ErrorKind::NotFound, format!("no node {}", id.0));
        }
        state.edit(id, change)
    }

    /// Adds the next revision to a live file. `check` sees the file as it is under the lock, and may refuse.
    pub fn revise(
        &self,
        id: NodeId,
        content: Content,
        author: &str,
        check: impl FnOnce(&Node) -> Result<()>,
    ) -> Result<Node> {
        let mut state = self.lock();
        if !state.tree.is_live(id) {
            return fail(ErrorKind::NotFound, format!("no node {}", id.0));
        }
        let mut node = state.tree.nodes[&id].clone();
        check(&node)?;
        let number = node.newest().map_or(1, |newest| newest.number + 1);
        node.touch(author);
        let revision = Revision { number, ..first_revision(content, node.modified_ms, author) };
        state.commit(vec![Record::Node(node), Record::Revision(id, revision)])?;
        Ok(state.tree.nodes[&id].clone())
    }

    /// Takes a node out of the trash. Errors: `NotFound` when it is not in there.
    pub fn restore(&self, id: NodeId) -> Result<Node> {
        let mut state = self.lock();
        if !state.tree.nodes.get(&id).is_some_and(|node| node.trashed) {
            return fail(ErrorKind::NotFound, format!("no node {} in the trash", id.0));
        }
        state.edit(id, |node| {
            node.trashed = false;
            Ok(())
        })
    }

    /// Removes a node with all it holds for good, for services without a trash. Errors: `NotFound`.
    pub fn remove(&self, id: NodeId) -> Result<()> {
        let mut state = self.lock();
        if !state.tree.nodes.contains_key(&id) {
            return fail(ErrorKind::NotFound, format!("no node {}", id.0));
        }
        let removed = state.tree.within(id).into_iter().map(Record::Removed).collect();
        state.commit(removed)
    }

    /// Keeps bytes for a later attach.
    pub fn stage(&self, name: String, mime: String, content: Content) -> Result<Staged> {
        let token = random_uuid();
        let staged = Staged { token, name, mime, content, created_ms: now_ms(), used: false };
        let mut state = self.lock();
        let mut records = vec![Record::Staged(staged.clone())];
        if state.tree.staged.len() >= STAGED_MAX {
            records.extend(state.tree.oldest_staged().map(Record::Unstaged));
        }
        state.commit(records)?;
        Ok(staged)
    }

    /// Marks an asset as used and gives it back. Errors: `NotFound` when unknown, `Exists` when used before.
    pub fn take_staged(&self, token: &str) -> Result<Staged> {
        let mut state = self.lock();
        match state.tree.staged.get(token).cloned() {
            None => fail(ErrorKind::NotFound, "no such asset"),
            Some(staged) if staged.is_old() => fail(ErrorKind::NotFound, "the asset's time is over"),
            Some(staged) if staged.used => fail(ErrorKind::Exists, "asset used already"),
            Some(staged) => {
                state.commit(vec![Record::Staged(Staged { used: true, ..staged.clone() })])?;
                Ok(staged)
            }
        }
    }

    /// SHA-256 of a content, worked out once per run.
    pub fn sha256(&self, content: Content) -> Result<String> {
        let known = self.digests.lock().unwrap_or_else(PoisonError::into_inner).get(&content.blob).cloned();
        if let Some(digest) = known {
            return Ok(digest);
        }
        let digest = self.blobs.sha256(content)?;
        self.digests.lock().unwrap_or_else(PoisonError::into_inner).insert(content.blob, digest.clone());
        Ok(digest)
    }

    /// A panic elsewhere leaves the tree whole, since records are applied only after they were written.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if self.temporary {
            // Nothing to do about a failure: the system clears its temporary files some day.
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

impl State {
    fn commit(&mut self, records: Vec<Record>) -> Result<()> {
        self.journal.append(&records)?;
        records.into_iter().for_each(|record| self.tree.apply(record));
        if self.journal.is_long(self.tree.nodes.len() + self.tree.staged.len()) {
            self.journal.compact(self.tree.records())?;
        }
        Ok(())
    }

    fn edit(&mut self, id: NodeId, change: impl FnOnce(&mut Node) -> Result<()>) -> Result<Node> {
        let mut node = self.tree.nodes[&id].clone();
        let old_parent = node.parent;
        change(&mut node)?;
        if node.parent != old_parent && self.tree.is_within(node.parent, id) {
            return fail(ErrorKind::Invalid, "a folder cannot be moved into itself");
        }
        if node.parent != old_parent && !self.tree.is_live(node.parent) {
            return fail(ErrorKind::NotFound, format!("no parent {}", node.parent.0));
        }
        self.commit(vec![Record::Node(node)])?;
        Ok(self.tree.nodes[&id].clone())
    }
}

fn first_revision(content: Content, created_ms: u64, author: &str) -> Revision {
    Revision { number: 1, content, created_ms, author: author.to_owned(), comment: String::new() }
}

/// A random UUID (version 4) in its usual text form.
pub fn random_uuid() -> String {
    let random: u128 = rand::rng().random();
    let bits = random & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{bits:032x}");
    format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
}

fn temporary_dir() -> PathBuf {
    std::env::temp_dir().join(format!("collabfs-demo-{}", random_uuid()))
}

pub fn create_private_dir(dir: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    Ok(std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rename(store: &Store, id: NodeId, name: String) {
        let renamed = store.edit(id, |node| {
            node.name = name;
            Ok(())
        });
        renamed.unwrap();
    }

    #[test]
    fn a_journal_of_many_changes_stays_short_and_forgets_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let project = store.create(NewNode::new(NodeId::ROOT, Kind::Project, "P", "ada")).unwrap();
        let content = store.blobs().write(b"one").unwrap();
        let file = store.create(NewNode::file(project.id, "a", "text/plain", "ada", content)).unwrap();
        store.revise(file.id, content, "alan", |_| Ok(())).unwrap();
        (0..60_000).for_each(|n| rename(&store, file.id, format!("{n}.txt")));
        let journal_bytes = std::fs::metadata(dir.path().join("journal.jsonl")).unwrap().len();
        assert!(journal_bytes < 10_000 * 300, "{journal_bytes}");
        let before = store.get(file.id);
        drop(store);
        assert_eq!(Store::open(Some(dir.path())).unwrap().get(file.id), before);
    }

    #[test]
    fn what_lies_below_a_trashed_folder_is_gone_until_it_is_restored() {
        let store = Store::open(None).unwrap();
        let project = store.create(NewNode::new(NodeId::ROOT, Kind::Project, "P", "ada")).unwrap();
        let folder = store.create(NewNode::new(project.id, Kind::Folder, "F", "ada")).unwrap();
        let inner = store.create(NewNode::new(folder.id, Kind::Folder, "G", "ada")).unwrap();
        let into_itself = store.edit(folder.id, |node| {
            node.parent = inner.id;
            Ok(())
        });
        assert_eq!(into_itself.unwrap_err().kind(), ErrorKind::Invalid);
        let trashed = store.edit(folder.id, |node| {
            node.trashed = true;
            Ok(())
        });
        trashed.unwrap();
        assert_eq!(store.get(inner.id), None);
        assert!(store.create(NewNode::new(inner.id, Kind::Folder, "H", "ada")).is_err());
        store.restore(folder.id).unwrap();
        assert_eq!(store.get(inner.id), Some(inner));
    }

    #[test]
    fn a_node_removed_for_good_takes_what_it_holds_along() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(Some(dir.path())).unwrap();
        let project = store.create(NewNode::new(NodeId::ROOT, Kind::Project, "P", "ada")).unwrap();
        let folder = store.create(NewNode::new(project.id, Kind::Folder, "F", "ada")).unwrap();
        let inner = store.create(NewNode::new(folder.id, Kind::Folder, "G", "ada")).unwrap();
        store.remove(folder.id).unwrap();
        assert_eq!(store.get(inner.id), None);
        drop(store);
        let store = Store::open(Some(dir.path())).unwrap();
        assert_eq!((store.get(folder.id), store.get(inner.id)), (None, None));
        assert!(store.get(project.id).is_some());
    }
}
