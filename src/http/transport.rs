//! The bottom of the stack: one try of one request over the network.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream, StreamExt};
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderMap, HeaderValue};
use reqwest::{Method, Url};
use tokio::time::Instant;

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::address::{check_allowed, is_loopback};
use crate::http::client::{ClientSettings, Deadlines};
use crate::http::request::{Answer, Request};
use crate::http::response::{Response, ResponseBody};

/// Most bytes of a failure's body when a stream was asked for: only its first sentence is of use.
const FAILURE_BYTES_MAX: usize = 64 << 10;

/// An idle connection is closed after this time, before most servers would do it (a race that costs a lost answer).
const POOL_IDLE: Duration = Duration::from_secs(20);

/// One operation on its way through the layers.
pub(super) struct Exchange {
    pub(super) request: Request,
    /// Where it goes; after a redirect not where the request said.
    pub(super) url: Url,
    pub(super) credentials: HeaderMap,
    pub(super) masks: Vec<String>,
    /// When the caller's patience ends. `None` for transfers of any size.
    pub(super) deadline: Option<Instant>,
    pub(super) progress: Progress,
    /// This try may have reached the service.
    pub(super) started: bool,
}

impl Exchange {
    pub(super) fn new(request: Request, url: Url) -> Exchange {
        Exchange {
            request,
            url,
            credentials: HeaderMap::new(),
            masks: Vec::new(),
            deadline: None,
            progress: Progress::new(),
            started: false,
        }
    }

    /// Marks an error as unclear if this try may have changed something.
    pub(super) fn judged(&self, error: Error) -> Error {
        if self.started && self.request.changes() { error.unclear() } else { error }
    }

    pub(super) fn host(&self) -> &str {
        self.url.host_str().unwrap_or("?")
    }
}

/// When a try last moved a byte in either direction.
#[derive(Clone)]
pub(super) struct Progress(Arc<Mutex<Instant>>);

impl Progress {
    pub(super) fn new() -> Progress {
        Progress(Arc::new(Mutex::new(Instant::now())))
    }

    pub(super) fn touch(&self) {
        *self.0.lock().unwrap_or_else(|e| e.into_inner()) = Instant::now();
    }

