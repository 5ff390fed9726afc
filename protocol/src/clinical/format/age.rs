//! How old something is, in words: every item from outside says it.

use super::date::date_time;
use crate::time::Timestamp;

const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// `just now`, `25 min ago`, `9 h ago`, `3 days ago`: whole units, rounded down, days from 48 hours on. A moment more
/// than two minutes ahead of `now` is written out, since a clock is wrong somewhere.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    match now.ms_since(then) {
        ahead if ahead < -2 * MINUTE_MS => format!("{} (ahead of this clock)", date_time(then)),
        ms if ms < MINUTE_MS => "just now".to_owned(),
        ms if ms < HOUR_MS => format!("{} min ago", ms / MINUTE_MS),
        ms if ms < 2 * DAY_MS => format!("{} h ago", ms / HOUR_MS),
        ms => format!("{} days ago", ms / DAY_MS),
    }
}

/// A length of time, such as `45 min`, `4 h` or `1 h 20 min`.
pub fn length(minutes: i64) -> String {
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_whole_units_rounded_down() {
        let now = Timestamp(1_800_000_000_000);
        for (ms, words) in [
            (0, "just now"),
            (59_999, "just now"),
            (60_000, "1 min ago"),
            (HOUR_MS - 1, "59 min ago"),
            (9 * HOUR_MS + 1, "9 h ago"),
            (2 * DAY_MS - 1, "47 h ago"),
            (3 * DAY_MS, "3 days ago"),
            (-MINUTE_MS, "just now"),
        ] {
            assert_eq!(age(now.plus_ms(-ms), now), words);
        }
        assert_eq!(age(now.plus_ms(HOUR_MS), now), "15-Jan-2027 09:00 (ahead of this clock)");
    }

    #[test]
    fn lengths_are_hours_and_minutes() {
        assert_eq!([45, 60, 80, 240].map(length), ["45 min", "1 h", "1 h 20 min", "4 h"]);
    }
}
