//! What a remote id stands for.

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;

/// A thing that is shown. A folder's project is part of its id: it is set once and for all, and every list needs it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Root,
    Project(String),
    Folder {
        project: String,
        id: String,
    },
    File(String),
    /// A File property `PLURAL/ID/PROPERTY`, or the beginning of one: directories of our own.
    Path(String),
    /// One facet of such a property.
    Facet {
        property: String,
        facet: String,
    },
}

impl Place {
    /// Errors: `Bug` for an id that this provider never made.
    pub fn of(id: &RemoteId) -> Result<Place> {
        let (kind, service_id) = (id.kind(), id.service_id());
        let place = match (kind, service_id.rsplit_once('/')) {
            ("root", _) => Some(Place::Root),
            ("project", None) => Some(Place::Project(service_id.to_owned())),
            ("folder", Some((project, id))) => Some(Place::Folder { project: project.to_owned(), id: id.to_owned() }),
            ("file", None) => Some(Place::File(service_id.to_owned())),
            ("path", _) => Some(Place::Path(service_id.to_owned())),
            ("facet", Some((property, facet))) => {
                Some(Place::Facet { property: property.to_owned(), facet: facet.to_owned() })
            }
            _ => None,
        };
        place.map_or_else(|| fail(ErrorKind::Bug, format!("{id} is no id of this service")), Ok)
    }

    pub fn remote_id(&self) -> RemoteId {
        match self {
            Place::Root => RemoteId::new("root", ""),
            Place::Project(id) => RemoteId::new("project", id),
            Place::Folder { project, id } => RemoteId::new("folder", format_args!("{project}/{id}")),
            Place::File(id) => RemoteId::new("file", id),
            Place::Path(path) => RemoteId::new("path", path),
            Place::Facet { property, facet } => RemoteId::new("facet", format_args!("{property}/{facet}")),
        }
    }

    /// The project that a directory is, or lies in.
    pub fn project(&self) -> Option<&str> {
        match self {
            Place::Project(project) | Place::Folder { project, .. } => Some(project),
            _ => None,
        }
    }

    /// The folder that a directory is.
    pub fn folder(&self) -> Option<&str> {
        match self {
            Place::Folder { id, .. } => Some(id),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_store() {
        for place in [
            Place::Root,
            Place::Project("5516".into()),
            Place::Folder { project: "5516".into(), id: "5517".into() },
            Place::File("5518".into()),
            Place::Path("accounts/me".into()),
            Place::Facet { property: "accounts/me/image".into(), facet: "content".into() },
        ] {
            let stored = RemoteId::from_stored(place.remote_id().as_str());
            assert_eq!(Place::of(&stored).unwrap(), place);
        }
        assert!(Place::of(&RemoteId::new("elsewhere", 1)).is_err());
    }
}
