//! Small contents, kept in the journal itself: one sync of the disk makes them safe together with what names them.

use rusqlite::{Connection, OptionalExtension, Transaction};

use super::sql;
use crate::error::Result;

pub(super) fn put(transaction: &Transaction, spool: &str, bytes: &[u8]) -> Result<()> {
    transaction
        .prepare_cached("INSERT OR REPLACE INTO contents (spool, bytes) VALUES (?1, ?2)")
        .and_then(|mut s| s.execute((spool, bytes)))
        .map(drop)
        .map_err(sql)
}

pub(super) fn remove(transaction: &Transaction, spool: &str) -> Result<()> {
    transaction
        .prepare_cached("DELETE FROM contents WHERE spool = ?1")
        .and_then(|mut s| s.execute([spool]))
        .map(drop)
        .map_err(sql)
}

pub(super) fn names(connection: &Connection) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached("SELECT spool FROM contents").map_err(sql)?;
    let rows = statement.query_map([], |row| row.get(0));
    rows.and_then(|rows| rows.collect()).map_err(sql)
}

pub(super) fn of(connection: &Connection, spool: &str) -> Result<Option<Vec<u8>>> {
    let query = "SELECT bytes FROM contents WHERE spool = ?1";
    connection.query_row(query, [spool], |row| row.get(0)).optional().map_err(sql)
}
