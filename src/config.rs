//! The configuration file: accounts, their settings and mount options, and where things are kept.
//!
//! Nothing here reads the environment; whoever calls passes the directories in. Errors say what to do.

pub mod options;
pub mod places;
mod settings;
mod suggest;

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, ErrorKind, Result, fail};
pub use options::{MountOption, split_options};
pub use places::BaseDirs;
use suggest::unknown;

/// Far more than any list of accounts; a wrong `--config` must not fill the memory.
const CONFIG_BYTES_MAX: u64 = 1 << 20;

/// All accounts of one configuration file.
#[derive(Debug, Clone)]
pub struct Config {
    accounts: Vec<Account>,
    origin: PathBuf,
}

/// One configured login to one service.
#[derive(Debug, Clone)]
pub struct Account {
    /// Letters, digits, `.`, `_` and `-`: it names files.
    pub name: String,
    /// `imeet-central`, `basecamp`, ...
    pub service: String,
    /// The API's base address, without a trailing slash. `https`, or plain `http` for loopback only.
    pub url: String,
    pub settings: Settings,
}

/// The account's own table of the configuration: the service's settings and secrets.
#[derive(Clone, Default)]
pub struct Settings {
    pub(crate) table: toml::Table,
    /// The configuration file may be read by its owner only, so that secrets may stand in it.
    pub(crate) private: bool,
    /// For messages.
    pub(crate) account: String,
    /// The configuration file: relative paths start beside it.
    pub(crate) origin: PathBuf,
    pub(crate) home: PathBuf,
}

/// What `-o` and the account's defaults say about a mount.
#[derive(Debug, Clone, PartialEq)]
pub struct MountOptions {
    pub read_only: bool,
    /// Every close waits for the service.
    pub sync: bool,
    /// `fsync` waits for the service.
    pub fsync_remote: bool,
    /// How long a change rests so that a save's steps fold into one revision.
    pub settle: Duration,
    /// For how long after a file was renamed away a new file of its name is its next revision.
    pub tunnel: Duration,
    /// For how long a listing is taken as fresh.
    pub ttl: Duration,
    /// How often a change feed is asked.
    pub poll: Duration,
    /// Deadline of everything a program waits for.
    pub timeout: Duration,
    pub cache_size_bytes: u64,
    pub uid: u32,
    pub gid: u32,
    pub umask: u32,
    pub allow_other: bool,
    /// No program may be started from the mount.
    /// Ours goes on as the newest revision when somebody else made one meanwhile, where theirs is kept.
    pub conflict_revise: bool,
    /// Opening for writing reserves the file.
    pub reserve: bool,
    pub no_exec: bool,
    /// Show tasks, milestones, records and their like as directories.
    pub attachments: bool,
    /// How long the daemon stays without its mount to empty the outbox.
    pub linger: Duration,
    /// Patterns of names that never leave this machine, instead of the built-in ones.
    pub local_names: Option<Vec<String>>,
}

/// Where an account's things are kept.
#[derive(Debug, Clone)]
pub struct Places {
    /// Database, spool, the provider's own small files. Private to the user.
    pub state_dir: PathBuf,
    /// Content cache; may be deleted at any time while nothing is mounted.
    pub cache_dir: PathBuf,
    pub control_socket: PathBuf,
}

