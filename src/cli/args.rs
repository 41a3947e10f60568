//! The command line, as in the README.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

/// Mounts project-collaboration services as ordinary directories.
#[derive(Debug, Parser)]
#[command(name = "collabfs", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Mount an account; returns once the mount answers
    Mount(MountArgs),
    /// Wait until everything is on the service, then unmount
    Umount(UmountArgs),
    /// Wait until every change is on the service; exit 1 and a list if not
    Sync(SyncArgs),
    /// Show what waits, what is being sent and what failed
    Status(StatusArgs),
    /// Ask the service what is in a directory now
    Refresh(PathArgs),
    /// Sign in, list the top directory, and say what the account can do
    Check(CheckArgs),
    /// List the revisions of a file
    History(PathArgs),
    /// Make an old revision the newest one
    Restore(RestoreArgs),
    /// Settle changes that the service still has to learn
    Outbox(OutboxArgs),
    /// Mount an embedded demo service with sample projects
    Demo(DemoArgs),
    /// Run only the demo service, and print the configuration for it
    DemoService(DemoServiceArgs),
}

#[derive(Debug, Clone, Default, PartialEq, Args)]
pub struct MountArgs {
    /// An account of the configuration
    pub account: String,
    /// An existing directory
    pub mountpoint: PathBuf,
    /// Mount options, as for mount(8): -o ro,ttl=30
    #[arg(short = 'o', value_name = "OPTIONS")]
    pub options: Vec<String>,
    /// Stay in the foreground and log to standard error
    #[arg(short, long)]
    pub foreground: bool,
    /// Instead of $XDG_CONFIG_HOME/collabfs/config.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Instead of $XDG_STATE_HOME/collabfs/ACCOUNT
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Instead of $XDG_CACHE_HOME/collabfs/ACCOUNT
    #[arg(long, value_name = "DIR")]
    pub cache_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct UmountArgs {
    pub mountpoint: PathBuf,
    /// Do not wait; what is left goes on at the next mount
    #[arg(long)]
    pub now: bool,
}

#[derive(Debug, Args)]
pub struct SyncArgs {
    /// A path in a mount; without it, everything that is mounted
    pub path: Option<PathBuf>,
    /// Give up after so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub struct StatusArgs {
    /// A path in a mount; without it, everything that is mounted
    pub path: Option<PathBuf>,
    /// One JSON object per account and line
    #[arg(long)]
    pub json: bool,
    /// Go on showing it until interrupted
    #[arg(long)]
    pub watch: bool,
}

#[derive(Debug, Args)]
pub struct PathArgs {
    /// A path in a mount
    pub path: PathBuf,
}

#[derive(Debug, Args)]
pub struct CheckArgs {
    /// An account of the configuration
    pub account: String,
    /// Instead of $XDG_CONFIG_HOME/collabfs/config.toml
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Instead of $XDG_STATE_HOME/collabfs/ACCOUNT
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A file in a mount
    pub path: PathBuf,
    /// Its number, as `collabfs history` shows it
    #[arg(long, value_name = "N")]
    pub revision: u64,
}

#[derive(Debug, Args)]
pub struct OutboxArgs {
    #[command(subcommand)]
    pub action: OutboxAction,
    /// Which account; not needed when only one is mounted
    #[arg(long, value_name = "ACCOUNT", global = true)]
    pub account: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum OutboxAction {
    /// Show all changes with their numbers
    List {
        /// One JSON object per change and line
        #[arg(long)]
        json: bool,
    },
    /// Try failed changes again: these, or all
    Retry { ids: Vec<u64> },
    /// Give failed changes up; their bytes are gone then
    Discard {
        #[arg(required = true)]
        ids: Vec<u64>,
    },
    /// Copy the bytes of changes into a directory: of these, or of all
    Export { dir: PathBuf, ids: Vec<u64> },
}

#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Made if it is missing; ~/collabfs-demo if not told
    pub mountpoint: Option<PathBuf>,
    /// Which service to play; if not told, the first that the demo knows
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// Added to every request, as a far-away service would
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub latency: u64,
    /// Mount options, as for mount(8)
    #[arg(short = 'o', value_name = "OPTIONS")]
    pub options: Vec<String>,
}

#[derive(Debug, Args)]
pub struct DemoServiceArgs {
    /// Which service to play; if not told, the first that the demo knows
    #[arg(long, value_name = "NAME")]
    pub service: Option<String>,
    /// A loopback address; port 0 takes any free one
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Where the data are kept; if not told, they go with the service
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Added to every request, as a far-away service would
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 0)]
    pub latency: u64,
    /// Lowers the service's own page size
    #[arg(long, value_name = "N")]
    pub page_size: Option<usize>,
    /// What goes wrong, as CALLS:FAULT[:WHEN]: upload:503:every=5, *:429+retry-after=2:next=3, list:delay=2s
    #[arg(long = "fault", value_name = "RULE")]
    pub faults: Vec<String>,
    /// Without the sample projects
    #[arg(long)]
    pub empty: bool,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().ok().and_then(|number| Duration::try_from_secs_f64(number).ok());
    seconds.ok_or_else(|| "needs a number of seconds, as in 30 or 0.5".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
