//! What the cache holds, how much room that takes, and what goes when room is needed.
//!
//! Memory only, behind one short lock of [`crate::content::Cache`]; whoever gets a removal to do does it afterwards.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::content::index::{Claim, Proof};
use crate::content::item::{DataDir, Item, Remains};
use crate::content::key::ContentKey;

/// Most contents in the cache: their entries take about 200 bytes each, so that this is a limit of 20 MB.
pub(super) const ENTRIES_MAX: usize = 100_000;
/// The unit in which file systems give out room.
const DISK_BLOCK_BYTES: u64 = 4096;

/// The data file of a content, to be removed.
pub(super) type Removal = (ContentKey, u64);

pub(super) struct Catalog {
    dir: Arc<DataDir>,
    limit_bytes: u64,

    /// Sum of what all entries store or have reserved.
    used_bytes: u64,
    entries: BTreeMap<ContentKey, Entry>,
    /// Entries that may be evicted, by `Entry::stamp`: least recently used first.
    order: BTreeMap<u64, ContentKey>,
    next_stamp: u64,
    /// File parts of the keys that stay.
    pinned: HashSet<u64>,
}

/// In use (an item, users > 0, no stamp), or kept (a [`Kept`], and a stamp unless it is pinned).
#[derive(Default)]
struct Entry {
    item: Option<Arc<Item>>,
    users: u32,
    kept: Option<Kept>,
    stamp: Option<u64>,
}

#[derive(Clone, Copy)]
struct Kept {
    claim: Claim,
    /// The index has the claim, and so it outlives a restart.
    indexed: bool,
    /// Written or looked at by this process: a look at the size is enough.
    trusted: bool,
}

/// What the last user of an item leaves to be done.
pub(super) enum Leftover {
    Nothing,
    Remove(Removal),
    /// Make durable what is here of it, then say so by [`Catalog::settled`].
    Settle(Arc<Item>),
}

impl Catalog {
    pub fn new(dir: Arc<DataDir>, limit_bytes: u64, claims: &[Claim]) -> Catalog {
        let (entries, order, pinned) = (BTreeMap::new(), BTreeMap::new(), HashSet::new());
        let mut catalog = Catalog { dir, limit_bytes, used_bytes: 0, entries, order, next_stamp: 0, pinned };
        for claim in claims {
            let kept = Kept { claim: *claim, indexed: true, trusted: false };
            catalog.entries.insert(claim.key, Entry { kept: Some(kept), ..Entry::default() });
            catalog.used_bytes += claim.stored;
            catalog.rest(claim.key);
        }
        catalog
    }

    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    pub fn limit_bytes(&self) -> u64 {
        self.limit_bytes
    }

    /// Takes a content into use: what is here of it, else an empty item. A kept content of another size than is
    /// expected is dropped.
    pub fn acquire(&mut self, key: ContentKey, size: Option<u64>) -> (Arc<Item>, Vec<Removal>) {
        let mut removals = Vec::new();
        if self.entries.get(&key).and_then(|e| e.kept).is_some_and(|kept| kept.contradicts(size)) {
            removals.extend(self.remove_kept(key));
        }
        if !self.entries.contains_key(&key) && self.entries.len() >= ENTRIES_MAX {
            removals.extend(self.evict_oldest());
        }
        let entry = self.entries.entry(key).or_default();
        entry.users += 1;
        if let Some(stamp) = entry.stamp.take() {
            self.order.remove(&stamp);
        }
        let item = entry.item.get_or_insert_with(|| {
            Arc::new(match entry.kept {
                Some(kept) => Item::claimed(kept.claim_to_check(), self.dir.clone()),
                None => Item::new(key, self.dir.clone()),
            })
        });
        (item.clone(), removals)
    }

    /// One user of the item left.
    pub fn release(&mut self, item: &Arc<Item>) -> Leftover {
        self.leave(item, true)
    }

    /// What the keeper did with [`Leftover::Settle`]; it was a user of the item until now.
    pub fn settled(&mut self, item: &Arc<Item>, claim: Option<Claim>) -> Leftover {
        if let (Some(claim), Some(entry)) = (claim, self.entries.get_mut(&item.key)) {
            entry.kept = Some(Kept { claim, indexed: true, trusted: true });
        } else {
            item.forget();
        }
        self.leave(item, false)
    }

