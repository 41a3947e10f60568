//! Looking: what each directory shows. The files of a project and of all its versions come by two requests; the files
//! of a hundred issues by one.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::stream::{self, BoxStream, StreamExt};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, path};
use crate::provider::{Entry, ListPart};
use crate::services::redmine::Redmine;
use crate::services::redmine::entries::attached_here;
use crate::services::redmine::model::{Attachment, Item, List, Version, object, unreadable};
use crate::services::redmine::paging::Pages;
use crate::services::redmine::place::Place;
use crate::services::redmine::rights::Rights;
use crate::services::redmine::snapshots::Weighed;

/// The files of a project and of its versions.
pub struct ProjectFiles {
    pub versions: Vec<Version>,
    pub files: Vec<Attachment>,
}

impl Weighed for ProjectFiles {
    fn things(&self) -> usize {
        self.versions.len() + self.files.len()
    }
}

impl ProjectFiles {
    /// Errors: `NotFound` for a version that is not there (any more).
    pub fn of(&self, container: &Place) -> Result<Vec<Attachment>> {
        if let Place::Version { version, .. } = container {
            self.version(*version)?;
        }
        Ok(self.files.iter().filter(|file| attached_here(container, file)).cloned().collect())
    }

    pub fn version(&self, id: u64) -> Result<&Version> {
        let found = self.versions.iter().find(|version| version.id == id);
        found.ok_or_else(|| Error::new(ErrorKind::NotFound, format!("version {id} is not on the service (any more)")))
    }
}

