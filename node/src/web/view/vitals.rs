//! The last observations with their score, and what the score asks for.

use hearth_protocol::clinical::news2::{Band, News2};
use hearth_protocol::clinical::{Vital, format};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::observations::view::{ObservationsView, ScoredSet, Usual};
use hearth_protocol::record::observations::{Breathing, VitalSigns};
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::plan::{OxygenScale, SpO2Scale};
use hearth_protocol::record::{Entry, Thing};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use super::chart::Chart;
use super::item::{ItemWay, by, way};

/// A set of observations as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vitals {
    /// Who and when.
    pub by: String,
    /// `25 min ago`.
    pub age: String,
    /// Names and values with units.
    pub values: Vec<(&'static str, String)>,
    /// The score, or why there is none.
    pub score: Result<Score, String>,
    /// Free text.
    pub note: Option<String>,
    /// How far it has come.
    pub way: Option<ItemWay>,
}

/// A score with what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Score {
    /// 0 to 20.
    pub total: u8,
    /// `zero`, `low`, `low-medium`, `medium` or `high`: the class.
    pub kind: &'static str,
    /// The college's word for the risk.
    pub risk: &'static str,
    /// One parameter alone has 3.
    pub single_three: bool,
    /// How often to measure, in the college's words.
    pub monitoring: &'static str,
    /// What to do, in the college's words, unaltered.
    pub responses: &'static [&'static str],
    /// Parameter and points.
    pub parts: Vec<(&'static str, u8)>,
    /// Against the person's own usual score.
    pub against_usual: String,
    /// Which oxygen scale held when it was taken, and who set it.
    pub scale: String,
    /// Which one holds now, where that is another.
    pub scale_since: Option<String>,
}

/// A resident's observations as every page reads them: each set on the oxygen scale that held when it was taken,
/// against what clinicians agreed is usual.
pub fn observed(chart: &Chart) -> ObservationsView<'_> {
    let plan = PlanView::of(chart.section(Section::Plan));
    let usual = plan.baseline().map(|agreed| Usual::from(agreed.body));
    ObservationsView::of(chart.section(Section::Observations), |at| plan.scale_at(at), usual)
}

impl Vitals {
    /// The newest set of a chart. A set whose time lies ahead of the clock is not it.
    pub fn latest(chart: &Chart) -> Option<Self> {
        let view = observed(chart);
        view.latest(chart.now).and_then(|set| Self::of(chart, set))
    }

    /// A set as it is shown.
    pub fn of(chart: &Chart, set: &ScoredSet<'_>) -> Option<Self> {
        let newest = set.thing.newest()?;
        let entry = newest.entry;
        Some(Self {
            by: format!("{}, {}", by_whom(entry, newest.body), format::date_time(entry.happened)),
            age: format::age(entry.happened, chart.now),
            values: values(newest.body),
            score: set.score.as_ref().map(|news2| score(chart, set, news2)).map_err(ToString::to_string),
            note: newest.body.note.clone(),
            way: way(chart, entry),
        })
    }

    /// The score where there is one.
    pub fn scored(&self) -> Option<&Score> {
        self.score.as_ref().ok()
    }

    /// Why there is no score.
    pub fn unscored(&self) -> Option<&str> {
        self.score.as_ref().err().map(String::as_str)
    }

    /// Whether the score asks for an urgent or emergency response, or one measurement alone has 3 points.
    pub fn is_urgent(&self) -> bool {
        self.scored().is_some_and(|score| score.single_three || matches!(score.kind, "medium" | "high"))
    }

    /// The score and the first thing that it asks for in one paragraph, or why there is none.
    pub fn words(&self) -> String {
        match &self.score {
            Ok(score) => {
                let first = score.responses.first().copied().unwrap_or_default();
                let (total, risk, usual) = (score.total, score.risk, &score.against_usual);
                format!("NEWS2 {total}: {risk} clinical risk, {usual}. {first}.")
            }
            Err(why) => format!("No score. {why}."),
        }
    }
}

/// The set that an entry belongs to.
pub fn of_entry(chart: &Chart, entry: EntryId) -> Option<Vitals> {
    let view = observed(chart);
    let holds = |set: &&ScoredSet<'_>| set.thing.thread.entries.iter().any(|e| e.id == entry);
    view.sets.iter().find(holds).and_then(|set| Vitals::of(chart, set))
}

/// Who or what took a set.
pub fn by_whom(entry: &Entry, signs: &VitalSigns) -> String {
    match &signs.device {
        Some(device) => format!("{}, measured by {device}", by(entry)),
        None => by(entry),
    }
}

