//! Listings: the projects of the account, and the files of a project.

use std::collections::HashSet;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use crate::clock::parse_time;
use crate::error::{ErrorKind, Result, fail};
use crate::http::{Request, Response, StatusCode, path, usable};
use crate::ids::RemoteId;
use crate::provider::{Entry, ListPart, ListRequest, Operations};
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::looking::gone;
use crate::services::basecamp::model::Project;
use crate::services::basecamp::pages::{Item, Pages};
use crate::services::basecamp::place::{Group, Place};
use crate::services::basecamp::validator::{Known, Mark, is_settled};

/// A project's answer: what it says, and how its files can be recognised later.
struct Looked {
    project: Option<Project>,
    known: Known,
    settled: bool,
}

/// All of a project's attachments.
struct Files {
    items: Vec<Item>,
    known: Option<Known>,
}

impl Basecamp {
    pub(super) fn list_parts<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        stream::once(async move {
            match Place::of(dir)? {
                Place::Root => match self.session.take_root(request.max_age) {
                    Some(listed) => Ok(listed),
                    None => self.list_projects(Known::read(request.known.as_ref())).await,
                },
                Place::Project(project) => self.list_files(project, Known::read(request.known.as_ref())).await,
                Place::Group { project, group } => self.list_group(project, group, request.max_age).await,
                Place::File { .. } | Place::Attachment { .. } => fail(ErrorKind::NotDirectory, "files are not listed"),
            }
        })
        .boxed()
    }

    /// `GET /projects.json`: all active projects at once. It ignores `page`, so that asking for a second one after 50
    /// projects would give the same 50 for ever.
    pub(super) async fn list_projects(&self, known: Option<Known>) -> Result<ListPart> {
        let mark = known.unwrap_or_default().mark;
        let response = self.client.send(&mark.conditional(Request::get("list-projects", "/projects.json"))?).await?;
        if response.status == StatusCode::NOT_MODIFIED {
            return Ok(ListPart::Unchanged);
        }
        let response = response.checked_by(assumed::READING)?;
        let all: Vec<Value> = response.json()?;
        let mut seen = HashSet::new();
        let mut projects = usable(all, Project::read)?;
        projects.retain(|project| !project.inactive && seen.insert(project.id));
        projects.iter().for_each(|project| self.session.note_project_name(project.id, &project.name));
        let newest = projects.iter().filter_map(|project| project.updated.as_deref()).max_by_key(|at| parse_time(at));
        let known = Known { mark: Mark::of(&response), ..Known::default() };
        let validator = if is_settled(&response, newest) { known.validator() } else { None };
        Ok(ListPart::Entries { entries: projects.iter().map(Project::entry).collect(), validator, age: Duration::ZERO })
    }

    async fn list_files(&self, project: u64, known: Option<Known>) -> Result<ListPart> {
        let Some(files) = self.files(project, known).await? else { return Ok(ListPart::Unchanged) };
        let mut entries = Vec::new();
        let mut grouped = Vec::new();
        for item in files.items {
            match (item.place, item.group, item.entry) {
                (Some(Place::File { .. }), _, Some(entry)) => entries.push(entry),
                (_, Some(group), Some(entry)) if self.attachments => grouped.push((group, entry)),
                _ => {}
            }
        }
        if self.attachments {
            entries.extend(Group::ALL.map(|group| group_entry(project, group)));
            self.session.note_grouped(project, grouped);
        }
        let validator = files.known.and_then(Known::validator);
        Ok(ListPart::Entries { entries, validator, age: Duration::ZERO })
    }

    /// What hangs on messages, to-dos or comments stands in the same list as the files.
    async fn list_group(&self, project: u64, group: Group, max_age: Duration) -> Result<ListPart> {
        if !self.attachments {
            return Err(gone(Place::Group { project, group }));
        }
        if let Some((entries, age)) = self.session.grouped(project, group, max_age) {
            return Ok(ListPart::Entries { entries, validator: None, age });
        }
        let items = self.files(project, None).await?.map_or_else(Vec::new, |files| files.items);
        let grouped = items.into_iter().filter_map(|item| Some((item.group?, item.entry?))).collect::<Vec<_>>();
        let entries = grouped.iter().filter(|(of, _)| *of == group).map(|(_, entry)| entry.clone()).collect();
        self.session.note_grouped(project, grouped);
        Ok(ListPart::Entries { entries, validator: None, age: Duration::ZERO })
    }

    /// The project's attachments; `None` when they are as known.
    ///
    /// One request tells whether anything changed; the pages follow only then, or when an event or a long time make it
    /// doubtful (assumptions.rs). Errors: `NotFound`.
    async fn files(&self, project: u64, known: Option<Known>) -> Result<Option<Files>> {
        let check = self.session.take_check(project);
        let files = self.files_if_changed(project, known, check).await;
        if check && files.is_err() {
            self.session.note_suspect(project);
        }
        files
    }

    async fn files_if_changed(&self, project: u64, known: Option<Known>, check: bool) -> Result<Option<Files>> {
        let mut looked = self.look_at_project(project, known.as_ref()).await?;
        let known = known.unwrap_or_default();
        let same = looked.project.as_ref().is_none_or(|now| known.has_same_files(now));
        if same && !check {
            return Ok(None);
        }
        let marks = if same { known.pages.as_slice() } else { &[] };
        let Some(mut pages) = self.pages(project, looked.known.count, marks).await? else {
            self.session.note_checked(project);
            return Ok(None);
        };
        if !pages.agree_with(looked.known.count) {
            // Pages are offsets: what comes or goes meanwhile shifts them.
            looked = self.look_at_project(project, None).await?;
            pages = self.pages(project, looked.known.count, &[]).await?.unwrap_or_default();
        }
        self.session.note_checked(project);
        Ok(Some(self.take_in(looked, pages)))
    }

    fn take_in(&self, looked: Looked, pages: Pages) -> Files {
        for item in &pages.items {
            if let Some(place) = item.place {
                self.session.note_file(place, item.facts.clone());
            }
        }
        let known = Known { pages: pages.marks, ..looked.known };
        Files {
            items: pages.items.into_iter().filter(|item| item.entry.is_some()).collect(),
            known: looked.settled.then_some(known),
        }
    }

    /// `GET /projects/P.json`, only if it changed. Errors: `NotFound`, also for one in the trash.
    async fn look_at_project(&self, project: u64, known: Option<&Known>) -> Result<Looked> {
        let request = Request::get("list", project_path(project)?);
        let request = match known {
            Some(known) => known.mark.conditional(request)?,
            None => request,
        };
        let response = self.client.send(&request).await?;
        if let (StatusCode::NOT_MODIFIED, Some(known)) = (response.status, known) {
            return Ok(Looked { project: None, known: known.clone(), settled: true });
        }
        let response = response.checked_by(assumed::READING)?;
        let now = read_project(&response)?;
        if now.trashed {
            return Err(gone(Place::Project(project)));
        }
        let known = Known {
            mark: Mark::of(&response),
            count: now.files_count,
            updated: now.files_updated.clone(),
            pages: Vec::new(),
        };
        let settled = is_settled(&response, now.files_updated.as_deref());
        Ok(Looked { project: Some(now), known, settled })
    }
}

pub fn project_path(project: u64) -> Result<String> {
    path(&["projects", &format!("{project}.json")])
}

/// Errors: `Protocol`.
pub fn read_project(response: &Response) -> Result<Project> {
    match Project::read(response.json()?) {
        Some(project) => Ok(project),
        None => fail(ErrorKind::Protocol, "the service's answer is no project: it has no id"),
    }
}

/// A directory of our own: nothing can be done in it but reading.
pub fn group_entry(project: u64, group: Group) -> Entry {
    let entry = Entry::directory(Place::Group { project, group }.remote_id(), group.name());
    Entry { offers: Operations::NONE, ..entry }
}
