//! Mount options: their names, their values, and where each value comes from (built in, the account, `-o`).

use std::time::Duration;

use crate::config::suggest::unknown;
use crate::config::{Account, MountOptions};
use crate::error::{ErrorKind, Result, fail};

/// One mount option, for messages and documentation.
pub struct OptionHelp {
    pub name: &'static str,
    /// What stands after `=`; empty for a switch.
    pub value: &'static str,
    pub meaning: &'static str,
}

const fn help(name: &'static str, value: &'static str, meaning: &'static str) -> OptionHelp {
    OptionHelp { name, value, meaning }
}

/// Every option of this program, in the order of the documentation.
pub const OPTIONS: &[OptionHelp] = &[
    help("ro", "", "read only"),
    help("rw", "", "read and write (the default)"),
    help("sync", "", "every close waits until the service has the file; settle is then 0"),
    help("async", "", "a close returns when the file is safe on the local disk (the default)"),
    help("fsync", "local|remote", "what fsync waits for: the local disk, or the service too (default local)"),
    help("settle", "SECONDS", "how long a change rests so that a save's steps fold into one revision (default 1)"),
    help(
        "tunnel",
        "SECONDS",
        "a file created so soon after its name was renamed away is its next revision (default 15)",
    ),
    help("ttl", "SECONDS", "for how long a listing is taken as fresh (default 60)"),
    help("poll", "SECONDS", "how often a service's change feed is asked (default 15)"),
    help("timeout", "SECONDS", "deadline of everything a program waits for (default 30)"),
    help("cache_size", "BYTES", "limit of the content cache, also 500M or 10G (default 10G)"),
    help("linger", "SECONDS", "how long the daemon stays after a plain umount to empty the outbox (default 600)"),
    help("uid", "ID", "owner of everything (default: who mounts)"),
    help("gid", "ID", "group of everything (default: who mounts)"),
    help("umask", "OCTAL", "permission bits that nothing has (default 022)"),
    help("allow_other", "", "other users may enter the mount"),
    help(
        "conflict",
        "copy|revise",
        "what becomes of ours when somebody else changed the file too: a copy beside it, or its newest revision where the service keeps theirs (default copy)",
    ),
    help("reserve", "", "opening a file for writing reserves it on the service, where the service has reservations"),
    help("noexec", "", "no program may be started from the mount"),
    help("attachments", "", "show tasks, milestones, records and their like as directories"),
    help("local_names", "A:B:...", "patterns of names that never leave this machine, instead of the built-in ones"),
];

/// What mount(8), fstab and systemd put among the options and this program has no use for. `nosuid` and `nodev`
/// are always on, so that `suid` and `dev` change nothing.
const FOR_OTHERS: &[&str] = &[
    "defaults",
    "auto",
    "noauto",
    "user",
    "nouser",
    "users",
    "owner",
    "group",
    "nofail",
    "_netdev",
    "suid",
    "nosuid",
    "dev",
    "nodev",
    "exec",
    "atime",
    "noatime",
    "diratime",
    "nodiratime",
    "relatime",
    "norelatime",
    "strictatime",
    "nostrictatime",
    "lazytime",
    "nolazytime",
    "dirsync",
    "silent",
    "loud",
    "nosymfollow",
    "noiversion",
    "iversion",
    "mand",
    "nomand",
];

const DAY: Duration = Duration::from_secs(24 * 3600);

/// One `key` or `key=value` of an option string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    pub key: String,
    pub value: Option<String>,
}

/// Splits `a,b=c,...`; empty parts are skipped.
pub fn split_options(text: &str) -> Vec<MountOption> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts
        .map(|part| match part.split_once('=') {
            Some((key, value)) => MountOption { key: key.into(), value: Some(value.into()) },
            None => MountOption { key: part.into(), value: None },
        })
        .collect()
}

/// Whether the option is meant for mount(8), systemd or `mount.fuse`, and not for this program.
pub fn is_for_others(key: &str) -> bool {
    FOR_OTHERS.contains(&key) || key.starts_with("x-") || key.starts_with("X-") || key.starts_with("comment")
}

impl MountOptions {
    /// The built-in defaults; `uid` and `gid` own everything unless an option says otherwise.
    pub fn defaults(uid: u32, gid: u32) -> MountOptions {
        MountOptions {
            read_only: false,
            sync: false,
            fsync_remote: false,
            settle: Duration::from_secs(1),
            tunnel: Duration::from_secs(15),
            ttl: Duration::from_secs(60),
            poll: Duration::from_secs(15),
            timeout: Duration::from_secs(30),
            cache_size_bytes: 10 << 30,
            uid,
            gid,
            umask: 0o022,
            allow_other: false,
            no_exec: false,
            conflict_revise: false,
            reserve: false,
            attachments: false,
            linger: Duration::from_secs(600),
            local_names: None,
        }
    }

