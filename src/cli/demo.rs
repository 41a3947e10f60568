//! `collabfs demo`: an embedded demo service with sample projects, mounted through the production path.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::{DemoArgs, MountArgs};
use crate::cli::{Environment, Outcome, logging, mount, print_line};
use crate::config::places::make_private_dir;
use crate::daemon;
use crate::demo::{DemoOptions, DemoServer};
use crate::error::{Error, Result};

/// The account's name in the demo's own configuration.
pub const ACCOUNT: &str = "demo";
/// Only what matters: the terminal is for the person who tries it.
const LOG_FILTER: &str = "warn";

pub fn run(args: &DemoArgs, environment: &Environment) -> Result<Outcome> {
    logging::to_stderr(environment.log_filter.as_deref().or(Some(LOG_FILTER)));
    let service = service_or_first(args.service.as_deref());
    let place = environment.base.data.join("collabfs/demo").join(&service);
    make_private_dir(&place)?;
    let options = DemoOptions {
        data_dir: Some(place.join("data")),
        latency: Duration::from_millis(args.latency),
        ..DemoOptions::new(service)
    };
    // The service lives on this runtime's threads while the mount has the main thread.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let server = runtime.block_on(DemoServer::start(options))?;
    let mounted = mount_it(args, environment, &place, &server);
    runtime.block_on(server.stop())?;
    mounted.map(|()| Outcome::Success)
}

pub fn service_or_first(service: Option<&str>) -> String {
    let first = || crate::demo::dialects().first().map(|dialect| dialect.name().to_owned());
    service.map(str::to_owned).or_else(first).unwrap_or_default()
}

fn mount_it(args: &DemoArgs, environment: &Environment, place: &Path, server: &DemoServer) -> Result<()> {
    let config = place.join("config.toml");
    write_private(&config, &format!("[accounts.{ACCOUNT}]\n{}", server.account_toml()))
        .map_err(|e| Error::from(e).during("writing", config.display()))?;
    let mountpoint = args.mountpoint.clone().unwrap_or_else(|| environment.base.home.join("collabfs-demo"));
    let mountpoint = environment.current_dir.join(mountpoint);
    make_mountpoint(&mountpoint)?;
    let as_mount = MountArgs {
        account: ACCOUNT.into(),
        mountpoint,
        options: args.options.clone(),
        foreground: true,
        config: Some(config),
        state_dir: Some(place.join("state")),
        cache_dir: Some(place.join("cache")),
    };
    let request = mount::prepared(&as_mount, environment)?;
    let welcome = welcome(&request.mountpoint, server)?;
    daemon::mount(request, Box::new(move || print_line(welcome)))
}

/// A dead mount of an earlier demo is not a missing directory: `mount::prepared` says what to do about it.
fn make_mountpoint(mountpoint: &Path) -> Result<()> {
    match mountpoint.symlink_metadata() {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => make_private_dir(mountpoint),
        _ => Ok(()),
    }
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = File::options().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

fn welcome(mountpoint: &Path, server: &DemoServer) -> Result<String> {
    let snapshot = server.snapshot()?;
    let files = snapshot.files();
    let is_text = |path: &&&str| path.ends_with(".txt") || path.ends_with(".md");
    let document = files.iter().find(is_text).or(files.first()).copied().unwrap_or("Project/document.txt");
    let program = std::env::current_exe().unwrap_or_else(|_| PathBuf::from("collabfs"));
    Ok(suggestions(mountpoint, document, &program, (server.url(), server.lists_revisions())))
}

/// Five things to try, as commands that can be copied. `document` is a path below the mount point.
fn suggestions(mountpoint: &Path, document: &str, program: &Path, (url, history): (&str, bool)) -> String {
    let file = mountpoint.join(document);
    let folder = quoted(file.parent().unwrap_or(mountpoint));
    // Every service takes it: a file with an extension, and beside others.
    let copy = quoted(&file.with_file_name("os-release.txt"));
    let (top, file, program) = (quoted(mountpoint), quoted(&file), quoted(program));
    let fourth = match history {
        true => format!("see its revisions      {program} history {file}"),
        false => format!("find it again          grep -rl 'one more line' {folder}"),
    };
    format!(
        "The demo service at {url} is mounted at {top}. Ctrl-C unmounts and stops it; what you did is kept.\n\
         \n\
         Five things to try in another terminal:\n\
         \n\
         1. look around            ls -lR {top}\n\
         2. copy a document in     cp /etc/os-release {copy}\n\
         3. save a new revision    echo 'one more line' >> {file}; {program} sync {top}\n\
         4. {fourth}\n\
         5. watch it work          {program} status --watch {top}\n"
    )
}

/// As a shell takes it back.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+".contains(c);
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggestions_can_be_pasted_into_a_shell() {
        let of = |history| {
            let (mountpoint, program) = (Path::new("/home/ann/it's"), Path::new("/bin/collabfs"));
            suggestions(mountpoint, "Web site/notes.txt", program, ("http://x", history))
        };
        let (with, without) = (of(true), of(false));
        assert!(with.contains(r"/bin/collabfs history '/home/ann/it'\''s/Web site/notes.txt'"), "{with}");
        assert!(with.contains(r"cp /etc/os-release '/home/ann/it'\''s/Web site/os-release.txt'"), "{with}");
        assert!(without.contains(r"grep -rl 'one more line' '/home/ann/it'\''s/Web site'"), "{without}");
        assert!(!without.contains("history"), "{without}");
    }
}
