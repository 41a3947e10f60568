//! Medable in the common suite, and what is peculiar to it.

use std::sync::Arc;
use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::confirm::{find_out, list_all};
use collabfs::provider::{Attempt, Confirmation, Provider};

use crate::bench::{Bench, Registered, open, read_whole};

/// A folder: that one is gone shows in the lists themselves.
const MEDABLE: Registered = Registered::demo("medable", &["Box"], "");

crate::behaves_like_a_provider!(MEDABLE);

/// The demo's account with other settings in place of those for a session.
fn another(bench: &Bench, way: &str) -> Arc<dyn Provider> {
    let session = ["auth", "username", "password", "verification_token"];
    let own = bench.server.account_toml();
    let kept: Vec<_> = own.lines().filter(|line| !session.iter().any(|key| line.starts_with(key))).collect();
    open(&bench.server, &format!("{}\n{way}\n", kept.join("\n")), bench.dir.path(), Duration::from_secs(10))
}

/// A secret of the demo's org.
fn key(bench: &Bench, name: &str) -> String {
    let text = std::fs::read(bench.server.data_dir().join("medable-keys.json")).unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&text).unwrap();
    keys[name].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_token_and_a_signature_sign_in_as_well_as_a_session() {
    let bench = Bench::new(&MEDABLE).await;
    bench.web_file("a.txt", "hello").await;
    for way in [
        format!("token = \"{}\"", key(&bench, "token")),
        format!("auth = \"signature\"\nsecret = \"{}\"", key(&bench, "secret")),
    ] {
        let provider = another(&bench, &way);
        provider.sign_in().await.unwrap();
        let listed = list_all(&*provider, &bench.work).await.unwrap();
        assert!(listed.iter().any(|entry| entry.name == "a.txt"), "{way}");
        provider.make_dir(&bench.work, "dir").await.unwrap();
    }
}

#[tokio::test]
async fn a_machine_is_known_after_its_first_code() {
    let bench = Bench::new(&MEDABLE).await;
    let session = format!("username = \"demo@example.org\"\npassword = \"{}\"", key(&bench, "password"));
    another(&bench, &session).sign_in().await.unwrap();
    std::fs::remove_file(bench.server.data_dir().join("medable-device.json")).unwrap();
    let error = another(&bench, &session).sign_in().await.unwrap_err();
    assert!(error.kind() == ErrorKind::SignedOut && error.to_string().contains("verification_token"), "{error}");
}

#[tokio::test]
async fn a_project_of_1000_files_costs_two_requests_whatever_its_folders() {
    let bench = Bench::new(&MEDABLE).await;
    for n in 0..1000 {
        bench.web.create_file(&format!("Work/f{n:03}"), "x").unwrap();
    }
    bench.provider.sign_in().await.unwrap();
    bench.server.requests().clear();
    let project = list_all(&*bench.provider, &bench.provider.root().id).await.unwrap().remove(0);
    let listed = list_all(&*bench.provider, &project.id).await.unwrap();
    assert_eq!((listed.len(), bench.server.requests().total()), (1001, 3));
}

#[tokio::test]
async fn creating_overwriting_renaming_and_removing_cost_what_the_pages_need() {
    let bench = Bench::new(&MEDABLE).await;
    let cost = |calls: &[(&str, u64)]| {
        let counts: Vec<_> = calls.iter().map(|(kind, _)| (*kind, bench.server.requests().count(kind))).collect();
        let total = bench.server.requests().total();
        assert_eq!((counts, total), (calls.to_vec(), calls.iter().map(|(_, n)| n).sum()));
        bench.server.requests().clear();
    };
    bench.create("a.txt", b"hello").await.unwrap();
    cost(&[("attach", 1), ("upload", 1), ("look", 1)]);
    let entry = bench.entry("a.txt").await;
    bench.server.requests().clear();
    assert_eq!(read_whole(&*bench.provider, &entry).await, b"hello");
    assert_eq!(read_whole(&*bench.provider, &entry).await, b"hello");
    cost(&[("locate", 1), ("download", 2)]);
    let file = bench.located(&entry);
    bench.provider.revise(&file, entry.revision.as_ref(), &bench.content(b"other")).await.unwrap();
    cost(&[("revise", 1), ("upload", 1), ("look", 1)]);
    bench.provider.relocate(&file, &bench.work, "b.txt").await.unwrap();
    cost(&[("change", 1)]);
    bench.provider.copy(&file, &bench.work, "c.txt").await.unwrap();
    cost(&[("attach", 1), ("look", 1)]);
    bench.provider.delete(&file).await.unwrap();
    cost(&[("delete", 1)]);
    assert_eq!(read_whole(&*bench.provider, &bench.entry("c.txt").await).await, b"other");
}

#[tokio::test]
async fn an_upload_that_never_reached_the_storage_is_finished_in_the_same_file() {
    let bench = Bench::new(&MEDABLE).await;
    for (name, fault) in [("a.txt", "upload:reset:next=5"), ("b.txt", "upload:500:next=5")] {
        bench.fault(fault);
        let error = bench.create(name, b"hello").await.unwrap_err();
        assert!(error.is_unclear() && bench.count(name) == 1, "{error}");
        bench.server.faults().clear();
        let content = bench.content(b"hello");
        let (container, before) = (bench.work.clone(), Default::default());
        let attempt = Attempt::Attach { container, name: name.into(), content, before };
        let found = find_out(&*bench.provider, &attempt).await.unwrap();
        assert!(matches!(found, Confirmation::Created(_)));
        assert_eq!((bench.count(name), bench.revisions(name)), (1, 1));
        assert_eq!(read_whole(&*bench.provider, &bench.entry(name).await).await, b"hello");
    }
}

#[tokio::test]
async fn a_folder_is_removed_only_when_it_is_proven_to_be_empty() {
    let bench = Bench::new(&MEDABLE).await;
    bench.web.create_folder(&bench.path("dir")).unwrap();
    let dir = bench.located(&bench.entry("dir").await);
    bench.web.create_file(&bench.path("dir/late.txt"), "x").unwrap();
    // What was listed before our own changes does not count.
    bench.create("a.txt", b"x").await.unwrap();
    assert_eq!(bench.provider.delete(&dir).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    bench.web.delete(&bench.path("dir/late.txt")).unwrap();
    bench.provider.delete(&dir).await.unwrap();
    assert_eq!(bench.count("dir"), 0);
}

#[tokio::test]
async fn folders_stay_in_their_project_and_files_need_not() {
    let bench = Bench::new(&MEDABLE).await;
    bench.web.create_project("Other").unwrap();
    let root = list_all(&*bench.provider, &bench.provider.root().id).await.unwrap();
    let other = root.into_iter().find(|entry| entry.name == "Other").unwrap();
    bench.web.create_folder(&bench.path("dir")).unwrap();
    let dir = bench.located(&bench.entry("dir").await);
    let error = bench.provider.relocate(&dir, &other.id, "dir").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossDevice);
    let file = bench.located(&bench.web_file("a.txt", "hello").await);
    bench.provider.relocate(&file, &other.id, "a.txt").await.unwrap();
    assert!(bench.snapshot().get("Other/a.txt").is_some());
}
