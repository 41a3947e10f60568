//! Programs of the command line that change files.

use crate::row::Row;

/// A program that makes the document `content 1`, `content 2`...
fn rewrites(program: &'static str, script: impl Fn(usize) -> String) {
    let row = Row::new(program, "data.txt", b"content 0\n");
    for save in 1..=3 {
        row.shell(&script(save));
        row.saved(save, format!("content {save}\n").as_bytes());
    }
    row.only_the_document(3);
}

/// Writes the next content outside of the mount first.
fn from_outside(program: &'static str, command: &str) {
    rewrites(program, |save| format!("echo 'content {save}' > \"$LOCAL/data.txt\"; {command}"));
}

#[test]
fn sed() {
    rewrites("sed -i", |save| format!("sed -i 's/content .*/content {save}/' data.txt"));
}

#[test]
fn perl() {
    rewrites("perl -i", |save| format!("perl -i -pe 's/content .*/content {save}/' data.txt"));
}

#[test]
fn cp_over() {
    from_outside("cp over", "cp \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn cp_with_backups() {
    from_outside("cp --backup", "cp --backup=simple \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn install() {
    from_outside("install", "install -m 644 \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn rsync() {
    from_outside("rsync", "rsync -a --ignore-times \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn rsync_in_place() {
    from_outside("rsync --inplace", "rsync -a --ignore-times --inplace \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn dd() {
    rewrites("dd conv=notrunc", |save| format!("printf {save} | dd of=data.txt bs=1 seek=8 conv=notrunc status=none"));
}

#[test]
fn tar() {
    from_outside("tar x over", "tar -C \"$LOCAL\" -cf \"$LOCAL/a.tar\" data.txt; tar -xf \"$LOCAL/a.tar\"");
}

#[test]
fn zip_updates_an_archive() {
    let row = Row::new("zip, updating", "all.zip", &zip_of_nothing());
    for save in 1..=2 {
        row.shell(&format!("cd \"$LOCAL\"; echo {save} > f{save}.txt; zip -q \"$OLDPWD/all.zip\" f{save}.txt"));
        row.saved_as_shown(save);
    }
    row.shell("test \"$(unzip -p all.zip f1.txt f2.txt | tr -d '\\n')\" = 12");
    row.only_the_document(2);
}

/// An archive without entries is its end record.
fn zip_of_nothing() -> Vec<u8> {
    [&b"PK\x05\x06"[..], &[0; 18]].concat()
}

#[test]
fn gio_copies_over() {
    from_outside("gio copy over", "gio copy \"$LOCAL/data.txt\" data.txt");
}

#[test]
fn sqlite() {
    let row = Row::new("sqlite3", "t.db", b"");
    row.shell("sqlite3 t.db 'create table t(a)'");
    row.saved_as_shown(1);
    for save in 2..=3 {
        row.shell(&format!("sqlite3 t.db 'insert into t values ({save})'"));
        row.saved_as_shown(save);
    }
    row.shell("test \"$(sqlite3 t.db 'pragma integrity_check; select sum(a) from t' | tr '\\n' ' ')\" = 'ok 5 '");
    row.only_the_document(3);
}

/// A document within a clone: what git itself keeps is outside of the mount.
#[test]
fn git_pull() {
    let row = Row::new("git pull", "plan.txt", b"version 0\n");
    let git = "git -c user.name=t -c user.email=t@example.com";
    row.shell(&format!(
        "mkdir \"$LOCAL/origin\"; cp plan.txt \"$LOCAL/origin/\"; cd \"$LOCAL/origin\"; git init -q -b main; git add .; \
         {git} commit -qm 0; git clone -q --bare . \"$LOCAL/clone.git\"; cd \"$OLDPWD\"
         git --git-dir=\"$LOCAL/clone.git\" --work-tree=. reset -q"
    ));
    for save in 1..=2 {
        row.shell(&format!(
            "cd \"$LOCAL/origin\"; echo 'version {save}' > plan.txt; {git} commit -qam {save}; cd \"$OLDPWD\"
             git --git-dir=\"$LOCAL/clone.git\" --work-tree=. pull -q \"$LOCAL/origin\" main"
        ));
        row.saved(save, format!("version {save}\n").as_bytes());
    }
    row.only_the_document(2);
}
