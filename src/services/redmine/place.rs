//! What a remote id stands for. The service's numbers are unique per kind; a thing within a project carries the
//! project's number too, since the calls about it need it.

use crate::error::{Error, ErrorKind, Result};
use crate::ids::RemoteId;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    Root,
    Project(u64),
    /// The projects within a project.
    SubProjects(u64),
    /// The project's own files, and its versions.
    Files(u64),
    Version {
        project: u64,
        version: u64,
    },
    Issues(u64),
    Issue {
        project: u64,
        issue: u64,
    },
    Wiki(u64),
    Page {
        project: u64,
        title: String,
    },
    NewsList(u64),
    News {
        project: u64,
        news: u64,
    },
    File(u64),
}

impl Place {
    /// Errors: `Bug` for an id that this provider never made.
    pub fn of(id: &RemoteId) -> Result<Place> {
        Place::read(id).ok_or_else(|| Error::new(ErrorKind::Bug, format!("{id} is no id of this service")))
    }

    fn read(id: &RemoteId) -> Option<Place> {
        let text = id.service_id();
        let number = || text.parse().ok();
        let within = || text.split_once('/').and_then(|(project, inner)| Some((project.parse().ok()?, inner)));
        let numbers = || within().and_then(|(project, inner)| Some((project, inner.parse().ok()?)));
        Some(match id.kind() {
            "root" => Place::Root,
            "project" => Place::Project(number()?),
            "projects" => Place::SubProjects(number()?),
            "files" => Place::Files(number()?),
            "version" => numbers().map(|(project, version)| Place::Version { project, version })?,
            "issues" => Place::Issues(number()?),
            "issue" => numbers().map(|(project, issue)| Place::Issue { project, issue })?,
            "wiki" => Place::Wiki(number()?),
            "page" => within().map(|(project, title)| Place::Page { project, title: title.to_owned() })?,
            "news-list" => Place::NewsList(number()?),
            "news" => numbers().map(|(project, news)| Place::News { project, news })?,
            "file" => Place::File(number()?),
            _ => return None,
        })
    }

    pub fn remote_id(&self) -> RemoteId {
        match self {
            Place::Root => RemoteId::new("root", ""),
            Place::Project(project) => RemoteId::new("project", project),
            Place::SubProjects(project) => RemoteId::new("projects", project),
            Place::Files(project) => RemoteId::new("files", project),
            Place::Version { project, version } => RemoteId::new("version", format!("{project}/{version}")),
            Place::Issues(project) => RemoteId::new("issues", project),
            Place::Issue { project, issue } => RemoteId::new("issue", format!("{project}/{issue}")),
            Place::Wiki(project) => RemoteId::new("wiki", project),
            Place::Page { project, title } => RemoteId::new("page", format!("{project}/{title}")),
            Place::NewsList(project) => RemoteId::new("news-list", project),
            Place::News { project, news } => RemoteId::new("news", format!("{project}/{news}")),
            Place::File(file) => RemoteId::new("file", file),
        }
    }

    /// The project that a directory lies in, or is.
    pub fn project(&self) -> Option<u64> {
        match self {
            Place::Root | Place::File(_) => None,
            Place::Project(project)
            | Place::SubProjects(project)
            | Place::Files(project)
            | Place::Issues(project)
            | Place::Wiki(project)
            | Place::NewsList(project)
            | Place::Version { project, .. }
            | Place::Issue { project, .. }
            | Place::Page { project, .. }
            | Place::News { project, .. } => Some(*project),
        }
    }
}

/// The number of an attachment. Errors: `Unsupported` for anything else.
pub fn file_number(id: &RemoteId) -> Result<u64> {
    match Place::of(id)? {
        Place::File(file) => Ok(file),
        _ => Err(Error::new(ErrorKind::Unsupported, "this can be done with files only")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_store() {
        let places = [
            Place::Root,
            Place::Project(1),
            Place::SubProjects(1),
            Place::Files(1),
            Place::Version { project: 1, version: 2 },
            Place::Issues(1),
            Place::Issue { project: 1, issue: 2 },
            Place::Wiki(1),
            Place::Page { project: 1, title: "Größe:_a/b".into() },
            Place::NewsList(1),
            Place::News { project: 1, news: 2 },
            Place::File(3),
        ];
        for place in places {
            let stored = RemoteId::from_stored(place.remote_id().as_str());
            assert_eq!(Place::of(&stored).unwrap(), place);
        }
    }

    #[test]
    fn what_is_no_id_of_ours_is_an_error() {
        for id in ["folder:1", "file:x", "version:1", "issue:1/x", ""] {
            assert_eq!(Place::of(&RemoteId::from_stored(id)).unwrap_err().kind(), ErrorKind::Bug, "{id}");
        }
    }
}
