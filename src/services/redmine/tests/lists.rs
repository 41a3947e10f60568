//! Looking.

use super::*;
use crate::provider::ListPart;

const FILES: &str = "GET /projects/1/files.json";
const VERSIONS: &str = "GET /projects/1/versions.json";

#[tokio::test]
async fn a_mount_costs_one_request_for_who_we_are_and_one_for_a_hundred_projects() {
    let project = |id: usize| json!({ "id": id, "name": format!("p{id}"), "identifier": format!("p{id}") });
    let page = move |from: usize, to: usize| {
        let list: Vec<_> = (from..to).map(project).collect();
        Answer::json(200, json!({ "projects": list, "total_count": 130, "offset": from, "limit": 100 }))
    };
    let fixture = Fixture::new(vec![
        ("GET /projects.json?include=enabled_modules&status=1%7C5&limit=100", page(0, 100)),
        ("GET /projects.json?include=enabled_modules&status=1%7C5&limit=100&offset=100", page(100, 130)),
    ])
    .await;
    fixture.provider.sign_in().await.unwrap();
    assert_eq!(list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap().len(), 130);
    assert_eq!(fixture.stub.lines().len(), 3);
}

#[tokio::test]
async fn a_list_that_ignores_the_offset_ends_with_an_error() {
    let endless = json!({ "projects": [harbour()], "total_count": 1000 });
    let fixture = Fixture::with(move |received| {
        (received.path() == "/projects.json").then(|| Answer::json(200, endless.clone()))
    })
    .await;
    let error = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Protocol);
}

#[tokio::test]
async fn projects_lie_in_each_other_and_show_their_modules() {
    let list = json!([
        harbour(),
        { "id": 2, "name": "Lights", "identifier": "lights", "parent": { "id": 1 }, "enabled_modules": [] },
        { "id": 3, "name": "Same", "identifier": "a", "parent": { "id": 99 } },
        { "id": 4, "name": "Same", "identifier": "b" },
    ]);
    let fixture = Fixture::with(move |r| (r.path() == "/projects.json").then(|| projects(list.clone()))).await;
    let root = list_all(&fixture.provider, &fixture.provider.root().id).await.unwrap();
    assert_eq!(listed(&root), [("Harbour", "project:1"), ("Same (a)", "project:3"), ("Same (b)", "project:4")]);
    let dirs = list_all(&fixture.provider, &root[0].id).await.unwrap();
    let expected = [("Files", "files:1"), ("Issues", "issues:1"), ("Wiki", "wiki:1"), ("News", "news-list:1")];
    assert_eq!(listed(&dirs), [expected.as_slice(), &[("Projects", "projects:1")]].concat());
    let inner = list_all(&fixture.provider, &dirs[4].id).await.unwrap();
    assert_eq!(listed(&inner), [("Lights", "project:2")]);
    assert!(list_all(&fixture.provider, &inner[0].id).await.unwrap().is_empty(), "all its modules are off");
}

#[tokio::test]
async fn the_files_of_a_project_and_of_all_its_versions_cost_two_requests() {
    let mut in_version = file(9, "report.txt", b"x");
    in_version["version"] = json!({ "id": 2, "name": "V" });
    let fixture = Fixture::new(vec![
        (
            FILES,
            files(json!([file(4, "plan.txt", b"one"), in_version, file(5, "plan.txt", b"two"), file(6, "it＇s", b"")])),
        ),
        (
            VERSIONS,
            versions(json!([
                { "id": 2, "name": "V", "project": { "id": 1 }, "description": "d" },
                { "id": 3, "name": "Foreign", "project": { "id": 8 } },
            ])),
        ),
    ])
    .await;
    let soon = ListRequest { known: None, max_age: Duration::from_secs(30) };
    let mut entries = Vec::new();
    for dir in [Place::Files(1), Place::Version { project: 1, version: 2 }] {
        let dir = dir.remote_id();
        let mut parts = fixture.provider.list(&dir, soon.clone());
        while let Some(part) = parts.next().await {
            if let ListPart::Entries { entries: more, .. } = part.unwrap() {
                entries.extend(more);
            }
        }
    }
    let files = [("plan (id 4).txt", "file:4"), ("plan.txt", "file:5"), ("it's", "file:6"), ("report.txt", "file:9")];
    assert_eq!(listed(&entries), [[("V", "version:1/2")].as_slice(), &files].concat());
    assert!(entries[1].revision.as_ref().unwrap().as_str().starts_with("a4-"));
    let mut lines = fixture.lines();
    lines.sort();
    assert_eq!(lines, [FILES, VERSIONS]);
}

#[tokio::test]
async fn versions_that_are_not_for_us_show_by_their_files() {
    let mut in_version = file(9, "report.txt", b"x");
    in_version["version"] = json!({ "id": 2, "name": "V" });
    let fixture = Fixture::new(vec![(FILES, files(json!([in_version]))), (VERSIONS, Answer::status(403))]).await;
    let entries = list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap();
    assert_eq!(listed(&entries), [("V", "version:1/2")]);
}

