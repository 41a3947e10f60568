//! Decodes what the kernel asks, calls the file system, replies. One method per message, in the order of fuser's trait.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fuser::{
    BsdFileFlags, CopyFileRangeFlags, FileHandle, Filesystem, FopenFlags, INodeNo, InitFlags, IoctlFlags, KernelConfig,
    LockOwner, OpenFlags, PollEvents, PollFlags, PollNotifier, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyDirectoryPlus, ReplyEmpty, ReplyEntry, ReplyIoctl, ReplyLseek, ReplyOpen, ReplyPoll,
    ReplyStatfs, ReplyWrite, ReplyXattr, Request, TimeOrNow, WriteFlags,
};
use tokio::runtime::Handle;

use crate::error::Result;
use crate::fs::{Caller, FileSystem, OpenMode, RenameMode, SetAttributes};
use crate::fuse::announce::Announced;
use crate::fuse::attr::{open_mode, set_time};
use crate::fuse::backing::Backings;
use crate::fuse::call::{Call, Calls};
use crate::fuse::listing::{self, Batch, Line};
use crate::fuse::plan::MountPlan;
use crate::fuse::{errno, reply, xattr};
use crate::ids::{HandleId, Ino};

/// Messages the kernel may have under way for read-ahead; enough to keep a far service busy.
const BACKGROUND_MAX: u16 = 64;
/// What the kernel's default of 256 pages holds.
const WRITE_BYTES_MAX: u32 = 1024 * 1024;
/// Part of a copy that is done in one call, so that each call stays far from the deadline.
const COPY_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The kernel's door of one mount.
pub struct Front {
    pub(super) fs: FileSystem,
    pub(super) calls: Calls,
    backings: Arc<Backings>,
    read_only: bool,
    batch: Arc<Batch>,
    pub(super) announced: Announced,
}

impl Front {
    pub fn new(fs: FileSystem, runtime: Handle, plan: &MountPlan, announced: Announced) -> Front {
        let calls = Calls::new(runtime, plan.deadline);
        let (backings, batch) = Default::default();
        Front { fs, calls, backings, read_only: plan.read_only, batch, announced }
    }

    /// Gives back a handle that was opened after its caller had stopped waiting.
    fn give_back(&self) -> impl Fn(HandleId) + Send + 'static {
        let fs = self.fs.clone();
        move |handle| {
            let fs = fs.clone();
            tokio::spawn(async move { fs.release(handle).await });
        }
    }

    fn lines(&self, number: INodeNo, fh: FileHandle, offset: u64) -> impl Future<Output = Result<Vec<Line>>> + use<> {
        listing::lines(self.fs.clone(), ino(number), handle(fh), offset, self.batch.entries_max())
    }

    pub(super) fn ttl(&self) -> Duration {
        self.fs.kernel_ttl()
    }
}

pub(super) fn ino(number: INodeNo) -> Ino {
    Ino(number.0)
}

fn handle(number: FileHandle) -> HandleId {
    HandleId(number.0)
}

fn caller(request: &Request) -> Caller {
    Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() }
}

pub(super) fn call(name: &'static str, number: INodeNo) -> Call {
    Call { name, ino: ino(number) }
}

impl Filesystem for Front {
    fn init(&mut self, _: &Request, config: &mut KernelConfig) -> io::Result<()> {
        // AUTO_INVAL_DATA is not among them: it drops a file's pages whenever its time changes, our own writes
        // included. Changes made on the service are told by notifications.
        let useful = InitFlags::FUSE_PARALLEL_DIROPS
            | InitFlags::FUSE_DO_READDIRPLUS
            | InitFlags::FUSE_READDIRPLUS_AUTO
            | InitFlags::FUSE_ATOMIC_O_TRUNC
            | InitFlags::FUSE_ASYNC_DIO;
        let _ = config.add_capabilities(useful & config.capabilities());
        let _ = config.set_max_background(BACKGROUND_MAX);
        let _ = config.set_max_write(WRITE_BYTES_MAX);
        let passthrough = self.read_only && config.add_capabilities(InitFlags::FUSE_PASSTHROUGH).is_ok();
        if passthrough && config.set_max_stack_depth(1).is_ok() {
            self.backings = Arc::new(Backings::wanted());
        }
        Ok(())
    }

