//! The daemon is killed while a program saves. After the next mount the document is there under its name, with its id,
//! and is the old one or the new one: never a part, never empty.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use collabfs::demo::SnapshotEntry;

use crate::support::{Mount, Setup, sha256};

const DOCUMENT: &str = "document.txt";
const LINES: usize = 400;
/// Kills of each program: while it starts, reads, removes, writes, renames, or when it has just ended.
const KILLS: u32 = 5;

/// The whole document as save `n` leaves it.
fn whole(n: u32) -> String {
    format!("this is save {n}\n").repeat(LINES)
}

/// An office marks its texts as Unicode by an invisible character in front.
fn unmarked(text: &str) -> &str {
    text.trim_start_matches('\u{feff}')
}

struct Victim {
    mount: Mount,
    program: &'static str,
    script: &'static str,
    id: String,
    /// The last save that is known to be there.
    known: u32,
    tried: u32,
}

impl Victim {
    fn new(program: &'static str, script: &'static str) -> Victim {
        let mount = Setup { deadline: Duration::from_secs(280), ..Setup::options("settle=0.3,timeout=10") }.mount();
        fs::write(mount.path(DOCUMENT), whole(0)).unwrap();
        mount.sync();
        let id = mount.service.file(DOCUMENT).id;
        Victim { mount, program, script, id, known: 0, tried: 0 }
    }

    fn save(&mut self) -> Command {
        self.tried += 1;
        let new = self.mount.local().join(DOCUMENT);
        fs::write(&new, whole(self.tried)).unwrap();
        let mut command = Command::new("bash");
        command.args(["-c", &self.script.replace("TEXT", &format!("this is save {}", self.tried))]);
        command.current_dir(self.mount.path("")).env("NEW", new).env("HOME", self.mount.local());
        command
            .env("LOCAL", self.mount.local())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null());
        command
    }

    /// An undisturbed save, and how long it takes.
    fn undisturbed(&mut self) -> Duration {
        let begun = Instant::now();
        let status = self.save().status().unwrap();
        let took = begun.elapsed();
        assert!(status.success(), "{}: {status}", self.program);
        self.check();
        assert_eq!(self.known, self.tried, "{}: what was saved is there", self.program);
        took
    }

    /// `moment`: after the program said by the file `$BEGUN` that it saves now; after its start if it says nothing.
    fn killed_after(&mut self, moment: Duration) {
        let begun = self.mount.local().join("begun");
        let _ = fs::remove_file(&begun);
        let mut program = self.save().spawn().unwrap();
        let deadline = Instant::now() + Duration::from_secs(60);
        while self.script.contains("BEGUN") && !begun.exists() {
            assert!(Instant::now() < deadline, "{} never began to save", self.program);
            std::thread::sleep(Duration::from_millis(2));
        }
        std::thread::sleep(moment);
        self.mount.kill();
        program.wait().unwrap();
        self.mount.start();
        self.check();
    }

    fn check(&mut self) {
        let shown = fs::read_to_string(self.mount.path(DOCUMENT));
        let shown = shown.unwrap_or_else(|e| panic!("{}, save {}: {e}", self.program, self.tried));
        let found = (self.known..=self.tried).find(|n| whole(*n) == unmarked(&shown));
        let beginning: String = shown.chars().take(60).collect();
        let Some(found) = found else {
            panic!("{}, save {}: neither old nor new: {} bytes, {beginning:?}", self.program, self.tried, shown.len());
        };
        self.known = found;
        self.mount.sync();
        let files = self.mount.service.files();
        assert!(
            files.contains(&DOCUMENT.to_owned()),
            "{}, save {}: {files:?}\n{}",
            self.program,
            self.tried,
            self.mount.log()
        );
        let document: SnapshotEntry = self.mount.service.file(DOCUMENT);
        assert_eq!(document.id, self.id, "{}, save {}: the document is another one", self.program, self.tried);
        let sent: Vec<_> = document.revisions.iter().map(|revision| revision.sha256.clone().unwrap()).collect();
        assert_eq!(sent.last(), Some(&sha256(shown.as_bytes())), "{}, save {}", self.program, self.tried);
        for revision in &sent {
            let marked = |n| format!("\u{feff}{}", whole(n));
            let is_whole =
                (0..=self.tried).any(|n| [whole(n), marked(n)].map(|w| sha256(w.as_bytes())).contains(revision));
            assert!(is_whole, "{}, save {}: a part was sent", self.program, self.tried);
        }
    }
}

fn killed(program: &'static str, script: &'static str) {
    let mut victim = Victim::new(program, script);
    let took = victim.undisturbed();
    for kill in 0..KILLS {
        victim.killed_after(took.mul_f64(f64::from(kill + 1) / f64::from(KILLS)));
    }
}

#[test]
fn killed_while_vim_saves() {
    let save = "-c '%s/.*/TEXT/' -c 'wq' document.txt < /dev/null";
    let by = |copy: &str| format!("vim -Nu NONE -es -c 'set backupcopy={copy} backup writebackup swapfile' {save}");
    for copy in ["no", "yes"] {
        killed("vim", by(copy).leak());
    }
}

#[test]
fn killed_while_emacs_saves() {
    killed(
        "emacs",
        r#"emacs -Q --batch --eval '(progn (find-file "document.txt") (erase-buffer)
            (dotimes (i 400) (insert "TEXT\n")) (save-buffer))'"#,
    );
}

#[test]
fn killed_while_tools_replace() {
    killed("sed -i", "sed -i 's/.*/TEXT/' document.txt");
    killed("perl -i", "perl -pi -e 's/.*/TEXT/' document.txt");
    killed("install", "install -m 644 \"$NEW\" document.txt");
    killed("tar", "tar c -C \"$LOCAL\" document.txt | tar x");
    killed("cp", "cp \"$NEW\" document.txt");
    killed("rsync", "rsync -c \"$NEW\" document.txt");
}

#[test]
fn killed_while_an_office_saves() {
    const SAVE: &str = "export BEGUN=\"$LOCAL/begun\"
        /usr/bin/python3 \"$LOCAL/office.py\" text document.txt \"$(yes TEXT | head -400)\"";
    let mut victim = Victim::new("LibreOffice", SAVE);
    fs::write(victim.mount.local().join("office.py"), crate::office::SCRIPT).unwrap();
    victim.undisturbed();
    for moment in [0, 4, 10, 25, 60, 150] {
        victim.killed_after(Duration::from_millis(moment));
    }
}

/// A save that has come to one of its steps, and no further.
#[test]
fn killed_between_any_two_steps() {
    let steps: [(&str, &str); 4] = [
        ("renames away", "mv document.txt document.txt~"),
        ("removes", "rm document.txt"),
        ("creates", "mv document.txt document.txt~; exec 3> document.txt"),
        ("truncates", "exec 3> document.txt"),
    ];
    for (what, script) in steps {
        let mut victim = Victim::new(what, "true");
        let mut shell = Command::new("bash");
        // What was begun stays open until the daemon is dead.
        shell.args(["-c", &format!("{script}; touch \"$LOCAL/there\"; sleep 30")]).current_dir(victim.mount.path(""));
        let mut shell = shell.env("LOCAL", victim.mount.local()).spawn().unwrap();
        let there = victim.mount.local().join("there");
        while !there.exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        victim.mount.kill();
        shell.kill().unwrap();
        shell.wait().unwrap();
        victim.mount.start();
        victim.check();
    }
}
