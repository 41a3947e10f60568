//! The table in docs/SEMANTICS.md.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use crate::{Program, ROWS};

const BEGIN: &str = "<!-- programs -->\n";
const END: &str = "<!-- /programs -->\n";
const WRITE: &str = "COLLABFS_WRITE_TABLE";

/// One test at a time writes.
static WRITING: Mutex<()> = Mutex::new(());

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/SEMANTICS.md")
}

/// The document in three parts: before the table's rows, the rows, and what follows.
fn parts(text: &str) -> (&str, Vec<&str>, &str) {
    let (before, rest) = text.split_once(BEGIN).expect("the table's beginning");
    let (table, after) = rest.split_once(END).expect("the table's end");
    (before, table.lines().filter(|line| line.starts_with("| ")).skip(2).collect(), after)
}

fn name_in(line: &str) -> &str {
    line.trim_start_matches("| ").split(" | ").next().unwrap_or_default()
}

/// Checks that the document says of this program what was seen, or makes it say so.
#[track_caller]
pub fn say(program: &Program, seen: &str) {
    let line = format!("| {} | {} | {seen} |", program.name, program.way);
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(path()).unwrap();
    let (before, rows, after) = parts(&text);
    if std::env::var_os(WRITE).is_none() {
        assert!(rows.contains(&line.as_str()), "docs/SEMANTICS.md does not say: {line}\n(run with {WRITE}=1)");
        return;
    }
    let known = |name: &str| rows.iter().find(|row| name_in(row) == name).map(|row| (*row).to_owned());
    let table =
        ROWS.iter().filter_map(|row| if row.name == program.name { Some(line.clone()) } else { known(row.name) });
    let table: String = table.map(|row| row + "\n").collect();
    let head = "| program | how it saves | the service saw |\n| --- | --- | --- |\n";
    fs::write(path(), format!("{before}{BEGIN}\n{head}{table}\n{END}{after}")).unwrap();
}

#[test]
fn the_document_has_the_rows_of_these_tests_and_no_other() {
    let _turn = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    let text = fs::read_to_string(path()).unwrap();
    let names: Vec<&str> = parts(&text).1.into_iter().map(name_in).collect();
    let expected: Vec<&str> = ROWS.iter().map(|row| row.name).collect();
    if std::env::var_os(WRITE).is_none() {
        assert_eq!(names, expected);
    }
}
