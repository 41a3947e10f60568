//! The service's JSON, read leniently: its numbers and flags are texts (and may be numbers), fields may be missing,
//! unknown ones are skipped. Only an answer that is no item or page at all is an error.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::usable;
use crate::ids::RevisionId;
use crate::provider::{Entry, EntryKind, VERSION_FACT, Version};
use crate::services::oracle_content::place::Place;

/// Most characters of a name that are kept: listings are kept in memory.
const NAME_CHARS_KEPT_MAX: usize = 4096;
/// Most metadata values of one item that are shown.
const METADATA_MAX: usize = 200;

/// A file or folder as every call shows it.
#[derive(Debug)]
pub struct Item {
    pub place: Place,
    value: Value,
}

/// A person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    pub id: String,
    pub name: String,
}

/// One page of a folder's items.
#[derive(Debug)]
pub struct Page {
    pub items: Vec<Item>,
    /// Entries on it, those that cannot be read included: by so many the offset moves on.
    pub count: u64,
    pub has_more: bool,
    /// Of the whole folder, where the service tells.
    pub total: Option<u64>,
}

impl Item {
    /// Errors: `Protocol` without id and type.
    pub fn read(value: Value) -> Result<Item> {
        let id = value.get("id").and_then(text_of).filter(|id| !id.is_empty());
        match (id, value.get("type").and_then(Value::as_str)) {
            (Some(id), Some("file")) => Ok(Item { place: Place::file(id), value }),
            (Some(id), Some("folder")) => Ok(Item { place: Place::folder(id), value }),
            _ => fail(ErrorKind::Protocol, "the service's answer is neither file nor folder"),
        }
    }

    /// The answer about one thing, which is known already: it need not say what it is, but must not say otherwise.
    /// Errors: `Protocol`.
    pub fn about(place: &Place, value: Value) -> Result<Item> {
        let same = match value.get("type").and_then(Value::as_str) {
            Some(kind) => kind == if place.is_folder() { "folder" } else { "file" },
            None => value.get("id").and_then(text_of).is_some(),
        };
        match same {
            true => Ok(Item { place: place.clone(), value }),
            false => fail(ErrorKind::Protocol, "the service's answer is about something else"),
        }
    }

    fn text(&self, field: &str) -> Option<String> {
        self.value.get(field).and_then(text_of).filter(|text| !text.is_empty())
    }

    fn number(&self, field: &str) -> Option<u64> {
        number_of(self.value.get(field)?)
    }

    pub fn name(&self) -> Option<String> {
        Some(self.text("name")?.chars().take(NAME_CHARS_KEPT_MAX).collect())
    }

    pub fn parent(&self) -> Option<String> {
        self.text("parentID")
    }

    /// The version number, counted from 1.
    pub fn version(&self) -> Option<u64> {
        self.number("version")
    }

    pub fn person(&self, field: &str) -> Option<Person> {
        Person::read(self.value.get(field)?)
    }

    /// The version number identifies the content; without one, size and time have to do.
    pub fn revision(&self) -> Option<RevisionId> {
        if let Some(version) = self.version() {
            return Some(numbered(version));
        }
        let modified = self.text("modifiedTime")?;
        Some(RevisionId::new(format!("s{}-{modified}", self.number("size").unwrap_or_default())))
    }

    /// The item as an entry; what it offers and who holds it is not said here.
    pub fn entry(&self) -> Entry {
        let name = self.name().unwrap_or_else(|| self.place.id.clone());
        let mut entry = match self.place.kind {
            EntryKind::File => Entry::file(self.place.remote_id(), name, self.number("size")),
            EntryKind::Directory => Entry::directory(self.place.remote_id(), name),
        };
        if entry.kind == EntryKind::File {
            entry.revision = self.revision();
            entry.mime = self.text("mimeType");
        }
        entry.created = self.text("createdTime").as_deref().and_then(parse_time);
        entry.modified = self.text("modifiedTime").as_deref().and_then(parse_time).or(entry.created);
        entry.author = self.person("modifiedBy").or_else(|| self.person("createdBy")).map(|person| person.name);
        entry.description = self.text("description");
        entry.attributes = self.attributes();
        entry
    }

    fn attributes(&self) -> BTreeMap<String, String> {
        let mut attributes = BTreeMap::new();
        if let Some(owner) = self.person("ownedBy") {
            attributes.insert("owner".to_owned(), owner.name);
        }
        if let Some(version) = self.version() {
            attributes.insert(VERSION_FACT.to_owned(), version.to_string());
        }
        attributes.extend(self.metadata());
        attributes
    }

    /// `metadata`: collection > field > value, as `metadata.COLLECTION.FIELD`.
    fn metadata(&self) -> Vec<(String, String)> {
        let collections = self.value.get("metadata").and_then(Value::as_object).into_iter().flatten();
        let fields = collections.flat_map(|(collection, fields)| {
            fields.as_object().into_iter().flatten().map(move |(field, value)| (collection, field, value))
        });
        let told = fields.filter_map(|(collection, field, value)| {
            Some((format!("metadata.{}.{}", collection.trim(), field.trim()), text_of(value)?))
        });
        told.take(METADATA_MAX).collect()
    }

    /// The item as a revision of a file. Errors: `Protocol` without a number.
    pub fn as_version(&self) -> Result<Version> {
        let number = self.version().ok_or_else(|| Error::new(ErrorKind::Protocol, "a version has no number"))?;
        let Entry { size, modified, author, .. } = self.entry();
        Ok(Version { revision: numbered(number), number, size, created: modified, author, comment: None })
    }
}

