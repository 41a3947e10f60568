//! Answers that no service should give.

use std::time::Duration;

use collabfs::provider::confirm::list_all;
use collabfs::provider::{ByteRange, Operation};

use crate::bench::{Bench, Registered, read, read_whole, target};

pub async fn nonsense_in_answers_is_an_error_and_no_crash(registered: &Registered) {
    for fault in ["html", "bad-json", "wrong-types", "cycle", "huge-names"] {
        let bench = Bench::new(registered).await;
        let entry = bench.web_file("a.txt", "hello").await;
        bench.fault(&format!("*:{fault}:always"));
        // A list with odd entries is still a list; what matters is that somebody answers, and soon.
        let listed = list_all(&*bench.provider, &bench.work).await;
        if let Ok(entries) = listed {
            assert!(entries.iter().all(|entry| entry.name.len() < 100_000), "{fault}");
        }
        let _ = bench.provider.stat(&entry.id).await;
        let _ = bench.provider.versions(&entry.id).await;
        let _ = bench.create("b.txt", b"x").await;
        let _ = bench.provider.make_dir(&bench.work, "dir").await;
        bench.server.faults().clear();
        bench.entry("a.txt").await;
    }
}

/// A portal or a sign-in page says 200 to everything, and did nothing.
pub async fn a_page_is_no_success_of_a_change(registered: &Registered) {
    for operation in [Operation::Rename, Operation::Revise, Operation::Delete] {
        let bench = Bench::new(registered).await;
        let entry = bench.web_file("a.txt", "hello").await;
        if !bench.can(operation) {
            continue;
        }
        bench.fault("*:html:always");
        let (file, content) = (bench.located(&entry), bench.content(b"other"));
        let outcome = match operation {
            Operation::Rename => bench.provider.relocate(&file, &bench.work, "b.txt").await,
            Operation::Revise => bench.provider.revise(&file, entry.revision.as_ref(), &content).await.map(drop),
            _ => bench.provider.delete(&file).await,
        };
        assert!(outcome.is_err(), "{operation:?}");
        bench.server.faults().clear();
        let there = bench.entry("a.txt").await;
        assert_eq!(
            (&there.id, read_whole(&*bench.provider, &there).await),
            (&entry.id, b"hello".to_vec()),
            "{operation:?}"
        );
    }
}

/// What is missing from a list counts as removed: half a list must never pass for a whole one.
pub async fn a_list_with_an_unreadable_page_is_no_shorter_list(registered: &Registered) {
    for page in 1..=4 {
        let bench = Bench::with(registered, |options| options.page_size = Some(7)).await;
        for n in 0..60 {
            bench.web.create_file(&bench.path(&format!("f{n:02}.txt")), "x").unwrap();
        }
        bench.fault(&format!("list:bad-json:nth={page}"));
        if let Ok(listed) = list_all(&*bench.provider, &bench.work).await {
            assert_eq!(listed.len(), 60, "page {page}");
        }
    }
}

pub async fn lists_without_end_end(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let impatient = bench.impatient(Duration::from_secs(5));
    bench.web_file("a.txt", "hello").await;
    bench.fault("list:endless:always");
    let listing = list_all(&*impatient, &bench.work);
    let error = tokio::time::timeout(Duration::from_secs(30), listing).await.expect("an end").unwrap_err();
    assert_eq!(error.kind(), collabfs::error::ErrorKind::Protocol);
}

pub async fn a_sign_in_page_is_no_content(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    bench.fault("download:html:always");
    if entry.size.is_some() {
        assert!(read(&*bench.provider, &target(&entry), ByteRange::WHOLE).await.is_err());
    }
}
