//! Documents: create and update ("Create a DMS document", "Upload and update a DMS document" pages), both answered by
//! 201 and nothing else; downloads and removals as assumed.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;

use super::api::Api;
use super::dms::{self, Dms};
use super::form::Form;
use super::refusal::{Answer, Refusal};
use crate::demo::node::{NewNode, Node, NodeId};
use crate::demo::service::API_USER;
use crate::demo::transfer;
use crate::error::{ErrorKind, fail};

/// `POST .../dms/projects/{project_id}/folders/{folder_id}/parent/{parent_uuid}/documents`
pub async fn create(
    State(api): State<Arc<Api>>,
    Path((project, folder, parent)): Path<(u64, u64, String)>,
    request: Request,
) -> Answer {
    let store = &api.service.store;
    // Read before anything is refused, so that the client hears of it.
    let form = Form::read(store.blobs(), request, &["file", "name", "description"]).await;
    let project = api.project(project)?.id;
    let home = folder_node(&api, project, folder)?;
    check_task(&api, project, &parent)?;
    let form = form?;
    let (Some(file), Some(name)) = (form.file, form.name) else { return Err(Refusal::bad_request("file is missing")) };
    let new = NewNode::file(home, name, file.mime, API_USER, file.content);
    let document = store.create(NewNode { description: form.description.unwrap_or_default(), ..new })?;
    store.edit(document.id, |document| {
        document.attributes.insert("parent".to_owned(), parent);
        Ok(())
    })?;
    Ok(StatusCode::CREATED.into_response())
}

/// `POST .../dms/projects/{project_id}/documents/{document_id}`: what is left out stays.
pub async fn update(
    State(api): State<Arc<Api>>,
    Path((project, document)): Path<(u64, u64)>,
    request: Request,
) -> Answer {
    let store = &api.service.store;
    let form = Form::read(store.blobs(), request, &["file", "folderId", "parentUuid", "name", "description"]).await;
    let document = api.document(project, document)?;
    check_lock(&document)?;
    let form = form?;
    let home = form.folder.map(|folder| folder_node(&api, NodeId(project), folder)).transpose()?;
    if let Some(parent) = &form.parent {
        check_task(&api, NodeId(project), parent)?;
    }
    let mime = form.file.as_ref().map(|file| file.mime.clone());
    if let Some(file) = form.file {
        store.revise(document.id, file.content, API_USER, |document| match &document.locked_by {
            Some(holder) if holder != API_USER => fail(ErrorKind::Locked, format!("locked by {holder}")),
            _ => Ok(()),
        })?;
    }
    store.edit(document.id, |document| {
        document.parent = home.unwrap_or(document.parent);
        document.name = form.name.unwrap_or_else(|| document.name.clone());
        document.description = form.description.unwrap_or_else(|| document.description.clone());
        document.mime = mime.unwrap_or_else(|| document.mime.clone());
        document.attributes.extend(form.parent.map(|parent| ("parent".to_owned(), parent)));
        document.touch(API_USER);
        Ok(())
    })?;
    Ok(StatusCode::CREATED.into_response())
}

/// The project's node of a folder; made, as an element's first document in a folder makes it appear there.
fn folder_node(api: &Api, project: NodeId, folder: u64) -> Result<NodeId, Refusal> {
    let store = &api.service.store;
    let dms = Dms::of(store);
    let path = dms.path(folder).ok_or_else(Refusal::not_found)?;
    Ok(dms::node_of(store, project, path)?)
}

/// New documents hang on tasks only; a project or subproject is "not found" today.
fn check_task(api: &Api, project: NodeId, uuid: &str) -> Result<(), Refusal> {
    match dms::tasks(&api.service.store, project).iter().any(|(task, _)| task == uuid) {
        true => Ok(()),
        false => Err(Refusal::not_found()),
    }
}

/// Nothing is documented about locked documents; what a web user locked is refused as anywhere.
fn check_lock(node: &Node) -> Result<(), Refusal> {
    match &node.locked_by {
        Some(holder) if holder != API_USER => Err(Refusal::new(StatusCode::LOCKED, format!("locked by {holder}"))),
        _ => Ok(()),
    }
}

/// `GET .../dms/projects/{project_id}/documents/{document_id}/file`
pub async fn download(
    State(api): State<Arc<Api>>,
    Path((project, document)): Path<(u64, u64)>,
    headers: HeaderMap,
) -> Answer {
    let document = api.document(project, document)?;
    let newest = document.newest().ok_or_else(Refusal::not_found)?;
    Ok(match api.service.behaviour.redirect_downloads {
        true => transfer::redirect_to_storage(&api.service, &document, newest),
        false => transfer::download(&api.service, &document, newest, &headers),
    })
}

/// `DELETE .../dms/projects/{project_id}/documents/{document_id}`: an administrator can undo it.
pub async fn delete(State(api): State<Arc<Api>>, Path((project, document)): Path<(u64, u64)>) -> Answer {
    let document = api.document(project, document)?;
    check_lock(&document)?;
    api.service.store.edit(document.id, |document| {
        document.trashed = true;
        Ok(())
    })?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