    fn lookup(&self, r: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if let Some(acted) = self.announced.lookup(r.pid(), ino(parent), name) {
            return reply::lookup(reply, Duration::ZERO)(Ok(acted));
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.lookup(ino(parent), &name).await };
        self.calls.ask(call("lookup", parent), work, reply::lookup(reply, self.ttl()));
    }

    fn forget(&self, _: &Request, number: INodeNo, count: u64) {
        self.calls.guarded(call("forget", number), || self.fs.forget(ino(number), count));
    }

    fn getattr(&self, _: &Request, number: INodeNo, fh: Option<FileHandle>, reply: ReplyAttr) {
        let fs = self.fs.clone();
        let work = async move { fs.attributes(ino(number), fh.map(handle)).await };
        self.calls.ask(call("getattr", number), work, reply::attr(reply, self.ttl()));
    }

    fn setattr(
        &self,
        r: &Request,
        number: INodeNo,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        size: Option<u64>,
        atime: Option<TimeOrNow>,
        mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        fh: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        if self.announced.is_asking(r.pid()) {
            return self.announce_change(number, reply);
        }
        let fs = self.fs.clone();
        let set = SetAttributes {
            mode,
            uid,
            gid,
            size_bytes: size,
            accessed: atime.map(set_time),
            modified: mtime.map(set_time),
        };
        let work = async move { fs.set_attributes(ino(number), fh.map(handle), set).await };
        self.calls.change(call("setattr", number), work, reply::attr(reply, self.ttl()));
    }

    /// Only regular files; what else there could be, no service has.
    fn mknod(&self, r: &Request, parent: INodeNo, name: &OsStr, mode: u32, _: u32, _: u32, reply: ReplyEntry) {
        if self.announced.is_asking(r.pid()) {
            return self.announce_entry(parent, name, reply);
        }
        if mode & libc::S_IFMT != libc::S_IFREG {
            return reply.error(errno::NOT_OFFERED);
        }
        let (fs, name, caller) = (self.fs.clone(), name.to_owned(), caller(r));
        let open = OpenMode { write: true, exclusive: true, ..OpenMode::default() };
        let work = async move {
            let (attributes, opened) = fs.create(ino(parent), &name, mode & 0o7777, open, caller).await?;
            let flushed = fs.flush(opened.handle).await;
            fs.release(opened.handle).await;
            flushed.map(|()| attributes)
        };
        self.calls.change(call("mknod", parent), work, reply::entry(reply, self.ttl()));
    }

    fn mkdir(&self, r: &Request, parent: INodeNo, name: &OsStr, mode: u32, _umask: u32, reply: ReplyEntry) {
        if self.announced.is_asking(r.pid()) {
            return self.announce_entry(parent, name, reply);
        }
        let (fs, name, caller) = (self.fs.clone(), name.to_owned(), caller(r));
        let work = async move { fs.make_dir(ino(parent), &name, mode & 0o7777, caller).await };
        self.calls.change(call("mkdir", parent), work, reply::entry(reply, self.ttl()));
    }

    fn unlink(&self, r: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if self.announced.is_asking(r.pid()) {
            return self.announce_removal(parent, name, reply);
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.unlink(ino(parent), &name).await };
        self.calls.change(call("unlink", parent), work, reply::empty(reply));
    }

    fn rmdir(&self, r: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if self.announced.is_asking(r.pid()) {
            return self.announce_removal(parent, name, reply);
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.remove_dir(ino(parent), &name).await };
        self.calls.change(call("rmdir", parent), work, reply::empty(reply));
    }

    fn symlink(&self, _: &Request, _: INodeNo, _: &OsStr, _: &Path, reply: ReplyEntry) {
        reply.error(errno::NOT_OFFERED);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let mode = match flags {
            f if f.is_empty() => RenameMode::Replace,
            RenameFlags::RENAME_NOREPLACE => RenameMode::NoReplace,
            RenameFlags::RENAME_EXCHANGE => RenameMode::Exchange,
            // To ignore a flag would be to do something else than what was asked for.
            _ => return reply.error(errno::BAD_ARGUMENT),
        };
        let (fs, name, new_name) = (self.fs.clone(), name.to_owned(), new_name.to_owned());
        let work = async move { fs.rename(ino(parent), &name, ino(new_parent), &new_name, mode).await };
        self.calls.change(call("rename", parent), work, reply::empty(reply));
    }

