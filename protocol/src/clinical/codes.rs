//! The codes under which vital signs and NEWS2 travel, in one table.
//!
//! Source: UK Core R4 profiles and examples (`UKCore-Observation-VitalSigns-*`, `-ACVPU`, `-InspiredOxygen`,
//! `-EarlyWarningTotalScore`, `UKCore-Bundle-NEWS2Observations-Example`), snapshot of June 2025. LOINC codes are the
//! ones that FHIR R4's own vital-signs profiles fix.

use crate::record::coded::{Code, Coded, System};
use crate::record::observations::{Breathing, Consciousness};
use crate::record::plan::SpO2Scale;

/// UCUM unit of a NEWS2 total or part, fixed by `UKCore-Observation-EarlyWarningTotalScore`.
pub const SCORE_UNIT: &str = "{ScoreOf}";

/// SNOMED CT code of the NEWS2 total.
pub const NEWS2_TOTAL: &str = "1104051000000101";

/// Term of the NEWS2 total.
pub const NEWS2_TOTAL_DISPLAY: &str =
    "Royal College of Physicians NEWS2 (National Early Warning Score 2) total score";

/// A vital sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Vital {
    /// Breaths a minute.
    RespiratoryRate,
    /// Peripheral oxygen saturation, per cent.
    OxygenSaturation,
    /// Both pressures: the panel whose components the next two are.
    BloodPressure,
    /// Systolic pressure, mmHg.
    Systolic,
    /// Diastolic pressure, mmHg.
    Diastolic,
    /// Beats a minute.
    Pulse,
    /// Degrees Celsius.
    Temperature,
    /// Kilograms.
    Weight,
    /// Level of consciousness on the ACVPU scale.
    Consciousness,
}

/// How a vital sign is coded and shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VitalCode {
    /// SNOMED CT code that is written.
    pub snomed: &'static str,
    /// Other SNOMED CT codes under which the same sign is read.
    pub also_snomed: &'static [&'static str],
    /// LOINC code, where there is one; FHIR R4's profile fixes it, so it is written too.
    pub loinc: Option<&'static str>,
    /// Other LOINC codes under which the same sign is read.
    pub also_loinc: &'static [&'static str],
    /// Term.
    pub display: &'static str,
    /// UCUM code of the unit; none for a panel or a scale.
    pub ucum: Option<&'static str>,
    /// Unit as staff read it.
    pub unit: &'static str,
    /// Name of the UK Core profile after `UKCore-Observation-`.
    pub profile: &'static str,
}

impl Vital {
    /// Every vital sign.
    pub const ALL: [Self; 9] = [
        Self::RespiratoryRate,
        Self::OxygenSaturation,
        Self::BloodPressure,
        Self::Systolic,
        Self::Diastolic,
        Self::Pulse,
        Self::Temperature,
        Self::Weight,
        Self::Consciousness,
    ];

    /// How this sign is coded and shown.
    pub fn code(self) -> VitalCode {
        match self {
            Self::RespiratoryRate => VitalCode {
                loinc: Some("9279-1"),
                ucum: Some("/min"),
                ..VitalCode::of("86290005", "Respiratory rate", "breaths/min", "VitalSigns-RespirationRate")
            },
            Self::OxygenSaturation => VitalCode {
                also_snomed: &["103228002"],
                loinc: Some("2708-6"),
                also_loinc: &["59408-5"],
                ucum: Some("%"),
                ..VitalCode::of(
                    "431314004",
                    "Peripheral oxygen saturation",
                    "%",
                    "VitalSigns-OxygenSaturation",
                )
            },
            Self::BloodPressure => VitalCode {
                loinc: Some("85354-9"),
                also_loinc: &["55284-4"],
                ..VitalCode::of("75367002", "Blood pressure", "mmHg", "VitalSigns-BloodPressure")
            },
            Self::Systolic => VitalCode {
                also_snomed: &["271649006"],
                loinc: Some("8480-6"),
                ucum: Some("mm[Hg]"),
                ..VitalCode::of("72313002", "Systolic arterial pressure", "mmHg", "VitalSigns-BloodPressure")
            },
            Self::Diastolic => VitalCode {
                also_snomed: &["271650006"],
                loinc: Some("8462-4"),
                ucum: Some("mm[Hg]"),
                ..VitalCode::of(
                    "1091811000000102",
                    "Diastolic arterial pressure",
                    "mmHg",
                    "VitalSigns-BloodPressure",
                )
            },
            Self::Pulse => VitalCode {
                also_snomed: &["78564009"],
                loinc: Some("8867-4"),
                ucum: Some("/min"),
                ..VitalCode::of("364075005", "Heart rate", "beats/min", "VitalSigns-HeartRate")
            },
            Self::Temperature => VitalCode {
                also_snomed: &["386725007"],
                loinc: Some("8310-5"),
                ucum: Some("Cel"),
                ..VitalCode::of("276885007", "Core body temperature", "°C", "VitalSigns-BodyTemperature")
            },
            Self::Weight => VitalCode {
                loinc: Some("29463-7"),
                ucum: Some("kg"),
                ..VitalCode::of("27113001", "Body weight", "kg", "VitalSigns-BodyWeight")
            },
            Self::Consciousness => VitalCode::of(
                "1104441000000107",
                "ACVPU (Alert Confusion Voice Pain Unresponsive) scale score",
                "",
                "ACVPU",
            ),
        }
    }

