//! The service's JSON, read leniently: unknown members are skipped, what cannot be read is missing.

use std::time::SystemTime;

use serde_json::Value;

use crate::error::{ErrorKind, Result, fail};
use crate::http::usable;
use crate::ids::RevisionId;
use crate::services::medable::assumptions as assumed;

/// Most characters of a name that are kept: a name is no place to store a book, and listings are kept in memory.
const NAME_CHARS_KEPT_MAX: usize = 4096;

/// An instance of any object (Objects page).
#[derive(Debug, Clone)]
pub struct Instance {
    pub id: String,
    value: Value,
}

impl Instance {
    /// Errors: `Protocol` when it has no `_id`.
    pub fn read(value: Value) -> Result<Instance> {
        match value.get("_id").and_then(Value::as_str).filter(|id| is_id(id)) {
            Some(id) => Ok(Instance { id: id.to_owned(), value }),
            None => fail(ErrorKind::Protocol, "the service's answer is no instance: it has no \"_id\""),
        }
    }

    /// The name that a property holds, else the id.
    pub fn name(&self, property: &str) -> String {
        let name = self.value.get(property).and_then(Value::as_str).filter(|name| !name.is_empty());
        name.unwrap_or(&self.id).chars().take(NAME_CHARS_KEPT_MAX).collect()
    }

    /// The id that a reference holds: `{"_id": ...}`, or the bare id.
    pub fn reference(&self, property: &str) -> Option<String> {
        let value = self.value.get(property)?;
        let id = value.as_str().or_else(|| value.get("_id")?.as_str())?;
        is_id(id).then(|| id.to_owned())
    }

    pub fn access(&self) -> Option<u64> {
        self.value.get("access")?.as_u64()
    }

    pub fn created(&self) -> Option<SystemTime> {
        self.time("created")
    }

    /// When it was changed last; `updated` is missing until the first change.
    pub fn modified(&self) -> Option<SystemTime> {
        self.time("updated").or_else(|| self.created())
    }

    fn time(&self, member: &str) -> Option<SystemTime> {
        crate::clock::parse_time(self.value.get(member)?.as_str()?)
    }

    pub fn property(&self, name: &str) -> Option<&Value> {
        self.value.get(name).filter(|value| !value.is_null())
    }
}

/// Ids become parts of paths and of our own ids.
fn is_id(id: &str) -> bool {
    !id.is_empty() && id.len() <= 128 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A page of a list: `{"object": "list", "data": [...], "hasMore": ...}`.
#[derive(Debug)]
pub struct Page {
    pub instances: Vec<Instance>,
    pub has_more: bool,
}

impl Page {
    /// Errors: `Protocol` when it is no list. What has no id cannot be addressed and is left out.
    pub fn read(mut value: Value) -> Result<Page> {
        let has_more = value.get("hasMore").and_then(Value::as_bool).unwrap_or(false);
        let Some(Value::Array(items)) = value.get_mut("data").map(Value::take) else {
            return fail(ErrorKind::Protocol, "the service's answer is no list: it has no \"data\"");
        };
        Ok(Page { instances: usable(items, |item| Instance::read(item).ok())?, has_more })
    }
}

/// Where a facet is in its life (File property page).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Waits for its upload.
    Pending,
    Processing,
    Ready,
    /// In error, perhaps for good.
    Failed,
}

/// One facet of a File property.
#[derive(Debug, Clone)]
pub struct Facet {
    pub name: String,
    pub state: State,
    pub etag: Option<String>,
    /// Bytes; known when it is ready.
    pub size: Option<u64>,
    pub mime: Option<String>,
    pub filename: Option<String>,
    /// Signed address of the content, in answers about this facet alone.
    pub url: Option<String>,
}

impl Facet {
    /// Errors: `Protocol` when it is no facet.
    pub fn read(value: &Value) -> Result<Facet> {
        let text = |member: &str| value.get(member).and_then(Value::as_str).map(str::to_owned);
        let size = value.get("size").and_then(Value::as_u64);
        let url = text("url");
        let state = match value.get("state").and_then(Value::as_u64) {
            Some(0) => State::Pending,
            Some(1) => State::Processing,
            Some(2) => State::Ready,
            Some(3 | 4) => State::Failed,
            _ if size.is_some() || url.is_some() => State::Ready,
            _ => return fail(ErrorKind::Protocol, "the service's answer is no facet: it has no \"state\""),
        };
        let name = text("name").unwrap_or_else(|| assumed::FACET.to_owned());
        Ok(Facet { name, state, etag: text("ETag"), size, mime: text("mime"), filename: text("filename"), url })
    }

    /// Identifies the content. A content that nobody can read is none that was read before.
    pub fn revision(&self) -> Option<RevisionId> {
        match (self.state, &self.etag) {
            (State::Ready, Some(etag)) => Some(RevisionId::new(etag)),
            (State::Ready, None) => None,
            _ => Some(unready()),
        }
    }
}

/// The revision of content that is on its way, or got lost there.
pub fn unready() -> RevisionId {
    RevisionId::new("unready")
}

/// The revision of a file whose property was never written.
pub fn unwritten() -> RevisionId {
    RevisionId::new("unwritten")
}

