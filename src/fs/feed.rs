//! Following what others do: the service's change feed where it has one, and its free space.

use std::sync::Arc;
use std::time::Duration;

use crate::error::{ErrorKind, Result};
use crate::fs::state::Inner;
use crate::ids::{Ino, RemoteId};
use crate::provider::Changes;
use crate::store::Write;

const SPACE_INTERVAL: Duration = Duration::from_secs(300);
/// Pause after a feed failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(30);
const CURSOR: &str = "change-feed-cursor";

impl Inner {
    /// Asks the change feed again and again, and lists anew what it names.
    pub async fn follow_changes(self: Arc<Self>) {
        let mut cursor = self.store.fact(CURSOR).unwrap_or(None);
        while self.provider.capabilities().changes {
            let pause = match self.poll_once(&mut cursor).await {
                Ok(()) => self.options.poll,
                Err(e) if e.kind() == ErrorKind::Unsupported => return,
                Err(e) => {
                    log::debug!("the change feed: {e}");
                    RETRY_INTERVAL.max(self.options.poll)
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    async fn poll_once(self: &Arc<Self>, cursor: &mut Option<String>) -> Result<()> {
        let changes = self.provider.changes(cursor.as_deref()).await?;
        if cursor.as_ref() != Some(&changes.cursor) {
            self.store.write(vec![Write::PutFact(CURSOR, changes.cursor.clone())]);
            *cursor = Some(changes.cursor.clone());
        }
        self.note_dirty(changes)
    }

    fn note_dirty(self: &Arc<Self>, changes: Changes) -> Result<()> {
        if changes.everything {
            self.lock().tree.expire_all();
        }
        for id in changes.dirty {
            let Some(dir) = self.directory_of(&id)? else { continue };
            let listed = {
                let mut state = self.lock();
                let listed = state.tree.dir(dir)?.listing.is_some();
                state.tree.expire(dir)?;
                listed
            };
            // Nobody asked for what was never listed.
            if listed {
                drop(self.list_shared(dir));
            }
        }
        Ok(())
    }

    /// The directory that a listing must be repeated of when this entry changed.
    fn directory_of(&self, id: &RemoteId) -> Result<Option<Ino>> {
        if *id == self.provider.root().id {
            return Ok(Some(Ino::ROOT));
        }
        let node = self.store.node_of(id)?;
        Ok(node.map(|n| if n.directory { n.ino } else { n.parent }))
    }

    /// Asks for the service's space now and then, so that `statfs` never waits.
    pub async fn watch_space(self: Arc<Self>) {
        loop {
            match self.provider.quota().await {
                Ok(Some(quota)) => self.lock().space = Some(quota),
                Ok(None) => return,
                Err(e) => log::debug!("the service's space: {e}"),
            }
            tokio::time::sleep(SPACE_INTERVAL).await;
        }
    }
}
