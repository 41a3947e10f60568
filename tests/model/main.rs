//! Random operations on the file system and on a plain tree, compared after every step; a service that fails; a
//! process that is killed. At the end the service must have exactly what the plain tree has, nothing twice.
//!
//! `COLLABFS_MODEL_SEED=N` replays one run, `COLLABFS_MODEL_RUNS=N` makes more of them.

mod people;
mod service;
mod steps;
mod world;

use collabfs::provider::{Operation, Operations};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use service::{FakeService, Mood, Shape};
use steps::step_once;
use world::{Plain, World};

const STEPS: usize = 60;
const RUNS: u64 = 12;

const CALM: Mood = Mood { refused: 0, lost_before: 0, lost_after: 0 };
const ROUGH: Mood = Mood { refused: 5, lost_before: 5, lost_after: 10 };
const UNIQUE: Shape = Shape { duplicate_names: false, ..Shape::ABLE };
const CASELESS: Shape = Shape { case_sensitive: false, ..UNIQUE };
const REPLACING: Shape = Shape { revises_in_place: false, ..Shape::ABLE };

const fn lacking(operations: &[Operation]) -> Shape {
    let (mut left, mut i) = (Operations::ALL, 0);
    while i < operations.len() {
        left = left.without(operations[i]);
        i += 1;
    }
    Shape { operations: left, ..Shape::ABLE }
}

#[test]
fn whatever_programs_do_the_service_ends_up_with_the_same_tree() {
    each_seed(|seed| run(seed, Shape::ABLE, CALM, false));
}

#[test]
fn the_same_where_names_are_unique() {
    each_seed(|seed| run(seed ^ 0x1111, UNIQUE, CALM, false));
}

#[test]
fn a_service_that_fails_and_loses_answers_gets_everything_once() {
    let mood = Mood { refused: 10, lost_before: 10, lost_after: 15 };
    each_seed(|seed| run(seed ^ 0x2222, Shape::ABLE, mood, false));
}

#[test]
fn a_killed_process_goes_on_where_it_stood() {
    each_seed(|seed| run(seed ^ 0x3333, Shape::ABLE, ROUGH, true));
}

#[test]
fn the_same_where_case_makes_no_difference() {
    each_seed(|seed| run(seed ^ 0x4444, CASELESS, ROUGH, seed % 2 == 0));
}

#[test]
fn the_same_where_a_revision_is_a_new_file() {
    each_seed(|seed| run(seed ^ 0x5555, REPLACING, ROUGH, seed % 2 == 0));
}

#[test]
fn what_a_service_cannot_is_refused_and_all_else_arrives() {
    use Operation::*;
    let shapes = [
        lacking(&[Rename, Move]),
        lacking(&[Move]),
        lacking(&[Delete]),
        lacking(&[MakeDir, Move]),
        lacking(&[Rename, Move, Delete, MakeDir]),
    ];
    for (number, shape) in shapes.into_iter().enumerate() {
        for mood in [CALM, ROUGH] {
            each_seed(|seed| run(seed ^ ((number as u64 + 6) << 16), shape, mood, mood.lost_after > 0));
        }
    }
}

#[test]
fn nobody_loses_a_byte_when_others_work_there_too() {
    each_seed(|seed| people::run(seed ^ 0xaaaa, UNIQUE, CALM, false));
    each_seed(|seed| people::run(seed ^ 0xbbbb, Shape::ABLE, CALM, false));
}

#[test]
fn nobody_loses_a_byte_in_bad_times_either() {
    each_seed(|seed| people::run(seed ^ 0xcccc, UNIQUE, ROUGH, true));
    each_seed(|seed| people::run(seed ^ 0xdddd, Shape::ABLE, ROUGH, true));
}

#[test]
fn nobody_loses_a_byte_on_services_that_can_less() {
    use Operation::*;
    let lacking_all = lacking(&[Rename, Move, Delete, MakeDir]);
    for shape in [REPLACING, CASELESS, lacking(&[Rename, Move]), lacking(&[Delete]), lacking_all] {
        each_seed(|seed| people::run(seed ^ 0xeeee, shape, ROUGH, seed % 2 == 0));
    }
}

fn each_seed(run: impl AsyncFn(u64)) {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds = match number("COLLABFS_MODEL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("COLLABFS_MODEL_RUNS").unwrap_or(RUNS),
    };
    let _ = env_logger::builder().try_init();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    for seed in seeds {
        eprintln!("seed {seed}");
        runtime.block_on(run(seed));
    }
}

async fn run(seed: u64, shape: Shape, mood: Mood, crashes: bool) {
    let dir = tempfile::tempdir().unwrap();
    let mut world = World::new(dir.path(), FakeService::new(seed, shape));
    let mut plain = Plain::default();
    let mut random = StdRng::seed_from_u64(seed);
    for step in 0..STEPS {
        world.service.set_mood(mood);
        let done = step_once(&world, &mut plain, &mut random).await;
        eprintln!("  {step}: {done}");
        if crashes && random.random_range(0..8) == 0 {
            eprintln!("  {step}: crash");
            world.mean_it().await;
            world.crash().await;
        }
        assert_eq!(shown(&world.seen().await), shown(&plain), "{shape:?}, seed {seed}, after step {step}: {done}");
        if random.random_range(0..15) == 0 {
            world.service.set_mood(Mood::default());
            world.drain().await;
            compare_service(&world, &plain, seed);
        }
    }
    world.service.set_mood(Mood::default());
    world.drain().await;
    compare_service(&world, &plain, seed);
}

fn compare_service(world: &World, plain: &Plain, seed: u64) {
    // A new `e~` stays here; a document that was renamed to it is a document still. Either is right.
    let wanted = |(path, _): &(String, Option<Vec<u8>>)| !path.ends_with('~') && !path.contains(".goutputstream");
    let expected: Vec<_> = plain.iter().map(|(p, c)| (p.clone(), c.clone())).filter(wanted).collect();
    let got: Vec<_> = world.service.tree().into_iter().filter(wanted).collect();
    let (got, expected) = (text(&got), text(&expected));
    assert_eq!(got, expected, "seed {seed}: {:#?}", world.service.act(|i| i.changes_made.clone()));
}

fn text(tree: &[(String, Option<Vec<u8>>)]) -> Vec<String> {
    let line = |(path, content): &(String, Option<Vec<u8>>)| {
        format!("{path} {:?}", content.as_ref().map(|c| String::from_utf8_lossy(c).into_owned()))
    };
    let mut lines: Vec<String> = tree.iter().map(line).collect();
    lines.sort();
    lines
}

fn shown(plain: &Plain) -> Vec<String> {
    text(&plain.iter().map(|(p, c)| (p.clone(), c.clone())).collect::<Vec<_>>())
}