/// The facets of a File property, its root first; none if it was never written.
pub fn facets(property: &Value) -> Vec<Facet> {
    let others = property.get("facets").and_then(Value::as_array).into_iter().flatten();
    std::iter::once(property).chain(others).filter_map(|value| Facet::read(value).ok()).collect()
}

/// The facet of this name.
pub fn facet(property: &Value, name: &str) -> Option<Facet> {
    facets(property).into_iter().find(|facet| facet.name == name)
}

/// A File property is answered bare; other properties as `{"object": "result", "data": ...}`.
pub fn bare(mut answer: Value) -> Value {
    match answer.get("object").and_then(Value::as_str) {
        Some("result") => answer.get_mut("data").map(Value::take).unwrap_or_default(),
        _ => answer,
    }
}

/// Where and how the bytes of a pending facet are sent.
#[derive(Debug, Clone)]
pub struct Upload {
    pub url: String,
    /// Name of the form's field for the file.
    pub key: String,
    /// The other fields, in the order in which they must be sent.
    pub fields: Vec<(String, String)>,
    pub size_bytes_max: Option<u64>,
}

impl Upload {
    /// The entry for a facet in a list of uploads, found by name: the order is not promised.
    /// Errors: `Protocol` when it cannot be followed.
    pub fn find(uploads: Option<&Value>, facet: &str) -> Result<Option<Upload>> {
        let entries = uploads.and_then(Value::as_array).into_iter().flatten();
        let mut named = entries.filter(|entry| entry.get("name").and_then(Value::as_str) == Some(facet));
        named.next().map(Upload::read).transpose()
    }

    fn read(entry: &Value) -> Result<Upload> {
        let text = |member: &str| entry.get(member).and_then(Value::as_str).unwrap_or_default();
        let fields = entry.get("fields").and_then(Value::as_array);
        let fields: Option<Vec<_>> = fields.and_then(|fields| fields.iter().map(field).collect());
        let (Some(fields), false, false) = (fields, text("uploadUrl").is_empty(), text("uploadKey").is_empty()) else {
            return fail(ErrorKind::Protocol, "the service's upload entry lacks its address, its key or its fields");
        };
        if !text("uploadMethod").eq_ignore_ascii_case("post") {
            return fail(ErrorKind::Protocol, "the service wants an upload by another method than a form");
        }
        Ok(Upload {
            url: text("uploadUrl").to_owned(),
            key: text("uploadKey").to_owned(),
            fields,
            size_bytes_max: entry.get("maxFileSize").and_then(Value::as_u64),
        })
    }
}

fn field(field: &Value) -> Option<(String, String)> {
    let value = match field.get("value")? {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some((field.get("key")?.as_str()?.to_owned(), value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_instance_is_read_with_missing_and_odd_members() {
        let value = json!({ "_id": "5516ee2634d8d93428169c0e", "c_name": 7, "created": "2015-04-04T04:13:33.431Z",
            "c_folder": "5516ee2634d8d93428169c0f", "creator": { "_id": "5516ee2634d8d93428169c10", "fault": {} } });
        let instance = Instance::read(value).unwrap();
        assert_eq!(instance.name("c_name"), "5516ee2634d8d93428169c0e");
        assert_eq!(instance.reference("c_folder").as_deref(), Some("5516ee2634d8d93428169c0f"));
        assert_eq!(instance.reference("creator").as_deref(), Some("5516ee2634d8d93428169c10"));
        assert_eq!((instance.modified(), instance.access()), (instance.created(), None));
        assert!(Instance::read(json!({ "_id": "../objects" })).is_err());
    }

    #[test]
    fn a_facet_is_found_by_its_name_and_has_a_revision_only_when_ready() {
        let property = json!({ "name": "content", "state": 0, "facets": [
            { "name": "thumbnail", "state": 2, "ETag": "e1", "size": 9 }, { "name": "broken", "state": 4 }, 7] });
        assert_eq!(facet(&property, "content").unwrap().revision(), Some(unready()));
        assert_eq!(facet(&property, "thumbnail").unwrap().revision(), Some(RevisionId::new("e1")));
        assert_eq!(facet(&property, "broken").unwrap().state, State::Failed);
        assert!(facet(&property, "absent").is_none() && facets(&Value::Null).is_empty());
    }

    #[test]
    fn an_upload_that_cannot_be_followed_is_an_error_and_another_facets_is_none() {
        let entry = json!({ "name": "content", "uploadUrl": "https://s3", "uploadMethod": "post", "uploadKey": "file",
            "fields": [{ "key": "b", "value": "1" }, { "key": "a", "value": 2 }], "maxFileSize": 5 });
        let upload = Upload::find(Some(&json!([entry])), "content").unwrap().unwrap();
        assert_eq!(upload.fields, [("b".into(), "1".into()), ("a".into(), "2".into())]);
        assert!(Upload::find(Some(&json!([entry])), "thumbnail").unwrap().is_none());
        for (member, odd) in [("uploadMethod", json!("put")), ("fields", json!({})), ("uploadUrl", json!(null))] {
            let mut broken = entry.clone();
            broken[member] = odd;
            assert_eq!(Upload::find(Some(&json!([broken])), "content").unwrap_err().kind(), ErrorKind::Protocol);
        }
    }
}
