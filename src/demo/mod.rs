//! The embedded demo service: the real protocol of a service on loopback, with data of its own that survive restarts.
//!
//! ```text
//! server.rs      DemoServer: listeners, start and stop   control.rs   the same by HTTP, under /_demo/
//! guard.rs       middleware: log, latency, faults        act.rs       what a web user does meanwhile
//! faults.rs      which calls go wrong, and how           snapshot.rs  the tree as a web user sees it
//! store.rs       the data: tree.rs in memory, journal.rs     samples/     sample projects with real documents
//!                and blobs.rs on disk
//! imeet_central/ one folder per service's protocol: a `Dialect`
//! ```
//!
//! Another service is one folder and one line in [`dialects`].

mod act;
mod basecamp;
mod blobs;
mod connection;
mod control;
mod dialect;
mod distort;
mod faults;
mod guard;
mod imeet_central;
mod journal;
mod medable;
mod moment;
mod node;
mod options;
mod oracle_content;
mod redmine;
mod requests;
mod rillsoft;
mod samples;
mod server;
mod service;
mod snapshot;
mod store;
mod tokens;
mod transfer;
mod tree;

pub use act::{Act, NewContent, WebUser};
pub use dialect::Dialect;
pub use distort::Distortion;
pub use faults::{Calls, Fault, FaultRule, FaultRules, When};
pub use node::Kind;
pub use options::{Behaviour, DemoOptions};
pub use requests::{RequestLog, RequestRecord};
pub use server::DemoServer;
pub use snapshot::{Snapshot, SnapshotEntry, SnapshotRevision};

/// Every service the demo can play.
pub fn dialects() -> Vec<Box<dyn Dialect>> {
    vec![
        Box::new(imeet_central::ImeetCentral),
        Box::new(basecamp::Basecamp),
        Box::new(oracle_content::OracleContent),
        Box::new(medable::Medable),
        Box::new(rillsoft::Rillsoft),
        Box::new(redmine::Redmine),
    ]
}
