//! The client of one account: its settings, and the stack that every request passes.

use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use reqwest::header::{ACCEPT, HeaderMap, IF_RANGE, LOCATION, RANGE};

use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::address::{check_allowed, is_loopback, same_origin, shown};
use crate::http::auth::{Authorizer, FixedHeaders};
use crate::http::layers::authorize::Authorize;
use crate::http::layers::deadline::{IdleDeadline, WholeDeadline};
use crate::http::layers::faults::{Faults, InjectFaults};
use crate::http::layers::metrics::{Count, Metrics};
use crate::http::layers::pace::Pace;
use crate::http::layers::retry::Retry;
use crate::http::layers::trace::Trace;
use crate::http::layers::{Layer, Next};
use crate::http::request::Request;
use crate::http::response::Response;
use crate::http::transport::{Exchange, Transport};

/// Redirects followed for one request: storage services need one or two.
const HOPS_MAX: usize = 5;

/// What an account's client is made of.
#[derive(Clone)]
pub struct ClientSettings {
    /// The API's base address; request paths are appended to its path.
    pub base: Url,
    pub user_agent: String,
    /// Sent with every request and to every host: nothing secret in here.
    pub headers: HeaderMap,
    pub authorizer: Option<Arc<dyn Authorizer>>,
    pub limits: Limits,
    pub deadlines: Deadlines,
    pub instruments: Instruments,
}

/// How much may be under way at once; a service that answers 429 lowers it for a while.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Small calls, and (counted apart) downloads.
    pub requests_parallel: usize,
    /// Requests that carry a file: counted apart, so that big uploads do not starve listings.
    pub uploads_parallel: usize,
    /// The rate that the service documents, if any.
    pub rate: Option<Rate>,
}

/// So many requests in any span of `per`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    pub requests: u32,
    pub per: Duration,
}

#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    pub connect: Duration,
    /// Longest time in which no byte moves.
    pub idle: Duration,
    /// The same for an upload, whose answer may come long after its last byte: given up too early it is made twice. No
    /// program waits for it.
    pub idle_upload: Duration,
    /// Longest time of a small call in all, with its repetitions.
    pub whole: Duration,
}

/// What watches an account's requests, and in tests disturbs them. Shared by all clients of the account.
#[derive(Debug, Clone, Default)]
pub struct Instruments {
    pub metrics: Metrics,
    pub faults: Faults,
}

impl Deadlines {
    /// Deadlines such that nobody waits longer than the mount's `timeout` for a small call.
    pub fn within(timeout: Duration) -> Deadlines {
        Deadlines {
            // A third: a host that does not answer is tried again before the time is over.
            connect: Duration::from_secs(10).min(timeout / 3),
            idle: Duration::from_secs(60).min(timeout),
            idle_upload: Duration::from_secs(60).min(timeout * 2),
            whole: timeout,
        }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { requests_parallel: 8, uploads_parallel: 4, rate: None }
    }
}

impl ClientSettings {
    /// Errors: `Invalid` when `base` is no address that may be asked.
    pub fn new(base: &str, timeout: Duration) -> Result<ClientSettings> {
        let base: Url =
            base.parse().map_err(|e| Error::new(ErrorKind::Invalid, format!("{base:?} is no address: {e}")))?;
        check_allowed(&base)?;
        Ok(ClientSettings {
            base,
            user_agent: concat!("collabfs/", env!("CARGO_PKG_VERSION")).to_owned(),
            headers: HeaderMap::new(),
            authorizer: None,
            limits: Limits::default(),
            deadlines: Deadlines::within(timeout),
            instruments: Instruments::default(),
        })
    }
}

/// Sends requests. Cheap to clone; clones share limits and connections.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    base: Url,
    authorizer: Arc<dyn Authorizer>,
    layers: Vec<Box<dyn Layer>>,
    transport: Transport,
}

