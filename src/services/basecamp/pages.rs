//! The pages of a project's attachments (attachments and README pages): 50 each, numbered, without a total of their own.

use std::collections::HashSet;

use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;

use crate::error::{ErrorKind, Result, fail};
use crate::http::{Request, StatusCode, path, usable};
use crate::provider::Entry;
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::model::Attachment;
use crate::services::basecamp::place::{Group, Place};
use crate::services::basecamp::session::Facts;
use crate::services::basecamp::validator::Mark;

/// Two million files: more is no list but a loop.
const PAGES_MAX: u64 = 40_000;

/// How a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Order {
    /// What comes meanwhile comes at the end.
    Oldest,
    /// The service's own order, asked for by saying nothing.
    Newest,
}

/// One attachment as far as a listing needs it.
pub struct Item {
    pub id: Option<u64>,
    /// `None` for what hangs on something that is not shown.
    pub place: Option<Place>,
    pub group: Option<Group>,
    /// `None` for what is in the trash, or has no content here (linked documents).
    pub entry: Option<Entry>,
    pub facts: Facts,
    trashed: bool,
}

/// A whole list, or the part of it that was asked for.
#[derive(Default)]
pub struct Pages {
    pub items: Vec<Item>,
    pub marks: Vec<Mark>,
    ids: HashSet<u64>,
}

pub struct Page {
    pub items: Vec<Item>,
    mark: Mark,
}

impl Pages {
    /// Adds a page; items that were on an earlier one are left out. Whether it brought anything new.
    fn add(&mut self, page: Page) -> bool {
        let before = self.items.len();
        let Pages { items, ids, .. } = self;
        items.extend(page.items.into_iter().filter(|item| item.id.is_none_or(|id| ids.insert(id))));
        self.marks.push(page.mark);
        self.items.len() > before
    }

    /// Whether these are as many as the project says, whether or not it counts those in the trash.
    pub fn agree_with(&self, count: Option<u64>) -> bool {
        let (all, live) = (self.items.len(), self.items.iter().filter(|item| !item.trashed).count());
        count.is_none_or(|count| count == all as u64 || count == live as u64)
    }
}

impl Item {
    fn read(project: u64, value: Value) -> Item {
        let attachment = Attachment::read(value);
        let place = attachment.place(project);
        let shown = place.filter(|_| !attachment.trashed && attachment.has_content());
        Item {
            id: attachment.id,
            place,
            group: attachment.group,
            entry: shown.map(|place| attachment.entry(place)),
            facts: Facts::of(&attachment),
            trashed: attachment.trashed,
        }
    }
}

impl Basecamp {
    /// Every page: as many as `count` says at the same time, further ones while something is missing. With the marks of
    /// all pages only what changed is sent, and `None` means that nothing did.
    pub(super) async fn pages(&self, project: u64, count: Option<u64>, marks: &[Mark]) -> Result<Option<Pages>> {
        let expected = count.map_or(0, |count| count.div_ceil(assumed::PAGE_ITEMS));
        if expected > PAGES_MAX {
            return fail(ErrorKind::Protocol, format!("a project says that it has {expected} pages of files"));
        }
        let marks = Some(marks).filter(|marks| marks.len() as u64 == expected && expected > 0);
        let fetched = stream::iter(1..=expected).map(|number| async move {
            let mark = marks.and_then(|marks| marks.get(number as usize - 1));
            self.page(project, Order::Oldest, number, mark).await
        });
        let fetched: Vec<_> = fetched.buffered(assumed::PAGES_PARALLEL).try_collect().await?;
        if marks.is_some() && fetched.iter().all(Option::is_none) {
            return Ok(None);
        }
        let mut pages = Pages::default();
        let mut brought = true;
        for (number, page) in (1..).zip(fetched) {
            let page = match page {
                Some(page) => page,
                None => self.whole_page(project, Order::Oldest, number).await?,
            };
            brought = pages.add(page);
        }
        self.fill_up(project, count, expected, brought, &mut pages).await?;
        Ok(Some(pages))
    }

    /// Goes on one by one while the project has more than came. Ends with the first page that brings nothing new.
    async fn fill_up(
        &self,
        project: u64,
        count: Option<u64>,
        mut number: u64,
        mut brought: bool,
        pages: &mut Pages,
    ) -> Result<()> {
        while brought && count.is_none_or(|count| (pages.items.len() as u64) < count) {
            number += 1;
            if number > PAGES_MAX {
                return fail(ErrorKind::Protocol, format!("a list has more than {PAGES_MAX} pages"));
            }
            let page = self.whole_page(project, Order::Oldest, number).await?;
            // The empty page at the end belongs to no listing.
            if page.items.is_empty() {
                break;
            }
            brought = pages.add(page);
        }
        Ok(())
    }

    pub(super) async fn whole_page(&self, project: u64, order: Order, number: u64) -> Result<Page> {
        match self.page(project, order, number, None).await? {
            Some(page) => Ok(page),
            None => fail(ErrorKind::Protocol, "the service says \"not modified\" without being asked"),
        }
    }

    /// `GET /projects/P/attachments.json`; `None` when it is as marked.
    async fn page(&self, project: u64, order: Order, number: u64, mark: Option<&Mark>) -> Result<Option<Page>> {
        let mut request = Request::get("list", path(&["projects", &project.to_string(), "attachments.json"])?);
        if order == Order::Oldest {
            request = request.query("sort", "oldest");
        }
        if number > 1 {
            request = request.query("page", number);
        }
        if let Some(mark) = mark {
            request = mark.conditional(request)?;
        }
        let response = self.client.send(&request).await?;
        if response.status == StatusCode::NOT_MODIFIED {
            return Ok(None);
        }
        let response = response.checked_by(assumed::READING)?;
        let values: Vec<Value> = response.json()?;
        let items = usable(values, |value| value.is_object().then(|| Item::read(project, value)))?;
        Ok(Some(Page { items, mark: Mark::of(&response) }))
    }
}
