//! Bytes: what is uploaded before it hangs on anything, and downloads, which lead to the storage host.

use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse};
use serde_json::json;

use super::api::{Api, Handler, number};
use super::ids;
use super::refusal::{Answer, Refusal};
use crate::demo::node::Staged;
use crate::demo::transfer;

/// `POST /attachments.json`: whatever comes is the file, be it a form.
pub async fn receive(State(api): Handler, request: Request) -> Answer {
    if !request.headers().contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "Content-Length is missing"));
    }
    let mime = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mime = mime.to_owned();
    let content = api.service.store.blobs().receive(request.into_body()).await?;
    let staged = api.service.store.stage(String::new(), mime, content)?;
    Ok(Json(json!({ "token": staged.token })).into_response())
}

/// What a token stands for, once.
pub fn claim(api: &Api, token: &str) -> Result<Staged, Refusal> {
    api.service.store.take_staged(token).map_err(|_| Refusal::unprocessable("the token is unknown or was used"))
}

/// `GET /projects/P/attachments/A/KEY/original/NAME`. The bytes of a replaced file are still in storage.
pub async fn download(
    State(api): Handler,
    Path((project, id, key, name)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    if headers.contains_key(header::RANGE) {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "ranges are for the storage host"));
    }
    let project = api.project(&project)?;
    let (node, revision) = ids::of_attachment(number(&id)?).ok_or_else(Refusal::not_found)?;
    let file = api.file_within(&project, node)?;
    let revision = file.revisions.iter().find(|known| known.number == revision).ok_or_else(Refusal::not_found)?;
    if ids::key(&file, revision) != key || file.name != name {
        return Err(Refusal::not_found());
    }
    let redirect = transfer::redirect_to_storage(&api.service, &file, revision);
    let location = redirect.headers().get(header::LOCATION).cloned().ok_or_else(Refusal::not_found)?;
    let page = Html("<html><body>You are being redirected.</body></html>");
    Ok((StatusCode::FOUND, [(header::LOCATION, location)], page).into_response())
}
