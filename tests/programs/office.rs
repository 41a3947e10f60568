//! LibreOffice, driven through its own interface: open, change, save, save again, save as.

use std::time::Duration;

use crate::row::Row;
use crate::support::{Setup, run};

/// `office.py KIND DOCUMENT TEXT... [-- COPY]`: opens the document, and for each text changes it and saves; then saves
/// it as a copy. The office ends with the script. Before each save it makes the file `$BEGUN`, if that is set.
pub const SCRIPT: &str = r#"
import os, subprocess, sys, time, uno
from com.sun.star.beans import PropertyValue
kind, document, *texts = sys.argv[1:]
copy = None
if '--' in texts:
    texts, copy = texts[:texts.index('--')], texts[-1]
profile = os.path.join(os.environ['LOCAL'], 'office')
pipe = f'collabfs{os.getpid()}'
office = subprocess.Popen(['soffice', '--headless', '--norestore', '--nologo', '--nodefault',
    f'-env:UserInstallation=file://{profile}', f'--accept=pipe,name={pipe};urp;'])
try:
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext('com.sun.star.bridge.UnoUrlResolver', local)
    end = time.time() + 50
    while True:
        try:
            context = resolver.resolve(f'uno:pipe,name={pipe};urp;StarOffice.ComponentContext')
            break
        except Exception:
            if time.time() > end: raise
            time.sleep(0.1)
    desktop = context.ServiceManager.createInstanceWithContext('com.sun.star.frame.Desktop', context)
    hidden = PropertyValue(); hidden.Name = 'Hidden'; hidden.Value = True
    open_document = desktop.loadComponentFromURL(uno.systemPathToFileUrl(os.path.abspath(document)), '_blank', 0, (hidden,))
    for text in texts:
        if kind == 'text':
            open_document.Text.setString(text)
        else:
            open_document.Sheets.getByIndex(0).getCellByPosition(0, 0).setString(text)
        if 'BEGUN' in os.environ: open(os.environ['BEGUN'], 'w').close()
        open_document.store()
        subprocess.run(['sh', '-c', os.environ.get('SYNC', 'true')], check=True)
    if copy:
        open_document.storeAsURL(uno.systemPathToFileUrl(os.path.abspath(copy)), ())
    open_document.close(True)
    try: desktop.terminate()
    except Exception: pass
    office.wait(20)
finally:
    office.kill()
"#;

/// Makes an empty document of the kind outside of the mount.
const MAKE: &str = "cd \"$LOCAL\"; echo start > start.KIND; \
    soffice --headless -env:UserInstallation=file://$LOCAL/office --convert-to TO start.KIND > /dev/null 2>&1";

fn row(program: &'static str, from: &str, to: &str) -> Row {
    let setup = Setup { deadline: Duration::from_secs(300), ..Setup::default() };
    let name = format!("start.{to}");
    // The office's own document, made where no mount is.
    let maker = tempfile::tempdir().unwrap();
    let script = MAKE.replace("KIND", from).replace("TO", to);
    let mut command = std::process::Command::new("bash");
    command.args(["-euc", &script]).env("LOCAL", maker.path()).env("HOME", maker.path());
    let made = run(&mut command, Duration::from_secs(120));
    let document = std::fs::read(maker.path().join(&name)).unwrap_or_else(|e| panic!("{e}: {}", made.output));
    let row = Row::with(program, &name, &document, setup);
    std::fs::write(row.mount.local().join("office.py"), SCRIPT).unwrap();
    row
}

/// The text in a document is in one of the parts of its archive.
fn contains(row: &Row, name: &str, text: &str) {
    row.shell(&format!("unzip -p {name} content.xml | grep -q '{text}'"));
}

/// Runs the script; between two saves it waits until the first is on the service, as a person takes a moment.
fn office(row: &Row, arguments: &str) {
    let program = env!("CARGO_BIN_EXE_collabfs");
    row.shell(&format!(
        "export SYNC='XDG_RUNTIME_DIR=\"$LOCAL/../run\" {program} sync . --timeout 50'
         /usr/bin/python3 \"$LOCAL/office.py\" {arguments}"
    ));
}

fn saves_and_saves_again(program: &'static str, kind: &str, from: &str, to: &str) {
    let row = row(program, from, to);
    office(&row, &format!("{kind} start.{to} 'first words' 'second words'"));
    row.saved_as_shown(2);
    contains(&row, &format!("start.{to}"), "second words");
    row.only_the_document(2);
}

#[test]
fn writer_saves_and_saves_again() {
    saves_and_saves_again("LibreOffice Writer", "text", "txt", "odt");
}

#[test]
fn calc_saves_and_saves_again() {
    saves_and_saves_again("LibreOffice Calc", "sheet", "csv", "ods");
}

#[test]
fn save_as_is_a_file_of_its_own() {
    let row = row("LibreOffice, save as", "txt", "odt");
    office(&row, "text start.odt 'some words' -- copy.odt");
    row.saved_as_shown(1);
    contains(&row, "copy.odt", "some words");
    let names: Vec<String> = row.others().into_iter().map(|entry| entry.path).collect();
    assert_eq!(names, [crate::support::service::in_folder("copy.odt")]);
    row.tell("1 revision of the same file; 1 attached");
}
