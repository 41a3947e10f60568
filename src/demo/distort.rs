//! Answers made wrong on purpose, as far as that needs no knowledge of a service's protocol.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{Stream, StreamExt};
use serde_json::Value;

/// Ways to make a JSON answer wrong that still is JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distortion {
    WrongTypes,
    /// Every page names a next one.
    EndlessPaging,
    /// A folder is its own ancestor.
    CyclicParents,
    HugeNames,
}

/// Length of a huge name, in characters: more than any file system or database column takes.
pub const HUGE_NAME_CHARS: usize = 100_000;
/// Answers up to this size can be distorted; a page of a listing is far smaller.
const DISTORTED_BYTES_MAX: usize = 16 << 20;
/// Time for what was written to leave before the connection breaks.
const FLUSH_PAUSE: Duration = Duration::from_millis(30);
/// Pieces of a dripped body.
const DRIPS: u64 = 8;

/// Numbers become texts in a list, texts numbers, lists texts; the outermost value keeps its type.
pub fn wrong_types(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.values_mut().for_each(wrong_type),
        Value::Array(items) => items.iter_mut().for_each(wrong_types),
        _ => {}
    }
}

fn wrong_type(value: &mut Value) {
    *value = match value.take() {
        Value::Null => Value::Bool(true),
        Value::Bool(_) => Value::String("yes".into()),
        Value::Number(number) => Value::Array(vec![number.to_string().into()]),
        Value::String(_) => Value::Number(7.into()),
        Value::Array(items) => Value::String(format!("{} items", items.len())),
        Value::Object(fields) => Value::Array(fields.into_iter().map(|(_, value)| value).collect()),
    };
}

/// Applies `change` to every field of one of these names, however deep.
pub fn each_field(value: &mut Value, names: &[&str], change: &mut impl FnMut(&mut Value)) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields.iter_mut() {
                if names.contains(&name.as_str()) {
                    change(value);
                } else {
                    each_field(value, names, change);
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| each_field(item, names, change)),
        _ => {}
    }
}

/// Changes a JSON answer; other answers stay as they are.
pub async fn change_json(response: Response, change: impl FnOnce(&mut Value)) -> Response {
    change_text(response, |bytes| match serde_json::from_slice(&bytes) {
        Ok(mut value) => {
            change(&mut value);
            value.to_string().into()
        }
        Err(_) => bytes,
    })
    .await
}

/// Cuts a JSON answer off in the middle, with a length that fits.
pub async fn cut_json(response: Response) -> Response {
    change_text(response, |bytes| bytes.slice(..bytes.len() / 2)).await
}

async fn change_text(response: Response, change: impl FnOnce(Bytes) -> Bytes) -> Response {
    let (mut parts, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, DISTORTED_BYTES_MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(change(bytes)))
}

/// A complete answer that holds only the first half of the bytes.
pub fn halve(response: Response) -> Response {
    let half = body_length(&response) / 2;
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(half));
    Response::from_parts(parts, Body::from_stream(first_bytes(body, half)))
}

/// Announces the whole body, sends half of it, and breaks the connection.
pub fn truncate(response: Response) -> Response {
    let whole = body_length(&response);
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
    let broken = futures::stream::once(async {
        tokio::time::sleep(FLUSH_PAUSE).await;
        Err(axum::Error::new("truncated on purpose"))
    });
    Response::from_parts(parts, Body::from_stream(first_bytes(body, whole / 2).chain(broken)))
}

/// Takes in half of what a request announced, and drops it.
pub async fn read_half(request: Request) {
    let half = request.body().size_hint().exact().unwrap_or(0) / 2;
    let mut pieces = std::pin::pin!(first_bytes(request.into_body(), half));
    while let Some(Ok(_)) = pieces.next().await {}
}

/// Sends the body in a few pieces with a pause before each.
pub fn drip(response: Response, pause: Duration) -> Response {
    let whole = body_length(&response);
    let piece_bytes = whole.div_ceil(DRIPS).max(1) as usize;
    let (mut parts, body) = response.into_parts();
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole));
    let pieces = body.into_data_stream().flat_map(move |piece| futures::stream::iter(split(piece, piece_bytes)));
    let slow = pieces.then(move |piece| async move {
        tokio::time::sleep(pause).await;
        piece
    });
    Response::from_parts(parts, Body::from_stream(slow))
}

fn split(piece: Result<Bytes, axum::Error>, piece_bytes: usize) -> Vec<Result<Bytes, axum::Error>> {
    match piece {
        Ok(bytes) => {
            let starts = (0..bytes.len()).step_by(piece_bytes);
            starts.map(|start| Ok(bytes.slice(start..bytes.len().min(start + piece_bytes)))).collect()
        }
        Err(e) => vec![Err(e)],
    }
}

/// Streamed bodies do not know their length, but their dialect announced it.
fn body_length(response: &Response) -> u64 {
    let announced = response.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()).and_then(|value| value.parse().ok());
    announced.or(response.body().size_hint().exact()).unwrap_or(0)
}

fn first_bytes(body: Body, limit: u64) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    body.into_data_stream().scan(limit, |left, piece| {
        let piece = piece.map(|bytes| bytes.slice(..bytes.len().min(*left as usize)));
        let length = piece.as_ref().map_or(0, |bytes| bytes.len() as u64);
        *left -= length;
        futures::future::ready((length > 0 || piece.is_err()).then_some(piece))
    })
}
