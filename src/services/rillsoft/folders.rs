//! The client's one tree of DMS folders, which every project shows.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::model::Folder;

#[derive(Default)]
pub struct Folders {
    by_id: BTreeMap<u64, Folder>,
    /// Folders directly in a project's directory under `None`.
    children: HashMap<Option<u64>, Vec<u64>>,
    /// Its documents lie in the project's directory itself.
    main: Option<u64>,
}

impl Folders {
    /// `main` as the account's settings say; else it is the only folder that lies in no other.
    pub fn new(list: Vec<Folder>, main: Option<u64>) -> Folders {
        let by_id: BTreeMap<u64, Folder> = list.into_iter().map(|folder| (folder.id, folder)).collect();
        let main = main.or_else(|| main_of(&by_id));
        let mut children: HashMap<_, Vec<u64>> = HashMap::new();
        for id in by_id.keys().filter(|id| Some(**id) != main) {
            children.entry(home(&by_id, *id, main)).or_default().push(*id);
        }
        Folders { by_id, children, main }
    }

    pub fn main(&self) -> Option<u64> {
        self.main
    }

    pub fn get(&self, id: u64) -> Option<&Folder> {
        self.by_id.get(&id)
    }

    /// Whether what lies in this folder is shown in the project's directory itself.
    pub fn is_main(&self, folder: Option<u64>) -> bool {
        match folder {
            None => true,
            Some(assumed::MAIN_FOLDER_ID) => !self.by_id.contains_key(&assumed::MAIN_FOLDER_ID) || self.main == folder,
            folder => self.main == folder,
        }
    }

    /// The folders in a folder, or (`None`) in a project's directory.
    pub fn within(&self, folder: Option<u64>) -> impl Iterator<Item = &Folder> {
        self.children.get(&folder).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    /// Folders that documents name and the list does not.
    pub fn strangers<'a>(&'a self, named: &'a HashSet<u64>) -> impl Iterator<Item = u64> + 'a {
        named.iter().copied().filter(|id| !self.by_id.contains_key(id) && !self.is_main(Some(*id)))
    }
}

fn main_of(by_id: &BTreeMap<u64, Folder>) -> Option<u64> {
    let mut tops = by_id.values().filter(|folder| folder.parent.is_none());
    if let (Some(top), None) = (tops.next(), tops.next()) {
        return Some(top.id);
    }
    // No list shows it, but its folders name it.
    let unlisted: HashSet<u64> =
        by_id.values().filter_map(|folder| folder.parent).filter(|parent| !by_id.contains_key(parent)).collect();
    match unlisted.len() {
        1 => unlisted.into_iter().next(),
        _ => None,
    }
}

/// The folder that a folder is shown in; `None` for the project's directory. There too is what lies in an unknown folder
/// or in itself, so that nothing becomes invisible.
fn home(by_id: &BTreeMap<u64, Folder>, id: u64, main: Option<u64>) -> Option<u64> {
    let above = |id: u64| by_id.get(&id)?.parent.filter(|parent| Some(*parent) != main && by_id.contains_key(parent));
    let parent = above(id)?;
    let mut seen = HashSet::from([id]);
    let mut at = parent;
    while seen.insert(at) {
        match above(at) {
            Some(next) => at = next,
            None => return Some(parent),
        }
    }
    // A circle. Only who is part of it comes to the top; what hangs below stays there.
    (at != id).then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(list: &[(u64, Option<u64>)]) -> Folders {
        Folders::new(
            list.iter().map(|(id, parent)| Folder { id: *id, name: id.to_string(), parent: *parent }).collect(),
            None,
        )
    }

    fn within(folders: &Folders, folder: Option<u64>) -> Vec<u64> {
        folders.within(folder).map(|folder| folder.id).collect()
    }

    #[test]
    fn the_main_folder_is_the_project_directory_itself() {
        let folders = tree(&[(1, None), (10, Some(1)), (11, Some(10)), (12, Some(1))]);
        assert_eq!(folders.main(), Some(1));
        assert_eq!((within(&folders, None), within(&folders, Some(10))), (vec![10, 12], vec![11]));
        assert!(folders.is_main(Some(1)) && folders.is_main(None) && !folders.is_main(Some(10)));
    }

    #[test]
    fn a_main_folder_that_is_not_listed_is_known_by_its_folders() {
        let folders = tree(&[(10, Some(1)), (11, Some(10)), (12, Some(1))]);
        assert_eq!((folders.main(), within(&folders, None)), (Some(1), vec![10, 12]));
    }

    #[test]
    fn with_several_tops_nobody_knows_which_is_the_main_one() {
        let folders = tree(&[(10, None), (11, None)]);
        assert_eq!((folders.main(), within(&folders, None)), (None, vec![10, 11]));
        let told = Folders::new(vec![], Some(5));
        assert_eq!(told.main(), Some(5));
    }

    #[test]
    fn folders_in_a_circle_come_to_the_top_and_keep_what_hangs_below() {
        let folders = tree(&[(1, None), (2, Some(3)), (3, Some(2)), (4, Some(3)), (5, Some(5))]);
        assert_eq!(within(&folders, None), [2, 3, 5]);
        assert_eq!((within(&folders, Some(3)), within(&folders, Some(2))), (vec![4], vec![]));
    }

    #[test]
    fn folders_that_only_documents_name_are_strangers() {
        let folders = tree(&[(1, None), (10, Some(1))]);
        let named = HashSet::from([0, 1, 10, 99]);
        assert_eq!(folders.strangers(&named).collect::<Vec<_>>(), [99]);
    }
}
