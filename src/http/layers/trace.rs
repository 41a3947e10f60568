//! One debug line per request, and one warning when a host stops answering. Never a header, a query or a body:
//! they may hold credentials.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use tokio::time::Instant;

use crate::error::Result;
use crate::http::address::shown;
use crate::http::layers::{Layer, Next};
use crate::http::response::Response;
use crate::http::transport::Exchange;

#[derive(Default)]
pub(crate) struct Trace {
    /// The last request found nobody; said once, not for each request that waits.
    offline: AtomicBool,
}

#[async_trait]
impl Layer for Trace {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        let start = Instant::now();
        let outcome = next.send(exchange).await;
        let took_ms = start.elapsed().as_millis();
        let (kind, method, address) = (exchange.request.kind, &exchange.request.method, shown(&exchange.url));
        match &outcome {
            Ok(response) => {
                let (status, size) = (response.status.as_u16(), response.bytes().len());
                log::debug!("{kind}: {method} {address}: {status} in {took_ms} ms, {size} bytes");
            }
            Err(error) => log::debug!("{kind}: {method} {address}: failed after {took_ms} ms: {error}"),
        }
        self.note_reachability(exchange.host(), &outcome);
        outcome
    }
}

impl Trace {
    fn note_reachability(&self, host: &str, outcome: &Result<Response>) {
        match outcome {
            Err(error) if error.is_offline() => {
                if !self.offline.swap(true, Ordering::Relaxed) {
                    log::warn!("{host} cannot be reached, cached data is used where there is some: {error}");
                }
            }
            Ok(_) => {
                if self.offline.swap(false, Ordering::Relaxed) {
                    log::info!("{host} answers again");
                }
            }
            Err(_) => {}
        }
    }
}
