//! `collabfs demo-service`: only the demo service, for trying things and for tests of other programs.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

use crate::cli::args::DemoServiceArgs;
use crate::cli::{Environment, Outcome, demo, logging, print_line};
use crate::demo::{DemoOptions, DemoServer, FaultRule};
use crate::error::Result;

pub fn run(args: &DemoServiceArgs, environment: &Environment) -> Result<Outcome> {
    logging::to_stderr(environment.log_filter.as_deref());
    let faults: Result<Vec<FaultRule>> = args.faults.iter().map(|rule| rule.parse()).collect();
    let options = DemoOptions {
        listen: args.listen,
        data_dir: args.data.as_ref().map(|dir| environment.current_dir.join(dir)),
        latency: Duration::from_millis(args.latency),
        page_size: args.page_size,
        faults: faults?,
        seed_samples: !args.empty,
        ..DemoOptions::new(demo::service_or_first(args.service.as_deref()))
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(serve(options))?;
    Ok(Outcome::Success)
}

async fn serve(options: DemoOptions) -> Result<()> {
    // Before anything is printed: whoever reads the address may stop us at once.
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    let server = DemoServer::start(options).await?;
    // A configuration: what is no setting is a comment.
    print_line(format!("# demo service at {}, data in {}", server.url(), server.data_dir().display()));
    print_line(format!("[accounts.{}]\n{}", demo::ACCOUNT, server.account_toml()));
    tokio::select! {
        _ = terminated.recv() => {}
        _ = interrupted.recv() => {}
    }
    server.stop().await
}
