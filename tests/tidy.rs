//! Rules that a machine checks are not argued about: floors, lengths, markers, tables that must agree.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// A source file, with its tests and comments told apart.
struct Source {
    /// From the root of the project.
    path: PathBuf,
    text: String,
    /// A module that exists for tests only.
    is_test: bool,
}

impl Source {
    /// The lines that are neither tests nor comments, with their numbers.
    fn code(&self) -> Vec<(usize, &str)> {
        let lines = self.production().lines().enumerate();
        lines.map(|(n, line)| (n + 1, line.split("//").next().unwrap_or(""))).collect()
    }

    /// Everything before the unit tests, which stand at the end of a file.
    fn production(&self) -> &str {
        if self.is_test {
            return "";
        }
        let tests = ["#[cfg(test)]\nmod ", "#[cfg(test)]\npub mod ", "#[cfg(test)]\npub(crate) mod "];
        let cut = tests.iter().filter_map(|start| self.text.find(start)).min();
        // `mod tests;` names another file: what follows is still production code.
        match cut {
            Some(at) if !self.text[at..].lines().nth(1).unwrap_or("").ends_with(';') => &self.text[..at],
            _ => &self.text,
        }
    }

    fn in_folder(&self, folder: &str) -> bool {
        self.path.starts_with(folder)
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str, extension: &str) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if extension.is_empty() || path.extension().is_some_and(|e| e == extension) {
                let Ok(text) = fs::read_to_string(&path) else { continue };
                found.push(Source { path: path.strip_prefix(root()).unwrap().into(), text, is_test: false });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn sources() -> Vec<Source> {
    let mut sources = files_below("src", "rs");
    assert!(sources.len() > 20, "the sources were not found");
    let tests: Vec<PathBuf> = sources.iter().flat_map(test_modules).collect();
    for source in &mut sources {
        source.is_test =
            tests.iter().any(|test| source.path.starts_with(test) || source.path == test.with_extension("rs"));
    }
    sources
}

/// What `#[cfg(test)] mod NAME;` names: folders, or files without their extension.
fn test_modules(source: &Source) -> Vec<PathBuf> {
    let folder = match source.path.file_stem().unwrap().to_str().unwrap() {
        "mod" | "lib" | "main" => source.path.parent().unwrap().to_owned(),
        _ => source.path.with_extension(""),
    };
    let declarations = source.text.split("#[cfg(test)]\n").skip(1).filter_map(|after| after.lines().next());
    let names = declarations.filter_map(|line| line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
    names.map(|name| folder.join(name)).collect()
}

fn report(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

fn at(source: &Source, line: usize, what: &str) -> String {
    format!("{}:{line}: {what}", source.path.display())
}

/// Module name to floor, as the commented list in `src/lib.rs` says. The demo stands beside the floors: `None`.
fn floors() -> BTreeMap<String, Option<u32>> {
    let text = fs::read_to_string(root().join("src/lib.rs")).unwrap();
    let (mut floors, mut floor) = (BTreeMap::new(), None);
    for line in text.lines() {
        if let Some(comment) = line.strip_prefix("// ") {
            floor = comment.split_once(':').and_then(|(number, _)| number.parse().ok());
        } else if let Some(module) = line.strip_prefix("pub mod ").and_then(|m| m.strip_suffix(';')) {
            floors.insert(module.to_owned(), floor);
        }
    }
    assert_eq!(floors["error"], Some(1));
    assert_eq!(floors["demo"], None);
    floors
}

/// The top-level module a file belongs to; `None` for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Option<String> {
    let below = path.strip_prefix("src").unwrap();
    let first = Path::new(below.components().next().unwrap().as_os_str());
    let name = first.file_stem().unwrap().to_str().unwrap().to_owned();
    (name != "lib" && name != "main").then_some(name)
}

/// The modules named as `crate::NAME` or within `crate::{NAME, ...}` in a line.
fn imported(line: &str) -> Vec<String> {
    let mut names = Vec::new();
    for (start, _) in line.match_indices("crate::") {
        let rest = &line[start + "crate::".len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group.split([',', '}']).map(first_word)),
            None => names.push(first_word(rest)),
        }
    }
    names
}

fn first_word(text: &str) -> String {
    text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
}

#[test]
fn a_file_imports_only_from_its_own_folder_and_from_lower_floors() {
    let floors = floors();
    let mut offences = Vec::new();
    for source in sources() {
        let Some(own) = module_of(&source.path) else { continue };
        for (number, line) in source.code() {
            for other in imported(line).iter().filter(|other| **other != own) {
                let Some(other_floor) = floors.get(other) else { continue };
                let allowed = match (floors[&own], other_floor) {
                    // The demo imports floor 1 only; the two top floors may start it.
                    (None, Some(other_floor)) => *other_floor == 1,
                    (Some(own_floor), None) => own_floor >= 8,
                    // Floor 1 is one set of facts and tools.
                    (Some(1), Some(1)) => true,
                    (Some(own_floor), Some(other_floor)) => other_floor < &own_floor,
                    (None, None) => false,
                };
                if !allowed {
                    offences.push(at(&source, number, &format!("{own} imports {other}")));
                }
            }
        }
    }
    report("imports go down only", offences);
}

#[test]
fn services_do_not_know_each_other() {
    let folders: Vec<String> = fs::read_dir(root().join("src/services"))
        .unwrap()
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| source.in_folder("src/services")) {
        if source.path.ends_with("services/registry.rs") || source.path.ends_with("services/mod.rs") {
            continue;
        }
        for (number, line) in source.code() {
            for folder in folders.iter().filter(|folder| !source.in_folder(&format!("src/services/{folder}"))) {
                if line.contains(&format!("services::{folder}::")) {
                    offences.push(at(source, number, &format!("knows {folder}")));
                }
            }
        }
    }
    report("only registry.rs knows all services", offences);
}

#[test]
fn service_names_stay_with_the_services() {
    let names = ["imeet", "basecamp", "oracle", "medable", "rillsoft", "redmine"];
    let mut offences = Vec::new();
    for source in sources() {
        if source.in_folder("src/services") || source.in_folder("src/demo") {
            continue;
        }
        for (number, line) in source.code() {
            let line_lower = line.to_lowercase();
            offences.extend(names.iter().filter(|name| line_lower.contains(*name)).map(|n| at(&source, number, n)));
        }
    }
    report("above the services nobody asks which service it is", offences);
}

#[test]
fn error_numbers_stand_in_one_table() {
    // These two make errors out of what the local disk says.
    let may = ["src/fuse/errno.rs", "src/error.rs", "src/disk.rs"];
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| !may.iter().any(|path| source.path == Path::new(path))) {
        for (number, line) in source.code() {
            for prefix in ["libc::E", "Errno::E"] {
                let constants = line.match_indices(prefix).map(|(start, _)| first_word(&line[start + prefix.len()..]));
                let named = constants.filter(|word| word.len() > 1 && word.chars().all(|c| !c.is_lowercase()));
                offences.extend(named.map(|word| at(source, number, &format!("{prefix}{word}"))));
            }
        }
    }
    report("error numbers belong into fuse/errno.rs", offences);
}

