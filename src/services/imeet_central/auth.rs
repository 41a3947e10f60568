//! Signing in: a signed assertion is traded for an access token (Authentication page, RFC 7523). There is no refresh
//! token: a new token is a new assertion.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Client, Request, Response, StatusCode, Token, TokenSource};
use crate::services::imeet_central::assumptions as assumed;
use crate::services::imeet_central::key::ClientKey;

const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

/// An OAuth answer is a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub struct ServiceClient {
    pub client: Client,
    pub token_url: String,
    pub audience: String,
    pub key: ClientKey,
    /// The service wants the fields as a form (as OAuth prescribes) and not as JSON (as the vendor's samples send them).
    pub wants_form: AtomicBool,
}

#[async_trait]
impl TokenSource for ServiceClient {
    async fn fetch(&self) -> Result<Token> {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let assertion = self.key.assertion(&self.audience, now_s)?;
        let mut response = self.ask(&assertion).await?;
        if !self.wants_form.load(Ordering::Relaxed) && refuses_json(&response) {
            self.wants_form.store(true, Ordering::Relaxed);
            response = self.ask(&assertion).await?;
        }
        if !response.status.is_success() {
            return Err(refusal(&response, &assertion));
        }
        read_token(&response)
    }
}

impl ServiceClient {
    async fn ask(&self, assertion: &str) -> Result<Response> {
        let request = Request::post("token", &self.token_url).anonymous().repeatable();
        let request = request.answer_bytes_max(ANSWER_BYTES_MAX);
        let request = match self.wants_form.load(Ordering::Relaxed) {
            true => request.form(&[("grant_type", GRANT_TYPE), ("assertion", assertion)]),
            false => request.json(&json!({ "grant_type": GRANT_TYPE, "assertion": assertion })),
        };
        self.client.send(&request).await
    }
}

fn oauth_error(response: &Response) -> Option<String> {
    response.json::<Value>().ok()?.get("error")?.as_str().map(str::to_owned)
}

fn refuses_json(response: &Response) -> bool {
    match response.status {
        StatusCode::UNSUPPORTED_MEDIA_TYPE => true,
        StatusCode::BAD_REQUEST => {
            matches!(oauth_error(response).as_deref(), None | Some("invalid_request" | "unsupported_media_type"))
        }
        _ => false,
    }
}

/// Why no token was given, in words that say what to do. What the service wrote is shown without our assertion.
fn refusal(response: &Response, assertion: &str) -> Error {
    let status = response.status;
    if !matches!(status.as_u16(), 400 | 401 | 403) {
        return response.error(&[]);
    }
    let error = oauth_error(response).unwrap_or_else(|| status.to_string());
    let described = response.json::<Value>().ok().and_then(|answer| Some(answer.get("error_description")?.to_string()));
    let described: String = described.unwrap_or_default().replace(assertion, "***").chars().take(200).collect();
    let advice = match error.as_str() {
        "invalid_grant" => {
            "the key is not valid (any more), or this machine's clock is wrong: check the clock, else have an \
             administrator make a new key (Company Setup > Advanced > API) and set key_file to it"
        }
        _ => "check key_file, token_url and audience",
    };
    Error::new(ErrorKind::SignedOut, format!("the service refuses to sign in ({error} {described}): {advice}"))
}

fn read_token(response: &Response) -> Result<Token> {
    // The whole answer is a secret: it must not be quoted as other answers are.
    let Ok(answer) = serde_json::from_slice::<Value>(response.bytes()) else {
        return fail(ErrorKind::Protocol, "the token endpoint's answer is no JSON");
    };
    let value = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if value.is_empty() {
        return fail(ErrorKind::Protocol, "the token endpoint's answer has no access_token");
    }
    let token_type = answer.get("token_type").and_then(Value::as_str).unwrap_or("bearer");
    if !token_type.eq_ignore_ascii_case("bearer") {
        return fail(ErrorKind::Protocol, "the token endpoint gives tokens of an unknown type");
    }
    let told = answer.get("expires_in");
    let seconds = told.and_then(|v| v.as_f64().or_else(|| v.as_str()?.parse().ok())).filter(|s| *s >= 1.0);
    let lifetime = seconds.map_or(assumed::TOKEN_LIFETIME_S, |s| s.min(1e9) as u64);
    Ok(Token { value: value.to_owned(), lifetime: Some(Duration::from_secs(lifetime)) })
}
