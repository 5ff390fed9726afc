//! FHIR's dates and times: a year, a month, a day or a moment with an offset.

use jiff::civil;
use serde_json::Value;

use super::view::View;
use crate::time::{Date, TimeOfDay, Timestamp, ZONE};

/// The first moment of what a FHIR `date`, `dateTime` or `instant` names. Texts without an offset, which FHIR forbids
/// beside a time and partners send, are read in the region's zone.
pub fn moment(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(exact) = Timestamp::from_rfc3339(text) {
        return Some(exact);
    }
    let local = text.parse::<civil::DateTime>().ok().or_else(|| midnight(text))?;
    let zoned = local.in_tz(ZONE).ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

fn midnight(text: &str) -> Option<civil::DateTime> {
    if text.len() <= 10 { start(text).map(|day| day.0.at(0, 0, 0, 0)) } else { None }
}

/// The calendar day that a text names, as it is written: the offset of a moment never moves it to another day.
/// None for a year or a month alone.
pub fn day(text: &str) -> Option<Date> {
    text.trim().get(..10)?.parse().ok()
}

/// The first day of the year, month or day that a text names.
pub fn start(text: &str) -> Option<Date> {
    let text = text.trim();
    let full = match text.len() {
        4 => format!("{text}-01-01"),
        7 => format!("{text}-01"),
        _ => return day(text),
    };
    full.parse().ok()
}

/// Whether a text names a day, and not only a year or a month.
pub fn is_exact(text: &str) -> bool {
    day(text).is_some()
}

/// A FHIR `time`, with or without seconds.
pub fn time_of_day(text: &str) -> Option<TimeOfDay> {
    text.trim().get(..5)?.parse().ok()
}

/// The moment of a choice of date types below one name: `effective`, `occurrence`, `performed`, `onset`.
pub(crate) fn chosen<'a>(resource: &'a Value, name: &str) -> Option<&'a str> {
    let text = |suffix: &str| resource.text(&format!("{name}{suffix}"));
    let period = || {
        let period = resource.one(&format!("{name}Period"))?;
        period.text("start").or_else(|| period.text("end"))
    };
    let timing = || resource.path_text(&[&format!("{name}Timing"), "event"]);
    text("DateTime").or_else(|| text("Instant")).or_else(|| text("Date")).or_else(period).or_else(timing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_precision_of_a_date_names_its_first_moment() {
        for (text, expected) in [
            ("1938", "1938-01-01T00:00:00.000Z"),
            ("1999-12", "1999-12-01T00:00:00.000Z"),
            ("2026-06-30", "2026-06-29T23:00:00.000Z"),
            ("2026-06-30T08:30:00+01:00", "2026-06-30T07:30:00.000Z"),
            ("2026-06-30T08:30:00.250Z", "2026-06-30T08:30:00.250Z"),
            ("2026-06-30T08:30:00", "2026-06-30T07:30:00.000Z"),
        ] {
            assert_eq!(moment(text).map(Timestamp::to_rfc3339).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "19", "yesterday", "2026-13-01", "2026-06-31", "2026-06-30T25:00:00Z"] {
            assert_eq!(moment(text), None, "{text}");
        }
    }

    #[test]
    fn a_day_is_the_day_that_was_written() {
        assert_eq!(day("2018-09-14T00:00:00+01:00").unwrap().to_string(), "2018-09-14");
        assert_eq!(day("1990-05-01T23:30:00-05:00").unwrap().to_string(), "1990-05-01");
        assert_eq!(day("2018-09"), None);
        assert_eq!(start("2018-09").unwrap().to_string(), "2018-09-01");
        assert!(!is_exact("2018"));
    }

    #[test]
    fn a_time_of_day_is_read_with_or_without_seconds() {
        assert_eq!(time_of_day("08:30:00"), TimeOfDay::new(8, 30));
        assert_eq!(time_of_day("17:00"), TimeOfDay::new(17, 0));
        assert_eq!(time_of_day("25:00:00"), None);
    }
}
