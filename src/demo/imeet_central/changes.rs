//! Everything else that changes things. Making workspaces and milestones is in the vendor's samples; folders, renames,
//! moves and removals are on no page and can be switched off.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;

use super::api::{Api, JsonBody};
use super::content::check_lock;
use super::disposition::check_name;
use super::refusal::{Answer, Refusal};
use super::{ids, objects};
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewFolder {
    folder_name: String,
    #[serde(default)]
    description: String,
}

/// `POST /v1/{workspaces|folders}/{id}/folders`: answers the new id as plain text.
pub async fn create_folder(
    parent: Kind,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(folder): JsonBody<NewFolder>,
) -> Answer {
    check_name(&folder.folder_name)?;
    let parent = api.find(parent, &id)?;
    let new = NewNode::new(parent.id, Kind::Folder, folder.folder_name, API_USER);
    create(&api, NewNode { description: folder.description, ..new })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewWorkspace {
    workspace_name: String,
    url_short_name: String,
    #[serde(default)]
    description: String,
}

/// `POST /v1/workspaceGroups/{id}/workspaces`
pub async fn create_workspace(
    State(api): State<Arc<Api>>,
    Path(group): Path<String>,
    JsonBody(workspace): JsonBody<NewWorkspace>,
) -> Answer {
    if group != ids::group() {
        return Err(Refusal::not_found());
    }
    let new = NewNode::new(NodeId::ROOT, Kind::Project, workspace.workspace_name, API_USER);
    let node = api.service.store.create(NewNode { description: workspace.description, ..new })?;
    api.service.store.edit(node.id, |node| {
        node.attributes.insert("urlShortName".into(), workspace.url_short_name);
        Ok(())
    })?;
    Ok((StatusCode::CREATED, ids::show(node.kind, node.id)).into_response())
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NewMilestone {
    title: String,
    due_date: String,
    #[serde(default)]
    description: String,
}

/// `POST /v1/workspaces/{id}/milestones`
pub async fn create_milestone(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(milestone): JsonBody<NewMilestone>,
) -> Answer {
    let workspace = api.find(Kind::Project, &id)?;
    let new = NewNode::new(workspace.id, Kind::Milestone, milestone.title, API_USER);
    let node = api.service.store.create(NewNode { description: milestone.description, ..new })?;
    api.service.store.edit(node.id, |node| {
        node.attributes.insert("dueDate".into(), milestone.due_date);
        Ok(())
    })?;
    Ok((StatusCode::CREATED, ids::show(node.kind, node.id)).into_response())
}

fn create(api: &Api, new: NewNode) -> Answer {
    let node = api.service.store.create(new)?;
    Ok((StatusCode::CREATED, ids::show(node.kind, node.id)).into_response())
}

/// What a `PATCH` of a file may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileChanges {
    #[serde(rename = "fileName")]
    name: Option<String>,
    #[serde(rename = "folderId")]
    parent: Option<String>,
    description: Option<String>,
}

/// What a `PATCH` of a folder may say.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderChanges {
    #[serde(rename = "folderName")]
    name: Option<String>,
    #[serde(rename = "parentFolderId")]
    parent: Option<String>,
    description: Option<String>,
}

/// `PATCH /v1/files/{id}`: answers the changed object.
pub async fn change_file(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(changes): JsonBody<FileChanges>,
) -> Answer {
    let FileChanges { name, parent, description } = changes;
    change(&api, api.find(Kind::File, &id)?, FolderChanges { name, parent, description })
}

/// `PATCH /v1/folders/{id}`: answers the changed object.
pub async fn change_folder(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(changes): JsonBody<FolderChanges>,
) -> Answer {
    change(&api, api.find(Kind::Folder, &id)?, changes)
}

fn change(api: &Api, node: Node, changes: FolderChanges) -> Answer {
    check_lock(&node)?;
    changes.name.as_deref().map_or(Ok(()), check_name)?;
    let parent = changes.parent.as_deref().map(|id| api.find(Kind::Folder, id)).transpose()?;
    if let Some(parent) = &parent {
        let workspace = |id| api.service.store.nearest(id, Kind::Project);
        if workspace(parent.id) != workspace(node.id) {
            return Err(Refusal::bad_request("cannot be moved to another workspace"));
        }
    }
    let node = api.service.store.edit(node.id, |node| {
        node.name = changes.name.unwrap_or_else(|| node.name.clone());
        node.description = changes.description.unwrap_or_else(|| node.description.clone());
        node.parent = parent.map_or(node.parent, |parent| parent.id);
        node.touch(API_USER);
        Ok(())
    })?;
    Ok(Json(objects::object(&api.service, &node)).into_response())
}

/// `DELETE /v1/{files|folders}/{id}`: into the trash, a folder with all it holds.
pub async fn delete(kind: Kind, State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    let node = api.find(kind, &id)?;
    check_lock(&node)?;
    api.service.store.edit(node.id, |node| {
        node.trashed = true;
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
