//! Signing in ("Login with username and password" page): name and password are traded for a JWT. No refresh token is
//! documented: a new token is a new login.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Client, Request, Response, Token, TokenSource};
use crate::secret::Secret;
use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::paths::Paths;

/// A token with its envelope has a few kilobytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;

pub struct Login {
    /// Without credentials of its own.
    pub client: Client,
    pub paths: Arc<Paths>,
    pub username: String,
    pub password: Secret,
}

#[async_trait]
impl TokenSource for Login {
    async fn fetch(&self) -> Result<Token> {
        let body = json!({ "username": self.username, "password": self.password.expose() });
        let request = Request::post("token", self.paths.login()).json(&body).repeatable();
        let response = self.client.send(&request.answer_bytes_max(ANSWER_BYTES_MAX)).await?;
        match response.status.as_u16() {
            200..=299 => read_token(&response),
            // A wrong address answers so, and nobody's password is at fault.
            404 | 405 => fail(ErrorKind::Invalid, "there is no login at this address; check url and path.login"),
            400 | 401 | 403 | 422 => Err(self.refusal(&response)),
            _ => Err(response.error(assumed::REFUSALS)),
        }
    }
}

impl Login {
    /// What the service wrote is shown without the password, should it repeat what it got.
    fn refusal(&self, response: &Response) -> Error {
        let said = response.excerpt().replace(self.password.expose(), "***");
        let text = format!("the service refuses username or password ({}): {said}", response.status.as_u16());
        Error::new(ErrorKind::SignedOut, text)
    }
}

/// Errors: `Protocol` when the answer holds no token; it is not quoted, since it may hold one somewhere.
fn read_token(response: &Response) -> Result<Token> {
    let answer: Value = serde_json::from_slice(response.bytes()).unwrap_or_default();
    let places = [&answer, &answer["data"]];
    let found = places.iter().find_map(|place| assumed::TOKEN.iter().find_map(|name| place[*name].as_str()));
    match found.filter(|token| !token.is_empty()) {
        Some(token) => Ok(Token { value: token.to_owned(), lifetime: Some(lifetime(token)) }),
        None => fail(ErrorKind::Protocol, "the service's answer to the login holds no token"),
    }
}

/// How long the token is good from now on, by the `exp` of its payload. It is opaque otherwise.
fn lifetime(token: &str) -> Duration {
    let remaining = || {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
        let expires_s = serde_json::from_slice::<Value>(&payload).ok()?["exp"].as_f64()?;
        let expires = UNIX_EPOCH.checked_add(Duration::try_from_secs_f64(expires_s).ok()?)?;
        // One that is over already was made by another clock than ours.
        expires.duration_since(SystemTime::now()).ok()
    };
    remaining().unwrap_or(assumed::TOKEN_LIFETIME)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn jwt(payload: Value) -> String {
        format!("head.{}.signature", URL_SAFE_NO_PAD.encode(payload.to_string()))
    }

    #[test]
    fn a_token_lives_until_its_payload_says() {
        let now_s = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let told = lifetime(&jwt(json!({ "exp": now_s + 600 })));
        assert!((590..=600).contains(&told.as_secs()), "{told:?}");
        for odd in ["opaque".to_owned(), jwt(json!({})), jwt(json!({ "exp": now_s - 5 })), jwt(json!({ "exp": -1 }))] {
            assert_eq!(lifetime(&odd), assumed::TOKEN_LIFETIME, "{odd}");
        }
    }
}
