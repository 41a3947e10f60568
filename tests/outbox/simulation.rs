//! Random work over days, on a service in every mood. `COLLABFS_SIMULATION_SEED=N` replays one run.

use std::collections::BTreeMap;
use std::time::Duration;

use collabfs::clock::Clock;
use collabfs::ids::Ino;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};

use crate::player::{Fate, Player};

const SEEDS: u64 = 300;

#[test]
fn days_of_work_on_a_moody_service_arrive_once_each() {
    let wanted = std::env::var("COLLABFS_SIMULATION_SEED").ok().and_then(|v| v.parse::<u64>().ok());
    for seed in wanted.map_or(0..SEEDS, |seed| seed..seed + 1) {
        simulate(seed);
    }
}

/// Contents are unique, so that anything sent twice shows.
fn simulate(seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut player = Player::new();
    let mut files: BTreeMap<Ino, (String, String)> = BTreeMap::new();
    for step in 0..80u64 {
        // A number is never given twice.
        let existing: Vec<Ino> = files.keys().copied().collect();
        let ino = existing.choose(&mut random).copied().filter(|_| existing.len() > 4 || random.random());
        let ino = ino.unwrap_or(Ino(100 + step));
        let content = format!("{seed}-{step}");
        let (place, rest) = (player.place(&format!("file-{ino}-{step}")), player.rest());
        match (files.get(&ino).cloned(), random.random_range(0..5)) {
            (None, _) => {
                let draft = player.draft(&content);
                player.set.create(ino, false, place.clone(), rest);
                player.set.content(ino, None, place.clone(), draft, rest);
                files.insert(ino, (place.name, content));
            }
            (Some((name, _)), 0 | 1) => {
                let (place, draft, known) = (player.place(&name), player.draft(&content), known(&player, &name));
                player.set.content(ino, known, place, draft, rest);
                files.insert(ino, (name, content));
            }
            (Some((name, old)), 2) => {
                let known = known(&player, &name);
                player.set.relocate(ino, false, known, place.clone(), rest);
                files.insert(ino, (place.name, old));
            }
            (Some((name, _)), 3) => {
                let known = known(&player, &name);
                player.set.remove(ino, false, known, player.rest());
                files.remove(&ino);
            }
            _ => player.clock.advance(Duration::from_secs(random.random_range(0..40_000))),
        }
        if random.random_range(0..6) == 0 {
            let fates = [Fate::Done, Fate::Done, Fate::Done, Fate::Refused, Fate::LostBefore, Fate::LostAfter];
            player.drain(|| *fates.choose(&mut random).unwrap());
            compare(&player, &files, seed);
        }
    }
    player.drain(|| Fate::Done);
    compare(&player, &files, seed);
}

/// What the tree would know of a synced file; files with a change know themselves.
fn known(player: &Player, name: &str) -> Option<collabfs::outbox::Base> {
    let id = player.things.iter().find(|(_, thing)| thing.name == name).map(|(id, _)| *id)?;
    player.base(id)
}

fn compare(player: &Player, files: &BTreeMap<Ino, (String, String)>, seed: u64) {
    let mut expected: Vec<(String, String)> = files.values().cloned().collect();
    expected.sort();
    assert_eq!(player.tree(), expected, "seed {seed}: {:#?}", player.calls);
    for thing in player.things.values() {
        let mut revisions = thing.revisions.clone();
        revisions.dedup();
        assert_eq!(revisions.len(), thing.revisions.len(), "seed {seed}: a revision was sent twice");
    }
}

#[test]
fn a_service_that_is_away_is_asked_less_and_less_often() {
    let mut player = Player::new();
    let (place, draft, rest) = (player.place("a"), player.draft("x"), player.rest());
    player.set.create(Ino(100), false, place.clone(), rest);
    player.set.content(Ino(100), None, place, draft, rest);
    let begun = player.clock.now();
    let mut tries = 0;
    let away = Duration::from_secs(24 * 3600);
    let clock = player.clock.clone();
    player.drain(|| {
        tries += 1;
        if clock.now().since(begun) < away { Fate::Refused } else { Fate::Done }
    });
    // Five minutes at the longest: some 290 tries in a day, and it goes on within five minutes of the return.
    assert!((200..400).contains(&tries), "{tries} tries");
    assert!(player.clock.now().since(begun) < away + Duration::from_secs(310));
    assert_eq!(player.tree().len(), 1);
}
