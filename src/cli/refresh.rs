//! `collabfs refresh`

use crate::cli::args::PathArgs;
use crate::cli::{Environment, Outcome, locate};
use crate::daemon::control::Request;
use crate::error::Result;

pub fn run(args: &PathArgs, environment: &Environment) -> Result<Outcome> {
    let target = locate::target(&args.path, environment)?;
    target.call(&Request::Refresh { path: target.path.clone() }, |_| ())?;
    Ok(Outcome::Success)
}
