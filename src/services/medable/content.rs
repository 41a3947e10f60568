//! Bytes of File properties on their way up (File uploads page): the property is written, a form goes to the storage
//! host, and the service notices by itself; only a facet in state ready is a success.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{FileBody, FilePart, Multipart, Request, Response};
use crate::provider::Content;
use crate::services::medable::api::Api;
use crate::services::medable::assumptions as assumed;
use crate::services::medable::fault;
use crate::services::medable::model::{self, Facet, State, Upload};

/// One facet of one File property.
#[derive(Debug, Clone)]
pub struct FileProperty {
    /// `/PLURAL/ID/PROPERTY`
    pub path: String,
    pub facet: String,
}

/// What the storage host said to a form.
enum Sent {
    Stored,
    /// The window is over.
    Expired,
}

impl Api {
    /// The facet as it is now; `None` if it was never written.
    pub async fn facet(&self, file: &FileProperty) -> Result<Option<Facet>> {
        let property = self.property("look", &file.path).await?;
        Ok(model::facet(&property, &file.facet))
    }

    /// `GET /PLURAL/ID/PROPERTY`: all facets.
    pub async fn property(&self, kind: &'static str, path: &str) -> Result<Value> {
        let request = Request::get(kind, path);
        Ok(model::bare(fault::succeeded(&self.client.send(&request).await?)?))
    }

    /// Stage 1 of new content for a property that exists: from now on nobody can read it until the bytes are there.
    pub async fn announce(&self, kind: &'static str, file: &FileProperty, name: &str) -> Result<Option<Upload>> {
        let request = Request::put(kind, &file.path).json(&announcement(&file.facet, name));
        let answer = model::bare(fault::succeeded(&self.client.send(&request).await?)?);
        Upload::find(answer.get("uploads"), &file.facet).map_err(Error::unclear)
    }

    /// A new form for a pending upload; `None` when the facet does not wait for one (it is left out silently).
    pub async fn refresh(&self, file: &FileProperty) -> Result<Option<Upload>> {
        // Asking twice only gives a newer form.
        let request = Request::put("refresh", format!("{}/refresh", file.path)).repeatable();
        let response = self.client.send(&request.json(&json!([file.facet]))).await?;
        Upload::find(fault::succeeded(&response)?.get("data"), &file.facet)
    }

    /// Stage 2, with new forms if the window is over, until the facet is ready.
    pub async fn deliver(&self, file: &FileProperty, upload: Option<Upload>, content: &Content) -> Result<Facet> {
        let mut upload = match upload {
            None => self.refresh(file).await?,
            known => known,
        };
        for _ in 0..=assumed::REFRESHES_MAX {
            // Nothing waits for an upload: the property says what became of it.
            let Some(form) = &upload else { break };
            match self.send_form(form, content).await? {
                Sent::Stored => break,
                Sent::Expired => upload = self.refresh(file).await?,
            }
        }
        self.ready(file, Some(content)).await
    }

    /// Finishes an upload that was announced and whose end nobody saw. Errors: `Conflict` when other content is there.
    pub async fn resume(&self, file: &FileProperty, state: State, name: &str, content: &Content) -> Result<Facet> {
        if matches!(state, State::Processing | State::Ready) {
            return self.ready(file, Some(content)).await;
        }
        let mut upload = if state == State::Pending { self.refresh(file).await? } else { None };
        if upload.is_none() {
            let now = self.facet(file).await?.map(|facet| facet.state);
            if matches!(now, Some(State::Processing | State::Ready)) {
                return self.ready(file, Some(content)).await;
            }
            upload = self.announce("announce", file, name).await?;
        }
        self.deliver(file, upload, content).await
    }