impl Config {
    /// Reads a configuration file. `home` is what `~/` in it means.
    /// Errors: `NotFound` without the file, `Invalid` for what stands in it, each with what to do.
    pub fn load(path: &Path, home: &Path) -> Result<Config> {
        let text = match read_bounded(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                let hint = "write one with a table [accounts.NAME], or name another with --config";
                return fail(ErrorKind::NotFound, format!("no configuration at {}; {hint}", path.display()));
            }
            Err(e) => return fail(ErrorKind::LocalIo, format!("cannot read {}: {e}", path.display())),
        };
        let private = std::fs::metadata(path).is_ok_and(|m| settings::is_private(&m));
        Config::parse(&text, path, home, private)
    }

    /// Reads a configuration from text. `origin` is its file; `private` whether only its owner may read that.
    pub fn parse(text: &str, origin: &Path, home: &Path, private: bool) -> Result<Config> {
        // Only the message and the line: the source text around an error may be a secret.
        let root: toml::Table = text.parse().map_err(|e: toml::de::Error| {
            let line = e.span().map_or(1, |span| text[..span.start.min(text.len())].matches('\n').count() + 1);
            let message = e.message().lines().next().unwrap_or_default();
            Error::new(ErrorKind::Invalid, format!("{} line {line}: {message}", origin.display()))
        })?;
        let within = |e: Error| Error::new(e.kind(), format!("{}: {}", origin.display(), e.detail()));
        if let Some(key) = root.keys().find(|key| *key != "accounts") {
            return Err(within(Error::new(ErrorKind::Invalid, unknown("table", key, ["accounts"]))));
        }
        let accounts = match root.get("accounts") {
            None => &toml::Table::new(),
            Some(toml::Value::Table(accounts)) => accounts,
            Some(_) => {
                let detail = "accounts must be tables, as in [accounts.acme]";
                return Err(within(Error::new(ErrorKind::Invalid, detail)));
            }
        };
        let base = Settings { private, origin: origin.into(), home: home.into(), ..Settings::default() };
        let accounts: Result<Vec<Account>> =
            accounts.iter().map(|(name, value)| Account::read(name, value, &base).map_err(within)).collect();
        Ok(Config { accounts: accounts?, origin: origin.into() })
    }

    /// The account of this name. Errors: `NotFound`, naming those that exist.
    pub fn account(&self, name: &str) -> Result<Account> {
        if let Some(account) = self.accounts.iter().find(|a| a.name == name) {
            return Ok(account.clone());
        }
        let detail = match self.accounts.is_empty() {
            true => format!("no account in {}; add a table [accounts.{name}]", self.origin.display()),
            false => unknown("account", name, self.accounts.iter().map(|a| &*a.name)),
        };
        fail(ErrorKind::NotFound, detail)
    }

    pub fn accounts(&self) -> &[Account] {
        &self.accounts
    }
}

impl Account {
    fn read(name: &str, value: &toml::Value, base: &Settings) -> Result<Account> {
        let table = format!("accounts.{name}");
        check_account_name(name)?;
        let toml::Value::Table(values) = value else {
            return fail(ErrorKind::Invalid, format!("{table} must be a table, as in [{table}]"));
        };
        let settings = Settings { table: values.clone(), account: name.into(), ..base.clone() };
        let service = settings.required_text("service")?;
        let url = settings.required_text("url")?.trim_end_matches('/').to_owned();
        if let Err(e) = check_url(&url) {
            return fail(ErrorKind::Invalid, format!("{table}.url {}", e.detail()));
        }
        let account = Account { name: name.into(), service, url, settings };
        // Refused when read, not when mounted: a wrong default is a fault of the file.
        MountOptions::resolve(&account, &[], 0, 0)?;
        Ok(account)
    }
}

fn read_bounded(path: &Path) -> std::io::Result<String> {
    let mut text = String::new();
    std::io::Read::read_to_string(&mut std::io::Read::take(std::fs::File::open(path)?, CONFIG_BYTES_MAX), &mut text)?;
    Ok(text)
}

/// Account names become file names and mount sources.
pub fn check_account_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['.', '-']) {
        return Ok(());
    }
    let rule = "use up to 64 letters, digits, '.', '_' and '-', not starting with '.' or '-'";
    fail(ErrorKind::Invalid, format!("account name {name:?} cannot be used; {rule}"))
}

