//! What is wished of a mount.

use std::path::PathBuf;
use std::time::Duration;

/// How a mount shall be.
#[derive(Debug, Clone)]
pub struct MountPlan {
    pub mountpoint: PathBuf,
    /// Shown as the source of the mount.
    pub account: String,
    pub read_only: bool,
    /// No program may be started from the mount.
    pub no_exec: bool,
    /// Other users may enter; the kernel checks modes for them.
    pub allow_other: bool,
    /// The longest time any call takes.
    pub deadline: Duration,
}
