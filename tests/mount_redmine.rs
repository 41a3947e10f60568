//! A real Redmine, mounted: the programs people use, rights, limits, kills, lost answers. What arrived is told by the
//! server's own lists, whose digests are those of the bytes.

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::future::Future;
use std::io;
use std::time::Duration;

use serde_json::{Value, json};
use support::proxy::Proxy;
use support::redmine::{MANAGER, READER, RealRedmine};
use support::{Mount, Setup, noise, sha256};

/// The server, a user of it who has one project, and that user's mount.
struct Redmine {
    server: RealRedmine,
    runtime: tokio::runtime::Runtime,
}

impl Redmine {
    fn with_role(role: &str) -> Redmine {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let server = runtime.block_on(RealRedmine::new(role));
        runtime.block_on(server.create_project("Work")).unwrap();
        Redmine { server, runtime }
    }

    fn mount(&self, options: &str) -> Mount {
        self.mount_at(&self.server.url, options)
    }

    fn mount_at(&self, url: &str, options: &str) -> Mount {
        Setup::options(options).mount_account(&self.server.account_toml(url))
    }

    fn wait<T>(&self, work: impl Future<Output = T>) -> T {
        self.runtime.block_on(work)
    }

    /// `VERSION/NAME` or `NAME` of every file of the project, with its digest; equal names stand side by side.
    fn files(&self) -> Vec<(String, String)> {
        let project = self.server.project("Work").unwrap();
        let listed = self.wait(self.server.ask("GET", &format!("/projects/{project}/files.json"), None)).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let shown = |file: &Value| match file["version"]["name"].as_str() {
            Some(version) => format!("{version}/{}", text(&file["filename"])),
            None => text(&file["filename"]),
        };
        let mut files: Vec<_> =
            listed["files"].as_array().unwrap().iter().map(|file| (shown(file), text(&file["digest"]))).collect();
        files.sort();
        files
    }

    #[track_caller]
    fn expect(&self, files: &BTreeMap<String, Vec<u8>>) {
        let expected: Vec<_> = files.iter().map(|(name, bytes)| (name.clone(), sha256(bytes))).collect();
        assert_eq!(self.files(), expected);
    }
}

fn files(list: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
    list.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec())).collect()
}

#[test]
fn a_copied_tree_arrives_once_and_reads_back() {
    let redmine = Redmine::with_role(MANAGER);
    let mut mount = redmine.mount("settle=0.2,timeout=20");
    mount.works(
        "mkdir -p \"$LOCAL/tree/1.0\"
         for i in $(seq 30); do head -c $((i * 500)) /dev/urandom > \"$LOCAL/tree/f$i.bin\"; done
         echo notes > \"$LOCAL/tree/1.0/It's done.txt\"; : > \"$LOCAL/tree/empty\"
         cp -a \"$LOCAL/tree/.\" . ; diff -r \"$LOCAL/tree\" .",
    );
    mount.sync();
    let mut expected = BTreeMap::new();
    for entry in fs::read_dir(mount.local().join("tree")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            expected.insert(entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap());
        }
    }
    // The apostrophe is sent as its wide form: the service would make an underscore of it.
    expected.insert("1.0/It\u{ff07}s done.txt".into(), b"notes\n".to_vec());
    redmine.expect(&expected);
    mount.remount();
    mount.works("diff -r \"$LOCAL/tree\" . ; test -z \"$(rsync -a --itemize-changes \"$LOCAL/tree/\" ./)\"");
    redmine.expect(&expected);
}

