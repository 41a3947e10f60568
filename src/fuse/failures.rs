//! Failures in the log: one line each, until they come in floods.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use log::Level;

use crate::error::{Error, ErrorKind};
use crate::fuse::call::Call;
use crate::fuse::errno::level;

/// A walk through a large tree without network fails a thousand times a second, each time for the same reason.
const LINES_MAX: u32 = 20;
const PERIOD: Duration = Duration::from_secs(10);

/// Writes failed calls to the log; of one kind, only so many in a while.
#[derive(Default)]
pub struct Failures {
    recent: Mutex<HashMap<ErrorKind, Recent>>,
}

struct Recent {
    since: Instant,
    lines: u32,
    held_back: u64,
}

impl Failures {
    pub fn say(&self, call: Call, e: &Error) {
        let level = level(e.kind());
        if level > Level::Warn || self.has_room(e.kind(), Instant::now()) {
            log::log!(level, "{} (inode {}): {e}", call.name, call.ino);
        }
    }

    fn has_room(&self, kind: ErrorKind, now: Instant) -> bool {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let recent = recent.entry(kind).or_insert(Recent { since: now, lines: 0, held_back: 0 });
        if now.duration_since(recent.since) >= PERIOD {
            if recent.held_back > 0 {
                log::warn!("{} more calls failed like those before ({kind:?})", recent.held_back);
            }
            *recent = Recent { since: now, lines: 0, held_back: 0 };
        }
        recent.lines += 1;
        recent.held_back += u64::from(recent.lines > LINES_MAX);
        recent.lines <= LINES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_cut_and_other_kinds_and_later_times_are_not() {
        let failures = Failures::default();
        let start = Instant::now();
        let said = (0..1000).filter(|_| failures.has_room(ErrorKind::Offline, start)).count();
        assert_eq!(said, LINES_MAX as usize);
        assert!(failures.has_room(ErrorKind::Denied, start));
        assert!(failures.has_room(ErrorKind::Offline, start + PERIOD));
    }
}