    fn leave(&mut self, item: &Arc<Item>, settle: bool) -> Leftover {
        let Some(entry) = self.entries.get_mut(&item.key) else { return Leftover::Nothing };
        if entry.users > 1 {
            entry.users -= 1;
            return Leftover::Nothing;
        }
        let remains = item.remains();
        if settle && matches!(remains, Remains::Part { .. }) {
            // The keeper takes over the place of this user.
            return Leftover::Settle(item.clone());
        }
        entry.users = 0;
        entry.item = None;
        let stored = entry.keep(item, &remains);
        let reserved = item.reserved.swap(stored, Ordering::Relaxed);
        self.used_bytes = self.used_bytes.saturating_sub(reserved) + stored;
        match remains {
            Remains::Nothing => {
                self.entries.remove(&item.key);
                Leftover::Remove((item.key, item.generation()))
            }
            _ => {
                self.rest(item.key);
                Leftover::Nothing
            }
        }
    }

    /// The index has a claim now; forgotten if the content is gone meanwhile.
    pub fn indexed(&mut self, claim: Claim) {
        let Some(entry) = self.entries.get_mut(&claim.key) else { return };
        let generation = match (&entry.item, entry.kept) {
            (Some(item), _) => item.generation(),
            (None, Some(kept)) => kept.claim.generation,
            (None, None) => return,
        };
        if generation == claim.generation {
            entry.kept = Some(Kept { claim, indexed: true, trusted: true });
        }
    }

