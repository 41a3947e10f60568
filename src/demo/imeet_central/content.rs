//! Bytes: uploads, revisions, downloads (FileUpload page; downloads are on no page).

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use futures::StreamExt;

use super::api::Api;
use super::disposition;
use super::refusal::{Answer, Refusal};
use crate::demo::node::{Content, Kind, Node, Revision};
use crate::demo::service::API_USER;
use crate::demo::transfer;
use crate::error::{ErrorKind, fail};

/// What a refused upload may still send, so that the client reads the refusal instead of a broken connection.
const DRAINED_BYTES_MAX: usize = 4 << 20;

/// What the headers of an upload say.
struct Announced {
    name: String,
    mime: String,
}

/// `POST /v1/files/upload`: keeps the bytes as a deferred asset and answers its id as plain text.
pub async fn upload(State(api): State<Arc<Api>>, request: Request) -> Answer {
    let (announced, content) = receive(&api, request, None).await?;
    let staged = api.service.store.stage(announced.name, announced.mime, content)?;
    Ok((StatusCode::CREATED, staged.token).into_response())
}

/// `PUT /v1/files/{id}`: the next revision. The name in the header is the file's name from then on.
pub async fn revise(State(api): State<Arc<Api>>, Path(id): Path<String>, request: Request) -> Answer {
    let file = match api.find(Kind::File, &id).and_then(|file| check_lock(&file).map(|()| file)) {
        Ok(file) => file,
        Err(refusal) => return refuse(refusal, request.into_body()).await,
    };
    let (announced, content) = receive(&api, request, Some(&file.name)).await?;
    let store = &api.service.store;
    store.revise(file.id, content, API_USER, |file| match &file.locked_by {
        Some(holder) => fail(ErrorKind::Locked, format!("locked by {holder}")),
        None => Ok(()),
    })?;
    store.edit(file.id, |file| {
        file.name = announced.name;
        file.mime = announced.mime;
        Ok(())
    })?;
    Ok(StatusCode::CREATED.into_response())
}

/// A file opened through web folders is locked for everybody else.
pub fn check_lock(node: &Node) -> Result<(), Refusal> {
    match &node.locked_by {
        Some(holder) if holder != API_USER => Err(Refusal::new(StatusCode::LOCKED, format!("locked by {holder}"))),
        _ => Ok(()),
    }
}

async fn receive(api: &Api, request: Request, old_name: Option<&str>) -> Result<(Announced, Content), Refusal> {
    let (parts, body) = request.into_parts();
    match announced(&parts.headers, old_name) {
        Ok(announced) => Ok((announced, api.service.store.blobs().receive(body).await?)),
        Err(refusal) => {
            drain(body).await;
            Err(refusal)
        }
    }
}

/// A name that the file has already is taken, whatever it holds: it came by another door.
fn announced(headers: &HeaderMap, old_name: Option<&str>) -> Result<Announced, Refusal> {
    if !headers.contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "Content-Length is required"));
    }
    let mime = headers.get(header::CONTENT_TYPE).map_or(Ok("text/plain"), |value| value.to_str());
    let mime = mime.map_err(|_| Refusal::bad_request("Content-Type is not ASCII"))?;
    if mime.trim_start().to_ascii_lowercase().starts_with("multipart/") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body is the file, not multipart form data"));
    }
    let disposition = headers.get(header::CONTENT_DISPOSITION);
    let disposition = disposition.ok_or_else(|| Refusal::bad_request("Content-Disposition is required"))?;
    let name = disposition::file_name(disposition.as_bytes())?;
    if old_name != Some(name.as_str()) {
        disposition::check_name(&name)?;
    }
    Ok(Announced { name, mime: mime.to_owned() })
}

async fn refuse(refusal: Refusal, body: Body) -> Answer {
    drain(body).await;
    Err(refusal)
}

async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    let mut drained = 0;
    while let Some(Ok(piece)) = pieces.next().await {
        drained += piece.len();
        if drained > DRAINED_BYTES_MAX {
            break;
        }
    }
}

/// `GET /v1/files/{id}/download`
pub async fn download(State(api): State<Arc<Api>>, Path(id): Path<String>, headers: HeaderMap) -> Answer {
    let file = api.find(Kind::File, &id)?;
    let newest = file.newest().ok_or_else(Refusal::not_found)?;
    Ok(content_of(&api, &file, newest, &headers))
}

/// `GET /v1/files/{id}/versions/{n}/download`
pub async fn download_version(
    State(api): State<Arc<Api>>,
    Path((id, number)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let file = api.find(Kind::File, &id)?;
    let revision = file.revisions.iter().find(|revision| revision.number.to_string() == number);
    let revision = revision.ok_or_else(Refusal::not_found)?;
    Ok(content_of(&api, &file, revision, &headers))
}

fn content_of(api: &Api, file: &Node, revision: &Revision, headers: &HeaderMap) -> axum::response::Response {
    if api.service.behaviour.redirect_downloads {
        transfer::redirect_to_storage(&api.service, file, revision)
    } else {
        transfer::download(&api.service, file, revision, headers)
    }
}
