//! What becomes of an attachment's name.

use super::answer::Refusal;

/// Names and descriptions of attachments, in characters.
const TEXT_CHARS_MAX: usize = 255;
/// Names of versions, in characters.
const VERSION_NAME_CHARS_MAX: usize = 60;

/// The name that is stored: what follows the last slash or backslash, with one `_` for each run of certain characters.
pub fn stored(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let mut stored = String::with_capacity(last.len());
    let mut in_run = false;
    for c in last.chars() {
        let replaced = "?%*:|\"'<>\n\r".contains(c);
        match (replaced, in_run) {
            (true, true) => {}
            (true, false) => stored.push('_'),
            (false, _) => stored.push(c),
        }
        in_run = replaced;
    }
    stored
}

pub fn check_file_name(name: &str) -> Result<(), Refusal> {
    match name.chars().count() {
        0 => Err(Refusal::Invalid("File cannot be blank")),
        1..=TEXT_CHARS_MAX => Ok(()),
        _ => Err(Refusal::Invalid("File is too long (maximum is 255 characters)")),
    }
}

pub fn check_description(text: &str) -> Result<(), Refusal> {
    match text.chars().count() > TEXT_CHARS_MAX {
        true => Err(Refusal::Invalid("Description is too long (maximum is 255 characters)")),
        false => Ok(()),
    }
}

pub fn check_subject(subject: &str) -> Result<(), Refusal> {
    match subject.chars().count() {
        0 => Err(Refusal::Invalid("Subject cannot be blank")),
        1..=TEXT_CHARS_MAX => Ok(()),
        _ => Err(Refusal::Invalid("Subject is too long (maximum is 255 characters)")),
    }
}

pub fn check_version_name(name: &str) -> Result<(), Refusal> {
    match name.chars().count() {
        0 => Err(Refusal::Invalid("Name cannot be blank")),
        1..=VERSION_NAME_CHARS_MAX => Ok(()),
        _ => Err(Refusal::Invalid("Name is too long (maximum is 60 characters)")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_rewritten_as_the_service_does() {
        for (sent, kept) in [
            ("it's.txt", "it_s.txt"),
            ("???x", "_x"),
            ("a/b.txt", "b.txt"),
            ("a\\b.txt", "b.txt"),
            (" .hidden & \u{ff07}", " .hidden & \u{ff07}"),
        ] {
            assert_eq!(stored(sent), kept);
        }
    }
}
