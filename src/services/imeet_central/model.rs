//! The service's JSON, read leniently: unknown fields are skipped, numbers may be texts, fields have aliases. What
//! cannot be read is missing; only an answer that is no list or object at all is an error.

use std::time::SystemTime;

use serde_json::Value;

use crate::clock::parse_time;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::usable;
use crate::ids::RevisionId;
use crate::provider::{Entry, EntryKind, Version};
use crate::services::imeet_central::assumptions::{self as assumed, Kind};
use crate::services::imeet_central::place::Place;

/// Most characters of a name that are kept: a name is no place to store a book, and listings are kept in memory.
const NAME_CHARS_KEPT_MAX: usize = 4096;

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    pub objects: Vec<Object>,
    /// Address of the next page, perhaps relative (samples: `links.next`).
    pub next: Option<String>,
}

/// `{"id": ..., "permalink": ..., "details": {...}}`
#[derive(Debug)]
pub struct Object {
    pub id: String,
    value: Value,
}

impl Page {
    /// Errors: `Protocol` when the answer is no list. Items without an id cannot be addressed and are left out.
    pub fn read(mut answer: Value) -> Result<Page> {
        let next = answer.pointer("/links/next").and_then(Value::as_str).filter(|link| !link.is_empty());
        let next = next.map(str::to_owned);
        let items = if answer.is_array() { Some(answer) } else { answer.get_mut("items").map(Value::take) };
        let Some(Value::Array(items)) = items else {
            return fail(ErrorKind::Protocol, "the service's answer is no list: it has no \"items\"");
        };
        Ok(Page { objects: usable(items, |item| Object::read(item).ok())?, next })
    }
}

impl Object {
    /// Errors: `Protocol` when it is no object, or has no id.
    pub fn read(value: Value) -> Result<Object> {
        match value.get("id").and_then(text_of).filter(|id| !id.is_empty()) {
            Some(id) => Ok(Object { id, value }),
            None => fail(ErrorKind::Protocol, "the service's answer is no object: it has no \"id\""),
        }
    }

    fn field(&self, aliases: &[&str]) -> Option<&Value> {
        let details = self.value.get("details");
        let within = |object: Option<&'_ Value>, alias: &&str| object.and_then(|o| o.get(*alias)).is_some();
        let details_alias = aliases.iter().find(|alias| within(details, alias));
        let found = match details_alias {
            Some(alias) => details?.get(*alias),
            None => aliases.iter().find_map(|alias| self.value.get(*alias)),
        };
        found.filter(|value| !value.is_null())
    }

    pub fn text(&self, aliases: &[&str]) -> Option<String> {
        self.field(aliases).and_then(text_of)
    }

    pub fn number(&self, aliases: &[&str]) -> Option<u64> {
        match self.field(aliases)? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.trim().parse().ok(),
            _ => None,
        }
    }

    fn time(&self, aliases: &[&str]) -> Option<SystemTime> {
        match self.field(aliases)? {
            Value::String(text) => parse_time(text),
            _ => None,
        }
    }

    /// The thing as an entry; which operations it offers is not said here.
    pub fn entry(&self, kind: Kind) -> Entry {
        let id = Place::new(kind, &self.id).remote_id();
        let name = self.text(assumed::NAME).filter(|name| !name.is_empty()).unwrap_or_else(|| self.id.clone());
        let name: String = name.chars().take(NAME_CHARS_KEPT_MAX).collect();
        let mut entry = match kind {
            Kind::File => Entry::file(id, name, self.number(assumed::SIZE)),
            _ => Entry::directory(id, name),
        };
        if entry.kind == EntryKind::File {
            entry.revision = self.revision();
            entry.mime = self.text(assumed::MIME);
        }
        entry.created = self.time(assumed::CREATED);
        entry.modified = self.time(assumed::MODIFIED).or(entry.created);
        entry.author = self.text(assumed::AUTHOR);
        entry.description = self.text(assumed::DESCRIPTION).filter(|text| !text.is_empty());
        entry.url = self.text(assumed::PERMALINK);
        if let Some(workspace) = self.text(assumed::WORKSPACE) {
            entry.attributes.insert("workspace".to_owned(), workspace);
        }
        entry
    }

    /// The version identifies the content; without one, size and time have to do.
    fn revision(&self) -> Option<RevisionId> {
        if let Some(version) = self.number(assumed::VERSION) {
            return Some(numbered(version));
        }
        let modified = self.text(assumed::MODIFIED)?;
        Some(RevisionId::new(format!("s{}-{modified}", self.number(assumed::SIZE).unwrap_or_default())))
    }

    /// The object as a revision of a file. Errors: `Protocol` without a number.
    pub fn version(&self) -> Result<Version> {
        let number = self.number(assumed::VERSION).or_else(|| self.id.parse().ok());
        let number = number.ok_or_else(|| Error::new(ErrorKind::Protocol, "a version has no number"))?;
        Ok(Version {
            revision: numbered(number),
            number,
            size: self.number(assumed::SIZE),
            created: self.time(assumed::CREATED),
            author: self.text(assumed::AUTHOR),
            comment: self.text(assumed::DESCRIPTION),
        })
    }
}

