//! The routes, and what every request must say.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderMap, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};

use super::refusal::Refusal;
use super::{auth, documents, lists};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::Service;

/// The only client (tenant).
pub const CLIENT_ID: u64 = 5;

pub struct Api {
    pub service: Arc<Service>,
    pub password: String,
}

pub fn router(service: Arc<Service>, password: String) -> Router {
    let behaviour = service.behaviour.clone();
    let api = Arc::new(Api { service, password });
    let mut client = documented();
    if behaviour.assumed_reads {
        client = client
            .route("/dms/folders", get(lists::folders))
            .route("/projects/{project}/tasks", get(lists::tasks))
            .route("/dms/projects/{project}/documents/{document}/file", get(documents::download));
    }
    if behaviour.assumed_writes {
        client = client.route("/dms/projects/{project}/documents/{document}", delete(documents::delete));
    }
    let client = client
        .fallback(|| async { Refusal::not_found() })
        .method_not_allowed_fallback(|| async { Refusal::no_such_method() })
        .layer(DefaultBodyLimit::disable())
        .layer(from_fn_with_state(api.clone(), auth::require_token));
    Router::new()
        .route("/api/v1/login", post(auth::login))
        .nest(&format!("/api/v2/clients/{CLIENT_ID}"), client)
        .fallback(|| async { Refusal::not_found() })
        .layer(from_fn(require_form))
        .with_state(api)
}

/// Calls that the vendor's pages show.
fn documented() -> Router<Arc<Api>> {
    Router::new()
        .route("/", get(lists::client))
        .route("/projects", get(lists::projects))
        .route("/dms/documents", get(lists::documents))
        .route("/dms/projects/{project}/folders/{folder}/parent/{parent}/documents", post(documents::create))
        .route("/dms/projects/{project}/documents/{document}", post(documents::update))
}

/// Every sample says `Accept: application/json`, and none has a query.
async fn require_form(request: Request, next: Next) -> Response {
    if !accepts_json(request.headers()) {
        return Refusal::bad_request("Accept: application/json is missing").into_response();
    }
    if request.uri().query().is_some() {
        return Refusal::bad_request("no call has a query").into_response();
    }
    next.run(request).await
}

fn accepts_json(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    accept.is_some_and(|accept| accept.split([',', ';']).any(|kind| kind.trim() == "application/json"))
}

impl Api {
    pub fn project(&self, id: u64) -> Result<Node, Refusal> {
        self.find(id, Kind::Project)
    }

    /// A document of a project.
    pub fn document(&self, project: u64, id: u64) -> Result<Node, Refusal> {
        let document = self.find(id, Kind::File)?;
        match self.service.store.nearest(document.id, Kind::Project) {
            Some(NodeId(home)) if home == project => Ok(document),
            _ => Err(Refusal::not_found()),
        }
    }

    fn find(&self, id: u64, kind: Kind) -> Result<Node, Refusal> {
        self.service.store.get(NodeId(id)).filter(|node| node.kind == kind).ok_or_else(Refusal::not_found)
    }
}
