//! The login ("Login with username and password" page) and the check of its tokens, which are JWTs in form.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Json;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::json;

use super::api::Api;
use super::refusal::{Answer, Refusal};
use crate::demo::moment::now_ms;
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;
use crate::error::Result;

/// Name and password are some dozen bytes.
const REQUEST_BYTES_MAX: usize = 16 << 10;

pub fn password_path(dir: &Path) -> PathBuf {
    dir.join("password")
}

/// Reads the password of this directory; makes one at the first start.
pub fn load_or_make_password(dir: &Path) -> Result<String> {
    let path = password_path(dir);
    match std::fs::read_to_string(&path) {
        Ok(password) => Ok(password),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            let password = random_uuid();
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
            file.write_all(password.as_bytes())?;
            Ok(password)
        }
        Err(e) => Err(e.into()),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Credentials {
    username: String,
    password: String,
}

/// `POST /api/v1/login`
pub async fn login(State(api): State<Arc<Api>>, request: Request) -> Answer {
    if request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return Err(Refusal::bad_request("Content-Type must be application/json"));
    }
    let bytes = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await;
    let credentials = bytes.ok().and_then(|bytes| serde_json::from_slice::<Credentials>(&bytes).ok());
    let Some(credentials) = credentials else {
        return Err(Refusal::bad_request("the body must be a JSON object of username and password"));
    };
    if credentials.username != API_USER || credentials.password != api.password {
        return Err(Refusal::unauthorized("Invalid credentials"));
    }
    Ok(Json(json!({ "token": new_token(&api) })).into_response())
}

/// The signature is what the token is known by.
fn new_token(api: &Api) -> String {
    let life = api.service.behaviour.token_life;
    let expires_s = now_ms() / 1000 + life.as_secs();
    let encoded = |value: serde_json::Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (head, payload) = (encoded(json!({ "typ": "JWT", "alg": "HS256" })), encoded(json!({ "exp": expires_s })));
    format!("{head}.{payload}.{}", api.service.tokens.issue(API_USER, life))
}

/// Lets only requests with a living token through.
pub async fn require_token(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let credentials = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(token) = credentials.and_then(|credentials| credentials.strip_prefix("Bearer ")) else {
        return Refusal::unauthorized("JWT token not found").into_response();
    };
    let signature = token.rsplit('.').next().unwrap_or_default();
    match token.split('.').count() == 3 && api.service.tokens.meaning(signature).is_some() {
        true => next.run(request).await,
        false => Refusal::unauthorized("Invalid JWT token").into_response(),
    }
}
