//! Medable, Cortex API v2.
//!
//! The service has objects, references and File properties, and no tree: projects, folders and files are instances of
//! three objects whose names the settings tell (`mapping.rs`). Without such objects, `paths` shows single File
//! properties as directories of their facets.
//!
//! A file's bytes go up in two stages, both within `attach` or `revise`: the File property is written, then a form goes
//! to a storage host. An upload that was cut off between them is found by name and finished (`confirming.rs`).

mod api;
mod assumptions;
mod auth;
mod changing;
mod confirming;
mod content;
mod fault;
mod listing;
mod mapping;
mod model;
mod place;
mod properties;
mod reading;
mod session;
mod snapshots;
mod tree;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde_json::Value;

use crate::config::{Account, Settings};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{ACCEPT, HeaderValue};
use crate::http::{BearerToken, Client, ClientSettings, FixedHeaders, Limits, Rate, Request};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Confirmation, Content, Created, Download, Entry,
    EntryKind, ListPart, ListRequest, Located, Operation, Operations, Provider, ReadTarget, Revised, StagedAsset,
};
use crate::secret::Secret;
use crate::services::registry::ServiceOptions;
use api::Api;
use assumptions as assumed;
use auth::Auth;
use mapping::{Shown, Tree};
use place::Place;
use reading::Addresses;
use session::{Csrf, Device, SignIn};
use snapshots::Snapshots;

/// The account's own settings.
const SETTINGS: &[&str] = &[
    "org",
    "client_key",
    "auth",
    "username",
    "password",
    "verification_token",
    "secret",
    "token",
    "objects",
    "paths",
    "rate",
];
/// The private file with the fingerprint that the service knows this machine by.
const DEVICE_FILE: &str = "medable-device.json";

pub struct Medable {
    api: Api,
    auth: Arc<Auth>,

    snapshots: Snapshots,
    addresses: Addresses,
    /// The account's own id, once it is known.
    me: Mutex<Option<String>>,
    /// A storage host ignored a range: further ones are not asked for.
    ranges_ignored: AtomicBool,
    /// Largest file that the mapped property takes, as the last upload entry told; 0 as long as none did.
    file_bytes_max: AtomicU64,
}

impl Medable {
    /// Errors: `Invalid` when a setting is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<Medable> {
        let settings = &account.settings;
        settings.expect_only(SETTINGS)?;
        let base = base_address(account)?;
        let shown = Arc::new(Shown::read(settings)?);
        let api_settings = || -> Result<ClientSettings> {
            let mut client = options.client_settings(&base)?;
            client.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
            Ok(client)
        };
        let auth = Arc::new(read_auth(account, options, &base, api_settings()?)?);
        let limits = Limits {
            requests_parallel: assumed::REQUESTS_PARALLEL,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            rate: read_rate(settings)?,
        };
        let storage = ClientSettings { limits: Limits { rate: None, ..limits }, ..options.client_settings(&base)? };
        let client = ClientSettings { authorizer: Some(auth.clone()), limits, ..api_settings()? };
        Ok(Medable {
            api: Api { client: Client::new(client)?, storage: Client::new(storage)?, shown },
            auth,
            snapshots: Snapshots::default(),
            addresses: Addresses::default(),
            me: Mutex::default(),
            ranges_ignored: AtomicBool::new(false),
            file_bytes_max: AtomicU64::new(0),
        })
    }

    /// Errors: `Unsupported` for an account that shows properties only.
    fn tree(&self) -> Result<&Tree> {
        match &*self.api.shown {
            Shown::Tree(tree) => Ok(tree),
            Shown::Properties(_) => fail(ErrorKind::Unsupported, "only content can be replaced here"),
        }
    }

    fn root_entry(&self) -> Entry {
        let offers = match &*self.api.shown {
            Shown::Tree(tree) if tree.project.is_some() => Operations::of(&[Operation::MakeDir]),
            Shown::Tree(_) => Operations::of(&[Operation::CreateFile]),
            Shown::Properties(_) => Operations::NONE,
        };
        Entry { offers, ..Entry::directory(Place::Root.remote_id(), "") }
    }

    fn operations(&self) -> Operations {
        let mut offered = vec![Operation::Read, Operation::Revise];
        if let Shown::Tree(tree) = &*self.api.shown {
            offered.extend([Operation::CreateFile, Operation::Rename, Operation::Delete]);
            if tree.project.is_some() {
                offered.extend([Operation::MakeDir, Operation::Move]);
            }
        }
        Operations::of(&offered)
    }

    /// `GET /accounts/me`: the account's id and what to call it.
    async fn who_am_i(&self) -> Result<AccountInfo> {
        let request = Request::get("whoami", "/accounts/me");
        let account: Value = fault::succeeded(&self.api.client.send(&request).await?)?;
        let text = |member: &str| account.get(member).and_then(Value::as_str).map(str::to_owned);
        let id = text("_id");
        *self.me.lock().unwrap_or_else(|e| e.into_inner()) = id.clone();
        Ok(AccountInfo { user: text("email").or(id), web_url: None })
    }

    async fn my_id(&self) -> Result<Option<String>> {
        let known = self.me.lock().unwrap_or_else(|e| e.into_inner()).clone();
        if known.is_none() {
            self.who_am_i().await?;
        }
        Ok(self.me.lock().unwrap_or_else(|e| e.into_inner()).clone())
    }

    /// Looks whether the mapped objects exist, before anybody works with them.
    async fn check_mapping(&self) -> Result<()> {
        let Shown::Tree(tree) = &*self.api.shown else { return Ok(()) };
        let object = tree.project.as_ref().map_or(&tree.file.object, |project| &project.object);
        let known = self.api.first(object).await;
        known.map_err(|error| match error.kind() {
            ErrorKind::Invalid | ErrorKind::NotFound => {
                let text = format!("[accounts.NAME.objects] names {object}: {}", error.detail());
                Error::new(ErrorKind::Invalid, text)
            }
            _ => error,
        })
    }
}

