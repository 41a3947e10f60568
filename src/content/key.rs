//! Which content: a file's remote id and its revision, hashed to a fixed size.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::ids::{RemoteId, RevisionId};

/// Hash of (remote id, revision id).
///
/// 128 bits of SHA-256 in all, so that two contents never meet by accident or by a service's intention. The first
/// half depends on the remote id only: all revisions of a file are found by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct ContentKey {
    pub file: u64,
    pub revision: u64,
}

impl ContentKey {
    pub fn new(id: &RemoteId, revision: &RevisionId) -> ContentKey {
        // The id's length goes in first: ("ab", "c") and ("a", "bc") are different contents.
        let both = Sha256::new()
            .chain_update((id.as_str().len() as u64).to_le_bytes())
            .chain_update(id.as_str())
            .chain_update(revision.as_str());
        ContentKey { file: ContentKey::file_part(id), revision: first_half(&both.finalize()) }
    }

    /// What all revisions of a file have in common.
    pub fn file_part(id: &RemoteId) -> u64 {
        first_half(&Sha256::digest(id.as_str()))
    }
}

impl fmt::Display for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.file, self.revision)
    }
}

fn first_half(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_of_one_file_share_the_first_half_only() {
        let id = RemoteId::new("file", 7);
        let (a, b) = (ContentKey::new(&id, &RevisionId::new("1")), ContentKey::new(&id, &RevisionId::new("2")));
        assert_eq!(a.file, b.file);
        assert_ne!(a.revision, b.revision);
    }

    #[test]
    fn moving_a_letter_from_the_id_to_the_revision_gives_another_key() {
        let a = ContentKey::new(&RemoteId::new("file", "1"), &RevisionId::new("23"));
        let b = ContentKey::new(&RemoteId::new("file", "12"), &RevisionId::new("3"));
        assert_ne!(a.revision, b.revision);
    }
}
