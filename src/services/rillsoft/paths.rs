//! The paths of all calls: documented ones as they are, assumed ones from templates that the account may change.

use crate::config::Settings;
use crate::error::{ErrorKind, Result, fail};
use crate::http::path;
use crate::services::rillsoft::assumptions as assumed;

const PLACEHOLDERS: [&str; 3] = ["client_id", "project_id", "document_id"];

pub struct Paths {
    client: String,
    login: Template,
    /// `None` where the account says that the server has no such call.
    folders: Option<Template>,
    tasks: Option<Template>,
    download: Option<Template>,
    delete: Option<Template>,
}

/// A path with `{client_id}`, `{project_id}`, `{document_id}`, of which the first is filled in.
struct Template(String);

impl Paths {
    /// Reads the `path.*` settings. Errors: `Invalid`, naming the setting.
    pub fn read(settings: &Settings, client_id: u64) -> Result<Paths> {
        let table = settings.table("path")?;
        let known = ["login", "folders", "tasks", "download", "delete"];
        if let Some(key) = table.keys().find(|key| !known.contains(&key.as_str())) {
            return fail(ErrorKind::Invalid, format!("path.{key} is no setting; there are: {}", known.join(", ")));
        }
        let template = |key, default, allowed| match table.get(key) {
            None => Template::read(key, default, client_id, allowed),
            Some(toml::Value::String(text)) => Template::read(key, text, client_id, allowed),
            Some(_) => fail(ErrorKind::Invalid, format!("path.{key} must be a text in quotes")),
        };
        let Some(login) = template("login", assumed::LOGIN_PATH, &PLACEHOLDERS[..1])? else {
            return fail(ErrorKind::Invalid, "path.login must not be empty: nothing works without signing in");
        };
        Ok(Paths {
            client: client_id.to_string(),
            login,
            folders: template("folders", assumed::FOLDERS_PATH, &PLACEHOLDERS[..1])?,
            tasks: template("tasks", assumed::TASKS_PATH, &PLACEHOLDERS[..2])?,
            download: template("download", assumed::DOWNLOAD_PATH, &PLACEHOLDERS)?,
            delete: template("delete", assumed::DELETE_PATH, &PLACEHOLDERS)?,
        })
    }

    pub fn login(&self) -> &str {
        &self.login.0
    }

    /// "Get client" page.
    pub fn client(&self) -> Result<String> {
        path(&["api", "v2", "clients", &self.client])
    }

    /// "List all active projects for a client" page.
    pub fn projects(&self) -> Result<String> {
        path(&["api", "v2", "clients", &self.client, "projects"])
    }

    /// "Retrieve active DMS documents for the specified client projects" page.
    pub fn documents(&self) -> Result<String> {
        path(&["api", "v2", "clients", &self.client, "dms", "documents"])
    }

    /// "Create a DMS document" page.
    pub fn create(&self, project: u64, folder: u64, parent_uuid: &str) -> Result<String> {
        let (project, folder) = (project.to_string(), folder.to_string());
        let head = ["api", "v2", "clients", &self.client, "dms", "projects", &project];
        path(&[&head[..], &["folders", &folder, "parent", parent_uuid, "documents"]].concat())
    }

    /// "Upload and update a DMS document" page.
    pub fn update(&self, project: u64, document: u64) -> Result<String> {
        let (project, document) = (project.to_string(), document.to_string());
        path(&["api", "v2", "clients", &self.client, "dms", "projects", &project, "documents", &document])
    }

    pub fn folders(&self) -> Option<String> {
        self.folders.as_ref().map(|template| template.0.clone())
    }

    pub fn tasks(&self, project: u64) -> Option<String> {
        self.tasks.as_ref().map(|template| template.filled(project, None))
    }

    pub fn download(&self, project: u64, document: u64) -> Option<String> {
        self.download.as_ref().map(|template| template.filled(project, Some(document)))
    }

    pub fn delete(&self, project: u64, document: u64) -> Option<String> {
        self.delete.as_ref().map(|template| template.filled(project, Some(document)))
    }

    pub fn has_download(&self) -> bool {
        self.download.is_some()
    }

    pub fn has_delete(&self) -> bool {
        self.delete.is_some()
    }
}

impl Template {
    /// `None` when it is empty. Errors: `Invalid`.
    fn read(key: &str, text: &str, client_id: u64, allowed: &[&str]) -> Result<Option<Template>> {
        if text.is_empty() {
            return Ok(None);
        }
        if !text.starts_with('/') {
            return fail(ErrorKind::Invalid, format!("path.{key} must begin with a slash"));
        }
        let rest = allowed.iter().fold(text.to_owned(), |rest, name| rest.replace(&format!("{{{name}}}"), ""));
        if rest.contains(['{', '}']) {
            let names: Vec<_> = allowed.iter().map(|name| format!("{{{name}}}")).collect();
            return fail(ErrorKind::Invalid, format!("path.{key} may hold {} only", names.join(", ")));
        }
        Ok(Some(Template(text.replace("{client_id}", &client_id.to_string()))))
    }

    /// Numbers need no escaping.
    fn filled(&self, project: u64, document: Option<u64>) -> String {
        let text = self.0.replace("{project_id}", &project.to_string());
        match document {
            Some(document) => text.replace("{document_id}", &document.to_string()),
            None => text,
        }
    }
}
