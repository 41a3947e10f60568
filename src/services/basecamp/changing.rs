//! Changing things (attachments, uploads and projects pages). The service has no revisions: other content is another
//! upload, and the old one goes to the trash last, or stays.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use crate::http::{FileBody, Request, Response, StatusCode, path};
use crate::ids::RevisionId;
use crate::provider::{AttachItem, Content, Created, Entry, Located, Revised, StagedAsset};
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::listing::{project_path, read_project};
use crate::services::basecamp::looking::{attachment_path, upload_path};
use crate::services::basecamp::model::{Attachment, Project, Upload};
use crate::services::basecamp::place::Place;
use crate::services::basecamp::session::Facts;
use crate::services::basecamp::{Basecamp, Overwrite};

/// A file that was made.
struct Made {
    place: Place,
    revision: Option<RevisionId>,
}

impl Basecamp {
    /// `POST /attachments.json`: the bytes and nothing else. Repeating costs bytes that nobody ever claims.
    pub(super) async fn upload(&self, name: &str, content: &Content) -> Result<StagedAsset> {
        let body = FileBody {
            path: content.path.clone(),
            size_bytes: content.size,
            sent_bytes: Arc::clone(content.sent_counter()),
        };
        let mime = mime_guess::from_path(name).first_or_octet_stream();
        let request = Request::post("upload", "/attachments.json").repeatable();
        let request = request.header(CONTENT_TYPE, mime.as_ref())?.file(body);
        let answer: Value = self.client.send(&request).await?.checked_by(assumed::READING)?.json()?;
        let Some(token) = answer.get("token").and_then(Value::as_str).filter(|token| !token.is_empty()) else {
            return fail(ErrorKind::Protocol, "the service took the bytes and gave no token for them");
        };
        Ok(StagedAsset { token: Some(token.to_owned()), expires: None, name: None })
    }

    /// Takes a token's bytes into a project. Errors: `Stale` when the bytes have to be sent again.
    pub(super) async fn attach_one(&self, project: u64, item: &AttachItem) -> Result<Created> {
        let Some(token) = item.staged.token.as_deref() else {
            return fail(ErrorKind::Stale, "the bytes were not sent yet");
        };
        let private = match &item.hidden_like {
            Some(document) => self.is_hidden(Place::of(document)?).await?,
            None => false,
        };
        let facts = Facts { content: item.description.clone(), private, ..Facts::default() };
        let made = self.create_upload(project, &item.name, token, item.content.size, &facts).await?;
        Ok(Created { id: made.place.remote_id(), revision: made.revision, renamed: None, existed: false })
    }

    /// Whether clients do, or did, not see the file. What cannot be looked at any more is taken for hidden: a person can
    /// show it to them, and nobody can make them forget it.
    async fn is_hidden(&self, document: Place) -> Result<bool> {
        if let Some(known) = self.session.is_private(document) {
            return Ok(known);
        }
        match self.facts(document).await {
            Ok(facts) => return Ok(facts.private),
            Err(e) if e.kind() == ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
        let Place::File { project, .. } = document else { return Ok(false) };
        let response = self.client.send(&Request::get("list", project_path(project)?)).await?;
        // Other projects have nothing private (projects page), and refuse it.
        let has_clients = read_project(&response.checked_by(assumed::READING)?)?.is_for_clients();
        if has_clients {
            log::warn!("{document} is gone, and clients may not have seen it: its content is hidden from them");
        }
        Ok(has_clients)
    }

    /// `POST /projects/P/uploads.json`. Not to be repeated blindly: each one is another file.
    async fn create_upload(&self, project: u64, name: &str, token: &str, size: u64, facts: &Facts) -> Result<Made> {
        let mut upload = Map::new();
        upload.insert("content".to_owned(), facts.content.clone().unwrap_or_default().into());
        upload.insert("attachments".to_owned(), json!([{ "token": token, "name": name }]));
        if facts.private {
            upload.insert("private".to_owned(), true.into());
        }
        let target = path(&["projects", &project.to_string(), "uploads.json"])?;
        let response = self.client.send(&with_json(Request::post("attach", target), &upload.into())).await?;
        if response.status == StatusCode::UNPROCESSABLE_ENTITY && self.session.may_start_again(project, name) {
            return fail(ErrorKind::Stale, "the service does not keep the uploaded bytes any more");
        }
        self.read_made(project, size, facts, response.checked_by(assumed::NAMING)?).await
    }

    /// Reads the answer to a creation, and checks that the file is whole.
    async fn read_made(&self, project: u64, size: u64, facts: &Facts, response: Response) -> Result<Made> {
        let told = response.json::<Value>().ok().and_then(Upload::read);
        let Some(upload) = told.as_ref().map(|upload| upload.id).or_else(|| id_in_location(&response)) else {
            // Made it is, but which one? Looking tells.
            return Err(response.unreadable("the service does not say which upload it made"));
        };
        let place = Place::File { project, upload };
        let attachment = told.and_then(|mut told| told.attachments.pop());
        self.session.note_own(upload, attachment.as_ref().and_then(Attachment::creator_id));
        let Some(attachment) = attachment else { return Ok(Made { place, revision: None }) };
        if attachment.size.is_some_and(|stored| stored != size) {
            self.trash_upload(project, upload).await?;
            let text = format!("the service stored {:?} of {size} bytes; that file is in its trash", attachment.size);
            return fail(ErrorKind::Protocol, text);
        }
        let noted = Facts { private: facts.private, content: facts.content.clone(), ..Facts::of(&attachment) };
        self.session.note_file(place, noted);
        Ok(Made { place, revision: attachment.key.is_some().then(|| attachment.revision(place)) })
    }

    /// New content: an upload of the same name first, the old one into the trash last. When it breaks off in between,
    /// [`Basecamp::look_back`] finds the new one and goes on.
    pub(super) async fn replace(&self, file: &Located, content: &Content) -> Result<Revised> {
        let old = Place::of(&file.id)?;
        let Place::File { project, upload } = old else {
            return fail(ErrorKind::Unsupported, "what hangs on messages, to-dos and comments is read-only");
        };
        // Not private any more would mean to show it to clients.
        let facts = self.facts(old).await?;
        let made = match self.upload_and_create(project, &file.name, content, &facts).await {
            Err(e) if e.kind() == ErrorKind::Stale => {
                self.upload_and_create(project, &file.name, content, &facts).await?
            }
            other => other?,
        };
        if !self.retire(project, upload).await.map_err(Error::unclear)? {
            log::warn!(
                "{old} was gone before it could be replaced by {}: what somebody else may have put in its place is kept",
                made.place
            );
        }
        Ok(Revised { id: made.place.remote_id(), revision: made.revision })
    }

    async fn upload_and_create(&self, project: u64, name: &str, content: &Content, facts: &Facts) -> Result<Made> {
        let token = self.upload(name, content).await?.token.unwrap_or_default();
        self.create_upload(project, name, &token, content.size, facts).await
    }

    /// Removes what was replaced, unless it shall stay; tells whether it was there. That it is gone, or must not be
    /// removed, is no failure: its successor is there.
    pub(super) async fn retire(&self, project: u64, old: u64) -> Result<bool> {
        if self.overwrite == Overwrite::Keep {
            return Ok(true);
        }
        match self.trash_upload(project, old).await {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) if matches!(e.kind(), ErrorKind::Denied | ErrorKind::Unsupported) => {
                log::warn!("upload {old} of project {project} was replaced, but stays beside its successor: {e}");
                Ok(true)
            }
            other => other.map(|()| true),
        }
    }

