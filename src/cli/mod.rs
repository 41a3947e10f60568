//! Commands. The only floor that reads the environment, prints, and knows exit codes.

pub mod args;
mod check;
mod demo;
mod demo_service;
mod environment;
mod history;
pub mod locate;
mod logging;
pub mod mount;
pub mod mount_helper;
mod outbox;
mod progress;
mod refresh;
mod status;
mod sync;
mod umount;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::error::{Error, ErrorKind, Result, fail};
use args::{Cli, Command};
pub use environment::Environment;

/// Exit codes, all of them.
const SUCCESS: u8 = 0;
const FAILURE: u8 = 1;
const USAGE: u8 = 2;

/// How a command ended when it ended without an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Success,
    /// It did its work, and has shown that something is left to do.
    Unfinished,
}

/// Runs the command line and says how it went. Errors are one line: what; what to do.
pub fn run(argv: Vec<OsString>) -> ExitCode {
    let command = match mount_helper::parse(&argv) {
        Some(Ok(None)) => return ExitCode::from(SUCCESS),
        Some(Ok(Some(mount))) => Command::Mount(mount),
        Some(Err(e)) => return usage(&e),
        None => match Cli::try_parse_from(&argv) {
            Ok(cli) => cli.command,
            Err(shown) => {
                // Help and version are no errors, and go to standard output.
                let code = if shown.use_stderr() { USAGE } else { SUCCESS };
                // Nobody is left to tell when even this cannot be printed.
                let _ = shown.print();
                return ExitCode::from(code);
            }
        },
    };
    match Environment::of_process().and_then(|environment| perform(command, &environment)) {
        Ok(Outcome::Success) => ExitCode::from(SUCCESS),
        Ok(Outcome::Unfinished) => ExitCode::from(FAILURE),
        Err(e) => {
            eprintln!("collabfs: {e}");
            ExitCode::from(FAILURE)
        }
    }
}

fn usage(error: &Error) -> ExitCode {
    eprintln!("collabfs: {error}");
    ExitCode::from(USAGE)
}

fn perform(command: Command, environment: &Environment) -> Result<Outcome> {
    match command {
        Command::Mount(args) => mount::run(&args, environment),
        Command::Umount(args) => umount::run(&args, environment),
        Command::Sync(args) => sync::run(&args, environment),
        Command::Status(args) => status::run(&args, environment),
        Command::Refresh(args) => refresh::run(&args, environment),
        Command::Check(args) => check::run(&args, environment),
        Command::History(args) => history::run(&args, environment),
        Command::Restore(args) => history::restore(&args, environment),
        Command::Outbox(args) => outbox::run(&args, environment),
        Command::Demo(args) => demo::run(&args, environment),
        Command::DemoService(args) => demo_service::run(&args, environment),
    }
}

/// Prints a line to standard output. When nobody reads it any more (`| head`), the command is over.
fn print_line(line: impl std::fmt::Display) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(i32::from(SUCCESS));
    }
}

/// An answer of another kind than the request has. Both sides are this program, so it is a fault of it.
fn unexpected_answer<T>() -> Result<T> {
    fail(ErrorKind::Bug, "the daemon answered something else than was asked; unmount and mount again")
}
