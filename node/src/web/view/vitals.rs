//! The last observations with their score, and what the score asks for.

use hearth_protocol::clinical::format;
use hearth_protocol::clinical::news2::{Band, News2};
use hearth_protocol::record::observations::{Breathing, VitalSigns};
use hearth_protocol::record::plan::{Baseline, OxygenScale, SpO2Scale};
use hearth_protocol::record::version::{Kind, Thing, Version, sorted, things};
use hearth_protocol::scope::Section;

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

/// Names and values with units of what was measured.
pub fn values(signs: &VitalSigns) -> Vec<(&'static str, String)> {
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
        ("Respiration rate", number(signs.respiratory_rate, "breaths/min")),
        ("Oxygen saturation", signs.oxygen_saturation.map(|v| format!("{v}%"))),
        ("Air or oxygen", breathing),
        ("Blood pressure", pressure),
        ("Pulse", number(signs.pulse, "beats/min")),
        ("Consciousness", signs.consciousness.map(|level| level.label().to_owned())),
        ("Temperature", temperature),
    ]
    .into_iter()
    .filter_map(|(name, value)| value.map(|value| (name, value)))
    .collect()
}
