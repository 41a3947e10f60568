//! Rillsoft Integration Server, DMS part of the REST API v2.
//!
//! The tree is client > projects > DMS folders > documents. There is one tree of folders for the whole client; every
//! project shows it, and its main folder is the project's directory itself. Tasks, on which documents hang, are no
//! directories. One list tells the documents of all projects: it is what every directory is shown from (`catalog.rs`).
//!
//! Creating and updating documents is documented; what is not stands in `assumptions.rs`.

mod assumptions;
mod auth;
mod calls;
mod catalog;
mod changing;
mod creating;
mod documents;
mod folders;
mod form;
mod kept;
mod listing;
mod model;
mod parents;
mod paths;
mod place;
mod reading;
mod remembered;
mod revisions;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::config::{Account, Settings};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{ACCEPT, HeaderValue};
use crate::http::{BearerToken, Client, ClientSettings, Limits, Request, StatusCode};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Confirmation, Content, Created, Download, Entry,
    EntryKind, ListPart, ListRequest, Located, Operation, Operations, Provider, ReadTarget, Revised, StagedAsset,
};
use crate::services::registry::ServiceOptions;
use assumptions as assumed;
use auth::Login;
use calls::{Call, Calls};
use catalog::Catalog;
use parents::Parents;
use paths::Paths;
use place::Place;
use revisions::Revisions;

/// The account's own settings.
const SETTINGS: &[&str] = &["client_id", "username", "password", "parent", "main_folder", "method_override", "path"];

pub struct Rillsoft {
    client: Client,
    token: Arc<BearerToken>,
    paths: Arc<Paths>,
    username: String,
    /// Say `X-HTTP-Method-Override` on updates.
    method_override: bool,

    calls: Arc<Calls>,
    catalog: Catalog,
    revisions: Revisions,
    parents: Parents,
    author: creating::Author,
}

impl Rillsoft {
    /// Errors: `Invalid` when a setting is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<Rillsoft> {
        let settings = &account.settings;
        settings.expect_only(SETTINGS)?;
        let Some(client_id) = id(settings, "client_id")? else {
            let text = "client_id is missing: the number of the client (tenant), which the RIS administrator knows";
            return fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name));
        };
        let paths = Arc::new(Paths::read(settings, client_id)?);
        let username = settings.required_text("username")?;
        let mut plain = options.client_settings(&account.url)?;
        plain.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let login = Login {
            client: Client::new(plain.clone())?,
            paths: paths.clone(),
            username: username.clone(),
            password: settings.required_secret("password")?,
        };
        let token = Arc::new(BearerToken::new(login));
        let limits = Limits {
            requests_parallel: assumed::REQUESTS_PARALLEL,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            rate: None,
        };
        let client = Client::new(ClientSettings { authorizer: Some(token.clone()), limits, ..plain })?;
        let calls = Arc::new(Calls::default());
        Ok(Rillsoft {
            client: client.clone(),
            token,
            username,
            method_override: read_method_override(settings)?,
            catalog: Catalog::new(client, paths.clone(), calls.clone(), id(settings, "main_folder")?),
            paths,
            calls,
            revisions: Revisions::open(options.state_dir.clone()),
            parents: Parents::new(read_parents(settings)?),
            author: creating::Author::default(),
        })
    }

    /// What the service offers at all. Folders belong to all projects and are made in the web pages.
    fn operations(&self) -> Operations {
        let mut operations = Operations::ALL.without(Operation::MakeDir);
        if !self.paths.has_download() || self.calls.is_missing(Call::Download) {
            operations = operations.without(Operation::Read);
        }
        if !self.paths.has_delete() || self.calls.is_missing(Call::Delete) {
            operations = operations.without(Operation::Delete);
        }
        operations
    }

    fn unproven(&self) -> Operations {
        let unproven = Operations::of(&[Operation::Delete]) & self.operations();
        if self.calls.works(Call::Delete) { Operations::NONE } else { unproven }
    }

    /// "Get client" page: whether the client is there, and this user's.
    async fn check_client(&self) -> Result<()> {
        let response = self.client.send(&Request::get("client", self.paths.client()?)).await?;
        if response.status == StatusCode::NOT_FOUND {
            return fail(ErrorKind::Invalid, "the service knows no such client; check url and client_id");
        }
        response.checked_by(assumed::REFUSALS).map(|_| ())
    }
}

