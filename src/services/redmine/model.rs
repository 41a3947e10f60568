//! The service's JSON, read leniently: unknown fields are skipped, what cannot be read is missing; only an answer that
//! is no list or object at all is an error.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::clock::parse_time;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::usable;
use crate::ids::RevisionId;
use crate::services::redmine::assumptions as assumed;

/// As much of a digest as tells contents apart.
const DIGEST_CHARS_SHOWN: usize = 16;

/// One answer of a list, or a part of it.
pub struct List {
    pub items: Vec<Value>,
    /// Items in all pages together, where the answer tells it.
    pub total: Option<u64>,
}

impl List {
    /// Errors: `Protocol` when the answer holds no list of that name.
    pub fn read(mut answer: Value, name: &str) -> Result<List> {
        let total = number(&answer, "total_count");
        match answer.get_mut(name).map(Value::take) {
            Some(Value::Array(items)) => Ok(List { items, total }),
            _ => fail(ErrorKind::Protocol, format!("the service's answer is no list: it has no {name:?}")),
        }
    }

    /// The items that `read` can make something of. Errors: `Protocol` when it is none of them.
    pub fn of<T>(&self, read: impl Fn(&Value) -> Option<T>) -> Result<Vec<T>> {
        usable(&self.items, read)
    }
}

/// The object of an answer that has one key, named after it. Errors: `Protocol`.
pub fn object(mut answer: Value, name: &str) -> Result<Value> {
    match answer.get_mut(name).map(Value::take) {
        Some(object @ Value::Object(_)) => Ok(object),
        _ => fail(ErrorKind::Protocol, format!("the service's answer has no {name:?}")),
    }
}

/// For an object that cannot be read although it should be there.
pub fn unreadable(name: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the service's answer has a {name:?} without an id"))
}

pub struct Project {
    pub id: u64,
    pub name: String,
    pub identifier: String,
    pub parent: Option<u64>,
    pub active: bool,
    /// Names of its modules; `None` when the answer does not tell.
    modules: Option<Vec<String>>,
    pub created: Option<SystemTime>,
    pub updated: Option<SystemTime>,
}

impl Project {
    pub fn read(value: &Value) -> Option<Project> {
        let id = number(value, "id")?;
        let modules = value.get("enabled_modules").and_then(Value::as_array);
        let parent = value.get("parent").and_then(|parent| number(parent, "id"));
        Some(Project {
            id,
            name: text(value, "name").unwrap_or_else(|| id.to_string()),
            identifier: text(value, "identifier").unwrap_or_else(|| id.to_string()),
            // One that claims to be inside itself is shown at the top.
            parent: parent.filter(|parent| *parent != id),
            active: number(value, "status").is_none_or(|status| status == assumed::PROJECT_ACTIVE),
            modules: modules.map(|modules| modules.iter().filter_map(|module| text(module, "name")).collect()),
            created: time(value, "created_on"),
            updated: time(value, "updated_on"),
        })
    }

    pub fn has(&self, module: &str) -> bool {
        self.modules.as_ref().is_none_or(|modules| modules.iter().any(|name| name == module))
    }
}

/// A directory for files within a project's files.
pub struct Version {
    pub id: u64,
    pub name: String,
    pub description: Option<String>,
    pub created: Option<SystemTime>,
    pub updated: Option<SystemTime>,
}

impl Version {
    /// `None` also for the versions that other projects share with this one: nothing can be attached to them here.
    pub fn read_own(project: u64, value: &Value) -> Option<Version> {
        let owner = value.get("project").and_then(|owner| number(owner, "id"));
        owner.is_none_or(|owner| owner == project).then(|| Version::read(value))?
    }

    pub fn read(value: &Value) -> Option<Version> {
        let id = number(value, "id")?;
        Some(Version {
            id,
            name: text(value, "name").unwrap_or_else(|| id.to_string()),
            description: text(value, "description"),
            created: time(value, "created_on"),
            updated: time(value, "updated_on"),
        })
    }
}

/// A file of any container. Its content never changes: another content is another attachment.
#[derive(Clone)]
pub struct Attachment {
    pub id: u64,
    /// As the service has it.
    pub name: String,
    pub size: Option<u64>,
    pub mime: Option<String>,
    pub description: Option<String>,
    pub author: Option<String>,
    pub created: Option<SystemTime>,
    /// In hexadecimal: SHA-256, of very old files MD5. Only lists of a project's files tell it, and the next two.
    pub digest: Option<String>,
    pub downloads: Option<u64>,
    pub version: Option<(u64, String)>,
}

impl Attachment {
    pub fn read(value: &Value) -> Option<Attachment> {
        let id = number(value, "id")?;
        let version = value.get("version");
        let version_name = version.and_then(|version| text(version, "name")).unwrap_or_default();
        Some(Attachment {
            id,
            name: text(value, "filename").unwrap_or_else(|| id.to_string()),
            size: number(value, "filesize"),
            mime: text(value, "content_type"),
            description: text(value, "description"),
            author: value.get("author").and_then(|author| text(author, "name")),
            created: time(value, "created_on"),
            digest: text(value, "digest"),
            downloads: number(value, "downloads"),
            version: version.and_then(|version| number(version, "id")).map(|id| (id, version_name)),
        })
    }

