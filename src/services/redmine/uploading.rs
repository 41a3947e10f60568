//! Creating files: the bytes first, as an attachment without a container; then they are attached.
//!
//! A token works once. So an attach whose answer was lost may be repeated: where the first one took effect the second
//! is refused, and the container's list shows the attachment's number, which is known since the upload.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::CONTENT_TYPE;
use crate::http::{FileBody, Request, Response};
use crate::ids::RevisionId;
use crate::provider::{AttachItem, Content, Created, StagedAsset};
use crate::services::redmine::Redmine;
use crate::services::redmine::listing::container_path;
use crate::services::redmine::model::{number, object, revision_with_digest, text};
use crate::services::redmine::names;
use crate::services::redmine::place::Place;
use crate::services::redmine::rights::needed;

/// Times that a wiki page is read and sent back because somebody else saved it in between.
const PAGE_TRIES_MAX: usize = 5;

/// Read at a time to work out a digest.
const DIGEST_CHUNK_BYTES: usize = 256 << 10;

/// Bytes on the service that wait to be attached.
#[derive(Debug, Clone)]
pub struct Upload {
    pub id: u64,
    pub token: String,
    /// As the service shall have it.
    pub name: String,
    pub description: Option<String>,
}

impl Upload {
    /// The token names the attachment: `21.2cd4...`. `None` for a token that the service never gave.
    fn of(item: &AttachItem) -> Option<Upload> {
        let token = item.staged.token.clone()?;
        let id = token.split_once('.')?.0.parse().ok()?;
        Some(Upload { id, token, name: names::sent(&item.name), description: item.description.clone() })
    }

    fn as_json(&self) -> Value {
        let mut fields = json!({ "token": self.token, "filename": self.name });
        if let Some(description) = &self.description {
            fields["description"] = description.as_str().into();
        }
        fields
    }

    fn created(&self, container: &Place) -> Created {
        let id = Place::File(self.id).remote_id();
        Created { id, revision: self.revision(container), renamed: None, existed: false }
    }

    /// The revision that the container's list will show. Only lists of a project's files tell digests, as tokens do;
    /// the others tell a time, which nobody knows before.
    pub fn revision(&self, container: &Place) -> Option<RevisionId> {
        let digest = self.token.split_once('.').map(|(_, digest)| digest).filter(|digest| is_sha256(digest))?;
        let told = matches!(container, Place::Files(_) | Place::Version { .. });
        told.then(|| revision_with_digest(self.id, digest))
    }
}

impl Redmine {
    /// `POST /uploads.json` (Rest_api page, "Attaching files"). Repeating costs an orphan at worst.
    pub(super) async fn send_bytes(&self, name: &str, content: &Content) -> Result<Upload> {
        let body = FileBody {
            path: content.path.clone(),
            size_bytes: content.size,
            sent_bytes: Arc::clone(content.sent_counter()),
        };
        let name = names::sent(name);
        let request = Request::post("upload", "/uploads.json").query("filename", &name).repeatable();
        let request = request.header(CONTENT_TYPE, "application/octet-stream")?.file(body);
        let (response, digest) = tokio::join!(self.client.send(&request), digest_of(content));
        let response = response?;
        if response.status.as_u16() == 422 {
            return Err(self.refused_content(content, &response));
        }
        let upload = object(response.checked()?.json()?, "upload")?;
        let token =
            text(&upload, "token").ok_or_else(|| Error::new(ErrorKind::Protocol, "an upload without a token"))?;
        let (first, their_digest) = token.split_once('.').unwrap_or((&token, ""));
        let Some(id) = number(&upload, "id").or_else(|| first.parse().ok()) else {
            return fail(ErrorKind::Protocol, "the service is too old: it does not tell the number of an upload");
        };
        let their_digest = their_digest.to_owned();
        if is_sha256(&their_digest) && their_digest != digest? {
            self.discard(id).await;
            return fail(ErrorKind::Protocol, "other bytes arrived than were sent");
        }
        self.largest_taken.fetch_max(content.size, Ordering::Relaxed);
        Ok(Upload { id, token, name, description: None })
    }

    /// The service names its limit only in words, in the user's language. Which it is is told by what it took before.
    fn refused_content(&self, content: &Content, response: &Response) -> Error {
        let kind = match content.size > self.largest_taken.load(Ordering::Relaxed) {
            true => ErrorKind::TooLarge,
            false => ErrorKind::BadName,
        };
        Error::new(kind, format!("the service refuses the file: {}", response.excerpt()))
    }

