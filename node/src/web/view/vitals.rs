//! The last observations with their score, and what the score asks for.

use hearth_protocol::clinical::format;
use hearth_protocol::clinical::news2::{Band, News2};
use hearth_protocol::record::observations::{Breathing, VitalSigns};
use hearth_protocol::record::plan::{Baseline, OxygenScale, SpO2Scale};
use hearth_protocol::record::version::{Kind, Thing, Version, sorted, things};
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
    /// What to do, in the college's words.
    pub response: &'static str,
    /// Parameter and points.
    pub parts: Vec<(&'static str, u8)>,
    /// Against the person's own usual score.
    pub against_usual: String,
    /// Which oxygen scale, and who set it.
    pub scale: String,
}

impl Vitals {
    /// The newest set of a chart.
    pub fn latest(chart: &Chart) -> Option<Self> {
        let (threads, _) = sorted(chart.section(Section::Observations), Section::Observations);
        let sets = things::<VitalSigns>(&threads);
        let newest = sets.iter().filter_map(Thing::newest).max_by_key(|v| (v.entry.happened, v.entry.id))?;
        Some(Self::of(chart, newest))
    }

    fn of(chart: &Chart, set: Version<'_, VitalSigns>) -> Self {
        Self {
            by: format!("{}, {}", by(set.entry), format::date_time(set.entry.happened)),
            age: format::age(set.entry.happened, chart.now),
            values: values(set.body),
            score: score(chart, set.body),
            note: set.body.note.clone(),
            way: way(chart, set.entry),
        }
    }

    /// The score where there is one.
    pub fn scored(&self) -> Option<&Score> {
        self.score.as_ref().ok()
    }

    /// Why there is no score.
    pub fn unscored(&self) -> Option<&str> {
        self.score.as_ref().err().map(String::as_str)
    }
}

/// The score of a set on the chart's scale, against its usual score.
pub fn score(chart: &Chart, signs: &VitalSigns) -> Result<Score, String> {
    let scale = standing::<OxygenScale>(chart);
    let (used, scale_words) = match scale.as_slice() {
        [] => (SpO2Scale::One, "SpO2 scale 1".to_owned()),
        [one] if one.body.scale == SpO2Scale::Two => {
            (SpO2Scale::Two, format!("SpO2 scale 2, set by {}", one.body.set_by))
        }
        [_] => (SpO2Scale::One, "SpO2 scale 1".to_owned()),
        [..] => (SpO2Scale::One, "SpO2 scale 1: people set different scales. Ask the nurse".to_owned()),
    };
    let news2 = News2::score(signs, used).map_err(|missing| missing.to_string())?;
    let against_usual = match standing::<Baseline>(chart).as_slice() {
        [] => "No usual score agreed".to_owned(),
        [one] => format!("{} (usual score {})", news2.change_from(one.body.news2), one.body.news2),
        [..] => "People agreed different usual scores. Ask the nurse".to_owned(),
    };
    Ok(Score {
        total: news2.total,
        kind: band_kind(news2.band),
        risk: news2.band.risk(),
        single_three: news2.single_three,
        monitoring: news2.band.monitoring(),
        response: news2.band.response(),
        parts: news2.parts.iter().map(|part| (part.parameter.label(), part.points)).collect(),
        against_usual,
        scale: scale_words,
    })
}

/// Whether the score asks for an urgent or emergency response, or one measurement alone has 3 points.
pub fn is_urgent(chart: &Chart, signs: &VitalSigns) -> bool {
    score(chart, signs).is_ok_and(|score| score.single_three || matches!(score.kind, "medium" | "high"))
}

/// The score and what it asks for in one paragraph, or why there is none.
pub fn score_words(chart: &Chart, signs: &VitalSigns) -> String {
    match score(chart, signs) {
        Ok(score) => format!(
            "NEWS2 {}: {} clinical risk, {}. {}.",
            score.total, score.risk, score.against_usual, score.response
        ),
        Err(why) => format!("No score. {why}."),
    }
}

/// Which oxygen scale was set when, oldest first. People who set different ones apart set none.
pub fn scales(chart: &Chart) -> Vec<(Timestamp, SpO2Scale)> {
    let (threads, _) = sorted(chart.section(Section::Plan), Section::Plan);
    let set = things::<OxygenScale>(&threads);
    let standing = set.iter().filter(|thing| !thing.is_taken_back());
    let mut scales: Vec<_> = standing
        .filter_map(|thing| {
            let newest = thing.newest()?;
            let scale = if thing.is_contested() { SpO2Scale::One } else { newest.body.scale };
            Some((newest.entry.happened, scale))
        })
        .collect();
    scales.sort_by_key(|(at, _)| *at);
    scales
}

