//! What we changed on the service a moment ago: a listing that was begun earlier knows less than we do.

use std::collections::HashMap;

use crate::ids::{Ino, RemoteId};

#[derive(Default)]
pub(super) struct Recent {
    /// Counts our own changes.
    moment: u64,
    nodes: HashMap<Ino, u64>,
    entries: HashMap<RemoteId, u64>,
    /// Listings under way. What is remembered can be forgotten when there is none.
    listings: usize,
}

impl Recent {
    /// Another one after each of our changes.
    pub fn moment(&self) -> u64 {
        self.moment
    }

    /// A listing begins; answers the moment.
    pub fn listing_begins(&mut self) -> u64 {
        self.listings += 1;
        self.moment
    }

    pub fn listing_ends(&mut self) {
        self.listings = self.listings.saturating_sub(1);
        if self.listings == 0 {
            self.nodes.clear();
            self.entries.clear();
        }
    }

    pub fn changed(&mut self, ino: Ino, id: Option<&RemoteId>) {
        self.moment += 1;
        if self.listings == 0 {
            return;
        }
        self.nodes.insert(ino, self.moment);
        if let Some(id) = id {
            self.entries.insert(id.clone(), self.moment);
        }
    }

    pub fn is_newer(&self, ino: Ino, id: &RemoteId, begun: u64) -> bool {
        let later = |moment: Option<&u64>| moment.is_some_and(|m| *m > begun);
        later(self.nodes.get(&ino)) || later(self.entries.get(id))
    }
}
