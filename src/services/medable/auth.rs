//! The headers that prove who we are (Authentication page): the client key with every request, and beside it a token,
//! a signature or a session.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use rand::Rng;
use rand::distr::Alphanumeric;
use sha2::Sha256;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::http::auth::{Outgoing, secret_value};
use crate::http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use crate::http::{Authorizer, BearerToken, Credentials, Response};
use crate::secret::Secret;
use crate::services::medable::assumptions as assumed;
use crate::services::medable::fault;
use crate::services::medable::session::Csrf;

pub const CLIENT_KEY: HeaderName = HeaderName::from_static("medable-client-key");
const SIGNATURE: HeaderName = HeaderName::from_static("medable-client-signature");
const TIMESTAMP: HeaderName = HeaderName::from_static("medable-client-timestamp");
const NONCE: HeaderName = HeaderName::from_static("medable-client-nonce");
const SERVER_TIME: HeaderName = HeaderName::from_static("medable-server-time");
pub const CSRF: HeaderName = HeaderName::from_static("medable-csrf-token");

/// Alphanumerics of a nonce.
const NONCE_CHARS: usize = 16;

/// One of the three ways to sign in.
pub enum Auth {
    Token(HeaderMap),
    Signature(Signature),
    Session(Session),
}

impl Auth {
    pub fn token(client_key: &str, token: &Secret) -> Result<Auth> {
        let bearer = secret_value(&format!("Bearer {}", token.expose()))?;
        Ok(Auth::Token(HeaderMap::from_iter([(CLIENT_KEY, secret_value(client_key)?), (AUTHORIZATION, bearer)])))
    }

    pub fn signature(client_key: &str, secret: Secret, api_path: &str) -> Result<Auth> {
        Ok(Auth::Signature(Signature {
            client_key: client_key.to_owned(),
            key_header: secret_value(client_key)?,
            secret,
            api_path: api_path.to_owned(),
            clock_ahead_ms: AtomicI64::new(0),
        }))
    }

    pub fn session(client_key: &str, cookies: BearerToken, csrf: Arc<Csrf>) -> Result<Auth> {
        let key_header = secret_value(client_key)?;
        Ok(Auth::Session(Session { key_header, cookies, csrf, elsewhere: Mutex::default() }))
    }

    /// Forgets a session or a refusal: the next request signs in anew.
    pub fn forget(&self) {
        if let Auth::Session(session) = self {
            session.cookies.forget();
            *session.elsewhere() = Elsewhere::default();
        }
    }
}

#[async_trait]
impl Authorizer for Auth {
    async fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials> {
        match self {
            Auth::Token(headers) => Ok(Credentials { headers: headers.clone(), generation: 0 }),
            Auth::Signature(signature) => signature.credentials(request),
            Auth::Session(session) => session.credentials(request).await,
        }
    }

    fn refuses(&self, response: &Response) -> bool {
        let Some(fault) = fault::failure(response) else { return false };
        match self {
            Auth::Token(_) => false,
            Auth::Signature(_) => fault.code == assumed::STALE_SIGNATURE,
            Auth::Session(_) => fault.is(&assumed::SESSION_OVER),
        }
    }

    fn observe(&self, used: &Credentials, response: &Response) {
        match self {
            Auth::Token(_) => {}
            Auth::Signature(signature) => signature.learn_clock(response),
            Auth::Session(session) => session.observe(used, response),
        }
    }

    async fn refused(&self, used: &Credentials) -> Result<bool> {
        match self {
            Auth::Token(_) => Ok(false),
            // The clock is corrected by the very answer that refused it.
            Auth::Signature(_) => Ok(true),
            Auth::Session(session) => session.refused(used).await,
        }
    }

    fn accepted(&self, used: &Credentials) {
        if let Auth::Session(session) = self {
            session.cookies.accepted(used);
        }
    }
}

/// Each request signed with the app's secret.
pub struct Signature {
    client_key: String,
    key_header: HeaderValue,
    secret: Secret,
    /// `/ORG/v2`, which is not signed.
    api_path: String,
    /// How far the service's clock is ahead of ours.
    clock_ahead_ms: AtomicI64,
}

impl Signature {
    fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials> {
        let now_ms = unix_ms().saturating_add(self.clock_ahead_ms.load(Ordering::Relaxed)).to_string();
        let nonce: String = rand::rng().sample_iter(Alphanumeric).take(NONCE_CHARS).map(char::from).collect();
        let path = request.url.path();
        let path = path.strip_prefix(&self.api_path).unwrap_or(path).trim_matches('/');
        let signature = self.sign(&format!("/{path};{};{now_ms}", request.method));
        let headers = [
            (CLIENT_KEY, self.key_header.clone()),
            (SIGNATURE, secret_value(&signature)?),
            (TIMESTAMP, secret_value(&now_ms)?),
            (NONCE, secret_value(&nonce)?),
        ];
        Ok(Credentials { headers: headers.into_iter().collect(), generation: 0 })
    }

