//! Reading content (attachments page): the download address redirects to a signed one at a storage host, which sees
//! no credentials of ours and understands ranges.

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::RANGE;
use crate::http::{Request, Response, StatusCode, Url, exactly, redirect_target};
use crate::provider::{ByteRange, Download, ReadTarget};
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::looking::gone;
use crate::services::basecamp::place::Place;

/// Both addresses may be out of date: the signed one expires, the other one changes with the name.
const TRIES: usize = 3;

impl Basecamp {
    pub(super) async fn download(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        let place = Place::of(&target.id)?;
        if target.old || !matches!(place, Place::File { .. } | Place::Attachment { .. }) {
            return fail(ErrorKind::Unsupported, "only the content of files can be read, and only the current one");
        }
        for attempt in 1..=TRIES {
            let response = self.content(place, target, range).await?;
            let out_of_date = matches!(
                response.status,
                StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::GONE | StatusCode::BAD_REQUEST
            );
            if !out_of_date || attempt == TRIES {
                return self.brought(target, range, response);
            }
            if self.session.forget_signed(place) {
                continue;
            }
            self.session.forget_file(place);
            // Says so, if the file is gone; and notes its address.
            self.look_at(place).await?;
        }
        Err(gone(place))
    }

    /// The answer that brings content, or says why not. A known signed address saves the first of two requests.
    async fn content(&self, place: Place, target: &ReadTarget, range: ByteRange) -> Result<Response> {
        if let Some(signed) = self.session.signed(place) {
            return self.stored(&signed, target, range).await;
        }
        let Some(url) = self.facts(place).await?.url else {
            return fail(ErrorKind::Unsupported, "a linked document has no content on this service");
        };
        // No range here: only what storage hosts do is known of ranges.
        let response = self.client.send(&Request::get("download", self.download_url(&url)?).streamed()).await?;
        let Some(signed) = redirect_target(&response)? else {
            return Ok(response);
        };
        self.session.note_signed(place, signed.clone());
        self.stored(&signed, target, range).await
    }

    async fn stored(&self, signed: &Url, target: &ReadTarget, range: ByteRange) -> Result<Response> {
        let mut request = Request::get("download", signed.as_str()).streamed();
        if let Some(header) = range.header(target.size).filter(|_| self.ranges_taken()) {
            request = request.header(RANGE, &header)?;
        }
        self.client.send_following(&request).await
    }

    /// An address from an answer must be as safe as the API's own.
    fn download_url(&self, url: &str) -> Result<Url> {
        match self.client.base().join(url) {
            Ok(url) if url.scheme() == self.client.base().scheme() => Ok(url),
            _ => fail(ErrorKind::Protocol, "the service names a download address that must not be asked"),
        }
    }

    fn brought(&self, target: &ReadTarget, range: ByteRange, response: Response) -> Result<Download> {
        match response.status {
            StatusCode::PARTIAL_CONTENT => part(target, range, response),
            StatusCode::RANGE_NOT_SATISFIABLE => Err(other_length()),
            status if status.is_success() => {
                if range.header(target.size).is_some() {
                    self.note_ranges_ignored();
                }
                whole(target, response)
            }
            _ => Err(response.error(assumed::READING)),
        }
    }
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
        return Err(other_length());
    }
    let stream = exactly(response.into_stream(), Some(brought.end - brought.start));
    Ok(Download { start: brought.start, total: brought.total.or(target.size), stream })
}

fn whole(target: &ReadTarget, response: Response) -> Result<Download> {
    let announced = response.content_length();
    if let (Some(announced), Some(size)) = (announced, target.size)
        && announced != size
    {
        return Err(other_length());
    }
    let total = announced.or(target.size);
    Ok(Download { start: 0, total, stream: exactly(response.into_stream(), total) })
}

/// The bytes of a file never change here, so that this is no newer content.
fn other_length() -> Error {
    Error::new(ErrorKind::Protocol, "the content has another length than the service says")
}
