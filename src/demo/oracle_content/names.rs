//! Names: case does not count, and each call has its own way with one that is taken.

use crate::demo::moment::now_ms;
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::oracle_content::refusal::Refusal;
use crate::demo::store::Store;
use crate::error::Result;

const FORBIDDEN: [char; 4] = ['/', '\\', '?', '*'];
const NAME_BYTES_MAX: usize = 255;

pub fn check(name: &str) -> std::result::Result<(), Refusal> {
    let bad = name.is_empty() || name.contains(FORBIDDEN) || name.contains(char::is_control);
    if bad || name.len() > NAME_BYTES_MAX {
        return Err(Refusal::bad_request(format!("'{}' is no name.", name.escape_debug())));
    }
    Ok(())
}

/// The file (or folder) of this name in a folder.
pub fn holder(store: &Store, parent: NodeId, is_file: bool, name: &str) -> Option<Node> {
    let folded = name.to_lowercase();
    store.find_child(parent, |node| is_shown(node) && node.is_file() == is_file && node.name.to_lowercase() == folded)
}

/// What this service has: other kinds belong to other services.
pub fn is_shown(node: &Node) -> bool {
    matches!(node.kind, Kind::Project | Kind::Folder | Kind::File)
}

/// `name(2)`, or the next number that is free: new folders, and files that a revision renames.
pub fn numbered(store: &Store, parent: NodeId, is_file: bool, name: &str) -> String {
    let (stem, extension) = if is_file { split(name) } else { (name, "") };
    let free = (2..).map(|n| format!("{stem}({n}){extension}"));
    let mut free = free.filter(|name| holder(store, parent, is_file, name).is_none());
    free.next().unwrap_or_default()
}

/// With six digits from the clock: `duplicateResolution: TimeStampSuffix`.
pub fn suffixed(store: &Store, parent: NodeId, name: &str) -> String {
    let (stem, extension) = split(name);
    let from_clock = now_ms() / 1000;
    let free = (from_clock..).map(|seconds| format!("{stem}{:06}{extension}", seconds % 1_000_000));
    let mut free = free.filter(|name| holder(store, parent, true, name).is_none());
    free.next().unwrap_or_default()
}

fn split(name: &str) -> (&str, &str) {
    name.rfind('.').filter(|at| *at > 0).map_or((name, ""), |at| name.split_at(at))
}

/// Gives sample data names that this service would have taken.
pub fn make_allowed(store: &Store) -> Result<()> {
    let mut folders = vec![NodeId::ROOT];
    while let Some(folder) = folders.pop() {
        let children: Vec<Node> = store.all_children(folder).into_iter().filter(is_shown).collect();
        for child in children {
            let name = child.name.replace(FORBIDDEN, "-");
            let taken = holder(store, folder, child.is_file(), &name).is_some_and(|other| other.id < child.id);
            let name = if taken { numbered(store, folder, child.is_file(), &name) } else { name };
            if name != child.name {
                store.edit(child.id, |node| {
                    node.name = name;
                    Ok(())
                })?;
            }
            if !child.is_file() {
                folders.push(child.id);
            }
        }
    }
    Ok(())
}
