//! New content for an existing file. The service has no revisions, but takes equal names: the new file is uploaded,
//! attached beside the old one, and then the old one is removed. At no moment is there no file; and since of equal
//! names the highest number is the file, the new content shows as soon as it is attached.

use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::Request;
use crate::ids::RevisionId;
use crate::provider::confirm::same_bytes;
use crate::provider::{Confirmation, Content, Located, ReadTarget, Revised};
use crate::services::redmine::Redmine;
use crate::services::redmine::model::{Attachment, revision_of};
use crate::services::redmine::names;
use crate::services::redmine::place::{Place, file_number};
use crate::services::redmine::rights::needed;
use crate::services::redmine::uploading::{Upload, digest_of, is_sha256};

/// Times that the removal of the old file is sent while nobody can tell whether it took effect.
const REMOVALS_MAX: usize = 3;

/// What became of the old file.
#[derive(Debug, PartialEq)]
enum Old {
    RemovedByUs,
    /// It was not there any more.
    Gone,
}

impl Redmine {
    pub(super) async fn replace(&self, file: &Located, content: &Content) -> Result<Revised> {
        let (old, container) = (file_number(&file.id)?, Place::of(&file.parent)?);
        let description = self.description_of(old, &container).await?;
        let upload = Upload { description, ..self.send_bytes(&file.name, content).await? };
        if upload.id == old {
            // The number was free again: the old file is gone, and what it names now is ours.
            self.discard(upload.id).await;
            return fail(ErrorKind::NotFound, "somebody else removed the file meanwhile");
        }
        self.attach_one(&container, &upload).await?;
        // From here on the new content is there: an error leaves open how much is done, and looking completes it.
        match self.remove_old(old, &container).await {
            Ok(Old::RemovedByUs) => Ok(revised(upload.id, upload.revision(&container))),
            Ok(Old::Gone) => Err(self.overtaken(file, old, upload.id, &container).await),
            Err(error) if error.is_temporary() => Err(error.unclear()),
            Err(error) => {
                // Both would stay for ever.
                self.discard(upload.id).await;
                let right = needed(&container).map(|(_, removing)| removing);
                Err(match right {
                    Some(right) => self.refused(&container, right, error).await,
                    None => error,
                })
            }
        }
    }

    async fn attach_one(&self, container: &Place, upload: &Upload) -> Result<()> {
        let outcomes = self.attach_uploads(container, std::slice::from_ref(upload)).await;
        match outcomes.and_then(|mut outcomes| outcomes.pop().unwrap_or_else(|| fail(ErrorKind::Bug, "no outcome"))) {
            Ok(_) => Ok(()),
            Err(error) if error.is_unclear() => Err(error),
            // The next try uploads anew.
            Err(error) if error.kind() == ErrorKind::Stale => fail(ErrorKind::Protocol, error.detail().to_owned()),
            Err(error) => {
                self.discard(upload.id).await;
                Err(error)
            }
        }
    }

    /// Removes the old file. Sent once at a time: "not there" must mean that somebody else removed it.
    async fn remove_old(&self, old: u64, container: &Place) -> Result<Old> {
        let request = Request::delete("delete", format!("/attachments/{old}.json"));
        let mut tries = 1;
        loop {
            let error = match self.client.send(&request).await {
                Ok(response) if response.status.is_success() => break,
                Ok(response) if response.status.as_u16() == 404 => {
                    self.forget(container);
                    return Ok(Old::Gone);
                }
                Ok(response) => response.error(&[]),
                Err(error) => error,
            };
            if !error.is_unclear() {
                return Err(error);
            }
            let (there, _) = self.attachments(container, Duration::ZERO).await.map_err(|_| error.clone())?;
            if there.iter().all(|file| file.id != old) {
                break;
            }
            if tries == REMOVALS_MAX {
                return Err(error);
            }
            tries += 1;
        }
        self.forget(container);
        Ok(Old::RemovedByUs)
    }

    /// Somebody replaced or removed the file while ours was on its way. Ours is taken back: who sent it has the bytes,
    /// and decides with the error where they go.
    async fn overtaken(&self, file: &Located, old: u64, new: u64, container: &Place) -> Error {
        let successor = match self.attachments(container, Duration::ZERO).await {
            Ok((there, _)) => {
                there.iter().any(|other| other.id > old && other.id != new && names::shown(&other.name) == file.name)
            }
            Err(error) => return error.unclear(),
        };
        self.discard(new).await;
        self.forget(container);
        match successor {
            true => Error::new(ErrorKind::Conflict, "somebody else replaced the file meanwhile"),
            false => Error::new(ErrorKind::NotFound, "somebody else removed the file meanwhile"),
        }
    }

    /// After an attempt that may have stopped anywhere: if the new content is attached, what is missing is done.
    pub(super) async fn find_replacement(&self, file: &Located, content: &Content) -> Result<Confirmation> {
        let (old, container) = (file_number(&file.id)?, Place::of(&file.parent)?);
        let (there, _) = self.attachments(&container, Duration::ZERO).await?;
        let digest = digest_of(content).await?;
        let may_be_ours = |new: &&Attachment| {
            new.id > old
                && names::shown(&new.name) == file.name
                && new.size.is_none_or(|size| size == content.size)
                && new.digest.as_ref().is_none_or(|theirs| !is_sha256(theirs) || *theirs == digest)
        };
        for new in there.iter().filter(may_be_ours) {
            let told = new.digest.as_deref().is_some_and(is_sha256);
            if !told && !self.holds(new, content).await? {
                continue;
            }
            if there.iter().any(|file| file.id == old) {
                self.remove_old(old, &container).await?;
            }
            return Ok(Confirmation::Revised(revised(new.id, Some(revision_of(new)))));
        }
        Ok(Confirmation::NotDone)
    }

    /// Whether an attachment whose digest is not told has this content.
    async fn holds(&self, attachment: &Attachment, content: &Content) -> Result<bool> {
        let Revised { id, revision } = revised(attachment.id, Some(revision_of(attachment)));
        same_bytes(self, &ReadTarget { id, revision, old: false, size: attachment.size }, content).await
    }

    /// The description that the new file takes over. Errors: `NotFound` when the file is gone.
    async fn description_of(&self, id: u64, container: &Place) -> Result<Option<String>> {
        if let Some(known) = self.known_description(id, container) {
            return Ok(known);
        }
        Ok(self.attachment(id).await?.description)
    }
}

fn revised(attachment: u64, revision: Option<RevisionId>) -> Revised {
    Revised { id: Place::File(attachment).remote_id(), revision }
}
