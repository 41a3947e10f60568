//! The routes, who may use them, and what every handler needs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{DefaultBodyLimit, FromRequest, OriginalUri, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;

use super::identity::{self, Identity};
use super::refusal::Refusal;
use super::{changes, content, ids, listing, names};
use crate::demo::node::{Node, Revision};
use crate::demo::service::{API_USER, Service};

/// Where the versions of the API live.
pub const BASES: [&str; 2] = ["/documents/api/1.2", "/documents/api/1.1"];

pub struct Api {
    pub service: Arc<Service>,
    pub password: String,
    pub identity: Identity,
    /// Held from looking whether a name is taken until it is given.
    names: Mutex<()>,
}

pub fn router(service: Arc<Service>, password: String) -> Router {
    let api = Arc::new(Api { service, password, identity: Identity::default(), names: Mutex::default() });
    let [current, legacy] = BASES;
    Router::new()
        .route(identity::TOKEN, post(identity::token))
        .route(identity::DEVICE, post(identity::device))
        .route(identity::AUTHORIZE, get(identity::authorize))
        .nest(current, documents(&api))
        .nest(legacy, documents(&api))
        .with_state(api)
}

fn documents(api: &Arc<Api>) -> Router<Arc<Api>> {
    let file = get(listing::file).put(changes::rename_file).delete(changes::delete_file);
    let folder = get(listing::folder).post(changes::create_folder).put(changes::edit_folder);
    Router::new()
        .route("/folders/items", get(listing::home_items))
        .route("/folders/{id}/items", get(listing::folder_items))
        .route("/folders/{id}", folder.delete(changes::delete_folder))
        .route("/folders/{id}/move", post(changes::move_folder))
        .route("/files/data", post(content::upload))
        .route("/files/{id}", file)
        .route("/files/{id}/data", get(content::download).post(content::revise))
        .route("/files/{id}/versions", get(listing::versions))
        .route("/files/{id}/move", post(changes::move_file))
        .route("/files/{id}/copy", post(changes::copy_file))
        .route("/files/{id}/reserve", post(changes::reserve))
        .route("/files/{id}/unreserve", post(changes::unreserve))
        .fallback(|| async { Refusal::not_found() })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(api.clone(), check))
}

/// Lets only requests of the documented form through.
async fn check(
    State(api): State<Arc<Api>>,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
    request: Request,
    next: Next,
) -> Response {
    match refused(&api, uri.path().starts_with(BASES[1]), &headers) {
        Some(refusal) => refusal.into_response(),
        None => next.run(request).await,
    }
}

/// Signed in, asking for JSON, ranges on 1.2 only.
fn refused(api: &Api, legacy: bool, headers: &HeaderMap) -> Option<Refusal> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    if !api.knows(text(header::AUTHORIZATION), legacy) {
        return Some(Refusal::new(StatusCode::UNAUTHORIZED, "Sign in."));
    }
    if !text(header::ACCEPT).contains("application/json") {
        return Some(Refusal::new(StatusCode::NOT_ACCEPTABLE, "Say Accept: application/json."));
    }
    (legacy && headers.contains_key(header::RANGE)).then(|| Refusal::bad_request("Version 1.1 has no ranges."))
}

impl Api {
    /// Bearer tokens on both versions, Basic on 1.1 only.
    fn knows(&self, authorization: &str, legacy: bool) -> bool {
        match authorization.split_once(' ') {
            Some(("Bearer", token)) => self.service.tokens.meaning(token).is_some(),
            Some(("Basic", encoded)) if legacy => {
                let expected = format!("{API_USER}:{}", self.password);
                STANDARD.decode(encoded).is_ok_and(|decoded| decoded == expected.as_bytes())
            }
            _ => false,
        }
    }

    /// Until it is given back, nobody else takes a name.
    pub fn naming(&self) -> MutexGuard<'_, ()> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn file(&self, id: &str) -> Result<Node, Refusal> {
        let node = ids::parse('D', id).and_then(|id| self.service.store.get(id));
        node.filter(Node::is_file).ok_or_else(Refusal::not_found)
    }

    /// `None` for the home folder.
    pub fn folder(&self, id: &str) -> Result<Option<Node>, Refusal> {
        if id == ids::HOME {
            return Ok(None);
        }
        let node = ids::parse('F', id).and_then(|id| self.service.store.get(id));
        node.filter(|node| names::is_shown(node) && !node.is_file()).map(Some).ok_or_else(Refusal::not_found)
    }

    /// The version asked for, or the newest.
    pub fn revision(&self, file: &Node, version: Option<&str>) -> Result<Revision, Refusal> {
        let found = match version {
            None => file.newest(),
            Some(version) => file.revisions.iter().find(|revision| revision.number.to_string() == version),
        };
        found.cloned().ok_or_else(Refusal::not_found)
    }
}

/// A JSON body of exactly the documented fields.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(JsonBody(body)),
            Err(e) if e.status() == StatusCode::UNPROCESSABLE_ENTITY => Err(Refusal::bad_request(e.body_text())),
            Err(e) => Err(Refusal::new(e.status(), e.body_text())),
        }
    }
}

/// For calls without a body.
pub struct NoBody;

impl<S: Send + Sync> FromRequest<S> for NoBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        match axum::body::to_bytes(request.into_body(), 1024).await {
            Ok(bytes) if bytes.is_empty() => Ok(NoBody),
            _ => Err(Refusal::bad_request("this call has no body")),
        }
    }
}
