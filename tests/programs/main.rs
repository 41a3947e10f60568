//! Real programs on a real mount: what each does to save, and what the service sees of it.
//!
//! Each row of [`ROWS`] is one program. Its test drives the program, checks the promise (same file, one revision a save,
//! right bytes, nothing else), and puts what the service saw into the table of docs/SEMANTICS.md, or fails when the table
//! says something else. `COLLABFS_WRITE_TABLE=1 cargo test --test programs` writes the table anew.

#[path = "../support/mod.rs"]
mod support;

mod desktop;
mod document;
mod editors;
mod file_managers;
mod killed;
mod office;
mod row;
mod tools;

/// A program, and how it saves.
pub struct Program {
    pub name: &'static str,
    pub way: &'static str,
}

/// In the order of the document.
pub const ROWS: &[Program] = &[
    program("vim, backupcopy=yes", "backup file, then in place"),
    program("vim, backupcopy=no", "renames the old one away, writes anew"),
    program("vim, backupcopy=auto", "as it likes; swap and undo files"),
    program("nano", "in place"),
    program("emacs", "renames the old one to a backup, writes anew; autosaves, lock"),
    program("emacs, no backups", "in place"),
    program("mousepad", "temporary file, renamed over"),
    program("kate", "in place; swap file"),
    program("LibreOffice Writer", "lock file, in place from a copy elsewhere"),
    program("LibreOffice Calc", "lock file, in place from a copy elsewhere"),
    program("LibreOffice, save as", "the same, under another name"),
    program("sed -i", "temporary file, renamed over"),
    program("perl -i", "removes the old one, writes anew"),
    program("cp over", "in place"),
    program("cp --backup", "renames the old one to a backup, writes anew"),
    program("install", "removes the old one, writes anew"),
    program("rsync", "temporary file, renamed over"),
    program("rsync --inplace", "in place"),
    program("dd conv=notrunc", "a few bytes in place"),
    program("zip, updating", "temporary file, renamed over"),
    program("tar x over", "removes the old one, writes anew"),
    program("git pull", "removes the old one, writes anew"),
    program("sqlite3", "pages in place, a journal that comes and goes"),
    program("gio copy over", "temporary file, renamed over"),
    program("gio trash", "moved to a trash on this machine"),
    program("gio trash, undone", "moved there and back"),
    program("Thunar, copying in", "new files"),
    program("Thunar, renaming", "rename"),
    program("Thunar, deleting", "moved to a trash on this machine"),
];

const fn program(name: &'static str, way: &'static str) -> Program {
    Program { name, way }
}
