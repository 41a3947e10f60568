//! What the account's settings say: which API, where, and as whom.

use std::sync::Arc;

use serde_json::Value;

use crate::config::{Account, Settings};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{ACCEPT, AUTHORIZATION, HeaderValue};
use crate::http::{Authorizer, BearerToken, Client, FixedHeaders, Url};
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::sign_in::{Grant, OAuth, RefreshStore};
use crate::services::registry::ServiceOptions;

/// The account's own settings.
pub const SETTINGS: &[&str] = &[
    "api",
    "identity_url",
    "client_id",
    "client_secret",
    "scope",
    "grant",
    "refresh_token",
    "username",
    "password",
    "token",
    "redirect_uri",
    "link",
    "link_code",
    "applink",
    "access_token",
    "folder",
    "metadata",
];

/// Path of the API at its host; the version follows.
const API_PATH: &str = "/documents/api";

/// A version of the API. Paths and items are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    /// Legacy: no ranges; Basic authorization is documented.
    V1_1,
    V1_2,
}

impl Api {
    pub fn has_ranges(self) -> bool {
        self == Api::V1_2
    }

    fn text(self) -> &'static str {
        match self {
            Api::V1_1 => "1.1",
            Api::V1_2 => "1.2",
        }
    }

    fn of(text: &str) -> Option<Api> {
        [Api::V1_1, Api::V1_2].into_iter().find(|api| api.text() == text)
    }
}

/// The version, and the base address of all its calls. `url` may name the host only, the API, or a version of it; the
/// setting `api` counts more. Errors: `Invalid`.
pub fn address(account: &Account) -> Result<(Api, String)> {
    let wanted = account.settings.text("api")?;
    let (host, version) = match account.url.split_once(API_PATH) {
        Some((host, rest)) => (host, rest.trim_matches('/')),
        None => (account.url.trim_end_matches('/'), ""),
    };
    if host.is_empty() {
        let text = "url is missing: the address of your instance, such as https://NAME.cec.ocp.oraclecloud.com";
        return fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name));
    }
    let named = wanted.as_deref().unwrap_or(if version.is_empty() { Api::V1_2.text() } else { version });
    match Api::of(named) {
        Some(api) => Ok((api, format!("{host}{API_PATH}/{}", api.text()))),
        None => fail(ErrorKind::Invalid, format!("accounts.{}.api must be \"1.2\" or \"1.1\"", account.name)),
    }
}

/// Who signs in, and how.
pub struct Identity {
    pub authorizer: Arc<dyn Authorizer>,
    pub bearer: Option<(Arc<BearerToken>, Arc<OAuth>)>,
}

/// Errors: `Invalid` when the settings name no way to sign in, or one that cannot be.
pub fn identity(account: &Account, options: &ServiceOptions, api: Api) -> Result<Identity> {
    let settings = &account.settings;
    let fixed = |headers: FixedHeaders| Identity { authorizer: Arc::new(headers), bearer: None };
    if let Some(token) = settings.secret("token")? {
        return Ok(fixed(FixedHeaders::new(AUTHORIZATION, &format!("Bearer {}", token.expose()))?));
    }
    let grant = match settings.text("grant")?.as_deref() {
        Some("device") => Grant::Device,
        Some("code") => Grant::Code { redirect: redirect(settings)? },
        Some("refresh") => Grant::Refresh,
        Some("password") => password_grant(settings)?,
        Some(other) => {
            let text = format!("grant must be \"device\", \"code\", \"refresh\" or \"password\", not {other:?}");
            return fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name));
        }
        None if settings.text("username")?.is_some() => {
            let Grant::Password { username, password } = password_grant(settings)? else { return no_way(account) };
            if api == Api::V1_1 {
                return Ok(fixed(FixedHeaders::basic(&username, password.expose())?));
            }
            Grant::Password { username, password }
        }
        None if settings.secret("refresh_token")?.is_some() => Grant::Refresh,
        None => return no_way(account),
    };
    let oauth = Arc::new(oauth(account, options, grant)?);
    let bearer = Arc::new(BearerToken::new(oauth.clone()));
    Ok(Identity { authorizer: bearer.clone(), bearer: Some((bearer, oauth)) })
}

fn no_way<T>(account: &Account) -> Result<T> {
    let text =
        "no way to sign in is set: grant = \"device\" or \"code\", refresh_token, username and password, or token";
    fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name))
}

fn password_grant(settings: &Settings) -> Result<Grant> {
    let username = settings.required_text("username")?;
    Ok(Grant::Password { username, password: settings.required_secret("password")? })
}

fn oauth(account: &Account, options: &ServiceOptions, grant: Grant) -> Result<OAuth> {
    let settings = &account.settings;
    let identity_url = settings.required_text("identity_url")?;
    let client_id = settings.required_text("client_id")?;
    let client_secret = settings.secret("client_secret")?;
    let configured = match grant {
        Grant::Refresh => Some(settings.required_secret("refresh_token")?),
        _ => None,
    };
    let mut client = options.client_settings(identity_url.trim_end_matches('/'))?;
    client.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(secret) = &client_secret {
        client.authorizer = Some(Arc::new(FixedHeaders::basic(&client_id, secret.expose())?));
    }
    let store = RefreshStore::new(&options.state_dir, format!("{} {client_id}", client.base), configured);
    let scope = match settings.text("scope")? {
        Some(scope) => scope,
        None => scope_of(&account.url)?,
    };
    let confidential = client_secret.is_some();
    Ok(OAuth::new(Client::new(client)?, (client_id, confidential), scope, grant, store, &account.name))
}

/// Primary audience of the instance and `urn:opc:cec:all`, as the pages' example has it: with the port.
fn scope_of(url: &str) -> Result<String> {
    let url: Url = url.parse().map_err(|e| Error::new(ErrorKind::Invalid, format!("{url:?} is no address: {e}")))?;
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or(443));
    Ok(format!("{}://{host}:{port}/{}", url.scheme(), assumed::SCOPE_ALL))
}

/// The address that browsers come back to: only this machine can be meant. Errors: `Invalid`.
fn redirect(settings: &Settings) -> Result<Option<Url>> {
    let Some(text) = settings.text("redirect_uri")? else { return Ok(None) };
    let url = text.parse::<Url>().ok().filter(|url| {
        url.scheme() == "http" && matches!(url.host_str(), Some("127.0.0.1" | "localhost")) && url.port().is_some()
    });
    match url {
        Some(url) => Ok(Some(url)),
        None => {
            fail(ErrorKind::Invalid, "redirect_uri must be http://127.0.0.1:PORT/PATH or http://localhost:PORT/PATH")
        }
    }
}

/// `[accounts.NAME.metadata]`: a collection and its fields, given to everything uploaded. `Null` without it.
/// Errors: `Invalid` without `collection`, or for values that are no texts.
pub fn metadata(settings: &Settings) -> Result<Value> {
    let table = settings.table("metadata")?;
    if table.is_empty() {
        return Ok(Value::Null);
    }
    if !table.contains_key("collection") {
        return fail(ErrorKind::Invalid, "metadata needs collection = \"NAME\", and fields with texts as values");
    }
    let mut values = serde_json::Map::new();
    for (field, value) in table {
        let Some(text) = value.as_str() else {
            return fail(ErrorKind::Invalid, format!("metadata.{field} must be a text in quotes"));
        };
        values.insert(field, text.into());
    }
    Ok(values.into())
}
