//! NEWS2, the National Early Warning Score of the Royal College of Physicians (2017).
//!
//! For people of 16 and over who are not pregnant. The thresholds are charts 1 and 2 of the report (oxygen scale 2 as
//! in its table; also printed in Thorax), the responses chart 4. UK Core's example of a NEWS2 has wrong points and is
//! not followed. Words between quotation marks are the college's own; this file sets no threshold of its own.
#![expect(clippy::match_same_arms, reason = "one arm is one cell of the chart, in its order")]

use std::fmt;

use super::codes::{Parameter, Scale, Vital};
use super::plausible;
use crate::record::observations::{Breathing, Consciousness, VitalSigns};
use crate::record::plan::SpO2Scale;

/// Youngest age in years for which NEWS2 was made.
pub const AGE_MIN: u16 = 16;

/// A score with its parts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News2 {
    /// The oxygen scale that was used.
    pub scale: SpO2Scale,
    /// Points of each parameter, in the order of the chart.
    pub parts: [SubScore; 7],
    /// Sum of the points, 0 to 20.
    pub total: u8,
    /// Whether one parameter alone has 3 points. Shown beside the band: a high total hides it otherwise.
    pub single_three: bool,
    /// The band that total and parts fall in.
    pub band: Band,
}

/// Points of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SubScore {
    /// The parameter.
    pub parameter: Parameter,
    /// 0 to 3.
    pub points: u8,
}

/// The parameters without which there is no score, in the order of the chart.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Missing(pub Vec<Parameter>);

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|p| p.label()).collect();
        write!(f, "NEWS2 needs every measurement; still missing: {}", names.join(", "))
    }
}

/// Clinical risk (chart 2), in rising order. The college's *low* is split, since chart 4 answers 0 and 1-4 differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Band {
    /// Total 0.
    Zero,
    /// Total 1 to 4, no parameter with 3.
    Low,
    /// A parameter with 3 and a total below 5.
    LowMedium,
    /// Total 5 or 6.
    Medium,
    /// Total 7 or more.
    High,
}

/// How a score stands to the person's usual score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Lower by so many points.
    Below(u8),
    /// As usual.
    Usual,
    /// Higher by so many points.
    Above(u8),
}

impl News2 {
    /// The score of these vital signs on this oxygen scale; all seven parameters are needed.
    pub fn score(signs: &VitalSigns, scale: SpO2Scale) -> Result<Self, Missing> {
        let parts = points(signs, scale);
        let missing: Vec<Parameter> = parts.iter().filter(|p| p.1.is_none()).map(|p| p.0).collect();
        if !missing.is_empty() {
            return Err(Missing(missing));
        }
        let parts = parts.map(|(parameter, points)| SubScore { parameter, points: points.unwrap_or(0) });
        let total = parts.iter().map(|p| p.points).sum();
        let single_three = parts.iter().any(|p| p.points == 3);
        Ok(Self { scale, parts, total, single_three, band: Band::of(total, single_three) })
    }

    /// The difference from the person's own usual total.
    pub fn change_from(&self, usual: u8) -> Change {
        match self.total.cmp(&usual) {
            std::cmp::Ordering::Less => Change::Below(usual - self.total),
            std::cmp::Ordering::Equal => Change::Usual,
            std::cmp::Ordering::Greater => Change::Above(self.total - usual),
        }
    }
}

impl Band {
    /// The band of a total, given whether a single parameter has 3.
    pub fn of(total: u8, single_three: bool) -> Self {
        match (total, single_three) {
            (7.., _) => Self::High,
            (5..=6, _) => Self::Medium,
            (_, true) => Self::LowMedium,
            (1..=4, false) => Self::Low,
            (0, false) => Self::Zero,
        }
    }

    /// The college's word for the clinical risk (chart 2).
    pub fn risk(self) -> &'static str {
        match self {
            Self::Zero | Self::Low => "Low",
            Self::LowMedium => "Low-medium",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }

    /// Longest time to the next set of observations, in minutes; 0 where monitoring is continuous (chart 4).
    pub fn interval_minutes(self) -> u32 {
        match self {
            Self::Zero => 12 * 60,
            Self::Low => 6 * 60,
            Self::LowMedium | Self::Medium => 60,
            Self::High => 0,
        }
    }

    /// Frequency of monitoring in the college's words (chart 4).
    pub fn monitoring(self) -> &'static str {
        match self {
            Self::Zero => "Minimum 12 hourly",
            Self::Low => "Minimum 4-6 hourly",
            Self::LowMedium | Self::Medium => "Minimum 1 hourly",
            Self::High => "Continuous monitoring of vital signs",
        }
    }

    /// The clinical response in the college's words (chart 4), unaltered, a line a point.
    pub fn responses(self) -> &'static [&'static str] {
        match self {
            Self::Zero => &["Continue routine NEWS monitoring"],
            Self::Low => &[
                "Inform registered nurse, who must assess the patient",
                "Registered nurse decides whether increased frequency of monitoring and/or escalation of care is \
                 required",
            ],
            Self::LowMedium => &[
                "Registered nurse to inform medical team caring for the patient, who will review and decide whether \
                 escalation of care is necessary",
            ],
            Self::Medium => &[
                "Registered nurse to immediately inform the medical team caring for the patient",
                "Registered nurse to request urgent assessment by a clinician or team with core competencies in the \
                 care of acutely ill patients",
                "Provide clinical care in an environment with monitoring facilities",
            ],
            Self::High => &[
                "Registered nurse to immediately inform the medical team caring for the patient \u{2013} this should \
                 be at least at specialist registrar level",
                "Emergency assessment by a team with critical care competencies, including practitioner(s) with \
                 advanced airway management skills",
                "Consider transfer of care to a level 2 or 3 clinical care facility, ie higher-dependency unit or ICU",
                "Clinical care in an environment with monitoring facilities",
            ],
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Below(points) => write!(f, "{points} below usual"),
            Self::Usual => f.write_str("as usual"),
            Self::Above(points) => write!(f, "{points} above usual"),
        }
    }
}

