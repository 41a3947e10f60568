//! iMeet Central (Central Desktop), REST API v1, as documented and as strict as that.
//!
//! Documented: the service client's token request (Authentication page), upload, attach and revise (FileUpload page),
//! paging and the creation of workspaces and milestones (the vendor's PHP sample). Listing, reading and other changes
//! are on no page; they follow the same pattern, and `Behaviour` switches them off to play a service without them.

mod api;
mod attach;
mod auth;
mod changes;
mod content;
mod disposition;
mod ids;
mod key;
mod listing;
mod objects;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::Node;
use super::service::Service;
use super::transfer;
use crate::error::Result;

pub struct ImeetCentral;

impl Dialect for ImeetCentral {
    fn name(&self) -> &'static str {
        "imeet-central"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let key = key::ClientKey::load_or_make(service.store.dir())?;
        Ok(api::router(service, key))
    }

    fn storage_router(&self, service: Arc<Service>) -> Option<Router> {
        service.behaviour.redirect_downloads.then(|| transfer::storage_router(service))
    }

    fn account_toml(&self, service: &Service) -> String {
        let (url, key_file) = (&service.url, key::path(service.store.dir()));
        // A JSON text is a TOML text too.
        let key_file = Value::from(key_file.to_string_lossy());
        let writes = service.behaviour.assumed_writes;
        format!(
            "service = \"imeet-central\"\nurl = \"{url}\"\nkey_file = {key_file}\n\
             token_url = \"{url}/oauth2/token\"\nassumed_writes = {writes}\n"
        )
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let segments: Vec<_> = path.split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["oauth2", "token"]) => "token",
            ("POST", ["v1", "files", "upload"]) => "upload",
            ("POST", ["v1", _, _, "files"]) => "attach",
            ("POST", ["v1", _, _, "folders"]) => "create-folder",
            ("PUT", ["v1", "files", _]) => "revise",
            ("GET", ["v1", "files", .., "download"] | ["objects", _]) => "download",
            ("GET", ["v1", "files", _, "versions"]) => "versions",
            ("GET", ["v1", _] | ["v1", _, _, _]) => "list",
            ("GET", ["v1", _, _]) => "stat",
            ("PATCH", _) => "change",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn public_id(&self, node: &Node) -> String {
        ids::show(node.kind, node.id)
    }

    fn distort(&self, how: Distortion, path_and_query: &str, answer: &mut Value) {
        match how {
            Distortion::WrongTypes => {}
            Distortion::EndlessPaging => endless_paging(path_and_query, answer),
            Distortion::CyclicParents => cyclic_parents(answer),
            Distortion::HugeNames => each_field(answer, &objects::NAME_FIELDS, &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }
}

/// The same page again under an address that was never seen.
fn endless_paging(path_and_query: &str, answer: &mut Value) {
    if answer.get("items").is_some() {
        let join = if path_and_query.contains('?') { '&' } else { '?' };
        answer["links"] = json!({ "next": format!("{path_and_query}{join}again=1") });
    }
}

/// The first folder listed becomes the folder it lies in, which so holds itself.
fn cyclic_parents(answer: &mut Value) {
    let Some(first) = answer.get_mut("items").and_then(|items| items.get_mut(0)) else { return };
    if let Some(parent) = first["details"].get("parentFolderId").filter(|parent| parent.is_string()).cloned() {
        first["id"] = parent;
    }
}
