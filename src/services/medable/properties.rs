//! Accounts that show single File properties: `OBJECTS/ID/PROPERTY` is a path of directories, the last of which holds
//! one file for each facet that is ready. Only the content itself can be replaced.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::error::{ErrorKind, Result, fail};
use crate::provider::{Entry, ListPart, Operation, Operations};
use crate::services::medable::Medable;
use crate::services::medable::assumptions as assumed;
use crate::services::medable::listing::fresh;
use crate::services::medable::mapping::Shown;
use crate::services::medable::model::{self, Facet, State};
use crate::services::medable::place::Place;
use crate::services::medable::tree::with_facet;

impl Medable {
    /// The root, a part of a property's path, or a property itself.
    pub(super) async fn list_path(&self, dir: &Place) -> Result<ListPart> {
        let path = match dir {
            Place::Root => "",
            Place::Path(path) => path,
            _ => return fail(ErrorKind::NotFound, "the settings name no such directory"),
        };
        let depth = path.split('/').filter(|part| !part.is_empty()).count();
        let entries = if depth == 3 { self.list_facets(path).await? } else { self.next_parts(path) };
        if entries.is_empty() && depth < 3 {
            return fail(ErrorKind::NotFound, "the settings name no such property");
        }
        Ok(fresh(entries, Duration::ZERO))
    }

    fn properties(&self) -> &[[String; 3]] {
        match &*self.api.shown {
            Shown::Properties(properties) => properties,
            Shown::Tree(_) => &[],
        }
    }

    /// The directories below a beginning of properties' paths.
    fn next_parts(&self, above: &str) -> Vec<Entry> {
        let prefix = if above.is_empty() { String::new() } else { format!("{above}/") };
        let below = self.properties().iter().map(|parts| parts.join("/"));
        let names: BTreeSet<String> =
            below.filter_map(|path| Some(path.strip_prefix(&prefix)?.split('/').next()?.to_owned())).collect();
        names.into_iter().map(|name| path_entry(format!("{prefix}{name}"))).collect()
    }

    async fn list_facets(&self, property: &str) -> Result<Vec<Entry>> {
        if !self.properties().iter().any(|parts| parts.join("/") == property) {
            return fail(ErrorKind::NotFound, "the settings name no such property");
        }
        let facets = self.facets(property).await?;
        Ok(facets.iter().filter(|f| f.state == State::Ready).map(|f| facet_entry(property, f)).collect())
    }

    /// A property that was never written has no facets.
    async fn facets(&self, property: &str) -> Result<Vec<Facet>> {
        let path = crate::http::path(&property.split('/').collect::<Vec<_>>())?;
        match self.api.property("list", &path).await {
            Ok(value) => Ok(model::facets(&value)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn look_at_property(&self, place: &Place) -> Result<Entry> {
        match place {
            Place::Path(path) => Ok(path_entry(path.clone())),
            Place::Facet { property, facet } => {
                let found = self.facets(property).await?.into_iter().find(|f| f.name == *facet);
                match found {
                    Some(facet) => Ok(facet_entry(property, &facet)),
                    None => fail(ErrorKind::NotFound, "the property has no such facet"),
                }
            }
            _ => fail(ErrorKind::Bug, "no property"),
        }
    }
}

fn path_entry(path: String) -> Entry {
    let name = path.rsplit('/').next().unwrap_or_default().to_owned();
    Entry { offers: Operations::NONE, ..Entry::directory(Place::Path(path).remote_id(), name) }
}

fn facet_entry(property: &str, facet: &Facet) -> Entry {
    let place = Place::Facet { property: property.to_owned(), facet: facet.name.clone() };
    let mut offers = vec![Operation::Read];
    offers.extend((facet.name == assumed::FACET).then_some(Operation::Revise));
    let entry = with_facet(Entry::file(place.remote_id(), shown_name(facet), None), Some(facet));
    Entry { offers: Operations::of(&offers), ..entry }
}

/// The facet's name with an extension: programs need one, and so does the service when the content is replaced.
fn shown_name(facet: &Facet) -> String {
    let given = facet.filename.as_deref().and_then(|name| name.rsplit_once('.')).map(|(_, extension)| extension);
    let by_type = match facet.mime.as_deref() {
        // What guessing from the type finds first is a rare one.
        Some("image/jpeg") => Some("jpg"),
        Some("text/plain") => Some("txt"),
        Some(mime) => mime_guess::get_mime_extensions_str(mime).and_then(|all| all.first().copied()),
        None => None,
    };
    let is_usable = |extension: &&str| !extension.is_empty() && extension.bytes().all(|b| b.is_ascii_alphanumeric());
    match given.filter(is_usable).or(by_type) {
        Some(extension) => format!("{}.{extension}", facet.name),
        None => facet.name.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_facet_is_shown_with_the_extension_of_its_file_or_type() {
        let facet = |more: serde_json::Value| {
            let mut value = json!({ "name": "content", "state": 2 });
            value.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
            Facet::read(&value).unwrap()
        };
        for (more, name) in [
            (json!({ "filename": "IMG_1399.JPG", "mime": "image/png" }), "content.JPG"),
            (json!({ "mime": "image/jpeg" }), "content.jpg"),
            (json!({ "mime": "image/png" }), "content.png"),
            (json!({ "mime": "no/such" }), "content"),
            (json!({ "filename": "a.b/c" }), "content"),
        ] {
            assert_eq!(shown_name(&facet(more)), name);
        }
    }
}
