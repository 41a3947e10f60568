//! Changing what is there: folders, names, descriptions, removal, copies, reservations.

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, StatusCode, StatusTable, path};
use crate::ids::RemoteId;
use crate::provider::{Created, Entry, EntryKind, Located, Operation};
use crate::services::oracle_content::OracleContent;
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::Item;
use crate::services::oracle_content::naming::is_numbered;
use crate::services::oracle_content::place::Place;
use crate::services::oracle_content::refusal::answer;
use crate::services::oracle_content::seen::SeenFile;

/// Removals of single versions, where the service takes a removal for one: a file with more is left to the next try.
const VERSIONS_REMOVED_MAX: u64 = 1000;

impl OracleContent {
    /// Sends a call that changes something about things of a kind, and remembers when the service has no such call.
    pub(super) async fn send_change(
        &self,
        (kind, operation): (EntryKind, Operation),
        request: &Request,
        table: StatusTable,
    ) -> Result<Value> {
        if self.abilities.is_missing(kind, operation) {
            return fail(ErrorKind::Unsupported, "the service has no such call");
        }
        let response = self.client.send(request).await?;
        if matches!(response.status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED) {
            self.abilities.note_missing(kind, operation);
        }
        answer(response, table)
    }

    /// A refusal of rights about a file may mean that somebody else has reserved it: `Locked` then.
    pub(super) async fn held_or(&self, error: Error, place: &Place) -> Error {
        if error.kind() != ErrorKind::Denied || place.is_folder() {
            return error;
        }
        match self.entry_now(place).await {
            Ok(Entry { reserved_by: Some(holder), name, .. }) => {
                Error::new(ErrorKind::Locked, format!("{name:?} is reserved by {holder}: {}", error.detail()))
            }
            // If that cannot be found out now, the answer stands for itself.
            _ => error,
        }
    }

    /// `POST /folders/{parent}`. On a taken name the service makes `NAME(2)`: that is taken back.
    /// Errors: `Exists`.
    pub(super) async fn create_folder(&self, parent: &Place, name: &str) -> Result<Entry> {
        let request = Request::post("create-folder", path(&["folders", &parent.id])?).json(&json!({ "name": name }));
        let about = (EntryKind::Directory, Operation::MakeDir);
        let made = Item::read(self.send_change(about, &request, assumed::NAMING).await?).map_err(Error::unclear)?;
        let given = made.name().unwrap_or_else(|| name.to_owned());
        if is_numbered(name, &given) && made.place.is_folder() {
            self.withdraw(&made.place).await;
            return fail(ErrorKind::Exists, format!("somebody else made {name:?} meanwhile"));
        }
        if !made.place.is_folder() {
            return Err(Error::new(ErrorKind::Protocol, "the service answers a new folder with a file").unclear());
        }
        self.entry(&made).await
    }

    /// `PUT /files/{id}` or `PUT /folders/{id}` with the new name. Setting the same name again does no harm.
    /// Errors: `Exists`.
    pub(super) async fn rename(&self, place: &Place, parent: &Place, from: &str, to: &str) -> Result<()> {
        let given = match self.set_name(place, to).await {
            Ok(given) => given,
            Err(error) if error.kind() == ErrorKind::BadName => {
                let taken = self.is_taken(parent, to, Some(place)).await.unwrap_or(false);
                return if taken { fail(ErrorKind::Exists, format!("{to:?} is taken")) } else { Err(error) };
            }
            Err(error) => return Err(self.held_or(error, place).await),
        };
        if is_numbered(to, &given) {
            if let Err(error) = self.set_name(place, from).await {
                log::warn!("{from:?} is called {given:?} on the service now, since {to:?} is taken: {error}");
            }
            return fail(ErrorKind::Exists, format!("{to:?} is taken"));
        }
        Ok(())
    }

    /// Gives a name, and answers the one that the thing has then.
    async fn set_name(&self, place: &Place, name: &str) -> Result<String> {
        let request = Request::put("rename", path(&[place.collection(), &place.id])?).repeatable();
        let request = request.json(&json!({ "name": name }));
        let answer = self.send_change((place.kind, Operation::Rename), &request, assumed::NAMING).await?;
        let given = Item::read(answer).ok().and_then(|item| item.name()).unwrap_or_else(|| name.to_owned());
        if let Some(seen) = self.seen.get(&place.id) {
            self.seen.note(&place.id, SeenFile { name: given.clone(), ..seen });
        }
        Ok(given)
    }

    /// `POST …/move`: id, versions, dates and owner stay. Its answer does not show the item.
    /// Errors: `Exists`; `CrossDevice` where the service cannot move folders.
    pub(super) async fn move_to(&self, place: &Place, name: &str, to: &Place) -> Result<()> {
        let request = Request::post("move", path(&[place.collection(), &place.id, "move"])?);
        let request = request.json(&json!({ "destinationID": to.id }));
        let error = match self.send_change((place.kind, Operation::Move), &request, assumed::NAMING).await {
            Ok(_) => {
                self.abilities.note_move_worked();
                return Ok(());
            }
            Err(error) => error,
        };
        match error.kind() {
            ErrorKind::BadName if self.is_taken(to, name, Some(place)).await.unwrap_or(false) => {
                fail(ErrorKind::Exists, format!("{name:?} is taken where it shall go"))
            }
            ErrorKind::BadName => fail(ErrorKind::Invalid, error.detail()),
            ErrorKind::Unsupported if place.is_folder() => {
                fail(ErrorKind::CrossDevice, "the service cannot move folders, only copy what is in them")
            }
            ErrorKind::NotFound if self.look_at(place).await.is_ok() => match self.look_at(to).await {
                // Both are there: it is the call that is not.
                Ok(_) if place.is_folder() => fail(
                    ErrorKind::CrossDevice,
                    "the service has no call that moves folders; only what is in them can be copied",
                ),
                Ok(_) => fail(ErrorKind::Unsupported, "the service has no call that moves files"),
                Err(_) => fail(ErrorKind::Invalid, "the folder where it shall go is not on the service any more"),
            },
            _ => Err(self.held_or(error, place).await),
        }
    }