/// What a score means and asks for.
fn score(chart: &Chart, set: &ScoredSet<'_>, news2: &News2) -> Score {
    let plan = PlanView::of(chart.section(Section::Plan));
    words_of(&plan, news2, set.taken, chart.now)
}

/// The same of values that were taken at a moment.
pub fn words_of(plan: &PlanView<'_>, news2: &News2, taken: Timestamp, now: Timestamp) -> Score {
    let against_usual = match plan.baseline() {
        None => "No usual score agreed".to_owned(),
        Some(agreed) => {
            let usual = agreed.body.news2;
            let is_apart = plan.baselines.iter().any(|b| b.is_contested() && b.standing.contains(&agreed));
            let apart = if is_apart { "; people agreed different ones, ask the nurse" } else { "" };
            format!("{} (usual score {usual}{apart})", news2.change_from(usual))
        }
    };
    Score {
        total: news2.total,
        kind: band_kind(news2.band),
        risk: news2.band.risk(),
        single_three: news2.single_three,
        monitoring: news2.band.monitoring(),
        responses: news2.band.responses(),
        parts: news2.parts.iter().map(|part| (part.parameter.label(), part.points)).collect(),
        against_usual,
        scale: scale_words(plan, taken),
        scale_since: scale_since(plan, taken, now),
    }
}

/// The oxygen scale that held at a moment, and who set it.
pub fn scale_words(plan: &PlanView<'_>, at: Timestamp) -> String {
    match plan.scale_version_at(at) {
        Some(set) if set.body.scale == SpO2Scale::Two => format!("SpO2 scale 2, set by {}", set_by(set.body)),
        Some(_) => "SpO2 scale 1".to_owned(),
        None if plan.scales.iter().any(Thing::is_contested) => {
            "SpO2 scale 1: people set different scales. Ask the nurse".to_owned()
        }
        None => "SpO2 scale 1".to_owned(),
    }
}

/// The clinician who set a scale, with what they are.
pub fn set_by(set: &OxygenScale) -> String {
    match &set.role {
        Some(role) => format!("{} ({role})", set.set_by),
        None => set.set_by.clone(),
    }
}

/// Says that another scale holds now than held then.
fn scale_since(plan: &PlanView<'_>, taken: Timestamp, now: Timestamp) -> Option<String> {
    if plan.scale_at(taken) == plan.scale_at(now) {
        return None;
    }
    let since = plan.scale_version_at(now).map(|set| format::date_time(set.entry.happened));
    let since = since.map(|at| format!(" at {at}")).unwrap_or_default();
    let holds = scale_words(plan, now);
    Some(format!("The oxygen scale was changed since{since}: {holds} holds for new observations"))
}

fn band_kind(band: Band) -> &'static str {
    match band {
        Band::Zero => "zero",
        Band::Low => "low",
        Band::LowMedium => "low-medium",
        Band::Medium => "medium",
        Band::High => "high",
    }
}

/// What a set has, in the order of the chart.
pub const NAMES: [&str; 7] = [
    "Respiration rate",
    "Oxygen saturation",
    "Air or oxygen",
    "Blood pressure",
    "Pulse",
    "Consciousness",
    "Temperature",
];

/// Names and values with units of what was measured.
pub fn values(signs: &VitalSigns) -> Vec<(&'static str, String)> {
    let named = NAMES.into_iter().zip(measured(signs));
    named.filter_map(|(name, value)| value.map(|value| (name, value))).collect()
}

/// Each value of [`NAMES`] with its unit, where it was measured.
pub fn measured(signs: &VitalSigns) -> [Option<String>; NAMES.len()] {
    let number = |value: Option<u16>, vital: Vital| value.map(|v| format::measured(v, vital.code().unit));
    let pressure = match (signs.systolic, signs.diastolic) {
        (Some(systolic), Some(diastolic)) => {
            Some(format::measured(format_args!("{systolic}/{diastolic}"), "mmHg"))
        }
        (Some(systolic), None) => Some(format!("{systolic} mmHg systolic")),
        (None, Some(diastolic)) => Some(format!("{diastolic} mmHg diastolic")),
        (None, None) => None,
    };
    let breathing = signs.breathing.as_ref().map(|breathing| match breathing {
        Breathing::Air => "Air".to_owned(),
        Breathing::Oxygen(None) => "Oxygen".to_owned(),
        Breathing::Oxygen(Some(how)) => format!("Oxygen, {how}"),
    });
    let temperature = signs
        .temperature_tenths
        .map(|t| format::measured(format_args!("{}.{}", t / 10, t % 10), Vital::Temperature.code().unit));
    [
        number(signs.respiratory_rate, Vital::RespiratoryRate),
        number(signs.oxygen_saturation, Vital::OxygenSaturation),
        breathing,
        pressure,
        number(signs.pulse, Vital::Pulse),
        signs.consciousness.map(|level| level.label().to_owned()),
        temperature,
    ]
}

