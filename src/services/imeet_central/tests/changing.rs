//! Uploads, attaching, revisions and the assumed changes.

use super::*;

#[tokio::test]
async fn an_upload_is_the_bare_file_with_its_name_and_type_in_headers() {
    let fixture = Fixture::new(|_| Answer::text(201, "\"6d5f-asset\"\r\n")).await;
    let content = fixture.content(b"%PDF-1");
    let staged = fixture.provider.stage(&id(Kind::Folder, "f"), "Plän.pdf", &content).await.unwrap();
    assert_eq!(staged.token.as_deref(), Some("6d5f-asset"));
    let received = fixture.last();
    assert_eq!(received.line(), "POST /v1/files/upload");
    assert_eq!(received.body, b"%PDF-1");
    assert_eq!(received.header("content-type"), Some("application/pdf"));
    assert_eq!(received.header("content-length"), Some("6"));
    let disposition = "attachment; filename=\"Pl_n.pdf\"; filename*=UTF-8''Pl%C3%A4n.pdf";
    assert_eq!(received.header("content-disposition"), Some(disposition));
}

#[tokio::test]
async fn outcomes_of_an_attach_are_matched_by_asset_and_only_201_counts() {
    let fixture = Fixture::new(|_| {
        let outcome =
            |asset: &str, status: u16, body: Value| json!({ "requestId": asset, "status": status, "body": body });
        Answer::json(
            200,
            json!({ "responses": [
                outcome("gone", 404, json!("no such asset")),
                outcome("full", 507, json!("no space")),
                outcome("odd", 200, json!("x")),
                outcome("good", 201, json!(77)),
                outcome("down", 500, json!(null)),
            ] }),
        )
    })
    .await;
    let assets = ["good", "gone", "full", "odd", "down", "unmentioned"];
    let batch: Vec<_> = assets.iter().map(|asset| fixture.item("a.txt", asset)).collect();
    let outcomes = fixture.provider.attach(&id(Kind::Task, "t"), &batch).await.unwrap();
    assert_eq!(fixture.last().line(), "POST /v1/tasks/t/files");
    assert_eq!(fixture.last().json(), json!({ "deferredAssetIds": assets }));
    assert_eq!(outcomes[0].as_ref().unwrap().id.as_str(), "file:77");
    let errors: Vec<_> = outcomes[1..].iter().map(|o| o.as_ref().unwrap_err()).collect();
    let told: Vec<_> = errors.iter().map(|e| (e.kind(), e.is_unclear())).collect();
    use ErrorKind::*;
    assert_eq!(told, [(Stale, false), (Quota, false), (Protocol, true), (Server, true), (Protocol, true)]);
}

#[tokio::test]
async fn an_attach_without_a_readable_answer_is_unclear() {
    for answer in [Answer::lost(), Answer::text(200, "<html>"), Answer::status(500), Answer::json(200, json!({}))] {
        let fixture = Fixture::new(move |_| answer.clone()).await;
        let batch = [fixture.item("a.txt", "asset")];
        let error = fixture.provider.attach(&id(Kind::Folder, "f"), &batch).await.unwrap_err();
        assert!(error.is_unclear(), "{error}");
        assert_eq!(fixture.lines().len(), 1, "never repeated blindly");
    }
}

#[tokio::test]
async fn a_revision_is_put_under_the_name_the_service_knows() {
    let fixture = Fixture::new(|_| Answer::status(201)).await;
    let file = located(Kind::File, "f1", id(Kind::Folder, "d"), "report.txt");
    let content = fixture.content(b"new");
    let revised = fixture.provider.revise(&file, Some(&model::numbered(3)), &content).await.unwrap();
    assert_eq!(revised, Revised { id: file.id.clone(), revision: Some(model::numbered(4)) });
    let received = fixture.last();
    assert_eq!((received.line().as_str(), received.body.as_slice()), ("PUT /v1/files/f1", b"new".as_slice()));
    assert_eq!(received.header("content-disposition"), Some("attachment; filename=report.txt"));
    assert_eq!(received.header("content-type"), Some("text/plain"));
}

#[tokio::test]
async fn a_locked_file_and_a_lost_answer_are_told_apart_when_revising() {
    for (answer, kind, unclear) in [
        (Answer::status(423), ErrorKind::Locked, false),
        (Answer::status(409), ErrorKind::Locked, false),
        (Answer::status(403), ErrorKind::Denied, false),
        (Answer::status(413), ErrorKind::TooLarge, false),
        (Answer::lost(), ErrorKind::Offline, true),
    ] {
        let fixture = Fixture::new(move |_| answer.clone()).await;
        let file = located(Kind::File, "f1", id(Kind::Folder, "d"), "a.txt");
        let error = fixture.provider.revise(&file, None, &fixture.content(b"x")).await.unwrap_err();
        assert_eq!((error.kind(), error.is_unclear()), (kind, unclear));
    }
}