#[async_trait]
impl Provider for Rillsoft {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "rillsoft",
            operations: self.operations(),
            unproven: self.unproven(),
            ranges: false,
            staged: false,
            attach_batch_max: assumed::ATTACH_BATCH_MAX,
            revises_in_place: true,
            conditional_revise: false,
            versions: false,
            changes: false,
            case_sensitive: true,
            duplicate_names: true,
            reservations: false,
            trash_listed: false,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: assumed::NAME_BYTES_MAX,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            requests_parallel: assumed::REQUESTS_PARALLEL,
        }
    }

    fn check_name(&self, name: &str, _kind: EntryKind) -> Result<()> {
        if name.is_empty() || name.contains(['/', '\0']) {
            return fail(ErrorKind::BadName, "a name must not be empty and holds no slash");
        }
        if name.len() > assumed::NAME_BYTES_MAX {
            return fail(ErrorKind::NameTooLong, "a name has at most 255 bytes");
        }
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        self.token.forget();
        self.check_client().await?;
        // What the first directories need, so that they cost nothing more.
        tokio::try_join!(self.catalog.projects(Duration::ZERO), self.catalog.tree(Duration::ZERO))?;
        Ok(AccountInfo { user: Some(self.username.clone()), web_url: None })
    }

    fn root(&self) -> Entry {
        self.root_entry()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        self.list_parts(dir, request)
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.look_at(Place::of(id)?).await
    }

    async fn read(&self, target: &ReadTarget, _range: ByteRange) -> Result<Download> {
        self.download(target).await
    }

    async fn stage(&self, _container: &RemoteId, _name: &str, _content: &Content) -> Result<StagedAsset> {
        Ok(StagedAsset::none())
    }

    async fn check_place(&self, dir: &RemoteId) -> Result<()> {
        self.check_new(Place::of(dir)?).await
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        self.create_all(Place::of(container)?, items).await
    }

    async fn revise(&self, file: &Located, base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.send_revision(file, base, content).await
    }

    async fn make_dir(&self, _parent: &RemoteId, _name: &str) -> Result<Entry> {
        fail(ErrorKind::Unsupported, "folders belong to all projects and are made in the service's web pages only")
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.change_place(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.remove(entry).await
    }

    async fn describe(&self, entry: &Located, text: &str) -> Result<()> {
        self.change_description(entry, text).await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        self.find_out(attempt).await
    }
}

/// A setting that is one of the service's numbers, perhaps written as a text.
fn id(settings: &Settings, key: &str) -> Result<Option<u64>> {
    let wrong = || Error::new(ErrorKind::Invalid, format!("{key} must be a number"));
    match (settings.number(key), settings.text(key)) {
        (Ok(number), _) => number.map(|number| u64::try_from(number).map_err(|_| wrong())).transpose(),
        (_, Ok(text)) => text.map(|text| text.trim().parse().map_err(|_| wrong())).transpose(),
        _ => Err(wrong()),
    }
}

fn read_method_override(settings: &Settings) -> Result<bool> {
    match settings.text("method_override")?.as_deref() {
        None | Some("") => Ok(false),
        Some(assumed::METHOD_OVERRIDE) => Ok(true),
        Some(_) => fail(ErrorKind::Invalid, "method_override can be \"PUT\" only: others could lead to other actions"),
    }
}

/// `[accounts.NAME.parent]` with lines `PROJECT_ID = "TASK_UUID"`.
fn read_parents(settings: &Settings) -> Result<HashMap<u64, String>> {
    let parents = settings.table("parent")?;
    let read = parents.iter().map(|(project, parent)| match (project.parse(), parent.as_str()) {
        (Ok(project), Some(parent)) if !parent.is_empty() => Ok((project, parent.to_owned())),
        _ => fail(ErrorKind::Invalid, format!("parent.{project} must be the id of a project = \"UUID of a task\"")),
    });
    read.collect()
}

#[cfg(test)]
mod tests;
