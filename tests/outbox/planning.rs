//! Which requests are made, and when: batches, lone files, many changes.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use collabfs::clock::{Clock, Millis};
use collabfs::error::{Error, ErrorKind};
use collabfs::ids::Ino;
use collabfs::outbox::{Base, Change, ChangeId, ChangeSet, Draft, Hurry, Outcome, Step};
use collabfs::provider::{Capabilities, Created, StagedAsset};

use crate::player::{Fate, Player, capabilities, create, remote, root};

/// Requests under way at the same time.
const PARALLEL: usize = 4;

/// Sends everything to a service that takes its time for each answer, and says how many files each attach had.
fn attaches(player: &mut Player, answer_time: Duration, hurry: Hurry) -> Vec<usize> {
    let mut under_way: BTreeMap<(Millis, u64), Step> = BTreeMap::new();
    let (mut number, mut attaches) = (0, Vec::new());
    let service = Capabilities { attach_batch_max: 25, ..capabilities() };
    while !player.set.is_empty() {
        let now = player.clock.now();
        let free = PARALLEL.saturating_sub(under_way.len());
        let plan = player.set.plan(now, &service, free, hurry);
        for step in plan.steps {
            for id in ids(&step) {
                let note = player.set.by_id(id).unwrap().note_of(&step, Vec::new());
                player.set.begin(id, note);
            }
            if let Step::Attach { items, .. } = &step {
                attaches.push(items.len());
            }
            number += 1;
            under_way.insert((now.plus(answer_time), number), step);
        }
        let answered = under_way.first_key_value().map(|((at, _), _)| *at);
        let next = answered.into_iter().chain(plan.wake_at).min().expect("something is under way, or will be");
        player.clock.advance(next.since(now));
        while let Some(first) = under_way.first_entry().filter(|first| first.key().0 <= player.clock.now()) {
            answer(player, first.remove());
        }
    }
    attaches
}

fn ids(step: &Step) -> Vec<ChangeId> {
    match step {
        Step::Attach { items, .. } => items.clone(),
        Step::Stage(id) => vec![*id],
        other => panic!("only new files here, not {other:?}"),
    }
}

fn answer(player: &mut Player, step: Step) {
    let now = player.clock.now();
    for id in ids(&step) {
        let draft = player.set.by_id(id).unwrap().draft.clone().unwrap();
        let (generation, size) = (draft.generation, draft.size);
        let outcome = match &step {
            Step::Attach { .. } => Outcome::Attached {
                generation,
                size,
                container: root(),
                name: draft.spool,
                created: Created { id: remote(id.0), revision: None, renamed: None, existed: false },
            },
            _ => Outcome::Staged {
                generation,
                size,
                asset: StagedAsset { token: Some(id.0.to_string()), expires: None, name: None },
            },
        };
        player.set.complete(id, outcome, now);
    }
}

fn new_files(player: &mut Player, count: u64) {
    for n in 0..count {
        let name = format!("f{n}");
        create(player, Ino(100 + n), &name, &name);
    }
}

#[test]
fn copied_files_are_attached_in_full_batches_whether_or_not_somebody_empties_the_outbox() {
    for all in [false, true] {
        for answer_ms in [0, 1, 20, 100, 400] {
            let mut player = Player::new();
            new_files(&mut player, 200);
            let hurry = Hurry { all, nodes: &HashSet::new() };
            let batches = attaches(&mut player, Duration::from_millis(answer_ms), hurry);
            assert_eq!(batches.iter().sum::<usize>(), 200);
            assert!(batches.len() <= 20, "{} attaches at {answer_ms} ms, hurried: {all}", batches.len());
        }
    }
}

#[test]
fn a_lone_file_waits_a_moment_and_one_that_somebody_waits_for_does_not() {
    for (awaited, most) in [(false, 20), (true, 0)] {
        let mut player = Player::new();
        new_files(&mut player, 1);
        let nodes = HashSet::from([Ino(100)]);
        let begun = player.clock.now();
        let hurry = Hurry { all: true, nodes: if awaited { &nodes } else { &HashSet::new() } };
        assert_eq!(attaches(&mut player, Duration::ZERO, hurry), [1]);
        assert!(player.clock.now().since(begun) <= Duration::from_millis(most));
    }
}

#[test]
fn what_somebody_waits_for_goes_before_what_is_older() {
    let mut player = Player::new();
    new_files(&mut player, 10);
    player.clock.advance(Duration::from_secs(5));
    let nodes = HashSet::from([Ino(109)]);
    let awaited = player.set.get(Ino(109)).unwrap().id;
    let plan = player.set.plan(player.clock.now(), &capabilities(), 1, Hurry { all: false, nodes: &nodes });
    assert_eq!(plan.steps, [Step::Stage(awaited)]);
}

