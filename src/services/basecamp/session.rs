//! What this session learned, within bounds: where content is, who we are, what has to be looked at again.

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use lru::LruCache;

use crate::http::Url;
use crate::provider::{Entry, ListPart};
use crate::services::basecamp::assumptions as assumed;
use crate::services::basecamp::model::Attachment;
use crate::services::basecamp::place::{Group, Place};

// No size below is 0, which is all that these constants could fail at, and while compiling.

/// Files whose facts are remembered: some 400 bytes each.
const FILES_MAX: NonZeroUsize = NonZeroUsize::new(20_000).unwrap();
const PROJECTS_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Addresses and tokens: these live for minutes.
const SIGNED_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
const STARTED_AGAIN_MAX: NonZeroUsize = NonZeroUsize::new(1_000).unwrap();
/// Uploads of our own that an event may still be about.
const OWN_MAX: NonZeroUsize = NonZeroUsize::new(5_000).unwrap();
/// Projects whose other attachments are kept for a moment, and how many of these at most.
const GROUPED_MAX: NonZeroUsize = NonZeroUsize::new(8).unwrap();
const GROUPED_ENTRIES_MAX: usize = 20_000;

/// What a call about a file needs beyond its id.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    pub attachment: Option<u64>,
    pub url: Option<String>,
    pub private: bool,
    /// The upload's text; `None` as long as only a list was seen.
    pub content: Option<String>,
}

/// A project as this session knows it.
#[derive(Debug, Clone, Default)]
struct KnownProject {
    /// As the list of projects told it.
    name: Option<String>,
    /// When every page of its list was last looked at.
    checked: Option<Instant>,
    /// Somebody did something there.
    suspect: bool,
}

pub struct Session {
    files: Mutex<LruCache<Place, Facts>>,
    /// Whether files are, or were, hidden from clients.
    private: Mutex<LruCache<Place, bool>>,
    projects: Mutex<LruCache<u64, KnownProject>>,
    signed: Mutex<LruCache<Place, (Url, Instant)>>,
    /// Files, by project and name, whose bytes were sent anew because their token was refused, and when.
    started_again: Mutex<LruCache<(u64, String), Instant>>,
    /// Uploads that this mount made or removed.
    own: Mutex<LruCache<u64, ()>>,
    me: Mutex<Option<u64>>,
    /// The list of projects that signing in brought, for the listing that follows.
    root: Mutex<Option<(ListPart, Instant)>>,
    grouped: Mutex<LruCache<u64, Grouped>>,
}

/// What hangs on messages, to-dos and comments of a project.
struct Grouped {
    entries: Vec<(Group, Entry)>,
    since: Instant,
}

impl Default for Session {
    fn default() -> Session {
        Session {
            files: Mutex::new(LruCache::new(FILES_MAX)),
            private: Mutex::new(LruCache::new(FILES_MAX)),
            projects: Mutex::new(LruCache::new(PROJECTS_MAX)),
            signed: Mutex::new(LruCache::new(SIGNED_MAX)),
            started_again: Mutex::new(LruCache::new(STARTED_AGAIN_MAX)),
            own: Mutex::new(LruCache::new(OWN_MAX)),
            me: Mutex::default(),
            root: Mutex::default(),
            grouped: Mutex::new(LruCache::new(GROUPED_MAX)),
        }
    }
}

impl Facts {
    pub fn of(attachment: &Attachment) -> Facts {
        Facts {
            attachment: attachment.id_or_from_url(),
            url: attachment.url.clone(),
            private: attachment.private,
            content: None,
        }
    }
}

impl Session {
    /// A list's facts do not take away what was learned of the file alone.
    pub fn note_file(&self, place: Place, facts: Facts) {
        locked(&self.private).put(place, facts.private);
        let mut files = locked(&self.files);
        let content = facts.content.or_else(|| files.get(&place).and_then(|known| known.content.clone()));
        files.put(place, Facts { content, ..facts });
    }

    pub fn file(&self, place: Place) -> Option<Facts> {
        locked(&self.files).get(&place).cloned()
    }

    /// Whether the file is hidden from clients, or was when it was there.
    pub fn is_private(&self, place: Place) -> Option<bool> {
        locked(&self.private).get(&place).copied()
    }

