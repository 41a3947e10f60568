//! The client's one tree of DMS folders, on a store in which each project has folders of its own: folders of the same
//! path are one. A project gets its own copy of a folder with the first document in it.

use std::collections::{BTreeMap, HashMap};

use crate::demo::node::{Kind, NewNode, Node, NodeId};
use crate::demo::service::API_USER;
use crate::demo::store::Store;
use crate::error::Result;

/// The folder at the top; its documents lie in the projects' nodes themselves.
pub const MAIN_FOLDER: u64 = 1;

pub struct Folder {
    pub id: u64,
    pub parent: u64,
    /// Names below the main folder.
    pub path: Vec<String>,
}

/// The tree as it is now.
pub struct Dms {
    /// Parents before their children.
    pub folders: Vec<Folder>,
    of_node: HashMap<NodeId, u64>,
}

impl Dms {
    pub fn of(store: &Store) -> Dms {
        let mut copies: BTreeMap<Vec<String>, Vec<NodeId>> = BTreeMap::new();
        for project in store.children(NodeId::ROOT, Kind::Project, NodeId::ROOT, usize::MAX) {
            collect(store, project.id, &[], &mut copies);
        }
        // Ids of nodes begin with 1; the oldest copy gives its number.
        let id_of = |nodes: &[NodeId]| nodes.iter().map(|node| node.0 + MAIN_FOLDER).min().unwrap_or_default();
        let ids: BTreeMap<&[String], u64> =
            copies.iter().map(|(path, nodes)| (path.as_slice(), id_of(nodes))).collect();
        let folder = |path: &Vec<String>| {
            let parent = ids.get(&path[..path.len() - 1]).copied().unwrap_or(MAIN_FOLDER);
            Folder { id: ids[path.as_slice()], parent, path: path.clone() }
        };
        let nodes = copies.iter().flat_map(|(path, nodes)| nodes.iter().map(|node| (*node, ids[path.as_slice()])));
        Dms { folders: copies.keys().map(folder).collect(), of_node: nodes.collect() }
    }

    /// The folder that a document's node lies in: the main one for what lies in a project, task or milestone.
    pub fn holder(&self, document: &Node) -> u64 {
        self.of_node.get(&document.parent).copied().unwrap_or(MAIN_FOLDER)
    }

    /// The names on the way to a folder; `None` when there is none of that id.
    pub fn path(&self, id: u64) -> Option<&[String]> {
        match id {
            MAIN_FOLDER => Some(&[]),
            id => self.folders.iter().find(|folder| folder.id == id).map(|folder| folder.path.as_slice()),
        }
    }
}

fn collect(store: &Store, node: NodeId, above: &[String], copies: &mut BTreeMap<Vec<String>, Vec<NodeId>>) {
    for folder in store.children(node, Kind::Folder, NodeId::ROOT, usize::MAX) {
        let path = [above, std::slice::from_ref(&folder.name)].concat();
        collect(store, folder.id, &path, copies);
        copies.entry(path).or_default().push(folder.id);
    }
}

/// The project's own node of a folder, made if need be.
pub fn node_of(store: &Store, project: NodeId, path: &[String]) -> Result<NodeId> {
    path.iter().try_fold(project, |parent, name| {
        let there = store.find_child(parent, |child| child.kind == Kind::Folder && child.name == *name);
        match there {
            Some(folder) => Ok(folder.id),
            None => Ok(store.create(NewNode::new(parent, Kind::Folder, name, API_USER))?.id),
        }
    })
}

/// UUIDs of projects, and of what documents hang on. Every project has a task for what hangs on nothing else.
pub fn project_uuid(project: NodeId) -> String {
    uuid(0, project)
}

pub fn general_task_uuid(project: NodeId) -> String {
    uuid(1, project)
}

pub fn element_uuid(element: NodeId) -> String {
    uuid(2, element)
}

fn uuid(group: u32, node: NodeId) -> String {
    format!("{group:08x}-0000-4000-8000-{:012x}", node.0)
}

/// UUIDs and names of a project's tasks.
pub fn tasks(store: &Store, project: NodeId) -> Vec<(String, String)> {
    let own = store.children(project, Kind::Task, NodeId::ROOT, usize::MAX);
    let general = (general_task_uuid(project), "General".to_owned());
    std::iter::once(general).chain(own.into_iter().map(|task| (element_uuid(task.id), task.name))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_one_path_are_one_folder_for_all_projects() {
        let store = Store::open(None).unwrap();
        let make = |parent, kind, name| store.create(NewNode::new(parent, kind, name, "ada")).unwrap().id;
        let (a, b) = (make(NodeId::ROOT, Kind::Project, "A"), make(NodeId::ROOT, Kind::Project, "B"));
        let plans = make(a, Kind::Folder, "Plans");
        make(plans, Kind::Folder, "Old");
        make(b, Kind::Folder, "Plans");
        let dms = Dms::of(&store);
        let told: Vec<_> = dms.folders.iter().map(|folder| (folder.path.join("/"), folder.parent)).collect();
        assert_eq!(told, [("Plans".to_owned(), MAIN_FOLDER), ("Plans/Old".to_owned(), plans.0 + MAIN_FOLDER)]);
        let old = dms.path(dms.folders[1].id).unwrap();
        let in_b = node_of(&store, b, old).unwrap();
        assert_eq!(store.names_from_root(in_b), ["B", "Plans", "Old"]);
        assert_eq!(Dms::of(&store).folders.len(), 2);
    }
}