    pub(super) async fn stage_file(&self, name: &str, content: &Content) -> Result<StagedAsset> {
        let upload = self.send_bytes(name, content).await?;
        Ok(StagedAsset { token: Some(upload.token), expires: None, name: None })
    }

    pub(super) async fn attach_to(&self, container: &Place, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        if needed(container).is_none() {
            let text = "files can be put into a project's files, versions, issues, wiki pages and news only";
            return fail(ErrorKind::Unsupported, text);
        }
        let uploads: Vec<Option<Upload>> = items.iter().map(Upload::of).collect();
        let known: Vec<Upload> = uploads.iter().flatten().cloned().collect();
        let mut outcomes = match known.is_empty() {
            true => Vec::new(),
            false => self.attach_uploads(container, &known).await?,
        }
        .into_iter();
        Ok(uploads
            .iter()
            .map(|upload| upload.as_ref().and_then(|_| outcomes.next()).unwrap_or_else(not_kept))
            .collect())
    }

    /// One outcome per upload, as [`crate::provider::Provider::attach`] promises it.
    pub(super) async fn attach_uploads(&self, container: &Place, uploads: &[Upload]) -> Result<Vec<Result<Created>>> {
        let answer = self.send_attach(container, uploads).await;
        self.forget(container);
        let response = answer?;
        if !response.status.is_success() {
            return self.refused_attach(container, uploads, response).await;
        }
        uploads.iter().for_each(|upload| self.note_description(upload.id, upload.description.clone()));
        // A single bad token is refused, and so is one among an issue's; elsewhere they are left out without a word.
        let all_or_none = matches!(container, Place::Issue { .. } | Place::News { .. });
        let may_skip = matches!(container, Place::Page { .. }) || (uploads.len() > 1 && !all_or_none);
        if !may_skip {
            return Ok(uploads.iter().map(|upload| Ok(upload.created(container))).collect());
        }
        let there = self.attached(container).await.map_err(Error::unclear)?;
        Ok(uploads.iter().map(|upload| outcome(upload, container, &there)).collect())
    }

    /// The call that attaches, by container (Rest_Files, Rest_Issues, Rest_WikiPages and Rest_News pages).
    async fn send_attach(&self, container: &Place, uploads: &[Upload]) -> Result<Response> {
        let attachments: Vec<Value> = uploads.iter().map(Upload::as_json).collect();
        let request = match container {
            Place::Files(project) => files_request(*project, None, attachments),
            Place::Version { project, version } => files_request(*project, Some(*version), attachments),
            Place::Page { .. } => return self.attach_to_page(container, attachments).await,
            _ => {
                let (target, name) = container_path(container)?;
                Request::put("attach", target).json(&json!({ name: { "uploads": attachments } }))
            }
        };
        self.client.send(&request.repeatable()).await
    }

    /// A page wants its text with the files. Sent back unchanged it makes no new version of the page.
    async fn attach_to_page(&self, page: &Place, attachments: Vec<Value>) -> Result<Response> {
        let (target, name) = container_path(page)?;
        let mut tries = 1;
        loop {
            let now = self.container(page).await?;
            let mut fields = json!({ "text": text(&now, "text").unwrap_or_default(), "uploads": attachments });
            if let Some(version) = number(&now, "version") {
                fields["version"] = version.into();
            }
            let request = Request::put("attach", target.clone()).json(&json!({ name: fields })).repeatable();
            let response = self.client.send(&request).await?;
            if response.status.as_u16() != 409 || tries == PAGE_TRIES_MAX {
                return Ok(response);
            }
            tries += 1;
        }
    }

