//! The programs people use, on a real mount, checked on the service: same file, right bytes, one revision per save,
//! and nothing else ever sent.

mod support;

use std::fs;
use std::path::Path;

use support::{Mount, Setup, noise, sha256};

fn mounted() -> Mount {
    Setup::default().mount()
}

/// Checks that the service has exactly the files of a local directory, with these bytes.
#[track_caller]
fn expect_tree(mount: &Mount, local: &Path, at: &str) {
    let mut expected = Vec::new();
    let mut folders = vec![local.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = format!("{at}{}", path.strip_prefix(local).unwrap().display());
            expected.push((name, sha256(&fs::read(&path).unwrap())));
        }
    }
    expected.sort();
    let snapshot = mount.service.snapshot();
    let prefix = support::service::in_folder("");
    let mut found: Vec<(String, String)> = Vec::new();
    for entry in snapshot.entries.iter().filter(|entry| !entry.revisions.is_empty()) {
        let Some(name) = entry.path.strip_prefix(&prefix) else { continue };
        if name.starts_with(at) {
            found.push((name.to_owned(), entry.revisions.last().unwrap().sha256.clone().unwrap()));
        }
    }
    found.sort();
    let missing: Vec<_> = expected.iter().filter(|file| !found.contains(file)).collect();
    let surplus: Vec<_> = found.iter().filter(|file| !expected.contains(file)).collect();
    assert!(missing.is_empty() && surplus.is_empty(), "missing {missing:#?}\nnot expected {surplus:#?}");
}

/// A small tree with the awkward things: empty files and folders, spaces, umlauts, depth.
const MAKE_TREE: &str = r#"
mkdir -p "$LOCAL/tree/sub folder/deeper" "$LOCAL/tree/empty"
: > "$LOCAL/tree/nothing"
printf 'hello' > "$LOCAL/tree/hello.txt"
head -c 300000 /dev/urandom > "$LOCAL/tree/sub folder/big.bin"
printf 'Grüße' > "$LOCAL/tree/sub folder/deeper/Grüße aus Köln.txt"
for i in $(seq 20); do echo "file $i" > "$LOCAL/tree/sub folder/f$i.txt"; done
"#;

#[test]
fn a_copied_tree_arrives_byte_for_byte_and_once() {
    let mount = mounted();
    mount.works(&format!("{MAKE_TREE} cp -r \"$LOCAL/tree\" . ; diff -r \"$LOCAL/tree\" tree"));
    mount.sync();
    expect_tree(&mount, &mount.local().join("tree"), "tree/");
    mount.works("diff -r \"$LOCAL/tree\" tree");
    let snapshot = mount.service.snapshot();
    assert!(snapshot.entries.iter().all(|entry| entry.revisions.len() <= 1), "one revision each");
    assert_eq!(mount.service.trash(), [""; 0]);
}

#[test]
fn a_second_rsync_copies_nothing() {
    let mount = mounted();
    mount.works(&format!("{MAKE_TREE} rsync -a \"$LOCAL/tree/\" tree/"));
    let again = mount.works("rsync -a --itemize-changes \"$LOCAL/tree/\" tree/");
    assert_eq!(again, "", "before the upload");
    mount.sync();
    expect_tree(&mount, &mount.local().join("tree"), "tree/");
    mount.service.forget_requests();
    let again = mount.works("rsync -a --itemize-changes \"$LOCAL/tree/\" tree/");
    assert_eq!(again, "", "after the upload");
    mount.sync();
    assert!(mount.service.changes_asked().is_empty(), "{:?}", mount.service.changes_asked());
}

#[test]
fn a_second_rsync_after_a_remount_copies_nothing() {
    let mut mount = mounted();
    mount.works(&format!("{MAKE_TREE} rsync -a \"$LOCAL/tree/\" tree/"));
    mount.remount();
    let again = mount.works("rsync -a --itemize-changes \"$LOCAL/tree/\" tree/");
    assert_eq!(again, "");
}

