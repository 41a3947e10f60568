//! Which objects and properties of the org stand for projects, folders and files; or, without such objects, which File
//! properties are shown.

use serde_json::{Map, Value};

use crate::config::Settings;
use crate::error::{ErrorKind, Result, fail};
use crate::services::medable::assumptions as assumed;

/// What the account shows.
#[derive(Debug)]
pub enum Shown {
    Tree(Box<Tree>),
    /// `PLURAL/ID/PROPERTY` each.
    Properties(Vec<[String; 3]>),
}

/// Objects by their plural names, which addresses use, and properties.
#[derive(Debug)]
pub struct Tree {
    pub project: Option<Project>,
    /// Without one a project is a single flat directory.
    pub folder: Option<Folder>,
    pub file: File,
}

#[derive(Debug)]
pub struct Project {
    pub object: String,
    pub name: String,
    /// Which instances are shown.
    pub filter: Map<String, Value>,
}

#[derive(Debug)]
pub struct Folder {
    pub object: String,
    pub name: String,
    pub project: String,
    pub parent: String,
}

#[derive(Debug)]
pub struct File {
    pub object: String,
    pub name: String,
    pub project: String,
    pub folder: String,
    pub content: String,
    pub facet: String,
}

/// Keys of `[accounts.NAME.objects]`, each with what it is when it is not set.
const KEYS: &[(&str, &str)] = &[
    ("project", assumed::PROJECTS),
    ("project_name", assumed::NAME),
    ("project_where", ""),
    ("folder", assumed::FOLDERS),
    ("folder_name", assumed::NAME),
    ("folder_project", assumed::PROJECT),
    ("folder_parent", assumed::PARENT),
    ("file", assumed::FILES),
    ("file_name", assumed::NAME),
    ("file_project", assumed::PROJECT),
    ("file_folder", assumed::FOLDER),
    ("file_content", assumed::CONTENT),
    ("facet", assumed::FACET),
];

/// Properties shown at most: each costs a request to look at.
const PROPERTIES_MAX: usize = 1000;

impl Shown {
    /// Reads `objects` or `paths`. Errors: `Invalid` for what cannot stand in an address, or contradicts itself.
    pub fn read(settings: &Settings) -> Result<Shown> {
        let (objects, paths) = (settings.table("objects")?, settings.list("paths")?);
        if paths.is_empty() {
            return Tree::read(&objects).map(|tree| Shown::Tree(Box::new(tree)));
        }
        if !objects.is_empty() {
            return fail(ErrorKind::Invalid, "an account has either paths or [accounts.NAME.objects], not both");
        }
        if paths.len() > PROPERTIES_MAX {
            return fail(ErrorKind::Invalid, format!("paths names more than {PROPERTIES_MAX} properties"));
        }
        paths.iter().map(|path| property(path)).collect::<Result<_>>().map(Shown::Properties)
    }
}

/// `accounts/me/image` in its parts.
fn property(path: &str) -> Result<[String; 3]> {
    let parts: Vec<String> = path.trim_matches('/').split('/').map(str::to_owned).collect();
    match <[String; 3]>::try_from(parts) {
        Ok(parts) if parts.iter().all(|part| is_name(part)) => Ok(parts),
        _ => fail(ErrorKind::Invalid, format!("paths: {path:?} is no OBJECTS/ID/PROPERTY, as in accounts/me/image")),
    }
}

impl Tree {
    fn read(objects: &toml::Table) -> Result<Tree> {
        if let Some(key) = objects.keys().find(|key| !KEYS.iter().any(|(known, _)| known == key)) {
            let known = KEYS.iter().map(|(known, _)| *known).collect::<Vec<_>>().join(", ");
            return fail(ErrorKind::Invalid, format!("objects.{key} is unknown; there are {known}"));
        }
        let name = |key: &str| name_setting(objects, key);
        let required = |key: &str| match name(key)? {
            Some(name) => Ok(name),
            None => fail(ErrorKind::Invalid, format!("objects.{key} must not be empty")),
        };
        let project = match name("project")? {
            None => None,
            Some(object) => Some(Project { object, name: required("project_name")?, filter: filter(objects)? }),
        };
        let folder = match name("folder")? {
            // Folders refer to their project.
            Some(_) if project.is_none() && objects.contains_key("folder") => {
                return fail(ErrorKind::Invalid, "objects.folder needs objects.project");
            }
            Some(object) if project.is_some() => Some(Folder {
                object,
                name: required("folder_name")?,
                project: required("folder_project")?,
                parent: required("folder_parent")?,
            }),
            _ => None,
        };
        let file = File {
            object: required("file")?,
            name: required("file_name")?,
            project: required("file_project")?,
            folder: required("file_folder")?,
            content: required("file_content")?,
            facet: required("facet")?,
        };
        Ok(Tree { project, folder, file })
    }
}

/// A name of the table, or its default; `None` when it is set to nothing.
fn name_setting(objects: &toml::Table, key: &str) -> Result<Option<String>> {
    let default = KEYS.iter().find(|(known, _)| *known == key).map_or("", |(_, default)| default);
    let name = match objects.get(key) {
        None => default,
        Some(toml::Value::String(text)) if text.is_empty() => return Ok(None),
        Some(toml::Value::String(text)) if is_name(text) => text,
        Some(_) => return fail(ErrorKind::Invalid, format!("objects.{key} must be a name of letters, digits and _")),
    };
    Ok(Some(name.to_owned()))
}

/// `project_where`: JSON, as the service's `where` takes it.
fn filter(objects: &toml::Table) -> Result<Map<String, Value>> {
    let Some(text) = objects.get("project_where") else { return Ok(Map::new()) };
    match text.as_str().and_then(|text| serde_json::from_str(text).ok()) {
        Some(Value::Object(filter)) => Ok(filter),
        _ => fail(ErrorKind::Invalid, "objects.project_where must be a JSON object in quotes"),
    }
}

/// Names of objects and properties, and ids (`me` is one).
fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Tree> {
        Tree::read(&text.parse().unwrap())
    }

    #[test]
    fn without_settings_the_names_are_those_of_the_convention() {
        let tree = tree("").unwrap();
        assert_eq!(tree.project.unwrap().object, "c_projects");
        assert_eq!(tree.folder.unwrap().parent, "c_parent");
        assert_eq!((tree.file.object.as_str(), tree.file.facet.as_str()), ("c_files", "content"));
    }

    #[test]
    fn every_name_can_be_another_one_and_objects_can_be_left_out() {
        let tree1 =
            tree("project = 'c_studies'\nfolder = ''\nfile_content = 'c_pdf'\nproject_where = '{\"c_on\":true}'")
                .unwrap();
        assert_eq!(tree1.project.as_ref().unwrap().object, "c_studies");
        assert_eq!(tree1.project.unwrap().filter.len(), 1);
        assert!(tree1.folder.is_none());
        assert_eq!(tree1.file.content, "c_pdf");
        let flat = tree("project = ''").unwrap();
        assert!(flat.project.is_none() && flat.folder.is_none());
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        for text in ["fil = 'x'", "file = ''", "file = 'a/b'", "project = ''\nfolder = 'c_f'", "project_where = '['"] {
            assert_eq!(tree(text).unwrap_err().kind(), ErrorKind::Invalid, "{text}");
        }
        assert_eq!(property("accounts/me/image").unwrap(), ["accounts", "me", "image"]);
        for path in ["accounts/me", "accounts/../image", "a/b/c/d", ""] {
            assert_eq!(property(path).unwrap_err().kind(), ErrorKind::Invalid, "{path}");
        }
    }
}
