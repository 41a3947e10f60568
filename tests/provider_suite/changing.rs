//! Directories, renames, moves, removals, descriptions.

use collabfs::error::ErrorKind;
use collabfs::provider::confirm::list_all;
use collabfs::provider::{EntryKind, Operation};

use crate::bench::{Bench, Registered};

pub async fn directories_are_made_and_nested(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::MakeDir) {
        return;
    }
    let outer = bench.provider.make_dir(&bench.work, "Outer dir").await.unwrap();
    assert_eq!((outer.name.as_str(), outer.kind), ("Outer dir", EntryKind::Directory));
    assert_eq!(bench.entry("Outer dir").await.id, outer.id);
    if !outer.offers.has(Operation::MakeDir) {
        return;
    }
    let inner = bench.provider.make_dir(&outer.id, "Größe").await.unwrap();
    let listed = list_all(&*bench.provider, &outer.id).await.unwrap();
    assert_eq!((listed.len(), &listed[0].id), (1, &inner.id));
}

pub async fn a_file_is_renamed_and_stays_the_same_file(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Rename) {
        return;
    }
    let entry = bench.web_file("a.txt", "hello").await;
    bench.provider.relocate(&bench.located(&entry), &bench.work, "Bé & c.txt").await.unwrap();
    let renamed = bench.entry("Bé & c.txt").await;
    assert_eq!((renamed.id, renamed.revision), (entry.id, entry.revision));
    assert_eq!(bench.list().await.len(), 1);
}

pub async fn a_directory_is_renamed_with_what_it_holds(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Rename) || bench.web.create_folder(&bench.path("dir")).is_err() {
        return;
    }
    bench.web.create_file(&bench.path("dir/a.txt"), "x").unwrap();
    let dir = bench.entry("dir").await;
    if !dir.offers.has(Operation::Rename) {
        return;
    }
    bench.provider.relocate(&bench.located(&dir), &bench.work, "other").await.unwrap();
    assert_eq!(bench.entry("other").await.id, dir.id);
    assert_eq!(bench.count("other/a.txt"), 1);
}

pub async fn a_file_is_moved_and_stays_the_same_file(registered: &Registered) {
    moved(registered, "a.txt").await;
}

pub async fn a_file_is_moved_and_renamed_at_once(registered: &Registered) {
    moved(registered, "b.txt").await;
}

async fn moved(registered: &Registered, to_name: &str) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Move) || bench.web.create_folder(&bench.path("dir")).is_err() {
        return;
    }
    let entry = bench.web_file("a.txt", "hello").await;
    let dir = bench.entry("dir").await;
    bench.provider.relocate(&bench.located(&entry), &dir.id, to_name).await.unwrap();
    let there = list_all(&*bench.provider, &dir.id).await.unwrap();
    let told: Vec<_> = there.iter().map(|e| (e.name.as_str(), &e.id)).collect();
    assert_eq!(told, [(to_name, &entry.id)]);
    assert_eq!(bench.list().await.len(), 1, "only the directory is left here");
}

pub async fn a_removed_file_goes_to_the_trash(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Delete) {
        return;
    }
    let entry = bench.web_file("a.txt", "hello").await;
    bench.provider.delete(&bench.located(&entry)).await.unwrap();
    assert!(bench.list().await.is_empty());
}

pub async fn an_empty_directory_is_removed(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Delete) || bench.web.create_folder(&bench.path("dir")).is_err() {
        return;
    }
    let dir = bench.entry("dir").await;
    if dir.offers.has(Operation::Delete) {
        bench.provider.delete(&bench.located(&dir)).await.unwrap();
        assert!(bench.list().await.is_empty());
    }
}

pub async fn removing_what_is_gone_is_not_found(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Delete) {
        return;
    }
    let entry = bench.web_file("a.txt", "hello").await;
    bench.web.delete(&bench.path("a.txt")).unwrap();
    let error = bench.provider.delete(&bench.located(&entry)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    assert!(bench.can(Operation::Delete), "a missing file is no missing call");
}

pub async fn a_description_is_set(registered: &Registered) {
    let bench = Bench::new(registered).await;
    if !bench.can(Operation::Describe) {
        return;
    }
    // Some services describe files, some directories.
    let mut entry = bench.web_file("a.txt", "hello").await;
    if !entry.offers.has(Operation::Describe) {
        bench.web.create_folder(&bench.path("dir")).unwrap();
        entry = bench.entry("dir").await;
    }
    bench.provider.describe(&bench.located(&entry), "What it is about: \"tea\"").await.unwrap();
    let described = bench.entry(&entry.name).await.description;
    assert_eq!(described.as_deref(), Some("What it is about: \"tea\""));
}
