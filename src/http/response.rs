//! What was answered.

use std::sync::Mutex;

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderMap, HeaderName};
use reqwest::{StatusCode, Url};
use serde::de::DeserializeOwned;

use crate::error::{Error, ErrorKind, Result};
use crate::http::status::{StatusTable, certainly_not_done, status_error};

/// Characters of a failure's body that go into its message: enough for a sentence.
const EXCERPT_CHARS_MAX: usize = 200;

/// An answer of any status; [`Response::checked`] turns failures into errors.
pub struct Response {
    pub status: StatusCode,
    pub headers: HeaderMap,
    /// The address that answered, after redirects.
    pub url: Url,
    pub(super) body: ResponseBody,
    /// The request could change something: an unclear failure must be told as such.
    pub(super) changes: bool,
    /// Credentials that were sent: they must not come back in a message.
    pub(super) masks: Vec<String>,
}

pub(super) enum ResponseBody {
    Whole(Bytes),
    /// In a lock for one reason: so that an answer may be looked at by reference from a task that waits.
    Stream(Mutex<BoxStream<'static, Result<Bytes>>>),
}

impl ResponseBody {
    pub(super) fn stream(pieces: BoxStream<'static, Result<Bytes>>) -> ResponseBody {
        ResponseBody::Stream(Mutex::new(pieces))
    }
}

/// `Content-Range: bytes START-END/TOTAL`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    pub total: Option<u64>,
}

impl Response {
    /// The answer if it is a success (2xx), else the error its status means.
    pub fn checked(self) -> Result<Response> {
        self.checked_by(&[])
    }

    /// As [`Response::checked`], with the service's own readings of some statuses.
    pub fn checked_by(self, table: StatusTable) -> Result<Response> {
        if self.status.is_success() { Ok(self) } else { Err(self.error(table)) }
    }

    /// Refuses a web page as the success of a change: a sign-in page or a portal in between says 200 too, and did
    /// nothing of what was asked. Errors: `Protocol`, unclear.
    pub(super) fn no_page_for_a_change(self) -> Result<Response> {
        if !(self.changes && self.status.is_success() && self.is_page()) {
            return Ok(self);
        }
        let text = "the service answered with a web page, perhaps to sign in, and may have done nothing";
        Err(Error::new(ErrorKind::Protocol, text).unclear())
    }

    /// Some servers call everything a page by default: its first character decides too.
    fn is_page(&self) -> bool {
        let kind = self.header(reqwest::header::CONTENT_TYPE).unwrap_or_default();
        let says_so = kind.trim_start().to_ascii_lowercase().starts_with("text/html");
        says_so && self.bytes().trim_ascii_start().first() == Some(&b'<')
    }

    /// The error that this answer means, whatever its status.
    pub fn error(&self, table: StatusTable) -> Error {
        let error = status_error(self.status, &self.headers, table, &self.excerpt());
        if self.changes && !certainly_not_done(self.status, &self.headers) { error.unclear() } else { error }
    }