/// A service that cannot take back what it made must not get it while the program is told that it is gone.
#[test]
fn what_is_about_to_be_renamed_is_not_sent_however_urgent() {
    let mut player = Player::new();
    new_files(&mut player, 1);
    let (ino, now) = (Ino(100), player.clock.now().plus(Duration::from_secs(5)));
    let change = player.set.get(ino).unwrap().clone();
    let stage = Step::Stage(change.id);
    let urgent = HashSet::from([ino]);
    let hurry = Hurry { all: true, nodes: &urgent };

    player.set.suspend(ino);
    player.set.suspend(ino);
    player.set.resume(ino);
    assert_eq!(player.set.plan(now, &capabilities(), 3, hurry).steps, []);
    player.set.resume(ino);
    assert_eq!(player.set.plan(now, &capabilities(), 3, hurry).steps, std::slice::from_ref(&stage));

    // What was sent is found out all the same; and what turns out not to have arrived waits.
    answer(&mut player, stage);
    let attach = Step::Attach { container: root(), items: vec![change.id] };
    let note = player.set.get(ino).unwrap().note_of(&attach, Vec::new());
    player.set.begin(change.id, note);
    player.set.suspend(ino);
    let lost = Error::new(ErrorKind::Offline, "no answer").unclear();
    player.set.complete(change.id, Outcome::Failed(lost), now);
    let later = now.plus(Duration::from_secs(600));
    assert_eq!(player.set.plan(later, &capabilities(), 3, hurry).steps, [Step::Confirm(change.id)]);
    player.set.complete(change.id, Outcome::NotDone, later);
    assert_eq!(player.set.plan(later.plus(Duration::from_secs(600)), &capabilities(), 3, hurry).steps, []);
}

/// Attaching cannot say another name where the upload said one already.
#[test]
fn what_is_renamed_after_its_upload_is_uploaded_under_the_new_name() {
    for (name, again) in [(Some("new.part".to_owned()), true), (None, false)] {
        let mut player = Player::new();
        create(&mut player, Ino(100), "new.part", "content");
        let change = player.set.get(Ino(100)).unwrap().clone();
        let now = player.clock.now().plus(Duration::from_secs(60));
        let asset = StagedAsset { token: Some("1".into()), expires: None, name };
        let generation = change.draft.unwrap().generation;
        player.set.complete(change.id, Outcome::Staged { generation, size: 7, asset }, now);
        let place = player.place("new.txt");
        player.set.relocate(Ino(100), false, None, place, now);
        let hurry = Hurry { all: true, nodes: &HashSet::new() };
        let plan = player.set.plan(now.plus(Duration::from_secs(60)), &capabilities(), 3, hurry);
        let attach = Step::Attach { container: root(), items: vec![change.id] };
        assert_eq!(plan.steps, [if again { Step::Stage(change.id) } else { attach }]);
    }
}

/// The service may still be working on it: a look would not find it, and it would be sent once more.
#[test]
fn what_a_killed_process_asked_for_is_looked_for_a_moment_later() {
    let mut player = Player::new();
    let (base, place, draft) = (player.document("plan", "old"), player.place("plan"), player.draft("new"));
    player.set.content(Ino(100), Some(base), place.clone(), draft, Millis(0));
    let change = player.set.get(Ino(100)).unwrap().clone();
    let revise = Step::Revise(change.id);
    player.set.begin(change.id, change.note_of(&revise, Vec::new()));
    let journaled = player.set.iter().cloned().map(|change| Change { in_flight: false, ..change }).collect();

    let killed = player.clock.now();
    let grace = Duration::from_secs(3);
    let mut set = ChangeSet::restore(journaled, killed.plus(grace)).set;
    // A program saves it once more, and waits for it.
    let draft = Draft { generation: set.new_generation(), ..player.draft("newer") };
    set.content(Ino(100), None, place, draft, Millis(0));
    let hurried = HashSet::from([Ino(100)]);
    let mut plan_at = |now| set.plan(now, &capabilities(), 3, Hurry { all: true, nodes: &hurried });
    let early = plan_at(killed.plus(grace / 2));
    assert_eq!((early.steps, early.wake_at), (vec![], Some(killed.plus(grace))));
    assert_eq!(plan_at(killed.plus(grace)).steps, [Step::Confirm(change.id)]);
}

#[test]
fn a_copy_is_one_request_also_when_its_answer_is_lost() {
    for fates in [vec![], vec![Fate::Refused], vec![Fate::LostBefore], vec![Fate::LostAfter]] {
        let mut player = Player::new();
        let original = player.document("plan", "content");
        copied(&mut player, original);
        let mut fates = fates.into_iter();
        player.drain(|| fates.next().unwrap_or(Fate::Done));
        assert_eq!(player.calls, ["copy copy"]);
    }
}

#[test]
fn what_cannot_be_copied_any_more_is_sent() {
    let mut player = Player::new();
    let original = player.document("plan", "content");
    copied(&mut player, original);
    player.things.clear();
    player.drain(|| Fate::Done);
    assert_eq!(player.calls, ["create copy"]);
    assert_eq!(player.things.values().next().unwrap().revisions, ["content"]);
}

/// A new file whose content is that of a document.
fn copied(player: &mut Player, original: Base) {
    let (ino, place, rest) = (Ino(1000), player.place("copy"), player.rest());
    let draft = Draft { copy_of: Some(original), ..player.draft("content") };
    player.set.create(ino, false, place.clone(), rest);
    player.set.content(ino, None, place, draft, rest);
}
