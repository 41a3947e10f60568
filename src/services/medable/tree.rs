//! A project's folders and files, fetched by two lists, as a tree. The service checks nothing about it: what refers to
//! a folder that is not there, or to itself in a ring, is shown in the project.

use std::collections::{HashMap, HashSet};
use std::future;

use serde_json::{Map, Value};
use tokio::time::Instant;

use crate::error::Result;
use crate::provider::{Entry, EntryKind, Operation, Operations};
use crate::services::medable::api::{Api, Query, refers_to};
use crate::services::medable::assumptions as assumed;
use crate::services::medable::mapping::{File, Folder, Project, Tree};
use crate::services::medable::model::{self, Facet, Instance, State};
use crate::services::medable::place::Place;

/// Members of every instance that a listing needs.
const MEMBERS: [&str; 5] = ["created", "updated", "creator", "updater", "access"];

/// The directories of one project as they were at one time.
#[derive(Debug)]
pub struct Snapshot {
    /// When the first of its lists was asked for.
    pub begun: Instant,
    /// Entries by the folder they lie in; `None` is the project itself.
    dirs: HashMap<Option<String>, Vec<Entry>>,
    /// Of all directories.
    pub entry_count: usize,
}

impl Snapshot {
    /// `None` when there is no such folder.
    pub fn dir(&self, folder: Option<&str>) -> Option<&[Entry]> {
        self.dirs.get(&folder.map(str::to_owned)).map(Vec::as_slice)
    }

    pub fn is_empty(&self) -> bool {
        self.entry_count == 0
    }

    #[cfg(test)]
    pub fn empty(begun: Instant) -> Snapshot {
        Snapshot { begun, dirs: HashMap::from([(None, Vec::new())]), entry_count: 0 }
    }
}

/// Fetches a project: one list of folders, one of files, each page by page.
pub async fn fetch(api: &Api, tree: &Tree, project: &str) -> Result<Snapshot> {
    let begun = Instant::now();
    let folders = async {
        match &tree.folder {
            Some(folder) => api.all(folders_of(folder, project)).await,
            None => future::ready(Ok(Vec::new())).await,
        }
    };
    let (folders, files) = tokio::try_join!(folders, api.all(files_of(&tree.file, project)))?;
    Ok(snapshot(tree, project, folders, files, begun))
}

fn snapshot(tree: &Tree, project: &str, folders: Vec<Instance>, files: Vec<Instance>, begun: Instant) -> Snapshot {
    let entry_count = folders.len() + files.len();
    let mut dirs: HashMap<Option<String>, Vec<Entry>> = HashMap::from([(None, Vec::new())]);
    dirs.extend(folders.iter().map(|folder| (Some(folder.id.clone()), Vec::new())));
    if let Some(mapping) = &tree.folder {
        let parents = parents(&folders, &mapping.parent);
        for folder in &folders {
            let parent = parents.get(folder.id.as_str()).map(|parent| (*parent).to_owned());
            dirs.entry(parent).or_default().push(folder_entry(mapping, project, folder));
        }
    }
    for file in &files {
        let folder = file.reference(&tree.file.folder).filter(|folder| dirs.contains_key(&Some(folder.clone())));
        dirs.entry(folder).or_default().push(file_entry(tree, file));
    }
    Snapshot { begun, dirs, entry_count }
}

/// The folder that each folder lies in. Those that lie in the project have none.
fn parents<'a>(folders: &'a [Instance], property: &str) -> HashMap<&'a str, &'a str> {
    let ids: HashSet<&str> = folders.iter().map(|folder| folder.id.as_str()).collect();
    let told = folders.iter().filter_map(|folder| {
        let parent = folder.reference(property)?;
        Some((folder.id.as_str(), *ids.get(parent.as_str())?))
    });
    let mut parents: HashMap<&str, &str> = told.collect();
    let mut sound: HashSet<&str> = HashSet::new();
    for folder in folders {
        let mut way = Vec::new();
        let mut on_way: HashSet<&str> = HashSet::new();
        let mut at = Some(folder.id.as_str());
        while let Some(id) = at.filter(|id| !sound.contains(id)) {
            if !on_way.insert(id) {
                // Everything from its first visit on is the ring.
                let ring = way.iter().skip_while(|seen| **seen != id);
                ring.for_each(|member| {
                    parents.remove(member);
                });
                break;
            }
            way.push(id);
            at = parents.get(id).copied();
        }
        sound.extend(way);
    }
    parents
}

pub fn projects(project: &Project) -> Query {
    Query { object: project.object.clone(), filter: project.filter.clone(), paths: paths([&project.name]) }
}

fn folders_of(folder: &Folder, project: &str) -> Query {
    let filter = Map::from_iter([(refers_to(&folder.project), Value::from(project))]);
    Query { object: folder.object.clone(), filter, paths: paths([&folder.name, &folder.parent]) }
}

fn files_of(file: &File, project: &str) -> Query {
    Query { filter: Map::from_iter([(refers_to(&file.project), Value::from(project))]), ..files(file) }
}

/// All files there are, for accounts without projects.
pub fn files(file: &File) -> Query {
    let paths = paths([&file.name, &file.folder, &file.content]);
    Query { object: file.object.clone(), filter: Map::new(), paths }
}

/// Folders of one name in a project.
pub fn folders_named(folder: &Folder, project: &str, name: &str) -> Query {
    let mut query = folders_of(folder, project);
    query.filter.insert(folder.name.clone(), name.into());
    query
}

/// Files of one name, in a project where there are projects.
pub fn files_named(file: &File, project: Option<&str>, name: &str) -> Query {
    let mut query = project.map_or_else(|| files(file), |project| files_of(file, project));
    query.filter.insert(file.name.clone(), name.into());
    query
}

