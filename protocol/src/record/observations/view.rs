//! Observations as they are shown: scores are computed on read, on the scale that held when they were taken.

use super::{Consciousness, Fluid, Measurement, SoftSigns, VitalSigns};
use crate::clinical::Vital;
use crate::clinical::news2::{Band, Change, Missing, News2};
use crate::record::plan::{Baseline, CHECK_HOURS_MAX, SpO2Scale};
use crate::record::version::{newest_first, sorted, split_taken_back, things};
use crate::record::{Entry, Thing, Version};
use crate::scope::Section;
use crate::time::Timestamp;

/// Clocks of two nodes of one site differ by a little: what lies no further ahead of the clock was taken now. What lies
/// further ahead is listed, but moves no check and is not the last set.
const CLOCK_SLACK_MS: i64 = 5 * 60_000;

/// What is usual for a person, as clinicians agreed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usual {
    /// The usual total.
    pub news2: u8,
    /// Hours between sets while the score is not above it, where that was agreed too.
    pub check_hours: Option<u16>,
}

impl From<&Baseline> for Usual {
    fn from(agreed: &Baseline) -> Self {
        Self { news2: agreed.news2, check_hours: agreed.check_hours }
    }
}

/// A resident's observations, each list newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct ObservationsView<'a> {
    /// Sets of vital signs with their scores.
    pub sets: Vec<ScoredSet<'a>>,
    /// Soft signs.
    pub soft_signs: Vec<Thing<'a, SoftSigns>>,
    /// Single values.
    pub measurements: Vec<Thing<'a, Measurement>>,
    /// Fluids.
    pub fluids: Vec<Thing<'a, Fluid>>,
    /// Entries of things that were entered in error: not counted, still listed.
    pub taken_back: Vec<&'a Entry>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
    /// What is usual for the person.
    pub usual: Option<Usual>,
}

/// A set of vital signs with its score.
#[derive(Clone, Debug, PartialEq)]
pub struct ScoredSet<'a> {
    /// The set; contested where it was corrected apart.
    pub thing: Thing<'a, VitalSigns>,
    /// When it was taken.
    pub taken: Timestamp,
    /// The score, or what is missing for one. Of a contested set the highest.
    pub score: Result<News2, Missing>,
    /// How the score stands to the person's usual one.
    pub change: Option<Change>,
}

/// When the next set is due: by the college's chart 4, or as clinicians agreed while the score is as usual or lower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextCheck {
    /// At the latest; the moment of the last score itself where monitoring is continuous.
    pub due: Timestamp,
    /// The band of the last score.
    pub band: Band,
    /// The hours that clinicians agreed, where those hold.
    pub agreed_hours: Option<u16>,
}

impl<'a> ObservationsView<'a> {
    /// The view of all entries of the months that were passed, in any order; `scale` says which oxygen scale held at
    /// a moment, `usual` is what is usual for the person.
    pub fn of(
        entries: impl IntoIterator<Item = &'a Entry>,
        scale: impl Fn(Timestamp) -> SpO2Scale,
        usual: Option<Usual>,
    ) -> Self {
        let (threads, unread) = sorted(entries, Section::Observations);
        let (mut vitals, struck) = split_taken_back(things::<VitalSigns>(&threads));
        newest_first(&mut vitals);
        let mut taken_back = entries_of(struck);
        let mut soft_signs = standing(things(&threads), &mut taken_back);
        let mut measurements = standing(things(&threads), &mut taken_back);
        let mut fluids = standing(things(&threads), &mut taken_back);
        newest_first(&mut soft_signs);
        newest_first(&mut measurements);
        newest_first(&mut fluids);
        let sets = vitals.into_iter().filter_map(|thing| scored(thing, &scale, usual)).collect();
        Self { sets, soft_signs, measurements, fluids, taken_back, unread, usual }
    }

    /// The sets that were taken by now, newest first.
    pub fn taken(&self, now: Timestamp) -> impl Iterator<Item = &ScoredSet<'a>> {
        self.sets.iter().filter(move |set| !set.is_ahead(now))
    }

    /// The newest set.
    pub fn latest(&self, now: Timestamp) -> Option<&ScoredSet<'a>> {
        self.taken(now).next()
    }

    /// The newest set that could be scored.
    pub fn latest_scored(&self, now: Timestamp) -> Option<(&ScoredSet<'a>, &News2)> {
        self.taken(now).find_map(|set| Some((set, set.score.as_ref().ok()?)))
    }

    /// When the next set is due; none until one could be scored. A later set that is not complete moves nothing, and a
    /// set whose time lies ahead of the clock puts nothing off. What clinicians agreed holds only while the score is
    /// not above the usual one and no measurement alone has 3 points.
    pub fn next_check(&self, now: Timestamp) -> Option<NextCheck> {
        let (set, score) = self.latest_scored(now)?;
        let is_usual = |usual: &Usual| score.total <= usual.news2 && !score.single_three;
        let agreed = self.usual.filter(is_usual).and_then(|usual| usual.check_hours);
        let agreed = agreed.filter(|hours| (1..=CHECK_HOURS_MAX).contains(hours));
        let minutes = agreed.map_or(i64::from(score.band.interval_minutes()), |hours| i64::from(hours) * 60);
        let due = set.taken.plus_ms(minutes * 60_000);
        Some(NextCheck { due, band: score.band, agreed_hours: agreed })
    }

    /// The values of one vital sign, newest first; temperature in tenths of a degree.
    pub fn series(&self, vital: Vital) -> Vec<(Timestamp, u16)> {
        let value = |set: &ScoredSet<'a>| Some((set.taken, value(set.thing.newest()?.body, vital)?));
        self.sets.iter().filter_map(value).collect()
    }

    /// Millilitres drunk and passed from `from` (included) until `until` (excluded).
    pub fn fluid_balance(&self, from: Timestamp, until: Timestamp) -> (u64, u64) {
        let newest = self.fluids.iter().filter_map(Thing::newest);
        let within = newest.filter(|v| from <= v.entry.happened && v.entry.happened < until);
        within.fold((0, 0), |(drunk, passed), v| {
            let millilitres = u64::from(v.body.millilitres);
            if v.body.intake { (drunk + millilitres, passed) } else { (drunk, passed + millilitres) }
        })
    }
}

