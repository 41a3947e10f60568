//! A file or directory that is being made on the service while a program renames or removes it here. Most services can
//! rename and remove afterwards what was made. Where one cannot, what it is called is final as soon as the request is
//! out, so the program has to wait until that is known.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{ErrorKind, Result, fail};
use crate::fs::state::Inner;
use crate::ids::Ino;
use crate::outbox::{Phase, Sent};
use crate::provider::Operation;

/// Pause between looks at what became of a request.
const AGAIN_AFTER: Duration = Duration::from_millis(20);

/// While it lives, nothing of the node is sent.
pub(super) struct Unsent {
    inner: Arc<Inner>,
    ino: Ino,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        self.inner.lock().changes.resume(self.ino);
        self.inner.wake.notify_one();
    }
}

impl Inner {
    /// Waits until nothing that could not be taken back is on its way for the node, and keeps it so for as long as the
    /// answer lives. Errors: `TimedOut`.
    pub(super) async fn undecided(self: &Arc<Self>, ino: Ino) -> Result<Option<Unsent>> {
        let operations = self.provider.capabilities().operations;
        if [Operation::Rename, Operation::Move, Operation::Delete].iter().all(|needed| operations.has(*needed)) {
            return Ok(None);
        }
        self.lock().changes.suspend(ino);
        let unsent = Unsent { inner: self.clone(), ino };
        let mut known = self.is_known(ino);
        let deadline = Instant::now() + self.options.timeout;
        while !known && Instant::now() < deadline && self.lock().online {
            // Found out before all else. That it failed is no concern of whoever renames or removes it.
            self.lock().hurried.insert(ino);
            self.wake.notify_one();
            tokio::time::sleep(AGAIN_AFTER).await;
            known = self.is_known(ino);
        }
        if !known {
            return fail(
                ErrorKind::TimedOut,
                "it is being sent, and the service cannot take that back; try again later",
            );
        }
        Ok(Some(unsent))
    }

    /// Whether it is known if the service has it.
    fn is_known(&self, ino: Ino) -> bool {
        let making = |phase: &Phase| matches!(phase, Phase::Sending(Sent::Attach { .. } | Sent::MakeDir { .. }));
        !self.lock().changes.get(ino).is_some_and(|change| making(&change.phase))
    }
}
