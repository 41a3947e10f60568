//! Renames, moves, removals.

use super::*;

#[tokio::test]
async fn renames_and_moves_send_only_what_changes() {
    let fixture = Fixture::new(|_, _| Answer::status(201)).await;
    fixture.provider.sign_in().await.unwrap();
    let (plans, top) = (plans(), Place::Project(7).remote_id());
    for (to, name, expected) in [
        (&plans, "other.txt", vec![text_part("name", "other.txt")]),
        (&top, "plan.txt", vec![text_part("folderId", "1")]),
        (&top, "other.txt", vec![text_part("folderId", "1"), text_part("name", "other.txt")]),
    ] {
        let before = fixture.lines().len();
        fixture.provider.relocate(&plan(), to, name).await.unwrap();
        assert_eq!(parts(&fixture.sent()), expected);
        assert_eq!(fixture.lines()[before..], [UPDATE.to_owned(), format!("GET {DMS}/documents")]);
    }
    let before = fixture.lines().len();
    fixture.provider.describe(&plan(), "words").await.unwrap();
    assert_eq!(parts(&fixture.sent()), [text_part("description", "words")]);
    let request = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    let ListPart::Entries { entries, .. } = part else { panic!("no entries") };
    assert_eq!(entries[0].description.as_deref(), Some("words"));
    assert_eq!(fixture.lines().len(), before + 1);
}

#[tokio::test]
async fn a_rename_that_moves_the_time_of_storing_is_no_new_revision() {
    let fixture = Fixture::new(|_, lists| {
        let mut renamed = document(8, 17, "other.txt", 5);
        renamed["createdAt"] = json!("2024-05-06T09:00:00Z");
        lists.set("documents", json!([renamed]));
        Answer::status(201)
    })
    .await;
    let before = list_all(&fixture.provider, &plans()).await.unwrap().remove(0);
    fixture.provider.relocate(&plan(), &plans(), "other.txt").await.unwrap();
    let after = fixture.provider.stat(&plan().id).await.unwrap();
    assert_eq!((after.name.as_str(), after.revision), ("other.txt", before.revision));
}

#[tokio::test]
async fn moves_that_the_service_cannot_make_are_refused_without_a_request() {
    let fixture = Fixture::new(refuse).await;
    fixture.provider.sign_in().await.unwrap();
    let folder = Located {
        id: plans(),
        parent: Place::Project(7).remote_id(),
        name: "Plans".into(),
        kind: EntryKind::Directory,
    };
    let before = fixture.lines().len();
    for (entry, to, kind) in [
        (plan(), Place::Project(6).remote_id(), ErrorKind::CrossDevice),
        (plan(), Place::Folder { project: 6, folder: 17 }.remote_id(), ErrorKind::CrossDevice),
        (plan(), Place::Root.remote_id(), ErrorKind::Unsupported),
        (folder.clone(), Place::Project(7).remote_id(), ErrorKind::Unsupported),
    ] {
        assert_eq!(fixture.provider.relocate(&entry, &to, "x").await.unwrap_err().kind(), kind);
    }
    assert_eq!(fixture.provider.delete(&folder).await.unwrap_err().kind(), ErrorKind::Unsupported);
    let made = fixture.provider.make_dir(&plans(), "x").await;
    assert_eq!(made.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.lines().len(), before);
}

#[tokio::test]
async fn a_folder_that_vanished_is_not_taken_for_the_document() {
    let fixture = Fixture::new(refuse).await;
    let top = Place::Project(7).remote_id();
    assert_eq!(fixture.provider.relocate(&plan(), &top, "plan.txt").await.unwrap_err().kind(), ErrorKind::Invalid);
    fixture.lists.set("documents", json!([]));
    assert_eq!(fixture.provider.relocate(&plan(), &top, "plan.txt").await.unwrap_err().kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_removal_is_one_request_and_is_entered_into_the_list() {
    let fixture = Fixture::new(|_, _| Answer::status(204)).await;
    fixture.provider.sign_in().await.unwrap();
    assert!(fixture.provider.capabilities().unproven.has(Operation::Delete));
    fixture.provider.delete(&plan()).await.unwrap();
    assert_eq!(fixture.sent().line(), UPDATE.replace("POST", "DELETE"));
    let plans = plans();
    let request = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let part = fixture.provider.list(&plans, request).next().await.unwrap().unwrap();
    assert!(matches!(part, ListPart::Entries { entries, .. } if entries.is_empty()));
    assert_eq!(fixture.lines().len(), 5);
    assert!(!fixture.provider.capabilities().unproven.has(Operation::Delete));
}

#[tokio::test]
async fn a_missing_call_leaves_the_abilities_and_a_missing_document_does_not() {
    let fixture = Fixture::new(refuse).await;
    let gone = Located { id: Place::Document { project: 7, document: 99 }.remote_id(), ..plan() };
    assert_eq!(fixture.provider.delete(&gone).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert!(fixture.provider.capabilities().operations.has(Operation::Delete));
    for _ in 0..2 {
        assert_eq!(fixture.provider.delete(&plan()).await.unwrap_err().kind(), ErrorKind::Unsupported);
    }
    assert_eq!(fixture.lines().iter().filter(|line| line.starts_with("DELETE")).count(), 2);
    assert!(!fixture.provider.capabilities().operations.has(Operation::Delete));
    assert!(!list_all(&fixture.provider, &plans()).await.unwrap()[0].offers.has(Operation::Delete));
}
