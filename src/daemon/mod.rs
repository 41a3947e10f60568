//! One account mounted: wires the parts, owns their lifetime.

mod account;
pub mod background;
pub mod control;
mod start;
mod stop;

use std::path::PathBuf;

use crate::config::{Account, MountOptions, Places};
pub use start::mount;

/// Everything a mount needs to know.
#[derive(Debug, Clone)]
pub struct MountRequest {
    pub account: Account,
    pub options: MountOptions,
    pub places: Places,
    pub mountpoint: PathBuf,
    /// Stay in the foreground until the mount ends.
    pub foreground: bool,
}
