use std::process::ExitCode;

fn main() -> ExitCode {
    collabfs::cli::run(std::env::args_os().collect())
}
