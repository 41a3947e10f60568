//! Reading an upload's form: the documented parts in the documented order, the content streamed to disk.

use std::io;

use axum::body::{Body, Bytes};
use axum::extract::multipart::{Field, MultipartError};
use axum::extract::{FromRequest, Multipart, Request};
use axum::http::{StatusCode, header};
use futures::{SinkExt, StreamExt};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::api::Api;
use super::changes::Resolution;
use super::names;
use super::refusal::Refusal;
use crate::demo::node::Content;

/// Pieces of a body between its reader and its writer.
const PIECES_BETWEEN: usize = 4;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Parameters {
    #[serde(rename = "parentID")]
    pub parent_id: String,
    pub duplicate_resolution: Option<Resolution>,
}

/// What an upload brings.
pub struct Upload {
    /// Of a new file only.
    pub parameters: Option<Parameters>,
    pub name: String,
    pub mime: String,
    pub content: Content,
    /// Collection > field > value, as JSON.
    pub metadata: Option<String>,
}

/// Reads `jsonInputParameters` (of new files), `primaryFile`, and `metadataValues` if it is there.
pub async fn read(api: &Api, request: Request, is_new: bool) -> Result<Upload, Refusal> {
    if !request.headers().contains_key(header::CONTENT_LENGTH) {
        return Err(Refusal::new(StatusCode::LENGTH_REQUIRED, "Content-Length is required"));
    }
    let mut form = Multipart::from_request(request, &()).await.map_err(|e| Refusal::bad_request(e.body_text()))?;
    let parameters = match is_new {
        true => Some(read_json(expect(&mut form, "jsonInputParameters").await?).await?),
        false => None,
    };
    let file = expect(&mut form, "primaryFile").await?;
    let name = file.file_name().unwrap_or_default().to_owned();
    names::check(&name)?;
    let mime = file.content_type().map(str::to_owned);
    let mime = mime.ok_or_else(|| Refusal::bad_request("primaryFile has no Content-Type"))?;
    let content = receive(api, file).await?;
    let metadata = match form.next_field().await.map_err(unreadable)? {
        None => None,
        Some(field) if field.name() == Some("metadataValues") => Some(by_collection(read_json(field).await?)?),
        Some(_) => return Err(Refusal::bad_request("a part that no page knows")),
    };
    if form.next_field().await.map_err(unreadable)?.is_some() {
        return Err(Refusal::bad_request("one part too many"));
    }
    Ok(Upload { parameters, name, mime, content, metadata })
}

async fn expect<'a>(form: &'a mut Multipart, name: &str) -> Result<Field<'a>, Refusal> {
    match form.next_field().await.map_err(unreadable)? {
        Some(field) if field.name() == Some(name) => Ok(field),
        _ => Err(Refusal::bad_request(format!("the part {name} is not where it should be"))),
    }
}

async fn read_json<T: serde::de::DeserializeOwned>(field: Field<'_>) -> Result<T, Refusal> {
    if field.content_type() != Some("application/json") {
        return Err(Refusal::bad_request("a part of JSON says Content-Type: application/json"));
    }
    let text = field.text().await.map_err(unreadable)?;
    serde_json::from_str(&text).map_err(|e| Refusal::bad_request(e.to_string()))
}

/// The field lives only as long as the form is read; its bytes pass through a channel to where they are stored.
async fn receive(api: &Api, mut field: Field<'_>) -> Result<Content, Refusal> {
    let (mut sender, receiver) = futures::channel::mpsc::channel::<io::Result<Bytes>>(PIECES_BETWEEN);
    let pump = async move {
        while let Some(piece) = field.next().await {
            if sender.send(piece.map_err(io::Error::other)).await.is_err() {
                return;
            }
        }
    };
    let (stored, ()) = futures::join!(api.service.store.blobs().receive(Body::from_stream(receiver)), pump);
    Ok(stored?)
}

fn by_collection(mut values: Map<String, Value>) -> Result<String, Refusal> {
    let Some(Value::String(collection)) = values.remove("collection") else {
        return Err(Refusal::bad_request("metadataValues names no collection"));
    };
    Ok(Value::Object(Map::from_iter([(collection, Value::Object(values))])).to_string())
}

fn unreadable(e: MultipartError) -> Refusal {
    Refusal::new(e.status(), e.body_text())
}
