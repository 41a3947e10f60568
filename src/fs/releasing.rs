//! Removing spool files that nothing refers to any more, several at once: each look at the journal costs a sync.

use std::sync::Arc;
use std::time::Duration;

use crate::error::Result;
use crate::fs::state::Inner;

/// For so long what is released waits for others.
const COMPANY_TIME: Duration = Duration::from_millis(300);

impl Inner {
    /// These may not be referred to any more. They are removed a moment later, unless somebody refers to them again.
    pub fn release_later(&self, names: Vec<String>) {
        if names.is_empty() {
            return;
        }
        names.iter().for_each(|name| self.spool.begin_release(name));
        self.released.notify_one();
    }

    /// Removes what is released, until the process ends.
    pub async fn remove_released(self: Arc<Self>) {
        loop {
            self.released.notified().await;
            tokio::time::sleep(COMPANY_TIME).await;
            if let Err(e) = self.remove_leaving().await {
                log::debug!("spool files stay until the next start: {e}");
            }
        }
    }

    /// The journal that no longer names them is on the disk first: else a crash would leave a journal that names what is
    /// gone.
    async fn remove_leaving(self: &Arc<Self>) -> Result<()> {
        let names = self.spool.leaving();
        self.store.write_durable(Vec::new()).wait().await?;
        let in_tree = self.store.used_spool_files(&names)?;
        // Under the lock: whoever begins to refer to a file does so, and keeps it, under it too.
        let mut state = self.lock();
        for name in names {
            if !in_tree.contains(&name) && !state.changes.uses_spool_file(&name) && self.spool.finish_release(&name) {
                state.journaled.remove(&name);
            }
        }
        self.commit(&mut state);
        Ok(())
    }
}
