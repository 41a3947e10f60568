//! Public suites: pjdfstest (POSIX semantics, several thousand assertions) and fsx (random reads, writes, mappings and
//! truncations compared with memory). `scripts/test` installs both below `target/tools`.
//!
//! `tests/expected/pjdfstest.toml` lists what fails because no service offers it, with the reasons; every other
//! failure, and every listed case that passes, fails the test.

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use support::{Mount, Setup, run};

fn tool(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/bin").join(name);
    assert!(path.exists(), "{} is missing: run scripts/test, which installs it", path.display());
    path
}

fn mounted(latency: Duration) -> Mount {
    let deadline = Duration::from_secs(1500);
    Setup { deadline, options: "settle=0.2,timeout=20,allow_other".into(), ..Setup::default() }.latency(latency).mount()
}

fn pjdfstest(latency: Duration) {
    let mount = mounted(latency);
    let expected = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/pjdfstest.toml");
    let dir = mount.path("pjd");
    fs::create_dir(&dir).unwrap();
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755)).unwrap();
    let mut command = Command::new(tool("pjdfstest"));
    command.arg("-c").arg(&expected).arg("-p").arg(&dir);
    let ran = run(&mut command, Duration::from_secs(1400));
    assert!(ran.output.contains("Summary: "), "it did not come to its end\n{}", ran.output);
    let wrong = |line: &&str| line.contains("FAILED") || line.contains("PASSED UNEXPECTEDLY");
    // Whether a program is still open for writing when it is started depends on when the kernel tells of its closing.
    let by_chance = |line: &&str| line.starts_with("open::etxtbsy");
    let wrong: Vec<&str> = ran.output.lines().filter(wrong).filter(|line| !by_chance(line)).collect();
    assert!(wrong.is_empty(), "{wrong:#?}\n{}", ran.output);
    mount.expect_no_panic();
}

#[test]
fn pjdfstest_fails_only_where_services_have_nothing_to_offer() {
    pjdfstest(Duration::ZERO);
}

#[test]
fn pjdfstest_fails_no_more_when_far_away() {
    pjdfstest(Duration::from_millis(100));
}

/// `operations` random operations with a seed that is printed when it fails.
fn fsx(latency: Duration, operations: u32, seed: u32) {
    let mount = mounted(latency);
    let config = mount.local().join("fsx.toml");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/expected/fsx.toml"), &config).unwrap();
    let artifacts = mount.local().join("fsx");
    fs::create_dir(&artifacts).unwrap();
    let mut command = Command::new(tool("fsx"));
    command.arg("-f").arg(&config).arg("-P").arg(&artifacts);
    command.args(["-N", &operations.to_string(), "-S", &seed.to_string()]).arg(mount.path("fsx.bin"));
    let ran = run(&mut command, Duration::from_secs(600));
    assert!(ran.succeeded(), "seed {seed}:\n{}\n{}", ran.output, mount.log());
    mount.sync();
    let bytes = fs::read(mount.path("fsx.bin")).unwrap();
    let file = mount.service.file("fsx.bin");
    assert_eq!(file.revisions.last().unwrap().sha256.as_deref(), Some(support::sha256(&bytes).as_str()));
    mount.expect_no_panic();
}

#[test]
fn fsx_finds_no_wrong_byte() {
    for seed in 1..=3 {
        fsx(Duration::ZERO, 3000, seed);
    }
}

#[test]
fn fsx_finds_no_wrong_byte_far_away() {
    fsx(Duration::from_millis(100), 1000, 4);
}
