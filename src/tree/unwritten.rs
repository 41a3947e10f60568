//! What an operation changed and has not given to the store yet. The tree and the outbox write an operation together, in
//! one transaction; until then whatever is read from the store has to be read with this on top.

use crate::ids::{Ino, RemoteId};
use crate::store::{ListingRow, Node, Write};

/// More than any one operation of a program writes; what is more came from a listing, which asks for no transaction.
const OPERATION_WRITES_MAX: usize = 256;

#[derive(Default)]
pub(super) struct Unwritten {
    writes: Vec<Write>,
}

impl Unwritten {
    pub fn push(&mut self, write: Write) {
        self.writes.push(write);
    }

    pub fn take(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }

    /// Whether it is so much that looking through it would cost more than writing it.
    pub fn is_large(&self) -> bool {
        self.writes.len() > OPERATION_WRITES_MAX
    }

    /// The node as it was left: `None` when it was not touched, `Some(None)` when it was removed.
    pub fn node(&self, ino: Ino) -> Option<Option<&Node>> {
        self.writes.iter().rev().find_map(|write| match write {
            Write::PutNode(node) if node.ino == ino => Some(Some(&**node)),
            Write::RemoveNode(removed) if *removed == ino => Some(None),
            _ => None,
        })
    }

    /// The children of a directory, given those that the store has.
    pub fn children(&self, dir: Ino, mut stored: Vec<Node>) -> Vec<Node> {
        for write in &self.writes {
            let touched = match write {
                Write::PutNode(node) => node.ino,
                Write::RemoveNode(ino) => *ino,
                _ => continue,
            };
            stored.retain(|child| child.ino != touched);
            if let Write::PutNode(node) = write
                && node.parent == dir
            {
                stored.push((**node).clone());
            }
        }
        stored
    }

    /// The directory's listing, given what the store has.
    pub fn listing(&self, dir: Ino, stored: Option<ListingRow>) -> Option<ListingRow> {
        let newer = self.writes.iter().rev().find_map(|write| match write {
            Write::PutListing(row) if row.dir == dir => Some(row.clone()),
            _ => None,
        });
        newer.or(stored)
    }

    /// The node that is bound to an entry of the service, given the one that the store has.
    pub fn bound_to(&self, id: &RemoteId, stored: Option<Ino>) -> Option<Ino> {
        let is_bound = |node: &Node| node.remote.as_ref().is_some_and(|remote| remote.id == *id);
        let put = self.writes.iter().rev().find_map(|write| match write {
            Write::PutNode(node) if is_bound(node) => Some(node.ino),
            _ => None,
        });
        let still = |ino: &Ino| self.node(*ino).is_none_or(|node| node.is_some_and(is_bound));
        put.filter(still).or(stored.filter(still))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Millis;
    use crate::store::Local;

    fn node(ino: u64, parent: u64, name: &str) -> Node {
        let (remote, local) = (None, Local::default());
        Node {
            ino: Ino(ino),
            parent: Ino(parent),
            name: name.into(),
            directory: false,
            remote,
            local,
            spool: None,
            spool_bytes: 0,
        }
    }

    fn unwritten(writes: Vec<Write>) -> Unwritten {
        Unwritten { writes }
    }

    fn put(node: Node) -> Write {
        Write::PutNode(Box::new(node))
    }

    #[test]
    fn the_last_word_on_a_node_counts() {
        let ours = unwritten(vec![put(node(5, 1, "a")), Write::RemoveNode(Ino(6)), put(node(5, 1, "b"))]);
        assert_eq!(ours.node(Ino(5)).unwrap().unwrap().name, "b");
        assert_eq!(ours.node(Ino(6)), Some(None));
        assert_eq!(ours.node(Ino(7)), None);
    }

    #[test]
    fn children_come_go_and_move() {
        let stored = vec![node(5, 1, "a"), node(6, 1, "b"), node(7, 1, "c")];
        let ours = unwritten(vec![
            put(node(8, 1, "new")),
            Write::RemoveNode(Ino(5)),
            put(node(6, 2, "b")),
            put(node(7, 1, "renamed")),
        ]);
        let mut names: Vec<String> = ours.children(Ino(1), stored).into_iter().map(|child| child.name).collect();
        names.sort();
        assert_eq!(names, ["new", "renamed"]);
        assert_eq!(ours.children(Ino(2), Vec::new()).len(), 1);
    }

    #[test]
    fn a_listing_is_the_newest_one() {
        let row = |fetched| ListingRow { dir: Ino(1), fetched: Millis(fetched), validator: None };
        let ours = unwritten(vec![Write::PutListing(row(4)), Write::PutListing(row(5))]);
        assert_eq!(ours.listing(Ino(1), Some(row(3))), Some(row(5)));
        assert_eq!(ours.listing(Ino(3), Some(row(3))), Some(row(3)));
    }
}
