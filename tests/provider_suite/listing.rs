//! Listing and looking.

use std::collections::HashSet;

use collabfs::error::ErrorKind;
use collabfs::provider::EntryKind;
use collabfs::provider::confirm::list_all;

use crate::bench::{Bench, Registered};

pub async fn the_root_shows_the_projects(registered: &Registered) {
    let bench = Bench::new(registered).await;
    bench.web.create_project("Second").unwrap();
    let root = list_all(&*bench.provider, &bench.provider.root().id).await.unwrap();
    let mut names: Vec<_> = root.iter().map(|entry| entry.name.as_str()).collect();
    names.sort();
    assert_eq!(names, ["Second", "Work"]);
    assert!(root.iter().all(|entry| entry.kind == EntryKind::Directory));
}

pub async fn a_directory_lists_files_with_sizes_and_revisions(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    assert_eq!(entry.kind, EntryKind::File);
    assert!(entry.size.is_none_or(|size| size == 5));
    bench.web.revise(&bench.path("a.txt"), "hello again").unwrap();
    let later = bench.entry("a.txt").await;
    assert!(later.size.is_none_or(|size| size == 11));
    assert!(entry.revision.is_none() || entry.revision != later.revision, "new content has a new revision");
}

pub async fn an_empty_directory_lists_nothing(registered: &Registered) {
    let bench = Bench::new(registered).await;
    assert!(bench.list().await.is_empty());
}

pub async fn a_listing_of_many_pages_is_whole_and_without_doubles(registered: &Registered) {
    let bench = Bench::with(registered, |options| options.page_size = Some(7)).await;
    for n in 0..60 {
        bench.web.create_file(&bench.path(&format!("f{n:02}.txt")), "x").unwrap();
    }
    let listed = bench.list().await;
    let ids: HashSet<_> = listed.iter().map(|entry| &entry.id).collect();
    let names: HashSet<_> = listed.iter().map(|entry| &entry.name).collect();
    assert_eq!((listed.len(), ids.len(), names.len()), (60, 60, 60));
}

pub async fn a_listing_costs_no_request_per_file(registered: &Registered) {
    let bench = Bench::new(registered).await;
    for n in 0..100 {
        bench.web.create_file(&bench.path(&format!("f{n}")), "x").unwrap();
    }
    bench.server.requests().clear();
    assert_eq!(bench.list().await.len(), 100);
    let requests = bench.server.requests().total();
    assert!(requests <= 10, "{requests} requests for 100 files");
}

pub async fn names_of_any_script_survive(registered: &Registered) {
    let bench = Bench::new(registered).await;
    for name in ["Größe & Gewicht (neu).txt", "会社案内.txt", "О нас.txt", "Party 🎉.txt", "a'b\"c.txt", ".hidden"]
    {
        bench.web_file(name, "x").await;
    }
}

pub async fn equal_names_stay_apart(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.capabilities().duplicate_names {
        return;
    }
    bench.web.create_file(&bench.path("same.txt"), "one").unwrap();
    bench.web.create_file(&bench.path("same.txt"), "another").unwrap();
    let listed = bench.list().await;
    assert_eq!(listed.len(), 2);
    assert_ne!(listed[0].id, listed[1].id);
}

pub async fn one_thing_has_one_id_wherever_it_is_seen(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let listed = bench.web_file("a.txt", "hello").await;
    let seen = bench.provider.stat(&listed.id).await.unwrap();
    assert_eq!((&seen.id, &seen.name, seen.size), (&listed.id, &listed.name, listed.size));
    assert_eq!((seen.revision, seen.modified), (listed.revision, listed.modified));
    let created = bench.create("b.txt", b"x").await.unwrap();
    assert_eq!(created.id, bench.entry("b.txt").await.id);
    assert_eq!(bench.provider.stat(&bench.work).await.unwrap().id, bench.work);
}

pub async fn what_is_gone_is_not_found(registered: &Registered) {
    let bench = Bench::new(registered).await;
    let entry = bench.web_file("a.txt", "hello").await;
    bench.web.delete(&bench.path("a.txt")).unwrap();
    assert_eq!(bench.provider.stat(&entry.id).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(bench.list().await.is_empty());
    bench.web.delete(&bench.work_path).unwrap();
    let gone = list_all(&*bench.provider, &bench.work).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

pub async fn many_directories_are_listed_at_once(registered: &Registered) {
    let bench = Bench::new(registered).await;
    bench.web_file("a.txt", "hello").await;
    let listings = (0..40).map(|_| list_all(&*bench.provider, &bench.work));
    for listing in futures::future::join_all(listings).await {
        assert_eq!(listing.unwrap().len(), 1);
    }
}
