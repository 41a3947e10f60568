//! What people do with files, on a mount of every service: whatever a service can do, nothing is lost, doubled or misnamed.

mod support;

use std::fs;
use std::io::{Read, Write};
use std::time::{Duration, Instant};

use support::{Mount, Setup, noise, sha256};

/// What becomes of the old content when a document is saved.
#[derive(PartialEq)]
enum Save {
    /// It is a revision of the same document.
    Revises,
    /// It lies in the trash, the new one is another document.
    Trashes,
    /// It is gone.
    Replaces,
}

struct Kind {
    service: &'static str,
    save: Save,
}

impl Kind {
    fn mount(&self) -> Mount {
        self.mount_with("settle=0.2,ttl=1,poll=1,timeout=10")
    }

    fn mount_with(&self, options: &str) -> Mount {
        Setup::options(options).service(self.service).mount()
    }
}

macro_rules! on_every_service {
    ($($statement:ident)*) => {
        on_every_service! { @service imeet_central "imeet-central" Revises; $($statement)* }
        on_every_service! { @service basecamp "basecamp" Trashes; $($statement)* }
        on_every_service! { @service oracle_content "oracle-content" Revises; $($statement)* }
        on_every_service! { @service medable "medable" Revises; $($statement)* }
        on_every_service! { @service rillsoft "rillsoft" Revises; $($statement)* }
        on_every_service! { @service redmine "redmine" Replaces; $($statement)* }
    };
    (@service $module:ident $service:literal $save:ident; $($statement:ident)*) => {
        mod $module {
            const KIND: super::Kind = super::Kind { service: $service, save: super::Save::$save };
            $(
                #[test]
                fn $statement() {
                    super::$statement(&KIND);
                }
            )*
        }
    };
}

on_every_service! {
    files_are_copied_in_and_read_back_by_another_mount
    every_way_of_saving_leaves_one_document_with_the_new_bytes
    saves_and_descriptions_take_turns
    a_file_is_moved_to_another_directory
    a_removed_file_is_gone_and_its_name_is_free
    of_equal_names_the_right_one_is_plain
    a_save_by_a_new_upload_and_the_removal_of_the_old_one_keeps_the_name
    what_was_opened_is_read_to_its_end_though_it_is_replaced
    what_is_written_to_a_replaced_file_lies_beside
    quick_saves_of_one_size_are_ours_after_a_kill
    what_close_accepted_survives_kills
    a_service_that_fails_now_and_then_gets_everything_once
}

/// Names and digests of what the service has in the work directory.
fn on_service(mount: &Mount) -> Vec<(String, String)> {
    let mut files: Vec<_> =
        mount.service.files().into_iter().map(|name| (name.clone(), newest(mount, &name))).collect();
    files.sort();
    files
}

