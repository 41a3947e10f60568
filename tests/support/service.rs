//! The demo service within the test process: what it holds, what it was asked, what goes wrong in it.

use collabfs::demo::{DemoOptions, DemoServer, RequestRecord, Snapshot, SnapshotEntry, WebUser};
use tokio::runtime::Runtime;

use super::sha256;

/// The project and the folder every test works in.
pub const PROJECT: &str = "Work";
pub const FOLDER: &str = "Files";
/// Services whose projects hold the files themselves.
const FLAT: [&str; 2] = ["basecamp", "rillsoft"];

pub struct Service {
    runtime: Runtime,
    /// The directory tests work in, as the service sees it.
    work_path: String,
    // `None` while dropping, and where there is no demo service.
    server: Option<DemoServer>,
}

impl Service {
    /// For mounts of a server that we did not write.
    pub fn absent() -> Service {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        Service { runtime, work_path: format!("{PROJECT}/{FOLDER}"), server: None }
    }

    /// Starts a service with one empty folder, `Work/Files`; where files lie in the projects themselves, with a project.
    pub fn start(options: DemoOptions) -> Service {
        let is_flat = FLAT.contains(&options.service.as_str());
        let work_path = if is_flat { PROJECT.to_owned() } else { format!("{PROJECT}/{FOLDER}") };
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let server = runtime.block_on(DemoServer::start(options)).unwrap();
        let service = Service { runtime, work_path, server: Some(server) };
        service.web_user().create_project(PROJECT).unwrap();
        if !is_flat {
            service.web_user().create_folder(&service.work_path).unwrap();
        }
        service
    }

    /// The directory tests work in, as the service sees it.
    pub fn work_path(&self) -> &str {
        &self.work_path
    }

    /// A path below the directory tests work in, as the service sees it.
    pub fn path(&self, path: &str) -> String {
        format!("{}/{path}", self.work_path)
    }

    pub fn server(&self) -> &DemoServer {
        self.server.as_ref().unwrap()
    }

    /// Somebody else, in a browser.
    pub fn web_user(&self) -> WebUser {
        self.server().web_user("grace")
    }

    /// Makes something go wrong from now on; the forms are those of `collabfs::demo::FaultRule`.
    pub fn fault(&self, rule: &str) {
        self.server().faults().add_text(rule).unwrap();
    }

    pub fn heal(&self) {
        self.server().faults().clear();
    }

    pub fn snapshot(&self) -> Snapshot {
        self.server().snapshot().unwrap()
    }

    /// The one file of this path within the folder the tests work in.
    #[track_caller]
    pub fn file(&self, path: &str) -> SnapshotEntry {
        let snapshot = self.snapshot();
        let all = snapshot.all(&self.path(path));
        assert_eq!(all.len(), 1, "entries named {path} among {:?}", snapshot.files());
        all[0].clone()
    }

    /// Paths of all files within the folder the tests work in.
    pub fn files(&self) -> Vec<String> {
        let prefix = self.path("");
        let snapshot = self.snapshot();
        snapshot.files().iter().filter_map(|path| path.strip_prefix(&prefix)).map(str::to_owned).collect()
    }

    /// Names of what was put into the trash.
    pub fn trash(&self) -> Vec<String> {
        self.snapshot().trash.into_iter().map(|entry| entry.name).collect()
    }

    /// Checks the newest bytes and how many revisions there are.
    #[track_caller]
    pub fn expect(&self, path: &str, bytes: &[u8], revisions: usize) {
        let file = self.file(path);
        let newest = file.revisions.last().expect("a file has a revision");
        assert_eq!(newest.size_bytes, bytes.len() as u64, "size of {path}");
        assert_eq!(newest.sha256.as_deref(), Some(sha256(bytes).as_str()), "bytes of {path}");
        assert_eq!(file.revisions.len(), revisions, "revisions of {path}");
    }

    /// Requests that changed something, or tried to, since the log was cleared.
    pub fn changes_asked(&self) -> Vec<RequestRecord> {
        let asking = |record: &RequestRecord| record.method == "GET" || record.kind == "token";
        self.server().requests().all().into_iter().filter(|record| !asking(record)).collect()
    }

    pub fn forget_requests(&self) {
        self.server().requests().clear();
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if let Some(server) = self.server.take() {
            let _ = self.runtime.block_on(server.stop());
        }
    }
}

/// A path below the folder the tests work in, as the service sees it.
pub fn in_folder(path: &str) -> String {
    format!("{PROJECT}/{FOLDER}/{path}")
}
