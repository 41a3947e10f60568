//! Changing things: upload, attach and revise as documented (FileUpload page); folders, renames, moves and removals as
//! assumed, each remembered as soon as the service refuses it.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use crate::http::{FileBody, Request, Response, StatusTable, path, status_kind};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{AttachItem, Content, Created, Entry, Located, Revised, StagedAsset};
use crate::services::imeet_central::ImeetCentral;
use crate::services::imeet_central::assumptions::{self as assumed, Kind};
use crate::services::imeet_central::disposition::{content_disposition, content_type};
use crate::services::imeet_central::model::{numbered, plain_id, version_number};
use crate::services::imeet_central::place::Place;
use crate::services::imeet_central::routes::Route;

/// Folders between a thing and its workspace; deeper is a circle.
const DEPTH_MAX: usize = 200;

impl ImeetCentral {
    /// `POST /v1/files/upload`: the bytes become a deferred asset, which nobody sees. Repeating costs an orphan at worst.
    pub(super) async fn upload(&self, name: &str, content: &Content) -> Result<StagedAsset> {
        let request = with_content(Request::post("upload", "/v1/files/upload").repeatable(), name, content)?;
        let response = self.client.send(&request).await?.checked()?;
        let token = plain_id(&response.text())?;
        // Attaching takes ids only: the name of the upload's `Content-Disposition` stays.
        Ok(StagedAsset { token: Some(token), expires: None, name: Some(name.to_owned()) })
    }

    /// `POST /v1/{collection}/{id}/files`: one outcome per asset, matched by the asset's id.
    pub(super) async fn attach_to(&self, container: &Place, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        if !container.kind.takes_files() {
            return fail(ErrorKind::Unsupported, "files can be put into folders, tasks, milestones and records only");
        }
        let tokens: Vec<_> = items.iter().map(|item| item.staged.token.as_deref().unwrap_or_default()).collect();
        let target = path(&["v1", container.kind.collection(), &container.id, "files"])?;
        let request = Request::post("attach", target).json(&json!({ "deferredAssetIds": tokens }));
        let response = self.client.send(&request).await?;
        if !response.status.is_success() {
            return Err(self.refusal(Route::Attach(container.kind), response, container, assumed::MAKING).await);
        }
        let outcomes = read_outcomes(&response)?;
        let created = items.iter().zip(tokens).map(|(item, token)| self.outcome(container, item, outcomes.get(token)));
        Ok(created.collect())
    }

    fn outcome(&self, container: &Place, item: &AttachItem, answer: Option<&Value>) -> Result<Created> {
        let Some(answer) = answer else {
            return Err(Error::new(ErrorKind::Protocol, "the answer says nothing about this file").unclear());
        };
        let id = attached_id(answer)?;
        let file = Place::new(Kind::File, id);
        let revision = self.versions_seen().then(|| numbered(1));
        let made =
            Entry { revision: revision.clone(), ..Entry::file(file.remote_id(), &item.name, Some(item.content.size)) };
        self.session.note_home(file.clone(), container);
        if self.routes.is_missing(Route::List(container.kind, Kind::File)) {
            self.session.note_uploaded(file.clone(), self.offering(made, Kind::File));
        }
        Ok(Created { id: file.remote_id(), revision, renamed: None, existed: false })
    }

    /// `PUT /v1/files/{id}`: a new version in one step. The name is sent as the service has it, or it might be renamed.
    pub(super) async fn send_revision(
        &self,
        file: &Located,
        base: Option<&RevisionId>,
        content: &Content,
    ) -> Result<Revised> {
        let place = Place::of(&file.id)?;
        let request = Request::put("revise", path(&["v1", "files", &place.id])?);
        let response = self.client.send(&with_content(request, &file.name, content)?).await?;
        if !response.status.is_success() {
            return Err(self.refusal(Route::Revise, response, &place, assumed::CHANGING).await);
        }
        // The answer tells nothing; versions count up by one.
        let revision = base.and_then(version_number).map(|version| numbered(version + 1));
        if let Some(known) = self.session.uploaded(&place) {
            let entry = Entry { size: Some(content.size), revision: revision.clone(), ..known };
            self.session.note_uploaded(place, entry);
        }
        Ok(Revised { id: file.id.clone(), revision })
    }

