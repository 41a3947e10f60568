//! Folders, names, moves, removals, copies, reservations.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;

#[tokio::test]
async fn a_folder_is_made_and_described() {
    let fixture = Fixture::new(|_| Answer::json(201, folder("F2", "New"))).await;
    let made = fixture.provider.make_dir(&fixture.provider.root().id, "New").await.unwrap();
    assert_eq!((made.id.as_str(), made.name.as_str()), ("folder:F2", "New"));
    assert_eq!(fixture.lines(), ["POST /folders/self"]);
    assert_eq!(fixture.last().json(), json!({ "name": "New" }));
    fixture.provider.describe(&located(made.id, "self", "New"), "what \"it\" is").await.unwrap();
    assert_eq!(fixture.last().line(), "PUT /documents/api/1.2/folders/F2");
    assert_eq!(fixture.last().json(), json!({ "description": "what \"it\" is" }));
}

#[tokio::test]
async fn a_folder_that_got_a_number_is_withdrawn_because_its_name_is_taken() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "POST" => Answer::json(201, folder("F2", "New(2)")),
        _ => done(),
    })
    .await;
    let error = fixture.provider.make_dir(&folder_id("F1"), "New").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    assert_eq!(fixture.lines(), ["POST /folders/F1", "DELETE /folders/F2"]);
}

#[tokio::test]
async fn renames_and_moves_are_one_call_each() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "PUT" => ok(file("D1", received.json()["name"].as_str().unwrap(), 1)),
        _ => ok(json!({ "errorCode": "0", "destinationID": "F2", "idList": "D1", "type": "file" })),
    })
    .await;
    let known = located(file_id("D1"), "F1", "a.txt");
    assert!(fixture.provider.capabilities().unproven.has(Operation::Move));
    fixture.provider.relocate(&known, &folder_id("F1"), "A.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "name": "A.txt" }));
    fixture.provider.relocate(&known, &fixture.provider.root().id, "a.txt").await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "destinationID": "self" }));
    fixture.provider.relocate(&known, &folder_id("F2"), "b.txt").await.unwrap();
    let expected = ["PUT /files/D1", "POST /files/D1/move", "PUT /files/D1", "POST /files/D1/move"];
    assert_eq!(fixture.lines(), expected);
    assert!(!fixture.provider.capabilities().unproven.has(Operation::Move));
}

#[tokio::test]
async fn a_name_taken_on_the_way_is_gone_around() {
    // `b.txt` lies beside the file, and `a.txt` lies where it goes: only a passing name leads there.
    let moved = AtomicBool::new(false);
    let fixture = Fixture::new(move |received| {
        let there = moved.load(Ordering::SeqCst);
        match received.method.as_str() {
            "PUT" => match received.json()["name"].as_str().unwrap() {
                "b.txt" if !there => Answer::status(409),
                name => ok(file("D1", name, 1)),
            },
            _ if moved.load(Ordering::SeqCst) => panic!("moved twice"),
            _ => Answer::status(409),
        }
    })
    .await;
    let known = located(file_id("D1"), "F1", "a.txt");
    let error = fixture.provider.relocate(&known, &folder_id("F2"), "b.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Exists);
    let lines = fixture.lines();
    let expected = ["PUT /files/D1", "POST /files/D1/move", "PUT /files/D1", "POST /files/D1/move", "PUT /files/D1"];
    assert_eq!(lines, expected, "renamed, moved, passing name, moved, and the old name again");
    assert_eq!(fixture.last().json(), json!({ "name": "a.txt" }));
}

#[tokio::test]
async fn a_refused_second_step_takes_the_first_one_back() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "PUT" => ok(file("D1", received.json()["name"].as_str().unwrap(), 1)),
        "GET" => ok(file("D1", "b.txt", 1)),
        _ => no_rights(),
    })
    .await;
    let known = located(file_id("D1"), "F1", "a.txt");
    let error = fixture.provider.relocate(&known, &folder_id("F2"), "b.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
    assert_eq!(fixture.last().json(), json!({ "name": "a.txt" }));
}

#[tokio::test]
async fn a_400_to_a_name_is_looked_into() {
    for (other, kind) in [("B.TXT", ErrorKind::Exists), ("c.txt", ErrorKind::BadName)] {
        let fixture = Fixture::new(move |received| match received.method.as_str() {
            "GET" => page(vec![file("D1", "a.txt", 1), file("D2", other, 1)], false, 2),
            _ => Answer::status(400),
        })
        .await;
        let known = located(file_id("D1"), "F1", "a.txt");
        let error = fixture.provider.relocate(&known, &folder_id("F1"), "b.txt").await.unwrap_err();
        assert_eq!(error.kind(), kind);
    }
}

