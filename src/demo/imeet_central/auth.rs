//! The token endpoint and the check of bearer tokens (Authentication page; RFC 7523, RFC 6750).

use std::sync::Arc;

use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json, RequestExt};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::api::Api;
use super::key::ClientKey;
use crate::demo::moment::now_ms;
use crate::demo::service::API_USER;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const AUDIENCE: &str = "oidc.imeetcentral.com";
const SCOPE: &str = "cd.user";
/// A token request is some hundred bytes.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// How far the client's clock may be ahead.
const CLOCK_SKEW_S: u64 = 10;
/// The vendor's samples ask for up to 600,000 s. More is a time in milliseconds.
const LIFETIME_S_MAX: u64 = 30 * 24 * 3600;

#[derive(Deserialize)]
struct TokenRequest {
    grant_type: Option<String>,
    assertion: Option<String>,
}

#[derive(Deserialize)]
struct JwtHeader {
    alg: String,
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    scp: String,
    iat: u64,
    exp: u64,
}

/// `POST /oauth2/token`. The samples send JSON or a form, so both are taken.
pub async fn token(State(api): State<Arc<Api>>, request: Request) -> Response {
    let request = match read_token_request(request).await {
        Ok(request) => request,
        Err(why) => return oauth_error("invalid_request", why),
    };
    match (request.grant_type.as_deref(), request.assertion) {
        (Some(GRANT_TYPE), Some(assertion)) => match check_assertion(&api.key, &assertion) {
            Ok(()) => grant(&api),
            Err(why) => oauth_error("invalid_grant", why),
        },
        (Some(GRANT_TYPE), None) => oauth_error("invalid_request", "assertion is missing"),
        (Some(_), _) => oauth_error("unsupported_grant_type", "only the JWT bearer grant"),
        (None, _) => oauth_error("invalid_request", "grant_type is missing"),
    }
}

async fn read_token_request(request: Request) -> Result<TokenRequest, &'static str> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    match content_type.map(|text| text.split(';').next().unwrap_or("").trim().to_ascii_lowercase()).as_deref() {
        Some("application/json") => {
            let bytes = to_bytes(request.into_body(), REQUEST_BYTES_MAX).await.map_err(|_| "too long")?;
            serde_json::from_slice(&bytes).map_err(|_| "no JSON object")
        }
        Some("application/x-www-form-urlencoded") => {
            let form = request.extract::<Form<TokenRequest>, _>().await.map_err(|_| "no form")?;
            Ok(form.0)
        }
        _ => Err("content type must be application/json or application/x-www-form-urlencoded"),
    }
}

fn grant(api: &Api) -> Response {
    let life = api.service.behaviour.token_life;
    let access_token = api.service.tokens.issue(API_USER, life);
    let answer = json!({ "access_token": access_token, "token_type": "bearer", "expires_in": life.as_secs() });
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}

fn oauth_error(error: &str, description: &str) -> Response {
    let answer = json!({ "error": error, "error_description": description });
    (StatusCode::BAD_REQUEST, Json(answer)).into_response()
}

fn check_assertion(key: &ClientKey, assertion: &str) -> Result<(), &'static str> {
    let (message, signature) = assertion.rsplit_once('.').ok_or("no JWT")?;
    let (header, claims) = message.split_once('.').ok_or("no JWT")?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| "signature is not base64url")?;
    if decode::<JwtHeader>(header)?.alg != "RS256" {
        return Err("alg must be RS256");
    }
    if !key.verify(message.as_bytes(), &signature) {
        return Err("signature does not fit");
    }
    check_claims(&decode(claims)?, &key.client_id)
}

fn check_claims(claims: &Claims, client_id: &str) -> Result<(), &'static str> {
    let now = now_ms() / 1000;
    if claims.iss != client_id {
        return Err("iss is not this client");
    }
    if claims.aud != AUDIENCE {
        return Err("aud must be oidc.imeetcentral.com");
    }
    if claims.scp != SCOPE {
        return Err("scp must be cd.user");
    }
    if claims.iat > now + CLOCK_SKEW_S {
        return Err("iat lies in the future");
    }
    if claims.exp <= now {
        return Err("exp is over");
    }
    if claims.exp > now + LIFETIME_S_MAX {
        return Err("exp is too far away");
    }
    Ok(())
}

fn decode<T: DeserializeOwned>(part: &str) -> Result<T, &'static str> {
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64url")?;
    serde_json::from_slice(&bytes).map_err(|_| "a claim is missing or of the wrong type")
}

/// Lets only requests with a living token through.
pub async fn require_token(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    let credentials = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(credentials) = credentials else {
        return unauthorized("Bearer", "Authorization is missing");
    };
    let token = match credentials.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token,
        _ => return unauthorized("Bearer", "Authorization must be a bearer token"),
    };
    match api.service.tokens.meaning(token) {
        Some(_) => next.run(request).await,
        None => unauthorized("Bearer error=\"invalid_token\"", "the token is unknown or its time is over"),
    }
}

fn unauthorized(challenge: &'static str, message: &str) -> Response {
    let answer = Json(json!({ "message": message }));
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)], answer).into_response()
}
