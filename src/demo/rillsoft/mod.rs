//! Rillsoft Integration Server, DMS part of the REST API v2, as documented and as strict as that.
//!
//! Documented: login, one client, its projects, the documents of all of them, creating and updating a document, and the
//! form of errors. What a success answers is on no page, nor are folders, tasks, downloads and removals; these follow
//! the same pattern, and `Behaviour` switches them off to play a server without them.

mod api;
mod auth;
mod dms;
mod documents;
mod form;
mod lists;
mod refusal;

use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::Node;
use super::service::{API_USER, Service};
use super::transfer;
use crate::error::Result;

pub struct Rillsoft;

impl Dialect for Rillsoft {
    fn name(&self) -> &'static str {
        "rillsoft"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let password = auth::load_or_make_password(service.store.dir())?;
        Ok(api::router(service, password))
    }

    fn storage_router(&self, service: Arc<Service>) -> Option<Router> {
        service.behaviour.redirect_downloads.then(|| transfer::storage_router(service))
    }

    fn account_toml(&self, service: &Service) -> String {
        // A JSON text is a TOML text too.
        let password_file = Value::from(auth::password_path(service.store.dir()).to_string_lossy());
        let delete = if service.behaviour.assumed_writes { "" } else { "path.delete = \"\"\n" };
        format!(
            "service = \"rillsoft\"\nurl = \"{}\"\nclient_id = {}\nusername = \"{API_USER}\"\n\
             password_file = {password_file}\n{delete}",
            service.url,
            api::CLIENT_ID,
        )
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let segments: Vec<_> = path.split('/').skip(1).collect();
        let within_client = segments.strip_prefix(["api", "v2", "clients"].as_slice()).unwrap_or_default();
        match (method.as_str(), within_client) {
            ("POST", []) if path == "/api/v1/login" => "token",
            ("GET", []) if path.starts_with("/objects/") => "download",
            ("GET", [_]) => "client",
            ("GET", [_, "projects"] | [_, "projects", _, "tasks"] | [_, "dms", "documents" | "folders"]) => "list",
            ("GET", [_, "dms", .., "file"]) => "download",
            ("POST", [_, "dms", "projects", _, "folders", ..]) => "attach",
            ("POST", [_, "dms", "projects", _, "documents", _]) => "revise",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn lists_revisions(&self) -> bool {
        false
    }

    fn public_id(&self, node: &Node) -> String {
        node.id.0.to_string()
    }

    fn distort(&self, how: Distortion, path_and_query: &str, answer: &mut Value) {
        match how {
            Distortion::WrongTypes => {}
            Distortion::EndlessPaging => endless_paging(path_and_query, answer),
            Distortion::CyclicParents => cyclic_parents(answer),
            Distortion::HugeNames => each_field(answer, &["name"], &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }
}

/// A page that names a next one, on a service that has no pages.
fn endless_paging(path: &str, answer: &mut Value) {
    if answer.is_array() {
        *answer = json!({ "data": answer.take(), "links": { "next": format!("{path}?page=2") } });
    }
}

/// The first folder that lies in another one holds itself.
fn cyclic_parents(answer: &mut Value) {
    let items = answer.as_array_mut().into_iter().flatten();
    if let Some(inner) = items.into_iter().find(|item| item.get("parentId").is_some_and(Value::is_number)) {
        inner["parentId"] = inner["id"].clone();
    }
}
