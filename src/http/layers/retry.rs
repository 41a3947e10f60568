//! Sends again what may be sent again, after a growing and jittered wait or the one the service asks for.

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use rand::Rng;
use reqwest::StatusCode;
use tokio::time::Instant;

use crate::error::{Advice, ErrorKind, Result};
use crate::http::layers::{Layer, Next};
use crate::http::request::Repeat;
use crate::http::response::Response;
use crate::http::status::retry_after;
use crate::http::transport::Exchange;

/// Wait before the second try; each further one doubles it.
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(8);

/// Tries of a request that the service fails, or whose connection breaks.
const TRIES_MAX: u32 = 5;
/// Tries when nobody can be reached: the caller has cached data, or a journal that waits better than we do.
const TRIES_UNREACHABLE_MAX: u32 = 3;
/// Tries when the service tells when to come back: these are bounded by the deadline, not by us.
const TRIES_ASKED_MAX: u32 = 50;

pub(crate) struct Retry {
    /// Most time spent waiting between the tries of one request.
    pub(crate) waits_max: Duration,
}

/// Whether one more try makes sense.
#[derive(Debug, PartialEq)]
enum Verdict {
    Final,
    Again { tries_max: u32, asked: Option<Duration> },
}

#[async_trait]
impl Layer for Retry {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        let mut waited = Duration::ZERO;
        let mut tries = 0;
        loop {
            exchange.started = false;
            let outcome = next.send(exchange).await;
            tries += 1;
            let Verdict::Again { tries_max, asked } = judge(exchange, &outcome) else {
                return outcome;
            };
            let wait = asked.map_or_else(|| backoff(tries), |asked| asked + spread());
            waited += wait;
            let too_late = exchange.deadline.is_some_and(|deadline| Instant::now() + wait >= deadline);
            if tries >= tries_max || too_late || waited > self.waits_max {
                return outcome;
            }
            // An unread answer would keep its connection and its turn.
            drop(outcome);
            tokio::time::sleep(wait).await;
        }
    }
}

fn judge(exchange: &Exchange, outcome: &Result<Response>) -> Verdict {
    let harmless = exchange.request.repeat == Repeat::Safe || !exchange.started;
    let again = |allowed: bool, tries_max, asked| match allowed {
        true => Verdict::Again { tries_max, asked },
        false => Verdict::Final,
    };
    match outcome {
        Ok(response) if (exchange.request.is_final)(response) => Verdict::Final,
        Ok(response) => {
            let asked = retry_after(&response.headers, SystemTime::now());
            match response.status {
                // Both say that the request was not carried out.
                StatusCode::TOO_MANY_REQUESTS => again(true, TRIES_ASKED_MAX, asked),
                StatusCode::SERVICE_UNAVAILABLE if asked.is_some() => again(true, TRIES_ASKED_MAX, asked),
                StatusCode::REQUEST_TIMEOUT
                | StatusCode::INTERNAL_SERVER_ERROR
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => again(exchange.request.repeat == Repeat::Safe, TRIES_MAX, asked),
                _ => Verdict::Final,
            }
        }
        Err(error) => match (error.kind(), error.advice()) {
            // Pace knows that the service will not take us before the deadline.
            (ErrorKind::RateLimited, Advice::AgainAfter(_)) => Verdict::Final,
            (ErrorKind::Offline, _) if !exchange.started => again(true, TRIES_UNREACHABLE_MAX, None),
            (ErrorKind::Offline | ErrorKind::TimedOut | ErrorKind::Protocol, _) => again(harmless, TRIES_MAX, None),
            _ => Verdict::Final,
        },
    }
}

/// Between half and all of 0.5, 1, 2, 4, 8, 8 ... seconds: clients that failed together do not come back together.
fn backoff(tries: u32) -> Duration {
    let full = WAIT_FIRST.saturating_mul(1 << (tries - 1).min(10)).min(WAIT_MAX);
    full.mul_f64(rand::rng().random_range(0.5..=1.0))
}

/// Added to the wait that a service asks for: never earlier, and not all at the same moment.
fn spread() -> Duration {
    Duration::from_millis(rand::rng().random_range(20..=200))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_are_jittered_within_bounds() {
        for (tries, full_ms) in [(1, 500), (2, 1000), (3, 2000), (5, 8000), (40, 8000)] {
            let wait = backoff(tries).as_millis();
            assert!((full_ms / 2..=full_ms).contains(&wait), "try {tries}: {wait} ms");
        }
    }
}
