//! Reading content: `GET /files/{id}/data`, always with the version that was opened (Download File page). Two blocks
//! read without it could come from two versions. Version 1.1 of the API has no ranges.

use bytes::Bytes;
use futures::stream::{self, StreamExt};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::RANGE;
use crate::http::{Request, Response, StatusCode, exactly, path};
use crate::provider::{ByteRange, Download, ReadTarget};
use crate::services::oracle_content::OracleContent;
use crate::services::oracle_content::model::version_number;
use crate::services::oracle_content::place::Place;
use crate::services::oracle_content::refusal::refusal;

impl OracleContent {
    pub(super) async fn download(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        let file = Place::of(&target.id)?;
        if target.size.is_some_and(|size| range.start >= size) {
            // The service answers 416 to any range of an empty file: there is nothing to ask for.
            return Ok(nothing(range.start, target.size));
        }
        let mut request = Request::get("download", path(&["files", &file.id, "data"])?).streamed();
        if let Some(version) = target.revision.as_ref().and_then(version_number) {
            request = request.query("version", version);
        }
        let asked = range.header(target.size).filter(|_| self.takes_ranges());
        if let Some(header) = &asked {
            request = request.header(RANGE, header)?;
        }
        let response = self.client.send_following(&request).await?;
        match response.status {
            StatusCode::PARTIAL_CONTENT => part(target, range, response),
            StatusCode::RANGE_NOT_SATISFIABLE if target.size.is_none() => Ok(nothing(range.start, None)),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(other_length(target)),
            StatusCode::NOT_FOUND => Err(self.not_there(&file, &response).await),
            status if status.is_success() => {
                if asked.is_some() {
                    self.abilities.note_range_ignored();
                }
                whole(target, response)
            }
            _ => Err(refusal(&response, &[])),
        }
    }

    pub(super) fn takes_ranges(&self) -> bool {
        self.api.has_ranges() && self.abilities.takes_ranges()
    }

    /// The file is gone, or only this version: an administrator may limit how many are kept.
    async fn not_there(&self, file: &Place, response: &Response) -> Error {
        match self.look_at(file).await {
            Ok(_) => Error::new(ErrorKind::Conflict, "the service does not keep this version of the file any more"),
            Err(error) if error.kind() == ErrorKind::NotFound => refusal(response, &[]),
            Err(error) => error,
        }
    }
}

fn nothing(start: u64, total: Option<u64>) -> Download {
    Download { start, total, stream: stream::empty::<Result<Bytes>>().boxed() }
}

fn part(target: &ReadTarget, range: ByteRange, response: Response) -> Result<Download> {
    let Some(brought) = response.content_range() else {
        return fail(ErrorKind::Protocol, "the service sends a part and does not say which");
    };
    if brought.start != range.start || range.end.is_some_and(|end| brought.end > end) {
        return fail(ErrorKind::Protocol, "the service sends another part than asked for");
    }
    if let (Some(total), Some(size)) = (brought.total, target.size)
        && total != size
    {
        return Err(other_length(target));
    }
    let stream = exactly(response.into_stream(), Some(brought.end - brought.start));
    Ok(Download { start: brought.start, total: brought.total.or(target.size), stream })
}

fn whole(target: &ReadTarget, response: Response) -> Result<Download> {
    let announced = response.content_length();
    if let (Some(announced), Some(size)) = (announced, target.size)
        && announced != size
    {
        return Err(other_length(target));
    }
    let total = target.size.or(announced);
    Ok(Download { start: 0, total, stream: exactly(response.into_stream(), total) })
}

/// A version's content never changes: another length is a fault, unless no version could be asked for.
fn other_length(target: &ReadTarget) -> Error {
    match target.revision.as_ref().and_then(version_number) {
        Some(_) => Error::new(ErrorKind::Protocol, "the content has another length than the service's list says"),
        None => Error::new(ErrorKind::Conflict, "the file changed on the service since it was listed"),
    }
}
