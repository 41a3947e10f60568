//! After an unclear answer: whether an attempt took effect is found out by looking, never by repeating blindly.

use std::collections::HashSet;

use futures::StreamExt;

use crate::error::{ErrorKind, Result};
use crate::ids::{RemoteId, RevisionId};
use crate::provider::{
    ByteRange, Content, Created, Entry, EntryKind, ListPart, ListRequest, Located, Provider, ReadTarget, Revised,
};

/// Revisions made since ours that are compared with it: more than this in the seconds of one lost answer is no editing.
const OVERTAKEN_COMPARED_MAX: usize = 8;

/// Something that was sent and whose answer did not arrive.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// A file was being attached. `before`: ids of that name that were there already.
    Attach {
        container: RemoteId,
        name: String,
        content: Content,
        before: HashSet<RemoteId>,
    },
    Revise {
        file: Located,
        base: Option<RevisionId>,
        content: Content,
    },
    MakeDir {
        parent: RemoteId,
        name: String,
        before: HashSet<RemoteId>,
    },
    Relocate {
        entry: Located,
        to_parent: RemoteId,
        to_name: String,
    },
    Delete {
        entry: Located,
    },
}

impl Attempt {
    /// The entry is known not to have been made by this attempt.
    pub fn exclude(&mut self, id: RemoteId) {
        if let Attempt::Attach { before, .. } | Attempt::MakeDir { before, .. } = self {
            before.insert(id);
        }
    }
}

/// What looking showed.
#[derive(Debug, Clone)]
pub enum Confirmation {
    /// It did not take effect: it may be sent again.
    NotDone,
    /// The file is there.
    Created(Created),
    Revised(Revised),
    /// The directory is there.
    MadeDir(Entry),
    /// The rename, move or removal is done.
    Done,
}

/// Finds out whether an attempt took effect: in the provider's own way, else by list, stat and comparing the bytes.
pub async fn find_out(provider: &dyn Provider, attempt: &Attempt) -> Result<Confirmation> {
    match provider.confirm(attempt).await? {
        Some(confirmation) => Ok(confirmation),
        None => by_looking(provider, attempt).await,
    }
}

async fn by_looking(provider: &dyn Provider, attempt: &Attempt) -> Result<Confirmation> {
    match attempt {
        Attempt::Attach { container, name, content, before } => {
            attached(provider, container, name, content, before).await
        }
        Attempt::Revise { file, base, content } => revised(provider, file, base.as_ref(), content).await,
        Attempt::MakeDir { parent, name, before } => {
            let found = list_all(provider, parent).await?.into_iter();
            let mut fresh =
                found.filter(|e| e.kind == EntryKind::Directory && e.name == *name && !before.contains(&e.id));
            Ok(fresh.next().map_or(Confirmation::NotDone, Confirmation::MadeDir))
        }
        Attempt::Relocate { entry, to_parent, to_name } => {
            let there = list_all(provider, to_parent).await?;
            let done = there.iter().any(|e| e.id == entry.id && e.name == *to_name);
            Ok(if done { Confirmation::Done } else { Confirmation::NotDone })
        }
        Attempt::Delete { entry } => {
            let there = match list_all(provider, &entry.parent).await {
                Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Confirmation::Done),
                other => other?,
            };
            let gone = there.iter().all(|e| e.id != entry.id);
            Ok(if gone { Confirmation::Done } else { Confirmation::NotDone })
        }
    }
}

async fn attached(
    provider: &dyn Provider,
    container: &RemoteId,
    name: &str,
    content: &Content,
    before: &HashSet<RemoteId>,
) -> Result<Confirmation> {
    for entry in list_all(provider, container).await? {
        let candidate = entry.kind == EntryKind::File
            && entry.name == name
            && !before.contains(&entry.id)
            && entry.size.is_none_or(|size| size == content.size);
        // Somebody else may have made a file of the same name and size meanwhile: the bytes decide.
        if candidate && same_bytes(provider, &current(&entry), content).await? {
            return Ok(Confirmation::Created(Created {
                id: entry.id,
                revision: entry.revision,
                renamed: None,
                existed: false,
            }));
        }
    }
    Ok(Confirmation::NotDone)
}

