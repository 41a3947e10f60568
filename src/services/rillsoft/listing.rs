//! Looking: directories and single things, out of the lists that answer for all of them.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::provider::{Entry, ListPart, ListRequest, Operation, Operations};
use crate::services::rillsoft::Rillsoft;
use crate::services::rillsoft::catalog::age;
use crate::services::rillsoft::documents::Documents;
use crate::services::rillsoft::folders::Folders;
use crate::services::rillsoft::kept::Answer;
use crate::services::rillsoft::model::{Document, Project};
use crate::services::rillsoft::place::Place;

impl Rillsoft {
    pub(super) fn list_parts<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        stream::once(async move { self.list_dir(Place::of(dir)?, request.max_age).await }).boxed()
    }

    async fn list_dir(&self, dir: Place, max_age: Duration) -> Result<ListPart> {
        let (entries, age) = match dir {
            Place::Root => {
                let projects = self.catalog.projects(max_age).await?;
                (projects.list.iter().map(|project| self.project_entry(project)).collect(), age(&projects))
            }
            Place::Project(project) => self.list_folder(project, None, max_age).await?,
            Place::Folder { project, folder } => self.list_folder(project, Some(folder), max_age).await?,
            Place::Document { .. } => return fail(ErrorKind::NotDirectory, "documents are not listed"),
        };
        Ok(ListPart::Entries { entries, validator: None, age })
    }

    /// The folders and documents of a folder, or (`None`) of a project's own directory. The age told is that of the
    /// documents: the folders' own is within what [`super::catalog::Catalog::tree`] allows.
    async fn list_folder(
        &self,
        project: u64,
        folder: Option<u64>,
        max_age: Duration,
    ) -> Result<(Vec<Entry>, Duration)> {
        let (documents, folders) = self.catalog.tree(max_age).await?;
        self.check_project(project, &documents.list, max_age).await?;
        let folders = match folder {
            Some(id) => self.folders_with(id, &documents, folders).await?,
            None => folders,
        };
        let mut entries: Vec<Entry> =
            folders.list.within(folder).map(|inner| self.folder_entry(project, inner.id, &inner.name)).collect();
        if folder.is_none() {
            let strangers = folders.list.strangers(documents.list.folders());
            entries.extend(strangers.map(|id| self.folder_entry(project, id, &stranger_name(id))));
        }
        let homes = homes(&folders.list, folder);
        let inside = homes.into_iter().flat_map(|home| documents.list.within(project, home));
        entries.extend(inside.map(|document| self.document_entry(document, &documents)));
        Ok((entries, age(&documents)))
    }

    /// A project without any document may be one that is gone. Errors: `NotFound`.
    async fn check_project(&self, project: u64, documents: &Documents, max_age: Duration) -> Result<()> {
        if documents.has_any_of(project) {
            return Ok(());
        }
        let projects = self.catalog.projects(max_age).await?;
        match projects.list.iter().any(|listed| listed.id == project) {
            true => Ok(()),
            false => Err(gone(Place::Project(project))),
        }
    }

    /// The folders, if need be asked for again to know this one. Errors: `NotFound`.
    async fn folders_with(
        &self,
        folder: u64,
        documents: &Answer<Documents>,
        folders: Answer<Folders>,
    ) -> Result<Answer<Folders>> {
        let known = |folders: &Folders| folders.get(folder).is_some() || documents.list.folders().contains(&folder);
        if known(&folders.list) {
            return Ok(folders);
        }
        let folders = self.catalog.folders(Duration::ZERO).await?;
        match known(&folders.list) {
            true => Ok(folders),
            false => fail(ErrorKind::NotFound, format!("folder {folder} is not on the service (any more)")),
        }
    }

    /// The thing as it is now. Errors: `NotFound`.
    pub(super) async fn look_at(&self, place: Place) -> Result<Entry> {
        match place {
            Place::Root => Ok(self.root_entry()),
            Place::Project(id) => {
                let projects = self.catalog.projects(Duration::ZERO).await?;
                let found = projects.list.iter().find(|project| project.id == id);
                found.map(|project| self.project_entry(project)).ok_or_else(|| gone(place))
            }
            Place::Folder { project, folder } => {
                let (documents, folders) = self.catalog.tree(Duration::ZERO).await?;
                self.check_project(project, &documents.list, Duration::ZERO).await?;
                match folders.list.get(folder) {
                    Some(found) => Ok(self.folder_entry(project, folder, &found.name)),
                    None if documents.list.folders().contains(&folder) => {
                        Ok(self.folder_entry(project, folder, &stranger_name(folder)))
                    }
                    None => Err(gone(place)),
                }
            }
            Place::Document { project, document } => {
                let documents = self.catalog.documents(Duration::ZERO).await?;
                let found = documents.list.get(project, document);
                found.map(|found| self.document_entry(found, &documents)).ok_or_else(|| gone(place))
            }
        }
    }

    pub(super) fn root_entry(&self) -> Entry {
        Entry { offers: Operations::NONE, ..Entry::directory(Place::Root.remote_id(), "") }
    }

    /// Takes files unless it is known that nobody can tell where they would go.
    fn project_entry(&self, project: &Project) -> Entry {
        let homeless = self.catalog.folders_newest().is_some_and(|folders| folders.main().is_none());
        let offers = if homeless { Operations::NONE } else { Operations::of(&[Operation::CreateFile]) };
        Entry { offers, ..Entry::directory(Place::Project(project.id).remote_id(), &project.name) }
    }

    fn folder_entry(&self, project: u64, folder: u64, name: &str) -> Entry {
        let id = Place::Folder { project, folder }.remote_id();
        Entry { offers: Operations::of(&[Operation::CreateFile]), ..Entry::directory(id, name) }
    }

    pub(super) fn document_entry(&self, document: &Document, listed: &Answer<Documents>) -> Entry {
        let id = Place::Document { project: document.project, document: document.id }.remote_id();
        let mut entry = Entry::file(id, &document.name, document.size);
        entry.revision = self.revisions.of(document, listed.asked);
        entry.modified = document.stored_at();
        entry.author = document.stored_by.clone();
        entry.description = document.description.clone();
        let not_for_files = [Operation::CreateFile, Operation::MakeDir];
        entry.offers = not_for_files.into_iter().fold(self.operations(), Operations::without);
        entry.attributes.insert("project_id".to_owned(), document.project.to_string());
        if let Some(folder) = document.folder {
            entry.attributes.insert("folder_id".to_owned(), folder.to_string());
        }
        if let Some(parent) = &document.parent {
            entry.attributes.insert("parent_uuid".to_owned(), parent.clone());
        }
        entry
    }
}

/// Under which folder ids documents lie that a directory shows.
fn homes(folders: &Folders, folder: Option<u64>) -> Vec<Option<u64>> {
    match folder {
        Some(folder) => vec![Some(folder)],
        None => {
            let unlisted = Some(super::assumptions::MAIN_FOLDER_ID).filter(|id| folders.is_main(Some(*id)));
            let main = folders.main().filter(|main| Some(*main) != unlisted);
            std::iter::once(None).chain(unlisted.map(Some)).chain(main.map(Some)).collect()
        }
    }
}

/// A folder that only documents name.
fn stranger_name(folder: u64) -> String {
    format!("folder {folder}")
}

pub(super) fn gone(place: Place) -> Error {
    Error::new(ErrorKind::NotFound, format!("{place} is not on the service (any more)"))
}
