//! Signing in at the identity service (identity domain, formerly IDCS), on a host of its own. Pages: Authorization of
//! the REST API, `op-oauth2-v1-token-post` and the device flow pages of the identity service, RFC 6749, 7636, 8628.
//!
//! A refresh token works once, and the answer brings the next one: [`store`] keeps it durably before the new access
//! token is used, and only one process at a time trades it in.

mod code;
mod device;
mod store;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Client, Request, Response, Token, TokenSource, Url};
use crate::secret::Secret;
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::text_of;
pub use store::RefreshStore;

/// An OAuth answer is a few kilobytes.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The longest that a person is waited for: a little less than a mount command waits for its daemon.
pub const PATIENCE: Duration = Duration::from_secs(240);

/// How access tokens are got.
pub enum Grant {
    /// A person types a code into any browser; afterwards the refresh token does.
    Device,
    /// A person signs in with a browser on this machine; afterwards the refresh token does.
    Code {
        /// Where the browser is sent back to, as registered: an `http` address of this machine. `None`: any port.
        redirect: Option<Url>,
    },
    /// A refresh token from the settings; afterwards those that the service gives in exchange.
    Refresh,
    /// User name and password in each token request.
    Password { username: String, password: Secret },
}

pub struct OAuth {
    /// For the identity service; sends the client's secret where there is one.
    pub client: Client,
    pub client_id: String,
    /// Whether the client's secret goes along as Basic authorization.
    pub confidential: bool,
    pub scope: String,
    pub grant: Grant,
    pub store: RefreshStore,
    /// For messages.
    pub account: String,
    state: Mutex<State>,
    /// Held while a token is got: BearerToken may start anew while an older attempt still runs.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    /// A token that a sign-in has just brought.
    fresh: Option<Token>,
    /// Tokens that could not be stored yet: a full disk must not cost the sign-in.
    unsaved: Option<Granted>,
}

/// The answer to a token request.
#[derive(Clone)]
struct Granted {
    access: Token,
    refresh: Option<Secret>,
}

/// Why the identity service gives no token.
#[derive(Debug)]
struct Refusal {
    /// `error` of RFC 6749, section 5.2.
    code: String,
    error: Error,
}

impl OAuth {
    /// `client_id`, whether the client has a secret, `scope`; `account` for messages.
    pub fn new(
        client: Client,
        (client_id, confidential): (String, bool),
        scope: String,
        grant: Grant,
        store: RefreshStore,
        account: &str,
    ) -> OAuth {
        let account = account.to_owned();
        let (state, turn) = (Mutex::default(), tokio::sync::Mutex::default());
        OAuth { client, client_id, confidential, scope, grant, store, account, state, turn }
    }

    pub fn waits_for_person(&self) -> bool {
        matches!(self.grant, Grant::Device | Grant::Code { .. })
    }

    /// Has a person sign in if nobody did yet, or, with `again`, anyway. Only ever called by a sign-in that somebody
    /// asked for. Errors: `SignedOut`, `TimedOut` when nobody came.
    pub async fn ask_person(&self, again: bool) -> Result<()> {
        if !self.waits_for_person() {
            return Ok(());
        }
        let _turn = self.turn.lock().await;
        let _file = self.store.lock().await?;
        if !again && self.store.load()?.is_some() {
            return Ok(());
        }
        let granted = match &self.grant {
            Grant::Device => self.by_device().await?,
            Grant::Code { redirect } => self.by_browser(redirect.as_ref()).await?,
            Grant::Refresh | Grant::Password { .. } => return Ok(()),
        };
        if granted.refresh.is_none() {
            log::warn!("the identity service gives no refresh token: when this sign-in runs out, a new one is needed");
        }
        let token = self.keep(granted)?;
        self.state().fresh = Some(token);
        Ok(())
    }

    async fn renew(&self) -> Result<Token> {
        let _file = self.store.lock().await?;
        if let Some(unsaved) = self.state().unsaved.clone() {
            return self.keep(unsaved);
        }
        let Some(current) = self.store.load()? else { return Err(self.nobody_signed_in()) };
        let fields = [("grant_type", "refresh_token"), ("refresh_token", current.expose())];
        match self.ask(&fields).await? {
            Ok(granted) => self.keep(Granted { refresh: granted.refresh.or(Some(current)), ..granted }),
            Err(refusal) => {
                if refusal.code == "invalid_grant" {
                    // It was used already, or its time is over: it must never be sent again.
                    self.store.forget()?;
                }
                Err(refusal.error)
            }
        }
    }

    /// Stores the refresh token, and only then lets the access token be used.
    fn keep(&self, granted: Granted) -> Result<Token> {
        if let Some(refresh) = &granted.refresh
            && let Err(error) = self.store.save(refresh)
        {
            self.state().unsaved = Some(granted);
            return Err(error);
        }
        self.state().unsaved = None;
        Ok(granted.access)
    }

