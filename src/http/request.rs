//! What is to be asked.

use reqwest::Method;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use serde::Serialize;

use crate::error::{Error, ErrorKind, Result};
use crate::http::body::{Body, FileBody};
use crate::http::multipart::Multipart;
use crate::http::response::Response;

/// Most bytes of an answer that is read into memory: a page of entries has some kilobytes, and a service that
/// answers whole lists of some 100,000 entries still fits.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Whether a request may be sent again when nobody knows what became of the first one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repeat {
    /// A second time does no harm.
    Safe,
    /// Only when the first one certainly had no effect.
    Once,
}

/// How the body of the answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answer {
    /// In memory, at most so many bytes. Reading it belongs to the try, so that a broken answer is asked for again.
    Whole { bytes_max: usize },
    /// As a stream. A failure's body is read whole all the same.
    Streamed,
}

/// A request before it is sent; sending does not use it up, so that it can be repeated.
#[derive(Clone)]
pub struct Request {
    /// Names the call in metrics, logs and fault injection: `list-files`, not an address.
    pub(super) kind: &'static str,
    pub(super) method: Method,
    /// A path under the base address, or a whole address.
    pub(super) target: String,
    pub(super) query: Vec<(String, String)>,
    pub(super) headers: HeaderMap,
    pub(super) body: Body,
    pub(super) repeat: Repeat,
    pub(super) is_final: fn(&Response) -> bool,
    pub(super) authorize: bool,
    pub(super) answer: Answer,
}

impl Request {
    /// A request that may be repeated if its method only reads. `target` is a path below the base address
    /// (see [`super::path`]) or a whole address.
    pub fn new(kind: &'static str, method: Method, target: impl Into<String>) -> Request {
        let repeat = if method.is_safe() { Repeat::Safe } else { Repeat::Once };
        Request {
            kind,
            method,
            target: target.into(),
            query: Vec::new(),
            headers: HeaderMap::new(),
            body: Body::Empty,
            repeat,
            is_final: |_| false,
            authorize: true,
            answer: Answer::Whole { bytes_max: ANSWER_BYTES_MAX },
        }
    }

    pub fn get(kind: &'static str, target: impl Into<String>) -> Request {
        Request::new(kind, Method::GET, target)
    }

    pub fn post(kind: &'static str, target: impl Into<String>) -> Request {
        Request::new(kind, Method::POST, target)
    }

    pub fn put(kind: &'static str, target: impl Into<String>) -> Request {
        Request::new(kind, Method::PUT, target)
    }

    pub fn patch(kind: &'static str, target: impl Into<String>) -> Request {
        Request::new(kind, Method::PATCH, target)
    }

    pub fn delete(kind: &'static str, target: impl Into<String>) -> Request {
        Request::new(kind, Method::DELETE, target)
    }

    /// Adds a query parameter; it is escaped here.
    pub fn query(mut self, name: &str, value: impl ToString) -> Request {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Sets a header. Errors: `Invalid` when the value has characters that no header may have.
    pub fn header(mut self, name: HeaderName, value: &str) -> Result<Request> {
        let value = HeaderValue::from_str(value)
            .map_err(|_| Error::new(ErrorKind::Invalid, format!("this text cannot stand in the header {name}")))?;
        self.headers.insert(name, value);
        Ok(self)
    }

    pub fn json(self, value: &impl Serialize) -> Request {
        // Serialising plain data types cannot fail: no map with keys other than texts is sent anywhere.
        let text = serde_json::to_vec(value).expect("plain data serialises");
        self.bytes(text, HeaderValue::from_static("application/json"))
    }

    pub fn form(self, fields: &[(&str, &str)]) -> Request {
        let mut text = reqwest::Url::parse("form:").expect("a constant");
        text.query_pairs_mut().extend_pairs(fields);
        let text = text.query().unwrap_or_default().to_owned();
        self.bytes(text.into_bytes(), HeaderValue::from_static("application/x-www-form-urlencoded"))
    }

    pub fn bytes(mut self, bytes: Vec<u8>, content_type: HeaderValue) -> Request {
        self.body = Body::Bytes(bytes.into());
        self.headers.insert(CONTENT_TYPE, content_type);
        self
    }

    /// The file's bytes are the body; its type goes into a header of its own ([`Request::header`]).
    pub fn file(mut self, file: FileBody) -> Request {
        self.body = Body::File(file);
        self
    }

    pub fn multipart(mut self, form: Multipart) -> Request {
        self.headers.insert(CONTENT_TYPE, form.content_type());
        self.body = Body::Multipart(form);
        self
    }

    /// Says that a second time does no harm although the method may change something.
    pub fn repeatable(mut self) -> Request {
        self.repeat = Repeat::Safe;
        self
    }

    /// Tells failures that repeating does not help from those whose status says that it might.
    pub fn final_if(mut self, is_final: fn(&Response) -> bool) -> Request {
        self.is_final = is_final;
        self
    }

    /// No credentials with this one.
    pub fn anonymous(mut self) -> Request {
        self.authorize = false;
        self
    }

    /// The answer is a stream of bytes: a download. It has no deadline as a whole, only one between two pieces.
    pub fn streamed(mut self) -> Request {
        self.answer = Answer::Streamed;
        self
    }

    pub fn answer_bytes_max(mut self, bytes_max: usize) -> Request {
        self.answer = Answer::Whole { bytes_max };
        self
    }

    pub fn kind(&self) -> &'static str {
        self.kind
    }

    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Whether the request can change something on the service.
    pub(super) fn changes(&self) -> bool {
        !self.method.is_safe()
    }

    /// Whether a file goes up.
    pub(super) fn is_upload(&self) -> bool {
        self.body.is_file()
    }

    /// Whether bytes of any number go up or come down: then only standing still is limited, not the time in all.
    pub(super) fn is_transfer(&self) -> bool {
        self.answer == Answer::Streamed || self.is_upload()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reading_is_repeated_unless_said_otherwise() {
        assert_eq!(Request::get("a", "/").repeat, Repeat::Safe);
        assert_eq!(Request::put("a", "/").repeat, Repeat::Once);
        assert_eq!(Request::post("a", "/").repeatable().repeat, Repeat::Safe);
    }

    #[test]
    fn forms_are_escaped() {
        let request = Request::post("a", "/").form(&[("grant_type", "urn:x y"), ("b", "1&2")]);
        let Body::Bytes(bytes) = request.body else { panic!("no bytes") };
        assert_eq!(&bytes[..], b"grant_type=urn%3Ax+y&b=1%262");
    }

    #[test]
    fn a_header_cannot_be_split() {
        let result = Request::get("a", "/").header(reqwest::header::ACCEPT, "x\r\nEvil: y");
        assert_eq!(result.err().unwrap().kind(), ErrorKind::Invalid);
    }
}
