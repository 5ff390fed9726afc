//! The plan's entries as they are shown; the passages that people edit together are texts of the document.

use super::{Baseline, CareGoal, OxygenScale, Risk, SpO2Scale, Statement};
use crate::record::version::{all_standing, newest_first, sorted, things};
use crate::record::{Entry, Thing, Version};
use crate::scope::Section;
use crate::time::Timestamp;

/// A resident's plan.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanView<'a> {
    /// Goals that hold, newest first. One that was ended and changed apart holds until somebody settles it.
    pub goals: Vec<Thing<'a, CareGoal>>,
    /// Goals that were ended or taken back.
    pub past_goals: Vec<Thing<'a, CareGoal>>,
    /// Passages from elsewhere, newest first.
    pub statements: Vec<Thing<'a, Statement>>,
    /// Risks, newest first, with those that were taken back.
    pub risks: Vec<Thing<'a, Risk>>,
    /// Usual scores that were agreed, newest first.
    pub baselines: Vec<Thing<'a, Baseline>>,
    /// Oxygen scales that were set, newest first.
    pub scales: Vec<Thing<'a, OxygenScale>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

impl<'a> PlanView<'a> {
    /// The view of all entries of a resident's plan, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Plan);
        let mut goals: Vec<Thing<'a, CareGoal>> = things(&threads);
        newest_first(&mut goals);
        let holds = |goal: &Thing<'a, CareGoal>| goal.standing.iter().any(|v| v.body.active);
        let (goals, past_goals) = goals.into_iter().partition(holds);
        let (mut statements, mut risks) = (things(&threads), things(&threads));
        let (mut baselines, mut scales) = (things(&threads), things(&threads));
        newest_first(&mut statements);
        newest_first(&mut risks);
        newest_first(&mut baselines);
        newest_first(&mut scales);
        Self { goals, past_goals, statements, risks, baselines, scales, unread }
    }

    /// The usual NEWS2 that was agreed last. Of two that were agreed apart the lower one, against which a rise shows
    /// sooner, until somebody settles it.
    pub fn baseline(&self) -> Option<Version<'a, Baseline>> {
        let newest = self.baselines.iter().find(|b| !b.is_taken_back())?;
        newest.standing.iter().min_by_key(|v| (v.body.news2, v.entry.id)).copied()
    }

    /// The oxygen scale that a clinician set last, to show who set it; none where none did, so that scale 1 holds.
    pub fn scale(&self) -> Option<Version<'a, OxygenScale>> {
        let newest = self.scales.iter().find(|s| !s.is_taken_back())?;
        newest.standing.iter().min_by_key(|v| (v.body.scale == SpO2Scale::Two, v.entry.id)).copied()
    }

    /// The scale that held at a moment: the last one set by then. Scale 1 where none was, or where two were set apart
    /// and nobody has settled it: scale 2 only ever holds by a clinician's decision (RCP 2017).
    pub fn scale_at(&self, moment: Timestamp) -> SpO2Scale {
        self.scale_version_at(moment).map_or(SpO2Scale::One, |v| v.body.scale)
    }

    /// The version that made the scale hold at a moment, to show who set it; none where scale 1 holds by default.
    pub fn scale_version_at(&self, moment: Timestamp) -> Option<Version<'a, OxygenScale>> {
        let set = self.scales.iter().flat_map(Thing::sound_versions);
        let by_then = set.filter(|v| v.entry.happened <= moment);
        let last = by_then.max_by_key(|v| (v.entry.happened, v.entry.recorded, v.entry.id));
        let is_apart = |v: &Version<'a, OxygenScale>| {
            let thing = self.scales.iter().find(|s| s.id() == v.entry.thread_id());
            thing.is_some_and(|s| s.is_contested() && s.standing.contains(v))
        };
        last.filter(|v| !is_apart(v))
    }

    /// Whether people set different scales or agreed different usual scores apart, and nobody has settled it.
    pub fn is_scoring_contested(&self) -> bool {
        let holds = |contested: Option<bool>| contested.unwrap_or(false);
        holds(self.baselines.iter().find(|b| !b.is_taken_back()).map(Thing::is_contested))
            || self.scales.iter().any(Thing::is_contested)
    }

    /// Whether a person has to settle something here.
    pub fn is_contested(&self) -> bool {
        all_standing(&self.baselines).len() > self.baselines.iter().filter(|b| !b.is_taken_back()).count()
            || self.scales.iter().any(Thing::is_contested)
            || self.goals.iter().any(Thing::is_contested)
            || self.statements.iter().any(Thing::is_contested)
            || self.risks.iter().any(Thing::is_contested)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::SpO2Scale::{One, Two};
    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, minute, reordered, strike, version};

    fn scale(scale: SpO2Scale) -> Body {
        Body::OxygenScale(OxygenScale {
            scale,
            set_by: "Dr A".into(),
            role: None,
            decided: None,
            reason: None,
        })
    }

    fn baseline(news2: u8) -> Body {
        Body::Baseline(Baseline { news2, agreed_by: None, agreed: None, review: None, check_hours: None })
    }

    #[test]
    fn scale_1_holds_until_a_clinician_sets_the_other() {
        let entries = [entry(1, 60, scale(SpO2Scale::Two)), entry(2, 120, scale(SpO2Scale::One))];
        let view = PlanView::of(&entries);
        let at = [0, 59, 60, 119, 120].map(|m| view.scale_at(minute(m)));
        assert_eq!(at, [One, One, Two, Two, One]);
    }

    #[test]
    fn a_scale_set_apart_or_in_error_does_not_hold() {
        let first = entry(1, 0, scale(SpO2Scale::One));
        let two = version(2, 10, &first, &[&first], scale(SpO2Scale::Two));
        let one = version(3, 11, &first, &[&first], scale(SpO2Scale::One));
        assert_eq!(PlanView::of([&first, &two]).scale_at(minute(20)), SpO2Scale::Two);
        let entries = [first.clone(), two.clone(), one];
        let view = PlanView::of(&entries);
        assert_eq!(view.scale_at(minute(10)), SpO2Scale::One);
        assert!(view.is_contested());
        let entries = [first, strike(4, 12, &two), two];
        assert_eq!(PlanView::of(&entries).scale_at(minute(20)), SpO2Scale::One);
    }

    #[test]
    fn the_baseline_agreed_last_holds_and_of_two_apart_the_lower() {
        let (old, new) = (entry(1, 0, baseline(2)), entry(2, 60, baseline(4)));
        assert_eq!(PlanView::of([&old, &new]).baseline().unwrap().body.news2, 4);
        let apart = version(3, 70, &new, &[&new], baseline(5));
        let other = version(4, 71, &new, &[&new], baseline(3));
        let entries = [old, new, apart, other];
        let view = PlanView::of(&entries);
        assert_eq!((view.baseline().unwrap().body.news2, view.is_contested()), (3, true));
    }

    fn any_body() -> impl Strategy<Value = Body> {
        let goal = any::<bool>().prop_map(|active| {
            let (heading, goal) = ("mobility".into(), "walk".into());
            Body::CareGoal(CareGoal { heading, goal, actions: None, review: None, active })
        });
        prop_oneof![
            (0u8..5).prop_map(baseline),
            Just(scale(SpO2Scale::Two)),
            Just(scale(SpO2Scale::One)),
            goal,
        ]
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
            (entries, again) in history(any_body()).prop_flat_map(reordered), at in 0i64..6_000,
        ) {
            let view = PlanView::of(&entries);
            prop_assert_eq!(&view, &PlanView::of(&again));
            prop_assert_eq!(view.scale_at(minute(at)), PlanView::of(&again).scale_at(minute(at)));
            let goals = view.goals.iter().chain(&view.past_goals).flat_map(|t| &t.thread.entries);
            let baselines = view.baselines.iter().flat_map(|t| &t.thread.entries);
            let scales = view.scales.iter().flat_map(|t| &t.thread.entries);
            let listed = ids(goals.chain(baselines).chain(scales).copied());
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert!(ids(said).iter().all(|id| listed.contains(id)));
        }
    }
}
