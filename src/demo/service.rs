//! What a dialect's handlers share: the store, the switches, and where the service is reached.

use std::time::Duration;

use super::dialect::Dialect;
use super::faults::FaultRules;
use super::options::Behaviour;
use super::requests::RequestLog;
use super::store::Store;
use super::tokens::Tokens;

/// Who the API's account is, on every service.
pub const API_USER: &str = "demo@example.org";
/// Who a web user is, unless said otherwise.
pub const WEB_USER: &str = "grace@example.org";

pub struct Service {
    pub dialect: Box<dyn Dialect>,
    pub store: Store,
    pub behaviour: Behaviour,
    /// Lowers the service's own page size.
    pub page_size: Option<usize>,
    pub latency: Duration,
    /// Base address of the API, without a trailing slash.
    pub url: String,
    /// Base address of the storage host.
    pub storage_url: String,
    /// Access tokens of the API.
    pub tokens: Tokens,
    /// Signed addresses at the storage host.
    pub tickets: Tokens,
    pub faults: FaultRules,
    pub requests: RequestLog,
}
