//! iMeet Central (today Central Desktop), REST API v1.
//!
//! The tree is company > workspaces > folders > files; with `attachments` also files of tasks, milestones and records.
//! Uploading and revising are documented; the rest is in `assumptions.rs`, tried, and remembered when refused.
//!
//! Ids are `KIND:ID` with the service's own id, so that one thing has one id whatever list it comes from.

mod assumptions;
mod auth;
mod changing;
mod disposition;
mod key;
mod listing;
mod model;
mod place;
mod reading;
mod routes;
mod session;

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::config::Account;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{ACCEPT, HeaderValue};
use crate::http::{BearerToken, Client, ClientSettings, Limits, Url};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, ByteRange, Capabilities, Content, Created, Download, Entry, EntryKind, ListPart,
    ListRequest, Located, Operation, Operations, Provider, ReadTarget, Revised, StagedAsset, Version,
};
use crate::services::registry::ServiceOptions;
use assumptions::{self as assumed, Kind};
use auth::ServiceClient;
use key::ClientKey;
use place::Place;
use routes::{Route, Routes};
use session::Session;

/// The account's own settings.
const SETTINGS: &[&str] = &["key_file", "token_url", "audience", "assumed_writes", "drop_folders"];

pub struct ImeetCentral {
    client: Client,
    token: Arc<BearerToken>,
    attachments: bool,
    /// Try the calls that no page documents.
    assumed_writes: bool,
    drop_folders: Vec<DropFolder>,

    routes: Routes,
    session: Session,
    /// What signing in listed, and when: the next listing of the root needs not ask for it again.
    signed_in: Mutex<Option<(Instant, Vec<Entry>)>>,
    /// A download ignored its range: further ones are not asked for.
    ranges_ignored: AtomicBool,
    /// A file without a version was seen: then there are no numbers to count on.
    unversioned: AtomicBool,
}

/// A folder that is known by the settings, for services that cannot list.
struct DropFolder {
    workspace: String,
    name: String,
    id: String,
}

impl ImeetCentral {
    /// Errors: `Invalid` when a setting or the key file is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<ImeetCentral> {
        let settings = &account.settings;
        settings.expect_only(SETTINGS)?;
        let base = if account.url.is_empty() { assumed::BASE_URL } else { &account.url };
        let token_url = match settings.text("token_url")? {
            Some(url) => url,
            None => token_url_beside(base)?,
        };
        let source = ServiceClient {
            client: Client::new(options.client_settings(&token_url)?)?,
            token_url,
            audience: settings.text("audience")?.unwrap_or_else(|| assumed::AUDIENCE.to_owned()),
            key: read_key(account)?,
            wants_form: AtomicBool::new(false),
        };
        let token = Arc::new(BearerToken::new(source));
        let mut client = ClientSettings { authorizer: Some(token.clone()), ..options.client_settings(base)? };
        client.headers.insert(ACCEPT, HeaderValue::from_static("application/json, */*;q=0.5"));
        client.limits = Limits {
            requests_parallel: assumed::REQUESTS_PARALLEL,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            rate: None,
        };
        Ok(ImeetCentral {
            client: Client::new(client)?,
            token,
            attachments: options.attachments,
            assumed_writes: settings.flag("assumed_writes", true)?,
            drop_folders: read_drop_folders(&settings.table("drop_folders")?)?,
            routes: Routes::default(),
            session: Session::default(),
            signed_in: Mutex::default(),
            ranges_ignored: AtomicBool::new(false),
            unversioned: AtomicBool::new(false),
        })
    }

    /// What the settings leave of the operations.
    fn operations_allowed(&self) -> Operations {
        let assumed = [Operation::MakeDir, Operation::Rename, Operation::Move, Operation::Delete, Operation::Describe];
        match self.assumed_writes {
            true => Operations::ALL,
            false => assumed.into_iter().fold(Operations::ALL, Operations::without),
        }
    }

    fn root_entry(&self) -> Entry {
        self.offering(Entry::directory(Place::root().remote_id(), ""), Kind::Root)
    }

    fn ranges_taken(&self) -> bool {
        !self.ranges_ignored.load(Ordering::Relaxed)
    }

    fn note_ranges_ignored(&self) {
        self.ranges_ignored.store(true, Ordering::Relaxed);
    }

    fn note_unversioned(&self) {
        self.unversioned.store(true, Ordering::Relaxed);
    }

    fn versions_seen(&self) -> bool {
        !self.unversioned.load(Ordering::Relaxed)
    }

    /// Forgotten with the first change of a directory.
    fn signed_in(&self) -> MutexGuard<'_, Option<(Instant, Vec<Entry>)>> {
        self.signed_in.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[async_trait]
