//! The client key: the JSON file an administrator downloads (Authentication page), and the check of its signatures.

use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use rsa::pkcs1v15::{Signature, VerifyingKey};
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::rand_core::OsRng;
use rsa::sha2::Sha256;
use rsa::signature::Verifier;
use rsa::{RsaPrivateKey, RsaPublicKey};
use serde::{Deserialize, Serialize};

use crate::demo::store::random_uuid;
use crate::error::{Error, ErrorKind, Result};

/// As long as the key in the vendor's own sample.
const KEY_BITS: usize = 1024;

pub struct ClientKey {
    pub client_id: String,
    public: VerifyingKey<Sha256>,
}

#[derive(Clone, Serialize, Deserialize)]
struct KeyFile {
    client_id: String,
    private_key: String,
}

pub fn path(dir: &Path) -> PathBuf {
    dir.join("client-key.json")
}

impl ClientKey {
    /// Reads the key of this directory; makes it at the first start.
    pub fn load_or_make(dir: &Path) -> Result<ClientKey> {
        let path = path(dir);
        let file = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|e| broken(&path, e))?,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => make(&path)?,
            Err(e) => return Err(e.into()),
        };
        let private = RsaPrivateKey::from_pkcs8_pem(&pkcs8_label(&file.private_key)).map_err(|e| broken(&path, e))?;
        let public = VerifyingKey::new(RsaPublicKey::from(&private));
        Ok(ClientKey { client_id: file.client_id, public })
    }

    /// Whether this key's owner signed `message` by RS256.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::try_from(signature).is_ok_and(|signature| self.public.verify(message, &signature).is_ok())
    }
}

fn make(path: &Path) -> Result<KeyFile> {
    // Generation takes a second in a debug build: one key serves all the demo services of a process.
    static GENERATED: OnceLock<String> = OnceLock::new();
    let private_key = match GENERATED.get() {
        Some(pem) => pem.clone(),
        None => {
            let pem = generate()?;
            GENERATED.get_or_init(|| pem).clone()
        }
    };
    let file = KeyFile { client_id: random_uuid(), private_key };
    let json = serde_json::to_vec_pretty(&file).map_err(|e| broken(path, e))?;
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?.write_all(&json)?;
    Ok(file)
}

/// A new key in the form of the vendor's sample: PKCS#8 between lines that announce PKCS#1, with CR LF.
fn generate() -> Result<String> {
    let failed = |e: &dyn std::fmt::Display| Error::new(ErrorKind::Bug, format!("client key: {e}"));
    let private = RsaPrivateKey::new(&mut OsRng, KEY_BITS).map_err(|e| failed(&e))?;
    let pem = private.to_pkcs8_pem(LineEnding::CRLF).map_err(|e| failed(&e))?;
    Ok(pem.replace("PRIVATE KEY", "RSA PRIVATE KEY"))
}

fn pkcs8_label(pem: &str) -> String {
    pem.replace("RSA PRIVATE KEY", "PRIVATE KEY")
}

fn broken(path: &Path, e: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::LocalIo, format!("{}: {e}", path.display()))
}
