//! The change feed, and what it makes of listings.

use std::sync::{Arc, Mutex};

use super::*;

fn event(id: u64, second: u64, project: u64) -> Value {
    json!({
        "id": id, "created_at": format!("2020-01-01T10:00:{second:02}.000+01:00"), "action": "uploaded a file",
        "bucket": { "id": project, "type": "Project", "name": "Work" }, "creator": { "id": 99 },
        "eventable": { "id": 5, "type": "Upload" },
    })
}

/// A feed whose events can be changed, newest first; everything else answers as an empty list.
async fn with_feed(events: Arc<Mutex<Vec<Value>>>) -> Fixture {
    Fixture::new(move |received| match received.path() {
        "/events.json" => Answer::json(200, events.lock().unwrap().clone().into()),
        "/projects.json" => Answer::json(200, json!([{ "id": 7, "name": "Work" }])),
        _ => Answer::json(200, json!([])),
    })
    .await
}

#[tokio::test]
async fn a_poll_is_one_request_that_overlaps_by_two_seconds() {
    let events = Arc::new(Mutex::new(vec![event(3, 5, 7), event(2, 4, 7)]));
    let fixture = with_feed(events.clone()).await;
    fixture.provider.sign_in().await.unwrap();
    let start = fixture.provider.changes(None).await.unwrap();
    assert_eq!((start.dirty.len(), start.everything), (0, false));
    let quiet = fixture.provider.changes(Some(&start.cursor)).await.unwrap();
    assert_eq!((quiet.dirty.len(), &quiet.cursor), (0, &start.cursor), "known events are no news");
    // In the same second as the newest known one.
    events.lock().unwrap().insert(0, event(4, 5, 7));
    let news = fixture.provider.changes(Some(&quiet.cursor)).await.unwrap();
    assert_eq!(news.dirty, [project(7)]);
    assert!(fixture.provider.changes(Some(&news.cursor)).await.unwrap().dirty.is_empty());
    let since = "GET /events.json?since=2020-01-01T10%3A00%3A03%2B01%3A00";
    assert_eq!(fixture.lines()[1..], ["GET /events.json", since, since, since]);
}

#[tokio::test]
async fn the_first_event_ever_is_news() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let fixture = with_feed(events.clone()).await;
    fixture.provider.sign_in().await.unwrap();
    let start = fixture.provider.changes(None).await.unwrap();
    events.lock().unwrap().push(event(1, 0, 7));
    assert_eq!(fixture.provider.changes(Some(&start.cursor)).await.unwrap().dirty, [project(7)]);
}

#[tokio::test]
async fn an_unknown_project_or_another_name_makes_the_root_dirty() {
    let events = Arc::new(Mutex::new(vec![event(1, 0, 7)]));
    let fixture = with_feed(events.clone()).await;
    fixture.provider.sign_in().await.unwrap();
    let mut cursor = fixture.provider.changes(None).await.unwrap().cursor;
    let mut renamed = event(3, 20, 7);
    renamed["bucket"]["name"] = "Play".into();
    for (news, dirty) in [(event(2, 10, 8), 8), (renamed, 7)] {
        events.lock().unwrap().insert(0, news);
        let changes = fixture.provider.changes(Some(&cursor)).await.unwrap();
        assert_eq!(changes.dirty, [project(dirty), fixture.provider.root().id]);
        cursor = changes.cursor;
    }
}

#[tokio::test]
async fn more_news_than_can_be_read_means_everything() {
    let fixture = Fixture::new(|received| {
        let number: u64 = received.target.rsplit_once("page=").map_or(1, |(_, number)| number.parse().unwrap());
        let first = if received.target.contains("since=") { 10_000 } else { 0 };
        Answer::json(200, (0..50).map(|n| event(first + number * 100 + n, 0, 7)).collect())
    })
    .await;
    let start = fixture.provider.changes(None).await.unwrap();
    assert_eq!(fixture.lines().len(), 1);
    assert!(fixture.provider.changes(Some(&start.cursor)).await.unwrap().everything);
    assert_eq!(fixture.lines().len(), 11);
}

