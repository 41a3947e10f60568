//! The documents of all the client's projects, as one list tells them, and by directory.

use std::collections::{HashMap, HashSet};

use crate::services::rillsoft::model::Document;

/// Who holds a document: its project and folder as the service names them.
type Home = (u64, Option<u64>);

#[derive(Clone, Default)]
pub struct Documents {
    by_id: HashMap<u64, Document>,
    by_home: HashMap<Home, Vec<u64>>,
    projects: HashSet<u64>,
    folders: HashSet<u64>,
}

impl Documents {
    /// Of two documents with one id the first counts.
    pub fn new(list: Vec<Document>) -> Documents {
        let mut documents = Documents::default();
        documents.by_id.reserve(list.len());
        for document in list {
            if documents.by_id.contains_key(&document.id) {
                continue;
            }
            documents.projects.insert(document.project);
            documents.folders.extend(document.folder);
            documents.by_home.entry((document.project, document.folder)).or_default().push(document.id);
            documents.by_id.insert(document.id, document);
        }
        documents
    }

    pub fn get(&self, project: u64, id: u64) -> Option<&Document> {
        self.by_id.get(&id).filter(|document| document.project == project)
    }

    /// The documents of one folder of a project.
    pub fn within(&self, project: u64, folder: Option<u64>) -> impl Iterator<Item = &Document> {
        self.by_home.get(&(project, folder)).into_iter().flatten().filter_map(|id| self.by_id.get(id))
    }

    pub fn of_project(&self, project: u64) -> impl Iterator<Item = &Document> {
        self.by_id.values().filter(move |document| document.project == project)
    }

    pub fn has_any_of(&self, project: u64) -> bool {
        self.projects.contains(&project)
    }

    /// Every folder that a document names.
    pub fn folders(&self) -> &HashSet<u64> {
        &self.folders
    }

    pub fn remove(&mut self, id: u64) {
        if let Some(document) = self.by_id.remove(&id)
            && let Some(home) = self.by_home.get_mut(&(document.project, document.folder))
        {
            home.retain(|other| *other != id);
        }
    }

    pub fn describe(&mut self, id: u64, text: &str) {
        if let Some(document) = self.by_id.get_mut(&id) {
            document.description = Some(text.to_owned()).filter(|text| !text.is_empty());
        }
    }
}
