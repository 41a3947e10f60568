//! A real mount in a process of its own, and the demo service behind it in this one.
//!
//! Nothing in here can hang a test run for ever: programs have deadlines, and a watchdog aborts the mount's kernel
//! connection, which frees even callers that SIGKILL does not reach.

// Each test binary uses a part of it.
#![allow(dead_code, unused_imports)]

pub mod mount;
pub mod process;
pub mod proxy;
pub mod redmine;
pub mod service;
mod watchdog;

pub use mount::{ACCOUNT, Mount, Setup};
pub use process::{Ran, run};
pub use service::Service;

use sha2::{Digest, Sha256};

/// In hexadecimal, as the demo service tells it.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Bytes that no compression or constant explains; the same for the same seed.
pub fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}