    pub fn forget_file(&self, place: Place) {
        locked(&self.files).pop(&place);
        locked(&self.signed).pop(&place);
    }

    pub fn note_signed(&self, place: Place, url: Url) {
        locked(&self.signed).put(place, (url, Instant::now()));
    }

    /// A signed address that is still good.
    pub fn signed(&self, place: Place) -> Option<Url> {
        let mut signed = locked(&self.signed);
        let (url, since) = signed.get(&place)?;
        (since.elapsed() < assumed::SIGNED_FOR).then(|| url.clone())
    }

    /// Whether there was one.
    pub fn forget_signed(&self, place: Place) -> bool {
        locked(&self.signed).pop(&place).is_some()
    }

    /// Whether the bytes of a file may be sent anew because their token was refused: once, since it may be the name that
    /// is refused.
    pub fn may_start_again(&self, project: u64, name: &str) -> bool {
        let mut started_again = locked(&self.started_again);
        let before = started_again.put((project, name.to_owned()), Instant::now());
        before.is_none_or(|at| at.elapsed() >= assumed::STARTED_AGAIN_KEPT)
    }

    /// An upload that this mount made or removed.
    pub fn note_own(&self, upload: u64, creator: Option<u64>) {
        locked(&self.own).put(upload, ());
        if creator.is_some() {
            *locked(&self.me) = creator;
        }
    }

    /// Whether this is what we did ourselves.
    pub fn is_own(&self, upload: u64, creator: Option<u64>) -> bool {
        creator.is_some() && creator == *locked(&self.me) && locked(&self.own).contains(&upload)
    }

    pub fn note_project_name(&self, project: u64, name: &str) {
        locked(&self.projects).get_or_insert_mut(project, KnownProject::default).name = Some(name.to_owned());
    }

    /// Whether the list of projects shows this project under this name.
    pub fn is_listed_as(&self, project: u64, name: Option<&str>) -> bool {
        let mut projects = locked(&self.projects);
        let known = projects.get(&project).and_then(|known| known.name.as_deref());
        known.is_some() && (name.is_none() || known == name)
    }

    pub fn note_suspect(&self, project: u64) {
        locked(&self.projects).get_or_insert_mut(project, KnownProject::default).suspect = true;
        locked(&self.grouped).pop(&project);
    }

    /// Whether every page of the project's list has to be looked at. A suspicion is forgotten by asking, so that one
    /// that comes up meanwhile is not.
    pub fn take_check(&self, project: u64) -> bool {
        let mut projects = locked(&self.projects);
        let known = projects.get_or_insert_mut(project, KnownProject::default);
        let checked = *known.checked.get_or_insert_with(Instant::now);
        std::mem::take(&mut known.suspect) || checked.elapsed() >= assumed::FULL_CHECK
    }

    pub fn note_checked(&self, project: u64) {
        locked(&self.projects).get_or_insert_mut(project, KnownProject::default).checked = Some(Instant::now());
    }

    pub fn note_root(&self, listed: ListPart) {
        *locked(&self.root) = Some((listed, Instant::now()));
    }

    /// What signing in brought, once, unless it is older than allowed.
    pub fn take_root(&self, max_age: Duration) -> Option<ListPart> {
        let (listed, since) = locked(&self.root).take()?;
        match listed {
            ListPart::Entries { entries, validator, .. } if since.elapsed() <= max_age => {
                Some(ListPart::Entries { entries, validator, age: since.elapsed() })
            }
            _ => None,
        }
    }

    pub fn forget_root(&self) {
        locked(&self.root).take();
    }

    pub fn note_grouped(&self, project: u64, entries: Vec<(Group, Entry)>) {
        if entries.len() <= GROUPED_ENTRIES_MAX {
            locked(&self.grouped).put(project, Grouped { entries, since: Instant::now() });
        }
    }

    /// The attachments of a group and their age, unless they are older than allowed.
    pub fn grouped(&self, project: u64, group: Group, max_age: Duration) -> Option<(Vec<Entry>, Duration)> {
        let mut grouped = locked(&self.grouped);
        let known = grouped.get(&project).filter(|known| known.since.elapsed() <= max_age)?;
        let entries = known.entries.iter().filter(|(of, _)| *of == group).map(|(_, entry)| entry.clone());
        Some((entries.collect(), known.since.elapsed()))
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|e| e.into_inner())
}
