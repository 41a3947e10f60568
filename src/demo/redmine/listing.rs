//! Everything that is read as JSON.

use serde_json::{Value, json};

use super::answer::{Answer, Outcome, Refusal};
use super::api::{Api, Call};
use super::objects::{CLOSED, PUBLIC, is_closed};
use crate::demo::node::{Kind, Node, NodeId};
use crate::demo::service::API_USER;

/// Items on a page unless asked for, and at most.
const PAGE_ITEMS: usize = 25;
const PAGE_ITEMS_MAX: usize = 100;

/// The one role, and what it allows.
const MANAGER: u64 = 3;
const PERMISSIONS: [&str; 12] = [
    "add_issue_notes",
    "add_issues",
    "delete_wiki_pages_attachments",
    "edit_issues",
    "edit_wiki_pages",
    "manage_files",
    "manage_news",
    "manage_versions",
    "view_files",
    "view_issues",
    "view_news",
    "view_wiki_pages",
];

impl Api {
    /// `GET /users/current.json`: the only call that tells a wrong key.
    pub fn current_user(&self, call: &Call) -> Outcome {
        if !call.signed_in {
            return Err(Refusal::Unknown);
        }
        let mut user = json!({ "id": 5, "login": API_USER, "admin": false, "firstname": "Demo", "lastname": "User" });
        if call.includes("memberships") {
            let membership = |project: &Node| {
                let roles = [json!({ "id": MANAGER, "name": "Manager" })];
                json!({ "id": project.id.0, "project": { "id": project.id.0, "name": project.name }, "roles": roles })
            };
            user["memberships"] = self.all_projects(NodeId::ROOT).iter().map(membership).collect();
        }
        Ok(Answer::Found(json!({ "user": user })))
    }

    /// `GET /roles/ID.json`
    pub fn role(&self, call: &Call, id: &str) -> Outcome {
        match (call.signed_in, id.parse() == Ok(MANAGER)) {
            (false, _) => Err(Refusal::Unknown),
            (true, false) => Err(Refusal::NotFound),
            (true, true) => {
                Ok(Answer::Found(json!({ "role": { "id": MANAGER, "name": "Manager", "permissions": PERMISSIONS } })))
            }
        }
    }

    /// `GET /projects.json`: active ones unless asked for; to nobody in particular the public ones.
    pub fn projects(&self, call: &Call) -> Outcome {
        let states = call.query.get("status").map_or("1", String::as_str);
        let wanted =
            |project: &Node| states.split('|').any(|state| state == if is_closed(project) { "5" } else { "1" });
        let visible = |project: &Node| call.signed_in || project.attributes.contains_key(PUBLIC);
        let mut projects = self.all_projects(NodeId::ROOT);
        projects.retain(|project| wanted(project) && visible(project));
        let with_modules = call.includes("enabled_modules");
        self.page(call, "projects", projects, |project| self.project(project, with_modules))
    }

    /// `GET /projects/ID.json`
    pub fn one_project(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        Ok(Answer::Found(json!({ "project": self.project(&project, call.includes("enabled_modules")) })))
    }

    /// `GET /projects/ID/files.json`: the project's files and those of its versions, in one answer.
    pub fn project_files(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        let folder = self.files_of(project.id).ok_or(Refusal::Denied)?;
        let store = &self.service.store;
        let mut files = Vec::new();
        for file in store.children(folder.id, Kind::File, NodeId::ROOT, usize::MAX) {
            files.push(self.project_file(&file, None)?);
        }
        for version in store.children(folder.id, Kind::Folder, NodeId::ROOT, usize::MAX) {
            for file in store.children(version.id, Kind::File, NodeId::ROOT, usize::MAX) {
                files.push(self.project_file(&file, Some(&version))?);
            }
        }
        Ok(Answer::Found(json!({ "files": files })))
    }

    /// `GET /projects/ID/versions.json`
    pub fn versions(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        let folder = self.files_of(project.id);
        let found = folder.map(|folder| self.service.store.children(folder.id, Kind::Folder, NodeId::ROOT, usize::MAX));
        let versions: Vec<_> = found.iter().flatten().map(|version| self.version(&project, version)).collect();
        Ok(Answer::Found(json!({ "versions": versions, "total_count": versions.len() })))
    }

