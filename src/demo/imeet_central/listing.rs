//! Lists, a page at a time: `items` and `links.next` (the vendor's PHP sample, PaginationCommand).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::response::IntoResponse;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use super::refusal::{Answer, Refusal};
use super::{ids, objects};
use crate::demo::node::{Kind, NodeId};
use crate::demo::service::{API_USER, WEB_USER};

/// The largest page (the sample cuts larger values to it; here they are refused).
const LIMIT_MAX: usize = 25;
/// Without `limit`; not documented, so a client must not build on it.
const LIMIT_DEFAULT: usize = 10;

#[derive(Deserialize)]
pub struct PageQuery {
    limit: Option<String>,
    /// Where the page begins. Only ever part of a `next` address.
    cursor: Option<String>,
}

struct Page {
    limit: usize,
    /// Everything up to this was on pages before.
    after: u64,
}

impl PageQuery {
    fn check(&self, page_size: Option<usize>) -> Result<Page, Refusal> {
        let limit = match self.limit.as_deref().map(str::parse) {
            None => LIMIT_DEFAULT,
            Some(Ok(limit @ 1..=LIMIT_MAX)) => limit,
            Some(_) => return Err(Refusal::bad_request("limit must be 1 to 25")),
        };
        let after = match self.cursor.as_deref().map(parse_cursor) {
            None => 0,
            Some(Some(after)) => after,
            Some(None) => return Err(Refusal::bad_request("cursor is none of ours")),
        };
        Ok(Page { limit: page_size.unwrap_or(LIMIT_MAX).clamp(1, limit), after })
    }
}

fn show_cursor(after: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("after:{after}"))
}

fn parse_cursor(text: &str) -> Option<u64> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    std::str::from_utf8(&bytes).ok()?.strip_prefix("after:")?.parse().ok()
}

/// `next` is where the next page begins; `None` at the end.
fn page(url: &str, path: &str, limit: usize, items: Vec<Value>, next: Option<u64>) -> Json<Value> {
    let links = match next {
        Some(after) => json!({ "next": format!("{url}{path}?limit={limit}&cursor={}", show_cursor(after)) }),
        None => json!({}),
    };
    Json(json!({ "items": items, "links": links }))
}

/// `GET /v1/workspaces`
pub async fn workspaces(State(api): State<Arc<Api>>, Query(query): Query<PageQuery>) -> Answer {
    nodes(&api, "/v1/workspaces", NodeId::ROOT, Kind::Project, &query)
}

/// `GET /v1/{owner}/{id}/{collection}`
pub async fn collection(
    owner: (&'static str, Kind),
    collection: (&'static str, Kind),
    State(api): State<Arc<Api>>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Answer {
    let node = api.find(owner.1, &id)?;
    nodes(&api, &format!("/v1/{}/{id}/{}", owner.0, collection.0), node.id, collection.1, &query)
}

fn nodes(api: &Api, path: &str, parent: NodeId, kind: Kind, query: &PageQuery) -> Answer {
    let Page { limit, after } = query.check(api.service.page_size)?;
    // One more than asked for tells whether a next page exists.
    let mut found = api.service.store.children(parent, kind, NodeId(after), limit + 1);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|last| last.id.0);
    let items = found.iter().map(|node| objects::object(&api.service, node)).collect();
    Ok(page(&api.service.url, path, limit, items, next).into_response())
}

/// `GET /v1/files/{id}/versions`, oldest first.
pub async fn versions(State(api): State<Arc<Api>>, Path(id): Path<String>, Query(query): Query<PageQuery>) -> Answer {
    let file = api.find(Kind::File, &id)?;
    let Page { limit, after } = query.check(api.service.page_size)?;
    let left: Vec<_> = file.revisions.iter().filter(|revision| revision.number > after).collect();
    let shown = &left[..limit.min(left.len())];
    let next = shown.last().filter(|_| left.len() > shown.len()).map(|last| last.number);
    let items = shown.iter().map(|revision| objects::version(revision)).collect();
    Ok(page(&api.service.url, &format!("/v1/files/{id}/versions"), limit, items, next).into_response())
}

/// `GET /v1/users`
pub async fn users(State(api): State<Arc<Api>>, Query(query): Query<PageQuery>) -> Answer {
    let Page { limit, .. } = query.check(api.service.page_size)?;
    let user = |number, email: &str| json!({ "id": ids::user(number), "details": { "email": email } });
    let users = vec![user(1, API_USER), user(2, WEB_USER)];
    Ok(page(&api.service.url, "/v1/users", limit, users, None).into_response())
}

/// `GET /v1/workspaceGroups`: the one that holds what is not grouped.
pub async fn workspace_groups(State(api): State<Arc<Api>>, Query(query): Query<PageQuery>) -> Answer {
    let Page { limit, .. } = query.check(api.service.page_size)?;
    let group = json!({ "id": ids::group(), "details": { "workspaceGroupName": "Not Grouped" } });
    Ok(page(&api.service.url, "/v1/workspaceGroups", limit, vec![group], None).into_response())
}
