//! What the store promises to those who write and read.

use std::path::Path;
use std::time::{Duration, Instant};

use collabfs::store::{Store, Write};

fn put(store: &Store, value: &str) {
    store.write(vec![Write::PutFact("key", value.into())]);
}

fn log_bytes(dir: &Path) -> u64 {
    dir.join("collabfs.sqlite-wal").metadata().map_or(0, |log| log.len())
}

#[test]
fn who_reads_sees_what_was_written_before() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    for n in 0..100 {
        put(&store, &n.to_string());
        assert_eq!(store.fact("key").unwrap(), Some(n.to_string()));
    }
}

#[test]
fn what_nobody_waits_for_is_written_all_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    let other = Store::open(dir.path()).unwrap();
    put(&store, "value");
    let begun = Instant::now();
    while other.fact("key").unwrap().is_none() {
        assert!(begun.elapsed() < Duration::from_secs(20), "never written");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A commit that writes nothing syncs nothing: what was written before without a sync would not survive a power loss,
/// although somebody was told so.
#[tokio::test]
async fn waiting_for_the_disk_syncs_what_was_written_before_and_costs_nothing_when_all_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    put(&store, "value");
    store.fact("key").unwrap();
    let written = log_bytes(dir.path());
    store.write_durable(Vec::new()).wait().await.unwrap();
    let synced = log_bytes(dir.path());
    assert!(synced > written, "{written} bytes, then {synced}");
    store.write_durable(Vec::new()).wait().await.unwrap();
    assert_eq!(log_bytes(dir.path()), synced);
}

#[tokio::test]
async fn a_closed_store_has_everything() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    put(&store, "value");
    drop(store);
    assert_eq!(Store::open(dir.path()).unwrap().fact("key").unwrap().as_deref(), Some("value"));
}

/// What a database of an earlier format lacks is added, and what is in it stays.
#[tokio::test]
async fn a_database_of_an_earlier_format_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    put(&store, "value");
    drop(store);
    let earlier = [(2, "DROP TABLE contents;"), (1, "DROP TABLE contents; DROP INDEX nodes_of_here;")];
    for (format, differences) in earlier {
        let connection = rusqlite::Connection::open(dir.path().join("collabfs.sqlite")).unwrap();
        connection.execute_batch(&format!("{differences} PRAGMA user_version = {format};")).unwrap();
        drop(connection);
        let store = Store::open(dir.path()).unwrap();
        assert_eq!(store.fact("key").unwrap().as_deref(), Some("value"), "format {format}");
        let content = Write::PutContent("spool".into(), "bytes".into());
        store.write_durable(vec![content]).wait().await.unwrap();
        assert_eq!(store.content("spool").unwrap().as_deref(), Some(&b"bytes"[..]), "format {format}");
        assert!(store.local_files(10).unwrap().is_empty());
    }
}

#[test]
fn a_database_of_a_later_format_is_refused_and_left_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let path = dir.path().join("collabfs.sqlite");
    rusqlite::Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 1000").unwrap();
    let error = Store::open(dir.path()).err().unwrap();
    assert!(error.to_string().contains("newer collabfs"), "{error}");
}
