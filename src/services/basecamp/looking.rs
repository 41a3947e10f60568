//! Looking at one thing.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, path};
use crate::provider::{Entry, Operation, Operations};
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::listing::{group_entry, project_path, read_project};
use crate::services::basecamp::model::{Attachment, Upload};
use crate::services::basecamp::pages::Order;
use crate::services::basecamp::place::Place;
use crate::services::basecamp::session::Facts;

impl Basecamp {
    /// The account: projects can be made in it, and nothing else.
    pub(super) fn root_entry(&self) -> Entry {
        let root = Entry::directory(Place::Root.remote_id(), "");
        Entry { offers: Operations::of(&[Operation::MakeDir]), ..root }
    }

    /// The thing as it is now. Errors: `NotFound`, also for what is in the trash.
    pub(super) async fn look_at(&self, place: Place) -> Result<Entry> {
        match place {
            Place::Root => Ok(self.root_entry()),
            Place::Group { project, group } => Ok(group_entry(project, group)),
            Place::Project(project) => {
                let response = self.client.send(&Request::get("stat", project_path(project)?)).await?;
                let now = read_project(&response.checked_by(assumed::READING)?)?;
                if now.trashed { Err(gone(place)) } else { Ok(now.entry()) }
            }
            Place::File { project, upload } => {
                let upload = self.upload_now(project, upload).await?;
                upload.entry(project).ok_or_else(|| gone(place))
            }
            Place::Attachment { project, attachment } => {
                let target = attachment_path(project, attachment)?;
                let response = self.client.send(&Request::get("stat", target)).await?.checked_by(assumed::READING)?;
                let now = Attachment::read(response.json::<Value>()?);
                if now.trashed || !now.has_content() {
                    return Err(gone(place));
                }
                self.session.note_file(place, Facts { attachment: Some(attachment), ..Facts::of(&now) });
                Ok(now.entry(place))
            }
        }
    }

    /// `GET /projects/P/uploads/U.json`
    async fn upload_now(&self, project: u64, upload: u64) -> Result<Upload> {
        let response = self.client.send(&Request::get("stat", upload_path(project, upload)?)).await?;
        let Some(now) = Upload::read(response.checked_by(assumed::READING)?.json()?) else {
            return fail(ErrorKind::Protocol, "the service's answer is no upload: it has no id");
        };
        if let Some(attachment) = now.attachments.first() {
            let facts = Facts::of(attachment);
            let private = now.private || facts.private;
            let facts = Facts { private, content: Some(now.content.clone().unwrap_or_default()), ..facts };
            self.session.note_file(Place::File { project, upload }, facts);
        }
        Ok(now)
    }

    /// What is known of a file, by asking if need be. Errors: `NotFound`.
    pub(super) async fn facts(&self, place: Place) -> Result<Facts> {
        if let Some(facts) = self.session.file(place) {
            return Ok(facts);
        }
        self.look_at(place).await?;
        self.session.file(place).ok_or_else(|| gone(place))
    }

    /// The id of an upload's attachment, which its own page does not promise to tell: else the newest files do.
    pub(super) async fn attachment_of(&self, project: u64, upload: u64) -> Result<u64> {
        let place = Place::File { project, upload };
        if let Some(attachment) = self.facts(place).await?.attachment {
            return Ok(attachment);
        }
        let newest = self.whole_page(project, Order::Newest, 1).await?;
        let found = newest.items.into_iter().find(|item| item.place == Some(place));
        match found.and_then(|item| Some((item.id?, item.facts))) {
            Some((attachment, facts)) => {
                self.session.note_file(place, facts);
                Ok(attachment)
            }
            None => fail(ErrorKind::Protocol, format!("the service does not tell the attachment of {place}")),
        }
    }
}

pub fn upload_path(project: u64, upload: u64) -> Result<String> {
    path(&["projects", &project.to_string(), "uploads", &format!("{upload}.json")])
}

pub fn attachment_path(project: u64, attachment: u64) -> Result<String> {
    path(&["projects", &project.to_string(), "attachments", &format!("{attachment}.json")])
}

pub fn gone(place: Place) -> Error {
    Error::new(ErrorKind::NotFound, format!("{place} is not on the service (any more)"))
}
