//! A type per identity, so that two numbers or texts are never mixed up.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Inode number: our stable local identity of an entry, kept across remounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ino(pub u64);

impl Ino {
    pub const ROOT: Ino = Ino(1);
}

impl fmt::Display for Ino {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An open file or directory, as the kernel names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct HandleId(pub u64);

/// Identity of an entry on its service: a kind chosen by the provider and the service's own id, as `kind:id`.
///
/// Opaque above the services; only the provider that made it looks inside.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RemoteId(Arc<str>);

impl RemoteId {
    /// `kind` must not hold a colon; `id` may.
    pub fn new(kind: &str, id: impl fmt::Display) -> Self {
        debug_assert!(!kind.contains(':'));
        RemoteId(format!("{kind}:{id}").into())
    }

    /// Takes back what [`RemoteId::as_str`] gave, for example from the store.
    pub fn from_stored(text: &str) -> Self {
        RemoteId(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn kind(&self) -> &str {
        self.0.split_once(':').map_or("", |(kind, _)| kind)
    }

    /// The id as the service wrote it.
    pub fn service_id(&self) -> &str {
        self.0.split_once(':').map_or(&self.0, |(_, id)| id)
    }
}

impl fmt::Display for RemoteId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One content version of a file: equal ids mean equal bytes. The provider chooses what it is made of.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct RevisionId(Arc<str>);

impl RevisionId {
    pub fn new(text: impl fmt::Display) -> Self {
        RevisionId(text.to_string().into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RevisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! stored_as_text {
    ($id:ident) => {
        impl From<String> for $id {
            fn from(text: String) -> Self {
                $id(text.into())
            }
        }

        impl From<$id> for String {
            fn from(id: $id) -> Self {
                id.0.to_string()
            }
        }
    };
}

stored_as_text!(RemoteId);
stored_as_text!(RevisionId);