    /// What a refused attach means: an earlier try did it, a token is used up, the container is gone, or no.
    async fn refused_attach(
        &self,
        container: &Place,
        uploads: &[Upload],
        response: Response,
    ) -> Result<Vec<Result<Created>>> {
        let error = response.error(&[]);
        if !matches!(response.status.as_u16(), 404 | 422 | 500..=599) {
            let right = needed(container).map(|(adding, _)| adding);
            let error = match right.filter(|_| error.kind() == ErrorKind::Denied) {
                Some(right) => self.refused(container, right, error).await,
                None => error,
            };
            if error.kind() == ErrorKind::Denied {
                self.discard_all(uploads).await;
            }
            return Err(error);
        }
        let there = match self.attached_freshly(container).await {
            Ok(there) => there,
            Err(e) if e.kind() == ErrorKind::NotFound => return Err(e),
            Err(_) => return Err(error.unclear()),
        };
        if error.is_unclear() && uploads.iter().all(|upload| !there.contains(&upload.id)) {
            return Err(error);
        }
        let mut outcomes = Vec::with_capacity(uploads.len());
        for upload in uploads {
            outcomes.push(match (there.contains(&upload.id), uploads.len()) {
                (true, _) => Ok(upload.created(container)),
                (false, 1) => Err(self.why_not(upload, &response).await),
                // One bad token spoilt the call for all.
                (false, _) => Box::pin(self.attach_uploads(container, std::slice::from_ref(upload)))
                    .await
                    .and_then(|mut outcomes| outcomes.pop().unwrap_or_else(not_kept)),
            });
        }
        Ok(outcomes)
    }

    /// Why one upload was refused: it is not kept any more, or the service does not want it.
    async fn why_not(&self, upload: &Upload, response: &Response) -> Error {
        match self.attachment(upload.id).await {
            Ok(_) => {
                self.discard(upload.id).await;
                Error::new(ErrorKind::BadName, format!("the service refuses the file: {}", response.excerpt()))
            }
            // Only who uploaded it sees it; attached elsewhere it may be seen by nobody here.
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::Denied) => lost(),
            Err(e) => e,
        }
    }

    /// Numbers of the attachments in a container.
    async fn attached(&self, container: &Place) -> Result<HashSet<u64>> {
        match container {
            Place::Files(project) | Place::Version { project, .. } => {
                Ok(self.fetch_files(*project).await?.iter().map(|file| file.id).collect())
            }
            container => self.attached_freshly(container).await,
        }
    }

    /// As [`Redmine::attached`], and makes sure that the container is there.
    async fn attached_freshly(&self, container: &Place) -> Result<HashSet<u64>> {
        let (files, _) = self.attachments(container, Duration::ZERO).await?;
        Ok(files.iter().map(|file| file.id).collect())
    }

    /// Removes an upload that will not be attached. Nothing depends on it: the service's own clean-up finds it too.
    pub(super) async fn discard(&self, id: u64) {
        let request = Request::delete("discard", format!("/attachments/{id}.json")).repeatable();
        if let Err(error) = self.client.send(&request).await.and_then(Response::checked) {
            log::debug!("upload {id}, which is not used, stays on the service for now: {error}");
        }
    }

    async fn discard_all(&self, uploads: &[Upload]) {
        for upload in uploads {
            self.discard(upload.id).await;
        }
    }
}

/// One file is attached in the documented form, several in that of the web pages.
fn files_request(project: u64, version: Option<u64>, mut attachments: Vec<Value>) -> Request {
    let mut fields = match attachments.len() {
        1 => json!({ "file": attachments.remove(0) }),
        _ => json!({ "attachments": attachments }),
    };
    if let Some(version) = version {
        let holder = if fields.get("file").is_some() { &mut fields["file"] } else { &mut fields };
        holder["version_id"] = version.into();
    }
    Request::post("attach", format!("/projects/{project}/files.json")).json(&fields)
}

fn outcome(upload: &Upload, container: &Place, there: &HashSet<u64>) -> Result<Created> {
    if there.contains(&upload.id) { Ok(upload.created(container)) } else { not_kept() }
}

fn not_kept<T>() -> Result<T> {
    Err(lost())
}

fn lost() -> Error {
    Error::new(ErrorKind::Stale, "the uploaded bytes are not kept any more, they must be sent again")
}

pub fn is_sha256(digest: &str) -> bool {
    digest.len() == 64
}

/// The SHA-256 of a content, as the service writes it.
pub async fn digest_of(content: &Content) -> Result<String> {
    use std::io::Read;
    let (path, size) = (content.path.clone(), content.size);
    let digest = tokio::task::spawn_blocking(move || {
        let mut file = std::fs::File::open(&path)?.take(size);
        let (mut digest, mut chunk) = (Sha256::new(), vec![0; DIGEST_CHUNK_BYTES]);
        loop {
            match file.read(&mut chunk)? {
                0 => break,
                count => digest.update(&chunk[..count]),
            }
        }
        Ok::<_, Error>(digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    });
    digest.await.unwrap_or_else(|e| fail(ErrorKind::Bug, e.to_string()))
}
