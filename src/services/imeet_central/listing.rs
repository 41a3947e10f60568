//! Looking: lists page by page, single objects, and what to think of a call that is not there.

use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Pager, Request, Response, StatusCode, path};
use crate::ids::RemoteId;
use crate::provider::{Entry, ListPart, Version};
use crate::services::imeet_central::ImeetCentral;
use crate::services::imeet_central::assumptions::{self as assumed, Kind};
use crate::services::imeet_central::model::{Object, Page, version_number};
use crate::services::imeet_central::place::Place;
use crate::services::imeet_central::routes::Route;

/// The directories that `attachments` adds to a workspace.
const ATTACHMENT_DIRS: [(Kind, &str); 3] =
    [(Kind::Tasks, "@tasks"), (Kind::Milestones, "@milestones"), (Kind::Records, "@records")];

/// Where a list has got to.
enum Next {
    First,
    Page(Box<Cursor>),
    End,
}

/// The next page of a list.
struct Cursor {
    request: Request,
    pager: Pager,
}

impl ImeetCentral {
    /// The children of a directory. Its lists (folders, files) are fetched in parallel, each page by page.
    pub(super) fn list_parts(&self, dir: &RemoteId) -> BoxStream<'_, Result<ListPart>> {
        let dir = match Place::of(dir) {
            Ok(dir) if dir.is_directory() => dir,
            Ok(_) => return stream::once(async { fail(ErrorKind::NotDirectory, "files are not listed") }).boxed(),
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let lists = dir.kind.children().iter().map(|items| self.pages(dir.clone(), *items));
        let listed = stream::select_all(lists.collect::<Vec<_>>());
        // Evaluated last: by then it is known which lists the service has.
        let own = stream::once(async move { Ok(self.own_children(&dir)) });
        let part = |entries| ListPart::Entries { entries, validator: None, age: Duration::ZERO };
        listed.chain(own).map_ok(part).boxed()
    }

