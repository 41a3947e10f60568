//! Sending content. One request carries one file, which is in place when the answer comes.
//!
//! Two traps: an upload under a taken name (case does not count) silently becomes a revision of that file, and the
//! file name sent with a revision renames the file.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{FileBody, FilePart, Multipart, Request, path};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{AttachItem, Content, Created, EntryKind, Located, Operation, Revised};
use crate::services::oracle_content::OracleContent;
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::{Item, version_number};
use crate::services::oracle_content::naming::is_suffixed;
use crate::services::oracle_content::place::Place;
use crate::services::oracle_content::seen::SeenFile;

impl OracleContent {
    /// `POST /files/data` (Upload File page): a new file, never a revision of somebody else's.
    /// Errors: `Exists` when the name is taken.
    pub(super) async fn create_file(&self, folder: &Place, item: &AttachItem) -> Result<Created> {
        if self.abilities.takes_keep_both() {
            match self.upload(folder, item, true).await {
                Err(error) if error.kind() == ErrorKind::BadName => {}
                other => return self.judge_created(folder, item, other?).await,
            }
        }
        // The service knows no such parameter, or refuses the name: so look whether it is taken, and send without it.
        if self.is_taken(folder, &item.name, None).await? {
            return fail(ErrorKind::Exists, format!("somebody else made {:?} meanwhile", item.name));
        }
        let made = self.upload(folder, item, false).await?;
        self.abilities.note_keep_both_refused();
        self.judge_created(folder, item, made).await
    }

    async fn upload(&self, folder: &Place, item: &AttachItem, keep_both: bool) -> Result<Item> {
        let mut parameters = json!({ "parentID": folder.id });
        if keep_both {
            parameters["duplicateResolution"] = assumed::KEEP_BOTH.into();
        }
        // It must come before the content (newer edition of the page).
        let form = Multipart::new().typed("jsonInputParameters", "application/json", &parameters.to_string())?;
        let form = self.with_content(form, &item.name, &item.content)?;
        let request = Request::post("upload", "/files/data").multipart(form);
        let about = (EntryKind::Directory, Operation::CreateFile);
        let answer = self.send_change(about, &request, assumed::NAMING).await?;
        // Made it is, whatever the answer means.
        Item::read(answer).map_err(Error::unclear)
    }

    /// What became of an upload: the answer's name and version tell.
    async fn judge_created(&self, folder: &Place, asked: &AttachItem, made: Item) -> Result<Created> {
        let given = made.name().unwrap_or_else(|| asked.name.clone());
        if is_suffixed(&asked.name, &given) {
            self.withdraw(&made.place).await;
            return fail(ErrorKind::Exists, format!("somebody else made {:?} meanwhile", asked.name));
        }
        let existed = made.version().is_some_and(|version| version > 1);
        if existed {
            log::warn!(
                "{given:?} in folder {} was there already: what was created is its newest version, the older ones are kept",
                folder.id
            );
        }
        self.seen.note(&made.place.id, SeenFile { name: given.clone(), version: made.version() });
        let renamed = (given != asked.name).then_some(given);
        Ok(Created { id: made.place.remote_id(), revision: made.revision(), renamed, existed })
    }

    /// Removes what this call has just made beside somebody else's.
    pub(super) async fn withdraw(&self, made: &Place) {
        if let Err(error) = self.remove(made).await {
            log::warn!(
                "{} {} was made beside another of its name and is left there: {error}",
                made.collection(),
                made.id
            );
        }
    }

    /// `POST /files/{id}/data` (Upload File Version page), under the name that the file has now.
    pub(super) async fn send_revision(
        &self,
        file: &Located,
        base: Option<&RevisionId>,
        content: &Content,
    ) -> Result<Revised> {
        let place = Place::of(&file.id)?;
        let name = self.seen.get(&place.id).map_or_else(|| file.name.clone(), |seen| seen.name);
        let form = self.with_content(Multipart::new(), &name, content)?;
        let request = Request::post("revise", path(&["files", &place.id, "data"])?).multipart(form);
        let answer = match self.send_change((EntryKind::File, Operation::Revise), &request, assumed::CHANGING).await {
            Ok(answer) => answer,
            Err(error) => return Err(self.held_or(error, &place).await),
        };
        let made = Item::read(answer).map_err(Error::unclear)?;
        self.note_revision(&place, &name, base, &made);
        Ok(Revised { id: file.id.clone(), revision: made.revision() })
    }

    fn note_revision(&self, file: &Place, sent_name: &str, base: Option<&RevisionId>, made: &Item) {
        let name = made.name().unwrap_or_else(|| sent_name.to_owned());
        if name != sent_name {
            log::warn!("the service gave {sent_name:?} the name {name:?} with its new version");
        }
        if let (Some(base), Some(version)) = (base.and_then(version_number), made.version())
            && version > base + 1
        {
            log::warn!("{name:?}: somebody else saved at the same time; both versions are kept, ours is {version}");
        }
        self.seen.note(&file.id, SeenFile { name, version: made.version() });
    }

    /// The content, and after it the metadata values that the settings give to everything uploaded.
    fn with_content(&self, form: Multipart, name: &str, content: &Content) -> Result<Multipart> {
        let mime = mime_guess::from_path(name).first_or_octet_stream();
        let file = FileBody {
            path: content.path.clone(),
            size_bytes: content.size,
            sent_bytes: Arc::clone(content.sent_counter()),
        };
        let form = form.file(FilePart {
            field: "primaryFile",
            file_name: name,
            extended_file_name: None,
            content_type: mime.essence_str(),
            file,
        })?;
        match &self.metadata {
            Value::Null => Ok(form),
            metadata => form.typed("metadataValues", "application/json", &metadata.to_string()),
        }
    }

    /// What an attach does: one request per file, one outcome per item.
    pub(super) async fn create_files(&self, dir: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        let folder = Place::folder_of(dir)?;
        let mut outcomes = Vec::with_capacity(items.len());
        for item in items {
            outcomes.push(self.create_file(&folder, item).await);
        }
        Ok(outcomes)
    }
}
