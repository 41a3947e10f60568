//! The routes, and what every handler needs.

use std::sync::Arc;

use axum::extract::{FromRequest, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{delete, get, patch, post, put};
use axum::{Json, Router};
use serde::de::DeserializeOwned;

use super::key::ClientKey;
use super::refusal::{Answer, Refusal};
use super::{attach, auth, changes, content, ids, listing, objects};
use crate::demo::node::{Kind, Node};
use crate::demo::service::Service;

pub struct Api {
    pub service: Arc<Service>,
    pub key: ClientKey,
}

/// Things that files are attached to (FileUpload page). A workspace is none of them.
const TARGETS: [(&str, Kind); 4] = [
    ("folders", Kind::Folder),
    ("milestones", Kind::Milestone),
    ("tasks", Kind::Task),
    ("databaseRecords", Kind::Record),
];
const WORKSPACES: (&str, Kind) = ("workspaces", Kind::Project);
const FILES: (&str, Kind) = ("files", Kind::File);
const FOLDERS: (&str, Kind) = ("folders", Kind::Folder);

pub fn router(service: Arc<Service>, key: ClientKey) -> Router {
    let behaviour = service.behaviour.clone();
    let api = Arc::new(Api { service, key });
    let mut v1 = documented();
    if behaviour.assumed_reads {
        v1 = with_reads(v1);
    }
    if behaviour.assumed_writes {
        v1 = with_writes(v1);
    }
    let v1 = v1.fallback(|| async { Refusal::not_found() });
    let v1 = v1.layer(from_fn_with_state(api.clone(), auth::require_token));
    Router::new().route("/oauth2/token", post(auth::token)).nest("/v1", v1).with_state(api)
}

/// Calls on a page or in a sample of the vendor.
fn documented() -> Router<Arc<Api>> {
    let mut router = Router::new()
        .route("/users", get(listing::users))
        .route("/workspaceGroups", get(listing::workspace_groups))
        .route("/workspaceGroups/{id}/workspaces", post(changes::create_workspace))
        .route("/workspaces", get(listing::workspaces))
        .route("/workspaces/{id}/milestones", post(changes::create_milestone))
        .route("/milestones/{id}", get(|api, id| one(Kind::Milestone, api, id)))
        .route("/files/upload", post(content::upload))
        .route("/files/{id}", put(content::revise));
    for (name, kind) in TARGETS {
        let handler = post(move |api, id, body| attach::attach(kind, api, id, body));
        router = router.route(&format!("/{name}/{{id}}/files"), handler);
    }
    router
}

fn with_reads(mut router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    router = router
        .route("/files/{id}/download", get(content::download))
        .route("/files/{id}/versions", get(listing::versions))
        .route("/files/{id}/versions/{number}/download", get(content::download_version));
    for (name, kind) in [WORKSPACES, FILES, FOLDERS, ("tasks", Kind::Task), ("databaseRecords", Kind::Record)] {
        router = router.route(&format!("/{name}/{{id}}"), get(move |api, id| one(kind, api, id)));
    }
    for collection in TARGETS.into_iter().chain([FILES]) {
        router = with_collection(router, WORKSPACES, collection);
    }
    for target in TARGETS {
        router = with_collection(router, target, FILES);
    }
    with_collection(router, FOLDERS, FOLDERS)
}

fn with_collection(
    router: Router<Arc<Api>>,
    owner: (&'static str, Kind),
    collection: (&'static str, Kind),
) -> Router<Arc<Api>> {
    let path = format!("/{}/{{id}}/{}", owner.0, collection.0);
    router.route(&path, get(move |api, id, query| listing::collection(owner, collection, api, id, query)))
}

fn with_writes(mut router: Router<Arc<Api>>) -> Router<Arc<Api>> {
    for (name, kind) in [WORKSPACES, FOLDERS] {
        let handler = post(move |api, id, body| changes::create_folder(kind, api, id, body));
        router = router.route(&format!("/{name}/{{id}}/folders"), handler);
    }
    for (name, kind) in [FILES, FOLDERS] {
        router = router.route(&format!("/{name}/{{id}}"), delete(move |api, id| changes::delete(kind, api, id)));
    }
    router.route("/files/{id}", patch(changes::change_file)).route("/folders/{id}", patch(changes::change_folder))
}

/// `GET /v1/{collection}/{id}`
async fn one(kind: Kind, State(api): State<Arc<Api>>, Path(id): Path<String>) -> Answer {
    let node = api.find(kind, &id)?;
    Ok(Json(objects::object(&api.service, &node)).into_response())
}

impl Api {
    /// The live node of this kind and id.
    pub fn find(&self, kind: Kind, id: &str) -> Result<Node, Refusal> {
        let id = ids::parse(kind, id).ok_or_else(Refusal::not_found)?;
        self.service.store.get(id).filter(|node| node.kind == kind).ok_or_else(Refusal::not_found)
    }
}

/// A JSON body that says so, of the fields the call needs.
pub struct JsonBody<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !request.headers().contains_key(header::CONTENT_TYPE) {
            return Err(Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "Content-Type must be application/json"));
        }
        match Json::from_request(request, state).await {
            Ok(Json(body)) => Ok(JsonBody(body)),
            Err(e) if e.status() == StatusCode::UNPROCESSABLE_ENTITY => Err(Refusal::bad_request(e.body_text())),
            Err(e) => Err(Refusal::new(e.status(), e.body_text())),
        }
    }
}
