//! Items as every call shows them.

use axum::Json;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::ids;
use crate::demo::node::{Kind, Node, NodeId, Revision};
use crate::demo::service::{API_USER, Service};

/// Where a file's metadata values are kept: collection > field > value, as JSON.
pub const METADATA: &str = "metadata";

pub fn person(name: &str) -> Value {
    json!({ "id": ids::user(name), "displayName": name, "loginName": name, "type": "user" })
}

pub fn item(service: &Service, node: &Node) -> Value {
    match node.newest() {
        Some(newest) if node.kind == Kind::File => file(node, newest),
        _ => folder(service, node),
    }
}

/// A file as of one of its revisions.
pub fn file(node: &Node, revision: &Revision) -> Value {
    let mut item = common(node);
    let newest = node.newest().is_some_and(|newest| newest.number == revision.number);
    item["type"] = "file".into();
    item["size"] = revision.content.size_bytes.to_string().into();
    item["version"] = revision.number.to_string().into();
    item["mimeType"] = node.mime.clone().into();
    item["modifiedBy"] = person(&revision.author);
    // A rename raises the time too, but makes no version.
    let modified_ms = if newest { node.modified_ms } else { revision.created_ms };
    item["modifiedTime"] = time(modified_ms).into();
    if let Some(holder) = &node.locked_by {
        item["reservedBy"] = person(holder);
        item["reservationTime"] = time(node.modified_ms).into();
    }
    if let Some(metadata) = node.attributes.get(METADATA) {
        item["metadata"] = serde_json::from_str(metadata).unwrap_or_default();
    }
    item
}

fn folder(service: &Service, node: &Node) -> Value {
    let mut item = common(node);
    item["type"] = "folder".into();
    item["size"] = "0".into();
    item["modifiedBy"] = person(&node.modified_by);
    item["modifiedTime"] = time(node.modified_ms).into();
    item["childItemsCount"] = super::listing::children(service, node.id).len().to_string().into();
    if !node.description.is_empty() {
        item["description"] = node.description.clone().into();
    }
    item
}

fn common(node: &Node) -> Value {
    json!({
        "id": ids::show(node),
        "name": node.name,
        "parentID": ids::show_parent(node.parent),
        "createdTime": time(node.created_ms),
        "createdBy": person(&node.created_by),
        "ownedBy": person(&node.created_by),
    })
}

/// The home folder; its owner is whoever is signed in.
pub fn home(service: &Service) -> Value {
    json!({
        "id": ids::HOME,
        "name": API_USER,
        "type": "folder",
        "ownedBy": person(API_USER),
        "childItemsCount": super::listing::children(service, NodeId::ROOT).len().to_string(),
    })
}

/// A successful answer.
pub fn ok(fields: Value) -> Json<Value> {
    let mut answer = Map::from_iter([("errorCode".to_owned(), "0".into()), ("errorMessage".to_owned(), "".into())]);
    if let Value::Object(fields) = fields {
        answer.extend(fields);
    }
    Json(answer.into())
}

pub fn ok_item(service: &Service, node: &Node) -> Response {
    ok(item(service, node)).into_response()
}

/// Whole seconds.
fn time(ms: u64) -> String {
    jiff::Timestamp::from_second((ms / 1000) as i64).unwrap_or_default().to_string()
}
