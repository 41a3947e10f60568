//! Answers that say no, in the one form that every page shows.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub details: String,
}

pub type Answer = Result<Response, Refusal>;

impl Refusal {
    pub fn new(status: StatusCode, details: impl Into<String>) -> Refusal {
        Refusal { status, details: details.into() }
    }

    pub fn bad_request(details: impl Into<String>) -> Refusal {
        Refusal::new(StatusCode::BAD_REQUEST, details)
    }

    pub fn unauthorized(details: &str) -> Refusal {
        Refusal::new(StatusCode::UNAUTHORIZED, details)
    }

    pub fn not_found() -> Refusal {
        Refusal::new(StatusCode::NOT_FOUND, "The requested resource was not found")
    }

    pub fn no_such_method() -> Refusal {
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "There is no such call")
    }
}

impl From<Error> for Refusal {
    fn from(e: Error) -> Self {
        let status = match e.kind() {
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Locked => StatusCode::LOCKED,
            ErrorKind::Invalid | ErrorKind::BadName | ErrorKind::Protocol => StatusCode::BAD_REQUEST,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Refusal::new(status, e.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let message = match self.status {
            StatusCode::UNAUTHORIZED => "Authentication failed",
            StatusCode::FORBIDDEN => "Access denied",
            StatusCode::NOT_FOUND => "Not found",
            StatusCode::INTERNAL_SERVER_ERROR => "Internal server error",
            other => other.canonical_reason().unwrap_or("Refused"),
        };
        let code = self.status.as_u16();
        let body = json!({ "status": "error", "code": code, "message": message, "details": self.details });
        (self.status, Json(body)).into_response()
    }
}
