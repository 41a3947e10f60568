//! What others do on the service meanwhile: web users, administrators.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::node::{Content, Kind, NewNode, Node, NodeId};
use super::service::Service;
use super::snapshot::{path_of, shown_name};
use crate::error::{Error, ErrorKind, Result, fail};

/// Nodes one `fill` may make: a million-entry tree, but no typing error more.
const FILL_MAX: u64 = 2_000_000;

/// One thing a person does in the browser. Paths are those of the snapshot.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "act", rename_all = "kebab-case")]
pub enum Act {
    CreateProject {
        name: String,
    },
    CreateFolder {
        path: String,
    },
    CreateFile {
        path: String,
        content: NewContent,
    },
    Revise {
        path: String,
        content: NewContent,
    },
    Rename {
        path: String,
        name: String,
    },
    /// Into another folder or project.
    Move {
        path: String,
        to: String,
    },
    /// Into the trash.
    Delete {
        path: String,
    },
    /// Out of the trash.
    Restore {
        path: String,
    },
    Lock {
        path: String,
    },
    Unlock {
        path: String,
    },
    Describe {
        path: String,
        text: String,
    },
    /// Folders `d0000`... below a path, each with files `f00000`... of one size; quickly, for measuring.
    Fill {
        path: String,
        folders: u64,
        files: u64,
        size_bytes: u64,
    },
    RevokeTokens,
}

/// Bytes for a new revision.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewContent {
    Text(String),
    Base64(String),
    /// So many random bytes.
    Size(u64),
    #[serde(skip)]
    Bytes(Vec<u8>),
}

/// Somebody who works on the same projects in a browser.
#[derive(Clone)]
pub struct WebUser {
    service: Arc<Service>,
    name: String,
}

impl WebUser {
    pub(super) fn new(service: Arc<Service>, name: impl Into<String>) -> WebUser {
        WebUser { service, name: name.into() }
    }

    pub fn create_project(&self, name: &str) -> Result<String> {
        self.perform(Act::CreateProject { name: name.into() })
    }

    pub fn create_folder(&self, path: &str) -> Result<String> {
        self.perform(Act::CreateFolder { path: path.into() })
    }

