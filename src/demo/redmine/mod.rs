//! Redmine, REST API as of version 5.0, and as strict as that: a wrong key is nobody in particular, names are rewritten,
//! tokens work once, `Range` is ignored, equal names lie side by side.
//!
//! In the store a project holds a folder `Files`, which is its module of that name: files, and folders as versions.
//! Tasks are issues, documents wiki pages, messages news. Files in the folder `(uploads)` at the top are attached to
//! nothing yet. The account is a manager of every project. Left out: making and changing projects, issues and news
//! beyond their files and subjects; journals, search, feeds.

mod answer;
mod api;
mod attach;
mod changes;
mod content;
mod listing;
mod names;
mod objects;
mod seed;

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::http::Method;
use rand::Rng;
use serde_json::{Value, json};

use super::act::Act;
use super::dialect::Dialect;
use super::distort::{Distortion, HUGE_NAME_CHARS, each_field};
use super::node::Node;
use super::service::Service;
use super::store::Store;
use crate::error::Result;

pub struct Redmine;

impl Dialect for Redmine {
    fn name(&self) -> &'static str {
        "redmine"
    }

    fn router(&self, service: Arc<Service>) -> Result<Router> {
        let key = load_or_make_key(service.store.dir())?;
        Ok(api::router(service, key))
    }

    fn account_toml(&self, service: &Service) -> String {
        // A JSON text is a TOML text too.
        let key_file = Value::from(key_path(service.store.dir()).to_string_lossy());
        format!("service = \"redmine\"\nurl = \"{}\"\napi_key_file = {key_file}\n", service.url)
    }

    fn call_kind(&self, method: &Method, path: &str) -> &'static str {
        let path = path.strip_suffix(".json").unwrap_or(path);
        let segments: Vec<_> = path.split('/').skip(1).collect();
        match (method.as_str(), segments.as_slice()) {
            ("GET", ["users" | "roles", _]) => "account",
            ("GET", ["attachments", "download", ..]) => "download",
            ("GET", ["attachments", _]) => "stat",
            ("GET", _) => "list",
            ("POST", ["uploads"]) => "upload",
            ("POST", ["projects", _, "files"]) => "attach",
            ("PUT", ["news", _] | ["projects", _, "wiki", _]) => "attach",
            ("POST", ["projects", _, "versions"]) => "create-folder",
            ("PUT" | "PATCH", _) => "change",
            ("DELETE", _) => "delete",
            _ => "other",
        }
    }

    fn lists_revisions(&self) -> bool {
        false
    }

    fn public_id(&self, node: &Node) -> String {
        objects::public_id(node).to_string()
    }

    fn distort(&self, how: Distortion, _path_and_query: &str, answer: &mut Value) {
        match how {
            Distortion::WrongTypes => {}
            Distortion::EndlessPaging => {
                if answer.get("total_count").is_some() {
                    answer["total_count"] = json!(1_000_000);
                }
            }
            Distortion::CyclicParents => {
                if let Some(first) = answer.get_mut("projects").and_then(|projects| projects.get_mut(0)) {
                    first["parent"] = json!({ "id": first["id"], "name": first["name"] });
                }
            }
            Distortion::HugeNames => each_field(answer, &["name", "filename", "subject", "title"], &mut |name| {
                *name = "n".repeat(HUGE_NAME_CHARS).into();
            }),
        }
    }

    fn offers(&self, act: &Act) -> bool {
        !matches!(act, Act::Lock { .. } | Act::Unlock { .. })
    }

    fn seed(&self, store: &Store) -> Result<()> {
        seed::seed(store)
    }
}

fn key_path(dir: &Path) -> PathBuf {
    dir.join("api-key")
}

/// The account's key: 40 hexadecimal characters, made at the first start.
fn load_or_make_key(dir: &Path) -> Result<String> {
    let path = key_path(dir);
    if let Ok(key) = std::fs::read_to_string(&path) {
        return Ok(key.trim().to_owned());
    }
    let random: [u8; 20] = rand::rng().random();
    let key: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(key.as_bytes())?;
    Ok(key)
}
