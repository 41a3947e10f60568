//! An account's own settings and secrets.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use crate::config::options::{OPTIONS, is_option};
use crate::config::suggest::unknown;
use crate::config::{Settings, expand_home};
use crate::error::{Error, ErrorKind, Result, fail};
use crate::secret::Secret;

/// A person may have to unlock a key ring first.
const COMMAND_DEADLINE: Duration = Duration::from_secs(30);
/// Keys and tokens are far smaller.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Keys only: values may be secrets.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.table.keys()).finish()
    }
}

impl Settings {
    /// A text setting. Errors: `Invalid` when it is there but no text.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(toml::Value::String(text)) => Ok(Some(text.clone())),
            Some(_) => self.wrong(key, "a text in quotes"),
        }
    }

    /// A text setting that the service cannot do without.
    pub fn required_text(&self, key: &str) -> Result<String> {
        match self.text(key)? {
            Some(text) if !text.is_empty() => Ok(text),
            _ => fail(
                ErrorKind::Invalid,
                format!("{key} is missing; add {key} = \"...\" to [accounts.{}]", self.account),
            ),
        }
    }

    /// `true`/`false`, or `default` when not set.
    pub fn flag(&self, key: &str, default: bool) -> Result<bool> {
        match self.table.get(key) {
            None => Ok(default),
            Some(toml::Value::Boolean(on)) => Ok(*on),
            Some(_) => self.wrong(key, "true or false"),
        }
    }

    pub fn number(&self, key: &str) -> Result<Option<i64>> {
        match self.table.get(key) {
            None => Ok(None),
            Some(toml::Value::Integer(number)) => Ok(Some(*number)),
            Some(_) => self.wrong(key, "a whole number"),
        }
    }

    /// A table, as for `[accounts.NAME.objects]`; empty when not set.
    pub fn table(&self, key: &str) -> Result<toml::Table> {
        match self.table.get(key) {
            None => Ok(toml::Table::new()),
            Some(toml::Value::Table(table)) => Ok(table.clone()),
            Some(_) => self.wrong(key, "a table"),
        }
    }

    /// A list of texts; empty when not set.
    pub fn list(&self, key: &str) -> Result<Vec<String>> {
        let Some(value) = self.table.get(key) else { return Ok(Vec::new()) };
        let texts = value.as_array().and_then(|items| items.iter().map(|i| i.as_str().map(str::to_owned)).collect());
        texts.map_or_else(|| self.wrong(key, "a list of texts"), Ok)
    }

    /// A secret: from `KEY` itself (only in a private file), `KEY_file` or `KEY_command`. May wait for the command,
    /// at most 30 seconds.
    pub fn secret(&self, key: &str) -> Result<Option<Secret>> {
        if let Some(text) = self.text(key)? {
            if !self.private {
                let fix = format!("chmod 600 {}", self.origin.display());
                return fail(ErrorKind::Invalid, format!("{key} stands in a file that others may read; {fix}"));
            }
            return Ok(Some(Secret::new(text)));
        }
        if let Some(file) = self.secret_file(&format!("{key}_file"))? {
            return Ok(Some(first_line(file.expose())));
        }
        let Some(command) = self.text(&format!("{key}_command"))? else { return Ok(None) };
        match command_output(&command) {
            Ok(line) => Ok(Some(line)),
            Err(e) => fail(ErrorKind::Invalid, format!("{key}_command: {}; try it in a shell", e.detail())),
        }
    }

    /// A secret that the service cannot do without.
    pub fn required_secret(&self, key: &str) -> Result<Secret> {
        match self.secret(key)? {
            Some(secret) => Ok(secret),
            None => fail(
                ErrorKind::Invalid,
                format!("{key} is missing; add {key}, {key}_file or {key}_command to [accounts.{}]", self.account),
            ),
        }
    }

    /// The path that a setting names: `~/` is the home directory, a relative one starts beside the configuration.
    pub fn path(&self, key: &str) -> Result<Option<PathBuf>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let path = expand_home(&text, &self.home);
        Ok(Some(self.origin.parent().map_or(path.clone(), |dir| dir.join(&path))))
    }

    /// The whole content of the file that a setting names, which only its owner may read (a private key, say).
    pub fn secret_file(&self, key: &str) -> Result<Option<Secret>> {
        let Some(path) = self.path(key)? else { return Ok(None) };
        match read_private(&path) {
            Ok(secret) => Ok(Some(secret)),
            Err(e) => Err(Error::new(ErrorKind::Invalid, format!("{key}: {}", e.detail()))),
        }
    }

    /// Checks for misspelt settings: all that are neither a mount option, nor one of `known`, nor the `_file` or
    /// `_command` of one, are refused.
    pub fn expect_only(&self, known: &[&str]) -> Result<()> {
        for key in self.table.keys() {
            let plain = key.strip_suffix("_file").or(key.strip_suffix("_command")).unwrap_or(key);
            let fine = is_option(key) || ["service", "url"].contains(&&**key);
            if !fine && !known.contains(&&**key) && !known.contains(&plain) {
                let all = OPTIONS.iter().map(|o| o.name).chain(["service", "url"]).chain(known.iter().copied());
                let all: Vec<&str> = all.collect();
                let detail = format!("accounts.{}: {}", self.account, unknown("setting", key, all.iter().copied()));
                return fail(ErrorKind::Invalid, detail);
            }
        }
        Ok(())
    }

    fn wrong<T>(&self, key: &str, wanted: &str) -> Result<T> {
        fail(ErrorKind::Invalid, format!("accounts.{}.{key} must be {wanted}", self.account))
    }
}

