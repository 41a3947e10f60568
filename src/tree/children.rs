//! The names in one directory.

use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;
use std::sync::Arc;

use crate::ids::Ino;

/// Children by name, in order of the names. Reads like a map.
#[derive(Debug, Default)]
pub struct Children {
    by_name: BTreeMap<Arc<str>, Ino>,
    /// The same names by their form without case; made when first asked for, kept from then on.
    by_folded: Option<HashMap<String, Vec<Arc<str>>>>,
}

impl Deref for Children {
    type Target = BTreeMap<Arc<str>, Ino>;

    fn deref(&self) -> &BTreeMap<Arc<str>, Ino> {
        &self.by_name
    }
}

impl Children {
    pub fn insert(&mut self, name: &str, ino: Ino) {
        let name: Arc<str> = name.into();
        let is_new = self.by_name.insert(name.clone(), ino).is_none();
        if let (true, Some(by_folded)) = (is_new, &mut self.by_folded) {
            by_folded.entry(name.to_lowercase()).or_default().push(name);
        }
    }

    pub fn remove(&mut self, name: &str) {
        self.by_name.remove(name);
        let Some(by_folded) = &mut self.by_folded else { return };
        let folded = name.to_lowercase();
        if let Some(names) = by_folded.get_mut(&folded) {
            names.retain(|n| **n != *name);
            if names.is_empty() {
                by_folded.remove(&folded);
            }
        }
    }

    /// Those whose names differ from this one by their case only.
    pub fn in_other_case(&mut self, name: &str) -> Vec<Ino> {
        let by_name = &self.by_name;
        let by_folded = self.by_folded.get_or_insert_with(|| fold(by_name));
        let same = by_folded.get(&name.to_lowercase()).into_iter().flatten();
        same.filter(|n| ***n != *name).filter_map(|n| by_name.get(n)).copied().collect()
    }
}

fn fold(by_name: &BTreeMap<Arc<str>, Ino>) -> HashMap<String, Vec<Arc<str>>> {
    let mut by_folded: HashMap<String, Vec<Arc<str>>> = HashMap::with_capacity(by_name.len());
    for name in by_name.keys() {
        by_folded.entry(name.to_lowercase()).or_default().push(name.clone());
    }
    by_folded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_in_other_case_are_found_whenever_they_came() {
        let mut children = Children::default();
        children.insert("Plan.txt", Ino(2));
        children.insert("notes", Ino(3));
        assert_eq!(children.in_other_case("plan.TXT"), [Ino(2)]);
        assert_eq!(children.in_other_case("Plan.txt"), []);
        children.insert("PLAN.txt", Ino(4));
        children.insert("PLAN.txt", Ino(5));
        assert_eq!(children.in_other_case("plan.txt"), [Ino(2), Ino(5)]);
        children.remove("Plan.txt");
        children.remove("NOTES");
        assert_eq!(children.in_other_case("plan.txt"), [Ino(5)]);
        assert_eq!(children.in_other_case("Notes"), [Ino(3)]);
    }
}
