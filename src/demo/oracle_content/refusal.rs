//! Answers that say no, in the form of the service's error body: every value a text.

use axum::Json;
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::demo::store::random_uuid;
use crate::error::{Error, ErrorKind};

const TRACE_ID: HeaderName = HeaderName::from_static("x-oracle-dms-ecid");

#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    message: String,
}

pub type Answer = Result<Response, Refusal>;

impl Refusal {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Refusal {
        Refusal { status, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, message)
    }

    pub fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "The item does not exist.")
    }

    pub fn taken(name: &str) -> Refusal {
        Refusal::new(StatusCode::CONFLICT, format!("An item named '{name}' exists already."))
    }

    pub fn forbidden(message: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::FORBIDDEN, message)
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        match e.kind() {
            ErrorKind::NotFound => Refusal::not_found(),
            ErrorKind::Locked | ErrorKind::Denied => Refusal::forbidden(e.to_string()),
            ErrorKind::Exists => Refusal::new(StatusCode::CONFLICT, e.to_string()),
            ErrorKind::Invalid | ErrorKind::BadName | ErrorKind::Protocol => Refusal::bad_request(e.to_string()),
            ErrorKind::DiskFull => Refusal::new(StatusCode::INSUFFICIENT_STORAGE, "The quota is used up."),
            _ => Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, e.to_string()),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        // The two codes that the pages show: -20 for rights; any other is as good as this one.
        let code = if self.status == StatusCode::FORBIDDEN { "-20" } else { "-1" };
        let body = json!({
            "errorCode": code,
            "errorKey": "!csDemoRefusal",
            "errorMessage": self.message,
            "title": self.message,
            "errorType": "file",
            "type": "https://www.w3.org/Protocols/rfc2616/rfc2616-sec10.html",
        });
        (self.status, [(TRACE_ID, random_uuid())], Json(body)).into_response()
    }
}