#[tokio::test]
async fn folders_are_made_renamed_moved_and_removed_as_assumed() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "POST" if received.path().starts_with("/v1/folders") => Answer::text(201, "sub-id"),
        "POST" => Answer::text(201, " new-id\n"),
        "PATCH" => Answer::json(200, json!({ "id": "x" })),
        _ => Answer::status(204),
    })
    .await;
    let provider = &fixture.provider;
    let top = provider.make_dir(&id(Kind::Workspace, "w"), "Top").await.unwrap();
    assert_eq!((top.id.as_str(), top.name.as_str()), ("folder:new-id", "Top"));
    assert_eq!(fixture.last().line(), "POST /v1/workspaces/w/folders");
    assert_eq!(fixture.last().json(), json!({ "folderName": "Top" }));
    let unproven = provider.capabilities().unproven;
    assert!(unproven.has(Operation::Rename) && unproven.has(Operation::MakeDir));

    let folder = Located { id: top.id.clone(), parent: id(Kind::Workspace, "w"), name: "Top".into(), kind: top.kind };
    provider.relocate(&folder, &folder.parent, "Other").await.unwrap();
    assert_eq!(fixture.last().line(), "PATCH /v1/folders/new-id");
    assert_eq!(fixture.last().json(), json!({ "folderName": "Other" }));

    let file = located(Kind::File, "f", top.id.clone(), "a.txt");
    let sub = provider.make_dir(&top.id, "Sub").await.unwrap();
    provider.relocate(&file, &sub.id, "b.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "fileName": "b.txt", "folderId": "sub-id" }));
    provider.describe(&file, "words").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "description": "words" }));
    provider.delete(&file).await.unwrap();
    assert_eq!(fixture.last().line(), "DELETE /v1/files/f");
    assert!(!provider.capabilities().unproven.has(Operation::Rename), "it worked for a folder and a file");
}

#[tokio::test]
async fn a_refused_call_is_not_asked_again_and_leaves_the_abilities() {
    let fixture = Fixture::new(|_| Answer::status(405)).await;
    let file = located(Kind::File, "f", id(Kind::Folder, "d"), "a.txt");
    let folder = located(Kind::Folder, "g", id(Kind::Folder, "d"), "g");
    for _ in 0..2 {
        assert_eq!(fixture.provider.delete(&file).await.unwrap_err().kind(), ErrorKind::Unsupported);
        assert_eq!(fixture.provider.delete(&folder).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(fixture.lines(), ["DELETE /v1/files/f", "DELETE /v1/folders/g"]);
    let capabilities = fixture.provider.capabilities();
    assert!(!capabilities.operations.has(Operation::Delete));
    assert!(capabilities.operations.has(Operation::Rename));
}

#[tokio::test]
async fn a_404_is_a_missing_call_only_if_the_thing_is_there() {
    let fixture = Fixture::new(|received| match received.line().as_str() {
        "GET /v1/files/there" => Answer::json(200, file_object("there", 1, 1)),
        _ => Answer::status(404),
    })
    .await;
    let gone = located(Kind::File, "gone", id(Kind::Folder, "d"), "a.txt");
    assert_eq!(fixture.provider.delete(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
    let there = located(Kind::File, "there", id(Kind::Folder, "d"), "a.txt");
    assert_eq!(fixture.provider.delete(&there).await.unwrap_err().kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn switched_off_changes_are_refused_without_a_request() {
    let fixture = Fixture::with("assumed_writes = false", |_| Answer::status(500)).await;
    let error = fixture.provider.make_dir(&id(Kind::Workspace, "w"), "x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(fixture.stub.lines().is_empty());
    let operations = fixture.provider.capabilities().operations;
    let documented = [Operation::CreateFile, Operation::Revise, Operation::Read];
    assert_eq!(operations, Operations::of(&documented));
}

#[tokio::test]
async fn moves_that_cannot_be_expressed_are_refused_in_the_right_words() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/workspaces/w/folders" => items(json!([{ "id": "a" }, { "id": "b" }])),
        "/v1/folders/far" => Answer::json(200, json!({ "id": "far", "details": { "workspaceId": "v" } })),
        "/v1/workspaces/w/files" => items(json!([])),
        other => panic!("{other}"),
    })
    .await;
    list_all(&fixture.provider, &id(Kind::Workspace, "w")).await.unwrap();
    let file = located(Kind::File, "f", id(Kind::Folder, "a"), "a.txt");
    let folder = located(Kind::Folder, "b", id(Kind::Folder, "a"), "b");
    for (entry, to, kind) in [
        (&file, id(Kind::Workspace, "w"), ErrorKind::Unsupported),
        (&folder, id(Kind::Workspace, "w"), ErrorKind::Unsupported),
        (&folder, id(Kind::Workspace, "v"), ErrorKind::CrossDevice),
        (&file, id(Kind::Folder, "far"), ErrorKind::CrossDevice),
        (&file, id(Kind::Task, "t"), ErrorKind::CrossDevice),
    ] {
        let error = fixture.provider.relocate(entry, &to, &entry.name).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{} to {to}: {error}", entry.id);
    }
    assert!(fixture.lines().iter().all(|line| line.starts_with("GET")));
}