    /// `PUT /folders/{id}`: files have no description.
    pub(super) async fn change_description(&self, entry: &Located, text: &str) -> Result<()> {
        let folder = Place::of(&entry.id)?;
        if !folder.is_folder() {
            return fail(ErrorKind::Unsupported, "files have no description on this service");
        }
        let request = Request::put("describe", path(&["folders", &folder.id])?).repeatable();
        let request = request.json(&json!({ "description": text }));
        let about = (EntryKind::Directory, Operation::Describe);
        self.send_change(about, &request, assumed::CHANGING).await.map(|_| ())
    }

    /// Into the trash: a folder only if nothing is in it now, a file with all its versions.
    pub(super) async fn trash(&self, entry: &Located) -> Result<()> {
        let place = Place::of(&entry.id)?;
        if place.is_folder() && !self.is_empty(&place).await? {
            return fail(ErrorKind::NotEmpty, "the folder holds something on the service");
        }
        if let Err(error) = self.remove(&place).await {
            return Err(self.held_or(error, &place).await);
        }
        let versions = self.seen.get(&place.id).and_then(|seen| seen.version).unwrap_or(1);
        self.seen.forget(&place.id);
        if !place.is_folder() && versions > 1 && !self.abilities.is_file_removal_proven() {
            self.remove_the_rest(&place, &Place::folder_of(&entry.parent)?, versions).await;
        }
        Ok(())
    }

    /// `DELETE /files/{id}` or `DELETE /folders/{id}`. Not repeated blindly: it might take another version.
    pub(super) async fn remove(&self, place: &Place) -> Result<()> {
        let request = Request::delete("delete", path(&[place.collection(), &place.id])?);
        self.send_change((place.kind, Operation::Delete), &request, assumed::CHANGING).await.map(|_| ())
    }

    /// The page of Delete File can be read so that a call takes the newest version only. Once in a session it is
    /// looked whether the file is gone; if not, the call is repeated until it is.
    async fn remove_the_rest(&self, file: &Place, parent: &Place, versions: u64) {
        let mut calls = 1;
        loop {
            match self.find_item(parent, |item| item.place == *file).await {
                Ok(None) if calls == 1 => return self.abilities.note_file_removal_proven(),
                Ok(Some(_)) if calls < versions.min(VERSIONS_REMOVED_MAX) => calls += 1,
                Ok(_) => return,
                Err(error) => return log::debug!("whether {} is gone will be seen later: {error}", file.id),
            }
            match self.remove(file).await {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return log::warn!("{}: only its newest versions were removed: {error}", file.id);
                }
                _ => {}
            }
        }
    }

    /// `POST /files/{id}/copy`, under the same name into another folder. The call takes no name: another one would be a
    /// second call, and a stray copy would stay whenever the first answer is lost. Errors: `Unsupported` for that,
    /// `Exists`.
    pub(super) async fn copy_file(&self, from: &Located, to_parent: &RemoteId, to_name: &str) -> Result<Created> {
        let (file, to) = (Place::of(&from.id)?, Place::folder_of(to_parent)?);
        if file.is_folder() || to_name != from.name {
            return fail(ErrorKind::Unsupported, "the service copies files only, and keeps their names");
        }
        let request = Request::post("copy", path(&["files", &file.id, "copy"])?);
        let request = request.json(&json!({ "destinationID": to.id }));
        let about = (EntryKind::Directory, Operation::CreateFile);
        let answer = self.send_change(about, &request, assumed::NAMING).await?;
        let id = answer.get("id").and_then(Value::as_str).filter(|id| !id.is_empty() && *id != file.id);
        let Some(id) = id else {
            return Err(Error::new(ErrorKind::Protocol, "the answer to a copy does not name the copy").unclear());
        };
        let copy = Place::file(id);
        Ok(Created { id: copy.remote_id(), revision: None, renamed: None, existed: false })
    }

    /// `POST /files/{id}/reserve` without a body, or `POST /files/{id}/unreserve` with the user whose reservation ends.
    /// Errors: `Locked` when somebody else has it.
    pub(super) async fn set_reservation(&self, file: &Located, taken: bool) -> Result<()> {
        let place = Place::of(&file.id)?;
        // Taking what one has, or giving back what one has not, does no harm.
        let request = match taken {
            true => Request::post("reserve", path(&["files", &place.id, "reserve"])?).repeatable(),
            false => {
                let Some(own) = self.own_user().await? else {
                    return fail(ErrorKind::Protocol, "the service does not tell who is signed in");
                };
                let request = Request::post("unreserve", path(&["files", &place.id, "unreserve"])?).repeatable();
                request.json(&json!({ "reservedByUserID": own.id }))
            }
        };
        match answer(self.client.send(&request).await?, assumed::CHANGING) {
            Ok(_) => Ok(()),
            Err(error) => Err(self.held_or(error, &place).await),
        }
    }
}
