//! The service's idea of now.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::clock::{Clock, SystemClock};

/// Milliseconds since 1970. Never less than it told before: a machine's clock can be set back, and a service whose
/// changes come before what they change would tell nobody of them.
pub fn now_ms() -> u64 {
    static LATEST: AtomicU64 = AtomicU64::new(0);
    not_before(&LATEST, SystemClock.now().0)
}

/// The later one of this moment and all that were given before.
fn not_before(latest: &AtomicU64, now_ms: u64) -> u64 {
    latest.fetch_max(now_ms, Ordering::Relaxed).max(now_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stands_still_while_the_clock_is_set_back() {
        let latest = AtomicU64::new(0);
        let told = [5, 7, 3, 6, 8].map(|now_ms| not_before(&latest, now_ms));
        assert_eq!(told, [5, 7, 7, 7, 8]);
    }
}
