//! Revisions that only we know, in a small file of the state directory: without it, the next mount would take our own
//! saves for somebody else's.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::config::places::make_private_dir;
use crate::disk::write_atomic;
use crate::error::Result;
use crate::ids::RevisionId;

const NAME: &str = "rillsoft-revisions.json";

/// While the document has this stamp, its content is this revision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub document: u64,
    pub stamp: String,
    pub size: Option<u64>,
    pub revision: RevisionId,
}

pub struct Remembered {
    state_dir: PathBuf,
    /// What the file has. Held while it is written, so that an older state never comes after a newer one.
    written: tokio::sync::Mutex<Vec<Row>>,
}

impl Remembered {
    pub fn new(state_dir: PathBuf) -> Remembered {
        Remembered { state_dir, written: tokio::sync::Mutex::default() }
    }

    /// What an earlier mount left; nothing when that cannot be read, since it is no more than a help.
    pub fn read(&self) -> Vec<Row> {
        let path = self.state_dir.join(NAME);
        let Ok(text) = std::fs::read(&path) else { return Vec::new() };
        serde_json::from_slice(&text).unwrap_or_else(|e| {
            log::warn!("{} cannot be understood ({e}); the next saves may seem to be somebody else's", path.display());
            Vec::new()
        })
    }

    /// Keeps the rows as they are when it is their turn. What cannot be kept is said in the log.
    pub async fn write(&self, rows: impl FnOnce() -> Vec<Row>) {
        let mut written = self.written.lock().await;
        let (rows, dir) = (rows(), self.state_dir.clone());
        if rows == *written {
            return;
        }
        written.clone_from(&rows);
        let outcome = tokio::task::spawn_blocking(move || -> Result<()> {
            make_private_dir(&dir)?;
            write_atomic(&dir.join(NAME), &serde_json::to_vec(&rows).unwrap_or_default())
        });
        if let Ok(Err(e)) = outcome.await {
            log::warn!("what was saved here cannot be remembered: {e}");
        }
    }
}