#[test]
fn saves_replace_the_file_and_leave_nothing_beside_it() {
    let redmine = Redmine::with_role(MANAGER);
    let mount = redmine.mount("settle=0.2,timeout=20");
    fs::write(mount.path("letter.txt"), "Dear Bob\n").unwrap();
    mount.sync();
    for (n, backup_copy) in ["yes", "no", "auto"].iter().enumerate() {
        mount.works(&format!(
            "vim -es -u NONE -c 'set backupcopy={backup_copy} backup' -c 'normal Goline {n}' -c 'wq' letter.txt < /dev/null"
        ));
        mount.sync();
    }
    mount.works("sed -i s/Bob/Ann/ letter.txt");
    mount.sync();
    redmine.expect(&files(&[("letter.txt", b"Dear Ann\nline 0\nline 1\nline 2\n")]));
    assert_eq!(fs::read(mount.path("letter.txt")).unwrap(), b"Dear Ann\nline 0\nline 1\nline 2\n");
}

#[test]
fn files_are_renamed_moved_by_copying_and_removed() {
    let redmine = Redmine::with_role(MANAGER);
    let mount = redmine.mount("settle=0.2,timeout=20");
    mount.works("echo one > a.txt; echo two > b.txt; mkdir 1.0; mv a.txt A.txt; mv b.txt 1.0/");
    mount.sync();
    redmine.expect(&files(&[("1.0/b.txt", b"two\n"), ("A.txt", b"one\n")]));
    mount.works("rm 1.0/b.txt; rmdir 1.0; mv A.txt C.txt; test \"$(ls)\" = C.txt");
    mount.sync();
    redmine.expect(&files(&[("C.txt", b"one\n")]));
    let errno = |result: io::Result<()>| result.unwrap_err().raw_os_error();
    assert_eq!(errno(fs::create_dir(mount.root().join("New project"))), Some(libc::EPERM));
    assert_eq!(errno(fs::remove_dir(mount.root().join("Work"))), Some(libc::EPERM));
}

/// A removed file's number may be given to the next one: what is cached of the one must not be shown for the other.
#[test]
fn a_file_made_after_another_was_removed_has_its_own_content() {
    let redmine = Redmine::with_role(MANAGER);
    let mount = redmine.mount("settle=0,timeout=20");
    for n in 0..8 {
        let (name, text) = (format!("f{n}.txt"), format!("content {n}"));
        fs::write(mount.path(&name), &text).unwrap();
        mount.sync();
        assert_eq!(fs::read_to_string(mount.path(&name)).unwrap(), text);
        fs::remove_file(mount.path(&name)).unwrap();
    }
    mount.sync();
    redmine.expect(&BTreeMap::new());
}

#[test]
fn what_the_service_refuses_is_said_to_the_program() {
    let redmine = Redmine::with_role(MANAGER);
    let mount = redmine.mount("sync,timeout=30");
    let fails = |script: &str, words: &str| {
        let ran = mount.shell(script);
        assert!(!ran.succeeded() && ran.output.contains(words), "{script}: {}", ran.output);
    };
    mount.works("echo small > small.txt");
    mount.works("truncate -s 70000000 \"$LOCAL/large.bin\"");
    fails("cp --sparse=never \"$LOCAL/large.bin\" .", "File too large");
    mount.works("echo x > \"$LOCAL/virus.exe\"");
    fails("cp \"$LOCAL/virus.exe\" .", "Invalid argument");
    redmine.expect(&files(&[("small.txt", b"small\n")]));
}

#[test]
fn who_may_only_read_reads_and_is_refused_the_rest() {
    let redmine = Redmine::with_role(READER);
    redmine.wait(redmine.server.create_file("Work/Files/theirs.txt", b"theirs".to_vec())).unwrap();
    let mount = redmine.mount("settle=0.2,timeout=20");
    assert_eq!(fs::read(mount.path("theirs.txt")).unwrap(), b"theirs");
    let denied = |result: io::Result<()>| assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EACCES));
    denied(fs::write(mount.path("mine.txt"), "x"));
    denied(fs::write(mount.path("theirs.txt"), "x"));
    denied(fs::remove_file(mount.path("theirs.txt")));
    denied(fs::create_dir(mount.path("1.0")));
    redmine.expect(&files(&[("theirs.txt", b"theirs")]));
}

