//! Answers to the announcing thread (`announce`): what it asks for is not carried out, but answered as if it were.

use std::ffi::OsStr;

use fuser::{INodeNo, ReplyAttr, ReplyEmpty, ReplyEntry};

use crate::fuse::front::{Front, call, ino};
use crate::fuse::{errno, reply};

impl Front {
    /// Answers the announcing thread, which asked for something to appear, with what has appeared.
    pub(super) fn announce_entry(&self, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        if !self.announced.appears(ino(parent), name) {
            return reply.error(errno::NOT_OFFERED);
        }
        let (fs, name) = (self.fs.clone(), name.to_owned());
        let work = async move { fs.lookup(ino(parent), &name).await };
        self.calls.ask(call("announce", parent), work, reply::lookup(reply, self.ttl()));
    }

    /// Answers the announcing thread, which asked for something to be removed, that it is.
    pub(super) fn announce_removal(&self, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        match self.announced.leaves(ino(parent), name) {
            true => reply.ok(),
            false => reply.error(errno::NOT_OFFERED),
        }
    }

    /// Answers the announcing thread, which touched a file, how that is.
    pub(super) fn announce_change(&self, number: INodeNo, reply: ReplyAttr) {
        if !self.announced.changes(ino(number)) {
            return reply.error(errno::NOT_OFFERED);
        }
        let fs = self.fs.clone();
        let work = async move { fs.attributes(ino(number), None).await };
        self.calls.ask(call("announce", number), work, reply::attr(reply, self.ttl()));
    }
}
