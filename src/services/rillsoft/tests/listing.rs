//! What lists tell.

use super::*;

#[tokio::test]
async fn a_thousand_documents_of_all_projects_are_one_request() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let many: Vec<Value> = (0..1000).map(|n| document(1000 + n, 17, &format!("f{n}.txt"), n)).collect();
    fixture.lists.set("documents", json!({ "status": "success", "data": many }));
    let before = fixture.stub.lines().len();
    let request = ListRequest { known: None, max_age: Duration::from_millis(200) };
    tokio::time::sleep(Duration::from_millis(250)).await;
    let plans = plans();
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    let ListPart::Entries { entries, age, .. } = part else { panic!("no entries") };
    assert_eq!(entries.len(), 1000);
    assert!(age < Duration::from_secs(1));
    assert_eq!(fixture.stub.lines()[before..], [format!("GET {DMS}/documents")]);
}

#[tokio::test]
async fn a_listing_shows_folders_and_documents_with_all_they_tell() {
    let fixture = Fixture::new(refuse).await;
    fixture.lists.set("documents", json!([document(8, 17, "plan.txt", 5), document(9, 1, "top.txt", 6)]));
    let top = list_all(&fixture.provider, &Place::Project(7).remote_id()).await.unwrap();
    let told: Vec<_> = top.iter().map(|e| (e.id.as_str(), e.name.as_str(), e.size)).collect();
    assert_eq!(told, [("folder:7/17", "Plans", None), ("document:7/9", "top.txt", Some(6))]);
    assert_eq!(top[0].offers, Operations::of(&[Operation::CreateFile]));
    let plan = list_all(&fixture.provider, &plans()).await.unwrap().remove(0);
    assert_eq!(plan.author.as_deref(), Some("ada"));
    let attributes = [("folder_id", "17"), ("parent_uuid", TASK), ("project_id", "7")];
    let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
    assert_eq!(plan.attributes, BTreeMap::from(attributes));
    let not_for_files = Operations::of(&[Operation::CreateFile, Operation::MakeDir]);
    assert_eq!(plan.offers.bits(), Operations::ALL.bits() & !not_for_files.bits());
    assert_eq!(fixture.provider.root().offers, Operations::NONE);
}

#[tokio::test]
async fn documents_in_unknown_folders_have_the_folders_asked_for_again_and_stay_visible() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    fixture.lists.set("documents", json!([document(8, 99, "odd.txt", 5)]));
    let project = Place::Project(7).remote_id();
    for expected in [2, 1] {
        let before = fixture.lines().len();
        let request = ListRequest { known: None, max_age: Duration::from_millis(200) };
        tokio::time::sleep(Duration::from_millis(250)).await;
        let part = fixture.provider.list(&project, request).next().await.unwrap().unwrap();
        let ListPart::Entries { entries, .. } = part else { panic!("no entries") };
        let names: Vec<_> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names, ["Plans", "folder 99"]);
        assert_eq!(fixture.lines().len() - before, expected, "asked again once, not for ever");
    }
    let stranger = Place::Folder { project: 7, folder: 99 }.remote_id();
    assert_eq!(list_all(&fixture.provider, &stranger).await.unwrap()[0].name, "odd.txt");
}

#[tokio::test]
async fn a_service_without_a_folder_call_shows_folders_by_number() {
    for status in [404, 405] {
        let fixture = Fixture::with("main_folder = 1\n", move |_, _| Answer::status(status)).await;
        fixture.lists.0.lock().unwrap().remove("folders");
        let documents = json!([document(8, 17, "plan.txt", 5), document(9, 1, "top.txt", 6)]);
        fixture.lists.set("documents", documents);
        for _ in 0..2 {
            let top = list_all(&fixture.provider, &Place::Project(7).remote_id()).await.unwrap();
            let names: Vec<_> = top.iter().map(|entry| entry.name.as_str()).collect();
            assert_eq!(names, ["folder 17", "top.txt"]);
        }
        let asked = fixture.lines().into_iter().filter(|line| line.ends_with("/folders")).count();
        assert_eq!(asked, 1);
    }
}

#[tokio::test]
async fn a_list_that_is_cut_or_none_is_an_error_and_never_a_removal() {
    for odd in [
        json!({ "data": [document(8, 17, "a", 1)], "total": 2 }),
        json!({ "data": [document(8, 17, "a", 1)], "links": { "next": "/x" } }),
        json!({ "data": [document(8, 17, "a", 1)], "nextPage": 2 }),
        json!({ "data": "none" }),
        json!({ "documents": [] }),
        json!([{}, { "name": "without id" }]),
        json!("text"),
    ] {
        let fixture = Fixture::new(refuse).await;
        fixture.lists.set("documents", odd.clone());
        let error = list_all(&fixture.provider, &plans()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{odd}");
    }
    let fixture = Fixture::new(refuse).await;
    let refused = json!({ "status": "error", "code": 403, "message": "Access denied", "details": "" });
    fixture.lists.set("documents", refused);
    assert_eq!(list_all(&fixture.provider, &plans()).await.unwrap_err().kind(), ErrorKind::Denied);
}
