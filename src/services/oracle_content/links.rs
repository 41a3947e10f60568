//! Links as further rights: a public link, perhaps with an access code, or an applink with its token (Upload File
//! Version page and others). They go wherever the account's own credentials go, and nowhere else.

use std::sync::Arc;

use async_trait::async_trait;

use crate::config::Settings;
use crate::error::{ErrorKind, Result, fail};
use crate::http::auth::{Outgoing, secret_value};
use crate::http::header::COOKIE;
use crate::http::{Authorizer, Credentials, HeaderMap, HeaderName, Response, Url};

const PUBLIC_LINK: HeaderName = HeaderName::from_static("linkid");
const APPLINK: HeaderName = HeaderName::from_static("applinkid");
const APPLINK_TOKEN: HeaderName = HeaderName::from_static("accesstoken");

/// The account's own credentials, and the headers of its links beside them.
pub struct WithLinks {
    pub account: Arc<dyn Authorizer>,
    pub headers: HeaderMap,
}

/// The headers that `link`, `link_code`, `applink` and `access_token` mean. Errors: `Invalid` for one half of a pair.
pub fn headers_of(settings: &Settings) -> Result<HeaderMap> {
    let mut headers = HeaderMap::new();
    let code = settings.secret("link_code")?;
    match (settings.text("link")?, code) {
        (Some(link), code) => {
            headers.insert(PUBLIC_LINK, secret_value(&link)?);
            if let Some(code) = code {
                if code.expose().contains([';', ',', ' ', '"']) || link.contains(['=', ';', ',', ' ']) {
                    return fail(ErrorKind::Invalid, "link or link_code has a character that no cookie may have");
                }
                headers.insert(COOKIE, secret_value(&format!("dAccessCode-{link}={}", code.expose()))?);
            }
        }
        (None, Some(_)) => return fail(ErrorKind::Invalid, "link_code is set, but not the link it opens"),
        (None, None) => {}
    }
    match (settings.text("applink")?, settings.secret("access_token")?) {
        (Some(applink), Some(token)) => {
            headers.insert(APPLINK, secret_value(&applink)?);
            headers.insert(APPLINK_TOKEN, secret_value(token.expose())?);
        }
        (Some(_), None) => return fail(ErrorKind::Invalid, "applink needs its access_token"),
        (None, Some(_)) => {
            return fail(ErrorKind::Invalid, "access_token belongs to an applink; a token of your own is called token");
        }
        (None, None) => {}
    }
    Ok(headers)
}

#[async_trait]
impl Authorizer for WithLinks {
    async fn credentials(&self, request: &Outgoing<'_>) -> Result<Credentials> {
        let mut credentials = self.account.credentials(request).await?;
        credentials.headers.extend(self.headers.clone());
        Ok(credentials)
    }

    fn refuses(&self, response: &Response) -> bool {
        self.account.refuses(response)
    }

    async fn refused(&self, used: &Credentials) -> Result<bool> {
        self.account.refused(used).await
    }

    fn accepted(&self, used: &Credentials) {
        self.account.accepted(used);
    }

    fn covers(&self, base: &Url, url: &Url) -> bool {
        self.account.covers(base, url)
    }
}