#[test]
fn tar_and_unzip_unpack_what_was_packed() {
    let mount = mounted();
    mount.works(&format!(
        "{MAKE_TREE} tar -C \"$LOCAL\" -cf \"$LOCAL/tree.tar\" tree
         (cd \"$LOCAL/tree\" && zip -qr ../tree.zip .)
         tar -xf \"$LOCAL/tree.tar\"
         mkdir zipped && cd zipped && unzip -q \"$LOCAL/tree.zip\""
    ));
    mount.sync();
    expect_tree(&mount, &mount.local().join("tree"), "tree/");
    expect_tree(&mount, &mount.local().join("tree"), "zipped/");
}

#[test]
fn a_file_written_in_place_gets_one_revision_more() {
    let mount = mounted();
    let mut bytes = noise(200_000, 1);
    fs::write(mount.path("data.bin"), &bytes).unwrap();
    mount.sync();
    let id = mount.service.file("data.bin").id;
    mount.works("printf 'PATCH' | dd of=data.bin bs=1 seek=100000 conv=notrunc status=none");
    bytes[100_000..100_005].copy_from_slice(b"PATCH");
    mount.sync();
    mount.service.expect("data.bin", &bytes, 2);
    assert_eq!(mount.service.file("data.bin").id, id);
}

#[test]
fn a_shell_that_redirects_into_a_synchronous_mount_makes_one_revision_a_time() {
    let mount = Setup::options("sync,timeout=10").mount();
    mount.works("echo one > a.txt; cp a.txt b.txt");
    mount.service.expect("b.txt", b"one\n", 1);
    mount.sync();
    mount.service.expect("a.txt", b"one\n", 1);
    mount.works("echo two > a.txt; cat a.txt; : > empty.txt; (echo x; sleep 0.1; echo y) > slow.txt");
    mount.sync();
    mount.service.expect("a.txt", b"two\n", 2);
    mount.service.expect("empty.txt", b"", 1);
    mount.service.expect("slow.txt", b"x\ny\n", mount.service.file("slow.txt").revisions.len());
}

#[test]
fn emptying_the_outbox_sends_no_document_that_is_empty_for_a_moment() {
    let mount = mounted();
    mount.works("echo one > a.txt");
    mount.sync();
    // Open and emptied, not written yet, while somebody waits for everything else.
    let mut open = fs::File::create(mount.path("a.txt")).unwrap();
    drop(open.try_clone().unwrap());
    fs::write(mount.path("b.txt"), "b").unwrap();
    support::run(mount.collabfs(["sync"]).arg(mount.path("b.txt")), std::time::Duration::from_secs(60))
        .expect_success();
    mount.service.expect("b.txt", b"b", 1);
    mount.service.expect("a.txt", b"one\n", 1);
    std::io::Write::write_all(&mut open, b"two\n").unwrap();
    drop(open);
    mount.sync();
    mount.service.expect("a.txt", b"two\n", 2);
}

#[test]
fn appending_fetches_what_was_there() {
    let mount = mounted();
    mount.service.web_user().create_file(&support::service::in_folder("log.txt"), "one\n").unwrap();
    mount.works("ls > /dev/null; echo two >> log.txt; echo three >> log.txt; cat log.txt");
    mount.sync();
    mount.service.expect("log.txt", b"one\ntwo\nthree\n", 2);
}

#[test]
fn sed_in_place_is_one_revision_of_the_same_file() {
    let mount = mounted();
    fs::write(mount.path("notes.txt"), "red green\n").unwrap();
    mount.sync();
    let id = mount.service.file("notes.txt").id;
    mount.works("sed -i s/green/blue/ notes.txt");
    mount.sync();
    mount.service.expect("notes.txt", b"red blue\n", 2);
    assert_eq!(mount.service.file("notes.txt").id, id);
    assert_eq!(mount.service.files(), ["notes.txt"]);
    assert_eq!(mount.service.trash(), [""; 0]);
}

#[test]
fn mv_and_rm_keep_identity_and_use_the_trash() {
    let mount = mounted();
    mount.works("mkdir a b; echo one > a/one.txt; echo two > a/two.txt");
    mount.sync();
    let id = mount.service.file("a/one.txt").id;
    mount.works("mv a/one.txt a/uno.txt; mv a/uno.txt b/; rm a/two.txt; rmdir a; find . | sort");
    mount.sync();
    assert_eq!(mount.service.files(), ["b/uno.txt"]);
    assert_eq!(mount.service.file("b/uno.txt").id, id);
    mount.service.expect("b/uno.txt", b"one\n", 1);
    assert!(mount.service.trash().contains(&"two.txt".to_owned()));
}

#[test]
fn a_pending_folder_can_be_renamed_and_filled() {
    let mount = Setup::options("settle=2,timeout=10").mount();
    mount.works("mkdir draft; echo a > draft/a.txt; mv draft final; echo b > final/b.txt; cat final/a.txt");
    mount.sync();
    assert_eq!(mount.service.files(), ["final/a.txt", "final/b.txt"]);
    assert_eq!(mount.service.trash(), [""; 0]);
}

#[test]
fn what_was_created_and_deleted_at_once_is_never_told() {
    let mount = Setup::options("settle=2,timeout=10").mount();
    mount.works("ls > /dev/null; echo x > short-lived.txt; rm short-lived.txt");
    mount.works("echo x > a.txt; mv a.txt b.txt; echo y > b.txt; rm b.txt");
    mount.sync();
    assert!(mount.service.changes_asked().is_empty(), "{:?}", mount.service.changes_asked());
}

#[test]
fn mode_and_time_survive_upload_and_remount() {
    let mut mount = mounted();
    mount.works("echo x > \"$LOCAL/x\"; chmod 640 \"$LOCAL/x\"; touch -d '2001-02-03 04:05:06.789' \"$LOCAL/x\"");
    let show = "stat -c '%a %y %s' x";
    let before = mount.works(&format!("cp -p \"$LOCAL/x\" x; {show}"));
    assert!(before.starts_with("640 2001-02-03 04:05:06.789"), "{before}");
    mount.sync();
    assert_eq!(mount.works(show), before, "after the upload");
    mount.remount();
    assert_eq!(mount.works(show), before, "after a remount");
}

#[test]
fn the_time_of_a_save_does_not_move_while_it_is_uploaded() {
    let mount = mounted();
    let show = "stat -c '%y %s' draft.txt";
    let saved = mount.works(&format!("echo text > draft.txt; {show}"));
    mount.sync();
    assert_eq!(mount.works(&format!("cat draft.txt > /dev/null; {show}")), saved);
}

fn vim_saves(backup_copy: &str) {
    let mount = mounted();
    fs::write(mount.path("letter.txt"), "Dear Bob\n").unwrap();
    mount.sync();
    let id = mount.service.file("letter.txt").id;
    for (n, name) in ["Carol", "Dave"].into_iter().enumerate() {
        mount.works(&format!(
            "vim -Nu NONE -es -c 'set backupcopy={backup_copy} writebackup swapfile' -c '%s/Dear .*/Dear {name}/' \
             -c 'wq' letter.txt < /dev/null"
        ));
        mount.sync();
        mount.service.expect("letter.txt", format!("Dear {name}\n").as_bytes(), 2 + n);
    }
    assert_eq!(mount.service.file("letter.txt").id, id);
    assert_eq!(mount.service.files(), ["letter.txt"], "only the letter");
    assert_eq!(mount.service.trash(), [""; 0]);
}

#[test]
fn vim_in_place_is_one_revision_per_save() {
    vim_saves("yes");
}

#[test]
fn vim_by_rename_is_one_revision_per_save() {
    vim_saves("no");
}

#[test]
fn vim_as_it_comes_is_one_revision_per_save() {
    vim_saves("auto");
}

#[test]
fn nano_is_one_revision_per_save() {
    let mount = mounted();
    fs::write(mount.path("list.txt"), "milk\n").unwrap();
    mount.sync();
    let id = mount.service.file("list.txt").id;
    // Types a line, then ^O, Enter, ^X, into a terminal of its own.
    mount.works(
        r#"(sleep 1; printf 'eggs\n'; sleep 0.5; printf '\017'; sleep 0.5; printf '\r'; sleep 0.5; printf '\030'; sleep 1) |
           TERM=xterm script -qec 'nano -R list.txt || nano list.txt' /dev/null > /dev/null
           cat list.txt"#,
    );
    mount.sync();
    // A busy machine may swallow a key; that something was typed and saved is what counts.
    let saved = fs::read(mount.path("list.txt")).unwrap();
    assert!(saved.len() > "milk\n".len() && saved.ends_with(b"milk\n"), "{saved:?}");
    mount.service.expect("list.txt", &saved, 2);
    assert_eq!(mount.service.file("list.txt").id, id);
    assert_eq!(mount.service.files(), ["list.txt"]);
}

/// As LibreOffice does: lock file, temporary file in the same directory, rename over.
#[test]
fn an_office_program_is_one_revision_per_save() {
    let mount = mounted();
    fs::write(mount.path("report.odt"), noise(50_000, 1)).unwrap();
    mount.sync();
    let id = mount.service.file("report.odt").id;
    mount.works(
        "echo ',me,host,' > '.~lock.report.odt#'
         head -c 60000 /dev/zero | tr '\\0' 'x' > lu1234abcd.tmp
         mv lu1234abcd.tmp report.odt
         rm '.~lock.report.odt#'",
    );
    mount.sync();
    mount.service.expect("report.odt", &[b'x'; 60_000], 2);
    assert_eq!(mount.service.file("report.odt").id, id);
    assert_eq!((mount.service.files(), mount.service.trash()), (vec!["report.odt".to_owned()], Vec::new()));
}

/// As Microsoft Office does: write a temporary file, rename the old one away, the new one into place, delete the old.
#[test]
fn save_by_renaming_away_is_one_revision() {
    let mount = mounted();
    fs::write(mount.path("sheet.xlsx"), "old").unwrap();
    mount.sync();
    let id = mount.service.file("sheet.xlsx").id;
    mount.works("echo -n new > A1B2C300.tmp; mv sheet.xlsx ~WRL0001.tmp; mv A1B2C300.tmp sheet.xlsx; rm ~WRL0001.tmp");
    mount.sync();
    mount.service.expect("sheet.xlsx", b"new", 2);
    assert_eq!(mount.service.file("sheet.xlsx").id, id);
    assert_eq!(mount.service.files(), ["sheet.xlsx"]);
}

#[test]
fn git_clones_into_the_mount_and_commits_there() {
    let mount = mounted();
    let identity = "-c user.name=t -c user.email=t@example.com -c gc.auto=0";
    mount.works(&format!(
        "git init -q -b main \"$LOCAL/origin\"; cd \"$LOCAL/origin\"
         for i in 1 2 3; do echo $i > f$i; git add .; git {identity} commit -qm $i; done"
    ));
    mount.works("git clone -q \"file://$LOCAL/origin\" clone; cd clone; git status --porcelain; git fsck --strict");
    mount.works(&format!("cd clone; echo 4 > f4; git add f4; git {identity} commit -qm 4; git fsck --strict"));
    mount.sync();
    let log = mount.works("cd clone; git status --porcelain; git log --oneline | wc -l; git fsck --strict");
    assert_eq!(log.lines().next(), Some("4"), "{log}");
    expect_tree(&mount, &mount.path("clone"), "clone/");
}

#[test]
fn sqlite_keeps_its_database_whole() {
    let mount = mounted();
    mount.works(
        "sqlite3 t.db 'create table t(a integer primary key, b text)'
         for i in $(seq 20); do sqlite3 t.db \"insert into t(b) values ('row $i')\"; done
         [ $(sqlite3 t.db 'select count(*) from t') = 20 ]
         [ $(sqlite3 t.db 'pragma integrity_check') = ok ]",
    );
    mount.sync();
    let bytes = fs::read(mount.path("t.db")).unwrap();
    let file = mount.service.file("t.db");
    assert_eq!(file.revisions.last().unwrap().sha256.as_deref(), Some(sha256(&bytes).as_str()));
    assert_eq!(mount.service.files(), ["t.db"], "journals are gone again");
}

#[test]
fn a_document_renamed_to_a_removed_ones_name_stays_itself() {
    let mount = Setup::options("settle=2,timeout=10").mount();
    mount.works("echo probe > p; echo one > one.txt; echo two > two.txt");
    mount.sync();
    mount.works("rm p");
    let id = mount.service.file("two.txt").id;
    mount.works("rm one.txt; mv two.txt one.txt");
    mount.sync();
    mount.service.expect("one.txt", b"two\n", 1);
    assert_eq!(mount.service.file("one.txt").id, id);
    assert!(mount.service.trash().contains(&"one.txt".to_owned()));
}

#[test]
fn what_stays_here_is_counted_and_goes_when_its_document_is_gone() {
    let mut mount = mounted();
    mount.works(
        "echo x > kept.txt; echo 12345678 > .kept.txt.swp; echo 12345678 > '.~lock.gone.odt#'; echo 1 > .new.txt.swp
         touch -d '10 days ago' .kept.txt.swp '.~lock.gone.odt#'",
    );
    mount.sync();
    let local = mount.status()["local"].clone();
    assert_eq!((local["files"].as_u64(), local["bytes"].as_u64()), (Some(3), Some(20)));
    assert!(local["oldest_seconds"].as_u64().unwrap() >= 9 * 24 * 3600, "{local}");
    assert!(
        mount.works("cat ../../.collabfs/status").contains("kept on this machine: 3 files, 20 B, the oldest 10 days")
    );
    assert_eq!(mount.works("getfattr --only-values -n user.collabfs.state .kept.txt.swp"), "local: swap file");
    mount.remount();
    let begun = std::time::Instant::now();
    while mount.path(".~lock.gone.odt#").exists() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(60), "its document is gone");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    assert_eq!(mount.works("cat .kept.txt.swp .new.txt.swp"), "12345678\n1\n");
    assert_eq!(mount.service.files(), ["kept.txt"]);
}

