//! The time at which something was done, where it was not just now.

use hearth_protocol::clinical::dose_times::moment;
use hearth_protocol::time::{TimeOfDay, Timestamp};

use crate::web::form::{Fields, Problems};

/// How far back a time of day can be meant. A time that is meant to lie a little ahead, or is mistyped, would otherwise
/// be taken for yesterday's.
const HOURS_MAX: i64 = 12;

/// The moment that was typed as a time of day, the last one before `now`; when the form was filled in where nothing
/// was typed. A fault is added to the field where it is no time, or none of the last hours.
pub(super) fn read(
    fields: &Fields,
    problems: &mut Problems,
    field: &'static str,
    now: Timestamp,
) -> Timestamp {
    let opened = fields.recorded_at(now);
    let Some(typed) = fields.some(field) else { return opened };
    let Some(time) = time_of_day(&typed) else {
        problems.add(field, "Enter the time with hours and minutes, such as 07:45");
        return opened;
    };
    let dates = [Some(now.date()), now.date().0.yesterday().ok().map(hearth_protocol::time::Date)];
    let moments = dates.into_iter().flatten().filter_map(|date| moment(date, time));
    let last = moments.filter(|at| *at <= now).max();
    let within = last.filter(|at| now.ms_since(*at) <= HOURS_MAX * 3_600_000);
    within.unwrap_or_else(|| {
        problems.add(field, format!("Enter a time within the last {HOURS_MAX} hours"));
        opened
    })
}

/// `07:45`, `7:45`, `7.45` or `0745`.
fn time_of_day(text: &str) -> Option<TimeOfDay> {
    let (hour, minute) = match text.split_once([':', '.']) {
        Some(parts) => parts,
        None => text.split_at_checked(text.len().checked_sub(2)?)?,
    };
    format!("{hour:0>2}:{minute}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_at(now: &str, typed: &str) -> (Timestamp, Problems) {
        let mut problems = Problems::default();
        let fields = Fields(vec![("taken".to_owned(), typed.to_owned())]);
        let at = read(&fields, &mut problems, "taken", Timestamp::from_rfc3339(now).unwrap());
        (at, problems)
    }

    #[test]
    fn a_time_of_day_is_the_last_one_before_now() {
        for (now, typed, meant) in [
            ("2026-12-01T12:12:00Z", "07:45", "2026-12-01T07:45:00Z"),
            ("2026-12-01T12:12:00Z", "7.45", "2026-12-01T07:45:00Z"),
            ("2026-12-01T12:12:00Z", "745", "2026-12-01T07:45:00Z"),
            ("2026-12-01T00:20:00Z", "23:50", "2026-11-30T23:50:00Z"),
            // 01:30 in London on the night on which the clocks go back is told as the first of the two.
            ("2026-10-25T06:00:00Z", "01:30", "2026-10-25T00:30:00Z"),
            ("2026-07-01T06:00:00Z", "06:30", "2026-07-01T05:30:00Z"),
        ] {
            let (at, problems) = read_at(now, typed);
            assert!(problems.is_empty(), "{typed}: {problems:?}");
            assert_eq!(at, Timestamp::from_rfc3339(meant).unwrap(), "{now} {typed}");
        }
    }

    #[test]
    fn a_time_that_lies_ahead_is_not_taken_for_yesterdays() {
        for typed in ["12:40", "23:59", "00:00", "25:00", "noon", "7", "é5", "12:5"] {
            assert!(read_at("2026-12-01T12:12:00Z", typed).1.of("taken").is_some(), "{typed}");
        }
        assert!(read_at("2026-12-01T12:12:00Z", "").1.is_empty());
    }
}
