//! Names that never leave this machine: what programs leave behind for themselves.

use crate::names::glob;

const LOCK: &str = "lock file";
const SWAP: &str = "swap file";
const BACKUP: &str = "backup";
const AUTOSAVE: &str = "autosave";
const SCRATCH: &str = "temporary file of a program";
const DESKTOP: &str = "desktop's own file";
const TRASH: &str = "trash";
const FILE_SYSTEM: &str = "file system's own file";

/// Only what no person names a document. A temporary file of another name goes up at worst after its settle time,
/// and folds with the rename that usually follows.
const BUILT_IN: &[(&str, &str)] = &[
    // LibreOffice, Microsoft Office, Adobe, AutoCAD, Access
    (".~lock.*#", LOCK),
    ("~$*", LOCK),
    ("*.idlk", LOCK),
    ("*.prlock", LOCK),
    ("*.laccdb", LOCK),
    ("*.dwl", LOCK),
    ("*.dwl2", LOCK),
    ("lu[0-9]*.tmp", SCRATCH),
    ("~*.tmp", SCRATCH),
    ("ppt[0-9A-F]*.tmp", SCRATCH),
    ("[0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F].tmp", SCRATCH),
    ("*.sv$", AUTOSAVE),
    ("AutoRecovery save of *.asd", AUTOSAVE),
    // vim (4913 is its probe for a writable directory), nano, kate
    (".*.sw?", SWAP),
    (".sw?", SWAP),
    ("4913", SCRATCH),
    (".*.kate-swp", SWAP),
    // emacs
    ("#*#", AUTOSAVE),
    (".#*", LOCK),
    // nearly every editor
    ("*~", BACKUP),
    // GNOME, KDE, JetBrains, Visual Studio Code, Sublime Text, Krita
    (".goutputstream-*", SCRATCH),
    ("*___jb_tmp___", SCRATCH),
    ("*___jb_old___", BACKUP),
    ("*.vsctmp", SCRATCH),
    (".subl*.tmp", SCRATCH),
    (".krita-*-autosave.kra", AUTOSAVE),
    (".directory", DESKTOP),
    (".xdg-volume-info", DESKTOP),
    (".Trash", TRASH),
    (".Trash-*", TRASH),
    // macOS
    (".DS_Store", DESKTOP),
    ("._*", DESKTOP),
    (".AppleDouble", DESKTOP),
    (".Spotlight-V100", DESKTOP),
    (".fseventsd", DESKTOP),
    (".apdisk", DESKTOP),
    (".DocumentRevisions-V100", DESKTOP),
    ("Icon\r", DESKTOP),
    (".TemporaryItems", SCRATCH),
    ("*.sb-????????-??????", SCRATCH),
    (".Trashes", TRASH),
    // Windows
    ("[Tt]humbs.db", DESKTOP),
    ("[Ee]hthumbs.db", DESKTOP),
    ("[Dd]esktop.ini", DESKTOP),
    ("[Ss]ystem [Vv]olume [Ii]nformation", DESKTOP),
    ("$[Rr][Ee][Cc][Yy][Cc][Ll][Ee].[Bb][Ii][Nn]", TRASH),
    // left by network file systems for files removed while open
    (".fuse_hidden*", FILE_SYSTEM),
    (".nfs*", FILE_SYSTEM),
    (".smbdelete*", FILE_SYSTEM),
];

/// Temporary files without an extension that a program soon renames to the document: sed, zip, Excel. People may give
/// documents such names, too; so only where the service takes no such name anyway.
const WHERE_REFUSED: &[&str] =
    &["sed??????", "zi??????", "[0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F][0-9A-F]"];

/// The patterns in force for a mount.
#[derive(Debug, Clone)]
pub struct LocalNames {
    /// Instead of the built-in ones.
    own: Option<Vec<String>>,
}

impl LocalNames {
    /// The built-in patterns, or `own` instead of them.
    pub fn new(own: Option<Vec<String>>) -> LocalNames {
        LocalNames { own }
    }

