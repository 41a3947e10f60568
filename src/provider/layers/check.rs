//! Refuses what a provider says it cannot do, before anything is sent: operations, names, sizes, batches.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::stream::BoxStream;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    AccountInfo, AttachItem, Attempt, ByteRange, Capabilities, Changes, Confirmation, Content, Created, Download,
    Entry, EntryKind, ListPart, ListRequest, Located, Operation, Provider, Quota, ReadTarget, Revised, StagedAsset,
    Version,
};

/// A provider with checks before it.
pub struct Check {
    inner: Arc<dyn Provider>,
}

impl Check {
    pub fn new(inner: Arc<dyn Provider>) -> Check {
        Check { inner }
    }

    fn offered(&self, operation: Operation) -> Result<()> {
        let words = match operation {
            Operation::CreateFile => "takes no new files",
            Operation::MakeDir => "makes no directories",
            Operation::Revise => "takes no new content for files",
            Operation::Rename => "renames nothing",
            Operation::Move => "moves nothing",
            Operation::Delete => "removes nothing",
            Operation::Describe => "keeps no descriptions that could be set",
            Operation::Read => "gives no content",
        };
        self.required(self.inner.capabilities().operations.has(operation), words)
    }

    fn required(&self, there: bool, otherwise: &str) -> Result<()> {
        if there {
            return Ok(());
        }
        fail(ErrorKind::Unsupported, format!("{} {otherwise}", self.inner.capabilities().service))
    }

    fn name_fits(&self, name: &str, kind: EntryKind) -> Result<()> {
        let bytes_max = self.inner.capabilities().name_bytes_max;
        if name.len() > bytes_max {
            return fail(ErrorKind::NameTooLong, format!("the service takes names of at most {bytes_max} bytes"));
        }
        self.inner.check_name(name, kind)
    }

    fn size_fits(&self, content: &Content) -> Result<()> {
        match self.inner.capabilities().file_bytes_max {
            Some(bytes_max) if content.size > bytes_max => {
                fail(ErrorKind::TooLarge, format!("the service takes files of at most {bytes_max} bytes"))
            }
            _ => Ok(()),
        }
    }
}