impl Client {
    pub fn new(settings: ClientSettings) -> Result<Client> {
        let transport = Transport::new(&settings)?;
        let ClientSettings { base, authorizer, limits, deadlines, instruments, .. } = settings;
        let authorizer = authorizer.unwrap_or_else(|| Arc::new(FixedHeaders::none()));
        // Outside to inside. The deadline in all is outside of retry, so that waiting between tries counts; pace is
        // inside, so that a repetition waits its turn; authorize lies between, so that each try has fresh credentials
        // and a refusal of them is no failed try.
        let layers: Vec<Box<dyn Layer>> = vec![
            Box::new(Trace::default()),
            Box::new(WholeDeadline(deadlines.whole)),
            Box::new(Retry { waits_max: deadlines.whole }),
            Box::new(Authorize { base: base.clone(), authorizer: authorizer.clone() }),
            Box::new(Pace::new(limits, deadlines.whole)),
            Box::new(IdleDeadline { usual: deadlines.idle, upload: deadlines.idle_upload }),
            Box::new(Count(instruments.metrics)),
            Box::new(InjectFaults(instruments.faults)),
        ];
        Ok(Client(Arc::new(Inner { base, authorizer, layers, transport })))
    }

    pub fn base(&self) -> &Url {
        &self.0.base
    }

    /// Sends a request and gives its answer, whatever its status; redirects are answers too.
    ///
    /// Errors: `Offline`, `TimedOut`, `RateLimited` (we would have to wait longer than the deadline), `Protocol` (a
    /// broken or oversized answer; a web page as the success of a change), `SignedOut`; unclear when the request may have taken effect.
    pub async fn send(&self, request: &Request) -> Result<Response> {
        self.send_to(self.resolve(request)?, request).await
    }

    /// As [`Client::send`], but follows redirects of a reading request. Another origin sees no credentials.
    pub async fn send_following(&self, request: &Request) -> Result<Response> {
        let mut request = request.clone();
        let mut url = self.resolve(&request)?;
        for _ in 0..=HOPS_MAX {
            let response = self.send_to(url.clone(), &request).await?;
            let Some(next) = redirect_target(&response)? else { return Ok(response) };
            if !self.0.authorizer.covers(&self.0.base, &next) || !same_origin(&url, &next) {
                request = without_own_headers(request);
            }
            url = next;
        }
        fail(ErrorKind::Protocol, format!("{} redirects more than {HOPS_MAX} times", shown(&url)))
    }

    /// The address a request goes to. Errors: `Invalid` for one that must not be asked.
    fn resolve(&self, request: &Request) -> Result<Url> {
        let mut url = if request.target.starts_with('/') {
            let text = format!("{}{}", self.0.base.as_str().trim_end_matches('/'), request.target);
            Url::parse(&text)
        } else {
            Url::parse(&request.target)
        }
        .map_err(|e| Error::new(ErrorKind::Invalid, format!("the request {} has no address: {e}", request.kind)))?;
        if !request.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&request.query);
        }
        check_allowed(&url)?;
        Ok(url)
    }

    async fn send_to(&self, url: Url, request: &Request) -> Result<Response> {
        let mut exchange = Exchange::new(request.clone(), url);
        let next = Next { layers: &self.0.layers, transport: &self.0.transport };
        next.send(&mut exchange).await?.no_page_for_a_change()
    }
}

/// Where the answer to a reading request redirects to, if it does; for services whose redirects are worth remembering.
/// Errors: `Protocol` for an address that is none, or that must not be asked.
pub fn redirect_target(response: &Response) -> Result<Option<Url>> {
    let target = match response.header(LOCATION) {
        Some(target) if response.status.is_redirection() && !response.changes => target,
        _ => return Ok(None),
    };
    let Ok(next) = response.url.join(target) else {
        return fail(ErrorKind::Protocol, "the service redirects to something that is no address");
    };
    check_hop(&response.url, &next)?;
    Ok(Some(next))
}

/// A redirect must not lead from an encrypted connection to an open one, nor from the network into this machine.
fn check_hop(from: &Url, to: &Url) -> Result<()> {
    let downgrade = from.scheme() == "https" && to.scheme() != "https";
    if downgrade || (is_loopback(to) && !is_loopback(from)) || check_allowed(to).is_err() {
        return fail(ErrorKind::Protocol, format!("the service redirects to {}, which is not followed", shown(to)));
    }
    Ok(())
}

/// What a foreign host may see of a request's headers: only which bytes are wanted.
fn without_own_headers(mut request: Request) -> Request {
    let harmless = [ACCEPT, RANGE, IF_RANGE];
    request.headers = harmless.iter().filter_map(|n| Some((n.clone(), request.headers.get(n)?.clone()))).collect();
    request
}

#[cfg(test)]
mod tests;
