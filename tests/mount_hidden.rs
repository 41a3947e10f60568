//! `.collabfs` and extended attributes on a real mount.

mod support;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use support::service::{FOLDER, PROJECT, in_folder};
use support::{Mount, Setup, noise};

const HISTORY: &str = ".collabfs/history";
/// Files up to 4 MiB are fetched whole.
const BIG_BYTES: usize = 24 << 20;

fn mounted() -> Mount {
    Setup::default().mount()
}

/// Where the history of a file in the tests' folder is.
fn history(mount: &Mount, name: &str) -> PathBuf {
    mount.root().join(HISTORY).join(PROJECT).join(FOLDER).join(name)
}

/// Names of a file's revisions, oldest first.
fn revisions(mount: &Mount, name: &str) -> Vec<String> {
    let entries = fs::read_dir(history(mount, name)).unwrap();
    let mut names: Vec<String> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn attribute(mount: &Mount, path: &str, name: &str) -> String {
    mount.works(&format!("getfattr --absolute-names --only-values -n user.collabfs.{name} '{path}'"))
}

#[test]
fn the_history_has_every_revision_byte_for_byte() {
    let mount = mounted();
    let contents: Vec<Vec<u8>> = (1..=11).map(|i| noise(10_000 * i, i as u64)).collect();
    let grace = mount.service.web_user();
    grace.create_file(&in_folder("plan.docx"), contents[0].clone()).unwrap();
    for bytes in &contents[1..] {
        grace.revise(&in_folder("plan.docx"), bytes.clone()).unwrap();
    }
    let names = revisions(&mount, "plan.docx");
    assert_eq!(names.len(), 11);
    assert!(names[0].starts_with("01 20") && names[10].starts_with("11 20"), "{names:?}");
    assert!(names.iter().all(|name| name.ends_with(" grace.docx")), "{names:?}");
    assert_eq!(mount.service.server().requests().count("download"), 0, "nothing is fetched by listing");
    for (name, bytes) in names.iter().zip(&contents) {
        let path = history(&mount, "plan.docx").join(name);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!(metadata.len(), bytes.len() as u64);
        assert!(metadata.modified().unwrap().elapsed().unwrap() < Duration::from_secs(3600), "the revision's time");
        assert!(fs::read(&path).unwrap() == *bytes, "{name}");
    }
    assert_eq!(mount.service.server().requests().count("download"), 11);
    mount.works(&format!("cat '{}'/* > $LOCAL/again", history(&mount, "plan.docx").display()));
    assert_eq!(mount.service.server().requests().count("download"), 11, "what was read once is here");
    mount.expect_no_panic();
}

#[test]
fn a_listing_of_revisions_is_one_request_for_everybody() {
    let mount = Setup::default().latency(Duration::from_millis(50)).mount();
    mount.service.web_user().create_file(&in_folder("a.txt"), "one").unwrap();
    mount.works("ls");
    mount.service.forget_requests();
    let dir = history(&mount, "a.txt");
    mount.works(&format!("for i in 1 2 3 4 5 6; do ls -la '{}' & done; wait", dir.display()));
    assert_eq!(mount.service.server().requests().count("versions"), 1);
}

#[test]
fn a_save_shows_in_the_history_at_once() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    assert_eq!(revisions(&mount, "a.txt").len(), 1);
    mount.works("echo two > a.txt");
    mount.sync();
    let names = revisions(&mount, "a.txt");
    let contents: Vec<String> =
        names.iter().map(|name| fs::read_to_string(history(&mount, "a.txt").join(name)).unwrap()).collect();
    assert_eq!(contents, ["one\n", "two\n"]);
    // An old revision is made the newest one by copying it back.
    mount.works(&format!("cp '{}' a.txt", history(&mount, "a.txt").join(&names[0]).display()));
    mount.sync();
    mount.service.expect("a.txt", b"one\n", 3);
}

#[test]
fn it_is_not_listed_and_nothing_walks_in() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    let root = mount.root().display().to_string();
    for walk in ["ls -laR", "find", "du -a", "tar -cf $LOCAL/all.tar -C /", "grep -r one"] {
        let seen = mount.works(&format!("{walk} {root}"));
        assert!(!seen.contains(".collabfs"), "{walk}: {seen}");
    }
    mount.works(&format!("rsync -a {root}/ $LOCAL/copy/; test ! -e $LOCAL/copy/.collabfs"));
    mount.works(&format!("test -d {root}/.collabfs; test -d {root}/.collabfs/history"));
    let listed = mount.works(&format!("ls {root}/.collabfs; ls {root}/{HISTORY}"));
    assert_eq!(listed, format!("history\nstatus\n{PROJECT}\n"));
    assert_eq!(mount.service.server().requests().count("versions"), 0);
}

