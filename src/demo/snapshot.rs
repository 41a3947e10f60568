//! The whole tree as a web user sees it, for comparing with what a mount shows.

use serde::Serialize;

use super::node::{Kind, Node, NodeId, Revision};
use super::service::Service;
use crate::error::Result;

/// Stands for `/` within a name, so that paths stay unambiguous.
const SLASH_IN_NAME: &str = "\u{2215}";

#[derive(Debug, Clone, Serialize)]
pub struct Snapshot {
    /// Parents before their children.
    pub entries: Vec<SnapshotEntry>,
    /// What was put into the trash, without what lies below it.
    pub trash: Vec<SnapshotEntry>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapshotEntry {
    /// Names from the project down, joined by `/`; a `/` within a name is shown as U+2215. Not necessarily unique.
    pub path: String,
    /// As the service shows it.
    pub id: String,
    pub kind: Kind,
    pub name: String,
    pub description: String,
    pub mime: String,
    pub locked_by: Option<String>,
    /// Oldest first.
    pub revisions: Vec<SnapshotRevision>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SnapshotRevision {
    pub number: u64,
    pub size_bytes: u64,
    /// In hexadecimal; `None` when not asked for.
    pub sha256: Option<String>,
    pub author: String,
}

impl Snapshot {
    pub(super) fn take(service: &Service, with_hashes: bool) -> Result<Snapshot> {
        let mut snapshot = Snapshot { entries: Vec::new(), trash: Vec::new() };
        snapshot.descend(service, NodeId::ROOT, "", with_hashes)?;
        for node in service.store.trash() {
            let path = path_of(service, &node);
            snapshot.trash.push(entry(service, &node, path, with_hashes)?);
        }
        Ok(snapshot)
    }

    fn descend(&mut self, service: &Service, parent: NodeId, above: &str, with_hashes: bool) -> Result<()> {
        for node in service.store.all_children(parent) {
            let path = format!("{above}{}", shown_name(&node.name));
            self.entries.push(entry(service, &node, path.clone(), with_hashes)?);
            if !node.is_file() {
                self.descend(service, node.id, &format!("{path}/"), with_hashes)?;
            }
        }
        Ok(())
    }

    /// The oldest entry of this path.
    pub fn get(&self, path: &str) -> Option<&SnapshotEntry> {
        self.entries.iter().find(|entry| entry.path == path)
    }

    /// Every entry of this path: services may allow equal names side by side.
    pub fn all(&self, path: &str) -> Vec<&SnapshotEntry> {
        self.entries.iter().filter(|entry| entry.path == path).collect()
    }

    /// Paths of the files, in order of names.
    pub fn files(&self) -> Vec<&str> {
        let files = self.entries.iter().filter(|entry| entry.kind == Kind::File);
        let mut paths: Vec<_> = files.map(|entry| entry.path.as_str()).collect();
        paths.sort_unstable();
        paths
    }
}

fn entry(service: &Service, node: &Node, path: String, with_hashes: bool) -> Result<SnapshotEntry> {
    let revisions = node.revisions.iter().map(|revision| snapshot_revision(service, revision, with_hashes));
    Ok(SnapshotEntry {
        path,
        id: service.dialect.public_id(node),
        kind: node.kind,
        name: node.name.clone(),
        description: node.description.clone(),
        mime: node.mime.clone(),
        locked_by: node.locked_by.clone(),
        revisions: revisions.collect::<Result<_>>()?,
    })
}

fn snapshot_revision(service: &Service, revision: &Revision, with_hash: bool) -> Result<SnapshotRevision> {
    Ok(SnapshotRevision {
        number: revision.number,
        size_bytes: revision.content.size_bytes,
        sha256: with_hash.then(|| service.store.sha256(revision.content)).transpose()?,
        author: revision.author.clone(),
    })
}

/// A name as it stands in a path.
pub fn shown_name(name: &str) -> String {
    name.replace('/', SLASH_IN_NAME)
}

/// The path of a node, also of one in the trash.
pub fn path_of(service: &Service, node: &Node) -> String {
    let names = service.store.names_from_root(node.id);
    names.iter().map(|name| shown_name(name)).collect::<Vec<_>>().join("/")
}
