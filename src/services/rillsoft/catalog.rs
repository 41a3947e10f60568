//! What the service lists: projects, folders, documents. Three lists answer for every directory of the mount.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::{ErrorKind, Result, fail};
use crate::http::{Client, Request, Response, StatusCode};
use crate::services::rillsoft::assumptions as assumed;
use crate::services::rillsoft::calls::{Call, Calls, says_no_such_call};
use crate::services::rillsoft::documents::Documents;
use crate::services::rillsoft::folders::Folders;
use crate::services::rillsoft::kept::{Answer, Kept};
use crate::services::rillsoft::model::{self, Listed, Project};
use crate::services::rillsoft::paths::Paths;

/// Folder ids remembered because no list explains them; a client has some hundred folders.
const STRANGERS_MAX: usize = 10_000;

pub struct Catalog {
    asking: Arc<Asking>,
    projects: Kept<Vec<Project>>,
    folders: Kept<Folders>,
    documents: Kept<Documents>,
    /// Folders that were unknown even to a list asked for after the documents: not worth asking again.
    strangers: Mutex<HashSet<u64>>,
}

/// What the requests need; they outlive whoever waits for them.
struct Asking {
    client: Client,
    paths: Arc<Paths>,
    calls: Arc<Calls>,
    main_folder: Option<u64>,
}

impl Catalog {
    pub fn new(client: Client, paths: Arc<Paths>, calls: Arc<Calls>, main_folder: Option<u64>) -> Catalog {
        Catalog {
            asking: Arc::new(Asking { client, paths, calls, main_folder }),
            projects: Kept::default(),
            folders: Kept::default(),
            documents: Kept::default(),
            strangers: Mutex::default(),
        }
    }

    pub async fn projects(&self, max_age: Duration) -> Result<Answer<Vec<Project>>> {
        self.projects.within(max_age, || self.asking.clone().projects()).await
    }

    pub async fn documents(&self, max_age: Duration) -> Result<Answer<Documents>> {
        self.documents.within(max_age, || self.asking.clone().documents()).await
    }

    /// The documents as last listed, however long ago that was.
    pub async fn documents_known(&self) -> Result<Answer<Documents>> {
        self.documents(Duration::MAX).await
    }

    pub async fn folders(&self, max_age: Duration) -> Result<Answer<Folders>> {
        self.folders.within(max_age, || self.asking.clone().folders()).await
    }

    /// Documents and the folders that explain them; the folders may be older, since they change seldom.
    pub async fn tree(&self, max_age: Duration) -> Result<(Answer<Documents>, Answer<Folders>)> {
        let folders_age = max_age.saturating_mul(assumed::FOLDERS_OLDER).min(assumed::FOLDERS_AGE_MAX.max(max_age));
        let (documents, folders) = tokio::try_join!(self.documents(max_age), self.folders(folders_age))?;
        let folders = self.explained(&documents, folders).await?;
        Ok((documents, folders))
    }

    /// Asks for the folders once more when a document lies in one that they do not know.
    async fn explained(&self, documents: &Answer<Documents>, folders: Answer<Folders>) -> Result<Answer<Folders>> {
        let unknown = |folders: &Folders| {
            let strangers = self.strangers();
            let unexplained = |id: &u64| !strangers.contains(id);
            folders.strangers(documents.list.folders()).filter(unexplained).collect::<Vec<u64>>()
        };
        if self.asking.calls.is_missing(Call::Folders) || unknown(&folders.list).is_empty() {
            return Ok(folders);
        }
        let ask = || self.asking.clone().folders();
        let folders = self.folders.asked_since(Some(documents.asked.max(folders.asked)), ask).await?;
        let still_unknown = unknown(&folders.list);
        let mut strangers = self.strangers();
        if strangers.len() + still_unknown.len() > STRANGERS_MAX {
            strangers.clear();
        }
        strangers.extend(still_unknown);
        drop(strangers);
        Ok(folders)
    }

    /// Whether the service still lists the document.
    pub async fn lists(&self, project: u64, document: u64) -> Result<bool> {
        Ok(self.documents(Duration::ZERO).await?.list.get(project, document).is_some())
    }

    /// The documents as they were last listed, if they were.
    pub fn documents_newest(&self) -> Option<Answer<Documents>> {
        self.documents.newest()
    }

    pub fn folders_newest(&self) -> Option<Arc<Folders>> {
        self.folders.newest().map(|folders| folders.list)
    }

    /// The project as it was last listed, if it was.
    pub fn project_newest(&self, id: u64) -> Option<Project> {
        self.projects.newest()?.list.iter().find(|project| project.id == id).cloned()
    }

    /// Something of the documents changed that only the next list shows.
    pub fn documents_changed(&self) {
        self.documents.forget();
    }

    pub fn enter(&self, change: impl FnOnce(&mut Documents)) {
        self.documents.enter(change);
    }

    fn strangers(&self) -> MutexGuard<'_, HashSet<u64>> {
        self.strangers.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl Asking {
    async fn get(&self, target: String) -> Result<Response> {
        self.client.send(&Request::get("list", target)).await
    }

    async fn list<T: Listed>(&self, target: String) -> Result<Vec<T>> {
        model::read_list(&self.get(target).await?.checked_by(assumed::REFUSALS)?)
    }

    async fn projects(self: Arc<Self>) -> Result<Vec<Project>> {
        self.list(self.paths.projects()?).await
    }

    async fn documents(self: Arc<Self>) -> Result<Documents> {
        let list = self.list(self.paths.documents()?).await?;
        // Sorting out some 100,000 documents takes a while.
        match tokio::task::spawn_blocking(move || Documents::new(list)).await {
            Ok(documents) => Ok(documents),
            Err(e) => fail(ErrorKind::Bug, format!("the documents could not be sorted out: {e}")),
        }
    }

    async fn folders(self: Arc<Self>) -> Result<Folders> {
        let target = self.paths.folders().filter(|_| !self.calls.is_missing(Call::Folders));
        let Some(target) = target else { return Ok(Folders::new(Vec::new(), self.main_folder)) };
        let response = self.get(target).await?;
        let gone = response.status == StatusCode::NOT_FOUND && !self.calls.works(Call::Folders);
        if gone || says_no_such_call(response.status) {
            self.calls.note_missing(Call::Folders);
            return Ok(Folders::new(Vec::new(), self.main_folder));
        }
        let list = model::read_list(&response.checked_by(assumed::REFUSALS)?)?;
        self.calls.note_working(Call::Folders);
        Ok(Folders::new(list, self.main_folder))
    }
}

/// How long ago an answer was asked for.
pub fn age<T>(answer: &Answer<T>) -> Duration {
    Instant::now().duration_since(answer.asked)
}
