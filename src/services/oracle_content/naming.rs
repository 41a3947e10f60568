//! Names: which are sent at all, and how the service changes one that is taken.

use crate::error::{ErrorKind, Result, fail};
use crate::provider::EntryKind;
use crate::services::oracle_content::assumptions as assumed;

/// Errors: `BadName`, `NameTooLong`.
pub fn check(name: &str, kind: EntryKind) -> Result<()> {
    if name.is_empty() || name.contains(assumed::NAME_FORBIDDEN) || name.contains(char::is_control) {
        return fail(ErrorKind::BadName, "the service takes no names with / \\ ? * or control characters");
    }
    if kind == EntryKind::File && name.contains(assumed::FILE_NAME_FORBIDDEN) {
        return fail(ErrorKind::BadName, "a file cannot be sent under a name with a double quote");
    }
    if name.len() > assumed::NAME_BYTES_MAX {
        let max = assumed::NAME_BYTES_MAX;
        return fail(ErrorKind::NameTooLong, format!("the service takes names of at most {max} bytes"));
    }
    Ok(())
}

/// Whether `given` is `asked` with what the service adds to a name that is taken by copies and uploads: six digits
/// from the clock, somewhere in it, perhaps with a separator.
pub fn is_suffixed(asked: &str, given: &str) -> bool {
    added(asked, given).is_some_and(|added| {
        let digits = added.chars().filter(char::is_ascii_digit).count();
        digits >= assumed::SUFFIX_DIGITS && !added.contains(char::is_alphabetic)
    })
}

/// Whether `given` is `asked` with a number as new folders get it when their name is taken: `name(2)`.
pub fn is_numbered(asked: &str, given: &str) -> bool {
    added(asked, given).is_some_and(|added| {
        let inner: String = added.chars().filter(|c| !c.is_whitespace()).collect();
        // Between two parentheses of the asked name the parts come in another order; what counts is what they are.
        let digits = inner.chars().filter(char::is_ascii_digit).count();
        digits > 0 && inner.len() == digits + 2 && inner.contains('(') && inner.contains(')')
    })
}

/// What was put into `asked`, in one place, to make `given` of it.
fn added<'a>(asked: &str, given: &'a str) -> Option<&'a str> {
    let common = asked.char_indices().zip(given.chars()).find(|((_, a), g)| a != g);
    let common = common.map_or(asked.len().min(given.len()), |((at, _), _)| at);
    let end = given.len().checked_sub(asked.len() - common).filter(|end| *end > common)?;
    given.get(end..).filter(|rest| *rest == &asked[common..])?;
    given.get(common..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suffix_from_the_clock_is_recognised_wherever_it_stands() {
        for given in ["plan123456.txt", "plan_123456.txt", "plan.txt123456", "plan (123456).txt"] {
            assert!(is_suffixed("plan.txt", given), "{given}");
        }
        assert!(is_suffixed("1.txt", "1123456.txt") && is_suffixed("a", "a999999"));
        for given in ["plan.txt", "Plan.txt", "plan12345.txt", "plan-v123456.txt", "other.txt", "pl.txt", ""] {
            assert!(!is_suffixed("plan.txt", given), "{given}");
        }
    }

    #[test]
    fn a_number_in_parentheses_is_recognised() {
        assert!(is_numbered("Dir", "Dir(2)") && is_numbered("a (1)", "a (1)(2)") && is_numbered("Dir", "Dir (12)"));
        assert!(is_numbered("a.txt", "a(2).txt"));
        assert!(!is_numbered("Dir", "Dir") && !is_numbered("Dir", "7") && !is_numbered("Dir", "Dir2"));
    }

    #[test]
    fn names_are_refused_before_they_are_sent() {
        for bad in ["", "a/b", "a\\b", "a?", "*", "a\nb"] {
            assert_eq!(check(bad, EntryKind::Directory).unwrap_err().kind(), ErrorKind::BadName, "{bad:?}");
        }
        assert_eq!(check("a\"b", EntryKind::File).unwrap_err().kind(), ErrorKind::BadName);
        check("a\"b", EntryKind::Directory).unwrap();
        check("50% off; today=1, a+b: <x>|.txt", EntryKind::File).unwrap();
        assert_eq!(check(&"ü".repeat(128), EntryKind::File).unwrap_err().kind(), ErrorKind::NameTooLong);
    }
}
