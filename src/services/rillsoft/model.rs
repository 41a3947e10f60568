//! The service's JSON, read leniently: no page shows a success, so fields have aliases, numbers may be texts, and a list
//! may stand in `data`. What cannot be read is missing; only an answer that is no list at all is an error.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Response, status_kind, usable};
use crate::services::rillsoft::assumptions as assumed;

#[derive(Debug, Clone, PartialEq)]
pub struct Project {
    pub id: u64,
    pub uuid: Option<String>,
    pub name: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Folder {
    pub id: u64,
    pub name: String,
    pub parent: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct Document {
    pub id: u64,
    pub project: u64,
    pub folder: Option<u64>,
    /// UUID of the task (or subproject) it hangs on.
    pub parent: Option<String>,
    pub name: String,
    pub description: Option<String>,
    pub size: Option<u64>,
    /// When its content was stored, as the service writes it.
    pub stored: Option<String>,
    pub stored_by: Option<String>,
}

impl Document {
    pub fn stored_at(&self) -> Option<SystemTime> {
        self.stored.as_deref().and_then(parse_time)
    }

    /// What can be known about its content: another stamp means other bytes (or, perhaps, other metadata).
    pub fn stamp(&self) -> Option<String> {
        let size = self.size.map_or("?".to_owned(), |size| size.to_string());
        Some(format!("s{size}-{}", self.stored.as_deref()?))
    }
}

/// The items of a list that can be read; items that cannot (no id) are left out.
/// Errors: `Protocol` when the answer is no list, or shows itself to be cut: that must not look like removals.
pub fn read_list<T: Listed>(response: &Response) -> Result<Vec<T>> {
    usable(read_items(response)?, |item| T::read(item.read()?))
}

/// A list is a bare array, or an object with the array in `data`.
fn read_items(response: &Response) -> Result<Vec<Item<Wire>>> {
    if response.bytes().trim_ascii_start().first() == Some(&b'[') {
        return response.json();
    }
    let envelope: Envelope = response.json()?;
    if envelope.status == "error" {
        return Err(envelope.error());
    }
    let cut = envelope.shows_pages();
    let Some(items) = envelope.data else {
        return fail(ErrorKind::Protocol, "the service's answer is no list: it is no array and has no \"data\"");
    };
    let missing = envelope.total.filter(|total| *total > items.len() as u64);
    if cut || missing.is_some() {
        let text = "the service sends lists in pages, which no documentation tells; this one is not taken for whole";
        log::error!("{text} ({} items)", items.len());
        return fail(ErrorKind::Protocol, text);
    }
    Ok(items)
}

/// An item that may be anything.
#[derive(Deserialize)]
#[serde(untagged)]
enum Item<T> {
    Read(Box<T>),
    Odd(IgnoredAny),
}

impl<T> Item<T> {
    fn read(self) -> Option<T> {
        match self {
            Item::Read(item) => Some(*item),
            Item::Odd(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default, deserialize_with = "text_or_empty")]
    status: String,
    #[serde(default, deserialize_with = "number")]
    code: Option<u64>,
    #[serde(default, deserialize_with = "text_or_empty")]
    message: String,
    data: Option<Vec<Item<Wire>>>,
    #[serde(default, deserialize_with = "number")]
    total: Option<u64>,
    #[serde(default, rename = "nextPage")]
    next_page: Value,
    #[serde(default)]
    links: Value,
}

impl Envelope {
    /// The documented form of errors, under whatever status.
    fn error(&self) -> Error {
        let kind = self.code.and_then(|code| u16::try_from(code).ok()).map_or(ErrorKind::Protocol, status_kind);
        Error::new(kind, format!("the service answered with an error: {}", self.message))
    }

    fn shows_pages(&self) -> bool {
        let next = self.links.get("next").unwrap_or(&Value::Null);
        [&self.next_page, next].into_iter().any(|page| !matches!(page, Value::Null | Value::Bool(false)) && page != "")
    }
}

/// If a JSON answer has the documented form of errors, the error.
pub fn error_in(answer: &[u8]) -> Option<Error> {
    let envelope: Envelope = serde_json::from_slice(answer).ok()?;
    (envelope.status == "error").then(|| envelope.error())
}

/// The id in the answer to an upload, if there is one. No page shows any, so that none is relied on.
pub fn id_in(response: &Response) -> Option<u64> {
    let answer: Value = serde_json::from_slice(response.bytes()).ok()?;
    let object = if answer.get("data").is_some_and(Value::is_object) { &answer["data"] } else { &answer };
    object.get("id").or_else(|| object.get("documentId")).and_then(number_of)
}

/// Any of the service's things: which it is depends on the list it comes from.
#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
pub struct Wire {
    #[serde(deserialize_with = "number")]
    id: Option<u64>,
    #[serde(deserialize_with = "number")]
    document_id: Option<u64>,
    #[serde(deserialize_with = "number")]
    project_id: Option<u64>,
    #[serde(deserialize_with = "number")]
    project: Option<u64>,
    #[serde(deserialize_with = "number")]
    folder_id: Option<u64>,
    #[serde(deserialize_with = "number")]
    folder: Option<u64>,
    #[serde(deserialize_with = "number")]
    parent_id: Option<u64>,
    #[serde(deserialize_with = "text")]
    parent_uuid: Option<String>,
    #[serde(deserialize_with = "text")]
    uuid: Option<String>,
    #[serde(deserialize_with = "text")]
    name: Option<String>,
    #[serde(deserialize_with = "text")]
    file_name: Option<String>,
    #[serde(deserialize_with = "text")]
    description: Option<String>,
    #[serde(deserialize_with = "number")]
    file_size: Option<u64>,
    #[serde(deserialize_with = "number")]
    size: Option<u64>,
    #[serde(deserialize_with = "text")]
    created_at: Option<String>,
    #[serde(deserialize_with = "text")]
    created: Option<String>,
    #[serde(deserialize_with = "text")]
    created_user_name: Option<String>,
    #[serde(deserialize_with = "text")]
    created_by: Option<String>,
}

/// What lists hold. `None` for an item that cannot be addressed.
pub trait Listed: Sized {
    fn read(wire: Wire) -> Option<Self>;
}

fn shown(name: Option<String>, otherwise: impl FnOnce() -> String) -> String {
    match name.filter(|name| !name.is_empty()) {
        Some(name) if name.len() > assumed::NAME_CHARS_KEPT_MAX => {
            name.chars().take(assumed::NAME_CHARS_KEPT_MAX).collect()
        }
        Some(name) => name,
        None => otherwise(),
    }
}

impl Listed for Project {
    fn read(wire: Wire) -> Option<Project> {
        let id = wire.id?;
        Some(Project { id, uuid: wire.uuid, name: shown(wire.name, || format!("project {id}")) })
    }
}

impl Listed for Folder {
    fn read(wire: Wire) -> Option<Folder> {
        let id = wire.id?;
        Some(Folder { id, name: shown(wire.name, || format!("folder {id}")), parent: wire.parent_id })
    }
}

impl Listed for Document {
    fn read(wire: Wire) -> Option<Document> {
        let id = wire.id.or(wire.document_id)?;
        Some(Document {
            id,
            project: wire.project_id.or(wire.project)?,
            folder: wire.folder_id.or(wire.folder),
            parent: wire.parent_uuid.or(wire.uuid),
            name: shown(wire.name.or(wire.file_name), || format!("document {id}")),
            description: wire.description.filter(|text| !text.is_empty()),
            size: wire.file_size.or(wire.size),
            stored: wire.created_at.or(wire.created),
            stored_by: wire.created_user_name.or(wire.created_by),
        })
    }
}

/// UUID of a task.
pub struct Task(pub String);

impl Listed for Task {
    fn read(wire: Wire) -> Option<Task> {
        wire.uuid.filter(|uuid| !uuid.is_empty()).map(Task)
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<u64>, D::Error> {
    Value::deserialize(deserializer).map(|value| number_of(&value))
}

fn text<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Option<String>, D::Error> {
    Value::deserialize(deserializer).map(|value| match value {
        Value::String(text) => Some(text),
        Value::Number(number) => Some(number.to_string()),
        // A user may be an object.
        Value::Object(object) => object.get("name").and_then(Value::as_str).map(str::to_owned),
        _ => None,
    })
}

fn text_or_empty<'de, D: Deserializer<'de>>(deserializer: D) -> std::result::Result<String, D::Error> {
    Ok(text(deserializer)?.unwrap_or_default())
}

/// Numbers, texts that are one, and the id of an object (`project.id`).
fn number_of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.trim().parse().ok(),
        Value::Object(object) => object.get("id").filter(|id| !id.is_object()).and_then(number_of),
        _ => None,
    }
}

/// ISO 8601 with an offset; without one, and in the desktop program's form (`DD.MM.YYYY hh:mm`), UTC is meant.
fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let civil = |text: &str| {
        let local = text.parse().or_else(|_| jiff::civil::DateTime::strptime("%d.%m.%Y %H:%M", text)).ok()?;
        Some(jiff::civil::DateTime::to_zoned(local, jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| civil(text))?;
    // Before 1970 nothing was stored anywhere.
    let seconds = u64::try_from(stamp.as_second()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, stamp.subsec_nanosecond().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: Value) -> Document {
        Document::read(serde_json::from_value(value).unwrap()).unwrap()
    }

    #[test]
    fn a_document_is_read_in_every_spelling() {
        let plain = document(json!({
            "id": 8, "projectId": 7, "folderId": 17, "parentUuid": "u-1", "name": "Plan.pdf", "description": "d",
            "fileSize": 12, "createdAt": "2024-05-06T07:08:09Z", "createdUserName": "ada", "unknown": [],
        }));
        let other = document(json!({
            "documentId": "8", "project": { "id": 7 }, "folder": { "id": "17" }, "uuid": "u-1", "fileName": "Plan.pdf",
            "description": "d", "size": "12", "created": "2024-05-06T07:08:09Z", "createdBy": { "name": "ada" },
        }));
        assert_eq!(plain, other);
        assert_eq!((plain.project, plain.folder, plain.parent.as_deref()), (7, Some(17), Some("u-1")));
        assert_eq!(plain.stamp().as_deref(), Some("s12-2024-05-06T07:08:09Z"));
    }

    #[test]
    fn nonsense_in_a_field_is_a_missing_field() {
        let odd = document(json!({
            "id": 8, "projectId": 7, "folderId": [], "name": [], "fileSize": -1, "createdAt": {}, "description": true,
        }));
        let bare = Document { id: 8, project: 7, name: "document 8".into(), ..Document::default() };
        assert_eq!((odd.stamp(), odd), (None, bare));
    }

    #[test]
    fn times_are_read_in_the_three_forms() {
        let seconds = |text| parse_time(text).unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let expected = seconds("2024-05-06T07:08:00Z");
        assert_eq!(expected, 1_714_979_280);
        for text in ["2024-05-06T09:08:00+02:00", "2024-05-06 07:08:00", "06.05.2024 07:08"] {
            assert_eq!(seconds(text), expected, "{text}");
        }
        assert_eq!(parse_time("soon"), None);
    }
}
