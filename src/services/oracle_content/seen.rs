//! What this session last saw of files, within bounds: a revision must be sent under the name that the file has now,
//! and a removal must know whether there is more than one version.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;

/// Files remembered: some 200 bytes each.
const FILES_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();

pub struct Seen {
    files: Mutex<LruCache<String, SeenFile>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenFile {
    pub name: String,
    /// Number of the newest version.
    pub version: Option<u64>,
}

impl Default for Seen {
    fn default() -> Seen {
        Seen { files: Mutex::new(LruCache::new(FILES_MAX)) }
    }
}

impl Seen {
    pub fn note(&self, id: &str, file: SeenFile) {
        self.files().put(id.to_owned(), file);
    }

    pub fn get(&self, id: &str) -> Option<SeenFile> {
        self.files().get(id).cloned()
    }

    pub fn forget(&self, id: &str) {
        self.files().pop(id);
    }

    fn files(&self) -> MutexGuard<'_, LruCache<String, SeenFile>> {
        self.files.lock().unwrap_or_else(|e| e.into_inner())
    }
}
