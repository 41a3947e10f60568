//! The control calls under `/_demo/`, so that shell scripts and other processes can do what tests do in process.
//!
//! | call | what |
//! | --- | --- |
//! | `GET /_demo/tree[?hashes=no]` | the snapshot |
//! | `GET /_demo/requests[?kind=K]` | the remembered requests, and the counts by kind |
//! | `DELETE /_demo/requests` | forgets them |
//! | `GET /_demo/faults` | the rules in force and how many calls each has covered |
//! | `POST /_demo/faults` | `{"add": ["upload:503:every=5"], "clear": true}`; clears before it adds |
//! | `POST /_demo/act` | what a web user does: `{"act": "rename", "path": "P/a.txt", "name": "b.txt", "by": "grace"}`, see [`Act`] |
//! | `GET /_demo/account` | lines for `[accounts.NAME]` |
//!
//! Posts must say `Content-Type: application/json`: no web page of another origin can send that without being asked.

use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::json;

use super::act::{Act, WebUser};
use super::server::blocking;
use super::service::{Service, WEB_USER};
use super::snapshot::Snapshot;
use crate::error::{ErrorKind, Result};

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/tree", get(tree))
        .route("/requests", get(requests).delete(forget_requests))
        .route("/faults", get(faults).post(change_faults))
        .route("/act", post(act))
        .route("/account", get(account))
        .with_state(service)
}

#[derive(Deserialize)]
struct TreeQuery {
    #[serde(default)]
    hashes: String,
}

async fn tree(State(service): State<Arc<Service>>, Query(query): Query<TreeQuery>) -> Response {
    answer(blocking(move || Snapshot::take(&service, query.hashes != "no")).await)
}

#[derive(Deserialize)]
struct RequestsQuery {
    kind: Option<String>,
}

async fn requests(State(service): State<Arc<Service>>, Query(query): Query<RequestsQuery>) -> Response {
    let log = &service.requests;
    let records = query.kind.map_or_else(|| log.all(), |kind| log.of_kind(&kind));
    Json(json!({ "total": log.total(), "counts": log.counts(), "requests": records })).into_response()
}

async fn forget_requests(State(service): State<Arc<Service>>) -> StatusCode {
    service.requests.clear();
    StatusCode::NO_CONTENT
}

async fn faults(State(service): State<Arc<Service>>) -> Response {
    let rules = service.faults.list().into_iter();
    let rules: Vec<_> = rules.map(|(rule, seen)| json!({ "rule": rule.to_string(), "seen": seen })).collect();
    Json(rules).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FaultsChange {
    #[serde(default)]
    clear: bool,
    #[serde(default)]
    add: Vec<String>,
}

async fn change_faults(State(service): State<Arc<Service>>, Json(change): Json<FaultsChange>) -> Response {
    if change.clear {
        service.faults.clear();
    }
    answer(change.add.iter().try_for_each(|text| service.faults.add_text(text)))
}

#[derive(Deserialize)]
struct ActRequest {
    #[serde(flatten)]
    act: Act,
    by: Option<String>,
}

async fn act(State(service): State<Arc<Service>>, Json(request): Json<ActRequest>) -> Response {
    let user = WebUser::new(service, request.by.unwrap_or_else(|| WEB_USER.to_owned()));
    answer(blocking(move || user.perform(request.act)).await.map(|id| json!({ "id": id })))
}

async fn account(State(service): State<Arc<Service>>) -> String {
    service.dialect.account_toml(&service)
}

fn answer(result: Result<impl serde::Serialize>) -> Response {
    match result {
        Ok(value) => Json(value).into_response(),
        Err(e) if e.kind() == ErrorKind::NotFound => (StatusCode::NOT_FOUND, e.to_string()).into_response(),
        Err(e) if e.kind() == ErrorKind::Invalid => (StatusCode::BAD_REQUEST, e.to_string()).into_response(),
        Err(e) => (StatusCode::INTERNAL_SERVER_ERROR, e.to_string()).into_response(),
    }
}
