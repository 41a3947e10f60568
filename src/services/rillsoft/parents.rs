//! The task that a new document hangs on: the service takes none without, and today nothing but tasks.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;

use crate::services::rillsoft::documents::Documents;

/// Projects remembered; some hundred bytes each.
const PROJECTS_MAX: NonZeroUsize = NonZeroUsize::new(5_000).unwrap();
/// Parents remembered of one project: each was tried for a new file.
const PARENTS_MAX: usize = 100;

pub struct Parents {
    /// By project, from the account's settings.
    configured: HashMap<u64, String>,
    learned: Mutex<LruCache<u64, Learned>>,
}

#[derive(Default)]
struct Learned {
    working: HashSet<String>,
    refused: HashSet<String>,
    tasks: Option<Vec<String>>,
}

/// Where to put the next document of a folder.
#[derive(Debug, PartialEq)]
pub enum Choice {
    Parent(String),
    /// The project's tasks have to be asked for.
    AskTasks,
    Nobody,
}

impl Parents {
    pub fn new(configured: HashMap<u64, String>) -> Parents {
        Parents { configured, learned: Mutex::new(LruCache::new(PROJECTS_MAX)) }
    }

    pub fn is_configured(&self, project: u64) -> bool {
        self.configured.contains_key(&project)
    }

    /// In this order: as configured; as most documents of the folder, if that worked before; the project's first task;
    /// as most documents of the folder or project, which has to be tried.
    pub fn choose(&self, project: u64, folder: u64, documents: &Documents, project_uuid: Option<&str>) -> Choice {
        if let Some(parent) = self.configured.get(&project) {
            return Choice::Parent(parent.clone());
        }
        let mut all = self.learned();
        let learned = all.get_or_insert_mut(project, Learned::default);
        let beside = most_common(documents.within(project, Some(folder)).filter_map(|d| d.parent.as_deref()));
        if let Some(parent) = beside.filter(|parent| learned.working.contains(*parent)) {
            return Choice::Parent(parent.to_owned());
        }
        let Some(tasks) = &learned.tasks else { return Choice::AskTasks };
        if let Some(task) = tasks.iter().find(|task| !learned.refused.contains(*task)) {
            return Choice::Parent(task.clone());
        }
        let may_be_tried = |parent: &&str| Some(*parent) != project_uuid && !learned.refused.contains(*parent);
        let anywhere = documents.of_project(project).filter_map(|d| d.parent.as_deref()).filter(may_be_tried);
        match beside.filter(may_be_tried).or_else(|| most_common(anywhere)) {
            Some(parent) => Choice::Parent(parent.to_owned()),
            None => {
                // Somebody may add a task meanwhile.
                learned.tasks = None;
                Choice::Nobody
            }
        }
    }

    /// Empty where the service does not tell.
    pub fn note_tasks(&self, project: u64, tasks: Vec<String>) {
        self.learned().get_or_insert_mut(project, Learned::default).tasks = Some(tasks);
    }

    pub fn note_working(&self, project: u64, parent: &str) {
        remember(&mut self.learned().get_or_insert_mut(project, Learned::default).working, parent);
    }

    /// The service says that there is no such task.
    pub fn note_refused(&self, project: u64, parent: &str) {
        let mut all = self.learned();
        let learned = all.get_or_insert_mut(project, Learned::default);
        learned.working.remove(parent);
        remember(&mut learned.refused, parent);
    }

    fn learned(&self) -> MutexGuard<'_, LruCache<u64, Learned>> {
        self.learned.lock().unwrap_or_else(|e| e.into_inner())
    }
}

fn remember(parents: &mut HashSet<String>, parent: &str) {
    if parents.len() >= PARENTS_MAX {
        parents.clear();
    }
    parents.insert(parent.to_owned());
}

/// Of two equally common ones the smaller, so that the same is chosen every time.
fn most_common<'a>(parents: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    parents.for_each(|parent| *counts.entry(parent).or_default() += 1);
    counts.into_iter().max_by_key(|(parent, count)| (*count, std::cmp::Reverse(*parent))).map(|(parent, _)| parent)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::rillsoft::model::Document;

    fn documents(parents: &[&str]) -> Documents {
        let document = |(n, parent): (usize, &&str)| Document {
            id: n as u64,
            project: 7,
            folder: Some(1),
            parent: Some((*parent).to_owned()),
            ..Document::default()
        };
        Documents::new(parents.iter().enumerate().map(document).collect())
    }

    fn parent(text: &str) -> Choice {
        Choice::Parent(text.to_owned())
    }

    #[test]
    fn the_configured_task_comes_first() {
        let parents = Parents::new(HashMap::from([(7, "set".to_owned())]));
        assert_eq!(parents.choose(7, 1, &documents(&["a"]), None), parent("set"));
        assert_eq!(parents.choose(8, 1, &documents(&["a"]), None), Choice::AskTasks);
    }

    #[test]
    fn a_parent_of_other_documents_counts_once_it_was_seen_to_work() {
        let parents = Parents::new(HashMap::new());
        let listed = documents(&["b", "a", "b"]);
        assert_eq!(parents.choose(7, 1, &listed, None), Choice::AskTasks);
        parents.note_tasks(7, vec!["first".into(), "second".into()]);
        assert_eq!(parents.choose(7, 1, &listed, None), parent("first"));
        parents.note_working(7, "b");
        assert_eq!(parents.choose(7, 1, &listed, None), parent("b"));
        parents.note_refused(7, "b");
        parents.note_refused(7, "first");
        assert_eq!(parents.choose(7, 1, &listed, None), parent("second"));
    }

    #[test]
    fn without_tasks_other_documents_parents_are_tried_but_never_the_project() {
        let parents = Parents::new(HashMap::new());
        parents.note_tasks(7, Vec::new());
        let listed = documents(&["p", "p", "a"]);
        assert_eq!(parents.choose(7, 2, &listed, Some("p")), parent("a"));
        parents.note_refused(7, "a");
        assert_eq!(parents.choose(7, 2, &listed, Some("p")), Choice::Nobody);
    }
}
