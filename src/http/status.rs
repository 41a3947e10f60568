//! What an answer's status means: one table for all services, with room for each one's own readings.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};

use crate::error::{Advice, Error, ErrorKind};

/// A service's own readings of statuses; what is not in it is read by [`status_kind`].
pub type StatusTable = &'static [(u16, ErrorKind)];

/// Longest time that a service is believed when it asks us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(15 * 60);

/// How a failure's status is read where a service says nothing else (RFC 9110, 4918, 6585).
pub fn status_kind(status: u16) -> ErrorKind {
    match status {
        401 => ErrorKind::SignedOut,
        403 => ErrorKind::Denied,
        404 | 410 => ErrorKind::NotFound,
        405 | 501 => ErrorKind::Unsupported,
        408 => ErrorKind::TimedOut,
        409 | 412 => ErrorKind::Conflict,
        413 => ErrorKind::TooLarge,
        423 => ErrorKind::Locked,
        429 => ErrorKind::RateLimited,
        507 => ErrorKind::Quota,
        // A form of request that the service does not take is our fault: repeating does not help.
        411 | 415 => ErrorKind::Bug,
        400 | 402..=499 => ErrorKind::Invalid,
        500..=599 => ErrorKind::Server,
        _ => ErrorKind::Protocol,
    }
}

/// The error of an answer that is no success. Advice comes from `Retry-After` if there is one.
pub(super) fn status_error(status: StatusCode, headers: &HeaderMap, table: StatusTable, excerpt: &str) -> Error {
    let code = status.as_u16();
    let kind = table.iter().find(|(s, _)| *s == code).map_or_else(|| status_kind(code), |(_, kind)| *kind);
    let reason = status.canonical_reason().unwrap_or("");
    let mut detail = format!("the service answered {code} {reason}").trim_end().to_owned();
    if !excerpt.is_empty() {
        detail = format!("{detail}: {excerpt}");
    }
    let error = Error::new(kind, detail);
    match retry_after(headers, SystemTime::now()) {
        Some(wait) if error.is_temporary() => error.with_advice(Advice::AgainAfter(wait)),
        _ => error,
    }
}

/// Whether an answer of this status says that the request was not carried out, so that it may be sent again.
pub(super) fn certainly_not_done(status: StatusCode, headers: &HeaderMap) -> bool {
    let busy = status == StatusCode::SERVICE_UNAVAILABLE && headers.contains_key(RETRY_AFTER);
    // 4xx but 408 and 501 are refusals; the other 5xx may come after the work was done (or from a proxy on the way).
    let refused = status.is_client_error() && status != StatusCode::REQUEST_TIMEOUT;
    busy || refused || status == StatusCode::NOT_IMPLEMENTED || status.is_redirection()
}

/// How long `Retry-After` asks to wait: seconds or an HTTP date (RFC 9110, section 10.2.3). `None` without one.
pub fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => httpdate::parse_http_date(text).ok()?.duration_since(now).unwrap_or_default(),
    };
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(retry_after: &str) -> HeaderMap {
        HeaderMap::from_iter([(RETRY_AFTER, retry_after.parse().unwrap())])
    }

    #[test]
    fn retry_after_is_read_as_seconds_or_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(retry_after(&headers("7"), now), Some(Duration::from_secs(7)));
        let date = httpdate::fmt_http_date(now + Duration::from_secs(90));
        assert_eq!(retry_after(&headers(&date), now), Some(Duration::from_secs(90)));
        let past = httpdate::fmt_http_date(now - Duration::from_secs(90));
        assert_eq!(retry_after(&headers(&past), now), Some(Duration::ZERO));
        assert_eq!(retry_after(&headers("soon"), now), None);
        assert_eq!(retry_after(&headers("99999999999"), now), Some(RETRY_AFTER_MAX));
    }

    #[test]
    fn a_service_reads_a_status_in_its_own_way() {
        let none = HeaderMap::new();
        let usual = status_error(StatusCode::CONFLICT, &none, &[], "");
        let own = status_error(StatusCode::CONFLICT, &none, &[(409, ErrorKind::Exists)], "taken");
        assert_eq!((usual.kind(), own.kind()), (ErrorKind::Conflict, ErrorKind::Exists));
        assert_eq!(own.to_string(), "the service answered 409 Conflict: taken");
    }

    #[test]
    fn the_services_wish_to_wait_becomes_advice() {
        let error = status_error(StatusCode::TOO_MANY_REQUESTS, &headers("9"), &[], "");
        assert_eq!(error.advice(), Advice::AgainAfter(Duration::from_secs(9)));
        let error = status_error(StatusCode::NOT_FOUND, &headers("9"), &[], "");
        assert_eq!(error.advice(), Advice::Never);
    }

    #[test]
    fn only_a_refusal_says_that_nothing_was_done() {
        let none = HeaderMap::new();
        for status in [400, 401, 404, 405, 409, 429, 501] {
            assert!(certainly_not_done(StatusCode::from_u16(status).unwrap(), &none), "{status}");
        }
        for status in [408, 500, 502, 503, 504] {
            assert!(!certainly_not_done(StatusCode::from_u16(status).unwrap(), &none), "{status}");
        }
        assert!(certainly_not_done(StatusCode::SERVICE_UNAVAILABLE, &headers("1")));
    }
}
