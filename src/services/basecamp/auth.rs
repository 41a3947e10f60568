//! Credentials: a person's own login by HTTP Basic, or OAuth 2 at Launchpad (authentication guide). A refresh token that
//! the service exchanges for another one is on the disk before anything is asked with what came along.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::config::places::make_private_dir;
use crate::disk::write_atomic;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::auth::Outgoing;
use crate::http::{Authorizer, Client, Credentials, Request, Response, Token, TokenSource, Url, path, same_origin};
use crate::secret::Secret;
use crate::services::basecamp::assumptions as assumed;

/// A token's answer is some hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Within the account's state directory.
const STORED_NAME: &str = "basecamp-refresh-token.json";

/// Credentials for the API's host and, beside it, for the hosts `asset1.basecamp.com` and so on, which serve downloads.
/// The storage that downloads are redirected to has signed addresses and sees none.
pub struct WithAssetHosts(pub Arc<dyn Authorizer>);

#[async_trait]
impl Authorizer for WithAssetHosts {
    async fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials> {
        self.0.credentials(request).await
    }

    fn refuses(&self, response: &Response) -> bool {
        self.0.refuses(response)
    }

    async fn refused(&self, used: &Credentials) -> Result<bool> {
        self.0.refused(used).await
    }

    fn accepted(&self, used: &Credentials) {
        self.0.accepted(used);
    }

    fn covers(&self, base: &Url, url: &Url) -> bool {
        same_origin(base, url) || (base.host_str() == Some("basecamp.com") && is_asset_host(url))
    }
}

fn is_asset_host(url: &Url) -> bool {
    let number = url.host_str().and_then(|host| host.strip_prefix("asset")?.strip_suffix(".basecamp.com"));
    let numbered = number.is_some_and(|number| !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()));
    numbered && url.scheme() == "https" && url.port().is_none()
}

/// Trades the refresh token for access tokens.
pub struct Launchpad {
    pub client: Client,
    pub client_id: String,
    pub client_secret: Secret,
    /// As configured; what Launchpad gave for it later is in the file.
    pub refresh_token: Secret,
    pub state_dir: PathBuf,
}

/// What is remembered between runs.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// SHA-256 of the configured token that this one comes from: a newly configured one wins.
    configured_sha256: String,
    refresh_token: String,
}

#[async_trait]
impl TokenSource for Launchpad {
    async fn fetch(&self) -> Result<Token> {
        // Read each time: another process of this account may have got a newer one.
        let refresh_token = self.newest_refresh_token();
        let fields = [
            ("grant_type", "refresh_token"),
            ("refresh_token", refresh_token.expose()),
            ("client_id", &self.client_id),
            ("client_secret", self.client_secret.expose()),
        ];
        let request = Request::post("token", path(&["authorization", "token"])?).anonymous().repeatable();
        let request = request.answer_bytes_max(ANSWER_BYTES_MAX).form(&fields);
        let response = self.client.send(&request).await?;
        if !response.status.is_success() {
            return Err(refusal(&response));
        }
        // The whole answer is a secret: it must not be quoted as other answers are.
        let Ok(answer) = serde_json::from_slice::<Value>(response.bytes()) else {
            return fail(ErrorKind::Protocol, "Launchpad's answer to the token request is no JSON");
        };
        if let Some(newer) = answer.get("refresh_token").and_then(Value::as_str).filter(|token| !token.is_empty())
            && newer != refresh_token.expose()
        {
            self.store(newer)?;
        }
        read_token(&answer)
    }
}

impl Launchpad {
    fn configured_sha256(&self) -> String {
        format!("{:x}", Sha256::digest(self.refresh_token.expose()))
    }

    fn newest_refresh_token(&self) -> Secret {
        let text = std::fs::read_to_string(self.state_dir.join(STORED_NAME)).unwrap_or_default();
        match serde_json::from_str::<Stored>(&text) {
            Ok(stored) if stored.configured_sha256 == self.configured_sha256() => Secret::new(stored.refresh_token),
            _ => self.refresh_token.clone(),
        }
    }

    /// Errors: `LocalIo`, `DiskFull`; then the new token must not be used, or the next run would have a dead one.
    fn store(&self, refresh_token: &str) -> Result<()> {
        let stored = Stored { configured_sha256: self.configured_sha256(), refresh_token: refresh_token.to_owned() };
        make_private_dir(&self.state_dir)?;
        // Two texts always serialise.
        write_atomic(&self.state_dir.join(STORED_NAME), &serde_json::to_vec(&stored).unwrap_or_default())
    }
}

fn read_token(answer: &Value) -> Result<Token> {
    let value = answer.get("access_token").and_then(Value::as_str).unwrap_or_default();
    if value.is_empty() {
        return fail(ErrorKind::Protocol, "Launchpad's answer has no access_token");
    }
    let told = answer.get("expires_in").and_then(Value::as_u64).unwrap_or(assumed::TOKEN_LIFETIME_S);
    // Short lives are for the common rule.
    let lifetime = if told > 2 * assumed::RENEWED_BEFORE_S { told - assumed::RENEWED_BEFORE_S } else { told };
    Ok(Token { value: value.to_owned(), lifetime: Some(Duration::from_secs(lifetime)) })
}

/// Why there is no token. Only the error's code is shown: the rest of the text may repeat what was sent.
fn refusal(response: &Response) -> Error {
    if !matches!(response.status.as_u16(), 400 | 401 | 403) {
        return response.error(&[]);
    }
    let answer: Value = serde_json::from_slice(response.bytes()).unwrap_or_default();
    let code = answer.get("error").and_then(Value::as_str).unwrap_or_default();
    let harmless = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ' ' | '.' | ',' | '\'');
    let code: String = code.chars().filter(|c| harmless(*c)).take(100).collect();
    let text = format!(
        "Launchpad refuses the refresh token ({}: {code}); after a change of the password, or when access was taken \
         back, only a new consent in the browser gives a new one: put it into refresh_token",
        response.status.as_u16()
    );
    Error::new(ErrorKind::SignedOut, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::FixedHeaders;

    #[test]
    fn credentials_go_to_the_api_and_its_asset_hosts_only() {
        let guard = WithAssetHosts(Arc::new(FixedHeaders::none()));
        let covers = |base: &str, url: &str| guard.covers(&base.parse().unwrap(), &url.parse().unwrap());
        let api = "https://basecamp.com/1111/api/v1";
        for good in ["https://basecamp.com/x", "https://asset0.basecamp.com/x", "https://asset12.basecamp.com/x"] {
            assert!(covers(api, good), "{good}");
        }
        let others = [
            "https://storage.googleapis.com/x",
            "http://asset1.basecamp.com/x",
            "https://asset.basecamp.com/x",
            "https://asset1.basecamp.com.evil.example/x",
            "https://asset1x.basecamp.com/x",
            "https://asset1.basecamp.com:8443/x",
        ];
        for other in others {
            assert!(!covers(api, other), "{other}");
        }
        assert!(!covers("http://127.0.0.1:1/1/api/v1", "https://asset1.basecamp.com/x"));
    }
}
