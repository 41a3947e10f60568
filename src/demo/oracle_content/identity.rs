//! The identity service: token endpoint, device codes, authorization codes with PKCE. Codes and refresh tokens work
//! once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::api::Api;
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;

pub const TOKEN: &str = "/oauth2/v1/token";
pub const DEVICE: &str = "/oauth2/v1/device";
pub const AUTHORIZE: &str = "/oauth2/v1/authorize";

/// The one registered application, a public client.
pub const CLIENT_ID: &str = "collabfs-demo";
const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Grants kept; more means a client that never uses what it is given.
const GRANTS_MAX: usize = 10_000;

/// What the application asks for.
pub fn scope(url: &str) -> String {
    format!("{url}/urn:opc:cec:all")
}

/// Codes and refresh tokens that were given and not used yet.
#[derive(Default)]
pub struct Identity {
    open: Mutex<HashMap<String, Open>>,
}

#[derive(Clone)]
enum Open {
    Refresh,
    Device { polled: bool, lasting: bool },
    Code { challenge: String, redirect_uri: String, lasting: bool },
}

impl Identity {
    fn give(&self, what: Open) -> String {
        let text = random_uuid();
        let mut open = self.open();
        if open.len() >= GRANTS_MAX {
            open.clear();
        }
        open.insert(text.clone(), what);
        text
    }

    fn open(&self) -> MutexGuard<'_, HashMap<String, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Fields = HashMap<String, String>;

/// `POST /oauth2/v1/token`
pub async fn token(State(api): State<Arc<Api>>, Form(fields): Form<Fields>) -> Response {
    match grant(&api, &fields) {
        Ok(lasting) => granted(&api, lasting),
        Err(error) => oauth_error(error),
    }
}

/// Whether the token comes with a refresh token. Errors: the code of RFC 6749, section 5.2.
fn grant(api: &Api, fields: &Fields) -> Result<bool, &'static str> {
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if field("client_id") != CLIENT_ID {
        return Err("invalid_client");
    }
    let known: &[&str] = match field("grant_type") {
        "password" => &["username", "password", "scope"],
        "refresh_token" => &["refresh_token", "scope"],
        "authorization_code" => &["code", "redirect_uri", "code_verifier"],
        DEVICE_GRANT => &["device_code"],
        _ => return Err("unsupported_grant_type"),
    };
    if fields.keys().any(|name| !known.contains(&name.as_str()) && name != "grant_type" && name != "client_id") {
        return Err("invalid_request");
    }
    match field("grant_type") {
        "password" => {
            let right = field("username") == API_USER && field("password") == api.password;
            if right { lasting(api, field("scope")) } else { Err("invalid_grant") }
        }
        "refresh_token" => match api.identity.open().remove(field("refresh_token")) {
            Some(Open::Refresh) => Ok(true),
            _ => Err("invalid_grant"),
        },
        "authorization_code" => match api.identity.open().remove(field("code")) {
            Some(Open::Code { challenge, redirect_uri, lasting })
                if redirect_uri == field("redirect_uri")
                    && challenge == URL_SAFE_NO_PAD.encode(Sha256::digest(field("code_verifier"))) =>
            {
                Ok(lasting)
            }
            _ => Err("invalid_grant"),
        },
        _ => poll(api, field("device_code")),
    }
}

/// The person agrees between the first poll and the second.
fn poll(api: &Api, code: &str) -> Result<bool, &'static str> {
    let mut open = api.identity.open();
    match open.get_mut(code) {
        Some(Open::Device { polled, .. }) if !*polled => {
            *polled = true;
            Err("authorization_pending")
        }
        Some(Open::Device { lasting, .. }) => {
            let lasting = *lasting;
            open.remove(code);
            Ok(lasting)
        }
        _ => Err("expired_token"),
    }
}

/// Whether the scope asks for a refresh token too. Errors: `invalid_scope`.
fn lasting(api: &Api, asked: &str) -> Result<bool, &'static str> {
    let own = scope(&api.service.url);
    let words: Vec<_> = asked.split_whitespace().collect();
    let fine = words.contains(&own.as_str()) && words.iter().all(|word| *word == own || *word == "offline_access");
    if fine { Ok(words.contains(&"offline_access")) } else { Err("invalid_scope") }
}

fn granted(api: &Api, lasting: bool) -> Response {
    let life = api.service.behaviour.token_life;
    let access_token = api.service.tokens.issue(API_USER, life);
    let mut answer: Value =
        json!({ "access_token": access_token, "token_type": "Bearer", "expires_in": life.as_secs() });
    if lasting {
        answer["refresh_token"] = api.identity.give(Open::Refresh).into();
    }
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn oauth_error(error: &str) -> Response {
    let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
    (status, Json(json!({ "error": error, "error_description": error.replace('_', " ") }))).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceRequest {
    response_type: String,
    client_id: String,
    scope: String,
}

/// `POST /oauth2/v1/device`
pub async fn device(State(api): State<Arc<Api>>, Form(request): Form<DeviceRequest>) -> Response {
    if request.response_type != "device_code" || request.client_id != CLIENT_ID {
        return oauth_error("invalid_request");
    }
    let lasting = match lasting(&api, &request.scope) {
        Ok(lasting) => lasting,
        Err(error) => return oauth_error(error),
    };
    let device_code = api.identity.give(Open::Device { polled: false, lasting });
    let user_code = random_uuid()[..8].to_uppercase();
    let answer = json!({
        "device_code": device_code,
        "user_code": user_code,
        "verification_uri": format!("{}/device", api.service.url),
        "expires_in": 300,
        "interval": 1,
    });
    Json(answer).into_response()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizeRequest {
    response_type: String,
    client_id: String,
    redirect_uri: String,
    scope: String,
    state: String,
    code_challenge: String,
    code_challenge_method: String,
}

/// `GET /oauth2/v1/authorize`: whoever opens this agrees at once.
pub async fn authorize(State(api): State<Arc<Api>>, Query(request): Query<AuthorizeRequest>) -> Response {
    let loopback =
        request.redirect_uri.starts_with("http://127.0.0.1:") || request.redirect_uri.starts_with("http://localhost:");
    let fine = request.response_type == "code"
        && request.client_id == CLIENT_ID
        && request.code_challenge_method == "S256"
        && loopback;
    let lasting = lasting(&api, &request.scope);
    let (true, Ok(lasting)) = (fine, lasting) else { return oauth_error("invalid_request") };
    let AuthorizeRequest { redirect_uri, state, code_challenge, .. } = request;
    let code = api.identity.give(Open::Code { challenge: code_challenge, redirect_uri: redirect_uri.clone(), lasting });
    let state = utf8_percent_encode(&state, NON_ALPHANUMERIC);
    (StatusCode::FOUND, [(header::LOCATION, format!("{redirect_uri}?code={code}&state={state}"))]).into_response()
}
