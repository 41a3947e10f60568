//! Which names the service takes.

use crate::error::{ErrorKind, Result, fail};
use crate::services::basecamp::assumptions as assumed;

/// "A valid filename with an extension" (uploads page). Errors: `BadName`.
pub fn check_file_name(name: &str) -> Result<()> {
    check_any_name(name)?;
    if name.contains(assumed::NAME_FORBIDDEN) || name.trim() != name {
        return fail(ErrorKind::BadName, "the service takes no slash or backslash, and no blank at either end");
    }
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => Ok(()),
        _ => fail(ErrorKind::BadName, format!("{name}: the service takes only names with an extension")),
    }
}

/// Names of projects are free texts. Errors: `BadName`.
pub fn check_any_name(name: &str) -> Result<()> {
    if name.is_empty() || name.contains(char::is_control) {
        return fail(ErrorKind::BadName, "the service takes no empty names and no control characters");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_needs_a_stem_and_an_extension() {
        for good in ["survey 2.ods", "a.b", "archive.tar.gz", "..a", "Größe (neu).txt", "会社.txt"] {
            check_file_name(good).unwrap_or_else(|e| panic!("{good}: {e}"));
        }
        for bad in
            ["Makefile", ".bashrc", "4913", "a.", ".", "..", "", " a.txt", "a.txt ", "a/b.txt", "a\\b.c", "a\n.txt"]
        {
            assert_eq!(check_file_name(bad).unwrap_err().kind(), ErrorKind::BadName, "{bad:?}");
        }
        check_any_name("Plans / Offers").unwrap();
        check_any_name("").unwrap_err();
    }
}