/// One vital sign of a set, as a number; none for a scale or a panel.
pub fn value(signs: &VitalSigns, vital: Vital) -> Option<u16> {
    match vital {
        Vital::RespiratoryRate => signs.respiratory_rate,
        Vital::OxygenSaturation => signs.oxygen_saturation,
        Vital::Systolic => signs.systolic,
        Vital::Diastolic => signs.diastolic,
        Vital::Pulse => signs.pulse,
        Vital::Temperature => signs.temperature_tenths,
        Vital::BloodPressure | Vital::Weight | Vital::Consciousness => None,
    }
}

fn scored<'a>(
    thing: Thing<'a, VitalSigns>,
    scale: impl Fn(Timestamp) -> SpO2Scale,
    usual: Option<Usual>,
) -> Option<ScoredSet<'a>> {
    let taken = thing.newest()?.entry.happened;
    let score_of = |v: &Version<'a, VitalSigns>| News2::score(v.body, scale(v.entry.happened));
    // Two corrections made apart: the one that calls for more holds until somebody settles it.
    let highest = thing.standing.iter().filter_map(|v| score_of(v).ok()).max_by_key(|s| (s.band, s.total));
    let score = highest.map_or_else(|| thing.newest().map(|v| score_of(&v)), |score| Some(Ok(score)))?;
    let change = score.as_ref().ok().zip(usual).map(|(score, usual)| score.change_from(usual.news2));
    Some(ScoredSet { thing, taken, score, change })
}

fn standing<'a, T: crate::record::version::Kind>(
    things: Vec<Thing<'a, T>>,
    taken_back: &mut Vec<&'a Entry>,
) -> Vec<Thing<'a, T>> {
    let (standing, struck) = split_taken_back(things);
    taken_back.extend(entries_of(struck));
    standing
}

fn entries_of<T>(things: Vec<Thing<'_, T>>) -> Vec<&Entry> {
    things.into_iter().flat_map(|thing| thing.thread.entries).collect()
}