    /// `POST /v1/{workspaces|folders}/{id}/folders`
    pub(super) async fn create_folder(&self, parent: &Place, name: &str) -> Result<Entry> {
        if !matches!(parent.kind, Kind::Workspace | Kind::Folder) {
            return fail(ErrorKind::Unsupported, "folders can be made in workspaces and folders only");
        }
        let target = path(&["v1", parent.kind.collection(), &parent.id, "folders"])?;
        let request = Request::post("create-folder", target).json(&json!({ "folderName": name }));
        let route = Route::CreateFolder(parent.kind);
        let response = self.send_assumed(route, parent, &request, assumed::MAKING).await?;
        // Made it is, whatever the answer means: the next listing tells its id.
        let folder = Place::new(Kind::Folder, plain_id(&response.text()).map_err(Error::unclear)?);
        self.session.note_home(folder.clone(), parent);
        Ok(self.offering(Entry::directory(folder.remote_id(), name), Kind::Folder))
    }

    /// `PATCH /v1/{files|folders}/{id}` with the new name, the new folder, or both.
    pub(super) async fn change_place(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        let (place, to) = (changeable(&entry.id)?, Place::of(to_parent)?);
        let mut changes = Map::new();
        if to_name != entry.name {
            changes.insert(place.kind.name_field().to_owned(), to_name.into());
        }
        if *to_parent != entry.parent {
            self.check_move(&place, &Place::of(&entry.parent)?, &to).await?;
            changes.insert(place.kind.parent_field().to_owned(), to.id.clone().into());
        }
        if changes.is_empty() {
            return Ok(());
        }
        self.send_changes(&place, changes, assumed::MAKING).await?;
        self.session.note_home(place, &to);
        Ok(())
    }

    pub(super) async fn change_description(&self, entry: &Located, text: &str) -> Result<()> {
        let changes = Map::from_iter([("description".to_owned(), Value::from(text))]);
        self.send_changes(&changeable(&entry.id)?, changes, assumed::CHANGING).await
    }

    async fn send_changes(&self, place: &Place, changes: Map<String, Value>, table: StatusTable) -> Result<()> {
        // Setting the same again does no harm.
        let request = Request::patch("change", path(&["v1", place.kind.collection(), &place.id])?).repeatable();
        let request = request.json(&Value::Object(changes));
        self.send_assumed(Route::Change(place.kind), place, &request, table).await.map(|_| ())
    }

    /// `DELETE /v1/{files|folders}/{id}`: into the trash.
    pub(super) async fn trash(&self, entry: &Located) -> Result<()> {
        let place = changeable(&entry.id)?;
        let request = Request::delete("delete", path(&["v1", place.kind.collection(), &place.id])?).repeatable();
        self.send_assumed(Route::Delete(place.kind), &place, &request, assumed::CHANGING).await?;
        self.session.forget(&place);
        Ok(())
    }

    /// Sends a call that no page documents, and remembers whether the service has it.
    async fn send_assumed(
        &self,
        route: Route,
        about: &Place,
        request: &Request,
        table: StatusTable,
    ) -> Result<Response> {
        if !self.assumed_writes {
            return fail(ErrorKind::Unsupported, "switched off by assumed_writes = false in the account's settings");
        }
        if self.routes.is_missing(route) {
            return fail(ErrorKind::Unsupported, "the service has no such call");
        }
        let response = self.client.send(request).await?;
        if !response.status.is_success() {
            return Err(self.refusal(route, response, about, table).await);
        }
        self.routes.note_working(route);
        Ok(response)
    }

    /// The error of a refused call: a call that does not exist is told apart from a thing that does not.
    async fn refusal(&self, route: Route, response: Response, about: &Place, table: StatusTable) -> Error {
        match self.is_missing_call(route, &response, about).await {
            Ok(true) => Error::new(ErrorKind::Unsupported, "the service has no such call"),
            // If that cannot be found out now, the answer stands for itself.
            Ok(false) | Err(_) => response.error(table),
        }
    }

