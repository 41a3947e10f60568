//! Faults on order: what the client sees, and what happened to the data.

use std::time::{Duration, Instant};

use collabfs::demo::{DemoServer, FaultRule};
use serde_json::{Value, json};

use crate::session::*;

/// Adds one rule, in its text form.
fn order(server: &DemoServer, fault: &str) {
    server.faults().clear();
    server.faults().add_text(fault).unwrap();
}

#[test]
fn a_rule_is_read_and_shown_in_the_same_form() {
    let rules = [
        "upload:503:every=5",
        "*:429+retry-after=2:next=3",
        "PUT /v1/files/:lost:nth=1",
        "/v1/:reset:always",
        "list:delay=2000ms:always",
        "download:drip=10ms:always",
    ];
    for text in rules {
        assert_eq!(text.parse::<FaultRule>().unwrap().to_string(), text);
    }
    for fault in
        ["cut", "truncate", "hang", "html", "bad-json", "wrong-types", "wrong-length", "endless", "cycle", "huge-names"]
    {
        assert_eq!(format!("*:{fault}").parse::<FaultRule>().unwrap().to_string(), format!("*:{fault}:always"));
    }
}

#[test]
fn a_rule_that_makes_no_sense_is_refused() {
    let wrong = [
        "",
        "upload",
        ":503",
        "upload:200",
        "upload:gone",
        "upload:503:every=0",
        "upload:503:sometimes",
        "upload:503+later=1",
        "list:delay=soon",
        "list:reset=1",
        "GET v1:reset",
        "a:reset:nth=1:x",
    ];
    for text in wrong {
        assert!(text.parse::<FaultRule>().is_err(), "{text:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_second_call_of_a_kind_fails_with_the_status_asked_for() {
    with_service(options(), |server, session| async move {
        order(&server, "list:429+retry-after=7:every=2");
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let answer = session.call("GET", "/v1/workspaces").send().await.unwrap();
            statuses.push((answer.status().as_u16(), answer.headers().get("retry-after").is_some_and(|s| s == "7")));
        }
        assert_eq!(statuses, [(200, false), (429, true), (200, false), (429, true)]);
        let faulted: Vec<_> = server.requests().of_kind("list").into_iter().filter_map(|r| r.fault).collect();
        assert_eq!(faulted, ["429+retry-after=7", "429+retry-after=7"]);
        server.faults().clear();
        assert_eq!(session.status(session.call("GET", "/v1/workspaces")).await, 200);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_means_that_the_call_took_effect_and_a_reset_that_it_did_not() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let path = format!("/v1/folders/{folder}/files");
        for (fault, files) in [("attach:reset:nth=1", 0), ("attach:cut:nth=1", 0), ("attach:lost:nth=1", 1)] {
            order(&server, fault);
            let asset = session.upload("a.txt", "a").await;
            let attach = session.call("POST", &path).json(&json!({ "deferredAssetIds": [asset] }));
            attach.send().await.expect_err(fault);
            assert_eq!(server.snapshot().unwrap().files().len(), files, "{fault}");
            assert_eq!(server.requests().of_kind("attach").last().unwrap().status, None);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_download_breaks_and_one_of_wrong_length_does_not() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "0123456789").await;
        let download = session.call("GET", &format!("/v1/files/{file}/download"));
        order(&server, "download:truncate:nth=1");
        let mut answer = download.try_clone().unwrap().send().await.unwrap();
        assert_eq!(answer.headers()["content-length"], "10");
        assert_eq!(answer.chunk().await.unwrap().unwrap(), "01234");
        answer.chunk().await.expect_err("the rest is missing");
        order(&server, "download:wrong-length:nth=1");
        assert_eq!(download.send().await.unwrap().text().await.unwrap(), "01234");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_can_be_html_or_broken_json_or_of_wrong_types() {
    with_service(options(), |server, session| async move {
        session.folder(&server).await;
        let text = async || session.call("GET", "/v1/workspaces").send().await.unwrap().text().await.unwrap();
        order(&server, "list:html");
        assert!(text().await.starts_with("<!DOCTYPE html>"));
        order(&server, "list:bad-json");
        assert!(serde_json::from_str::<Value>(&text().await).is_err());
        order(&server, "list:wrong-types");
        let answer: Value = serde_json::from_str(&text().await).unwrap();
        assert_eq!(answer["items"], "1 items");
        order(&server, "list:huge-names");
        let answer: Value = serde_json::from_str(&text().await).unwrap();
        assert!(answer["items"][0]["details"]["workspaceName"].as_str().unwrap().len() >= 100_000);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_can_go_on_for_ever_and_folders_hold_themselves() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        server.web_user("grace").create_folder("P/F/Inner").unwrap();
        let path = format!("/v1/folders/{folder}/folders");
        order(&server, "list:endless");
        let mut seen = std::collections::BTreeSet::new();
        let mut next = format!("{path}?limit=25");
        for _ in 0..5 {
            next = session.json(&next).await["links"]["next"].as_str().unwrap().to_owned();
            assert!(seen.insert(next.clone()), "each address is new");
        }
        order(&server, "list:cycle");
        assert_eq!(session.json(&path).await["items"][0]["id"], json!(folder));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_can_be_late_or_slow_or_never_come() {
    with_service(options(), |server, session| async move {
        order(&server, "list:delay=150ms");
        let begin = Instant::now();
        session.json("/v1/workspaces").await;
        assert!(begin.elapsed() >= Duration::from_millis(150));
        order(&server, "list:drip=20ms");
        let begin = Instant::now();
        session.json("/v1/workspaces").await;
        assert!(begin.elapsed() >= Duration::from_millis(80));
        order(&server, "list:hang");
        let hung = session.call("GET", "/v1/workspaces").timeout(Duration::from_millis(200)).send().await;
        assert!(hung.unwrap_err().is_timeout());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_hanging_requests() {
    with_service(options(), |server, session| async move {
        order(&server, "list:hang");
        let hung = tokio::spawn(session.call("GET", "/v1/workspaces").send());
        while server.requests().count("list") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let begin = Instant::now();
        server.stop().await.unwrap();
        assert!(begin.elapsed() < Duration::from_secs(5));
        hung.await.unwrap().expect_err("the connection was cut");
    })
    .await;
}
