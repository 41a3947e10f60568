//! Oracle Content Management, REST API for Documents 1.2 and 1.1, with its identity service, as documented and as
//! strict as that: every value a text, clashing names handled as each call's page says, refresh tokens good for once.
//!
//! Where pages say nothing it is as strict as can be: renames, moves and copies onto a taken name are refused with 409.
//! A person at a browser always agrees: `authorize` redirects at once, and a device code is good from its second poll.
//! Left out: removal of single versions, search, tags, renditions, sites, links.

mod api;
mod changes;
mod content;
mod form;
mod identity;
mod ids;
mod items;
mod listing;
mod names;
mod refusal;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use serde_json::{Value, json};

use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::Node;
use super::samples;
use super::service::{API_USER, Service};
use super::store::{Store, random_uuid};
use super::transfer;
use crate::error::Result;

pub struct OracleContent;

impl Dialect for OracleContent {
    fn name(&self) -> &'static str {
        "oracle-content"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let password = load_or_make_password(service.store.dir())?;
        Ok(api::router(service, password))
    }

    fn storage_router(&self, service: Arc<Service>) -> Option<Router> {
        service.behaviour.redirect_downloads.then(|| transfer::storage_router(service))
    }

    fn account_toml(&self, service: &Service) -> String {
        let (url, client, scope) = (&service.url, identity::CLIENT_ID, identity::scope(&service.url));
        // A JSON text is a TOML text too.
        let password_file = Value::from(password_path(service.store.dir()).to_string_lossy());
        format!(
            "service = \"oracle-content\"\nurl = \"{url}\"\napi = \"1.2\"\nidentity_url = \"{url}\"\n\
             client_id = \"{client}\"\nscope = \"{scope}\"\nusername = \"{API_USER}\"\npassword_file = {password_file}\n"
        )
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let below = path.strip_prefix(api::BASES[0]).or_else(|| path.strip_prefix(api::BASES[1])).unwrap_or(path);
        let segments: Vec<_> = below.split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("POST", ["oauth2", "v1", "token"]) => "token",
            (_, ["oauth2", ..]) => "sign-in",
            ("GET", ["folders", "items"] | ["folders", _, "items"]) => "list",
            ("GET", ["files", _, "versions"]) => "versions",
            ("GET", ["files", _, "data"] | ["objects", _]) => "download",
            ("GET", ["files" | "folders", _]) => "stat",
            ("POST", ["files", "data"]) => "attach",
            ("POST", ["files", _, "data"]) => "revise",
            ("POST", ["folders", _]) => "create-folder",
            ("PUT", _) | ("POST", [_, _, "move"]) => "change",
            ("POST", [_, _, "copy"]) => "copy",
            ("POST", [_, _, "reserve" | "unreserve"]) => "reserve",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn public_id(&self, node: &Node) -> String {
        ids::show(node)
    }

    fn distort(&self, how: Distortion, _path_and_query: &str, answer: &mut Value) {
        match how {
            Distortion::WrongTypes => {}
            Distortion::EndlessPaging => endless_paging(answer),
            Distortion::CyclicParents => cyclic_parents(answer),
            Distortion::HugeNames => each_field(answer, &["name"], &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }

    fn seed(&self, store: &Store) -> Result<()> {
        samples::seed(store)?;
        names::make_allowed(store)
    }
}

/// There is always more, and never anything new.
fn endless_paging(answer: &mut Value) {
    let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) else { return };
    if items.is_empty() {
        items.push(json!({ "id": "DAGAIN", "name": "again", "type": "file", "size": "0", "version": "1" }));
    }
    answer["hasMore"] = "1".into();
}

/// The first folder listed becomes the folder it lies in, which so holds itself.
fn cyclic_parents(answer: &mut Value) {
    let Some(items) = answer.get_mut("items").and_then(Value::as_array_mut) else { return };
    if let Some(folder) = items.iter_mut().find(|item| item["type"] == "folder") {
        folder["id"] = folder["parentID"].clone();
    }
}

fn password_path(dir: &Path) -> PathBuf {
    dir.join("password")
}

/// The API user's password; made at the first start.
fn load_or_make_password(dir: &Path) -> Result<String> {
    let path = password_path(dir);
    match std::fs::read_to_string(&path) {
        Ok(password) => return Ok(password.trim_end().to_owned()),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
        Err(e) => return Err(e.into()),
    }
    let password = random_uuid();
    let mut file = std::fs::File::options().write(true).create_new(true).mode(0o600).open(&path)?;
    file.write_all(format!("{password}\n").as_bytes())?;
    Ok(password)
}
