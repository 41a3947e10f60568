//! The one table of facts about the service that no page tells.
//!
//! Documented are the paths and bodies of: login (v1), one client, a client's projects, the active documents of all its
//! projects, creating a document, and updating one; and the form of errors. No page shows what a success answers, and
//! none was found for folders, tasks, downloads and removals. When a guess in here proves wrong, this file is the place
//! to change it; the paths can be changed by the account's `path.*` settings too.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::http::StatusTable;

/// Documented, but for v1 only ("Login with username and password" page); its token is taken by v2 calls.
pub const LOGIN_PATH: &str = "/api/v1/login";
pub const FOLDERS_PATH: &str = "/api/v2/clients/{client_id}/dms/folders";
pub const TASKS_PATH: &str = "/api/v2/clients/{client_id}/projects/{project_id}/tasks";
pub const DOWNLOAD_PATH: &str = "/api/v2/clients/{client_id}/dms/projects/{project_id}/documents/{document_id}/file";
/// The path of an update, with another method: into the trash, from which an administrator restores.
pub const DELETE_PATH: &str = "/api/v2/clients/{client_id}/dms/projects/{project_id}/documents/{document_id}";

/// Where a login's answer has the token, best first; at its top, else in `data`.
pub const TOKEN: [&str; 3] = ["token", "access_token", "jwt"];
/// Life of a token whose payload does not tell when it ends.
pub const TOKEN_LIFETIME: Duration = Duration::from_secs(3600);

/// The only value of `X-HTTP-Method-Override` that fits the title of the update's page; another one could lead a
/// framework to another action.
pub const METHOD_OVERRIDE: &str = "PUT";

/// "Allowed mime types: image/, application/, text/, video/" (both upload pages). Others are sent as the last one.
pub const TYPES_ALLOWED: [&str; 4] = ["image/", "application/", "text/", "video/"];
pub const TYPE_OTHERWISE: &str = "application/octet-stream";

/// The main folder's id where documents name it although no list does.
pub const MAIN_FOLDER_ID: u64 = 0;

/// Names: no rule is documented. Longer ones are refused without a request.
pub const NAME_BYTES_MAX: usize = 255;
/// Most characters of a service's name that are kept: listings are kept in memory.
pub const NAME_CHARS_KEPT_MAX: usize = 4096;

/// Requests under way at once; no limit is documented, and a 429 lowers them.
pub const REQUESTS_PARALLEL: usize = 4;
pub const UPLOADS_PARALLEL: usize = 4;
/// Files sent by one `attach`: their ids are found by one list, which has some 250 bytes per document of the client.
pub const ATTACH_BATCH_MAX: usize = 16;

/// Folders change seldom: they are taken for as fresh as documents when they are at most so many times older ...
pub const FOLDERS_OLDER: u32 = 10;
/// ... and never older than this. A document in an unknown folder has them asked for at once.
pub const FOLDERS_AGE_MAX: Duration = Duration::from_secs(300);

/// An upload of at least so many bytes that left the old size behind met a limit (PHP's smallest default is 2 MiB).
pub const LARGE_BYTES: u64 = 2 << 20;

/// Statuses that no page lists. A server must refuse bad input somehow; it is never the program's fault alone.
pub const REFUSALS: StatusTable =
    &[(400, ErrorKind::Invalid), (411, ErrorKind::Invalid), (413, ErrorKind::TooLarge), (415, ErrorKind::Invalid)];
