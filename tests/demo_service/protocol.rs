//! What the service grants and what it refuses, statement by statement.

use std::collections::BTreeSet;
use std::time::Duration;

use collabfs::demo::{Behaviour, DemoOptions};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::session::*;

#[tokio::test(flavor = "multi_thread")]
async fn upload_and_attach_make_a_file_that_can_be_listed_and_downloaded() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "hello").await;
        let items = session.list(&format!("/v1/folders/{folder}/files")).await;
        assert_eq!(items.len(), 1);
        assert_eq!(items[0]["id"], json!(file));
        let details = &items[0]["details"];
        assert_eq!((&details["fileName"], &details["folderId"]), (&json!("a.txt"), &json!(folder)));
        assert_eq!((&details["size"], &details["version"]), (&json!(5), &json!(1)));
        let answer = session.call("GET", &format!("/v1/files/{file}/download")).send().await.unwrap();
        assert_eq!(answer.headers()["content-length"], "5");
        assert_eq!(answer.headers()["content-type"], "text/plain");
        assert_eq!(answer.text().await.unwrap(), "hello");
        assert_eq!(server.snapshot().unwrap().get("P/F/a.txt").unwrap().id, file);
        server.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_assertion_that_is_wrong_in_one_point_gets_no_token() {
    with_service(options(), |server, session| async move {
        let wrong: [(&str, Value); 7] = [
            ("iss", json!("somebody-else")),
            ("aud", json!("https://oidc.imeetcentral.com")),
            ("scp", json!("cd.admin")),
            ("exp", json!(1_000_000)),
            ("exp", json!(1_700_000_000_000_u64)),
            ("iat", json!(9_000_000_000_u64)),
            ("scp", Value::Null),
        ];
        for (claim, value) in wrong {
            let claims = |id: &str, now| {
                let mut claims = good_claims(id, now);
                claims[claim] = value.clone();
                claims
            };
            let answer = request_token(&session.http, &server, &assertion(server.data_dir(), claims)).await;
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{claim} {value}");
            assert_eq!(answer.json::<Value>().await.unwrap()["error"], "invalid_grant", "{claim} {value}");
        }
        let good = assertion(server.data_dir(), good_claims);
        let (message, _) = good.rsplit_once('.').unwrap();
        for forged in [format!("{message}."), format!("{message}.AAAA"), message.to_owned()] {
            assert_eq!(request_token(&session.http, &server, &forged).await.status(), StatusCode::BAD_REQUEST);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_token_request_may_be_json_or_a_form_of_the_one_grant_type() {
    with_service(options(), |server, session| async move {
        let url = format!("{}/oauth2/token", server.url());
        let assertion = assertion(server.data_dir(), good_claims);
        let form = [("grant_type", GRANT_TYPE), ("assertion", assertion.as_str())];
        assert_eq!(session.status(session.http.post(&url).form(&form)).await, 200);
        let errors = [
            (json!({ "grant_type": "password" }), "unsupported_grant_type"),
            (json!({ "grant_type": GRANT_TYPE }), "invalid_request"),
            (json!({ "assertion": assertion }), "invalid_request"),
        ];
        for (body, error) in errors {
            let answer = session.http.post(&url).json(&body).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
            assert_eq!(answer.json::<Value>().await.unwrap()["error"], error, "{body}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_living_token_every_call_is_unauthorized() {
    with_service(options(), |server, session| async move {
        let url = format!("{}/v1/workspaces", server.url());
        assert_eq!(session.status(session.http.get(&url)).await, 401);
        assert_eq!(session.status(session.http.get(&url).bearer_auth("made-up")).await, 401);
        assert_eq!(session.status(session.http.get(&url).basic_auth("a", Some("b"))).await, 401);
        assert_eq!(session.status(session.http.get(format!("{}/v1/nothing", server.url()))).await, 401);
        assert_eq!(session.status(session.call("GET", "/v1/workspaces")).await, 200);
        server.revoke_tokens();
        assert_eq!(session.status(session.call("GET", "/v1/workspaces")).await, 401);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_with_its_announced_life() {
    let behaviour = Behaviour { token_life: Duration::ZERO, ..Behaviour::default() };
    with_service(DemoOptions { behaviour, ..options() }, |server, session| async move {
        assert_eq!(session.status(session.call("GET", "/v1/workspaces")).await, 401);
        server.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn uploads_that_do_not_follow_the_page_are_refused() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "one").await;
        let revise = format!("/v1/files/{file}");
        for (method, path) in [("POST", "/v1/files/upload"), ("PUT", revise.as_str())] {
            let call = || session.call(method, path);
            let named = |name: &str| call().header("Content-Disposition", format!("attachment; filename={name}"));
            assert_eq!(session.status(call().body("x")).await, 400, "no Content-Disposition");
            assert_eq!(session.status(named("\"a/b\"").body("x")).await, 400, "a slash in the name");
            let form = reqwest::multipart::Form::new().text("file", "x");
            assert_eq!(session.status(named("a").multipart(form)).await, 415, "multipart");
            let chunks = futures::stream::iter([Ok::<_, std::io::Error>("x")]);
            assert_eq!(session.status(named("a").body(reqwest::Body::wrap_stream(chunks))).await, 411, "chunked");
        }
        assert_eq!(server.snapshot().unwrap().get("P/F/a.txt").unwrap().revisions.len(), 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_uploaded_without_a_content_type_is_plain_text() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let upload =
            session.call("POST", "/v1/files/upload").header("Content-Disposition", "attachment; filename=a.pdf");
        let asset = upload.body("%PDF").send().await.unwrap().text().await.unwrap();
        session.attach(&folder, &[&asset]).await;
        assert_eq!(server.snapshot().unwrap().get("P/F/a.pdf").unwrap().mime, "text/plain");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_attach_tells_the_outcome_of_each_asset_and_takes_each_only_once() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let (first, second) = (session.upload("a.txt", "a").await, session.upload("b.txt", "b").await);
        let responses = session.attach(&folder, &[&first, "unknown", &second, &first]).await;
        let statuses = |asset: &str| -> Vec<u64> {
            let of_asset = responses.iter().filter(|response| response["requestId"] == asset);
            of_asset.map(|response| response["status"].as_u64().unwrap()).collect()
        };
        assert_eq!(statuses("unknown"), [404]);
        assert_eq!(statuses(&second), [201]);
        assert_eq!(BTreeSet::from_iter(statuses(&first)), BTreeSet::from([201, 409]));
        assert_eq!(session.attach(&folder, &[&first]).await[0]["status"], 409);
        assert_eq!(server.snapshot().unwrap().files(), ["P/F/a.txt", "P/F/b.txt"]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_four_documented_targets_take_files() {
    with_service(DemoOptions { seed_samples: true, ..options() }, |server, session| async move {
        let workspace = session.id("/v1/workspaces", "workspaceName", "Website relaunch").await;
        let asset = session.upload("a.txt", "a").await;
        let answer = session.try_attach(&format!("/v1/workspaces/{workspace}/files"), &[&asset]).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED);
        let answer = session.try_attach(&format!("/v1/folders/{workspace}/files"), &[&asset]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
        let milestones = format!("/v1/workspaces/{workspace}/milestones");
        let milestone = session.id(&milestones, "title", "Launch").await;
        let answer = session.try_attach(&format!("/v1/milestones/{milestone}/files"), &[&asset]).await;
        assert_eq!(answer.json::<Value>().await.unwrap()["responses"][0]["status"], 201);
        assert_eq!(session.list(&format!("/v1/milestones/{milestone}/files")).await.len(), 2);
        server.stop().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attaching_nothing_or_too_much_or_no_json_is_refused() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let path = format!("/v1/folders/{folder}/files");
        assert_eq!(session.try_attach(&path, &[]).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(session.try_attach(&path, &["x"; 26]).await.status(), StatusCode::BAD_REQUEST);
        assert_eq!(session.status(session.call("POST", &path).json(&json!({}))).await, 400);
        let untyped = session.call("POST", &path).body("{\"deferredAssetIds\":[\"x\"]}");
        assert_eq!(session.status(untyped).await, 415);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_put_is_the_next_revision_of_the_same_file() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "one").await;
        let path = format!("/v1/files/{file}");
        assert_eq!(session.put_bytes("PUT", &path, "a.txt", "second").await.status(), StatusCode::CREATED);
        assert_eq!(session.put_bytes("PUT", &path, "b.txt", "3").await.status(), StatusCode::CREATED);
        let object = session.json(&path).await;
        assert_eq!((&object["details"]["version"], &object["details"]["fileName"]), (&json!(3), &json!("b.txt")));
        let versions = session.list(&format!("{path}/versions")).await;
        let sizes: Vec<_> = versions.iter().map(|version| version["details"]["size"].as_u64().unwrap()).collect();
        assert_eq!(sizes, [3, 6, 1]);
        let old = session.call("GET", &format!("{path}/versions/2/download")).send().await.unwrap();
        assert_eq!(old.text().await.unwrap(), "second");
        assert_eq!(session.status(session.call("GET", &format!("{path}/versions/4/download"))).await, 404);
        assert_eq!(session.put_bytes("PUT", "/v1/files/nothing", "a", "x").await.status(), StatusCode::NOT_FOUND);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_locked_cannot_be_changed() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = format!("/v1/files/{}", session.create(&folder, "a.txt", "one").await);
        server.web_user("grace").lock("P/F/a.txt").unwrap();
        assert_eq!(session.put_bytes("PUT", &file, "a.txt", "two").await.status(), StatusCode::LOCKED);
        assert_eq!(session.status(session.call("DELETE", &file)).await, 423);
        server.web_user("grace").unlock("P/F/a.txt").unwrap();
        assert_eq!(session.put_bytes("PUT", &file, "a.txt", "two").await.status(), StatusCode::CREATED);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_of_at_most_25_linked_by_opaque_addresses() {
    with_service(DemoOptions { page_size: Some(7), ..options() }, |server, session| async move {
        let folder = session.folder(&server).await;
        let grace = server.web_user("grace");
        (0..40).for_each(|n| drop(grace.create_file(&format!("P/F/{n}.txt"), "x").unwrap()));
        let path = format!("/v1/folders/{folder}/files");
        assert_eq!(session.json(&format!("{path}?limit=25")).await["items"].as_array().unwrap().len(), 7);
        server.requests().clear();
        let items = session.list(&path).await;
        let ids: BTreeSet<_> = items.iter().map(|item| item["id"].as_str().unwrap()).collect();
        assert_eq!((items.len(), ids.len()), (40, 40));
        assert_eq!(server.requests().count("list"), 6);
        for query in ["limit=26", "limit=0", "limit=many", "cursor=made-up"] {
            assert_eq!(session.status(session.call("GET", &format!("{path}?{query}"))).await, 400, "{query}");
        }
        assert_eq!(session.status(session.call("GET", "/v1/folders/WzMsOTk5XQ/files")).await, 404);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_honours_ranges_unless_switched_off() {
    for ranges in [true, false] {
        let behaviour = Behaviour { ranges, ..Behaviour::default() };
        with_service(DemoOptions { behaviour, ..options() }, |server, session| async move {
            let folder = session.folder(&server).await;
            let file = session.create(&folder, "a.txt", "0123456789").await;
            let download =
                |range: &str| session.call("GET", &format!("/v1/files/{file}/download")).header("Range", range);
            let answer = download("bytes=2-4").send().await.unwrap();
            if ranges {
                assert_eq!(answer.headers()["content-range"], "bytes 2-4/10");
                assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (206, "234"));
                assert_eq!(session.status(download("bytes=10-")).await, 416);
            } else {
                assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "0123456789"));
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_storage_host_refuses_the_credentials_of_the_api() {
    let behaviour = Behaviour { redirect_downloads: true, ..Behaviour::default() };
    with_service(DemoOptions { behaviour, ..options() }, |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "hello").await;
        let answer = session.call("GET", &format!("/v1/files/{file}/download")).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::FOUND);
        let address = answer.headers()["location"].to_str().unwrap().to_owned();
        assert!(!address.starts_with(server.url()), "{address}");
        assert_eq!(session.status(session.call("GET", &address)).await, 400);
        assert_eq!(session.http.get(&address).send().await.unwrap().text().await.unwrap(), "hello");
        assert_eq!(session.status(session.http.get(format!("{address}0"))).await, 403);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_and_files_can_be_made_renamed_moved_and_trashed() {
    with_service(options(), |server, session| async move {
        let folder = session.folder(&server).await;
        let file = format!("/v1/files/{}", session.create(&folder, "a.txt", "x").await);
        let new = session.call("POST", &format!("/v1/folders/{folder}/folders"));
        let answer = new.json(&json!({ "folderName": "Inner" })).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let inner = answer.text().await.unwrap();
        let change = session.call("PATCH", &file).json(&json!({ "fileName": "b.txt", "folderId": inner }));
        let object: Value = change.send().await.unwrap().json().await.unwrap();
        assert_eq!(object["details"]["folderId"], json!(inner));
        assert!(server.snapshot().unwrap().get("P/F/Inner/b.txt").is_some());
        let into_itself =
            session.call("PATCH", &format!("/v1/folders/{folder}")).json(&json!({ "parentFolderId": inner }));
        assert_eq!(session.status(into_itself).await, 400);
        assert_eq!(session.status(session.call("DELETE", &format!("/v1/folders/{folder}"))).await, 204);
        assert_eq!(session.status(session.call("GET", &file)).await, 404);
        let snapshot = server.snapshot().unwrap();
        assert_eq!((snapshot.files().len(), snapshot.trash[0].path.as_str()), (0, "P/F"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_without_the_assumed_calls_still_takes_files() {
    let behaviour = Behaviour { assumed_reads: false, assumed_writes: false, ..Behaviour::default() };
    with_service(DemoOptions { behaviour, ..options() }, |server, session| async move {
        let folder = session.folder(&server).await;
        let file = session.create(&folder, "a.txt", "x").await;
        let cases = [
            ("GET", format!("/v1/folders/{folder}/files"), 405),
            ("GET", format!("/v1/folders/{folder}/folders"), 404),
            ("GET", format!("/v1/files/{file}"), 405),
            ("GET", format!("/v1/files/{file}/download"), 404),
            ("DELETE", format!("/v1/files/{file}"), 405),
            ("PATCH", format!("/v1/files/{file}"), 405),
            ("GET", "/v1/workspaces".to_owned(), 200),
        ];
        for (method, path, status) in cases {
            assert_eq!(session.status(session.call(method, &path)).await, status, "{method} {path}");
        }
        let answer = session.put_bytes("PUT", &format!("/v1/files/{file}"), "a.txt", "y").await;
        assert_eq!(answer.status(), StatusCode::CREATED);
    })
    .await;
}