    pub fn create_file(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<String> {
        self.perform(Act::CreateFile { path: path.into(), content: NewContent::Bytes(bytes.into()) })
    }

    /// Uploads a new revision.
    pub fn revise(&self, path: &str, bytes: impl Into<Vec<u8>>) -> Result<String> {
        self.perform(Act::Revise { path: path.into(), content: NewContent::Bytes(bytes.into()) })
    }

    pub fn rename(&self, path: &str, name: &str) -> Result<String> {
        self.perform(Act::Rename { path: path.into(), name: name.into() })
    }

    /// Moves a file or folder into the folder or project `to`.
    pub fn move_to(&self, path: &str, to: &str) -> Result<String> {
        self.perform(Act::Move { path: path.into(), to: to.into() })
    }

    pub fn delete(&self, path: &str) -> Result<String> {
        self.perform(Act::Delete { path: path.into() })
    }

    pub fn restore(&self, path: &str) -> Result<String> {
        self.perform(Act::Restore { path: path.into() })
    }

    pub fn lock(&self, path: &str) -> Result<String> {
        self.perform(Act::Lock { path: path.into() })
    }

    pub fn unlock(&self, path: &str) -> Result<String> {
        self.perform(Act::Unlock { path: path.into() })
    }

    pub fn describe(&self, path: &str, text: &str) -> Result<String> {
        self.perform(Act::Describe { path: path.into(), text: text.into() })
    }

    /// The newest content of a file, as a browser would download it.
    pub fn read(&self, path: &str) -> Result<Vec<u8>> {
        let file = self.find(path)?;
        match file.newest() {
            Some(newest) => self.service.store.blobs().read(newest.content),
            None => fail(ErrorKind::IsDirectory, path),
        }
    }

    /// Does it, and gives the id of what it was done to, as the service shows it.
    /// Errors: `NotFound` for a path that is not there, `Unsupported` for what the service has not.
    pub fn perform(&self, act: Act) -> Result<String> {
        if !self.service.dialect.offers(&act) {
            return fail(ErrorKind::Unsupported, format!("{} has no such thing", self.service.dialect.name()));
        }
        let store = &self.service.store;
        let node = match act {
            Act::CreateProject { name } => store.create(self.new_node(NodeId::ROOT, Kind::Project, name))?,
            Act::CreateFolder { path } => {
                let (parent, name) = self.parent_and_name(&path)?;
                store.create(self.new_node(parent, Kind::Folder, name))?
            }
            Act::CreateFile { path, content } => self.create_file_at(&path, content)?,
            Act::Revise { path, content } => {
                let content = self.store_content(content)?;
                store.revise(self.find(&path)?.id, content, &self.name, |_| Ok(()))?
            }
            Act::Rename { path, name } => self.edit(&path, |node| node.name = name)?,
            Act::Move { path, to } => {
                let to = self.find(&to)?.id;
                self.edit(&path, |node| node.parent = to)?
            }
            Act::Delete { path } => self.edit(&path, |node| node.trashed = true)?,
            Act::Restore { path } => {
                let trashed = store.trash().into_iter().rfind(|node| path_of(&self.service, node) == path);
                store.restore(trashed.ok_or_else(|| not_found(&path))?.id)?
            }
            Act::Lock { path } => self.edit(&path, |node| node.locked_by = Some(self.name.clone()))?,
            Act::Unlock { path } => self.edit(&path, |node| node.locked_by = None)?,
            Act::Describe { path, text } => self.edit(&path, |node| node.description = text)?,
            Act::Fill { path, folders, files, size_bytes } => self.fill(&path, folders, files, size_bytes)?,
            Act::RevokeTokens => {
                self.service.tokens.revoke_all();
                return Ok(String::new());
            }
        };
        Ok(self.service.dialect.public_id(&node))
    }

    fn edit(&self, path: &str, change: impl FnOnce(&mut Node)) -> Result<Node> {
        let found = self.find(path)?;
        self.service.store.edit(found.id, |node| {
            change(node);
            node.touch(&self.name);
            Ok(())
        })
    }

    fn create_file_at(&self, path: &str, content: NewContent) -> Result<Node> {
        let (parent, name) = self.parent_and_name(path)?;
        let content = self.store_content(content)?;
        self.service.store.create(self.new_file(parent, name, content))
    }

    fn fill(&self, path: &str, folders: u64, files: u64, size_bytes: u64) -> Result<Node> {
        if folders.saturating_mul(files.saturating_add(1)) > FILL_MAX {
            return fail(ErrorKind::Invalid, format!("more than {FILL_MAX} entries"));
        }
        let top = self.find(path)?;
        // Contents never change, so all the files can share one.
        let content = self.service.store.blobs().write_random(size_bytes)?;
        for folder in 0..folders {
            let folder = self.new_node(top.id, Kind::Folder, format!("d{folder:04}"));
            let folder = self.service.store.create(folder)?;
            for file in 0..files {
                self.service.store.create(self.new_file(folder.id, format!("f{file:05}"), content))?;
            }
        }
        Ok(top)
    }

    fn new_node(&self, parent: NodeId, kind: Kind, name: impl Into<String>) -> NewNode {
        NewNode::new(parent, kind, name, &self.name)
    }

    fn new_file(&self, parent: NodeId, name: String, content: Content) -> NewNode {
        let mime = mime_guess::from_path(&name).first_or_octet_stream().to_string();
        NewNode::file(parent, name, mime, &self.name, content)
    }

    fn store_content(&self, content: NewContent) -> Result<Content> {
        let blobs = self.service.store.blobs();
        match content {
            NewContent::Text(text) => blobs.write(text.as_bytes()),
            NewContent::Bytes(bytes) => blobs.write(&bytes),
            NewContent::Size(size_bytes) => blobs.write_random(size_bytes),
            NewContent::Base64(text) => match STANDARD.decode(text) {
                Ok(bytes) => blobs.write(&bytes),
                Err(e) => fail(ErrorKind::Invalid, format!("base64: {e}")),
            },
        }
    }

    fn find(&self, path: &str) -> Result<Node> {
        let mut found = None;
        let mut parent = NodeId::ROOT;
        for name in path.split('/') {
            let child = self.service.store.find_child(parent, |child| shown_name(&child.name) == name);
            let child = child.ok_or_else(|| not_found(path))?;
            parent = child.id;
            found = Some(child);
        }
        found.ok_or_else(|| not_found(path))
    }

    fn parent_and_name(&self, path: &str) -> Result<(NodeId, String)> {
        match path.rsplit_once('/') {
            Some((above, name)) if !name.is_empty() => Ok((self.find(above)?.id, name.to_owned())),
            _ => fail(ErrorKind::Invalid, format!("{path:?} names nothing within a project")),
        }
    }
}

fn not_found(path: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("nothing at {path:?}"))
}