    /// Lower-case hexadecimal HMAC-SHA256 whose key is the client key followed by the secret.
    fn sign(&self, text: &str) -> String {
        let key = format!("{}{}", self.client_key, self.secret.expose());
        let mut mac = Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
        mac.update(text.as_bytes());
        format!("{:x}", mac.finalize().into_bytes())
    }

    fn learn_clock(&self, response: &Response) {
        let told = response.header(SERVER_TIME).and_then(|text| text.trim().parse::<i64>().ok());
        if let Some(told) = told.filter(|told| *told > 0) {
            self.clock_ahead_ms.store(told.saturating_sub(unix_ms()), Ordering::Relaxed);
        }
    }
}

fn unix_ms() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
}

/// Cookies, and the CSRF value beside them.
pub struct Session {
    key_header: HeaderValue,
    cookies: BearerToken,
    csrf: Arc<Csrf>,
    elsewhere: Mutex<Elsewhere>,
}

/// How often the service ended our session because the account signed in somewhere else.
#[derive(Default)]
struct Elsewhere {
    /// The session that was ended last, and when.
    last: Option<(u64, Instant)>,
    paused_until: Option<Instant>,
}

impl Session {
    async fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials> {
        if self.elsewhere().paused_until.is_some_and(|until| Instant::now() < until) {
            let text = "another program signs in with this account again and again, and each sign-in ends the other's \
                        session; end it, or give collabfs an account or a token of its own";
            return Err(Error::new(ErrorKind::SignedOut, text));
        }
        let mut credentials = self.cookies.credentials(request).await?;
        if let Some(value) = self.csrf.of(&credentials) {
            credentials.headers.insert(CSRF, value);
        }
        credentials.headers.insert(CLIENT_KEY, self.key_header.clone());
        Ok(credentials)
    }

    fn observe(&self, used: &Credentials, response: &Response) {
        if let Some(value) = response.headers.get(CSRF) {
            self.csrf.renew(used, value);
        }
        let ended = fault::failure(response).is_some_and(|fault| fault.code == assumed::LOGGED_IN_ELSEWHERE);
        if ended {
            self.elsewhere().note(used.generation, Instant::now());
        }
    }

    async fn refused(&self, used: &Credentials) -> Result<bool> {
        if self.elsewhere().paused_until.is_some_and(|until| Instant::now() < until) {
            return Ok(false);
        }
        self.cookies.refused(used).await
    }

    fn elsewhere(&self) -> std::sync::MutexGuard<'_, Elsewhere> {
        self.elsewhere.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Elsewhere {
    fn note(&mut self, session: u64, now: Instant) {
        match self.last {
            // Many requests of one session hear of its end.
            Some((ended, _)) if ended == session => return,
            Some((_, at)) if now < at + assumed::ELSEWHERE_WITHIN => {
                self.paused_until = Some(now + assumed::ELSEWHERE_PAUSE);
            }
            _ => {}
        }
        self.last = Some((session, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::{Method, Url};

    #[test]
    fn a_signature_covers_path_method_and_time_only() {
        let Ok(Auth::Signature(signature)) = Auth::signature("key", Secret::new("secret"), "/acme/v2") else {
            panic!("no signature")
        };
        // As `openssl dgst -sha256 -hmac keysecret` has it.
        let known = "505fa4ec1ed5bb3f4ad29bbf6bea6f2dba945e8753721b675590179cf10e7e53";
        assert_eq!(signature.sign("/accounts/me;GET;1428120813000"), known);
        let url: Url = "https://api.example/acme/v2/c_files/5516/?where=%7B%7D".parse().unwrap();
        let sent = signature.credentials(&Outgoing { method: &Method::GET, url: &url }).unwrap().headers;
        let time = sent[TIMESTAMP].to_str().unwrap();
        assert_eq!(sent[SIGNATURE].to_str().unwrap(), signature.sign(&format!("/c_files/5516;GET;{time}")));
        let again = signature.credentials(&Outgoing { method: &Method::GET, url: &url }).unwrap().headers;
        assert_ne!(sent[NONCE], again[NONCE]);
        assert_eq!(sent[NONCE].len(), NONCE_CHARS);
    }

    #[test]
    fn two_machines_that_throw_each_other_out_are_noticed() {
        let (start, mut elsewhere) = (Instant::now(), Elsewhere::default());
        elsewhere.note(1, start);
        elsewhere.note(1, start);
        assert!(elsewhere.paused_until.is_none(), "two requests of one session");
        elsewhere.note(2, start + assumed::ELSEWHERE_WITHIN);
        assert!(elsewhere.paused_until.is_none(), "a minute later");
        elsewhere.note(3, start + assumed::ELSEWHERE_WITHIN * 3 / 2);
        assert!(elsewhere.paused_until.is_some());
    }
}
