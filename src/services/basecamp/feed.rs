//! The change feed (events page): one request tells what everybody did in the whole account. An event is a hint where to
//! look and never the truth: its text is for people.

use std::collections::BTreeSet;
use std::time::SystemTime;

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::clock::parse_time;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, StatusCode};
use crate::ids::RemoteId;
use crate::provider::Changes;
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::model::{number, text};
use crate::services::basecamp::place::{Group, Place};
use crate::services::basecamp::validator::Mark;

/// Pages of news that are read; after more, listing what is asked for is cheaper.
const PAGES_MAX: u64 = 10;

/// How far the feed was read. The service's own times only: our clock may be wrong.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Cursor {
    /// `created_at` of the newest event; `None` as long as nothing ever happened.
    at: Option<String>,
    /// Events of that moment, which the overlap shows again.
    ids: Vec<u64>,
    /// Of the first page, if the next poll asks for the same address.
    #[serde(default)]
    mark: Mark,
}

/// A page of events, newest first.
struct Page {
    events: Vec<Event>,
    mark: Mark,
}

struct Event {
    id: u64,
    created: String,
    value: Value,
}

impl Basecamp {
    pub(super) async fn news(&self, since: Option<&str>) -> Result<Changes> {
        let Some(since) = since else {
            let first = self.events(None, 1, &Mark::default()).await?;
            let events = first.map(|page| page.events).unwrap_or_default();
            return changes(&Cursor::after(&Cursor::default(), &events), Vec::new(), false);
        };
        let known = serde_json::from_str::<Cursor>(since).unwrap_or_default();
        let from = known.at.as_deref().and_then(overlapping);
        let Some(first) = self.events(from.as_deref(), 1, &known.mark).await? else {
            return changes(&known, Vec::new(), false);
        };
        let ids: BTreeSet<u64> = known.ids.iter().copied().collect();
        let goes_on = |page: &[Event]| {
            page.len() as u64 >= assumed::PAGE_ITEMS && page.iter().any(|event| !ids.contains(&event.id))
        };
        let (mut more, mut number) = (goes_on(&first.events), 1);
        let mut all = first.events;
        // Newest first: a page of known ones has nothing new behind it.
        while more && number < PAGES_MAX {
            number += 1;
            let page = self.events(from.as_deref(), number, &Mark::default()).await?;
            let events = page.map(|page| page.events).unwrap_or_default();
            more = goes_on(&events);
            all.extend(events);
        }
        let cursor = Cursor::after(&known, &all).marked(&known, first.mark);
        let news: Vec<Event> = all.into_iter().filter(|event| !ids.contains(&event.id)).collect();
        changes(&cursor, self.dirtied_by(&news), more)
    }

    /// `GET /events.json`, newest first; `None` when it is as marked.
    async fn events(&self, since: Option<&str>, number: u64, mark: &Mark) -> Result<Option<Page>> {
        let mut request = mark.conditional(Request::get("events", "/events.json"))?;
        if let Some(since) = since {
            // Escaped there: a bare `+` would be read as a blank.
            request = request.query("since", since);
        }
        if number > 1 {
            request = request.query("page", number);
        }
        let response = self.client.send(&request).await?;
        if response.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        if matches!(response.status.as_u16(), 404 | 405 | 501) {
            self.note_no_feed();
            return fail(ErrorKind::Unsupported, "the service has no list of events");
        }
        let response = response.checked_by(assumed::READING)?;
        let values: Vec<Value> = response.json()?;
        let events = values.into_iter().filter_map(Event::read).collect();
        Ok(Some(Page { events, mark: Mark::of(&response) }))
    }

    /// The directories that have to be listed again, each once.
    fn dirtied_by(&self, news: &[Event]) -> Vec<RemoteId> {
        let mut dirty = Vec::new();
        let mut add = |place: Place| {
            let id = place.remote_id();
            if !dirty.contains(&id) {
                dirty.push(id);
            }
        };
        let mut root = false;
        for event in news.iter().filter(|event| !self.did_ourselves(event)) {
            let Some(project) = event.project() else {
                root = true;
                continue;
            };
            self.session.note_suspect(project);
            // A new project, another name: the list of projects must be looked at.
            root |= event.is_about_a_project() || !self.session.is_listed_as(project, event.project_name().as_deref());
            add(Place::Project(project));
            if self.attachments {
                Group::ALL.into_iter().for_each(|group| add(Place::Group { project, group }));
            }
        }
        if root {
            self.session.forget_root();
            add(Place::Root);
        }
        dirty
    }

    fn did_ourselves(&self, event: &Event) -> bool {
        let upload = event.eventable().filter(|of| text(of, "type").as_deref() == Some("Upload"));
        let creator = event.value.get("creator").and_then(|creator| number(creator, "id"));
        upload.and_then(|upload| number(upload, "id")).is_some_and(|upload| self.session.is_own(upload, creator))
    }
}

