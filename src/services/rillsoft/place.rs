//! Where a thing is: project, folder within a project, or document. Every path of the service starts with the project.

use std::fmt;

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Root,
    Project(u64),
    /// The folder belongs to the client, but the directory to one project: each project shows the whole tree.
    Folder {
        project: u64,
        folder: u64,
    },
    Document {
        project: u64,
        document: u64,
    },
}

impl Place {
    /// Errors: `Bug` for an id that is none of ours.
    pub fn of(id: &RemoteId) -> Result<Place> {
        match read(id.kind(), id.service_id()) {
            Some(place) => Ok(place),
            None => fail(ErrorKind::Bug, format!("{id} is no id of this service")),
        }
    }

    /// The project and document of a document's id. Errors: `IsDirectory` for anything else.
    pub fn document(id: &RemoteId) -> Result<(u64, u64)> {
        match Place::of(id)? {
            Place::Document { project, document } => Ok((project, document)),
            _ => fail(ErrorKind::IsDirectory, "this is a directory"),
        }
    }

    pub fn remote_id(self) -> RemoteId {
        match self {
            Place::Root => RemoteId::new("root", ""),
            Place::Project(project) => RemoteId::new("project", project),
            Place::Folder { project, folder } => RemoteId::new("folder", format_args!("{project}/{folder}")),
            Place::Document { project, document } => RemoteId::new("document", format_args!("{project}/{document}")),
        }
    }
}

fn read(kind: &str, id: &str) -> Option<Place> {
    let pair = || {
        let (project, thing) = id.split_once('/')?;
        Some((project.parse().ok()?, thing.parse().ok()?))
    };
    match kind {
        "root" => Some(Place::Root),
        "project" => Some(Place::Project(id.parse().ok()?)),
        "folder" => pair().map(|(project, folder)| Place::Folder { project, folder }),
        "document" => pair().map(|(project, document)| Place::Document { project, document }),
        _ => None,
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Root => f.write_str("the account"),
            Place::Project(project) => write!(f, "project {project}"),
            Place::Folder { project, folder } => write!(f, "folder {folder} of project {project}"),
            Place::Document { project, document } => write!(f, "document {document} of project {project}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_where_a_thing_is() {
        let places = [
            Place::Root,
            Place::Project(7),
            Place::Folder { project: 7, folder: 17 },
            Place::Document { project: 7, document: 8 },
        ];
        for place in places {
            assert_eq!(Place::of(&place.remote_id()).unwrap(), place);
        }
        assert_eq!(Place::Folder { project: 7, folder: 17 }.remote_id().as_str(), "folder:7/17");
        for foreign in ["file:7", "project:x", "folder:7", "document:7/"] {
            assert_eq!(Place::of(&RemoteId::from_stored(foreign)).unwrap_err().kind(), ErrorKind::Bug, "{foreign}");
        }
    }
}
