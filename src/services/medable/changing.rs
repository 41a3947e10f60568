//! Creating, replacing, renaming, moving, copying and removing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::RemoteId;
use crate::provider::{Content, Created, Entry, EntryKind, Located, Revised};
use crate::services::medable::Medable;
use crate::services::medable::api::{Query, reference, refers_to};
use crate::services::medable::assumptions as assumed;
use crate::services::medable::content::{announcement, check_size};
use crate::services::medable::mapping::{File, Tree};
use crate::services::medable::model::{Facet, Instance, Upload};
use crate::services::medable::place::Place;
use crate::services::medable::tree;

/// How old a listing may be that proves a directory to be empty.
const PROOF_AGE_MAX: Duration = Duration::from_secs(5);

impl Medable {
    /// `POST /PLURAL` with the File property among the members, then the upload.
    ///
    /// Once the instance is there every failure is unclear, and [`Medable::find_out`] finishes the upload; only when it
    /// can never be finished the instance is taken away again.
    pub(super) async fn create_file(&self, container: &Place, name: &str, content: &Content) -> Result<Created> {
        let file = &self.tree()?.file;
        let value = announcement(&file.facet, name);
        let made = self.make_file("attach", container, name, value).await;
        self.changed_in(container);
        let made = made?;
        let uploaded = self.upload_first(&made, content).await;
        self.changed_in(container);
        match uploaded {
            Ok(facet) => Ok(created(&made.id, &facet)),
            Err(error) if is_hopeless(&error) => match self.api.delete(&file.object, &made.id).await {
                Ok(()) => Err(error),
                Err(_) => Err(error.unclear()),
            },
            Err(error) => Err(error.unclear()),
        }
    }

    async fn upload_first(&self, made: &Instance, content: &Content) -> Result<Facet> {
        let file = &self.tree()?.file;
        let property = self.file_property(&Place::File(made.id.clone()))?;
        let uploads = made.property(&file.content).and_then(|content| content.get("uploads"));
        let upload = Upload::find(uploads, &file.facet)?;
        self.note_limit(upload.as_ref());
        self.api.deliver(&property, upload, content).await
    }

    /// An instance of the file object with this value of its File property.
    async fn make_file(&self, kind: &'static str, container: &Place, name: &str, value: Value) -> Result<Instance> {
        let tree = self.tree()?;
        let mut members = file_place(tree, container, None)?;
        members.insert(tree.file.name.clone(), name.into());
        members.insert(tree.file.content.clone(), value);
        self.api.create(kind, &tree.file.object, members).await
    }

    /// `PUT /PLURAL/ID/PROPERTY`, then the upload. Once the property is written every failure is unclear.
    pub(super) async fn replace_content(&self, file: &Located, content: &Content) -> Result<Revised> {
        let place = Place::of(&file.id)?;
        if let Place::Facet { facet, .. } = &place
            && facet != assumed::FACET
        {
            return fail(ErrorKind::Unsupported, "only the content itself can be replaced, the rest is made from it");
        }
        let property = self.file_property(&place)?;
        let announced = self.api.announce("revise", &property, &file.name).await;
        self.changed_at(file);
        let upload = announced?;
        self.note_limit(upload.as_ref());
        if let Some(upload) = &upload {
            check_size(upload, content)?;
        }
        let facet = self.api.deliver(&property, upload, content).await;
        self.changed_at(file);
        let facet = facet.map_err(Error::unclear)?;
        Ok(Revised { id: file.id.clone(), revision: facet.revision() })
    }

    /// The next upload that is too large is refused before the property is written.
    pub(super) fn note_limit(&self, upload: Option<&Upload>) {
        if let (Ok(_), Some(max)) = (self.tree(), upload.and_then(|upload| upload.size_bytes_max)) {
            self.file_bytes_max.store(max, Ordering::Relaxed);
        }
    }

