//! The shifts of a site: when each begins, by the wall clock, through the changes of summer time.

use crate::clinical::dose_times::moment as begins;
use crate::time::{Date, TimeOfDay, Timestamp};

/// The setting that names them: a JSON list of times, such as `["08:00","20:00"]`.
pub const SHIFTS_SETTING: &str = "handover.shifts";
/// Most shifts of a day.
pub const SHIFTS_MAX: usize = 6;

/// When the shifts of a day begin, in order; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShiftTimes(Vec<TimeOfDay>);

/// A shift.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shift {
    /// When it begins.
    pub start: Timestamp,
    /// When the next one begins.
    pub end: Timestamp,
}

impl Default for ShiftTimes {
    /// Early, late and night as most homes have them.
    fn default() -> Self {
        Self([7, 14, 21].into_iter().filter_map(|hour| TimeOfDay::new(hour, 0)).collect())
    }
}

impl ShiftTimes {
    /// One to [`SHIFTS_MAX`] times, in any order, none twice.
    pub fn try_new(mut times: Vec<TimeOfDay>) -> Option<Self> {
        let count = times.len();
        times.sort_unstable();
        times.dedup();
        (times.len() == count && (1..=SHIFTS_MAX).contains(&count)).then_some(Self(times))
    }

    /// The times of the setting's value; none where it is not one.
    pub fn from_json(value: &str) -> Option<Self> {
        let texts: Vec<String> = serde_json::from_str(value).ok()?;
        let times: Result<Vec<TimeOfDay>, _> = texts.iter().map(|text| text.parse()).collect();
        Self::try_new(times.ok()?)
    }

    /// The setting's value.
    pub fn to_json(&self) -> String {
        let texts: Vec<String> = self.0.iter().map(|time| format!("\"{time}\"")).collect();
        format!("[{}]", texts.join(","))
    }

    /// The times, in order.
    pub fn times(&self) -> &[TimeOfDay] {
        &self.0
    }

    /// The shift in which a moment lies.
    pub fn at(&self, moment: Timestamp) -> Shift {
        let today = moment.date();
        let days = [today.0.yesterday().ok(), Some(today.0), today.0.tomorrow().ok()];
        let starts = days
            .into_iter()
            .flatten()
            .flat_map(|day| self.0.iter().filter_map(move |time| begins(Date(day), *time)));
        let mut shift = Shift { start: moment, end: moment.plus_ms(1) };
        for start in starts {
            if start <= moment {
                shift.start = start;
            } else {
                shift.end = start;
                break;
            }
        }
        shift
    }

    /// The shift before this one.
    pub fn before(&self, shift: Shift) -> Shift {
        self.at(shift.start.plus_ms(-1))
    }

    /// The shift that begins at this moment, if one does.
    pub fn beginning(&self, start: Timestamp) -> Option<Shift> {
        Some(self.at(start)).filter(|shift| shift.start == start)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn moment(text: &str) -> Timestamp {
        Timestamp::from_rfc3339(text).unwrap()
    }

    #[test]
    fn a_night_shift_goes_over_midnight() {
        let shift = ShiftTimes::default().at(moment("2026-12-02T03:00:00Z"));
        assert_eq!(
            shift,
            Shift { start: moment("2026-12-01T21:00:00Z"), end: moment("2026-12-02T07:00:00Z") }
        );
        let before = ShiftTimes::default().before(shift);
        assert_eq!(before.start, moment("2026-12-01T14:00:00Z"));
    }

    #[test]
    fn the_nights_of_the_change_are_an_hour_shorter_and_longer() {
        let hours = |at: &str| {
            let shift = ShiftTimes::default().at(moment(at));
            shift.end.ms_since(shift.start) / 3_600_000
        };
        assert_eq!((hours("2026-03-29T00:30:00Z"), hours("2026-10-25T00:30:00Z")), (9, 11));
    }

    #[test]
    fn a_setting_reads_back_and_nonsense_is_none() {
        let times = ShiftTimes::from_json("[\"20:00\",\"08:00\"]").unwrap();
        assert_eq!(times.to_json(), "[\"08:00\",\"20:00\"]");
        assert_eq!(ShiftTimes::from_json(&times.to_json()), Some(times));
        for wrong in ["[]", "[\"8:00\"]", "[\"08:00\",\"08:00\"]", "8", ""] {
            assert_eq!(ShiftTimes::from_json(wrong), None, "{wrong}");
        }
    }

    proptest! {
        /// Every moment lies in one shift, and each shift follows the one before without a gap.
        #[test]
        fn shifts_follow_each_other_without_a_gap(
            ms in 1_700_000_000_000i64..1_900_000_000_000, times in prop::collection::btree_set((0u8..24, 0u8..60), 1..=6)
        ) {
            let times = times.into_iter().filter_map(|(hour, minute)| TimeOfDay::new(hour, minute)).collect();
            let times = ShiftTimes::try_new(times).unwrap();
            let shift = times.at(Timestamp(ms));
            prop_assert!(shift.start <= Timestamp(ms) && Timestamp(ms) < shift.end);
            prop_assert_eq!(times.before(shift).end, shift.start);
            prop_assert_eq!(times.at(shift.start), shift);
        }
    }
}
