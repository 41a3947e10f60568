//! Medable (Cortex API v2) as its pages tell, and as strict: three objects stand for projects, folders and files.
//!
//! Nothing about the tree is checked by the service, names may be equal, what is removed is gone, and a removed folder
//! leaves its content behind. Only references to instances that are not there are refused (assumed).

mod api;
mod auth;
mod changes;
mod fault;
mod files;
mod forms;
mod keys;
mod listing;
mod objects;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::Value;

use super::act::Act;
use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::Node;
use super::service::Service;
use crate::error::Result;

/// The only org.
const ORG: &str = "demo";

pub struct Medable;

impl Dialect for Medable {
    fn name(&self) -> &'static str {
        "medable"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let keys = keys::Keys::load_or_make(service.store.dir())?;
        Ok(api::router(service, keys))
    }

    fn storage_router(&self, service: Arc<Service>) -> Option<Router> {
        Some(forms::storage_router(service))
    }

    fn account_toml(&self, service: &Service) -> String {
        let url = &service.url;
        // The keys were made, or read, when the router was.
        let keys = keys::Keys::load_or_make(service.store.dir()).unwrap_or_default();
        format!(
            "service = \"medable\"\nurl = \"{url}/{ORG}/v2\"\nclient_key = \"{}\"\nauth = \"session\"\n\
             username = \"{}\"\npassword = \"{}\"\nverification_token = \"{}\"\nrate = 0\n",
            keys.client_key,
            super::service::API_USER,
            keys.password,
            auth::CODE,
        )
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let segments: Vec<_> = path.split('/').skip(1).filter(|segment| !segment.is_empty()).collect();
        let is_file = |object: &str| object == objects::FILES;
        match (method.as_str(), segments.as_slice()) {
            ("POST", [_, _, "accounts", "login"]) => "token",
            ("GET", [_, _, "accounts", "me"]) => "whoami",
            ("POST", []) => "upload",
            ("GET", ["objects", _]) => "download",
            ("POST", [_, _, object]) if is_file(object) => "attach",
            ("POST", [_, _, _]) => "create-folder",
            ("GET", [_, _, _]) => "list",
            ("GET", [_, _, _, _]) => "stat",
            ("GET", [_, _, _, _, _]) => "look",
            ("GET", [_, _, _, _, _, _]) => "locate",
            ("PUT", [_, _, _, _]) => "change",
            ("PUT", [_, _, _, _, _]) => "revise",
            ("PUT", [.., "refresh"]) => "refresh",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn lists_revisions(&self) -> bool {
        false
    }

    fn public_id(&self, node: &Node) -> String {
        objects::show(node.kind, node.id)
    }

    fn distort(&self, how: Distortion, _path_and_query: &str, answer: &mut Value) {
        match how {
            Distortion::WrongTypes => {}
            Distortion::EndlessPaging if answer.get("hasMore").is_some() => answer["hasMore"] = true.into(),
            Distortion::EndlessPaging => {}
            Distortion::CyclicParents => cyclic_parents(answer),
            Distortion::HugeNames => each_field(answer, &[objects::NAME], &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }

    /// No locks.
    fn offers(&self, act: &Act) -> bool {
        !matches!(act, Act::Lock { .. } | Act::Unlock { .. } | Act::Describe { .. })
    }
}

/// The first folder listed lies in itself.
fn cyclic_parents(answer: &mut Value) {
    let Some(first) = answer.get_mut("data").and_then(|data| data.get_mut(0)) else { return };
    if first["object"] == "c_folder" {
        first[objects::PARENT] = serde_json::json!({ "_id": first["_id"] });
    }
}
