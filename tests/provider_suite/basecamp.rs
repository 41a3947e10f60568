//! Basecamp 2 in the common suite, and what is peculiar to it.

use std::collections::HashSet;
use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::confirm::{find_out, list_all};
use collabfs::provider::{Attempt, ByteRange, Confirmation, EntryKind, ListPart, ListRequest, Located, Operation};
use futures::StreamExt;

use crate::bench::{Bench, Registered, open, read, read_whole, target};

/// A project takes files itself.
const BASECAMP: Registered = Registered::demo("basecamp", &[], "");

crate::behaves_like_a_provider!(BASECAMP);

#[tokio::test]
async fn projects_are_made_and_renamed_and_hold_no_directories() {
    let bench = Bench::new(&BASECAMP).await;
    let root = bench.provider.root();
    assert!(root.offers.has(Operation::MakeDir) && !root.offers.has(Operation::CreateFile));
    let made = bench.provider.make_dir(&root.id, "Plans / 2024").await.unwrap();
    let project = Located { id: made.id, parent: root.id.clone(), name: made.name, kind: EntryKind::Directory };
    bench.provider.relocate(&project, &root.id, "Plans").await.unwrap();
    let names: HashSet<_> =
        list_all(&*bench.provider, &root.id).await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["Work", "Plans"].map(str::to_owned).into());
    for error in [
        bench.provider.make_dir(&bench.work, "dir").await.unwrap_err(),
        bench.provider.delete(&project).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
}

#[tokio::test]
async fn a_project_whose_making_got_no_answer_is_found() {
    let bench = Bench::new(&BASECAMP).await;
    let root = bench.provider.root().id;
    bench.fault("create-folder:lost:nth=1");
    let error = bench.provider.make_dir(&root, "New").await.unwrap_err();
    assert!(error.is_unclear(), "{error}");
    let attempt = Attempt::MakeDir { parent: root, name: "New".into(), before: HashSet::new() };
    assert!(matches!(find_out(&*bench.provider, &attempt).await.unwrap(), Confirmation::MadeDir(_)));
    assert_eq!(bench.snapshot().all("New").len(), 1);
}

/// The mapping table of the service's reference, by the calls that the demo service counts.
#[tokio::test]
async fn every_operation_costs_what_it_must_and_no_more() {
    let bench = Bench::new(&BASECAMP).await;
    let requests = || {
        let total = bench.server.requests().total();
        bench.server.requests().clear();
        total
    };
    bench.create("a.txt", b"hello").await.unwrap();
    assert_eq!(requests(), 2, "create");
    let entry = bench.entry("a.txt").await;
    assert_eq!(requests(), 2, "list a project with one page");
    assert_eq!(read_whole(&*bench.provider, &entry).await, b"hello");
    assert_eq!(requests(), 2, "read");
    read(&*bench.provider, &target(&entry), ByteRange { start: 1, end: Some(3) }).await.unwrap();
    assert_eq!(requests(), 1, "a further range");
    bench.provider.relocate(&bench.located(&entry), &bench.work, "b.txt").await.unwrap();
    assert_eq!(requests(), 1, "rename");
    let renamed = bench.entry("b.txt").await;
    requests();
    let content = bench.content(b"other");
    let revised = bench.provider.revise(&bench.located(&renamed), renamed.revision.as_ref(), &content).await.unwrap();
    assert_eq!(requests(), 3, "overwrite");
    bench.provider.delete(&Located { id: revised.id, ..bench.located(&renamed) }).await.unwrap();
    assert_eq!(requests(), 1, "unlink");
    assert_eq!(bench.snapshot().trash.len(), 2, "nothing is gone for good");
}

#[tokio::test]
async fn an_unchanged_listing_costs_one_small_request() {
    let bench = Bench::new(&BASECAMP).await;
    bench.web_file("a.txt", "hello").await;
    // What changed just now might change once more within the same second.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let first: Vec<_> = bench.provider.list(&bench.work, ListRequest::default()).collect().await;
    let Some(Ok(ListPart::Entries { validator: Some(known), .. })) = first.into_iter().next() else {
        panic!("a settled listing has a validator")
    };
    bench.server.requests().clear();
    let again = ListRequest { known: Some(known), max_age: Duration::ZERO };
    let parts: Vec<_> = bench.provider.list(&bench.work, again.clone()).collect().await;
    assert!(matches!(parts[..], [Ok(ListPart::Unchanged)]));
    assert_eq!(bench.server.requests().total(), 1);
    bench.web.rename(&bench.path("a.txt"), "b.txt").unwrap();
    let parts: Vec<_> = bench.provider.list(&bench.work, again).collect().await;
    assert!(matches!(&parts[..], [Ok(ListPart::Entries { entries, .. })] if entries[0].name == "b.txt"));
}

