//! Redmine in the common suite, and what is peculiar to it.

use std::time::Duration;

use collabfs::error::ErrorKind;
use collabfs::provider::confirm::find_out;
use collabfs::provider::{AttachItem, Attempt, Confirmation, EntryKind, ListPart, ListRequest, Located, Operation};
use futures::StreamExt;

use crate::bench::{Bench, Registered, open, read_whole};

const REDMINE: Registered = Registered::demo("redmine", &["Files"], "");

crate::behaves_like_a_provider!(REDMINE);

/// The mapping of operations to calls, by the requests that the demo service counts.
#[tokio::test]
async fn every_operation_costs_what_it_must_and_no_more() {
    let bench = Bench::new(&REDMINE).await;
    let requests = || {
        let kinds = bench.server.requests().counts();
        bench.server.requests().clear();
        kinds.into_iter().filter(|(_, count)| *count > 0).collect::<Vec<_>>()
    };
    bench.create("a.txt", b"hello").await.unwrap();
    assert_eq!(requests(), [("attach", 1), ("upload", 1)]);
    let entry = bench.entry("a.txt").await;
    requests();
    assert_eq!(read_whole(&*bench.provider, &entry).await, b"hello");
    assert_eq!(requests(), [("download", 1)]);
    bench.provider.relocate(&bench.located(&entry), &bench.work, "b.txt").await.unwrap();
    assert_eq!(requests(), [("change", 1)]);
    let renamed = bench.entry("b.txt").await;
    requests();
    let content = bench.content(b"other");
    let revised = bench.provider.revise(&bench.located(&renamed), renamed.revision.as_ref(), &content).await.unwrap();
    assert_eq!(requests(), [("attach", 1), ("delete", 1), ("upload", 1)]);
    bench.provider.delete(&Located { id: revised.id, ..bench.located(&renamed) }).await.unwrap();
    assert_eq!(requests(), [("delete", 1)]);
}

#[tokio::test]
async fn a_thousand_files_and_versions_are_two_requests() {
    let bench = Bench::new(&REDMINE).await;
    for n in 0..1000 {
        bench.web.create_file(&bench.path(&format!("f{n:03}")), "x").unwrap();
    }
    bench.web.create_folder(&bench.path("1.0")).unwrap();
    bench.web.create_file(&bench.path("1.0/notes.txt"), "x").unwrap();
    bench.server.requests().clear();
    let listed = bench.list().await;
    assert_eq!(listed.len(), 1001);
    let version = listed.iter().find(|entry| entry.kind == EntryKind::Directory).unwrap();
    let request = ListRequest { known: None, max_age: Duration::from_secs(60) };
    let parts: Vec<_> = bench.provider.list(&version.id, request).collect().await;
    assert!(matches!(&parts[..], [Ok(ListPart::Entries { entries, .. })] if entries.len() == 1), "{parts:?}");
    assert_eq!(bench.server.requests().total(), 2, "{:?}", bench.server.requests().counts());
}

/// The new one first, the old one last: whoever looks at any moment finds the file.
#[tokio::test]
async fn a_replaced_file_is_there_at_every_moment() {
    for fault in
        ["upload:lost:nth=1", "attach:lost:nth=1", "delete:lost:nth=1", "delete:503:nth=1", "attach:reset:nth=1"]
    {
        let bench = Bench::new(&REDMINE).await;
        let entry = bench.web_file("a.txt", "old").await;
        bench.fault(fault);
        let content = bench.content(b"new");
        let revised = bench.provider.revise(&bench.located(&entry), entry.revision.as_ref(), &content).await;
        assert!(bench.count("a.txt") >= 1, "after {fault}");
        bench.server.faults().clear();
        let confirmed = match revised {
            Ok(_) => Confirmation::Done,
            Err(error) => {
                assert!(error.is_unclear() || error.is_temporary(), "after {fault}: {error}");
                let base = entry.revision.clone();
                let attempt = Attempt::Revise { file: bench.located(&entry), base, content: content.clone() };
                find_out(&*bench.provider, &attempt).await.unwrap()
            }
        };
        if matches!(confirmed, Confirmation::NotDone) {
            bench.provider.revise(&bench.located(&entry), entry.revision.as_ref(), &content).await.unwrap();
        }
        assert_eq!(bench.count("a.txt"), 1, "after {fault}");
        let now = bench.entry("a.txt").await;
        assert_eq!(read_whole(&*bench.provider, &now).await, b"new", "after {fault}");
    }
}

#[tokio::test]
async fn a_version_is_a_directory_and_goes_only_when_empty() {
    let bench = Bench::new(&REDMINE).await;
    let made = bench.provider.make_dir(&bench.work, "1.0").await.unwrap();
    assert!(made.offers.has(Operation::CreateFile) && !made.offers.has(Operation::MakeDir));
    let content = bench.content(b"hello");
    let staged = bench.provider.stage(&made.id, "a.txt", &content).await.unwrap();
    let item = AttachItem { name: "a.txt".into(), staged, content, description: None, hidden_like: None };
    bench.provider.attach(&made.id, &[item]).await.unwrap().remove(0).unwrap();
    assert_eq!(bench.snapshot().all("Work/Files/1.0/a.txt").len(), 1);
    let version = Located { id: made.id, parent: bench.work.clone(), name: made.name, kind: EntryKind::Directory };
    assert_eq!(bench.provider.delete(&version).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    bench.web.delete("Work/Files/1.0/a.txt").unwrap();
    bench.provider.delete(&version).await.unwrap();
    assert_eq!(bench.count("1.0"), 0);
}

#[tokio::test]
async fn a_key_that_is_nobodys_is_refused_although_the_service_shows_public_things() {
    let bench = Bench::new(&REDMINE).await;
    let account = format!("service = 'redmine'\nurl = '{}'\napi_key = '{}'\n", bench.server.url(), "0".repeat(40));
    let provider = open(&bench.server, &account, bench.dir.path(), Duration::from_secs(10));
    assert_eq!(provider.sign_in().await.unwrap_err().kind(), ErrorKind::SignedOut);
}

#[tokio::test]
async fn the_demo_is_as_strict_as_the_real_one() {
    let bench = Bench::new(&REDMINE).await;
    let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let url = bench.server.url();
    let key = std::fs::read_to_string(bench.server.data_dir().join("api-key")).unwrap();
    let upload = || http.post(format!("{url}/uploads.json?filename=a.txt")).header("X-Redmine-API-Key", &key);
    assert_eq!(upload().body("x").send().await.unwrap().status(), 406, "only raw bytes");
    assert_eq!(http.get(format!("{url}/users/current.json")).send().await.unwrap().status(), 401);
    let typed = upload().header("Content-Type", "application/octet-stream").body("x").send().await.unwrap();
    assert_eq!(typed.status(), 201);
    let body: serde_json::Value = typed.json().await.unwrap();
    let token = body["upload"]["token"].as_str().unwrap().to_owned();
    let project = bench.snapshot().get("Work").unwrap().id.clone();
    let attach = || {
        let request = http.post(format!("{url}/projects/{project}/files.json")).header("X-Redmine-API-Key", &key);
        request.json(&serde_json::json!({ "file": { "token": token } })).send()
    };
    assert_eq!(attach().await.unwrap().status(), 204);
    assert_eq!(attach().await.unwrap().status(), 404, "a token works once");
    let page = http.get(format!("{url}/projects/{project}")).send().await.unwrap();
    assert_eq!(page.status(), 302, "without its ending an address is a page for people");
}