#[tokio::test]
async fn folders_that_cannot_be_moved_are_copied_by_the_caller() {
    let fixture = Fixture::new(|_| Answer::status(405)).await;
    let known = located(folder_id("F5"), "F1", "d");
    let error = fixture.provider.relocate(&known, &folder_id("F2"), "d").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossDevice);
}

#[tokio::test]
async fn a_lost_answer_to_a_move_is_found_out_by_the_item_itself() {
    let moved = json!({ "id": "D1", "name": "b.txt", "type": "file", "parentID": "F2" });
    let fixture = Fixture::new(move |_| ok(moved.clone())).await;
    let entry = located(file_id("D1"), "F1", "a.txt");
    for (to_parent, done) in [("F2", true), ("F1", false)] {
        let (entry, to_parent) = (entry.clone(), folder_id(to_parent));
        let attempt = Attempt::Relocate { entry, to_parent, to_name: "b.txt".into() };
        let found = fixture.provider.confirm(&attempt).await.unwrap().unwrap();
        assert_eq!(matches!(found, Confirmation::Done), done);
    }
}

#[tokio::test]
async fn only_an_empty_folder_is_removed() {
    for (items, ended) in [(vec![], Ok(())), (vec![file("D1", "a", 1)], Err(ErrorKind::NotEmpty))] {
        let fixture = Fixture::new(move |received| match received.method.as_str() {
            "GET" => page(items.clone(), false, items.len()),
            _ => done(),
        })
        .await;
        let removed = fixture.provider.delete(&located(folder_id("F5"), "F1", "d")).await;
        assert_eq!(removed.map_err(|e| e.kind()), ended);
        assert_eq!(fixture.lines()[0], "GET /folders/F5/items?limit=1");
        assert_eq!(fixture.lines().len(), if ended.is_ok() { 2 } else { 1 });
    }
}

#[tokio::test]
async fn a_removal_that_takes_one_version_is_repeated_until_the_file_is_gone() {
    let left = AtomicUsize::new(3);
    let fixture = Fixture::new(move |received| match received.method.as_str() {
        "DELETE" => {
            left.fetch_sub(1, Ordering::SeqCst);
            done()
        }
        _ => {
            let left = left.load(Ordering::SeqCst);
            page((0..left.min(1)).map(|_| file("D1", "a", left as u64)).collect(), false, left.min(1))
        }
    })
    .await;
    crate::provider::confirm::list_all(&fixture.provider, &folder_id("F1")).await.unwrap();
    fixture.provider.delete(&located(file_id("D1"), "F1", "a")).await.unwrap();
    let removals = fixture.lines().iter().filter(|line| *line == "DELETE /files/D1").count();
    assert_eq!(removals, 3);
}

#[tokio::test]
async fn a_removal_whose_answer_is_lost_is_not_repeated_blindly() {
    let fixture = Fixture::new(|_| Answer::lost()).await;
    let error = fixture.provider.delete(&located(file_id("D1"), "F1", "a")).await.unwrap_err();
    assert!(error.is_unclear());
    assert_eq!(fixture.lines(), ["DELETE /files/D1"]);
}

#[tokio::test]
async fn a_copy_keeps_its_name() {
    let copied = json!({ "errorCode": "0", "id": "D9", "idList": "D1", "destinationID": "F2" });
    let fixture = Fixture::new(move |_| ok(copied.clone())).await;
    let known = located(file_id("D1"), "F1", "a.txt");
    let created = fixture.provider.copy(&known, &folder_id("F2"), "a.txt").await.unwrap();
    assert_eq!(created.id, file_id("D9"));
    let asked = json!({ "destinationID": "F2" });
    assert_eq!((fixture.last().path(), fixture.last().json()), ("/documents/api/1.2/files/D1/copy", asked));
    let refused = fixture.provider.copy(&known, &folder_id("F2"), "b.txt").await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Unsupported);
    assert_eq!(fixture.lines().len(), 1);
}

#[tokio::test]
async fn a_file_is_reserved_and_given_back() {
    let fixture = Fixture::new(|received| match received.method.as_str() {
        "GET" => ok(folder("self", "")),
        _ => done(),
    })
    .await;
    let known = located(file_id("D1"), "F1", "a.txt");
    fixture.provider.reserve(&known, true).await.unwrap();
    assert!(fixture.last().body.is_empty());
    fixture.provider.reserve(&known, false).await.unwrap();
    assert_eq!(fixture.last().json(), json!({ "reservedByUserID": "UME" }));
    assert_eq!(fixture.lines(), ["POST /files/D1/reserve", "GET /folders/self", "POST /files/D1/unreserve"]);
}
