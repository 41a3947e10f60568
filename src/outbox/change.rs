//! What a change is: the difference between what the service has and what was done here.

use serde::{Deserialize, Serialize};

use crate::clock::Millis;
use crate::error::{Advice, Error};
use crate::ids::{Ino, RemoteId, RevisionId};

/// Identity of a change for as long as it lives, also when its node becomes another one (a save by renaming).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ChangeId(pub u64);

/// What the service has, as far as is known here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Base {
    pub id: RemoteId,
    pub parent: RemoteId,
    pub name: String,
    /// The revision that the content here was made from.
    pub revision: Option<RevisionId>,
    pub size: Option<u64>,
}

/// Content that waits to go up.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// Name of the spool file.
    pub spool: String,
    pub size: u64,
    /// Counts the contents of all files: tells whether what was sent is still the newest.
    pub generation: u64,
    /// New, or emptied, by a program that has it open and wrote nothing yet. After a crash the old content stands.
    pub unsettled: bool,
    /// The file whose content this is, byte for byte, where the service can copy by itself.
    #[serde(default)]
    pub copy_of: Option<Base>,
}

/// Whether and where the entry shall be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Want {
    Here(Place),
    Gone,
}

/// A place in the tree, as the service will know it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Place {
    pub parent: Ino,
    /// `None` as long as the directory itself is not on the service yet.
    pub parent_id: Option<RemoteId>,
    /// The service's name for the entry, not the file name shown here.
    pub name: String,
}

/// How far the change is on its way.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Phase {
    Waiting,
    /// The bytes of `generation` are on the service, not attached yet.
    Staged {
        generation: u64,
        token: Option<String>,
        expires: Option<Millis>,
        since: Millis,
        /// As [`StagedAsset::name`](crate::provider::StagedAsset::name).
        #[serde(default)]
        name: Option<String>,
    },
    /// Something that must not be repeated blindly was sent; no clear answer came yet. After a crash, or when the
    /// answer is lost, it is found out by looking.
    Sending(Sent),
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Sent {
    /// `before`: ids that had this name in the container already. The staged token is kept: it may serve again.
    Attach {
        draft: Draft,
        container: RemoteId,
        name: String,
        before: Vec<RemoteId>,
        token: Option<String>,
    },
    Revise {
        draft: Draft,
    },
    MakeDir {
        parent: RemoteId,
        name: String,
        before: Vec<RemoteId>,
    },
    Relocate {
        parent: RemoteId,
        name: String,
    },
}

/// Why a change stays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    pub message: String,
    pub since: Millis,
    /// Only a person can go on: by `outbox retry`, `discard` or `export`.
    pub needs_person: bool,
    /// The credentials were refused: whoever mounts again has renewed them in all likelihood.
    #[serde(default)]
    pub signed_out: bool,
}

/// One difference between the service and us.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    pub id: ChangeId,
    pub ino: Ino,
    pub directory: bool,
    /// `None`: the service does not have it.
    pub base: Option<Base>,
    pub want: Want,
    pub draft: Option<Draft>,
    pub description: Option<String>,
    /// The document that the content comes from, should it become a new file: it is hidden from whom that one is hidden.
    #[serde(default)]
    pub hidden_like: Option<RemoteId>,
    /// The first step of a save, in all likelihood: the old document was removed or renamed away, and a new one of its
    /// name is about to come. It is meant as soon as it has rested; when the process dies before, the document stands.
    #[serde(default)]
    pub provisional: bool,
    pub phase: Phase,
    /// Not sent before this time, so that the steps of a save fold.
    pub rest_until: Millis,
    pub attempts: u32,
    /// Not tried again before this time.
    pub not_before: Millis,
    pub failure: Option<Failure>,
    /// A request for it is under way in this process.
    #[serde(skip)]
    pub in_flight: bool,
    /// Until then the service may still be working on the request of a process that was killed: who looks earlier does
    /// not see what is about to be there.
    #[serde(skip)]
    pub unanswered_until: Millis,
}

impl Change {
    pub(super) fn new(id: ChangeId, ino: Ino, directory: bool, base: Option<Base>, want: Want) -> Change {
        Change {
            id,
            ino,
            directory,
            base,
            want,
            draft: None,
            description: None,
            hidden_like: None,
            provisional: false,
            phase: Phase::Waiting,
            rest_until: Millis(0),
            attempts: 0,
            not_before: Millis(0),
            failure: None,
            in_flight: false,
            unanswered_until: Millis(0),
        }
    }

