//! Faults on purpose, for tests: the n-th request of a kind fails before or after it took effect.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;

use crate::error::{Error, ErrorKind, Result};
use crate::http::layers::{Layer, Next};
use crate::http::response::Response;
use crate::http::transport::Exchange;

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The connection cannot be made: certainly nothing happened.
    Unreachable,
    /// The request was carried out, but its answer is lost.
    AnswerLost,
}

/// The faults that are still to come; clones share them. Empty outside of tests.
#[derive(Debug, Clone, Default)]
pub struct Faults(Arc<Mutex<Plan>>);

#[derive(Debug, Default)]
struct Plan {
    /// Kind, how many of it pass before, and the fault.
    coming: Vec<(String, u32, Fault)>,
    passed: HashMap<String, u32>,
}

impl Faults {
    /// The `nth` request of `kind` from now on (counted from 1) fails.
    pub fn add(&self, kind: &str, nth: u32, fault: Fault) {
        let mut plan = self.lock();
        let passed = plan.passed.get(kind).copied().unwrap_or(0);
        plan.coming.push((kind.to_owned(), passed + nth, fault));
    }

    fn lock(&self) -> MutexGuard<'_, Plan> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn take(&self, kind: &str) -> Option<Fault> {
        let mut plan = self.lock();
        if plan.coming.is_empty() && plan.passed.is_empty() {
            return None;
        }
        let passed = plan.passed.entry(kind.to_owned()).or_default();
        *passed += 1;
        let number = *passed;
        let at = plan.coming.iter().position(|(k, nth, _)| k == kind && *nth == number)?;
        Some(plan.coming.swap_remove(at).2)
    }
}

pub(crate) struct InjectFaults(pub(crate) Faults);

#[async_trait]
impl Layer for InjectFaults {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        match self.0.take(exchange.request.kind) {
            None => next.send(exchange).await,
            Some(Fault::Unreachable) => Err(Error::new(ErrorKind::Offline, "a fault on purpose: no connection")),
            Some(Fault::AnswerLost) => {
                drop(next.send(exchange).await?);
                Err(exchange.judged(Error::new(ErrorKind::Offline, "a fault on purpose: the answer is lost")))
            }
        }
    }
}