async fn revised(
    provider: &dyn Provider,
    file: &Located,
    base: Option<&RevisionId>,
    content: &Content,
) -> Result<Confirmation> {
    let now = provider.stat(&file.id).await?;
    let moved_on = base.is_none() || now.revision.as_ref() != base;
    if !moved_on {
        return Ok(Confirmation::NotDone);
    }
    let may_be_ours = now.size.is_none_or(|size| size == content.size);
    if may_be_ours && same_bytes(provider, &current(&now), content).await? {
        return Ok(Confirmation::Revised(Revised { id: now.id, revision: now.revision }));
    }
    let overtaken = overtaken(provider, &now, base, content).await?;
    let revised = |revision| Confirmation::Revised(Revised { id: now.id, revision: Some(revision) });
    Ok(overtaken.map_or(Confirmation::NotDone, revised))
}

/// Our revision, when somebody made another one after it: it is in the history, between `base` and now.
async fn overtaken(
    provider: &dyn Provider,
    now: &Entry,
    base: Option<&RevisionId>,
    content: &Content,
) -> Result<Option<RevisionId>> {
    if base.is_none() || !provider.capabilities().versions {
        return Ok(None);
    }
    let history = match provider.versions(&now.id).await {
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(None),
        other => other?,
    };
    let since_base = history.iter().rev().take_while(|version| Some(&version.revision) != base);
    let older = since_base.filter(|version| Some(&version.revision) != now.revision.as_ref());
    for version in older.filter(|version| version.size == Some(content.size)).take(OVERTAKEN_COMPARED_MAX) {
        let revision = Some(version.revision.clone());
        let target = ReadTarget { id: now.id.clone(), revision, old: true, size: version.size };
        if same_bytes(provider, &target, content).await? {
            return Ok(Some(version.revision.clone()));
        }
    }
    Ok(None)
}

/// Every entry of a directory, freshly asked for.
pub async fn list_all(provider: &dyn Provider, dir: &RemoteId) -> Result<Vec<Entry>> {
    let mut all = Vec::new();
    let mut parts = provider.list(dir, ListRequest::default());
    while let Some(part) = parts.next().await {
        if let ListPart::Entries { entries, .. } = part? {
            all.extend(entries);
        }
    }
    Ok(all)
}

/// What reads the content that an entry has now.
pub fn current(entry: &Entry) -> ReadTarget {
    ReadTarget { id: entry.id.clone(), revision: entry.revision.clone(), old: false, size: entry.size }
}

/// Whether a content on the service equals ours, compared while it arrives. One that vanished meanwhile, or is another
/// revision now, does not.
pub async fn same_bytes(provider: &dyn Provider, target: &ReadTarget, ours: &Content) -> Result<bool> {
    use tokio::io::AsyncReadExt;
    let mut theirs = match provider.read(target, ByteRange::WHOLE).await {
        Ok(download) => download.stream,
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Conflict) => return Ok(false),
        // A service that gives no content: name and size have to do.
        Err(error) if error.kind() == ErrorKind::Unsupported => return Ok(true),
        Err(error) => return Err(error),
    };
    let mut file = tokio::fs::File::open(&ours.path).await?;
    let mut compared_bytes = 0;
    let mut buffer = Vec::new();
    while let Some(chunk) = theirs.next().await {
        let chunk = chunk?;
        compared_bytes += chunk.len() as u64;
        if compared_bytes > ours.size {
            return Ok(false);
        }
        buffer.resize(chunk.len(), 0);
        file.read_exact(&mut buffer).await?;
        if buffer != chunk {
            return Ok(false);
        }
    }
    Ok(compared_bytes == ours.size)
}