#[test]
fn the_status_is_what_the_command_prints() {
    let mount = Setup::options("settle=30,timeout=10").mount();
    mount.works("echo one > a.txt");
    let root = mount.root();
    let printed = support::run(mount.collabfs(["status"]).arg(&root), Duration::from_secs(20)).expect_success();
    assert_eq!(fs::read_to_string(root.join(".collabfs/status")).unwrap(), printed);
    assert!(printed.contains("create Work/Files/a.txt"), "{printed}");
}

#[test]
fn nothing_in_it_can_be_changed() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    let (root, dir) = (mount.root(), history(&mount, "a.txt"));
    let file = dir.join(&revisions(&mount, "a.txt")[0]);
    let (root, dir, file) = (root.display(), dir.display(), file.display());
    for attempt in [
        format!("echo x > '{file}'"),
        format!("echo x >> '{file}'"),
        format!("rm '{file}'"),
        format!("mv '{file}' b.txt"),
        format!("mv a.txt '{dir}/x'"),
        format!("touch '{dir}/new'"),
        format!("mkdir {root}/.collabfs/new"),
        format!("rmdir {root}/.collabfs"),
        format!("mv {root}/{PROJECT} {root}/.collabfs/x"),
        format!("chmod 777 '{file}'"),
        format!("truncate -s 0 '{file}'"),
        format!("setfattr -n user.x -v 1 '{file}'"),
        format!("echo x > {root}/.collabfs/status"),
    ] {
        let ran = mount.shell(&attempt);
        let said = ran.output.contains("not permitted") || ran.output.contains("Read-only");
        assert!(!ran.succeeded() && said, "{attempt}: {}", ran.output);
    }
    mount.service.expect("a.txt", b"one\n", 1);
    assert_eq!(mount.service.files(), ["a.txt"]);
}

#[test]
fn a_part_of_a_big_old_revision_is_all_that_is_fetched() {
    let mount = mounted();
    let old = noise(BIG_BYTES, 1);
    mount.service.web_user().create_file(&in_folder("big.bin"), old.clone()).unwrap();
    mount.service.web_user().revise(&in_folder("big.bin"), noise(BIG_BYTES, 2)).unwrap();
    let file = File::open(history(&mount, "big.bin").join(&revisions(&mount, "big.bin")[0])).unwrap();
    let (mut part, offset) = (vec![0; 1024], 13 << 20);
    file.read_exact_at(&mut part, offset).unwrap();
    assert!(part == old[offset as usize..][..1024]);
    let asked = mount.service.server().requests().of_kind("download");
    assert!(asked.iter().all(|r| r.headers.contains(&"range")), "{asked:?}");
    assert!(asked[0].path.contains("/versions/1/"), "{asked:?}");
    let fetched = mount.status()["cache"]["bytes"].as_u64().unwrap();
    assert!(fetched <= 4 << 20, "{fetched} bytes for 1 KiB");
    assert_eq!(file.metadata().unwrap().len(), BIG_BYTES as u64);
}

#[test]
fn the_service_being_away_is_an_error_and_not_a_hang() {
    let mount = Setup::options("settle=0.2,timeout=2").mount();
    mount.works("echo one > a.txt");
    mount.sync();
    mount.service.fault("versions:hang");
    let started = SystemTime::now();
    let listed = mount.shell(&format!("ls '{}'", history(&mount, "a.txt").display()));
    assert!(!listed.succeeded() && listed.output.contains("Input/output error"), "{}", listed.output);
    assert!(started.elapsed().unwrap() < Duration::from_secs(20));
    mount.service.heal();
}

#[test]
fn the_facts_of_the_service_are_attributes() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    mount.service.web_user().revise(&in_folder("a.txt"), "by grace").unwrap();
    mount.works("ls");
    support::run(mount.collabfs(["refresh"]).arg(mount.path("a.txt")), Duration::from_secs(20)).expect_success();
    assert_eq!(attribute(&mount, "a.txt", "id"), mount.service.file("a.txt").id);
    assert_eq!(attribute(&mount, "a.txt", "revision"), "2");
    assert_eq!(attribute(&mount, "a.txt", "author"), "grace");
    assert_eq!(attribute(&mount, "a.txt", "state"), "synced");
    let old = history(&mount, "a.txt").join(&revisions(&mount, "a.txt")[0]).display().to_string();
    assert_eq!(attribute(&mount, &old, "revision"), "1");
    assert_ne!(attribute(&mount, &old, "author"), "grace");
    for name in ["id", "revision", "state", "nonsense"] {
        let ran = mount.shell(&format!("setfattr -n user.collabfs.{name} -v x a.txt"));
        assert!(!ran.succeeded() && ran.output.contains("Operation not permitted"), "{name}: {}", ran.output);
    }
}

