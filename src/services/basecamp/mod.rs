//! Basecamp 2 (bcx API, version 1).
//!
//! The tree is account > projects > files, flat: a file is an *upload* with its one *attachment*, shown as "Files" in the
//! browser. With `attachments` each project also shows what hangs on its messages, to-dos and comments, read-only.
//! Content never changes here: saving makes a new upload and puts the old one into the trash (`overwrite`).

mod assumptions;
mod auth;
mod changing;
mod confirming;
mod feed;
mod listing;
mod looking;
mod model;
mod names;
mod pages;
mod place;
mod reading;
mod session;
mod validator;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::config::{Account, Settings};
use crate::error::{ErrorKind, Result, fail};
use crate::http::{Authorizer, BearerToken, Client, ClientSettings, FixedHeaders, Limits};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Changes, Confirmation, Content, Created, Download,
    Entry, EntryKind, ListPart, ListRequest, Located, Operation, Operations, Provider, ReadTarget, Revised,
    StagedAsset,
};
use crate::services::registry::ServiceOptions;
use assumptions as assumed;
use auth::{Launchpad, WithAssetHosts};
use names::{check_any_name, check_file_name};
use place::Place;
use session::Session;

/// The account's own settings.
const SETTINGS: &[&str] =
    &["contact", "username", "password", "client_id", "client_secret", "refresh_token", "launchpad_url", "overwrite"];

pub struct Basecamp {
    client: Client,
    /// `None` with a password.
    token: Option<Arc<BearerToken>>,
    username: Option<String>,
    attachments: bool,
    overwrite: Overwrite,

    session: Session,
    /// A download ignored its range: further ones are not asked for.
    ranges_ignored: AtomicBool,
    /// There is no list of events after all.
    no_feed: AtomicBool,
}

/// What becomes of a file whose content is written anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Overwrite {
    /// It goes to the trash as soon as its successor is there.
    Replace,
    /// It stays beside its successor.
    Keep,
}

impl Basecamp {
    /// Errors: `Invalid` when a setting is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<Basecamp> {
        let settings = &account.settings;
        settings.expect_only(SETTINGS)?;
        if account.url.is_empty() {
            let text = "url is missing: https://basecamp.com/NUMBER/api/v1 with the number in your browser's address";
            return fail(ErrorKind::Invalid, format!("accounts.{}: {text}", account.name));
        }
        let user_agent = user_agent(settings)?;
        let username = settings.text("username")?;
        let (authorizer, token): (Arc<dyn Authorizer>, _) = match &username {
            Some(username) => {
                if settings.text("client_id")?.is_some() {
                    return fail(ErrorKind::Invalid, "give either username and password, or client_id and its like");
                }
                let password = settings.required_secret("password")?;
                (Arc::new(FixedHeaders::basic(username, password.expose())?), None)
            }
            None => {
                let token = Arc::new(BearerToken::new(launchpad(settings, options, &user_agent)?));
                (token.clone(), Some(token))
            }
        };
        let limits = Limits {
            requests_parallel: assumed::REQUESTS_PARALLEL,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            rate: Some(assumed::RATE),
        };
        let authorizer: Arc<dyn Authorizer> = Arc::new(WithAssetHosts(authorizer));
        let client = options.client_settings(&account.url)?;
        let client = ClientSettings { user_agent, authorizer: Some(authorizer), limits, ..client };
        Ok(Basecamp {
            client: Client::new(client)?,
            token,
            username,
            attachments: options.attachments,
            overwrite: overwrite(settings)?,
            session: Session::default(),
            ranges_ignored: AtomicBool::new(false),
            no_feed: AtomicBool::new(false),
        })
    }

    fn ranges_taken(&self) -> bool {
        !self.ranges_ignored.load(Ordering::Relaxed)
    }

    fn note_ranges_ignored(&self) {
        self.ranges_ignored.store(true, Ordering::Relaxed);
    }

    fn note_no_feed(&self) {
        self.no_feed.store(true, Ordering::Relaxed);
    }
}

#[async_trait]
impl Provider for Basecamp {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "basecamp",
            operations: Operations::ALL.without(Operation::Move).without(Operation::Describe),
            unproven: Operations::NONE,
            ranges: self.ranges_taken(),
            staged: true,
            attach_batch_max: 1,
            revises_in_place: false,
            // The bytes of an upload never change, so that there is nothing to compare before: that it was removed
            // meanwhile shows at the end, and then both successors are kept.
            conditional_revise: true,
            versions: false,
            changes: !self.no_feed.load(Ordering::Relaxed),
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

    fn check_name(&self, name: &str, kind: EntryKind) -> Result<()> {
        match kind {
            EntryKind::File => check_file_name(name),
            EntryKind::Directory => check_any_name(name),
        }
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        if let Some(token) = &self.token {
            token.forget();
        }
        // Whoever is signed in can list projects; the listing that follows is spared.
        let listed = self.list_projects(None).await?;
        self.session.note_root(listed);
        let web_url = self.client.base().as_str().trim_end_matches('/').trim_end_matches("/api/v1").to_owned();
        Ok(AccountInfo { user: self.username.clone(), web_url: Some(web_url) })
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

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        self.download(target, range).await
    }

    async fn stage(&self, container: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset> {
        Place::of(container)?.project()?;
        self.upload(name, content).await
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        let project = Place::of(container)?.project()?;
        // An upload has one attachment: as many calls as files.
        Ok(futures::future::join_all(items.iter().map(|item| self.attach_one(project, item))).await)
    }

    async fn revise(&self, file: &Located, _base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.replace(file, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.create_project(Place::of(parent)?, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        if *to_parent != entry.parent {
            return fail(ErrorKind::CrossDevice, "the service moves nothing; it can only be copied");
        }
        self.rename(entry, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.remove(entry).await
    }

    async fn changes(&self, since: Option<&str>) -> Result<Changes> {
        self.news(since).await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        self.look_back(attempt).await
    }
}

/// The service refuses requests that do not say whom to write to, and writes before it blocks somebody (README page).
fn user_agent(settings: &Settings) -> Result<String> {
    let contact = settings.required_text("contact")?;
    let reachable = contact.contains('@') || contact.contains("://");
    if !reachable || !contact.chars().all(|c| c.is_ascii_graphic()) || contact.contains(['(', ')']) {
        return fail(ErrorKind::Invalid, "contact must be a mail or web address, without blanks or brackets");
    }
    Ok(format!("collabfs/{} ({contact})", env!("CARGO_PKG_VERSION")))
}

fn overwrite(settings: &Settings) -> Result<Overwrite> {
    match settings.text("overwrite")?.as_deref() {
        None | Some("replace") => Ok(Overwrite::Replace),
        Some("keep") => Ok(Overwrite::Keep),
        Some(other) => fail(ErrorKind::Invalid, format!("overwrite = {other:?}: give \"replace\" or \"keep\"")),
    }
}

fn launchpad(settings: &Settings, options: &ServiceOptions, user_agent: &str) -> Result<Launchpad> {
    let url = settings.text("launchpad_url")?.unwrap_or_else(|| assumed::LAUNCHPAD_URL.to_owned());
    let client = ClientSettings { user_agent: user_agent.to_owned(), ..options.client_settings(&url)? };
    Ok(Launchpad {
        client: Client::new(client)?,
        client_id: settings.required_text("client_id")?,
        client_secret: settings.required_secret("client_secret")?,
        refresh_token: settings.required_secret("refresh_token")?,
        state_dir: options.state_dir.clone(),
    })
}

#[cfg(test)]
mod tests;
