//! Listing directories and looking at single things.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::provider::{Entry, ListPart};
use crate::services::medable::Medable;
use crate::services::medable::mapping::{Shown, Tree};
use crate::services::medable::place::Place;
use crate::services::medable::tree::{self, Snapshot};

impl Medable {
    pub(super) fn list_parts(&self, dir: &RemoteId, max_age: Duration) -> BoxStream<'_, Result<ListPart>> {
        match (Place::of(dir), &*self.api.shown) {
            (Ok(Place::Root), Shown::Tree(tree)) => self.list_top(tree),
            (Ok(Place::File(_) | Place::Facet { .. }), _) => {
                stream::once(async { fail(ErrorKind::NotDirectory, "files are not listed") }).boxed()
            }
            (Ok(dir), _) => stream::once(async move { self.list_at_once(&dir, max_age).await }).boxed(),
            (Err(error), _) => stream::once(async { Err(error) }).boxed(),
        }
    }

    /// The projects, page by page; without projects, all the files.
    fn list_top<'a>(&'a self, tree: &'a Tree) -> BoxStream<'a, Result<ListPart>> {
        let query = match &tree.project {
            Some(project) => tree::projects(project),
            None => tree::files(&tree.file),
        };
        let pages = self.api.pages(query).map_ok(move |instances| {
            let entry = |instance| match &tree.project {
                Some(project) => tree::project_entry(tree, project, instance),
                None => tree::file_entry(tree, instance),
            };
            fresh(instances.iter().map(entry).collect(), Duration::ZERO)
        });
        pages.boxed()
    }

    async fn list_at_once(&self, dir: &Place, max_age: Duration) -> Result<ListPart> {
        let Some(project) = dir.project() else { return self.list_path(dir).await };
        let snapshot = self.snapshot(project, max_age).await?;
        match snapshot.dir(dir.folder()) {
            Some(entries) => Ok(fresh(entries.to_vec(), snapshot.begun.elapsed())),
            None => fail(ErrorKind::NotFound, "the folder is gone"),
        }
    }

    /// All directories of a project. Errors: `NotFound` when it is gone.
    async fn snapshot(&self, project: &str, max_age: Duration) -> Result<Arc<Snapshot>> {
        let fetch = || {
            let (api, project) = (self.api.clone(), project.to_owned());
            async move {
                let Shown::Tree(tree) = &*api.shown else { return fail(ErrorKind::Bug, "a project among properties") };
                let snapshot = tree::fetch(&api, tree, &project).await?;
                // Lists of a project that is gone are as empty as those of a new one.
                if let (true, Some(mapping)) = (snapshot.is_empty(), &tree.project) {
                    api.instance(&mapping.object, &project).await?;
                }
                Ok(snapshot)
            }
        };
        self.snapshots.of(project, max_age, fetch).await
    }

    /// The thing as it is now. Errors: `NotFound`.
    pub(super) async fn look_at(&self, place: &Place) -> Result<Entry> {
        if let Place::Path(_) | Place::Facet { .. } = place {
            return self.look_at_property(place).await;
        }
        let tree = self.tree()?;
        match (place, &tree.project, &tree.folder) {
            (Place::Root, ..) => Ok(self.root_entry()),
            (Place::Project(id), Some(project), _) => {
                Ok(tree::project_entry(tree, project, &self.api.instance(&project.object, id).await?))
            }
            (Place::Folder { project, id }, _, Some(folder)) => {
                Ok(tree::folder_entry(folder, project, &self.api.instance(&folder.object, id).await?))
            }
            (Place::File(id), ..) => Ok(tree::file_entry(tree, &self.api.instance(&tree.file.object, id).await?)),
            _ => fail(ErrorKind::NotFound, "the settings name no object for this"),
        }
    }
}

/// The whole of a listing, or a page of it.
pub fn fresh(entries: Vec<Entry>, age: Duration) -> ListPart {
    ListPart::Entries { entries, validator: None, age }
}