    /// One list of a directory as a stream of pages; empty where the service has no such list.
    fn pages(&self, dir: Place, items: Kind) -> BoxStream<'_, Result<Vec<Entry>>> {
        let route = Route::List(dir.kind, items);
        let first = if self.routes.is_missing(route) { Next::End } else { Next::First };
        stream::try_unfold((dir, first), move |(dir, next)| async move {
            let (page, next) = match next {
                Next::First => match self.first_page(&dir, items).await? {
                    Some(response) => self.read_page(response, Pager::new(self.client.base()))?,
                    None => return Ok(None),
                },
                Next::Page(cursor) => self.fetch_page(*cursor).await?,
                Next::End => return Ok(None),
            };
            let entries = page.objects.iter().map(|object| self.listed(&dir, items, object)).collect();
            Ok(Some((entries, (dir, next.map_or(Next::End, |next| Next::Page(Box::new(next)))))))
        })
        .boxed()
    }

    async fn fetch_page(&self, cursor: Cursor) -> Result<(Page, Option<Cursor>)> {
        let response = self.client.send(&cursor.request).await?.checked()?;
        self.read_page(response, cursor.pager)
    }

    /// Reads a page, and says where the next one is: its address is followed as given, never built.
    fn read_page(&self, response: Response, mut pager: Pager) -> Result<(Page, Option<Cursor>)> {
        let page = Page::read(response.json()?)?;
        pager.saw(page.objects.iter().map(|object| object.id.as_str()))?;
        let address = page.next.as_deref().map(|link| pager.next(&response.url, link)).transpose()?;
        let cursor = address.map(|address| Cursor { request: Request::get("list", address), pager });
        Ok((page, cursor))
    }

    /// The first page of a list that is wanted whole.
    fn start(&self, target: String) -> Cursor {
        Cursor { request: first_page_request(target), pager: Pager::new(self.client.base()) }
    }

    /// The first page, or `None` where the service has no such list. Errors: `NotFound` when the directory is gone.
    async fn first_page(&self, dir: &Place, items: Kind) -> Result<Option<Response>> {
        let route = Route::List(dir.kind, items);
        let response = self.client.send(&first_page_request(list_path(dir, items)?)).await?;
        if response.status.is_success() {
            self.routes.note_working(route);
            return Ok(Some(response));
        }
        // The list of workspaces is in the samples: without it nothing works, and nothing is to be guessed.
        if dir.kind != Kind::Root && self.is_missing_call(route, &response, dir).await? {
            return Ok(None);
        }
        Err(response.error(&[]))
    }

    fn listed(&self, dir: &Place, items: Kind, object: &Object) -> Entry {
        self.session.note_home(Place::new(items, &object.id), dir);
        self.offering(object.entry(items), items)
    }

    /// Adds what can be done with an entry.
    pub(super) fn offering(&self, entry: Entry, kind: Kind) -> Entry {
        if kind == Kind::File && entry.revision.as_ref().and_then(version_number).is_none() {
            self.note_unversioned();
        }
        Entry { offers: self.routes.offers(kind) & self.operations_allowed(), ..entry }
    }

    /// What no list shows: the directories that hold attachments, known folders, files of a place that cannot be listed.
    fn own_children(&self, dir: &Place) -> Vec<Entry> {
        let mut own = Vec::new();
        if dir.kind == Kind::Workspace {
            if self.attachments {
                let entry = |(kind, name)| Entry::directory(Place::new(kind, &dir.id).remote_id(), name);
                own.extend(ATTACHMENT_DIRS.map(entry).into_iter().map(|entry| self.offering(entry, Kind::Tasks)));
            }
            if self.routes.is_missing(Route::List(Kind::Workspace, Kind::Folder)) {
                own.extend(self.drop_folders(dir));
            }
        }
        if self.routes.is_missing(Route::List(dir.kind, Kind::File)) {
            own.extend(self.session.uploaded_to(dir));
        }
        own
    }

    fn drop_folders(&self, workspace: &Place) -> Vec<Entry> {
        let known = self.drop_folders.iter().filter(|folder| folder.workspace == workspace.id);
        let entry = known.map(|folder| {
            let place = Place::new(Kind::Folder, &folder.id);
            self.session.note_home(place.clone(), workspace);
            self.offering(Entry::directory(place.remote_id(), &folder.name), Kind::Folder)
        });
        entry.collect()
    }

    /// The thing as it is now. Errors: `NotFound`.
    pub(super) async fn look_at(&self, place: &Place) -> Result<Entry> {
        let route = Route::Stat(place.kind);
        match place.kind {
            Kind::Root => return Ok(self.root_entry()),
            Kind::Tasks | Kind::Milestones | Kind::Records => {
                let name = ATTACHMENT_DIRS.iter().find(|(kind, _)| *kind == place.kind).map_or("", |(_, name)| name);
                return Ok(self.offering(Entry::directory(place.remote_id(), name), place.kind));
            }
            _ => {}
        }
        if !self.routes.is_missing(route) {
            let request = Request::get("stat", path(&["v1", place.kind.collection(), &place.id])?);
            let response = self.client.send(&request).await?;
            match response.status {
                status if status.is_success() => {
                    self.routes.note_working(route);
                    return Ok(self.offering(Object::read(response.json()?)?.entry(place.kind), place.kind));
                }
                StatusCode::NOT_FOUND | StatusCode::GONE if self.routes.works(route) => return Err(gone(place)),
                StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => self.routes.note_missing(route),
                StatusCode::NOT_FOUND => {}
                _ => return Err(response.error(&[])),
            }
        }
        // No such call, or no such thing: the list it came from knows.
        let listed = self.look_in_list(place).await?;
        self.routes.note_missing(route);
        Ok(listed)
    }

    /// Finds the thing in the list it was seen in. Errors: `NotFound`.
    async fn look_in_list(&self, place: &Place) -> Result<Entry> {
        if let Some(entry) = self.session.uploaded(place) {
            return Ok(entry);
        }
        if let Some(folder) = self.drop_folders.iter().find(|folder| folder.id == place.id) {
            return Ok(self.offering(Entry::directory(place.remote_id(), &folder.name), Kind::Folder));
        }
        let home = match place.kind {
            Kind::Workspace => Some(Place::root()),
            _ => self.session.home(place),
        };
        let Some(home) = home.filter(|home| !self.routes.is_missing(Route::List(home.kind, place.kind))) else {
            return Err(gone(place));
        };
        let mut cursor = Some(self.start(list_path(&home, place.kind)?));
        while let Some(at) = cursor {
            let (page, next) = self.fetch_page(at).await?;
            if let Some(found) = page.objects.iter().find(|object| object.id == place.id) {
                return Ok(self.offering(found.entry(place.kind), place.kind));
            }
            cursor = next;
        }
        Err(gone(place))
    }

    /// `GET /v1/files/{id}/versions`, oldest first.
    pub(super) async fn list_versions(&self, file: &Place) -> Result<Vec<Version>> {
        let unsupported = || fail(ErrorKind::Unsupported, "the service does not list old versions");
        if self.routes.is_missing(Route::Versions) {
            return unsupported();
        }
        let cursor = self.start(path(&["v1", "files", &file.id, "versions"])?);
        let response = self.client.send(&cursor.request).await?;
        if !response.status.is_success() {
            return match self.is_missing_call(Route::Versions, &response, file).await? {
                true => unsupported(),
                false => Err(response.error(&[])),
            };
        }
        self.routes.note_working(Route::Versions);
        let (mut page, mut next) = self.read_page(response, cursor.pager)?;
        let mut versions = Vec::new();
        loop {
            for object in &page.objects {
                versions.push(object.version()?);
            }
            let Some(cursor) = next else { break };
            (page, next) = self.fetch_page(cursor).await?;
        }
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }

    /// Whether an answer about a thing says that the call does not exist, and not that the thing is gone. Remembers it.
    pub(super) async fn is_missing_call(&self, route: Route, response: &Response, about: &Place) -> Result<bool> {
        let missing = match response.status {
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED => true,
            // One file's bytes can be missing for a moment; that no file can be read is for 405 and 501 to say.
            StatusCode::NOT_FOUND if self.routes.works(route) || route == Route::Download => false,
            StatusCode::NOT_FOUND => match Box::pin(self.look_at(about)).await {
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::NotFound => false,
                Err(error) => return Err(error),
            },
            _ => false,
        };
        if missing {
            self.routes.note_missing(route);
        }
        Ok(missing)
    }
}

fn first_page_request(target: String) -> Request {
    Request::get("list", target).query("limit", assumed::PAGE_ITEMS)
}

fn list_path(dir: &Place, items: Kind) -> Result<String> {
    match dir.kind {
        Kind::Root => path(&["v1", items.collection()]),
        kind => path(&["v1", kind.collection(), &dir.id, items.collection()]),
    }
}

fn gone(place: &Place) -> Error {
    Error::new(ErrorKind::NotFound, format!("{place} is not on the service (any more)"))
}
