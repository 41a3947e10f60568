//! What can be listed: everything at once, without pages.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::api::{Api, CLIENT_ID};
use super::dms::{self, Dms};
use super::refusal::Answer;
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::store::Store;

/// `GET /api/v2/clients/{client_id}`
pub async fn client() -> Answer {
    Ok(Json(json!({ "id": CLIENT_ID, "name": "Demo client" })).into_response())
}

/// `GET /api/v2/clients/{client_id}/projects`
pub async fn projects(State(api): State<Arc<Api>>) -> Answer {
    let list = projects_of(&api.service.store).into_iter().map(|project| {
        let uuid = dms::project_uuid(project.id);
        json!({ "id": project.id, "uuid": uuid, "name": project.name })
    });
    Ok(Json(list.collect::<Vec<_>>()).into_response())
}

/// `GET /api/v2/clients/{client_id}/dms/documents`: those of all projects.
pub async fn documents(State(api): State<Arc<Api>>) -> Answer {
    let store = &api.service.store;
    let dms = Dms::of(store);
    let mut list = Vec::new();
    for project in projects_of(store) {
        collect(store, &dms, project.id, project.id, &mut list);
    }
    Ok(Json(list).into_response())
}

/// `GET /api/v2/clients/{client_id}/dms/folders`
pub async fn folders(State(api): State<Arc<Api>>) -> Answer {
    let dms = Dms::of(&api.service.store);
    let main = json!({ "id": dms::MAIN_FOLDER, "name": "Documents", "parentId": null });
    let inner = dms.folders.iter().map(|folder| {
        let name = folder.path.last();
        json!({ "id": folder.id, "name": name, "parentId": folder.parent })
    });
    Ok(Json(std::iter::once(main).chain(inner).collect::<Vec<_>>()).into_response())
}

/// `GET /api/v2/clients/{client_id}/projects/{project_id}/tasks`
pub async fn tasks(State(api): State<Arc<Api>>, Path(project): Path<u64>) -> Answer {
    let project = api.project(project)?.id;
    let parent = dms::project_uuid(project);
    let tasks = dms::tasks(&api.service.store, project).into_iter();
    let list = tasks.map(|(uuid, name)| json!({ "uuid": uuid, "name": name, "parentUuid": parent }));
    Ok(Json(list.collect::<Vec<_>>()).into_response())
}

fn projects_of(store: &Store) -> Vec<Node> {
    store.children(NodeId::ROOT, Kind::Project, NodeId::ROOT, usize::MAX)
}

fn collect(store: &Store, dms: &Dms, project: NodeId, node: NodeId, list: &mut Vec<Value>) {
    for child in store.all_children(node) {
        match child.kind {
            Kind::File => list.push(document(store, dms, project, &child)),
            _ => collect(store, dms, project, child.id, list),
        }
    }
}

fn document(store: &Store, dms: &Dms, project: NodeId, node: &Node) -> Value {
    let newest = node.newest();
    let stored = newest.map_or(node.created_ms, |revision| revision.created_ms);
    json!({
        "id": node.id,
        "projectId": project,
        "folderId": dms.holder(node),
        "parentUuid": parent_of(store, project, node),
        "name": node.name,
        "description": node.description,
        "fileSize": node.size_bytes(),
        "createdAt": time(stored),
        "createdUserName": newest.map_or(&node.created_by, |revision| &revision.author),
    })
}

/// What a document hangs on: as its upload said, else where the store has it.
fn parent_of(store: &Store, project: NodeId, node: &Node) -> String {
    if let Some(said) = node.attributes.get("parent") {
        return said.clone();
    }
    match store.get(node.parent).map(|parent| parent.kind) {
        None | Some(Kind::Project | Kind::Folder) => dms::general_task_uuid(project),
        Some(_) => dms::element_uuid(node.parent),
    }
}

/// In whole seconds: how fine the real service's times are is not known, and two saves within one are the harder case.
fn time(ms: u64) -> String {
    i64::try_from(ms / 1000).ok().and_then(|s| jiff::Timestamp::from_second(s).ok()).unwrap_or_default().to_string()
}
