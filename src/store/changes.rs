//! The journal's rows. What is in them is the outbox's matter; here they are kept.

use rusqlite::{Connection, Transaction};

use super::sql;
use crate::error::Result;
use crate::ids::Ino;

/// One change that the service must still learn.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeRow {
    pub ino: Ino,
    pub seq: u64,
    /// The change as JSON.
    pub data: String,
}

pub(super) fn put(transaction: &Transaction, row: &ChangeRow) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO changes (ino, seq, data) VALUES (?1, ?2, ?3)")
        .and_then(|mut s| s.execute((row.ino.0 as i64, row.seq as i64, &row.data)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn remove(transaction: &Transaction, ino: Ino) -> Result<()> {
    transaction
        .prepare_cached("DELETE FROM changes WHERE ino = ?1")
        .and_then(|mut s| s.execute([ino.0 as i64]))
        .map(drop)
        .map_err(sql)
}

pub(super) fn all(connection: &Connection) -> Result<Vec<ChangeRow>> {
    let mut statement = connection.prepare_cached("SELECT ino, seq, data FROM changes ORDER BY seq").map_err(sql)?;
    let rows = statement.query_map([], |row| {
        Ok(ChangeRow { ino: Ino(row.get::<_, i64>(0)? as u64), seq: row.get::<_, i64>(1)? as u64, data: row.get(2)? })
    });
    rows.and_then(|rows| rows.collect()).map_err(sql)
}
