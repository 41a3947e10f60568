//! New documents ("Create a DMS document" page): upload and attachment are one request, whose answer tells nothing. The
//! new ids are found in the next list of documents, one for all files of a batch.

use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures::stream::{self, StreamExt};

use crate::error::{Advice, Error, ErrorKind, Result, fail};
use crate::http::{Request, Response, StatusCode};
use crate::provider::{AttachItem, Created};
use crate::services::rillsoft::Rillsoft;
use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::calls::{Call, says_no_such_call};
use crate::services::rillsoft::documents::Documents;
use crate::services::rillsoft::form::upload_form;
use crate::services::rillsoft::kept::Answer;
use crate::services::rillsoft::model::{self, Document, Task, id_in};
use crate::services::rillsoft::parents::Choice;
use crate::services::rillsoft::place::Place;

/// Parents tried for one file: each refusal rules one out.
const PARENTS_TRIED_MAX: usize = 4;

/// A folder that takes documents.
#[derive(Clone, Copy)]
struct Destination {
    project: u64,
    folder: u64,
    /// In a project's own directory, where documents without a folder appear too.
    is_main: bool,
}

/// A document that the service took: what is known of it.
struct Sent {
    parent: String,
    /// From the answer, if it told.
    id: Option<u64>,
}

impl Rillsoft {
    /// Files of equal names go one after the other, since only their order tells their ids apart.
    pub(super) async fn create_all(&self, container: Place, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        let destination = self.destination(container).await?;
        let mut outcomes = HashMap::new();
        for round in rounds(items) {
            let batch: Vec<&AttachItem> = round.iter().map(|index| &items[*index]).collect();
            let created = self.create_batch(destination, &batch).await?;
            outcomes.extend(round.into_iter().zip(created));
        }
        let missing = || Err(Error::new(ErrorKind::Bug, "a file of the batch was left out"));
        Ok((0..items.len()).map(|index| outcomes.remove(&index).unwrap_or_else(missing)).collect())
    }

    /// Errors: `Invalid`, naming the setting, when there is no task to hang a new document on.
    pub(super) async fn check_new(&self, container: Place) -> Result<()> {
        let destination = self.destination(container).await?;
        let listed = self.catalog.documents_known().await?;
        self.parent_for(destination, &listed.list).await.map(drop)
    }

    async fn create_batch(&self, to: Destination, items: &[&AttachItem]) -> Result<Vec<Result<Created>>> {
        let before = self.catalog.documents_known().await?;
        // Asked for once, and not by each of the files.
        self.parent_for(to, &before.list).await?;
        let sending: Vec<_> = items.iter().map(|item| self.send_new(to, item, &before.list)).collect();
        let sent: Vec<Result<Sent>> = stream::iter(sending).buffered(assumed::UPLOADS_PARALLEL).collect().await;
        if sent.iter().any(|outcome| outcome.as_ref().err().is_none_or(Error::is_unclear)) {
            self.catalog.documents_changed();
        }
        let after = match sent.iter().any(Result::is_ok) {
            true => self.catalog.documents(Duration::ZERO).await,
            false => Ok(before.clone()),
        };
        let outcomes = items.iter().zip(sent).map(|(item, sent)| match (sent, &after) {
            (Err(error), _) => Err(error),
            // It is there; which one it is can be found out later.
            (Ok(_), Err(error)) => Err(error.clone().unclear()),
            (Ok(sent), Ok(after)) => self.found(to, item, &sent, &before.list, after),
        });
        Ok(outcomes.collect())
    }

    /// Errors: `NotFound`; `Unsupported` when nobody knows the id of the folder that a project's directory stands for.
    async fn destination(&self, container: Place) -> Result<Destination> {
        match container {
            Place::Folder { project, folder } => Ok(Destination { project, folder, is_main: false }),
            Place::Project(project) => match self.main_folder().await? {
                Some(folder) => Ok(Destination { project, folder, is_main: true }),
                None => fail(
                    ErrorKind::Unsupported,
                    "nobody knows the DMS main folder's id; set main_folder, or use one of the folders",
                ),
            },
            _ => fail(ErrorKind::Unsupported, "files can be put into projects and their folders only"),
        }
    }

    pub(super) async fn main_folder(&self) -> Result<Option<u64>> {
        Ok(self.catalog.folders(assumed::FOLDERS_AGE_MAX).await?.list.main())
    }

    /// Sends a new document. A parent that the service refuses is not tried again.
    async fn send_new(&self, to: Destination, item: &AttachItem, listed: &Documents) -> Result<Sent> {
        for _ in 0..PARENTS_TRIED_MAX {
            let parent = self.parent_for(to, listed).await?;
            let target = self.paths.create(to.project, to.folder, &parent)?;
            let mut form = upload_form(&item.name, &item.content)?;
            if let Some(description) = &item.description {
                form = form.text("description", description)?;
            }
            let response = self.client.send(&Request::post("create", target).multipart(form)).await?;
            if response.status.is_success() {
                self.parents.note_working(to.project, &parent);
                return Ok(Sent { parent, id: id_in(&response) });
            }
            if response.status != StatusCode::NOT_FOUND {
                return Err(refusal(item, &response));
            }
            self.check_destination(to).await?;
            self.parents.note_refused(to.project, &parent);
            if self.parents.is_configured(to.project) {
                return Err(nobody(to.project, &format!("the service knows no task {parent}")));
            }
        }
        Err(nobody(to.project, "the service refuses the tasks that it lists"))
    }

    /// Whether project and folder are still there. Errors: `NotFound`.
    async fn check_destination(&self, to: Destination) -> Result<()> {
        self.look_at(Place::Project(to.project)).await?;
        if !to.is_main && !self.calls.is_missing(Call::Folders) {
            self.look_at(Place::Folder { project: to.project, folder: to.folder }).await?;
        }
        Ok(())
    }

