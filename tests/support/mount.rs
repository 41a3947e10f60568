//! One mounted account: the real binary in the foreground, in a process of its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use collabfs::demo::DemoOptions;
use tempfile::TempDir;

use super::process::{Ran, run};
use super::service::Service;
use super::watchdog::{Watchdog, abort, connection_of};

pub const ACCOUNT: &str = "acme";
const CONFIG: &str = "config.toml";
/// For everything that is expected to take a second.
const PATIENCE: Duration = Duration::from_secs(60);
const TEST_DEADLINE: Duration = Duration::from_secs(180);

/// What a test's mount shall be like.
pub struct Setup {
    pub demo: DemoOptions,
    /// As for `-o`.
    pub options: String,
    /// Added to the daemon's environment.
    pub environment: Vec<(String, String)>,
    /// The test's own deadline.
    pub deadline: Duration,
}

impl Default for Setup {
    fn default() -> Setup {
        let service = collabfs::demo::dialects()[0].name();
        Setup {
            demo: DemoOptions { seed_samples: false, ..DemoOptions::new(service) },
            options: "settle=0.2,timeout=10".into(),
            environment: Vec::new(),
            deadline: TEST_DEADLINE,
        }
    }
}

impl Setup {
    pub fn options(options: &str) -> Setup {
        Setup { options: options.into(), ..Setup::default() }
    }

    /// Another service than the default one.
    pub fn service(mut self, name: &str) -> Setup {
        self.demo = DemoOptions { seed_samples: false, ..DemoOptions::new(name) };
        self
    }

    pub fn latency(mut self, latency: Duration) -> Setup {
        self.demo.latency = latency;
        self
    }

    /// Starts the service and mounts it.
    pub fn mount(self) -> Mount {
        let mut mount = self.unmounted();
        mount.start();
        mount
    }

    /// Starts the service and writes the configuration; whoever tests mounting does it by [`Mount::collabfs`].
    pub fn unmounted(self) -> Mount {
        let service = Service::start(self.demo.clone());
        let account = service.server().account_toml();
        Mount::prepare(self, service, &account)
    }

    /// Mounts an account of a server that we did not write.
    pub fn mount_account(self, account: &str) -> Mount {
        let mut mount = Mount::prepare(self, Service::absent(), account);
        mount.start();
        mount
    }
}

pub struct Mount {
    pub service: Service,
    setup: Setup,
    dirs: TempDir,
    daemon: Option<Child>,
    // Last: it watches over the drop of the others, too.
    _watchdog: Watchdog,
}

impl Mount {
    fn prepare(setup: Setup, service: Service, account: &str) -> Mount {
        let dirs = tempfile::Builder::new().prefix("collabfs-test-").tempdir().unwrap();
        for name in ["mnt", "state", "cache", "run", "home"] {
            fs::create_dir(dirs.path().join(name)).unwrap();
        }
        // Suites that change users have to reach the mount; what is private has its own modes.
        fs::set_permissions(dirs.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["state", "cache", "run"] {
            fs::set_permissions(dirs.path().join(name), fs::Permissions::from_mode(0o700)).unwrap();
        }
        let config = dirs.path().join(CONFIG);
        fs::write(&config, format!("[accounts.{ACCOUNT}]\n{account}")).unwrap();
        fs::set_permissions(&config, fs::Permissions::from_mode(0o600)).unwrap();
        let watchdog = Watchdog::start(dirs.path().join("mnt"), setup.deadline);
        Mount { service, setup, dirs, daemon: None, _watchdog: watchdog }
    }

    /// The mountpoint.
    pub fn root(&self) -> PathBuf {
        self.dirs.path().join("mnt")
    }

    /// A path in the folder that tests work in.
    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root().join(self.service.work_path()).join(name)
    }

    /// A directory outside of the mount.
    pub fn local(&self) -> PathBuf {
        self.dirs.path().join("home")
    }

    pub fn config_file(&self) -> PathBuf {
        self.dirs.path().join(CONFIG)
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dirs.path().join("state")
    }

