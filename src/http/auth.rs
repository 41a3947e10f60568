//! Credentials: who has them, and which addresses may see them.

use async_trait::async_trait;
use base64::Engine;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::error::{Error, ErrorKind, Result};
use crate::http::address::same_origin;
use crate::http::response::Response;

/// What credentials may depend on (a signature covers method and path).
pub struct Outgoing<'a> {
    pub method: &'a Method,
    pub url: &'a Url,
}

/// Headers that prove who we are. Not shown by any log.
#[derive(Clone, Default)]
pub struct Credentials {
    pub headers: HeaderMap,
    /// Which of its tokens the authorizer used, so that many refusals of one token cause one renewal.
    pub generation: u64,
}

/// Gives requests their credentials and hears when they are refused.
#[async_trait]
pub trait Authorizer: Send + Sync {
    /// Headers for this request; asked anew for each try. Errors: `SignedOut`, or why a token cannot be had now.
    async fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials>;

    /// Whether the answer refuses the credentials (and not what was asked).
    fn refuses(&self, response: &Response) -> bool {
        response.status == reqwest::StatusCode::UNAUTHORIZED
    }

    /// Sees every answer to a request that had these, before it is judged: services that hand on a value from answer
    /// to request keep it here.
    fn observe(&self, _used: &Credentials, _response: &Response) {}

    /// The service refused these. True when there are new ones now, so that one more try makes sense.
    async fn refused(&self, _used: &Credentials) -> Result<bool> {
        Ok(false)
    }

    /// The service took these.
    fn accepted(&self, _used: &Credentials) {}

    /// Whether `url` may see the credentials of the service at `base`.
    fn covers(&self, base: &Url, url: &Url) -> bool {
        same_origin(base, url)
    }
}

/// Credentials that never change: an API key, a password.
pub struct FixedHeaders(HeaderMap);

impl FixedHeaders {
    /// Errors: `Invalid` when the value cannot stand in a header.
    pub fn new(name: HeaderName, value: &str) -> Result<FixedHeaders> {
        Ok(FixedHeaders(HeaderMap::from_iter([(name, secret_value(value)?)])))
    }

    /// For services, or addresses, that want none.
    pub fn none() -> FixedHeaders {
        FixedHeaders(HeaderMap::new())
    }

    /// HTTP Basic authentication (RFC 7617).
    pub fn basic(user: &str, password: &str) -> Result<FixedHeaders> {
        let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{password}"));
        FixedHeaders::new(AUTHORIZATION, &format!("Basic {encoded}"))
    }
}

#[async_trait]
impl Authorizer for FixedHeaders {
    async fn credentials(&self, _request: &Outgoing<'_>) -> Result<Credentials> {
        Ok(Credentials { headers: self.0.clone(), generation: 0 })
    }
}

/// A header value that debug output hides. Errors: `Invalid` without quoting the value.
pub fn secret_value(text: &str) -> Result<HeaderValue> {
    let mut value = HeaderValue::from_str(text).map_err(|_| {
        Error::new(ErrorKind::Invalid, "a credential has characters (a line end?) that cannot be sent in a header")
    })?;
    value.set_sensitive(true);
    Ok(value)
}
