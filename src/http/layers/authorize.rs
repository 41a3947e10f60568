//! Adds credentials where they belong, and tries once more with new ones when they are refused.

use std::sync::Arc;

use async_trait::async_trait;
use reqwest::Url;

use crate::error::Result;
use crate::http::auth::{Authorizer, Credentials, Outgoing};
use crate::http::layers::{Layer, Next};
use crate::http::response::Response;
use crate::http::transport::Exchange;

pub(crate) struct Authorize {
    pub(crate) base: Url,
    pub(crate) authorizer: Arc<dyn Authorizer>,
}

#[async_trait]
impl Layer for Authorize {
    async fn send(&self, exchange: &mut Exchange, next: Next<'_>) -> Result<Response> {
        if !exchange.request.authorize || !self.authorizer.covers(&self.base, &exchange.url) {
            return next.send(exchange).await;
        }
        exchange.started = false;
        let used = self.equip(exchange).await?;
        let response = next.send(exchange).await?;
        self.authorizer.observe(&used, &response);
        if !self.authorizer.refuses(&response) {
            self.authorizer.accepted(&used);
            return Ok(response);
        }
        exchange.started = false;
        if !self.authorizer.refused(&used).await? {
            return Ok(response);
        }
        let used = self.equip(exchange).await?;
        let response = next.send(exchange).await?;
        self.authorizer.observe(&used, &response);
        if !self.authorizer.refuses(&response) {
            self.authorizer.accepted(&used);
        }
        Ok(response)
    }
}

impl Authorize {
    async fn equip(&self, exchange: &mut Exchange) -> Result<Credentials> {
        let outgoing = Outgoing { method: &exchange.request.method, url: &exchange.url };
        let credentials = self.authorizer.credentials(&outgoing).await?;
        let words = credentials.headers.values().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(' '));
        // Short words (`Bearer`, a user's number) are no secrets, and masking them would spoil messages.
        exchange.masks = words.filter(|word| word.len() > 7).map(str::to_owned).collect();
        exchange.credentials = credentials.headers.clone();
        Ok(credentials)
    }
}