    /// `GET /issues.json`: without `status_id=*` open ones only, without `subproject_id=!*` also those of sub-projects.
    pub fn issues(&self, call: &Call) -> Outcome {
        let projects = match call.query.get("project_id") {
            Some(id) => {
                let project = self.find_project(call, id)?;
                let inner = match call.query.get("subproject_id").map(String::as_str) {
                    Some("!*") => Vec::new(),
                    _ => self.all_projects(project.id),
                };
                [vec![project], inner].concat()
            }
            None if call.signed_in => self.all_projects(NodeId::ROOT),
            None => return Err(Refusal::Unknown),
        };
        let closed_too = call.query.get("status_id").is_some_and(|status| status == "*");
        let of = |project: &Node| self.service.store.children(project.id, Kind::Task, NodeId::ROOT, usize::MAX);
        let mut issues: Vec<Node> = projects.iter().flat_map(of).collect();
        issues.retain(|issue| closed_too || !issue.attributes.contains_key(CLOSED));
        issues.sort_by_key(|issue| issue.id);
        if call.query.get("sort").map(String::as_str) != Some("id") {
            issues.reverse();
        }
        let with_attachments = call.includes("attachments");
        self.page(call, "issues", issues, |issue| self.issue(issue, with_attachments))
    }

    /// `GET /issues/ID.json`
    pub fn one_issue(&self, call: &Call, id: &str) -> Outcome {
        let (issue, _) = self.find(call, Kind::Task, id)?;
        Ok(Answer::Found(json!({ "issue": self.issue(&issue, call.includes("attachments")) })))
    }

    /// `GET /projects/ID/wiki/index.json`
    pub fn pages(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        let pages = self.service.store.children(project.id, Kind::Document, NodeId::ROOT, usize::MAX);
        let pages: Vec<_> = pages.iter().map(|page| self.wiki_page(page, false, false)).collect();
        Ok(Answer::Found(json!({ "wiki_pages": pages })))
    }

    /// `GET /projects/ID/wiki/TITLE.json`
    pub fn one_page(&self, call: &Call, id: &str, title: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        let page = self.find_page(&project, title).ok_or(Refusal::NotFound)?;
        Ok(Answer::Found(json!({ "wiki_page": self.wiki_page(&page, true, call.includes("attachments")) })))
    }

    pub fn find_page(&self, project: &Node, title: &str) -> Option<Node> {
        self.service.store.find_child(project.id, |child| child.kind == Kind::Document && child.name == title)
    }

    /// `GET /projects/ID/news.json`, newest first.
    pub fn news_list(&self, call: &Call, id: &str) -> Outcome {
        let project = self.find_project(call, id)?;
        let mut news = self.service.store.children(project.id, Kind::Message, NodeId::ROOT, usize::MAX);
        news.reverse();
        self.page(call, "news", news, |item| self.news(item, false))
    }

    /// `GET /news/ID.json`
    pub fn one_news(&self, call: &Call, id: &str) -> Outcome {
        let (news, _) = self.find(call, Kind::Message, id)?;
        Ok(Answer::Found(json!({ "news": self.news(&news, call.includes("attachments")) })))
    }

    /// `GET /attachments/ID.json`: tells neither container nor digest.
    pub fn one_attachment(&self, call: &Call, id: &str) -> Outcome {
        let file = self.find_attachment(id)?;
        self.check_attachment(call, &file)?;
        Ok(Answer::Found(json!({ "attachment": self.attachment(&file) })))
    }

    /// A page of a list. A page behind the end is empty.
    fn page(&self, call: &Call, name: &str, items: Vec<Node>, show: impl Fn(&Node) -> Value) -> Outcome {
        let asked = |name: &str| call.query.get(name).and_then(|text| text.parse::<usize>().ok());
        let limit = asked("limit").filter(|limit| *limit > 0).unwrap_or(PAGE_ITEMS);
        let limit = limit.min(PAGE_ITEMS_MAX).min(self.service.page_size.unwrap_or(PAGE_ITEMS_MAX).max(1));
        let offset = asked("offset").unwrap_or(0);
        let shown: Vec<_> = items.iter().skip(offset).take(limit).map(show).collect();
        Ok(Answer::Found(json!({ name: shown, "total_count": items.len(), "offset": offset, "limit": limit })))
    }
}
