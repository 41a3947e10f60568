//! The service's JSON, read leniently: unknown fields are skipped, and what cannot be read is missing.

use serde_json::Value;

use crate::clock::parse_time;
use crate::ids::RevisionId;
use crate::provider::{Entry, Operation, Operations};
use crate::services::basecamp::names::check_file_name;
use crate::services::basecamp::place::{Group, Place};

/// Most characters of a text that are kept: listings are kept in memory.
const TEXT_CHARS_MAX: usize = 4096;

/// What can be done with a project: no directories in it, and `DELETE` would take everything with it (projects page).
const PROJECT_OFFERS: Operations = Operations::of(&[Operation::CreateFile, Operation::Rename]);
const FILE_OFFERS: Operations =
    Operations::of(&[Operation::Read, Operation::Revise, Operation::Rename, Operation::Delete]);

/// A project, short or in full (projects page).
#[derive(Debug, Clone)]
pub struct Project {
    pub id: u64,
    pub name: String,
    /// `attachments.count`, in the full form only.
    pub files_count: Option<u64>,
    /// `attachments.updated_at`, in the full form only.
    pub files_updated: Option<String>,
    pub updated: Option<String>,
    /// In the trash, or archived: not among the active ones.
    pub inactive: bool,
    pub trashed: bool,
    value: Value,
}

/// An attachment, from a list, alone, or within an upload (attachments and uploads pages).
#[derive(Debug, Clone)]
pub struct Attachment {
    /// Not told within an upload, as documented.
    pub id: Option<u64>,
    pub upload: Option<u64>,
    pub group: Option<Group>,
    pub name: String,
    pub size: Option<u64>,
    pub url: Option<String>,
    pub private: bool,
    pub trashed: bool,
    pub key: Option<String>,
    value: Value,
}

/// An upload with its one attachment (uploads page).
#[derive(Debug, Clone)]
pub struct Upload {
    pub id: u64,
    pub content: Option<String>,
    pub private: bool,
    pub trashed: bool,
    pub attachments: Vec<Attachment>,
}

impl Project {
    /// Clients see it, but for what is private.
    pub fn is_for_clients(&self) -> bool {
        flag(&self.value, "is_client_project")
    }

    /// `None` without an id.
    pub fn read(value: Value) -> Option<Project> {
        let id = number(&value, "id")?;
        let files = value.get("attachments");
        let flag = |key| flag(&value, key);
        Some(Project {
            id,
            name: text(&value, "name").filter(|name| !name.is_empty()).unwrap_or_else(|| id.to_string()),
            files_count: files.and_then(|files| number(files, "count")),
            files_updated: files.and_then(|files| text(files, "updated_at")),
            updated: text(&value, "updated_at"),
            inactive: flag("trashed") || flag("archived") || flag("draft"),
            trashed: flag("trashed"),
            value,
        })
    }

    pub fn entry(&self) -> Entry {
        let mut entry = Entry::directory(Place::Project(self.id).remote_id(), &self.name);
        entry.created = text(&self.value, "created_at").as_deref().and_then(parse_time);
        entry.modified = self.updated.as_deref().and_then(parse_time);
        entry.description = text(&self.value, "description").filter(|text| !text.is_empty());
        entry.url = text(&self.value, "app_url");
        entry.author = creator(&self.value).and_then(|creator| text(creator, "name"));
        entry.offers = PROJECT_OFFERS;
        entry
    }
}

impl Attachment {
    pub fn read(value: Value) -> Attachment {
        let attachable = value.get("attachable");
        let kind = attachable.and_then(|attachable| text(attachable, "type")).unwrap_or_default();
        let id = number(&value, "id");
        Attachment {
            id,
            upload: attachable.filter(|_| kind == "Upload").and_then(|attachable| number(attachable, "id")),
            group: Group::ALL.into_iter().find(|group| group.attachable_type() == kind),
            name: text(&value, "name").unwrap_or_default(),
            size: number(&value, "byte_size"),
            url: text(&value, "url").filter(|url| !url.is_empty()),
            private: flag(&value, "private"),
            trashed: flag(&value, "trashed"),
            key: text(&value, "key").filter(|key| !key.is_empty()),
            value,
        }
    }

    /// The attachment's id, else what its download address says of it.
    pub fn id_or_from_url(&self) -> Option<u64> {
        self.id.or_else(|| self.url.as_deref()?.split_once("/attachments/")?.1.split('/').next()?.parse().ok())
    }

