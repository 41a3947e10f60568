//! The one table of facts about the service that no published page states, and of limits that we set ourselves.
//!
//! Documented are the headers, both flows of signing in, paging, File properties with their facets, uploads and faults.
//! The tree of projects, folders and files is a convention of ours: the service knows objects and references only.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::provider::{EntryKind, Operation, Operations};

/// The only version of the API.
pub const API_VERSION: &str = "v2";

/// Objects and properties that stand for the tree; an org's developer makes them once.
pub const PROJECTS: &str = "c_projects";
pub const FOLDERS: &str = "c_folders";
pub const FILES: &str = "c_files";
pub const NAME: &str = "c_name";
pub const PROJECT: &str = "c_project";
pub const PARENT: &str = "c_parent";
pub const FOLDER: &str = "c_folder";
pub const CONTENT: &str = "c_content";
/// The root facet of every File property (File property page).
pub const FACET: &str = "content";

/// Largest page (querying page).
pub const PAGE_ITEMS: usize = 1000;
/// Requests under way at once, and in any [`RATE_SPAN`]: no figure is published; the vendor's template of a policy
/// has 300 requests in 300 s.
pub const REQUESTS_PARALLEL: usize = 4;
pub const UPLOADS_PARALLEL: usize = 4;
pub const RATE_REQUESTS: u32 = 300;
pub const RATE_SPAN: Duration = Duration::from_secs(300);
/// The service restricts no names; file systems take 255 bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Pauses before looking whether a facet is ready; the last one repeats.
pub const READY_PAUSES_MS: [u64; 5] = [200, 500, 1000, 2000, 5000];
/// How long an upload is waited for; then it goes on without us, and is looked for later.
pub const READY_WAIT_MAX: Duration = Duration::from_secs(60);
/// How long a reader is kept waiting for content that is not ready.
pub const READ_WAIT_MAX: Duration = Duration::from_secs(4);
/// New forms asked for, for one upload: windows last 15 minutes, so that a third one would be no upload any more.
pub const REFRESHES_MAX: usize = 2;

/// A second machine on the same account ends our session: when it happens twice in this time we let it be ...
pub const ELSEWHERE_WITHIN: Duration = Duration::from_secs(60);
/// ... for so long.
pub const ELSEWHERE_PAUSE: Duration = Duration::from_secs(300);
/// The name under which the service lists this machine among the account's known ones.
pub const LOCATION_NAME: &str = "collabfs";

/// After these a client signs in again and repeats the request once (vendor's command line client).
pub const SESSION_OVER: [&str; 4] = ["kNotLoggedIn", "kSessionExpired", "kLoggedInElsewhere", "kCSRFTokenMismatch"];
pub const LOGGED_IN_ELSEWHERE: &str = "kLoggedInElsewhere";
/// The clocks differ: the answer tells the service's time, so that one more signature helps.
pub const STALE_SIGNATURE: &str = "kStaleRequestSignature";
/// The device is not known: a code went out.
pub const NEW_LOCATION: &str = "kNewLocation";
/// The code is missing, wrong or malformed.
pub const CODE_REFUSED: [&str; 3] = ["kUnverifiedLocation", "kCallbackNotFound", "kCallbackFormat"];
/// A facet's processing failed for good, although the status is 500.
pub const MEDIA_FAILED: &str = "kStreamMediaError";

/// What a fault's code means, whatever its status.
pub const CODES: &[(&str, ErrorKind)] = &[
    ("kNotLoggedIn", ErrorKind::SignedOut),
    ("kSessionExpired", ErrorKind::SignedOut),
    ("kLoggedInElsewhere", ErrorKind::SignedOut),
    ("kCSRFTokenMismatch", ErrorKind::SignedOut),
    ("kTokenExpired", ErrorKind::SignedOut),
    ("kInvalidRequestSignature", ErrorKind::SignedOut),
    ("kStaleRequestSignature", ErrorKind::SignedOut),
    ("kNewLocation", ErrorKind::SignedOut),
    ("kUnverifiedLocation", ErrorKind::SignedOut),
    ("kCallbackNotFound", ErrorKind::SignedOut),
    ("kCallbackFormat", ErrorKind::SignedOut),
    ("kInvalidCredentials", ErrorKind::SignedOut),
    ("kAccountNotActivated", ErrorKind::SignedOut),
    ("kAccountLocked", ErrorKind::SignedOut),
    ("kAccessDenied", ErrorKind::Denied),
    ("kInvalidObject", ErrorKind::Invalid),
    ("kValidationError", ErrorKind::Invalid),
    ("kInvalidArgument", ErrorKind::Invalid),
    ("kNotFound", ErrorKind::NotFound),
    ("kMediaNotReady", ErrorKind::NotReady),
    ("kExists", ErrorKind::Exists),
    ("kRequestTooLarge", ErrorKind::TooLarge),
    ("kThrottled", ErrorKind::RateLimited),
    ("kTooBusy", ErrorKind::RateLimited),
    ("kTimeout", ErrorKind::TimedOut),
];

/// Levels of the member `access` (vendor's iOS headers).
const SHARE: u64 = 5;
const UPDATE: u64 = 6;
const DELETE: u64 = 7;

/// What the caller's level lets him do. To put something into a directory is to refer to it, for which the level
/// share is enough (reference property page). Without a level the service decides.
pub fn permits(access: Option<u64>, kind: EntryKind) -> Operations {
    let Some(level) = access else { return Operations::ALL };
    let mut denied = Vec::new();
    if level < UPDATE {
        denied.extend([Operation::Revise, Operation::Rename, Operation::Move]);
    }
    if level < DELETE {
        denied.push(Operation::Delete);
    }
    if level < SHARE && kind == EntryKind::Directory {
        denied.extend([Operation::CreateFile, Operation::MakeDir]);
    }
    denied.into_iter().fold(Operations::ALL, Operations::without)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_of_access_become_permits() {
        let may = |access, operation| permits(access, EntryKind::Directory).has(operation);
        assert!(may(None, Operation::Delete));
        assert!(!may(Some(4), Operation::CreateFile) && may(Some(5), Operation::CreateFile));
        assert!(!may(Some(5), Operation::Rename) && may(Some(6), Operation::Rename));
        assert!(!may(Some(6), Operation::Delete) && may(Some(7), Operation::Delete));
        let file = |access| permits(Some(access), EntryKind::File);
        assert!(file(4).has(Operation::Read) && !file(4).has(Operation::Revise) && file(6).has(Operation::Revise));
    }
}
