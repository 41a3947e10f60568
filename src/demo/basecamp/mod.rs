//! Basecamp 2 (bcx API, version 1), as documented and as strict as that: no request without a contact in its
//! `User-Agent`, no address without `.json`, no body without its type, no parameter that no page shows.
//!
//! Files of a project are its uploads; those of its messages, tasks and records play what hangs on messages, to-dos and
//! comments. The service has no revisions: what a web user revises in the store shows as another upload, whose
//! predecessor is gone.

mod api;
mod auth;
mod content;
mod events;
mod files;
mod ids;
mod objects;
mod projects;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::Value;

use super::act::Act;
use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::{Kind, Node};
use super::service::Service;
use super::store::Store;
use super::{samples, transfer};
use crate::error::Result;
use auth::Login;

/// The account's number in every address.
const ACCOUNT: u64 = 999_999_999;
/// More files than any project has.
const ENDLESS_COUNT: u64 = 1 << 50;

pub struct Basecamp;

impl Dialect for Basecamp {
    fn name(&self) -> &'static str {
        "basecamp"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let login = Login::load_or_make(service.store.dir())?;
        Ok(api::router(service, login))
    }

    fn storage_router(&self, service: Arc<Service>) -> Option<Router> {
        Some(transfer::storage_router(service))
    }

    fn account_toml(&self, service: &Service) -> String {
        let url = &service.url;
        let login = Login::load_or_make(service.store.dir()).map(|login| login.settings()).unwrap_or_default();
        format!(
            "service = \"basecamp\"\nurl = \"{url}/{ACCOUNT}/api/v1\"\nlaunchpad_url = \"{url}\"\n\
             contact = \"demo@example.org\"\n{login}"
        )
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let call = match segments.as_slice() {
            [_, "api", "v1", call @ ..] => call,
            other => other,
        };
        match (method.as_str(), call) {
            ("POST", ["authorization", "token"]) => "token",
            ("GET", ["objects", _] | ["projects", _, "attachments", _, _, "original", _]) => "download",
            ("GET", ["events.json"]) => "events",
            ("GET", ["projects.json"] | ["projects", _] | ["projects", _, "attachments.json"]) => "list",
            ("GET", ["projects", _, _, _]) => "stat",
            ("POST", ["attachments.json"]) => "upload",
            ("POST", ["projects", _, "uploads.json"]) => "attach",
            ("POST", ["projects.json"]) => "create-folder",
            ("PUT", _) => "change",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn lists_revisions(&self) -> bool {
        false
    }

    fn public_id(&self, node: &Node) -> String {
        match node.kind {
            Kind::File => ids::upload(node).to_string(),
            _ => node.id.0.to_string(),
        }
    }

    fn distort(&self, how: Distortion, _path_and_query: &str, answer: &mut Value) {
        match how {
            // Nothing has a parent here that it could hold.
            Distortion::WrongTypes | Distortion::CyclicParents => {}
            // Lists do not say where they end: the project's count does.
            Distortion::EndlessPaging => {
                if let Some(count) = answer.pointer_mut("/attachments/count") {
                    *count = ENDLESS_COUNT.into();
                }
            }
            Distortion::HugeNames => each_field(answer, &["name"], &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }

    /// No folders, no locks, nothing moves; an upload's text is given with it.
    fn offers(&self, act: &Act) -> bool {
        !matches!(
            act,
            Act::CreateFolder { .. }
                | Act::Move { .. }
                | Act::Lock { .. }
                | Act::Unlock { .. }
                | Act::Describe { .. }
                | Act::Fill { .. }
        )
    }

    fn seed(&self, store: &Store) -> Result<()> {
        samples::seed_flat(store)
    }
}
