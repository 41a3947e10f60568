//! After an unclear answer: what became of it, in as few requests as the service allows, and the end of a replacement
//! that broke off.

use std::collections::HashSet;

use crate::error::{ErrorKind, Result};
use crate::provider::confirm::{current, same_bytes};
use crate::provider::{Attempt, Confirmation, Content, Created, Entry, Provider, Revised};
use crate::services::basecamp::Basecamp;
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::pages::Order;
use crate::services::basecamp::place::Place;

impl Basecamp {
    pub(super) async fn look_back(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        let confirmation = match attempt {
            Attempt::Attach { container, name, content, before } => {
                let before: HashSet<Place> = before.iter().filter_map(|id| Place::of(id).ok()).collect();
                let is_new = |place: &Place| !before.contains(place);
                match self.newest_like(Place::of(container)?.project()?, name, content, None, is_new).await? {
                    Some(Entry { id, revision, .. }) => {
                        Confirmation::Created(Created { id, revision, renamed: None, existed: false })
                    }
                    None => Confirmation::NotDone,
                }
            }
            Attempt::Revise { file, content, .. } => match Place::of(&file.id)? {
                Place::File { project, upload } => self.replaced(project, upload, &file.name, content).await?,
                _ => Confirmation::NotDone,
            },
            Attempt::Relocate { entry, to_name, .. } => match self.look_at(Place::of(&entry.id)?).await?.name {
                name if name == *to_name => Confirmation::Done,
                _ => Confirmation::NotDone,
            },
            Attempt::Delete { entry } => match self.look_at(Place::of(&entry.id)?).await {
                Ok(_) => Confirmation::NotDone,
                Err(e) if e.kind() == ErrorKind::NotFound => Confirmation::Done,
                Err(e) => return Err(e),
            },
            // All projects come with one request: the general way is as good.
            Attempt::MakeDir { .. } => return Ok(None),
        };
        Ok(Some(confirmation))
    }

    /// Whether the successor of an upload is there; if so, its replacement is brought to its end.
    async fn replaced(&self, project: u64, old: u64, name: &str, content: &Content) -> Result<Confirmation> {
        let is_later = |place: &Place| matches!(place, Place::File { upload, .. } if *upload > old);
        let Some(Entry { id, revision, .. }) = self.newest_like(project, name, content, Some(old), is_later).await?
        else {
            return Ok(Confirmation::NotDone);
        };
        self.retire(project, old).await?;
        Ok(Confirmation::Revised(Revised { id, revision }))
    }

    /// The newest file of this name with these bytes that `fits`. Nothing older than the upload `until` is looked at.
    async fn newest_like(
        &self,
        project: u64,
        name: &str,
        content: &Content,
        until: Option<u64>,
        fits: impl Fn(&Place) -> bool,
    ) -> Result<Option<Entry>> {
        let mut seen = HashSet::new();
        for number in 1.. {
            let page = self.whole_page(project, Order::Newest, number).await?;
            let count = page.items.len() as u64;
            let (mut news, mut reached) = (false, false);
            for item in page.items {
                let Some(place @ Place::File { upload, .. }) = item.place else { continue };
                news |= seen.insert(upload);
                reached |= until.is_some_and(|until| upload <= until);
                self.session.note_file(place, item.facts);
                let candidate = item.entry.filter(|entry| fits(&place) && entry.name == name);
                if let Some(entry) = candidate.filter(|entry| entry.size.is_none_or(|size| size == content.size))
                    && same_bytes(self as &dyn Provider, &current(&entry), content).await?
                {
                    return Ok(Some(entry));
                }
            }
            if reached || !news || count < assumed::PAGE_ITEMS {
                break;
            }
        }
        Ok(None)
    }
}
