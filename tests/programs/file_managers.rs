//! File managers: copying many files in, renaming, putting into the trash.

use crate::desktop::{in_session, patient};
use crate::row::Row;
use crate::support::Setup;

/// Starts Thunar without a window and asks it over the session bus.
const THUNAR: &str = r#"
thunar --daemon & manager=$!
ask() {
    gdbus call --session --timeout 60 --dest org.xfce.FileManager --object-path /org/xfce/FileManager --method "$@"
}
# Asking it would start another one.
gdbus wait --session --timeout 30 org.xfce.FileManager
here="file://$PWD"
"#;

fn thunar(row: &Row, script: &str) {
    in_session(row, &format!("{THUNAR}\n{script}\nkill $manager || true; wait $manager || true"));
}

#[test]
fn thunar_copies_five_hundred_files() {
    let row = Row::with("Thunar, copying in", "beside.txt", b"x", patient());
    row.shell("mkdir \"$LOCAL/many\"; for i in $(seq 500); do echo \"file $i\" > \"$LOCAL/many/f$i.txt\"; done");
    thunar(
        &row,
        r#"ask org.xfce.FileManager.CopyInto "$PWD" "['file://$LOCAL/many']" "$here" "$DISPLAY" ''
           all_there() { test "$(ls many | wc -l)" = 500 && diff -r "$LOCAL/many" many; }
           export -f all_there
           wait_for all_there || { ls many | wc -l; xdotool search --onlyvisible --name . getwindowname %@; false; }
           # An error would be a window.
           test -z "$(xdotool search --onlyvisible --name 'Error|Failed|Question')""#,
    );
    row.mount.sync();
    row.shell("diff -r \"$LOCAL/many\" many");
    assert_eq!(row.others().len(), 500);
    assert!(row.others().iter().all(|entry| entry.revisions.len() == 1));
    row.tell("0 revisions of the same file; 500 attached; 1 folder made");
}

#[test]
fn thunar_renames_a_file() {
    let row = Row::with("Thunar, renaming", "old.txt", b"content", patient());
    thunar(
        &row,
        r#"ask org.xfce.FileManager.RenameFile "$here/old.txt" "$DISPLAY" '' &
           window Rename
           xdotool key ctrl+a type new.txt
           xdotool key Return
           wait_for test -e new.txt"#,
    );
    row.mount.sync();
    assert_eq!(row.mount.service.files(), ["new.txt"]);
    row.tell("1 renamed or moved");
}

#[test]
fn thunar_deletes_a_file_to_the_trash() {
    let row = Row::with("Thunar, deleting", "old.txt", b"content", patient());
    thunar(
        &row,
        r#"ask org.xfce.Trash.MoveToTrash "['$here/old.txt']" "$DISPLAY" ''
           wait_for test ! -e old.txt"#,
    );
    row.mount.sync();
    assert!(row.mount.service.trash().contains(&"old.txt".to_owned()), "it can be had back there");
    row.tell("1 put into the trash");
}

#[test]
fn gio_trash_keeps_the_bytes_here_and_tells_the_service() {
    let row = Row::new("gio trash", "old.txt", b"content");
    row.shell("gio trash old.txt; test ! -e old.txt; grep -rq content ../../.Trash-*/files");
    row.mount.sync();
    assert!(row.mount.service.trash().contains(&"old.txt".to_owned()));
    row.tell("1 put into the trash");
}

#[test]
fn what_is_brought_back_at_once_never_left() {
    let setup = Setup { options: "settle=30,timeout=10".into(), ..Setup::default() };
    let row = Row::with("gio trash, undone", "old.txt", b"content", setup);
    // As the undo of file managers does it.
    row.shell("gio trash old.txt; mv ../../.Trash-*/files/old.txt .; test \"$(cat old.txt)\" = content");
    row.saved(0, b"content");
    row.tell("0 revisions of the same file; nothing else");
}