fn paths<const N: usize>(properties: [&String; N]) -> Vec<String> {
    properties.into_iter().cloned().chain(MEMBERS.map(str::to_owned)).collect()
}

pub fn project_entry(tree: &Tree, project: &Project, instance: &Instance) -> Entry {
    let mut offers = vec![Operation::CreateFile, Operation::Rename, Operation::Delete];
    offers.extend(tree.folder.is_some().then_some(Operation::MakeDir));
    let entry = Entry::directory(Place::Project(instance.id.clone()).remote_id(), instance.name(&project.name));
    with_facts(Entry { offers: Operations::of(&offers), ..entry }, instance)
}

pub fn folder_entry(folder: &Folder, project: &str, instance: &Instance) -> Entry {
    let place = Place::Folder { project: project.to_owned(), id: instance.id.clone() };
    let offers = [Operation::CreateFile, Operation::MakeDir, Operation::Rename, Operation::Move, Operation::Delete];
    let entry = Entry::directory(place.remote_id(), instance.name(&folder.name));
    with_facts(Entry { offers: Operations::of(&offers), ..entry }, instance)
}

pub fn file_entry(tree: &Tree, instance: &Instance) -> Entry {
    let mut offers = vec![Operation::Read, Operation::Revise, Operation::Rename, Operation::Delete];
    offers.extend(tree.project.is_some().then_some(Operation::Move));
    let facet = instance.property(&tree.file.content).and_then(|content| model::facet(content, &tree.file.facet));
    let name = instance.name(&tree.file.name);
    let entry = Entry::file(Place::File(instance.id.clone()).remote_id(), name, None);
    let entry = Entry { offers: Operations::of(&offers), ..with_facet(entry, facet.as_ref()) };
    with_facts(entry, instance)
}

/// A file whose property was never written is empty; one that is not ready has no size yet.
pub fn with_facet(mut entry: Entry, facet: Option<&Facet>) -> Entry {
    let Some(facet) = facet else {
        return Entry { size: Some(0), revision: Some(model::unwritten()), ..entry };
    };
    entry.size = facet.size.filter(|_| facet.state == State::Ready);
    entry.revision = facet.revision();
    entry.mime = facet.mime.clone();
    if let Some(etag) = &facet.etag {
        entry.attributes.insert("etag".to_owned(), etag.clone());
    }
    let state = match facet.state {
        State::Ready => return entry,
        State::Pending => "pending",
        State::Processing => "processing",
        State::Failed => "failed",
    };
    entry.attributes.insert("facet_state".to_owned(), state.to_owned());
    entry
}

fn with_facts(mut entry: Entry, instance: &Instance) -> Entry {
    entry.created = instance.created();
    entry.modified = instance.modified();
    entry.author = instance.reference("updater").or_else(|| instance.reference("creator"));
    entry.permits = assumed::permits(instance.access(), entry.kind);
    if let Some(access) = instance.access() {
        entry.attributes.insert("access".to_owned(), access.to_string());
    }
    if let Some(creator) = instance.reference("creator").filter(|_| entry.kind == EntryKind::File) {
        entry.attributes.insert("creator".to_owned(), creator);
    }
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn folder(id: &str, parent: Option<&str>) -> Instance {
        Instance::read(json!({ "_id": id, "c_name": id, "c_parent": parent.map(|p| json!({ "_id": p })) })).unwrap()
    }

    fn tree() -> Box<Tree> {
        match crate::services::medable::mapping::Shown::read(&Default::default()).unwrap() {
            crate::services::medable::mapping::Shown::Tree(tree) => tree,
            other => panic!("{other:?}"),
        }
    }

    fn names(snapshot: &Snapshot, folder: Option<&str>) -> Vec<String> {
        snapshot.dir(folder).unwrap().iter().map(|entry| entry.name.clone()).collect()
    }

    #[test]
    fn folders_in_a_ring_and_with_a_missing_parent_lie_in_the_project() {
        let folders = vec![
            folder("below", Some("one")),
            folder("one", Some("two")),
            folder("two", Some("one")),
            folder("self", Some("self")),
            folder("lost", Some("nowhere")),
            folder("sound", None),
            folder("inner", Some("sound")),
        ];
        let file = Instance::read(json!({ "_id": "f", "c_name": "f", "c_folder": "nowhere" })).unwrap();
        let snapshot = snapshot(&tree(), "p", folders, vec![file], Instant::now());
        assert_eq!(names(&snapshot, None), ["one", "two", "self", "lost", "sound", "f"]);
        assert_eq!(names(&snapshot, Some("one")), ["below"]);
        assert_eq!(names(&snapshot, Some("sound")), ["inner"]);
        assert!(snapshot.dir(Some("nowhere")).is_none());
    }

    #[test]
    fn a_file_without_content_is_empty_and_one_on_its_way_has_no_size() {
        let entry = |content: Value| {
            let value = json!({ "_id": "f", "c_name": "a.txt", "access": 6, "c_content": content });
            file_entry(&tree(), &Instance::read(value).unwrap())
        };
        let empty = entry(Value::Null);
        assert_eq!((empty.size, empty.revision), (Some(0), Some(model::unwritten())));
        let coming = entry(json!({ "name": "content", "state": 0, "ETag": "e" }));
        assert_eq!((coming.size, coming.revision), (None, Some(model::unready())));
        let ready = entry(json!({ "name": "content", "state": 2, "ETag": "e", "size": 5 }));
        assert_eq!((ready.size, ready.revision.unwrap().as_str()), (Some(5), "e"));
        assert!(ready.permits.has(Operation::Revise) && !ready.permits.has(Operation::Delete));
    }
}
