//! What a remote id stands for.

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::services::imeet_central::assumptions::Kind;

/// A thing of the service: its kind and the id the service gave it. For `@tasks` and the like it is the workspace's id.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    pub kind: Kind,
    pub id: String,
}

impl Place {
    pub fn new(kind: Kind, id: impl Into<String>) -> Place {
        Place { kind, id: id.into() }
    }

    pub fn root() -> Place {
        Place::new(Kind::Root, "")
    }

    /// Errors: `Bug` for an id that this provider never made.
    pub fn of(id: &RemoteId) -> Result<Place> {
        match Kind::ALL.into_iter().find(|kind| kind.word() == id.kind()) {
            Some(kind) => Ok(Place::new(kind, id.service_id())),
            None => fail(ErrorKind::Bug, format!("{id} is no id of this service")),
        }
    }

    pub fn remote_id(&self) -> RemoteId {
        RemoteId::new(self.kind.word(), &self.id)
    }

    pub fn is_directory(&self) -> bool {
        self.kind != Kind::File
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.kind.word(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_store_whatever_the_service_put_into_it() {
        let place = Place::new(Kind::Folder, "WyIxIiw6:2/ü");
        let stored = RemoteId::from_stored(place.remote_id().as_str());
        assert_eq!(Place::of(&stored).unwrap(), place);
        assert!(Place::of(&RemoteId::new("elsewhere", 1)).is_err());
    }
}
