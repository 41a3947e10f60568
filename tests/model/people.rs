//! Somebody else works on the same service meanwhile. Nobody's bytes may be lost: what was written here gets there, and
//! what the others wrote is not replaced by what was written here before it could be seen.

use std::collections::{HashMap, HashSet};

use collabfs::error::ErrorKind;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::service::{FakeService, Inside, Mood, Shape};
use crate::steps::step_once;
use crate::world::{Plain, World};

const STEPS: usize = 60;

/// What may happen to a program when somebody else was faster.
const OVERTAKEN: [ErrorKind; 9] = [
    ErrorKind::NotFound,
    ErrorKind::Stale,
    ErrorKind::Exists,
    ErrorKind::NotEmpty,
    ErrorKind::IsDirectory,
    ErrorKind::NotDirectory,
    ErrorKind::Locked,
    ErrorKind::Conflict,
    ErrorKind::TimedOut,
];

type Content = Vec<u8>;

/// Whose bytes have to be where.
#[derive(Default)]
struct Ledger {
    /// Written here, and not replaced or removed here since.
    ours: HashSet<Content>,
    /// The step in which a content of ours came to where it is.
    placed: HashMap<Content, usize>,
    theirs: HashSet<Content>,
}

pub async fn run(seed: u64, shape: Shape, mood: Mood, crashes: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), FakeService::new(seed, shape));
    world.alone = false;
    world.service.act(|inside| inside.others = true);
    world.excused.extend(OVERTAKEN);
    let mut ledger = Ledger::default();
    let mut random = StdRng::seed_from_u64(seed);
    for step in 0..STEPS {
        world.service.set_mood(mood);
        world.service.act(|inside| inside.step = step);
        if random.random_range(0..3) == 0 {
            let done = world.service.act(|inside| act(inside, &mut ledger, &mut random));
            eprintln!("  {step}: somebody else: {done}");
            continue;
        }
        if random.random_range(0..6) == 0 {
            world.refresh_all().await;
        }
        let before = world.seen().await;
        let mut plain = before.clone();
        let done = step_once(&world, &mut plain, &mut random).await;
        eprintln!("  {step}: {done}");
        ledger.note(&before, &plain, step);
        if crashes && random.random_range(0..8) == 0 {
            eprintln!("  {step}: crash");
            world.crash().await;
        }
    }
    world.service.set_mood(Mood::default());
    world.drain().await;
    world.refresh_all().await;
    let seen = world.seen().await;
    ledger.check(&world, &contents(&seen.local()), seed);
    let shown: Vec<String> = seen.iter().filter_map(|(p, c)| Some(format!("{p}: {}", text(c.as_ref()?)))).collect();
    let seen = contents(&seen);
    for (path, content) in world.service.tree() {
        let wanted = content.as_ref().map(|content| text(content));
        assert!(content.is_none_or(|c| seen.contains(&c)), "seed {seed}: {path}: {wanted:?} is not seen: {shown:#?}");
    }
}

fn contents(plain: &Plain) -> HashSet<Content> {
    plain.iter().filter_map(|(_, content)| content.clone()).collect()
}

impl Ledger {
    fn note(&mut self, before: &Plain, after: &Plain, step: usize) {
        let moved =
            after.iter().filter(|(path, content)| content.is_some() && before.content(path) != after.content(path));
        self.placed.extend(moved.map(|(path, _)| (after.content(path), step)));
        let (before, after) = (contents(before), contents(after));
        self.ours.extend(after.difference(&before).cloned());
        for replaced in before.difference(&after) {
            self.ours.remove(replaced);
        }
    }

    fn check(&self, world: &World, local: &HashSet<Content>, seed: u64) {
        world.service.act(|inside| {
            let all = inside.contents();
            let made = &inside.changes_made;
            for ours in &self.ours {
                assert!(all.contains(ours) || local.contains(ours), "seed {seed}: {} is lost: {made:?}", text(ours));
            }
            for theirs in &self.theirs {
                assert!(all.contains(theirs), "seed {seed}: {} is lost: {made:?}", text(theirs));
            }
            let ours_on_theirs = |(older, newer): &(Content, Content)| {
                self.theirs.contains(older) && !self.theirs.contains(newer) && !inside.raced.contains(newer)
            };
            for (older, newer) in inside.successions().filter(ours_on_theirs) {
                let Some(placed) = self.placed.get(&newer) else { continue };
                let known = inside.shown.get(&older).is_some_and(|shown| shown <= placed);
                let (older, newer) = (text(&older), text(&newer));
                assert!(known, "seed {seed}: {older} was replaced by {newer} without being seen: {made:?}");
            }
        });
    }
}

fn text(content: &[u8]) -> String {
    String::from_utf8_lossy(content).into_owned()
}

/// One thing that the others do in their browsers.
fn act(inside: &mut Inside, ledger: &mut Ledger, random: &mut StdRng) -> String {
    let files: Vec<u64> = inside.things.iter().filter(|(_, t)| !t.directory).map(|(id, _)| *id).collect();
    let mut dirs: Vec<u64> = inside.things.iter().filter(|(_, t)| t.directory).map(|(id, _)| *id).collect();
    dirs.push(0);
    let content = format!("their {:08x}", random.random::<u32>()).into_bytes();
    let name = *["a", "b", "c.txt", "theirs"].choose(random).unwrap();
    let dir = *dirs.choose(random).unwrap();
    let file = files.choose(random).copied();
    match (random.random_range(0..6), file) {
        (0 | 1, Some(file)) => {
            let Some(thing) = inside.things.get_mut(&file) else { return "nothing".into() };
            ledger.theirs.insert(content.clone());
            thing.revisions.push(content);
            format!("revise {}", inside.path(file).unwrap())
        }
        (2, Some(file)) => {
            let path = inside.path(file).unwrap();
            inside.remove(file);
            format!("remove {path}")
        }
        (3 | 4, Some(file)) => {
            let path = inside.path(file).unwrap();
            if inside.check_free(dir, name, Some(file)).is_err() {
                return "nothing: the name is taken".into();
            }
            let thing = inside.things.get_mut(&file).unwrap();
            (thing.parent, thing.name) = (dir, name.to_owned());
            format!("move {path} to {}", inside.path(file).unwrap())
        }
        _ => {
            if inside.check_free(dir, name, None).is_err() {
                return "nothing: the name is taken".into();
            }
            ledger.theirs.insert(content.clone());
            let new = inside.add(dir, name, Some(content));
            format!("add {}", inside.path(new).unwrap())
        }
    }
}