#[track_caller]
fn newest(mount: &Mount, name: &str) -> String {
    mount.service.file(name).revisions.last().and_then(|revision| revision.sha256.clone()).expect("a digest")
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !holds() {
        assert!(Instant::now() < end, "not within 20 s: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn files_are_copied_in_and_read_back_by_another_mount(kind: &Kind) {
    let mount = kind.mount();
    let mut sent = Vec::new();
    for (number, size) in [0, 1, 4_095, 70_000, 1_500_000].into_iter().enumerate() {
        let (name, bytes) = (format!("Änderung {number} (final).txt"), noise(size, number as u64));
        fs::write(mount.local().join(&name), &bytes).unwrap();
        sent.push((name, sha256(&bytes)));
    }
    let from = mount.local().display().to_string();
    mount.works(&format!("cp '{from}'/*.txt ."));
    mount.sync();
    assert_eq!(on_service(&mount), sent);
    let other = Setup::options("timeout=10").mount_account(&mount.service.server().account_toml());
    for (name, digest) in &sent {
        let path = other.root().join(mount.service.path(name));
        assert_eq!(sha256(&fs::read(path).unwrap()), *digest, "{name}");
    }
}

/// Each script saves `text` into `plan.txt`, as one of the usual programs does.
const WAYS_OF_SAVING: [(&str, &str); 9] = [
    ("in place", "printf %s \"$text\" > plan.txt"),
    ("appended to", "printf %s \"$text\" | dd of=plan.txt conv=notrunc status=none; truncate -s ${#text} plan.txt"),
    ("temporary file", "printf %s \"$text\" > .goutputstream-X1; mv .goutputstream-X1 plan.txt"),
    ("temporary file that could be a document", "printf %s \"$text\" > new.txt; mv new.txt plan.txt"),
    ("backup", "mv plan.txt plan.txt~; printf %s \"$text\" > plan.txt; rm plan.txt~"),
    ("backup that could be a document", "mv plan.txt plan.bak; printf %s \"$text\" > plan.txt; rm plan.bak"),
    ("double rename", "printf %s \"$text\" > lu1ab.tmp; mv plan.txt plan.bak; mv lu1ab.tmp plan.txt; rm plan.bak"),
    ("removed and made", "rm plan.txt; printf %s \"$text\" > plan.txt"),
    ("sed", "sed -i \"s/.*/$text/\" plan.txt"),
];

fn every_way_of_saving_leaves_one_document_with_the_new_bytes(kind: &Kind) {
    let mount = kind.mount_with("settle=0.3,ttl=60,timeout=10");
    mount.works("printf begun > plan.txt");
    mount.sync();
    let id = mount.service.file("plan.txt").id;
    for (number, (way, script)) in WAYS_OF_SAVING.into_iter().enumerate() {
        let text = format!("content number {number}, saved as: {way}");
        mount.works(&format!("text='{text}'; {script}"));
        mount.sync();
        assert_eq!(on_service(&mount), [("plan.txt".to_owned(), sha256(text.as_bytes()))], "{way}");
        assert_eq!(mount.works("cat plan.txt"), text, "{way}");
        let file = mount.service.file("plan.txt");
        if kind.save == Save::Revises {
            assert_eq!((&file.id, file.revisions.len()), (&id, number + 2), "{way}: id and revisions");
        }
    }
    if kind.save == Save::Trashes {
        let kept = mount.service.trash();
        assert_eq!(kept, vec!["plan.txt"; WAYS_OF_SAVING.len()], "old contents are in the trash, and nothing else");
    }
}

/// A new description may look like another revision, or bring an earlier one's name back.
fn saves_and_descriptions_take_turns(kind: &Kind) {
    let mount = kind.mount_with("settle=0.05,ttl=60,timeout=10");
    mount.works("printf 0000 > plan.txt");
    mount.sync();
    let mut open = fs::OpenOptions::new().write(true).open(mount.path("plan.txt")).unwrap();
    for number in 1..6 {
        mount.shell(&format!("setfattr -n user.collabfs.description -v 'text {number}' plan.txt"));
        mount.works(&format!("printf {number:04} > plan.txt"));
        mount.sync();
        assert_eq!(newest(&mount, "plan.txt"), sha256(format!("{number:04}").as_bytes()), "save {number}");
        open.write_all(b"x").unwrap();
        open.sync_all().unwrap();
    }
    drop(open);
    mount.sync();
    assert_eq!(mount.service.files(), ["plan.txt"], "nothing was taken for somebody else's");
    assert_eq!(mount.works("cat plan.txt").len(), 5);
}

fn a_file_is_moved_to_another_directory(kind: &Kind) {
    let mount = kind.mount();
    mount.service.web_user().create_project("Second").unwrap();
    let bytes = noise(20_000, 7);
    fs::write(mount.path("plan.txt"), &bytes).unwrap();
    mount.sync();
    let place = mount.service.path("").trim_start_matches("Work").trim_matches('/').to_owned();
    let target = format!("Second/{place}");
    if !place.is_empty() && mount.service.snapshot().get(target.trim_end_matches('/')).is_none() {
        mount.service.web_user().create_folder(&target).unwrap();
    }
    support::run(mount.collabfs(["refresh"]).arg(mount.root()), Duration::from_secs(30)).expect_success();
    let to = mount.root().join(&target);
    mount.works(&format!("mv plan.txt '{}'/", to.display()));
    mount.sync();
    assert_eq!(fs::read(to.join("plan.txt")).unwrap(), bytes);
    let snapshot = mount.service.snapshot();
    let all: Vec<&str> = snapshot.files().into_iter().filter(|path| path.ends_with("plan.txt")).collect();
    assert_eq!(all, [format!("{}/plan.txt", target.trim_end_matches('/'))]);
}

fn a_removed_file_is_gone_and_its_name_is_free(kind: &Kind) {
    let mount = kind.mount();
    mount.works("printf one > plan.txt; printf two > other.txt");
    mount.sync();
    mount.works("rm plan.txt; test ! -e plan.txt");
    mount.sync();
    wait_until("the removal arrives", || mount.service.files() == ["other.txt"]);
    mount.works("printf three > plan.txt");
    mount.sync();
    assert_eq!(newest(&mount, "plan.txt"), sha256(b"three"));
    assert_eq!(mount.works("ls"), "other.txt\nplan.txt\n");
}

/// Where nothing can be revised, a new file of the name is the next content; elsewhere it is another document.
fn of_equal_names_the_right_one_is_plain(kind: &Kind) {
    let mount = kind.mount_with("settle=0.2,ttl=60,poll=60,timeout=10");
    let web = mount.service.web_user();
    let path = mount.service.path("plan.txt");
    web.create_file(&path, "first").unwrap();
    refresh(&mount);
    assert_eq!(mount.works("cat plan.txt"), "first");
    if web.create_file(&path, "second").is_err() {
        return assert_eq!(kind.service, "oracle-content", "names are unique there");
    }
    refresh(&mount);
    let (plain, numbered) = if kind.save == Save::Revises { ("first", "second") } else { ("second", "first") };
    assert_eq!(mount.works("cat plan.txt plan[!.]*.txt"), format!("{plain}{numbered}"));
    let other = Setup::options("timeout=10").mount_account(&mount.service.server().account_toml());
    let seen = other.root().join(mount.service.path("plan.txt"));
    assert_eq!(fs::read_to_string(seen).unwrap(), plain, "another machine sees the same");
}

/// As people do it where nothing can be revised: the new content is another upload, the old one is removed.
fn replace(mount: &Mount, name: &str, bytes: &[u8]) {
    let web = mount.service.web_user();
    let path = mount.service.path(name);
    // By another name first, so that it is known which one goes.
    let given_up = mount.service.path("given-up.txt");
    web.rename(&path, "given-up.txt").unwrap();
    web.create_file(&path, bytes).unwrap();
    web.delete(&given_up).unwrap();
}

fn refresh(mount: &Mount) {
    support::run(mount.collabfs(["refresh"]).arg(mount.path("")), Duration::from_secs(30)).expect_success();
}

fn a_save_by_a_new_upload_and_the_removal_of_the_old_one_keeps_the_name(kind: &Kind) {
    let mount = kind.mount_with("settle=0.2,ttl=60,poll=60,timeout=10");
    fs::write(mount.path("plan.txt"), "begun").unwrap();
    mount.sync();
    assert_eq!(mount.works("cat plan.txt"), "begun");
    for text in ["second", "the third one", "4"] {
        replace(&mount, "plan.txt", text.as_bytes());
        refresh(&mount);
        assert_eq!(mount.works("ls; cat plan.txt"), format!("plan.txt\n{text}"));
    }
    fs::write(mount.path("plan.txt"), "ours").unwrap();
    mount.sync();
    assert_eq!(on_service(&mount), [("plan.txt".to_owned(), sha256(b"ours"))]);
}

fn what_was_opened_is_read_to_its_end_though_it_is_replaced(kind: &Kind) {
    let mount = kind.mount_with("settle=0.2,ttl=60,poll=60,timeout=10");
    let bytes = noise(3_000_000, 11);
    fs::write(mount.path("plan.txt"), &bytes).unwrap();
    mount.sync();
    let mut open = fs::File::open(mount.path("plan.txt")).unwrap();
    let mut beginning = vec![0; 1_000];
    open.read_exact(&mut beginning).unwrap();
    replace(&mount, "plan.txt", b"theirs");
    refresh(&mount);
    assert_eq!(fs::read(mount.path("plan.txt")).unwrap(), b"theirs");
    let mut rest = Vec::new();
    open.read_to_end(&mut rest).unwrap();
    assert_eq!(sha256(&[beginning, rest].concat()), sha256(&bytes));
}

fn what_is_written_to_a_replaced_file_lies_beside(kind: &Kind) {
    let mount = kind.mount_with("settle=0.2,ttl=60,poll=60,timeout=10");
    fs::write(mount.path("plan.txt"), "begun").unwrap();
    mount.sync();
    fs::read(mount.path("plan.txt")).unwrap();
    let mut open = fs::OpenOptions::new().read(true).append(true).open(mount.path("plan.txt")).unwrap();
    open.write_all(b", early").unwrap();
    replace(&mount, "plan.txt", b"theirs");
    refresh(&mount);
    assert_eq!(mount.works("cat plan.txt"), "theirs");
    open.write_all(b", late").unwrap();
    open.sync_all().unwrap();
    drop(open);
    mount.sync();
    let kept = on_service(&mount);
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(kept[0].0.starts_with("plan (conflict "), "{kept:?}");
    assert_eq!(kept[0].1, sha256(b"begun, early, late"));
    assert_eq!(kept[1], ("plan.txt".to_owned(), sha256(b"theirs")));
    refresh(&mount);
    assert_eq!(mount.works(&format!("cat '{}' plan.txt", kept[0].0)), "begun, early, latetheirs");
}

/// A service may tell them apart by nothing: what we know of them must outlive us.
fn quick_saves_of_one_size_are_ours_after_a_kill(kind: &Kind) {
    let mut mount = kind.mount_with("settle=0.02,ttl=60,timeout=10");
    for number in 1..5 {
        fs::write(mount.path("plan.txt"), format!("{number:04}")).unwrap();
        mount.sync();
    }
    mount.service.fault("*:503:always");
    fs::write(mount.path("plan.txt"), "last").unwrap();
    mount.kill();
    mount.service.heal();
    mount.start();
    mount.sync();
    assert_eq!(on_service(&mount), [("plan.txt".to_owned(), sha256(b"last"))], "{}", mount.log());
}

fn what_close_accepted_survives_kills(kind: &Kind) {
    let mut mount = kind.mount_with("settle=0,ttl=60,timeout=10");
    for round in 0..4 {
        for number in 0..10 {
            fs::write(mount.path(format!("{round}-{number}.txt")), format!("{number} of round {round}")).unwrap();
        }
        std::thread::sleep(Duration::from_millis(40 * round));
        mount.kill();
        mount.start();
    }
    mount.sync();
    let mut expected = Vec::new();
    for (round, number) in (0..4).flat_map(|round| (0..10).map(move |number| (round, number))) {
        expected.push((format!("{round}-{number}.txt"), sha256(format!("{number} of round {round}").as_bytes())));
    }
    assert_eq!(on_service(&mount), expected);
}

fn a_service_that_fails_now_and_then_gets_everything_once(kind: &Kind) {
    let mount = kind.mount_with("settle=0.1,ttl=60,timeout=10");
    mount.works("printf begun > plan.txt; ls");
    mount.sync();
    mount.service.fault("*:lost:every=5");
    mount.service.fault("*:503:every=4");
    for number in 0..6 {
        fs::write(mount.path(format!("{number}.txt")), format!("new {number}")).unwrap();
        fs::write(mount.path("plan.txt"), format!("plan {number}")).unwrap();
    }
    wait_until("all is sent", || mount.status()["pending"] == 0);
    mount.service.heal();
    mount.sync();
    let mut expected: Vec<_> = (0..6).map(|n| (format!("{n}.txt"), sha256(format!("new {n}").as_bytes()))).collect();
    expected.push(("plan.txt".to_owned(), sha256(b"plan 5")));
    assert_eq!(on_service(&mount), expected);
}

/// "Not modified" is about another selection of what the service has.
#[test]
fn what_hangs_on_messages_shows_from_the_mount_on_that_asks_for_it() {
    let options = "settle=0.2,ttl=1,poll=1,timeout=10";
    let mut mount = Setup::options(options).service("basecamp").mount();
    mount.service.web_user().create_file(&mount.service.path("plan.txt"), "begun").unwrap();
    wait_until("the listing is settled", || mount.works("ls") == "plan.txt\n");
    // Times have no fractions: what changed within this second is not remembered as unchanged.
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(mount.works("ls"), "plan.txt\n");
    mount.umount();
    mount.set_options(&format!("{options},attachments"));
    mount.start();
    wait_until("the groups show", || mount.works("ls") == "@comments\n@messages\n@to-dos\nplan.txt\n");
    mount.umount();
    mount.set_options(options);
    mount.start();
    wait_until("the groups are gone", || mount.works("ls") == "plan.txt\n");
}

/// A document hangs on a task there; whoever creates one is told at once that nobody knows any.
#[test]
fn a_file_that_can_hang_on_nothing_is_refused_when_it_is_made() {
    let mut mount = Setup::options("settle=0.2,ttl=1,timeout=10").service("rillsoft").mount();
    fs::write(mount.path("first.txt"), "text").unwrap();
    mount.sync();
    mount.works("rm first.txt");
    mount.sync();
    let asked = mount.service.server().requests().all();
    let tasks =
        asked.iter().find(|request| request.path.ends_with("/tasks")).expect("tasks are asked for").path.clone();
    mount.remount();
    mount.service.fault(&format!("GET {tasks}:404:always"));
    let refused = fs::write(mount.path("plan.txt"), "text").unwrap_err();
    assert_eq!(refused.raw_os_error(), Some(libc::EINVAL));
    assert!(mount.log().contains("parent."), "{}", mount.log());
    assert_eq!(mount.works("ls"), "");
    mount.service.heal();
    mount.remount();
    fs::write(mount.path("plan.txt"), "text").unwrap();
    mount.sync();
    mount.service.expect("plan.txt", b"text", 1);
}
