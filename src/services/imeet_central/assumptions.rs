//! The one table of facts about the service that are not on its documentation's pages, or that only samples show.
//!
//! Documented are: the token request (Authentication page), and upload, attach and revision (FileUpload page). Paging,
//! workspaces and the form of list items are in the vendor's published samples. Everything else in here is the most
//! defensible guess; when one proves wrong, this file is the place to change it.

use crate::error::ErrorKind;
use crate::http::StatusTable;

/// The API's address as documented.
pub const BASE_URL: &str = "https://edge.imeetcentral.com";
/// Claim `aud` of an assertion: the bare host name (Authentication page).
pub const AUDIENCE: &str = "oidc.imeetcentral.com";
/// Claim `scp`: always this value (Authentication page).
pub const SCOPE: &str = "cd.user";
/// Set back against clocks that differ, as the vendor's samples do.
pub const ASSERTION_ISSUED_BEFORE_S: u64 = 60;
pub const ASSERTION_LIFETIME_S: u64 = 300;
/// A token whose answer does not say how long it is good is renewed after this time.
pub const TOKEN_LIFETIME_S: u64 = 600;

/// Page size: the samples never ask for more.
pub const PAGE_ITEMS: usize = 25;
/// Deferred assets in one attach call; no number is documented.
pub const ATTACH_BATCH_MAX: usize = 25;
/// Requests under way at once; no limit is documented, and a 429 lowers them.
pub const REQUESTS_PARALLEL: usize = 16;
pub const UPLOADS_PARALLEL: usize = 8;

/// Names: 1 to 255 characters without these and without control characters.
pub const NAME_CHARS_MAX: usize = 255;
pub const NAME_FORBIDDEN: [char; 2] = ['/', '\\'];

/// Where an object's fields may stand, best first: in `details`, then at its top level.
pub const NAME: &[&str] = &["fileName", "folderName", "workspaceName", "title", "name"];
pub const SIZE: &[&str] = &["size", "fileSize"];
pub const VERSION: &[&str] = &["version"];
pub const CREATED: &[&str] = &["createdDate", "created"];
pub const MODIFIED: &[&str] = &["modifiedDate", "lastModifiedDate", "lastmodified"];
pub const AUTHOR: &[&str] = &["modifiedBy", "createdBy"];
pub const DESCRIPTION: &[&str] = &["description"];
pub const MIME: &[&str] = &["mimeType", "mime_type"];
pub const PERMALINK: &[&str] = &["permalink"];
pub const WORKSPACE: &[&str] = &["workspaceId"];

/// Readings of statuses where the usual ones do not fit. While something is made, 409 means that the name is taken ...
pub const MAKING: StatusTable = &[(409, ErrorKind::Exists)];
/// ... and while something is changed, that somebody has it open (web folders lock a file for 15 minutes).
pub const CHANGING: StatusTable = &[(409, ErrorKind::Locked)];

/// A kind of thing, with its words in addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Root,
    Workspace,
    Folder,
    File,
    Task,
    Milestone,
    Record,
    /// `@tasks` of a workspace, and so on: directories of our own.
    Tasks,
    Milestones,
    Records,
}

impl Kind {
    pub const ALL: [Kind; 10] = [
        Kind::Root,
        Kind::Workspace,
        Kind::Folder,
        Kind::File,
        Kind::Task,
        Kind::Milestone,
        Kind::Record,
        Kind::Tasks,
        Kind::Milestones,
        Kind::Records,
    ];

    /// In our ids.
    pub fn word(self) -> &'static str {
        match self {
            Kind::Root => "root",
            Kind::Workspace => "ws",
            Kind::Folder => "folder",
            Kind::File => "file",
            Kind::Task => "task",
            Kind::Milestone => "milestone",
            Kind::Record => "record",
            Kind::Tasks => "tasks",
            Kind::Milestones => "milestones",
            Kind::Records => "records",
        }
    }

    /// The collection in the API's paths: `/v1/COLLECTION/ID`. The directories of our own lie in a workspace.
    pub fn collection(self) -> &'static str {
        match self {
            Kind::Root | Kind::Workspace | Kind::Tasks | Kind::Milestones | Kind::Records => "workspaces",
            Kind::Folder => "folders",
            Kind::File => "files",
            Kind::Task => "tasks",
            Kind::Milestone => "milestones",
            Kind::Record => "databaseRecords",
        }
    }

    /// What lists show below a thing of this kind.
    pub fn children(self) -> &'static [Kind] {
        match self {
            Kind::Root => &[Kind::Workspace],
            Kind::Workspace | Kind::Folder => &[Kind::Folder, Kind::File],
            Kind::Task | Kind::Milestone | Kind::Record => &[Kind::File],
            Kind::Tasks => &[Kind::Task],
            Kind::Milestones => &[Kind::Milestone],
            Kind::Records => &[Kind::Record],
            Kind::File => &[],
        }
    }

    /// Whether deferred assets can be attached to it (FileUpload page: these four, no workspace).
    pub fn takes_files(self) -> bool {
        matches!(self, Kind::Folder | Kind::Task | Kind::Milestone | Kind::Record)
    }

    /// Name of the field that says which folder a thing lies in.
    pub fn parent_field(self) -> &'static str {
        if self == Kind::File { "folderId" } else { "parentFolderId" }
    }

    /// Name of the field with a thing's name.
    pub fn name_field(self) -> &'static str {
        if self == Kind::File { "fileName" } else { "folderName" }
    }
}
