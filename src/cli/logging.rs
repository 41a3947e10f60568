//! Where log lines go: standard error in the foreground, a file of bounded size in the background.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use env_logger::{Builder, Target};

use crate::error::{Error, Result};

/// What other packages say below a warning is for their authors.
const DEFAULT_FILTER: &str = "warn,collabfs=info";
/// Then the file becomes `collabfs.log.1`, and the one before that is gone: at most twice this on disk.
const LOG_BYTES_MAX: u64 = 8 << 20;

pub fn to_stderr(filter: Option<&str>) {
    install(filter, Target::Stderr);
}

/// Logs to a file that only its owner may read. Panics are logged too: nobody sees standard error.
pub fn to_file(path: &Path, filter: Option<&str>) -> Result<()> {
    let log = RotatedFile::open(path).map_err(|e| Error::from(e).during("opening the log", path.display()))?;
    install(filter, Target::Pipe(Box::new(log)));
    std::panic::set_hook(Box::new(|panic| log::error!("a fault of collabfs, please report it: {panic}")));
    Ok(())
}

fn install(filter: Option<&str>, target: Target) {
    let mut builder = Builder::new();
    builder.parse_filters(filter.unwrap_or(DEFAULT_FILTER)).format_timestamp_millis().target(target);
    // Fails only when a logger is there already, which then does the same.
    let _ = builder.try_init();
}

struct RotatedFile {
    path: PathBuf,
    file: File,
    written_bytes: u64,
}

impl RotatedFile {
    fn open(path: &Path) -> io::Result<RotatedFile> {
        let file = File::options().append(true).create(true).mode(0o600).open(path)?;
        let written_bytes = file.metadata()?.len();
        Ok(RotatedFile { path: path.into(), file, written_bytes })
    }
}

impl Write for RotatedFile {
    /// env_logger writes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.written_bytes >= LOG_BYTES_MAX {
            let mut old = self.path.clone().into_os_string();
            old.push(".1");
            std::fs::rename(&self.path, old)?;
            *self = RotatedFile::open(&self.path)?;
        }
        let written = self.file.write(line)?;
        self.written_bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_log_is_put_aside_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("collabfs.log");
        let mut log = RotatedFile::open(&path).unwrap();
        for _ in 0..3 {
            log.written_bytes = LOG_BYTES_MAX;
            log.write_all(b"a line\n").unwrap();
        }
        log.write_all(b"another\n").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\nanother\n");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
}
