//! What a remote id stands for.

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::provider::EntryKind;

/// The service's name for the home folder of whoever is signed in.
pub const HOME: &str = "self";

/// A file or folder by the id the service gave it; such ids survive rename and move.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub kind: EntryKind,
    pub id: String,
}

impl Place {
    pub fn file(id: impl Into<String>) -> Place {
        Place { kind: EntryKind::File, id: id.into() }
    }

    pub fn folder(id: impl Into<String>) -> Place {
        Place { kind: EntryKind::Directory, id: id.into() }
    }

    /// Errors: `Bug` for an id that this provider never made.
    pub fn of(id: &RemoteId) -> Result<Place> {
        match id.kind() {
            "file" => Ok(Place::file(id.service_id())),
            "folder" => Ok(Place::folder(id.service_id())),
            _ => fail(ErrorKind::Bug, format!("{id} is no id of this service")),
        }
    }

    /// As [`Place::of`]. Errors: `NotDirectory` for a file.
    pub fn folder_of(id: &RemoteId) -> Result<Place> {
        match Place::of(id)? {
            folder if folder.is_folder() => Ok(folder),
            _ => fail(ErrorKind::NotDirectory, "a file holds nothing"),
        }
    }

    pub fn remote_id(&self) -> RemoteId {
        RemoteId::new(if self.is_folder() { "folder" } else { "file" }, &self.id)
    }

    pub fn is_folder(&self) -> bool {
        self.kind == EntryKind::Directory
    }

    pub fn is_home(&self) -> bool {
        self.is_folder() && self.id == HOME
    }

    /// The collection in the API's paths: `/COLLECTION/ID`.
    pub fn collection(&self) -> &'static str {
        if self.is_folder() { "folders" } else { "files" }
    }
}
