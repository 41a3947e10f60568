//! Oracle Content Management (earlier Content and Experience, Documents Cloud), REST API for Documents 1.2 and 1.1.
//!
//! The tree is home folder > folders > files; a top-level folder is a project, be it the user's own or one that others
//! share. Ids are `file:ID` and `folder:ID` and survive rename and move. A revision is the file's version number.
//!
//! ```text
//! connection.rs   the settings              sign_in/       tokens, and asking a person for them
//! links.rs        rights by links           model.rs       items, pages, people as JSON
//! listing.rs      looking                   reading.rs     content down      uploading.rs  content up
//! changing.rs     one change each           relocating.rs  rename and move in one
//! naming.rs       names, sent and given     refusal.rs     what answers mean
//! abilities.rs    calls that are missing    seen.rs        names and versions last seen
//! ```

mod abilities;
mod assumptions;
mod changing;
mod connection;
mod links;
mod listing;
mod model;
mod naming;
mod place;
mod reading;
mod refusal;
mod relocating;
mod seen;
mod sign_in;
mod uploading;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::config::Account;
use crate::error::{ErrorKind, Result};
use crate::http::header::{ACCEPT, HeaderValue};
use crate::http::{BearerToken, Client, Limits};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Confirmation, Content, Created, Download, Entry,
    EntryKind, ListPart, ListRequest, Located, Provider, ReadTarget, Revised, StagedAsset, Version,
};
use crate::services::registry::ServiceOptions;
use abilities::Abilities;
use assumptions as assumed;
use connection::{Api, Identity};
use links::WithLinks;
use model::Person;
use place::{HOME, Place};
use seen::Seen;
use sign_in::{OAuth, PATIENCE};

pub struct OracleContent {
    api: Api,
    client: Client,
    /// For accounts that sign in at the identity service.
    bearer: Option<(Arc<BearerToken>, Arc<OAuth>)>,
    /// The home folder, or the one that the settings name.
    root: Entry,
    web_url: String,
    /// Sent with everything uploaded; `Null` for nothing.
    metadata: Value,

    abilities: Abilities,
    seen: Seen,
    own_user: OnceCell<Option<Person>>,
}

impl OracleContent {
    /// Errors: `Invalid` when a setting is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<OracleContent> {
        let settings = &account.settings;
        settings.expect_only(connection::SETTINGS)?;
        let (api, base) = connection::address(account)?;
        let Identity { authorizer, bearer } = connection::identity(account, options, api)?;
        let mut client = options.client_settings(&base)?;
        client.headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        client.limits = Limits {
            requests_parallel: assumed::REQUESTS_PARALLEL,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            rate: None,
        };
        client.authorizer = Some(Arc::new(WithLinks { account: authorizer, headers: links::headers_of(settings)? }));
        let folder = settings.text("folder")?.unwrap_or_else(|| HOME.to_owned());
        Ok(OracleContent {
            api,
            client: Client::new(client)?,
            bearer,
            root: Entry::directory(Place::folder(folder).remote_id(), ""),
            web_url: account.url.clone(),
            metadata: connection::metadata(settings)?,
            abilities: Abilities::default(),
            seen: Seen::default(),
            own_user: OnceCell::new(),
        })
    }

    fn root_entry(&self) -> Entry {
        Entry { offers: self.abilities.of_home(), ..self.root.clone() }
    }

    /// Who is signed in, asked anew.
    async fn who_am_i(&self) -> Result<Option<Person>> {
        if let Some((bearer, _)) = &self.bearer {
            bearer.forget();
        }
        let person = self.look_at(&Place::folder(HOME)).await?.person("ownedBy");
        // Whoever asked first was right.
        let _ = self.own_user.set(person.clone());
        Ok(person)
    }
}

#[async_trait]
impl Provider for OracleContent {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "oracle-content",
            operations: self.abilities.of_all(),
            unproven: self.abilities.unproven() & self.abilities.of_all(),
            ranges: self.takes_ranges(),
            staged: false,
            // One request carries one file; several go in parallel.
            attach_batch_max: 1,
            revises_in_place: true,
            conditional_revise: false,
            versions: true,
            changes: false,
            case_sensitive: false,
            // Only folders that others share may repeat a name.
            duplicate_names: false,
            reservations: true,
            trash_listed: false,
            server_copy: true,
            file_bytes_max: None,
            name_bytes_max: assumed::NAME_BYTES_MAX,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            requests_parallel: assumed::REQUESTS_PARALLEL,
        }
    }

    fn check_name(&self, name: &str, kind: EntryKind) -> Result<()> {
        naming::check(name, kind)
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        if let Some((_, oauth)) = &self.bearer {
            oauth.ask_person(false).await?;
        }
        let person = match (self.who_am_i().await, &self.bearer) {
            // What was kept of an earlier sign-in is worth nothing any more.
            (Err(error), Some((_, oauth))) if error.kind() == ErrorKind::SignedOut && oauth.waits_for_person() => {
                oauth.ask_person(true).await?;
                self.who_am_i().await?
            }
            (answered, _) => answered?,
        };
        Ok(AccountInfo { user: person.map(|person| person.name), web_url: Some(self.web_url.clone()) })
    }

    fn sign_in_patience(&self) -> Option<Duration> {
        self.bearer.as_ref().filter(|(_, oauth)| oauth.waits_for_person()).map(|_| PATIENCE)
    }

    fn root(&self) -> Entry {
        self.root_entry()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, _request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        self.list_parts(dir)
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.entry_now(&Place::of(id)?).await
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        self.download(target, range).await
    }

    async fn stage(&self, _container: &RemoteId, _name: &str, _content: &Content) -> Result<StagedAsset> {
        Ok(StagedAsset::none())
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        self.create_files(container, items).await
    }

    async fn revise(&self, file: &Located, base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.send_revision(file, base, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.create_folder(&Place::folder_of(parent)?, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.change_place(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.trash(entry).await
    }

    async fn describe(&self, entry: &Located, text: &str) -> Result<()> {
        self.change_description(entry, text).await
    }

    async fn versions(&self, file: &RemoteId) -> Result<Vec<Version>> {
        self.list_versions(&Place::of(file)?).await
    }

    async fn copy(&self, from: &Located, to_parent: &RemoteId, to_name: &str) -> Result<Created> {
        self.copy_file(from, to_parent, to_name).await
    }

    async fn reserve(&self, file: &Located, taken: bool) -> Result<()> {
        self.set_reservation(file, taken).await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        match attempt {
            Attempt::Relocate { entry, to_parent, to_name } => {
                self.is_relocated(entry, to_parent, to_name).await.map(Some)
            }
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
