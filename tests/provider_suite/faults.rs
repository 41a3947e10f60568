//! Faults of network and service: nothing lost, nothing twice, nothing without an end.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use collabfs::error::{Error, ErrorKind, Result};
use collabfs::provider::confirm::{find_out, list_all};
use collabfs::provider::{Attempt, ByteRange, Confirmation, Operation};

use crate::bench::{Bench, Registered, pattern, read, read_whole, target};

/// One kind of change, ready to be sent more than once.
struct Change<'a> {
    bench: &'a Bench,
    attempt: Attempt,
    operation: Operation,
}

/// One of each kind of change that the service offers, each on a bench of its own with the calls still to come.
const OPERATIONS: [Operation; 5] =
    [Operation::CreateFile, Operation::Revise, Operation::MakeDir, Operation::Rename, Operation::Delete];

impl<'a> Change<'a> {
    async fn new(bench: &'a Bench, operation: Operation) -> Change<'a> {
        let entry = bench.web_file("a.txt", "old").await;
        let before: HashSet<_> = bench.list().await.into_iter().map(|entry| entry.id).collect();
        let content = bench.content(b"new content");
        let (container, file) = (bench.work.clone(), bench.located(&entry));
        let attempt = match operation {
            Operation::CreateFile => Attempt::Attach { container, name: "new.txt".into(), content, before },
            Operation::Revise => Attempt::Revise { file, base: entry.revision.clone(), content },
            Operation::MakeDir => Attempt::MakeDir { parent: container, name: "dir".into(), before },
            Operation::Rename => Attempt::Relocate { entry: file, to_parent: container, to_name: "b.txt".into() },
            _ => Attempt::Delete { entry: file },
        };
        Change { bench, attempt, operation }
    }

    /// Lets the call that makes the change go wrong. `fault` is a rule without its calls.
    fn fault(&self, fault: &str) {
        let calls: &[&str] = match self.operation {
            Operation::CreateFile => &["attach"],
            Operation::Revise if self.bench.capabilities().revises_in_place => &["revise"],
            // Other content is another file there.
            Operation::Revise => &["attach"],
            Operation::MakeDir => &["create-folder"],
            // Some services have one call for names and contents.
            Operation::Rename => &["change", "revise"],
            _ => &["delete"],
        };
        calls.iter().for_each(|call| self.bench.fault(&format!("{call}:{fault}")));
    }

    async fn send(&self) -> Result<()> {
        let provider = &self.bench.provider;
        match &self.attempt {
            Attempt::Attach { name, .. } => {
                let item = self.bench.stage(name, b"new content").await?;
                provider.attach(&self.bench.work, &[item]).await?.remove(0).map(|_| ())
            }
            Attempt::Revise { file, base, content } => provider.revise(file, base.as_ref(), content).await.map(|_| ()),
            Attempt::MakeDir { parent, name, .. } => provider.make_dir(parent, name).await.map(|_| ()),
            Attempt::Relocate { entry, to_parent, to_name } => provider.relocate(entry, to_parent, to_name).await,
            Attempt::Delete { entry } => provider.delete(entry).await,
        }
    }

    async fn find_out(&self) -> Confirmation {
        find_out(&*self.bench.provider, &self.attempt).await.unwrap()
    }

    /// That the change happened once, and nothing else.
    fn assert_once(&self) {
        let count = |name| self.bench.count(name);
        let once = match self.operation {
            Operation::CreateFile => count("new.txt") == 1 && count("a.txt") == 1,
            Operation::Revise => count("a.txt") == 1 && self.bench.revisions("a.txt") <= 2,
            Operation::MakeDir => count("dir") == 1,
            Operation::Rename => count("b.txt") == 1 && count("a.txt") == 0,
            _ => count("a.txt") == 0,
        };
        assert!(once, "{:?} did not happen exactly once", self.operation);
    }

    fn assert_not_done(&self) {
        let count = |name| self.bench.count(name);
        let untouched = count("a.txt") == 1 && count("b.txt") == 0 && count("new.txt") == 0 && count("dir") == 0;
        assert!(untouched && self.bench.revisions("a.txt") == 1, "{:?} left something", self.operation);
    }
}

pub async fn a_busy_service_is_waited_for(registered: &Registered) {
    let bench = Bench::new(registered).await;
    bench.fault("list:429+retry-after=1:next=2");
    let start = Instant::now();
    assert!(bench.list().await.is_empty());
    assert!(start.elapsed() >= Duration::from_secs(1), "as long as it asks");
    let asked = bench.server.requests().count("list");
    assert!(asked <= 8, "and nobody asks meanwhile: {asked}");
}

pub async fn reading_calls_survive_a_passing_failure(registered: &Registered) {
    for fault in ["500", "503", "reset", "truncate", "lost", "429+retry-after=0"] {
        let bench = Bench::new(registered).await;
        let entry = bench.web_file("a.txt", "hello").await;
        bench.fault(&format!("list:{fault}:next=1"));
        bench.fault(&format!("stat:{fault}:next=1"));
        assert_eq!(bench.list().await.len(), 1, "{fault}");
        bench.provider.stat(&entry.id).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        if fault != "truncate" {
            bench.fault(&format!("download:{fault}:next=1"));
            assert_eq!(read_whole(&*bench.provider, &entry).await, b"hello", "{fault}");
        }
    }
}

pub async fn a_download_that_breaks_off_never_looks_complete(registered: &Registered) {
    for fault in ["truncate", "wrong-length"] {
        let bench = Bench::new(registered).await;
        let entry = bench.web_file("a.bin", pattern(200_000)).await;
        bench.fault(&format!("download:{fault}:always"));
        let whole = read(&*bench.provider, &target(&entry), ByteRange::WHOLE).await;
        assert!(whole.is_err(), "{fault}");
    }
}

pub async fn a_change_refused_for_a_moment_happens_once(registered: &Registered) {
    for operation in OPERATIONS {
        let bench = Bench::new(registered).await;
        if bench.can(operation) {
            let change = Change::new(&bench, operation).await;
            change.fault("429+retry-after=0:nth=1");
            change.fault("503+retry-after=0:nth=2");
            change.send().await.unwrap();
            change.assert_once();
        }
    }
}

pub async fn a_lost_answer_to_a_change_is_found_out(registered: &Registered) {
    untold_changes_are_found_out(registered, "lost").await;
}

pub async fn an_unreadable_answer_to_a_change_is_found_out(registered: &Registered) {
    untold_changes_are_found_out(registered, "bad-json").await;
}

async fn untold_changes_are_found_out(registered: &Registered, fault: &str) {
    for operation in OPERATIONS {
        let bench = Bench::new(registered).await;
        if !bench.can(operation) {
            continue;
        }
        let change = Change::new(&bench, operation).await;
        // Renames and removals may be repeated by themselves: then the second try meets what the first one did.
        change.fault(&format!("{fault}:always"));
        match change.send().await {
            Ok(()) => {}
            Err(error) if operation == Operation::Delete && error.kind() == ErrorKind::NotFound => {}
            Err(error) => {
                assert!(error.is_unclear(), "{operation:?}: {error}");
                bench.server.faults().clear();
                assert!(!matches!(change.find_out().await, Confirmation::NotDone), "{operation:?}");
            }
        }
        change.assert_once();
    }
}

pub async fn a_change_that_never_arrived_is_found_out(registered: &Registered) {
    for operation in OPERATIONS {
        let bench = Bench::new(registered).await;
        if !bench.can(operation) {
            continue;
        }
        let change = Change::new(&bench, operation).await;
        change.fault("reset:always");
        let error: Error = change.send().await.unwrap_err();
        assert!(error.is_temporary(), "{operation:?}: {error}");
        bench.server.faults().clear();
        assert!(matches!(change.find_out().await, Confirmation::NotDone), "{operation:?}");
        change.assert_not_done();
        change.send().await.unwrap();
        change.assert_once();
    }
}

pub async fn a_revision_overtaken_by_somebody_else_is_found_in_the_history(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Revise) || !bench.capabilities().versions || !bench.capabilities().revises_in_place {
        return;
    }
    let change = Change::new(&bench, Operation::Revise).await;
    bench.fault("revise:lost:always");
    assert!(change.send().await.unwrap_err().is_unclear());
    bench.server.faults().clear();
    let ours = bench.entry("a.txt").await.revision;
    bench.web.revise(&bench.path("a.txt"), "theirs, later").unwrap();
    let Confirmation::Revised(revised) = change.find_out().await else { panic!("not found out") };
    assert_eq!(revised.revision, ours);
}

