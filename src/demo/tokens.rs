//! Random texts that are good for a while: access tokens, signed addresses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::store::random_uuid;

/// Tokens kept. More than this many live ones mean a client that asks for a token per request.
const TOKENS_MAX: usize = 10_000;

#[derive(Default)]
pub struct Tokens {
    live: Mutex<HashMap<String, Token>>,
}

#[derive(Clone)]
struct Token {
    expires: Instant,
    /// What the token stands for.
    meaning: String,
}

impl Tokens {
    /// A new token that stands for `meaning`.
    pub fn issue(&self, meaning: impl Into<String>, life: Duration) -> String {
        let text = random_uuid();
        let now = Instant::now();
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if live.len() >= TOKENS_MAX {
            live.retain(|_, token| token.expires > now);
        }
        if live.len() >= TOKENS_MAX {
            live.clear();
        }
        live.insert(text.clone(), Token { expires: now + life, meaning: meaning.into() });
        text
    }

    /// What a token stands for; `None` when it is unknown or its time is over.
    pub fn meaning(&self, text: &str) -> Option<String> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.get(text).filter(|token| token.expires > Instant::now()).map(|token| token.meaning.clone())
    }

    /// Makes every token worthless, as an administrator could.
    pub fn revoke_all(&self) {
        self.live.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
