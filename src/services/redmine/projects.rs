//! Projects: one list tells them all, with their modules and which lies in which.

use std::collections::HashMap;
use std::sync::{Arc, MutexGuard};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::Request;
use crate::provider::Entry;
use crate::services::redmine::Redmine;
use crate::services::redmine::assumptions as assumed;
use crate::services::redmine::model::Project;
use crate::services::redmine::place::Place;
use crate::services::redmine::snapshots::Weighed;

/// Every project the account sees.
pub struct Projects {
    all: HashMap<u64, Project>,
    /// Numbers of the projects in each, in the order of the list; those whose parent is not visible are at the top.
    within: HashMap<Option<u64>, Vec<u64>>,
}

impl Weighed for Projects {
    fn things(&self) -> usize {
        self.all.len()
    }
}

impl Projects {
    fn new(list: Vec<Project>) -> Projects {
        let order: Vec<u64> = list.iter().map(|project| project.id).collect();
        let all: HashMap<u64, Project> = list.into_iter().map(|project| (project.id, project)).collect();
        let mut within: HashMap<_, Vec<u64>> = HashMap::new();
        for id in order {
            within.entry(all[&id].parent.filter(|parent| all.contains_key(parent))).or_default().push(id);
        }
        Projects { all, within }
    }

    /// Errors: `NotFound` for one that is not visible (any more).
    pub fn get(&self, id: u64) -> Result<&Project> {
        self.all.get(&id).ok_or_else(|| gone(id))
    }

    pub fn within(&self, parent: Option<u64>) -> impl Iterator<Item = &Project> {
        self.within.get(&parent).into_iter().flatten().map(|id| &self.all[id])
    }

    /// Names of the projects in one, told apart by their identifiers where they are equal.
    fn names(&self, parent: Option<u64>) -> Vec<String> {
        let mut count: HashMap<&str, usize> = HashMap::new();
        self.within(parent).for_each(|project| *count.entry(&project.name).or_default() += 1);
        let name = |project: &Project| match count[project.name.as_str()] {
            1 => project.name.clone(),
            _ => format!("{} ({})", project.name, project.identifier),
        };
        self.within(parent).map(name).collect()
    }
}

fn gone(project: u64) -> Error {
    Error::new(ErrorKind::NotFound, format!("project {project} is not on the service (any more)"))
}

impl Redmine {
    /// The projects as they were at most `age_max` ago, and how old that is.
    pub(super) async fn projects(&self, age_max: Duration) -> Result<(Arc<Projects>, Duration)> {
        let (projects, age) = self.projects.get(&(), age_max, self.fetch_projects()).await?;
        *self.projects_seen() = Some(projects.clone());
        Ok((projects, age))
    }

    fn projects_seen(&self) -> MutexGuard<'_, Option<Arc<Projects>>> {
        self.projects_seen.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// `GET /projects.json`, all pages.
    async fn fetch_projects(&self) -> Result<Projects> {
        let known = self.projects_seen().clone();
        let request = Request::get("list", "/projects.json").query("include", "enabled_modules");
        let mut pages = self.pages(request.query("status", assumed::PROJECT_STATES), "projects");
        let mut list = Vec::new();
        while let Some(page) = self.next_page(&mut pages).await? {
            list.extend(page.of(Project::read)?);
            if list.len() > assumed::PROJECTS_MAX {
                return fail(ErrorKind::Protocol, format!("more than {} projects", assumed::PROJECTS_MAX));
            }
        }
        let projects = Projects::new(list);
        // Without a valid key a service that is open to everybody shows its public projects, and the others would seem
        // to be removed: that is asked for before it is believed.
        let vanished = known.is_some_and(|known| known.all.keys().any(|id| !projects.all.contains_key(id)));
        self.person(if vanished { Duration::ZERO } else { Duration::MAX }).await?;
        Ok(projects)
    }

    /// The projects at the top, or within one.
    pub(super) async fn project_entries(
        &self,
        parent: Option<u64>,
        age_max: Duration,
    ) -> Result<(Vec<Entry>, Duration)> {
        let (projects, age) = self.projects(age_max).await?;
        if let Some(parent) = parent {
            projects.get(parent)?;
        }
        let names = projects.names(parent).into_iter();
        let entries = projects.within(parent).zip(names).map(|(project, name)| self.project_entry(project, name));
        Ok((entries.collect(), age))
    }

