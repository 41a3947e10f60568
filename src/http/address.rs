//! Addresses: which may be asked at all, which may see credentials, and how ids become path segments.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Url;

use crate::error::{ErrorKind, Result, fail};

/// Everything but RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Joins segments to a path with a leading slash, each one escaped.
/// Errors: `Protocol` for a segment that would change which path is meant (empty, `.`, `..`): ids come from a server.
pub fn path(segments: &[&str]) -> Result<String> {
    let mut joined = String::new();
    for segment in segments {
        if matches!(*segment, "" | "." | "..") {
            return fail(
                ErrorKind::Protocol,
                format!("the service named something {segment:?}, which is no usable id"),
            );
        }
        joined.push('/');
        joined.extend(utf8_percent_encode(segment, SEGMENT));
    }
    Ok(joined)
}

/// Whether two addresses share scheme, host and port.
pub fn same_origin(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

/// Refuses addresses that must not be asked: no `http(s)`, plain `http` beyond this machine, credentials inside.
pub(super) fn check_allowed(url: &Url) -> Result<()> {
    let shown = shown(url);
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(url) => {}
        "http" => return fail(ErrorKind::Invalid, format!("{shown}: plain http is allowed for this machine only")),
        other => return fail(ErrorKind::Invalid, format!("an address of scheme {other:?} cannot be asked")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return fail(ErrorKind::Invalid, format!("{shown}: credentials do not belong into an address"));
    }
    Ok(())
}

pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or("");
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// An address fit for logs: without query, fragment and user part, which may hold secrets.
pub(super) fn shown(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
    format!("{}://{host}{port}{}", url.scheme(), url.path())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn ids_are_escaped_and_cannot_climb() {
        assert_eq!(path(&["v1", "folders", "a/b?c ü=", "files"]).unwrap(), "/v1/folders/a%2Fb%3Fc%20%C3%BC%3D/files");
        assert_eq!(path(&["v1", ".."]).unwrap_err().kind(), ErrorKind::Protocol);
        assert_eq!(path(&["v1", ""]).unwrap_err().kind(), ErrorKind::Protocol);
    }

    #[test]
    fn another_port_or_scheme_is_another_origin() {
        assert!(same_origin(&url("https://a.example/x"), &url("https://A.example:443/y?z")));
        for other in ["http://a.example/", "https://a.example:444/", "https://b.a.example/"] {
            assert!(!same_origin(&url("https://a.example/"), &url(other)), "{other}");
        }
    }

    #[test]
    fn plain_http_is_for_this_machine_only() {
        for good in ["https://x.example", "http://127.0.0.1:1", "http://[::1]:2", "http://localhost:3"] {
            check_allowed(&url(good)).unwrap();
        }
        for bad in ["http://x.example", "http://127.0.0.1.example", "ftp://127.0.0.1", "https://u:p@x.example"] {
            assert_eq!(check_allowed(&url(bad)).unwrap_err().kind(), ErrorKind::Invalid, "{bad}");
        }
    }

    #[test]
    fn a_logged_address_shows_no_query() {
        assert_eq!(shown(&url("https://x.example:8443/a/b?token=secret#f")), "https://x.example:8443/a/b");
    }
}
