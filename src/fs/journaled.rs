//! Small contents in the journal: together with what names them they are safe with one sync instead of two.
//!
//! The spool file is what is read and written all the same. It is never synced, and written anew from the journal after a
//! crash.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;

use crate::content::Spool;
use crate::error::Result;
use crate::store::{Store, Write};

/// A content that costs about as much to sync as to write twice.
const SMALL_BYTES_MAX: u64 = 32 << 10;
/// What the journal holds of them all: it never shrinks again.
const JOURNALED_BYTES_MAX: u64 = 64 << 20;

/// Spool files whose content is in the journal too, with their sizes in bytes.
#[derive(Default)]
pub(super) struct Journaled {
    sizes: HashMap<String, u64>,
    bytes: u64,
    writes: Vec<Write>,
}

impl Journaled {
    pub fn has_room(&self, size: u64) -> bool {
        size <= SMALL_BYTES_MAX && self.bytes + size <= JOURNALED_BYTES_MAX
    }

    pub fn put(&mut self, spool: &str, content: Bytes) {
        let size = content.len() as u64;
        self.bytes += size;
        self.bytes -= self.sizes.insert(spool.to_owned(), size).unwrap_or(0);
        self.writes.push(Write::PutContent(spool.to_owned(), content));
    }

    /// The spool file is safe by itself, or nothing refers to it any more.
    pub fn remove(&mut self, spool: &str) {
        if let Some(size) = self.sizes.remove(spool) {
            self.bytes -= size;
            self.writes.push(Write::RemoveContent(spool.to_owned()));
        }
    }

    /// What belongs into the next transaction.
    pub fn take_writes(&mut self) -> Vec<Write> {
        std::mem::take(&mut self.writes)
    }
}

/// Writes anew the spool files whose content a crash may have left in the journal only.
pub(super) fn restore_contents(store: &Store, spool: &Spool, used: &HashSet<String>) -> Result<()> {
    let names = store.contents()?;
    for name in names.iter().filter(|name| used.contains(*name)) {
        if let Some(content) = store.content(name)? {
            spool.restore(name, &content).map_err(|e| e.during("restoring", format!("unsent content {name}")))?;
        }
    }
    store.write(names.into_iter().map(Write::RemoveContent).collect());
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(journaled: &mut Journaled, spool: &str, size: u64) -> bool {
        let fits = journaled.has_room(size);
        if fits {
            journaled.put(spool, Bytes::from(vec![0; size as usize]));
        }
        fits
    }

    #[test]
    fn the_journal_takes_small_contents_up_to_its_limit_and_again_when_some_left() {
        let mut journaled = Journaled::default();
        assert!(!put(&mut journaled, "large", SMALL_BYTES_MAX + 1));
        let all = JOURNALED_BYTES_MAX / SMALL_BYTES_MAX;
        for n in 0..all {
            assert!(put(&mut journaled, &n.to_string(), SMALL_BYTES_MAX));
        }
        assert!(!put(&mut journaled, "one more", 1));
        journaled.remove("3");
        assert!(put(&mut journaled, "one more", SMALL_BYTES_MAX));
        assert_eq!(journaled.take_writes().len() as u64, all + 2);
    }

    #[test]
    fn a_content_written_again_counts_once() {
        let mut journaled = Journaled::default();
        for size in [10, 30, 20] {
            assert!(put(&mut journaled, "a", size));
        }
        assert_eq!(journaled.bytes, 20);
        journaled.remove("a");
        journaled.remove("a");
        assert_eq!(journaled.bytes, 0);
        assert_eq!(journaled.take_writes().len(), 4, "three times put, once removed");
    }
}