    /// `DELETE /projects/P/uploads/U.json`: into the trash.
    pub(super) async fn trash_upload(&self, project: u64, upload: u64) -> Result<()> {
        let request = Request::delete("delete", upload_path(project, upload)?).repeatable();
        self.client.send(&request).await?.checked_by(assumed::READING)?;
        self.session.note_own(upload, None);
        self.session.forget_file(Place::File { project, upload });
        Ok(())
    }

    pub(super) async fn remove(&self, entry: &Located) -> Result<()> {
        match Place::of(&entry.id)? {
            Place::File { project, upload } => self.trash_upload(project, upload).await,
            _ => fail(ErrorKind::Unsupported, "only files can be removed: a project would take all it holds with it"),
        }
    }

    /// `POST /projects.json`
    pub(super) async fn create_project(&self, parent: Place, name: &str) -> Result<Entry> {
        if parent != Place::Root {
            return fail(ErrorKind::Unsupported, "the service has no directories in projects");
        }
        let request = with_json(Request::post("create-folder", "/projects.json"), &json!({ "name": name }));
        let response = self.client.send(&request).await?.checked_by(assumed::NAMING)?;
        let told = response.json::<Value>().ok().and_then(Project::read);
        let made = told.or_else(|| Project::read(json!({ "id": id_in_location(&response)?, "name": name })));
        let Some(project) = made else {
            return Err(response.unreadable("the service does not say which project it made"));
        };
        self.session.note_project_name(project.id, &project.name);
        Ok(project.entry())
    }

    /// `PUT /projects/P/attachments/A.json` and `PUT /projects/P.json`. Setting the same name again does no harm.
    pub(super) async fn rename(&self, entry: &Located, to_name: &str) -> Result<()> {
        let place = Place::of(&entry.id)?;
        let target = match place {
            Place::Project(project) => project_path(project)?,
            Place::File { project, upload } => attachment_path(project, self.attachment_of(project, upload).await?)?,
            _ => return fail(ErrorKind::Unsupported, "only projects and their files can be renamed"),
        };
        let request = with_json(Request::put("change", target).repeatable(), &json!({ "name": to_name }));
        let response = self.client.send(&request).await?.checked_by(assumed::NAMING)?;
        match place {
            Place::Project(project) => self.session.note_project_name(project, to_name),
            _ => self.note_renamed(place, &response),
        }
        Ok(())
    }

    /// The download address has the name in it.
    fn note_renamed(&self, place: Place, response: &Response) {
        let now = response.json::<Value>().ok().map(Attachment::read).filter(|now| now.url.is_some());
        match (now, self.session.file(place)) {
            (Some(now), Some(known)) => {
                let facts = Facts { url: now.url.clone(), ..known };
                self.session.note_file(place, facts);
            }
            _ => self.session.forget_file(place),
        }
    }
}

/// JSON as the service wants it said (README page).
fn with_json(request: Request, value: &Value) -> Request {
    request.bytes(value.to_string().into_bytes(), HeaderValue::from_static("application/json; charset=utf-8"))
}

/// The number of `.../uploads/U.json` or `.../projects/P.json`.
fn id_in_location(response: &Response) -> Option<u64> {
    let last = response.header(LOCATION)?.rsplit('/').next()?;
    let digits = last.split(['.', '-']).next()?;
    digits.parse().ok()
}
