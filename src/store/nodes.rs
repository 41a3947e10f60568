//! Nodes, listings and local attributes as rows.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{Connection, OptionalExtension, Row, Transaction};
use serde::{Deserialize, Serialize};

use super::sql;
use crate::clock::Millis;
use crate::error::{Error, ErrorKind, Result};
use crate::ids::{Ino, RemoteId, RevisionId};

/// Our local identity of an entry, with everything that is known about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    #[serde(skip, default = "no_ino")]
    pub ino: Ino,
    #[serde(skip, default = "no_ino")]
    pub parent: Ino,
    /// The file name shown here.
    #[serde(skip)]
    pub name: String,
    #[serde(skip)]
    pub directory: bool,
    /// What the service has. `None` for what was made here and is not there yet, or stays on this machine.
    pub remote: Option<Remote>,
    pub local: Local,
    /// Spool file with the current content, for content that the service does not have (yet).
    #[serde(skip)]
    pub spool: Option<String>,
    /// Bytes of the current content, for what has a spool file.
    pub spool_bytes: u64,
}

fn no_ino() -> Ino {
    Ino(0)
}

/// The service's facts about an entry, as of the last listing or our own last call.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Remote {
    pub id: RemoteId,
    pub parent: RemoteId,
    pub name: String,
    pub revision: Option<RevisionId>,
    pub size: Option<u64>,
    /// Nanoseconds since 1970.
    pub created_ns: Option<i64>,
    pub modified_ns: Option<i64>,
    pub author: Option<String>,
    pub description: Option<String>,
    pub url: Option<String>,
    pub mime: Option<String>,
    /// Bits of `provider::Operations`.
    pub offers: u16,
    pub permits: u16,
    pub reserved_by: Option<String>,
    pub attributes: Facts,
    /// The content came from here and the service did not say which revision it became: the next listing does.
    #[serde(default)]
    pub revision_awaited: bool,
}

/// Further facts by name, in the order of the names. Most entries have one or none, and there are many entries: a map's
/// node would take half a kibibyte for each.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(from = "BTreeMap<String, String>", into = "BTreeMap<String, String>")]
pub struct Facts(Box<[(String, String)]>);

impl Facts {
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub fn without(self, name: &str) -> Facts {
        Facts(self.0.into_iter().filter(|(other, _)| other != name).collect())
    }
}

impl From<BTreeMap<String, String>> for Facts {
    fn from(facts: BTreeMap<String, String>) -> Facts {
        Facts(facts.into_iter().collect())
    }
}

impl From<Facts> for BTreeMap<String, String> {
    fn from(facts: Facts) -> BTreeMap<String, String> {
        facts.0.into_iter().collect()
    }
}

/// What programs on this machine set and the service cannot hold. Times in nanoseconds since 1970.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Local {
    pub mode: Option<u16>,
    pub uid: Option<u32>,
    pub gid: Option<u32>,
    pub modified_ns: Option<i64>,
    pub accessed_ns: Option<i64>,
    pub changed_ns: Option<i64>,
    pub created_ns: Option<i64>,
}

/// When a directory was listed.
#[derive(Debug, Clone, PartialEq)]
pub struct ListingRow {
    pub dir: Ino,
    pub fetched: Millis,
    pub validator: Option<String>,
}

pub(super) fn put(transaction: &Transaction, node: &Node) -> Result<()> {
    let data = serde_json::to_string(node).map_err(|e| Error::new(ErrorKind::Bug, format!("node as JSON: {e}")))?;
    let remote = node.remote.as_ref().map(|r| r.id.as_str());
    transaction
        .prepare_cached(
            "INSERT OR REPLACE INTO nodes (ino, parent, name, directory, remote, spool, data) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )
        .and_then(|mut s| {
            let (ino, parent) = (node.ino.0 as i64, node.parent.0 as i64);
            s.execute((ino, parent, &node.name, node.directory, remote, &node.spool, &data))
        })
        .map(drop)
        .map_err(sql)
}

pub(super) fn remove(transaction: &Transaction, ino: Ino) -> Result<()> {
    for statement in [
        "DELETE FROM nodes WHERE ino = ?1",
        "DELETE FROM attributes WHERE ino = ?1",
        "DELETE FROM listings WHERE dir = ?1",
    ] {
        transaction.prepare_cached(statement).and_then(|mut s| s.execute([ino.0 as i64])).map_err(sql)?;
    }
    Ok(())
}

const COLUMNS: &str = "SELECT ino, parent, name, directory, spool, data FROM nodes";

fn read(row: &Row) -> rusqlite::Result<Node> {
    let data: String = row.get(5)?;
    let broken = |e| rusqlite::Error::FromSqlConversionFailure(5, rusqlite::types::Type::Text, Box::new(e));
    let mut node: Node = serde_json::from_str(&data).map_err(broken)?;
    node.ino = Ino(row.get::<_, i64>(0)? as u64);
    node.parent = Ino(row.get::<_, i64>(1)? as u64);
    node.name = row.get(2)?;
    node.directory = row.get(3)?;
    node.spool = row.get(4)?;
    Ok(node)
}

pub(super) fn node(connection: &Connection, ino: Ino) -> Result<Option<Node>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE ino = ?1")).map_err(sql)?;
    statement.query_row([ino.0 as i64], read).optional().map_err(sql)
}