    /// Waits until the facet is ready. Errors: `TimedOut` after a minute; `Server` when it cannot be processed.
    /// `Conflict` when it has another size than `content`.
    pub async fn ready(&self, file: &FileProperty, content: Option<&Content>) -> Result<Facet> {
        let deadline = Instant::now() + assumed::READY_WAIT_MAX;
        for pause in pauses() {
            tokio::time::sleep(pause).await;
            let Some(facet) = self.facet(file).await? else {
                return fail(ErrorKind::Protocol, "the service forgot what was uploaded");
            };
            match facet.state {
                State::Ready if has_other_size(&facet, content) => {
                    return fail(ErrorKind::Conflict, "the service has other content than was uploaded");
                }
                State::Ready => return Ok(facet),
                State::Failed => return Err(unprocessable()),
                State::Pending | State::Processing if Instant::now() >= deadline => break,
                State::Pending | State::Processing => {}
            }
        }
        fail(ErrorKind::TimedOut, "the service has not processed the upload within a minute")
    }

    async fn send_form(&self, upload: &Upload, content: &Content) -> Result<Sent> {
        check_size(upload, content)?;
        let mut form = Multipart::new();
        for (key, value) in &upload.fields {
            form = form.text(key, value)?;
        }
        let file = FileBody {
            path: content.path.clone(),
            size_bytes: content.size,
            sent_bytes: Arc::clone(content.sent_counter()),
        };
        // Neither the part's name nor its type matters: the type was decided by the name in stage 1.
        let (file_name, content_type) = ("file", "application/octet-stream");
        let part = FilePart { field: &upload.key, file_name, extended_file_name: None, content_type, file };
        // The form names its key, so that sending it again writes the same bytes to the same place.
        let request = Request::post("upload", &upload.url).anonymous().repeatable().multipart(form.file(part)?);
        verdict(&self.storage.send(&request).await?)
    }
}

/// The value of stage 1: facet name to file name.
pub fn announcement(facet: &str, name: &str) -> Value {
    json!({ facet: name })
}

/// Errors: `TooLarge`, before anything is sent.
pub fn check_size(upload: &Upload, content: &Content) -> Result<()> {
    match upload.size_bytes_max {
        Some(max) if content.size > max => fail(ErrorKind::TooLarge, format!("the service takes at most {max} bytes")),
        _ => Ok(()),
    }
}

/// Pauses between looks at something that will be ready some time.
pub fn pauses() -> impl Iterator<Item = Duration> {
    let last = assumed::READY_PAUSES_MS.last().copied();
    let all = assumed::READY_PAUSES_MS.into_iter().chain(std::iter::from_fn(move || last));
    all.map(Duration::from_millis)
}

fn has_other_size(facet: &Facet, content: Option<&Content>) -> bool {
    facet.size.zip(content).is_some_and(|(size, content)| size != content.size)
}

fn unprocessable() -> Error {
    let text = "the service could not process the uploaded content";
    Error::new(ErrorKind::Server, text).with_advice(crate::error::Advice::Never)
}

/// Storage hosts answer in XML (S3 error responses).
fn verdict(response: &Response) -> Result<Sent> {
    if response.status.is_success() {
        return Ok(Sent::Stored);
    }
    let (code, message) = (element(response, "Code"), element(response, "Message"));
    match (response.status.as_u16(), code.as_str()) {
        (403, _) if message.to_ascii_lowercase().contains("expired") => Ok(Sent::Expired),
        (_, "EntityTooLarge") => fail(ErrorKind::TooLarge, "the storage refuses the content as too large"),
        // A field that is missing, changed or too many: our fault, and the same the next time.
        (400..=499, _) if !matches!(response.status.as_u16(), 408 | 429) => {
            fail(ErrorKind::Bug, format!("the storage refuses the upload form: {} {code}", response.status))
        }
        _ => Err(response.error(&[])),
    }
}

/// The text of the first element of this name.
fn element(response: &Response, name: &str) -> String {
    let text = response.text();
    let inner = text.split_once(&format!("<{name}>")).and_then(|(_, rest)| rest.split_once('<'));
    inner.map(|(inner, _)| inner.chars().filter(|c| !c.is_control()).take(200).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_become_rarer_but_never_rarer_than_every_five_seconds() {
        let pauses: Vec<_> = pauses().take(7).map(|pause| pause.as_millis()).collect();
        assert_eq!(pauses, [200, 500, 1000, 2000, 5000, 5000, 5000]);
    }
}
