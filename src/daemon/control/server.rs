//! The daemon's side of the control socket.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::daemon::control::{
    Answer, Control, HEARTBEAT, Progress, REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX, Request, Response, SILENCE_MAX,
};
use crate::error::{Error, ErrorKind, Result, fail};

/// Commands served at the same time; more wait for their turn.
const CONNECTIONS_MAX: usize = 16;
/// A command sends its one line at once.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);

/// For so long a daemon that ends waits for its last answers to be read.
const LAST_ANSWERS_DEADLINE: Duration = Duration::from_secs(2);

/// Serves commands until `end` resolves, and then finishes what it was about to answer.
pub async fn serve(listener: UnixListener, control: Arc<dyn Control>, end: impl Future<Output = ()>) {
    let mut connections = tokio::task::JoinSet::new();
    tokio::select! {
        () = accept(&listener, &control, &mut connections) => {}
        () = end => {}
    }
    drop(listener);
    let last = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(LAST_ANSWERS_DEADLINE, last).await.is_err() {
        log::debug!("control socket: a command did not wait for its answer");
    }
}

async fn accept(listener: &UnixListener, control: &Arc<dyn Control>, connections: &mut JoinSet<()>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        // The semaphore is never closed.
        let Ok(slot) = slots.clone().acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let control = control.clone();
                connections.spawn(async move {
                    if let Err(e) = serve_one(stream, &*control).await {
                        log::debug!("control socket: {e}");
                    }
                    drop(slot);
                });
            }
            Err(e) => {
                log::warn!("control socket: cannot accept: {e}");
                // Out of file descriptors, most likely: that lasts.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn serve_one(stream: UnixStream, control: &dyn Control) -> Result<()> {
    // SAFETY: a plain system call that cannot fail.
    let owner = unsafe { libc::geteuid() };
    let peer = stream.peer_cred()?.uid();
    let (reading, mut writing) = stream.into_split();
    if peer != owner && peer != 0 {
        let message = format!("user {peer} may not control a daemon of user {owner}");
        return send(&mut writing, &Response::Failed { message }).await;
    }
    let (request, reading) = match tokio::time::timeout(REQUEST_DEADLINE, read_request(reading)).await {
        Ok(read) => read?,
        Err(_) => return fail(ErrorKind::TimedOut, "no request came"),
    };
    let response = match answer(request, control, reading, &mut writing).await? {
        Ok(answer) => Response::Done(answer),
        Err(e) => Response::Failed { message: e.to_string() },
    };
    send(&mut writing, &response).await
}

async fn read_request(reading: OwnedReadHalf) -> Result<(Request, OwnedReadHalf)> {
    let mut line = Vec::new();
    let mut limited = BufReader::new(reading.take(REQUEST_BYTES_MAX));
    limited.read_until(b'\n', &mut line).await?;
    let request = serde_json::from_slice(&line).map_err(|e| Error::new(ErrorKind::Protocol, e.to_string()))?;
    Ok((request, limited.into_inner().into_inner()))
}

/// Works on the request while it gives signs of life. The outer error means that the command is gone.
async fn answer(
    request: Request,
    control: &dyn Control,
    mut reading: OwnedReadHalf,
    writing: &mut OwnedWriteHalf,
) -> Result<Result<Answer>> {
    let (progress, mut seen) = watch::channel(Progress::default());
    let work = perform(request, control, &progress);
    tokio::pin!(work);
    let mut beat = tokio::time::interval(HEARTBEAT);
    beat.tick().await;
    let mut more = [0; 1];
    loop {
        tokio::select! {
            done = &mut work => return Ok(done),
            _ = beat.tick() => {
                let now = seen.borrow_and_update().clone();
                send(writing, &Response::Progress(now)).await?;
            }
            // One request per connection: nothing more comes but the end.
            _ = reading.read(&mut more) => return fail(ErrorKind::Offline, "the command went away"),
        }
    }
}

async fn perform(request: Request, control: &dyn Control, progress: &watch::Sender<Progress>) -> Result<Answer> {
    Ok(match request {
        Request::Status => Answer::Status(Box::new(control.status().await?)),
        Request::Sync { path, timeout_ms } => {
            let timeout = timeout_ms.map(Duration::from_millis);
            Answer::Changes(control.sync(&path, timeout, progress).await?)
        }
        Request::Refresh { path } => {
            control.refresh(&path).await?;
            Answer::Done
        }
        Request::History { path } => Answer::Revisions(control.history(&path).await?),
        Request::Restore { path, number } => {
            control.restore(&path, number).await?;
            Answer::Done
        }
        Request::OutboxList { after } => Answer::Changes(control.outbox_list(after).await?),
        Request::OutboxRetry { ids } => Answer::Count(control.outbox_retry(&ids).await?),
        Request::OutboxDiscard { ids } if ids.is_empty() => {
            return fail(ErrorKind::Invalid, "which changes? name their ids, as `collabfs outbox list` shows them");
        }
        Request::OutboxDiscard { ids } => Answer::Count(control.outbox_discard(&ids).await?),
        Request::OutboxExport { ids, dir } => Answer::Files(control.outbox_export(&ids, &dir).await?),
        Request::Unmount { now } => Answer::Changes(control.unmount(now, progress).await?),
    })
}

async fn send(writing: &mut OwnedWriteHalf, response: &Response) -> Result<()> {
    let mut line = serde_json::to_vec(response).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
    if line.len() as u64 >= RESPONSE_BYTES_MAX {
        let message = "the answer is too long for one line; ask for less".to_owned();
        line =
            serde_json::to_vec(&Response::Failed { message }).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
    }
    line.push(b'\n');
    match tokio::time::timeout(SILENCE_MAX, writing.write_all(&line)).await {
        Ok(written) => Ok(written?),
        Err(_) => fail(ErrorKind::TimedOut, "the command does not read"),
    }
}
