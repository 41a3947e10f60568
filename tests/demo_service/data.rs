//! The data: restarts, samples, web users, the control calls, the request log.

use std::time::{Duration, Instant};

use collabfs::demo::{DemoOptions, DemoServer, Kind};
use collabfs::error::ErrorKind;
use serde_json::{Value, json};

use crate::session::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_keeps_files_revisions_trash_assets_and_the_client_key() {
    let dir = tempfile::tempdir().unwrap();
    let options = DemoOptions { data_dir: Some(dir.path().join("demo")), ..options() };
    let server = DemoServer::start(options.clone()).await.unwrap();
    let session = Session::open(&server).await;
    let folder = session.folder(&server).await;
    let file = session.create(&folder, "a.txt", "one").await;
    session.put_bytes("PUT", &format!("/v1/files/{file}"), "a.txt", "two").await;
    server.web_user("grace").create_file("P/F/old.txt", "old").unwrap();
    server.web_user("grace").delete("P/F/old.txt").unwrap();
    let asset = session.upload("b.txt", "b").await;
    let before = server.snapshot().unwrap();
    let key = assertion(server.data_dir(), good_claims);
    server.stop().await.unwrap();

    let server = DemoServer::start(options).await.unwrap();
    let after = server.snapshot().unwrap();
    assert_eq!((after.entries, after.trash), (before.entries, before.trash));
    assert_eq!(request_token(&session.http, &server, &key).await.status(), 200);
    let session = Session::open(&server).await;
    assert_eq!(session.attach(&folder, &[&asset]).await[0]["status"], 201);
    let download = session.call("GET", &format!("/v1/files/{file}/versions/1/download")).send().await.unwrap();
    assert_eq!(download.text().await.unwrap(), "one");
    server.web_user("grace").restore("P/F/old.txt").unwrap();
    assert_eq!(server.web_user("grace").read("P/F/old.txt").unwrap(), b"old");
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn data_survive_a_server_that_was_never_stopped_and_a_torn_last_line() {
    let dir = tempfile::tempdir().unwrap();
    let options = DemoOptions { data_dir: Some(dir.path().to_owned()), ..options() };
    let server = DemoServer::start(options.clone()).await.unwrap();
    Session::open(&server).await.folder(&server).await;
    drop(server);
    let journal = dir.path().join("journal.jsonl");
    let mut lines = std::fs::read(&journal).unwrap();
    lines.extend(b"{\"node\":{\"id\":99,\"na");
    std::fs::write(&journal, lines).unwrap();
    std::fs::write(dir.path().join("content/07/775"), "left by an upload that never ended").unwrap();

    let server = DemoServer::start(options).await.unwrap();
    assert!(server.snapshot().unwrap().get("P/F").is_some());
    assert!(!dir.path().join("content/07/775").exists());
    server.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn two_services_do_not_share_a_data_directory() {
    let dir = tempfile::tempdir().unwrap();
    let options = DemoOptions { data_dir: Some(dir.path().to_owned()), ..options() };
    let first = DemoServer::start(options.clone()).await.unwrap();
    let refused = DemoServer::start(options.clone()).await.err().expect("must not start");
    assert_eq!(refused.kind(), ErrorKind::Invalid);
    first.stop().await.unwrap();
    DemoServer::start(options).await.unwrap().stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_temporary_service_leaves_nothing_behind() {
    with_service(options(), |server, _session| async move {
        let dir = server.data_dir().to_owned();
        assert!(dir.exists());
        server.stop().await.unwrap();
        let begin = Instant::now();
        while dir.exists() && begin.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert!(!dir.exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_no_asset() {
    with_service(options(), |server, session| async move {
        let upload = session.call("POST", "/v1/files/upload").header("Content-Disposition", "attachment; filename=a");
        let broken = futures::stream::iter([Ok("half"), Err(std::io::Error::other("gone"))]);
        let upload = upload.header("Content-Length", "8").body(reqwest::Body::wrap_stream(broken));
        upload.send().await.expect_err("the body never ended");
        let content = server.data_dir().join("content");
        let blobs =
            || std::fs::read_dir(&content).unwrap().filter(|part| holds_something(part.as_ref().unwrap())).count();
        let begin = Instant::now();
        while blobs() > 0 && begin.elapsed() < Duration::from_secs(5) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(blobs(), 0);
    })
    .await;
}

fn holds_something(folder: &std::fs::DirEntry) -> bool {
    std::fs::read_dir(folder.path()).unwrap().next().is_some()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_are_real_documents_with_history_and_difficult_names() {
    with_service(DemoOptions { seed_samples: true, ..options() }, |server, session| async move {
        assert_eq!(session.list("/v1/workspaces").await.len(), 3);
        let snapshot = server.snapshot().unwrap();
        let reader = server.web_user("grace");
        let magic = [
            ("Website relaunch/Design/logo.png", &b"\x89PNG\r\n\x1a\n"[..]),
            ("Website relaunch/Design/Style guide.pdf", b"%PDF-1.4\n"),
            ("Website relaunch/Planning/Project plan.xlsx", b"PK\x03\x04"),
        ];
        for (path, start) in magic {
            assert!(reader.read(path).unwrap().starts_with(start), "{path}");
        }
        assert_eq!(snapshot.get("Website relaunch/Planning/Minutes.md").unwrap().revisions.len(), 3);
        assert_eq!(snapshot.get("Office move/Plans/Floor plan 1\u{2215}2.pdf").unwrap().name, "Floor plan 1/2.pdf");
        assert_eq!(snapshot.all("Office move/Offers/Offer.txt").len(), 2);
        assert!(snapshot.get("Kundenportal – Phase 2/Texte & Übersetzungen/会社案内.txt").is_some());
        assert_eq!(snapshot.get("Website relaunch/Launch").unwrap().kind, Kind::Milestone);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn web_users_work_on_the_same_tree() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "one").await;
        let grace = server.web_user("grace");
        grace.revise("P/F/a.txt", "two").unwrap();
        grace.create_folder("P/G").unwrap();
        grace.move_to("P/F/a.txt", "P/G").unwrap();
        grace.rename("P/G/a.txt", "b.txt").unwrap();
        grace.describe("P/G/b.txt", "better").unwrap();
        let details = &session.json(&format!("/v1/files/{file}")).await["details"];
        assert_eq!((&details["fileName"], &details["version"]), (&json!("b.txt"), &json!(2)));
        assert_eq!((&details["modifiedBy"], &details["description"]), (&json!("grace"), &json!("better")));
        assert_eq!(grace.read("P/F/a.txt").unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(grace.create_folder("P/H/I").unwrap_err().kind(), ErrorKind::NotFound);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_test_does_in_process_can_be_done_by_http() {
    with_service(options(), |server, session| async move {
        let control = |method: &str, path: &str| session.call(method, &format!("/_demo/{path}"));
        let acts = [
            json!({ "act": "create-project", "name": "P" }),
            json!({ "act": "create-folder", "path": "P/F" }),
            json!({ "act": "create-file", "path": "P/F/a.txt", "content": { "text": "hello" }, "by": "alan" }),
            json!({ "act": "revise", "path": "P/F/a.txt", "content": { "base64": "aGV5" } }),
            json!({ "act": "create-file", "path": "P/F/big", "content": { "size": 3_000_000 } }),
            json!({ "act": "fill", "path": "P/F", "folders": 3, "files": 4, "size_bytes": 10 }),
        ];
        for act in acts {
            assert_eq!(session.status(control("POST", "act").json(&act)).await, 200, "{act}");
        }
        let tree: Value = control("GET", "tree").send().await.unwrap().json().await.unwrap();
        let entries = tree["entries"].as_array().unwrap();
        let find = |path: &str| entries.iter().find(|entry| entry["path"] == path).unwrap();
        let revisions = &find("P/F/a.txt")["revisions"];
        assert_eq!((&revisions[0]["author"], &revisions[1]["size_bytes"]), (&json!("alan"), &json!(3)));
        let sha256_of_hello = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
        assert_eq!(revisions[0]["sha256"], sha256_of_hello);
        assert_eq!(find("P/F/big")["revisions"][0]["size_bytes"], 3_000_000);
        assert_eq!(entries.iter().filter(|entry| entry["kind"] == "file").count(), 2 + 12);

        let nothing = json!({ "act": "delete", "path": "P/nothing" });
        assert_eq!(session.status(control("POST", "act").json(&nothing)).await, 404);
        assert_eq!(session.status(control("POST", "act").body("{\"act\":\"revoke-tokens\"}")).await, 415);

        let faults = json!({ "add": ["list:503:nth=1"] });
        assert_eq!(session.status(control("POST", "faults").json(&faults)).await, 200);
        assert_eq!(session.status(session.call("GET", "/v1/workspaces")).await, 503);
        assert_eq!(session.status(control("POST", "faults").json(&json!({ "add": ["nonsense"] }))).await, 400);
        let requests: Value = control("GET", "requests?kind=list").send().await.unwrap().json().await.unwrap();
        assert_eq!((&requests["requests"][0]["status"], &requests["counts"]["list"]), (&json!(503), &json!(1)));
        assert_eq!(requests["requests"].as_array().unwrap().len(), 1);
        let account = control("GET", "account").send().await.unwrap().text().await.unwrap();
        assert_eq!(account, server.account_toml());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_account_lines_name_what_a_client_needs() {
    with_service(options(), |server, _session| async move {
        let account: toml::Table = server.account_toml().parse().unwrap();
        assert_eq!(account["service"].as_str(), Some("imeet-central"));
        assert_eq!(account["url"].as_str(), Some(server.url()));
        assert_eq!(account["token_url"].as_str(), Some(format!("{}/oauth2/token", server.url()).as_str()));
        let key = std::fs::metadata(account["key_file"].as_str().unwrap()).unwrap();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&key.permissions()) & 0o777, 0o600);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_request_log_tells_kinds_headers_and_how_many_ran_together() {
    let options = DemoOptions { latency: Duration::from_millis(100), ..options() };
    with_service(options, |server, session| async move {
        server.requests().clear();
        let begin = Instant::now();
        let lists = (0..4).map(|_| session.json("/v1/workspaces?limit=25"));
        futures::future::join_all(lists).await;
        assert!(begin.elapsed() >= Duration::from_millis(100), "latency");
        session.upload("a.txt", "a").await;
        let log = server.requests();
        assert_eq!((log.count("list"), log.count("upload"), log.total()), (4, 1, 5));
        assert_eq!(log.of_kind("list").iter().map(|record| record.concurrent).max(), Some(4));
        let upload = &log.of_kind("upload")[0];
        assert_eq!(
            (upload.method.as_str(), upload.path.as_str(), upload.status),
            ("POST", "/v1/files/upload", Some(201))
        );
        for header in ["authorization", "content-disposition", "content-length"] {
            assert!(upload.headers.contains(&header), "{header}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_demo_of_an_unknown_service_or_beyond_loopback_does_not_start() {
    let unknown = DemoOptions::new("nothing-central");
    let open = DemoOptions { listen: "0.0.0.0:0".parse().unwrap(), ..options() };
    for options in [unknown, open] {
        let refused = DemoServer::start(options).await.err().expect("must not start");
        assert_eq!(refused.kind(), ErrorKind::Invalid);
    }
}