    /// The vital sign that this code names, whichever of its codes it is.
    pub fn from_code(code: &Code) -> Option<Self> {
        let is_named = |known: &VitalCode| match &code.system {
            System::Snomed => known.snomed == code.code || known.also_snomed.contains(&code.code.as_str()),
            System::Loinc => {
                known.loinc == Some(code.code.as_str()) || known.also_loinc.contains(&code.code.as_str())
            }
            System::Dmd | System::RxNorm | System::Other(_) => false,
        };
        Self::ALL.into_iter().find(|vital| is_named(&vital.code()))
    }

    /// What staff call this sign.
    pub fn label(self) -> &'static str {
        match self {
            Self::RespiratoryRate => "Respiration rate",
            Self::OxygenSaturation => "Oxygen saturation",
            Self::BloodPressure => "Blood pressure",
            Self::Systolic => "Systolic blood pressure",
            Self::Diastolic => "Diastolic blood pressure",
            Self::Pulse => "Pulse",
            Self::Temperature => "Temperature",
            Self::Weight => "Weight",
            Self::Consciousness => "Consciousness",
        }
    }
}

impl VitalCode {
    const fn of(
        snomed: &'static str,
        display: &'static str,
        unit: &'static str,
        profile: &'static str,
    ) -> Self {
        Self { snomed, also_snomed: &[], loinc: None, also_loinc: &[], display, ucum: None, unit, profile }
    }
}

/// A parameter that NEWS2 scores; oxygen saturation by the scale on which it was scored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Parameter {
    /// Respiration rate.
    RespirationRate,
    /// Oxygen saturation on this scale.
    OxygenSaturation(Scale),
    /// Air or oxygen.
    AirOrOxygen,
    /// Systolic blood pressure.
    Systolic,
    /// Pulse.
    Pulse,
    /// Consciousness.
    Consciousness,
    /// Temperature.
    Temperature,
}

/// One of NEWS2's two oxygen scales, as a key that sorts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scale {
    /// Scale 1.
    One,
    /// Scale 2.
    Two,
}

impl From<SpO2Scale> for Scale {
    fn from(scale: SpO2Scale) -> Self {
        match scale {
            SpO2Scale::One => Self::One,
            SpO2Scale::Two => Self::Two,
        }
    }
}

impl Parameter {
    /// SNOMED CT code of the parameter's score.
    pub fn snomed(self) -> &'static str {
        match self {
            Self::RespirationRate => "1104301000000104",
            Self::OxygenSaturation(Scale::One) => "1104311000000102",
            Self::OxygenSaturation(Scale::Two) => "1104321000000108",
            Self::AirOrOxygen => "1104331000000105",
            Self::Systolic => "1104341000000101",
            Self::Pulse => "1104351000000103",
            Self::Consciousness => "1104361000000100",
            Self::Temperature => "1104371000000107",
        }
    }

    /// Term of the parameter's score, without the words that all of them begin with.
    pub fn score_term(self) -> &'static str {
        match self {
            Self::RespirationRate => "respiration rate score",
            Self::OxygenSaturation(Scale::One) => "oxygen saturation scale 1 score",
            Self::OxygenSaturation(Scale::Two) => "oxygen saturation scale 2 score",
            Self::AirOrOxygen => "air or oxygen score",
            Self::Systolic => "systolic blood pressure score",
            Self::Pulse => "pulse score",
            Self::Consciousness => "consciousness score",
            Self::Temperature => "temperature score",
        }
    }

    /// The parameter's score as a concept.
    pub fn coded(self) -> Coded {
        let term = format!(
            "Royal College of Physicians NEWS2 (National Early Warning Score 2) - {}",
            self.score_term()
        );
        Coded::new(System::Snomed, self.snomed(), term)
    }

    /// What staff call the parameter.
    pub fn label(self) -> &'static str {
        match self {
            Self::RespirationRate => "respiration rate",
            Self::OxygenSaturation(_) => "oxygen saturation",
            Self::AirOrOxygen => "air or oxygen",
            Self::Systolic => "systolic blood pressure",
            Self::Pulse => "pulse",
            Self::Consciousness => "consciousness",
            Self::Temperature => "temperature",
        }
    }
}

