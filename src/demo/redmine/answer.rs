//! Answers: JSON, nothing, or a refusal in one of the service's forms.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind};

/// What a call answers, before it is a response.
#[derive(Debug)]
pub enum Answer {
    Found(Value),
    Created(Value),
    /// 204.
    Done,
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    BadRequest,
    /// Not signed in, and the thing is not public.
    Unknown,
    Denied,
    NotFound,
    /// No such address: a page for people.
    NoRoute,
    NotAcceptable,
    Conflict,
    /// A failed validation, with the text that a person would read.
    Invalid(&'static str),
    Failure,
}

pub type Outcome = Result<Answer, Refusal>;

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self {
            Answer::Found(value) => Json(value).into_response(),
            Answer::Created(value) => (StatusCode::CREATED, Json(value)).into_response(),
            Answer::Done => StatusCode::NO_CONTENT.into_response(),
            Answer::Refused(refusal) => refusal.into_response(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let told = |status: StatusCode, text: &str| {
            (status, Json(json!({ "status": status.as_u16(), "error": text }))).into_response()
        };
        match self {
            Refusal::BadRequest => told(StatusCode::BAD_REQUEST, "Bad Request"),
            Refusal::Unknown => {
                let realm = (header::WWW_AUTHENTICATE, "Basic realm=\"Redmine API\"");
                (StatusCode::UNAUTHORIZED, [realm]).into_response()
            }
            Refusal::Denied => StatusCode::FORBIDDEN.into_response(),
            Refusal::NotFound => StatusCode::NOT_FOUND.into_response(),
            Refusal::NoRoute => (StatusCode::NOT_FOUND, Html("<!DOCTYPE html><title>404</title>")).into_response(),
            Refusal::NotAcceptable => StatusCode::NOT_ACCEPTABLE.into_response(),
            Refusal::Conflict => StatusCode::CONFLICT.into_response(),
            Refusal::Invalid("") => StatusCode::UNPROCESSABLE_ENTITY.into_response(),
            Refusal::Invalid(text) => {
                (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "errors": [text] }))).into_response()
            }
            Refusal::Failure => told(StatusCode::INTERNAL_SERVER_ERROR, "Internal Server Error"),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Refusal {
        match error.kind() {
            ErrorKind::NotFound => Refusal::NotFound,
            ErrorKind::Protocol => Refusal::BadRequest,
            _ => Refusal::Failure,
        }
    }
}
