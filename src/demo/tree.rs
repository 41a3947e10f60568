//! The store's tree in memory. Everything that changes it is a journal record, so that replaying rebuilds it.

use std::collections::{BTreeSet, HashMap};

use super::journal::Record;
use super::moment::now_ms;
use super::node::{Kind, Node, NodeId, Staged};

/// How long a staged asset can be attached.
const STAGED_LIFE_MS: u64 = 24 * 3600 * 1000;
/// Nodes and their index. Only live nodes stand in `children`; `next_id` is above every id ever given.
pub struct Tree {
    pub nodes: HashMap<NodeId, Node>,
    children: HashMap<(NodeId, Kind), BTreeSet<NodeId>>,
    pub staged: HashMap<String, Staged>,
    pub next_id: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Tree { nodes: HashMap::new(), children: HashMap::new(), staged: HashMap::new(), next_id: 1 }
    }
}

impl Tree {
    /// Live children of one kind with ids above `after`, oldest first.
    pub fn children(&self, parent: NodeId, kind: Kind, after: NodeId) -> impl Iterator<Item = &Node> {
        let ids = self.children.get(&(parent, kind));
        ids.into_iter().flat_map(move |ids| ids.range(NodeId(after.0 + 1)..)).map(|id| &self.nodes[id])
    }

    /// A node and everything live below it.
    pub fn within(&self, id: NodeId) -> Vec<NodeId> {
        let mut found = vec![id];
        let mut next = 0;
        while let Some(&parent) = found.get(next) {
            let children = Kind::ALL.iter().flat_map(|&kind| self.children(parent, kind, NodeId::ROOT));
            found.extend(children.map(|child| child.id));
            next += 1;
        }
        found
    }

    pub fn apply(&mut self, record: Record) {
        match record {
            Record::Node(node) => self.put(node),
            Record::Revision(id, revision) => {
                if let Some(node) = self.nodes.get_mut(&id) {
                    node.revisions.push(revision);
                }
            }
            Record::Removed(id) => {
                self.unlist(id);
                self.nodes.remove(&id);
            }
            Record::Staged(staged) => {
                self.staged.insert(staged.token.clone(), staged);
            }
            Record::Unstaged(token) => {
                self.staged.remove(&token);
            }
        }
    }

    fn put(&mut self, mut node: Node) {
        self.unlist(node.id);
        if !node.trashed {
            self.children.entry((node.parent, node.kind)).or_default().insert(node.id);
        }
        self.next_id = self.next_id.max(node.id.0 + 1);
        if let Some(old) = self.nodes.remove(&node.id) {
            node.revisions = old.revisions;
        }
        self.nodes.insert(node.id, node);
    }

    fn unlist(&mut self, id: NodeId) {
        let Some(node) = self.nodes.get(&id) else { return };
        let key = (node.parent, node.kind);
        if let Some(siblings) = self.children.get_mut(&key) {
            siblings.remove(&id);
            if siblings.is_empty() {
                self.children.remove(&key);
            }
        }
    }

    pub fn is_live(&self, mut id: NodeId) -> bool {
        while id != NodeId::ROOT {
            match self.nodes.get(&id) {
                Some(node) if !node.trashed => id = node.parent,
                _ => return false,
            }
        }
        true
    }

    /// Whether `id` is `ancestor` or lies below it.
    pub fn is_within(&self, mut id: NodeId, ancestor: NodeId) -> bool {
        while id != ancestor {
            match self.nodes.get(&id) {
                Some(node) => id = node.parent,
                None => return false,
            }
        }
        true
    }

    /// Everything, in an order that `apply` can rebuild it from.
    pub fn records(&self) -> impl Iterator<Item = Record> {
        let nodes = self.nodes.values().flat_map(|node| {
            let revisions = node.revisions.iter().map(|revision| Record::Revision(node.id, revision.clone()));
            std::iter::once(Record::Node(Node { revisions: Vec::new(), ..node.clone() })).chain(revisions)
        });
        nodes.chain(self.staged.values().cloned().map(Record::Staged))
    }

    pub fn blobs_in_use(&self) -> BTreeSet<u64> {
        let revisions = self.nodes.values().flat_map(|node| &node.revisions).map(|revision| revision.content.blob);
        revisions.chain(self.staged.values().map(|staged| staged.content.blob)).collect()
    }

    /// Their contents go with them, when the content files are opened.
    pub fn forget_old_staged(&mut self) {
        self.staged.retain(|_, staged| !staged.is_old());
    }

    pub fn oldest_staged(&self) -> Option<String> {
        self.staged.values().min_by_key(|staged| staged.created_ms).map(|staged| staged.token.clone())
    }
}

impl Staged {
    pub fn is_old(&self) -> bool {
        now_ms().saturating_sub(self.created_ms) > STAGED_LIFE_MS
    }
}
