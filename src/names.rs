//! Service names to file names and back.
//!
//! A service allows any text as a name, twice if need be; a directory here wants unique names without `/` of at most
//! 255 bytes. The way back is by memory: whoever shows a name keeps the service's own beside it, and what a person
//! types goes to the service as typed.

pub mod derived;
mod glob;
pub mod local;

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::time::SystemTime;

use sha2::{Digest, Sha256};

use crate::error::{ErrorKind, Result, fail};
use crate::ids::RemoteId;
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

/// One child of a directory that needs a file name.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    pub id: &'a RemoteId,
    /// The name as the service has it.
    pub remote: &'a str,
    pub created: Option<SystemTime>,
    /// The file name it had here last; kept as long as it fits the service's name.
    pub previous: Option<&'a str>,
}

/// Unique file names for the children of one directory, in the order given.
///
/// Who has a name keeps it. Among new claimants of one name the oldest (then the smallest id) gets it, the others
/// become `name~2.ext`, `name~3.ext`... None gets a name from `reserved`.
pub fn assign_names(children: &[Named], reserved: &HashSet<String>) -> Vec<String> {
    let mut assignment = Assignment { taken: reserved.clone(), next_number: HashMap::new() };
    let mut names: Vec<Option<String>> = vec![None; children.len()];
    let mut by_age: Vec<usize> = (0..children.len()).collect();
    by_age.sort_by_key(|&i| (children[i].created.is_none(), children[i].created, children[i].id));
    let plain: Vec<String> = children.iter().map(|child| to_file_name(child.remote)).collect();
    for &i in &by_age {
        let kept = children[i].previous.filter(|previous| is_form_of(previous, &plain[i]));
        names[i] = kept.and_then(|previous| assignment.take(previous.to_owned()));
    }
    // Plain names before numbers, so that a file really called `name~2.ext` is not driven from its name.
    for &i in &by_age {
        if names[i].is_none() {
            names[i] = assignment.take(plain[i].clone());
        }
    }
    for &i in &by_age {
        if names[i].is_none() {
            names[i] = Some(assignment.numbered(&plain[i]));
        }
    }
    names.into_iter().zip(plain).map(|(name, plain)| name.unwrap_or(plain)).collect()
}

struct Assignment {
    taken: HashSet<String>,
    /// Where to go on counting, so that a thousand equal names are not a million attempts.
    next_number: HashMap<String, u64>,
}

impl Assignment {
    fn take(&mut self, name: String) -> Option<String> {
        self.taken.insert(name.clone()).then_some(name)
    }

    fn numbered(&mut self, plain: &str) -> String {
        let mut number = self.next_number.get(plain).copied().unwrap_or(2);
        loop {
            let name = numbered(plain, number);
            number += 1;
            if self.taken.insert(name.clone()) {
                self.next_number.insert(plain.to_owned(), number);
                return name;
            }
        }
    }
}

/// `name~2.ext` for `name.ext`, cut to what a file name may have.
pub(crate) fn numbered(plain: &str, number: u64) -> String {
    with_tag(plain, &format!("~{number}"))
}

/// What every file name that can stand for this name of the service begins with.
pub fn form_prefix(remote: &str) -> String {
    // What is before a number of any length.
    const NUMBER_BYTES_MAX: usize = 24;
    let plain = to_file_name(remote);
    let (stem, extension) = split_extension(&plain);
    cut(stem, NAME_BYTES_MAX - NUMBER_BYTES_MAX - extension.len()).to_owned()
}

/// Whether `name` is `plain` or one of its numbered forms.
fn is_form_of(name: &str, plain: &str) -> bool {
    let number = || split_extension(name).0.rsplit_once('~').and_then(|(_, digits)| digits.parse::<u64>().ok());
    name == plain || number().is_some_and(|n| n >= 2 && numbered(plain, n) == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::ffi::OsStrExt;
    use std::time::{Duration, UNIX_EPOCH};

    fn assigned(children: &[(&str, &str, u64, Option<&str>)]) -> Vec<String> {
        let ids: Vec<RemoteId> = children.iter().map(|c| RemoteId::new("f", c.0)).collect();
        let named: Vec<Named> = (children.iter().zip(&ids))
            .map(|((_, remote, age, previous), id)| Named {
                id,
                remote,
                created: Some(UNIX_EPOCH + Duration::from_secs(*age)),
                previous: *previous,
            })
            .collect();
        assign_names(&named, &HashSet::from([".collabfs".to_owned()]))
    }

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
    fn the_oldest_gets_the_name_and_the_others_numbers() {
        let names = assigned(&[("9", "a.txt", 30, None), ("1", "a.txt", 20, None), ("2", "a.txt", 10, None)]);
        assert_eq!(names, ["a~3.txt", "a~2.txt", "a.txt"]);
    }

    #[test]
    fn who_has_a_name_keeps_it_unless_it_was_renamed_on_the_service() {
        let names = assigned(&[("1", "a.txt", 1, None), ("2", "a.txt", 9, Some("a.txt")), ("3", "b", 5, Some("a"))]);
        assert_eq!(names, ["a~2.txt", "a.txt", "b"]);
        assert_eq!(assigned(&[("2", "a.txt", 9, Some("a~2.txt"))]), ["a~2.txt"], "no name moves without need");
    }

    #[test]
    fn a_name_that_looks_numbered_is_not_driven_away() {
        let names = assigned(&[("1", "a", 1, None), ("2", "a", 2, None), ("3", "a~2", 3, None)]);
        assert_eq!(names, ["a", "a~3", "a~2"]);
    }

    #[test]
    fn reserved_names_are_not_given() {
        assert_eq!(assigned(&[("1", ".collabfs", 1, None)]), [".collabfs~2"]);
    }

    #[test]
    fn a_hundred_thousand_equal_names_take_no_time() {
        let ids: Vec<RemoteId> = (0..100_000).map(|i| RemoteId::new("f", i)).collect();
        let children: Vec<Named> =
            ids.iter().map(|id| Named { id, remote: "same.txt", created: None, previous: None }).collect();
        let names: HashSet<String> = assign_names(&children, &HashSet::new()).into_iter().collect();
        assert_eq!(names.len(), 100_000);
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

        #[test]
        fn names_of_a_directory_are_unique_and_stay(remotes in prop::collection::vec("[ab/]{0,2}(~[23])?(\\.t)?", 1..40)) {
            let ids: Vec<RemoteId> = (0..remotes.len()).map(|i| RemoteId::new("f", i)).collect();
            let first: Vec<Named> = (remotes.iter().zip(&ids))
                .map(|(remote, id)| Named { id, remote, created: None, previous: None })
                .collect();
            let names = assign_names(&first, &HashSet::new());
            let unique: HashSet<&String> = names.iter().collect();
            prop_assert_eq!(unique.len(), names.len());
            for (name, remote) in names.iter().zip(&remotes) {
                prop_assert!(name.starts_with(&form_prefix(remote)), "{:?} for {:?}", name, remote);
            }

            // The second listing comes in another order and without one of the children.
            let mut again: Vec<(Named, &String)> = (first.iter().zip(&names))
                .skip(1)
                .map(|(child, name)| (Named { previous: Some(name), ..child.clone() }, name))
                .collect();
            again.reverse();
            let children: Vec<Named> = again.iter().map(|(child, _)| child.clone()).collect();
            let expected: Vec<&String> = again.iter().map(|(_, name)| *name).collect();
            let names_again = assign_names(&children, &HashSet::new());
            prop_assert_eq!(names_again.iter().collect::<Vec<_>>(), expected);
        }
    }
}
