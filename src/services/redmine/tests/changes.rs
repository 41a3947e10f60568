//! Replacing, renaming, removing.

use super::*;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::provider::Confirmation;
use crate::services::redmine::model::{Attachment, revision_of};

const UPLOAD: &str = "POST /uploads.json?filename=plan.txt";
const ATTACH: &str = "POST /projects/1/files.json";
const FILES: &str = "GET /projects/1/files.json";
const VERSIONS: &str = "GET /projects/1/versions.json";

fn described(id: u64, description: &str) -> Value {
    let mut file = file(id, "plan.txt", b"old");
    file["description"] = description.into();
    file
}

/// A project with `plan.txt` as attachment 5, whose removal answers so.
fn one_plan(removal: Answer, then: Value) -> Vec<(&'static str, Answer)> {
    vec![
        (UPLOAD, uploaded(21, b"new")),
        (ATTACH, Answer::status(204)),
        ("GET /attachments/5.json", Answer::json(200, json!({ "attachment": described(5, "start here") }))),
        ("DELETE /attachments/5.json", removal),
        ("DELETE /attachments/21.json", Answer::status(204)),
        (FILES, files(then)),
        (VERSIONS, versions(json!([]))),
    ]
}

#[tokio::test]
async fn new_content_is_uploaded_attached_and_only_then_the_old_one_removed() {
    let fixture = Fixture::new(one_plan(Answer::status(204), json!([described(5, "start here")]))).await;
    list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap();
    let plan = fixture.file(5, "plan.txt", Place::Files(1));
    let content = fixture.content(b"new");
    let revised = fixture.provider.revise(&plan, None, &content).await.unwrap();
    let told = file(21, "plan.txt", b"new");
    assert_eq!(revised.id.as_str(), "file:21");
    assert_eq!(revised.revision, Attachment::read(&told).map(|file| revision_of(&file)), "as the list will show it");
    assert_eq!(fixture.lines()[2..], [UPLOAD, ATTACH, "DELETE /attachments/5.json"], "three requests");
    let attached = fixture.stub.received().into_iter().find(|received| received.line() == ATTACH).unwrap().json();
    assert_eq!(attached["file"]["description"], "start here");
}

#[tokio::test]
async fn the_next_save_knows_the_description_without_asking() {
    let answers: HashMap<_, _> = one_plan(Answer::status(204), json!([])).into_iter().collect();
    let uploads = AtomicU64::new(21);
    let fixture = Fixture::with(move |received| match received.line().as_str() {
        UPLOAD => Some(uploaded(uploads.fetch_add(1, Ordering::Relaxed), b"new")),
        line => answers.get(line).cloned(),
    })
    .await;
    let content = fixture.content(b"new");
    fixture.provider.revise(&fixture.file(5, "plan.txt", Place::Files(1)), None, &content).await.unwrap();
    assert_eq!(fixture.lines()[0], "GET /attachments/5.json");
    fixture.provider.revise(&fixture.file(21, "plan.txt", Place::Files(1)), None, &content).await.unwrap();
    assert_eq!(fixture.lines()[4..], [UPLOAD, ATTACH, "DELETE /attachments/21.json"]);
}

/// Some databases give a removed file's number again: to remove "the old one" then would remove the new one.
#[tokio::test]
async fn new_content_that_gets_the_number_of_the_old_file_is_not_removed_with_it() {
    let fixture = Fixture::new(one_plan(Answer::status(204), json!([]))).await;
    let content = fixture.content(b"new");
    let plan = fixture.file(21, "plan.txt", Place::Files(1));
    fixture.provider.note_description(21, None);
    let error = fixture.provider.revise(&plan, None, &content).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unclear()), (ErrorKind::NotFound, false));
    assert_eq!(fixture.lines(), [UPLOAD, "DELETE /attachments/21.json"], "taken back, never attached");
}

#[tokio::test]
async fn a_removal_is_repeated_only_when_the_file_is_still_there() {
    let mine = Answer::json(200, json!({ "attachment": file(5, "plan.txt", b"x") }));
    let anothers = Answer::json(200, json!({ "attachment": file(5, "other.txt", b"x") }));
    let cases = [(Answer::status(404), Ok(()), 1), (anothers, Ok(()), 1), (mine, Err(true), 3)];
    for (looked_at, expected, removals) in cases {
        let answers = vec![("DELETE /attachments/5.json", Answer::lost()), ("GET /attachments/5.json", looked_at)];
        let fixture = Fixture::new(answers).await;
        let removed = fixture.provider.delete(&fixture.file(5, "plan.txt", Place::Files(1))).await;
        assert_eq!(removed.map_err(|error| error.is_unclear()), expected);
        assert_eq!(fixture.lines().iter().filter(|line| line.starts_with("DELETE")).count(), removals);
    }
}

