//! Numbers as the service shows them. An upload and its attachment have different ones; both grow with time, and other
//! content has other ones.

use crate::demo::node::{Node, NodeId, Revision};

/// Numbers per file: more revisions than a demo sees.
const PER_FILE: u64 = 1_000;
const ATTACHMENTS_FROM: u64 = 1_000_000_000;

/// Of the newest revision.
pub fn upload(file: &Node) -> u64 {
    file.newest().map_or(0, |newest| upload_of(file, newest))
}

pub fn upload_of(file: &Node, revision: &Revision) -> u64 {
    file.id.0 * PER_FILE + revision.number.min(PER_FILE - 1)
}

pub fn attachment(file: &Node) -> u64 {
    ATTACHMENTS_FROM + upload(file)
}

/// The file that an upload belongs to, and the number of its revision.
pub fn of_upload(upload: u64) -> (NodeId, u64) {
    (NodeId(upload / PER_FILE), upload % PER_FILE)
}

/// The same for an attachment; `None` for a number that no attachment has.
pub fn of_attachment(attachment: u64) -> Option<(NodeId, u64)> {
    attachment.checked_sub(ATTACHMENTS_FROM).map(of_upload)
}

/// What identifies bytes.
pub fn key(file: &Node, revision: &Revision) -> String {
    format!("{:016x}{:024x}", file.id.0.wrapping_mul(0x9e37_79b9_7f4a_7c15), revision.content.blob)
}

/// People by their mail address.
pub fn person(email: &str) -> u64 {
    let digits = email.bytes().fold(7u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    100_000 + digits % 900_000
}
