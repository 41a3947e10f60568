//! `collabfs outbox`: changes that wait or failed, and what a person decides about them.

use std::path::Path;

use crate::cli::args::{OutboxAction, OutboxArgs};
use crate::cli::locate::{self, Target};
use crate::cli::{Environment, Outcome, print_line, unexpected_answer};
use crate::daemon::control::{Answer, CHANGES_MAX, Request};
use crate::error::{Error, ErrorKind, Result, fail};

pub fn run(args: &OutboxArgs, environment: &Environment) -> Result<Outcome> {
    let target = target(args.account.as_deref(), environment)?;
    match &args.action {
        OutboxAction::List { json } => list(&target, *json),
        OutboxAction::Retry { ids } => count(&target, &Request::OutboxRetry { ids: ids.clone() }, "tried again"),
        OutboxAction::Discard { ids } => count(&target, &Request::OutboxDiscard { ids: ids.clone() }, "given up"),
        OutboxAction::Export { dir, ids } => export(&target, &environment.current_dir.join(dir), ids),
    }
}

/// The account named, or the only one.
fn target(account: Option<&str>, environment: &Environment) -> Result<Target> {
    if let Some(account) = account {
        return locate::of_account(account, environment);
    }
    let mut all = locate::all(environment)?;
    match all.len() {
        1 => Ok(all.remove(0)),
        0 => fail(ErrorKind::Offline, "nothing is mounted; mount the account, its changes are kept until then"),
        _ => {
            let names: Vec<&str> = all.iter().map(|t| &*t.account).collect();
            fail(ErrorKind::Invalid, format!("which account? say --account with one of {}", names.join(", ")))
        }
    }
}

fn list(target: &Target, json: bool) -> Result<Outcome> {
    let mut after = 0;
    loop {
        let Answer::Changes(changes) = target.call(&Request::OutboxList { after }, |_| ())? else {
            return unexpected_answer();
        };
        for change in &changes {
            match json {
                true => print_line(to_json(change)?),
                false => print_line(change),
            }
        }
        match changes.last() {
            Some(last) if changes.len() >= CHANGES_MAX && last.id > after => after = last.id,
            _ => return Ok(Outcome::Success),
        }
    }
}

pub fn to_json(value: &impl serde::Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))
}

fn count(target: &Target, request: &Request, done: &str) -> Result<Outcome> {
    match target.call(request, |_| ())? {
        Answer::Count(count) => print_line(format!("{count} changes {done}")),
        _ => return unexpected_answer(),
    }
    Ok(Outcome::Success)
}

fn export(target: &Target, dir: &Path, ids: &[u64]) -> Result<Outcome> {
    crate::config::places::make_private_dir(dir)?;
    match target.call(&Request::OutboxExport { ids: ids.to_vec(), dir: dir.into() }, |_| ())? {
        Answer::Files(files) => files.iter().for_each(|file| print_line(file.display())),
        _ => return unexpected_answer(),
    }
    Ok(Outcome::Success)
}
