//! What a person should know or do, in sentences for `status` and `sync`.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::clock::Millis;

/// Undone operations that are remembered: the newest.
const UNDONE_MAX: usize = 10;
/// They are history after this time.
const UNDONE_SHOWN_FOR: Duration = Duration::from_secs(24 * 3600);

#[derive(Default)]
pub(super) struct Notices {
    /// How things are, by what they are about.
    standing: BTreeMap<&'static str, String>,
    /// What a program was told is done, and the service refused afterwards.
    undone: VecDeque<Undone>,
}

struct Undone {
    at: Millis,
    text: String,
    /// Somebody who waited for everything to be sent knows it.
    told: bool,
}

impl Notices {
    pub fn stand(&mut self, about: &'static str, text: String) {
        self.standing.insert(about, text);
    }

    /// The service does what it is asked for again.
    pub fn all_is_well(&mut self) {
        self.standing.clear();
    }

    pub fn undone(&mut self, at: Millis, text: String) {
        if self.undone.len() >= UNDONE_MAX {
            self.undone.pop_front();
        }
        self.undone.push_back(Undone { at, text, told: false });
    }

    /// One sentence each.
    pub fn lines(&self, now: Millis) -> Vec<String> {
        let recent = self.undone.iter().filter(|undone| now.since(undone.at) < UNDONE_SHOWN_FOR);
        self.standing.values().cloned().chain(recent.map(Undone::line)).collect()
    }

    /// What was undone since this was asked last.
    pub fn take_untold(&mut self) -> Vec<String> {
        let untold = self.undone.iter_mut().filter(|undone| !undone.told);
        let tell = |undone: &mut Undone| {
            undone.told = true;
            undone.line()
        };
        untold.map(tell).collect()
    }
}

impl Undone {
    fn line(&self) -> String {
        let time = jiff::Timestamp::from_millisecond(self.at.0 as i64).unwrap_or_default();
        let clock = time.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M");
        format!("{clock}: {}", self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_undone_is_shown_for_a_day_and_told_once() {
        let mut notices = Notices::default();
        notices.undone(Millis(0), "old".into());
        let day = UNDONE_SHOWN_FOR.as_millis() as u64;
        notices.undone(Millis(day), "new".into());
        notices.stand("full", "full".into());
        let lines = notices.lines(Millis(day));
        assert_eq!((lines.len(), lines[0].as_str()), (2, "full"));
        assert!(lines[1].ends_with(": new"), "{lines:?}");
        assert_eq!(notices.take_untold().len(), 2);
        assert!(notices.take_untold().is_empty());
        notices.all_is_well();
        assert_eq!(notices.lines(Millis(day)).len(), 1);
        assert!(notices.lines(Millis(2 * day)).is_empty());
    }

    #[test]
    fn only_the_newest_are_remembered() {
        let mut notices = Notices::default();
        (0..50).for_each(|n| notices.undone(Millis(n), n.to_string()));
        let lines = notices.lines(Millis(50));
        assert_eq!(lines.len(), UNDONE_MAX);
        assert!(lines[0].ends_with(": 40"), "{lines:?}");
    }
}
