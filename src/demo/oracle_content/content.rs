//! Bytes: new files, new versions, downloads.

use std::sync::Arc;

use axum::extract::{Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;

use super::api::Api;
use super::changes::Resolution;
use super::form::{self, Upload};
use super::listing::VersionQuery;
use super::refusal::{Answer, Refusal};
use super::{ids, items, names};
use crate::demo::node::{NewNode, Node, NodeId};
use crate::demo::service::API_USER;
use crate::demo::transfer;
use crate::error::{ErrorKind, fail};

/// `POST /files/data`: under a taken name the content becomes a revision of the file that has it, unless the
/// parameters say otherwise.
pub async fn upload(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let upload = form::read(&api, request, true).await?;
    let Some(parameters) = &upload.parameters else { return Err(Refusal::bad_request("no parameters")) };
    let parent = api.folder(&parameters.parent_id)?.map_or(NodeId::ROOT, |folder| folder.id);
    let _naming = api.naming();
    let store = &api.service.store;
    let name = match (names::holder(store, parent, true, &upload.name), parameters.duplicate_resolution) {
        (Some(file), None) => return answer(&api, add_revision(&api, &file, &upload)?, StatusCode::OK),
        (Some(_), Some(Resolution::TimeStampSuffix)) => names::suffixed(store, parent, &upload.name),
        (None, _) => upload.name.clone(),
    };
    let made = store.create(NewNode::file(parent, name, &upload.mime, API_USER, upload.content))?;
    let made = set_metadata(&api, made, &upload)?;
    answer(&api, made, StatusCode::CREATED)
}

/// `POST /files/{id}/data`: the next version. The file's name is the one sent with it from then on, with a number if
/// another file has that.
pub async fn revise(State(api): State<Arc<Api>>, Path(id): Path<String>, request: Request) -> Answer {
    let found = api.file(&id);
    // Read it whole in any case, so that the client hears the answer instead of a broken connection.
    let upload = form::read(&api, request, false).await?;
    let file = found?;
    let _naming = api.naming();
    let store = &api.service.store;
    let revised = add_revision(&api, &file, &upload)?;
    let name = match names::holder(store, file.parent, true, &upload.name) {
        Some(other) if other.id != file.id => names::numbered(store, file.parent, true, &upload.name),
        _ => upload.name.clone(),
    };
    let named = store.edit(revised.id, |file| {
        file.name = name;
        file.mime.clone_from(&upload.mime);
        Ok(())
    })?;
    answer(&api, set_metadata(&api, named, &upload)?, StatusCode::OK)
}

fn add_revision(api: &Api, file: &Node, upload: &Upload) -> Result<Node, Refusal> {
    let revised = api.service.store.revise(file.id, upload.content, API_USER, |file| match &file.locked_by {
        Some(holder) if holder != API_USER => fail(ErrorKind::Locked, format!("reserved by {holder}")),
        _ => Ok(()),
    });
    revised.map_err(Refusal::from)
}

fn set_metadata(api: &Api, file: Node, upload: &Upload) -> Result<Node, Refusal> {
    let Some(metadata) = upload.metadata.clone() else { return Ok(file) };
    let edited = api.service.store.edit(file.id, |file| {
        file.attributes.insert(items::METADATA.to_owned(), metadata);
        Ok(())
    });
    edited.map_err(Refusal::from)
}

fn answer(api: &Api, file: Node, status: StatusCode) -> Answer {
    let location = format!("{}/documents/api/1.2/files/{}", api.service.url, ids::show(&file));
    let mut item = items::ok(items::item(&api.service, &file));
    // A sentence stands here on success too.
    item.0["errorMessage"] = format!("Successfully checked in content item '{}'.", ids::show(&file)).into();
    Ok((status, [(header::LOCATION, location)], item).into_response())
}

/// `GET /files/{id}/data[?version=n]`
pub async fn download(
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    query: Query<VersionQuery>,
    headers: HeaderMap,
) -> Answer {
    let file = api.file(&id)?;
    let revision = api.revision(&file, query.version.as_deref())?;
    Ok(match api.service.behaviour.redirect_downloads {
        true => transfer::redirect_to_storage(&api.service, &file, &revision),
        false => transfer::download(&api.service, &file, &revision, &headers),
    })
}