#[tokio::test]
async fn the_files_of_issues_come_with_the_list_of_issues() {
    let issues = json!({ "issues": [
        { "id": 7, "subject": "Crane / west", "attachments": [file(3, "crane.txt", b"12 t")] },
        { "id": 8, "subject": "Dredging", "attachments": [] },
    ], "total_count": 2 });
    let list = "GET /issues.json?project_id=1&status_id=*&subproject_id=%21*&include=attachments&sort=id&limit=100";
    let one = Answer::json(200, json!({ "issue": { "id": 7, "subject": "Crane / west", "attachments": [] } }));
    let fixture =
        Fixture::new(vec![(list, Answer::json(200, issues)), ("GET /issues/7.json?include=attachments", one)]).await;
    let entries = list_all(&fixture.provider, &Place::Issues(1).remote_id()).await.unwrap();
    assert_eq!(listed(&entries), [("7 Crane / west", "issue:1/7"), ("8 Dredging", "issue:1/8")]);
    let crane = Place::Issue { project: 1, issue: 7 };
    let (files, _) = fixture.provider.attachments(&crane, Duration::from_secs(30)).await.unwrap();
    assert_eq!((files.len(), fixture.lines().len()), (1, 1));
    assert!(list_all(&fixture.provider, &crane.remote_id()).await.unwrap().is_empty(), "asked afresh");
}

#[tokio::test]
async fn wiki_pages_and_news_show_their_files() {
    let pages = json!({ "wiki_pages": [{ "title": "Start_page", "version": 3 }, { "title": "a.b" }] });
    let page = json!({ "wiki_page": { "title": "Start_page", "attachments": [file(3, "sketch.txt", b"x")] } });
    let news = json!({ "news": [{ "id": 4, "title": "Opening" }], "total_count": 1 });
    let item = json!({ "news": { "id": 4, "title": "Opening", "attachments": [file(5, "map.txt", b"x")] } });
    let fixture = Fixture::new(vec![
        ("GET /projects/1/wiki/index.json", Answer::json(200, pages)),
        ("GET /projects/1/wiki/Start_page.json?include=attachments", Answer::json(200, page)),
        ("GET /projects/1/news.json?limit=100", Answer::json(200, news)),
        ("GET /news/4.json?include=attachments", Answer::json(200, item)),
    ])
    .await;
    for (dir, name, file) in
        [(Place::Wiki(1), "Start_page", "sketch.txt"), (Place::NewsList(1), "4 Opening", "map.txt")]
    {
        let dirs = list_all(&fixture.provider, &dir.remote_id()).await.unwrap();
        assert_eq!(dirs.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), [name]);
        assert_eq!(list_all(&fixture.provider, &dirs[0].id).await.unwrap()[0].name, file);
    }
}

#[tokio::test]
async fn roles_decide_what_a_member_may_do() {
    let membership = json!([{ "project": { "id": 1 }, "roles": [{ "id": 3 }, { "id": 4 }] }]);
    let role = |permissions: Value| Answer::json(200, json!({ "role": { "permissions": permissions } }));
    let fixture = Fixture::new(vec![
        ("GET /users/current.json?include=memberships", me(json!({ "memberships": membership }))),
        ("GET /roles/3.json", role(json!(["view_files"]))),
        ("GET /roles/4.json", role(json!(["manage_files"]))),
        (FILES, files(json!([file(4, "a", b"")]))),
        (VERSIONS, versions(json!([{ "id": 2, "name": "V" }]))),
    ])
    .await;
    let entries = list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap();
    assert_eq!(entries[0].permits, Operations::of(&[Operation::CreateFile]), "a version, without manage_versions");
    assert_eq!(entries[1].permits, FILE_OFFERS);
}

#[tokio::test]
async fn nothing_is_written_in_a_closed_project() {
    let mut closed = harbour();
    closed["status"] = 5.into();
    let fixture = Fixture::with(move |received| match received.path() {
        "/projects.json" => Some(projects(json!([closed]))),
        "/projects/1/files.json" => Some(files(json!([file(4, "a", b"")]))),
        "/projects/1/versions.json" => Some(versions(json!([]))),
        _ => None,
    })
    .await;
    let entries = list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap();
    assert_eq!(entries[0].permits, Operations::of(&[Operation::Read]));
    assert_eq!(entries[0].offers, FILE_OFFERS);
}

#[tokio::test]
async fn a_module_that_was_switched_off_is_gone_and_not_refused() {
    let mut without = harbour();
    without["enabled_modules"] = json!([{ "name": "wiki" }]);
    let fixture = Fixture::with(move |received| match received.path() {
        "/projects.json" => Some(projects(json!([without]))),
        "/projects/1/files.json" | "/projects/1/wiki/index.json" => Some(Answer::status(403)),
        "/projects/1/versions.json" => Some(versions(json!([]))),
        _ => None,
    })
    .await;
    let error = list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
    let error = list_all(&fixture.provider, &Place::Wiki(1).remote_id()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn one_file_looked_at_alone_has_the_same_identity() {
    let attachment = Answer::json(200, json!({ "attachment": file(7, "a＇b", b"hello") }));
    let list = files(json!([file(7, "a＇b", b"hello")]));
    let answers = vec![("GET /attachments/7.json", attachment), (FILES, list), (VERSIONS, versions(json!([])))];
    let fixture = Fixture::new(answers).await;
    let listed = list_all(&fixture.provider, &Place::Files(1).remote_id()).await.unwrap().remove(0);
    let entry = fixture.provider.stat(&Place::File(7).remote_id()).await.unwrap();
    assert_eq!((entry.name.as_str(), entry.size), ("a'b", Some(5)));
    assert_eq!((entry.id, entry.revision), (listed.id, listed.revision));
}
