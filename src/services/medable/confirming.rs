//! After an unclear answer: what became of it is looked for by name or id, and an upload that was cut off half way is
//! finished, not begun again. Nothing is ever doubled that way, and nothing stays without its content.

use std::collections::HashSet;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::confirm::same_bytes;
use crate::provider::{Attempt, Confirmation, Content, Entry, Located, ReadTarget, Revised};
use crate::services::medable::Medable;
use crate::services::medable::changing::created;
use crate::services::medable::model::{self, Facet, Instance, State};
use crate::services::medable::place::Place;
use crate::services::medable::tree;

impl Medable {
    pub(super) async fn find_out(&self, attempt: &Attempt) -> Result<Confirmation> {
        match attempt {
            Attempt::Attach { container, name, content, before } => {
                self.find_file(&Place::of(container)?, name, content, before).await
            }
            Attempt::Revise { file, base, content } => self.find_revision(file, base.as_ref(), content).await,
            Attempt::MakeDir { parent, name, before } => self.find_directory(&Place::of(parent)?, name, before).await,
            Attempt::Relocate { entry, to_parent, to_name } => {
                self.find_place(entry, &Place::of(to_parent)?, to_name).await
            }
            Attempt::Delete { entry } => match self.look_at(&Place::of(&entry.id)?).await {
                Ok(_) => Ok(Confirmation::NotDone),
                Err(error) if error.kind() == ErrorKind::NotFound => Ok(Confirmation::Done),
                Err(error) => Err(error),
            },
        }
    }

    /// Looks for the file among those of its name, and finishes its upload.
    async fn find_file(
        &self,
        container: &Place,
        name: &str,
        content: &Content,
        before: &HashSet<RemoteId>,
    ) -> Result<Confirmation> {
        let file = &self.tree()?.file;
        let named = self.api.all(tree::files_named(file, container.project(), name)).await?;
        let here = |instance: &&Instance| instance.reference(&file.folder).as_deref() == container.folder();
        for instance in named.iter().filter(here) {
            let place = Place::File(instance.id.clone());
            if before.contains(&place.remote_id()) {
                continue;
            }
            let Some(facet) = instance.property(&file.content).and_then(|c| model::facet(c, &file.facet)) else {
                continue;
            };
            let is_unfinished = matches!(facet.state, State::Pending | State::Failed);
            if is_unfinished && !self.is_mine(instance).await? {
                continue;
            }
            if let Some(facet) = self.finish(&place, facet, name, content).await? {
                self.changed_in(container);
                return Ok(Confirmation::Created(created(&instance.id, &facet)));
            }
        }
        Ok(Confirmation::NotDone)
    }

    /// Somebody else's pending upload is his to finish. A creator that nobody tells may be us.
    async fn is_mine(&self, instance: &Instance) -> Result<bool> {
        let Some(creator) = instance.reference("creator") else { return Ok(true) };
        Ok(self.my_id().await?.is_none_or(|me| me == creator))
    }

    /// The facet with our content, once it is ready; `None` when it has other content.
    async fn finish(&self, file: &Place, facet: Facet, name: &str, content: &Content) -> Result<Option<Facet>> {
        let property = self.file_property(file)?;
        let facet = match facet.state {
            State::Ready => facet,
            State::Processing => match self.api.ready(&property, Some(content)).await {
                Ok(facet) => facet,
                Err(error) if error.kind() == ErrorKind::Conflict => return Ok(None),
                Err(error) => return Err(error.unclear()),
            },
            State::Pending | State::Failed => {
                let finished = self.api.resume(&property, facet.state, name, content).await;
                return finished.map(Some).map_err(Error::unclear);
            }
        };
        if facet.size.is_some_and(|size| size != content.size) {
            return Ok(None);
        }
        let (id, revision, size) = (file.remote_id(), facet.revision(), facet.size);
        let target = ReadTarget { id, revision, old: false, size };
        Ok(same_bytes(self, &target, content).await?.then_some(facet))
    }

    /// A file that still has its old content was not touched: writing the property makes it unreadable.
    async fn find_revision(
        &self,
        file: &Located,
        base: Option<&RevisionId>,
        content: &Content,
    ) -> Result<Confirmation> {
        let place = Place::of(&file.id)?;
        let Some(facet) = self.facet_now(&place).await? else { return Ok(Confirmation::NotDone) };
        if base.is_some() && facet.revision().as_ref() == base && facet.state == State::Ready {
            return Ok(Confirmation::NotDone);
        }
        let finished = self.finish(&place, facet, &file.name, content).await?;
        self.changed_at(file);
        let revised = |facet: Facet| Revised { id: file.id.clone(), revision: facet.revision() };
        Ok(finished.map_or(Confirmation::NotDone, |facet| Confirmation::Revised(revised(facet))))
    }

    /// `None` if it was never written. Errors: `NotFound` when the file is gone.
    async fn facet_now(&self, place: &Place) -> Result<Option<Facet>> {
        let Place::File(id) = place else { return self.api.facet(&self.file_property(place)?).await };
        let file = &self.tree()?.file;
        let instance = self.api.instance(&file.object, id).await?;
        Ok(instance.property(&file.content).and_then(|content| model::facet(content, &file.facet)))
    }

    async fn find_directory(&self, parent: &Place, name: &str, before: &HashSet<RemoteId>) -> Result<Confirmation> {
        let tree = self.tree()?;
        let found: Vec<Entry> = match (parent.project(), &tree.project, &tree.folder) {
            (Some(project), _, Some(folder)) => {
                let named = self.api.all(tree::folders_named(folder, project, name)).await?;
                let here = |i: &&Instance| i.reference(&folder.parent).as_deref() == parent.folder();
                named.iter().filter(here).map(|i| tree::folder_entry(folder, project, i)).collect()
            }
            (None, Some(project), _) => {
                let mut query = tree::projects(project);
                query.filter.insert(project.name.clone(), Value::from(name));
                let named = self.api.all(query).await?;
                named.iter().map(|i| tree::project_entry(tree, project, i)).collect()
            }
            _ => Vec::new(),
        };
        self.changed_in(parent);
        let made = found.into_iter().find(|entry| !before.contains(&entry.id));
        Ok(made.map_or(Confirmation::NotDone, Confirmation::MadeDir))
    }

    async fn find_place(&self, entry: &Located, to: &Place, to_name: &str) -> Result<Confirmation> {
        let place = Place::of(&entry.id)?;
        let (object, id, name) = self.named_object(&place)?;
        let now = match self.api.instance(object, id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Confirmation::NotDone),
            other => other?,
        };
        let tree = self.tree()?;
        let is_there = match (&place, &tree.folder) {
            (Place::File(_), _) => {
                now.reference(&tree.file.folder).as_deref() == to.folder()
                    && (tree.project.is_none() || now.reference(&tree.file.project).as_deref() == to.project())
            }
            (Place::Folder { .. }, Some(folder)) => now.reference(&folder.parent).as_deref() == to.folder(),
            _ => true,
        };
        self.changed_in(to);
        Ok(if is_there && now.name(name) == to_name { Confirmation::Done } else { Confirmation::NotDone })
    }
}