    /// The claims that the index must have, least recently used first, then what is in use or pinned.
    pub fn claims(&self) -> Vec<Claim> {
        let resting = self.order.values().filter_map(|key| self.entries.get(key));
        let others = self.entries.values().filter(|entry| entry.stamp.is_none());
        resting.chain(others).filter_map(|e| e.kept).filter(|kept| kept.indexed).map(|kept| kept.claim).collect()
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether the whole of a content is here; `None` when it is in use and its item knows.
    pub fn is_kept_whole(&self, key: ContentKey) -> Option<bool> {
        let entry = self.entries.get(&key)?;
        match entry.item {
            Some(_) => None,
            None => Some(entry.kept.is_some_and(|kept| kept.claim.proof != Proof::Map)),
        }
    }

    /// The item of a content that is in use.
    pub fn in_use(&self, key: ContentKey) -> Option<Arc<Item>> {
        self.entries.get(&key)?.item.clone()
    }

    /// Counts `bytes` more for the item. `None` when there is no room for them, even if everything evictable went;
    /// else what has to be removed. `disk_spare_bytes`: what may still be written to the disk.
    pub fn reserve(&mut self, item: &Item, bytes: u64, disk_spare_bytes: u64) -> Option<Vec<Removal>> {
        let over_limit = (self.used_bytes + bytes).saturating_sub(self.limit_bytes);
        let over_disk = bytes.saturating_sub(disk_spare_bytes);
        let removals = self.evict(over_limit.max(over_disk))?;
        self.used_bytes += bytes;
        item.reserved.fetch_add(bytes, Ordering::Relaxed);
        Some(removals)
    }

    /// Evicts least recently used contents until so many bytes are free; nothing if there are not enough.
    fn evict(&mut self, bytes: u64) -> Option<Vec<Removal>> {
        let mut freed = 0;
        let mut victims = Vec::new();
        for key in self.order.values() {
            if freed >= bytes {
                break;
            }
            freed += self.entries.get(key).and_then(|e| e.kept).map_or(0, |kept| kept.claim.stored);
            victims.push(*key);
        }
        (freed >= bytes).then(|| victims.into_iter().filter_map(|key| self.remove_kept(key)).collect())
    }

    /// Evicts what is over the limit, as after a start with a lower one.
    pub fn trim(&mut self) -> Vec<Removal> {
        self.evict(self.used_bytes.saturating_sub(self.limit_bytes)).unwrap_or_default()
    }

    fn evict_oldest(&mut self) -> Option<Removal> {
        let key = *self.order.first_key_value()?.1;
        self.remove_kept(key)
    }

    fn remove_kept(&mut self, key: ContentKey) -> Option<Removal> {
        if self.entries.get(&key)?.users > 0 {
            return None;
        }
        let entry = self.entries.remove(&key)?;
        if let Some(stamp) = entry.stamp {
            self.order.remove(&stamp);
        }
        let claim = entry.kept?.claim;
        self.used_bytes = self.used_bytes.saturating_sub(claim.stored);
        Some((key, claim.generation))
    }

    /// Drops a claim whose data file is not there.
    pub fn drop_missing(&mut self, key: ContentKey, generation: u64) {
        let kept = self.entries.get(&key).and_then(|entry| entry.kept);
        if kept.is_some_and(|kept| kept.claim.generation == generation) {
            self.remove_kept(key);
        }
    }

    /// Drops all revisions of a file; those in use go when their last user left.
    pub fn forget(&mut self, file: u64) -> Vec<Removal> {
        let keys = self.keys_of(file);
        for key in &keys {
            if let Some(item) = self.in_use(*key) {
                item.forget();
            }
        }
        keys.into_iter().filter_map(|key| self.remove_kept(key)).collect()
    }

    pub fn pin(&mut self, file: u64) {
        self.pinned.insert(file);
        for key in self.keys_of(file) {
            if let Some(stamp) = self.entries.get_mut(&key).and_then(|entry| entry.stamp.take()) {
                self.order.remove(&stamp);
            }
        }
    }

    pub fn unpin(&mut self, file: u64) {
        if self.pinned.remove(&file) {
            for key in self.keys_of(file) {
                self.rest(key);
            }
        }
    }

    fn keys_of(&self, file: u64) -> Vec<ContentKey> {
        let (first, last) = (ContentKey { file, revision: 0 }, ContentKey { file, revision: u64::MAX });
        self.entries.range(first..=last).map(|(key, _)| *key).collect()
    }

    /// Makes an entry that nobody uses evictable, as the most recently used one.
    fn rest(&mut self, key: ContentKey) {
        let Some(entry) = self.entries.get_mut(&key) else { return };
        if entry.users > 0 || entry.stamp.is_some() || self.pinned.contains(&key.file) {
            return;
        }
        entry.stamp = Some(self.next_stamp);
        self.order.insert(self.next_stamp, key);
        self.next_stamp += 1;
    }
}

impl Entry {
    /// Takes over what remains of the item. Returns the bytes it stores.
    fn keep(&mut self, item: &Item, remains: &Remains) -> u64 {
        let known = self.kept.filter(|kept| kept.claim.generation == item.generation());
        self.kept = match *remains {
            Remains::Nothing => None,
            Remains::Untouched(_) => self.kept,
            Remains::Part { .. } => known,
            Remains::Whole { size } => match known {
                Some(kept) if kept.claim.proof != Proof::Map => Some(Kept { trusted: true, ..kept }),
                _ => Some(Kept { claim: whole(item, size), indexed: false, trusted: true }),
            },
        };
        if let (Remains::Part { stored }, Some(kept)) = (*remains, &mut self.kept) {
            kept.claim.stored = stored;
        }
        self.kept.map_or(0, |kept| kept.claim.stored)
    }
}

/// Stands for a whole content until the keeper made the true claim.
fn whole(item: &Item, size: u64) -> Claim {
    let (key, generation) = (item.key, item.generation());
    Claim { key, generation, size, stored: stored_bytes(size), proof: Proof::Durable }
}

/// Room that a whole content takes on the disk.
pub(super) fn stored_bytes(size: u64) -> u64 {
    size.next_multiple_of(DISK_BLOCK_BYTES)
}

impl Kept {
    fn contradicts(&self, size: Option<u64>) -> bool {
        let known = self.claim.proof != Proof::Map || self.claim.size > 0;
        known && size.is_some_and(|size| size != self.claim.size)
    }

    fn claim_to_check(&self) -> Claim {
        match self.claim.proof {
            Proof::Checksum(_) if self.trusted => Claim { proof: Proof::Durable, ..self.claim },
            _ => self.claim,
        }
    }
}
