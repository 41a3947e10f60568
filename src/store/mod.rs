//! What is remembered across restarts: one SQLite database per account, and the only place with SQL.
//!
//! Writes go in order through one writer thread, which puts everything that waits into one transaction: a thousand
//! closes at the same time cost a few syncs of the disk, not a thousand. Reads first let the waiting writes through,
//! so that a reader never sees less than was written before.

mod changes;
mod contents;
mod nodes;
mod schema;
mod writer;

pub use changes::ChangeRow;
pub use nodes::{Facts, ListingRow, Local, Node, Remote};
pub use writer::Write;

use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use rusqlite::{Connection, OptionalExtension};
use tokio::sync::oneshot;

use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Ino, RemoteId};
use writer::Writer;

/// Handle of an account's database. The database is closed, with everything written, when the handle is dropped.
pub struct Store {
    writer: Writer,
    reader: Mutex<Connection>,
}

impl Store {
    /// Opens, creates or upgrades the database in `state_dir`.
    /// Errors: `Invalid` when it was made by a newer version; `DiskFull`, `LocalIo`.
    pub fn open(state_dir: &Path) -> Result<Store> {
        let path = state_dir.join("collabfs.sqlite");
        let connection = schema::open(&path)?;
        let reader = schema::open_reader(&path)?;
        Ok(Store { writer: Writer::start(connection)?, reader: Mutex::new(reader) })
    }

    /// Puts writes in line. After some milliseconds they survive the end of the process, after a later durable write a
    /// power loss too.
    pub fn write(&self, writes: Vec<Write>) {
        self.writer.submit(writes, None);
    }

    /// Puts writes in line; the receiver hears when they, and all before them, are on the disk.
    pub fn write_durable(&self, writes: Vec<Write>) -> Durable {
        let (done, receiver) = oneshot::channel();
        self.writer.submit(writes, Some(done));
        Durable(receiver)
    }

    pub fn node(&self, ino: Ino) -> Result<Option<Node>> {
        self.read(|c| nodes::node(c, ino))
    }

    pub fn children(&self, dir: Ino) -> Result<Vec<Node>> {
        self.read(|c| nodes::children(c, dir))
    }

    pub fn listing(&self, dir: Ino) -> Result<Option<ListingRow>> {
        self.read(|c| nodes::listing(c, dir))
    }

    pub fn node_of(&self, id: &RemoteId) -> Result<Option<Node>> {
        self.read(|c| nodes::by_remote(c, id))
    }

    /// Every change that is not done, oldest first.
    pub fn changes(&self) -> Result<Vec<ChangeRow>> {
        self.read(changes::all)
    }

    pub fn attribute(&self, ino: Ino, name: &str) -> Result<Option<Vec<u8>>> {
        self.read(|c| nodes::attribute(c, ino, name))
    }

    pub fn attribute_names(&self, ino: Ino) -> Result<Vec<String>> {
        self.read(|c| nodes::attribute_names(c, ino))
    }

    /// A remembered text: the account's identity, a change feed's cursor.
    pub fn fact(&self, key: &str) -> Result<Option<String>> {
        self.read(|c| {
            let found = c.query_row("SELECT value FROM facts WHERE key = ?1", [key], |row| row.get(0));
            found.optional().map_err(sql)
        })
    }

    /// Files that stay on this machine, at most so many.
    pub fn local_files(&self, files_max: usize) -> Result<Vec<Node>> {
        self.read(|c| nodes::local_files(c, files_max))
    }

    /// Files of the service that have content on this machine.
    pub fn documents_with_spool(&self) -> Result<Vec<Ino>> {
        self.read(nodes::documents_with_spool)
    }

    /// Names of the spool files that nodes refer to.
    pub fn spool_files(&self) -> Result<HashSet<String>> {
        self.read(nodes::spool_files)
    }

    /// Those of these spool files that nodes refer to.
    pub fn used_spool_files(&self, names: &[String]) -> Result<HashSet<String>> {
        self.read(|c| nodes::used_spool_files(c, names))
    }

    /// Spool files whose content is kept here, too.
    pub fn contents(&self) -> Result<Vec<String>> {
        self.read(contents::names)
    }

    /// The content of a spool file that is kept here.
    pub fn content(&self, spool: &str) -> Result<Option<Vec<u8>>> {
        self.read(|c| contents::of(c, spool))
    }

    /// The highest inode number given to something made here.
    pub fn highest_local_ino(&self) -> Result<u64> {
        self.read(nodes::highest_local_ino)
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> Result<T>) -> Result<T> {
        self.writer.catch_up()?;
        // The connection only reads: a panic in another query leaves nothing half done in it.
        query(&self.reader.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Resolves once a durable write is on the disk.
pub struct Durable(oneshot::Receiver<Result<()>>);

impl Durable {
    pub async fn wait(self) -> Result<()> {
        self.0.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::LocalIo, "the database's writer ended")))
    }
}

/// The story of a database error, with "disk full" told apart.
fn sql(e: rusqlite::Error) -> Error {
    let kind = match e.sqlite_error_code() {
        Some(rusqlite::ErrorCode::DiskFull) => ErrorKind::DiskFull,
        _ => ErrorKind::LocalIo,
    };
    Error::new(kind, format!("database: {e}"))
}