    /// `POST /PLURAL` of the project or folder object.
    pub(super) async fn create_directory(&self, parent: &Place, name: &str) -> Result<Entry> {
        let tree = self.tree()?;
        let made = match (parent, &tree.project, &tree.folder) {
            (Place::Root, Some(project), _) => {
                let members = Map::from_iter([(project.name.clone(), name.into())]);
                let made = self.api.create("create-folder", &project.object, members).await?;
                tree::project_entry(tree, project, &made)
            }
            (Place::Project(id) | Place::Folder { project: id, .. }, _, Some(folder)) => {
                let mut members =
                    Map::from_iter([(folder.name.clone(), name.into()), (folder.project.clone(), reference(Some(id)))]);
                members.extend(parent.folder().map(|id| (folder.parent.clone(), reference(Some(id)))));
                let made = self.api.create("create-folder", &folder.object, members).await;
                self.changed_in(parent);
                tree::folder_entry(folder, id, &made?)
            }
            _ => return fail(ErrorKind::Unsupported, "the settings name no object for directories here"),
        };
        Ok(Entry { name: name.to_owned(), ..made })
    }

    /// `PUT /PLURAL/ID` with the new name, the new references, or both.
    pub(super) async fn change_place(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        let (place, from, to) = (Place::of(&entry.id)?, Place::of(&entry.parent)?, Place::of(to_parent)?);
        let (object, id, name) = self.named_object(&place)?;
        let mut members = match from == to {
            true => Map::new(),
            false => self.new_place(&place, &from, &to)?,
        };
        if to_name != entry.name {
            members.insert(name.to_owned(), to_name.into());
        }
        if members.is_empty() {
            return Ok(());
        }
        let changed = self.api.change(object, id, members).await;
        self.changed_at(entry);
        self.changed_in(&to);
        changed
    }

    /// The references that put a thing elsewhere. Errors: `CrossDevice` where what lies below would stay behind.
    fn new_place(&self, place: &Place, from: &Place, to: &Place) -> Result<Map<String, Value>> {
        let tree = self.tree()?;
        match (place, &tree.folder) {
            (Place::File(_), _) => file_place(tree, to, Some(from)),
            (Place::Folder { project, .. }, Some(folder)) if to.project() == Some(project) => {
                Ok(Map::from_iter([(folder.parent.clone(), reference(to.folder()))]))
            }
            (Place::Folder { .. }, _) if to.project().is_some() => {
                fail(ErrorKind::CrossDevice, "a folder cannot be moved into another project, only copied")
            }
            _ => fail(ErrorKind::Unsupported, "this cannot be moved there"),
        }
    }

    /// `DELETE /PLURAL/ID`: for good, the service has no trash.
    /// Errors: `NotEmpty`, because the service would remove a directory and leave its content without one.
    pub(super) async fn remove(&self, entry: &Located) -> Result<()> {
        let place = Place::of(&entry.id)?;
        let (object, id, _) = self.named_object(&place)?;
        if entry.kind == EntryKind::Directory && !self.is_empty(&place).await? {
            return fail(ErrorKind::NotEmpty, "somebody put something into the directory meanwhile");
        }
        let removed = self.api.delete(object, id).await;
        self.addresses.forget(&entry.id);
        self.changed_at(entry);
        self.changed_in(&place);
        removed
    }

    async fn is_empty(&self, dir: &Place) -> Result<bool> {
        let tree = self.tree()?;
        let Some(project) = dir.project() else { return Ok(false) };
        if let Some(known) = self.snapshots.recent(project, PROOF_AGE_MAX) {
            return Ok(known.dir(dir.folder()).is_none_or(<[Entry]>::is_empty));
        }
        let below = |object: &str, in_project: &str, in_folder: &str| {
            let (property, id) = dir.folder().map_or((in_project, project), |folder| (in_folder, folder));
            let filter = Map::from_iter([(refers_to(property), Value::from(id))]);
            Query { object: object.to_owned(), filter, paths: vec!["_id".to_owned()] }
        };
        if let Some(folder) = &tree.folder
            && self.api.any(&below(&folder.object, &folder.project, &folder.parent)).await?
        {
            return Ok(false);
        }
        let File { object, project: in_project, folder: in_folder, .. } = &tree.file;
        Ok(!self.api.any(&below(object, in_project, in_folder)).await?)
    }

