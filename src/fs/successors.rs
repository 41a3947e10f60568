//! Our own revisions, by what they replaced: content that was made from an earlier one of them goes on from the newest.

use std::num::NonZeroUsize;

use lru::LruCache;

use crate::ids::{RemoteId, RevisionId};

/// As many as may be saved while one program keeps its file open.
const KEPT_MAX: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// Invariant: no chain is a ring. A service may give a revision's name anew (where it tells size and second only).
pub(super) struct OwnSuccessors(LruCache<(RemoteId, RevisionId), RevisionId>);

impl Default for OwnSuccessors {
    fn default() -> Self {
        OwnSuccessors(LruCache::new(KEPT_MAX))
    }
}

impl OwnSuccessors {
    /// Our revision `own` took the place of `base`, and is the newest one.
    pub fn put(&mut self, id: RemoteId, base: RevisionId, own: RevisionId) {
        let newest = (id, own);
        self.0.pop(&newest);
        let (id, own) = newest;
        if base != own {
            self.0.put((id, base), own);
        }
    }

    /// The revision that content made from `opened` continues.
    pub fn newest(&mut self, id: &RemoteId, opened: RevisionId) -> RevisionId {
        let mut at = (id.clone(), opened);
        while let Some(next) = self.0.get(&at) {
            at.1 = next.clone();
        }
        at.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn newest_of(puts: &[(&str, &str)], opened: &str) -> String {
        let id = RemoteId::new("file", 1);
        let mut successors = OwnSuccessors::default();
        for (base, own) in puts {
            successors.put(id.clone(), RevisionId::new(*base), RevisionId::new(*own));
        }
        successors.newest(&id, RevisionId::new(opened)).as_str().to_owned()
    }

    #[test]
    fn what_was_made_from_an_earlier_one_goes_on_from_the_newest() {
        assert_eq!(newest_of(&[("1", "2"), ("2", "3")], "1"), "3");
        assert_eq!(newest_of(&[("1", "2"), ("2", "3")], "theirs"), "theirs");
    }

    #[test]
    fn a_revision_whose_name_comes_again_ends_the_chain() {
        assert_eq!(newest_of(&[("1", "1")], "1"), "1");
        assert_eq!(newest_of(&[("1", "2"), ("2", "1")], "2"), "1");
        assert_eq!(newest_of(&[("1", "2"), ("2", "1")], "1"), "1");
        assert_eq!(newest_of(&[("1", "2"), ("2", "3"), ("3", "1"), ("1", "2")], "3"), "2");
    }
}
