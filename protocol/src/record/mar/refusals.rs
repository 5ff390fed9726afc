//! Refusals that come again: a medicine refused on three days running is told to the prescriber (common policy of care
//! homes; general knowledge).

use std::collections::BTreeMap;

use super::Outcome;
use super::board::{Slot, SlotState};
use crate::id::EntryId;
use crate::time::Date;

/// Days running with a refusal after which somebody has to look.
pub const DAYS_RUNNING: usize = 3;

/// The orders of which a dose was refused on each of three due days running, with the last of those days. Days on which
/// nothing was due do not break the row: a weekly medicine counts its weeks.
pub fn refused_running<'s, 'a: 's>(slots: impl IntoIterator<Item = &'s Slot<'a>>) -> BTreeMap<EntryId, Date> {
    let mut by_order: BTreeMap<EntryId, BTreeMap<Date, bool>> = BTreeMap::new();
    for slot in slots {
        let is_refused = match &slot.state {
            SlotState::Recorded(outcome) => is_refusal(*outcome),
            SlotState::RecordedApart(outcomes) => outcomes.iter().copied().any(is_refusal),
            SlotState::NotYet | SlotState::Due => continue,
            SlotState::Overdue | SlotState::HeldForReview => false,
        };
        let days = by_order.entry(slot.order).or_default();
        *days.entry(slot.due.date()).or_insert(false) |= is_refused;
    }
    let last_run = |days: BTreeMap<Date, bool>| {
        let days: Vec<(Date, bool)> = days.into_iter().collect();
        let runs = days.windows(DAYS_RUNNING).rev();
        let mut refused = runs.filter(|run| run.iter().all(|(_, refused)| *refused));
        refused.next().and_then(|run| run.last()).map(|(day, _)| *day)
    };
    by_order.into_iter().filter_map(|(order, days)| Some((order, last_run(days)?))).collect()
}

/// Whether the person declined.
fn is_refusal(outcome: Outcome) -> bool {
    matches!(outcome, Outcome::Refused | Outcome::RefusedDestroyed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::fixture::id;
    use crate::time::Timestamp;

    const DAY_MS: i64 = 86_400_000;

    fn slot(day: i64, state: SlotState) -> Slot<'static> {
        Slot {
            order: id(1),
            due: Timestamp(1_796_126_400_000 + day * DAY_MS),
            versions: Vec::new(),
            state,
            recorded: Vec::new(),
            time_critical_minutes: None,
            ask: Vec::new(),
        }
    }

    fn flagged(outcomes: &[Option<Outcome>]) -> bool {
        let slots: Vec<Slot<'_>> = (0..)
            .zip(outcomes)
            .filter_map(|(day, outcome)| Some(slot(day, SlotState::Recorded((*outcome)?))))
            .collect();
        !refused_running(&slots).is_empty()
    }

    #[test]
    fn three_days_running_are_told_and_two_are_not() {
        const R: Option<Outcome> = Some(Outcome::Refused);
        const E: Option<Outcome> = Some(Outcome::RefusedDestroyed);
        const G: Option<Outcome> = Some(Outcome::Given);
        assert!(flagged(&[R, E, R]));
        assert!(flagged(&[G, R, R, R, G]));
        assert!(!flagged(&[R, R, G, R, R]));
        assert!(!flagged(&[R, R]));
        assert!(flagged(&[R, None, R, None, R]), "days without a dose do not break the row");
    }

    #[test]
    fn a_dose_that_is_refused_every_evening_counts_though_the_morning_one_is_taken() {
        let mut slots = Vec::new();
        for day in 0..3 {
            slots.push(slot(day, SlotState::Recorded(Outcome::Given)));
            slots.push(slot(day, SlotState::Recorded(Outcome::Refused)));
        }
        assert_eq!(refused_running(&slots).len(), 1);
    }
}
