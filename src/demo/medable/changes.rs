//! Instances made, changed and removed (Objects page).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::response::IntoResponse;
use serde_json::{Map, Value, json};

use super::api::{Api, Body};
use super::fault::{Answer, Fault};
use super::files::{self, NewValue};
use super::objects;
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;

/// `POST /PLURAL`
pub async fn create(State(api): State<Arc<Api>>, Path(object): Path<String>, body: Body) -> Answer {
    let kind = objects::kind_of(&object)?;
    let mut members = body.object()?;
    let name = members.remove(objects::NAME).and_then(|name| name.as_str().map(str::to_owned));
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| Fault::validation("c_name is required"))?;
    let value = match members.remove(objects::CONTENT) {
        Some(value) if kind == Kind::File => Some(files::new_value(&api, &value)?),
        Some(_) => return Err(Fault::validation("only c_file has c_content")),
        None => None,
    };
    let parent = match kind {
        Kind::Project => NodeId::ROOT,
        _ => place(&api, kind, &mut members, None)?.ok_or_else(|| Fault::validation("c_project is required"))?,
    };
    refuse_rest(&members)?;
    let content = match &value {
        Some(NewValue::Copy { content, .. }) => Some(*content),
        _ => None,
    };
    let node = api.service.store.create(NewNode { content, ..NewNode::new(parent, kind, name, API_USER) })?;
    let (node, uploads) = match value {
        Some(value) => files::put_value(&api, &node, value)?,
        None => (node, Vec::new()),
    };
    let mut instance = objects::instance(&api.service, &node);
    if let Some(value) = instance.get_mut(objects::CONTENT).filter(|_| !uploads.is_empty()) {
        value["uploads"] = uploads.into();
    }
    Ok(Json(instance).into_response())
}

/// `PUT /PLURAL/ID` with the members to be changed.
pub async fn change(State(api): State<Arc<Api>>, Path((object, id)): Path<(String, String)>, body: Body) -> Answer {
    let node = api.find(&object, &id)?;
    let mut members = body.object()?;
    let name = match members.remove(objects::NAME) {
        None => node.name.clone(),
        Some(Value::String(name)) if !name.is_empty() => name,
        Some(_) => return Err(Fault::validation("c_name is required")),
    };
    let parent = place(&api, node.kind, &mut members, Some(&node))?;
    refuse_rest(&members)?;
    let node = api.service.store.edit(node.id, |node| {
        node.name = name;
        node.parent = parent.unwrap_or(node.parent);
        node.touch(API_USER);
        Ok(())
    })?;
    Ok(Json(objects::instance(&api.service, &node)).into_response())
}

/// Where the references put a thing; `None` when they say nothing. A folder's project is set once and for all.
fn place(api: &Api, kind: Kind, members: &mut Map<String, Value>, now: Option<&Node>) -> Result<Option<NodeId>, Fault> {
    let property = if kind == Kind::File { objects::FOLDER } else { objects::PARENT };
    let project = reference(api, Kind::Project, members.remove(objects::PROJECT))?;
    let folder = reference(api, Kind::Folder, members.remove(property))?;
    if project.is_some() && kind == Kind::Folder && now.is_some() {
        return Err(Fault::validation("c_project of a folder cannot be changed"));
    }
    let own_project = || api.service.store.nearest(now?.id, Kind::Project);
    Ok(match (project.flatten(), folder) {
        (_, Some(Some(folder))) => Some(folder),
        (Some(project), _) => Some(project),
        (None, Some(None)) => own_project(),
        (None, None) => None,
    })
}

/// `{"_id": ID}`, an id, or `null`. Nothing refers to what is not there (assumed).
fn reference(api: &Api, kind: Kind, value: Option<Value>) -> Result<Option<Option<NodeId>>, Fault> {
    let id = match &value {
        None => return Ok(None),
        Some(Value::Null) => return Ok(Some(None)),
        Some(Value::String(id)) => id,
        Some(value) => match value.get("_id").and_then(Value::as_str) {
            Some(id) => id,
            None => return Err(Fault::validation("a reference is an object with _id, an id, or null")),
        },
    };
    api.live(kind, id).map(|node| Some(Some(node.id))).ok_or_else(Fault::not_found)
}

fn refuse_rest(members: &Map<String, Value>) -> Result<(), Fault> {
    match members.keys().next() {
        Some(name) => Err(Fault::validation(format!("{name} is no property, or cannot be written here"))),
        None => Ok(()),
    }
}

/// `DELETE /PLURAL/ID`: for good. What referred to a folder stays, in no folder.
pub async fn delete(State(api): State<Arc<Api>>, Path((object, id)): Path<(String, String)>) -> Answer {
    let node = api.find(&object, &id)?;
    let store = &api.service.store;
    if let Some(project) = store.nearest(node.id, Kind::Project).filter(|project| *project != node.id) {
        for child in store.all_children(node.id) {
            store.edit(child.id, |child| {
                child.parent = project;
                Ok(())
            })?;
        }
    }
    store.remove(node.id)?;
    Ok(Json(json!({ "object": "result", "data": true })).into_response())
}