    pub fn creator_id(&self) -> Option<u64> {
        creator(&self.value).and_then(|creator| number(creator, "id"))
    }

    /// Where it is; `None` for what hangs on something that is not shown.
    pub fn place(&self, project: u64) -> Option<Place> {
        match (self.upload, self.group, self.id) {
            (Some(upload), _, _) => Some(Place::File { project, upload }),
            (None, Some(_), Some(attachment)) => Some(Place::Attachment { project, attachment }),
            _ => None,
        }
    }

    /// Linked documents (Google's, say) have no content here: no `url`, 0 bytes.
    pub fn has_content(&self) -> bool {
        self.url.is_some()
    }

    /// The attachment as a file. Its bytes never change: a `key` belongs to them for ever.
    pub fn entry(&self, place: Place) -> Entry {
        let name = if self.name.is_empty() { self.id.unwrap_or_default().to_string() } else { self.name.clone() };
        let mut entry = Entry::file(place.remote_id(), name, self.size);
        entry.revision = Some(self.revision(place));
        entry.created = text(&self.value, "created_at").as_deref().and_then(parse_time);
        entry.modified = entry.created;
        entry.author = creator(&self.value).and_then(|creator| text(creator, "name"));
        entry.url = text(&self.value, "app_url");
        entry.mime = text(&self.value, "content_type");
        entry.offers = match place {
            // A browser may have stored a name that its successor could not get.
            Place::File { .. } if check_file_name(&self.name).is_err() => FILE_OFFERS.without(Operation::Revise),
            Place::File { .. } => FILE_OFFERS,
            _ => Operations::of(&[Operation::Read]),
        };
        entry.attributes.insert("private".to_owned(), self.private.to_string());
        if let Some(tags) = self.tags() {
            entry.attributes.insert("tags".to_owned(), tags);
        }
        entry
    }

    pub fn revision(&self, place: Place) -> RevisionId {
        match &self.key {
            Some(key) => RevisionId::new(format_args!("k{key}")),
            // The only bytes that it will ever have.
            None => RevisionId::new(place.remote_id()),
        }
    }

    fn tags(&self) -> Option<String> {
        let tags: Vec<&str> = self.value.get("tags")?.as_array()?.iter().filter_map(Value::as_str).collect();
        (!tags.is_empty()).then(|| short(&tags.join(", ")))
    }
}

impl Upload {
    /// `None` without an id.
    pub fn read(mut value: Value) -> Option<Upload> {
        let attachments = match value.get_mut("attachments").map(Value::take) {
            Some(Value::Array(attachments)) => attachments.into_iter().map(Attachment::read).collect(),
            _ => Vec::new(),
        };
        Some(Upload {
            id: number(&value, "id")?,
            content: text(&value, "content").filter(|text| !text.is_empty()),
            private: flag(&value, "private"),
            trashed: flag(&value, "trashed"),
            attachments,
        })
    }

    /// The file as an entry. `None` when it is in the trash, or its attachment is.
    pub fn entry(&self, project: u64) -> Option<Entry> {
        let attachment =
            self.attachments.first().filter(|file| !self.trashed && !file.trashed && file.has_content())?;
        let mut entry = attachment.entry(Place::File { project, upload: self.id });
        entry.attributes.insert("private".to_owned(), (self.private || attachment.private).to_string());
        if let Some(content) = &self.content {
            entry.attributes.insert("content".to_owned(), content.clone());
            entry.description = Some(content.clone());
        }
        Some(entry)
    }
}

fn creator(value: &Value) -> Option<&Value> {
    value.get("creator")
}

pub fn text(value: &Value, key: &str) -> Option<String> {
    value.get(key)?.as_str().map(short)
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_CHARS_MAX).collect()
}