const ACVPU: [(Consciousness, &str, &str, &str); 5] = [
    (Consciousness::Alert, "248234008", "Mentally alert", "Alert"),
    (Consciousness::Confusion, "130987000", "Acute confusion", "New confusion"),
    (Consciousness::Voice, "300202002", "Responds to voice", "Responds to voice"),
    (Consciousness::Pain, "450847001", "Responds to pain", "Responds to pain"),
    (Consciousness::Unresponsive, "422768004", "Unresponsive", "Unresponsive"),
];

impl Consciousness {
    /// Every level, the best first.
    pub const ALL: [Self; 5] = [Self::Alert, Self::Confusion, Self::Voice, Self::Pain, Self::Unresponsive];

    /// The level as a SNOMED CT concept (UK Core value set `UKCore-ACVPU`).
    pub fn coded(self) -> Coded {
        let found = ACVPU.iter().find(|row| row.0 == self);
        found.map_or_else(|| Coded::text(""), |row| Coded::new(System::Snomed, row.1, row.2))
    }

    /// The level with this SNOMED CT code.
    pub fn from_snomed(code: &str) -> Option<Self> {
        ACVPU.iter().find(|row| row.1 == code).map(|row| row.0)
    }

    /// What staff call the level.
    pub fn label(self) -> &'static str {
        ACVPU.iter().find(|row| row.0 == self).map_or("", |row| row.3)
    }
}

/// SNOMED CT code for breathing room air.
pub const ROOM_AIR: &str = "722742002";

/// SNOMED CT code for being on oxygen.
pub const ON_OXYGEN: &str = "371825009";

impl Breathing {
    /// What is breathed as a SNOMED CT concept (UK Core value set `UKCore-InspiredOxygen`).
    pub fn coded(&self) -> Coded {
        match self {
            Self::Air => Coded::new(System::Snomed, ROOM_AIR, "Breathing room air"),
            Self::Oxygen(_) => Coded::new(System::Snomed, ON_OXYGEN, "Patient on oxygen"),
        }
    }

    /// What is breathed, from its SNOMED CT code; flow and device in words, if they were sent.
    pub fn from_snomed(code: &str, words: Option<String>) -> Option<Self> {
        match code {
            ROOM_AIR => Some(Self::Air),
            ON_OXYGEN => Some(Self::Oxygen(words)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_code_of_a_vital_sign_leads_back_to_it_alone() {
        let mut seen = BTreeSet::new();
        for vital in Vital::ALL {
            let known = vital.code();
            let snomed = std::iter::once(known.snomed).chain(known.also_snomed.iter().copied());
            let loinc = known.loinc.into_iter().chain(known.also_loinc.iter().copied());
            let codes = snomed.map(|c| (System::Snomed, c)).chain(loinc.map(|c| (System::Loinc, c)));
            for (system, code) in codes {
                assert!(seen.insert(code), "{code} stands twice");
                let code = Code { system, code: code.to_owned() };
                assert_eq!(Vital::from_code(&code), Some(vital));
            }
        }
    }

    #[test]
    fn a_code_of_another_terminology_names_no_vital_sign() {
        let code = Code { system: System::RxNorm, code: "86290005".into() };
        assert_eq!(Vital::from_code(&code), None);
    }

    #[test]
    fn levels_and_air_read_back_from_their_codes() {
        for level in Consciousness::ALL {
            let code = level.coded().code.unwrap().code;
            assert_eq!(Consciousness::from_snomed(&code), Some(level));
            assert!(!level.label().is_empty());
        }
        let oxygen = Breathing::Oxygen(Some("2 L/min".into()));
        for breathing in [Breathing::Air, oxygen] {
            let code = breathing.coded().code.unwrap().code;
            let words = matches!(breathing, Breathing::Oxygen(_)).then(|| "2 L/min".to_owned());
            assert_eq!(Breathing::from_snomed(&code, words), Some(breathing));
        }
    }
}
