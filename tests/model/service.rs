//! A service in memory that can be told to fail: before it did something, or after.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use collabfs::error::{Error, ErrorKind, Result, fail};
use collabfs::ids::{RemoteId, RevisionId};
use collabfs::provider::*;
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// What kind of service it is.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub duplicate_names: bool,
    pub case_sensitive: bool,
    /// Else a revision is a new file beside the old one, which goes.
    pub revises_in_place: bool,
    pub operations: Operations,
}

impl Shape {
    pub const ABLE: Shape =
        Shape { duplicate_names: true, case_sensitive: true, revises_in_place: true, operations: Operations::ALL };

    pub fn lacks(&self, operation: Operation) -> bool {
        !self.operations.has(operation)
    }
}

#[derive(Clone, Debug)]
pub struct Thing {
    pub parent: u64,
    pub name: String,
    pub directory: bool,
    pub revisions: Vec<Vec<u8>>,
}

/// How likely a call fails, in percent.
#[derive(Clone, Copy, Default)]
pub struct Mood {
    /// Nothing happened, and the caller knows.
    pub refused: u32,
    /// Nothing happened, but the caller does not know.
    pub lost_before: u32,
    /// It happened, but the caller does not know.
    pub lost_after: u32,
}

pub struct Inside {
    pub things: BTreeMap<u64, Thing>,
    /// With the name that each will have.
    staged: BTreeMap<u64, (Vec<u8>, String)>,
    last: u64,
    pub mood: Mood,
    random: StdRng,
    /// Calls that changed something.
    pub changes_made: Vec<String>,
    /// What was removed, and what was replaced by a new file.
    pub trash: Vec<Thing>,
    shape: Shape,
    /// Others work here too, and may be faster.
    pub others: bool,
    /// Counts what is done.
    pub step: usize,
    /// Contents that came a moment after somebody else's, who was not there yet when it was looked: a service without
    /// conditions on writing has this gap.
    pub raced: HashSet<Vec<u8>>,
    /// The step in which a content was first listed.
    pub shown: HashMap<Vec<u8>, usize>,
}

#[derive(Clone)]
pub struct FakeService {
    pub inside: Arc<Mutex<Inside>>,
    pub shape: Shape,
    /// Whether the process this line belongs to lives.
    connected: Arc<AtomicBool>,
}

impl FakeService {
    pub fn new(seed: u64, shape: Shape) -> FakeService {
        let inside = Inside {
            things: BTreeMap::new(),
            staged: BTreeMap::new(),
            last: 0,
            mood: Mood::default(),
            random: StdRng::seed_from_u64(seed),
            changes_made: Vec::new(),
            trash: Vec::new(),
            shape,
            others: false,
            step: 0,
            raced: HashSet::new(),
            shown: HashMap::new(),
        };
        FakeService { inside: Arc::new(Mutex::new(inside)), shape, connected: Arc::new(true.into()) }
    }

    /// Cuts the line of a process that was killed, so that nothing it left running changes anything, and answers
    /// one for the next process.
    pub fn reconnected(&self) -> FakeService {
        let _none_under_way = self.lock();
        self.connected.store(false, Ordering::SeqCst);
        FakeService { connected: Arc::new(true.into()), ..self.clone() }
    }

