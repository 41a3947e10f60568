//! Names: the service rewrites some characters of an attachment's name, takes equal names, and gives issues and news
//! no unique one.

use std::collections::HashMap;

use crate::error::{ErrorKind, Result, fail};
use crate::names::split_extension;
use crate::services::redmine::assumptions as assumed;

/// Most characters of a name that are kept: a name is no place to store a book, and listings are kept in memory.
const NAME_CHARS_KEPT_MAX: usize = 1024;

/// The name to send for one that a person gave: nothing in it is rewritten by the service. [`shown`] is the way back.
pub fn sent(name: &str) -> String {
    let mut sent = String::with_capacity(name.len());
    let mut rest = name.chars().peekable();
    while let Some(c) = rest.next() {
        let quoted =
            is_stand_in(c) || c == assumed::STAND_IN_QUOTE && rest.peek().is_some_and(|next| is_special(*next));
        if quoted {
            sent.push(assumed::STAND_IN_QUOTE);
        }
        sent.push(stand_in(c).unwrap_or(c));
    }
    sent
}

/// The name to show for one of the service.
pub fn shown(name: &str) -> String {
    let mut shown = String::with_capacity(name.len());
    let mut rest = name.chars().take(NAME_CHARS_KEPT_MAX).peekable();
    while let Some(c) = rest.next() {
        let quote = c == assumed::STAND_IN_QUOTE;
        match rest.next_if(|next| quote && (is_stand_in(*next) || *next == assumed::STAND_IN_QUOTE)) {
            Some(meant) => shown.push(meant),
            None => shown.push(stood_for(c).unwrap_or(c)),
        }
    }
    shown
}

fn stand_in(c: char) -> Option<char> {
    assumed::STAND_INS.iter().find(|(from, _)| *from == c).map(|(_, to)| *to)
}

fn stood_for(c: char) -> Option<char> {
    assumed::STAND_INS.iter().find(|(_, to)| *to == c).map(|(from, _)| *from)
}

fn is_stand_in(c: char) -> bool {
    stood_for(c).is_some()
}

fn is_special(c: char) -> bool {
    c == assumed::STAND_IN_QUOTE || is_stand_in(c) || stand_in(c).is_some()
}

/// Errors: `BadName`, `NameTooLong`.
pub fn check_file_name(name: &str) -> Result<()> {
    check_text(name)?;
    check_length(&sent(name), assumed::TEXT_CHARS_MAX)
}

/// What can be named is a version, or an issue by its subject. Errors: `BadName`, `NameTooLong`.
pub fn check_directory_name(name: &str) -> Result<()> {
    check_text(name)?;
    // The number that an issue's name begins with stays here.
    let is_issue = name.split_once(' ').is_some_and(|(number, _)| number.parse::<u64>().is_ok());
    check_length(name, if is_issue { assumed::TEXT_CHARS_MAX } else { assumed::VERSION_NAME_CHARS_MAX })
}

/// Errors: `BadName`, `NameTooLong`.
pub fn check_version_name(name: &str) -> Result<()> {
    check_text(name)?;
    check_length(name, assumed::VERSION_NAME_CHARS_MAX)
}

/// A subject with its issue's number. Errors: `BadName`, `NameTooLong`.
pub fn check_subject(subject: &str) -> Result<()> {
    check_text(subject)?;
    check_length(subject, assumed::TEXT_CHARS_MAX)
}

fn check_text(name: &str) -> Result<()> {
    if name.trim().is_empty() || name.contains('/') || name.contains(char::is_control) {
        return fail(ErrorKind::BadName, "the service takes no empty names, and none with slash or control characters");
    }
    Ok(())
}

fn check_length(name: &str, chars_max: usize) -> Result<()> {
    if name.chars().count() > chars_max {
        return fail(ErrorKind::NameTooLong, format!("the service takes names of at most {chars_max} characters"));
    }
    Ok(())
}

/// Name of the directory of an issue or a news item: subjects repeat, numbers do not.
pub fn numbered(number: u64, title: &str) -> String {
    format!("{number} {}", title.chars().take(NAME_CHARS_KEPT_MAX).collect::<String>())
}

/// The subject in a directory's new name. Errors: `BadName` when the number is not kept.
pub fn subject_of(number: u64, name: &str) -> Result<&str> {
    match name.strip_prefix(&format!("{number} ")) {
        Some(subject) => Ok(subject),
        None => fail(ErrorKind::BadName, format!("an issue keeps its number: its name must start with \"{number} \"")),
    }
}

/// Of equal names the highest number is the file, whatever happened while it was replaced; the others say theirs:
/// `plan (id 2).txt`. Takes (number, shown name), gives the names in the same order.
pub fn unique(files: &[(u64, String)]) -> Vec<String> {
    let mut highest: HashMap<&str, u64> = HashMap::new();
    for (number, name) in files {
        highest.entry(name).and_modify(|top| *top = (*top).max(*number)).or_insert(*number);
    }
    let name = |(number, name): &(u64, String)| match highest.get(name.as_str()) == Some(number) {
        true => name.clone(),
        false => {
            let (stem, extension) = split_extension(name);
            format!("{stem} (id {number}){extension}")
        }
    };
    files.iter().map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_sent_would_be_rewritten_and_the_way_back_leads_back() {
        for name in ["it's 50%.txt", "a:b|c?d*e", "\"x\" <y> \\z", "会議？.txt", "‛＇", "‛'", "‛‛x", "plain (1).txt"]
        {
            let sent = sent(name);
            assert!(!sent.contains(['?', '%', '*', ':', '|', '"', '\'', '<', '>', '\\']), "{sent}");
            assert_eq!(shown(&sent), name);
        }
    }

    #[test]
    fn a_name_given_elsewhere_shows_what_its_characters_stand_for() {
        assert_eq!(shown("it＇s.txt"), "it's.txt");
        assert_eq!(shown("Größe & Höhe #1.txt"), "Größe & Höhe #1.txt");
        assert_eq!(shown(&"n".repeat(100_000)).len(), NAME_CHARS_KEPT_MAX);
    }

    #[test]
    fn of_equal_names_the_highest_number_is_the_file() {
        let files = [(4, "plan.txt"), (9, "plan.txt"), (7, "plan.txt"), (8, "other")];
        let files = files.map(|(number, name)| (number, name.to_owned()));
        assert_eq!(unique(&files), ["plan (id 4).txt", "plan.txt", "plan (id 7).txt", "other"]);
    }

    #[test]
    fn names_are_counted_in_characters_of_what_is_sent() {
        check_file_name(&"ü".repeat(255)).unwrap();
        check_file_name(&"'".repeat(255)).unwrap();
        assert_eq!(check_file_name(&"ü".repeat(256)).unwrap_err().kind(), ErrorKind::NameTooLong);
        assert_eq!(check_version_name(&"v".repeat(61)).unwrap_err().kind(), ErrorKind::NameTooLong);
        for bad in ["", " ", "a/b", "a\nb", "\0"] {
            assert_eq!(check_file_name(bad).unwrap_err().kind(), ErrorKind::BadName, "{bad:?}");
        }
    }

    #[test]
    fn an_issue_keeps_its_number() {
        assert_eq!(numbered(7, "Dredging"), "7 Dredging");
        assert_eq!(subject_of(7, "7 More dredging").unwrap(), "More dredging");
        assert!(subject_of(7, "Dredging").is_err() && subject_of(7, "77 x").is_err());
    }
}