pub async fn a_broken_upload_leaves_nothing_behind(registered: &Registered) {
    for fault in ["reset", "500", "lost"] {
        let bench = Bench::new(registered).await;
        if !bench.capabilities().staged {
            return;
        }
        bench.fault(&format!("upload:{fault}:next=1"));
        bench.create("a.txt", &pattern(300_000)).await.unwrap_or_else(|error| panic!("{fault}: {error}"));
        assert_eq!(bench.count("a.txt"), 1, "{fault}");
    }
}

pub async fn a_service_that_hangs_is_given_up(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    let impatient = bench.impatient(Duration::from_secs(2));
    impatient.sign_in().await.unwrap();
    bench.fault("*:hang:always");
    let start = Instant::now();
    let error = list_all(&*impatient, &bench.work).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::TimedOut);
    assert!(start.elapsed() < Duration::from_secs(4));
    read(&*impatient, &target(&entry), ByteRange::WHOLE).await.unwrap_err();
}

pub async fn revoked_tokens_are_renewed_once_for_everybody(registered: &Registered) {
    let bench = Bench::new(registered).await;
    bench.list().await;
    bench.server.requests().clear();
    bench.server.revoke_tokens();
    let listings = (0..20).map(|_| list_all(&*bench.provider, &bench.work));
    for listing in futures::future::join_all(listings).await {
        listing.unwrap();
    }
    assert!(bench.server.requests().count("token") <= 1);
}

pub async fn a_service_that_is_gone_is_offline(registered: &Registered) {
    let Bench { server, provider, work, dir, .. } = Bench::new(registered).await;
    let content = crate::bench::content_in(dir.path(), b"x");
    server.stop().await;
    let error = list_all(&*provider, &work).await.unwrap_err();
    assert!(error.is_offline() && error.is_temporary(), "{error}");
    let located = collabfs::provider::Located {
        id: work.clone(),
        parent: provider.root().id,
        name: "a.txt".into(),
        kind: collabfs::provider::EntryKind::File,
    };
    if provider.capabilities().operations.has(Operation::Revise) {
        let error = provider.revise(&located, None, &content).await.unwrap_err();
        assert!(!error.is_unclear(), "nobody was reached, so nothing was done: {error}");
    }
}
