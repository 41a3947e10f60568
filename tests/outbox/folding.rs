//! The table of folding, row by row, and every short sequence of operations on one file.

use collabfs::clock::Millis;
use collabfs::ids::Ino;
use collabfs::outbox::{Base, Heir};

use crate::player::{Fate, Player, create};

const DOCUMENT: Ino = Ino(10);
const NEW: Ino = Ino(11);
const GHOST: Ino = Ino(12);

fn played(prepare: impl FnOnce(&mut Player, Base)) -> Player {
    let mut player = Player::new();
    let base = player.document("report", "old");
    prepare(&mut player, base);
    player.drain(|| Fate::Done);
    player
}

#[test]
fn a_temporary_renamed_over_a_document_is_its_revision() {
    let player = played(|p, base| {
        create(p, NEW, "temporary", "new");
        let draft = p.set.get(NEW).unwrap().draft.clone();
        let heir = Heir { ino: NEW, known: None, draft };
        let (place, rest) = (p.place("report"), p.rest());
        p.set.take_over(heir, (DOCUMENT, Some(base)), GHOST, place, rest);
    });
    assert_eq!(player.calls, ["revise report"]);
    assert_eq!(player.things[&1].revisions, ["old", "new"]);
}

#[test]
fn renamed_away_and_written_anew_is_a_revision_whatever_becomes_of_the_backup() {
    for backup_is_removed in [true, false] {
        let player = played(|p, base| {
            let (away, here, rest) = (p.place("report~"), p.place("report"), p.rest());
            p.set.open_tunnel(&here, "report", DOCUMENT, rest);
            p.set.relocate(DOCUMENT, false, Some(base), away, rest);
            p.set.create(NEW, false, here.clone(), rest);
            assert_eq!(p.set.tunnel(crate::player::ROOT, "report", Millis(0)), Some(DOCUMENT));
            let heir = Heir { ino: NEW, known: None, draft: None };
            p.set.inherit(heir, (DOCUMENT, None), GHOST, here.clone(), rest);
            let (known, draft) = (p.base(1), p.draft("new"));
            p.set.content(NEW, known, here, draft, rest);
            if backup_is_removed {
                p.set.remove(DOCUMENT, false, None, Millis(0));
            }
        });
        assert_eq!(player.calls, ["revise report"]);
    }
}

#[test]
fn created_and_deleted_is_nothing() {
    let player = played(|p, _| {
        create(p, NEW, "passing", "x");
        p.set.remove(NEW, false, None, Millis(0));
    });
    assert!(player.calls.is_empty());
}

#[test]
fn three_saves_are_one_revision_the_last() {
    let player = played(|p, base| {
        for content in ["1", "2", "3"] {
            let (place, draft, rest) = (p.place("report"), p.draft(content), p.rest());
            p.set.content(DOCUMENT, Some(base.clone()), place, draft, rest);
        }
    });
    assert_eq!(player.calls, ["revise report"]);
    assert_eq!(player.things[&1].revisions, ["old", "3"]);
}

#[test]
fn exchanged_documents_keep_their_histories_with_their_names() {
    let player = played(|p, base| {
        let other = p.document("plan", "plan 1");
        let (a, b) = (p.draft("old"), p.draft("plan 1"));
        let of_a = Heir { ino: DOCUMENT, known: Some(base), draft: Some(a) };
        let of_b = Heir { ino: NEW, known: Some(other), draft: Some(b) };
        let (to_plan, to_report, rest) = (p.place("plan"), p.place("report"), p.rest());
        p.set.exchange((of_a, to_plan), (of_b, to_report), rest);
    });
    assert_eq!(player.things[&1].name, "report");
    assert_eq!(player.things[&1].revisions, ["old", "plan 1"]);
    assert_eq!(player.things[&2].revisions, ["plan 1", "old"]);
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Write(&'static str),
    Rename(&'static str),
    Remove,
    /// Everything so far is sent.
    Send,
}

const OPS: [Op; 6] = [Op::Write("a"), Op::Write("b"), Op::Rename("report"), Op::Rename("other"), Op::Remove, Op::Send];

/// Every sequence of up to five operations on a document and on a new file: the same tree as one by one, and never
/// more calls than operations; with nothing sent between, at most one rename and one revision.
#[test]
fn every_short_sequence_ends_in_the_same_tree_with_the_fewest_calls() {
    for length in 1..=5u32 {
        for number in 0..OPS.len().pow(length) {
            let ops: Vec<Op> = (0..length).map(|i| OPS[number / OPS.len().pow(i) % OPS.len()]).collect();
            for exists in [true, false] {
                check_sequence(&ops, exists);
            }
        }
    }
}

fn check_sequence(ops: &[Op], exists: bool) {
    let mut player = Player::new();
    let mut base = exists.then(|| player.document("report", "old"));
    if !exists {
        create(&mut player, DOCUMENT, "report", "old");
    }
    let (mut name, mut content) = ("report", "old");
    let mut sent_between = false;
    for op in ops {
        let (place, rest) = (player.place(name), player.rest());
        match op {
            Op::Write(new) => {
                content = new;
                let draft = player.draft(new);
                player.set.content(DOCUMENT, base.clone(), place, draft, rest);
            }
            Op::Rename(new) => {
                name = new;
                let place = player.place(new);
                player.set.relocate(DOCUMENT, false, base.clone(), place, rest);
            }
            Op::Send => {
                sent_between = true;
                player.drain(|| Fate::Done);
                base = player.things.keys().next().and_then(|id| player.base(*id));
            }
            Op::Remove => {
                player.set.remove(DOCUMENT, false, base.clone(), Millis(0));
                player.drain(|| Fate::Done);
                assert!(player.things.is_empty(), "{ops:?}: {:?}", player.calls);
                return;
            }
        }
    }
    player.drain(|| Fate::Done);
    assert_eq!(player.tree(), [(name.to_owned(), content.to_owned())], "{ops:?}");
    assert_eq!(player.things.len(), 1, "{ops:?}");
    if !sent_between {
        let most = if exists { 2 } else { 1 };
        assert!(player.calls.len() <= most, "{ops:?}: {:?}", player.calls);
    }
}
