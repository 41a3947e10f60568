//! `collabfs check`: signs in, lists the top directory, and says what the account can do.

use futures::StreamExt;

use crate::cli::args::{CheckArgs, MountArgs};
use crate::cli::{Environment, Outcome, logging, mount, print_line};
use crate::error::{Error, ErrorKind, Result};
use crate::http::Instruments;
use crate::person;
use crate::provider::{Capabilities, ListPart, ListRequest, Operation, Provider};
use crate::services::registry::{self, ServiceOptions};

/// Names shown; the rest is counted.
const NAMES_SHOWN: usize = 10;

pub fn run(args: &CheckArgs, environment: &Environment) -> Result<Outcome> {
    let as_mount = MountArgs {
        account: args.account.clone(),
        config: args.config.clone(),
        state_dir: args.state_dir.clone(),
        ..MountArgs::default()
    };
    let request =
        mount::request(&as_mount, &environment.base, &environment.current_dir, (environment.uid, environment.gid))?;
    crate::config::places::make_private_dir(&request.places.state_dir)?;
    let options = ServiceOptions {
        attachments: request.options.attachments,
        timeout: request.options.timeout,
        state_dir: request.places.state_dir,
        instruments: Instruments::default(),
    };
    // What the log would say, a person who checks wants to see; and where to sign in.
    logging::to_stderr(environment.log_filter.as_deref().or(Some("error")));
    person::heard_by(|text| eprintln!("{text}"));
    let provider = registry::open(&request.account, &options)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    print_line(format!("account {} ({}) at {}", request.account.name, request.account.service, request.account.url));
    let deadline = 2 * request.options.timeout + provider.sign_in_patience().unwrap_or_default();
    runtime.block_on(async {
        match tokio::time::timeout(deadline, look(&*provider)).await {
            Ok(looked) => looked,
            Err(_) => Err(Error::new(ErrorKind::TimedOut, "the service did not answer in time; is the url right?")),
        }
    })?;
    print_line(describe(&provider.capabilities()));
    Ok(Outcome::Success)
}

async fn look(provider: &dyn Provider) -> Result<()> {
    let info = provider.sign_in().await?;
    print_line(format!("signed in{}", info.user.map(|user| format!(" as {user}")).unwrap_or_default()));
    let root = provider.root();
    let mut parts = provider.list(&root.id, ListRequest::default());
    let (mut names, mut count) = (Vec::new(), 0);
    while let Some(part) = parts.next().await {
        if let ListPart::Entries { entries, .. } = part? {
            count += entries.len();
            let room = NAMES_SHOWN - names.len();
            names.extend(entries.into_iter().map(|entry| entry.name).take(room));
        }
    }
    print_line(format!("{count} entries at the top"));
    names.iter().for_each(|name| print_line(format!("  {name}")));
    if count > names.len() {
        print_line(format!("  and {} more", count - names.len()));
    }
    Ok(())
}

/// What works and what does not, in the words of shell commands.
fn describe(capabilities: &Capabilities) -> String {
    let operations = [
        (Operation::Read, "read files"),
        (Operation::CreateFile, "create files"),
        (Operation::Revise, "save new revisions"),
        (Operation::MakeDir, "make directories"),
        (Operation::Rename, "rename"),
        (Operation::Move, "move to another directory"),
        (Operation::Delete, "delete"),
        (Operation::Describe, "set descriptions"),
    ];
    let more = [
        (capabilities.versions, "list and read old revisions"),
        (capabilities.changes, "tell what changed (change feed)"),
        (capabilities.ranges, "read parts of files"),
        (capabilities.reservations, "reserve files"),
    ];
    let offered = |operation: Operation| capabilities.operations.has(operation);
    let all = operations.iter().map(|(o, words)| (offered(*o), capabilities.unproven.has(*o), *words));
    let all: Vec<_> = all.chain(more.iter().map(|(can, words)| (*can, false, *words))).collect();
    let lines = |title: &str, chosen: &dyn Fn(bool, bool) -> bool| {
        let words: Vec<&str> =
            all.iter().filter(|(can, unsure, _)| chosen(*can, *unsure)).map(|(_, _, w)| *w).collect();
        (!words.is_empty()).then(|| format!("{title}: {}", words.join(", ")))
    };
    let parts = [
        lines("can", &|can, unsure| can && !unsure),
        lines("probably can (no documentation says so)", &|can, unsure| can && unsure),
        lines("cannot", &|can, _| !can),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join("\n")
}
