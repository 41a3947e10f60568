//! File properties: facets, both stages of an upload, copies (File property and File uploads pages).

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::api::{Api, Body};
use super::fault::{Answer, Fault};
use super::forms;
use super::objects::{self, State as FacetState};
use crate::demo::moment::now_ms;
use crate::demo::node::{Content, Node};
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;
use crate::demo::transfer::signed_address;

/// How long uploaded or copied content is processed.
const PROCESSING: Duration = Duration::from_millis(100);

/// What is written into a File property.
pub enum NewValue {
    /// An upload will follow.
    Upload { filename: String },
    /// The content of another facet.
    Copy { filename: String, content: Content },
}

/// `GET /PLURAL/ID/PROPERTY`: all facets, bare.
pub async fn property(
    State(api): State<Arc<Api>>,
    Path((object, id, property)): Path<(String, String, String)>,
) -> Answer {
    let node = api.find_file(&object, &id, &property)?;
    let value = objects::file_value(&node).ok_or_else(Fault::not_found)?;
    Ok(Json(value).into_response())
}

/// `GET /PLURAL/ID/PROPERTY/FACET`: a signed address, as JSON or as a redirect.
pub async fn facet(
    State(api): State<Arc<Api>>,
    Path((object, id, property, facet)): Path<(String, String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    let node = api.find_file(&object, &id, &property)?;
    let (Some(mut value), true) = (objects::file_value(&node), facet == objects::FACET) else {
        return Err(Fault::not_found());
    };
    let newest = node.newest().filter(|_| objects::state(&node) == FacetState::Ready);
    let Some(newest) = newest else { return Err(Fault::new(202, "kMediaNotReady", "not there yet")) };
    let address = signed_address(&api.service, &node, newest);
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !accept.starts_with("application/json") {
        return Ok((StatusCode::FOUND, [(header::LOCATION, address)]).into_response());
    }
    value["object"] = "facet".into();
    value["url"] = address.into();
    Ok(Json(value).into_response())
}

/// `PUT /PLURAL/ID/PROPERTY`: stage 1. Nobody can read the file from now on, until the upload is there.
pub async fn write(
    State(api): State<Arc<Api>>,
    Path((object, id, property)): Path<(String, String, String)>,
    body: Body,
) -> Answer {
    let node = api.find_file(&object, &id, &property)?;
    let value = new_value(&api, &body.0)?;
    if let NewValue::Copy { content, .. } = &value {
        api.service.store.revise(node.id, *content, API_USER, |_| Ok(()))?;
    }
    let (node, uploads) = put_value(&api, &node, value)?;
    let mut answer = objects::file_value(&node).ok_or_else(Fault::not_found)?;
    answer["uploads"] = uploads.into();
    Ok(Json(answer).into_response())
}

/// `PUT /PLURAL/ID/PROPERTY/refresh`: new forms for those of the named facets that wait for an upload.
pub async fn refresh(
    State(api): State<Arc<Api>>,
    Path((object, id, property)): Path<(String, String, String)>,
    body: Body,
) -> Answer {
    let node = api.find_file(&object, &id, &property)?;
    let Some(names) = body.0.as_array() else { return Err(Fault::argument("the body must be an array of facets")) };
    let mut uploads = Vec::new();
    if let Some(upload) = node.attributes.get(objects::PENDING).filter(|_| names.contains(&objects::FACET.into())) {
        let mut entry = forms::upload_entry(&api.service, &node, upload);
        entry["filename"] = node.name.clone().into();
        uploads.push(entry);
    }
    Ok(Json(json!({ "object": "list", "data": uploads, "hasMore": false })).into_response())
}

/// The value that a body writes into the content facet.
pub fn new_value(api: &Api, value: &Value) -> Result<NewValue, Fault> {
    let facets = value.as_object().ok_or_else(|| Fault::validation("a File property is an object of facets"))?;
    let (Some(value), 1) = (facets.get(objects::FACET), facets.len()) else {
        return Err(Fault::validation("the only facet that can be written is content"));
    };
    let text = |member: &str| value.get(member).and_then(Value::as_str);
    let (upload, path, filename) = match (value.as_str(), text("source")) {
        (Some(plain), _) => match plain.strip_prefix("file://").or(plain.strip_prefix("upload://")) {
            Some(name) => (Some(name), None, None),
            None if plain.contains('/') => (None, Some(plain), None),
            None => (Some(plain), None, None),
        },
        (None, Some("upload")) => (text("filename"), None, None),
        (None, Some("facet")) => (None, text("path"), text("filename")),
        (None, _) => (text("upload"), None, None),
    };
    match (upload, path) {
        (Some(name), _) if !name.is_empty() => Ok(NewValue::Upload { filename: name.to_owned() }),
        (_, Some(path)) => copied(api, path, filename),
        _ => Err(Fault::validation("content is neither an upload nor a facet reference")),
    }
}

/// `/c_files/ID/c_content/content` in one of its forms.
fn copied(api: &Api, path: &str, filename: Option<&str>) -> Result<NewValue, Fault> {
    let path = path.strip_prefix("facet://").unwrap_or(path).trim_start_matches('/');
    let [object, id, property, objects::FACET] = path.split('/').collect::<Vec<_>>()[..] else {
        return Err(Fault::validation("no facet reference"));
    };
    let source = api.find_file(object, id, property)?;
    let newest = source.newest().filter(|_| objects::state(&source) == FacetState::Ready);
    let newest = newest.ok_or_else(|| Fault::validation("the facet has no content"))?;
    let filename = filename.unwrap_or(&source.name).to_owned();
    Ok(NewValue::Copy { filename, content: newest.content })
}

/// Notes that an upload is waited for, or content processed. The name decides the type.
pub fn put_value(api: &Api, node: &Node, value: NewValue) -> Result<(Node, Vec<Value>), Fault> {
    let (filename, upload) = match value {
        NewValue::Upload { filename } => (filename, Some(random_uuid())),
        NewValue::Copy { filename, .. } => (filename, None),
    };
    let node = api.service.store.edit(node.id, |node| {
        node.mime = mime_guess::from_path(&filename).first_or_octet_stream().to_string();
        match &upload {
            Some(upload) => drop(node.attributes.insert(objects::PENDING.into(), upload.clone())),
            None => process(node),
        }
        Ok(())
    })?;
    let entry = upload.map(|upload| forms::upload_entry(&api.service, &node, &upload));
    Ok((node, entry.into_iter().collect()))
}

/// The content is there, and not ready yet.
pub fn process(node: &mut Node) {
    let ready_ms = now_ms() + PROCESSING.as_millis() as u64;
    node.attributes.remove(objects::PENDING);
    node.attributes.insert(objects::READY_MS.into(), ready_ms.to_string());
}