#[test]
fn sql_stands_in_the_store_only() {
    let mut offences = Vec::new();
    for source in sources().iter().filter(|source| !source.in_folder("src/store")) {
        offences.extend(
            source.code().iter().filter(|(_, line)| line.contains("rusqlite")).map(|(n, l)| at(source, *n, l.trim())),
        );
    }
    report("rusqlite outside store/", offences);
}

#[test]
fn files_are_short() {
    let long = sources().into_iter().filter_map(|source| {
        let lines = source.production().lines().count();
        (lines > FILE_LINES_MAX).then(|| format!("{}: {lines} lines", source.path.display()))
    });
    report("a file this long holds a second idea", long.collect());
}

#[test]
fn functions_are_short() {
    let mut offences = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.production().lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| is_function(line)) {
            let indent: String = line.chars().take_while(|c| *c == ' ').collect();
            // rustfmt puts the closing brace of a function under its beginning; bodies of one line have none.
            let after = lines[start..].iter().position(|line| *line == format!("{indent}}}"));
            let next = lines[start + 1..].iter().position(|line| is_function(line)).map_or(usize::MAX, |n| n + 1);
            let length = after.filter(|after| *after < next).map_or(1, |after| after + 1);
            if length > FUNCTION_LINES_MAX {
                offences.push(at(&source, start + 1, &format!("{length} lines: {}", line.trim())));
            }
        }
    }
    report("a function this long does two things", offences);
}

