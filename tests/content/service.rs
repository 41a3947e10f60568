//! A service that has one content, and the faults a test asks for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use collabfs::error::{Error, ErrorKind, Result, fail};
use collabfs::ids::{RemoteId, RevisionId};
use collabfs::provider::*;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::Semaphore;

/// What happens to one request.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The request fails.
    Refuse(ErrorKind),
    /// The stream breaks after so many bytes.
    CutAfter(u64),
    /// The stream ends as if it were complete after so many bytes.
    EndAfter(u64),
    /// Nothing is ever answered.
    Silence,
    /// A total size that is not the true one is announced.
    AnnounceTotal(u64),
}

pub struct Service {
    pub content: Bytes,
    /// Answers ranges.
    pub ranges: bool,
    /// Says that it does.
    pub claims_ranges: bool,
    pub announces_total: bool,
    pub latency: Duration,
    pub piece_bytes: usize,
    /// Each piece of a stream takes a permit, if there is a gate.
    pub gate: Option<Arc<Semaphore>>,
    pub faults: Mutex<VecDeque<Fault>>,
    pub requests: Mutex<Vec<ByteRange>>,
}

impl Service {
    pub fn new(size: usize) -> Service {
        Service {
            content: pattern(size).into(),
            ranges: true,
            claims_ranges: true,
            announces_total: true,
            latency: Duration::ZERO,
            piece_bytes: 64 << 10,
            gate: None,
            faults: Mutex::default(),
            requests: Mutex::default(),
        }
    }

    pub fn then(self, fault: Fault) -> Service {
        self.faults.lock().unwrap().push_back(fault);
        self
    }

    pub fn target(&self, revision: &str) -> ReadTarget {
        let size = Some(self.content.len() as u64);
        ReadTarget { id: id(), revision: Some(RevisionId::new(revision)), old: false, size }
    }

    pub fn asked(&self) -> Vec<ByteRange> {
        self.requests.lock().unwrap().clone()
    }

    fn stream(&self, start: u64, end: u64, fault: Option<Fault>) -> BoxStream<'static, Result<Bytes>> {
        let (end, broken) = match fault {
            Some(Fault::CutAfter(bytes)) => (end.min(start + bytes), true),
            Some(Fault::EndAfter(bytes)) => (end.min(start + bytes), false),
            _ => (end, false),
        };
        let (content, piece_bytes, gate) = (self.content.clone(), self.piece_bytes, self.gate.clone());
        let pieces = futures::stream::unfold(start, move |at| {
            let (content, gate) = (content.clone(), gate.clone());
            async move {
                if at >= end {
                    return None;
                }
                if let Some(gate) = gate {
                    gate.acquire().await.unwrap().forget();
                }
                let to = end.min(at + piece_bytes as u64);
                Some((Ok(content.slice(at as usize..to as usize)), to))
            }
        });
        match broken {
            true => pieces.chain(futures::stream::iter([fail(ErrorKind::Offline, "connection lost")])).boxed(),
            false => pieces.boxed(),
        }
    }
}

pub fn id() -> RemoteId {
    RemoteId::new("file", 1)
}

/// Bytes that differ everywhere, so that no block passes for another.
pub fn pattern(size: usize) -> Vec<u8> {
    (0..size as u64).map(|i| (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8).collect()
}

#[async_trait]
impl Provider for Service {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "test",
            operations: Operations::ALL,
            unproven: Operations::NONE,
            ranges: self.claims_ranges,
            staged: false,
            attach_batch_max: 1,
            revises_in_place: true,
            conditional_revise: false,
            versions: false,
            changes: false,
            case_sensitive: true,
            duplicate_names: false,
            reservations: false,
            trash_listed: false,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: 255,
            uploads_parallel: 4,
            requests_parallel: 8,
        }
    }

    async fn read(&self, _target: &ReadTarget, range: ByteRange) -> Result<Download> {
        self.requests.lock().unwrap().push(range);
        let fault = self.faults.lock().unwrap().pop_front();
        tokio::time::sleep(self.latency).await;
        let size = self.content.len() as u64;
        match fault {
            Some(Fault::Refuse(kind)) => return fail(kind, "refused"),
            Some(Fault::Silence) => std::future::pending().await,
            _ => {}
        }
        let total = match &fault {
            Some(Fault::AnnounceTotal(total)) => Some(*total),
            _ => self.announces_total.then_some(size),
        };
        let (start, end) = match self.ranges {
            true => (range.start, range.end.unwrap_or(size).min(size)),
            false => (0, size),
        };
        Ok(Download { start, total, stream: self.stream(start, end, fault) })
    }

    fn check_name(&self, _name: &str, _kind: EntryKind) -> Result<()> {
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        Ok(AccountInfo::default())
    }

    fn root(&self) -> Entry {
        Entry::directory(RemoteId::new("root", 0), "")
    }

    fn list<'a>(&'a self, _dir: &'a RemoteId, _request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        futures::stream::empty().boxed()
    }

    async fn stat(&self, _id: &RemoteId) -> Result<Entry> {
        only_reads()
    }

    async fn stage(&self, _container: &RemoteId, _name: &str, _content: &Content) -> Result<StagedAsset> {
        only_reads()
    }

    async fn attach(&self, _container: &RemoteId, _items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        only_reads()
    }

    async fn revise(&self, _file: &Located, _base: Option<&RevisionId>, _content: &Content) -> Result<Revised> {
        only_reads()
    }

    async fn make_dir(&self, _parent: &RemoteId, _name: &str) -> Result<Entry> {
        only_reads()
    }

    async fn relocate(&self, _entry: &Located, _to_parent: &RemoteId, _to_name: &str) -> Result<()> {
        only_reads()
    }

    async fn delete(&self, _entry: &Located) -> Result<()> {
        only_reads()
    }
}

fn only_reads<T>() -> Result<T> {
    Err(Error::new(ErrorKind::Unsupported, "this service is only read"))
}
