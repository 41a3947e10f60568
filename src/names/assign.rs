//! File names for the children of one directory: unique, and the same ones as long as it goes.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use crate::ids::RemoteId;
use crate::names::{NAME_BYTES_MAX, cut, split_extension, to_file_name, with_tag};

/// One child of a directory that needs a file name.
#[derive(Debug, Clone)]
pub struct Named<'a> {
    pub id: &'a RemoteId,
    /// The name as the service has it.
    pub remote: &'a str,
    pub created: Option<SystemTime>,
    /// The file name it had here last; kept as long as it fits the service's name.
    pub previous: Option<&'a str>,
    /// A new file of a name that is there is the next content of the older one, where nothing can be revised.
    pub succeeds: bool,
}

/// Unique file names for the children of one directory, in the order given.
///
/// Who has a name keeps it. Among new claimants of one name the oldest (then the smallest id) gets it, the others
/// become `name~2.ext`, `name~3.ext`... Of those that succeed each other the newest has the name, whoever had it before.
/// None gets a name from `reserved`.
pub fn assign_names(children: &[Named], reserved: &HashSet<String>) -> Vec<String> {
    let mut assignment = Assignment { taken: reserved.clone(), next_number: HashMap::new() };
    let mut names: Vec<Option<String>> = vec![None; children.len()];
    let mut by_age: Vec<usize> = (0..children.len()).collect();
    by_age.sort_by_key(|&i| age_order(&children[i]));
    let plain: Vec<String> = children.iter().map(|child| to_file_name(child.remote)).collect();
    let kept = |i: usize| children[i].previous.filter(|previous| is_form_of(previous, &plain[i])).map(str::to_owned);
    for &i in by_age.iter().filter(|i| !children[**i].succeeds) {
        names[i] = kept(i).and_then(|previous| assignment.take(previous));
    }
    for &i in by_age.iter().rev().filter(|i| children[**i].succeeds) {
        names[i] = assignment.take(plain[i].clone());
    }
    for &i in by_age.iter().filter(|i| children[**i].succeeds) {
        if names[i].is_none() {
            names[i] = kept(i).and_then(|previous| assignment.take(previous));
        }
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

/// Oldest first; ids that are numbers in their numbers' order.
fn age_order<'a>(child: &Named<'a>) -> (bool, Option<SystemTime>, usize, &'a str) {
    let id = child.id.as_str();
    (child.created.is_none(), child.created, id.len(), id)
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
    use crate::names::form_prefix;
    use proptest::prelude::*;
    use std::time::{Duration, UNIX_EPOCH};

    fn assigned(children: &[(&str, &str, u64, Option<&str>)]) -> Vec<String> {
        let ids: Vec<RemoteId> = children.iter().map(|c| RemoteId::new("f", c.0)).collect();
        let named: Vec<Named> = (children.iter().zip(&ids))
            .map(|((_, remote, age, previous), id)| Named {
                id,
                remote,
                created: Some(UNIX_EPOCH + Duration::from_secs(*age)),
                previous: *previous,
                succeeds: false,
            })
            .collect();
        assign_names(&named, &HashSet::from([".collabfs".to_owned()]))
    }

    #[test]
    fn the_oldest_gets_the_name_and_the_others_numbers() {
        let names = assigned(&[("9", "a.txt", 30, None), ("1", "a.txt", 20, None), ("2", "a.txt", 10, None)]);
        assert_eq!(names, ["a~3.txt", "a~2.txt", "a.txt"]);
    }

    #[test]
    fn the_newest_has_the_name_where_a_new_file_is_the_next_content() {
        let names = |previous: [Option<&str>; 3]| {
            let ids = ["f:9", "f:10", "f:11"].map(|id| RemoteId::new("f", id));
            let child = |i: usize, created: u64| Named {
                id: &ids[i],
                remote: "a.txt",
                created: Some(UNIX_EPOCH + Duration::from_secs(created)),
                previous: previous[i],
                succeeds: true,
            };
            // The last two were made within the same second.
            assign_names(&[child(0, 10), child(1, 20), child(2, 20)], &HashSet::new())
        };
        assert_eq!(names([None, None, None]), ["a~2.txt", "a~3.txt", "a.txt"]);
        assert_eq!(names([Some("a.txt"), None, None]), ["a~2.txt", "a~3.txt", "a.txt"]);
        assert_eq!(names([Some("a~2.txt"), Some("a.txt"), None]), ["a~2.txt", "a~3.txt", "a.txt"]);
        assert_eq!(names([Some("a~3.txt"), Some("a~2.txt"), Some("a.txt")]), ["a~3.txt", "a~2.txt", "a.txt"]);
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
        let children: Vec<Named> = ids
            .iter()
            .map(|id| Named { id, remote: "same.txt", created: None, previous: None, succeeds: false })
            .collect();
        let names: HashSet<String> = assign_names(&children, &HashSet::new()).into_iter().collect();
        assert_eq!(names.len(), 100_000);
    }

    proptest! {
        #[test]
        fn names_of_a_directory_are_unique_and_stay(remotes in prop::collection::vec("[ab/]{0,2}(~[23])?(\\.t)?", 1..40)) {
            let ids: Vec<RemoteId> = (0..remotes.len()).map(|i| RemoteId::new("f", i)).collect();
            let first: Vec<Named> = (remotes.iter().zip(&ids))
                .map(|(remote, id)| Named { id, remote, created: None, previous: None, succeeds: false })
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