    /// Nothing of it is sent, or looked for, before this time, whoever waits for it.
    pub fn earliest(&self) -> Millis {
        self.not_before.max(self.unanswered_until)
    }

    /// The place where it shall be, unless it shall be gone.
    pub fn place(&self) -> Option<&Place> {
        match &self.want {
            Want::Here(place) => Some(place),
            Want::Gone => None,
        }
    }

    /// Whether the service has it under another name or parent than wanted.
    pub fn is_displaced(&self) -> bool {
        match (&self.base, &self.want) {
            (Some(base), Want::Here(place)) => {
                base.name != place.name || place.parent_id.as_ref() != Some(&base.parent)
            }
            _ => false,
        }
    }

    /// The places on the service where the entry is, or may be as long as nobody knows what became of a request, and
    /// where it is not wanted.
    pub fn left_places(&self) -> impl Iterator<Item = (&RemoteId, &String)> {
        let based = self.base.as_ref().map(|base| (&base.parent, &base.name));
        let sent = match &self.phase {
            Phase::Sending(Sent::Attach { container, name, .. }) => Some((container, name)),
            Phase::Sending(Sent::MakeDir { parent, name, .. } | Sent::Relocate { parent, name }) => {
                Some((parent, name))
            }
            _ => None,
        };
        let wanted = self.place().and_then(|place| Some((place.parent_id.as_ref()?, &place.name)));
        based.into_iter().chain(sent).filter(move |place| Some(*place) != wanted)
    }

    /// Whether the bytes of the newest content are on the service, not attached yet.
    pub fn has_staged_draft(&self) -> bool {
        let Phase::Staged { generation, name, .. } = &self.phase else { return false };
        let wanted = self.place().map(|place| &place.name);
        let renamed = name.as_ref().is_some_and(|name| wanted.is_some_and(|wanted| wanted != name));
        !renamed && self.draft.as_ref().is_some_and(|draft| draft.generation == *generation)
    }

    /// One word for what the service will learn.
    pub fn kind(&self) -> &'static str {
        match (&self.base, &self.want) {
            (None, Want::Gone) => "nothing",
            (None, _) if self.directory => "mkdir",
            (None, _) => "create",
            (Some(_), Want::Gone) if self.directory => "rmdir",
            (Some(_), Want::Gone) => "delete",
            (Some(_), _) if self.draft.is_some() => "revise",
            (Some(_), _) if self.description.is_some() => "describe",
            (Some(_), _) => "rename",
        }
    }

    /// Names of the spool files that must stay for it: what is wanted, and what is on its way.
    pub fn spool_files(&self) -> impl Iterator<Item = &str> {
        let sent = match &self.phase {
            Phase::Sending(Sent::Attach { draft, .. } | Sent::Revise { draft }) => Some(draft),
            _ => None,
        };
        self.draft.iter().chain(sent).map(|draft| draft.spool.as_str())
    }

    /// The spool file with the content of this generation, be it wanted or on its way.
    pub(super) fn spool_of(&self, generation: u64) -> Option<String> {
        let sent = match &self.phase {
            Phase::Sending(Sent::Attach { draft, .. } | Sent::Revise { draft }) => Some(draft),
            _ => None,
        };
        let both = sent.into_iter().chain(&self.draft);
        both.into_iter().find(|d| d.generation == generation).map(|d| d.spool.clone())
    }

    /// One word for how far it is.
    pub fn state(&self) -> &'static str {
        match &self.failure {
            Some(f) if f.needs_person => "failed",
            _ if self.in_flight => "uploading",
            Some(_) => "retrying",
            None => "pending",
        }
    }

    pub fn needs_person(&self) -> bool {
        self.failure.as_ref().is_some_and(|f| f.needs_person)
    }

    /// A file that was created and never closed: there is nothing to send yet.
    pub fn is_unborn(&self) -> bool {
        self.base.is_none() && !self.directory && self.draft.is_none() && self.want != Want::Gone
    }
}

/// How long after the n-th failure in a row the next try comes; never longer than five minutes.
pub fn backoff_ms(attempts: u32, error: &Error) -> u64 {
    const FIRST_MS: u64 = 1_000;
    const LONGEST_MS: u64 = 300_000;
    let wait = FIRST_MS.saturating_mul(1 << attempts.min(12)).min(LONGEST_MS);
    match error.advice() {
        Advice::AgainAfter(asked) => (asked.as_millis() as u64).clamp(FIRST_MS, 24 * 3_600_000).max(wait.min(5_000)),
        _ => wait,
    }
}
