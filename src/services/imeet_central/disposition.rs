//! The headers that go with a file's bytes (FileUpload page): its name and its type.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What RFC 5987 lets stand unescaped (`attr-char`).
const ATTR_CHAR: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'!')
    .remove(b'#')
    .remove(b'$')
    .remove(b'&')
    .remove(b'+')
    .remove(b'-')
    .remove(b'.')
    .remove(b'^')
    .remove(b'_')
    .remove(b'`')
    .remove(b'|')
    .remove(b'~');

/// `Content-Disposition` with the name in the plainest form that can carry it (RFC 6266): a bare token as the page
/// shows it, else a quoted text, and for more than ASCII the extended form beside a fallback.
pub fn content_disposition(name: &str) -> String {
    if !name.is_empty() && name.bytes().all(is_token) {
        return format!("attachment; filename={name}");
    }
    let fallback: String = name.chars().map(|c| if c.is_ascii() && !c.is_ascii_control() { c } else { '_' }).collect();
    let quoted = fallback.replace('\\', "\\\\").replace('"', "\\\"");
    if name.is_ascii() {
        return format!("attachment; filename=\"{quoted}\"");
    }
    format!("attachment; filename=\"{quoted}\"; filename*=UTF-8''{}", utf8_percent_encode(name, ATTR_CHAR))
}

/// The media type that a name suggests; without one the service would take everything for plain text.
pub fn content_type(name: &str) -> String {
    mime_guess::from_path(name).first_or_octet_stream().to_string()
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_takes_the_plainest_form_that_carries_it() {
        for (name, header) in [
            ("report.txt", "attachment; filename=report.txt"),
            ("my plan.txt", "attachment; filename=\"my plan.txt\""),
            ("a\"b\\c", "attachment; filename=\"a\\\"b\\\\c\""),
            ("Plän 1.txt", "attachment; filename=\"Pl_n 1.txt\"; filename*=UTF-8''Pl%C3%A4n%201.txt"),
            ("a;b=c", "attachment; filename=\"a;b=c\""),
        ] {
            assert_eq!(content_disposition(name), header);
        }
    }

    #[test]
    fn the_type_comes_from_the_extension() {
        assert_eq!(content_type("a.PDF"), "application/pdf");
        assert_eq!(content_type("a.unheard-of"), "application/octet-stream");
        assert_eq!(content_type("Makefile"), "application/octet-stream");
    }
}