impl Person {
    /// `loginName` and `displayName` may be missing.
    pub fn read(value: &Value) -> Option<Person> {
        let text = |field: &str| value.get(field).and_then(text_of).filter(|text| !text.is_empty());
        let id = text("id")?;
        let name = text("displayName").or_else(|| text("loginName")).unwrap_or_else(|| id.clone());
        Some(Person { id, name })
    }
}

impl Page {
    /// Errors: `Protocol` when the answer is no list. Items without id and type cannot be addressed and are left out.
    pub fn read(mut answer: Value) -> Result<Page> {
        let has_more = answer.get("hasMore").is_some_and(is_yes);
        let total = answer.get("totalResults").and_then(number_of);
        let Some(Value::Array(values)) = answer.get_mut("items").map(Value::take) else {
            return fail(ErrorKind::Protocol, "the service's answer is no list: it has no \"items\"");
        };
        let count = values.len() as u64;
        // What has an id is understood, although only files and folders are shown.
        let understood = |value: Value| value.get("id").and_then(text_of).map(|_| Item::read(value).ok());
        let items: Vec<_> = usable(values, understood)?.into_iter().flatten().collect();
        Ok(Page { items, count, has_more, total })
    }
}

/// The revision of a version number.
pub fn numbered(version: u64) -> RevisionId {
    RevisionId::new(format!("v{version}"))
}

/// The version number of a revision that has one.
pub fn version_number(revision: &RevisionId) -> Option<u64> {
    revision.as_str().strip_prefix('v')?.parse().ok()
}

/// Texts, and numbers that stand for them.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn number_of(value: &Value) -> Option<u64> {
    text_of(value)?.trim().parse().ok()
}

fn is_yes(value: &Value) -> bool {
    value.as_bool().unwrap_or_else(|| matches!(text_of(value).as_deref(), Some("1" | "true")))
}

/// `YYYY-MM-DDThh:mm:ssZ`, perhaps with fractions.
fn parse_time(text: &str) -> Option<SystemTime> {
    let stamp: jiff::Timestamp = text.trim().parse().ok()?;
    // Before 1970 nothing was stored anywhere.
    let seconds = u64::try_from(stamp.as_second()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, stamp.subsec_nanosecond().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The sample answer of the page Upload File Version, its seventh example shortened, with metadata of the sixth.
    fn sample() -> Value {
        json!({
            "createdBy": { "displayName": "Tenant2.UserB", "id": "U50", "loginName": "U50", "type": "user" },
            "createdTime": "2017-06-26T15:29:00Z", "errorCode": "0", "errorMessage": "Successfully checked in",
            "id": "DED6", "mimeType": "text/plain", "metadata": { "GlobalFile1": { "fieldA ": "valueAv2" } },
            "modifiedBy": { "displayName": "Tenant2.UserB", "id": "U50", "type": "user" },
            "modifiedTime": "2017-06-29T22:00:33Z", "name": "fileViaApplink.txt",
            "ownedBy": { "displayName": "Tenant2.UserA", "id": "UEB", "type": "user" },
            "parentID": "FDC2", "size": "29", "type": "file", "version": "3",
        })
    }

    #[test]
    fn the_sample_answer_is_read_with_all_its_facts() {
        let entry = Item::read(sample()).unwrap().entry();
        assert_eq!((entry.id.as_str(), entry.name.as_str()), ("file:DED6", "fileViaApplink.txt"));
        assert_eq!((entry.size, entry.revision), (Some(29), Some(numbered(3))));
        assert_eq!(entry.author.as_deref(), Some("Tenant2.UserB"));
        assert_eq!(entry.modified.unwrap().duration_since(UNIX_EPOCH).unwrap().as_secs(), 1_498_773_633);
        let attributes: Vec<_> = entry.attributes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [("metadata.GlobalFile1.fieldA", "valueAv2"), ("owner", "Tenant2.UserA"), ("version", "3")];
        assert_eq!(attributes, expected);
    }

    #[test]
    fn numbers_and_flags_may_be_texts_or_not() {
        for (more, total, expected) in [
            (json!("1"), json!("51"), (true, Some(51))),
            (json!("0"), json!(51), (false, Some(51))),
            (json!(true), json!(null), (true, None)),
            (json!(0), json!("many"), (false, None)),
        ] {
            let page = Page::read(json!({ "items": [], "hasMore": more, "totalResults": total })).unwrap();
            assert_eq!((page.has_more, page.total), expected);
        }
    }

    #[test]
    fn nonsense_in_a_field_is_a_missing_field() {
        let odd =
            json!({ "id": "D1", "type": "file", "name": [], "size": "-1", "version": {}, "modifiedTime": "soon" });
        let entry = Item::read(odd).unwrap().entry();
        assert_eq!((entry.name.as_str(), entry.size, entry.revision.unwrap().as_str()), ("D1", None, "s0-soon"));
        assert_eq!(entry.modified, None);
    }

    #[test]
    fn what_is_no_item_is_left_out_and_what_is_no_list_is_an_error() {
        assert_eq!(Page::read(json!({ "items": "2 items" })).unwrap_err().kind(), ErrorKind::Protocol);
        let page = Page::read(json!({ "items": [sample(), { "id": "X", "type": "site" }, 3] })).unwrap();
        assert_eq!((page.items.len(), page.count, page.has_more), (1, 3, false));
    }
}
