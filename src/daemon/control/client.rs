//! The command's side of the control socket.

use std::io::{BufRead, BufReader, ErrorKind as Io, Read, Write};
use std::path::Path;

use crate::daemon::control::{Answer, Progress, RESPONSE_BYTES_MAX, Request, Response, SILENCE_MAX, socket};
use crate::error::{Error, ErrorKind, Result, fail};

/// Asks the daemon and waits for its final answer, however long it works as long as it gives signs of life.
///
/// Errors: `Offline` when no daemon listens, `TimedOut` when it is silent for 30 seconds, `Protocol` when it speaks
/// another version's language; a failed request is `Invalid` with the daemon's words.
pub fn call(path: &Path, request: &Request, mut on_progress: impl FnMut(Progress)) -> Result<Answer> {
    let mut stream = match socket::connect(path) {
        Ok(stream) => stream,
        Err(e) if matches!(e.kind(), Io::NotFound | Io::ConnectionRefused | Io::ConnectionReset) => {
            return fail(ErrorKind::Offline, format!("no daemon listens at {}; is it mounted?", path.display()));
        }
        Err(e) => return Err(Error::from(e).during("connecting to", path.display())),
    };
    stream.set_read_timeout(Some(SILENCE_MAX))?;
    stream.set_write_timeout(Some(SILENCE_MAX))?;
    let mut line = serde_json::to_vec(request).map_err(|e| Error::new(ErrorKind::Bug, e.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line)?;
    let mut answers = BufReader::new(stream);
    loop {
        match read_response(&mut answers)? {
            Response::Progress(progress) => on_progress(progress),
            Response::Done(answer) => return Ok(answer),
            Response::Failed { message } => return fail(ErrorKind::Invalid, message),
        }
    }
}

fn read_response(answers: &mut impl BufRead) -> Result<Response> {
    let mut line = Vec::new();
    match answers.take(RESPONSE_BYTES_MAX).read_until(b'\n', &mut line) {
        Ok(0) => fail(ErrorKind::Offline, "the daemon ended before it answered; its log says why"),
        Ok(_) => serde_json::from_slice(&line).map_err(|_| {
            Error::new(ErrorKind::Protocol, "the daemon's answer is of another version; unmount and mount again")
        }),
        Err(e) if matches!(e.kind(), Io::WouldBlock | Io::TimedOut) => {
            let silence = SILENCE_MAX.as_secs();
            fail(ErrorKind::TimedOut, format!("the daemon said nothing for {silence} seconds; its log may say why"))
        }
        // It was killed just now.
        Err(e) if e.kind() == Io::ConnectionReset => {
            fail(ErrorKind::Offline, "the daemon was killed before it answered")
        }
        Err(e) => Err(e.into()),
    }
}