#[test]
fn writing_the_same_bytes_again_sends_nothing() {
    let mount = mounted();
    fs::write(mount.path("same.txt"), "same").unwrap();
    mount.sync();
    mount.service.forget_requests();
    fs::write(mount.path("same.txt"), "same").unwrap();
    mount.sync();
    assert!(mount.service.changes_asked().is_empty(), "{:?}", mount.service.changes_asked());
    mount.service.expect("same.txt", b"same", 1);
}

#[test]
fn a_hundred_saves_by_rename_are_folded_or_revised_but_never_lost() {
    // Long enough that a busy machine does not rest between the two steps of a save.
    let mount = Setup::options("settle=2,timeout=10").mount();
    mount.works("for i in $(seq 100); do echo $i > t.part; mv t.part counter.txt; done");
    mount.sync();
    let file = mount.service.file("counter.txt");
    assert_eq!(file.revisions.last().unwrap().sha256.as_deref(), Some(sha256(b"100\n").as_str()));
    assert!(file.revisions.len() <= 100);
    assert_eq!(mount.service.files(), ["counter.txt"]);
    assert_eq!(mount.service.trash(), [""; 0]);
}

/// Our own revisions are never somebody else's, however they overlap with the next save.
#[test]
fn saves_faster_than_uploads_make_no_conflict_and_no_second_file() {
    let mount = Setup::options("settle=0,timeout=10").latency(std::time::Duration::from_millis(10)).mount();
    mount.works(
        "for i in $(seq 60); do echo \"in place $i\" > a.txt; echo \"renamed $i\" > .b.part; mv .b.part b.txt; done",
    );
    mount.sync();
    assert_eq!(mount.service.files(), ["a.txt", "b.txt"]);
    for (name, bytes) in [("a.txt", &b"in place 60\n"[..]), ("b.txt", b"renamed 60\n")] {
        let file = mount.service.file(name);
        assert_eq!(file.revisions.last().unwrap().sha256.as_deref(), Some(sha256(bytes).as_str()), "{name}");
    }
    assert!(!mount.log().contains("somebody else"), "{}", mount.log());
}

/// The service names a new file when its bytes come; a long upload leaves time to rename it.
#[test]
fn what_is_renamed_during_its_upload_gets_its_new_name_there_too() {
    let mount = Setup::options("settle=0,timeout=10").mount();
    mount.service.fault("upload:delay=1s:next=1");
    mount.works("echo new > .b.part; sleep 0.5; mv .b.part b.txt");
    mount.sync();
    mount.service.expect("b.txt", b"new\n", 1);
    assert_eq!((mount.service.files(), mount.service.trash()), (vec!["b.txt".to_owned()], vec![]));
}
