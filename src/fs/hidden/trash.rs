//! `.collabfs/trash`: what the service lists of its trash, as read-only files.

use std::collections::HashSet;
use std::sync::Arc;

use super::answers::List;
use super::{ENTRIES_MAX, Leaf, known};
use crate::content::Reader;
use crate::error::{ErrorKind, Result, fail};
use crate::fs::state::Inner;
use crate::fs::types::Attributes;
use crate::ids::Ino;
use crate::names::{Named, assign_names};
use crate::provider::{Entry, EntryKind, Operation, ReadTarget};

pub(super) struct Trashed {
    pub name: String,
    pub entry: Entry,
}

impl Trashed {
    pub fn facts(&self) -> Vec<(String, String)> {
        let Entry { id, revision, author, description, url, mime, .. } = &self.entry;
        let mut facts = known(&[
            ("id", Some(id.service_id())),
            ("revision", revision.as_ref().map(|r| r.as_str())),
            ("author", author.as_deref()),
            ("description", description.as_deref()),
            ("url", url.as_deref()),
            ("mime", mime.as_deref()),
        ]);
        facts.extend(self.entry.attributes.clone());
        facts
    }
}

impl Inner {
    pub(super) async fn trash_child(&self, name: &str) -> Result<Option<Ino>> {
        let trash = self.trash().await?;
        let found = trash.iter().find(|trashed| trashed.name == name);
        Ok(found.map(|trashed| self.hidden.note(Leaf::Trashed(trashed.clone()))))
    }

    pub(super) async fn trash_names(&self) -> Result<Vec<(String, Ino)>> {
        let named = |t: &Arc<Trashed>| (t.name.clone(), self.hidden.note(Leaf::Trashed(t.clone())));
        Ok(self.trash().await?.iter().map(named).collect())
    }

    async fn trash(&self) -> Result<List<Trashed>> {
        // What we removed ourselves shows at once.
        let moment = self.lock().recent.moment();
        let provider = self.provider.clone();
        self.hidden.trash.get(moment, || async move { Ok(named(provider.list_trash().await?)) }).await
    }

    /// A folder in the trash cannot be entered: no service lists what is in it.
    pub(super) fn trashed_attributes(&self, ino: Ino, entry: &Entry) -> Attributes {
        let modified = entry.modified.or(entry.created);
        match entry.kind {
            EntryKind::Directory => self.hidden_dir(ino, modified.unwrap_or(self.hidden.mounted)),
            EntryKind::File => self.hidden_file(ino, entry.size, modified),
        }
    }

    pub(super) fn open_trashed(&self, entry: &Entry) -> Result<Arc<Reader>> {
        if entry.kind == EntryKind::Directory {
            return fail(ErrorKind::IsDirectory, "it is a directory");
        }
        if !self.provider.capabilities().allowed(entry.offers).has(Operation::Read) {
            return fail(ErrorKind::Unsupported, format!("{}: the service does not read out of its trash", entry.name));
        }
        if !entry.permits.has(Operation::Read) {
            return fail(ErrorKind::Denied, format!("{}: this account may not read this", entry.name));
        }
        let (id, revision) = (entry.id.clone(), entry.revision.clone());
        let target = ReadTarget { id, revision, old: false, size: entry.size };
        Ok(self.cache.reader(self.provider.clone(), target))
    }
}

fn named(mut entries: Vec<Entry>) -> Vec<Arc<Trashed>> {
    if entries.len() > ENTRIES_MAX {
        log::warn!("the service's trash has {} entries; {ENTRIES_MAX} of them are shown", entries.len());
        entries.truncate(ENTRIES_MAX);
    }
    let claims: Vec<Named> = (entries.iter())
        .map(|entry| Named {
            id: &entry.id,
            remote: &entry.name,
            created: entry.created,
            previous: None,
            succeeds: false,
        })
        .collect();
    let names = assign_names(&claims, &HashSet::new());
    names.into_iter().zip(entries).map(|(name, entry)| Arc::new(Trashed { name, entry })).collect()
}