#[test]
fn files_hang_on_issues_pages_and_news() {
    let redmine = Redmine::with_role(MANAGER);
    let project = redmine.server.project("Work").unwrap();
    let issue = json!({ "issue": { "project_id": project, "subject": "Leaking roof" } });
    let made = redmine.wait(redmine.server.ask("POST", "/issues.json", Some(issue))).unwrap();
    let issue = made["issue"]["id"].as_u64().unwrap();
    let page = json!({ "wiki_page": { "text": "Welcome" } });
    redmine.wait(redmine.server.ask("PUT", &format!("/projects/{project}/wiki/Start.json"), Some(page))).unwrap();
    let mount = redmine.mount("settle=0.2,timeout=20,attachments");
    mount.works(&format!(
        "cd ../Issues/*roof*; echo photo > photo.txt; cd ../../Wiki/Start; echo plan > plan.txt; test {issue} -gt 0"
    ));
    mount.sync();
    let attached = |path: &str, name: &str| -> Vec<String> {
        let found = redmine.wait(redmine.server.ask("GET", &format!("{path}?include=attachments"), None)).unwrap();
        let attachments = found[name]["attachments"].as_array().unwrap().clone();
        attachments.iter().map(|a| a["filename"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(attached(&format!("/issues/{issue}.json"), "issue"), ["photo.txt"]);
    assert_eq!(attached(&format!("/projects/{project}/wiki/Start.json"), "wiki_page"), ["plan.txt"]);
    mount.works("cd ../Issues/*roof*; test \"$(cat photo.txt)\" = photo; echo better > photo.txt");
    mount.sync();
    assert_eq!(attached(&format!("/issues/{issue}.json"), "issue"), ["photo.txt"]);
    assert_eq!(mount.works("cat ../Issues/*roof*/photo.txt"), "better\n");
}

#[test]
fn killed_while_copying_and_saving_nothing_is_lost_or_doubled() {
    let redmine = Redmine::with_role(MANAGER);
    let mut mount = redmine.mount("settle=0.1,timeout=20");
    let mut accepted = BTreeMap::new();
    for round in 0..6_u64 {
        for n in 0..6_u64 {
            let (name, bytes) = (format!("r{round}n{n}.bin"), noise(3_000, round * 10 + n));
            fs::write(mount.path(&name), &bytes).unwrap();
            accepted.insert(name, bytes);
            let saved = noise(2_000, 1_000 + round * 10 + n);
            fs::write(mount.path("saved.bin"), &saved).unwrap();
            accepted.insert("saved.bin".into(), saved);
        }
        // Somewhere within uploading, attaching and removing.
        std::thread::sleep(Duration::from_millis(100 + 37 * round));
        mount.kill();
        mount.start();
    }
    mount.sync();
    redmine.expect(&accepted);
    for (name, bytes) in &accepted {
        assert_eq!(&fs::read(mount.path(name)).unwrap(), bytes, "{name}");
    }
}

#[test]
fn lost_answers_lose_and_double_nothing() {
    let redmine = Redmine::with_role(MANAGER);
    let proxy = Proxy::before(&redmine.server.url);
    let mount = redmine.mount_at(&proxy.url, "settle=0.1,timeout=20");
    mount.works("echo old > saved.txt; echo old > renamed.txt; echo old > removed.txt");
    mount.sync();
    for (request, count) in [("POST /uploads", 3), ("POST /projects", 2), ("DELETE /attachments", 2), ("PATCH", 1)] {
        proxy.lose(request, count);
    }
    mount.works(
        "for i in 1 2 3 4 5; do echo $i > new$i.txt; done
         echo new > saved.txt; mv renamed.txt other.txt; rm removed.txt",
    );
    mount.sync();
    let mut expected = files(&[("saved.txt", b"new\n"), ("other.txt", b"old\n")]);
    expected.extend((1..=5).map(|i| (format!("new{i}.txt"), format!("{i}\n").into_bytes())));
    redmine.expect(&expected);
    assert!(proxy.is_done(), "every fault was met");
}