    /// Refuses moves that a `PATCH` cannot express. Errors: `Unsupported`, or `CrossDevice` where copying would do.
    async fn check_move(&self, place: &Place, from: &Place, to: &Place) -> Result<()> {
        let in_tree = |dir: &Place| matches!(dir.kind, Kind::Folder | Kind::Workspace);
        if place.kind == Kind::File && to.kind.takes_files() && !(in_tree(from) && in_tree(to)) {
            return fail(ErrorKind::CrossDevice, "files of tasks, milestones and records can only be copied");
        }
        let expressible = to.kind == Kind::Folder;
        if expressible || (to.kind == Kind::Workspace && place.kind == Kind::Folder) {
            if self.across_workspaces(from, to).await? {
                return fail(ErrorKind::CrossDevice, "nothing can be moved into another workspace, only copied");
            }
            if expressible {
                return Ok(());
            }
        }
        fail(ErrorKind::Unsupported, "the service cannot move this there: only into folders")
    }

    /// Whether two directories lie in different workspaces, as far as anybody can tell.
    async fn across_workspaces(&self, from: &Place, to: &Place) -> Result<bool> {
        let (from, to) = (self.workspace_of(from).await?, self.workspace_of(to).await?);
        Ok(from.is_some() && to.is_some() && from != to)
    }

    /// The workspace that a directory lies in, by what was listed, else by asking. `None` when nobody knows.
    async fn workspace_of(&self, place: &Place) -> Result<Option<String>> {
        let mut place = place.clone();
        for _ in 0..DEPTH_MAX {
            if place.kind.collection() == Kind::Workspace.collection() {
                return Ok(Some(place.id));
            }
            let Some(home) = self.session.home(&place) else {
                let entry = self.look_at(&place).await?;
                return Ok(entry.attributes.get("workspace").cloned());
            };
            place = home;
        }
        Ok(None)
    }
}

/// The bytes as body, with the headers that the FileUpload page asks for.
fn with_content(request: Request, name: &str, content: &Content) -> Result<Request> {
    let body = FileBody {
        path: content.path.clone(),
        size_bytes: content.size,
        sent_bytes: Arc::clone(content.sent_counter()),
    };
    let request = request.header(CONTENT_DISPOSITION, &content_disposition(name))?;
    Ok(request.header(CONTENT_TYPE, &content_type(name))?.file(body))
}

/// The answers of an attach by asset id. Errors: `Protocol`, unclear.
fn read_outcomes(response: &Response) -> Result<HashMap<String, Value>> {
    let answer: Value = response.json()?;
    let Some(Value::Array(responses)) = answer.get("responses") else {
        return Err(response.unreadable("the answer to an attach has no \"responses\""));
    };
    let by_asset = |outcome: &Value| Some((outcome.get("requestId")?.as_str()?.to_owned(), outcome.clone()));
    Ok(responses.iter().filter_map(by_asset).collect())
}

/// The new file's id from one outcome. Only 201 says that there is one.
fn attached_id(outcome: &Value) -> Result<String> {
    let status = outcome.get("status").and_then(|s| s.as_u64().or_else(|| s.as_str()?.parse().ok())).unwrap_or(0);
    let body = outcome.get("body").map(|body| body.as_str().map_or_else(|| body.to_string(), str::to_owned));
    let body = body.unwrap_or_default();
    match status {
        201 => plain_id(&body).map_err(Error::unclear),
        // The asset is what is not there: an earlier attach used it up, or it was kept too long.
        404 | 410 => fail(ErrorKind::Stale, "the uploaded bytes are not kept any more, they must be sent again"),
        400..=599 => {
            let kind = match status {
                409 => ErrorKind::Exists,
                other => status_kind(other as u16),
            };
            let text = body.chars().filter(|c| !c.is_control()).take(200).collect::<String>();
            let error = Error::new(kind, format!("the service refused this file with {status}: {text}"));
            Err(if kind == ErrorKind::Server { error.unclear() } else { error })
        }
        other => {
            let text = format!("the service answered {other} for this file, which says nothing");
            Err(Error::new(ErrorKind::Protocol, text).unclear())
        }
    }
}

/// Errors: `Unsupported` for what is neither file nor folder.
fn changeable(id: &RemoteId) -> Result<Place> {
    let place = Place::of(id)?;
    match place.kind {
        Kind::File | Kind::Folder => Ok(place),
        _ => fail(ErrorKind::Unsupported, "only files and folders can be renamed, moved, removed or described"),
    }
}
