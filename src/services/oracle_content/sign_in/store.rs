//! The refresh token between two uses, in one private file of the account's state directory.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::disk::write_atomic;
use crate::error::{Error, ErrorKind, Result, fail};
use crate::secret::Secret;

const FILE: &str = "oracle-content-sign-in.json";
const LOCK: &str = "oracle-content-sign-in.lock";
/// The other process sends one token request meanwhile, or waits for a person.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(20);
const LOCK_POLL: Duration = Duration::from_millis(50);
const FILE_BYTES_MAX: u64 = 64 << 10;

pub struct RefreshStore {
    dir: PathBuf,
    /// Which client at which identity service the token is for: it is sent nowhere else.
    issuer: String,
    /// The first refresh token, where the settings give one.
    configured: Option<Secret>,
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Kept {
    issuer: String,
    /// SHA-256 of the refresh token in the settings that this one descends from: a new one in the settings is newer.
    #[serde(default)]
    descends_from: Option<String>,
    /// `None`: the last one was refused.
    refresh_token: Option<String>,
}

impl RefreshStore {
    pub fn new(dir: &Path, issuer: String, configured: Option<Secret>) -> RefreshStore {
        RefreshStore { dir: dir.to_owned(), issuer, configured }
    }

    /// Keeps other processes of this account from using the same token. Errors: `TimedOut`, `LocalIo`.
    pub async fn lock(&self) -> Result<File> {
        let path = self.dir.join(LOCK);
        let open = File::options().create(true).truncate(false).write(true).open(&path);
        let file = open.map_err(|e| Error::from(e).during("open", path.display()))?;
        let give_up = tokio::time::Instant::now() + LOCK_WAIT_MAX;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(error)) => return Err(error.into()),
                Err(TryLockError::WouldBlock) if tokio::time::Instant::now() < give_up => {
                    tokio::time::sleep(LOCK_POLL).await;
                }
                Err(TryLockError::WouldBlock) => {
                    return fail(ErrorKind::TimedOut, "another process of this account is signing in");
                }
            }
        }
    }

    /// The refresh token to use next. `None`: nobody is signed in, or the last one was refused.
    pub fn load(&self) -> Result<Option<Secret>> {
        let kept = self.read()?.filter(|kept| kept.issuer == self.issuer && kept.descends_from == self.origin());
        Ok(match kept {
            Some(kept) => kept.refresh_token.map(Secret::new),
            None => self.configured.clone(),
        })
    }

    /// Durable when this returns.
    pub fn save(&self, token: &Secret) -> Result<()> {
        self.write(Some(token.expose().to_owned()))
    }

    /// The token was refused.
    pub fn forget(&self) -> Result<()> {
        self.write(None)
    }

    fn write(&self, refresh_token: Option<String>) -> Result<()> {
        let kept = Kept { issuer: self.issuer.clone(), descends_from: self.origin(), refresh_token };
        // Texts serialise.
        let text = serde_json::to_vec(&kept).expect("plain data serialises");
        write_atomic(&self.dir.join(FILE), &text)
    }

    fn read(&self) -> Result<Option<Kept>> {
        use std::io::Read;
        let path = self.dir.join(FILE);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(Error::from(e).during("open", path.display())),
        };
        let mut text = String::new();
        file.take(FILE_BYTES_MAX).read_to_string(&mut text)?;
        match serde_json::from_str(&text) {
            Ok(kept) => Ok(Some(kept)),
            Err(_) => {
                log::warn!("{} cannot be understood; a new sign-in is needed", path.display());
                Ok(None)
            }
        }
    }

    fn origin(&self) -> Option<String> {
        let configured = self.configured.as_ref()?;
        Some(Sha256::digest(configured.expose().as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn store(dir: &Path, issuer: &str, configured: Option<&str>) -> RefreshStore {
        RefreshStore::new(dir, issuer.to_owned(), configured.map(Secret::new))
    }

    fn loaded(store: &RefreshStore) -> Option<String> {
        store.load().unwrap().map(|secret| secret.expose().to_owned())
    }

    #[test]
    fn the_token_is_private_and_only_for_its_issuer() {
        let dir = tempfile::tempdir().unwrap();
        store(dir.path(), "https://id.example c1", None).save(&Secret::new("r2")).unwrap();
        let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(loaded(&store(dir.path(), "https://id.example c1", None)).as_deref(), Some("r2"));
        assert_eq!(loaded(&store(dir.path(), "https://elsewhere.example c1", None)), None);
    }

    #[test]
    fn a_descendant_is_newer_than_the_setting_and_a_new_setting_newer_than_that() {
        let dir = tempfile::tempdir().unwrap();
        let first = store(dir.path(), "i", Some("r1"));
        assert_eq!(loaded(&first).as_deref(), Some("r1"));
        first.save(&Secret::new("r2")).unwrap();
        assert_eq!(loaded(&first).as_deref(), Some("r2"));
        first.forget().unwrap();
        assert_eq!(loaded(&first), None, "a refused token is not followed by its used ancestor");
        assert_eq!(loaded(&store(dir.path(), "i", Some("r9"))).as_deref(), Some("r9"));
    }

    #[tokio::test(start_paused = true)]
    async fn one_process_at_a_time_uses_the_token() {
        let dir = tempfile::tempdir().unwrap();
        let held = store(dir.path(), "i", None).lock().await.unwrap();
        let error = store(dir.path(), "i", None).lock().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TimedOut);
        drop(held);
        store(dir.path(), "i", None).lock().await.unwrap();
    }
}
