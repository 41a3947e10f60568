//! The `Content-Disposition` of an upload: `attachment` with a file name (FileUpload page), read as RFC 6266 says.

use percent_encoding::percent_decode_str;

use crate::error::{ErrorKind, Result, fail};

/// The longest name taken, in characters.
const NAME_CHARS_MAX: usize = 255;

/// The file name as it stands there. Errors: `Invalid`.
pub fn file_name(header: &[u8]) -> Result<String> {
    let Ok(text) = std::str::from_utf8(header) else {
        return fail(ErrorKind::Invalid, "Content-Disposition is not ASCII");
    };
    if !text.is_ascii() {
        return fail(ErrorKind::Invalid, "Content-Disposition is not ASCII");
    }
    let (kind, rest) = text.split_once(';').unwrap_or((text, ""));
    if !kind.trim().eq_ignore_ascii_case("attachment") {
        return fail(ErrorKind::Invalid, "Content-Disposition must be attachment");
    }
    let parameters = parameters(rest)?;
    let find = |wanted: &str| parameters.iter().find(|(name, _)| name == wanted).map(|(_, value)| value.as_str());
    match (find("filename*"), find("filename")) {
        (Some(extended), _) => decode_extended(extended),
        (None, Some(plain)) => Ok(plain.to_owned()),
        (None, None) => fail(ErrorKind::Invalid, "Content-Disposition has no filename"),
    }
}

/// Refuses what the service cannot hold.
pub fn check_name(name: &str) -> Result<()> {
    let length = name.chars().count();
    if length == 0 || length > NAME_CHARS_MAX {
        return fail(ErrorKind::BadName, "a name has 1 to 255 characters");
    }
    if name.contains(|c: char| c == '/' || c == '\\' || c.is_control()) {
        return fail(ErrorKind::BadName, "a name holds no slash, backslash or control character");
    }
    Ok(())
}

/// `name=token` or `name="quoted string"`, separated by semicolons.
fn parameters(mut text: &str) -> Result<Vec<(String, String)>> {
    let mut found = Vec::new();
    loop {
        text = text.trim_start_matches([' ', '\t', ';']);
        if text.is_empty() {
            return Ok(found);
        }
        let Some((name, rest)) = text.split_once('=') else {
            return fail(ErrorKind::Invalid, "Content-Disposition: parameter without value");
        };
        let (value, rest) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_string(quoted)?,
            None => token(rest)?,
        };
        found.push((name.trim().to_ascii_lowercase(), value));
        text = rest;
    }
}

fn quoted_string(text: &str) -> Result<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => value.push(c),
        }
    }
    fail(ErrorKind::Invalid, "Content-Disposition: quotes do not end")
}

fn token(text: &str) -> Result<(String, &str)> {
    let end = text.find(';').unwrap_or(text.len());
    let value = text[..end].trim();
    let is_token = |c: char| c.is_ascii_graphic() && !"()<>@,;:\\\"/[]?={}".contains(c);
    if value.is_empty() || !value.chars().all(is_token) {
        return fail(ErrorKind::Invalid, "Content-Disposition: value needs quotes");
    }
    Ok((value.to_owned(), &text[end..]))
}

/// `UTF-8''percent-encoded` of RFC 8187.
fn decode_extended(text: &str) -> Result<String> {
    let mut parts = text.splitn(3, '\'');
    let (Some(charset), Some(_language), Some(encoded)) = (parts.next(), parts.next(), parts.next()) else {
        return fail(ErrorKind::Invalid, "Content-Disposition: filename* needs a character set");
    };
    if !charset.eq_ignore_ascii_case("utf-8") {
        return fail(ErrorKind::Invalid, "Content-Disposition: filename* must be UTF-8");
    }
    match percent_decode_str(encoded).decode_utf8() {
        Ok(name) => Ok(name.into_owned()),
        Err(_) => fail(ErrorKind::Invalid, "Content-Disposition: filename* is not UTF-8"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_every_form_of_rfc_6266() {
        let cases = [
            ("attachment; filename=mydoc.txt", "mydoc.txt"),
            ("Attachment;FILENAME=a", "a"),
            (r#"attachment; filename="two words; \"q\".txt""#, r#"two words; "q".txt"#),
            ("attachment; filename=\"x\"; filename*=UTF-8''%C3%A4%20%E2%82%AC.txt", "ä €.txt"),
        ];
        for (header, name) in cases {
            assert_eq!(file_name(header.as_bytes()).unwrap(), name);
        }
    }

    #[test]
    fn what_is_no_attachment_with_a_name_is_refused() {
        let cases = [
            "inline; filename=a",
            "attachment",
            "attachment; filename=",
            "attachment; filename=two words",
            "attachment; filename=\"open",
            "attachment; filename*=latin1''a",
            "attachment; filename=ä",
        ];
        for header in cases {
            assert!(file_name(header.as_bytes()).is_err(), "{header}");
        }
    }

    #[test]
    fn names_that_the_service_cannot_hold_are_refused() {
        for name in ["", "a/b", "a\\b", "a\nb", &"x".repeat(256)] {
            assert!(check_name(name).is_err(), "{name:?}");
        }
        assert!(check_name(&"ä".repeat(255)).is_ok());
    }
}
