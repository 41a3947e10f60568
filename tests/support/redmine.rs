//! A real Redmine: Debian's package on loopback, set up by `scripts/redmine`.

// Each test binary uses a part of it.
#![allow(dead_code)]

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock};

use collabfs::error::{ErrorKind, Result, fail};
use serde_json::{Value, json};

/// The roles in which a test's user is a member of projects.
pub const MANAGER: &str = "Manager";
pub const READER: &str = "Reader";
const MODULES: [&str; 4] = ["files", "issue_tracking", "wiki", "news"];

/// The server, as an administrator and for one user of it.
pub struct RealRedmine {
    pub url: String,
    http: reqwest::Client,
    admin_key: String,
    /// The provider's user.
    user: u64,
    pub user_key: String,
    role: u64,
    /// Numbers of projects by their names.
    projects: Mutex<HashMap<String, u64>>,
}

/// What a script of the project prints; whatever it says when it cannot.
fn script(arguments: &[&str]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/redmine");
    let output = Command::new(path).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "the tests need a real Redmine: {said}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Its address; started by the first who asks.
fn started() -> &'static str {
    static URL: OnceLock<String> = OnceLock::new();
    URL.get_or_init(|| script(&["start"]))
}

fn unique(prefix: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_micros();
    format!("{prefix}-{}-{now}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

impl RealRedmine {
    /// Makes a user who is a member of nothing yet; `role`: in the projects made later.
    pub async fn new(role: &str) -> RealRedmine {
        let url = tokio::task::block_in_place(started).to_owned();
        let admin_key = tokio::task::block_in_place(|| script(&["key", "admin"]));
        // Whoever was first has installed it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let projects = Mutex::default();
        let mut server = RealRedmine { url, http, admin_key, user: 0, user_key: String::new(), role: 0, projects };
        let login = unique("user");
        let user = json!({ "login": login, "password": unique("password"), "firstname": "Suite", "lastname": "User",
            "mail": format!("{login}@example.org") });
        let made = server.ask("POST", "/users.json", Some(json!({ "user": user }))).await.unwrap();
        server.user = made["user"]["id"].as_u64().unwrap();
        server.user_key = made["user"]["api_key"].as_str().unwrap().to_owned();
        let roles = server.ask("GET", "/roles.json", None).await.unwrap();
        let found = roles["roles"].as_array().unwrap().iter().find(|r| r["name"] == role);
        server.role = found.unwrap()["id"].as_u64().unwrap();
        server
    }

    /// As the administrator. Errors: whatever is no success.
    pub async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Value> {
        let request = self.http.request(method.parse().unwrap(), format!("{}{path}", self.url));
        let mut request = request.header("X-Redmine-API-Key", &self.admin_key);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        let (status, text) = (response.status(), response.text().await.unwrap());
        match status.is_success() {
            true => Ok(serde_json::from_str(&text).unwrap_or(Value::Null)),
            false => fail(ErrorKind::Server, format!("{method} {path}: {status} {text}")),
        }
    }

    pub fn project(&self, name: &str) -> Result<u64> {
        match self.projects.lock().unwrap().get(name) {
            Some(id) => Ok(*id),
            None => fail(ErrorKind::NotFound, name),
        }
    }

    pub async fn create_project(&self, name: &str) -> Result<()> {
        let project = json!({ "name": name, "identifier": unique("p"), "is_public": false,
            "enabled_module_names": MODULES });
        let made = self.ask("POST", "/projects.json", Some(json!({ "project": project }))).await?;
        let id = made["project"]["id"].as_u64().unwrap();
        let membership = json!({ "membership": { "user_id": self.user, "role_ids": [self.role] } });
        self.ask("POST", &format!("/projects/{id}/memberships.json"), Some(membership)).await?;
        self.projects.lock().unwrap().insert(name.to_owned(), id);
        Ok(())
    }

    /// Lines for the account of the test's user, at this address of the server.
    pub fn account_toml(&self, url: &str) -> String {
        format!("service = 'redmine'\nurl = '{url}'\napi_key = '{}'\n", self.user_key)
    }

    /// A project has its directory of files from the beginning; folders in it are versions.
    pub async fn create_folder(&self, path: &str) -> Result<()> {
        let [project, _, version] = parts(path)?[..] else { return Ok(()) };
        let path = format!("/projects/{}/versions.json", self.project(project)?);
        self.ask("POST", &path, Some(json!({ "version": { "name": version } }))).await.map(drop)
    }

    pub async fn create_file(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let (project, version, name) = self.place(path).await?;
        let upload = self.http.post(format!("{}/uploads.json", self.url)).query(&[("filename", name)]);
        let upload = upload.header("X-Redmine-API-Key", &self.admin_key);
        let upload = upload.header("Content-Type", "application/octet-stream").body(bytes).send().await.unwrap();
        let upload: Value = upload.json().await.unwrap();
        let mut file = json!({ "token": upload["upload"]["token"] });
        if let Some(version) = version {
            file["version_id"] = version.into();
        }
        self.ask("POST", &format!("/projects/{project}/files.json"), Some(json!({ "file": file }))).await.map(drop)
    }

    /// It replaces some characters, also those that no file system minds.
    pub fn stored_name(name: &str) -> String {
        name.replace(['\'', '"'], "_")
    }

    /// A person replaces a file by putting the new one there and removing the old one.
    pub async fn revise(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let old = self.files(path).await?;
        self.create_file(path, bytes).await?;
        for file in old {
            self.ask("DELETE", &format!("/attachments/{}.json", file["id"]), None).await?;
        }
        Ok(())
    }

    /// A file; or for the directory of files the whole project.
    pub async fn delete(&self, path: &str) -> Result<()> {
        if let [project, _] = parts(path)?[..] {
            return self.ask("DELETE", &format!("/projects/{}.json", self.project(project)?), None).await.map(drop);
        }
        for file in self.files(path).await? {
            self.ask("DELETE", &format!("/attachments/{}.json", file["id"]), None).await?;
        }
        Ok(())
    }

    /// Project, version and name of a file's path.
    async fn place<'a>(&self, path: &'a str) -> Result<(u64, Option<u64>, &'a str)> {
        match parts(path)?[..] {
            [project, _, name] => Ok((self.project(project)?, None, name)),
            [project, _, version, name] => {
                let project = self.project(project)?;
                let versions = self.ask("GET", &format!("/projects/{project}/versions.json"), None).await?;
                let found = versions["versions"].as_array().unwrap().iter().find(|v| v["name"] == version).cloned();
                Ok((project, found.and_then(|v| v["id"].as_u64()), name))
            }
            _ => fail(ErrorKind::Invalid, path),
        }
    }

    /// All files of this path, as the service lists them.
    pub async fn files(&self, path: &str) -> Result<Vec<Value>> {
        let (project, version, name) = self.place(path).await?;
        let listed = self.ask("GET", &format!("/projects/{project}/files.json"), None).await?;
        let files = listed["files"].as_array().unwrap().iter();
        let here = files.filter(|f| f["filename"] == name && f["version"]["id"].as_u64() == version);
        Ok(here.cloned().collect())
    }
}

/// The parts of a path within `PROJECT/Files`.
fn parts(path: &str) -> Result<Vec<&str>> {
    let parts: Vec<&str> = path.split('/').collect();
    match parts.get(1) {
        Some(&"Files") => Ok(parts),
        _ => fail(ErrorKind::Invalid, path),
    }
}