#[tokio::test]
async fn a_burst_is_read_once_and_then_recognised_by_its_mark() {
    let newest = Arc::new(Mutex::new(0_u64));
    let told = newest.clone();
    let fixture = Fixture::new(move |received| {
        let number: u64 = received.target.rsplit_once("page=").map_or(1, |(_, number)| number.parse().unwrap());
        let newest = *told.lock().unwrap();
        let tag = format!("\"{newest}\"");
        if number == 1 && received.header("if-none-match") == Some(tag.as_str()) {
            return Answer::status(304);
        }
        // 120 events of one second.
        let page = (0..newest.min(120)).rev().skip(50 * (number as usize - 1)).take(50);
        Answer::json(200, page.map(|n| event(n + 1, 0, 7)).collect()).header("etag", &tag)
    })
    .await;
    let mut cursor = fixture.provider.changes(None).await.unwrap().cursor;
    *newest.lock().unwrap() = 120;
    let mut requests = Vec::new();
    for _ in 0..4 {
        let before = fixture.lines().len();
        let changes = fixture.provider.changes(Some(&cursor)).await.unwrap();
        cursor = changes.cursor;
        requests.push((fixture.lines().len() - before, changes.dirty.len()));
    }
    // The whole burst; its first page, whose address is another one now; and twice "not modified".
    assert_eq!(requests.iter().map(|(count, _)| *count).collect::<Vec<_>>(), [3, 1, 1, 1]);
    assert!(requests[0].1 > 0 && requests[1..].iter().all(|(_, dirty)| *dirty == 0), "{requests:?}");
    assert!(cursor.contains("120"), "{cursor}");
}

#[tokio::test]
async fn what_this_mount_did_is_no_news() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let told = events.clone();
    let fixture = Fixture::new(move |received| match received.path() {
        "/events.json" => Answer::json(200, told.lock().unwrap().clone().into()),
        "/attachments.json" => Answer::json(200, json!({ "token": "t" })),
        _ => Answer::json(201, upload_json(5, "a.txt", 5)),
    })
    .await;
    let cursor = fixture.provider.changes(None).await.unwrap().cursor;
    let item = fixture.item("a.txt", b"hello").await;
    fixture.provider.attach(&project(7), &[item]).await.unwrap().remove(0).unwrap();
    let mut own = event(1, 0, 7);
    own["creator"]["id"] = 73.into();
    events.lock().unwrap().push(own.clone());
    assert!(fixture.provider.changes(Some(&cursor)).await.unwrap().dirty.is_empty());
    own["eventable"]["id"] = 6.into();
    own["id"] = 2.into();
    events.lock().unwrap().push(own);
    assert!(!fixture.provider.changes(Some(&cursor)).await.unwrap().dirty.is_empty());
}

#[tokio::test]
async fn a_service_without_events_is_asked_once() {
    let fixture = Fixture::new(|_| Answer::status(404)).await;
    let error = fixture.provider.changes(None).await.unwrap_err();
    assert_eq!((error.kind(), fixture.provider.capabilities().changes), (ErrorKind::Unsupported, false));
}

#[tokio::test]
async fn after_an_event_the_pages_are_looked_at_although_the_project_seems_unchanged() {
    let renamed = Arc::new(Mutex::new(false));
    let told = renamed.clone();
    let fixture = Fixture::new(move |received| {
        let renamed = *told.lock().unwrap();
        let (name, tag) = if renamed { ("new.txt", "\"p2\"") } else { ("old.txt", "\"p1\"") };
        match (received.path(), received.header("if-none-match")) {
            ("/events.json", _) if renamed => Answer::json(200, json!([event(2, 30, 7)])),
            ("/events.json", _) => Answer::json(200, json!([event(1, 0, 7)])),
            ("/projects/7.json", Some(_)) => Answer::status(304),
            ("/projects/7.json", None) => {
                Answer::json(200, project_json(1, "2020-01-01T10:00:00-05:00")).header("ETag", "\"a\"")
            }
            (_, Some(known)) if known == tag => Answer::status(304),
            _ => Answer::json(200, json!([listed(1, name)])).header("ETag", tag),
        }
    })
    .await;
    let cursor = fixture.provider.changes(None).await.unwrap().cursor;
    let known = fixture.validator(&project(7)).await;
    *renamed.lock().unwrap() = true;
    fixture.provider.changes(Some(&cursor)).await.unwrap();
    let parts = fixture.parts(&project(7), known.clone()).await;
    assert!(matches!(&parts[..], [ListPart::Entries { entries, .. }] if entries[0].name == "new.txt"));
    assert_eq!(fixture.lines().len(), 6);
}
