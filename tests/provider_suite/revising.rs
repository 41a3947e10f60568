//! New content for existing files.

use collabfs::error::ErrorKind;
use collabfs::provider::Operation;

use crate::bench::{Bench, Registered, read_whole};

pub async fn a_revision_keeps_the_file_and_adds_one_version(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Revise) {
        return;
    }
    let before = bench.web_file("a.txt", "old").await;
    let content = bench.content(b"new content");
    let revised = bench.provider.revise(&bench.located(&before), before.revision.as_ref(), &content).await.unwrap();
    let after = bench.entry("a.txt").await;
    assert_eq!(revised.id, after.id);
    assert_eq!(read_whole(&*bench.provider, &after).await, b"new content");
    assert_eq!(bench.count("a.txt"), 1);
    if bench.capabilities().revises_in_place {
        assert_eq!(after.id, before.id);
        assert_eq!(bench.revisions("a.txt"), 2);
    }
}

pub async fn the_revision_told_is_the_revision_listed(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Revise) {
        return;
    }
    let mut entry = bench.web_file("a.txt", "0").await;
    for text in ["1", "2"] {
        let content = bench.content(text.as_bytes());
        let base = entry.revision.clone();
        let revised = bench.provider.revise(&bench.located(&entry), base.as_ref(), &content).await.unwrap();
        entry = bench.entry("a.txt").await;
        assert!(revised.revision.is_none() || revised.revision == entry.revision);
        assert!(base.is_none() || base != entry.revision);
    }
}

pub async fn a_file_that_is_gone_is_not_revised(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Revise) {
        return;
    }
    let entry = bench.web_file("a.txt", "old").await;
    bench.web.delete(&bench.path("a.txt")).unwrap();
    let content = bench.content(b"new");
    let revised = bench.provider.revise(&bench.located(&entry), entry.revision.as_ref(), &content).await;
    match revised {
        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound),
        // Where other content is another file, the file comes back by it.
        Ok(revised) => {
            assert!(!bench.capabilities().revises_in_place);
            assert_eq!(bench.count("a.txt"), 1, "{revised:?}");
        }
    }
}

pub async fn a_locked_file_is_not_revised(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Revise) {
        return;
    }
    let entry = bench.web_file("a.txt", "old").await;
    if bench.web.lock(&bench.path("a.txt")).is_err() {
        return;
    }
    let content = bench.content(b"new");
    let revised = bench.provider.revise(&bench.located(&entry), entry.revision.as_ref(), &content).await;
    assert_eq!(revised.unwrap_err().kind(), ErrorKind::Locked);
    assert_eq!(bench.revisions("a.txt"), 1);
}
