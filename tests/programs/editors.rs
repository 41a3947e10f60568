//! Editors in a terminal.

use std::fs;

use crate::row::Row;

fn vim(program: &'static str, settings: &str) {
    let row = Row::new(program, "letter.txt", b"Dear Bob\n");
    for (n, name) in ["Carol", "Dave", "Eve"].into_iter().enumerate() {
        row.shell(&format!(
            "vim -Nu NONE -es -c 'set {settings}' -c '%s/Dear .*/Dear {name}/' -c 'wq' letter.txt < /dev/null"
        ));
        row.saved(n + 1, format!("Dear {name}\n").as_bytes());
    }
    row.only_the_document(3);
}

#[test]
fn vim_in_place() {
    vim("vim, backupcopy=yes", "backupcopy=yes backup writebackup swapfile");
}

#[test]
fn vim_by_renaming() {
    vim("vim, backupcopy=no", "backupcopy=no backup writebackup swapfile");
}

#[test]
fn vim_as_it_likes_with_swap_and_undo_files() {
    vim("vim, backupcopy=auto", "backupcopy=auto writebackup swapfile undofile undodir=.");
}

#[test]
fn nano() {
    let row = Row::new("nano", "list.txt", b"milk\n");
    for save in 1..=2 {
        // Types a letter, then ^O, Enter, ^X, each when nano waits for it.
        row.shell(
            r#"python3 - << 'PY'
import os, pty, select, sys, time
pid, terminal = pty.fork()
if pid == 0:
    os.environ['TERM'] = 'xterm'
    os.execvp('nano', ['nano', '--ignorercfiles', 'list.txt'])
def wait_quiet():
    # What nano writes ends when it waits.
    end = time.time() + 20
    while time.time() < end and select.select([terminal], [], [], 0.4)[0]:
        try: os.read(terminal, 65536)
        except OSError: return
def send(keys):
    wait_quiet()
    os.write(terminal, keys)
for keys in (b'x', b'\x0f', b'\r', b'\x18'): send(keys)
wait_quiet()
os.close(terminal)
os.waitpid(pid, 0)
PY"#,
        );
        let bytes = row.saved_as_shown(save);
        assert_eq!(bytes, format!("{}milk\n", "x".repeat(save)).into_bytes());
    }
    row.only_the_document(2);
}

fn emacs(program: &'static str, settings: &str) {
    let row = Row::new(program, "notes.txt", b"one\n");
    for save in 1..=3 {
        // Changed so that the lock and an autosave come up first.
        row.shell(&format!(
            "emacs -Q --batch --eval '(progn {settings} (setq create-lockfiles t) (find-file \"notes.txt\") \
             (goto-char (point-max)) (insert \"line {save}\\n\") (auto-save-mode 1) (do-auto-save) (save-buffer))' 2>&1"
        ));
        row.saved_as_shown(save);
    }
    assert_eq!(fs::read(row.mount.path("notes.txt")).unwrap(), b"one\nline 1\nline 2\nline 3\n");
    row.only_the_document(3);
}

#[test]
fn emacs_with_backups() {
    emacs("emacs", "(setq make-backup-files t version-control nil)");
}

#[test]
fn emacs_without_backups() {
    emacs("emacs, no backups", "(setq make-backup-files nil)");
}
