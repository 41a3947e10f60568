//! Time as a parameter: the outbox and the caches ask a [`Clock`], so that a test can live through days in a second.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

/// Wall-clock milliseconds since 1970: comparable across restarts, as the journal needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
pub struct Millis(pub u64);

impl Millis {
    pub fn plus(self, duration: Duration) -> Millis {
        Millis(self.0.saturating_add(duration.as_millis() as u64))
    }

    pub fn since(self, earlier: Millis) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    pub fn to_system_time(self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.0)
    }
}

pub trait Clock: Send + Sync {
    fn now(&self) -> Millis;
}

pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Millis {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Millis(since_epoch.as_millis() as u64)
    }
}

/// A clock that moves only when told to.
#[derive(Clone, Default)]
pub struct FakeClock(Arc<AtomicU64>);

impl FakeClock {
    pub fn starting_at(now: Millis) -> Self {
        FakeClock(Arc::new(AtomicU64::new(now.0)))
    }

    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(by.as_millis() as u64, Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> Millis {
        Millis(self.0.load(Ordering::SeqCst))
    }
}

/// A point in time as services write it: ISO 8601 with an offset, or without one (then UTC), or a date alone. `None`
/// for anything else, and for what lies before 1970.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let text = text.trim();
    let stamp = text.parse::<jiff::Timestamp>().ok().or_else(|| {
        let local: jiff::civil::DateTime = text.parse().ok()?;
        Some(local.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    })?;
    let seconds = u64::try_from(stamp.as_second()).ok()?;
    Some(UNIX_EPOCH + Duration::new(seconds, stamp.subsec_nanosecond().unsigned_abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_with_an_offset_without_one_and_as_a_date() {
        let second = |text| parse_time(text).and_then(|t| t.duration_since(UNIX_EPOCH).ok()).map(|d| d.as_secs());
        assert_eq!(second("2024-05-06T07:08:09Z"), Some(1_714_979_289));
        assert_eq!(second("2024-05-06T09:08:09.5+02:00"), Some(1_714_979_289));
        assert_eq!(second("2024-05-06T07:08:09"), Some(1_714_979_289));
        assert_eq!(second("2024-05-06"), Some(1_714_953_600));
        assert_eq!((second("soon"), second("1969-12-31T00:00:00Z")), (None, None));
    }
}
