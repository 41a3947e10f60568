//! How a demo service is started.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::faults::FaultRule;

#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// `imeet-central`, ...: the name of a [`super::Dialect`].
    pub service: String,
    /// A loopback address; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Where the data are kept. `None`: in a temporary directory that goes with the server.
    pub data_dir: Option<PathBuf>,
    /// Added to every request, as a far-away service would.
    pub latency: Duration,
    /// Lowers the service's own page size.
    pub page_size: Option<usize>,
    pub faults: Vec<FaultRule>,
    /// Fill an empty store with the sample projects.
    pub seed_samples: bool,
    pub behaviour: Behaviour,
}

/// What real installations of a service differ in.
#[derive(Debug, Clone)]
pub struct Behaviour {
    /// Downloads honour `Range`.
    pub ranges: bool,
    /// Downloads are redirected to a storage host: another port, which refuses the API's credentials.
    pub redirect_downloads: bool,
    /// Calls that no documentation shows but that a provider may assume: reading (listings, downloads).
    pub assumed_reads: bool,
    /// The same for changes (mkdir, rename, move, delete); without them the calls answer 405.
    pub assumed_writes: bool,
    /// `expires_in` of access tokens.
    pub token_life: Duration,
}

impl DemoOptions {
    /// A service on any free port, in memory, with samples and without faults.
    pub fn new(service: impl Into<String>) -> DemoOptions {
        DemoOptions {
            service: service.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            data_dir: None,
            latency: Duration::ZERO,
            page_size: None,
            faults: Vec::new(),
            seed_samples: true,
            behaviour: Behaviour::default(),
        }
    }
}

impl Default for Behaviour {
    fn default() -> Self {
        Behaviour {
            ranges: true,
            redirect_downloads: false,
            assumed_reads: true,
            assumed_writes: true,
            token_life: Duration::from_secs(3600),
        }
    }
}
