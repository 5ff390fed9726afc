//! A set of vital signs: typed, checked for what cannot be, saved, and scored at once.

use askama::Template;
use hearth_protocol::clinical::codes::Vital;
use hearth_protocol::clinical::plausible;
use hearth_protocol::record::Body;
use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

#[derive(Template)]
#[template(path = "observe/set.html")]
pub(super) struct SetPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
    pub(super) levels: [(&'static str, &'static str); 5],
}

/// Keys of the ACVPU levels in the form.
const LEVELS: [(&str, Consciousness); 5] = [
    ("alert", Consciousness::Alert),
    ("confusion", Consciousness::Confusion),
    ("voice", Consciousness::Voice),
    ("pain", Consciousness::Pain),
    ("unresponsive", Consciousness::Unresponsive),
];

/// Longest free text.
const NOTE_CHARS_MAX: usize = 2_000;

impl OneEntry for SetPage {
    const SECTION: Section = Section::Observations;
    const TITLE: &'static str = "New observations";
    const SEEN_AS: &'static str = "obs-new";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::VitalSigns(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        let levels = LEVELS.map(|(key, level)| (key, level.label()));
        Self { frame, banner, sheet, levels }
    }
}

/// Reads the form; what is wrong is told by field, in the form's order.
fn read(fields: &Fields, problems: &mut Problems) -> VitalSigns {
    let signs = VitalSigns {
        respiratory_rate: whole(fields, problems, Vital::RespiratoryRate),
        oxygen_saturation: whole(fields, problems, Vital::OxygenSaturation),
        breathing: match fields.text("breathing") {
            "air" => Some(Breathing::Air),
            "oxygen" => Some(Breathing::Oxygen(problems.optional(fields, "oxygen", 100))),
            _ => None,
        },
        systolic: whole(fields, problems, Vital::Systolic),
        diastolic: whole(fields, problems, Vital::Diastolic),
        pulse: whole(fields, problems, Vital::Pulse),
        consciousness: LEVELS
            .iter()
            .find(|(key, _)| *key == fields.text("consciousness"))
            .map(|(_, level)| *level),
        temperature_tenths: temperature(fields, problems),
        note: problems.optional(fields, "note", NOTE_CHARS_MAX),
        device: None,
    };
    for implausible in plausible::check(&signs) {
        let field = field(implausible.vital());
        if problems.of(field).is_none() {
            problems.add(field, implausible.to_string());
        }
    }
    if problems.is_empty() && (VitalSigns { note: None, ..signs.clone() }) == VitalSigns::default() {
        problems.add(field(Vital::RespiratoryRate), "Enter at least one measurement");
    }
    signs
}

fn whole(fields: &Fields, problems: &mut Problems, vital: Vital) -> Option<u16> {
    let name = field(vital);
    let typed = fields.some(name)?;
    let number = typed.parse().ok();
    if number.is_none() {
        problems.add(name, format!("{} must be a whole number, such as 18", vital.label()));
    }
    number
}

fn temperature(fields: &Fields, problems: &mut Problems) -> Option<u16> {
    let typed = fields.some("temperature")?;
    plausible::temperature_tenths(&typed)
        .map_err(|implausible| problems.add("temperature", implausible.to_string()))
        .ok()
}

/// The form's name for a vital sign.
fn field(vital: Vital) -> &'static str {
    match vital {
        Vital::RespiratoryRate => "rate",
        Vital::OxygenSaturation => "saturation",
        Vital::Systolic | Vital::BloodPressure => "systolic",
        Vital::Diastolic => "diastolic",
        Vital::Pulse => "pulse",
        Vital::Temperature => "temperature",
        Vital::Consciousness => "consciousness",
        Vital::Weight => "weight",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_slip_of_the_finger_is_told_beside_its_field() {
        let mut problems = Problems::default();
        read(&fields(&[("rate", "1 8"), ("saturation", "9"), ("temperature", "warm")]), &mut problems);
        let found: Vec<&str> = problems.0.iter().map(|problem| problem.field).collect();
        assert_eq!(found, ["rate", "temperature", "saturation"]);
    }

    #[test]
    fn a_form_without_a_measurement_is_not_saved() {
        let mut problems = Problems::default();
        read(&fields(&[("note", "seems well")]), &mut problems);
        assert!(problems.of("rate").is_some());
    }

    #[test]
    fn a_full_set_is_read_as_it_was_typed() {
        let mut problems = Problems::default();
        let typed = [
            ("rate", "22"),
            ("saturation", "93"),
            ("breathing", "air"),
            ("systolic", "104"),
            ("diastolic", "60"),
            ("pulse", "112"),
            ("consciousness", "alert"),
            ("temperature", "38.4"),
        ];
        let signs = read(&fields(&typed), &mut problems);
        assert!(problems.is_empty(), "{problems:?}");
        assert_eq!((signs.temperature_tenths, signs.consciousness), (Some(384), Some(Consciousness::Alert)));
    }
}