pub(super) fn by_remote(connection: &Connection, id: &RemoteId) -> Result<Option<Node>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE remote = ?1")).map_err(sql)?;
    statement.query_row([id.as_str()], read).optional().map_err(sql)
}

pub(super) fn children(connection: &Connection, dir: Ino) -> Result<Vec<Node>> {
    let mut statement = connection.prepare_cached(&format!("{COLUMNS} WHERE parent = ?1")).map_err(sql)?;
    let rows = statement.query_map([dir.0 as i64], read);
    rows.and_then(|rows| rows.collect()).map_err(sql)
}

/// Files that the service neither has nor will get, at most so many.
pub(super) fn local_files(connection: &Connection, files_max: usize) -> Result<Vec<Node>> {
    let query = format!(
        "{COLUMNS} WHERE remote IS NULL AND directory = 0 \
         AND NOT EXISTS (SELECT 1 FROM changes WHERE changes.ino = nodes.ino) LIMIT ?1"
    );
    let mut statement = connection.prepare_cached(&query).map_err(sql)?;
    let rows = statement.query_map([files_max as i64], read);
    rows.and_then(|rows| rows.collect()).map_err(sql)
}

pub(super) fn documents_with_spool(connection: &Connection) -> Result<Vec<Ino>> {
    let query = "SELECT ino FROM nodes WHERE spool IS NOT NULL AND remote IS NOT NULL";
    let mut statement = connection.prepare(query).map_err(sql)?;
    let rows = statement.query_map([], |row| row.get::<_, i64>(0).map(|ino| Ino(ino as u64)));
    rows.and_then(|rows| rows.collect()).map_err(sql)
}

pub(super) fn spool_files(connection: &Connection) -> Result<HashSet<String>> {
    let mut statement = connection.prepare("SELECT spool FROM nodes WHERE spool IS NOT NULL").map_err(sql)?;
    let rows = statement.query_map([], |row| row.get(0));
    rows.and_then(|rows| rows.collect()).map_err(sql)
}

pub(super) fn used_spool_files(connection: &Connection, names: &[String]) -> Result<HashSet<String>> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM nodes WHERE spool = ?1 LIMIT 1").map_err(sql)?;
    let mut used = HashSet::new();
    for name in names {
        if statement.exists([name]).map_err(sql)? {
            used.insert(name.clone());
        }
    }
    Ok(used)
}

/// Numbers given here stay below 2^32; those derived from remote ids lie above (tree/node.rs).
pub(super) fn highest_local_ino(connection: &Connection) -> Result<u64> {
    let query = "SELECT max(m) FROM (SELECT max(ino) AS m FROM nodes WHERE ino BETWEEN 0 AND 4294967295 \
                 UNION ALL SELECT max(ino) FROM changes WHERE ino BETWEEN 0 AND 4294967295)";
    let highest: Option<i64> = connection.query_row(query, [], |row| row.get(0)).map_err(sql)?;
    Ok(highest.unwrap_or(0) as u64)
}

pub(super) fn put_listing(transaction: &Transaction, row: &ListingRow) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO listings (dir, fetched_ms, validator) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((row.dir.0 as i64, row.fetched.0 as i64, &row.validator)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn expire_listings(transaction: &Transaction) -> Result<()> {
    transaction.execute("UPDATE listings SET fetched_ms = 0, validator = NULL", []).map(drop).map_err(sql)
}

pub(super) fn listing(connection: &Connection, dir: Ino) -> Result<Option<ListingRow>> {
    let mut statement =
        connection.prepare_cached("SELECT fetched_ms, validator FROM listings WHERE dir = ?1").map_err(sql)?;
    let row = |row: &Row| Ok(ListingRow { dir, fetched: Millis(row.get::<_, i64>(0)? as u64), validator: row.get(1)? });
    statement.query_row([dir.0 as i64], row).optional().map_err(sql)
}

pub(super) fn put_attribute(transaction: &Transaction, ino: Ino, name: &str, value: &[u8]) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO attributes (ino, name, value) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((ino.0 as i64, name, value)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn remove_attribute(transaction: &Transaction, ino: Ino, name: &str) -> Result<()> {
    transaction
        .prepare_cached("DELETE FROM attributes WHERE ino = ?1 AND name = ?2")
        .and_then(|mut s| s.execute((ino.0 as i64, name)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn move_attributes(transaction: &Transaction, from: Ino, to: Ino) -> Result<()> {
    transaction
        .prepare_cached("UPDATE OR REPLACE attributes SET ino = ?2 WHERE ino = ?1")
        .and_then(|mut s| s.execute((from.0 as i64, to.0 as i64)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn attribute(connection: &Connection, ino: Ino, name: &str) -> Result<Option<Vec<u8>>> {
    let mut statement =
        connection.prepare_cached("SELECT value FROM attributes WHERE ino = ?1 AND name = ?2").map_err(sql)?;
    statement.query_row((ino.0 as i64, name), |row| row.get(0)).optional().map_err(sql)
}

pub(super) fn attribute_names(connection: &Connection, ino: Ino) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT name FROM attributes WHERE ino = ?1").map_err(sql)?;
    let rows = statement.query_map([ino.0 as i64], |row| row.get(0));
    rows.and_then(|rows| rows.collect()).map_err(sql)
}
