//! Changes of existing documents ("Upload and update a DMS document" page): content, name, folder and description by one
//! call, each sent only if it changes. Removing is assumed.

use std::time::Duration;

use crate::error::{Advice, Error, ErrorKind, Result, fail};
use crate::http::{HeaderName, Multipart, Request, Response, StatusCode};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::confirm::same_bytes;
use crate::provider::{Attempt, Confirmation, Content, Located, ReadTarget, Revised};
use crate::services::rillsoft::Rillsoft;
use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::calls::{Call, says_no_such_call};
use crate::services::rillsoft::creating::cut;
use crate::services::rillsoft::documents::Documents;
use crate::services::rillsoft::form::upload_form;
use crate::services::rillsoft::listing::gone;
use crate::services::rillsoft::model::Document;
use crate::services::rillsoft::place::Place;

/// Many frameworks read it on a POST; the update's page has it in its title only.
const METHOD_OVERRIDE: HeaderName = HeaderName::from_static("x-http-method-override");

impl Rillsoft {
    /// New content. The size is compared afterwards: an upload that a limit cut away can look like a success, since the
    /// service then sees an update without a file.
    pub(super) async fn send_revision(
        &self,
        file: &Located,
        base: Option<&RevisionId>,
        content: &Content,
    ) -> Result<Revised> {
        let (project, id) = Place::document(&file.id)?;
        let before = self.catalog.documents_newest().and_then(|known| known.list.get(project, id).cloned());
        let answered = self.update("revise", project, id, upload_form(&file.name, content)?).await;
        let sent = answered.and_then(|response| response.checked_by(assumed::REFUSALS));
        if sent.as_ref().err().is_none_or(Error::is_unclear) {
            self.catalog.documents_changed();
        }
        sent?;
        let after = self.catalog.documents(Duration::ZERO).await.map_err(Error::unclear)?;
        let found = after.list.get(project, id).or_else(|| find_again(&after.list, before.as_ref(), project, file));
        let Some(document) = found else { return Err(gone(Place::Document { project, document: id })) };
        if document.size.is_some_and(|size| size != content.size) {
            return Err(not_stored(document, before.as_ref(), content.size));
        }
        let revision = self.revisions.stored(document, after.asked, base).await;
        Ok(Revised { id: Place::Document { project, document: document.id }.remote_id(), revision })
    }

    /// After an unclear answer the bytes decide, whatever the revision says: a save of the same size within the time's
    /// resolution is listed like the one before.
    pub(super) async fn find_out(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        let Attempt::Revise { file, base, content } = attempt else { return Ok(None) };
        if self.calls.is_missing(Call::Download) {
            return Ok(None);
        }
        let (project, id) = Place::document(&file.id)?;
        let listed = self.catalog.documents(Duration::ZERO).await?;
        let Some(document) = listed.list.get(project, id) else { return Err(gone(Place::of(&file.id)?)) };
        let target = ReadTarget {
            id: file.id.clone(),
            revision: self.revisions.of(document, listed.asked),
            old: false,
            size: document.size,
        };
        if document.size.is_some_and(|size| size != content.size) || !same_bytes(self, &target, content).await? {
            return Ok(Some(Confirmation::NotDone));
        }
        let revision = self.revisions.stored(document, listed.asked, base.as_ref()).await;
        Ok(Some(Confirmation::Revised(Revised { id: file.id.clone(), revision })))
    }

    /// A new name, a new folder, or both at once.
    pub(super) async fn change_place(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        let (project, id) = match Place::of(&entry.id)? {
            Place::Document { project, document } => (project, document),
            _ => {
                return fail(
                    ErrorKind::Unsupported,
                    "projects and folders are changed in the service's web pages only",
                );
            }
        };
        let mut form = Multipart::new();
        if *to_parent != entry.parent {
            form = form.text("folderId", &self.folder_id(project, Place::of(to_parent)?).await?.to_string())?;
        }
        if to_name != entry.name {
            form = form.text("name", to_name)?;
        } else if *to_parent == entry.parent {
            return Ok(());
        }
        self.change_metadata(project, id, form, |_| {}).await?;
        self.catalog.documents_changed();
        // Done it is, whether or not the list comes now; but if storing times move with names, it is learned here.
        if let Ok(after) = self.catalog.documents(Duration::ZERO).await
            && let Some(document) = after.list.get(project, id)
        {
            self.revisions.of(document, after.asked);
            self.revisions.keep().await;
        }
        Ok(())
    }

    /// The folder that a directory stands for. Errors: `CrossDevice` for another project, since documents cannot leave
    /// theirs; `Unsupported`.
    async fn folder_id(&self, project: u64, dir: Place) -> Result<u64> {
        let (there, folder) = match dir {
            Place::Project(there) => (there, self.main_folder().await?),
            Place::Folder { project: there, folder } => (there, Some(folder)),
            _ => return fail(ErrorKind::Unsupported, "documents lie in projects and their folders only"),
        };
        if there != project {
            return fail(ErrorKind::CrossDevice, "documents cannot be moved to another project, only copied");
        }
        folder.ok_or_else(|| Error::new(ErrorKind::Unsupported, "nobody knows the main folder's id; set main_folder"))
    }