    /// `POST /PLURAL` whose File property refers to the other file's facet: the service copies the bytes.
    pub(super) async fn copy_file(&self, from: &Place, to: &Place, name: &str) -> Result<Created> {
        let source = self.file_property(from)?;
        let file = &self.tree()?.file;
        let path = format!("{}/{}", source.path, source.facet);
        let value = json!({ file.facet.as_str(): { "source": "facet", "filename": name, "path": path } });
        let made = self.make_file("copy", to, name, value).await;
        self.changed_in(to);
        let made = made?;
        let property = self.file_property(&Place::File(made.id.clone()))?;
        let facet = self.api.ready(&property, None).await;
        self.changed_in(to);
        Ok(created(&made.id, &facet.map_err(Error::unclear)?))
    }

    /// Object, id and name property of something that can be renamed or removed.
    pub(super) fn named_object<'a>(&'a self, place: &'a Place) -> Result<(&'a str, &'a str, &'a str)> {
        let tree = self.tree()?;
        match (place, &tree.project, &tree.folder) {
            (Place::Project(id), Some(project), _) => Ok((&project.object, id, &project.name)),
            (Place::Folder { id, .. }, _, Some(folder)) => Ok((&folder.object, id, &folder.name)),
            (Place::File(id), ..) => Ok((&tree.file.object, id, &tree.file.name)),
            _ => fail(ErrorKind::Unsupported, "this can be neither renamed nor removed"),
        }
    }

    /// What is known of the directory's project does not count any more.
    pub(super) fn changed_in(&self, dir: &Place) {
        if let Some(project) = dir.project() {
            self.snapshots.forget(project);
        }
    }

    pub(super) fn changed_at(&self, entry: &Located) {
        match Place::of(&entry.parent) {
            Ok(parent) => self.changed_in(&parent),
            Err(_) => self.snapshots.forget_all(),
        }
    }
}

/// Whether the same content can never be uploaded to this property.
fn is_hopeless(error: &Error) -> bool {
    use ErrorKind::{Bug, DiskFull, Invalid, LocalIo, Server, TooLarge};
    let lasting = !error.is_temporary() && !error.is_unclear();
    lasting && matches!(error.kind(), TooLarge | Server | Invalid | Bug | LocalIo | DiskFull)
}

/// The references of a file in a directory; of these only what differs from where it was.
fn file_place(tree: &Tree, to: &Place, from: Option<&Place>) -> Result<Map<String, Value>> {
    let fits = match to {
        Place::Root => tree.project.is_none(),
        Place::Project(_) => tree.project.is_some(),
        Place::Folder { .. } => tree.folder.is_some(),
        _ => false,
    };
    if !fits {
        return fail(ErrorKind::Unsupported, "files lie in projects and folders");
    }
    let mut members = Map::new();
    let moved = |of: fn(&Place) -> Option<&str>| from.is_none_or(|from| of(from) != of(to));
    if let Some(project) = to.project().filter(|_| moved(Place::project)) {
        members.insert(tree.file.project.clone(), reference(Some(project)));
    }
    // A new file in no folder has no reference to clear.
    if moved(Place::folder) && (from.is_some() || to.folder().is_some()) {
        members.insert(tree.file.folder.clone(), reference(to.folder()));
    }
    Ok(members)
}

pub fn created(id: &str, facet: &Facet) -> Created {
    let id = Place::File(id.to_owned()).remote_id();
    Created { id, revision: facet.revision(), renamed: None, existed: false }
}
