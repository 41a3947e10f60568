//! Rillsoft in the common suite, and what is peculiar to it.

use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::Operation;
use collabfs::provider::confirm::list_all;

use crate::bench::{Bench, Registered, open, read_whole};

/// A project takes files itself: its directory is the main folder.
const RILLSOFT: Registered = Registered::demo("rillsoft", &[], "");

crate::behaves_like_a_provider!(RILLSOFT);

#[tokio::test]
async fn every_project_shows_the_folders_of_all() {
    let bench = Bench::new(&RILLSOFT).await;
    bench.web.create_project("Other").unwrap();
    bench.web.create_folder("Other/Plans").unwrap();
    let plans = bench.entry("Plans").await;
    assert!(plans.offers.has(Operation::CreateFile) && !plans.offers.has(Operation::Rename));
    let mut item = bench.stage("a.txt", b"hello").await.unwrap();
    item.description = Some("about".into());
    bench.provider.attach(&plans.id, &[item]).await.unwrap().remove(0).unwrap();
    let made = bench.snapshot().get("Work/Plans/a.txt").unwrap().clone();
    assert_eq!((made.description.as_str(), made.revisions.len()), ("about", 1));
    let listed = list_all(&*bench.provider, &plans.id).await.unwrap().remove(0);
    assert_eq!(read_whole(&*bench.provider, &listed).await, b"hello");
}

#[tokio::test]
async fn requests_are_as_few_as_the_lists_allow() {
    let bench = Bench::new(&RILLSOFT).await;
    for n in 0..1000 {
        bench.web.create_file(&bench.path(&format!("f{n:03}")), "x").unwrap();
    }
    let provider = bench.impatient(Duration::from_secs(20));
    let requests = bench.server.requests();
    requests.clear();
    provider.sign_in().await.unwrap();
    assert_eq!(requests.total(), 5, "{:?}", requests.counts());
    let item = bench.stage("new", b"content").await.unwrap();
    provider.attach(&bench.work, &[item]).await.unwrap().remove(0).unwrap();
    requests.clear();
    let item = bench.stage("newer", b"content").await.unwrap();
    provider.attach(&bench.work, &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!(requests.total(), 2, "{:?}", requests.counts());
    let entry = bench.entry("newer").await;
    requests.clear();
    provider.revise(&bench.located(&entry), entry.revision.as_ref(), &bench.content(b"more")).await.unwrap();
    assert_eq!(requests.total(), 2);
    provider.relocate(&bench.located(&entry), &bench.work, "newest").await.unwrap();
    assert_eq!(requests.total(), 4);
    provider.delete(&bench.located(&entry)).await.unwrap();
    assert_eq!(requests.total(), 5);
}

#[tokio::test]
async fn a_type_that_the_service_refuses_arrives_as_a_plain_file() {
    let bench = Bench::new(&RILLSOFT).await;
    bench.create("song.mp3", b"ID3").await.unwrap();
    assert_eq!(bench.snapshot().get("Work/song.mp3").unwrap().mime, "application/octet-stream");
}

#[tokio::test]
async fn a_server_with_documented_calls_only_takes_files_of_a_configured_task() {
    let bench = Bench::with(&RILLSOFT, |options| {
        options.behaviour.assumed_reads = false;
        options.behaviour.assumed_writes = false;
    })
    .await;
    let project = bench.work.service_id();
    let task = format!("00000001-0000-4000-8000-{:012x}", project.parse::<u64>().unwrap());
    let account = bench.server.account_toml().replace("path.delete = \"\"\n", "");
    let told = format!("{account}main_folder = 1\nmethod_override = \"PUT\"\nparent.{project} = \"{task}\"\n");
    let provider = open(&bench.server, &told, bench.dir.path(), Duration::from_secs(10));
    let item = bench.stage("a.txt", b"x").await.unwrap();
    provider.attach(&bench.work, std::slice::from_ref(&item)).await.unwrap().remove(0).unwrap();
    let entry = list_all(&*provider, &bench.work).await.unwrap().remove(0);
    provider.revise(&bench.located(&entry), entry.revision.as_ref(), &bench.content(b"new")).await.unwrap();
    assert_eq!(bench.revisions("a.txt"), 2);
    for _ in 0..2 {
        let error = provider.delete(&bench.located(&entry)).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
    }
    assert_eq!(bench.server.requests().count("delete"), 1);

    bench.web.delete("Work/a.txt").unwrap();
    let untold = format!("{account}main_folder = 1\n");
    let provider = open(&bench.server, &untold, bench.dir.path(), Duration::from_secs(10));
    let error = provider.attach(&bench.work, &[item]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Invalid);
    assert!(error.to_string().contains(&format!("parent.{project}")), "{error}");
}

#[tokio::test]
async fn the_demo_is_as_strict_as_the_pages() {
    let bench = Bench::new(&RILLSOFT).await;
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let url = bench.server.url();
    let login = http.post(format!("{url}/api/v1/login")).header("Accept", "application/json");
    let wrong = login.json(&serde_json::json!({ "username": "demo@example.org", "password": "x" }));
    let answer = wrong.send().await.unwrap();
    assert_eq!(answer.status(), 401);
    let body: serde_json::Value = answer.json().await.unwrap();
    assert_eq!((body["status"].as_str(), body["code"].as_u64()), (Some("error"), Some(401)));
    assert_eq!(body["message"], "Authentication failed");
    let unsigned = http.get(format!("{url}/api/v2/clients/5/projects")).header("Accept", "application/json");
    assert_eq!(unsigned.send().await.unwrap().status(), 401);
    assert_eq!(http.get(format!("{url}/api/v2/clients/5/projects")).send().await.unwrap().status(), 400);
}