    fn link(&self, _: &Request, _: INodeNo, _: INodeNo, _: &OsStr, reply: ReplyEntry) {
        reply.error(errno::NOT_OFFERED);
    }

    fn open(&self, _: &Request, number: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let (fs, give_back) = (self.fs.clone(), self.give_back());
        let work = async move { fs.open(ino(number), open_mode(flags)).await };
        let reply = reply::opened(reply, ino(number), self.backings.clone());
        self.calls.open(call("open", number), work, move |opened| give_back(opened.handle), reply);
    }

    fn read(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let fs = self.fs.clone();
        let work = async move { fs.read(handle(fh), offset, size).await };
        self.calls.ask(call("read", number), work, move |result| match result {
            Ok(bytes) => reply.data(&bytes),
            Err(e) => reply.error(e),
        });
    }

    fn write(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let (fs, data) = (self.fs.clone(), Bytes::copy_from_slice(data));
        let work = async move { fs.write(handle(fh), offset, data).await };
        self.calls.change(call("write", number), work, reply::written(reply));
    }

    fn flush(&self, _: &Request, number: INodeNo, fh: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        let fs = self.fs.clone();
        let work = async move { fs.flush(handle(fh)).await };
        self.calls.change(call("flush", number), work, reply::empty(reply));
    }

    fn release(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        _flags: OpenFlags,
        _lock_owner: Option<LockOwner>,
        _flush: bool,
        reply: ReplyEmpty,
    ) {
        let (fs, backings) = (self.fs.clone(), self.backings.clone());
        let work = async move {
            fs.release(handle(fh)).await;
            backings.released(ino(number));
            Ok(())
        };
        self.calls.change(call("release", number), work, reply::empty(reply));
    }

    fn fsync(&self, _: &Request, number: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let fs = self.fs.clone();
        let work = async move { fs.fsync(handle(fh)).await };
        self.calls.change(call("fsync", number), work, reply::empty(reply));
    }

    fn opendir(&self, _: &Request, number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        let (fs, late) = (self.fs.clone(), self.fs.clone());
        let work = async move { fs.open_dir(ino(number)).await };
        let give_back = move |handle| drop(tokio::spawn(async move { late.release_dir(handle).await }));
        self.calls.open(call("opendir", number), work, give_back, move |result| match result {
            Ok(HandleId(fh)) => reply.opened(FileHandle(fh), FopenFlags::empty()),
            Err(e) => reply.error(e),
        });
    }

    fn readdir(&self, _: &Request, number: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let batch = self.batch.clone();
        self.calls.ask(call("readdir", number), self.lines(number, fh, offset), move |result| match result {
            Ok(lines) => {
                listing::fill(&mut reply, &lines, &batch);
                reply.ok();
            }
            Err(e) => reply.error(e),
        });
    }

    fn readdirplus(&self, _: &Request, number: INodeNo, fh: FileHandle, offset: u64, mut reply: ReplyDirectoryPlus) {
        let (batch, ttl) = (self.batch.clone(), self.ttl());
        self.calls.ask(call("readdirplus", number), self.lines(number, fh, offset), move |result| match result {
            Ok(lines) => {
                listing::fill_plus(&mut reply, &lines, &batch, &ttl);
                reply.ok();
            }
            Err(e) => reply.error(e),
        });
    }

    fn releasedir(&self, _: &Request, number: INodeNo, fh: FileHandle, _flags: OpenFlags, reply: ReplyEmpty) {
        let fs = self.fs.clone();
        let work = async move {
            fs.release_dir(handle(fh)).await;
            Ok(())
        };
        self.calls.change(call("releasedir", number), work, reply::empty(reply));
    }

    fn fsyncdir(&self, _: &Request, number: INodeNo, fh: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        let fs = self.fs.clone();
        let work = async move { fs.sync_dir(handle(fh)).await };
        self.calls.change(call("fsyncdir", number), work, reply::empty(reply));
    }

    fn statfs(&self, _: &Request, number: INodeNo, reply: ReplyStatfs) {
        self.calls.guarded(call("statfs", number), || reply::space(reply, &self.fs.space()));
    }

