//! The command line without a mount: arguments, option strings, mount(8)'s forms, configuration errors, exit codes.

mod support;

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use collabfs::cli::args::MountArgs;
use collabfs::cli::{mount, mount_helper};
use collabfs::config::options::OPTIONS;
use collabfs::config::{BaseDirs, Config};
use collabfs::daemon::MountRequest;
use collabfs::error::Result;

const CONFIG: &str = "[accounts.acme]\nservice = 'imeet-central'\nurl = 'https://edge.example.com'\nttl = 5\n";

/// A home of its own with a configuration.
struct Home(tempfile::TempDir);

impl Home {
    fn with(config: &str) -> Home {
        let home = Home(tempfile::tempdir().unwrap());
        std::fs::create_dir_all(home.path().join(".config/collabfs")).unwrap();
        std::fs::write(home.config(), config).unwrap();
        std::fs::set_permissions(home.config(), PermissionsExt::from_mode(0o600)).unwrap();
        home
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn config(&self) -> PathBuf {
        self.path().join(".config/collabfs/config.toml")
    }

    fn request(&self, args: &MountArgs) -> Result<MountRequest> {
        mount::request(args, &BaseDirs::new(self.path().into(), |_| None), Path::new("/work dir"), (1000, 100))
    }

    /// Runs the program with nothing of our own environment, and not for long.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_collabfs"));
        command.args(arguments).env_clear().env("HOME", self.path()).current_dir(self.path());
        support::process::see_no_mounts(&mut command);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(30);
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
                panic!("{arguments:?} hangs");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        child.wait_with_output().unwrap()
    }

    /// Runs the program, which must fail with one line; gives that line.
    fn complaint(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        assert!(said.starts_with("collabfs: ") && said.trim_end().lines().count() == 1, "{said}");
        said
    }
}

fn acme(options: &[&str]) -> MountArgs {
    MountArgs {
        account: "acme".into(),
        mountpoint: "/mnt/acme".into(),
        options: options.iter().map(|o| o.to_string()).collect(),
        ..MountArgs::default()
    }
}

fn helper(line: &[&str]) -> Option<Result<Option<MountArgs>>> {
    mount_helper::parse(&line.iter().map(OsString::from).collect::<Vec<_>>())
}

#[test]
fn options_come_from_the_account_and_the_command_line() {
    let home = Home::with(CONFIG);
    let request = home.request(&acme(&["ro,settle=3", "settle=4"])).unwrap();
    assert_eq!(request.options.ttl, Duration::from_secs(5));
    assert_eq!(request.options.settle, Duration::from_secs(4), "the last word wins");
    assert!(request.options.read_only);
    assert_eq!((request.options.uid, request.options.gid), (1000, 100));
}

#[test]
fn places_may_be_named_by_arguments_and_by_options() {
    let home = Home::with(CONFIG);
    let config = home.path().join("other.toml");
    std::fs::rename(home.config(), &config).unwrap();
    let options = format!("config={},state_dir=st,cache_dir=/ca", config.display());
    let request = home.request(&MountArgs { mountpoint: "m".into(), ..acme(&[&options]) }).unwrap();
    assert_eq!(request.places.state_dir, Path::new("/work dir/st"));
    assert_eq!(request.places.cache_dir, Path::new("/ca"));
    assert_eq!(request.mountpoint, Path::new("/work dir/m"));
    let request = home.request(&MountArgs { state_dir: Some("/arg".into()), ..acme(&[&options]) }).unwrap();
    assert_eq!(request.places.state_dir, Path::new("/arg"), "an argument is more than an option");
}

#[test]
fn mount_passes_account_directory_and_options() {
    for program in ["/sbin/mount.collabfs", "mount.collabfs", "/usr/sbin/mount.fuse.collabfs"] {
        let line = [program, "acme", "/mnt/acme", "-n", "-o", "rw,_netdev,ttl=9,x-systemd.automount"];
        let args = helper(&line).unwrap().unwrap().unwrap();
        assert_eq!((&*args.account, &*args.mountpoint), ("acme", Path::new("/mnt/acme")));
        let request = Home::with(CONFIG).request(&args).unwrap();
        assert_eq!(request.options.ttl, Duration::from_secs(9));
    }
}

#[test]
fn everything_that_fstab_allows_is_accepted() {
    let fstab = "rw,nosuid,nodev,dev,suid,exec,noexec,relatime,noatime,_netdev,x-gvfs-show,noauto,user,users,owner";
    let home = Home::with(CONFIG);
    let line = ["mount.collabfs", "acme", "/mnt", "-o", fstab, "-o", "defaults,auto,nofail,x-systemd.requires=a=b"];
    let request = home.request(&helper(&line).unwrap().unwrap().unwrap()).unwrap();
    assert!(request.options.no_exec && !request.options.read_only);
}

