//! Listings, and single things.

use super::*;

#[tokio::test]
async fn a_folder_is_listed_by_two_lists_of_25_whose_links_are_followed() {
    let fixture = Fixture::new(|received| match received.target.as_str() {
        "/v1/folders/F%2F1/folders?limit=25" => items(json!([{ "id": "s", "details": { "folderName": "Sub" } }])),
        "/v1/folders/F%2F1/files?limit=25" => Answer::json(
            200,
            json!({ "items": [file_object("a", 1, 5)], "links": { "next": "/v1/folders/F%2F1/files?after=a" } }),
        ),
        "/v1/folders/F%2F1/files?after=a" => items(json!([file_object("b", 2, 6)])),
        other => panic!("{other}"),
    })
    .await;
    let mut entries = list_all(&fixture.provider, &id(Kind::Folder, "F/1")).await.unwrap();
    entries.sort_by(|a, b| a.name.cmp(&b.name));
    let told: Vec<_> = entries.iter().map(|e| (e.name.as_str(), e.id.as_str(), e.size)).collect();
    assert_eq!(told, [("Sub", "folder:s", None), ("a.txt", "file:a", Some(5)), ("b.txt", "file:b", Some(6))]);
    assert!(fixture.stub.received()[1..].iter().all(|r| r.header("authorization") == Some("Bearer token-0123456789")));
}

#[tokio::test]
async fn a_list_that_leads_in_a_circle_or_elsewhere_is_an_error() {
    for next in ["?limit=25", "https://evil.example/v1"] {
        let fixture = Fixture::new(move |_| Answer::json(200, json!({ "items": [], "links": { "next": next } }))).await;
        let error = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{next}");
        assert_eq!(fixture.lines().len(), 1);
    }
}

#[tokio::test]
async fn attachments_add_directories_for_tasks_milestones_and_records() {
    let fixture = Fixture::with("attachments = true", |received| match received.path() {
        "/v1/workspaces/w/tasks" => items(json!([{ "id": "t", "details": { "title": "Paint" } }])),
        "/v1/tasks/t/files" => items(json!([file_object("a", 1, 5)])),
        _ => items(json!([])),
    })
    .await;
    let workspace = list_all(&fixture.provider, &id(Kind::Workspace, "w")).await.unwrap();
    let names: Vec<_> = workspace.iter().map(|entry| entry.name.as_str()).collect();
    assert_eq!(names, ["@tasks", "@milestones", "@records"]);
    let tasks = list_all(&fixture.provider, &workspace[0].id).await.unwrap();
    assert_eq!((tasks[0].name.as_str(), tasks[0].offers), ("Paint", Operations::of(&[Operation::CreateFile])));
    let files = list_all(&fixture.provider, &tasks[0].id).await.unwrap();
    assert_eq!(files[0].id.as_str(), "file:a");
    assert!(files[0].offers.has(Operation::Revise));
}

#[tokio::test]
async fn a_service_without_lists_shows_known_folders_and_what_was_uploaded() {
    let settings = "[accounts.acme.drop_folders.w]\nInbox = \"in\"\n";
    let fixture = Fixture::with(settings, |received| match received.line().as_str() {
        "GET /v1/workspaces?limit=25" => items(json!([{ "id": "w", "details": { "workspaceName": "W" } }])),
        "POST /v1/files/upload" => Answer::text(201, "asset"),
        "POST /v1/folders/in/files" => {
            Answer::json(200, json!({ "responses": [{ "requestId": "asset", "status": 201, "body": "f" }] }))
        }
        _ => Answer::status(404),
    })
    .await;
    let provider = &fixture.provider;
    let workspace = list_all(provider, &provider.root().id).await.unwrap().remove(0);
    let known = list_all(provider, &workspace.id).await.unwrap();
    assert_eq!((known.len(), known[0].name.as_str(), known[0].id.as_str()), (1, "Inbox", "folder:in"));
    assert!(list_all(provider, &known[0].id).await.unwrap().is_empty());
    provider.attach(&known[0].id, &[fixture.item("a.txt", "asset")]).await.unwrap()[0].as_ref().unwrap();
    let uploaded = list_all(provider, &known[0].id).await.unwrap();
    assert_eq!((uploaded[0].name.as_str(), uploaded[0].size), ("a.txt", Some(1)));
    assert_eq!(provider.stat(&uploaded[0].id).await.unwrap().name, "a.txt");
}

#[tokio::test]
async fn a_directory_that_is_gone_is_not_found() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/workspaces" => items(json!([])),
        _ => Answer::status(404),
    })
    .await;
    for gone in [id(Kind::Folder, "f"), id(Kind::Workspace, "w")] {
        assert_eq!(list_all(&fixture.provider, &gone).await.unwrap_err().kind(), ErrorKind::NotFound, "{gone}");
    }
}

#[tokio::test]
async fn without_a_call_to_look_at_a_file_its_list_is_asked() {
    let fixture = Fixture::new(|received| match received.path() {
        "/v1/folders/d/files" => items(json!([file_object("a", 7, 5)])),
        "/v1/folders/d/folders" => items(json!([])),
        _ => Answer::status(404),
    })
    .await;
    list_all(&fixture.provider, &id(Kind::Folder, "d")).await.unwrap();
    let entry = fixture.provider.stat(&id(Kind::File, "a")).await.unwrap();
    assert_eq!(entry.revision, Some(model::numbered(7)));
    let error = fixture.provider.stat(&id(Kind::File, "b")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}