    /// The body as JSON. Errors: `Protocol` when it is none, or not of this shape (or nested without end); unclear for a
    /// change, which may have been made all the same.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(self.bytes()).map_err(|error| {
            self.unreadable(format!("the service's answer cannot be understood: {error}: {:?}", self.excerpt()))
        })
    }

    /// The error that a success is whose body does not say what it must: `Protocol`, and unclear for a change.
    pub fn unreadable(&self, why: impl Into<String>) -> Error {
        let error = Error::new(ErrorKind::Protocol, why);
        if self.changes { error.unclear() } else { error }
    }

    /// The body as text; what is no UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(self.bytes()).into_owned()
    }

    /// The body in memory; empty for a stream.
    pub fn bytes(&self) -> &[u8] {
        match &self.body {
            ResponseBody::Whole(bytes) => bytes,
            ResponseBody::Stream(_) => &[],
        }
    }

    /// The body as a stream. Ends with an error when the connection broke before its end.
    pub fn into_stream(self) -> BoxStream<'static, Result<Bytes>> {
        match self.body {
            ResponseBody::Stream(stream) => stream.into_inner().unwrap_or_else(|e| e.into_inner()),
            ResponseBody::Whole(bytes) => stream::once(async { Ok(bytes) }).boxed(),
        }
    }

    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub fn content_length(&self) -> Option<u64> {
        self.header(CONTENT_LENGTH)?.parse().ok()
    }

    /// The range that a 206 brings; `None` when it does not say, or says nonsense.
    pub fn content_range(&self) -> Option<ContentRange> {
        let (range, total) = self.header(CONTENT_RANGE)?.strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (start, last): (u64, u64) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        let total = total.trim().parse().ok();
        (start <= last).then_some(ContentRange { start, end: last.checked_add(1)?, total })
    }

    /// The beginning of the body as one line for a message, credentials masked. Markup says nothing to a person.
    pub fn excerpt(&self) -> String {
        let text = self.text();
        if text.trim_start().starts_with('<') {
            return String::new();
        }
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let mut line = words.collect::<Vec<_>>().join(" ");
        for mask in self.masks.iter().filter(|mask| !mask.is_empty()) {
            line = line.replace(mask.as_str(), "***");
        }
        let line = line.trim();
        match line.char_indices().nth(EXCERPT_CHARS_MAX) {
            Some((end, _)) => format!("{}...", &line[..end]),
            None => line.to_owned(),
        }
    }

    /// Passes each piece of the body through `look`, now or when it comes; `look` is dropped with the body.
    pub(super) fn watch_body(&mut self, mut look: impl FnMut(&Bytes) + Send + 'static) {
        match std::mem::replace(&mut self.body, ResponseBody::Whole(Bytes::new())) {
            ResponseBody::Whole(bytes) => {
                look(&bytes);
                self.body = ResponseBody::Whole(bytes);
            }
            ResponseBody::Stream(stream) => {
                let stream = stream.into_inner().unwrap_or_else(|e| e.into_inner());
                self.body = ResponseBody::stream(stream.map(move |chunk| chunk.inspect(&mut look)).boxed());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, body: &str) -> Response {
        Response {
            status: StatusCode::from_u16(status).unwrap(),
            headers: HeaderMap::new(),
            url: Url::parse("https://x.example/").unwrap(),
            body: ResponseBody::Whole(Bytes::copy_from_slice(body.as_bytes())),
            changes: true,
            masks: vec!["s3cret".into()],
        }
    }

    #[test]
    fn an_answer_to_a_change_that_cannot_be_read_says_nothing_about_the_change() {
        let of = |changes| Response { changes, ..response(200, "{\"id\": 4") }.json::<serde_json::Value>().unwrap_err();
        assert_eq!((of(true).kind(), of(true).is_unclear()), (ErrorKind::Protocol, true));
        assert!(!of(false).is_unclear());
    }

    #[test]
    fn a_failure_of_the_service_after_a_change_is_unclear_and_a_refusal_is_not() {
        assert!(response(500, "").checked().err().unwrap().is_unclear());
        assert!(response(504, "").checked().err().unwrap().is_unclear());
        assert!(!response(409, "").checked().err().unwrap().is_unclear());
        assert!(!response(501, "").checked().err().unwrap().is_unclear());
    }

    #[test]
    fn a_message_shows_one_line_without_credentials_or_markup() {
        assert_eq!(response(400, "bad\r\n token s3cret\x1b[31m").excerpt(), "bad token *** [31m");
        assert_eq!(response(502, "\n<html>proxy</html>").excerpt(), "");
        assert_eq!(response(400, &"ä".repeat(300)).excerpt().chars().count(), 203);
    }

    #[test]
    fn json_that_is_none_or_nests_without_end_is_an_error() {
        assert_eq!(response(200, "<html>").json::<serde_json::Value>().unwrap_err().kind(), ErrorKind::Protocol);
        let deep = "[".repeat(100_000);
        assert_eq!(response(200, &deep).json::<serde_json::Value>().unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn a_content_range_is_read_and_nonsense_is_not() {
        let with = |text: &str| {
            let mut response = response(206, "");
            response.headers.insert(CONTENT_RANGE, text.parse().unwrap());
            response.content_range()
        };
        assert_eq!(with("bytes 5-9/20"), Some(ContentRange { start: 5, end: 10, total: Some(20) }));
        assert_eq!(with("bytes 5-9/*"), Some(ContentRange { start: 5, end: 10, total: None }));
        for nonsense in ["bytes 9-5/20", "bytes x", "5-9/20", "bytes 0-18446744073709551615/*"] {
            assert_eq!(with(nonsense), None, "{nonsense}");
        }
    }
}