    /// Built-in defaults, then the account's, then `given`; the last word wins.
    /// Errors: `Invalid`, saying which option exists or what its value looks like.
    pub fn resolve(account: &Account, given: &[MountOption], uid: u32, gid: u32) -> Result<MountOptions> {
        let mut options = MountOptions::defaults(uid, gid);
        for (key, value) in &account.settings.table {
            if is_option(key) {
                options
                    .apply_toml(key, value)
                    .map_err(|e| e.during("reading", format!("accounts.{}", account.name)))?;
            }
        }
        for option in given {
            options.apply(&option.key, option.value.as_deref())?;
        }
        if options.sync {
            options.settle = Duration::ZERO;
        }
        Ok(options)
    }

    /// Sets one option as written after `-o`.
    pub fn apply(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        match key {
            "ro" => self.read_only = switch(key, value)?,
            "rw" => self.read_only = !switch(key, value)?,
            "sync" => self.sync = switch(key, value)?,
            "async" => self.sync = !switch(key, value)?,
            "fsync" => self.fsync_remote = fsync_mode(value)?,
            "settle" => self.settle = seconds(key, value, Duration::ZERO)?,
            "tunnel" => self.tunnel = seconds(key, value, Duration::ZERO)?,
            "ttl" => self.ttl = seconds(key, value, Duration::ZERO)?,
            "poll" => self.poll = seconds(key, value, Duration::from_secs(1))?,
            "timeout" => self.timeout = seconds(key, value, Duration::from_millis(100))?,
            "linger" => self.linger = seconds(key, value, Duration::ZERO)?,
            "cache_size" => self.cache_size_bytes = size_bytes(key, value)?,
            "uid" => self.uid = number(key, value, 10)?,
            "gid" => self.gid = number(key, value, 10)?,
            "umask" => self.umask = umask(key, value)?,
            "allow_other" => self.allow_other = switch(key, value)?,
            "conflict" => self.conflict_revise = conflict_mode(value)?,
            "reserve" => self.reserve = switch(key, value)?,
            "noexec" => self.no_exec = switch(key, value)?,
            "attachments" => self.attachments = switch(key, value)?,
            "local_names" => self.local_names = Some(patterns(value.unwrap_or_default())),
            _ if is_for_others(key) => {}
            _ => return fail(ErrorKind::Invalid, unknown("mount option", key, OPTIONS.iter().map(|o| o.name))),
        }
        Ok(())
    }

    fn apply_toml(&mut self, key: &str, value: &toml::Value) -> Result<()> {
        let text = match value {
            toml::Value::String(text) => text.clone(),
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Float(number) => number.to_string(),
            toml::Value::Boolean(on) => on.to_string(),
            toml::Value::Array(items) if key == "local_names" => {
                let texts: Option<Vec<String>> = items.iter().map(|i| i.as_str().map(str::to_owned)).collect();
                self.local_names = Some(texts.map_or_else(|| invalid(key, "must be a list of texts"), Ok)?);
                return Ok(());
            }
            _ => return invalid(key, "must be a text, a number, true or false"),
        };
        self.apply(key, Some(&text))
    }
}

/// Whether this key of an account's table is a mount option.
pub fn is_option(key: &str) -> bool {
    OPTIONS.iter().any(|o| o.name == key)
}

fn invalid<T>(key: &str, what: &str) -> Result<T> {
    fail(ErrorKind::Invalid, format!("{key} {what}"))
}

fn switch(key: &str, value: Option<&str>) -> Result<bool> {
    match value {
        None | Some("true" | "1" | "yes" | "on") => Ok(true),
        Some("false" | "0" | "no" | "off") => Ok(false),
        Some(_) => invalid(key, "takes no value, or true or false"),
    }
}

fn fsync_mode(value: Option<&str>) -> Result<bool> {
    match value {
        Some("local") => Ok(false),
        Some("remote") => Ok(true),
        _ => invalid("fsync", "must be local or remote, as in fsync=remote"),
    }
}

fn conflict_mode(value: Option<&str>) -> Result<bool> {
    match value {
        Some("copy") => Ok(false),
        Some("revise") => Ok(true),
        _ => invalid("conflict", "must be copy or revise, as in conflict=copy"),
    }
}

fn number(key: &str, value: Option<&str>, radix: u32) -> Result<u32> {
    match u32::from_str_radix(value.unwrap_or_default(), radix) {
        Ok(number) => Ok(number),
        Err(_) => invalid(key, &format!("needs a number, as in {key}=1000")),
    }
}