impl ScoredSet<'_> {
    /// Whether its time lies ahead of the clock, by more than two clocks of a site may differ.
    pub fn is_ahead(&self, now: Timestamp) -> bool {
        now.plus_ms(CLOCK_SLACK_MS) < self.taken
    }

    /// The level of consciousness, if it was looked at.
    pub fn consciousness(&self) -> Option<Consciousness> {
        self.thing.newest()?.body.consciousness
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, ids, minute, reordered, strike, version};
    use crate::record::observations::Breathing;

    fn signs(respiratory_rate: u16, saturation: u16) -> VitalSigns {
        VitalSigns {
            respiratory_rate: Some(respiratory_rate),
            oxygen_saturation: Some(saturation),
            breathing: Some(Breathing::Air),
            systolic: Some(125),
            diastolic: Some(75),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            note: None,
            device: None,
        }
    }

    fn set(counter: u64, minutes: i64, respiratory_rate: u16) -> Entry {
        entry(counter, minutes, Body::VitalSigns(signs(respiratory_rate, 97)))
    }

    fn view(entries: &[Entry]) -> ObservationsView<'_> {
        ObservationsView::of(entries, |_| SpO2Scale::One, Some(Usual { news2: 1, check_hours: None }))
    }

    #[test]
    fn the_newest_set_is_scored_against_the_usual_score() {
        let entries = [set(1, 0, 16), set(2, 60, 22)];
        let view = view(&entries);
        let latest = view.latest(minute(60)).unwrap();
        assert_eq!(latest.score.as_ref().unwrap().total, 2);
        assert_eq!(latest.change, Some(Change::Above(1)));
        assert_eq!(
            view.next_check(minute(60)),
            Some(NextCheck { due: minute(60 + 360), band: Band::Low, agreed_hours: None })
        );
        assert_eq!(view.series(Vital::RespiratoryRate), [(minute(60), 22), (minute(0), 16)]);
    }

    #[test]
    fn an_incomplete_set_moves_no_check() {
        let partial = VitalSigns { pulse: Some(70), ..VitalSigns::default() };
        let entries = [set(1, 0, 30), entry(2, 30, Body::VitalSigns(partial))];
        let view = view(&entries);
        assert!(view.latest(minute(90)).unwrap().score.is_err());
        assert_eq!(
            view.next_check(minute(90)),
            Some(NextCheck { due: minute(60), band: Band::LowMedium, agreed_hours: None })
        );
    }

    #[test]
    fn a_set_whose_time_lies_ahead_of_the_clock_puts_no_check_off() {
        let entries = [set(1, 0, 16), set(2, 600, 16)];
        let view = view(&entries);
        assert_eq!(view.sets.len(), 2, "it is listed");
        let due = |now| view.next_check(minute(now)).map(|check| check.due);
        assert_eq!(due(60), Some(minute(12 * 60)));
        assert_eq!(due(595), Some(minute(600 + 12 * 60)), "two clocks of a site may differ by minutes");
    }

    #[test]
    fn what_clinicians_agreed_holds_only_while_the_score_is_as_usual() {
        let usual = Usual { news2: 2, check_hours: Some(7 * 24) };
        let due = |signs: VitalSigns| {
            let entries = [entry(1, 0, Body::VitalSigns(signs))];
            let view = ObservationsView::of(&entries, |_| SpO2Scale::One, Some(usual));
            view.next_check(minute(0)).map(|check| (check.due, check.agreed_hours))
        };
        assert_eq!(due(signs(22, 97)), Some((minute(7 * 24 * 60), Some(7 * 24))), "2 is as usual");
        assert_eq!(due(signs(22, 95)), Some((minute(6 * 60), None)), "3 is above usual");
        let alone = Usual { news2: 3, check_hours: Some(24) };
        let entries = [entry(1, 0, Body::VitalSigns(signs(25, 97)))];
        let view = ObservationsView::of(&entries, |_| SpO2Scale::One, Some(alone));
        assert_eq!(view.next_check(minute(0)).unwrap().due, minute(60), "one measurement alone has 3 points");
    }

    #[test]
    fn each_set_is_scored_on_the_scale_of_its_time() {
        let entries =
            [entry(1, 0, Body::VitalSigns(signs(16, 90))), entry(2, 60, Body::VitalSigns(signs(16, 90)))];
        let scale = |at| if at < minute(30) { SpO2Scale::One } else { SpO2Scale::Two };
        let view = ObservationsView::of(&entries, scale, None);
        let totals: Vec<u8> = view.sets.iter().map(|s| s.score.as_ref().unwrap().total).collect();
        assert_eq!(totals, [0, 3]);
    }

    #[test]
    fn of_two_corrections_the_one_that_calls_for_more_is_scored() {
        let first = set(1, 0, 16);
        let high = version(2, 1, &first, &[&first], Body::VitalSigns(signs(30, 97)));
        let low = version(3, 2, &first, &[&first], Body::VitalSigns(signs(18, 97)));
        let entries = [first, high, low];
        let view = view(&entries);
        assert!(view.sets[0].thing.is_contested());
        assert_eq!(view.sets[0].score.as_ref().unwrap().total, 3);
    }

    #[test]
    fn a_set_entered_in_error_does_not_count() {
        let (right, wrong) = (set(1, 0, 16), set(2, 60, 40));
        let entries = [strike(3, 61, &wrong), right, wrong];
        let view = view(&entries);
        assert_eq!((view.sets.len(), view.taken_back.len()), (1, 2));
        assert_eq!(view.latest_scored(minute(90)).unwrap().1.total, 0);
    }

    #[test]
    fn fluids_are_added_up() {
        let fluid = |intake, millilitres| Body::Fluid(Fluid { intake, millilitres, what: None });
        let entries = [
            entry(1, 0, fluid(true, 200)),
            entry(2, 60, fluid(true, 150)),
            entry(3, 90, fluid(false, 300)),
            entry(4, 120, fluid(true, 999)),
        ];
        assert_eq!(view(&entries).fluid_balance(minute(0), minute(120)), (350, 300));
    }

    fn any_body() -> impl Strategy<Value = Body> {
        prop_oneof![
            4 => (5u16..35, 80u16..100).prop_map(|(r, s)| Body::VitalSigns(signs(r, s))),
            1 => Just(Body::SoftSigns(SoftSigns { signs: vec!["moving".into()], text: None })),
            1 => Just(Body::Fluid(Fluid { intake: true, millilitres: 200, what: None })),
        ]
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
            (entries, again) in history(any_body()).prop_flat_map(reordered)
        ) {
            let shown = view(&entries);
            prop_assert_eq!(&shown, &view(&again));
            let sets = shown.sets.iter().flat_map(|s| &s.thing.thread.entries);
            let signs = shown.soft_signs.iter().flat_map(|s| &s.thread.entries);
            let fluids = shown.fluids.iter().flat_map(|s| &s.thread.entries);
            let listed = ids(sets.chain(signs).chain(fluids).chain(&shown.taken_back).copied());
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert!(ids(said).iter().all(|id| listed.contains(id)));
        }
    }
}
