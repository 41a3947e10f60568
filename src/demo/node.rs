//! What the content store knows: nodes of the tree, their revisions, and staged assets.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::moment::now_ms;

/// A node's number. Grows with creation and is never used again; dialects show it in their own form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Parent of the projects; not a node itself.
    pub const ROOT: NodeId = NodeId(0);
}

/// What a node is. A dialect uses those its service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Project,
    Folder,
    File,
    Task,
    Milestone,
    Record,
    Message,
    Document,
}

impl Kind {
    pub const ALL: [Kind; 8] = [
        Kind::Project,
        Kind::Folder,
        Kind::File,
        Kind::Task,
        Kind::Milestone,
        Kind::Record,
        Kind::Message,
        Kind::Document,
    ];
}

/// Stored bytes, never changed once written. Several revisions may share them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Content {
    pub blob: u64,
    pub size_bytes: u64,
}

/// One content version of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Revision {
    /// Counted from 1, oldest first.
    pub number: u64,
    pub content: Content,
    pub created_ms: u64,
    pub author: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
}

/// A project, folder, file, or a container that files hang on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    pub id: NodeId,
    pub parent: NodeId,
    pub kind: Kind,
    pub name: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mime: String,
    pub created_ms: u64,
    pub modified_ms: u64,
    pub created_by: String,
    pub modified_by: String,
    /// In the trash, with all it holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub trashed: bool,
    /// Who holds a lock or reservation on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked_by: Option<String>,
    /// Facts of one dialect alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Oldest first; empty for everything but files. Journalled apart, so that a save costs one short line.
    #[serde(skip)]
    pub revisions: Vec<Revision>,
}

impl Node {
    pub fn is_file(&self) -> bool {
        self.kind == Kind::File
    }

    pub fn newest(&self) -> Option<&Revision> {
        self.revisions.last()
    }

    /// Notes a change by `author`, later than the last one: two within a millisecond are two all the same.
    pub fn touch(&mut self, author: &str) {
        self.modified_ms = now_ms().max(self.modified_ms + 1);
        self.modified_by = author.to_owned();
    }

    pub fn size_bytes(&self) -> u64 {
        self.newest().map_or(0, |revision| revision.content.size_bytes)
    }
}

/// What a new node is made of; the store adds id and times.
#[derive(Debug, Clone)]
pub struct NewNode {
    pub parent: NodeId,
    pub kind: Kind,
    pub name: String,
    pub description: String,
    pub mime: String,
    pub author: String,
    /// The first revision, for files.
    pub content: Option<Content>,
}

impl NewNode {
    /// A node without description or content.
    pub fn new(parent: NodeId, kind: Kind, name: impl Into<String>, author: impl Into<String>) -> NewNode {
        NewNode {
            parent,
            kind,
            name: name.into(),
            description: String::new(),
            mime: String::new(),
            author: author.into(),
            content: None,
        }
    }

    /// A file with its first revision.
    pub fn file(
        parent: NodeId,
        name: impl Into<String>,
        mime: impl Into<String>,
        author: impl Into<String>,
        content: Content,
    ) -> NewNode {
        NewNode { mime: mime.into(), content: Some(content), ..NewNode::new(parent, Kind::File, name, author) }
    }
}

/// Bytes uploaded but not yet attached to anything.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Staged {
    pub token: String,
    pub name: String,
    pub mime: String,
    pub content: Content,
    pub created_ms: u64,
    /// Attached once already; kept so that a second use can be told from a wrong token.
    #[serde(default)]
    pub used: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_later_than_the_last_one_whatever_the_clock_says() {
        let mut node = Node {
            id: NodeId(1),
            parent: NodeId::ROOT,
            kind: Kind::Project,
            name: "P".into(),
            description: String::new(),
            mime: String::new(),
            created_ms: 0,
            modified_ms: now_ms() + 60_000,
            created_by: "ada".into(),
            modified_by: "ada".into(),
            trashed: false,
            locked_by: None,
            attributes: BTreeMap::new(),
            revisions: Vec::new(),
        };
        let last_ms = node.modified_ms;
        node.touch("alan");
        node.touch("alan");
        assert_eq!((node.modified_ms, node.modified_by.as_str()), (last_ms + 2, "alan"));
    }
}
