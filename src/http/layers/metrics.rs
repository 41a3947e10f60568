//! Counts requests by kind and outcome, for `status --json`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::error::{ErrorKind, Result};
use crate::http::layers::{Layer, Next};
use crate::http::response::Response;
use crate::http::transport::Exchange;

/// Counters of one account; clones count together. Bounded, since kinds and outcomes are constants of the program.
#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Mutex<BTreeMap<(&'static str, &'static str), Tally>>>);

#[derive(Debug, Clone, Copy, Default)]
struct Tally {
    count: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

/// What happened to the tries of one kind of request; a repeated request counts each time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestCount {
    pub kind: &'static str,
    /// `ok`, `redirect`, `refused` (4xx), `rate-limited`, `failed` (5xx), `offline`, `timed-out`, `broken`.
    pub outcome: &'static str,
    pub count: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
}

impl Metrics {
    pub fn snapshot(&self) -> Vec<RequestCount> {
        let row = |(&(kind, outcome), tally): (&(&'static str, &'static str), &Tally)| {
            let Tally { count, bytes_sent, bytes_received } = *tally;
            RequestCount { kind, outcome, count, bytes_sent, bytes_received }
        };
        self.lock().iter().map(row).collect()
    }

    /// Requests of a kind, whatever came of them.
    pub fn count(&self, kind: &str) -> u64 {
        self.lock().iter().filter(|((k, _), _)| *k == kind).map(|(_, tally)| tally.count).sum()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(&'static str, &'static str), Tally>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn add(&self, kind: &'static str, outcome: &'static str, change: impl FnOnce(&mut Tally)) {
        change(self.lock().entry((kind, outcome)).or_default());
    }
}

pub(crate) struct Count(pub(crate) Metrics);

#[async_trait]
impl Layer for Count {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        let kind = exchange.request.kind;
        // Counts a try that is given up from outside (a deadline) too.
        let mut abandoned = Abandoned { metrics: Some(&self.0), kind };
        let mut outcome = next.send(exchange).await;
        abandoned.metrics = None;
        let word = match &outcome {
            Ok(response) => status_word(response.status.as_u16()),
            Err(error) => error_word(error.kind()),
        };
        let sent = if outcome.is_ok() { exchange.request.body.len() } else { 0 };
        self.0.add(kind, word, |tally| {
            tally.count += 1;
            tally.bytes_sent += sent;
        });
        if let Ok(response) = &mut outcome {
            let metrics = self.0.clone();
            response.watch_body(move |bytes| {
                metrics.add(kind, word, |tally| tally.bytes_received += bytes.len() as u64);
            });
        }
        outcome
    }
}

struct Abandoned<'a> {
    metrics: Option<&'a Metrics>,
    kind: &'static str,
}

impl Drop for Abandoned<'_> {
    fn drop(&mut self) {
        if let Some(metrics) = self.metrics {
            metrics.add(self.kind, error_word(ErrorKind::TimedOut), |tally| tally.count += 1);
        }
    }
}

fn status_word(status: u16) -> &'static str {
    match status {
        200..=299 => "ok",
        300..=399 => "redirect",
        429 => "rate-limited",
        400..=499 => "refused",
        _ => "failed",
    }
}

fn error_word(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::Offline => "offline",
        ErrorKind::TimedOut => "timed-out",
        _ => "broken",
    }
}
