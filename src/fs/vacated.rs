//! Names that programs gave up a moment ago: most of them are about to be taken again (a document is renamed to its
//! backup, or removed, and its next revision comes under its name). What gets a name by itself must not lie there then: it
//! would be replaced by a program that never saw it.

use std::collections::VecDeque;

use crate::clock::Millis;
use crate::ids::Ino;

/// More names than this are forgotten, oldest first.
const NAMES_MAX: usize = 4096;

#[derive(Default)]
pub(super) struct Vacated(VecDeque<(Ino, String, Millis)>);

impl Vacated {
    /// The name is given up, and not given away before `until`.
    pub fn note(&mut self, parent: Ino, name: &str, until: Millis) {
        if self.0.len() >= NAMES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((parent, name.to_owned(), until));
    }

    pub fn holds(&mut self, parent: Ino, name: &str, now: Millis) -> bool {
        while self.0.front().is_some_and(|(.., until)| *until <= now) {
            self.0.pop_front();
        }
        self.0.iter().any(|(p, n, until)| *p == parent && n == name && *until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_held_for_its_time() {
        let mut vacated = Vacated::default();
        vacated.note(Ino(7), "a", Millis(100));
        vacated.note(Ino(7), "b", Millis(300));
        assert!(vacated.holds(Ino(7), "a", Millis(99)));
        assert!(!vacated.holds(Ino(8), "a", Millis(99)));
        assert!(!vacated.holds(Ino(7), "a", Millis(100)));
        assert!(vacated.holds(Ino(7), "b", Millis(100)));
    }

    #[test]
    fn the_oldest_names_are_forgotten_first() {
        let mut vacated = Vacated::default();
        for n in 0..=NAMES_MAX {
            vacated.note(Ino(1), &n.to_string(), Millis(100));
        }
        assert!(!vacated.holds(Ino(1), "0", Millis(0)));
        assert!(vacated.holds(Ino(1), &NAMES_MAX.to_string(), Millis(0)));
    }
}