fn is_function(line: &str) -> bool {
    let mut words = line.trim_start().split(' ');
    let first = words.find(|word| !matches!(*word, "pub" | "async" | "unsafe" | "const" | "extern" | "\"C\""));
    let after_visibility = match first {
        Some(word) if word.starts_with("pub(") => words.find(|word| !matches!(*word, "async" | "unsafe" | "const")),
        other => other,
    };
    after_visibility == Some("fn")
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let markers = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X:"),
        concat!("todo", "!("),
        concat!("unimplemented", "!("),
        concat!("dbg", "!("),
        concat!("#[", "ignore"),
    ];
    let mut offences = Vec::new();
    let all = ["src", "tests", "scripts", "benches"].into_iter().flat_map(|folder| files_below(folder, ""));
    for source in all {
        for (number, line) in source.text.lines().enumerate() {
            offences
                .extend(markers.iter().filter(|marker| line.contains(**marker)).map(|m| at(&source, number + 1, m)));
        }
    }
    report("leftover markers", offences);
}

#[test]
fn every_file_is_part_of_the_program() {
    let sources = sources();
    let mut offences = Vec::new();
    for source in &sources {
        let stem = source.path.file_stem().unwrap().to_str().unwrap();
        let name = match stem {
            "lib" | "main" => continue,
            "mod" => source.path.parent().unwrap().file_name().unwrap().to_str().unwrap(),
            stem => stem,
        };
        let declared = sources.iter().any(|other| {
            other.text.lines().any(|line| line.trim_start().trim_end_matches(';').ends_with(&format!("mod {name}")))
        });
        if !declared {
            offences.push(source.path.display().to_string());
        }
    }
    report("files that no module names", offences);
}

#[test]
fn an_unwrap_says_why_it_cannot_fail() {
    let mut offences = Vec::new();
    for source in sources() {
        let lines: Vec<&str> = source.production().lines().collect();
        for (n, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(".unwrap()")) {
            // The compiler computes it: it fails there or never.
            if ["const ", "pub const "].iter().any(|start| line.trim_start().starts_with(start)) {
                continue;
            }
            let said = line.contains("//") || lines[n.saturating_sub(3)..n].iter().any(|before| before.contains("//"));
            if !said {
                offences.push(at(&source, n + 1, line.trim()));
            }
        }
    }
    report("unwrap without the invariant that allows it", offences);
}

#[test]
fn the_readme_lists_every_mount_option() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    // Rows of the options table: | `name=VALUE` | meaning |
    let listed: Vec<String> = readme
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|rest| rest.split_once('`'))
        .flat_map(|(names, rest)| std::iter::once(names).chain(more_names(rest)).map(first_word).collect::<Vec<_>>())
        .collect();
    let missing: Vec<String> = collabfs::config::options::OPTIONS
        .iter()
        .filter(|option| !listed.iter().any(|name| name == option.name))
        .map(|option| option.name.to_owned())
        .collect();
    report("mount options that the README's table does not list", missing);
}

/// Further names in the same cell: `` `a`, `b` ``.
fn more_names(rest: &str) -> impl Iterator<Item = &str> {
    let cell = rest.split('|').next().unwrap_or("");
    cell.split('`').skip(1).step_by(2)
}
