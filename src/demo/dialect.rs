//! What a service's protocol must provide to be played by the demo.

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::Value;

use super::act::Act;
use super::distort::Distortion;
use super::node::Node;
use super::samples;
use super::service::Service;
use super::store::Store;
use crate::error::Result;

/// One service's protocol.
pub trait Dialect: Send + Sync {
    /// As in the configuration: `imeet-central`, ...
    fn name(&self) -> &'static str;

    /// The API, with credentials made (or read back from the store's directory) on the way.
    fn router(&self, service: Arc<Service>) -> Result<Router>;

    /// What the storage host answers, for services that redirect downloads or uploads there.
    fn storage_router(&self, _service: Arc<Service>) -> Option<Router> {
        None
    }

    /// Lines of `[accounts.NAME]` that let collabfs use this service.
    fn account_toml(&self, service: &Service) -> String;

    /// The kind of call, for fault rules and the request log: `token`, `list`, `stat`, `download`, `upload`,
    /// `attach`, `revise`, `create-folder`, `change`, `delete`, `versions`, ...
    fn call_kind(&self, method: &Method, path: &str) -> &'static str;

    /// The id as the service shows it.
    fn public_id(&self, node: &Node) -> String;

    /// Makes an answer wrong in the way asked for; leaves it as it is where that makes no sense.
    fn distort(&self, how: Distortion, path_and_query: &str, answer: &mut Value);

    /// Whether a web user of this service can do such a thing at all.
    fn offers(&self, _act: &Act) -> bool {
        true
    }

    /// Whether a file's old revisions can be listed.
    fn lists_revisions(&self) -> bool {
        true
    }

    /// Fills an empty store.
    fn seed(&self, store: &Store) -> Result<()> {
        samples::seed(store)
    }
}
