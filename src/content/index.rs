//! The file that says, after a restart, which contents are here.
//!
//! A log of records of one size, written by one thread only. A record is a *claim*: it is written after the bytes it
//! speaks of are durable, or holds their checksum. What no record claims is deleted. A claim names the generation of
//! its data file, which is never used twice, so that an old claim can never be taken for a newer file.

use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::content::key::ContentKey;
use crate::disk;
use crate::error::Result;

/// Seven numbers of 8 bytes, and 8 bytes of the SHA-256 of those.
const RECORD_BYTES: usize = 64;
/// A log so much longer than what it says is written anew.
const SPARE_RECORDS: usize = 10_000;

/// How the bytes of a content are known to be right after a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// The whole content was made durable before the claim.
    Durable,
    /// The whole content has this checksum; looked at before the first use.
    Checksum(u64),
    /// The blocks that the map beside the data file names were made durable before the map.
    Map,
}

/// What a record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Claim {
    pub key: ContentKey,
    /// Number of the data file.
    pub generation: u64,
    /// Size of the content; for a content that is here in part 0 when it is not known.
    pub size: u64,
    /// Bytes on the disk.
    pub stored: u64,
    pub proof: Proof,
}

pub(super) struct Index {
    path: PathBuf,
    file: File,
    records: usize,
}

impl Index {
    /// Opens the index and gives its claims, least recently mentioned first. A torn or garbled record, and everything
    /// after it, is forgotten.
    pub fn open(path: PathBuf) -> Result<(Index, Vec<Claim>)> {
        let bytes = match std::fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
            other => other?,
        };
        let claims = last_mentions(bytes.chunks(RECORD_BYTES).map_while(parse));
        let file = append_to(&path)?;
        let mut index = Index { path, file, records: bytes.len().div_ceil(RECORD_BYTES) };
        // A broken tail would hide what is appended after it.
        if index.records != claims.len() || !bytes.len().is_multiple_of(RECORD_BYTES) {
            index.rewrite(claims.iter().copied())?;
        }
        Ok((index, claims))
    }

    pub fn append(&mut self, claim: &Claim) -> Result<()> {
        self.records += 1;
        Ok(self.file.write_all(&format(claim))?)
    }

    /// Whether [`Index::rewrite`] is worth its cost when so many claims are alive.
    pub fn is_long(&self, alive: usize) -> bool {
        self.records > 2 * alive + SPARE_RECORDS
    }

    /// Replaces the log by these claims, least recently used first.
    pub fn rewrite(&mut self, claims: impl Iterator<Item = Claim>) -> Result<()> {
        let bytes: Vec<u8> = claims.flat_map(|claim| format(&claim)).collect();
        disk::write_atomic(&self.path, &bytes)?;
        self.file = append_to(&self.path)?;
        self.records = bytes.len() / RECORD_BYTES;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).open(path)
}

fn last_mentions(claims: impl Iterator<Item = Claim>) -> Vec<Claim> {
    let mut latest = HashMap::new();
    for (position, claim) in claims.enumerate() {
        latest.insert(claim.key, (position, claim));
    }
    let mut ordered: Vec<_> = latest.into_values().collect();
    ordered.sort_unstable_by_key(|(position, _)| *position);
    ordered.into_iter().map(|(_, claim)| claim).collect()
}

fn format(claim: &Claim) -> [u8; RECORD_BYTES] {
    let (kind, checksum) = match claim.proof {
        Proof::Durable => (1, 0),
        Proof::Checksum(sum) => (2, sum),
        Proof::Map => (3, 0),
    };
    let numbers = [kind, claim.key.file, claim.key.revision, claim.generation, claim.size, claim.stored, checksum];
    let mut record = [0; RECORD_BYTES];
    for (place, number) in record.chunks_mut(8).zip(numbers) {
        place.copy_from_slice(&number.to_le_bytes());
    }
    let check = short_checksum(&record[..RECORD_BYTES - 8]);
    record[RECORD_BYTES - 8..].copy_from_slice(&check.to_le_bytes());
    record
}

fn parse(record: &[u8]) -> Option<Claim> {
    let number = |i: usize| record.get(8 * i..8 * i + 8)?.try_into().ok().map(u64::from_le_bytes);
    if number(7)? != short_checksum(&record[..RECORD_BYTES - 8]) {
        return None;
    }
    let proof = match number(0)? {
        1 => Proof::Durable,
        2 => Proof::Checksum(number(6)?),
        3 => Proof::Map,
        _ => return None,
    };
    let key = ContentKey { file: number(1)?, revision: number(2)? };
    Some(Claim { key, generation: number(3)?, size: number(4)?, stored: number(5)?, proof })
}

/// 64 bits of SHA-256: against accidents, not against people, who could as well change the index.
pub(super) fn short_checksum(bytes: &[u8]) -> u64 {
    Sha256::digest(bytes).iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(revision: u64, generation: u64) -> Claim {
        let key = ContentKey { file: 1, revision };
        Claim { key, generation, size: 10, stored: 4096, proof: Proof::Checksum(99) }
    }

    fn reopened(path: &Path) -> Vec<Claim> {
        Index::open(path.to_path_buf()).unwrap().1
    }

    #[test]
    fn the_last_claim_about_a_content_counts() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let (mut index, claims) = Index::open(path.clone()).unwrap();
        assert!(claims.is_empty());
        for c in [claim(1, 1), claim(2, 2), claim(1, 3)] {
            index.append(&c).unwrap();
        }
        assert_eq!(reopened(&path), [claim(2, 2), claim(1, 3)]);
    }

    #[test]
    fn a_torn_record_is_forgotten_and_later_ones_are_kept_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let (mut index, _) = Index::open(path.clone()).unwrap();
        index.append(&claim(1, 1)).unwrap();
        index.append(&claim(2, 2)).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..RECORD_BYTES + 20]).unwrap();
        let (mut index, claims) = Index::open(path.clone()).unwrap();
        assert_eq!(claims, [claim(1, 1)]);
        index.append(&claim(3, 3)).unwrap();
        assert_eq!(reopened(&path), [claim(1, 1), claim(3, 3)]);
    }

    #[test]
    fn a_garbled_record_claims_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        let (mut index, _) = Index::open(path.clone()).unwrap();
        index.append(&claim(1, 1)).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[33] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert!(reopened(&path).is_empty());
    }
}