    fn setxattr(
        &self,
        _: &Request,
        number: INodeNo,
        name: &OsStr,
        value: &[u8],
        flags: i32,
        _position: u32,
        reply: ReplyEmpty,
    ) {
        if !xattr::is_user(name) {
            return reply.error(errno::MODE_NOT_OFFERED);
        }
        let (create, replace) = (flags & libc::XATTR_CREATE != 0, flags & libc::XATTR_REPLACE != 0);
        let (fs, name, value) = (self.fs.clone(), name.to_owned(), value.to_vec());
        let work = async move { fs.set_attribute(ino(number), &name, &value, create, replace).await };
        self.calls.change(call("setxattr", number), work, reply::empty(reply));
    }

    fn getxattr(&self, _: &Request, number: INodeNo, name: &OsStr, size: u32, reply: ReplyXattr) {
        // Before each write the kernel asks for security.capability: answered without a thought.
        if !xattr::is_user(name) {
            return reply.error(errno::NO_ATTRIBUTE);
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.get_attribute(ino(number), &name).await };
        self.calls.ask(call("getxattr", number), work, reply::xattr(reply, size));
    }

    fn listxattr(&self, _: &Request, number: INodeNo, size: u32, reply: ReplyXattr) {
        let fs = self.fs.clone();
        let work = async move { Ok(xattr::joined(&fs.list_attributes(ino(number)).await?)) };
        self.calls.ask(call("listxattr", number), work, reply::xattr(reply, size));
    }

    fn removexattr(&self, _: &Request, number: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        if !xattr::is_user(name) {
            return reply.error(errno::NO_ATTRIBUTE);
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.remove_attribute(ino(number), &name).await };
        self.calls.change(call("removexattr", number), work, reply::empty(reply));
    }

    fn create(
        &self,
        r: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        _umask: u32,
        flags: i32,
        reply: ReplyCreate,
    ) {
        let (fs, name, caller) = (self.fs.clone(), name.to_owned(), caller(r));
        let give_back = self.give_back();
        let open = open_mode(OpenFlags(flags));
        let work = async move { fs.create(ino(parent), &name, mode & 0o7777, open, caller).await };
        let reply = reply::created(reply, self.ttl());
        self.calls.open(call("create", parent), work, move |(_, opened)| give_back(opened.handle), reply);
    }

    /// The kernel answers programs with ENOTTY, as for any file that is no device.
    fn ioctl(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: IoctlFlags,
        _: u32,
        _: &[u8],
        _: u32,
        reply: ReplyIoctl,
    ) {
        reply.error(errno::NOT_IMPLEMENTED);
    }

    /// The kernel then takes files for always ready, and does not ask again.
    fn poll(
        &self,
        _: &Request,
        _: INodeNo,
        _: FileHandle,
        _: PollNotifier,
        _: PollEvents,
        _: PollFlags,
        reply: ReplyPoll,
    ) {
        reply.error(errno::NOT_IMPLEMENTED);
    }

    fn fallocate(
        &self,
        _: &Request,
        number: INodeNo,
        fh: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        if mode & !libc::FALLOC_FL_KEEP_SIZE != 0 {
            return reply.error(errno::MODE_NOT_OFFERED);
        }
        let (fs, keep_size) = (self.fs.clone(), mode & libc::FALLOC_FL_KEEP_SIZE != 0);
        let work = async move { fs.allocate(handle(fh), offset, length, keep_size).await };
        self.calls.change(call("fallocate", number), work, reply::empty(reply));
    }

    /// The kernel then seeks by itself, as in a file without holes.
    fn lseek(&self, _: &Request, _: INodeNo, _: FileHandle, _: i64, _: i32, reply: ReplyLseek) {
        reply.error(errno::NOT_IMPLEMENTED);
    }

    fn copy_file_range(
        &self,
        _: &Request,
        _from: INodeNo,
        from_fh: FileHandle,
        from_offset: u64,
        to: INodeNo,
        to_fh: FileHandle,
        to_offset: u64,
        length: u64,
        _flags: CopyFileRangeFlags,
        reply: ReplyWrite,
    ) {
        let (fs, length) = (self.fs.clone(), length.min(COPY_BYTES_MAX));
        let work = async move {
            let copied = fs.copy_range(handle(from_fh), from_offset, handle(to_fh), to_offset, length).await?;
            // No more than was asked for, which fits.
            Ok(copied.min(COPY_BYTES_MAX) as u32)
        };
        self.calls.change(call("copy_file_range", to), work, reply::written(reply));
    }
}
