//! A token shared by all requests of an account: fetched once however many ask, renewed before it expires.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use futures::future::{BoxFuture, Shared};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderName};
use tokio::time::Instant;

use crate::error::{Advice, Error, ErrorKind, Result};
use crate::http::auth::{Authorizer, Credentials, Outgoing, secret_value};

/// A refused sign-in is not tried again for this time, unless somebody asks for it ([`BearerToken::forget`]); each
/// further refusal doubles it. Accounts are locked after too many wrong sign-ins.
const REFUSAL_KEPT: Duration = Duration::from_secs(60);
const REFUSAL_KEPT_MAX: Duration = Duration::from_secs(3600);
/// The same when not the sign-in but the token it gave was refused: that locks no account, and may be a moment's fault.
const TOKEN_REFUSAL_KEPT: Duration = Duration::from_secs(5);
/// The same after a failure of network or service, so that waiting requests do not each try for themselves.
const FAILURE_KEPT: Duration = Duration::from_secs(2);
/// A token is renewed when less than this remains, or a tenth of its life if that is less.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);

/// An access token.
#[derive(Clone)]
pub struct Token {
    pub value: String,
    /// How long it is good from now on; `None` means until it is refused.
    pub lifetime: Option<Duration>,
}

/// Where tokens come from.
#[async_trait]
pub trait TokenSource: Send + Sync + 'static {
    /// Gets a new token. Errors: `SignedOut` when only a person can help.
    async fn fetch(&self) -> Result<Token>;
}

/// `Authorization: Bearer TOKEN` (RFC 6750).
pub struct BearerToken {
    source: Arc<dyn TokenSource>,
    header: HeaderName,
    /// What stands before the token in the header.
    scheme: &'static str,
    state: Arc<Mutex<State>>,
}

type Renewal = Shared<BoxFuture<'static, Result<Arc<Held>>>>;

struct State {
    /// Counts tokens; requests name the one they used.
    generation: u64,
    /// Sign-ins refused in a row.
    refusals: u32,
    /// The service refused a token that it had just given. Once that may be a slip, and another one is asked for.
    fresh_refused: bool,
    now: Now,
}

enum Now {
    Nothing,
    Held(Arc<Held>),
    Renewing(Renewal),
    Failed { error: Error, until: Instant },
}

struct Held {
    credentials: Credentials,
    renew_at: Option<Instant>,
    /// The service took it at least once: a later refusal means that it ran out, not that we are unwelcome.
    taken: std::sync::atomic::AtomicBool,
}

impl BearerToken {
    pub fn new(source: impl TokenSource) -> BearerToken {
        BearerToken::in_header(source, AUTHORIZATION, "Bearer ")
    }

    /// As [`BearerToken::new`], for services that want the token elsewhere: a session's cookie, say.
    pub fn in_header(source: impl TokenSource, header: HeaderName, scheme: &'static str) -> BearerToken {
        let state = State { generation: 0, refusals: 0, fresh_refused: false, now: Now::Nothing };
        BearerToken { source: Arc::new(source), header, scheme, state: Arc::new(Mutex::new(state)) }
    }

    /// Forgets token and remembered refusal: the next request signs in again.
    pub fn forget(&self) {
        let mut state = self.state();
        state.refusals = 0;
        state.fresh_refused = false;
        state.now = Now::Nothing;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    async fn current(&self) -> Result<Arc<Held>> {
        let renewal = {
            let mut state = self.state();
            match &state.now {
                Now::Held(held) if held.renew_at.is_none_or(|at| Instant::now() < at) => return Ok(held.clone()),
                Now::Failed { error, until } if Instant::now() < *until => return Err(error.clone()),
                Now::Renewing(renewal) => renewal.clone(),
                _ => self.start_renewal(&mut state),
            }
        };
        renewal.await
    }

    /// The renewal is a task of its own: a caller who gives up must not lose a token that was traded for the old one.
    fn start_renewal(&self, state: &mut State) -> Renewal {
        state.generation += 1;
        let generation = state.generation;
        let (source, shared_state) = (self.source.clone(), self.state.clone());
        let (header, scheme) = (self.header.clone(), self.scheme);
        let task = tokio::spawn(async move {
            let fetched = source.fetch().await.and_then(|token| held(header, scheme, token, generation));
            let mut state = shared_state.lock().unwrap_or_else(|e| e.into_inner());
            if state.generation == generation {
                match &fetched {
                    Ok(held) => state.now = Now::Held(held.clone()),
                    Err(error) => state.fail(error.clone()),
                }
            }
            fetched
        });
        let renewal = async { task.await.unwrap_or_else(|_| Err(Error::new(ErrorKind::Bug, "signing in broke off"))) };
        let renewal = renewal.boxed().shared();
        state.now = Now::Renewing(renewal.clone());
        renewal
    }
}

fn held(header: HeaderName, scheme: &str, token: Token, generation: u64) -> Result<Arc<Held>> {
    let value = secret_value(&format!("{scheme}{}", token.value)).map_err(|_| {
        // The service's doing: another token may be better.
        Error::new(ErrorKind::Protocol, "the sign-in gave a token with characters that cannot be sent")
    })?;
    let credentials = Credentials { headers: HeaderMap::from_iter([(header, value)]), generation };
    let renew_at = token.lifetime.map(|life| Instant::now() + life.saturating_sub(RENEWED_BEFORE.min(life / 10)));
    Ok(Arc::new(Held { credentials, renew_at, taken: Default::default() }))
}

impl State {
    fn fail(&mut self, error: Error) {
        self.fail_for(error, REFUSAL_KEPT);
    }

