//! iMeet Central in the common suite, and what is peculiar to it.

use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::Operation;
use collabfs::provider::confirm::list_all;

use crate::bench::{Bench, Registered, open};

/// Files hang on folders, never on a project itself.
const IMEET_CENTRAL: Registered = Registered::demo("imeet-central", &["Box"], "attachments = true\n");

crate::behaves_like_a_provider!(IMEET_CENTRAL);

#[tokio::test]
async fn a_project_takes_folders_but_no_files() {
    let bench = Bench::new(&IMEET_CENTRAL).await;
    let root = list_all(&*bench.provider, &bench.provider.root().id).await.unwrap();
    assert!(root[0].offers.has(Operation::MakeDir) && !root[0].offers.has(Operation::CreateFile));
    assert!(!root[0].offers.has(Operation::Rename) && !root[0].offers.has(Operation::Delete));
    assert!(!bench.provider.root().offers.has(Operation::MakeDir));
    let item = bench.stage("a.txt", b"x").await.unwrap();
    let error = bench.provider.attach(&root[0].id, &[item]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_service_without_the_assumed_changes_is_noticed_at_the_first_try() {
    let bench = Bench::with(&IMEET_CENTRAL, |options| options.behaviour.assumed_writes = false).await;
    let account = bench.server.account_toml().replace("assumed_writes = false", "assumed_writes = true");
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    assert!(provider.capabilities().unproven.has(Operation::MakeDir));
    for _ in 0..3 {
        let error = provider.make_dir(&bench.work, "dir").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert_eq!(bench.server.requests().count("create-folder"), 1);
    bench.create("a.txt", b"x").await.unwrap();
}

#[tokio::test]
async fn a_service_with_documented_calls_only_takes_uploads() {
    let settings = "[accounts.acme.drop_folders]\n";
    let bench = Bench::new(&IMEET_CENTRAL).await;
    let account = format!("{}{settings}\"none\" = {{}}\n", bench.server.account_toml());
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    bench.fault("GET /v1/folders/:404:always");
    bench.fault("GET /v1/files/:405:always");
    list_all(&*provider, &provider.root().id).await.unwrap();
    let item = bench.stage("a.txt", b"x").await.unwrap();
    let created = provider.attach(&bench.work, &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!(bench.count("a.txt"), 1);
    assert_eq!(created.renamed, None);
}

#[tokio::test]
async fn files_of_tasks_are_listed_and_added_like_others() {
    let bench = Bench::with(&IMEET_CENTRAL, |options| options.seed_samples = true).await;
    let mut at = bench.provider.root().id;
    for name in ["Office move", "@tasks", "Order the furniture"] {
        let listed = list_all(&*bench.provider, &at).await.unwrap();
        at = listed.into_iter().find(|entry| entry.name == name).unwrap().id;
    }
    let item = bench.stage("Receipt.txt", b"paid").await.unwrap();
    bench.provider.attach(&at, &[item]).await.unwrap().remove(0).unwrap();
    let names: Vec<_> = list_all(&*bench.provider, &at).await.unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["Wish list.csv", "Receipt.txt"]);
}
