//! The authorization code grant with PKCE (RFC 7636): a browser on this machine comes back to a listener on loopback
//! (RFC 8252).

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::{Granted, OAuth, PATIENCE};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::http::Url;
use crate::person;
use crate::services::oracle_content::assumptions as assumed;

const CALLBACK_PATH: &str = "/callback";
/// Connections served at once: browsers open some in advance and say nothing on them.
const CONNECTIONS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 16 << 10;
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

impl OAuth {
    pub(super) async fn by_browser(&self, registered: Option<&Url>) -> Result<Granted> {
        let (listener, redirect) = listen(registered).await?;
        let (verifier, state) = (random_text(), random_text());
        let address = self.authorize_url(&redirect, &verifier, &state)?;
        let account = &self.account;
        person::tell(&format!("to sign in {account}, open this address in a browser on this machine: {address}"));
        let Ok(code) = tokio::time::timeout(PATIENCE, wait_for_code(&listener, redirect.path(), &state)).await else {
            return fail(ErrorKind::TimedOut, "nobody signed in with the browser in time; try again");
        };
        let code = code?;
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code.as_str()),
            ("redirect_uri", redirect.as_str()),
            ("code_verifier", verifier.as_str()),
        ];
        self.ask(&fields).await?.map_err(|refusal| refusal.error)
    }

    fn authorize_url(&self, redirect: &Url, verifier: &str, state: &str) -> Result<Url> {
        let text = format!("{}{}", self.client.base().as_str().trim_end_matches('/'), assumed::AUTHORIZE_PATH);
        let mut url = Url::parse(&text).map_err(|e| Error::new(ErrorKind::Invalid, format!("{text}: {e}")))?;
        url.query_pairs_mut().extend_pairs([
            ("response_type", "code"),
            ("client_id", &self.client_id),
            ("redirect_uri", redirect.as_str()),
            ("scope", &self.lasting_scope()),
            ("state", state),
            ("code_challenge", &challenge(verifier)),
            ("code_challenge_method", "S256"),
        ]);
        Ok(url)
    }
}

/// S256 of RFC 7636.
fn challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// 256 random bits in the characters that RFC 7636 allows.
fn random_text() -> String {
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

async fn listen(registered: Option<&Url>) -> Result<(TcpListener, Url)> {
    let port = registered.and_then(Url::port).unwrap_or(0);
    let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).await;
    let listener = listener.map_err(|e| Error::from(e).during("listen on port", port))?;
    let redirect = match registered {
        Some(registered) => registered.clone(),
        None => {
            let text = format!("http://{}{CALLBACK_PATH}", listener.local_addr()?);
            Url::parse(&text).map_err(|e| Error::new(ErrorKind::Bug, format!("{text}: {e}")))?
        }
    };
    Ok((listener, redirect))
}

/// Serves browsers until one comes back with our state. Errors: `SignedOut` when the person declined.
async fn wait_for_code(listener: &TcpListener, path: &str, state: &str) -> Result<String> {
    let (found, mut codes) = mpsc::channel(1);
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < CONNECTIONS_MAX => {
                let (stream, _) = accepted?;
                let (path, state, found) = (path.to_owned(), state.to_owned(), found.clone());
                connections.spawn(async move {
                    let served = tokio::time::timeout(HEAD_DEADLINE, serve(stream, &path, &state)).await;
                    if let Ok(Ok(Some(code))) = served {
                        // Only the first one counts.
                        let _ = found.try_send(code);
                    }
                });
            }
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            Some(code) = codes.recv() => return code,
        }
    }
}

/// One request of a browser. `None` for what is not the way back of our sign-in.
async fn serve(mut stream: TcpStream, path: &str, state: &str) -> std::io::Result<Option<Result<String>>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let came = read_way_back(target, path, state);
    let (status, text) = match &came {
        Some(Ok(_)) => ("200 OK", "Signed in. You can close this window."),
        Some(Err(_)) => ("200 OK", "Not signed in. You can close this window."),
        None => ("404 Not Found", "Nothing here."),
    };
    let length = text.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{text}"
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await?;
    Ok(came)
}

/// The code, or why there is none. A wrong state is somebody else's page trying its luck: it is not listened to.
fn read_way_back(target: &str, path: &str, state: &str) -> Option<Result<String>> {
    let url = Url::parse("http://127.0.0.1").ok()?.join(target).ok()?;
    let value = |name: &str| url.query_pairs().find(|(n, _)| n == name).map(|(_, value)| value.into_owned());
    if url.path() != path || value("state").as_deref() != Some(state) {
        return None;
    }
    if let Some(error) = value("error") {
        let error: String = error.chars().filter(|c| !c.is_control()).take(100).collect();
        return Some(fail(ErrorKind::SignedOut, format!("the sign-in was declined in the browser ({error})")));
    }
    value("code").filter(|code| !code.is_empty()).map(Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_state_comes_back() {
        let read = |target| read_way_back(target, "/callback", "s1");
        assert_eq!(read("/callback?code=a%2Fb&state=s1").unwrap().unwrap(), "a/b");
        assert_eq!(read("/callback?error=access_denied&state=s1").unwrap().unwrap_err().kind(), ErrorKind::SignedOut);
        for foreign in ["/callback?code=x&state=s2", "/callback?code=x", "/favicon.ico", "/callback?state=s1", "*"] {
            assert!(read(foreign).is_none(), "{foreign}");
        }
    }

    #[test]
    fn a_verifier_has_the_length_and_characters_of_the_standard() {
        let verifier = random_text();
        assert_eq!(verifier.len(), 43);
        assert!(verifier.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')));
        assert_ne!(verifier, random_text());
        // RFC 7636, appendix B.
        let challenge = challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk");
        assert_eq!(challenge, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }
}
