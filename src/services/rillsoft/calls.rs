//! Which of the assumed calls this server has: trying them is the only way to know.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};

use crate::http::StatusCode;

/// A call that no page documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Call {
    Folders,
    Tasks,
    Download,
    Delete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    Working,
    Missing,
}

/// What this session has seen of the assumed calls.
#[derive(Default)]
pub struct Calls {
    seen: Mutex<HashMap<Call, Seen>>,
}

impl Calls {
    pub fn is_missing(&self, call: Call) -> bool {
        self.seen().get(&call) == Some(&Seen::Missing)
    }

    pub fn works(&self, call: Call) -> bool {
        self.seen().get(&call) == Some(&Seen::Working)
    }

    pub fn note_working(&self, call: Call) {
        self.seen().insert(call, Seen::Working);
    }

    /// Says once what the server lacks and what that means.
    pub fn note_missing(&self, call: Call) {
        if self.seen().insert(call, Seen::Missing) != Some(Seen::Missing) {
            log::warn!("{}", consequence(call));
        }
    }

    fn seen(&self) -> MutexGuard<'_, HashMap<Call, Seen>> {
        self.seen.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Statuses that speak of the call itself, and not of the thing it is about.
pub fn says_no_such_call(status: StatusCode) -> bool {
    matches!(status, StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED)
}

fn consequence(call: Call) -> &'static str {
    match call {
        Call::Folders => {
            "the service has no call for its DMS folders (path.folders): those that hold documents appear as \"folder ID\""
        }
        Call::Tasks => "the service has no call for a project's tasks (path.tasks): new files need parent.PROJECT_ID",
        Call::Download => "the service has no call to read a document (path.download): files cannot be opened",
        Call::Delete => "the service has no call to remove a document (path.delete): files cannot be removed",
    }
}
