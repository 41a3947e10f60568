//! A document, a program that saves it, and what the service saw.

use std::collections::BTreeMap;
use std::fs;

use collabfs::demo::{RequestRecord, SnapshotEntry};

use crate::support::{Mount, Setup, service::in_folder};
use crate::{ROWS, document};

pub struct Row {
    program: &'static crate::Program,
    pub mount: Mount,
    /// The document's name and id.
    name: String,
    id: String,
}

/// Kinds of requests, for those who read.
const CALLS: &[(&str, &str)] = &[
    ("attach", "attached"),
    ("create-folder", "folder made"),
    ("delete", "put into the trash"),
    ("change", "renamed or moved"),
    ("other", "something else"),
];

impl Row {
    /// A mount with one document, made by somebody and known to the service.
    pub fn new(program: &'static str, document: &str, content: &[u8]) -> Row {
        Row::with(program, document, content, Setup::default())
    }

    pub fn with(program: &'static str, document: &str, content: &[u8], setup: Setup) -> Row {
        let program = ROWS.iter().find(|row| row.name == program).expect("a row of the table");
        let mount = setup.mount();
        mount.service.web_user().create_file(&in_folder(document), content).unwrap();
        mount.works("ls -la > /dev/null");
        let id = mount.service.file(document).id;
        mount.service.forget_requests();
        Row { program, mount, name: document.to_owned(), id }
    }

    pub fn shell(&self, script: &str) -> String {
        self.mount.works(script)
    }

    /// Waits until everything is on the service; checks that this save is one revision more, with these bytes.
    #[track_caller]
    pub fn saved(&self, saves: usize, bytes: &[u8]) {
        self.mount.sync();
        self.mount.service.expect(&self.name, bytes, 1 + saves);
        assert_eq!(self.mount.service.file(&self.name).id, self.id, "the same file");
    }

    /// The same for programs whose bytes only they know: what the mount shows is what the service has.
    #[track_caller]
    pub fn saved_as_shown(&self, saves: usize) -> Vec<u8> {
        self.mount.sync();
        let bytes = fs::read(self.mount.path(&self.name)).unwrap();
        self.saved(saves, &bytes);
        bytes
    }

    /// Checks that nothing but this document was touched, and tells it.
    #[track_caller]
    pub fn only_the_document(self, saves: usize) {
        let told = self.told();
        let revisions = if saves == 1 { "revision" } else { "revisions" };
        assert_eq!(told, format!("{saves} {revisions} of the same file; nothing else"), "{:?}", self.changes());
        self.tell(&told);
    }

    /// What the service saw, in words.
    pub fn told(&self) -> String {
        let mut words = Vec::new();
        let document = self.mount.service.snapshot().get(&in_folder(&self.name)).cloned();
        if let Some(document) = document.filter(|entry| entry.id == self.id) {
            let saves = document.revisions.len() - 1;
            let revisions = if saves == 1 { "revision" } else { "revisions" };
            words.push(format!("{saves} {revisions} of the same file"));
        }
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for record in self.changes() {
            *counts.entry(record.kind.to_string()).or_default() += 1;
        }
        let attached = self.others().len();
        for (kind, said) in CALLS {
            let count = if *kind == "attach" { attached } else { counts.get(*kind).copied().unwrap_or(0) };
            if count > 0 {
                words.push(format!("{count} {said}"));
            }
        }
        if words.len() == 1 && words[0].contains("revision") {
            words.push("nothing else".into());
        }
        words.join("; ")
    }

    /// Files beside the document that the service has now.
    pub fn others(&self) -> Vec<SnapshotEntry> {
        let prefix = in_folder("");
        let entries = self.mount.service.snapshot().entries.into_iter();
        let files = entries.filter(|entry| !entry.revisions.is_empty() && entry.path.starts_with(&prefix));
        files.filter(|entry| entry.id != self.id).collect()
    }

    /// Requests that change something; an upload counts by its attach, a revision by the file's history.
    fn changes(&self) -> Vec<RequestRecord> {
        let counted = |record: &RequestRecord| !matches!(record.kind, "upload" | "attach" | "revise");
        self.mount.service.changes_asked().into_iter().filter(counted).collect()
    }

    /// Checks what was uploaded: as many contents as there are new revisions and files, so that nothing of the
    /// program's own was ever sent, not even for a moment.
    #[track_caller]
    fn expect_no_other_content(&self) {
        let sent = self.mount.service.changes_asked().iter().filter(|r| matches!(r.kind, "upload" | "revise")).count();
        let document = self.mount.service.snapshot().get(&in_folder(&self.name)).cloned();
        let revisions = document.filter(|e| e.id == self.id).map_or(0, |e| e.revisions.len() - 1);
        let others: usize = self.others().iter().map(|e| e.revisions.len()).sum();
        assert_eq!(sent, revisions + others, "{:?}", self.mount.service.changes_asked());
    }

    /// Puts what was seen into the table, or compares it with the table.
    #[track_caller]
    pub fn tell(self, seen: &str) {
        self.expect_no_other_content();
        assert_eq!(self.told(), seen);
        self.mount.expect_no_panic();
        document::say(self.program, seen);
    }
}
