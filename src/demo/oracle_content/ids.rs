//! Ids as the service shows them: upper-case, files with a D in front, folders with an F, people with a U.

use crate::demo::node::{Kind, Node, NodeId};

/// The home folder of whoever asks.
pub const HOME: &str = "self";
/// The part that says which instance an id is of.
const INSTANCE: &str = "T0000000000100000001";

pub fn show(node: &Node) -> String {
    let letter = if node.kind == Kind::File { 'D' } else { 'F' };
    format!("{letter}{:024X}{INSTANCE}", node.id.0)
}

/// The id of the folder that a thing lies in.
pub fn show_parent(parent: NodeId) -> String {
    if parent == NodeId::ROOT { HOME.to_owned() } else { format!("F{:024X}{INSTANCE}", parent.0) }
}

/// `None` for what is no id of a file (`D`) or folder (`F`).
pub fn parse(letter: char, text: &str) -> Option<NodeId> {
    let number = text.strip_prefix(letter)?.strip_suffix(INSTANCE)?;
    (number.len() == 24).then_some(())?;
    u64::from_str_radix(number, 16).ok().map(NodeId)
}

pub fn user(name: &str) -> String {
    let hex: String = name.bytes().map(|byte| format!("{byte:02X}")).collect();
    format!("U{hex}")
}
