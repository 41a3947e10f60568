//! Projects (projects page).

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use serde::Deserialize;
use serde_json::Value;

use super::api::{Handler, JsonBody};
use super::objects;
use super::refusal::{Answer, Refusal};
use crate::demo::node::{Kind, NewNode, NodeId};
use crate::demo::service::API_USER;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    name: Option<String>,
    description: Option<String>,
}

/// `GET /projects.json`: all of them, whatever page is asked for.
pub async fn list(State(api): Handler) -> Answer {
    let projects = api.service.store.children(NodeId::ROOT, Kind::Project, NodeId::ROOT, usize::MAX);
    let all: Vec<Value> = projects.iter().map(|project| objects::short_project(&api.service, project)).collect();
    Ok(Json(all).into_response())
}

/// `GET /projects/P.json`
pub async fn one(State(api): Handler, Path(project): Path<String>) -> Answer {
    Ok(Json(objects::full_project(&api.service, &api.project(&project)?)).into_response())
}

/// `POST /projects.json`
pub async fn create(State(api): Handler, JsonBody(wanted): JsonBody<Change>) -> Answer {
    let name = wanted.name.filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| Refusal::unprocessable("a project needs a name"))?;
    let new = NewNode::new(NodeId::ROOT, Kind::Project, name, API_USER);
    let new = NewNode { description: wanted.description.unwrap_or_default(), ..new };
    let project = api.service.store.create(new)?;
    let location = format!("{}/projects/{}.json", objects::api(&api.service), project.id.0);
    let body = Json(objects::full_project(&api.service, &project));
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], body).into_response())
}

/// `PUT /projects/P.json`
pub async fn rename(State(api): Handler, Path(project): Path<String>, JsonBody(wanted): JsonBody<Change>) -> Answer {
    let project = api.project(&project)?;
    let changed = api.service.store.edit(project.id, |project| {
        project.name = wanted.name.unwrap_or(std::mem::take(&mut project.name));
        project.description = wanted.description.unwrap_or(std::mem::take(&mut project.description));
        project.touch(API_USER);
        Ok(())
    })?;
    Ok(Json(objects::full_project(&api.service, &changed)).into_response())
}
