//! Taking in a listing: what is there on the service meets what was done here and is not sent yet.

use std::collections::{HashMap, HashSet};

use super::node::{self, remote_of};
use super::{Invalidation, Listing, Tree};
use crate::error::Result;
use crate::ids::{Ino, RemoteId};
use crate::names::{HIDDEN_NAME, Named, assign_names, to_file_name};
use crate::provider::{Entry, EntryKind};
use crate::store::Node;

/// What waits to be sent, as far as a listing has to respect it.
pub trait Pending {
    /// The node that a change binds to this entry, wherever it is wanted.
    fn bound(&self, id: &RemoteId) -> Option<Ino>;
    /// The node has a change: its name, place and content here stand.
    fn is_pending(&self, ino: Ino) -> bool;
    /// The node's change goes on as a new file, or not at all, when its entry is gone.
    fn may_outlive(&self, ino: Ino) -> bool;
    /// A program has the node open.
    fn is_open(&self, ino: Ino) -> bool;
    /// A request under way may just have made an entry of this name; its answer will tell which.
    fn may_be_ours(&self, name: &str) -> bool;
    /// The node or entry was changed by ourselves after the listing was begun: the listing knows less.
    fn is_newer(&self, ino: Ino, id: &RemoteId) -> bool;
}

/// A whole listing.
pub struct Snapshot {
    pub entries: Vec<Entry>,
    pub listing: Listing,
    /// A file of a name that is there already is that one's next content.
    pub files_succeed: bool,
}

/// What a listing changed.
#[derive(Debug, Default)]
pub struct Merged {
    pub invalidations: Vec<Invalidation>,
    /// Nodes with a change whose entry is gone.
    pub vanished: Vec<Ino>,
    /// Spool files that nothing refers to any more.
    pub released: Vec<String>,
}

impl Tree {
    /// Makes the directory what the listing says, but for what is pending here.
    pub fn merge(&mut self, dir: Ino, snapshot: Snapshot, pending: &dyn Pending) -> Result<Merged> {
        let dir_id = self.node(dir)?.remote.as_ref().map(|r| r.id.clone());
        let Some(dir_id) = dir_id else { return Ok(Merged::default()) };
        let relisted = self.dir(dir)?.listing.is_some();
        let known = self.known_children(dir, &dir_id)?;
        let mut merge = Merge { known, tree: self, dir, dir_id, relisted, pending, merged: Merged::default() };
        let entries = merge.relevant(snapshot.entries);
        let names = merge.names(&entries, snapshot.files_succeed)?;
        let listed: HashSet<Ino> = entries.iter().map(|(ino, _)| *ino).collect();
        merge.remove_missing(&listed)?;
        for ((ino, entry), name) in entries.into_iter().zip(names) {
            merge.take_in(ino, entry, name)?;
        }
        let merged = merge.merged;
        self.set_listing(dir, snapshot.listing)?;
        self.shrink(dir);
        Ok(merged)
    }

    /// Children that the service has in this directory, by their ids. What was moved here and is not there yet on the
    /// service is not among them.
    fn known_children(&mut self, dir: Ino, dir_id: &RemoteId) -> Result<HashMap<RemoteId, Ino>> {
        let inos: Vec<Ino> = self.dir(dir)?.names.values().copied().collect();
        let id = |ino: &Ino| {
            let remote = self.nodes.get(ino)?.remote.as_ref().filter(|r| r.parent == *dir_id)?;
            Some((remote.id.clone(), *ino))
        };
        Ok(inos.iter().filter_map(id).collect())
    }
}

struct Merge<'a> {
    tree: &'a mut Tree,
    dir: Ino,
    dir_id: RemoteId,
    /// There was a listing before: somebody may remember that a name was not there.
    relisted: bool,
    known: HashMap<RemoteId, Ino>,
    pending: &'a dyn Pending,
    merged: Merged,
}

