//! The kernel's door: requests of the kernel become calls on [`crate::fs`], answers become replies.
//!
//! No policy in here. `front` decodes and replies, `listing` and `reply` form the answers, `call` decides where a
//! call runs and how long it may take, `errno` is the only table of error numbers, `failures` writes the log, `notify`
//! tells the kernel what to forget, `announce` shows what others did to programs that `watchers` finds: it acts it on the
//! mount, which `stage` reaches, and is answered by `acting`. `session` mounts.

mod acting;
mod announce;
mod attr;
mod backing;
mod call;
pub mod errno;
mod failures;
mod front;
mod listing;
pub mod notify;
mod plan;
mod reply;
pub mod session;
mod stage;
mod watchers;
mod xattr;

pub use notify::Invalidations;
pub use plan::MountPlan;
pub use session::{Session, is_dead};
