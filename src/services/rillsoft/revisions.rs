//! Which revision a document's content is.
//!
//! The service tells size and time of storing, nothing else. That goes wrong in two ways, both of our own doing: a second
//! save of the same size within the time's resolution looks like the first one, and a rename may move the time although
//! the content stays. What we did ourselves is remembered here, so that neither is taken for what it is not.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;
use tokio::time::Instant;

use crate::ids::RevisionId;
use crate::services::rillsoft::model::Document;
use crate::services::rillsoft::remembered::{Remembered, Row};

/// Documents remembered; some 200 bytes each. Only those that we changed count.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// Of these, so many are kept for the next mount: those that the service would tell by another name.
const ROWS_MAX: usize = 1_000;

pub struct Revisions {
    known: Mutex<LruCache<u64, Known>>,
    remembered: Remembered,
}

/// While a document has this stamp, its content is this revision.
struct Known {
    stamp: String,
    size: Option<u64>,
    revision: RevisionId,
    /// We changed name, folder or description then: a list asked for later may show another stamp for the same content.
    touched: Option<Instant>,
}

impl Revisions {
    /// With what an earlier mount knew.
    pub fn open(state_dir: PathBuf) -> Revisions {
        let remembered = Remembered::new(state_dir);
        let mut known = LruCache::new(KNOWN_MAX);
        for Row { document, stamp, size, revision } in remembered.read() {
            known.put(document, Known { stamp, size, revision, touched: None });
        }
        Revisions { known: Mutex::new(known), remembered }
    }

    /// Keeps for the next mount what only we know.
    pub async fn keep(&self) {
        self.remembered.write(|| self.rows()).await;
    }

    /// Oldest first.
    fn rows(&self) -> Vec<Row> {
        let known = self.known();
        let ours = known.iter().filter(|(_, known)| known.touched.is_none() && known.revision.as_str() != known.stamp);
        let row = |(document, known): (&u64, &Known)| Row {
            document: *document,
            stamp: known.stamp.clone(),
            size: known.size,
            revision: known.revision.clone(),
        };
        let mut rows: Vec<Row> = ours.take(ROWS_MAX).map(row).collect();
        rows.reverse();
        rows
    }

    /// The revision of a document that was listed by a request of `asked`.
    pub fn of(&self, document: &Document, asked: Instant) -> Option<RevisionId> {
        let stamp = document.stamp()?;
        let mut known = self.known();
        if let Some(known) = known.get_mut(&document.id) {
            let later = known.touched.is_some_and(|touched| asked >= touched);
            if later && known.size == document.size {
                known.stamp = stamp.clone();
            }
            if later {
                known.touched = None;
            }
            if known.stamp == stamp {
                return Some(known.revision.clone());
            }
        }
        Some(RevisionId::new(stamp))
    }

    /// We stored new content over `base`, and this is how the document is listed since. The revision it has now.
    pub async fn stored(&self, document: &Document, asked: Instant, base: Option<&RevisionId>) -> Option<RevisionId> {
        let (revision, is_ours) = self.told_apart(document, asked, base)?;
        if is_ours {
            // Before anybody can rely on it.
            self.keep().await;
        }
        Some(revision)
    }

    /// The revision, and whether only we call it so.
    fn told_apart(&self, document: &Document, asked: Instant, base: Option<&RevisionId>) -> Option<(RevisionId, bool)> {
        let listed = self.of(document, asked)?;
        if Some(&listed) != base {
            return Some((listed, false));
        }
        // Too soon for another time: told apart by a number that the service does not know.
        let (stem, count) = match listed.as_str().rsplit_once('+').map(|(stem, count)| (stem, count.parse::<u64>())) {
            Some((stem, Ok(count))) if document.stamp().as_deref() == Some(stem) => (stem, count),
            _ => (listed.as_str(), 0),
        };
        let revision = RevisionId::new(format_args!("{stem}+{}", count + 1));
        self.remember(document, revision.clone(), None);
        Some((revision, true))
    }

    /// We changed something but the content of a document that was listed as this revision.
    pub fn touched(&self, document: &Document, revision: RevisionId) {
        self.remember(document, revision, Some(Instant::now()));
    }

    fn remember(&self, document: &Document, revision: RevisionId, touched: Option<Instant>) {
        if let Some(stamp) = document.stamp() {
            self.known().put(document.id, Known { stamp, size: document.size, revision, touched });
        }
    }

    fn known(&self) -> MutexGuard<'_, LruCache<u64, Known>> {
        self.known.lock().unwrap_or_else(|e| e.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(size: u64, stored: &str) -> Document {
        Document { id: 8, project: 7, size: Some(size), stored: Some(stored.into()), ..Document::default() }
    }

    #[test]
    fn size_and_time_make_the_revision() {
        let dir = tempfile::tempdir().unwrap();
        let revisions = Revisions::open(dir.path().into());
        let of = |document: &Document| revisions.of(document, Instant::now());
        assert_ne!(of(&document(5, "10:00")), of(&document(6, "10:00")));
        assert_ne!(of(&document(5, "10:00")), of(&document(5, "10:01")));
        assert_eq!(of(&Document { stored: None, ..document(5, "") }), None);
    }

    #[tokio::test]
    async fn saves_that_look_the_same_are_different_revisions() {
        let dir = tempfile::tempdir().unwrap();
        let revisions = Revisions::open(dir.path().into());
        let listed = document(5, "10:00");
        let mut seen = vec![revisions.of(&listed, Instant::now()).unwrap()];
        for _ in 0..3 {
            let revision = revisions.stored(&listed, Instant::now(), seen.last()).await.unwrap();
            assert!(!seen.contains(&revision));
            assert_eq!(revisions.of(&listed, Instant::now()), Some(revision.clone()));
            seen.push(revision);
        }
        let next_mount = Revisions::open(dir.path().into());
        assert_eq!(next_mount.of(&listed, Instant::now()).as_ref(), seen.last());
        let foreign = revisions.of(&document(5, "10:01"), Instant::now()).unwrap();
        assert_eq!(foreign.as_str(), "s5-10:01");
    }

    #[test]
    fn a_rename_of_ours_that_moves_the_time_is_no_new_revision() {
        let dir = tempfile::tempdir().unwrap();
        let revisions = Revisions::open(dir.path().into());
        let (before, after) = (document(5, "10:00"), document(5, "10:07"));
        let early = Instant::now();
        let revision = revisions.of(&before, early).unwrap();
        revisions.touched(&before, revision.clone());
        assert_eq!(revisions.of(&before, early), Some(revision.clone()), "a list from before the rename");
        assert_eq!(revisions.of(&after, Instant::now()), Some(revision.clone()));
        assert_ne!(revisions.of(&document(5, "10:09"), Instant::now()), Some(revision), "that was somebody else");
    }

    #[test]
    fn other_content_since_our_rename_is_a_new_revision() {
        let dir = tempfile::tempdir().unwrap();
        let revisions = Revisions::open(dir.path().into());
        let before = document(5, "10:00");
        let revision = revisions.of(&before, Instant::now()).unwrap();
        revisions.touched(&before, revision.clone());
        assert_ne!(revisions.of(&document(6, "10:07"), Instant::now()), Some(revision));
    }
}