    pub(super) async fn change_description(&self, entry: &Located, text: &str) -> Result<()> {
        let (project, id) = Place::document(&entry.id)?;
        let form = Multipart::new().text("description", text)?;
        let outcome = self.change_metadata(project, id, form, |documents| documents.describe(id, text)).await;
        match outcome {
            // Nobody else finds out about descriptions.
            Err(error) if error.is_unclear() => {
                let documents = self.catalog.documents(Duration::ZERO).await.map_err(|_| error.clone())?;
                let listed = documents.list.get(project, id).and_then(|document| document.description.as_deref());
                if listed.unwrap_or_default() == text { Ok(()) } else { Err(error) }
            }
            other => other,
        }
    }

    /// Sends an update without content. `enter` is what it does to the documents as listed.
    async fn change_metadata(
        &self,
        project: u64,
        id: u64,
        form: Multipart,
        enter: impl FnOnce(&mut Documents),
    ) -> Result<()> {
        let listed = self.catalog.documents_newest();
        let before = listed.and_then(|listed| {
            let document = listed.list.get(project, id)?.clone();
            Some((self.revisions.of(&document, listed.asked)?, document))
        });
        let outcome = match self.update("change", project, id, form).await {
            Ok(response) => self.judged(project, id, response).await,
            Err(error) => Err(error),
        };
        match &outcome {
            Ok(()) => self.catalog.enter(enter),
            Err(error) if error.is_unclear() => self.catalog.documents_changed(),
            Err(_) => return outcome,
        }
        if let Some((revision, document)) = before {
            self.revisions.touched(&document, revision);
        }
        outcome
    }

    /// Not found may be the document or the folder it shall go to. Errors: `Invalid` for the latter.
    async fn judged(&self, project: u64, id: u64, response: Response) -> Result<()> {
        if response.status == StatusCode::NOT_FOUND && self.catalog.lists(project, id).await? {
            return fail(ErrorKind::Invalid, "the folder that it should go to is not on the service any more");
        }
        response.checked_by(assumed::REFUSALS).map(|_| ())
    }

    /// Never repeated blindly: each one that arrives may make a version.
    async fn update(&self, kind: &'static str, project: u64, id: u64, form: Multipart) -> Result<Response> {
        let mut request = Request::post(kind, self.paths.update(project, id)?).multipart(form);
        if self.method_override {
            request = request.header(METHOD_OVERRIDE, assumed::METHOD_OVERRIDE)?;
        }
        self.client.send(&request).await
    }

    /// `DELETE`: into the service's trash. Errors: `NotFound` when it was gone already.
    pub(super) async fn remove(&self, entry: &Located) -> Result<()> {
        let Place::Document { project, document } = Place::of(&entry.id)? else {
            return fail(ErrorKind::Unsupported, "projects and folders are removed in the service's web pages only");
        };
        let target = self.paths.delete(project, document).filter(|_| !self.calls.is_missing(Call::Delete));
        let Some(target) = target else { return Err(no_removal()) };
        let response = self.client.send(&Request::delete("delete", target)).await?;
        let missing = says_no_such_call(response.status)
            || response.status == StatusCode::NOT_FOUND
                && !self.calls.works(Call::Delete)
                && self.catalog.lists(project, document).await?;
        if missing {
            self.calls.note_missing(Call::Delete);
            return Err(no_removal());
        }
        if response.status == StatusCode::NOT_FOUND {
            self.catalog.enter(|documents| documents.remove(document));
            return Err(gone(Place::Document { project, document }));
        }
        let removed = response.checked_by(assumed::REFUSALS);
        match &removed {
            Ok(_) => {
                self.calls.note_working(Call::Delete);
                self.catalog.enter(|documents| documents.remove(document));
            }
            Err(error) if error.is_unclear() => self.catalog.documents_changed(),
            Err(_) => {}
        }
        removed.map(|_| ())
    }
}

fn no_removal() -> Error {
    Error::new(ErrorKind::Unsupported, "the service has no call to remove a document; path.delete may name it")
}

/// That an update keeps the id is implied by its path, and said nowhere.
fn find_again<'a>(
    after: &'a Documents,
    before: Option<&Document>,
    project: u64,
    file: &Located,
) -> Option<&'a Document> {
    let before = before?;
    let same_place = after.within(project, before.folder).filter(|d| d.name == file.name && d.parent == before.parent);
    same_place.max_by_key(|document| document.id)
}

/// Why an update did not take: with the old size still there, a large file met a limit.
fn not_stored(document: &Document, before: Option<&Document>, sent_bytes: u64) -> Error {
    let old_is_there = before.is_some_and(|before| before.size == document.size);
    match old_is_there && sent_bytes >= assumed::LARGE_BYTES {
        true => {
            let text = format!("the service kept the old content: {sent_bytes} bytes are over a limit of its own");
            Error::new(ErrorKind::TooLarge, text).with_advice(Advice::TellUser)
        }
        false => cut(document, sent_bytes),
    }
}