fn umask(key: &str, value: Option<&str>) -> Result<u32> {
    match number(key, value, 8) {
        Ok(mask) if mask <= 0o777 => Ok(mask),
        _ => invalid(key, "needs an octal number up to 777, as in umask=022 (in the configuration: umask = \"022\")"),
    }
}

/// Seconds, perhaps with a fraction, from `min` to a day.
fn seconds(key: &str, value: Option<&str>, min: Duration) -> Result<Duration> {
    let wanted = || invalid(key, &format!("needs seconds from {} to 86400, as in {key}=5", min.as_secs_f64()));
    match value.unwrap_or_default().parse::<f64>().map(Duration::try_from_secs_f64) {
        Ok(Ok(duration)) if duration >= min && duration <= DAY => Ok(duration),
        _ => wanted(),
    }
}

/// Bytes, or a number with K, M, G or T (powers of 1024).
fn size_bytes(key: &str, value: Option<&str>) -> Result<u64> {
    let text = value.unwrap_or_default().trim().to_ascii_uppercase();
    let text = text.trim_end_matches("IB").trim_end_matches('B');
    let (digits, shift) = match text.char_indices().last() {
        Some((at, unit @ ('K' | 'M' | 'G' | 'T'))) => (&text[..at], 10 * ("KMGT".find(unit).unwrap_or(0) as u32 + 1)),
        _ => (text, 0),
    };
    match digits.parse::<u64>().ok().and_then(|n| n.checked_mul(1 << shift)) {
        Some(bytes) => Ok(bytes),
        None => invalid(key, &format!("needs bytes, or a number with K, M, G or T, as in {key}=10G")),
    }
}

fn patterns(text: &str) -> Vec<String> {
    text.split(':').filter(|p| !p.is_empty()).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn applied(text: &str) -> Result<MountOptions> {
        let mut options = MountOptions::defaults(1000, 1000);
        for option in split_options(text) {
            options.apply(&option.key, option.value.as_deref())?;
        }
        Ok(options)
    }

    #[test]
    fn values_are_read_in_their_units() {
        let options = applied("ro,settle=0.5,cache_size=2G,umask=077,uid=7,fsync=remote,local_names=*.a:b*").unwrap();
        assert!(options.read_only && options.fsync_remote);
        assert_eq!(options.settle, Duration::from_millis(500));
        assert_eq!(options.cache_size_bytes, 2 << 30);
        assert_eq!((options.umask, options.uid), (0o077, 7));
        assert_eq!(options.local_names, Some(vec!["*.a".to_owned(), "b*".to_owned()]));
    }

    #[test]
    fn sizes_have_units_of_1024() {
        for (text, bytes) in [("0", 0), ("17", 17), ("1K", 1024), ("3MiB", 3 << 20), ("1t", 1 << 40)] {
            assert_eq!(size_bytes("cache_size", Some(text)).unwrap(), bytes, "{text}");
        }
        for text in ["", "G", "-1", "1X", "99999999999999999999", "99999999T"] {
            assert!(size_bytes("cache_size", Some(text)).is_err(), "{text}");
        }
    }

    #[test]
    fn what_mount_and_systemd_add_is_accepted() {
        let fstab = "rw,nosuid,nodev,relatime,_netdev,x-systemd.automount,noauto,user,users,owner,defaults,nofail";
        assert_eq!(applied(fstab).unwrap(), MountOptions::defaults(1000, 1000));
    }

    #[test]
    fn a_wrong_option_says_what_there_is() {
        assert!(applied("tty=5").unwrap_err().to_string().contains("did you mean \"ttl\""));
        assert!(applied("frobnicate").unwrap_err().to_string().contains("cache_size"));
        assert!(applied("settle=soon").unwrap_err().to_string().contains("settle=5"));
        assert!(applied("timeout=0").is_err(), "nothing waits for ever, nor not at all");
        assert!(applied("settle=nan").is_err() && applied("settle=-1").is_err() && applied("ttl=inf").is_err());
        assert!(applied("umask=999").is_err() && applied("ro=maybe").is_err());
    }

    #[test]
    fn every_documented_option_is_understood() {
        for option in OPTIONS {
            let value = match option.value {
                "" => None,
                "local|remote" => Some("local"),
                "copy|revise" => Some("copy"),
                "OCTAL" => Some("022"),
                "BYTES" => Some("1G"),
                _ => Some("5"),
            };
            MountOptions::defaults(0, 0).apply(option.name, value).unwrap();
        }
    }
}
