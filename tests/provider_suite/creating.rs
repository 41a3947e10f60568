//! Creating files: bytes first, then the attaching.

use collabfs::error::ErrorKind;
use collabfs::provider::{EntryKind, StagedAsset};

use crate::bench::{Bench, Registered, pattern, read_whole};

pub async fn a_created_file_has_its_bytes_and_its_name(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let created = bench.create("report.pdf", b"%PDF-1.4").await.unwrap();
    let entry = bench.entry("report.pdf").await;
    assert_eq!(entry.id, created.id);
    assert!(created.revision.is_none() || created.revision == entry.revision);
    assert_eq!(read_whole(&*bench.provider, &entry).await, b"%PDF-1.4");
    assert_eq!(bench.media_type("report.pdf"), "application/pdf");
}

pub async fn an_empty_file_is_created(registered: &Registered) {
    let bench = Bench::new(registered).await;
    bench.create("empty.txt", b"").await.unwrap();
    let entry = bench.entry("empty.txt").await;
    assert!(entry.size.is_none_or(|size| size == 0));
}

pub async fn a_large_file_is_created(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let bytes = pattern(9 << 20);
    let item = bench.stage("large.bin", &bytes).await.unwrap();
    bench.provider.attach(&bench.work, std::slice::from_ref(&item)).await.unwrap().remove(0).unwrap();
    assert_eq!(item.content.sent_bytes(), bytes.len() as u64, "progress was told");
    let entry = bench.entry("large.bin").await;
    assert!(read_whole(&*bench.provider, &entry).await == bytes);
}

pub async fn names_that_need_escaping_arrive_as_they_are(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let names =
        ["my plan.txt", "Größe.txt", "会社案内.txt", "Party 🎉.txt", "50% off; today=1, a+b.txt", "it's (1).txt"];
    for name in names {
        if bench.provider.check_name(name, EntryKind::File).is_ok() {
            bench.create(name, b"x").await.unwrap();
            bench.entry(name).await;
        }
    }
}

pub async fn a_batch_creates_each_file_once(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let count = bench.capabilities().attach_batch_max.min(25);
    let mut batch = Vec::new();
    for n in 0..count {
        batch.push(bench.stage(&format!("f{n}.txt"), format!("content {n}").as_bytes()).await.unwrap());
    }
    let outcomes = bench.provider.attach(&bench.work, &batch).await.unwrap();
    assert_eq!(outcomes.len(), count);
    for (item, outcome) in batch.iter().zip(outcomes) {
        assert_eq!(outcome.unwrap().id, bench.entry(&item.name).await.id, "outcomes are in the order of the items");
    }
    assert_eq!(bench.list().await.len(), count);
}

/// A program may rename a file between its upload and its attaching.
pub async fn an_asset_gets_the_name_it_is_attached_by_or_says_which(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.capabilities().staged {
        return;
    }
    let mut item = bench.stage("new.part.txt", b"x").await.unwrap();
    item.name = item.staged.name.clone().unwrap_or_else(|| "new.txt".into());
    bench.provider.attach(&bench.work, std::slice::from_ref(&item)).await.unwrap().remove(0).unwrap();
    let listed = bench.list().await;
    assert_eq!(listed.iter().map(|entry| &entry.name).collect::<Vec<_>>(), [&item.name]);
}

pub async fn one_bad_asset_does_not_spoil_the_batch(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.capabilities().staged || bench.capabilities().attach_batch_max < 3 {
        return;
    }
    let mut batch = Vec::new();
    for name in ["a.txt", "b.txt", "c.txt"] {
        batch.push(bench.stage(name, b"x").await.unwrap());
    }
    batch[1].staged =
        StagedAsset { token: Some("00000000-0000-4000-8000-000000000000".into()), expires: None, name: None };
    let outcomes = bench.provider.attach(&bench.work, &batch).await.unwrap();
    assert!(outcomes[0].is_ok() && outcomes[2].is_ok());
    let error = outcomes[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Stale, "the bytes must be staged again: {error}");
    assert_eq!(bench.list().await.len(), 2);
}

pub async fn nothing_is_created_in_a_directory_that_is_gone(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let item = bench.stage("a.txt", b"x").await;
    bench.web.delete(&bench.work_path).unwrap();
    let error = match item {
        Ok(item) => match bench.provider.attach(&bench.work, &[item]).await {
            Ok(mut outcomes) => outcomes.remove(0).unwrap_err(),
            Err(error) => error,
        },
        Err(error) => error,
    };
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(!error.is_unclear());
}

pub async fn a_name_the_service_refuses_is_not_even_sent(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let content = bench.content(b"x");
    for (name, kind) in
        [("a/b", ErrorKind::BadName), ("", ErrorKind::BadName), (&"n".repeat(5000), ErrorKind::NameTooLong)]
    {
        let error = bench.provider.stage(&bench.work, name, &content).await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
    assert_eq!(bench.requests_counted().unwrap_or(0), 0);
}
