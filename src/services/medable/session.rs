//! Signing in with e-mail and password, perhaps with a code (Authentication, Two-factor and Account pages).
//!
//! The service knows a machine by the cookie `md.fingerprint`: it is kept in a private file, or every mount would cost
//! a new code.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::disk::write_atomic;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{COOKIE, HeaderValue, SET_COOKIE};
use crate::http::{Client, Credentials, Request, Response, Token, TokenSource};
use crate::secret::Secret;
use crate::services::medable::assumptions as assumed;
use crate::services::medable::auth::CSRF;
use crate::services::medable::fault::{self, Fault};

const SESSION_COOKIE: &str = "md.sid";
const DEVICE_COOKIE: &str = "md.fingerprint";

/// An account's answer is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 1 << 20;
/// More is no fingerprint of ours.
const DEVICE_FILE_BYTES_MAX: u64 = 64 << 10;

pub struct SignIn {
    /// Sends the client key and nothing else.
    pub client: Client,
    pub email: String,
    pub password: Secret,
    /// The code that the service sent, while it does not know this machine.
    pub code: Option<Secret>,
    pub device: Device,
    pub csrf: Arc<Csrf>,
}

/// The CSRF value of the newest session.
#[derive(Default)]
pub struct Csrf(Mutex<Option<SessionValue>>);

struct SessionValue {
    /// The session's cookies: answers of an older session must not change this one's value.
    cookies: HeaderValue,
    /// `None` as long as the app shows no CSRF protection.
    value: Option<HeaderValue>,
}

impl Csrf {
    /// The value that goes with these credentials.
    pub fn of(&self, used: &Credentials) -> Option<HeaderValue> {
        let known = self.lock();
        known.as_ref().filter(|known| used.headers.get(COOKIE) == Some(&known.cookies))?.value.clone()
    }

    /// Takes the value of a newer answer in the same session.
    pub fn renew(&self, used: &Credentials, value: &HeaderValue) {
        if let Some(known) = self.lock().as_mut()
            && used.headers.get(COOKIE) == Some(&known.cookies)
        {
            known.value = Some(sensitive(value));
        }
    }

    fn begin(&self, cookies: &str, value: Option<&HeaderValue>) {
        let cookies = HeaderValue::from_str(cookies).ok();
        *self.lock() = cookies.map(|cookies| SessionValue { cookies, value: value.map(sensitive) });
    }

    fn lock(&self) -> MutexGuard<'_, Option<SessionValue>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn sensitive(value: &HeaderValue) -> HeaderValue {
    let mut value = value.clone();
    value.set_sensitive(true);
    value
}

#[async_trait]
impl TokenSource for SignIn {
    /// `POST /accounts/login`; the token is the session's cookies.
    async fn fetch(&self) -> Result<Token> {
        let known = self.device.known();
        let response = self.client.send(&self.request(&known)?).await?;
        let cookies = |name| cookie(&response, name);
        let fingerprint = cookies(DEVICE_COOKIE).or(known.fingerprint);
        if let Err(error) = self.signed_in(&response) {
            let is_known = known.is_known && fault_of(&response).is_none_or(|f| !f.is(&[assumed::NEW_LOCATION]));
            self.device.remember(Known { fingerprint, is_known })?;
            return Err(error);
        }
        let Some(session) = cookies(SESSION_COOKIE) else {
            return fail(ErrorKind::Protocol, "the service signs in without giving a session");
        };
        self.device.remember(Known { fingerprint: fingerprint.clone(), is_known: true })?;
        let device = fingerprint.map(|value| format!("; {DEVICE_COOKIE}={value}")).unwrap_or_default();
        let value = format!("{SESSION_COOKIE}={session}{device}");
        self.csrf.begin(&value, response.headers.get(CSRF));
        Ok(Token { value, lifetime: None })
    }
}

impl SignIn {
    fn request(&self, known: &Known) -> Result<Request> {
        let mut body = json!({ "email": self.email, "password": self.password.expose() });
        // A machine that is known needs no code, and an old one would be refused.
        if let Some(code) = self.code.as_ref().filter(|_| !known.is_known) {
            body["location"] = json!({
                "verificationToken": code.expose(), "locationName": assumed::LOCATION_NAME, "singleUse": false,
            });
        }
        // A second session does no harm.
        let request = Request::post("login", "/accounts/login").repeatable().answer_bytes_max(ANSWER_BYTES_MAX);
        let request = request.json(&body);
        match &known.fingerprint {
            Some(fingerprint) => request.header(COOKIE, &format!("{DEVICE_COOKIE}={fingerprint}")),
            None => Ok(request),
        }
    }

    fn signed_in(&self, response: &Response) -> Result<()> {
        match fault_of(response) {
            Some(fault) => Err(self.refusal(&fault, response)),
            None if response.status.is_success() => Ok(()),
            // Nothing of the answer is quoted: what we sent may stand in it.
            None => {
                let error = response.error(&[]);
                let text = format!("the service answers {} to the sign-in", response.status);
                Err(Error::new(error.kind(), text).with_advice(error.advice()))
            }
        }
    }