#[async_trait]
impl Provider for Medable {
    fn capabilities(&self) -> Capabilities {
        let file_bytes_max = self.file_bytes_max.load(Ordering::Relaxed);
        let is_tree = matches!(&*self.api.shown, Shown::Tree(_));
        Capabilities {
            service: "medable",
            operations: self.operations(),
            unproven: Operations::NONE,
            ranges: !self.ranges_ignored.load(Ordering::Relaxed),
            staged: false,
            attach_batch_max: 1,
            revises_in_place: true,
            conditional_revise: false,
            versions: false,
            changes: false,
            case_sensitive: true,
            duplicate_names: true,
            reservations: false,
            trash_listed: false,
            server_copy: is_tree,
            file_bytes_max: (file_bytes_max > 0).then_some(file_bytes_max),
            name_bytes_max: assumed::NAME_BYTES_MAX,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            requests_parallel: assumed::REQUESTS_PARALLEL,
        }
    }

    /// The service takes any name; one with a slash would be a reference to a facet when it is uploaded.
    fn check_name(&self, name: &str, _kind: EntryKind) -> Result<()> {
        if name.is_empty() || name.contains('/') || name.contains(char::is_control) {
            return fail(ErrorKind::BadName, "names with a slash or control characters cannot be uploaded");
        }
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        self.auth.forget();
        let info = self.who_am_i().await?;
        self.check_mapping().await?;
        Ok(info)
    }

    fn root(&self) -> Entry {
        self.root_entry()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        self.list_parts(dir, request.max_age)
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.look_at(&Place::of(id)?).await
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        self.download(target, range).await
    }

    /// Nothing is sent yet: an upload without an instance would have no place.
    async fn stage(&self, _container: &RemoteId, _name: &str, _content: &Content) -> Result<StagedAsset> {
        Ok(StagedAsset::none())
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        let container = Place::of(container)?;
        let mut outcomes = Vec::new();
        for item in items {
            outcomes.push(self.create_file(&container, &item.name, &item.content).await);
        }
        Ok(outcomes)
    }

    async fn revise(&self, file: &Located, _base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.replace_content(file, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.create_directory(&Place::of(parent)?, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.change_place(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.remove(entry).await
    }

    async fn copy(&self, from: &Located, to_parent: &RemoteId, to_name: &str) -> Result<Created> {
        self.copy_file(&Place::of(&from.id)?, &Place::of(to_parent)?, to_name).await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        self.find_out(attempt).await.map(Some)
    }
}

/// The API's address: the setting may end at the endpoint (then `org` tells the rest), at the org, or at the version.
fn base_address(account: &Account) -> Result<String> {
    let mut base = account.url.trim_end_matches('/').to_owned();
    if let Some(org) = account.settings.text("org")? {
        base = format!("{base}/{}", org.trim_matches('/'));
    }
    let version = format!("/{}", assumed::API_VERSION);
    if !base.ends_with(&version) {
        base.push_str(&version);
    }
    Ok(base)
}

fn read_auth(account: &Account, options: &ServiceOptions, base: &str, client: ClientSettings) -> Result<Auth> {
    let settings = &account.settings;
    let client_key = settings.required_secret("client_key")?;
    let client_key = client_key.expose();
    match auth_kind(settings)?.as_str() {
        "token" => Auth::token(client_key, &settings.required_secret("token")?),
        "signature" => {
            Auth::signature(client_key, settings.required_secret("secret")?, client.base.path().trim_end_matches('/'))
        }
        "session" => {
            let csrf = Arc::new(Csrf::default());
            let email = settings.required_text("username")?;
            let key_only = FixedHeaders::new(auth::CLIENT_KEY, client_key)?;
            let sign_in = SignIn {
                client: Client::new(ClientSettings { authorizer: Some(Arc::new(key_only)), ..client })?,
                password: settings.required_secret("password")?,
                code: settings.secret("verification_token")?.filter(|code: &Secret| !code.expose().is_empty()),
                device: Device::new(options.state_dir.join(DEVICE_FILE), base, &email),
                csrf: csrf.clone(),
                email,
            };
            let cookies = BearerToken::in_header(sign_in, crate::http::header::COOKIE, "");
            Auth::session(client_key, cookies, csrf)
        }
        other => {
            let text = format!("auth = {other:?} is unknown; there are \"token\", \"session\" and \"signature\"");
            fail(ErrorKind::Invalid, text)
        }
    }
}

/// What is said, else what the other settings are for.
fn auth_kind(settings: &Settings) -> Result<String> {
    match settings.text("auth")? {
        Some(kind) => Ok(kind),
        None if settings.text("username")?.is_some() => Ok("session".to_owned()),
        None if settings.secret("secret")?.is_some() => Ok("signature".to_owned()),
        None => Ok("token".to_owned()),
    }
}

/// API requests in any five minutes; 0 is without a limit.
fn read_rate(settings: &Settings) -> Result<Option<Rate>> {
    let requests = match settings.number("rate")? {
        None => assumed::RATE_REQUESTS,
        Some(number) => u32::try_from(number).map_err(|_| {
            Error::new(ErrorKind::Invalid, "rate must be a number of requests in five minutes, or 0 for no limit")
        })?,
    };
    Ok((requests > 0).then_some(Rate { requests, per: assumed::RATE_SPAN }))
}

#[cfg(test)]
mod tests;
