//! No wait without an end: a deadline for a small call in all, and one for standing still within a try.

use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result};
use crate::http::layers::{Layer, Next};
use crate::http::response::Response;
use crate::http::transport::Exchange;

/// The deadline of an operation with all its tries. Transfers have none: they may take as long as bytes move.
pub(crate) struct WholeDeadline(pub(crate) Duration);

#[async_trait]
impl Layer for WholeDeadline {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        if exchange.request.is_transfer() {
            return next.send(exchange).await;
        }
        let deadline = Instant::now() + self.0;
        exchange.deadline = Some(deadline);
        match tokio::time::timeout_at(deadline, next.send(exchange)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(timed_out(exchange, self.0)),
        }
    }
}

/// Ends a try in which no byte moved for so long, in either direction.
pub(crate) struct IdleDeadline {
    pub(crate) usual: Duration,
    pub(crate) upload: Duration,
}

#[async_trait]
impl Layer for IdleDeadline {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        let progress = exchange.progress.clone();
        progress.touch();
        let longest = if exchange.request.is_upload() { self.upload } else { self.usual };
        let stalled = async {
            loop {
                let due = progress.last() + longest;
                if due <= Instant::now() {
                    return;
                }
                tokio::time::sleep_until(due).await;
            }
        };
        tokio::select! {
            outcome = next.send(exchange) => return outcome,
            () = stalled => {}
        }
        Err(timed_out(exchange, longest))
    }
}

fn timed_out(exchange: &Exchange, after: Duration) -> Error {
    let text = format!("{} did not answer within {:.0?}", exchange.host(), after);
    exchange.judged(Error::new(ErrorKind::TimedOut, text))
}