#[test]
fn mount_fuse_calls_the_program_without_a_command() {
    let args = helper(&["collabfs", "acme", "/mnt", "-o", "ro,dev,suid"]).unwrap().unwrap().unwrap();
    assert_eq!(args.account, "acme");
    assert!(helper(&["collabfs", "mount", "acme", "/mnt"]).is_none(), "our own form");
    assert!(helper(&["collabfs", "status", "/mnt"]).is_none());
    assert!(helper(&["collabfs", "--version"]).is_none());
    assert!(helper(&["collabfs", "acme"]).is_none());
}

#[test]
fn flags_of_mount_do_what_they_say() {
    assert!(helper(&["mount.collabfs", "acme", "/mnt", "-f"]).unwrap().unwrap().is_none(), "only pretends");
    let sloppy = ["mount.collabfs", "acme", "/mnt", "-sv", "-o", "frobnicate,ttl=7,config=/c.toml"];
    assert_eq!(helper(&sloppy).unwrap().unwrap().unwrap().options, ["ttl=7,config=/c.toml"]);
    assert!(helper(&["mount.collabfs", "acme", "/mnt", "-x"]).unwrap().is_err());
    assert!(helper(&["mount.collabfs", "acme"]).unwrap().is_err());
    assert!(helper(&["mount.collabfs", "acme", "/mnt", "-o"]).unwrap().is_err());
}

#[test]
fn exit_codes_are_0_1_and_2() {
    let home = Home::with(CONFIG);
    for help in [&["--help"][..], &["--version"], &["mount", "--help"], &["help", "outbox"]] {
        assert_eq!(home.run(help).status.code(), Some(0), "{help:?}");
    }
    for wrong in [&["frobnicate"][..], &["mount"], &["restore", "x"], &["sync", "--timeout", "soon"], &[]] {
        assert_eq!(home.run(wrong).status.code(), Some(2), "{wrong:?}");
    }
}

#[test]
fn each_failure_is_one_line_that_says_what_to_do() {
    let home = Home::with(CONFIG);
    std::fs::create_dir(home.path().join("mnt")).unwrap();
    std::fs::write(home.path().join("file"), "").unwrap();
    assert!(home.complaint(&["mount", "acne", "mnt"]).contains("did you mean \"acme\""));
    assert!(home.complaint(&["mount", "acme", "mnt", "-o", "tty=3"]).contains("did you mean \"ttl\""));
    assert!(home.complaint(&["mount", "acme", "nowhere"]).contains("make it with `mkdir -p"));
    assert!(home.complaint(&["mount", "acme", "file"]).contains("no directory"));
    assert!(home.complaint(&["mount", "acme", "mnt", "--config", "none.toml"]).contains("no configuration"));
    assert!(home.complaint(&["sync", "/usr"]).contains("not in a mount"));
    assert!(home.complaint(&["umount", "mnt"]).contains("not in a mount"));
    assert!(home.complaint(&["outbox", "list", "--account", "acme"]).contains("mount it"));
}

#[test]
fn nothing_mounted_is_no_failure_of_status() {
    let output = Home::with(CONFIG).run(&["status"]);
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn the_readme_has_every_option_and_no_other() {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let table = readme.split("<!-- options -->").nth(1).expect("the table stands between two option marks");
    let documented: Vec<&str> = (table.lines())
        .filter_map(|line| line.strip_prefix("| `")?.split(['`', '=']).next())
        .filter(|name| !mount_helper::PLACE_OPTIONS.contains(name))
        .collect();
    assert_eq!(documented, OPTIONS.iter().map(|o| o.name).collect::<Vec<_>>());
}

#[test]
fn the_demo_service_prints_a_configuration_that_can_be_used() {
    let home = Home::with(CONFIG);
    let mut command = Command::new(env!("CARGO_BIN_EXE_collabfs"));
    command.args(["demo-service", "--fault", "upload:503:every=5"]).env_clear().env("HOME", home.path());
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(|line| line.ok());
    let printed: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    let config = Config::parse(&printed.join("\n"), &home.config(), home.path(), true);
    let port_answers = config.as_ref().map(|config| {
        let url = config.account("demo").unwrap().url;
        std::net::TcpStream::connect(url.trim_start_matches("http://")).is_ok()
    });
    // SAFETY: our own child, which is not waited for yet.
    unsafe { libc::kill(child.id() as i32, libc::SIGTERM) };
    assert!(child.wait().unwrap().success(), "it stops in order");
    assert!(port_answers.unwrap());
}