    /// The files of a container, as its object shows them.
    pub fn all_of(container: &Value) -> Vec<Attachment> {
        let attachments = container.get("attachments").and_then(Value::as_array);
        attachments.into_iter().flatten().filter_map(Attachment::read).collect()
    }
}

/// What identifies the content of an attachment. Its number alone does not: some databases (SQLite) give the number of
/// the last attachment again once that is removed.
pub fn revision_of(file: &Attachment) -> RevisionId {
    match (&file.digest, file.created.and_then(|at| at.duration_since(UNIX_EPOCH).ok())) {
        (Some(digest), _) => revision_with_digest(file.id, digest),
        (None, Some(since)) => RevisionId::new(format!("a{}-t{}", file.id, since.as_secs())),
        (None, None) => RevisionId::new(format!("a{}", file.id)),
    }
}

/// The same of a file whose digest is known: where lists tell digests it is what they will show.
pub fn revision_with_digest(attachment: u64, digest: &str) -> RevisionId {
    let beginning: String = digest.chars().take(DIGEST_CHARS_SHOWN).collect();
    RevisionId::new(format!("a{attachment}-{beginning}"))
}

/// An issue, a news item or a wiki page: what its directory shows.
pub struct Item {
    /// 0 for a wiki page, which has no number.
    pub id: u64,
    pub title: String,
    pub author: Option<String>,
    pub created: Option<SystemTime>,
    pub updated: Option<SystemTime>,
}

impl Item {
    pub fn read_issue(value: &Value) -> Option<Item> {
        Item::read(value, number(value, "id")?, "subject")
    }

    pub fn read_news(value: &Value) -> Option<Item> {
        Item::read(value, number(value, "id")?, "title")
    }

    /// `None` for a page whose title has a dot: no address of this API leads to it.
    pub fn read_page(value: &Value) -> Option<Item> {
        let title = text(value, "title").filter(|title| !title.contains('.'));
        title.and_then(|_| Item::read(value, 0, "title"))
    }

    fn read(value: &Value, id: u64, title: &str) -> Option<Item> {
        let created = time(value, "created_on");
        Some(Item {
            id,
            title: text(value, title).unwrap_or_default(),
            author: value.get("author").and_then(|author| text(author, "name")),
            created,
            updated: time(value, "updated_on").or(created),
        })
    }
}

pub fn number(value: &Value, key: &str) -> Option<u64> {
    match value.get(key)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// A text that says something: the service writes none as `null` or as an empty one.
pub fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}

fn time(value: &Value, key: &str) -> Option<SystemTime> {
    parse_time(value.get(key)?.as_str()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_file_of_a_project_is_read_with_all_its_facts() {
        let file = Attachment::read(&json!({
            "id": 7, "filename": "a.txt", "filesize": 0, "content_type": "text/plain", "description": null,
            "content_url": "http://elsewhere/attachments/download/7/a.txt", "author": { "id": 5, "name": "Sam" },
            "created_on": "2026-11-22T01:00:23Z", "digest": "ab", "downloads": 3, "version": { "id": 2, "name": "v" },
        }));
        let file = file.unwrap();
        assert_eq!((file.id, file.size, file.downloads), (7, Some(0), Some(3)));
        assert_eq!((file.description, file.author.as_deref()), (None, Some("Sam")));
        assert_eq!(file.version, Some((2, "v".to_owned())));
        assert!(file.created.is_some());
    }

    #[test]
    fn nonsense_in_a_field_is_a_missing_field() {
        let file = Attachment::read(&json!({ "id": "7", "filename": 5, "filesize": [], "author": "x", "version": 3 }));
        let file = file.unwrap();
        assert_eq!((file.id, file.name.as_str(), file.size, file.author, file.version), (7, "7", None, None, None));
        assert!(Attachment::read(&json!({ "filename": "a" })).is_none());
    }

    #[test]
    fn versions_of_other_projects_are_left_out() {
        let version = json!({ "id": 1, "name": "v", "project": { "id": 4, "name": "p" } });
        assert!(Version::read_own(4, &version).is_some() && Version::read_own(5, &version).is_none());
    }

    #[test]
    fn a_project_without_a_list_of_modules_may_have_them_all() {
        let told =
            json!({ "id": 1, "enabled_modules": [{ "id": 9, "name": "files" }], "status": 5, "parent": { "id": 1 } });
        let told = Project::read(&told).unwrap();
        assert!(told.has("files") && !told.has("wiki") && !told.active && told.parent.is_none());
        assert!(Project::read(&json!({ "id": 1 })).unwrap().has("wiki"));
    }

    #[test]
    fn what_is_no_list_is_an_error() {
        for answer in [json!({}), json!({ "files": 5 }), json!([1]), json!("text")] {
            assert_eq!(List::read(answer, "files").err().unwrap().kind(), ErrorKind::Protocol);
        }
    }
}