/// A number, or a text that is one.
pub fn number(value: &Value, key: &str) -> Option<u64> {
    match value.get(key)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn flag(value: &Value, key: &str) -> bool {
    value.get(key).and_then(Value::as_bool).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use serde_json::json;

    /// As on the attachments page.
    fn listed() -> Value {
        json!({
            "id": 1000, "key": "40b8a84cb1a30dbe04457dc99e094b6299deea41", "name": "bearwave.gif",
            "byte_size": 508254, "content_type": "image/gif", "created_at": "2012-03-27T22:48:49-04:00",
            "updated_at": "2012-03-27T22:48:49.000-04:00", "private": true, "trashed": false, "tags": ["a", "b"],
            "url": "https://basecamp.com/1111/api/v1/projects/2222/attachments/3333/40b8/original/bearwave.gif",
            "app_url": "https://basecamp.com/1111/projects/2222/attachments/3333/40b8/original/bearwave.gif",
            "creator": { "id": 73, "name": "Nick Quaranto" },
            "attachable": { "id": 31709, "type": "Upload", "url": "x" }, "unknown": {},
        })
    }

    #[test]
    fn an_attachment_of_an_upload_is_a_file() {
        let attachment = Attachment::read(listed());
        let place = attachment.place(2222).unwrap();
        assert_eq!(place, Place::File { project: 2222, upload: 31709 });
        let entry = attachment.entry(place);
        assert_eq!((entry.name.as_str(), entry.size), ("bearwave.gif", Some(508_254)));
        assert_eq!(entry.revision.unwrap().as_str(), "k40b8a84cb1a30dbe04457dc99e094b6299deea41");
        let created = entry.created.unwrap().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!((created.as_secs(), entry.modified), (1_332_902_929, entry.created));
        assert_eq!((entry.author.as_deref(), entry.mime.as_deref()), (Some("Nick Quaranto"), Some("image/gif")));
        assert_eq!((entry.attributes["private"].as_str(), entry.attributes["tags"].as_str()), ("true", "a, b"));
        assert_eq!((attachment.id_or_from_url(), attachment.creator_id()), (Some(1000), Some(73)));
    }

    #[test]
    fn within_an_upload_the_attachments_id_is_taken_from_its_address() {
        let mut value = listed();
        for absent in ["id", "attachable", "private"] {
            value.as_object_mut().unwrap().remove(absent);
        }
        let upload = json!({ "id": 31709, "content": "Hi there!", "private": true, "attachments": [value] });
        let upload = Upload::read(upload).unwrap();
        assert_eq!(upload.attachments[0].id_or_from_url(), Some(3333));
        let entry = upload.entry(2222).unwrap();
        assert_eq!(entry.id.as_str(), "file:2222/31709");
        assert_eq!((entry.description.as_deref(), entry.attributes["private"].as_str()), (Some("Hi there!"), "true"));
    }

    #[test]
    fn what_is_in_the_trash_or_has_no_attachment_is_no_file() {
        let upload =
            |trashed, attachments| Upload::read(json!({ "id": 1, "trashed": trashed, "attachments": attachments }));
        assert!(upload(false, json!([listed()])).unwrap().entry(2).is_some());
        assert!(upload(true, json!([listed()])).unwrap().entry(2).is_none());
        assert!(upload(false, json!([])).unwrap().entry(2).is_none());
        let linked = json!([{ "id": 5, "name": "Plan", "byte_size": 0, "link_url": "https://docs.example/1" }]);
        assert!(upload(false, linked).unwrap().entry(2).is_none());
    }

    #[test]
    fn a_project_tells_how_many_files_it_has() {
        let value = json!({
            "id": 605816632, "name": "BCX", "updated_at": "2012-03-23T13:55:43-05:00", "archived": false,
            "attachments": { "count": 3, "updated_at": "2012-03-22T16:56:51-05:00" }, "description": "",
        });
        let project = Project::read(value).unwrap();
        assert_eq!(
            (project.files_count, project.files_updated.as_deref()),
            (Some(3), Some("2012-03-22T16:56:51-05:00"))
        );
        let entry = project.entry();
        assert_eq!((entry.id.as_str(), entry.description), ("project:605816632", None));
        assert!(entry.offers.has(Operation::CreateFile) && !entry.offers.has(Operation::Delete));
    }

    #[test]
    fn nonsense_in_a_field_is_a_missing_field() {
        let value =
            json!({ "id": "12", "name": 5, "byte_size": [], "attachable": "x", "created_at": "soon", "tags": 1 });
        let attachment = Attachment::read(value);
        assert_eq!((attachment.id, attachment.size, attachment.place(1)), (Some(12), None, None));
        let entry = attachment.entry(Place::Attachment { project: 1, attachment: 12 });
        assert_eq!((entry.name.as_str(), entry.created), ("12", None));
        assert!(Project::read(json!({ "name": "x" })).is_none() && Upload::read(json!([])).is_none());
    }
}
