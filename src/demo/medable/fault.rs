//! Faults (Faults page).

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorKind};

#[derive(Debug)]
pub struct Fault {
    status: StatusCode,
    code: &'static str,
    reason: String,
}

pub type Answer = Result<Response, Fault>;

impl Fault {
    pub fn new(status: u16, code: &'static str, reason: impl Into<String>) -> Fault {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Fault { status, code, reason: reason.into() }
    }

    pub fn not_found() -> Fault {
        Fault::new(404, "kNotFound", "no such instance")
    }

    pub fn argument(reason: impl Into<String>) -> Fault {
        Fault::new(400, "kInvalidArgument", reason)
    }

    pub fn validation(reason: impl Into<String>) -> Fault {
        Fault::new(400, "kValidationError", reason)
    }
}

impl From<Error> for Fault {
    fn from(e: Error) -> Self {
        match e.kind() {
            ErrorKind::NotFound => Fault::not_found(),
            ErrorKind::Invalid | ErrorKind::BadName => Fault::validation(e.to_string()),
            _ => Fault::new(500, "kError", e.to_string()),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let body = json!({
            "object": "fault", "name": "error", "code": self.code, "status": self.status.as_u16(),
            "errCode": format!("cortex.error.{}", self.code), "reason": self.reason,
        });
        (self.status, Json(body)).into_response()
    }
}