    pub(super) fn last(&self) -> Instant {
        *self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

pub(super) struct Transport {
    http: reqwest::Client,
    /// Sent with every request, to every host.
    headers: HeaderMap,
    deadlines: Deadlines,
}

impl Transport {
    pub(super) fn new(settings: &ClientSettings) -> Result<Transport> {
        // Whoever comes first decides for the process; all of ours decide the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(&settings.user_agent)
            .connect_timeout(settings.deadlines.connect)
            .pool_idle_timeout(POOL_IDLE)
            .tcp_keepalive(Duration::from_secs(30))
            .http2_adaptive_window(true);
        if is_loopback(&settings.base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|e| Error::new(ErrorKind::Invalid, root_cause(&e)))?;
        let mut headers = settings.headers.clone();
        // Lengths must mean what they say.
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        Ok(Transport { http, headers, deadlines: settings.deadlines })
    }

    pub(super) async fn send(&self, exchange: &mut Exchange) -> Result<Response> {
        check_allowed(&exchange.url)?;
        let (request, fault) = self.build(exchange)?;
        exchange.progress.touch();
        exchange.started = true;
        let answered = match self.http.execute(request).await {
            Ok(answered) => answered,
            Err(error) => {
                // A body that we broke off ourselves, and a connection that never was, had no effect.
                let local = fault.take();
                exchange.started = local.is_none() && !error.is_connect();
                return Err(local.unwrap_or_else(|| exchange.judged(network_error(error, exchange.host()))));
            }
        };
        exchange.progress.touch();
        self.receive(exchange, answered).await
    }

    fn build(&self, exchange: &Exchange) -> Result<(reqwest::Request, crate::http::body::LocalFault)> {
        let Exchange { request, url, credentials, progress, .. } = exchange;
        let (body, fault) = request.body.open(progress);
        let mut built = reqwest::Request::new(request.method.clone(), url.clone());
        *built.body_mut() = Some(body);
        let headers = built.headers_mut();
        for source in [&self.headers, &request.headers, credentials] {
            for (name, value) in source {
                headers.insert(name.clone(), value.clone());
            }
        }
        if request.body.len() > 0 || matches!(request.method, Method::POST | Method::PUT | Method::PATCH) {
            headers.insert(CONTENT_LENGTH, request.body.len().into());
        }
        Ok((built, fault))
    }

    async fn receive(&self, exchange: &Exchange, answered: reqwest::Response) -> Result<Response> {
        let status = answered.status();
        let headers = answered.headers().clone();
        let body = match exchange.request.answer {
            Answer::Streamed if status.is_success() => {
                ResponseBody::stream(self.stream(answered, exchange.host().to_owned()))
            }
            Answer::Streamed => ResponseBody::Whole(beginning(answered, exchange).await),
            Answer::Whole { .. } if !status.is_success() => ResponseBody::Whole(beginning(answered, exchange).await),
            Answer::Whole { bytes_max } => {
                ResponseBody::Whole(whole(answered, exchange, bytes_max).await.map_err(|e| exchange.judged(e))?)
            }
        };
        Ok(Response {
            status,
            headers,
            url: exchange.url.clone(),
            body,
            changes: exchange.request.changes(),
            masks: exchange.masks.clone(),
        })
    }

    /// The body piece by piece; each piece has its deadline.
    fn stream(&self, answered: reqwest::Response, host: String) -> BoxStream<'static, Result<Bytes>> {
        let idle = self.deadlines.idle;
        let pieces = stream::try_unfold((answered, host), move |(mut answered, host)| async move {
            match tokio::time::timeout(idle, answered.chunk()).await {
                Ok(Ok(Some(chunk))) => Ok(Some((chunk, (answered, host)))),
                Ok(Ok(None)) => Ok(None),
                Ok(Err(error)) => Err(broken_off(&error, &host)),
                Err(_) => fail(ErrorKind::TimedOut, format!("{host} sent nothing for {} s", idle.as_secs())),
            }
        });
        pieces.boxed()
    }
}

/// The body in memory. Errors: `Protocol` when it broke off or is larger than `bytes_max`.
async fn whole(mut answered: reqwest::Response, exchange: &Exchange, bytes_max: usize) -> Result<Bytes> {
    let too_large = || Error::new(ErrorKind::Protocol, format!("the answer is larger than {bytes_max} bytes"));
    if answered.content_length().is_some_and(|length| length > bytes_max as u64) {
        return Err(too_large());
    }
    let mut body = BytesMut::new();
    while let Some(chunk) = answered.chunk().await.map_err(|e| broken_off(&e, exchange.host()))? {
        exchange.progress.touch();
        if body.len() + chunk.len() > bytes_max {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

/// What came of a failure's body: its status counts, so that a broken body is no further failure.
async fn beginning(mut answered: reqwest::Response, exchange: &Exchange) -> Bytes {
    let mut body = BytesMut::new();
    while let Ok(Some(chunk)) = answered.chunk().await {
        exchange.progress.touch();
        let room = FAILURE_BYTES_MAX - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    body.freeze()
}

fn broken_off(error: &reqwest::Error, host: &str) -> Error {
    Error::new(ErrorKind::Protocol, format!("the answer of {host} broke off: {}", root_cause(error)))
}

fn network_error(error: reqwest::Error, host: &str) -> Error {
    let cause = root_cause(&error);
    if error.is_connect() {
        Error::new(ErrorKind::Offline, format!("cannot reach {host}: {cause}"))
    } else if error.is_timeout() {
        Error::new(ErrorKind::TimedOut, format!("{host} did not answer in time"))
    } else {
        Error::new(ErrorKind::Offline, format!("the connection to {host} broke: {cause}"))
    }
}

/// The innermost cause: the outer ones repeat the address, whose query may hold secrets.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
