//! What people did (events page), worked out from the store: the newest state of each thing, and each upload.

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Handler, page_of};
use super::files::PAGE_ITEMS;
use super::refusal::{Answer, Refusal};
use super::{ids, objects};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::Service;

/// Things that can change in one millisecond without their events having one number.
const IDS_PER_MS: u64 = 4096;

#[derive(Deserialize)]
pub struct EventsQuery {
    since: Option<String>,
    page: Option<usize>,
}

struct Event {
    at_ms: u64,
    id: u64,
    value: Value,
}

/// `GET /events.json`, newest first. `since` is exclusive, in whole seconds.
pub async fn list(State(api): Handler, Query(query): Query<EventsQuery>) -> Answer {
    let since_s = match query.since.as_deref().map(str::parse::<jiff::Timestamp>) {
        None => i64::MIN,
        Some(Ok(since)) => since.as_second(),
        // A bare `+` in the query arrives as a blank.
        Some(Err(_)) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "since is no time")),
    };
    let mut events = all(&api.service);
    events.retain(|event| (event.at_ms / 1000) as i64 > since_s);
    events.sort_by_key(|event| std::cmp::Reverse((event.at_ms, event.id)));
    let values = events.into_iter().map(|event| event.value).collect();
    Ok(Json(page_of(values, query.page, PAGE_ITEMS)).into_response())
}

fn all(service: &Service) -> Vec<Event> {
    let store = &service.store;
    let mut events = Vec::new();
    for project in store.children(NodeId::ROOT, Kind::Project, NodeId::ROOT, usize::MAX) {
        events.push(event(service, &project, &project, project.modified_ms, "changed the project"));
        for attached in objects::attachments(service, &project) {
            of_file(service, &project, &attached.file, &mut events);
        }
    }
    for file in store.trash().into_iter().filter(Node::is_file) {
        if let Some(project) = store.nearest(file.id, Kind::Project).and_then(|id| store.get(id)) {
            of_file(service, &project, &file, &mut events);
        }
    }
    events
}

fn of_file(service: &Service, project: &Node, file: &Node, events: &mut Vec<Event>) {
    for revision in &file.revisions {
        events.push(event(service, project, file, revision.created_ms, "uploaded a file"));
    }
    if file.newest().is_some_and(|newest| file.modified_ms > newest.created_ms) {
        let action = if file.trashed { "deleted a file" } else { "renamed a file" };
        events.push(event(service, project, file, file.modified_ms, action));
    }
}

fn event(service: &Service, project: &Node, about: &Node, at_ms: u64, action: &str) -> Event {
    let (kind, id) = if about.is_file() { ("Upload", ids::upload(about)) } else { ("Project", about.id.0) };
    let url = match kind {
        "Upload" => objects::upload_url(service, project, id),
        _ => format!("{}/projects/{id}.json", objects::api(service)),
    };
    let event_id = at_ms * IDS_PER_MS + about.id.0 % IDS_PER_MS;
    let value = json!({
        "id": event_id,
        "created_at": objects::time(at_ms),
        "updated_at": objects::time(at_ms),
        "private": false,
        "action": action,
        "target": about.name,
        "eventable": { "id": id, "type": kind, "url": url },
        "creator": objects::creator(&about.modified_by),
        "bucket": { "id": project.id.0, "type": "Project", "name": project.name },
    });
    Event { at_ms, id: event_id, value }
}