impl Redmine {
    pub(super) fn list_parts(&self, dir: Place, age_max: Duration) -> BoxStream<'_, Result<ListPart>> {
        let part = |(entries, age)| ListPart::Entries { entries, validator: None, age };
        match dir {
            Place::Issues(project) => self.item_parts(project, self.issue_pages(project), issue_of),
            Place::NewsList(project) => self.item_parts(project, self.news_pages(project), news_of),
            dir => stream::once(async move { self.list_whole(&dir, age_max).await.map(part) }).boxed(),
        }
    }

    /// Entries and their age.
    async fn list_whole(&self, dir: &Place, age_max: Duration) -> Result<(Vec<Entry>, Duration)> {
        match dir {
            Place::Root => self.project_entries(None, age_max).await,
            Place::SubProjects(project) => self.project_entries(Some(*project), age_max).await,
            Place::Project(project) => self.module_entries(*project, age_max).await,
            Place::Wiki(project) => Ok((self.page_entries(*project).await?, Duration::ZERO)),
            Place::File(_) => fail(ErrorKind::NotDirectory, "files are not listed"),
            Place::Files(project) => {
                let rights = self.rights(*project).await?;
                let (known, age) = self.project_files(*project, age_max).await?;
                let versions = known.versions.iter().map(|version| self.version_entry(*project, version, rights));
                let mut entries: Vec<Entry> = versions.collect();
                entries.extend(self.file_entries(dir, &known.of(dir)?, rights));
                Ok((entries, age))
            }
            container => {
                let rights = self.rights_at(container).await?;
                let (files, age) = self.attachments(container, age_max).await?;
                Ok((self.file_entries(container, &files, rights), age))
            }
        }
    }

    pub(super) async fn rights_at(&self, place: &Place) -> Result<Rights> {
        match place.project() {
            Some(project) => self.rights(project).await,
            None => Ok(Rights::ALL),
        }
    }

    /// The files of a container, and the age of that knowledge. Errors: `NotFound`, `Denied`.
    pub(super) async fn attachments(
        &self,
        container: &Place,
        age_max: Duration,
    ) -> Result<(Vec<Attachment>, Duration)> {
        if let Place::Files(project) | Place::Version { project, .. } = container {
            let (known, age) = self.project_files(*project, age_max).await?;
            return Ok((known.of(container)?, age));
        }
        let fetch = async { Ok(Attachment::all_of(&self.container(container).await?)) };
        let (files, age) = self.contents.get(container, age_max, fetch).await?;
        Ok((files.to_vec(), age))
    }

    async fn project_files(&self, project: u64, age_max: Duration) -> Result<(Arc<ProjectFiles>, Duration)> {
        let fetch = async {
            let (files, versions) = futures::try_join!(self.fetch_files(project), self.fetch_versions(project))?;
            let versions = versions.unwrap_or_else(|| versions_of(&files));
            Ok(ProjectFiles { versions, files })
        };
        match self.files.get(&project, age_max, fetch).await {
            Ok(found) => Ok(found),
            Err(error) => Err(self.refusal(&Place::Files(project), error).await),
        }
    }

    /// `GET /projects/ID/files.json` (Rest_Files page): never in pages.
    pub(super) async fn fetch_files(&self, project: u64) -> Result<Vec<Attachment>> {
        let request = Request::get("list", path(&["projects", &project.to_string(), "files.json"])?);
        let list = List::read(self.client.send(&request).await?.checked()?.json()?, "files")?;
        let files = list.of(Attachment::read)?;
        self.note_digests(&files);
        Ok(files)
    }

    /// `GET /projects/ID/versions.json` (Rest_Versions page): never in pages. `None` when they are not for us.
    async fn fetch_versions(&self, project: u64) -> Result<Option<Vec<Version>>> {
        let request = Request::get("list", path(&["projects", &project.to_string(), "versions.json"])?);
        let response = self.client.send(&request).await?;
        if response.status.as_u16() == 403 {
            return Ok(None);
        }
        let list = List::read(response.checked()?.json()?, "versions")?;
        let received = list.items.len() as u64;
        if let Some(total) = list.total.filter(|total| *total > received) {
            return fail(ErrorKind::Protocol, format!("a list brings {received} of its {total} items"));
        }
        let own = list.items.iter().filter_map(|version| Version::read_own(project, version));
        Ok(Some(own.collect()))
    }

    fn issue_pages(&self, project: u64) -> Pages {
        let request = Request::get("list", "/issues.json").query("project_id", project);
        // Closed issues are left out unless asked for, and those of sub-projects are in unless left out.
        let request = request.query("status_id", "*").query("subproject_id", "!*");
        self.pages(request.query("include", "attachments").query("sort", "id"), "issues")
    }

    fn news_pages(&self, project: u64) -> Pages {
        self.pages(Request::get("list", format!("/projects/{project}/news.json")), "news")
    }

    /// A list of things that have files, page by page. What a page tells of their files is kept for a while.
    fn item_parts(&self, project: u64, pages: Pages, read: ReadItem) -> BoxStream<'_, Result<ListPart>> {
        stream::try_unfold(pages, move |mut pages| async move {
            let asked = Instant::now();
            let page = match self.next_page(&mut pages).await {
                Ok(Some(page)) => page,
                Ok(None) => return Ok(None),
                Err(error) => return Err(self.refusal(&Place::Issues(project), error).await),
            };
            let rights = self.rights(project).await?;
            let found =
                page.of(|value| Some((value.get("attachments").is_some(), value.clone(), read(project, value)?)))?;
            let mut entries = Vec::with_capacity(found.len());
            for (tells_files, value, (place, item)) in found {
                if tells_files {
                    self.contents.put(place.clone(), asked, Attachment::all_of(&value));
                }
                entries.push(self.item_entry(&place, &item, rights));
            }
            Ok(Some((ListPart::Entries { entries, validator: None, age: Duration::ZERO }, pages)))
        })
        .boxed()
    }

    /// `GET /projects/ID/wiki/index.json` (Rest_WikiPages page).
    async fn page_entries(&self, project: u64) -> Result<Vec<Entry>> {
        let rights = self.rights(project).await?;
        let request = Request::get("list", path(&["projects", &project.to_string(), "wiki", "index.json"])?);
        let list = match self.client.send(&request).await?.checked() {
            Ok(response) => List::read(response.json()?, "wiki_pages")?,
            Err(error) => return Err(self.refusal(&Place::Wiki(project), error).await),
        };
        let pages = list.items.iter().filter_map(Item::read_page);
        let entry = |item: Item| {
            let place = Place::Page { project, title: item.title.clone() };
            self.item_entry(&place, &item, rights)
        };
        Ok(pages.map(entry).collect())
    }

    /// An issue, news item or wiki page, with its files.
    pub(super) async fn container(&self, place: &Place) -> Result<Value> {
        let (target, name) = container_path(place)?;
        let request = Request::get("list", target).query("include", "attachments");
        match self.client.send(&request).await?.checked() {
            Ok(response) => object(response.json()?, name),
            Err(error) => Err(self.refusal(place, error).await),
        }
    }

    /// The entry as it is now. Errors: `NotFound`.
    pub(super) async fn look_at(&self, place: &Place) -> Result<Entry> {
        match place {
            Place::Root => Ok(self.root_entry()),
            Place::Project(id) | Place::SubProjects(id) | Place::Files(id) => self.stat_project(place, *id).await,
            Place::Issues(id) | Place::Wiki(id) | Place::NewsList(id) => self.stat_project(place, *id).await,
            Place::Version { project, version } => {
                let rights = self.rights(*project).await?;
                let (known, _) = self.project_files(*project, Duration::ZERO).await?;
                Ok(self.version_entry(*project, known.version(*version)?, rights))
            }
            Place::File(file) => {
                let looked_at = self.attachment(*file).await?;
                let files = [Attachment { digest: self.known_digest(&looked_at), ..looked_at }];
                self.file_entries(place, &files, Rights::ALL).pop().ok_or_else(|| unreadable("attachment"))
            }
            Place::Issue { .. } | Place::Page { .. } | Place::News { .. } => {
                let rights = self.rights_at(place).await?;
                let item = item_of(place, &self.container(place).await?).ok_or_else(|| unreadable("id"))?;
                Ok(self.item_entry(place, &item, rights))
            }
        }
    }

    /// `GET /attachments/ID.json` (Rest_Attachments page): tells neither container nor digest.
    pub(super) async fn attachment(&self, id: u64) -> Result<Attachment> {
        let request = Request::get("stat", format!("/attachments/{id}.json"));
        let found = object(self.client.send(&request).await?.checked()?.json()?, "attachment")?;
        Attachment::read(&found).ok_or_else(|| unreadable("attachment"))
    }
}

