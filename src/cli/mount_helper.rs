//! What mount(8) passes to a helper: `mount.collabfs ACCOUNT DIR [-sfnv] [-t TYPE] [-o OPTIONS]`, and what
//! mount.fuse(8) passes to a file system: `collabfs ACCOUNT DIR [-o OPTIONS]`.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::cli::args::{Cli, MountArgs};
use crate::config::options::{is_for_others, is_option};
use crate::config::split_options;
use crate::error::{ErrorKind, Result, fail};

/// Names under which this program is a helper of mount(8).
const HELPER_NAMES: &[&str] = &["mount.collabfs", "mount.fuse.collabfs"];
/// Options that name files of ours, for lines in fstab.
pub const PLACE_OPTIONS: &[&str] = &["config", "state_dir", "cache_dir"];

/// The mount that a helper's command line asks for. `None` when it is not a helper's command line; `Some(Ok(None))`
/// when mount(8) only pretends (`-f`).
pub fn parse(argv: &[OsString]) -> Option<Result<Option<MountArgs>>> {
    let program = Path::new(argv.first()?).file_name().and_then(OsStr::to_str).unwrap_or_default();
    let is_helper = HELPER_NAMES.contains(&program) || is_mount_fuse_form(&argv[1..]);
    is_helper.then(|| parse_helper(&argv[1..]))
}

/// `ACCOUNT /DIR ...` without a command of ours.
fn is_mount_fuse_form(arguments: &[OsString]) -> bool {
    let [account, dir, ..] = arguments else { return false };
    let is_command = Cli::command().get_subcommands().any(|c| account == c.get_name()) || account == "help";
    let is_flag = account.to_str().is_none_or(|text| text.starts_with('-'));
    !is_command && !is_flag && Path::new(dir).is_absolute()
}

fn parse_helper(arguments: &[OsString]) -> Result<Option<MountArgs>> {
    let mut mount = MountArgs::default();
    let (mut sloppy, mut pretend, mut plain) = (false, false, Vec::new());
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        match argument.to_str() {
            Some("-o" | "-t" | "-N") => {
                let Some(value) = rest.next() else {
                    return fail(ErrorKind::Invalid, format!("{} needs a value", argument.display()));
                };
                if argument == "-o" {
                    mount.options.push(text_of(value)?);
                }
            }
            Some(flags) if flags.starts_with('-') && flags.len() > 1 => {
                sloppy |= flags.contains('s');
                pretend |= flags.contains('f');
                if let Some(unknown) = flags[1..].chars().find(|c| !"sfnv".contains(*c)) {
                    return fail(ErrorKind::Invalid, format!("unknown flag -{unknown}; put options after -o"));
                }
            }
            _ => plain.push(argument),
        }
    }
    let [account, dir] = plain[..] else {
        return fail(ErrorKind::Invalid, "expected ACCOUNT DIR -o OPTIONS, as from mount(8)");
    };
    // mount.fuse(8) may have written the type before the source.
    let account = text_of(account)?;
    mount.account = account.strip_prefix("collabfs#").unwrap_or(&account).to_owned();
    mount.mountpoint = PathBuf::from(dir);
    if sloppy {
        mount.options = mount.options.iter().map(|text| only_known(text)).collect();
    }
    Ok((!pretend).then_some(mount))
}

fn text_of(argument: &OsStr) -> Result<String> {
    match argument.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => fail(ErrorKind::Invalid, format!("{argument:?} is not UTF-8")),
    }
}

/// mount(8) -s: tolerate options that we do not know.
fn only_known(text: &str) -> String {
    let known = |key: &str| is_option(key) || is_for_others(key) || PLACE_OPTIONS.contains(&key);
    let kept = split_options(text).into_iter().filter(|option| known(&option.key));
    let written = kept.map(|option| match option.value {
        Some(value) => format!("{}={value}", option.key),
        None => option.key,
    });
    written.collect::<Vec<_>>().join(",")
}
