//! What the account may do: an administrator everything, a member what its roles say. What somebody without a
//! membership may do the service does not tell; it is tried, and a refusal remembered.

use std::collections::HashMap;

use serde_json::Value;

use crate::provider::{Operation, Operations};
use crate::services::redmine::model::{number, text};
use crate::services::redmine::place::Place;
use crate::services::redmine::snapshots::Weighed;

/// One thing that a role may allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Right {
    ManageFiles = 1,
    ManageVersions = 2,
    AttachToIssues = 4,
    EditIssues = 8,
    EditWiki = 16,
    DeleteFromWiki = 32,
    ManageNews = 64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rights(u8);

impl Rights {
    pub const NONE: Rights = Rights(0);
    pub const ALL: Rights = Rights(127);

    /// Names of permissions as the service has them, with the rights they give.
    pub fn of_permissions<'a>(names: impl Iterator<Item = &'a str>) -> Rights {
        let rights = names.map(|name| match name {
            "manage_files" => Right::ManageFiles as u8,
            "manage_versions" => Right::ManageVersions as u8,
            "add_issue_notes" => Right::AttachToIssues as u8,
            "edit_issues" | "edit_own_issues" => Right::AttachToIssues as u8 | Right::EditIssues as u8,
            "edit_wiki_pages" => Right::EditWiki as u8,
            "delete_wiki_pages_attachments" => Right::DeleteFromWiki as u8,
            "manage_news" => Right::ManageNews as u8,
            _ => 0,
        });
        Rights(rights.fold(0, |all, right| all | right))
    }

    pub fn with(self, other: Rights) -> Rights {
        Rights(self.0 | other.0)
    }

    pub fn without(self, right: Right) -> Rights {
        Rights(self.0 & !(right as u8))
    }

    pub fn has(self, right: Right) -> bool {
        self.0 & right as u8 != 0
    }
}

/// The right that adding a file to a container needs, and the one for changing or removing one in it. `None` for what
/// takes no files.
pub fn needed(container: &Place) -> Option<(Right, Right)> {
    match container {
        Place::Files(_) | Place::Version { .. } => Some((Right::ManageFiles, Right::ManageFiles)),
        Place::Issue { .. } => Some((Right::AttachToIssues, Right::EditIssues)),
        Place::Page { .. } => Some((Right::EditWiki, Right::DeleteFromWiki)),
        Place::News { .. } => Some((Right::ManageNews, Right::ManageNews)),
        _ => None,
    }
}

/// What a directory offers: only versions can be made, renamed and removed; an issue's subject is its name.
pub fn directory_offers(place: &Place) -> Operations {
    match place {
        Place::Files(_) => Operations::of(&[Operation::CreateFile, Operation::MakeDir]),
        Place::Version { .. } => {
            Operations::of(&[Operation::CreateFile, Operation::Rename, Operation::Delete, Operation::Describe])
        }
        Place::Issue { .. } => Operations::of(&[Operation::CreateFile, Operation::Rename]),
        Place::Page { .. } | Place::News { .. } => Operations::of(&[Operation::CreateFile]),
        _ => Operations::NONE,
    }
}

pub fn directory_permits(place: &Place, rights: Rights) -> Operations {
    let mut permits = Operations::NONE;
    if needed(place).is_some_and(|(adding, _)| rights.has(adding)) {
        permits = permits.with(Operation::CreateFile);
    }
    if rights.has(Right::ManageVersions) && matches!(place, Place::Files(_)) {
        permits = permits.with(Operation::MakeDir);
    }
    if rights.has(Right::ManageVersions) && matches!(place, Place::Version { .. }) {
        permits = permits.with(Operation::Rename).with(Operation::Delete).with(Operation::Describe);
    }
    if rights.has(Right::EditIssues) && matches!(place, Place::Issue { .. }) {
        permits = permits.with(Operation::Rename);
    }
    permits
}

/// What a file offers wherever it is. It cannot be moved.
pub const FILE_OFFERS: Operations =
    Operations::of(&[Operation::Read, Operation::Revise, Operation::Rename, Operation::Delete, Operation::Describe]);

