//! Looking: the items of a folder page by page, single items, versions, and who is signed in.

use std::collections::HashMap;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Request, path};
use crate::ids::RemoteId;
use crate::provider::{Entry, EntryKind, ListPart, Operation, Version};
use crate::services::oracle_content::OracleContent;
use crate::services::oracle_content::assumptions as assumed;
use crate::services::oracle_content::model::{Item, Page, Person};
use crate::services::oracle_content::place::{HOME, Place};
use crate::services::oracle_content::refusal::answer;
use crate::services::oracle_content::seen::SeenFile;

/// Entries of one folder: ten times what is planned for; more is no folder but a loop.
const ENTRIES_MAX: usize = 1_000_000;
/// Times that a list which changes while it is read is read again for what slipped through.
const PASSES_MAX: u32 = 3;

/// How far a list was read. Offsets shift when others add or remove items meanwhile: then something may have slipped
/// from a page not yet read to one that was, so that the list is read once more.
struct Walk {
    folder: Place,
    offset: u64,
    pass: u32,
    /// Items of this pass.
    distinct: u64,
    /// The number of items that the pass began with.
    total: Option<u64>,
    /// By the pass in which each item came last.
    seen: HashMap<String, u32>,
    ended: bool,
}

impl Walk {
    fn of(folder: Place) -> Walk {
        Walk { folder, offset: 0, pass: 1, distinct: 0, total: None, seen: HashMap::new(), ended: false }
    }

    /// Takes a page in, and leaves in it what is new. Errors: `Protocol` for a list without an end.
    fn take(&mut self, page: Page) -> Result<Vec<Item>> {
        let first_page = self.offset == 0;
        let shifted = !first_page && page.total != self.total;
        self.total = page.total;
        let before = self.distinct;
        let mut fresh = Vec::new();
        for item in page.items {
            // Files and folders have ids of their own kinds, both opaque.
            match self.seen.insert(item.place.remote_id().as_str().to_owned(), self.pass) {
                Some(pass) if pass == self.pass => {}
                Some(_) => self.distinct += 1,
                None => {
                    self.distinct += 1;
                    fresh.push(item);
                }
            }
        }
        if page.has_more && page.count > 0 && self.distinct == before {
            return fail(ErrorKind::Protocol, "a list goes on and on and brings nothing new");
        }
        if self.seen.len() > ENTRIES_MAX {
            return fail(ErrorKind::Protocol, format!("a folder of more than {ENTRIES_MAX} entries is not believed"));
        }
        self.offset += page.count;
        if !page.has_more || page.count == 0 {
            let missed = !first_page && page.total.is_some_and(|total| total > self.distinct);
            self.end_pass(shifted || missed);
        } else if shifted {
            self.end_pass(true);
        }
        Ok(fresh)
    }

    fn end_pass(&mut self, again: bool) {
        self.ended = !again || self.pass == PASSES_MAX;
        (self.pass, self.offset, self.distinct) = (self.pass + 1, 0, 0);
    }
}

