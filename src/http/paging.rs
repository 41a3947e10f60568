//! Lists that come in pages: guards against lists without an end.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use reqwest::Url;

use crate::error::{ErrorKind, Result, fail};
use crate::http::address::same_origin;

/// Most pages of one list: 100,000 entries at 25 a page are 4,000; more than this is no list but a loop.
const PAGES_MAX: usize = 100_000;

/// Pages in a row that bring nothing new. An empty page is no end of a list, but so many are no list.
const BARREN_PAGES_MAX: usize = 20;

/// Follows the pages of one list.
pub struct Pager {
    base: Url,
    seen: HashSet<String>,
    /// Hashes of the entries' ids: eight bytes for each of perhaps a million.
    entries: HashSet<u64>,
    barren_pages: usize,
}

impl Pager {
    /// `base` is the service's address: pages elsewhere are not followed, for the credentials would go with them.
    pub fn new(base: &Url) -> Pager {
        Pager { base: base.clone(), seen: HashSet::new(), entries: HashSet::new(), barren_pages: 0 }
    }

    /// The address of the next page: `link` as the page at `current` gave it, perhaps relative.
    /// Errors: `Protocol` for a page that was seen already, of another origin, or one too many.
    pub fn next(&mut self, current: &Url, link: &str) -> Result<Url> {
        self.visit(current.as_str())?;
        let Ok(next) = current.join(link) else {
            return fail(ErrorKind::Protocol, "the service names a next page that is no address");
        };
        if !same_origin(&self.base, &next) {
            let host = next.host_str().unwrap_or("?");
            return fail(ErrorKind::Protocol, format!("the service names a next page elsewhere, at {host}"));
        }
        self.visit(next.as_str())?;
        self.seen.remove(next.as_str());
        Ok(next)
    }

    /// Takes note of a page's entries. Errors: `Protocol` when too many pages in a row brought nothing new: then their
    /// addresses are made up.
    pub fn saw<'a>(&mut self, ids: impl IntoIterator<Item = &'a str>) -> Result<()> {
        let known = self.entries.len();
        self.entries.extend(ids.into_iter().map(|id| {
            let mut hasher = DefaultHasher::new();
            id.hash(&mut hasher);
            hasher.finish()
        }));
        self.barren_pages = if self.entries.len() > known { 0 } else { self.barren_pages + 1 };
        if self.barren_pages > BARREN_PAGES_MAX {
            return fail(ErrorKind::Protocol, "a list goes on and on and brings nothing new");
        }
        Ok(())
    }

    /// For lists without links: takes note of a page by any mark of its content or position.
    /// Errors: `Protocol` when it was seen already, or is one too many.
    pub fn visit(&mut self, mark: &str) -> Result<()> {
        if self.seen.len() >= PAGES_MAX {
            return fail(ErrorKind::Protocol, format!("a list has more than {PAGES_MAX} pages"));
        }
        if !self.seen.insert(mark.to_owned()) {
            return fail(ErrorKind::Protocol, "a list's pages lead in a circle");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn relative_and_absolute_links_are_followed() {
        let base = url("https://x.example/api");
        let mut pager = Pager::new(&base);
        let second = pager.next(&url("https://x.example/api/v1/a?limit=25"), "/api/v1/a?after=1").unwrap();
        assert_eq!(second.as_str(), "https://x.example/api/v1/a?after=1");
        let third = pager.next(&second, "https://x.example/api/v1/a?after=2").unwrap();
        assert_eq!(third.as_str(), "https://x.example/api/v1/a?after=2");
    }

    #[test]
    fn a_circle_ends_with_an_error() {
        let mut pager = Pager::new(&url("https://x.example/"));
        let first = url("https://x.example/a?p=1");
        let second = pager.next(&first, "?p=2").unwrap();
        assert_eq!(pager.next(&second, "?p=1").unwrap_err().kind(), ErrorKind::Protocol);
        let mut pager = Pager::new(&url("https://x.example/"));
        assert_eq!(pager.next(&first, "?p=1").unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn pages_that_bring_nothing_new_are_followed_for_a_while_only() {
        let mut pager = Pager::new(&url("https://x.example/"));
        pager.saw(["a", "b"]).unwrap();
        for _ in 0..BARREN_PAGES_MAX {
            pager.saw(["b"]).unwrap();
        }
        assert_eq!(pager.saw([]).unwrap_err().kind(), ErrorKind::Protocol);
        pager.saw(["c"]).unwrap();
    }

    #[test]
    fn a_page_elsewhere_is_not_followed() {
        let mut pager = Pager::new(&url("https://x.example/"));
        for foreign in ["https://evil.example/", "//evil.example/", "http://x.example/", "https://x.example:444/"] {
            let error = pager.next(&url("https://x.example/a"), foreign).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Protocol, "{foreign}");
            pager = Pager::new(&url("https://x.example/"));
        }
    }
}