    fn project_entry(&self, project: &Project, name: String) -> Entry {
        let mut entry = self.directory(&Place::Project(project.id), name);
        entry.created = project.created;
        entry.modified = project.updated.or(project.created);
        entry.url = Some(format!("{}/projects/{}", self.web_url, project.identifier));
        entry.attributes.insert("identifier".to_owned(), project.identifier.clone());
        entry
    }

    /// The directories of a project: its modules, and the projects in it.
    pub(super) async fn module_entries(&self, id: u64, age_max: Duration) -> Result<(Vec<Entry>, Duration)> {
        let (projects, age) = self.projects(age_max).await?;
        let project = projects.get(id)?;
        let rights = self.rights(id).await?;
        let dirs = self.shown_modules().filter(|(_, module, _)| project.has(module));
        let mut entries: Vec<Entry> =
            dirs.map(|(place, _, name)| self.directory_with(&place(id), *name, rights)).collect();
        if projects.within(Some(id)).next().is_some() {
            entries.push(self.directory(&Place::SubProjects(id), SUB_PROJECTS));
        }
        for entry in &mut entries {
            entry.created = project.created;
            entry.modified = project.updated.or(project.created);
        }
        Ok((entries, age))
    }

    fn shown_modules(&self) -> impl Iterator<Item = &'static ModuleDir> {
        let count = if self.attachments { MODULE_DIRS.len() } else { 1 };
        MODULE_DIRS[..count].iter()
    }

    /// A project, or one of its directories, by its id.
    pub(super) async fn stat_project(&self, place: &Place, id: u64) -> Result<Entry> {
        let (projects, _) = self.projects(Duration::ZERO).await?;
        if *place == Place::Project(id) {
            let parent = projects.get(id)?.parent.filter(|parent| projects.get(*parent).is_ok());
            let (entries, _) = self.project_entries(parent, Duration::MAX).await?;
            return found(entries, place).ok_or_else(|| gone(id));
        }
        let (entries, _) = self.module_entries(id, Duration::MAX).await?;
        found(entries, place).ok_or_else(|| gone(id))
    }

    /// What a refusal means: that the directory is gone (its module was switched off), or that it is not for us.
    pub(super) async fn refusal(&self, place: &Place, error: Error) -> Error {
        let Some(id) = place.project().filter(|_| error.kind() == ErrorKind::Denied) else { return error };
        let module = |projects: &Projects| {
            let project = projects.get(id)?;
            let name = module_of(place).filter(|name| !project.has(name));
            name.map_or(Ok(()), |name| fail(ErrorKind::NotFound, format!("the project has no module {name} any more")))
        };
        match self.projects(Duration::ZERO).await {
            Ok((projects, _)) => module(&projects).err().unwrap_or(error),
            Err(_) => error,
        }
    }
}

/// The directory's place, the module it needs, and its name.
type ModuleDir = (fn(u64) -> Place, &'static str, &'static str);

/// The first is always shown, the others with `attachments`.
const MODULE_DIRS: [ModuleDir; 4] = [
    (Place::Files, assumed::MODULE_FILES, "Files"),
    (Place::Issues, assumed::MODULE_ISSUES, "Issues"),
    (Place::Wiki, assumed::MODULE_WIKI, "Wiki"),
    (Place::NewsList, assumed::MODULE_NEWS, "News"),
];

const SUB_PROJECTS: &str = "Projects";

fn module_of(place: &Place) -> Option<&'static str> {
    match place {
        Place::Files(_) | Place::Version { .. } => Some(assumed::MODULE_FILES),
        Place::Issues(_) | Place::Issue { .. } => Some(assumed::MODULE_ISSUES),
        Place::Wiki(_) | Place::Page { .. } => Some(assumed::MODULE_WIKI),
        Place::NewsList(_) | Place::News { .. } => Some(assumed::MODULE_NEWS),
        _ => None,
    }
}

fn found(entries: Vec<Entry>, place: &Place) -> Option<Entry> {
    let id = place.remote_id();
    entries.into_iter().find(|entry| entry.id == id)
}
