//! Where things are kept on this machine.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::Places;
use crate::error::{Error, ErrorKind, Result, fail};

/// The user's base directories. Who makes this reads the environment; nobody below does.
#[derive(Debug, Clone)]
pub struct BaseDirs {
    pub home: PathBuf,
    /// `$XDG_CONFIG_HOME` or `~/.config`.
    pub config: PathBuf,
    /// `$XDG_STATE_HOME` or `~/.local/state`.
    pub state: PathBuf,
    /// `$XDG_CACHE_HOME` or `~/.cache`.
    pub cache: PathBuf,
    /// `$XDG_DATA_HOME` or `~/.local/share`.
    pub data: PathBuf,
    /// `$XDG_RUNTIME_DIR`; often unset for root and in containers.
    pub runtime: Option<PathBuf>,
}

impl BaseDirs {
    /// From the home directory and a way to ask for environment variables. A relative path in one of the
    /// variables is ignored, as the XDG base directory specification wants.
    pub fn new(home: PathBuf, variable: impl Fn(&str) -> Option<PathBuf>) -> BaseDirs {
        let absolute = |name: &str| variable(name).filter(|path| path.is_absolute());
        let or_home = |name: &str, below: &str| absolute(name).unwrap_or_else(|| home.join(below));
        BaseDirs {
            config: or_home("XDG_CONFIG_HOME", ".config"),
            state: or_home("XDG_STATE_HOME", ".local/state"),
            cache: or_home("XDG_CACHE_HOME", ".cache"),
            data: or_home("XDG_DATA_HOME", ".local/share"),
            runtime: absolute("XDG_RUNTIME_DIR"),
            home,
        }
    }

    pub fn config_file(&self) -> PathBuf {
        self.config.join("collabfs/config.toml")
    }
}

impl Places {
    /// The usual places of an account; `state_dir` and `cache_dir` replace them as they are.
    ///
    /// Without a runtime directory the control socket lies in the usual state directory, so that commands find it
    /// by the account's name alone.
    pub fn of_account(
        account: &str,
        base: &BaseDirs,
        state_dir: Option<PathBuf>,
        cache_dir: Option<PathBuf>,
    ) -> Places {
        let usual_state = base.state.join("collabfs");
        let sockets = base.runtime.as_ref().map_or_else(|| usual_state.join("run"), |dir| dir.join("collabfs"));
        Places {
            state_dir: state_dir.unwrap_or_else(|| usual_state.join(account)),
            cache_dir: cache_dir.unwrap_or_else(|| base.cache.join("collabfs").join(account)),
            control_socket: sockets.join(format!("{account}.sock")),
        }
    }

    /// Makes the directories that are missing, private to the user.
    pub fn create(&self) -> Result<()> {
        let socket_dir = self.control_socket.parent().unwrap_or(Path::new("/"));
        for dir in [&*self.state_dir, &*self.cache_dir, socket_dir] {
            make_private_dir(dir)?;
        }
        Ok(())
    }
}

/// Makes a directory and its parents, each with mode 0700; one that is there already stays as it is.
pub fn make_private_dir(dir: &Path) -> Result<()> {
    if let Err(e) = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        let (kind, detail) = (Error::from(e).kind(), "cannot be made; choose another place or free this one");
        return fail(kind, format!("directory {} {detail}", dir.display()));
    }
    if !dir.is_dir() {
        return fail(ErrorKind::NotDirectory, format!("{} is no directory; move it away", dir.display()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn base(variables: &'static [(&'static str, &'static str)]) -> BaseDirs {
        BaseDirs::new("/home/ann".into(), |name| {
            variables.iter().find(|(n, _)| *n == name).map(|(_, value)| PathBuf::from(value))
        })
    }

    #[test]
    fn places_follow_the_base_directories() {
        let base = base(&[("XDG_RUNTIME_DIR", "/run/user/7"), ("XDG_STATE_HOME", "relative/is/ignored")]);
        let places = Places::of_account("acme", &base, None, Some("/big/cache".into()));
        assert_eq!(places.state_dir, Path::new("/home/ann/.local/state/collabfs/acme"));
        assert_eq!(places.cache_dir, Path::new("/big/cache"));
        assert_eq!(places.control_socket, Path::new("/run/user/7/collabfs/acme.sock"));
        assert_eq!(base.config_file(), Path::new("/home/ann/.config/collabfs/config.toml"));
    }

    #[test]
    fn without_a_runtime_directory_the_socket_is_with_the_state() {
        let places = Places::of_account("acme", &base(&[]), Some("/elsewhere".into()), None);
        assert_eq!(places.control_socket, Path::new("/home/ann/.local/state/collabfs/run/acme.sock"));
    }

    #[test]
    fn directories_are_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places::of_account("acme", &base(&[]), Some(dir.path().join("a/state")), None);
        let places = Places { cache_dir: dir.path().join("b"), control_socket: dir.path().join("c/s.sock"), ..places };
        places.create().unwrap();
        for made in ["a", "a/state", "b", "c"] {
            let mode = std::fs::metadata(dir.path().join(made)).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
        places.create().unwrap();
    }
}
