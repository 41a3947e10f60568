//! Folders, names, moves, copies, removals, reservations.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::json;

use super::api::{Api, JsonBody, NoBody};
use super::listing::NoQuery;
use super::refusal::{Answer, Refusal};
use super::{ids, items, names};
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewFolder {
    name: String,
    description: Option<String>,
}

/// `POST /folders/{parent}`: under a taken name the folder is made with a number, which is no error.
pub async fn create_folder(
    State(api): State<Arc<Api>>,
    Path(parent): Path<String>,
    JsonBody(new): JsonBody<NewFolder>,
) -> Answer {
    names::check(&new.name)?;
    let parent = api.folder(&parent)?.map_or(NodeId::ROOT, |parent| parent.id);
    let _naming = api.naming();
    let store = &api.service.store;
    let name = match names::holder(store, parent, false, &new.name) {
        Some(_) => names::numbered(store, parent, false, &new.name),
        None => new.name,
    };
    let kind = if parent == NodeId::ROOT { Kind::Project } else { Kind::Folder };
    let folder = NewNode::new(parent, kind, name, API_USER);
    let made = store.create(NewNode { description: new.description.unwrap_or_default(), ..folder })?;
    Ok((StatusCode::CREATED, items::ok(items::item(&api.service, &made))).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileName {
    name: String,
}

/// `PUT /files/{id}`
pub async fn rename_file(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<FileName>,
) -> Answer {
    let file = api.file(&id)?;
    check_reservation(&file)?;
    edit(&api, &file, Some(change.name), None)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FolderChange {
    name: Option<String>,
    description: Option<String>,
}

/// `PUT /folders/{id}`
pub async fn edit_folder(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(change): JsonBody<FolderChange>,
) -> Answer {
    edit(&api, &own_folder(&api, &id)?, change.name, change.description)
}

fn edit(api: &Api, node: &Node, name: Option<String>, description: Option<String>) -> Answer {
    let _naming = api.naming();
    if let Some(name) = &name {
        names::check(name)?;
        check_free(api, node, node.parent, name)?;
    }
    let edited = api.service.store.edit(node.id, |node| {
        node.name = name.unwrap_or_else(|| node.name.clone());
        node.description = description.unwrap_or_else(|| node.description.clone());
        node.touch(API_USER);
        Ok(())
    })?;
    Ok(items::ok_item(&api.service, &edited))
}

fn check_free(api: &Api, node: &Node, parent: NodeId, name: &str) -> Result<(), Refusal> {
    match names::holder(&api.service.store, parent, node.is_file(), name) {
        Some(holder) if holder.id != node.id => Err(Refusal::taken(name)),
        _ => Ok(()),
    }
}

fn check_reservation(file: &Node) -> Result<(), Refusal> {
    match &file.locked_by {
        Some(holder) if holder != API_USER => Err(Refusal::forbidden(format!("The file is reserved by '{holder}'."))),
        _ => Ok(()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Destination {
    #[serde(rename = "destinationID")]
    destination_id: String,
}

/// `POST /files/{id}/move`
pub async fn move_file(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(to): JsonBody<Destination>,
) -> Answer {
    let file = api.file(&id)?;
    check_reservation(&file)?;
    move_node(&api, &file, &to.destination_id)
}

/// `POST /folders/{id}/move`
pub async fn move_folder(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(to): JsonBody<Destination>,
) -> Answer {
    move_node(&api, &own_folder(&api, &id)?, &to.destination_id)
}

/// Id, versions, dates and owner stay. The item is not shown.
fn move_node(api: &Api, node: &Node, destination: &str) -> Answer {
    let to = api.folder(destination)?.map_or(NodeId::ROOT, |folder| folder.id);
    let _naming = api.naming();
    check_free(api, node, to, &node.name)?;
    let moved = api.service.store.edit(node.id, |node| {
        node.parent = to;
        Ok(())
    })?;
    let kind = if moved.is_file() { "file" } else { "folder" };
    let answer = json!({ "destinationID": destination, "idList": ids::show(&moved), "type": kind });
    Ok(items::ok(answer).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Copy {
    #[serde(rename = "destinationID")]
    destination_id: String,
    version: Option<String>,
    duplicate_resolution: Option<Resolution>,
}

/// What to do about a taken name.
#[derive(Deserialize, Clone, Copy, PartialEq)]
pub enum Resolution {
    TimeStampSuffix,
}

/// `POST /files/{id}/copy`
pub async fn copy_file(State(api): State<Arc<Api>>, Path(id): Path<String>, JsonBody(copy): JsonBody<Copy>) -> Answer {
    let file = api.file(&id)?;
    let revision = api.revision(&file, copy.version.as_deref())?;
    let to = api.folder(&copy.destination_id)?.map_or(NodeId::ROOT, |folder| folder.id);
    let _naming = api.naming();
    let store = &api.service.store;
    let name = match (names::holder(store, to, true, &file.name), copy.duplicate_resolution) {
        (None, _) => file.name.clone(),
        (Some(_), Some(Resolution::TimeStampSuffix)) => names::suffixed(store, to, &file.name),
        (Some(_), None) => return Err(Refusal::taken(&file.name)),
    };
    let made = store.create(NewNode::file(to, name, file.mime, API_USER, revision.content))?;
    let answer = json!({ "id": ids::show(&made), "idList": id, "destinationID": copy.destination_id, "type": "file" });
    Ok(items::ok(answer).into_response())
}

/// `DELETE /files/{id}`: into the trash, with all its versions.
pub async fn delete_file(State(api): State<Arc<Api>>, Path(id): Path<String>, _: Query<NoQuery>, _: NoBody) -> Answer {
    let file = api.file(&id)?;
    check_reservation(&file)?;
    trash(&api, &file, "file")
}

/// `DELETE /folders/{id}`: into the trash, with what is in it.
pub async fn delete_folder(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    _: Query<NoQuery>,
    _: NoBody,
) -> Answer {
    trash(&api, &own_folder(&api, &id)?, "folder")
}

fn trash(api: &Api, node: &Node, kind: &str) -> Answer {
    let trashed = api.service.store.edit(node.id, |node| {
        node.trashed = true;
        Ok(())
    })?;
    Ok(items::ok(json!({ "idList": ids::show(&trashed), "type": kind })).into_response())
}

/// `POST /files/{id}/reserve`, without a body.
pub async fn reserve(State(api): State<Arc<Api>>, Path(id): Path<String>, _: NoBody) -> Answer {
    let file = api.file(&id)?;
    check_reservation(&file)?;
    set_holder(&api, &file, Some(API_USER.to_owned()))?;
    Ok(items::ok(json!({ "reservedBy": items::person(API_USER) })).into_response())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unreserve {
    #[serde(rename = "reservedByUserID")]
    reserved_by_user_id: String,
}

/// `POST /files/{id}/unreserve`
pub async fn unreserve(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(body): JsonBody<Unreserve>,
) -> Answer {
    let file = api.file(&id)?;
    check_reservation(&file)?;
    if file.locked_by.as_deref().map(ids::user).is_some_and(|holder| holder != body.reserved_by_user_id) {
        return Err(Refusal::bad_request("somebody else holds the reservation"));
    }
    set_holder(&api, &file, None)?;
    Ok(items::ok(json!({})).into_response())
}

fn set_holder(api: &Api, file: &Node, holder: Option<String>) -> Result<(), Refusal> {
    api.service.store.edit(file.id, |file| {
        file.locked_by = holder;
        Ok(())
    })?;
    Ok(())
}

/// A folder that is not the home folder.
fn own_folder(api: &Api, id: &str) -> Result<Node, Refusal> {
    api.folder(id)?.ok_or_else(|| Refusal::forbidden("The home folder stays as it is."))
}