/// Whether credentials may be sent to this address: `https`, or `http` on loopback.
pub fn check_url(url: &str) -> Result<()> {
    let Ok(parsed) = reqwest::Url::parse(url) else {
        return fail(ErrorKind::Invalid, format!("{url:?} is no address; write it as https://host/path"));
    };
    let host = parsed.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
    let loopback = host == "localhost" || address.is_ok_and(|ip| ip.is_loopback());
    match parsed.scheme() {
        _ if !parsed.username().is_empty() || parsed.password().is_some() => {
            fail(ErrorKind::Invalid, "must not hold a user name or password; use the settings for them")
        }
        "https" => Ok(()),
        "http" if loopback => Ok(()),
        "http" => fail(ErrorKind::Invalid, "must be https: over plain http everybody could read the credentials"),
        other => fail(ErrorKind::Invalid, format!("has the scheme {other:?}; write it as https://host/path")),
    }
}

fn expand_home(text: &str, home: &Path) -> PathBuf {
    match text.strip_prefix("~/") {
        Some(below) => home.join(below),
        None => PathBuf::from(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, Path::new("/c.toml"), Path::new("/home/ann"), true)
    }

    const ACME: &str = "[accounts.acme]\nservice = 'redmine'\nurl = 'https://acme.example/api/'\n";

    #[test]
    fn an_account_is_read() {
        let account = parse(ACME).unwrap().account("acme").unwrap();
        assert_eq!((&*account.service, &*account.url), ("redmine", "https://acme.example/api"));
    }

    #[test]
    fn mount_options_of_the_account_are_defaults_and_the_command_line_wins() {
        let account = parse(&format!("{ACME}ttl = 5\nsettle = 0.5\ncache_size = '1G'\nsync = true"));
        let account = account.unwrap().account("acme").unwrap();
        let options = MountOptions::resolve(&account, &split_options("ttl=9,async"), 1, 2).unwrap();
        assert_eq!(options.ttl, Duration::from_secs(9));
        assert_eq!((options.settle, options.sync), (Duration::from_millis(500), false));
        assert_eq!((options.cache_size_bytes, options.uid, options.gid), (1 << 30, 1, 2));
        let options = MountOptions::resolve(&account, &[], 1, 2).unwrap();
        assert_eq!(options.settle, Duration::ZERO, "sync leaves nothing to settle");
    }

    #[test]
    fn errors_say_where_and_what_to_do() {
        for (text, told) in [
            ("[accounts.a]\nurl = 'https://x'", "service is missing"),
            ("[accounts.a]\nservice = 'redmine'", "url is missing"),
            ("[acounts.a]", "did you mean \"accounts\""),
            ("[accounts.'a/b']", "account name"),
            ("[accounts.a]\nservice = 'r'\nurl = 'http://example.com'", "must be https"),
            ("[accounts.a]\nservice = 'r'\nurl = 'https://me:pw@example.com'", "user name or password"),
            ("[accounts.a]\nservice = 'r'\nurl = 'example.com'", "https://host/path"),
            ("[accounts.a]\nservice = 'r'\nurl = 'https://x'\nttl = 'soon'", "ttl needs seconds"),
            ("x = 1\ny = = 2", "line 2"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(told) && error.contains("/c.toml"), "{text}: {error}");
            assert!(!error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn a_faulty_line_is_not_repeated_since_it_may_hold_a_secret() {
        let error = parse("[accounts.a]\npassword = 'hunter2").unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn plain_http_is_for_loopback_only() {
        for url in ["http://127.0.0.1:80", "http://localhost", "http://[::1]:9/x", "https://example.com"] {
            check_url(url).unwrap();
        }
        for url in ["http://127.0.0.1.example.com", "http://10.0.0.1", "ftp://x", "http://localhost.example.com"] {
            assert!(check_url(url).is_err(), "{url}");
        }
    }

    #[test]
    fn an_unknown_account_names_the_known_ones() {
        let config = parse(ACME).unwrap();
        assert!(config.account("acne").unwrap_err().to_string().contains("did you mean \"acme\""));
        assert!(parse("").unwrap().account("x").unwrap_err().to_string().contains("[accounts.x]"));
    }

    #[test]
    fn a_missing_file_says_what_to_do() {
        let error = Config::load(Path::new("/nowhere/c.toml"), Path::new("/")).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("--config"));
    }
}
