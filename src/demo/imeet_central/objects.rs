//! JSON objects: an id, a web address, and `details` (field names of the vendor's samples where there are any).

use serde_json::{Value, json};

use super::ids;
use crate::demo::node::{Kind, Node, NodeId, Revision};
use crate::demo::service::Service;

/// Fields that hold a name.
pub const NAME_FIELDS: [&str; 4] = ["workspaceName", "folderName", "fileName", "title"];

pub fn object(service: &Service, node: &Node) -> Value {
    let id = ids::show(node.kind, node.id);
    let permalink = format!("{}/web/{id}", service.url);
    json!({ "id": id, "permalink": permalink, "details": details(service, node) })
}

fn details(service: &Service, node: &Node) -> Value {
    match node.kind {
        Kind::Project => json!({
            "workspaceName": node.name,
            "urlShortName": node.attributes.get("urlShortName").cloned().unwrap_or_else(|| short_name(&node.name)),
            "description": node.description,
            "workspaceType": "pm",
        }),
        Kind::Folder => json!({
            "folderName": node.name,
            "description": node.description,
            "createdDate": iso_date(node.created_ms),
            "modifiedDate": iso_date(node.modified_ms),
            "workspaceId": workspace_id(service, node),
            "parentFolderId": folder_above(service, node),
        }),
        Kind::File => json!({
            "fileName": node.name,
            "description": node.description,
            "mimeType": node.mime,
            "createdDate": iso_date(node.created_ms),
            "modifiedDate": iso_date(node.modified_ms),
            "createdBy": node.created_by,
            "modifiedBy": node.modified_by,
            "workspaceId": workspace_id(service, node),
            "folderId": folder_above(service, node),
            "size": node.size_bytes(),
            "version": node.newest().map(|newest| newest.number),
        }),
        Kind::Milestone => json!({
            "title": node.name,
            "description": node.description,
            "dueDate": node.attributes.get("dueDate"),
        }),
        _ => json!({ "title": node.name, "description": node.description }),
    }
}

pub fn version(revision: &Revision) -> Value {
    json!({
        "id": revision.number.to_string(),
        "details": {
            "version": revision.number,
            "size": revision.content.size_bytes,
            "createdDate": iso_date(revision.created_ms),
            "createdBy": revision.author,
        },
    })
}

fn workspace_id(service: &Service, node: &Node) -> Option<String> {
    service.store.nearest(node.id, Kind::Project).map(|id| ids::show(Kind::Project, id))
}

/// The folder that holds the node; `None` when it lies in no folder.
fn folder_above(service: &Service, node: &Node) -> Option<String> {
    if node.parent == NodeId::ROOT {
        return None;
    }
    service
        .store
        .get(node.parent)
        .filter(|parent| parent.kind == Kind::Folder)
        .map(|parent| ids::show(Kind::Folder, parent.id))
}

fn short_name(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn iso_date(ms: u64) -> String {
    jiff::Timestamp::from_millisecond(ms as i64).unwrap_or_default().to_string()
}