/// The oxygen scale that held at a moment.
pub fn scale_at(scales: &[(Timestamp, SpO2Scale)], at: Timestamp) -> SpO2Scale {
    scales.iter().rev().find(|(since, _)| *since <= at).map_or(SpO2Scale::One, |(_, scale)| *scale)
}

/// The usual score, where it is agreed and nobody agreed another apart.
pub fn usual(chart: &Chart) -> Option<u8> {
    match standing::<Baseline>(chart).as_slice() {
        [one] => Some(one.body.news2),
        [..] => None,
    }
}

fn standing<T: Kind>(chart: &Chart) -> Vec<Version<'_, T>> {
    let (threads, _) = sorted(chart.section(Section::Plan), Section::Plan);
    let newest = things::<T>(&threads).into_iter().filter(|thing| !thing.is_taken_back());
    // A later statement stands for an earlier one; what was changed apart stands side by side.
    newest
        .max_by_key(|thing| thing.newest().map(|v| v.entry.happened))
        .map(|t| t.standing)
        .unwrap_or_default()
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
    let number = |value: Option<u16>, unit: &str| value.map(|v| format!("{v} {unit}"));
    let pressure = match (signs.systolic, signs.diastolic) {
        (Some(systolic), Some(diastolic)) => Some(format!("{systolic}/{diastolic} mmHg")),
        (Some(systolic), None) => Some(format!("{systolic} mmHg systolic")),
        (None, Some(diastolic)) => Some(format!("{diastolic} mmHg diastolic")),
        (None, None) => None,
    };
    let breathing = signs.breathing.as_ref().map(|breathing| match breathing {
        Breathing::Air => "Air".to_owned(),
        Breathing::Oxygen(None) => "Oxygen".to_owned(),
        Breathing::Oxygen(Some(how)) => format!("Oxygen, {how}"),
    });
    let temperature = signs.temperature_tenths.map(|t| format!("{}.{} \u{b0}C", t / 10, t % 10));
    [
        number(signs.respiratory_rate, "breaths/min"),
        signs.oxygen_saturation.map(|v| format!("{v}%")),
        breathing,
        pressure,
        number(signs.pulse, "beats/min"),
        signs.consciousness.map(|level| level.label().to_owned()),
        temperature,
    ]
}

#[cfg(test)]
mod tests {
    use hearth_protocol::record::{Body, Entry};

    use super::super::made::entry;
    use super::*;

    fn set(counter: u64, at: i64, scale: SpO2Scale) -> Entry {
        let set_by = "Dr Patel".to_owned();
        entry(counter, Timestamp(at), Body::OxygenScale(OxygenScale { scale, set_by }))
    }

    fn scale(entries: Vec<Entry>, at: i64) -> SpO2Scale {
        let mut chart = Chart::new(
            hearth_protocol::id::ResidentId(uuid::Uuid::from_u128(1)),
            "VL1AB".parse().unwrap(),
            Timestamp(100),
        );
        chart.put(Section::Plan, entries);
        scale_at(&scales(&chart), Timestamp(at))
    }

    #[test]
    fn a_scale_holds_from_when_it_was_set_until_another_is() {
        let entries = || vec![set(2, 50, SpO2Scale::One), set(1, 20, SpO2Scale::Two)];
        let held = [19, 20, 49, 50].map(|at| scale(entries(), at));
        assert_eq!(held, [SpO2Scale::One, SpO2Scale::Two, SpO2Scale::Two, SpO2Scale::One]);
    }

    #[test]
    fn the_scale_that_people_set_apart_is_the_usual_one() {
        let first = set(1, 20, SpO2Scale::Two);
        let version = |counter, at, scale| Entry {
            thread: Some(first.id),
            replaces: vec![first.id],
            ..set(counter, at, scale)
        };
        let apart = vec![first.clone(), version(2, 30, SpO2Scale::Two), version(3, 31, SpO2Scale::One)];
        assert_eq!(scale(apart, 40), SpO2Scale::One);
        assert_eq!(scale(vec![first.clone(), version(2, 30, SpO2Scale::Two)], 40), SpO2Scale::Two);
    }
}