    /// Starts the daemon and waits until the mount answers.
    pub fn start(&mut self) {
        let mut command = self.collabfs(["mount", ACCOUNT]);
        command.arg(self.root()).args(["--foreground", "-o", &self.setup.options]).args(self.places());
        command.envs(self.setup.environment.iter().cloned());
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        self.daemon = Some(command.spawn().unwrap());
        let started = Instant::now();
        while connection_of(&self.root()).is_none() {
            if let Some(status) = self.daemon.as_mut().unwrap().try_wait().unwrap() {
                panic!("the daemon ended with {status}:\n{}", self.log());
            }
            assert!(started.elapsed() < PATIENCE, "not mounted after {PATIENCE:?}:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        let answers = run(Command::new("stat").arg(self.root()), PATIENCE);
        assert!(answers.succeeded(), "{}\n{}", answers.output, self.log());
    }

    /// Ends the daemon as power loss would, as far as a process can.
    pub fn kill(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            daemon.kill().unwrap();
            daemon.wait().unwrap();
        }
        self.detach();
    }

    /// The daemon's process.
    pub fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().id()
    }

    /// For the next start.
    pub fn set_options(&mut self, options: &str) {
        self.setup.options = options.into();
    }

    /// Frees whoever waits for a mount whose daemon is gone.
    pub fn abort(&self) {
        abort(&self.root());
    }

    /// Whether the daemon ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.daemon.as_mut().is_none_or(|daemon| daemon.try_wait().unwrap().is_some())
    }

    /// Unmounts as a person would; returns when the daemon has ended, with everything on the service.
    pub fn umount(&mut self) {
        run(self.collabfs(["umount"]).arg(self.root()), PATIENCE).expect_success();
        let started = Instant::now();
        while !self.has_ended() {
            assert!(started.elapsed() < PATIENCE, "the daemon is still there:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(10));
        }
        self.daemon = None;
    }

    pub fn remount(&mut self) {
        self.umount();
        self.start();
    }

    /// Waits until everything is on the service.
    #[track_caller]
    pub fn sync(&self) {
        let synced = run(self.collabfs(["sync"]).arg(self.root()).args(["--timeout", "50"]), PATIENCE);
        assert!(synced.succeeded(), "sync: {}\n{}", synced.output, self.log());
    }

    pub fn status(&self) -> serde_json::Value {
        let status = run(self.collabfs(["status"]).arg(self.root()).arg("--json"), PATIENCE).expect_success();
        serde_json::from_str(&status).unwrap_or_else(|e| panic!("{e}: {status}"))
    }

    /// A command of the program under test, in the account's environment.
    pub fn collabfs<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collabfs"));
        command.args(args).env("HOME", self.local()).env("XDG_RUNTIME_DIR", self.dirs.path().join("run"));
        command.env("XDG_STATE_HOME", self.state_dir()).env("XDG_CACHE_HOME", self.dirs.path().join("cache"));
        command.env("XDG_CONFIG_HOME", self.local()).env("RUST_LOG", "info").current_dir(self.dirs.path());
        command
    }

    /// Where this mount's configuration, state and cache are, as arguments of `collabfs mount`.
    pub fn places(&self) -> Vec<std::ffi::OsString> {
        let option = |name: &str, path: &str| [name.into(), self.dirs.path().join(path).into_os_string()];
        [option("--config", CONFIG), option("--state-dir", "state"), option("--cache-dir", "cache")].concat()
    }

    /// Runs a shell script in the folder; `$LOCAL` is a directory outside of the mount.
    #[track_caller]
    pub fn shell(&self, script: &str) -> Ran {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(self.path(""));
        command.env("LOCAL", self.local()).env("HOME", self.local()).env("LC_ALL", "C.UTF-8");
        run(&mut command, PATIENCE)
    }

    /// Runs a shell script that must succeed.
    #[track_caller]
    pub fn works(&self, script: &str) -> String {
        let ran = self.shell(script);
        assert!(
            ran.succeeded(),
            "exit code {:?} of\n{script}\n{}\nthe daemon's log:\n{}",
            ran.code,
            ran.output,
            self.log()
        );
        ran.output
    }

    fn log_file(&self) -> PathBuf {
        self.dirs.path().join("daemon.log")
    }

    /// What the daemon said.
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// No test ends well with this in the log.
    #[track_caller]
    pub fn expect_no_panic(&self) {
        let log = self.log();
        assert!(!log.contains("panicked at") && !log.contains("fault of this program"), "{log}");
    }

    fn detach(&self) {
        abort(&self.root());
        let _ = run(Command::new("umount").arg("-l").arg(self.root()), PATIENCE);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("the end of the daemon's log:");
            tail.iter().rev().for_each(|line| eprintln!("  {line}"));
        }
        if self.daemon.is_some() {
            abort(&self.root());
            if let Some(mut daemon) = self.daemon.take() {
                let _ = daemon.kill();
                let _ = daemon.wait();
            }
            self.detach();
        } else if connection_of(&self.root()).is_some() {
            // One in the background: it ends when its mount does.
            self.detach();
        }
    }
}