#[async_trait]
impl Provider for Check {
    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities()
    }

    fn check_name(&self, name: &str, kind: EntryKind) -> Result<()> {
        self.name_fits(name, kind)
    }

    async fn check_place(&self, dir: &RemoteId) -> Result<()> {
        self.inner.check_place(dir).await
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        self.inner.sign_in().await
    }

    fn sign_in_patience(&self) -> Option<Duration> {
        self.inner.sign_in_patience()
    }

    fn root(&self) -> Entry {
        self.inner.root()
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        self.inner.list(dir, request)
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        self.inner.stat(id).await
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        if range.end.is_some_and(|end| end < range.start) {
            return Err(Error::new(ErrorKind::Bug, "a range that ends before it starts"));
        }
        self.inner.read(target, range).await
    }

    async fn stage(&self, container: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset> {
        self.offered(Operation::CreateFile)?;
        self.name_fits(name, EntryKind::File)?;
        self.size_fits(content)?;
        self.inner.stage(container, name, content).await
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        self.offered(Operation::CreateFile)?;
        let batch_max = self.inner.capabilities().attach_batch_max;
        if items.len() > batch_max {
            return fail(ErrorKind::Bug, format!("{} files in one batch, {batch_max} are possible", items.len()));
        }
        if items.is_empty() {
            return Ok(Vec::new());
        }
        for item in items {
            self.name_fits(&item.name, EntryKind::File)?;
            self.size_fits(&item.content)?;
        }
        self.inner.attach(container, items).await
    }

    async fn revise(&self, file: &Located, base: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        self.offered(Operation::Revise)?;
        self.size_fits(content)?;
        self.inner.revise(file, base, content).await
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.offered(Operation::MakeDir)?;
        self.name_fits(name, EntryKind::Directory)?;
        self.inner.make_dir(parent, name).await
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        if to_name != entry.name {
            self.offered(Operation::Rename)?;
            self.name_fits(to_name, entry.kind)?;
        }
        if *to_parent != entry.parent {
            self.offered(Operation::Move)?;
        }
        self.inner.relocate(entry, to_parent, to_name).await
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.offered(Operation::Delete)?;
        self.inner.delete(entry).await
    }

    async fn describe(&self, entry: &Located, text: &str) -> Result<()> {
        self.offered(Operation::Describe)?;
        self.inner.describe(entry, text).await
    }

    async fn versions(&self, file: &RemoteId) -> Result<Vec<Version>> {
        self.required(self.inner.capabilities().versions, "lists no old revisions")?;
        self.inner.versions(file).await
    }

    async fn copy(&self, from: &Located, to_parent: &RemoteId, to_name: &str) -> Result<Created> {
        self.required(self.inner.capabilities().server_copy, "copies nothing by itself")?;
        self.name_fits(to_name, from.kind)?;
        self.inner.copy(from, to_parent, to_name).await
    }

    async fn changes(&self, since: Option<&str>) -> Result<Changes> {
        self.required(self.inner.capabilities().changes, "has no change feed")?;
        self.inner.changes(since).await
    }

    async fn reserve(&self, file: &Located, taken: bool) -> Result<()> {
        self.required(self.inner.capabilities().reservations, "has no reservations")?;
        self.inner.reserve(file, taken).await
    }

    async fn list_trash(&self) -> Result<Vec<Entry>> {
        self.required(self.inner.capabilities().trash_listed, "does not list its trash")?;
        self.inner.list_trash().await
    }

    async fn quota(&self) -> Result<Option<Quota>> {
        self.inner.quota().await
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        self.inner.confirm(attempt).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::Operations;

    /// Answers nothing: whatever reaches it fails the test.
    struct Silent;

    #[async_trait]
    impl Provider for Silent {
        fn capabilities(&self) -> Capabilities {
            Capabilities {
                service: "silent",
                operations: Operations::of(&[Operation::CreateFile, Operation::Rename]),
                unproven: Operations::NONE,
                ranges: false,
                staged: true,
                attach_batch_max: 2,
                revises_in_place: true,
                conditional_revise: false,
                versions: false,
                changes: false,
                case_sensitive: true,
                duplicate_names: true,
                reservations: false,
                trash_listed: false,
                server_copy: false,
                file_bytes_max: Some(10),
                name_bytes_max: 20,
                uploads_parallel: 1,
                requests_parallel: 1,
            }
        }

        fn check_name(&self, name: &str, _kind: EntryKind) -> Result<()> {
            if name.contains('?') { fail(ErrorKind::BadName, "a question") } else { Ok(()) }
        }

        async fn sign_in(&self) -> Result<AccountInfo> {
            panic!("signed in")
        }

        fn root(&self) -> Entry {
            Entry::directory(RemoteId::new("root", ""), "")
        }

        fn list<'a>(&'a self, _dir: &'a RemoteId, _request: ListRequest) -> BoxStream<'a, Result<ListPart>> {
            panic!("listed")
        }

        async fn stat(&self, _id: &RemoteId) -> Result<Entry> {
            panic!("looked at")
        }

        async fn read(&self, _target: &ReadTarget, _range: ByteRange) -> Result<Download> {
            panic!("read")
        }

        async fn stage(&self, _container: &RemoteId, _name: &str, _content: &Content) -> Result<StagedAsset> {
            panic!("staged")
        }

        async fn attach(&self, _container: &RemoteId, _items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
            panic!("attached")
        }

        async fn revise(&self, _: &Located, _: Option<&RevisionId>, _: &Content) -> Result<Revised> {
            panic!("revised")
        }

        async fn make_dir(&self, _parent: &RemoteId, _name: &str) -> Result<Entry> {
            panic!("made")
        }

        async fn relocate(&self, _entry: &Located, _to_parent: &RemoteId, _to_name: &str) -> Result<()> {
            panic!("relocated")
        }

        async fn delete(&self, _entry: &Located) -> Result<()> {
            panic!("deleted")
        }
    }

    fn kind<T>(result: Result<T>) -> ErrorKind {
        result.err().expect("a refusal").kind()
    }

    #[tokio::test]
    async fn what_cannot_be_done_is_refused_before_anything_is_sent() {
        let check = Check::new(Arc::new(Silent));
        let dir = RemoteId::new("dir", 1);
        let file = Located { id: RemoteId::new("f", 1), parent: dir.clone(), name: "a".into(), kind: EntryKind::File };
        let content = |size| Content::new("/nowhere".into(), size);
        assert_eq!(kind(check.make_dir(&dir, "x").await), ErrorKind::Unsupported);
        assert_eq!(kind(check.delete(&file).await), ErrorKind::Unsupported);
        assert_eq!(kind(check.revise(&file, None, &content(1)).await), ErrorKind::Unsupported);
        assert_eq!(kind(check.relocate(&file, &RemoteId::new("dir", 2), "a").await), ErrorKind::Unsupported);
        assert_eq!(kind(check.relocate(&file, &dir, "a?").await), ErrorKind::BadName);
        assert_eq!(kind(check.stage(&dir, "a?", &content(1)).await), ErrorKind::BadName);
        assert_eq!(kind(check.stage(&dir, &"n".repeat(21), &content(1)).await), ErrorKind::NameTooLong);
        assert_eq!(kind(check.stage(&dir, "a", &content(11)).await), ErrorKind::TooLarge);
        assert_eq!(kind(check.versions(&file.id).await), ErrorKind::Unsupported);
        assert_eq!(kind(check.changes(None).await), ErrorKind::Unsupported);
    }

    #[tokio::test]
    async fn a_batch_that_is_too_large_is_a_fault_of_ours_and_an_empty_one_is_done() {
        let check = Check::new(Arc::new(Silent));
        let dir = RemoteId::new("dir", 1);
        assert!(check.attach(&dir, &[]).await.unwrap().is_empty());
        let content = Content::new("/nowhere".into(), 1);
        let item =
            AttachItem { name: "a".into(), staged: StagedAsset::none(), content, description: None, hidden_like: None };
        assert_eq!(kind(check.attach(&dir, &vec![item; 3]).await), ErrorKind::Bug);
    }
}