    fn nobody_signed_in(&self) -> Error {
        let text = match self.grant {
            Grant::Refresh => "the refresh token of the settings is used up; set a new one".to_owned(),
            _ => format!("nobody is signed in; run `collabfs check {}` and follow what it says", self.account),
        };
        Error::new(ErrorKind::SignedOut, text)
    }

    /// `POST /oauth2/v1/token` with a grant's fields. Not repeated when the answer is lost: codes and refresh tokens
    /// work once. The outer error is one of network or service.
    async fn ask(&self, fields: &[(&str, &str)]) -> Result<std::result::Result<Granted, Refusal>> {
        let mut fields = fields.to_vec();
        let client_sent = fields.iter().any(|(name, _)| *name == "client_id");
        if !self.confidential && !client_sent {
            fields.push(("client_id", &self.client_id));
        }
        let request = Request::post("token", assumed::TOKEN_PATH).answer_bytes_max(ANSWER_BYTES_MAX).form(&fields);
        let response = self.client.send(&request).await?;
        if response.status.is_success() {
            return read_granted(&response).map(Ok);
        }
        if !matches!(response.status.as_u16(), 400 | 401 | 403) {
            return Err(response.error(&[]));
        }
        Ok(Err(self.refusal(&response, &fields)))
    }

    fn refusal(&self, response: &Response, fields: &[(&str, &str)]) -> Refusal {
        let answer = response.json::<Value>().unwrap_or_default();
        let field = |name: &str| answer.get(name).and_then(text_of).unwrap_or_default();
        let code = field("error");
        let mut described = field("error_description");
        for (_, secret) in fields.iter().filter(|(name, _)| !matches!(*name, "grant_type" | "scope" | "client_id")) {
            described = described.replace(secret, "***");
        }
        let described: String = described.chars().filter(|c| !c.is_control()).take(200).collect();
        let advice = match (code.as_str(), &self.grant) {
            ("invalid_grant", Grant::Password { .. }) => "check username and password".to_owned(),
            ("invalid_grant", Grant::Refresh) => "the refresh token is used up or too old; set a new one".to_owned(),
            ("invalid_grant", _) => format!("run `collabfs check {}` to sign in again", self.account),
            ("invalid_scope", _) => "check scope".to_owned(),
            _ => "check client_id and client_secret, and what an administrator allows this application".to_owned(),
        };
        let shown = if code.is_empty() { response.status.as_u16().to_string() } else { code.clone() };
        let text = format!("the identity service refuses to sign in ({shown} {described}): {advice}");
        Refusal { code, error: Error::new(ErrorKind::SignedOut, text) }
    }

    /// The scope, with what asks for a refresh token.
    fn lasting_scope(&self) -> String {
        match self.scope.split_whitespace().any(|word| word == assumed::SCOPE_OFFLINE) {
            true => self.scope.clone(),
            false => format!("{} {}", self.scope, assumed::SCOPE_OFFLINE),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[async_trait]
impl TokenSource for Arc<OAuth> {
    /// Never waits for a person: requests in the background have nobody to ask.
    async fn fetch(&self) -> Result<Token> {
        let _turn = self.turn.lock().await;
        if let Some(token) = self.state().fresh.take() {
            return Ok(token);
        }
        let Grant::Password { username, password } = &self.grant else { return self.renew().await };
        let fields = [
            ("grant_type", "password"),
            ("username", username.as_str()),
            ("password", password.expose()),
            ("scope", self.scope.as_str()),
        ];
        self.ask(&fields).await?.map(|granted| granted.access).map_err(|refusal| refusal.error)
    }
}

fn read_granted(response: &Response) -> Result<Granted> {
    // The whole answer is a secret: it must not be quoted as other answers are.
    let Ok(answer) = serde_json::from_slice::<Value>(response.bytes()) else {
        return fail(ErrorKind::Protocol, "the identity service's answer is no JSON");
    };
    let field = |name: &str| answer.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let Some(value) = field("access_token") else {
        return fail(ErrorKind::Protocol, "the identity service's answer has no access_token");
    };
    if field("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return fail(ErrorKind::Protocol, "the identity service gives tokens of an unknown type");
    }
    let seconds = answer.get("expires_in").and_then(text_of).and_then(|text| text.parse::<f64>().ok());
    let lifetime = seconds.filter(|s| *s >= 1.0).map(|s| Duration::from_secs_f64(s.min(1e9)));
    let access = Token { value: value.to_owned(), lifetime };
    Ok(Granted { access, refresh: field("refresh_token").map(Secret::new) })
}