    fn fail_for(&mut self, error: Error, refusal_kept: Duration) {
        let kept = match error.advice() {
            Advice::Again => FAILURE_KEPT,
            Advice::AgainAfter(wait) => wait.max(FAILURE_KEPT),
            Advice::Never | Advice::TellUser => {
                self.refusals += 1;
                refusal_kept.saturating_mul(1 << (self.refusals - 1).min(10)).min(REFUSAL_KEPT_MAX)
            }
        };
        self.now = Now::Failed { error, until: Instant::now() + kept };
    }
}

#[async_trait]
impl Authorizer for BearerToken {
    async fn credentials(&self, _request: &Outgoing<'_>) -> Result<Credentials> {
        Ok(self.current().await?.credentials.clone())
    }

    async fn refused(&self, used: &Credentials) -> Result<bool> {
        {
            let mut state = self.state();
            if let Now::Held(held) = &state.now
                && held.credentials.generation == used.generation
            {
                let taken = held.taken.load(std::sync::atomic::Ordering::Relaxed);
                if !taken && std::mem::replace(&mut state.fresh_refused, true) {
                    let text = "the service refuses a token that it has just given; sign in again";
                    state.fail_for(Error::new(ErrorKind::SignedOut, text), TOKEN_REFUSAL_KEPT);
                    return Ok(false);
                }
                state.now = Now::Nothing;
            }
        }
        self.current().await.map(|_| true)
    }

    fn accepted(&self, used: &Credentials) {
        let mut state = self.state();
        if let Now::Held(held) = &state.now
            && held.credentials.generation == used.generation
        {
            held.taken.store(true, std::sync::atomic::Ordering::Relaxed);
            state.refusals = 0;
            state.fresh_refused = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    #[derive(Clone, Default)]
    struct Counting {
        asked: Arc<AtomicU64>,
        refuse: bool,
        lifetime: Option<Duration>,
    }

    #[async_trait]
    impl TokenSource for Counting {
        async fn fetch(&self) -> Result<Token> {
            let n = self.asked.fetch_add(1, Ordering::SeqCst);
            tokio::time::sleep(Duration::from_millis(20)).await;
            if self.refuse {
                return crate::error::fail(ErrorKind::SignedOut, "no");
            }
            Ok(Token { value: format!("t{n}"), lifetime: self.lifetime })
        }
    }

    async fn ask(token: &BearerToken) -> Result<Credentials> {
        let url = "https://x.example/".parse().unwrap();
        token.credentials(&Outgoing { method: &Method::GET, url: &url }).await
    }

    use reqwest::Method;

    #[tokio::test(start_paused = true)]
    async fn many_parallel_refusals_cause_one_renewal() {
        let source = Counting::default();
        let token = BearerToken::new(source.clone());
        let first = ask(&token).await.unwrap();
        token.accepted(&first);
        let renewed = futures::future::join_all((0..50).map(|_| token.refused(&first))).await;
        assert!(renewed.into_iter().all(|again| again.unwrap()));
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
        assert_ne!(ask(&token).await.unwrap().generation, first.generation);
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_sign_in_is_not_asked_again_and_again() {
        let source = Counting { refuse: true, ..Default::default() };
        let token = BearerToken::new(source.clone());
        for _ in 0..20 {
            assert_eq!(ask(&token).await.err().unwrap().kind(), ErrorKind::SignedOut);
        }
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
        token.forget();
        ask(&token).await.err().unwrap();
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
        for _ in 0..24 * 60 {
            tokio::time::advance(Duration::from_secs(60)).await;
            ask(&token).await.err().unwrap();
        }
        let in_a_day = source.asked.load(Ordering::SeqCst);
        assert!((20..40).contains(&in_a_day), "{in_a_day} tries in a day");
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_refused_at_its_first_use_is_renewed_once_and_not_for_ever() {
        let source = Counting::default();
        let token = BearerToken::new(source.clone());
        let first = ask(&token).await.unwrap();
        assert!(token.refused(&first).await.unwrap());
        let second = ask(&token).await.unwrap();
        assert!(!token.refused(&second).await.unwrap());
        assert_eq!(ask(&token).await.err().unwrap().kind(), ErrorKind::SignedOut);
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_renewed_before_it_expires() {
        let source = Counting { lifetime: Some(Duration::from_secs(3600)), ..Default::default() };
        let token = BearerToken::new(source.clone());
        ask(&token).await.unwrap();
        tokio::time::advance(Duration::from_secs(3500)).await;
        ask(&token).await.unwrap();
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
        tokio::time::advance(Duration::from_secs(45)).await;
        ask(&token).await.unwrap();
        assert_eq!(source.asked.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_gives_up_does_not_lose_the_token() {
        let source = Counting::default();
        let token = BearerToken::new(source.clone());
        let _ = tokio::time::timeout(Duration::from_millis(5), ask(&token)).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        ask(&token).await.unwrap();
        assert_eq!(source.asked.load(Ordering::SeqCst), 1);
    }
}