#[tokio::test]
async fn what_others_do_is_told_by_one_request_per_poll() {
    let bench = Bench::new(&BASECAMP).await;
    let mut cursor = bench.provider.changes(None).await.unwrap().cursor;
    let acts: [&dyn Fn(); 4] = [
        &|| bench.web.create_file(&bench.path("a.txt"), "one").unwrap(),
        &|| bench.web.revise(&bench.path("a.txt"), "two").unwrap(),
        &|| drop(bench.web.rename(&bench.path("a.txt"), "b.txt").unwrap()),
        &|| bench.web.delete(&bench.path("b.txt")).unwrap(),
    ];
    for act in acts {
        act();
        let news = bench.provider.changes(Some(&cursor)).await.unwrap();
        assert_eq!((news.dirty, news.everything), (vec![bench.work.clone()], false));
        bench.server.requests().clear();
        let quiet = bench.provider.changes(Some(&news.cursor)).await.unwrap();
        assert!(quiet.dirty.is_empty());
        assert_eq!(bench.server.requests().total(), 1);
        cursor = quiet.cursor;
    }
    bench.web.create_project("New").unwrap();
    let news = bench.provider.changes(Some(&cursor)).await.unwrap();
    assert!(news.dirty.contains(&bench.provider.root().id));
}

#[tokio::test]
async fn a_replacement_that_breaks_off_before_the_old_file_goes_is_finished() {
    let bench = Bench::new(&BASECAMP).await;
    let entry = bench.web_file("a.txt", "old").await;
    bench.fault("delete:reset:always");
    let (file, content) = (bench.located(&entry), bench.content(b"new"));
    let error = bench.provider.revise(&file, entry.revision.as_ref(), &content).await.unwrap_err();
    assert!(error.is_unclear(), "{error}");
    assert_eq!(bench.count("a.txt"), 2, "nothing is removed before its successor is there");
    bench.server.faults().clear();
    // Another process takes it up.
    let later = bench.impatient(Duration::from_secs(10));
    let attempt = Attempt::Revise { file, base: entry.revision.clone(), content };
    let Confirmation::Revised(revised) = find_out(&*later, &attempt).await.unwrap() else { panic!("it is there") };
    let now = bench.entry("a.txt").await;
    assert_eq!((bench.count("a.txt"), &now.id), (1, &revised.id));
    assert_eq!(read_whole(&*bench.provider, &now).await, b"new");
    assert!(matches!(find_out(&*later, &attempt).await.unwrap(), Confirmation::Revised(_)), "and that is all");
}

#[tokio::test]
async fn with_keep_the_old_content_stays_beside_the_new() {
    let bench = Bench::new(&BASECAMP).await;
    let entry = bench.web_file("a.txt", "old").await;
    let account = format!("{}overwrite = \"keep\"\n", bench.server.account_toml());
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    provider.revise(&bench.located(&entry), entry.revision.as_ref(), &bench.content(b"new")).await.unwrap();
    assert_eq!((bench.count("a.txt"), bench.snapshot().trash.len()), (2, 0));
}

#[tokio::test]
async fn what_hangs_on_messages_and_to_dos_can_be_read() {
    let bench = Bench::with(&BASECAMP, |options| options.seed_samples = true).await;
    let account = format!("{}attachments = true\n", bench.server.account_toml());
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    for path in [["Website relaunch", "@messages", "Agenda.txt"], ["Office move", "@to-dos", "Wish list.csv"]] {
        let mut at = provider.root();
        for name in path {
            let listed = list_all(&*provider, &at.id).await.unwrap();
            at = listed.into_iter().find(|entry| entry.name == name).unwrap_or_else(|| panic!("no {name}"));
        }
        assert!(!read_whole(&*provider, &at).await.is_empty());
        assert_eq!(provider.stat(&at.id).await.unwrap().revision, at.revision);
        assert!(!at.offers.has(Operation::Revise) && !at.offers.has(Operation::Delete));
    }
}
