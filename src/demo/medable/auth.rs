//! Signing in, and the check of credentials: token, signature, or session with CSRF value (Authentication and
//! Two-factor pages).

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, header};
use axum::middleware::Next;
use axum::response::{AppendHeaders, IntoResponse, Response};
use hmac::{Hmac, Mac};
use serde_json::json;
use sha2::Sha256;

use super::api::{Api, Body};
use super::fault::{Answer, Fault};
use super::{ORG, objects};
use crate::demo::moment::now_ms;
use crate::demo::service::API_USER;
use crate::demo::store::random_uuid;

/// What the service "sends by SMS".
pub const CODE: &str = "246813";

const CLIENT_KEY: &str = "medable-client-key";
const CSRF: HeaderName = HeaderName::from_static("medable-csrf-token");
const SESSION_COOKIE: &str = "md.sid";
const DEVICE_COOKIE: &str = "md.fingerprint";
/// How far the client's clock may be off.
const CLOCK_SKEW_MS: u64 = 300_000;
const NONCE_CHARS: usize = 16;

/// `POST /accounts/login`
pub async fn login(State(api): State<Arc<Api>>, headers: HeaderMap, body: Body) -> Answer {
    require_client_key(&api, &headers)?;
    let body = body.object()?;
    let text = |member: &str| body.get(member).and_then(|value| value.as_str());
    if text("email") != Some(API_USER) || text("password") != Some(&api.keys.password) {
        return Err(Fault::new(403, "kInvalidCredentials", "unknown account or wrong password"));
    }
    let is_known = cookie(&headers, DEVICE_COOKIE).is_some_and(|value| value == api.keys.fingerprint);
    match body.get("location") {
        None if !is_known => return Err(Fault::new(200, "kNewLocation", "a verification code was sent")),
        Some(location) if location["verificationToken"] != CODE => {
            return Err(Fault::new(403, "kUnverifiedLocation", "wrong verification code"));
        }
        _ => {}
    }
    let csrf = random_uuid();
    let session = api.service.tokens.issue(&csrf, api.service.behaviour.token_life);
    let cookies = AppendHeaders([
        (header::SET_COOKIE, format!("{SESSION_COOKIE}={session}; Path=/{ORG}; HttpOnly")),
        (header::SET_COOKIE, format!("{DEVICE_COOKIE}={}; Path=/; HttpOnly", api.keys.fingerprint)),
        (CSRF, csrf),
    ]);
    Ok((cookies, Json(objects::account())).into_response())
}

/// `GET /accounts/me`
pub async fn whoami() -> Json<serde_json::Value> {
    Json(objects::account())
}

/// `POST /accounts/me/logout`
pub async fn logout(State(api): State<Arc<Api>>) -> Json<serde_json::Value> {
    api.service.tokens.revoke_all();
    Json(json!({ "object": "result", "data": true }))
}

/// Lets only requests with the client key and one kind of credentials through.
pub async fn require_account(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    match check(&api, &request) {
        Ok(csrf) => {
            let mut response = next.run(request).await;
            if let Some(csrf) = csrf.and_then(|csrf| csrf.parse().ok()) {
                response.headers_mut().insert(CSRF, csrf);
            }
            response
        }
        Err(fault) => fault.into_response(),
    }
}

/// The CSRF value of a session; `None` for other credentials.
fn check(api: &Api, request: &Request) -> Result<Option<String>, Fault> {
    let headers = request.headers();
    require_client_key(api, headers)?;
    if let Some(bearer) = headers.get(header::AUTHORIZATION) {
        return match bearer.to_str().ok().and_then(|text| text.strip_prefix("Bearer ")) {
            Some(token) if token == api.keys.token => Ok(None),
            _ => Err(Fault::new(403, "kTokenExpired", "the token is not good")),
        };
    }
    if text(headers, "medable-client-signature").is_some() {
        return check_signature(api, request).map(|()| None);
    }
    let session = cookie(headers, SESSION_COOKIE).and_then(|session| api.service.tokens.meaning(session));
    let Some(csrf) = session else { return Err(Fault::new(401, "kNotLoggedIn", "no session")) };
    if text(headers, CSRF.as_str()) != Some(&csrf) {
        return Err(Fault::new(403, "kCSRFTokenMismatch", "the CSRF value is missing or wrong"));
    }
    Ok(Some(csrf))
}

fn require_client_key(api: &Api, headers: &HeaderMap) -> Result<(), Fault> {
    match text(headers, CLIENT_KEY) == Some(&api.keys.client_key) {
        true => Ok(()),
        false => Err(Fault::new(403, "kAccessDenied", "the client key is missing or unknown")),
    }
}

fn check_signature(api: &Api, request: &Request) -> Result<(), Fault> {
    let headers = request.headers();
    let told = |name: &str| text(headers, name).unwrap_or_default();
    let (time, nonce) = (told("medable-client-timestamp"), told("medable-client-nonce"));
    let refused = || Fault::new(400, "kInvalidRequestSignature", "the signature does not fit");
    let time_ms: u64 = time.parse().map_err(|_| refused())?;
    if nonce.len() != NONCE_CHARS || !nonce.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(refused());
    }
    if now_ms().abs_diff(time_ms) > CLOCK_SKEW_MS {
        return Err(Fault::new(400, "kStaleRequestSignature", "the timestamp is too far off"));
    }
    // Within the nested router the path begins behind the version.
    let path = request.uri().path().trim_matches('/');
    let key = format!("{}{}", api.keys.client_key, api.keys.secret);
    let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).map_err(|_| refused())?;
    mac.update(format!("/{path};{};{time}", request.method()).as_bytes());
    let expected = format!("{:x}", mac.finalize().into_bytes());
    if told("medable-client-signature") == expected { Ok(()) } else { Err(refused()) }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(n, _)| *n == name).map(|(_, value)| value)
}
