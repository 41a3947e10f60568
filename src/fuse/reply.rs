//! Replies made of results. Each answers exactly once.

use std::time::Duration;

use fuser::{
    Errno, FileHandle, FopenFlags, ReplyAttr, ReplyCreate, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite,
    ReplyXattr,
};

use crate::fs::{Attributes, Lookup, Opened, Space};
use crate::fuse::attr::{GENERATION, absent, file_attr};
use crate::fuse::backing::Backings;
use crate::fuse::xattr;
use crate::ids::Ino;

type Answer<T> = std::result::Result<T, Errno>;

pub fn empty(reply: ReplyEmpty) -> impl FnOnce(Answer<()>) + Send + 'static {
    move |result| match result {
        Ok(()) => reply.ok(),
        Err(e) => reply.error(e),
    }
}

pub fn lookup(reply: ReplyEntry, ttl: Duration) -> impl FnOnce(Answer<Lookup>) + Send + 'static {
    move |result| match result {
        Ok(Lookup::Found(attributes)) => reply.entry(&ttl, &file_attr(&attributes), GENERATION),
        Ok(Lookup::Absent) => reply.entry(&ttl, &absent(), GENERATION),
        Err(e) => reply.error(e),
    }
}

pub fn entry(reply: ReplyEntry, ttl: Duration) -> impl FnOnce(Answer<Attributes>) + Send + 'static {
    let reply = lookup(reply, ttl);
    move |result| reply(result.map(Lookup::Found))
}

pub fn attr(reply: ReplyAttr, ttl: Duration) -> impl FnOnce(Answer<Attributes>) + Send + 'static {
    move |result| match result {
        Ok(attributes) => reply.attr(&ttl, &file_attr(&attributes)),
        Err(e) => reply.error(e),
    }
}

/// Counts what was written or copied; it fits, since the kernel asked for no more.
pub fn written(reply: ReplyWrite) -> impl FnOnce(Answer<u32>) + Send + 'static {
    move |result| match result {
        Ok(bytes) => reply.written(bytes),
        Err(e) => reply.error(e),
    }
}

/// `room`: the bytes the caller has room for.
pub fn xattr(reply: ReplyXattr, room: u32) -> impl FnOnce(Answer<Vec<u8>>) + Send + 'static {
    move |result| match result.and_then(|value| xattr::answer(value, room)) {
        Ok(xattr::Answer::Size(size)) => reply.size(size),
        Ok(xattr::Answer::Value(value)) => reply.data(&value),
        Err(e) => reply.error(e),
    }
}

pub fn opened(
    reply: ReplyOpen,
    ino: Ino,
    backings: std::sync::Arc<Backings>,
) -> impl FnOnce(Answer<Opened>) + Send + 'static {
    move |result| match result {
        Ok(opened) => {
            let fh = FileHandle(opened.handle.0);
            match backings.opened(ino, opened.backing.as_deref(), |file| reply.open_backing(file)) {
                Some(id) => reply.opened_passthrough(fh, FopenFlags::empty(), &id),
                None => reply.opened(fh, open_flags(&opened)),
            }
        }
        Err(e) => reply.error(e),
    }
}

pub fn created(reply: ReplyCreate, ttl: Duration) -> impl FnOnce(Answer<(Attributes, Opened)>) + Send + 'static {
    move |result| match result {
        Ok((attributes, opened)) => {
            let fh = FileHandle(opened.handle.0);
            reply.created(&ttl, &file_attr(&attributes), GENERATION, fh, open_flags(&opened));
        }
        Err(e) => reply.error(e),
    }
}

/// What `statfs` shows.
pub fn space(reply: ReplyStatfs, space: &Space) {
    const BLOCK_BYTES: u32 = 4096;
    let blocks = |bytes: u64| bytes / u64::from(BLOCK_BYTES);
    // Never 0 blocks: tools take that for a file system that has no space to speak of, and `df` hides it.
    let total = blocks(space.total_bytes).max(1);
    let free = blocks(space.free_bytes);
    // How many more files there may be, nobody knows; enough, so that no tool refuses.
    let files_free = u64::from(u32::MAX);
    let files = space.files + files_free;
    reply.statfs(total, free, free, files, files_free, BLOCK_BYTES, space.name_bytes_max, BLOCK_BYTES);
}

fn open_flags(opened: &Opened) -> FopenFlags {
    let mut flags = FopenFlags::empty();
    flags.set(FopenFlags::FOPEN_KEEP_CACHE, opened.keep_cache);
    flags.set(FopenFlags::FOPEN_DIRECT_IO, opened.direct_io);
    flags
}