/// Lowest and highest value of a vital sign to which the chart gives no points, within what is possible; temperature in
/// tenths of a degree. On scale 2 it is the range that is aimed at, 88 to 92 %, whatever the person breathes. None for
/// what is not scored as a number.
pub fn without_points(vital: Vital, scale: SpO2Scale) -> Option<(u16, u16)> {
    let (lowest, highest) = plausible::limits(vital)?;
    let of_value = |value: u16| match vital {
        Vital::RespiratoryRate => Some(respiration(value)),
        Vital::OxygenSaturation => Some(match scale {
            SpO2Scale::One => saturation_scale_1(value),
            SpO2Scale::Two => saturation_scale_2(value, &Breathing::Oxygen(None)),
        }),
        Vital::Systolic => Some(systolic(value)),
        Vital::Pulse => Some(pulse(value)),
        Vital::Temperature => Some(temperature(value)),
        Vital::Diastolic | Vital::BloodPressure | Vital::Weight | Vital::Consciousness => None,
    };
    let mut free = (lowest..=highest).filter(|value| of_value(*value) == Some(0));
    let first = free.next()?;
    Some((first, free.next_back().unwrap_or(first)))
}

fn points(signs: &VitalSigns, scale: SpO2Scale) -> [(Parameter, Option<u8>); 7] {
    let saturation = signs.oxygen_saturation;
    let oxygen = match scale {
        SpO2Scale::One => saturation.map(saturation_scale_1),
        // On scale 2 a high saturation counts only where oxygen is given, so both must be known.
        SpO2Scale::Two => saturation.zip(signs.breathing.as_ref()).map(|(s, b)| saturation_scale_2(s, b)),
    };
    [
        (Parameter::RespirationRate, signs.respiratory_rate.map(respiration)),
        (Parameter::OxygenSaturation(Scale::from(scale)), oxygen),
        (Parameter::AirOrOxygen, signs.breathing.as_ref().map(air_or_oxygen)),
        (Parameter::Systolic, signs.systolic.map(systolic)),
        (Parameter::Pulse, signs.pulse.map(pulse)),
        (Parameter::Consciousness, signs.consciousness.map(consciousness)),
        (Parameter::Temperature, signs.temperature_tenths.map(temperature)),
    ]
}

fn respiration(breaths: u16) -> u8 {
    match breaths {
        0..=8 => 3,
        9..=11 => 1,
        12..=20 => 0,
        21..=24 => 2,
        25.. => 3,
    }
}

fn saturation_scale_1(percent: u16) -> u8 {
    match percent {
        0..=91 => 3,
        92..=93 => 2,
        94..=95 => 1,
        96.. => 0,
    }
}

fn saturation_scale_2(percent: u16, breathing: &Breathing) -> u8 {
    match (percent, breathing) {
        (0..=83, _) => 3,
        (84..=85, _) => 2,
        (86..=87, _) => 1,
        (88..=92, _) | (93.., Breathing::Air) => 0,
        (93..=94, Breathing::Oxygen(_)) => 1,
        (95..=96, Breathing::Oxygen(_)) => 2,
        (97.., Breathing::Oxygen(_)) => 3,
    }
}

fn air_or_oxygen(breathing: &Breathing) -> u8 {
    match breathing {
        Breathing::Air => 0,
        Breathing::Oxygen(_) => 2,
    }
}

fn systolic(mmhg: u16) -> u8 {
    match mmhg {
        0..=90 => 3,
        91..=100 => 2,
        101..=110 => 1,
        111..=219 => 0,
        220.. => 3,
    }
}

fn pulse(beats: u16) -> u8 {
    match beats {
        0..=40 => 3,
        41..=50 => 1,
        51..=90 => 0,
        91..=110 => 1,
        111..=130 => 2,
        131.. => 3,
    }
}

fn consciousness(level: Consciousness) -> u8 {
    match level {
        Consciousness::Alert => 0,
        Consciousness::Confusion
        | Consciousness::Voice
        | Consciousness::Pain
        | Consciousness::Unresponsive => 3,
    }
}

fn temperature(tenths: u16) -> u8 {
    match tenths {
        0..=350 => 3,
        351..=360 => 1,
        361..=380 => 0,
        381..=390 => 1,
        391.. => 2,
    }
}

#[cfg(test)]
mod tests;