impl Provider for ImeetCentral {
    fn capabilities(&self) -> Capabilities {
        let (operations, unproven) = self.routes.operations();
        Capabilities {
            service: "imeet-central",
            operations: operations & self.operations_allowed(),
            unproven: unproven & self.operations_allowed(),
            ranges: self.ranges_taken(),
            staged: true,
            attach_batch_max: assumed::ATTACH_BATCH_MAX,
            revises_in_place: true,
            conditional_revise: false,
            versions: !self.routes.is_missing(Route::Versions),
            changes: false,
            case_sensitive: true,
            duplicate_names: true,
            reservations: false,
            trash_listed: false,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: assumed::NAME_CHARS_MAX,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            requests_parallel: assumed::REQUESTS_PARALLEL,
        }
    }

    fn check_name(&self, name: &str, _kind: EntryKind) -> Result<()> {
        if name.is_empty() || name.contains(assumed::NAME_FORBIDDEN) || name.contains(char::is_control) {
            return fail(ErrorKind::BadName, "the service takes no names with slash, backslash or control characters");
        }
        if name.chars().count() > assumed::NAME_CHARS_MAX {
            return fail(ErrorKind::NameTooLong, "the service takes names of at most 255 characters");
        }
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        self.token.forget();
        // Whoever is signed in can list workspaces; who that is no call tells.
        let (asked, root) = (Instant::now(), Place::root().remote_id());
        let mut parts = self.list_parts(&root);
        let mut all = Vec::new();
        while let Some(part) = parts.try_next().await? {
            if let ListPart::Entries { entries, .. } = part {
                all.extend(entries);
            }
        }
        *self.signed_in() = Some((asked, all));
        Ok(AccountInfo::default())
    }

    fn root(&self) -> Entry {
        self.root_entry()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        if *dir == Place::root().remote_id()
            && let Some((asked, entries)) = self.signed_in().take()
            && asked.elapsed() <= request.max_age
        {
            let part = ListPart::Entries { entries, validator: None, age: asked.elapsed() };
            return stream::once(async { Ok(part) }).boxed();
        }
        self.list_parts(dir)
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.look_at(&Place::of(id)?).await
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        self.download(target, range).await
    }

    async fn stage(&self, _container: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset> {
        self.upload(name, content).await
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        self.attach_to(&Place::of(container)?, items).await
    }

    async fn revise(&self, file: &Located, base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.send_revision(file, base, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.signed_in().take();
        self.create_folder(&Place::of(parent)?, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.signed_in().take();
        self.change_place(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.signed_in().take();
        self.trash(entry).await
    }

    async fn describe(&self, entry: &Located, text: &str) -> Result<()> {
        self.change_description(entry, text).await
    }

    async fn versions(&self, file: &RemoteId) -> Result<Vec<Version>> {
        self.list_versions(&Place::of(file)?).await
    }
}

fn read_key(account: &Account) -> Result<ClientKey> {
    let Some(file) = account.settings.path("key_file")? else {
        let text = "key_file is missing: the file that an administrator downloads at Company Setup > Advanced > API";
        return fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name));
    };
    warn_if_readable_by_others(&file);
    let wrong = |why: String| Error::new(ErrorKind::Invalid, format!("key_file {}: {why}", file.display()));
    let text = std::fs::read_to_string(&file).map_err(|e| wrong(e.to_string()))?;
    ClientKey::read(&text).map_err(|e| wrong(e.detail().to_owned()))
}

fn warn_if_readable_by_others(file: &Path) {
    let mode = std::fs::metadata(file).map_or(0, |metadata| metadata.permissions().mode());
    if mode & 0o077 != 0 {
        log::warn!("{0} holds a private key and others may read it; chmod 600 {0}", file.display());
    }
}

/// The token endpoint that belongs to an API host: `oidc.` beside `edge.` as documented, else the same host.
fn token_url_beside(base: &str) -> Result<String> {
    let base: Url = base.parse().map_err(|e| Error::new(ErrorKind::Invalid, format!("{base:?} is no address: {e}")))?;
    let mut url = base.clone();
    if let Some(domain) = base.host_str().and_then(|host| host.strip_prefix("edge.")) {
        url.set_host(Some(&format!("oidc.{domain}")))
            .map_err(|e| Error::new(ErrorKind::Invalid, format!("{base}: {e}")))?;
    }
    url.set_path("/oauth2/token");
    Ok(url.into())
}

/// `[accounts.NAME.drop_folders.WORKSPACE_ID]` with lines `NAME = "FOLDER_ID"`.
fn read_drop_folders(table: &toml::Table) -> Result<Vec<DropFolder>> {
    let mut folders = Vec::new();
    for (workspace, known) in table {
        let known = known.as_table().into_iter().flatten();
        for (name, id) in known {
            let Some(id) = id.as_str() else {
                return fail(ErrorKind::Invalid, format!("drop_folders.{workspace}.{name} must be a folder id"));
            };
            folders.push(DropFolder { workspace: workspace.clone(), name: name.clone(), id: id.to_owned() });
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests;
