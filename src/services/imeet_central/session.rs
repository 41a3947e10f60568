//! What this session learned about where things are, within bounds: enough to find a thing on a service that cannot
//! tell, and to show what was just uploaded to one that cannot list.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};

use lru::LruCache;

use crate::provider::Entry;
use crate::services::imeet_central::place::Place;

/// Places whose directory is remembered: some 200 bytes each.
const HOMES_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
/// Files remembered because their directory cannot be listed: some 500 bytes each.
const UPLOADED_MAX: NonZeroUsize = NonZeroUsize::new(5_000).unwrap();

pub struct Session {
    homes: Mutex<LruCache<Place, Place>>,
    uploaded: Mutex<LruCache<Place, Entry>>,
}

impl Default for Session {
    fn default() -> Session {
        Session { homes: Mutex::new(LruCache::new(HOMES_MAX)), uploaded: Mutex::new(LruCache::new(UPLOADED_MAX)) }
    }
}

impl Session {
    pub fn note_home(&self, place: Place, home: &Place) {
        locked(&self.homes).put(place, home.clone());
    }

    pub fn home(&self, place: &Place) -> Option<Place> {
        locked(&self.homes).get(place).cloned()
    }

    pub fn note_uploaded(&self, file: Place, entry: Entry) {
        locked(&self.uploaded).put(file, entry);
    }

    pub fn uploaded(&self, file: &Place) -> Option<Entry> {
        locked(&self.uploaded).get(file).cloned()
    }

    /// What was uploaded to a directory in this session.
    pub fn uploaded_to(&self, dir: &Place) -> Vec<Entry> {
        let homes = locked(&self.homes);
        let uploaded = locked(&self.uploaded);
        let here = uploaded.iter().filter(|(file, _)| homes.peek(*file) == Some(dir));
        here.map(|(_, entry)| entry.clone()).collect()
    }

    pub fn forget(&self, place: &Place) {
        locked(&self.homes).pop(place);
        locked(&self.uploaded).pop(place);
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