impl Merge<'_> {
    /// Entries that shall show in this directory, with their nodes; each id once.
    fn relevant(&mut self, entries: Vec<Entry>) -> Vec<(Ino, Entry)> {
        let mut seen = HashSet::new();
        let mut relevant = Vec::with_capacity(entries.len());
        for entry in entries {
            // A directory inside itself would be a ring without end.
            if !seen.insert(entry.id.clone()) || entry.id == self.dir_id {
                continue;
            }
            let known = self.known.get(&entry.id).copied();
            let ino = self.pending.bound(&entry.id).or(known).unwrap_or_else(|| self.number_for(&entry.id));
            let moved_away = self.pending.bound(&entry.id).is_some() && known.is_none();
            let ours_or_gone =
                known.is_none() && (self.pending.may_be_ours(&entry.name) || self.pending.is_newer(ino, &entry.id));
            if !moved_away && !ours_or_gone && !self.is_above(ino) {
                relevant.push((ino, entry));
            }
        }
        relevant
    }

    /// The number of an entry that is new here. Its own one may have stayed with what was set beside it, or came back as
    /// a new file, when somebody else changed or removed the document.
    fn number_for(&mut self, id: &RemoteId) -> Ino {
        let own = node::ino_of(id);
        let taken = self.tree.nodes.get(&own).is_some_and(|node| node.remote.as_ref().is_none_or(|r| r.id != *id));
        if taken { self.tree.new_ino() } else { own }
    }

    /// Whether the node is this directory or one above it: a hostile service may claim so.
    fn is_above(&self, ino: Ino) -> bool {
        let mut at = self.dir;
        loop {
            if at == ino {
                return true;
            }
            match self.tree.nodes.get(&at) {
                Some(node) if at != Ino::ROOT => at = node.parent,
                _ => return ino == Ino::ROOT,
            }
        }
    }

    /// File names, in the order of the entries. What has a name here keeps it as long as the service's stays.
    fn names(&mut self, entries: &[(Ino, Entry)], files_succeed: bool) -> Result<Vec<String>> {
        let listed: HashSet<Ino> = entries.iter().map(|(ino, _)| *ino).collect();
        let leaving = self.leaving(&listed);
        let pending = self.pending;
        let keeps = |ino: &Ino| !leaving.contains(ino) && (pending.is_pending(*ino) || !listed.contains(ino));
        let names = &self.tree.dir(self.dir)?.names;
        let left: HashSet<String> =
            names.iter().filter(|(_, ino)| leaving.contains(ino)).map(|(name, _)| name.to_string()).collect();
        let kept = names.iter().filter(|(_, ino)| keeps(ino)).map(|(name, _)| name.to_string());
        // What is really called so is shown under a number.
        let hidden = (self.dir == Ino::ROOT).then(|| HIDDEN_NAME.to_owned());
        let reserved = kept.chain(hidden).collect();
        let here = |ino: &Ino| self.tree.nodes.get(ino).filter(|n| n.parent == self.dir);
        let previous = |ino: &Ino, entry: &Entry| {
            let node = here(ino).filter(|n| n.remote.as_ref().is_some_and(|r| r.name == entry.name))?;
            // Somebody's save may be a new file, and the old one's removal: then the new one is the old one's successor.
            Some(node.name.as_str()).filter(|_| !left.contains(&to_file_name(&entry.name)))
        };
        let named: Vec<Named> = entries
            .iter()
            .map(|(ino, entry)| Named {
                id: &entry.id,
                remote: &entry.name,
                created: entry.created,
                previous: previous(ino, entry),
                succeeds: files_succeed && entry.kind == EntryKind::File,
            })
            .collect();
        Ok(assign_names(&named, &reserved))
    }

    /// Nodes that give up their names, because the service does not list their entries any more.
    fn leaving(&self, listed: &HashSet<Ino>) -> HashSet<Ino> {
        let stays = |id: &RemoteId, ino: Ino| {
            self.pending.is_newer(ino, id) || (self.pending.is_pending(ino) && !self.pending.may_outlive(ino))
        };
        let missing = self.known.iter().filter(|(_, ino)| !listed.contains(ino));
        missing.filter(|(id, ino)| !stays(id, **ino)).map(|(_, ino)| *ino).collect()
    }

    /// What the service had and does not list any more.
    fn remove_missing(&mut self, listed: &HashSet<Ino>) -> Result<()> {
        let missing: Vec<(RemoteId, Ino)> =
            self.known.iter().filter(|(_, ino)| !listed.contains(ino)).map(|(id, ino)| (id.clone(), *ino)).collect();
        for (id, ino) in missing {
            if self.pending.is_newer(ino, &id) {
                continue;
            }
            if self.pending.is_pending(ino) {
                self.merged.vanished.push(ino);
                continue;
            }
            let open = self.pending.is_open(ino);
            let node = if open { self.tree.lose(ino)? } else { self.tree.remove(ino, false)? };
            self.merged.invalidations.push(Invalidation::left(&node));
            self.merged.released.extend(node.spool.filter(|_| !open));
        }
        Ok(())
    }

    fn take_in(&mut self, ino: Ino, entry: Entry, name: String) -> Result<()> {
        let old = self.tree.nodes.get(&ino).map(|node| (**node).clone());
        match old {
            Some(old) if old.parent == self.dir => self.refresh(old, &entry, name),
            Some(old) => {
                // It was moved here by somebody else; what was known of it goes along.
                self.tree.unname(&old)?;
                self.merged.invalidations.push(Invalidation::left(&old));
                self.appear(Node { parent: self.dir, name, remote: Some(remote_of(&entry, &self.dir_id)), ..old })
            }
            None => {
                let node = node::from_entry(&entry, ino, self.dir, &self.dir_id);
                self.appear(Node { name, ..node })
            }
        }
    }

    fn appear(&mut self, node: Node) -> Result<()> {
        if self.relisted {
            self.merged.invalidations.push(Invalidation::Entry { parent: self.dir, name: node.name.clone() });
        }
        self.tree.insert(node)
    }

    fn refresh(&mut self, old: Node, entry: &Entry, name: String) -> Result<()> {
        let ino = old.ino;
        if self.pending.is_newer(ino, &entry.id) {
            return Ok(());
        }
        let pending = self.pending.is_pending(ino);
        let name = if pending { old.name.clone() } else { name };
        let mut node = Node { name, directory: entry.kind == EntryKind::Directory, ..old.clone() };
        let other_content = update_facts(&mut node, remote_of(entry, &self.dir_id), pending);
        if node == old {
            return Ok(());
        }
        if node.name != old.name {
            self.tree.rename(ino, self.dir, &node.name)?;
            let gone = Invalidation::left(&old);
            let here = Invalidation::Entry { parent: self.dir, name: node.name.clone() };
            self.merged.invalidations.extend([gone, here]);
        }
        let told = if other_content { Invalidation::Content { ino } } else { Invalidation::Attributes { ino } };
        self.merged.invalidations.push(told);
        self.tree.update(ino, |n| *n = node)
    }
}

/// Gives the node the service's new facts. Answers whether the content is another one now.
fn update_facts(node: &mut Node, mut facts: crate::store::Remote, pending: bool) -> bool {
    let Some(old) = node.remote.take() else {
        node.remote = Some(facts);
        return !pending;
    };
    if pending {
        // The revision that the content here was made from stays known until ours is sent.
        facts.revision = old.revision;
        facts.size = old.size;
        facts.name = old.name;
        node.remote = Some(facts);
        return false;
    }
    let own = old.revision_awaited && old.size == facts.size;
    let other_content = !own && !node.directory && (old.revision != facts.revision || old.size != facts.size);
    if other_content {
        // Somebody else's content has its own times.
        node.local.modified_ns = None;
        node.local.changed_ns = None;
    }
    node.remote = Some(facts);
    other_content
}