#[tokio::test]
async fn who_was_overtaken_takes_the_own_content_back() {
    let successor = json!([file(9, "plan.txt", b"theirs"), file(21, "plan.txt", b"new")]);
    let alone = json!([file(4, "plan.txt", b"older"), file(21, "plan.txt", b"new")]);
    for (then, kind) in [(successor, ErrorKind::Conflict), (alone, ErrorKind::NotFound)] {
        let fixture = Fixture::new(one_plan(Answer::status(404), then)).await;
        let content = fixture.content(b"new");
        let plan = fixture.file(5, "plan.txt", Place::Files(1));
        let error = fixture.provider.revise(&plan, None, &content).await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert_eq!(fixture.lines().last().unwrap(), "DELETE /attachments/21.json");
    }
}

#[tokio::test]
async fn a_removal_whose_answer_was_lost_is_looked_for_and_not_taken_for_anothers() {
    let fixture = Fixture::new(one_plan(Answer::lost(), json!([file(21, "plan.txt", b"new")]))).await;
    let content = fixture.content(b"new");
    let plan = fixture.file(5, "plan.txt", Place::Files(1));
    assert_eq!(fixture.provider.revise(&plan, None, &content).await.unwrap().id, Place::File(21).remote_id());
    let removals = fixture.lines().iter().filter(|line| line.starts_with("DELETE")).count();
    assert_eq!(removals, 1);
}