/// The revision of a version number.
pub fn numbered(version: u64) -> RevisionId {
    RevisionId::new(version)
}

/// The version number of a revision that has one.
pub fn version_number(revision: &RevisionId) -> Option<u64> {
    revision.as_str().parse().ok()
}

/// An answer that is an id as plain text (the create calls, the upload), perhaps in quotes or within white space.
/// Errors: `Protocol` when it is none.
pub fn plain_id(answer: &str) -> Result<String> {
    let text = answer.trim();
    if text.starts_with('{') {
        let value = serde_json::from_str(text).unwrap_or_default();
        return Object::read(value).map(|object| object.id);
    }
    let id = text.trim_matches('"').trim();
    let usable = !id.is_empty() && id.len() <= 1024 && !id.contains(|c: char| c.is_whitespace() || c.is_control());
    if usable && !id.starts_with('<') {
        return Ok(id.to_owned());
    }
    fail(ErrorKind::Protocol, "the service's answer is no id")
}

/// Texts, and numbers that stand for them; of an object (a user) its id.
fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Object(object) => object.get("id").filter(|id| !id.is_object()).and_then(text_of),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use serde_json::json;

    fn file(details: Value) -> Entry {
        Object::read(json!({ "id": "f", "details": details })).unwrap().entry(Kind::File)
    }

    #[test]
    fn a_file_is_read_with_all_its_facts() {
        let entry = file(json!({
            "fileName": "Plan.txt", "size": 12, "version": 3, "mimeType": "text/plain", "description": "d",
            "createdDate": "2024-05-06T07:08:09Z", "modifiedDate": "2024-05-06T09:08:09.5+02:00",
            "createdBy": "u1", "modifiedBy": { "id": 7 }, "workspaceId": "w", "folderId": null, "unknown": [],
        }));
        assert_eq!((entry.name.as_str(), entry.size), ("Plan.txt", Some(12)));
        assert_eq!(entry.revision, Some(numbered(3)));
        assert_eq!(entry.author.as_deref(), Some("7"));
        let created = entry.created.unwrap();
        assert_eq!(created.duration_since(UNIX_EPOCH).unwrap().as_secs(), 1_714_979_289);
        assert_eq!(entry.modified.unwrap().duration_since(created).unwrap(), Duration::from_millis(500));
        assert_eq!(entry.attributes["workspace"], "w");
    }

    #[test]
    fn aliases_and_numbers_as_texts_are_understood() {
        let value = json!({ "id": 5, "name": "top", "fileSize": "77", "details": { "lastmodified": "2024-05-06" } });
        let entry = Object::read(value).unwrap().entry(Kind::File);
        assert_eq!((entry.id.as_str(), entry.name.as_str(), entry.size), ("file:5", "top", Some(77)));
        assert_eq!(entry.revision.unwrap().as_str(), "s77-2024-05-06");
    }

    #[test]
    fn nonsense_in_a_field_is_a_missing_field() {
        let entry = file(json!({ "fileName": [], "size": -1, "version": {}, "modifiedDate": "soon", "createdBy": [] }));
        assert_eq!((entry.name.as_str(), entry.size), ("f", None));
        assert_eq!((entry.modified, entry.author), (None, None));
    }

    #[test]
    fn a_page_ends_where_no_next_is_named() {
        let next = |links: Value| Page::read(json!({ "items": [], "links": links })).unwrap().next;
        assert_eq!(next(json!({ "next": "/v1/x?p=2" })).as_deref(), Some("/v1/x?p=2"));
        for end in [json!({}), json!({ "next": null }), json!({ "next": "" }), json!(null), json!([])] {
            assert_eq!(next(end), None);
        }
    }

    #[test]
    fn what_is_no_list_is_an_error_and_what_is_no_item_is_left_out() {
        assert_eq!(Page::read(json!({ "items": 5 })).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(Page::read(json!("text")).unwrap_err().kind(), ErrorKind::Protocol);
        let page = Page::read(json!({ "items": [{ "id": "a" }, {}, 3, { "id": "" }] })).unwrap();
        assert_eq!(page.objects.len(), 1);
    }

    #[test]
    fn an_id_is_taken_out_of_quotes_and_white_space() {
        for answer in ["abc-1", " \"abc-1\"\r\n", "{\"id\": \"abc-1\"}"] {
            assert_eq!(plain_id(answer).unwrap(), "abc-1", "{answer}");
        }
        for nonsense in ["", "\"\"", "<html>", "two words", "{}"] {
            assert_eq!(plain_id(nonsense).unwrap_err().kind(), ErrorKind::Protocol, "{nonsense}");
        }
    }
}