fn first_line(text: &str) -> Secret {
    Secret::new(text.lines().next().unwrap_or_default().trim_end())
}

/// Whether nobody but the owner may read or write the file.
pub(super) fn is_private(metadata: &std::fs::Metadata) -> bool {
    metadata.permissions().mode() & 0o077 == 0
}

fn read_private(path: &Path) -> Result<Secret> {
    let unreadable = |e: std::io::Error| Error::new(ErrorKind::Invalid, format!("{}: {e}", path.display()));
    let file = std::fs::File::open(path).map_err(unreadable)?;
    if !is_private(&file.metadata().map_err(unreadable)?) {
        return fail(ErrorKind::Invalid, format!("others may read {0}; chmod 600 {0}", path.display()));
    }
    let mut text = String::new();
    file.take(SECRET_BYTES_MAX).read_to_string(&mut text).map_err(unreadable)?;
    Ok(Secret::new(text))
}

/// The first line that a shell command prints.
fn command_output(command: &str) -> Result<Secret> {
    command_output_within(command, COMMAND_DEADLINE)
}

fn command_output_within(command: &str, deadline: Duration) -> Result<Secret> {
    // A process group of its own, so that a command that hangs ends with its children.
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", command]).stdin(Stdio::null()).stdout(Stdio::piped()).process_group(0);
    let mut child = shell.spawn()?;
    let group = child.id() as i32;
    let output = child.stdout.take();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = output.map(|out| BufReader::new(out.take(SECRET_BYTES_MAX)).read_line(&mut line));
        // Nobody listens any more when the deadline is over.
        let _ = sender.send((read.is_some_and(|r| r.is_ok()), line));
    });
    let answer = receiver.recv_timeout(deadline);
    // Whatever it still does is not wanted: the line is here, or time is up.
    let status = match &answer {
        Ok((true, line)) if !line.is_empty() => None,
        Ok(_) => child.wait().ok(),
        Err(_) => None,
    };
    if status.is_none() {
        // SAFETY: a plain system call; the group is our child's and the child is not waited for yet.
        unsafe { libc::kill(-group, libc::SIGTERM) };
        let _ = child.wait();
    }
    match (answer, status) {
        (Err(_), _) => fail(ErrorKind::TimedOut, format!("no answer within {} seconds", deadline.as_secs())),
        (Ok((true, line)), None) => Ok(first_line(&line)),
        (Ok(_), status) => {
            fail(ErrorKind::Invalid, format!("printed nothing ({})", status.map_or("?".into(), |s| s.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    fn settings(text: &str, dir: &Path, private: bool) -> Settings {
        Settings {
            table: text.parse().unwrap(),
            private,
            account: "acme".into(),
            origin: dir.join("config.toml"),
            home: "/home/ann".into(),
        }
    }

    #[test]
    fn settings_have_types() {
        let all = settings("a = 'x'\nb = true\nc = 7\nd = ['p', 'q']\n[e]\nf = 1", Path::new("/etc"), true);
        assert_eq!(all.text("a").unwrap().as_deref(), Some("x"));
        assert!(all.flag("b", false).unwrap() && all.flag("missing", true).unwrap());
        assert_eq!(all.number("c").unwrap(), Some(7));
        assert_eq!(all.list("d").unwrap(), ["p", "q"]);
        assert_eq!(all.table("e").unwrap().len(), 1);
        assert!(all.text("b").unwrap_err().detail().contains("accounts.acme.b must be a text"));
        assert!(all.required_text("z").unwrap_err().detail().contains("add z = "));
    }

    #[test]
    fn a_secret_in_a_file_that_others_may_read_is_refused_with_the_remedy() {
        let error = settings("token = 't'", Path::new("/etc"), false).secret("token").unwrap_err();
        assert!(error.detail().contains("chmod 600 /etc/config.toml"), "{error}");
        let secret = settings("token = 't'", Path::new("/etc"), true).secret("token").unwrap();
        assert_eq!(secret, Some(Secret::new("t")));
    }

    #[test]
    fn a_secret_file_must_be_private_too() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "abc\nmore\n").unwrap();
        let all = settings("token_file = 'token'", dir.path(), false);
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
        assert!(all.secret("token").unwrap_err().detail().contains("chmod 600"));
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o600)).unwrap();
        assert_eq!(all.secret("token").unwrap(), Some(Secret::new("abc")));
    }

    #[test]
    fn a_command_gives_its_first_line() {
        let all = settings("token_command = 'echo abc; echo def; sleep 60'", Path::new("/etc"), false);
        let started = Instant::now();
        assert_eq!(all.required_secret("token").unwrap(), Secret::new("abc"));
        assert!(started.elapsed() < Duration::from_secs(20));
    }

    #[test]
    fn a_command_that_hangs_or_fails_is_an_error() {
        let started = Instant::now();
        let hung = command_output_within("sleep 60", Duration::from_millis(50)).unwrap_err();
        assert_eq!(hung.kind(), ErrorKind::TimedOut);
        assert!(started.elapsed() < Duration::from_secs(20));
        assert!(command_output("exit 3").unwrap_err().detail().contains("exit status: 3"));
    }

    #[test]
    fn a_misspelt_setting_is_refused() {
        let all = settings("url = 'u'\nttl = 3\npasword_file = 'x'\nusername = 'n'", Path::new("/etc"), true);
        let error = all.expect_only(&["username", "password"]).unwrap_err();
        assert!(error.detail().contains("pasword_file"), "{error}");
        settings("password_command = 'x'", Path::new("/etc"), true).expect_only(&["password"]).unwrap();
    }

    #[test]
    fn paths_start_at_home_or_beside_the_configuration() {
        let all = settings("a = '~/k'\nb = 'k'\nc = '/k'", Path::new("/etc"), true);
        for (key, path) in [("a", "/home/ann/k"), ("b", "/etc/k"), ("c", "/k")] {
            assert_eq!(all.path(key).unwrap().unwrap(), Path::new(path));
        }
    }
}