#[tokio::test]
async fn an_old_file_that_may_not_be_removed_leaves_everything_as_it_was() {
    let fixture = Fixture::new(one_plan(Answer::status(403), json!([]))).await;
    let content = fixture.content(b"new");
    let plan = fixture.file(5, "plan.txt", Place::Files(1));
    let error = fixture.provider.revise(&plan, None, &content).await.unwrap_err();
    assert_eq!((error.kind(), error.is_unclear()), (ErrorKind::Denied, false));
    assert_eq!(fixture.lines().last().unwrap(), "DELETE /attachments/21.json");
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_uploaded() {
    let fixture = Fixture::new(vec![("GET /attachments/5.json", Answer::status(404))]).await;
    let content = fixture.content(b"new");
    let plan = fixture.file(5, "plan.txt", Place::Files(1));
    let error = fixture.provider.revise(&plan, None, &content).await.unwrap_err();
    assert_eq!((error.kind(), fixture.lines().len()), (ErrorKind::NotFound, 1));
}

#[tokio::test]
async fn a_replacement_that_stopped_before_its_last_step_is_completed() {
    let half = json!([file(5, "plan.txt", b"old"), file(9, "plan.txt", b"not"), file(21, "plan.txt", b"new")]);
    let fixture = Fixture::new(one_plan(Answer::status(204), half)).await;
    let attempt = Attempt::Revise {
        file: fixture.file(5, "plan.txt", Place::Files(1)),
        base: None,
        content: fixture.content(b"new"),
    };
    match find_out(&fixture.provider, &attempt).await.unwrap() {
        Confirmation::Revised(revised) => assert_eq!(revised.id, Place::File(21).remote_id()),
        other => panic!("{other:?}"),
    }
    assert_eq!(fixture.lines().last().unwrap(), "DELETE /attachments/5.json");
}

#[tokio::test]
async fn a_replacement_that_never_arrived_is_known_as_such() {
    let untouched = json!([file(5, "plan.txt", b"new"), file(9, "plan.txt", b"not")]);
    let fixture = Fixture::new(one_plan(Answer::status(204), untouched)).await;
    let attempt = Attempt::Revise {
        file: fixture.file(5, "plan.txt", Place::Files(1)),
        base: None,
        content: fixture.content(b"new"),
    };
    let found = find_out(&fixture.provider, &attempt).await.unwrap();
    assert!(matches!(found, Confirmation::NotDone), "{found:?}");
    assert!(fixture.lines().iter().all(|line| line.starts_with("GET")));
}

#[tokio::test]
async fn where_no_digest_is_told_the_bytes_are_compared() {
    let plain = |id: u64| json!({ "id": id, "filename": "plan.txt", "filesize": 3 });
    let issue = json!({ "issue": { "id": 7, "subject": "s", "attachments": [plain(5), plain(20), plain(21)] } });
    let fixture = Fixture::new(vec![
        ("GET /issues/7.json?include=attachments", Answer::json(200, issue)),
        ("GET /attachments/download/20.json", Answer::bytes(200, b"not")),
        ("GET /attachments/download/21.json", Answer::bytes(200, b"new")),
        ("DELETE /attachments/5.json", Answer::status(204)),
    ])
    .await;
    let issue = Place::Issue { project: 1, issue: 7 };
    let attempt =
        Attempt::Revise { file: fixture.file(5, "plan.txt", issue), base: None, content: fixture.content(b"new") };
    let found = find_out(&fixture.provider, &attempt).await.unwrap();
    assert!(matches!(found, Confirmation::Revised(revised) if revised.id == Place::File(21).remote_id()));
}

#[tokio::test]
async fn each_kind_of_thing_is_renamed_by_its_own_call() {
    let lines = ["PATCH /attachments/5.json", "PUT /versions/2.json", "PUT /issues/7.json"];
    let fixture = Fixture::new(lines.map(|line| (line, Answer::status(204))).to_vec()).await;
    let file = fixture.file(5, "a.txt", Place::Files(1));
    let dir = |place: Place, parent: Place, name: &str| Located {
        id: place.remote_id(),
        kind: EntryKind::Directory,
        ..fixture.file(0, name, parent)
    };
    let version = dir(Place::Version { project: 1, version: 2 }, Place::Files(1), "V");
    let issue = dir(Place::Issue { project: 1, issue: 7 }, Place::Issues(1), "7 Old");
    for (entry, name, line, body) in [
        (file, "50%.txt", lines[0], json!({ "attachment": { "filename": "50％.txt" } })),
        (version, "W: new", lines[1], json!({ "version": { "name": "W: new" } })),
        (issue, "7 New", lines[2], json!({ "issue": { "subject": "New" } })),
    ] {
        fixture.provider.relocate(&entry, &entry.parent.clone(), name).await.unwrap();
        let sent = fixture.stub.received().pop().unwrap();
        assert_eq!((sent.line().as_str(), sent.json()), (line, body));
    }
}

#[tokio::test]
async fn nothing_is_moved_and_that_is_known_without_asking() {
    let fixture = Fixture::new(vec![]).await;
    let file = fixture.file(5, "a.txt", Place::Files(1));
    let elsewhere = Place::Version { project: 1, version: 2 }.remote_id();
    let error = fixture.provider.relocate(&file, &elsewhere, "a.txt").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::CrossDevice);
    let project = Place::Project(1).remote_id();
    let project = Located { id: project.clone(), parent: project, name: "P".into(), kind: EntryKind::Directory };
    assert_eq!(fixture.provider.delete(&project).await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert!(fixture.stub.lines().is_empty());
}

#[tokio::test]
async fn a_version_is_made_in_a_projects_files_only() {
    let version = json!({ "version": { "id": 2, "name": "Survey 3" } });
    let fixture = Fixture::new(vec![("POST /projects/1/versions.json", Answer::json(201, version))]).await;
    let made = fixture.provider.make_dir(&Place::Files(1).remote_id(), "Survey 3").await.unwrap();
    assert_eq!(made.id, Place::Version { project: 1, version: 2 }.remote_id());
    assert_eq!(fixture.last_with("POST").json(), json!({ "version": { "name": "Survey 3" } }));
    let error = fixture.provider.make_dir(&made.id, "deeper").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[tokio::test]
async fn a_failed_validation_means_what_the_call_can_fail_for() {
    let refused = || Answer::json(422, json!({ "errors": ["…"] }));
    let fixture = Fixture::new(vec![
        ("POST /projects/1/versions.json", refused()),
        ("DELETE /versions/2.json", Answer::status(422)),
        ("PATCH /attachments/5.json", refused()),
        ("DELETE /attachments/5.json", Answer::status(404)),
    ])
    .await;
    let file = fixture.file(5, "a.txt", Place::Files(1));
    let version = Located {
        id: Place::Version { project: 1, version: 2 }.remote_id(),
        kind: EntryKind::Directory,
        ..file.clone()
    };
    let provider = &fixture.provider;
    let parent = file.parent.clone();
    assert_eq!(provider.make_dir(&parent, "taken").await.unwrap_err().kind(), ErrorKind::Exists);
    assert_eq!(provider.delete(&version).await.unwrap_err().kind(), ErrorKind::NotEmpty);
    assert_eq!(provider.relocate(&file, &parent, "a.exe").await.unwrap_err().kind(), ErrorKind::BadName);
    assert_eq!(provider.describe(&file, "x").await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(provider.delete(&file).await.unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(provider.describe(&file, &"x".repeat(256)).await.unwrap_err().kind(), ErrorKind::Invalid);
}
