//! The store's memory on disk: one line of JSON per change, appended; compacted at each start
//! and when it grows long.
//!
//! A line is written before the change is answered, so the data survive a killed process. They are synced only on a
//! clean stop: this is a demo's data, and a sync per request would slow down what is measured against it.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::node::{Node, NodeId, Revision, Staged};
use crate::error::{Error, ErrorKind, Result};

/// One change.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Record {
    /// The node as it is now, without its revisions.
    Node(Node),
    Revision(NodeId, Revision),
    /// Gone for good.
    Removed(NodeId),
    Staged(Staged),
    Unstaged(String),
}

/// Lines appended before the journal is worth compacting, however little lives.
const LINES_MIN: usize = 50_000;
/// The same, per living thing: each compaction is paid for by that many changes.
const LINES_PER_THING: usize = 4;

pub struct Journal {
    path: PathBuf,
    file: File,
    /// Lines appended since the last compaction.
    lines: usize,
}

impl Journal {
    /// Opens the journal, handing every record of former runs to `replay`. A torn last line is left out.
    pub fn open(path: &Path, mut replay: impl FnMut(Record)) -> Result<Journal> {
        if path.exists() {
            read(path, &mut replay)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        Ok(Journal { path: path.to_owned(), file, lines: 0 })
    }

    /// Replaces all lines by these, atomically.
    pub fn compact(&mut self, records: impl Iterator<Item = Record>) -> Result<()> {
        let fresh_path = self.path.with_extension("new");
        let mut fresh = BufWriter::new(File::create(&fresh_path)?);
        for record in records {
            fresh.write_all(&line(&record)?)?;
        }
        let fresh = fresh.into_inner().map_err(|e| Error::from(e.into_error()))?;
        fresh.sync_all()?;
        std::fs::rename(&fresh_path, &self.path)?;
        self.file = OpenOptions::new().append(true).open(&self.path)?;
        self.lines = 0;
        Ok(())
    }

    pub fn append(&mut self, records: &[Record]) -> Result<()> {
        let mut lines = Vec::with_capacity(256 * records.len());
        for record in records {
            lines.extend_from_slice(&line(record)?);
        }
        self.lines += records.len();
        Ok(self.file.write_all(&lines)?)
    }

    /// Whether most lines tell of the past only, when so many things live.
    pub fn is_long(&self, things: usize) -> bool {
        self.lines > LINES_MIN.max(LINES_PER_THING * things)
    }

    pub fn sync(&self) -> Result<()> {
        Ok(self.file.sync_all()?)
    }
}

fn line(record: &Record) -> Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record).map_err(|e| Error::new(ErrorKind::Bug, format!("journal: {e}")))?;
    line.push(b'\n');
    Ok(line)
}

fn read(path: &Path, replay: &mut impl FnMut(Record)) -> Result<()> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if lines.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        match serde_json::from_slice(&line) {
            Ok(record) => replay(record),
            // Only a process killed in the middle of a write leaves a line without its end.
            Err(_) if line.last() != Some(&b'\n') => break,
            Err(e) => {
                let what = format!("{} line {number}: {e}", path.display());
                return Err(Error::new(ErrorKind::LocalIo, what));
            }
        }
    }
    Ok(())
}
