//! The tables, and how a database is opened.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::sql;
use crate::error::{ErrorKind, Result, fail};

const VERSION: i64 = 3;

/// `data` columns hold JSON: they are read whole and never searched.
const TABLES: &str = "
CREATE TABLE nodes (
    ino       INTEGER PRIMARY KEY,
    parent    INTEGER NOT NULL,
    name      TEXT NOT NULL,
    directory INTEGER NOT NULL,
    remote    TEXT,
    spool     TEXT,
    data      TEXT NOT NULL
);
CREATE INDEX nodes_by_parent ON nodes (parent, name);
CREATE INDEX nodes_by_remote ON nodes (remote) WHERE remote IS NOT NULL;
CREATE INDEX nodes_by_spool ON nodes (spool) WHERE spool IS NOT NULL;
CREATE TABLE listings (
    dir        INTEGER PRIMARY KEY,
    fetched_ms INTEGER NOT NULL,
    validator  TEXT
);
CREATE TABLE changes (
    ino   INTEGER PRIMARY KEY,
    seq   INTEGER NOT NULL,
    data  TEXT NOT NULL
);
CREATE INDEX changes_by_seq ON changes (seq);
CREATE TABLE attributes (
    ino   INTEGER NOT NULL,
    name  TEXT NOT NULL,
    value BLOB NOT NULL,
    PRIMARY KEY (ino, name)
) WITHOUT ROWID;
CREATE TABLE facts (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// Since format 2: what stays on this machine is found without looking at what the service has.
const INDEX_OF_LOCAL: &str = "CREATE INDEX nodes_of_here ON nodes (directory) WHERE remote IS NULL;";

/// Since format 3: small contents are kept with the changes that name them.
const CONTENTS: &str = "CREATE TABLE contents (spool TEXT PRIMARY KEY, bytes BLOB NOT NULL) WITHOUT ROWID;";

pub(super) fn open(path: &Path) -> Result<Connection> {
    let mut connection = Connection::open(path).map_err(sql)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(sql)?;
    connection.pragma_update(None, "journal_mode", "WAL").map_err(sql)?;
    // Each write says for itself whether it must reach the disk (writer.rs); the log is cut at 16 MiB.
    connection.pragma_update(None, "synchronous", "NORMAL").map_err(sql)?;
    connection.pragma_update(None, "journal_size_limit", 16 << 20).map_err(sql)?;
    upgrade(&mut connection, path)?;
    Ok(connection)
}

pub(super) fn open_reader(path: &Path) -> Result<Connection> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(sql)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(sql)?;
    Ok(connection)
}

fn upgrade(connection: &mut Connection, path: &Path) -> Result<()> {
    let version: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sql)?;
    match version {
        VERSION => Ok(()),
        0..VERSION => {
            let transaction = connection.transaction().map_err(sql)?;
            let steps = [TABLES, INDEX_OF_LOCAL, CONTENTS];
            for step in &steps[version as usize..] {
                transaction.execute_batch(step).map_err(sql)?;
            }
            transaction.pragma_update(None, "user_version", VERSION).map_err(sql)?;
            transaction.commit().map_err(sql)
        }
        newer => fail(
            ErrorKind::Invalid,
            format!("{} was made by a newer collabfs (format {newer}); use that version", path.display()),
        ),
    }
}
