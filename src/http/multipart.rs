//! `multipart/form-data` with a length known beforehand and its parts in exactly the order given (RFC 7578).

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rand::Rng;
use reqwest::header::HeaderValue;

use crate::error::{ErrorKind, Result, fail};
use crate::http::body::FileBody;

/// A form. Parts are sent in the order in which they were added.
#[derive(Clone)]
pub struct Multipart {
    boundary: String,
    parts: Vec<Part>,
}

#[derive(Clone)]
enum Part {
    /// Head, value and line end in one piece.
    Text(Bytes),
    File {
        head: Bytes,
        file: FileBody,
    },
}

/// The part that carries a file.
#[derive(Clone)]
pub struct FilePart<'a> {
    /// Name of the form field.
    pub field: &'a str,
    /// Sent as raw UTF-8 between quotes.
    pub file_name: &'a str,
    /// Added as `filename*` (RFC 5987): for servers that do not take raw UTF-8, and names that quotes cannot hold.
    pub extended_file_name: Option<&'a str>,
    pub content_type: &'a str,
    pub file: FileBody,
}

impl Multipart {
    pub fn new() -> Multipart {
        // 128 random bits: it does not occur in the content.
        Multipart { boundary: format!("collabfs-{:032x}", rand::rng().random::<u128>()), parts: Vec::new() }
    }

    /// Adds a text field. Errors: `Invalid` for a field name or type with a quote or line break.
    pub fn text(self, field: &str, value: &str) -> Result<Multipart> {
        self.add_text(field, "", value)
    }

    /// Adds a field of a type of its own, such as `application/json`.
    pub fn typed(self, field: &str, content_type: &str, value: &str) -> Result<Multipart> {
        check(content_type)?;
        self.add_text(field, &format!("Content-Type: {content_type}\r\n"), value)
    }

    fn add_text(mut self, field: &str, more_head: &str, value: &str) -> Result<Multipart> {
        check(field)?;
        let boundary = &self.boundary;
        let text =
            format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n{more_head}\r\n{value}\r\n");
        self.parts.push(Part::Text(text.into()));
        Ok(self)
    }

    /// Adds the file. Errors: `BadName` when the file's name has a quote or line break, whose form no server agrees on.
    pub fn file(mut self, part: FilePart<'_>) -> Result<Multipart> {
        check(part.field)?;
        check(part.content_type)?;
        if part.file_name.contains(['"', '\r', '\n', '\0']) {
            return fail(ErrorKind::BadName, format!("{:?} cannot be sent as a file name", part.file_name));
        }
        let (boundary, field, name) = (&self.boundary, part.field, part.file_name);
        let mut disposition = format!("form-data; name=\"{field}\"; filename=\"{name}\"");
        if let Some(name) = part.extended_file_name {
            disposition.push_str("; filename*=UTF-8''");
            disposition.extend(utf8_percent_encode(name, NON_ALPHANUMERIC));
        }
        let content_type = part.content_type;
        let head =
            format!("--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n");
        self.parts.push(Part::File { head: head.into(), file: part.file });
        Ok(self)
    }

    pub(super) fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/form-data; boundary={}", self.boundary);
        HeaderValue::try_from(text).expect("the boundary is plain ASCII")
    }

    fn end(&self) -> Bytes {
        format!("--{}--\r\n", self.boundary).into()
    }

    /// Bytes of the whole body.
    pub(super) fn len(&self) -> u64 {
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => text.len() as u64,
            Part::File { head, file } => head.len() as u64 + file.size_bytes + 2,
        });
        parts.sum::<u64>() + self.end().len() as u64
    }

    pub(super) fn stream(&self) -> BoxStream<'static, Result<Bytes>> {
        let one = |bytes: Bytes| stream::once(async { Ok(bytes) });
        let parts = self.parts.iter().map(|part| match part {
            Part::Text(text) => one(text.clone()).boxed(),
            Part::File { head, file } => {
                let line_end = one(Bytes::from_static(b"\r\n"));
                one(head.clone()).chain(file.stream()).chain(line_end).boxed()
            }
        });
        let parts: Vec<_> = parts.collect();
        stream::iter(parts).flatten().chain(one(self.end())).boxed()
    }
}

impl Default for Multipart {
    fn default() -> Self {
        Multipart::new()
    }
}

/// Field names and types come from a service's answers too (pre-signed forms).
fn check(text: &str) -> Result<()> {
    if text.contains(['"', '\r', '\n', '\0']) {
        return fail(ErrorKind::Invalid, format!("{text:?} cannot stand in the head of a form's part"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn parts_come_in_the_order_given_and_the_length_is_known() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        std::fs::write(&path, b"hello").unwrap();
        let file = FileBody { path, size_bytes: 5, sent_bytes: Default::default() };
        let form = Multipart::new().text("key", "abc/ä").unwrap();
        let form = form.typed("meta", "application/json", "{}").unwrap();
        let part = FilePart {
            field: "file",
            file_name: "Plän.txt",
            extended_file_name: Some("Plän.txt"),
            content_type: "text/plain",
            file,
        };
        let form = form.file(part).unwrap();
        let chunks: Vec<_> = form.stream().map(Result::unwrap).collect().await;
        let body = String::from_utf8(chunks.concat()).unwrap();
        let b = &form.boundary;
        let expected = format!(
            "--{b}\r\nContent-Disposition: form-data; name=\"key\"\r\n\r\nabc/ä\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"meta\"\r\nContent-Type: application/json\r\n\r\n{{}}\r\n\
             --{b}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"Plän.txt\"; \
             filename*=UTF-8''Pl%C3%A4n%2Etxt\r\nContent-Type: text/plain\r\n\r\nhello\r\n--{b}--\r\n"
        );
        assert_eq!(body, expected);
        assert_eq!(form.len(), body.len() as u64);
    }

    #[test]
    fn a_name_that_would_break_the_form_is_refused() {
        let file = FileBody { path: "/x".into(), size_bytes: 0, sent_bytes: Default::default() };
        let part =
            FilePart { field: "f", file_name: "a\"b", extended_file_name: None, content_type: "text/plain", file };
        assert_eq!(Multipart::new().file(part).err().unwrap().kind(), ErrorKind::BadName);
        assert_eq!(Multipart::new().text("a\r\nb", "").err().unwrap().kind(), ErrorKind::Invalid);
    }
}