pub fn file_permits(container: &Place, rights: Rights) -> Operations {
    let mut permits = Operations::of(&[Operation::Read]);
    let Some((adding, removing)) = needed(container) else { return permits };
    // An attachment of a wiki page is renamed by those who may edit the page.
    let renaming = if removing == Right::DeleteFromWiki { adding } else { removing };
    if rights.has(renaming) {
        permits = permits.with(Operation::Rename).with(Operation::Describe);
    }
    if rights.has(removing) {
        permits = permits.with(Operation::Delete);
    }
    // A new content is a new attachment, and the old one removed.
    if rights.has(adding) && rights.has(removing) {
        permits = permits.with(Operation::Revise);
    }
    permits
}

/// Who is signed in.
pub struct Person {
    pub name: Option<String>,
    pub admin: bool,
    /// Numbers of the roles, by project.
    roles: HashMap<u64, Vec<u64>>,
}

impl Person {
    /// From `user` of `users/current.json?include=memberships`.
    pub fn read(user: &Value) -> Person {
        let memberships = user.get("memberships").and_then(Value::as_array).into_iter().flatten();
        let roles = memberships.filter_map(|membership| {
            let roles = membership.get("roles").and_then(Value::as_array).into_iter().flatten();
            let project = number(membership.get("project")?, "id")?;
            Some((project, roles.filter_map(|role| number(role, "id")).collect()))
        });
        Person {
            name: text(user, "login"),
            admin: user.get("admin").and_then(Value::as_bool).unwrap_or(false),
            roles: roles.collect(),
        }
    }

    /// The roles in a project; `None` without a membership.
    pub fn roles(&self, project: u64) -> Option<&[u64]> {
        self.roles.get(&project).map(Vec::as_slice)
    }
}

impl Weighed for Person {
    fn things(&self) -> usize {
        self.roles.len()
    }
}

impl Weighed for Rights {
    fn things(&self) -> usize {
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const FILES: Place = Place::Files(1);

    #[test]
    fn a_reader_reads_and_a_manager_writes() {
        let reader = Rights::of_permissions(["view_files", "view_issues"].into_iter());
        assert_eq!(file_permits(&FILES, reader), Operations::of(&[Operation::Read]));
        assert_eq!(directory_permits(&FILES, reader), Operations::NONE);
        let manager = Rights::of_permissions(["manage_files", "manage_versions"].into_iter());
        assert_eq!(file_permits(&FILES, manager), FILE_OFFERS);
        assert_eq!(directory_permits(&FILES, manager), directory_offers(&FILES));
    }

    #[test]
    fn new_content_needs_the_right_to_add_and_to_remove() {
        let page = Place::Page { project: 1, title: "Wiki".into() };
        let writer = Rights::of_permissions(["edit_wiki_pages"].into_iter());
        assert!(directory_permits(&page, writer).has(Operation::CreateFile));
        assert!(file_permits(&page, writer).has(Operation::Rename));
        assert!(
            !file_permits(&page, writer).has(Operation::Revise) && !file_permits(&page, writer).has(Operation::Delete)
        );
        let remover = writer.with(Rights::of_permissions(["delete_wiki_pages_attachments"].into_iter()));
        assert!(file_permits(&page, remover).has(Operation::Revise));
    }

    #[test]
    fn nobody_moves_files_and_nobody_removes_projects() {
        assert!(!FILE_OFFERS.has(Operation::Move));
        for place in [Place::Root, Place::Project(1), Place::SubProjects(1), Place::Issues(1), Place::Wiki(1)] {
            assert_eq!(directory_offers(&place), Operations::NONE);
        }
    }

    #[test]
    fn memberships_tell_the_roles() {
        let person = Person::read(&json!({ "login": "sam", "admin": false, "memberships": [
            { "id": 1, "project": { "id": 4, "name": "p" }, "roles": [{ "id": 3 }, { "id": 8, "inherited": true }] },
            { "nonsense": 1 },
        ] }));
        assert_eq!(person.roles(4), Some([3, 8].as_slice()));
        assert_eq!((person.roles(5), person.name.as_deref(), person.admin), (None, Some("sam"), false));
    }
}
