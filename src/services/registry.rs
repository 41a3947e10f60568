//! The only place that lists the services.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Account;
use crate::error::{ErrorKind, Result, fail};
use crate::http::{ClientSettings, Instruments};
use crate::provider::Provider;
use crate::provider::layers::check::Check;
use crate::services::basecamp::Basecamp;
use crate::services::imeet_central::ImeetCentral;
use crate::services::medable::Medable;
use crate::services::oracle_content::OracleContent;
use crate::services::redmine::Redmine;
use crate::services::rillsoft::Rillsoft;

/// What a provider is told about the mount it works for.
#[derive(Debug, Clone)]
pub struct ServiceOptions {
    /// Show tasks, milestones, records and their like as directories.
    pub attachments: bool,
    /// Deadline of one operation.
    pub timeout: Duration,
    /// Where a provider may keep small private files (refresh tokens).
    pub state_dir: PathBuf,
    /// Counts the account's requests (and, in tests, lets some of them fail).
    pub instruments: Instruments,
}

impl ServiceOptions {
    /// What an HTTP client for `base` starts from: the mount's deadlines and counters. A service adds its own limits,
    /// headers and credentials. Errors: `Invalid` when `base` is no address that may be asked.
    pub fn client_settings(&self, base: &str) -> Result<ClientSettings> {
        let settings = ClientSettings::new(base, self.timeout)?;
        Ok(ClientSettings { instruments: self.instruments.clone(), ..settings })
    }
}

/// Makes the provider of the account's service, with checks before it. Sends nothing yet.
/// Errors: `Invalid` for an unknown service or a setting that is missing or wrong, with what to do.
pub fn open(account: &Account, options: &ServiceOptions) -> Result<Arc<dyn Provider>> {
    let provider: Arc<dyn Provider> = match account.service.as_str() {
        "basecamp" => Arc::new(Basecamp::open(account, options)?),
        "imeet-central" => Arc::new(ImeetCentral::open(account, options)?),
        "oracle-content" => Arc::new(OracleContent::open(account, options)?),
        "rillsoft" => Arc::new(Rillsoft::open(account, options)?),
        "medable" => Arc::new(Medable::open(account, options)?),
        "redmine" => Arc::new(Redmine::open(account, options)?),
        service => {
            return fail(ErrorKind::Invalid, format!("accounts.{}: unknown service {service:?}", account.name));
        }
    };
    Ok(Arc::new(Check::new(provider)))
}