    /// What failed in one call fails there, and not in each that follows.
    fn lock(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn set_mood(&self, mood: Mood) {
        self.lock().mood = mood;
    }

    /// Paths and contents as somebody in a browser sees them; equal names give equal paths.
    pub fn tree(&self) -> Vec<(String, Option<Vec<u8>>)> {
        let inside = self.lock();
        let mut all: Vec<_> = inside
            .things
            .iter()
            .filter_map(|(id, thing)| {
                Some((inside.path(*id)?, thing.revisions.last().cloned().filter(|_| !thing.directory)))
            })
            .collect();
        all.sort();
        all
    }

    pub fn id_at(&self, path: &str) -> Option<u64> {
        let inside = self.lock();
        inside.things.keys().copied().find(|id| inside.path(*id).as_deref() == Some(path))
    }

    /// Somebody else's doing.
    pub fn act<T>(&self, act: impl FnOnce(&mut Inside) -> T) -> T {
        act(&mut self.lock())
    }

    /// Runs a change under the mood.
    fn change<T>(&self, what: String, act: impl FnOnce(&mut Inside) -> Result<T>) -> Result<T> {
        let mut inside = self.lock();
        if !self.connected.load(Ordering::SeqCst) {
            return Err(Error::new(ErrorKind::Offline, "the process was killed").unclear());
        }
        let Mood { refused, lost_before, lost_after } = inside.mood;
        let fate = inside.random.random_range(0..100);
        if fate < refused {
            return fail(ErrorKind::Server, "refused by mood");
        }
        if fate < refused + lost_before {
            return Err(Error::new(ErrorKind::Offline, "lost before").unclear());
        }
        let result = act(&mut inside)?;
        inside.changes_made.push(what);
        if fate < refused + lost_before + lost_after {
            return Err(Error::new(ErrorKind::Offline, "lost after").unclear());
        }
        Ok(result)
    }
}

impl Inside {
    pub fn path(&self, id: u64) -> Option<String> {
        let thing = self.things.get(&id)?;
        match thing.parent {
            0 => Some(thing.name.clone()),
            parent => Some(format!("{}/{}", self.path(parent)?, thing.name)),
        }
    }

    pub fn add(&mut self, parent: u64, name: &str, content: Option<Vec<u8>>) -> u64 {
        self.last += 1;
        let revisions: Vec<Vec<u8>> = content.into_iter().collect();
        let thing = Thing { parent, name: name.into(), directory: revisions.is_empty(), revisions };
        self.things.insert(self.last, thing);
        self.last
    }

    /// Errors: `Exists` when another thing than `except` has this name, and one must not.
    pub fn check_free(&self, parent: u64, name: &str, except: Option<u64>) -> Result<()> {
        let same = |other: &str| match self.shape.case_sensitive {
            true => other == name,
            false => other.to_lowercase() == name.to_lowercase(),
        };
        let others = self.things.iter().filter(|(id, _)| Some(**id) != except);
        let taken = others.into_iter().any(|(_, t)| t.parent == parent && same(&t.name));
        if taken && !self.shape.duplicate_names { fail(ErrorKind::Exists, "the name is taken") } else { Ok(()) }
    }

    fn check_offered(&self, operation: Operation) -> Result<()> {
        if self.shape.lacks(operation) { fail(ErrorKind::Unsupported, "no such call") } else { Ok(()) }
    }

    /// Each revision with the one that followed it.
    pub fn successions(&self) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
        let all = self.things.values().chain(&self.trash);
        all.flat_map(|thing| thing.revisions.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())))
    }

    /// The content that every file has now or had ever.
    pub fn contents(&self) -> HashSet<Vec<u8>> {
        self.things.values().chain(&self.trash).flat_map(|thing| thing.revisions.iter().cloned()).collect()
    }

    /// Into the trash, with all that is in it.
    pub fn remove(&mut self, id: u64) {
        let inside: Vec<u64> = self.things.iter().filter(|(_, thing)| thing.parent == id).map(|(id, _)| *id).collect();
        inside.into_iter().for_each(|child| self.remove(child));
        self.trash.extend(self.things.remove(&id));
    }

    fn thing(&mut self, id: u64) -> Result<&mut Thing> {
        self.things.get_mut(&id).ok_or_else(|| Error::new(ErrorKind::NotFound, "no such thing"))
    }

    fn entry(&self, id: u64) -> Option<Entry> {
        let thing = self.things.get(&id)?;
        if thing.directory {
            return Some(Entry::directory(remote("dir", id), &thing.name));
        }
        let size = thing.revisions.last().map(|r| r.len() as u64);
        let revision = Some(RevisionId::new(thing.revisions.len()));
        Some(Entry { revision, ..Entry::file(remote("file", id), &thing.name, size) })
    }
}

fn remote(kind: &str, id: u64) -> RemoteId {
    RemoteId::new(kind, id)
}