impl OracleContent {
    /// The items of a folder, page by page; one that comes twice is given once.
    pub(super) fn list_parts(&self, dir: &RemoteId) -> BoxStream<'_, Result<ListPart>> {
        let folder = match Place::folder_of(dir) {
            Ok(folder) => folder,
            Err(error) => return stream::once(async { Err(error) }).boxed(),
        };
        let pages = stream::try_unfold(Walk::of(folder), move |mut walk| async move {
            if walk.ended {
                return Ok(None);
            }
            let fresh = walk.take(self.page(&walk.folder, walk.offset).await?)?;
            let entries = self.entries(&fresh).await?;
            Ok(Some((entries, walk)))
        });
        pages.map_ok(|entries| ListPart::Entries { entries, validator: None, age: Duration::ZERO }).boxed()
    }

    /// `GET /folders/items` for the home folder (only this call is documented to show what others share with the
    /// user), else `GET /folders/{id}/items`.
    async fn page(&self, folder: &Place, offset: u64) -> Result<Page> {
        let mut request = self.items_request(folder)?.query("limit", assumed::PAGE_ITEMS);
        if offset > 0 {
            request = request.query("offset", offset);
        }
        Page::read(answer(self.client.send(&request).await?, &[])?)
    }

    fn items_request(&self, folder: &Place) -> Result<Request> {
        Ok(match folder.is_home() {
            true => Request::get("list", "/folders/items"),
            false => Request::get("list", path(&["folders", &folder.id, "items"])?),
        })
    }

    /// Whether a folder holds nothing.
    pub(super) async fn is_empty(&self, folder: &Place) -> Result<bool> {
        let request = self.items_request(folder)?.query("limit", 1);
        let page = Page::read(answer(self.client.send(&request).await?, &[])?)?;
        Ok(page.count == 0)
    }

    /// The item of a folder that `wanted` accepts, freshly looked for.
    pub(super) async fn find_item(&self, folder: &Place, wanted: impl Fn(&Item) -> bool) -> Result<Option<Item>> {
        let mut walk = Walk::of(folder.clone());
        while !walk.ended {
            let fresh = walk.take(self.page(folder, walk.offset).await?)?;
            if let Some(found) = fresh.into_iter().find(&wanted) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether something else in a folder has this name: case does not count, and a file and a folder are not trusted
    /// to share one.
    pub(super) async fn is_taken(&self, folder: &Place, name: &str, except: Option<&Place>) -> Result<bool> {
        let folded = name.to_lowercase();
        let same = |item: &Item| {
            Some(&item.place) != except && item.name().is_some_and(|other| other.to_lowercase() == folded)
        };
        Ok(self.find_item(folder, same).await?.is_some())
    }

    async fn entries(&self, items: &[Item]) -> Result<Vec<Entry>> {
        let mut entries = Vec::with_capacity(items.len());
        for item in items {
            entries.push(self.entry(item).await?);
        }
        Ok(entries)
    }

    /// The item as an entry, with what can be done with it and who else holds it.
    pub(super) async fn entry(&self, item: &Item) -> Result<Entry> {
        let mut entry = item.entry();
        entry.offers = self.abilities.of(entry.kind);
        if entry.kind == EntryKind::File && entry.name.contains(assumed::FILE_NAME_FORBIDDEN) {
            // A new version is sent under this name, which cannot stand in its form.
            entry.offers = entry.offers.without(Operation::Revise);
        }
        if entry.kind == EntryKind::File {
            self.seen.note(&item.place.id, SeenFile { name: entry.name.clone(), version: item.version() });
            entry.reserved_by = self.held_by_other(item).await?.map(|person| person.name);
        }
        Ok(entry)
    }

    /// Who else holds a reservation of the file.
    async fn held_by_other(&self, item: &Item) -> Result<Option<Person>> {
        let Some(holder) = item.person("reservedBy") else { return Ok(None) };
        let own = self.own_user().await?;
        Ok(own.is_none_or(|own| own.id != holder.id).then_some(holder))
    }

    /// `GET /files/{id}` or `GET /folders/{id}`. Errors: `NotFound`.
    pub(super) async fn look_at(&self, place: &Place) -> Result<Item> {
        let request = Request::get("stat", path(&[place.collection(), &place.id])?);
        Item::about(place, answer(self.client.send(&request).await?, &[])?)
    }

    pub(super) async fn entry_now(&self, place: &Place) -> Result<Entry> {
        let item = self.look_at(place).await?;
        if place.remote_id() == self.root.id {
            return Ok(self.root_entry());
        }
        self.entry(&item).await
    }

    /// The person signed in: the owner of the home folder. Asked for once, and only when it matters.
    pub(super) async fn own_user(&self) -> Result<Option<&Person>> {
        let asked = self.own_user.get_or_try_init(|| async {
            let home = self.look_at(&Place::folder(HOME)).await?;
            Ok::<_, Error>(home.person("ownedBy"))
        });
        Ok(asked.await?.as_ref())
    }

    /// `GET /files/{id}/versions`, oldest first. Not paged.
    pub(super) async fn list_versions(&self, file: &Place) -> Result<Vec<Version>> {
        let request = Request::get("versions", path(&["files", &file.id, "versions"])?);
        let page = Page::read(answer(self.client.send(&request).await?, &[])?)?;
        let mut versions = page.items.iter().map(Item::as_version).collect::<Result<Vec<_>>>()?;
        versions.sort_by_key(|version| version.number);
        Ok(versions)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn page(ids: &[&str], has_more: bool, total: u64) -> Page {
        let items: Vec<Value> = ids.iter().map(|id| json!({ "id": id, "type": "file", "name": id })).collect();
        let more = if has_more { "1" } else { "0" };
        Page::read(json!({ "items": items, "hasMore": more, "totalResults": total.to_string() })).unwrap()
    }

    fn ids(items: Vec<Item>) -> Vec<String> {
        items.into_iter().map(|item| item.place.id).collect()
    }

    #[test]
    fn a_list_that_did_not_change_is_read_once() {
        let mut walk = Walk::of(Place::folder("F"));
        assert_eq!(ids(walk.take(page(&["a", "b"], true, 3)).unwrap()), ["a", "b"]);
        assert_eq!((walk.offset, walk.ended), (2, false));
        assert_eq!(ids(walk.take(page(&["c"], false, 3)).unwrap()), ["c"]);
        assert!(walk.ended);
    }

    #[test]
    fn what_slipped_to_an_earlier_page_is_found_by_reading_again() {
        let mut walk = Walk::of(Place::folder("F"));
        walk.take(page(&["a", "b"], true, 4)).unwrap();
        // `a` was removed: `c` slipped to the first page.
        assert_eq!(ids(walk.take(page(&["d"], false, 3)).unwrap()), ["d"]);
        assert_eq!((walk.offset, walk.ended), (0, false));
        assert_eq!(ids(walk.take(page(&["b", "c"], true, 3)).unwrap()), ["c"]);
        assert!(ids(walk.take(page(&["d"], false, 3)).unwrap()).is_empty());
        assert!(walk.ended);
    }

    #[test]
    fn a_list_that_always_changes_is_not_read_for_ever() {
        let mut walk = Walk::of(Place::folder("F"));
        for total in 0.. {
            if walk.ended {
                break;
            }
            assert!(total < 20);
            walk.take(page(&[&format!("n{total}")], total % 2 == 0, total + 10)).unwrap();
        }
    }

    #[test]
    fn a_list_that_repeats_itself_is_an_error() {
        let mut walk = Walk::of(Place::folder("F"));
        walk.take(page(&["a"], true, 9)).unwrap();
        assert_eq!(walk.take(page(&["a"], true, 9)).unwrap_err().kind(), ErrorKind::Protocol);
    }
}