    /// Errors: `Invalid`, naming the setting, when there is no task to hang it on.
    async fn parent_for(&self, to: Destination, listed: &Documents) -> Result<String> {
        let project = self.catalog.project_newest(to.project);
        let uuid = project.as_ref().and_then(|project| project.uuid.as_deref());
        loop {
            match self.parents.choose(to.project, to.folder, listed, uuid) {
                Choice::Parent(parent) => return Ok(parent),
                Choice::AskTasks => self.parents.note_tasks(to.project, self.ask_tasks(to.project).await?),
                Choice::Nobody => return Err(nobody(to.project, "the service names none of its tasks")),
            }
        }
    }

    /// UUIDs of the project's tasks; none where the service has no such call.
    async fn ask_tasks(&self, project: u64) -> Result<Vec<String>> {
        let target = self.paths.tasks(project).filter(|_| !self.calls.is_missing(Call::Tasks));
        let Some(target) = target else { return Ok(Vec::new()) };
        let response = self.client.send(&Request::get("list", target)).await?;
        let absent = response.status == StatusCode::NOT_FOUND && !self.calls.works(Call::Tasks);
        if absent {
            // Of a project that is there, it is the call that is missing.
            self.look_at(Place::Project(project)).await?;
        }
        if absent || says_no_such_call(response.status) {
            self.calls.note_missing(Call::Tasks);
            return Ok(Vec::new());
        }
        let tasks: Vec<Task> = model::read_list(&response.checked_by(assumed::REFUSALS)?)?;
        self.calls.note_working(Call::Tasks);
        Ok(tasks.into_iter().map(|task| task.0).collect())
    }

    /// The document that was made, in the list asked for afterwards: of this place, name and size, and new; stored by us
    /// and with the highest id if several. Errors: `Protocol` when the service stored something else: to send it again would not help.
    fn found(
        &self,
        to: Destination,
        item: &AttachItem,
        sent: &Sent,
        before: &Documents,
        after: &Answer<Documents>,
    ) -> Result<Created> {
        let here = |document: &&Document| match to.is_main {
            true => document.folder.is_none_or(|folder| folder == to.folder || folder == assumed::MAIN_FOLDER_ID),
            false => document.folder == Some(to.folder),
        };
        let new = after.list.of_project(to.project).filter(here).filter(|d| before.get(to.project, d.id).is_none());
        let ours: Vec<&Document> =
            new.filter(|document| sent.id.map_or(document.name == item.name, |id| document.id == id)).collect();
        let whole = |document: &&&Document| document.size.is_none_or(|size| size == item.content.size);
        let our_parent =
            |d: &Document| d.parent.as_ref().is_some_and(|parent| parent.eq_ignore_ascii_case(&sent.parent));
        let candidates: Vec<&Document> = ours.iter().filter(whole).copied().collect();
        let likely = |document: &&&Document| (self.author.is_of(document), our_parent(document), document.id);
        let Some(document) = candidates.iter().max_by_key(likely) else {
            return ours.first().map_or_else(unlisted, |document| Err(cut(document, item.content.size)));
        };
        if candidates.len() == 1 {
            self.author.learn(document);
        }
        Ok(Created {
            id: Place::Document { project: to.project, document: document.id }.remote_id(),
            revision: self.revisions.of(document, after.asked),
            renamed: (document.name != item.name).then(|| document.name.clone()),
            existed: false,
        })
    }
}

/// The name under which the service lists what we store: nothing tells it, so it is learned from what is surely ours.
#[derive(Default)]
pub struct Author(Mutex<Option<String>>);

impl Author {
    fn learn(&self, document: &Document) {
        if document.stored_by.is_some() {
            self.lock().clone_from(&document.stored_by);
        }
    }

    fn is_of(&self, document: &Document) -> bool {
        let known = self.lock();
        known.is_some() && *known == document.stored_by
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Indices of the items, such that no round has a name twice.
fn rounds(items: &[AttachItem]) -> Vec<Vec<usize>> {
    let mut rounds: Vec<(HashSet<&str>, Vec<usize>)> = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let round = match rounds.iter().position(|(names, _)| !names.contains(item.name.as_str())) {
            Some(round) => round,
            None => {
                rounds.push(Default::default());
                rounds.len() - 1
            }
        };
        rounds[round].0.insert(&item.name);
        rounds[round].1.push(index);
    }
    rounds.into_iter().map(|(_, indices)| indices).collect()
}

fn refusal(item: &AttachItem, response: &Response) -> Error {
    if response.status == StatusCode::BAD_REQUEST && item.content.size == 0 {
        return Error::new(ErrorKind::Invalid, "the service takes no empty files; it stays here until it has content");
    }
    response.error(assumed::REFUSALS)
}

fn nobody(project: u64, why: &str) -> Error {
    let text = format!("{why}: set parent.{project} = \"UUID of a task\" in the account's settings");
    log::warn!("project {project} takes no new files: {text}");
    Error::new(ErrorKind::Invalid, text)
}

fn unlisted<T>() -> Result<T> {
    let text = "the service took the file but does not list it; it is not sent again, so that it is not there twice";
    Err(Error::new(ErrorKind::Protocol, text).with_advice(Advice::TellUser))
}

/// The service stored another number of bytes than it got.
pub(super) fn cut(document: &Document, sent_bytes: u64) -> Error {
    let stored = document.size.unwrap_or_default();
    let text = format!("the service stored {stored} bytes of {sent_bytes}, as document {}", document.id);
    Error::new(ErrorKind::Protocol, text).with_advice(Advice::TellUser)
}