    /// Why there is no session, in words that say what to do.
    fn refusal(&self, fault: &Fault, response: &Response) -> Error {
        let code = &fault.code;
        let text = if fault.is(&[assumed::NEW_LOCATION]) {
            "the service does not know this machine and has sent a verification code to the account's owner (kNewLocation): \
             set verification_token = \"CODE\" for the account and mount again; later mounts need no code"
        } else if fault.is(&assumed::CODE_REFUSED) {
            "the service refuses the verification code: it is wrong, too old or used; remove verification_token, mount \
             to get a new code, and set it"
        } else {
            let error = fault.error(response);
            if error.kind() != ErrorKind::SignedOut && error.is_temporary() {
                return Error::new(error.kind(), format!("the service cannot sign in now ({code})"))
                    .with_advice(error.advice());
            }
            "the service refuses to sign in; check username, password and client_key, and whether the account is \
             activated and not locked"
        };
        Error::new(ErrorKind::SignedOut, format!("{text} ({code})"))
    }
}

fn fault_of(response: &Response) -> Option<Fault> {
    fault::failure(response).or_else(|| Fault::read(&serde_json::from_slice::<Value>(response.bytes()).ok()?))
}

/// The value of a cookie that an answer sets.
fn cookie(response: &Response, name: &str) -> Option<String> {
    let set = response.headers.get_all(SET_COOKIE).iter().filter_map(|header| header.to_str().ok());
    let values = set.filter_map(|text| text.split(';').next()?.trim().split_once('='));
    let mut set = values.filter(|(n, value)| *n == name && !value.is_empty());
    set.next_back().map(|(_, value)| value.to_owned())
}

/// What the service knows this machine by.
pub struct Device {
    path: PathBuf,
    /// Where and for whom: a fingerprint is a credential, and goes to no other service.
    belongs_to: String,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Known {
    fingerprint: Option<String>,
    /// A sign-in succeeded with it.
    is_known: bool,
}

#[derive(Serialize, Deserialize)]
struct DeviceFile {
    belongs_to: String,
    fingerprint: Option<String>,
    is_known: bool,
}

impl Device {
    pub fn new(path: PathBuf, service: &str, email: &str) -> Device {
        Device { path, belongs_to: format!("{email} {service}") }
    }

    /// A file that cannot be read is as good as none: the service sends a new code.
    fn known(&self) -> Known {
        let small = std::fs::metadata(&self.path).is_ok_and(|file| file.len() <= DEVICE_FILE_BYTES_MAX);
        let text = if small { std::fs::read(&self.path).unwrap_or_default() } else { Vec::new() };
        match serde_json::from_slice::<DeviceFile>(&text) {
            Ok(file) if file.belongs_to == self.belongs_to => {
                Known { fingerprint: file.fingerprint, is_known: file.is_known }
            }
            _ => Known::default(),
        }
    }

    fn remember(&self, known: Known) -> Result<()> {
        if known == self.known() {
            return Ok(());
        }
        let Known { fingerprint, is_known } = known;
        let file = DeviceFile { belongs_to: self.belongs_to.clone(), fingerprint, is_known };
        let text = serde_json::to_vec(&file).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
        write_atomic(&self.path, &text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_fingerprint_is_kept_privately_and_for_one_account_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("device.json");
        let device = Device::new(path.clone(), "https://a.example/acme/v2", "ann@example.org");
        let known = Known { fingerprint: Some("f1".into()), is_known: true };
        device.remember(known.clone()).unwrap();
        assert_eq!(device.known(), known);
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let other = Device::new(path.clone(), "https://b.example/acme/v2", "ann@example.org");
        assert_eq!(other.known(), Known::default());
        std::fs::write(&path, "nonsense").unwrap();
        assert_eq!(device.known(), Known::default());
    }

    #[test]
    fn an_older_sessions_answer_does_not_change_the_csrf_value() {
        let with = |cookies: &'static str| {
            let headers = [(COOKIE, HeaderValue::from_static(cookies))].into_iter().collect();
            Credentials { headers, generation: 0 }
        };
        let csrf = Csrf::default();
        csrf.begin("md.sid=new", None);
        csrf.renew(&with("md.sid=new"), &HeaderValue::from_static("c1"));
        csrf.renew(&with("md.sid=old"), &HeaderValue::from_static("c0"));
        assert_eq!(csrf.of(&with("md.sid=new")).unwrap(), "c1");
        csrf.renew(&with("md.sid=new"), &HeaderValue::from_static("c2"));
        assert_eq!(csrf.of(&with("md.sid=new")).unwrap(), "c2");
        assert!(csrf.of(&with("md.sid=old")).is_none());
    }
}
