//! The log of requests, for tests that count them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use axum::http::HeaderMap;
use serde::Serialize;

use super::moment::now_ms;

/// Requests remembered; older ones are forgotten, but stay in the counts. A cold walk over 10,000 files takes under 1,500.
const RECORDS_MAX: usize = 20_000;
/// Headers whose presence is noted.
const NOTED_HEADERS: [&str; 12] = [
    "authorization",
    "content-type",
    "content-length",
    "content-disposition",
    "transfer-encoding",
    "range",
    "if-match",
    "if-none-match",
    "if-range",
    "user-agent",
    "accept-encoding",
    "idempotency-key",
];

/// One request as it arrived, and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct RequestRecord {
    pub number: u64,
    pub arrived_ms: u64,
    pub method: String,
    /// With the query.
    pub path: String,
    pub kind: &'static str,
    /// Names of the noted headers that were present.
    pub headers: Vec<&'static str>,
    /// Requests not yet answered when this one arrived, itself included. A body still travelling does not count.
    pub concurrent: usize,
    /// `None` until answered, and when no answer was given.
    pub status: Option<u16>,
    /// The fault that was applied, in its text form.
    pub fault: Option<String>,
}

#[derive(Default)]
pub struct RequestLog {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    records: VecDeque<RequestRecord>,
    counts: BTreeMap<&'static str, u64>,
    under_way: usize,
    next: u64,
}

/// A request under way; tells the log when it ends, however it ends.
pub struct Arrival<'a> {
    log: &'a RequestLog,
    number: u64,
}

impl RequestLog {
    /// The remembered requests, oldest first.
    pub fn all(&self) -> Vec<RequestRecord> {
        self.with(|state| state.records.iter().cloned().collect())
    }

    /// The remembered requests of one kind.
    pub fn of_kind(&self, kind: &str) -> Vec<RequestRecord> {
        self.with(|state| state.records.iter().filter(|record| record.kind == kind).cloned().collect())
    }

    /// How many of a kind arrived since the start or the last [`RequestLog::clear`].
    pub fn count(&self, kind: &str) -> u64 {
        self.with(|state| state.counts.get(kind).copied().unwrap_or(0))
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.with(|state| state.counts.clone())
    }

    /// How many arrived in all.
    pub fn total(&self) -> u64 {
        self.with(|state| state.counts.values().sum())
    }

    pub fn clear(&self) {
        self.with(|state| {
            state.records.clear();
            state.counts.clear();
        });
    }

    pub(super) fn arrived(&self, method: &str, path: &str, kind: &'static str, headers: &HeaderMap) -> Arrival<'_> {
        let headers = NOTED_HEADERS.into_iter().filter(|&name| headers.contains_key(name)).collect();
        let number = self.with(|state| {
            let number = state.next;
            state.next += 1;
            state.under_way += 1;
            *state.counts.entry(kind).or_default() += 1;
            if state.records.len() == RECORDS_MAX {
                state.records.pop_front();
            }
            state.records.push_back(RequestRecord {
                number,
                arrived_ms: now_ms(),
                method: method.to_owned(),
                path: path.to_owned(),
                kind,
                headers,
                concurrent: state.under_way,
                status: None,
                fault: None,
            });
            number
        });
        Arrival { log: self, number }
    }

    fn with<T>(&self, f: impl FnOnce(&mut State) -> T) -> T {
        f(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Arrival<'_> {
    pub fn answered(&self, status: u16) {
        self.change(|record| record.status = Some(status));
    }

    pub fn faulted(&self, fault: String) {
        self.change(|record| record.fault = Some(fault));
    }

    fn change(&self, change: impl FnOnce(&mut RequestRecord)) {
        self.log.with(|state| {
            // Numbers are consecutive, so the place follows from the oldest one's.
            let Some(oldest) = state.records.front().map(|record| record.number) else { return };
            let place = self.number.checked_sub(oldest);
            if let Some(record) = place.and_then(|place| state.records.get_mut(place as usize)) {
                change(record);
            }
        });
    }
}

impl Drop for Arrival<'_> {
    fn drop(&mut self) {
        self.log.with(|state| state.under_way -= 1);
    }
}
