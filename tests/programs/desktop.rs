//! A display that nobody looks at, and editors with windows.

use std::time::Duration;

use crate::row::Row;
use crate::support::Setup;

/// Runs a shell script with a display and a session bus of its own; both end with it. Functions for the script:
/// `window NAME` waits for a window and gives it the keys; `wait_for COMMAND...` repeats it until it succeeds.
const SESSION: &str = r#"
export XDG_RUNTIME_DIR="$LOCAL/session" XDG_CONFIG_HOME="$LOCAL/.config" NO_AT_BRIDGE=1 GVFS_DISABLE_FUSE=1
mkdir -p -m 700 "$XDG_RUNTIME_DIR"
Xvfb -displayfd 3 -screen 0 1024x768x24 -nolisten tcp 3> "$LOCAL/display" 2> /dev/null &
screen=$!
trap 'kill $screen || true' EXIT
wait_for() { for _ in $(seq 500); do "$@" > /dev/null 2>&1 && return; sleep 0.05; done; echo "never: $*"; return 1; }
window() {
    local id
    id=$(timeout 30 xdotool search --sync --onlyvisible --name "$1" | head -1)
    xdotool windowfocus --sync "$id"
}
export -f wait_for window
wait_for test -s "$LOCAL/display"
export DISPLAY=":$(cat "$LOCAL/display")"
cat > "$LOCAL/script" << 'SCRIPT'
set -euo pipefail
SCRIPT_TEXT
SCRIPT
timeout 120 dbus-run-session -- bash "$LOCAL/script" 2> "$LOCAL/session.log" || { cat "$LOCAL/session.log"; exit 1; }
"#;

pub fn patient() -> Setup {
    Setup { deadline: Duration::from_secs(300), ..Setup::default() }
}

pub fn in_session(row: &Row, script: &str) -> String {
    row.shell(&SESSION.replace("SCRIPT_TEXT", script))
}

/// Opens the document in an editor with a window, types in front of it, saves and ends the editor; twice.
fn types_and_saves(program: &'static str, command: &str) {
    let row = Row::with(program, "letter.txt", b"Dear Bob\n", patient());
    for save in 1..=2 {
        in_session(
            &row,
            &format!(
                "{command} letter.txt & editor=$!
                 window letter.txt
                 xdotool key ctrl+Home type 'save {save} '
                 xdotool key ctrl+s
                 wait_for grep -q 'save {save} ' letter.txt
                 kill $editor || true; wait $editor || true"
            ),
        );
        let bytes = row.saved_as_shown(save);
        assert!(String::from_utf8(bytes).unwrap().starts_with(&format!("save {save} ")));
    }
    row.only_the_document(2);
}

#[test]
fn mousepad() {
    types_and_saves("mousepad", "mousepad");
}

/// With its swap file beside the document.
#[test]
fn kate() {
    types_and_saves("kate", "kate --new --startanon");
}
