//! Reading content, of the current version or an older one.

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::RANGE;
use crate::http::{Request, Response, StatusCode, exactly, path};
use crate::provider::{ByteRange, Download, ReadTarget};
use crate::services::imeet_central::ImeetCentral;
use crate::services::imeet_central::model::version_number;
use crate::services::imeet_central::place::Place;
use crate::services::imeet_central::routes::Route;

impl ImeetCentral {
    pub(super) async fn download(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        let file = Place::of(&target.id)?;
        if self.routes.is_missing(Route::Download) {
            return fail(ErrorKind::Unsupported, "the service has no call to read a file");
        }
        let mut request = Request::get("download", content_path(&file, target)?).streamed();
        let asked = range.header(target.size).filter(|_| self.ranges_taken());
        if let Some(header) = &asked {
            request = request.header(RANGE, header)?;
        }
        let response = self.client.send_following(&request).await?;
        match response.status {
            StatusCode::PARTIAL_CONTENT => self.part(target, range, response).await,
            StatusCode::RANGE_NOT_SATISFIABLE => Err(self.changed_meanwhile(target).await),
            status if status.is_success() => {
                if asked.is_some() {
                    self.note_ranges_ignored();
                }
                self.whole(target, response).await
            }
            _ => Err(self.unreadable(&file, target, response).await),
        }
    }

    async fn part(&self, target: &ReadTarget, range: ByteRange, response: Response) -> Result<Download> {
        let Some(brought) = response.content_range() else {
            return fail(ErrorKind::Protocol, "the service sends a part and does not say which");
        };
        if brought.start != range.start || range.end.is_some_and(|end| brought.end > end) {
            return fail(ErrorKind::Protocol, "the service sends another part than asked for");
        }
        if let (Some(total), Some(size)) = (brought.total, target.size)
            && total != size
        {
            return Err(self.changed_meanwhile(target).await);
        }
        self.routes.note_working(Route::Download);
        let stream = exactly(response.into_stream(), Some(brought.end - brought.start));
        Ok(Download { start: brought.start, total: brought.total.or(target.size), stream })
    }

    async fn whole(&self, target: &ReadTarget, response: Response) -> Result<Download> {
        let announced = response.content_length();
        if let (Some(announced), Some(size)) = (announced, target.size)
            && announced != size
        {
            return Err(self.changed_meanwhile(target).await);
        }
        self.routes.note_working(Route::Download);
        let total = announced.or(target.size);
        Ok(Download { start: 0, total, stream: exactly(response.into_stream(), total) })
    }

    /// The content has another length than the revision asked for: it moved on, or the service is wrong.
    async fn changed_meanwhile(&self, target: &ReadTarget) -> Error {
        let now = match Place::of(&target.id) {
            Ok(file) if !target.old => self.look_at(&file).await,
            _ => return Error::new(ErrorKind::Protocol, "an old version has another length than its list says"),
        };
        match now {
            Ok(entry) if entry.revision == target.revision && entry.size == target.size => {
                Error::new(ErrorKind::Protocol, "the content has another length than the service says")
            }
            Ok(_) => Error::new(ErrorKind::Conflict, "the file changed on the service since it was listed"),
            Err(error) => error,
        }
    }

    async fn unreadable(&self, file: &Place, target: &ReadTarget, response: Response) -> Error {
        let usual = response.error(&[]);
        if target.old {
            return usual;
        }
        match self.is_missing_call(Route::Download, &response, file).await {
            Ok(true) => Error::new(ErrorKind::Unsupported, "the service has no call to read a file"),
            Ok(false) => usual,
            Err(error) => error,
        }
    }
}

fn content_path(file: &Place, target: &ReadTarget) -> Result<String> {
    if !target.old {
        return path(&["v1", "files", &file.id, "download"]);
    }
    match target.revision.as_ref().and_then(version_number) {
        Some(number) => path(&["v1", "files", &file.id, "versions", &number.to_string(), "download"]),
        None => fail(ErrorKind::Unsupported, "the service does not number its versions, old ones cannot be read"),
    }
}
