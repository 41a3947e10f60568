//! Reading content.

use collabfs::error::ErrorKind;
use collabfs::provider::{ByteRange, ReadTarget};

use crate::bench::{Bench, Registered, pattern, read, read_whole, target};

pub async fn a_file_is_read_whole(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let bytes = pattern(300_000);
    let entry = bench.web_file("a.bin", bytes.clone()).await;
    assert!(read_whole(&*bench.provider, &entry).await == bytes);
}

pub async fn an_empty_file_is_read(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("empty", "").await;
    assert!(read_whole(&*bench.provider, &entry).await.is_empty());
}

pub async fn a_part_of_a_file_is_read(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let bytes = pattern(100_000);
    let entry = bench.web_file("a.bin", bytes.clone()).await;
    for (start, end) in [(0, Some(1)), (1, Some(70_000)), (99_999, Some(100_000)), (99_000, None), (5, Some(200_000))] {
        let (from, got) = read(&*bench.provider, &target(&entry), ByteRange { start, end }).await.unwrap();
        let wanted_end = end.unwrap_or(100_000).min(100_000) as usize;
        let got_end = from as usize + got.len();
        assert!(from <= start && got_end >= wanted_end, "{start}..{end:?}: got {from}..{got_end}");
        assert!(got == bytes[from as usize..got_end], "{start}..{end:?}");
        if bench.capabilities().ranges {
            assert_eq!((from, got_end), (start, wanted_end));
        }
    }
}

pub async fn a_service_without_ranges_sends_the_whole(registered: &Registered) {
    let bench = Bench::with(registered, |options| options.behaviour.ranges = false).await;
    let bytes = pattern(10_000);
    let entry = bench.web_file("a.bin", bytes.clone()).await;
    let part = ByteRange { start: 5_000, end: Some(6_000) };
    let (from, got) = read(&*bench.provider, &target(&entry), part).await.unwrap();
    assert!((from, got) == (0, bytes));
    assert!(!bench.capabilities().ranges, "noticed");
}

pub async fn a_redirected_download_arrives(registered: &Registered) {
    let bench = Bench::with(registered, |options| options.behaviour.redirect_downloads = true).await;
    let bytes = pattern(10_000);
    let entry = bench.web_file("a.bin", bytes.clone()).await;
    assert!(read_whole(&*bench.provider, &entry).await == bytes);
    let (from, got) = read(&*bench.provider, &target(&entry), ByteRange { start: 9_000, end: None }).await.unwrap();
    assert!(got == bytes[from as usize..]);
}

pub async fn old_versions_are_listed_and_read(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let versions = bench.capabilities().versions;
    assert_eq!(bench.server.lists_revisions(), versions, "what the demo says of the service");
    if !versions {
        return;
    }
    bench.web_file("a.txt", "one").await;
    for text in ["second", "the third"] {
        bench.web.revise(&bench.path("a.txt"), text).unwrap();
    }
    let entry = bench.entry("a.txt").await;
    let versions = bench.provider.versions(&entry.id).await.unwrap();
    assert_eq!(versions.len(), 3);
    assert_eq!(versions.last().map(|version| &version.revision), entry.revision.as_ref());
    for (version, text) in versions.iter().zip(["one", "second", "the third"]) {
        let old = ReadTarget {
            revision: Some(version.revision.clone()),
            old: Some(&version.revision) != entry.revision.as_ref(),
            size: version.size,
            id: entry.id.clone(),
        };
        let (_, bytes) = read(&*bench.provider, &old, ByteRange::WHOLE).await.unwrap();
        assert_eq!(bytes, text.as_bytes());
    }
}

pub async fn what_is_gone_cannot_be_read(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    bench.web.delete(&bench.path("a.txt")).unwrap();
    let error = read(&*bench.provider, &target(&entry), ByteRange::WHOLE).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

pub async fn content_that_changed_is_never_passed_off_as_the_old_one(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    bench.web.revise(&bench.path("a.txt"), "something longer").unwrap();
    match read(&*bench.provider, &target(&entry), ByteRange::WHOLE).await {
        Ok((_, bytes)) => assert_eq!(bytes, b"hello", "the old revision may still be read, as such"),
        // Where new content is a new thing, the old one is gone.
        Err(error) => assert!(matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound), "{error}"),
    }
}
