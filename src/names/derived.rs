//! Names made from other names: backups that programs make while saving; conflict copies and old revisions that we
//! show.

use crate::names::{split_extension, to_file_name, with_tag};

/// What editors and `sed -i`, `perl -i` append. Any other ending is a name that a person chose, and is kept.
const BACKUP_ENDINGS: &[&str] = &[
    "~", ".bak", ".backup", ".bck", ".bk", ".orig", ".old", ".prev", ".save", "_bak", "_old", "_orig", "-bak", "-old",
];

/// What is put before an extension, or replaces it: `plan.bak` and `plan.bak.txt` for `plan.txt`.
const BACKUP_EXTENSIONS: &[&str] = &[".bak", ".old", ".orig", ".wbk", ".xlk"];

/// How the tag of a conflict copy begins.
const CONFLICT_TAG: &str = " (conflict ";

/// A user's name in a file name is cut to this many characters.
const USER_CHARS_MAX: usize = 40;

/// Whether `name` is what a program calls the old content of `original` while it saves.
pub fn is_backup_of(name: &str, original: &str) -> bool {
    if name == original || original.is_empty() {
        return false;
    }
    let lower = name.to_ascii_lowercase();
    let (stem, extension) = split_extension(original);
    let appended = name.strip_prefix(original).map(str::to_ascii_lowercase);
    appended.as_deref().is_some_and(is_backup_ending)
        // emacs, and hidden variants of the above
        || name == format!("#{original}#")
        || name.strip_prefix('.').is_some_and(|hidden| hidden != original && is_backup_of(hidden, original))
        || BACKUP_EXTENSIONS.iter().any(|backup| {
            let replaced = format!("{stem}{backup}").to_ascii_lowercase();
            lower == replaced || (!extension.is_empty() && lower == format!("{replaced}{}", extension.to_ascii_lowercase()))
        })
        // Word and Excel
        || lower == format!("backup of {}", original.to_ascii_lowercase())
        || lower == format!("backup of {}.wbk", stem.to_ascii_lowercase())
        || lower == format!("backup of {}.xlk", stem.to_ascii_lowercase())
}

fn is_backup_ending(ending: &str) -> bool {
    let numbered = ending.strip_prefix(".~").and_then(|rest| rest.strip_suffix('~'));
    BACKUP_ENDINGS.contains(&ending)
        || numbered.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
        || ending == "___jb_old___"
}

/// The name of a conflict copy: `name (conflict 2026-11-22 13.05 ann).ext`, cut to what a file name may have.
/// `at` carries the zone in which people will read it.
pub fn conflict_name(name: &str, at: &jiff::Zoned, user: &str) -> String {
    with_tag(name, &format!("{CONFLICT_TAG}{}{})", shown_time(at), shown_user(user)))
}

/// Whether it is the name of a conflict copy that had to make way so often that making way does not help.
pub fn made_way_in_vain(name: &str) -> bool {
    const TIMES_MAX: usize = 3;
    name.matches(CONFLICT_TAG).count() >= TIMES_MAX
}

/// The name of one revision in a file's history: `03 2026-11-22 13.05 ann.docx`. The number has at least `digits`
/// digits, so that names sort by age. `extension`: the file's own, with its dot.
pub fn revision_name(
    number: u64,
    digits: usize,
    at: Option<&jiff::Zoned>,
    user: Option<&str>,
    extension: &str,
) -> String {
    let time = at.map(|at| format!(" {}", shown_time(at))).unwrap_or_default();
    format!("{number:0digits$}{time}{}{extension}", shown_user(user.unwrap_or_default()))
}

fn shown_time(at: &jiff::Zoned) -> String {
    // No colons: Windows users of the same service cannot have them in names.
    at.strftime("%Y-%m-%d %H.%M").to_string()
}

/// With a space before it; empty for nobody.
fn shown_user(user: &str) -> String {
    let user: String =
        user.trim().chars().take(USER_CHARS_MAX).map(|c| if "\\:*?\"<>|".contains(c) { '_' } else { c }).collect();
    if user.is_empty() { String::new() } else { format!(" {}", to_file_name(&user)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::names::from_file_name;
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn noon() -> jiff::Zoned {
        jiff::civil::date(2026, 11, 22).at(13, 5, 0, 0).in_tz("UTC").unwrap()
    }

    #[test]
    fn backups_are_recognised() {
        for name in [
            "plan.txt~",
            "plan.txt.bak",
            "plan.txt.BAK",
            "plan.txt.orig",
            "plan.txt.old",
            "plan.txt.~1~",
            "plan.txt.~12~",
            "#plan.txt#",
            ".plan.txt~",
            "plan.bak",
            "plan.bak.txt",
            "Backup of plan.txt",
            "Backup of plan.wbk",
            "plan.txt_bak",
        ] {
            assert!(is_backup_of(name, "plan.txt"), "{name}");
        }
    }

    #[test]
    fn names_that_people_choose_are_kept() {
        for name in
            ["plan.txt", ".plan.txt", "plan.txt.v1", "plan.txt.2025", "plan2.txt", "old", "other.txt~", "plan.doc"]
        {
            assert!(!is_backup_of(name, "plan.txt"), "{name}");
        }
        assert!(!is_backup_of("~", ""));
    }

    #[test]
    fn a_conflict_copy_says_when_and_who() {
        assert_eq!(conflict_name("plan.txt", &noon(), "ann"), "plan (conflict 2026-11-22 13.05 ann).txt");
        assert_eq!(conflict_name("Makefile", &noon(), ""), "Makefile (conflict 2026-11-22 13.05)");
        assert_eq!(conflict_name("a", &noon(), "x/y:z"), "a (conflict 2026-11-22 13.05 x\u{2215}y_z)");
    }

    #[test]
    fn a_revision_says_which_when_and_who() {
        let name = |number, digits, user| revision_name(number, digits, Some(&noon()), user, ".docx");
        assert_eq!(name(3, 1, Some("ann")), "3 2026-11-22 13.05 ann.docx");
        assert_eq!(name(3, 3, Some("a/b")), "003 2026-11-22 13.05 a\u{2215}b.docx");
        assert_eq!(name(12, 1, None), "12 2026-11-22 13.05.docx");
        assert_eq!(revision_name(1, 1, None, Some(" "), ""), "1");
    }

    proptest! {
        #[test]
        fn a_revision_name_is_a_file_name(number: u64, user in ".{0,300}", extension in "(\\.[a-z日]{1,9})?") {
            let name = revision_name(number, 20, Some(&noon()), Some(&user), &extension);
            prop_assert!(from_file_name(OsStr::new(&name)).is_ok(), "{name:?}");
        }

        #[test]
        fn a_conflict_name_is_a_file_name_with_the_old_extension(stem in "[a日 ]{1,200}", user in ".{0,300}") {
            let name = conflict_name(&format!("{stem}.docx"), &noon(), &user);
            prop_assert!(from_file_name(OsStr::new(&name)).is_ok(), "{name:?}");
            prop_assert!(name.ends_with(".docx"));
        }

        #[test]
        fn no_name_is_its_own_backup(name in ".{0,20}") {
            prop_assert!(!is_backup_of(&name, &name));
        }
    }
}