#[cfg(test)]
mod tests {
    use hearth_protocol::id::ResidentId;
    use hearth_protocol::record::Body;
    use hearth_protocol::record::observations::Consciousness;
    use hearth_protocol::record::plan::Baseline;
    use uuid::Uuid;

    use super::super::made::entry;
    use super::*;

    const MINUTE: i64 = 60_000;

    fn at(minutes: i64) -> Timestamp {
        Timestamp(1_796_126_400_000).plus_ms(minutes * MINUTE)
    }

    fn chart(now: i64, plan: Vec<Entry>, observations: Vec<Entry>) -> Chart {
        let mut chart = Chart::new(ResidentId(Uuid::from_u128(1)), "VL1AB".parse().unwrap(), at(now));
        chart.put(Section::Plan, plan);
        chart.put(Section::Observations, observations);
        chart
    }

    fn scale(counter: u64, minutes: i64, scale: SpO2Scale) -> Entry {
        let (set_by, role) = ("Dr Patel".to_owned(), Some("respiratory consultant".to_owned()));
        let set = OxygenScale { scale, set_by, role, decided: None, reason: None };
        entry(counter, at(minutes), Body::OxygenScale(set))
    }

    /// All usual but a saturation of 90 % on air: 3 points on scale 1, none on scale 2.
    fn low_saturation(counter: u64, minutes: i64) -> Entry {
        let signs = VitalSigns {
            respiratory_rate: Some(16),
            oxygen_saturation: Some(90),
            breathing: Some(Breathing::Air),
            systolic: Some(125),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            ..VitalSigns::default()
        };
        entry(counter, at(minutes), Body::VitalSigns(signs))
    }

    #[test]
    fn the_last_set_is_scored_on_the_scale_of_its_time_and_a_later_scale_is_told() {
        let chart = chart(60, vec![scale(1, 30, SpO2Scale::Two)], vec![low_saturation(2, 0)]);
        let vitals = Vitals::latest(&chart).unwrap();
        let score = vitals.scored().unwrap();
        assert_eq!((score.total, score.scale.as_str()), (3, "SpO2 scale 1"));
        let since = score.scale_since.as_deref().unwrap();
        assert!(since.contains("SpO2 scale 2, set by Dr Patel (respiratory consultant) holds"), "{since}");
        assert_eq!(observed(&chart).sets[0].score.as_ref().unwrap().total, 3, "the table says the same");
    }

    #[test]
    fn a_set_after_the_change_is_scored_on_the_new_scale() {
        let chart = chart(60, vec![scale(1, 30, SpO2Scale::Two)], vec![low_saturation(2, 31)]);
        let score = Vitals::latest(&chart).unwrap().score.unwrap();
        assert_eq!((score.total, score.scale_since), (0, None));
        assert_eq!(score.scale, "SpO2 scale 2, set by Dr Patel (respiratory consultant)");
    }

    #[test]
    fn scales_that_people_set_apart_are_told_and_scale_1_holds() {
        let first = scale(1, 0, SpO2Scale::One);
        let version = |counter, minutes, wanted| Entry {
            thread: Some(first.id),
            replaces: vec![first.id],
            ..scale(counter, minutes, wanted)
        };
        let plan = vec![first.clone(), version(2, 10, SpO2Scale::Two), version(3, 11, SpO2Scale::One)];
        let chart = chart(60, plan, vec![low_saturation(4, 20)]);
        let score = Vitals::latest(&chart).unwrap().score.unwrap();
        assert_eq!(score.total, 3);
        assert!(score.scale.contains("people set different scales. Ask the nurse"));
    }

    #[test]
    fn of_usual_scores_agreed_apart_the_lower_is_compared_with_and_told() {
        let agreed = |counter, news2| {
            let body = Baseline { news2, agreed_by: None, agreed: None, review: None, check_hours: None };
            entry(counter, at(0), Body::Baseline(body))
        };
        let first = agreed(1, 1);
        let version = |counter, news2| Entry {
            thread: Some(first.id),
            replaces: vec![first.id],
            ..agreed(counter, news2)
        };
        let plan = vec![first.clone(), version(2, 2), version(3, 3)];
        let chart = chart(60, plan, vec![low_saturation(4, 20)]);
        let score = Vitals::latest(&chart).unwrap().score.unwrap();
        assert_eq!(
            score.against_usual,
            "1 above usual (usual score 2; people agreed different ones, ask the nurse)"
        );
    }
}