#[test]
fn the_state_tells_what_becomes_of_a_file() {
    let mount = Setup::options("settle=30,timeout=5").mount();
    mount.works("echo one > a.txt; echo junk > .a.txt.swp; mkdir .Trash-0; echo x > .Trash-0/x");
    assert_eq!(attribute(&mount, "a.txt", "state"), "pending");
    assert!(attribute(&mount, ".a.txt.swp", "state").starts_with("local: "));
    assert_eq!(attribute(&mount, ".Trash-0/x", "state"), "local: in a local directory");
    mount.sync();
    assert_eq!(attribute(&mount, "a.txt", "state"), "synced");
    mount.works("exec 3>> a.txt; echo two >&3; test $(getfattr --only-values -n user.collabfs.state a.txt) = pending");
    mount.service.fault("revise:403");
    let ran = support::run(mount.collabfs(["sync"]).arg(mount.root()), Duration::from_secs(50));
    assert!(!ran.succeeded());
    assert!(attribute(&mount, "a.txt", "state").starts_with("failed: "), "{}", attribute(&mount, "a.txt", "state"));
    mount.service.heal();
}

#[test]
fn a_description_reaches_the_service() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    let set = "setfattr -n user.collabfs.description -v";
    mount.works(&format!("{set} 'the plan' a.txt"));
    assert_eq!(mount.service.file("a.txt").description, "the plan", "the caller waited for it");
    assert_eq!(attribute(&mount, "a.txt", "description"), "the plan");
    mount.service.expect("a.txt", b"one\n", 1);
    mount.works("setfattr -x user.collabfs.description a.txt");
    assert_eq!(mount.service.file("a.txt").description, "");
    let ran = mount.shell("getfattr -n user.collabfs.description a.txt");
    assert!(!ran.succeeded() && ran.output.contains("No such attribute"), "{}", ran.output);
    // Of a file that is not there yet.
    mount.works(&format!("echo two > b.txt; {set} 'follows' b.txt"));
    assert_eq!(attribute(&mount, "b.txt", "description"), "follows");
    mount.sync();
    assert_eq!(mount.service.file("b.txt").description, "follows");
    mount.service.expect("b.txt", b"two\n", 1);
}

#[test]
fn own_attributes_survive_remount_rename_and_copying() {
    let mut mount = mounted();
    mount.works("echo one > a.txt; setfattr -n user.colour -v blue a.txt; setfattr -n user.empty a.txt");
    mount.sync();
    mount.works("mv a.txt b.txt");
    mount.remount();
    let colour = |mount: &Mount, path: &str| mount.works(&format!("getfattr --only-values -n user.colour {path}"));
    assert_eq!(colour(&mount, "b.txt"), "blue");
    // Neither program takes the service's facts along, which are another document's there.
    mount.works("cp -a b.txt c.txt; mkdir d e; cp -a b.txt d/; rsync -aX d/ e/; rsync -aX d/ e/; rsync -aX d $LOCAL/");
    mount.works("rsync -aX $LOCAL/d/ f/; rsync -aX $LOCAL/d/ f/; cp -a b.txt $LOCAL/; mv $LOCAL/b.txt g.txt");
    mount.sync();
    let expected = "user.colour=\"blue\"\nuser.empty";
    for path in ["b.txt", "c.txt", "e/b.txt", "f/b.txt", "g.txt"] {
        let listed = mount.works(&format!("getfattr -d {path}"));
        assert!(listed.contains(expected) && !listed.contains("collabfs"), "{path}: {listed}");
    }
    let again = mount.works("rsync -aXi d/ e/; rsync -aXi $LOCAL/d/ f/");
    assert_eq!(again, "", "a second run has nothing to do");
}

/// As on every other file system: what is renamed over a file brings its own attributes. The service's facts stay
/// those of the document.
#[test]
fn a_save_by_renaming_keeps_the_facts_of_the_document() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    mount.works("setfattr -n user.colour -v blue a.txt; setfattr -n user.collabfs.description -v 'the plan' a.txt");
    let id = attribute(&mount, "a.txt", "id");
    mount.works("echo two > .t.part; mv .t.part a.txt");
    assert_eq!(attribute(&mount, "a.txt", "id"), id);
    mount.sync();
    assert_eq!(attribute(&mount, "a.txt", "id"), id);
    assert_eq!(attribute(&mount, "a.txt", "revision"), "2");
    assert_eq!(attribute(&mount, "a.txt", "description"), "the plan");
    assert!(!mount.shell("getfattr -n user.colour a.txt").succeeded());
}

#[test]
fn numbers_are_stable_while_they_are_looked_at() {
    let mount = mounted();
    for i in 0..30 {
        mount.service.web_user().create_file(&in_folder(&format!("{i}.txt")), "text").unwrap();
    }
    let numbers = || {
        let mut numbers = BTreeMap::new();
        for i in 0..30 {
            let dir = history(&mount, &format!("{i}.txt"));
            numbers.insert(dir.clone(), fs::metadata(&dir).unwrap().ino());
            for entry in fs::read_dir(&dir).unwrap().map(Result::unwrap) {
                numbers.insert(entry.path(), entry.metadata().unwrap().ino());
            }
        }
        numbers
    };
    let before = numbers();
    let unique: std::collections::BTreeSet<_> = before.values().collect();
    assert_eq!((before.len(), unique.len()), (60, 60));
    assert_eq!(numbers(), before);
}
