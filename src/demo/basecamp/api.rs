//! The routes, and the rules for every request (README page).

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

use super::auth::{self, Login};
use super::refusal::Refusal;
use super::{ACCOUNT, content, events, files, ids, projects};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::Service;

/// A JSON request is some hundred bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// Query parameters that some page shows.
const PARAMETERS: [&str; 3] = ["page", "since", "sort"];

pub struct Api {
    pub service: Arc<Service>,
    pub login: Login,
}

pub fn router(service: Arc<Service>, login: Login) -> Router {
    let api = Arc::new(Api { service, login });
    let v1 = Router::new()
        .route("/projects.json", get(projects::list).post(projects::create))
        .route("/projects/{project}", get(projects::one).put(projects::rename))
        .route("/projects/{project}/attachments.json", get(files::list))
        .route("/projects/{project}/attachments/{id}", get(files::one).put(files::rename).delete(files::delete))
        .route("/projects/{project}/attachments/{id}/{key}/original/{name}", get(content::download))
        .route("/projects/{project}/uploads.json", post(files::create))
        .route("/projects/{project}/uploads/{id}", get(files::upload).delete(files::delete_upload))
        .route("/attachments.json", post(content::receive))
        .route("/events.json", get(events::list))
        .fallback(|| async { Refusal::not_found() })
        .layer(from_fn(recognised))
        .layer(from_fn_with_state(api.clone(), auth::require_login))
        .layer(from_fn(check_form));
    Router::new()
        .route("/authorization/token", post(auth::token))
        .nest(&format!("/{ACCOUNT}/api/v1"), v1)
        .with_state(api)
}

/// What every request must have, and must not have.
async fn check_form(request: Request, next: Next) -> Response {
    match form_of(&request) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn form_of(request: &Request) -> Result<(), Refusal> {
    let headers = request.headers();
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or("");
    let contact = agent.split_once('(').map_or("", |(_, contact)| contact);
    if !contact.contains('@') && !contact.contains("://") {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "User-Agent must name an application and a contact"));
    }
    let path = request.uri().path();
    if !path.ends_with(".json") && !path.contains("/original/") {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only .json is served"));
    }
    let has_body = matches!(*request.method(), Method::POST | Method::PUT);
    if has_body && !headers.contains_key(header::CONTENT_TYPE) {
        return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type is missing"));
    }
    let names = request.uri().query().unwrap_or("").split('&').filter_map(|pair| pair.split('=').next());
    match names.into_iter().find(|name| !name.is_empty() && !PARAMETERS.contains(name)) {
        Some(name) => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("no parameter {name}"))),
        None => Ok(()),
    }
}

/// Marks what was read with a weak tag, and does not send it again to whoever has it.
async fn recognised(request: Request, next: Next) -> Response {
    let reads = request.method() == Method::GET;
    let known = request.headers().get(header::IF_NONE_MATCH).cloned();
    let response = next.run(request).await;
    let json = response.headers().get(header::CONTENT_TYPE).is_some_and(|mime| mime == "application/json");
    if !reads || !json || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // It was made in memory: there is no limit to keep to, and nothing that could break.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    let tag = format!("W/\"{:.16x}\"", Sha256::digest(&bytes));
    let Ok(tag) = HeaderValue::from_str(&tag) else { return StatusCode::INTERNAL_SERVER_ERROR.into_response() };
    parts.headers.insert(header::ETAG, tag.clone());
    if known == Some(tag.clone()) {
        return (StatusCode::NOT_MODIFIED, HeaderMap::from_iter([(header::ETAG, tag)])).into_response();
    }
    Response::from_parts(parts, Body::from(bytes))
}

/// The number of `7.json`.
pub fn number(segment: &str) -> Result<u64, Refusal> {
    segment.strip_suffix(".json").unwrap_or(segment).parse().map_err(|_| Refusal::not_found())
}

impl Api {
    pub fn project(&self, segment: &str) -> Result<Node, Refusal> {
        let node = self.service.store.get(NodeId(number(segment)?));
        node.filter(|node| node.kind == Kind::Project).ok_or_else(Refusal::not_found)
    }

    /// The live file of a project whose newest revision an attachment is.
    pub fn file_of_attachment(&self, project: &Node, segment: &str) -> Result<Node, Refusal> {
        let attachment = number(segment)?;
        let (id, _) = ids::of_attachment(attachment).ok_or_else(Refusal::not_found)?;
        let file = self.file_within(project, id)?;
        if ids::attachment(&file) == attachment { Ok(file) } else { Err(Refusal::not_found()) }
    }

    /// The same by its upload: only what hangs on nothing else has one.
    pub fn file_of_upload(&self, project: &Node, segment: &str) -> Result<Node, Refusal> {
        let upload = number(segment)?;
        let file = self.file_within(project, ids::of_upload(upload).0)?;
        let is_it = ids::upload(&file) == upload && file.parent == project.id;
        if is_it { Ok(file) } else { Err(Refusal::not_found()) }
    }

    pub fn file_within(&self, project: &Node, id: NodeId) -> Result<Node, Refusal> {
        let file = self.service.store.get(id).filter(Node::is_file).ok_or_else(Refusal::not_found)?;
        match self.service.store.nearest(id, Kind::Project) {
            Some(of) if of == project.id => Ok(file),
            _ => Err(Refusal::not_found()),
        }
    }
}

/// A JSON body that says so, of the fields that the page shows.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Refusal> {
        let mime = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
        if mime.split(';').next().map(str::trim) != Some("application/json") {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be JSON and say so"));
        }
        let bytes = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await;
        let bytes = bytes.map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))?;
        let body = serde_json::from_slice(&bytes);
        body.map(JsonBody).map_err(|e| Refusal::new(StatusCode::BAD_REQUEST, e.to_string()))
    }
}

/// Which page of a list is asked for.
pub fn page_of(items: Vec<serde_json::Value>, page: Option<usize>, size: usize) -> Vec<serde_json::Value> {
    let before = page.unwrap_or(1).max(1) - 1;
    items.into_iter().skip(before.saturating_mul(size)).take(size).collect()
}

/// State of a handler.
pub type Handler = State<Arc<Api>>;
