//! What a service must be able to do: one object-safe trait, its data types and its abilities.
//!
//! Everything above `services/` speaks only this. What a service lacks it says in its [`Capabilities`] or in an
//! entry's [`Operations`]; nobody asks which service it is.

pub mod capability;
pub mod confirm;
pub mod entry;
pub mod layers;
pub mod transfer;

pub use capability::{Capabilities, Operation, Operations};
pub use confirm::{Attempt, Confirmation};
pub use entry::{Entry, EntryKind, VERSION_FACT, Version};
pub use transfer::{AttachItem, ByteRange, Content, Created, Download, ReadTarget, Revised, StagedAsset};

use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::{ErrorKind, Result, fail};
use crate::ids::{RemoteId, RevisionId};

/// Who is signed in.
#[derive(Debug, Clone, Default)]
pub struct AccountInfo {
    /// The person's name, mail address or id, as the service tells; for messages only.
    pub user: Option<String>,
    /// Address of the service's own web pages, for messages only.
    pub web_url: Option<String>,
}

/// Proof of what a listing looked like (an ETag, a cursor); opaque above the services.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Validator(pub String);

/// How a directory shall be listed.
#[derive(Debug, Clone, Default)]
pub struct ListRequest {
    /// Where the service can say "unchanged": the validator of the listing that is known.
    pub known: Option<Validator>,
    /// A provider that learns many directories by one request may answer from what it fetched at most so long ago.
    pub max_age: Duration,
}

/// A part of a listing. The last part carries the validator, if there is one.
#[derive(Debug, Clone)]
pub enum ListPart {
    /// Nothing changed since the known validator; no further part follows.
    Unchanged,
    Entries {
        entries: Vec<Entry>,
        validator: Option<Validator>,
        /// How long ago the service was asked for this part.
        age: Duration,
    },
}

/// A place on the service where an entry is: enough to address it whatever the service's paths look like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    pub id: RemoteId,
    pub parent: RemoteId,
    /// The name as the service has it.
    pub name: String,
    pub kind: EntryKind,
}

/// What changed on the service since a cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    pub cursor: String,
    /// Directories (or entries, whose directory is then meant) to be listed again.
    pub dirty: Vec<RemoteId>,
    /// The cursor is too old, or the service cannot tell: everything has to be listed again when asked for.
    pub everything: bool,
}

/// Space on the service, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    pub total: u64,
    pub free: u64,
}

/// One service behind the one interface. Methods may be called concurrently.
///
/// Errors: every method maps the service's answers to [`ErrorKind`] (not there: `NotFound`; not allowed: `Denied`;
/// no such call: `Unsupported`, and the provider remembers that in its capabilities). An error is marked unclear
/// when the request may have taken effect without our knowing; then [`Provider::confirm`] finds out.
#[async_trait]
pub trait Provider: Send + Sync + 'static {
    /// What the service can do, as far as is known now: a refused call takes its operation away for the session.
    fn capabilities(&self) -> Capabilities;

    /// Whether the service would take this name; answered without a request.
    fn check_name(&self, name: &str, kind: EntryKind) -> Result<()>;

    /// Whether new files can be made in this directory, where its entry alone does not tell. Asked for when a program
    /// creates one, and so answered from memory as a rule. Errors: `Invalid`, saying what to do.
    async fn check_place(&self, _dir: &RemoteId) -> Result<()> {
        Ok(())
    }

    /// Signs in (again) and says who we are. Errors: `SignedOut` when the credentials are refused, `Offline`.
    async fn sign_in(&self) -> Result<AccountInfo>;

    /// How long [`Provider::sign_in`] may take because it waits for a person at a browser. `None`: it waits for nobody.
    fn sign_in_patience(&self) -> Option<Duration> {
        None
    }

    /// The directory at the top of the account; answered without a request.
    fn root(&self) -> Entry;

    /// Lists a directory whole, as a stream of parts; an error ends the stream and voids the parts before it.
    /// `NotFound` when the directory is gone.
    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>>;

    /// The entry as it is now.
    async fn stat(&self, id: &RemoteId) -> Result<Entry>;

    /// Starts reading content. A service without ranges answers from byte 0 whatever was asked: [`Download`] says.
    /// `Conflict` when the revision asked for is not the one that can be read any more.
    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download>;

    /// First step of creating a file: sends the bytes. Services with one step answer [`StagedAsset::none`] at once.
    async fn stage(&self, container: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset>;

    /// Second step: turns deferred assets into files of a container. One outcome per item, in the order of `items`;
    /// the outer error means none was taken (or, if unclear, that nothing is known about any). At most
    /// [`Capabilities::attach_batch_max`] items. An item's `Stale` says that its staged bytes are not kept any more
    /// and have to be staged again.
    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>>;

    /// Sends new content for an existing file. `base` is the revision it was made from; a service with conditional
    /// writes answers `Conflict` when the file moved on.
    async fn revise(&self, file: &Located, base: Option<&RevisionId>, content: &Content) -> Result<Revised>;

    /// Makes a directory.
    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry>;

    /// Renames, moves, or both. Never replaces anything. Errors: `Unsupported`, `CrossDevice`, `Exists`.
    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()>;

    /// Removes a file (to the trash where there is one) or a directory that was seen to be empty.
    /// `NotFound` when it is gone already.
    async fn delete(&self, entry: &Located) -> Result<()>;

    /// Sets the description.
    async fn describe(&self, _entry: &Located, _text: &str) -> Result<()> {
        fail(ErrorKind::Unsupported, "the service keeps no description that could be set")
    }

    /// The revisions of a file, oldest first, the current one included.
    async fn versions(&self, _file: &RemoteId) -> Result<Vec<Version>> {
        fail(ErrorKind::Unsupported, "the service does not list old revisions")
    }

    /// Copies a file's current content on the service itself.
    async fn copy(&self, _from: &Located, _to_parent: &RemoteId, _to_name: &str) -> Result<Created> {
        fail(ErrorKind::Unsupported, "the service cannot copy by itself")
    }

    /// What changed since the cursor; without one, only a cursor for now.
    async fn changes(&self, _since: Option<&str>) -> Result<Changes> {
        fail(ErrorKind::Unsupported, "the service has no change feed")
    }

    /// Takes or gives back the reservation of a file.
    async fn reserve(&self, _file: &Located, _taken: bool) -> Result<()> {
        fail(ErrorKind::Unsupported, "the service has no reservations")
    }

    /// The entries in the service's trash.
    async fn list_trash(&self) -> Result<Vec<Entry>> {
        fail(ErrorKind::Unsupported, "the service does not list its trash")
    }

    async fn quota(&self) -> Result<Option<Quota>> {
        Ok(None)
    }

    /// After an unclear answer: the service's own way to find out whether the attempt took effect. `None` means
    /// that the general way of [`confirm::find_out`] is right, as it is for most services.
    async fn confirm(&self, _attempt: &Attempt) -> Result<Option<Confirmation>> {
        Ok(None)
    }
}