type ReadItem = fn(u64, &Value) -> Option<(Place, Item)>;

fn issue_of(project: u64, value: &Value) -> Option<(Place, Item)> {
    let item = Item::read_issue(value)?;
    Some((Place::Issue { project, issue: item.id }, item))
}

fn news_of(project: u64, value: &Value) -> Option<(Place, Item)> {
    let item = Item::read_news(value)?;
    Some((Place::News { project, news: item.id }, item))
}

fn item_of(place: &Place, value: &Value) -> Option<Item> {
    match place {
        Place::Issue { .. } => Item::read_issue(value),
        Place::News { .. } => Item::read_news(value),
        _ => Item::read_page(value),
    }
}

/// Where a container is looked at, and the key of the answer.
pub fn container_path(place: &Place) -> Result<(String, &'static str)> {
    match place {
        Place::Issue { issue, .. } => Ok((format!("/issues/{issue}.json"), "issue")),
        Place::News { news, .. } => Ok((format!("/news/{news}.json"), "news")),
        Place::Page { project, title } => {
            let page = path(&["projects", &project.to_string(), "wiki", &format!("{title}.json")])?;
            Ok((page, "wiki_page"))
        }
        _ => fail(ErrorKind::Bug, "this is no issue, news item or wiki page"),
    }
}

/// The versions that files are in: all that can be known of them when they are not for us.
fn versions_of(files: &[Attachment]) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    for (id, name) in files.iter().filter_map(|file| file.version.clone()) {
        if versions.iter().all(|version| version.id != id) {
            versions.push(Version { id, name, description: None, created: None, updated: None });
        }
    }
    versions
}
