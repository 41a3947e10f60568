//! The one table of facts about the service that its documentation leaves open, with what is taken as true here.
//!
//! Documented (the bcx-api pages README, projects, attachments, uploads, events; the Launchpad guide) is everything else
//! in this folder. Times are whole seconds, pages have 50 items, `/projects.json` has no pages at all.
//!
//! Further working rules that are code and no constants: the `key` of an attachment changes never for given bytes; ids
//! of uploads grow with time; a `Range` is honoured at the storage address and not asked for at the API; trashed things
//! answer 404 or `"trashed": true`, both mean gone; a missing upload is no obstacle for its successor.

use std::time::Duration;

use crate::error::ErrorKind;
use crate::http::{Rate, StatusTable};

/// Launchpad's address (authentication guide); a setting, because tests and proxies have another.
pub const LAUNCHPAD_URL: &str = "https://launchpad.37signals.com";
/// `expires_in` of access tokens, should an answer lack it (authentication guide).
pub const TOKEN_LIFETIME_S: u64 = 1_209_600;
/// Access tokens are renewed so long before they expire.
pub const RENEWED_BEFORE_S: u64 = 24 * 3600;

/// Items on a page (README page); it cannot be changed.
pub const PAGE_ITEMS: u64 = 50;
/// Pages of one list that are asked for at the same time.
pub const PAGES_PARALLEL: usize = 8;

/// 500 requests in 10 seconds are allowed per address and account (README page); others may share ours, and nothing says
/// how evenly they have to come.
pub const RATE: Rate = Rate { requests: 40, per: Duration::from_secs(1) };
/// No limit of parallel requests is documented.
pub const REQUESTS_PARALLEL: usize = 8;
pub const UPLOADS_PARALLEL: usize = 4;

/// File names: a stem and an extension are documented; the rest is assumed.
pub const NAME_BYTES_MAX: usize = 255;
pub const NAME_FORBIDDEN: [char; 2] = ['/', '\\'];

/// The service tells whole seconds, so that two changes in one look alike: this much is asked for again, and a state
/// younger than this is not taken as settled.
pub const SAME_MOMENT: Duration = Duration::from_secs(2);
/// That a rename makes an event, or moves a project's `updated_at`, is shown nowhere: after this time every page of a
/// listing is looked at again.
pub const FULL_CHECK: Duration = Duration::from_secs(600);
/// A signed address at the storage host is used for this time.
pub const SIGNED_FOR: Duration = Duration::from_secs(60);
/// A refusal of the same name within this time is not the token's fault.
pub const STARTED_AGAIN_KEPT: Duration = Duration::from_secs(600);

/// Statuses whose usual reading does not fit: what remains of the client's errors is not the user's doing.
pub const READING: StatusTable = &[(400, ErrorKind::Bug), (422, ErrorKind::Bug)];
/// While something gets a name: the name was checked here, so that the service must have another idea of good names.
pub const NAMING: StatusTable = &[(400, ErrorKind::Bug), (422, ErrorKind::BadName)];
