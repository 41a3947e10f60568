//! What the service still has to learn: the journal of changes, folded while they rest, and the order of sending them.
//!
//! Everything here is pure: time comes in as a parameter, nothing waits, nothing is sent. So days of programs' work and
//! of a service's bad moods can be played through in a test. The file system floor writes what [`ChangeSet::take_writes`]
//! gives into the store, performs the [`queue::Step`]s, and reports what came of them.

pub mod change;
pub mod complete;
pub mod fold;
mod index;
pub mod queue;

pub use change::{Base, Change, ChangeId, Draft, Failure, Phase, Place, Sent, Want};
pub use complete::{Effect, Outcome};
pub use fold::{ChangeSet, Heir};
pub use queue::{Hurry, Plan, Step};
