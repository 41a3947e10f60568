//! The layers of the client. Each takes an exchange, may look at it or repeat it, and hands it to the next one.
//! [`crate::http::Client::new`] stacks them.

pub mod authorize;
pub mod deadline;
pub mod faults;
pub mod metrics;
pub mod pace;
pub mod retry;
pub mod trace;

use async_trait::async_trait;

use crate::error::Result;
use crate::http::response::Response;
use crate::http::transport::{Exchange, Transport};

#[async_trait]
pub(super) trait Layer: Send + Sync {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response>;
}

/// The layers further inside, and the network below them.
#[derive(Clone, Copy)]
pub(super) struct Next<'a> {
    pub(super) layers: &'a [Box<dyn Layer>],
    pub(super) transport: &'a Transport,
}

impl Next<'_> {
    pub(super) async fn send(self, exchange: &mut Exchange) -> Result<Response> {
        match self.layers.split_first() {
            Some((layer, layers)) => layer.send(exchange, Next { layers, ..self }).await,
            None => self.transport.send(exchange).await,
        }
    }
}
