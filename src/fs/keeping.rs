//! Making durable what was written.
//!
//! The order is the promise: bytes first, then the journal that names them, then the answer. A large content is safe once
//! its spool file is synced, a small one once it is in the journal itself (`journaled`).

use std::sync::Arc;

use bytes::Bytes;

use crate::clock::Millis;
use crate::content::SpoolFile;
use crate::error::Result;
use crate::fs::handles::{Body, Handle, OpenFile};
use crate::fs::state::{Inner, State};
use crate::fs::writing::{Readable, blocking};
use crate::ids::{HandleId, Ino, RevisionId};
use crate::outbox::{Base, Draft};
use crate::store::Durable;

/// What a flush found to keep.
struct Kept {
    spool: Arc<SpoolFile>,
    size: u64,
    unsettled: bool,
    copy_of: Option<Base>,
}

impl Inner {
    /// A descriptor was closed.
    pub async fn flush(self: &Arc<Self>, handle: HandleId) -> Result<()> {
        let file = match self.handles().get(handle)? {
            Handle::File { file, write: true } => file.clone(),
            _ => return Ok(()),
        };
        let changed = self.settle(&file).await?;
        // A shell closes a copy of its descriptor before the program writes: that the file is new or emptied is no
        // content yet. It goes up with the last close.
        let is_meant = !file.lock().unsettled;
        match self.options.sync && changed && is_meant {
            true => self.delivered(file.ino).await,
            false => Ok(()),
        }
    }

    pub async fn fsync(self: &Arc<Self>, handle: HandleId) -> Result<()> {
        let file = match self.readable(handle)? {
            Readable::Open(file) => file,
            Readable::Hidden(_) => return Ok(()),
        };
        self.settle(&file).await?;
        match self.options.sync || self.options.fsync_remote {
            true => self.delivered(file.ino).await,
            false => Ok(()),
        }
    }

    /// Puts what was written onto the disk and into the journal. Answers whether there was anything.
    pub async fn settle(self: &Arc<Self>, file: &Arc<OpenFile>) -> Result<bool> {
        let _turn = file.turning.lock().await;
        let Some(kept) = begin_settling(file) else { return Ok(false) };
        let result = self.keep(file, &kept).await;
        if self.options.sync || self.options.fsync_remote {
            // It may go up while it is still open: what is written from now on goes into another spool file.
            file.lock().frozen = true;
        }
        if let Err(e) = result {
            file.lock().dirty = true;
            return Err(e.during("keeping", self.lock().tree.path(file.ino)));
        }
        self.wake.notify_one();
        Ok(true)
    }

    async fn keep(self: &Arc<Self>, file: &OpenFile, kept: &Kept) -> Result<()> {
        let has_room = self.lock().journaled.has_room(kept.size);
        let small = match has_room {
            true => Some(kept.spool.read_at(0, kept.size as usize)?),
            false => {
                let spool = kept.spool.clone();
                blocking(move || spool.sync()).await?;
                None
            }
        };
        self.journal(file, kept, small)?.wait().await
    }

    /// `small`: the content, if the journal is to keep it.
    fn journal(self: &Arc<Self>, file: &OpenFile, kept: &Kept, small: Option<Bytes>) -> Result<Durable> {
        let (modified, base) = {
            let open = file.lock();
            (open.modified, open.base.clone())
        };
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.tree.is_orphan(file.ino) && !state.tree.was_lost(file.ino) {
            return Ok(self.store.write_durable(Vec::new()));
        }
        let lost = state.tree.node(file.ino)?.remote.as_ref().map(|remote| remote.id.clone());
        let back = match state.tree.was_lost(file.ino) {
            true => Some(self.bring_back(state, file.ino)?),
            false => None,
        };
        let old = state.tree.node(file.ino)?.spool.clone();
        if back.is_some() || !state.is_local(file.ino)? {
            self.journal_draft(state, file.ino, kept, base)?;
        }
        if back.is_some() {
            state.changes.hide_like(file.ino, lost);
        }
        let (name, size) = (kept.spool.name().to_owned(), kept.size);
        state.tree.update(file.ino, |node| {
            node.spool = Some(name);
            node.spool_bytes = size;
            if let Some(modified) = modified {
                node.set_modified(modified);
            }
        })?;
        match small {
            Some(bytes) => state.journaled.put(kept.spool.name(), bytes),
            None => state.journaled.remove(kept.spool.name()),
        }
        let durable = self.commit_durable(state);
        drop(guard);
        self.tell_kernel(back.into_iter().collect());
        self.release_later(old.into_iter().filter(|old| old != kept.spool.name()).collect());
        Ok(durable)
    }

    fn journal_draft(&self, state: &mut State, ino: Ino, kept: &Kept, base: Option<RevisionId>) -> Result<()> {
        let generation = state.changes.new_generation();
        let spool = kept.spool.name().to_owned();
        let Kept { size, unsettled, ref copy_of, .. } = *kept;
        let draft = Draft { spool, size, generation, unsettled, copy_of: copy_of.clone() };
        // The content was made from the revision that was opened, whatever was listed since.
        let known = state.base_of(ino)?.map(|known| match base {
            Some(opened) => Base { revision: Some(state.own_successors.newest(&known.id, opened)), ..known },
            None => known,
        });
        let place = state.place_of(ino)?;
        let rest_until = self.rest_until();
        state.changes.content(ino, known, place, draft, rest_until);
        Ok(())
    }

    /// The end of the settle time for what happens now.
    pub fn rest_until(&self) -> Millis {
        match self.options.sync {
            true => Millis(0),
            false => self.now().plus(self.options.settle),
        }
    }
}

/// Takes what is dirty as being kept: what is written meanwhile makes it dirty again.
fn begin_settling(file: &OpenFile) -> Option<Kept> {
    let mut open = file.lock();
    let Body::Local(spool) = &open.body else { return None };
    if !open.dirty {
        return None;
    }
    let (spool, copy_of) = (spool.clone(), open.copy_of.clone());
    let kept = Kept { spool, size: open.size, unsettled: open.unsettled, copy_of };
    open.dirty = false;
    Some(kept)
}
