//! Deferred assets become files (FileUpload page): one outcome per asset, some may fail while others succeed.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Api, JsonBody};
use super::ids;
use super::refusal::{Answer, Refusal};
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;
use crate::error::{ErrorKind, Result};

/// Assets in one call. No number is documented; a strict service has one.
const ASSETS_MAX: usize = 25;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttachRequest {
    deferred_asset_ids: Vec<String>,
}

/// `POST /v1/{folders|milestones|tasks|databaseRecords}/{id}/files`
pub async fn attach(
    target: Kind,
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    JsonBody(request): JsonBody<AttachRequest>,
) -> Answer {
    let target = api.find(target, &id)?;
    let assets = request.deferred_asset_ids;
    if assets.is_empty() || assets.len() > ASSETS_MAX {
        return Err(Refusal::bad_request("deferredAssetIds must hold 1 to 25 ids"));
    }
    let responses: Vec<_> = assets.iter().map(|asset| outcome(asset, attach_one(&api, target.id, asset))).collect();
    // The order is not promised, so nobody gets used to one.
    let responses: Vec<_> = responses.into_iter().rev().collect();
    Ok(Json(json!({ "responses": responses })).into_response())
}

fn attach_one(api: &Api, target: NodeId, asset: &str) -> Result<Node> {
    let staged = api.service.store.take_staged(asset)?;
    api.service.store.create(NewNode::file(target, staged.name, staged.mime, API_USER, staged.content))
}

fn outcome(asset: &str, result: Result<Node>) -> Value {
    match result {
        Ok(file) => json!({ "requestId": asset, "status": 201, "body": ids::show(Kind::File, file.id) }),
        Err(e) => {
            let status = match e.kind() {
                ErrorKind::NotFound => 404,
                ErrorKind::Exists => 409,
                _ => 500,
            };
            json!({ "requestId": asset, "status": status, "body": e.to_string() })
        }
    }
}
