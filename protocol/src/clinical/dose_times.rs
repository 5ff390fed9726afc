//! When the doses of an order are due, in UTC, from the times of day that staff read in Europe/London.
//!
//! Summer time: a time of day that the spring change leaves out is due as much later as the clock jumps (01:30 becomes
//! 02:30 on the wall, 24 hours after the 01:30 of the day before); a time that the autumn change has twice is due the
//! first time. So a daily dose is due exactly once on every date. Should two times of one order fall on one moment on
//! the short night, one dose is due: giving both at once would be a double dose.

use std::collections::BTreeSet;

use jiff::civil;
use jiff::tz::TimeZone;

use crate::record::medicines::{Days, Order, OrderStatus, Timing};
use crate::time::{Date, TimeOfDay, Timestamp, ZONE};

/// Longest span, in days, for which due doses are counted in one call; what is asked beyond it is left out. A month's
/// chart needs 31, a year's report 366; without a limit a wrong date would keep a screen busy for minutes.
pub const SPAN_DAYS_MAX: i32 = 400;

/// One due dose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DueDose {
    /// The moment; with the order it names the dose.
    pub due: Timestamp,
    /// The date to which the dose belongs.
    pub date: Date,
    /// The time of day that the order names.
    pub time: TimeOfDay,
}

/// The doses that are due from `from` (included) until `until` (excluded), in order of time, under this version of
/// the order.
///
/// Nothing is due while the order is on hold or stopped, before its first or after its last day, when it is given as
/// required, or when its times are only words. Days are counted from `order.start`, or from `since` (the date from
/// which the order holds) where it has none.
pub fn due_doses(order: &Order, since: Date, from: Timestamp, until: Timestamp) -> Vec<DueDose> {
    let (times, days) = match (&order.status, &order.timing) {
        (OrderStatus::Active, Timing::Times { times, days }) => (times, days),
        (OrderStatus::Active, Timing::WhenRequired | Timing::Text(_))
        | (OrderStatus::OnHold(_) | OrderStatus::Stopped(_), _) => return Vec::new(),
    };
    let times: BTreeSet<TimeOfDay> = times.iter().copied().collect();
    let first = order.start.unwrap_or(since);
    let is_within = |date: Date| order.start.is_none_or(|s| date >= s) && order.end.is_none_or(|e| date <= e);
    let mut doses: Vec<DueDose> = dates(from, until)
        .filter(|date| is_within(*date) && falls_on(days, first, *date))
        .flat_map(|date| times.iter().filter_map(move |time| due_dose(date, *time)))
        .filter(|dose| from <= dose.due && dose.due < until)
        .collect();
    doses.sort_unstable();
    doses.dedup_by_key(|dose| dose.due);
    doses
}

/// The moment at which this time of day is due on this date; none at the ends of the calendar.
pub fn moment(date: Date, time: TimeOfDay) -> Option<Timestamp> {
    let clock =
        civil::Time::new(i8::try_from(time.hour()).ok()?, i8::try_from(time.minute()).ok()?, 0, 0).ok()?;
    let zone = TimeZone::get(ZONE).ok()?;
    let zoned = zone.to_ambiguous_zoned(date.0.to_datetime(clock)).compatible().ok()?;
    Some(Timestamp(zoned.timestamp().as_millisecond()))
}

fn due_dose(date: Date, time: TimeOfDay) -> Option<DueDose> {
    moment(date, time).map(|due| DueDose { due, date, time })
}

/// The dates on which a moment of the span can fall.
fn dates(from: Timestamp, until: Timestamp) -> impl Iterator<Item = Date> {
    let days = usize::try_from(SPAN_DAYS_MAX).unwrap_or_default();
    let last = until.date();
    let first = Some(from.date()).filter(|_| from < until);
    std::iter::successors(first, |date| date.0.tomorrow().ok().map(Date))
        .take_while(move |date| *date <= last)
        .take(days)
}

fn falls_on(days: &Days, first: Date, date: Date) -> bool {
    match days {
        Days::Daily => true,
        Days::EveryDays(step) => {
            let since = days_between(first, date);
            since >= 0 && since % i64::from((*step).max(1)) == 0
        }
        Days::Weekly(on) => {
            let weekday = date.0.weekday().to_monday_one_offset();
            on.iter().any(|day| i8::try_from(*day) == Ok(weekday))
        }
        Days::Monthly(on) => {
            let length = date.0.days_in_month();
            let falls = |day: &u8| i8::try_from(*day).is_ok_and(|d| d >= 1 && d.min(length) == date.0.day());
            on.iter().any(falls)
        }
    }
}

fn days_between(first: Date, date: Date) -> i64 {
    const DAY_SECONDS: i64 = 86_400;
    date.0.duration_since(first.0).as_secs() / DAY_SECONDS
}

#[cfg(test)]
mod tests;
