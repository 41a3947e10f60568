//! The one table of facts about the service: limits, forms and readings. Facts without a mark are on Redmine's wiki
//! (Rest_api and the pages of its resources) or were seen with version 5.0; those marked *assumed* were not.

use crate::error::ErrorKind;
use crate::http::StatusTable;

/// Header of the user's key (Rest_api page, "Authentication").
pub const KEY_HEADER: &str = "x-redmine-api-key";

/// Largest page (Rest_api page, "Collection resources and pagination"); more is silently cut to it.
pub const PAGE_ITEMS: u64 = 100;
/// *Assumed.* More projects than any installation has: they are kept in memory.
pub const PROJECTS_MAX: usize = 50_000;

/// Uploads attached in one call. No limit is known; 50 were tried.
pub const ATTACH_BATCH_MAX: usize = 50;
/// One Ruby process serves all: more connections bring nothing, and each download occupies one of its few threads.
pub const REQUESTS_PARALLEL: usize = 4;
pub const UPLOADS_PARALLEL: usize = 4;

/// Names and descriptions of attachments, and subjects, in characters.
pub const TEXT_CHARS_MAX: usize = 255;
/// Names of versions, in characters.
pub const VERSION_NAME_CHARS_MAX: usize = 60;

/// What the service would replace by `_` within an attachment's name, and what stands for it there (*assumed* to be
/// understood by people). Line ends it replaces too; they are refused.
pub const STAND_INS: [(char, char); 10] = [
    ('?', '\u{ff1f}'),
    ('%', '\u{ff05}'),
    ('*', '\u{ff0a}'),
    (':', '\u{ff1a}'),
    ('|', '\u{ff5c}'),
    ('"', '\u{ff02}'),
    ('\'', '\u{ff07}'),
    ('<', '\u{ff1c}'),
    ('>', '\u{ff1e}'),
    ('\\', '\u{ff3c}'),
];
/// Before a character of the right column it says that this one is meant.
pub const STAND_IN_QUOTE: char = '\u{201b}';

/// Projects that are shown: active ones, and closed ones, which are read-only. Archived ones are invisible.
pub const PROJECT_STATES: &str = "1|5";
pub const PROJECT_ACTIVE: u64 = 1;

/// 422 is a failed validation; its texts are in the user's language and say nothing to a program. While something is
/// made or renamed whose form was checked before, what remains is that the name is taken.
pub const NAMING: StatusTable = &[(422, ErrorKind::Exists)];
/// An attachment's name may be taken; what remains is a forbidden extension.
pub const RENAMING: StatusTable = &[(422, ErrorKind::BadName)];
/// A version that has files or issues stays.
pub const REMOVING: StatusTable = &[(422, ErrorKind::NotEmpty)];

/// Modules of a project that are shown as directories.
pub const MODULE_FILES: &str = "files";
pub const MODULE_ISSUES: &str = "issue_tracking";
pub const MODULE_WIKI: &str = "wiki";
pub const MODULE_NEWS: &str = "news";
