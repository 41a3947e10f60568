//! What a remote id stands for.

use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::RemoteId;

/// A thing of the service, with the numbers its addresses need: nearly every path starts at a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    Root,
    Project(u64),
    /// A file of a project, by the id of its upload: the only id that the answer to its creation surely tells.
    File {
        project: u64,
        upload: u64,
    },
    /// A directory of our own: what hangs on the project's messages, to-dos or comments.
    Group {
        project: u64,
        group: Group,
    },
    /// A file in such a directory.
    Attachment {
        project: u64,
        attachment: u64,
    },
}

/// What attachments hang on, other than uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Group {
    Messages,
    ToDos,
    Comments,
}

impl Group {
    pub const ALL: [Group; 3] = [Group::Messages, Group::ToDos, Group::Comments];

    /// The directory's name.
    pub fn name(self) -> &'static str {
        match self {
            Group::Messages => "@messages",
            Group::ToDos => "@to-dos",
            Group::Comments => "@comments",
        }
    }

    /// `attachable.type` (attachments page).
    pub fn attachable_type(self) -> &'static str {
        match self {
            Group::Messages => "Message",
            Group::ToDos => "Todo",
            Group::Comments => "Comment",
        }
    }

    /// In our ids.
    fn word(self) -> &'static str {
        match self {
            Group::Messages => "messages",
            Group::ToDos => "todos",
            Group::Comments => "comments",
        }
    }
}

impl Place {
    /// Errors: `Bug` for an id that this provider never made.
    pub fn of(id: &RemoteId) -> Result<Place> {
        Place::parse(id.kind(), id.service_id())
            .ok_or_else(|| Error::new(ErrorKind::Bug, format!("{id} is no id of this service")))
    }

    fn parse(kind: &str, id: &str) -> Option<Place> {
        if let Some(group) = Group::ALL.into_iter().find(|group| group.word() == kind) {
            return Some(Place::Group { project: id.parse().ok()?, group });
        }
        let pair = || {
            let (project, own) = id.split_once('/')?;
            Some((project.parse().ok()?, own.parse().ok()?))
        };
        match kind {
            "root" => Some(Place::Root),
            "project" => Some(Place::Project(id.parse().ok()?)),
            "file" => pair().map(|(project, upload)| Place::File { project, upload }),
            "attachment" => pair().map(|(project, attachment)| Place::Attachment { project, attachment }),
            _ => None,
        }
    }

    pub fn remote_id(self) -> RemoteId {
        match self {
            Place::Root => RemoteId::new("root", ""),
            Place::Project(project) => RemoteId::new("project", project),
            Place::File { project, upload } => RemoteId::new("file", format_args!("{project}/{upload}")),
            Place::Group { project, group } => RemoteId::new(group.word(), project),
            Place::Attachment { project, attachment } => {
                RemoteId::new("attachment", format_args!("{project}/{attachment}"))
            }
        }
    }

    /// The project's number. Errors: `Unsupported` for what is no project, since only projects take files.
    pub fn project(self) -> Result<u64> {
        match self {
            Place::Project(project) => Ok(project),
            _ => fail(ErrorKind::Unsupported, "files can be put into projects only"),
        }
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Place::Root => f.write_str("the account"),
            Place::Project(project) => write!(f, "project {project}"),
            Place::File { project, upload } => write!(f, "upload {upload} of project {project}"),
            Place::Group { project, group } => write!(f, "{} of project {project}", group.name()),
            Place::Attachment { project, attachment } => write!(f, "attachment {attachment} of project {project}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_the_store() {
        let places = [
            Place::Root,
            Place::Project(3),
            Place::File { project: 3, upload: 77 },
            Place::Group { project: 3, group: Group::ToDos },
            Place::Attachment { project: 3, attachment: 5 },
        ];
        for place in places {
            let stored = RemoteId::from_stored(place.remote_id().as_str());
            assert_eq!(Place::of(&stored).unwrap(), place);
        }
        for foreign in ["folder:3", "file:3", "file:x/y", "project:"] {
            assert_eq!(Place::of(&RemoteId::from_stored(foreign)).unwrap_err().kind(), ErrorKind::Bug, "{foreign}");
        }
    }
}
