//! The file system, without a kernel: async functions with typed answers.
//!
//! Every function answers at its first poll when what it needs is in memory, so that the kernel's door may answer
//! there and then and hand over to a task only what has to wait.
//!
//! One tree of nodes shows what the service has plus what the outbox will do. Programs' operations change the tree
//! and the outbox together, under one lock and in one transaction; `delivery` sends what is due; `effects` takes the
//! answers in; `listing` takes in what others did.

mod birth;
mod commands;
mod delivery;
mod effects;
mod exchanging;
mod feed;
mod handles;
mod hidden;
mod journaled;
mod keeping;
mod listing;
mod local;
mod looking;
mod lookup;
mod making;
mod notices;
mod opening;
mod overtaken;
mod recent;
mod refused;
mod releasing;
mod renaming;
mod reserving;
mod securing;
mod start;
mod state;
mod successors;
pub mod types;
mod vacated;
mod walk;
mod watched;
mod writing;
mod xattr;

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::error::Result;
use crate::fs::handles::Handle;
use crate::fs::state::Inner;
use crate::ids::{HandleId, Ino};
pub use crate::tree::Invalidation;
pub use commands::{ChangeLine, CountedChanges, LineState};
pub use local::LocalFiles;
pub use start::Parts;
pub use types::*;

/// The kernel keeps names and attributes for this part of the time for which a listing is fresh.
const KERNEL_TTL_PART: u32 = 10;

/// One account's tree as files and directories. Cheap to clone.
#[derive(Clone)]
pub struct FileSystem {
    inner: Arc<Inner>,
}

impl FileSystem {
    /// For how long the kernel may keep names and attributes without asking.
    pub fn kernel_ttl(&self) -> Duration {
        self.inner.options.ttl / KERNEL_TTL_PART
    }

    /// Who is told what to forget. To be set once, when there is a kernel to tell.
    pub fn on_invalidation(&self, tell: impl Fn(Invalidation) + Send + Sync + 'static) {
        let _ = self.inner.invalidate.set(Box::new(tell));
    }

    /// What `.collabfs/status` says. To be set once, by who knows how the account is doing.
    pub fn on_status(&self, text: impl Fn() -> String + Send + Sync + 'static) {
        self.inner.hidden.set_status(Box::new(text));
    }

    pub async fn lookup(&self, parent: Ino, name: &OsStr) -> Result<Lookup> {
        self.inner.lookup(parent, name).await
    }

    pub async fn attributes(&self, ino: Ino, _handle: Option<HandleId>) -> Result<Attributes> {
        self.inner.attributes(ino).await
    }

    pub async fn set_attributes(&self, ino: Ino, handle: Option<HandleId>, set: SetAttributes) -> Result<Attributes> {
        self.inner.set_attributes(ino, handle, set).await
    }

    pub async fn open(&self, ino: Ino, mode: OpenMode) -> Result<Opened> {
        match hidden::is_hidden(ino) {
            true if mode.write || mode.truncate => hidden::read_only(),
            true => self.inner.hidden_open(ino),
            false => self.inner.open(ino, mode).await,
        }
    }

    /// Fewer bytes than asked for only at the end of the file.
    pub async fn read(&self, handle: HandleId, offset: u64, size: u32) -> Result<Bytes> {
        self.inner.read(handle, offset, size).await
    }

    pub async fn write(&self, handle: HandleId, offset: u64, data: Bytes) -> Result<u32> {
        self.inner.write(handle, offset, data).await
    }

    /// One descriptor was closed: its result is what `close` returns.
    pub async fn flush(&self, handle: HandleId) -> Result<()> {
        self.inner.flush(handle).await
    }

    pub async fn fsync(&self, handle: HandleId) -> Result<()> {
        self.inner.fsync(handle).await
    }

    /// The last descriptor was closed.
    pub async fn release(&self, handle: HandleId) {
        self.inner.release(handle).await;
    }

    pub async fn allocate(&self, handle: HandleId, offset: u64, length: u64, keep_size: bool) -> Result<()> {
        self.inner.allocate(handle, offset + length, keep_size).await
    }

    pub async fn copy_range(
        &self,
        from: HandleId,
        from_offset: u64,
        to: HandleId,
        to_offset: u64,
        length: u64,
    ) -> Result<u64> {
        self.inner.copy_range((from, from_offset), (to, to_offset), length).await
    }

    pub async fn create(
        &self,
        parent: Ino,
        name: &OsStr,
        permissions: u32,
        mode: OpenMode,
        caller: Caller,
    ) -> Result<(Attributes, Opened)> {
        self.inner.create(parent, name, permissions, mode, caller).await
    }

    pub async fn make_dir(&self, parent: Ino, name: &OsStr, permissions: u32, caller: Caller) -> Result<Attributes> {
        self.inner.make_dir(parent, name, permissions, caller).await
    }

    pub async fn remove_dir(&self, parent: Ino, name: &OsStr) -> Result<()> {
        self.inner.remove_dir(parent, name).await
    }

    pub async fn unlink(&self, parent: Ino, name: &OsStr) -> Result<()> {
        self.inner.unlink(parent, name).await
    }

    pub async fn rename(
        &self,
        parent: Ino,
        name: &OsStr,
        new_parent: Ino,
        new_name: &OsStr,
        mode: RenameMode,
    ) -> Result<()> {
        self.inner.rename((parent, name), (new_parent, new_name), mode).await
    }

    pub async fn open_dir(&self, ino: Ino) -> Result<HandleId> {
        self.inner.open_dir(ino).await
    }

    /// Entries from `offset` on (0: the beginning, `.` and `..` are the caller's matter), at most `entries_max`;
    /// none at the end. The listing does not change while the handle is open, unless it is read from 0 again.
    pub async fn read_dir(&self, handle: HandleId, offset: u64, entries_max: usize) -> Result<Vec<DirEntry>> {
        self.inner.read_dir(handle, offset, entries_max).await
    }

    pub async fn parent_of(&self, ino: Ino) -> Result<Ino> {
        match hidden::is_hidden(ino) {
            true => self.inner.hidden_parent(ino),
            false => Ok(self.inner.lock().tree.node(ino)?.parent),
        }
    }

    pub async fn release_dir(&self, handle: HandleId) {
        if let Some(Handle::File { .. }) = self.inner.handles().remove(handle) {
            log::error!("a file's handle was closed as a directory's");
        }
    }

    /// What was removed or renamed in it stands from now on, whatever comes: see [`crate::outbox::Change::provisional`].
    pub async fn sync_dir(&self, _handle: HandleId) -> Result<()> {
        self.inner.lock().changes.confirm_all();
        self.inner.kept().await
    }

    pub async fn get_attribute(&self, ino: Ino, name: &OsStr) -> Result<Vec<u8>> {
        self.inner.get_attribute(ino, name)
    }

    pub async fn set_attribute(&self, ino: Ino, name: &OsStr, value: &[u8], create: bool, replace: bool) -> Result<()> {
        self.inner.set_attribute(ino, name, value, create, replace).await
    }

    pub async fn remove_attribute(&self, ino: Ino, name: &OsStr) -> Result<()> {
        self.inner.remove_attribute(ino, name).await
    }

    pub async fn list_attributes(&self, ino: Ino) -> Result<Vec<String>> {
        self.inner.list_attributes(ino)
    }

    /// Never waits for the network.
    pub fn space(&self) -> Space {
        self.inner.space()
    }

    /// The kernel's references to this node ended. Nodes live by their names and handles, so this changes nothing.
    pub fn forget(&self, _ino: Ino, _count: u64) {}
}