    /// Why this name stays on the machine, in words for a log line; `None` for an ordinary name.
    pub fn reason(&self, name: &str) -> Option<&'static str> {
        match &self.own {
            Some(patterns) => patterns.iter().any(|p| glob::matches(p, name)).then_some("kept local by a setting"),
            None => BUILT_IN.iter().find(|(p, _)| glob::matches(p, name)).map(|(_, reason)| *reason),
        }
    }

    /// The same for a name that the service refuses.
    pub fn reason_where_refused(&self, name: &str) -> Option<&'static str> {
        let built_in = self.own.is_none() && WHERE_REFUSED.iter().any(|pattern| glob::matches(pattern, name));
        built_in.then_some(SCRATCH)
    }
}

/// How programs name what they keep beside a document.
const BESIDE: &[(&str, &str)] = &[(".~lock.", "#"), ("~$", ""), ("#", "#"), (".#", ""), ("._", ""), ("", "~")];

/// The document that a lock, swap, autosave or backup file belongs to.
pub fn document_of(name: &str) -> Option<&str> {
    // vim: `.plan.txt.swp`, `.swo`...
    let swap = name.strip_prefix('.').and_then(|rest| rest.rsplit_once(".sw"));
    if let Some((document, _)) = swap.filter(|(document, last)| !document.is_empty() && last.chars().count() == 1) {
        return Some(document);
    }
    let document = |(before, after): &(&str, &str)| name.strip_prefix(before)?.strip_suffix(after);
    BESIDE.iter().find_map(document).filter(|document| !document.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_programs_leave_behind_stays_home() {
        let names = LocalNames::new(None);
        for (name, reason) in [
            (".~lock.Plan.odt#", LOCK),
            ("~$Plan.docx", LOCK),
            ("lu12345abc.tmp", SCRATCH),
            ("~WRD0001.tmp", SCRATCH),
            ("1A2B3C4D.tmp", SCRATCH),
            (".plan.txt.swp", SWAP),
            (".plan.txt.swx", SWAP),
            ("4913", SCRATCH),
            ("plan.txt~", BACKUP),
            ("#plan.txt#", AUTOSAVE),
            (".#plan.txt", LOCK),
            (".goutputstream-X4Y1", SCRATCH),
            ("Main.java___jb_tmp___", SCRATCH),
            (".DS_Store", DESKTOP),
            ("._plan.txt", DESKTOP),
            ("Thumbs.db", DESKTOP),
            ("desktop.ini", DESKTOP),
            (".Trash-1000", TRASH),
            (".directory", DESKTOP),
            (".fuse_hidden0000000300000001", FILE_SYSTEM),
            (".nfs000000000012", FILE_SYSTEM),
        ] {
            assert_eq!(names.reason(name), Some(reason), "{name}");
        }
    }

    #[test]
    fn what_people_name_documents_is_not_junk() {
        let names = LocalNames::new(None);
        let documents = ["plan.tmp", "a.part", "4914", "20261122", "data.swf", ".gitignore", "x#1", "lunch.tmp"];
        for name in documents.into_iter().chain(["Trash", "lock.txt", "~notes", "report.bak", "tmp", ".profile"]) {
            assert_eq!(names.reason(name), None, "{name}");
        }
    }

    #[test]
    fn what_lies_beside_a_document_names_it() {
        for name in [".~lock.a.odt#", "~$a.odt", "#a.odt#", ".#a.odt", "._a.odt", "a.odt~", ".a.odt.swp"] {
            assert_eq!(document_of(name), Some("a.odt"), "{name}");
        }
        for name in [".DS_Store", "Thumbs.db", "~", ".swp", "4913", ".directory"] {
            assert_eq!(document_of(name), None, "{name}");
        }
    }

    #[test]
    fn own_patterns_replace_the_built_in_ones() {
        let names = LocalNames::new(Some(vec!["*.part".into()]));
        assert!(names.reason("a.part").is_some());
        assert!(names.reason_where_refused("sedAbC123").is_none());
        assert!(names.reason("a~").is_none());
    }
}
