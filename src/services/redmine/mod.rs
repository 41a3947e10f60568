//! Redmine, REST API (redmine.org wiki, Rest_api and the pages of its resources), from version 3.4 on.
//!
//! The tree is projects > Files > versions > files; with `attachments` also issues, wiki pages and news with theirs. A
//! file's content never changes on the service: new content is a new attachment that takes the old one's place
//! (`replacing.rs`), so the number of an attachment identifies its content.

mod account;
mod assumptions;
mod changing;
mod entries;
mod listing;
mod model;
mod names;
mod paging;
mod place;
mod projects;
mod reading;
mod replacing;
mod rights;
mod snapshots;
mod uploading;

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::SystemTime;

use async_trait::async_trait;
use futures::stream::{self, BoxStream, StreamExt};
use lru::LruCache;

use crate::config::Account;
use crate::error::Result;
use crate::http::{Client, ClientSettings, FixedHeaders, HeaderName, Limits};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Confirmation, Content, Created, Download, Entry,
    EntryKind, ListPart, ListRequest, Located, Operation, Operations, Provider, ReadTarget, Revised, StagedAsset,
};
use crate::services::registry::ServiceOptions;
use account::Denied;
use assumptions as assumed;
use listing::ProjectFiles;
use model::Attachment;
use place::Place;
use projects::Projects;
use rights::{FILE_OFFERS, Person, Rights};
use snapshots::Snapshots;

/// The account's own settings.
const SETTINGS: &[&str] = &["api_key"];

/// Descriptions remembered of files that were made here: some 300 bytes each.
const DESCRIPTIONS_MAX: NonZeroUsize = NonZeroUsize::new(5_000).unwrap();

/// Digests remembered of files that were listed: some 150 bytes each.
const DIGESTS_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

pub struct Redmine {
    client: Client,
    /// Base of the addresses that people see.
    web_url: String,
    attachments: bool,

    projects: Snapshots<(), Projects>,
    /// The last that were listed: what is missing in the next list seems to be removed.
    projects_seen: Mutex<Option<Arc<Projects>>>,
    files: Snapshots<u64, ProjectFiles>,
    contents: Snapshots<Place, Vec<Attachment>>,
    person: Snapshots<(), Person>,
    roles: Snapshots<u64, Rights>,
    denied: Denied,
    descriptions: Mutex<LruCache<u64, Option<String>>>,
    /// Digests by the files' numbers, with the times at which these were made.
    digests: Mutex<LruCache<u64, (Option<SystemTime>, String)>>,
    /// Bytes of the largest upload that was taken.
    largest_taken: AtomicU64,
}

impl Redmine {
    /// Errors: `Invalid` when a setting is missing or wrong.
    pub fn open(account: &Account, options: &ServiceOptions) -> Result<Redmine> {
        let settings = &account.settings;
        settings.expect_only(SETTINGS)?;
        let key = settings.required_secret("api_key")?;
        let authorizer = FixedHeaders::new(HeaderName::from_static(assumed::KEY_HEADER), key.expose())?;
        let client = ClientSettings {
            authorizer: Some(Arc::new(authorizer)),
            limits: Limits {
                requests_parallel: assumed::REQUESTS_PARALLEL,
                uploads_parallel: assumed::UPLOADS_PARALLEL,
                rate: None,
            },
            ..options.client_settings(&account.url)?
        };
        Ok(Redmine {
            client: Client::new(client)?,
            web_url: account.url.clone(),
            attachments: options.attachments,
            projects: Snapshots::default(),
            projects_seen: Mutex::default(),
            files: Snapshots::default(),
            contents: Snapshots::default(),
            person: Snapshots::default(),
            roles: Snapshots::default(),
            denied: Denied::default(),
            descriptions: Mutex::new(LruCache::new(DESCRIPTIONS_MAX)),
            digests: Mutex::new(LruCache::new(DIGESTS_MAX)),
            largest_taken: AtomicU64::new(0),
        })
    }

    /// What is known of a container's files is out of date.
    fn forget(&self, container: &Place) {
        match container {
            Place::Files(project) | Place::Version { project, .. } => self.files.forget(project),
            container => self.contents.forget(container),
        }
    }

    fn note_description(&self, file: u64, description: Option<String>) {
        self.descriptions().put(file, description);
    }

    /// The description of a file, if a list told it or it was given here.
    fn known_description(&self, file: u64, container: &Place) -> Option<Option<String>> {
        if let Some(known) = self.descriptions().get(&file) {
            return Some(known.clone());
        }
        let described = |files: &[Attachment]| files.iter().find(|f| f.id == file).map(|f| f.description.clone());
        match container {
            Place::Files(project) | Place::Version { project, .. } => described(&self.files.last(project)?.files),
            container => described(&self.contents.last(container)?),
        }
    }

    fn note_digests(&self, files: &[Attachment]) {
        let told = files.iter().filter_map(|f| Some((f.id, (f.created, f.digest.clone()?))));
        let mut digests = self.digests.lock().unwrap_or_else(|e| e.into_inner());
        told.for_each(|(id, digest)| drop(digests.put(id, digest)));
    }

    /// The digest of a file, if a list told it: looked at alone, the service does not.
    fn known_digest(&self, file: &Attachment) -> Option<String> {
        let digests = self.digests.lock().unwrap_or_else(|e| e.into_inner());
        // Made at another time it is another file with the same number.
        digests.peek(&file.id).filter(|(created, _)| *created == file.created).map(|(_, digest)| digest.clone())
    }

    fn descriptions(&self) -> MutexGuard<'_, LruCache<u64, Option<String>>> {
        self.descriptions.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[async_trait]
impl Provider for Redmine {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "redmine",
            operations: FILE_OFFERS.with(Operation::CreateFile).with(Operation::MakeDir),
            unproven: Operations::NONE,
            ranges: false,
            staged: true,
            attach_batch_max: assumed::ATTACH_BATCH_MAX,
            revises_in_place: false,
            // A replaced file is noticed by its removal: nothing needs to be asked before.
            conditional_revise: true,
            versions: false,
            changes: false,
            case_sensitive: true,
            duplicate_names: true,
            reservations: false,
            trash_listed: false,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: assumed::TEXT_CHARS_MAX,
            uploads_parallel: assumed::UPLOADS_PARALLEL,
            requests_parallel: assumed::REQUESTS_PARALLEL,
        }
    }

    fn check_name(&self, name: &str, kind: EntryKind) -> Result<()> {
        match kind {
            EntryKind::File => names::check_file_name(name),
            EntryKind::Directory => names::check_directory_name(name),
        }
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        let person = self.identify().await?;
        Ok(AccountInfo { user: person.name.clone(), web_url: Some(self.web_url.clone()) })
    }

    fn root(&self) -> Entry {
        self.root_entry()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        match Place::of(dir) {
            Ok(dir) => self.list_parts(dir, request.max_age),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.look_at(&Place::of(id)?).await
    }

    async fn read(&self, target: &ReadTarget, _range: ByteRange) -> Result<Download> {
        self.download(target).await
    }

    async fn stage(&self, _container: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset> {
        self.stage_file(name, content).await
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        self.attach_to(&Place::of(container)?, items).await
    }

    async fn revise(&self, file: &Located, _base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.replace(file, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.make_version(&Place::of(parent)?, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.rename(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.remove(entry).await
    }

    async fn describe(&self, entry: &Located, text: &str) -> Result<()> {
        self.set_description(entry, text).await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        match attempt {
            Attempt::Revise { file, content, .. } => self.find_replacement(file, content).await.map(Some),
            _ => Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