fn changes(cursor: &Cursor, dirty: Vec<RemoteId>, everything: bool) -> Result<Changes> {
    let cursor = serde_json::to_string(cursor).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
    Ok(Changes { cursor, dirty, everything })
}

impl Cursor {
    /// The cursor after these events, newest first; the same one after none.
    fn after(before: &Cursor, events: &[Event]) -> Cursor {
        let known = before.at.as_deref().and_then(parse_time);
        let newest = events.iter().filter_map(|event| Some((parse_time(&event.created)?, &event.created)));
        let newest = newest.max_by_key(|(time, _)| *time).filter(|(time, _)| known.is_none_or(|known| *time >= known));
        let Some((time, text)) = newest else {
            return Cursor { at: before.at.clone(), ids: before.ids.clone(), mark: Mark::default() };
        };
        let overlap = |event: &&Event| is_within_overlap(parse_time(&event.created), time);
        let ids: BTreeSet<u64> = events.iter().filter(overlap).map(|event| event.id).collect();
        Cursor { at: Some(text.clone()), ids: ids.into_iter().collect(), mark: Mark::default() }
    }

    /// The next poll asks from another time on unless nothing came: a mark is of one address.
    fn marked(self, before: &Cursor, mark: Mark) -> Cursor {
        if self.at == before.at { Cursor { mark, ..self } } else { self }
    }
}

/// With a second to spare: whether the service rounds is not documented.
fn is_within_overlap(time: Option<SystemTime>, newest: SystemTime) -> bool {
    let margin = assumed::SAME_MOMENT + std::time::Duration::from_secs(1);
    time.is_some_and(|time| newest.duration_since(time).is_ok_and(|age| age <= margin))
}

/// The time to ask from: a little earlier than the newest event, in the form and with the offset that the service uses.
fn overlapping(at: &str) -> Option<String> {
    let time: Timestamp = at.parse().ok()?;
    let earlier = time.checked_sub(jiff::SignedDuration::try_from(assumed::SAME_MOMENT).ok()?).ok()?;
    let told = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M:%S%:z"];
    let offset = told.iter().find_map(|format| strtime::parse(format, at).ok()?.offset());
    let zone = offset.map_or(TimeZone::UTC, TimeZone::fixed);
    Some(earlier.to_zoned(zone).strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

impl Event {
    fn read(value: Value) -> Option<Event> {
        Some(Event { id: number(&value, "id")?, created: text(&value, "created_at")?, value })
    }

    fn eventable(&self) -> Option<&Value> {
        self.value.get("eventable")
    }

    /// The bucket is told in the account's list; the address of what was changed tells it too.
    fn project(&self) -> Option<u64> {
        if let Some(bucket) = self.value.get("bucket") {
            return number(bucket, "id");
        }
        let url = text(self.eventable()?, "url")?;
        let id = url.split_once("/projects/")?.1;
        id.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    }

    fn project_name(&self) -> Option<String> {
        text(self.value.get("bucket")?, "name")
    }

    fn is_about_a_project(&self) -> bool {
        self.eventable().and_then(|of| text(of, "type")).as_deref() == Some("Project")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn event(id: u64, created: &str) -> Event {
        Event::read(json!({ "id": id, "created_at": created })).unwrap()
    }

    #[test]
    fn the_overlap_keeps_form_and_offset() {
        assert_eq!(overlapping("2012-03-24T11:00:01-06:00").unwrap(), "2012-03-24T10:59:59-06:00");
        assert_eq!(overlapping("2012-03-24T11:00:00.000+05:30").unwrap(), "2012-03-24T10:59:58+05:30");
        assert_eq!(overlapping("2012-03-24T11:00:05Z").unwrap(), "2012-03-24T11:00:03+00:00");
        assert_eq!(overlapping("soon"), None);
    }

    #[test]
    fn a_cursor_remembers_the_events_of_its_moment() {
        let events = [
            event(9, "2012-03-24T11:00:05-06:00"),
            event(8, "2012-03-24T11:00:04-06:00"),
            event(7, "2012-03-24T11:00:01-06:00"),
        ];
        let cursor = Cursor::after(&Cursor::default(), &events);
        let mark = Mark::default();
        assert_eq!(cursor, Cursor { at: Some("2012-03-24T11:00:05-06:00".into()), ids: vec![8, 9], mark });
        assert_eq!(Cursor::after(&cursor, &[]), cursor);
        assert_eq!(Cursor::after(&cursor, &events[1..]), cursor, "time does not run backwards");
    }

    #[test]
    fn an_event_tells_its_project_in_one_way_or_another() {
        let with = |value: Value| Event { id: 1, created: String::new(), value };
        assert_eq!(with(json!({ "bucket": { "id": 5, "type": "Project" } })).project(), Some(5));
        let url = json!({ "eventable": { "url": "https://basecamp.com/1/api/v1/projects/62-x/uploads/3.json" } });
        assert_eq!(with(url).project(), Some(62));
        assert_eq!(with(json!({})).project(), None);
    }
}
