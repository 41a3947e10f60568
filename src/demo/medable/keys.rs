//! The credentials of the demo's org and account, made at the first start.

use std::path::Path;

use rand::Rng;
use rand::distr::Alphanumeric;
use serde::{Deserialize, Serialize};

use crate::disk::write_atomic;
use crate::error::{Error, ErrorKind, Result};

const FILE: &str = "medable-keys.json";
/// Alphanumerics of a client key, and of an app's secret.
const CLIENT_KEY_CHARS: usize = 22;
const SECRET_CHARS: usize = 64;

#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Keys {
    pub client_key: String,
    /// For signatures.
    pub secret: String,
    /// A permanent token.
    pub token: String,
    pub password: String,
    /// The cookie of the one machine that is known.
    pub fingerprint: String,
}

impl Keys {
    pub fn load_or_make(dir: &Path) -> Result<Keys> {
        let path = dir.join(FILE);
        match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|e| Error::new(ErrorKind::Invalid, format!("{}: {e}", path.display()))),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let keys = Keys {
                    client_key: random(CLIENT_KEY_CHARS),
                    secret: random(SECRET_CHARS),
                    token: random(SECRET_CHARS),
                    password: random(CLIENT_KEY_CHARS),
                    fingerprint: random(CLIENT_KEY_CHARS),
                };
                write_atomic(&path, serde_json::json!(keys).to_string().as_bytes())?;
                Ok(keys)
            }
            Err(e) => Err(e.into()),
        }
    }
}

fn random(chars: usize) -> String {
    rand::rng().sample_iter(Alphanumeric).take(chars).map(char::from).collect()
}
