//! `collabfs sync`

use std::time::Duration;

use crate::cli::args::SyncArgs;
use crate::cli::progress::ProgressLine;
use crate::cli::{Environment, Outcome, locate, unexpected_answer};
use crate::daemon::control::{Answer, ChangeStatus, Request};
use crate::error::Result;

pub fn run(args: &SyncArgs, environment: &Environment) -> Result<Outcome> {
    let targets = match &args.path {
        Some(path) => vec![locate::target(path, environment)?],
        None => locate::all(environment)?,
    };
    let mut outcome = Outcome::Success;
    for target in &targets {
        let left = wait(target, args.timeout)?;
        if !left.is_empty() {
            eprintln!("collabfs: {} changes of account {} are not on the service:", left.len(), target.account);
            left.iter().for_each(|change| eprintln!("  {change}"));
            outcome = Outcome::Unfinished;
        }
    }
    Ok(outcome)
}

fn wait(target: &locate::Target, timeout: Option<Duration>) -> Result<Vec<ChangeStatus>> {
    let line = ProgressLine::new(&target.account);
    let timeout_ms = timeout.map(|t| u64::try_from(t.as_millis()).unwrap_or(u64::MAX));
    let request = Request::Sync { path: target.path.clone(), timeout_ms };
    match target.call(&request, |progress| line.show(&progress))? {
        Answer::Changes(left) => Ok(left),
        _ => unexpected_answer(),
    }
}
