//! `collabfs status`

use std::collections::HashMap;
use std::io::IsTerminal;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::cli::args::StatusArgs;
use crate::cli::locate::{self, Target};
use crate::cli::outbox::to_json;
use crate::cli::{Environment, Outcome, print_line, unexpected_answer};
use crate::daemon::control::{Answer, ChangeState, Request, Status};
use crate::error::Result;

const WATCH_INTERVAL: Duration = Duration::from_millis(500);
/// Bars that fit on a screen.
const BARS_MAX: usize = 10;

pub fn run(args: &StatusArgs, environment: &Environment) -> Result<Outcome> {
    let targets = match &args.path {
        Some(path) => vec![locate::target(path, environment)?],
        None => locate::all(environment)?,
    };
    if targets.is_empty() {
        eprintln!("collabfs: nothing is mounted");
    }
    match args.watch && !targets.is_empty() {
        true => watch(&targets, args.json),
        false => show(&targets, args.json),
    }
}

fn ask(target: &Target) -> Result<Status> {
    match target.call(&Request::Status, |_| ())? {
        Answer::Status(status) => Ok(*status),
        _ => unexpected_answer(),
    }
}

fn show(targets: &[Target], json: bool) -> Result<Outcome> {
    let mut outcome = Outcome::Success;
    for target in targets {
        match ask(target) {
            Ok(status) if json => print_line(to_json(&status)?),
            Ok(status) => print_line(status),
            // One that hangs must not hide how the others are.
            Err(e) if targets.len() > 1 => {
                eprintln!("collabfs: {e}");
                outcome = Outcome::Unfinished;
            }
            Err(e) => return Err(e),
        }
    }
    Ok(outcome)
}

/// Until interrupted, or until the daemon ends.
fn watch(targets: &[Target], json: bool) -> Result<Outcome> {
    let bars = (!json && std::io::stderr().is_terminal()).then(Bars::new);
    let mut last: HashMap<&str, Status> = HashMap::new();
    loop {
        for target in targets {
            let status = ask(target)?;
            if let Some(bars) = &bars {
                bars.of_account(&target.account, &status);
            } else if last.get(&*target.account) != Some(&status) {
                print_line(if json { to_json(&status)? } else { status.to_string() });
                last.insert(&target.account, status);
            }
        }
        std::thread::sleep(WATCH_INTERVAL);
    }
}

/// One line per account, and a bar for each of its running transfers.
struct Bars {
    screen: MultiProgress,
    lines: std::cell::RefCell<HashMap<String, ProgressBar>>,
}

impl Bars {
    fn new() -> Bars {
        Bars { screen: MultiProgress::new(), lines: Default::default() }
    }

    fn of_account(&self, account: &str, status: &Status) {
        let mut lines = self.lines.borrow_mut();
        let line = self.line(&mut lines, account, "{msg}");
        let link = if status.online { "online" } else { "offline" };
        let Status { pending, uploading, failed, .. } = status;
        line.set_message(format!("{account}: {link}, {pending} waiting, {uploading} being sent, {failed} failed"));
        let sending = |state: ChangeState| state == ChangeState::Uploading;
        let running: Vec<_> = status.changes.iter().filter(|c| sending(c.state)).take(BARS_MAX).collect();
        let keys: Vec<String> = running.iter().map(|change| format!("{account}#{}", change.id)).collect();
        let prefix = format!("{account}#");
        lines.retain(|key, bar| {
            let keep = !key.starts_with(&prefix) || keys.contains(key);
            if !keep {
                bar.finish_and_clear();
            }
            keep
        });
        for (change, key) in running.iter().zip(&keys) {
            let bar = self.line(&mut lines, key, "  {bar:30} {bytes}/{total_bytes} {msg}");
            bar.set_length(change.bytes_total);
            bar.set_position(change.bytes_sent);
            bar.set_message(change.path.clone());
        }
    }

    fn line(&self, lines: &mut HashMap<String, ProgressBar>, key: &str, template: &str) -> ProgressBar {
        let new = || {
            let bar = self.screen.add(ProgressBar::new(0));
            bar.set_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar
        };
        lines.entry(key.to_owned()).or_insert_with(new).clone()
    }
}
