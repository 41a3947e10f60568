//! Reading a document's content: always the whole, since no page tells of ranges.

use std::time::Duration;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{ACCEPT, CONTENT_TYPE};
use crate::http::{Request, Response, StatusCode, exactly};
use crate::provider::{Download, ReadTarget};
use crate::services::rillsoft::Rillsoft;
use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::calls::{Call, says_no_such_call};
use crate::services::rillsoft::listing::gone;
use crate::services::rillsoft::model::error_in;
use crate::services::rillsoft::place::Place;

/// An error in the documented form is far smaller.
const ERROR_BYTES_MAX: usize = 16 << 10;

impl Rillsoft {
    pub(super) async fn download(&self, target: &ReadTarget) -> Result<Download> {
        if target.old {
            return fail(ErrorKind::Unsupported, "old revisions are in the service's web pages only");
        }
        let (project, document) = Place::document(&target.id)?;
        let path = self.paths.download(project, document).filter(|_| !self.calls.is_missing(Call::Download));
        let Some(path) = path else { return Err(no_such_call()) };
        let request = Request::get("download", path).header(ACCEPT, "application/json, */*;q=0.9")?.streamed();
        let response = self.client.send_following(&request).await?;
        if !response.status.is_success() {
            return Err(self.unreadable(project, document, &response).await);
        }
        self.content(target, response).await
    }

    async fn content(&self, target: &ReadTarget, response: Response) -> Result<Download> {
        let announced = response.content_length();
        let fits = target.size.is_none_or(|size| announced == Some(size));
        let json = response.header(CONTENT_TYPE).is_some_and(|kind| kind.starts_with("application/json"));
        let mut stream = response.into_stream();
        if json && !(fits && target.size.is_some()) {
            stream = without_error(stream).await?;
        }
        if announced.is_some() && !fits {
            return Err(self.changed_meanwhile(target).await);
        }
        self.calls.note_working(Call::Download);
        let total = announced.or(target.size);
        Ok(Download { start: 0, total, stream: exactly(stream, total) })
    }

    /// The content has another length than the revision asked for: it moved on, or the service is wrong.
    async fn changed_meanwhile(&self, target: &ReadTarget) -> Error {
        let now = match Place::of(&target.id) {
            Ok(place) => self.look_at(place).await,
            Err(error) => return error,
        };
        match now {
            Ok(entry) if entry.revision == target.revision && entry.size == target.size => {
                Error::new(ErrorKind::Protocol, "the content has another length than the service says")
            }
            Ok(_) => Error::new(ErrorKind::Conflict, "the document changed on the service since it was listed"),
            Err(error) => error,
        }
    }

    async fn unreadable(&self, project: u64, document: u64, response: &Response) -> Error {
        if says_no_such_call(response.status) {
            self.calls.note_missing(Call::Download);
            return no_such_call();
        }
        if response.status != StatusCode::NOT_FOUND || self.calls.works(Call::Download) {
            return response.error(assumed::REFUSALS);
        }
        // No such call, or no such document: the list knows.
        match self.catalog.documents(Duration::ZERO).await {
            Ok(documents) if documents.list.get(project, document).is_some() => {
                self.calls.note_missing(Call::Download);
                no_such_call()
            }
            Ok(_) => gone(Place::Document { project, document }),
            Err(error) => error,
        }
    }
}

fn no_such_call() -> Error {
    Error::new(ErrorKind::Unsupported, "the service has no call to read a document; path.download may name it")
}

/// The same stream, unless it is an error in the documented form: that one may come under any status.
async fn without_error(body: BoxStream<'static, Result<Bytes>>) -> Result<BoxStream<'static, Result<Bytes>>> {
    let mut body = body.fuse();
    let mut begun = Vec::new();
    let mut begun_bytes = 0;
    while begun_bytes <= ERROR_BYTES_MAX {
        match body.next().await {
            Some(chunk) => {
                let chunk = chunk?;
                begun_bytes += chunk.len();
                begun.push(chunk);
            }
            None => {
                if let Some(error) = error_in(&begun.concat()) {
                    return Err(error);
                }
                break;
            }
        }
    }
    Ok(stream::iter(begun.into_iter().map(Ok)).chain(body).boxed())
}
