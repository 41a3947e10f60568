//! Ids as the service shows them: unpadded base64url of a JSON pair of numbers, which is what the one id seen in
//! public looks like. The first number tells the kind, so that a folder's id is unknown among the files.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::demo::node::{Kind, NodeId};

const KIND_CODES: [(Kind, u64); 6] =
    [(Kind::Project, 2), (Kind::Folder, 3), (Kind::File, 5), (Kind::Task, 7), (Kind::Milestone, 8), (Kind::Record, 9)];
/// For kinds that this service does not have.
const FOREIGN_CODE: u64 = 99;

const GROUP_CODE: u64 = 1;
const USER_CODE: u64 = 4;

pub fn show(kind: Kind, id: NodeId) -> String {
    encode(code_of(kind), id.0)
}

/// The only workspace group.
pub fn group() -> String {
    encode(GROUP_CODE, 1)
}

pub fn user(number: u64) -> String {
    encode(USER_CODE, number)
}

fn encode(code: u64, number: u64) -> String {
    URL_SAFE_NO_PAD.encode(format!("[{code},{number}]"))
}

/// `None` for an id of another kind, or no id at all.
pub fn parse(kind: Kind, text: &str) -> Option<NodeId> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (code, id): (u64, u64) = serde_json::from_slice(&bytes).ok()?;
    (code == code_of(kind)).then_some(NodeId(id))
}

fn code_of(kind: Kind) -> u64 {
    KIND_CODES.iter().find(|(known, _)| *known == kind).map_or(FOREIGN_CODE, |(_, code)| *code)
}
