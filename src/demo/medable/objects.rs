//! Ids, instances and File values as the service shows them (Objects and File property pages).

use serde_json::{Map, Value, json};

use super::fault::Fault;
use crate::demo::moment::now_ms;
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::{API_USER, Service};

pub const FILES: &str = "c_files";
pub const NAME: &str = "c_name";
pub const PROJECT: &str = "c_project";
pub const PARENT: &str = "c_parent";
pub const FOLDER: &str = "c_folder";
pub const CONTENT: &str = "c_content";
pub const FACET: &str = "content";

/// Plural name, singular name, kind, and the digit that tells kinds apart in ids.
const OBJECTS: [(&str, &str, Kind, u64); 3] = [
    ("c_projects", "c_project", Kind::Project, 1),
    ("c_folders", "c_folder", Kind::Folder, 2),
    (FILES, "c_file", Kind::File, 3),
];
/// For kinds that this service does not have.
const FOREIGN: u64 = 9;
/// The first digits of every id, which look like a time.
const ID_START: &str = "5516ee26";
/// Everybody may do everything but run scripts.
const ACCESS: u64 = 7;

/// Attribute: the upload that is waited for.
pub const PENDING: &str = "medable-upload";
/// Attribute: when the uploaded content is processed.
pub const READY_MS: &str = "medable-ready";

pub fn kind_of(plural: &str) -> Result<Kind, Fault> {
    let found = OBJECTS.iter().find(|(name, ..)| *name == plural);
    found.map(|(_, _, kind, _)| *kind).ok_or_else(|| Fault::new(400, "kInvalidObject", format!("no object {plural}")))
}

/// 24 hexadecimal digits that grow with the node's number.
pub fn show(kind: Kind, id: NodeId) -> String {
    let digit = OBJECTS.iter().find(|(_, _, known, _)| *known == kind).map_or(FOREIGN, |(.., digit)| *digit);
    format!("{ID_START}{digit:x}{:015x}", id.0)
}

pub fn parse(kind: Kind, text: &str) -> Option<NodeId> {
    let digits = text.strip_prefix(ID_START)?;
    let id = NodeId(u64::from_str_radix(digits.get(1..)?, 16).ok()?);
    (show(kind, id) == text).then_some(id)
}

pub fn account() -> Value {
    json!({ "_id": account_id(API_USER), "object": "account", "email": API_USER })
}

/// Made of the name, so that the same person has the same id.
fn account_id(user: &str) -> String {
    let sum = user.bytes().fold(7_u64, |sum, byte| sum.wrapping_mul(131).wrapping_add(byte.into()));
    format!("5516eeac{sum:016x}")
}

fn reference(object: &str, plural: &str, id: String) -> Value {
    json!({ "_id": id, "object": object, "path": format!("/{plural}/{id}") })
}

fn person(user: &str) -> Value {
    reference("account", "accounts", account_id(user))
}

/// An instance with all its members; `paths` keeps some of them.
pub fn instance(service: &Service, node: &Node) -> Map<String, Value> {
    let object = OBJECTS.iter().find(|(_, _, kind, _)| *kind == node.kind).map_or("object", |(_, single, ..)| *single);
    let mut members = json!({
        "_id": show(node.kind, node.id), "object": object, NAME: node.name, "access": ACCESS,
        "created": iso_date(node.created_ms), "creator": person(&node.created_by), "owner": person(&node.created_by),
        "favorite": false, "shared": false,
    });
    if node.modified_ms > node.created_ms {
        members["updated"] = iso_date(node.modified_ms).into();
        members["updater"] = person(&node.modified_by);
    }
    let project = service.store.nearest(node.id, Kind::Project).filter(|_| node.kind != Kind::Project);
    if let Some(project) = project {
        members[PROJECT] = reference("c_project", "c_projects", show(Kind::Project, project));
        if node.parent != project {
            let property = if node.kind == Kind::File { FOLDER } else { PARENT };
            members[property] = reference("c_folder", "c_folders", show(Kind::Folder, node.parent));
        }
    }
    if let Some(value) = file_value(node) {
        members[CONTENT] = value;
    }
    match members {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum State {
    Pending = 0,
    Processing = 1,
    Ready = 2,
}

pub fn state(node: &Node) -> State {
    let ready_ms = node.attributes.get(READY_MS).and_then(|text| text.parse::<u64>().ok());
    match ready_ms {
        _ if node.attributes.contains_key(PENDING) => State::Pending,
        Some(ready_ms) if now_ms() < ready_ms => State::Processing,
        _ => State::Ready,
    }
}

/// The root facet; `None` for a property that was never written.
pub fn file_value(node: &Node) -> Option<Value> {
    let state = state(node);
    if node.kind != Kind::File || (state != State::Pending && node.revisions.is_empty()) {
        return None;
    }
    let mut value = json!({
        "name": FACET, "location": 4, "creator": account_id(&node.modified_by), "state": state as u64,
        "path": format!("/{FILES}/{}/{CONTENT}/{FACET}", show(Kind::File, node.id)), "facets": [],
    });
    if let Some(newest) = node.newest().filter(|_| state == State::Ready) {
        value["size"] = newest.content.size_bytes.into();
        value["mime"] = node.mime.clone().into();
        value["ETag"] = format!("{:016x}{:016x}", newest.content.blob, newest.number).into();
    }
    Some(value)
}

fn iso_date(ms: u64) -> String {
    let time = jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default();
    time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_24_digits_and_are_unknown_among_other_objects() {
        let id = show(Kind::Folder, NodeId(300));
        assert_eq!((id.len(), parse(Kind::Folder, &id)), (24, Some(NodeId(300))));
        assert_eq!(parse(Kind::File, &id), None);
        assert!(show(Kind::File, NodeId(9)) < show(Kind::File, NodeId(10)));
        assert_eq!(iso_date(1_428_120_813_031), "2015-04-04T04:13:33.031Z");
    }
}
