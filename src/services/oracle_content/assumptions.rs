//! The one table of facts that no page of the documentation states, or that pages leave open. When one proves wrong,
//! this file is the place to change it.
//!
//! Documented (REST API for Documents 1.2 and 1.1, pages of the `op-documents-api-1.2-*` family): the paths and bodies in
//! the other files, the field names, that all values are texts, that `errorCode` 0 is success, that names clash without
//! regard to case, and what an upload or a new folder does on a taken name.

use crate::error::ErrorKind;
use crate::http::StatusTable;

/// Entries asked for in one page: some 0.8 MB of JSON. The documented maximum of 1.2 is 10000, its default 50; a
/// service that gives fewer is followed all the same.
pub const PAGE_ITEMS: u64 = 1000;
/// Requests in flight: no rate is documented.
pub const REQUESTS_PARALLEL: usize = 8;
pub const UPLOADS_PARALLEL: usize = 4;

/// Not in names (help page "Work with files and folders", given as examples there).
pub const NAME_FORBIDDEN: [char; 4] = ['/', '\\', '?', '*'];
/// Not in names of files that are uploaded: how these stand in the head of a form's part is documented nowhere.
pub const FILE_NAME_FORBIDDEN: char = '"';
pub const NAME_BYTES_MAX: usize = 255;

/// `duplicateResolution` of an upload (the parameter: page of Upload File; the value: pages of Copy). Without it an
/// upload under a taken name becomes a revision of whatever file has that name.
pub const KEEP_BOTH: &str = "TimeStampSuffix";
/// Digits that the service adds to a taken name then.
pub const SUFFIX_DIGITS: usize = 6;

/// How refusals of calls that take a name are read: renames and moves onto a taken name are documented nowhere.
pub const NAMING: StatusTable = &[(400, ErrorKind::BadName), (409, ErrorKind::Exists)];
/// How refusals of other changes are read.
pub const CHANGING: StatusTable = &[(409, ErrorKind::Locked)];
/// A word in a refusal that means that the space is used up.
pub const QUOTA_WORD: &str = "quota";

/// Paths at the identity service (identity domains' pages; that OCM takes tokens of the device grant is assumed).
pub const TOKEN_PATH: &str = "/oauth2/v1/token";
pub const DEVICE_PATH: &str = "/oauth2/v1/device";
pub const AUTHORIZE_PATH: &str = "/oauth2/v1/authorize";
/// Name of the device grant, and the answers of its polling: RFC 8628.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
/// Seconds between two polls where the answer does not say.
pub const DEVICE_POLL_S: u64 = 5;
/// For how long a code on the screen is good where the answer does not say.
pub const DEVICE_LIFE_S: u64 = 300;
/// The part of a scope that stands for the whole API; in front of it comes the primary audience of the instance.
pub const SCOPE_ALL: &str = "urn:opc:cec:all";
/// Asks for a refresh token.
pub const SCOPE_OFFLINE: &str = "offline_access";