fn number(id: &RemoteId) -> u64 {
    id.service_id().parse().unwrap()
}

fn read(content: &Content) -> Result<Vec<u8>> {
    let bytes = std::fs::read(&content.path)?;
    assert_eq!(bytes.len() as u64, content.size, "a content changed while it was sent");
    Ok(bytes)
}

#[async_trait]
impl Provider for FakeService {
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            service: "fake",
            operations: self.shape.operations,
            unproven: Operations::NONE,
            ranges: true,
            staged: true,
            attach_batch_max: 5,
            revises_in_place: self.shape.revises_in_place,
            conditional_revise: false,
            versions: true,
            changes: false,
            case_sensitive: self.shape.case_sensitive,
            duplicate_names: self.shape.duplicate_names,
            reservations: false,
            trash_listed: false,
            server_copy: false,
            file_bytes_max: None,
            name_bytes_max: 255,
            uploads_parallel: 3,
            requests_parallel: 4,
        }
    }

    fn check_name(&self, _: &str, _: EntryKind) -> Result<()> {
        Ok(())
    }

    async fn sign_in(&self) -> Result<AccountInfo> {
        Ok(AccountInfo::default())
    }

    fn root(&self) -> Entry {
        Entry::directory(remote("dir", 0), "")
    }

    fn list<'a>(&'a self, dir: &'a RemoteId, _: ListRequest) -> BoxStream<'a, Result<ListPart>> {
        let mut guard = self.lock();
        let inside = &mut *guard;
        let dir = number(dir);
        if dir != 0 && !inside.things.contains_key(&dir) {
            return stream::iter([fail(ErrorKind::NotFound, "no such directory")]).boxed();
        }
        let children = inside.things.values().filter(|thing| thing.parent == dir);
        for content in children.filter_map(|thing| thing.revisions.last()) {
            inside.shown.entry(content.clone()).or_insert(inside.step);
        }
        let ids = inside.things.iter().filter(|(_, t)| t.parent == dir).map(|(id, _)| *id);
        let entries = ids.filter_map(|id| inside.entry(id)).collect();
        stream::iter([Ok(ListPart::Entries { entries, validator: None, age: Duration::ZERO })]).boxed()
    }

    async fn stat(&self, id: &RemoteId) -> Result<Entry> {
        let entry = self.lock().entry(number(id));
        entry.ok_or_else(|| Error::new(ErrorKind::NotFound, "no such thing"))
    }

    async fn read(&self, target: &ReadTarget, range: ByteRange) -> Result<Download> {
        let mut inside = self.lock();
        let thing = inside.thing(number(&target.id))?;
        let wanted = target.revision.as_ref().map_or(thing.revisions.len(), |r| r.as_str().parse().unwrap());
        let bytes = thing.revisions[wanted - 1].clone();
        let total = bytes.len() as u64;
        let end = range.end.unwrap_or(total).min(total);
        let part = Bytes::from(bytes).slice(range.start.min(end) as usize..end as usize);
        Ok(Download { start: range.start, total: Some(total), stream: stream::iter([Ok(part)]).boxed() })
    }

    async fn stage(&self, _: &RemoteId, name: &str, content: &Content) -> Result<StagedAsset> {
        let bytes = read(content)?;
        self.change(format!("stage {name}"), |inside| {
            inside.last += 1;
            let token = inside.last;
            inside.staged.insert(token, (bytes, name.to_owned()));
            Ok(StagedAsset { token: Some(token.to_string()), expires: None, name: Some(name.to_owned()) })
        })
    }

    async fn attach(&self, container: &RemoteId, items: &[AttachItem]) -> Result<Vec<Result<Created>>> {
        let parent = number(container);
        let names: Vec<&str> = items.iter().map(|i| i.name.as_str()).collect();
        self.change(format!("attach {}", names.join(" ")), |inside| {
            if parent != 0 && !inside.things.contains_key(&parent) {
                return fail(ErrorKind::NotFound, "no such container");
            }
            let outcomes = items.iter().map(|item| {
                let token: u64 = item.staged.token.as_ref().unwrap().parse().unwrap();
                inside.check_free(parent, &item.name, None)?;
                let Some((bytes, name)) = inside.staged.remove(&token) else {
                    return fail(ErrorKind::Stale, "no such asset");
                };
                assert_eq!(name, item.name, "uploaded under another name");
                let id = inside.add(parent, &item.name, Some(bytes));
                let revision = Some(RevisionId::new(1));
                Ok(Created { id: remote("file", id), revision, renamed: None, existed: false })
            });
            Ok(outcomes.collect())
        })
    }

    async fn revise(&self, file: &Located, seen: Option<&RevisionId>, content: &Content) -> Result<Revised> {
        let bytes = read(content)?;
        self.change(format!("revise {}", file.name), |inside| {
            let (in_place, others) = (inside.shape.revises_in_place, inside.others);
            let newest = RevisionId::new(inside.thing(number(&file.id))?.revisions.len());
            if seen.is_some_and(|seen| *seen != newest) {
                inside.raced.insert(bytes.clone());
            }
            let thing = inside.thing(number(&file.id))?;
            // As services do that take the name of what they get for the document's.
            let renamed = std::mem::replace(&mut thing.name, file.name.clone()) != file.name;
            assert!(!renamed || others, "a revision is sent under the file's current name");
            if in_place {
                thing.revisions.push(bytes);
                return Ok(Revised { id: file.id.clone(), revision: Some(RevisionId::new(thing.revisions.len())) });
            }
            let old = thing.clone();
            inside.remove(number(&file.id));
            let id = inside.add(old.parent, &old.name, Some(bytes));
            Ok(Revised { id: remote("file", id), revision: Some(RevisionId::new(1)) })
        })
    }

    async fn make_dir(&self, parent: &RemoteId, name: &str) -> Result<Entry> {
        self.change(format!("mkdir {name}"), |inside| {
            inside.check_offered(Operation::MakeDir)?;
            let parent = number(parent);
            inside.check_free(parent, name, None)?;
            let id = inside.add(parent, name, None);
            Ok(Entry::directory(remote("dir", id), name))
        })
    }

    async fn relocate(&self, entry: &Located, to_parent: &RemoteId, to_name: &str) -> Result<()> {
        self.change(format!("relocate {} to {to_name}", entry.name), |inside| {
            let (id, parent) = (number(&entry.id), number(to_parent));
            let old = inside.thing(id)?.clone();
            if old.name != to_name {
                inside.check_offered(Operation::Rename)?;
            }
            if old.parent != parent {
                inside.check_offered(Operation::Move)?;
            }
            inside.check_free(parent, to_name, Some(id))?;
            let thing = inside.thing(id)?;
            (thing.parent, thing.name) = (parent, to_name.to_owned());
            Ok(())
        })
    }

    async fn delete(&self, entry: &Located) -> Result<()> {
        self.change(format!("delete {}", entry.name), |inside| {
            inside.check_offered(Operation::Delete)?;
            let id = number(&entry.id);
            inside.thing(id)?;
            let inhabitants: HashSet<&String> =
                inside.things.values().filter(|t| t.parent == id).map(|t| &t.name).collect();
            assert!(inside.others || inhabitants.is_empty(), "a directory with {inhabitants:?} was removed");
            inside.remove(id);
            Ok(())
        })
    }

    async fn confirm(&self, attempt: &Attempt) -> Result<Option<Confirmation>> {
        let Attempt::Revise { file, content, .. } = attempt else { return Ok(None) };
        if self.shape.revises_in_place {
            return Ok(None);
        }
        let bytes = read(content)?;
        let inside = self.lock();
        let old = number(&file.id);
        let successor = inside.things.iter().find(|(id, thing)| **id > old && thing.revisions == [bytes.clone()]);
        Ok(Some(match successor {
            Some((id, _)) if !inside.things.contains_key(&old) => {
                Confirmation::Revised(Revised { id: remote("file", *id), revision: Some(RevisionId::new(1)) })
            }
            _ => Confirmation::NotDone,
        }))
    }
}
