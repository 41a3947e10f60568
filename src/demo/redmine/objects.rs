//! The service's objects, with exactly its fields.

use serde_json::{Map, Value, json};

use super::api::Api;
use crate::demo::node::{Kind, Node, NodeId};
use crate::error::Result;

/// Contents of one file over time: each is an attachment of its own, with its own number. More are shown as the last.
const CONTENTS_MAX: u64 = 10_000;

/// Attributes of nodes: a project's state, whether an issue is closed, the text of a wiki page and its version.
pub const STATUS: &str = "status";
pub const IDENTIFIER: &str = "identifier";
pub const PUBLIC: &str = "public";
pub const CLOSED: &str = "closed";
pub const TEXT: &str = "text";
pub const TEXT_VERSION: &str = "version";

/// The number in the API. Another content of a file is another attachment there.
pub fn public_id(node: &Node) -> u64 {
    match node.newest() {
        Some(newest) => node.id.0 * CONTENTS_MAX + newest.number.min(CONTENTS_MAX - 1),
        None => node.id.0,
    }
}

/// The node that may have this number; whether it does its content tells.
pub fn node_of(attachment: u64) -> NodeId {
    NodeId(attachment / CONTENTS_MAX)
}

pub fn is_closed(project: &Node) -> bool {
    project.attributes.get(STATUS).is_some_and(|status| status == "5")
}

pub fn identifier(project: &Node) -> String {
    project.attributes.get(IDENTIFIER).cloned().unwrap_or_else(|| format!("project-{}", project.id.0))
}

impl Api {
    pub fn project(&self, project: &Node, with_modules: bool) -> Value {
        let mut value = json!({
            "id": project.id.0,
            "name": project.name,
            "identifier": identifier(project),
            "description": project.description,
            "status": if is_closed(project) { 5 } else { 1 },
            "is_public": project.attributes.contains_key(PUBLIC),
            "inherit_members": false,
            "created_on": time(project.created_ms),
            "updated_on": time(project.modified_ms),
        });
        if let Some(parent) = self.service.store.get(project.parent) {
            value["parent"] = json!({ "id": parent.id.0, "name": parent.name });
        }
        if with_modules {
            let files = self.files_of(project.id).map(|_| "files");
            let modules = files.into_iter().chain(["issue_tracking", "news", "wiki"]);
            let module = |(id, name)| json!({ "id": id, "name": name });
            value["enabled_modules"] = modules.enumerate().map(module).collect();
        }
        value
    }

    pub fn version(&self, project: &Node, version: &Node) -> Value {
        json!({
            "id": version.id.0,
            "project": { "id": project.id.0, "name": project.name },
            "name": version.name,
            "description": version.description,
            "status": "open",
            "due_date": null,
            "sharing": "none",
            "wiki_page_title": null,
            "created_on": time(version.created_ms),
            "updated_on": time(version.modified_ms),
        })
    }

    /// An attachment as everything but a project's list of files shows it.
    pub fn attachment(&self, file: &Node) -> Value {
        let id = public_id(file);
        json!({
            "id": id,
            "filename": file.name,
            "filesize": file.size_bytes(),
            "content_type": file.mime,
            "description": file.description,
            "content_url": format!("{}/attachments/download/{id}/{}", self.service.url, file.name),
            "author": author(&file.created_by),
            "created_on": time(file.newest().map_or(file.created_ms, |newest| newest.created_ms)),
        })
    }

    /// The same in a project's list of files.
    pub fn project_file(&self, file: &Node, version: Option<&Node>) -> Result<Value> {
        let mut value = self.attachment(file);
        if let Some(version) = version {
            value["version"] = json!({ "id": version.id.0, "name": version.name });
        }
        if let Some(newest) = file.newest() {
            value["digest"] = self.service.store.sha256(newest.content)?.into();
        }
        value["downloads"] = self.downloads(file.id).into();
        Ok(value)
    }

    pub fn issue(&self, issue: &Node, with_attachments: bool) -> Value {
        let closed = issue.attributes.contains_key(CLOSED);
        let mut value = json!({
            "id": issue.id.0,
            "project": self.reference(issue.parent),
            "tracker": { "id": 1, "name": "Bug" },
            "status": { "id": if closed { 5 } else { 1 }, "name": if closed { "Closed" } else { "New" }, "is_closed": closed },
            "priority": { "id": 2, "name": "Normal" },
            "author": author(&issue.created_by),
            "subject": issue.name,
            "description": issue.description,
            "done_ratio": 0,
            "is_private": false,
            "created_on": time(issue.created_ms),
            "updated_on": time(issue.modified_ms),
        });
        self.add_attachments(&mut value, issue, with_attachments);
        value
    }

    pub fn news(&self, news: &Node, with_attachments: bool) -> Value {
        let mut value = json!({
            "id": news.id.0,
            "project": self.reference(news.parent),
            "author": author(&news.created_by),
            "title": news.name,
            "summary": "",
            "description": news.description,
            "created_on": time(news.created_ms),
        });
        self.add_attachments(&mut value, news, with_attachments);
        value
    }

    /// A wiki page; without its text as the index shows it.
    pub fn wiki_page(&self, page: &Node, with_text: bool, with_attachments: bool) -> Value {
        let mut value = json!({
            "title": page.name,
            "version": text_version(page),
            "created_on": time(page.created_ms),
            "updated_on": time(page.modified_ms),
        });
        if with_text {
            value["text"] = page.attributes.get(TEXT).cloned().unwrap_or_default().into();
            value["author"] = author(&page.modified_by);
            value["comments"] = "".into();
        }
        self.add_attachments(&mut value, page, with_attachments);
        value
    }

    fn add_attachments(&self, value: &mut Value, container: &Node, wanted: bool) {
        if wanted {
            let files = self.service.store.children(container.id, Kind::File, NodeId::ROOT, usize::MAX);
            value["attachments"] = files.iter().map(|file| self.attachment(file)).collect();
        }
    }

    fn reference(&self, project: NodeId) -> Value {
        let name = self.service.store.get(project).map(|project| project.name);
        json!({ "id": project.0, "name": name })
    }
}

pub fn text_version(page: &Node) -> u64 {
    page.attributes.get(TEXT_VERSION).and_then(|version| version.parse().ok()).unwrap_or(1)
}

fn author(name: &str) -> Value {
    json!(Map::from_iter([("id".to_owned(), 5.into()), ("name".to_owned(), name.into())]))
}

/// UTC, whole seconds.
fn time(ms: u64) -> String {
    jiff::Timestamp::from_second((ms / 1000) as i64).unwrap_or_default().to_string()
}
