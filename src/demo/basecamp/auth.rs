//! Launchpad's token endpoint, and who may use the API: a bearer token, or HTTP Basic (authentication guide).

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json, RequestExt};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::api::Api;
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;
use crate::error::{Error, ErrorKind, Result};

const FILE_NAME: &str = "basecamp-login.json";

/// The credentials of the one client, made at the first start.
#[derive(Serialize, Deserialize)]
pub struct Login {
    client_id: String,
    client_secret: String,
    /// Refresh tokens are this, then a dot and a number: each trade gives another one, and none dies.
    refresh_token: String,
    /// For HTTP Basic, together with the API user's address.
    password: String,
    #[serde(skip)]
    refreshed: AtomicU64,
}

#[derive(Deserialize)]
pub struct TokenRequest {
    grant_type: Option<String>,
    client_id: Option<String>,
    client_secret: Option<String>,
    refresh_token: Option<String>,
}

impl Login {
    pub fn load_or_make(dir: &Path) -> Result<Login> {
        let path = dir.join(FILE_NAME);
        match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| broken(&path, e)),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let login = Login {
                    client_id: random_uuid(),
                    client_secret: random_uuid(),
                    refresh_token: random_uuid(),
                    password: random_uuid(),
                    refreshed: AtomicU64::new(0),
                };
                let text = serde_json::to_vec(&login).map_err(|e| broken(&path, e))?;
                std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?.write_all(&text)?;
                Ok(login)
            }
            Err(e) => Err(e.into()),
        }
    }

    /// Lines of an account that signs in by OAuth.
    pub fn settings(&self) -> String {
        let Login { client_id, client_secret, refresh_token, .. } = self;
        format!(
            "client_id = \"{client_id}\"\nclient_secret = \"{client_secret}\"\nrefresh_token = \"{refresh_token}.0\"\n"
        )
    }

    /// Why these get no token, in the words of OAuth; `None` when they get one.
    fn refuses(&self, request: &TokenRequest) -> Option<&'static str> {
        let given = request.refresh_token.as_deref().and_then(|token| token.rsplit_once('.'));
        let client = (request.client_id.as_ref(), request.client_secret.as_ref());
        if request.grant_type.as_deref() != Some("refresh_token") {
            return Some("unsupported_grant_type");
        }
        if client != (Some(&self.client_id), Some(&self.client_secret)) {
            return Some("invalid_client");
        }
        match given {
            Some((token, _)) if token == self.refresh_token => None,
            _ => Some("authorization_expired"),
        }
    }
}

fn broken(path: &Path, e: serde_json::Error) -> Error {
    Error::new(ErrorKind::LocalIo, format!("{}: {e}", path.display()))
}

/// `POST /authorization/token`, with a form.
pub async fn token(State(api): State<Arc<Api>>, request: Request) -> Response {
    let Ok(Form(asked)) = request.extract::<Form<TokenRequest>, _>().await else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" }))).into_response();
    };
    if let Some(error) = api.login.refuses(&asked) {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": error }))).into_response();
    }
    let life = api.service.behaviour.token_life;
    let number = api.login.refreshed.fetch_add(1, Ordering::Relaxed) + 1;
    let answer = json!({
        "access_token": api.service.tokens.issue(API_USER, life),
        "token_type": "Bearer",
        "expires_in": life.as_secs(),
        "refresh_token": format!("{}.{number}", api.login.refresh_token),
    });
    Json(answer).into_response()
}

/// Lets only requests of the one user through.
pub async fn require_login(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let credentials = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let known = match credentials.and_then(|text| text.split_once(' ')) {
        Some(("Bearer", token)) => api.service.tokens.meaning(token).is_some(),
        Some(("Basic", encoded)) => encoded == STANDARD.encode(format!("{API_USER}:{}", api.login.password)),
        _ => false,
    };
    if known {
        return next.run(request).await;
    }
    let answer = json!({ "error": "OAuth token expired (or never was one)" });
    (StatusCode::UNAUTHORIZED, Json(answer)).into_response()
}
