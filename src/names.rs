//! Service names to file names and back.
//!
//! A service allows any text as a name, twice if need be; a directory here wants unique names without `/` of at most
//! 255 bytes. The way back is by memory: whoever shows a name keeps the service's own beside it, and what a person
//! types goes to the service as typed.

mod assign;
pub mod derived;
mod glob;
pub mod local;

use std::ffi::OsStr;

use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, Result, fail};
pub(crate) use assign::numbered;
pub use assign::{Named, assign_names, form_prefix};
pub use derived::{conflict_name, is_backup_of, made_way_in_vain, revision_name};
pub use local::{LocalNames, document_of};

/// What Linux file systems allow; also what `statfs` tells.
pub const NAME_BYTES_MAX: usize = 255;
/// At the root of a mount: the directory of status, history and trash.
pub const HIDDEN_NAME: &str = ".collabfs";
/// A longer "extension" is part of the name.
const EXTENSION_BYTES_MAX: usize = 32;

/// A usable file name for any service name; the same for the same name, but perhaps the same for two names.
pub fn to_file_name(remote: &str) -> String {
    match remote {
        "" => return "unnamed".to_owned(),
        // Look-alikes of one and two dots.
        "." => return "\u{2024}".to_owned(),
        ".." => return "\u{2025}".to_owned(),
        _ => {}
    }
    let shown: String = remote.chars().map(shown_char).collect();
    match shown.len() <= NAME_BYTES_MAX {
        true => shown,
        // The hash of the whole name keeps long names with equal beginnings apart.
        false => with_tag(&shown, &format!("~{}", short_hash(remote))),
    }
}

fn shown_char(c: char) -> char {
    match c {
        '/' => '\u{2215}',
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}'),
        '\u{7f}' => '\u{2421}',
        // The rest of the control characters has no pictures.
        c if c.is_control() => '\u{fffd}',
        c => c,
    }
}

/// The name that the service gets for what a person typed.
/// Errors: `BadName` for what is no UTF-8, `NameTooLong` over 255 bytes.
pub fn from_file_name(name: &OsStr) -> Result<String> {
    let Some(text) = name.to_str() else {
        return fail(ErrorKind::BadName, format!("the name {name:?} is not UTF-8; services know only Unicode names"));
    };
    if text.len() > NAME_BYTES_MAX {
        return fail(ErrorKind::NameTooLong, format!("a name of {} bytes; at most {NAME_BYTES_MAX}", text.len()));
    }
    if matches!(text, "" | "." | "..") || text.contains(['/', '\0']) {
        return fail(ErrorKind::BadName, format!("{text:?} cannot be a name"));
    }
    Ok(text.to_owned())
}

/// Name and extension; the extension has its dot, and is empty for `.profile`, `Makefile` or `plan 1.2 (old)`.
pub fn split_extension(name: &str) -> (&str, &str) {
    let is_extension = |text: &str| text.len() <= EXTENSION_BYTES_MAX && !text.contains([' ', '(', ')']);
    match name.rfind('.') {
        Some(at) if at > 0 && is_extension(&name[at..]) => name.split_at(at),
        _ => (name, ""),
    }
}

/// Puts `tag` before the extension, and cuts the name so that all fits.
pub(crate) fn with_tag(name: &str, tag: &str) -> String {
    let (stem, extension) = split_extension(name);
    let room = NAME_BYTES_MAX.saturating_sub(tag.len() + extension.len());
    format!("{}{tag}{extension}", cut(stem, room))
}

/// The longest beginning of at most `bytes_max` bytes that ends between characters.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|&at| text.is_char_boundary(at));
    &text[..end.unwrap_or(0)]
}

fn short_hash(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn names_are_made_safe_and_readable() {
        for (remote, file) in [
            ("Plan 2/3.txt", "Plan 2\u{2215}3.txt"),
            ("a\nb\0", "a\u{240a}b\u{2400}"),
            ("del\u{7f}\u{85}", "del\u{2421}\u{fffd}"),
            ("", "unnamed"),
            (".", "\u{2024}"),
            ("..", "\u{2025}"),
            ("...", "..."),
            ("naïve 日本.txt", "naïve 日本.txt"),
        ] {
            assert_eq!(to_file_name(remote), file);
        }
    }

    #[test]
    fn long_names_keep_their_extension_and_stay_apart() {
        let long = "日".repeat(100);
        let (a, b) = (to_file_name(&format!("{long}1.docx")), to_file_name(&format!("{long}2.docx")));
        assert!(a.len() <= 255 && a.ends_with(".docx") && a.starts_with("日日"));
        assert_ne!(a, b);
    }

    #[test]
    fn typed_names_go_as_typed_or_not_at_all() {
        assert_eq!(from_file_name(OsStr::new("a\u{2215}b")).unwrap(), "a\u{2215}b");
        assert_eq!(from_file_name(OsStr::from_bytes(b"a\xff")).unwrap_err().kind(), ErrorKind::BadName);
        assert_eq!(from_file_name(OsStr::new(&"x".repeat(256))).unwrap_err().kind(), ErrorKind::NameTooLong);
        assert_eq!(from_file_name(OsStr::new("..")).unwrap_err().kind(), ErrorKind::BadName);
    }

    proptest! {
        #[test]
        fn any_name_becomes_a_valid_file_name(remote in "(?s).{0,300}") {
            let name = to_file_name(&remote);
            prop_assert!(from_file_name(OsStr::new(&name)).is_ok(), "{name:?}");
            prop_assert!(!name.chars().any(char::is_control));
            prop_assert!(numbered(&name, u64::MAX).starts_with(&form_prefix(&remote)));
            prop_assert_eq!(to_file_name(&name), name, "a file name is its own file name");
        }
    }
}
