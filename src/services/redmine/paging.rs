//! Lists that come in pages by `offset` and `limit` (Rest_api page, "Collection resources and pagination").

use crate::error::Result;
use crate::http::{Pager, Request};
use crate::services::redmine::Redmine;
use crate::services::redmine::assumptions as assumed;
use crate::services::redmine::model::{List, number};

/// Where a list has got to.
pub struct Pages {
    request: Request,
    /// The key of the items in the answer.
    name: &'static str,
    offset: u64,
    pager: Pager,
    at_end: bool,
}

impl Redmine {
    pub(super) fn pages(&self, request: Request, name: &'static str) -> Pages {
        let request = request.query("limit", assumed::PAGE_ITEMS);
        Pages { request, name, offset: 0, pager: Pager::new(self.client.base()), at_end: false }
    }

    /// The next page; `None` at the end. Errors: `Protocol` for a list that leads in a circle.
    pub(super) async fn next_page(&self, pages: &mut Pages) -> Result<Option<List>> {
        if pages.at_end {
            return Ok(None);
        }
        let mut request = pages.request.clone();
        if pages.offset > 0 {
            request = request.query("offset", pages.offset);
        }
        let list = List::read(self.client.send(&request).await?.checked()?.json()?, pages.name)?;
        // A service that ignores the offset gives the first page again and again.
        if let Some(first) = list.items.first().and_then(|item| number(item, "id")) {
            pages.pager.visit(&first.to_string())?;
        }
        let received = list.items.len() as u64;
        pages.offset += received;
        pages.at_end =
            received == 0 || list.total.map_or(received < assumed::PAGE_ITEMS, |total| pages.offset >= total);
        Ok(Some(list))
    }
}
