//! Bytes: uploads and downloads.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use serde_json::json;

use super::answer::{Answer, Refusal};
use super::api::{Api, Call, UPLOADS};
use super::names;
use super::objects::public_id;
use crate::demo::moment::now_ms;
use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::server::blocking;
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;
use crate::error::Result as StoreResult;

/// Setting `attachment_max_size`: larger than the service's own 5 MB, for demonstrations.
const FILE_BYTES_MAX: u64 = 16 << 30;
/// Uploads that were never attached are cleaned up after this time.
const UPLOAD_LIFE_MS: u64 = 24 * 3600 * 1000;

impl Api {
    /// `POST /uploads.json`: every refusal comes after the whole body.
    pub async fn upload(&self, call: &Call, request: Request) -> Result<Response, Refusal> {
        let (parts, body) = request.into_parts();
        let content_type = parts.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_raw = content_type.is_some_and(|text| text.starts_with("application/octet-stream"));
        if !is_raw || !call.signed_in {
            drain(body).await;
            return Err(if is_raw { Refusal::Unknown } else { Refusal::NotAcceptable });
        }
        let content = self.service.store.blobs().receive(body).await?;
        let name =
            call.query.get("filename").map_or_else(|| random_uuid().replace('-', ""), |name| names::stored(name));
        names::check_file_name(&name)?;
        if content.size_bytes > FILE_BYTES_MAX {
            return Err(Refusal::Invalid(
                "This file cannot be uploaded because it exceeds the maximum allowed file size",
            ));
        }
        let mime = mime_guess::from_path(&name).first_or_octet_stream().to_string();
        let new = NewNode::file(self.uploads()?, name, mime, API_USER, content);
        let service = self.service.clone();
        let (file, digest) = blocking(move || Ok((service.store.create(new)?, service.store.sha256(content)?))).await?;
        let id = public_id(&file);
        let upload = json!({ "id": id, "token": format!("{id}.{digest}") });
        Ok(Answer::Created(json!({ "upload": upload })).into_response())
    }

    /// The folder of what is not attached; what was forgotten in it goes on the way.
    fn uploads(&self) -> StoreResult<NodeId> {
        let store = &self.service.store;
        let folder = store.find_child(NodeId::ROOT, |node| node.name == UPLOADS);
        let folder = match folder {
            Some(folder) => folder.id,
            None => store.create(NewNode::new(NodeId::ROOT, Kind::Folder, UPLOADS, API_USER))?.id,
        };
        while let Some(oldest) = store.children(folder, Kind::File, NodeId::ROOT, 1).pop() {
            if now_ms().saturating_sub(oldest.created_ms) < UPLOAD_LIFE_MS {
                break;
            }
            store.remove(oldest.id)?;
        }
        Ok(folder)
    }

    /// `GET /attachments/download/ID.json`: whole, whatever `Range` says.
    pub fn download(&self, call: &Call, id: &str) -> Result<Response, Refusal> {
        let file = self.find_attachment(id)?;
        self.check_attachment(call, &file)?;
        self.count_download(file.id);
        let newest = file.newest().ok_or(Refusal::NotFound)?;
        let body = self.service.store.blobs().send(newest.content, 0, newest.content.size_bytes)?;
        Ok(whole(&file, body, newest.content.size_bytes))
    }
}

fn whole(file: &Node, body: Body, size_bytes: u64) -> Response {
    let mut response = (StatusCode::OK, body).into_response();
    let headers = response.headers_mut();
    let mime = HeaderValue::from_str(&file.mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, mime);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(size_bytes));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    response
}

async fn drain(body: Body) {
    let mut pieces = body.into_data_stream();
    while let Some(Ok(_)) = pieces.next().await {}
}
