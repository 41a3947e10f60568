//! Requests about instances: lists page by page, single instances, changes (Querying, Property access, Objects pages).

use std::sync::Arc;

use futures::stream::{self, BoxStream, StreamExt, TryStreamExt};
use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::{Client, Pager, Request, path};
use crate::services::medable::assumptions as assumed;
use crate::services::medable::fault;
use crate::services::medable::mapping::Shown;
use crate::services::medable::model::{Instance, Page};

/// The account's two clients and what it shows. Cheap to clone, so that work can go on without its asker.
#[derive(Clone)]
pub struct Api {
    pub client: Client,
    /// For the storage hosts: without credentials, and not counted against the API's rate.
    pub storage: Client,
    pub shown: Arc<Shown>,
}

/// What a list shall hold.
#[derive(Debug, Clone)]
pub struct Query {
    /// An object's plural name.
    pub object: String,
    /// `where`: members mean "and" (assumed).
    pub filter: Map<String, Value>,
    /// The properties that come back; all but File properties if empty (assumed).
    pub paths: Vec<String>,
}

/// Where a list has got to.
enum Next {
    /// After this id; from the start without one.
    After(Option<String>),
    End,
}

impl Api {
    /// A list as a stream of pages, in the order of ids; it ends where `hasMore` is false, and nowhere else.
    pub fn pages(&self, query: Query) -> BoxStream<'static, Result<Vec<Instance>>> {
        let start = (self.clone(), query, Next::After(None), Pager::new(self.client.base()));
        let pages = stream::try_unfold(start, |(api, query, next, mut pager)| async move {
            let Next::After(last) = next else { return Ok(None) };
            let page = api.page(&query, last.as_deref(), assumed::PAGE_ITEMS).await?;
            let next = match page.instances.last() {
                _ if !page.has_more => Next::End,
                Some(instance) if last.as_ref().is_none_or(|last| *last < instance.id) => {
                    pager.visit(&instance.id)?;
                    Next::After(Some(instance.id.clone()))
                }
                _ => return fail(ErrorKind::Protocol, "a list goes on and brings nothing new"),
            };
            Ok(Some((page.instances, (api, query, next, pager))))
        });
        pages.boxed()
    }

    pub async fn all(&self, query: Query) -> Result<Vec<Instance>> {
        self.pages(query).try_concat().await
    }

    /// Whether any instance fits.
    pub async fn any(&self, query: &Query) -> Result<bool> {
        let page = self.page(query, None, 1).await?;
        Ok(!page.instances.is_empty() || page.has_more)
    }

    /// Whether an object can be listed at all: `GET /PLURAL?limit=1`.
    pub async fn first(&self, object: &str) -> Result<()> {
        let query = Query { object: object.to_owned(), filter: Map::new(), paths: Vec::new() };
        self.any(&query).await.map(|_| ())
    }

    async fn page(&self, query: &Query, after: Option<&str>, limit: usize) -> Result<Page> {
        let mut request = Request::get("list", path(&[&query.object])?);
        let filter = after_id(&query.filter, after);
        if !filter.is_empty() {
            request = request.query("where", Value::Object(filter));
        }
        // One page that is enough needs no order.
        if limit > 1 {
            request = request.query("sort", json!({ "_id": 1 }));
        }
        request = request.query("limit", limit);
        for property in &query.paths {
            request = request.query("paths[]", property);
        }
        Page::read(fault::succeeded(&self.client.send(&request).await?)?)
    }

    /// `GET /PLURAL/ID`. Errors: `NotFound`.
    pub async fn instance(&self, object: &str, id: &str) -> Result<Instance> {
        let request = Request::get("stat", path(&[object, id])?);
        Instance::read(fault::succeeded(&self.client.send(&request).await?)?)
    }

    /// `POST /PLURAL`: never repeated blindly, for it makes another one each time.
    pub async fn create(&self, kind: &'static str, object: &str, members: Map<String, Value>) -> Result<Instance> {
        let request = Request::post(kind, path(&[object])?).json(&Value::Object(members));
        let answer = fault::succeeded(&self.client.send(&request).await?)?;
        // It was made, whatever the answer looks like.
        Instance::read(answer).map_err(Error::unclear)
    }

    /// `PUT /PLURAL/ID` with the members to be changed.
    pub async fn change(&self, object: &str, id: &str, members: Map<String, Value>) -> Result<()> {
        let request = Request::put("change", path(&[object, id])?).json(&Value::Object(members));
        fault::succeeded(&self.client.send(&request).await?).map(|_| ())
    }

    /// `DELETE /PLURAL/ID`: for good. A second time does no harm.
    pub async fn delete(&self, object: &str, id: &str) -> Result<()> {
        let request = Request::delete("delete", path(&[object, id])?).repeatable();
        fault::done(&self.client.send(&request).await?)
    }
}

/// The condition for the next page beside the list's own.
fn after_id(filter: &Map<String, Value>, after: Option<&str>) -> Map<String, Value> {
    let mut filter = filter.clone();
    let Some(after) = after else { return filter };
    let after = json!({ "$gt": after });
    if filter.contains_key("_id") {
        let both = json!([{ "_id": after }, filter]);
        return Map::from_iter([("$and".to_owned(), both)]);
    }
    filter.insert("_id".to_owned(), after);
    filter
}

/// How a reference is written; `null` clears it (assumed).
pub fn reference(id: Option<&str>) -> Value {
    id.map_or(Value::Null, |id| json!({ "_id": id }))
}

/// How a reference is looked for.
pub fn refers_to(property: &str) -> String {
    format!("{property}._id")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_pages_condition_joins_the_lists_own() {
        let own = |value: Value| value.as_object().cloned().unwrap();
        let project = own(json!({ "c_project._id": "p" }));
        assert_eq!(after_id(&project, None), project);
        assert_eq!(Value::from(after_id(&project, Some("a"))), json!({ "_id": { "$gt": "a" }, "c_project._id": "p" }));
        let ids = own(json!({ "_id": { "$in": ["b"] } }));
        let both = json!({ "$and": [{ "_id": { "$gt": "a" } }, { "_id": { "$in": ["b"] } }] });
        assert_eq!(Value::from(after_id(&ids, Some("a"))), both);
    }
}
