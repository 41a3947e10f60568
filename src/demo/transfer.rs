//! Downloads as every dialect answers them, and the storage host that some redirect to.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

use super::node::{Node, NodeId, Revision};
use super::service::Service;

/// How long a signed address at the storage host is good.
const TICKET_LIFE: Duration = Duration::from_secs(30);

/// The content of one revision, whole or the range asked for.
pub fn download(service: &Service, file: &Node, revision: &Revision, headers: &HeaderMap) -> Response {
    let size = revision.content.size_bytes;
    let asked = headers.get(header::RANGE).filter(|_| service.behaviour.ranges);
    let range = match asked.and_then(|value| value.to_str().ok()).map(|text| parse_range(text, size)) {
        Some(Range::Part { start, length }) => Some((start, length)),
        Some(Range::Unsatisfiable) => return unsatisfiable(size),
        Some(Range::Ignored) | None => None,
    };
    let (start, length) = range.unwrap_or((0, size));
    let Ok(body) = service.store.blobs().send(revision.content, start, length) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    let mime = HeaderValue::from_str(&file.mime).unwrap_or(HeaderValue::from_static("application/octet-stream"));
    headers.insert(header::CONTENT_TYPE, mime);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    headers.insert(header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
    if service.behaviour.ranges {
        headers.insert(header::ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    }
    if range.is_some() {
        let last = start + length - 1;
        headers.insert(header::CONTENT_RANGE, digits_header(format!("bytes {start}-{last}/{size}")));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
    response
}

#[derive(Debug, PartialEq)]
enum Range {
    Part {
        start: u64,
        length: u64,
    },
    Unsatisfiable,
    /// Several ranges, another unit, or nonsense: RFC 9110 lets the server answer in full.
    Ignored,
}

fn parse_range(text: &str, size: u64) -> Range {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Range::Ignored;
    };
    match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(start), Ok(last)) if last < start => Range::Ignored,
        (Ok(start), _) if start >= size => Range::Unsatisfiable,
        (Ok(start), Ok(last)) => Range::Part { start, length: last.min(size - 1) - start + 1 },
        (Ok(start), Err(_)) if last.is_empty() => Range::Part { start, length: size - start },
        (Err(_), Ok(0)) if first.is_empty() => Range::Unsatisfiable,
        (Err(_), Ok(tail)) if first.is_empty() && size > 0 => {
            let length = tail.min(size);
            Range::Part { start: size - length, length }
        }
        _ => Range::Ignored,
    }
}

fn unsatisfiable(size: u64) -> Response {
    let content_range = digits_header(format!("bytes */{size}"));
    (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, content_range)]).into_response()
}

fn digits_header(text: String) -> HeaderValue {
    HeaderValue::from_str(&text).expect("only digits and punctuation")
}

/// A short-lived address at the storage host.
pub fn signed_address(service: &Service, file: &Node, revision: &Revision) -> String {
    let ticket = service.tickets.issue(format!("{}/{}", file.id.0, revision.number), TICKET_LIFE);
    format!("{}/objects/{ticket}", service.storage_url)
}

/// A redirect to such an address.
pub fn redirect_to_storage(service: &Service, file: &Node, revision: &Revision) -> Response {
    (StatusCode::FOUND, [(header::LOCATION, signed_address(service, file, revision))]).into_response()
}

/// The storage host: an address is its own permission, and foreign credentials are refused.
pub fn storage_router(service: Arc<Service>) -> Router {
    Router::new().route("/objects/{ticket}", get(stored_object)).with_state(service)
}

async fn stored_object(
    State(service): State<Arc<Service>>,
    Path(ticket): Path<String>,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(header::AUTHORIZATION) {
        return (StatusCode::BAD_REQUEST, "only one way to authorize is allowed").into_response();
    }
    let Some(meaning) = service.tickets.meaning(&ticket) else { return StatusCode::FORBIDDEN.into_response() };
    match find_revision(&service, &meaning) {
        Some((file, revision)) => download(&service, &file, &revision, &headers),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

fn find_revision(service: &Service, meaning: &str) -> Option<(Node, Revision)> {
    let (id, number) = meaning.split_once('/')?;
    let file = service.store.get(NodeId(id.parse().ok()?))?;
    let number: u64 = number.parse().ok()?;
    let revision = file.revisions.iter().find(|revision| revision.number == number)?.clone();
    Some((file, revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        assert_eq!(parse_range("bytes=0-3", 10), Range::Part { start: 0, length: 4 });
        assert_eq!(parse_range("bytes=8-99", 10), Range::Part { start: 8, length: 2 });
        assert_eq!(parse_range("bytes=4-", 10), Range::Part { start: 4, length: 6 });
        assert_eq!(parse_range("bytes=-3", 10), Range::Part { start: 7, length: 3 });
        assert_eq!(parse_range("bytes=10-", 10), Range::Unsatisfiable);
        assert_eq!(parse_range("bytes=-0", 10), Range::Unsatisfiable);
        for ignored in ["bytes=5-2", "bytes=0-1,4-5", "lines=1-2", "bytes=", "bytes=-", "bytes=a-b"] {
            assert_eq!(parse_range(ignored, 10), Range::Ignored, "{ignored}");
        }
    }
}
