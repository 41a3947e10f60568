//! Ending: the mount goes first, then the outbox is emptied, as far as that can be waited for.

use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use super::account::MountedAccount;

/// How often the outbox is looked at while it empties.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Returns when the daemon has nothing left to do: unmounted, and the outbox is empty or has waited long enough.
pub(super) async fn wait(mounted: &MountedAccount, linger: Duration) {
    let mut signals = Signals::listen();
    tokio::select! {
        ended = mounted.session.ended() => {
            if let Err(e) = ended {
                log::error!("{e}");
            }
        }
        () = signals.next() => {
            log::info!("asked to end");
            if let Err(e) = mounted.session.unmount() {
                log::warn!("{e}");
            }
        }
    }
    mounted.set_unmounted();
    tokio::select! {
        () = empty_outbox(mounted, linger) => {}
        () = mounted.told_to_leave() => {}
        () = signals.next() => log::info!("asked again to end"),
    }
    let left = mounted.fs.count_changes("");
    let left = left.pending + left.uploading + left.failed;
    if left > 0 {
        log::warn!("{left} changes are not on the service yet; they go on at the next mount");
    }
}

async fn empty_outbox(mounted: &MountedAccount, linger: Duration) {
    mounted.fs.hurry(true);
    let end = Instant::now() + linger;
    while Instant::now() < end {
        let counted = mounted.fs.count_changes("");
        if counted.pending + counted.uploading == 0 {
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

/// SIGTERM, SIGINT and SIGHUP; without them a daemon that cannot listen is ended by the kernel, and nothing is lost.
struct Signals(Vec<Signal>);

impl Signals {
    fn listen() -> Signals {
        let kinds = [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()];
        Signals(kinds.into_iter().filter_map(|kind| signal(kind).ok()).collect())
    }

    async fn next(&mut self) {
        let any = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(any).await;
    }
}
