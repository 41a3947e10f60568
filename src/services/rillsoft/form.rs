//! The form of an upload (both upload pages): `file` with its name and an allowed type, and `name`.

use std::sync::Arc;

use crate::error::Result;
use crate::http::{FileBody, FilePart, Multipart};
use crate::provider::Content;
use crate::services::rillsoft::assumptions as assumed;

/// `file` and `name` always go together: without `name` the document would take the part's file name.
pub fn upload_form(name: &str, content: &Content) -> Result<Multipart> {
    let file = FileBody {
        path: content.path.clone(),
        size_bytes: content.size,
        sent_bytes: Arc::clone(content.sent_counter()),
    };
    let (file_name, content_type) = (part_file_name(name), content_type(name));
    let part = FilePart {
        field: "file",
        file_name: &file_name,
        extended_file_name: Some(name),
        content_type: &content_type,
        file,
    };
    Multipart::new().file(part)?.text("name", name)
}

/// The name as quotes can hold it. Where that is not the name itself, `filename*` and the field `name` still have it.
fn part_file_name(name: &str) -> String {
    name.chars().map(|c| if c == '"' || c.is_control() { '_' } else { c }).collect()
}

/// The type that the name suggests, if the service takes it.
fn content_type(name: &str) -> String {
    let guessed = mime_guess::from_path(name).first_or_octet_stream().essence_str().to_ascii_lowercase();
    match assumed::TYPES_ALLOWED.iter().any(|allowed| guessed.starts_with(allowed)) {
        true => guessed,
        false => assumed::TYPE_OTHERWISE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_that_the_service_does_not_take_is_not_named() {
        for (name, kind) in [
            ("a.pdf", "application/pdf"),
            ("a.PNG", "image/png"),
            ("a.txt", "text/plain"),
            ("a.mp4", "video/mp4"),
            ("a.mp3", "application/octet-stream"),
            ("a.woff2", "application/octet-stream"),
            ("a.eml", "application/octet-stream"),
            ("Makefile", "application/octet-stream"),
        ] {
            assert_eq!(content_type(name), kind, "{name}");
        }
    }

    #[test]
    fn a_name_that_no_header_can_carry_is_replaced_there() {
        assert_eq!(
            (part_file_name("a \"b\"\n.txt"), part_file_name("Größe.txt")),
            ("a _b__.txt".into(), "Größe.txt".into())
        );
    }
}
