//! Looking: folders page by page, single items, versions.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::refusal::{Answer, Refusal};
use super::{ids, items};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::Service;

const LIMIT_DEFAULT: usize = 50;
const LIMIT_MAX: usize = 10_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PageQuery {
    limit: Option<String>,
    offset: Option<String>,
    orderby: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoQuery {}

/// What a folder shows, in no order.
pub fn children(service: &Service, folder: NodeId) -> Vec<Node> {
    let kinds = [Kind::Project, Kind::Folder, Kind::File];
    kinds.iter().flat_map(|&kind| service.store.children(folder, kind, NodeId::ROOT, usize::MAX)).collect()
}

/// `GET /folders/items`
pub async fn home_items(State(api): State<Arc<Api>>, query: Query<PageQuery>) -> Answer {
    page(&api, NodeId::ROOT, &query, json!({ "id": ids::HOME, "ownerFolderID": ids::HOME }))
}

/// `GET /folders/{id}/items`. Only the call without an id is documented to show the home folder with what is shared.
pub async fn folder_items(State(api): State<Arc<Api>>, Path(id): Path<String>, query: Query<PageQuery>) -> Answer {
    let folder = api.folder(&id)?.ok_or_else(|| Refusal::bad_request("the home folder is listed by /folders/items"))?;
    let own = json!({ "id": id, "name": folder.name, "type": "folder" });
    page(&api, folder.id, &query, own)
}

fn page(api: &Api, folder: NodeId, query: &PageQuery, mut answer: Value) -> Answer {
    let number = |text: &Option<String>, otherwise: usize| match text.as_deref().map(str::parse) {
        None => Ok(otherwise),
        Some(Ok(number)) => Ok(number),
        Some(Err(_)) => Err(Refusal::bad_request("limit and offset are numbers")),
    };
    let (limit, offset) = (number(&query.limit, LIMIT_DEFAULT)?, number(&query.offset, 0)?);
    if limit == 0 || limit > LIMIT_MAX {
        return Err(Refusal::bad_request("limit must be 1 to 10000"));
    }
    let limit = limit.min(api.service.page_size.unwrap_or(LIMIT_MAX)).max(1);
    let mut all = children(&api.service, folder);
    sort(&mut all, query.orderby.as_deref().unwrap_or("name:asc"))?;
    let shown: Vec<_> = all.iter().skip(offset).take(limit).map(|node| items::item(&api.service, node)).collect();
    let more = offset.saturating_add(shown.len()) < all.len();
    answer["count"] = shown.len().to_string().into();
    answer["totalResults"] = all.len().to_string().into();
    answer["childItemsCount"] = all.len().to_string().into();
    answer["offset"] = offset.to_string().into();
    answer["hasMore"] = if more { "1" } else { "0" }.into();
    answer["items"] = shown.into();
    Ok(items::ok(answer).into_response())
}

fn sort(nodes: &mut [Node], order: &str) -> Result<(), Refusal> {
    let (field, direction) = order.split_once(':').unwrap_or((order, "asc"));
    match field {
        "name" => nodes.sort_by_cached_key(|node| (node.name.to_lowercase(), node.id)),
        "createdTime" => nodes.sort_by_key(|node| (node.created_ms, node.id)),
        "modifiedTime" => nodes.sort_by_key(|node| (node.modified_ms, node.id)),
        _ => return Err(Refusal::bad_request("orderby: name, createdTime or modifiedTime")),
    }
    match direction {
        "asc" => {}
        "desc" => nodes.reverse(),
        _ => return Err(Refusal::bad_request("orderby: asc or desc")),
    }
    Ok(())
}

/// `GET /folders/{id}`
pub async fn folder(State(api): State<Arc<Api>>, Path(id): Path<String>, _: Query<NoQuery>) -> Answer {
    Ok(match api.folder(&id)? {
        Some(folder) => items::ok_item(&api.service, &folder),
        None => items::ok(items::home(&api.service)).into_response(),
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionQuery {
    pub version: Option<String>,
}

/// `GET /files/{id}[?version=n]`
pub async fn file(State(api): State<Arc<Api>>, Path(id): Path<String>, query: Query<VersionQuery>) -> Answer {
    let file = api.file(&id)?;
    let revision = api.revision(&file, query.version.as_deref())?;
    Ok(items::ok(items::file(&file, &revision)).into_response())
}

/// `GET /files/{id}/versions`, newest first. Not paged.
pub async fn versions(State(api): State<Arc<Api>>, Path(id): Path<String>, _: Query<NoQuery>) -> Answer {
    let file = api.file(&id)?;
    let versions: Vec<_> = file.revisions.iter().rev().map(|revision| items::file(&file, revision)).collect();
    let parent = ids::show_parent(file.parent);
    let answer = json!({ "id": id, "name": file.name, "parentID": parent, "type": "file", "items": versions });
    Ok(items::ok(answer).into_response())
}
