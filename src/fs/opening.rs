//! Opening and releasing files.

use std::sync::Arc;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::fs::Invalidation;
use crate::fs::handles::{Body, ContentTag, Handle, Handles, OpenFile};
use crate::fs::state::Inner;
use crate::fs::types::{OpenMode, Opened};
use crate::ids::{HandleId, Ino};
use crate::provider::{Operation, ReadTarget};
use crate::store::Node;

impl Inner {
    pub async fn open(self: &Arc<Self>, ino: Ino, mode: OpenMode) -> Result<Opened> {
        let node = self.lock().tree.node(ino)?.clone();
        if node.directory {
            return fail(ErrorKind::IsDirectory, format!("{} is a directory", node.name));
        }
        if mode.write || mode.truncate {
            self.check_may_write(&node)?;
        } else {
            self.check_operation(&node, Operation::Read, "read")?;
        }
        let file = self.join(&node)?;
        let writes = mode.write || mode.truncate;
        // Counted first: what has a writer is not given back.
        self.count_handle(&file, writes);
        if let Err(e) = self.prepare(&node, &file, mode).await {
            self.let_go(&file, writes).await;
            return Err(e);
        }
        Ok(self.opened(&file, writes))
    }

    async fn prepare(self: &Arc<Self>, node: &Node, file: &Arc<OpenFile>, mode: OpenMode) -> Result<()> {
        if mode.write || mode.truncate {
            self.reserve(node).await?;
        }
        if mode.truncate { self.truncate(file, 0).await } else { Ok(()) }
    }

    fn check_may_write(&self, node: &Node) -> Result<()> {
        self.check_writable()?;
        self.check_operation(node, Operation::Revise, "replace the content")?;
        match node.remote.as_ref().and_then(|r| r.reserved_by.as_ref()) {
            Some(holder) => {
                log::info!("{} cannot be written: {holder} has reserved it on the service", node.name);
                fail(ErrorKind::Locked, format!("{} is reserved by {holder}", node.name))
            }
            None => Ok(()),
        }
    }

    /// The open file with the node's present content, which later opens join: the present one, or a new one.
    fn join(&self, node: &Node) -> Result<Arc<OpenFile>> {
        let mut handles = self.handles();
        let file = self.current_or_new(&handles, node)?;
        handles.set_current(file.clone());
        Ok(file)
    }

    /// The node's present content and its size.
    pub fn content_of(&self, node: &Node) -> Result<(Body, u64)> {
        let file = self.current_or_new(&self.handles(), node)?;
        let open = file.lock();
        Ok((open.body.clone(), open.size))
    }

    fn current_or_new(&self, handles: &Handles, node: &Node) -> Result<Arc<OpenFile>> {
        if let Some(file) = handles.current(node.ino) {
            let state = file.lock();
            let current = match &state.body {
                Body::Local(spool) => state.dirty || node.spool.as_deref() == Some(spool.name()),
                Body::Remote(_) => {
                    node.spool.is_none() && node.remote.as_ref().is_some_and(|r| r.revision == state.base)
                }
            };
            // A file with writers goes on in any case: two of them would lose one's bytes.
            if current || state.writers > 0 {
                drop(state);
                return Ok(file);
            }
        }
        self.open_content(node)
    }

    fn open_content(&self, node: &Node) -> Result<Arc<OpenFile>> {
        if let Some(name) = &node.spool {
            let spool = self.spool.get(name)?;
            let base = node.remote.as_ref().and_then(|r| r.revision.clone());
            return Ok(OpenFile::new(node.ino, Body::Local(spool), node.spool_bytes, base));
        }
        let Some(remote) = &node.remote else {
            return Err(Error::new(ErrorKind::Bug, format!("{} has no content", node.name)));
        };
        let revision = remote.revision.clone();
        let target = ReadTarget { id: remote.id.clone(), revision: revision.clone(), old: false, size: remote.size };
        let reader = self.cache.reader(self.provider.clone(), target);
        Ok(OpenFile::new(node.ino, Body::Remote(reader), remote.size.unwrap_or(0), revision))
    }

    pub fn count_handle(&self, file: &Arc<OpenFile>, write: bool) {
        let mut state = file.lock();
        state.handles += 1;
        if write {
            state.writers += 1;
            self.lock().changes.hold(file.ino);
        }
    }

    pub fn opened(&self, file: &Arc<OpenFile>, write: bool) -> Opened {
        let (tag, unknown_size, backing) = {
            let state = file.lock();
            match &state.body {
                Body::Local(spool) => (ContentTag::Spool(spool.name().to_owned()), false, None),
                Body::Remote(reader) => {
                    let tag = ContentTag::Revision(state.base.clone(), reader.size());
                    (tag, reader.size().is_none(), reader.complete().filter(|_| !write))
                }
            }
        };
        let mut handles = self.handles();
        let paged = handles.take_pages(file);
        let keep_cache = paged && handles.saw(file.ino, tag);
        let handle = handles.add(Handle::File { file: file.clone(), write });
        Opened { handle, keep_cache, backing, direct_io: unknown_size || !paged }
    }

    pub async fn release(self: &Arc<Self>, handle: HandleId) {
        let removed = self.handles().remove(handle);
        if let Some(Handle::File { file, write }) = removed {
            // What was written through a memory map after the last close's flush is here only.
            if write && let Err(e) = self.settle(&file).await {
                log::error!("a file's last bytes could not be kept: {e}");
            }
            self.let_go(&file, write).await;
        }
    }

    /// One handle less. With the last writer, what is in the file is meant, and may go up.
    pub async fn let_go(self: &Arc<Self>, file: &Arc<OpenFile>, write: bool) {
        let mut handles = self.handles();
        let mut open = file.lock();
        open.handles = open.handles.saturating_sub(1);
        let last_handle = open.handles == 0;
        if write {
            open.writers = open.writers.saturating_sub(1);
            open.frozen |= open.writers == 0;
            let mut state = self.lock();
            state.changes.release(file.ino);
            self.commit(&mut state);
        }
        if !last_handle {
            return;
        }
        let spool = match &open.body {
            Body::Local(spool) => Some(spool.clone()),
            Body::Remote(_) => None,
        };
        drop(open);
        handles.remove_current(file);
        let left = handles.leave_pages(file);
        drop(handles);
        let mut state = self.lock();
        let present = state.tree.node(file.ino).ok().and_then(|node| node.remote.as_ref()?.revision.clone());
        if left.is_some() && left != present {
            // Only now the kernel may have the size and the pages of the present revision.
            self.tell_kernel(vec![Invalidation::Content { ino: file.ino }]);
        }
        if state.tree.is_orphan(file.ino) {
            state.tree.forget_orphan(file.ino);
            drop(state);
            self.release_later(spool.iter().map(|s| s.name().to_owned()).collect());
        } else {
            drop(state);
        }
        self.wake.notify_one();
    }
}
