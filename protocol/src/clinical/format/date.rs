//! Dates and times (CUI D+Ta-0006 to 0018, D+Tb-0001 to 0016), in the zone that staff read.

use jiff::tz::AmbiguousOffset;

use crate::scope::Month;
use crate::time::{Date, Timestamp};

const SHORT_MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

const LONG_MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

const WEEKDAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// `14-Aug-1938`.
pub fn date(date: Date) -> String {
    format!("{:02}-{}-{:04}", date.0.day(), month_of(date, &SHORT_MONTHS), date.0.year())
}

/// `14-Aug-1938 (88y)`: a date of birth with the age on `today` (PAB-0034). The age is left out for a date to come.
pub fn born(birth: Date, today: Date) -> String {
    match birth.years_until(today) {
        Some(years) => format!("{} ({years}y)", date(birth)),
        None => date(birth),
    }
}

/// `01-Feb-2026 (87y)`: a date of death with the age at death, to stand under the labels `Died` and `Age at Death`
/// (PAB-0055 to 0060). The age is left out where the date of birth is not known.
pub fn died(death: Date, birth: Option<Date>) -> String {
    match birth.and_then(|birth| birth.years_until(death)) {
        Some(years) => format!("{} ({years}y)", date(death)),
        None => date(death),
    }
}

/// `Mon 05-Jan-2026`.
pub fn day(of: Date) -> String {
    let weekday = weekday(of.0.weekday().to_monday_one_offset());
    format!("{} {}", weekday.get(..3).unwrap_or(weekday), date(of))
}

/// `08:05`, on the 24-hour clock. In the hour that the end of summer time has twice the zone follows: `01:30 BST`.
pub fn time(moment: Timestamp) -> String {
    let zoned = moment.in_zone();
    let clock = format!("{:02}:{:02}", zoned.hour(), zoned.minute());
    match zoned.time_zone().to_ambiguous_timestamp(zoned.datetime()).offset() {
        AmbiguousOffset::Fold { .. } => {
            format!("{clock} {}", zoned.time_zone().to_offset_info(zoned.timestamp()).abbreviation())
        }
        AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Gap { .. } => clock,
    }
}

/// `05-Jan-2026 08:05`.
pub fn date_time(moment: Timestamp) -> String {
    format!("{} {}", date(moment.date()), time(moment))
}

/// `5 January 2026`: for residents, letters and screen readers (D+Ta-0011, 0015).
pub fn long_date(date: Date) -> String {
    format!("{} {} {}", date.0.day(), month_of(date, &LONG_MONTHS), date.0.year())
}

/// `May 2026`.
pub fn month(month: Month) -> String {
    format!("{} {}", named(month.month(), &LONG_MONTHS), month.year())
}

/// `5 January 2026 at 08:05`: for residents, letters and screen readers.
pub fn long_date_time(moment: Timestamp) -> String {
    format!("{} at {}", long_date(moment.date()), time(moment))
}

/// The name of a day of the week, Monday 1 to Sunday 7; empty for another number.
pub(crate) fn weekday(monday_one: i8) -> &'static str {
    let place = usize::try_from(monday_one).ok().and_then(|n| n.checked_sub(1));
    place.and_then(|p| WEEKDAYS.get(p)).copied().unwrap_or_default()
}

fn month_of(date: Date, names: &[&'static str; 12]) -> &'static str {
    named(u8::try_from(date.0.month()).unwrap_or_default(), names)
}

fn named(month: u8, names: &[&'static str; 12]) -> &'static str {
    let place = usize::from(month).checked_sub(1);
    place.and_then(|p| names.get(p)).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn on(text: &str) -> Date {
        text.parse().unwrap()
    }

    fn at(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn dates_are_written_so_that_no_country_reads_them_otherwise() {
        assert_eq!(date(on("1938-08-14")), "14-Aug-1938");
        assert_eq!(date(on("2026-05-05")), "05-May-2026");
        assert_eq!(day(on("2026-01-05")), "Mon 05-Jan-2026");
        assert_eq!(day(on("2026-01-06")), "Tue 06-Jan-2026");
        assert_eq!(long_date(on("2026-01-05")), "5 January 2026");
        assert_eq!(month(Month::new(2026, 5).unwrap()), "May 2026");
    }

    #[test]
    fn a_birth_date_carries_the_age() {
        assert_eq!(born(on("1938-08-14"), on("2026-11-21")), "14-Aug-1938 (88y)");
        assert_eq!(born(on("2026-12-01"), on("2026-11-21")), "01-Dec-2026");
    }

    #[test]
    fn a_death_carries_the_age_at_death() {
        assert_eq!(died(on("2026-02-01"), Some(on("1938-08-14"))), "01-Feb-2026 (87y)");
        assert_eq!(died(on("2026-02-01"), None), "01-Feb-2026");
    }

    #[test]
    fn times_are_london_times_on_the_24_hour_clock() {
        assert_eq!(time(at("2026-01-05T20:05:59Z")), "20:05");
        assert_eq!(time(at("2026-07-05T20:05:00Z")), "21:05");
        assert_eq!(date_time(at("2026-06-30T23:30:00Z")), "01-Jul-2026 00:30");
        assert_eq!(long_date_time(at("2026-01-05T08:05:00Z")), "5 January 2026 at 08:05");
    }

    #[test]
    fn the_doubled_hour_says_which_it_is() {
        assert_eq!(time(at("2026-10-25T00:30:00Z")), "01:30 BST");
        assert_eq!(time(at("2026-10-25T01:30:00Z")), "01:30 GMT");
        assert_eq!(time(at("2026-10-25T02:00:00Z")), "02:00");
    }

    proptest! {
        #[test]
        fn any_moment_can_be_written(ms: i64) {
            prop_assert!(long_date_time(Timestamp(ms)).len() > 10);
            prop_assert!(day(Timestamp(ms).date()).len() > 10);
        }
    }
}
