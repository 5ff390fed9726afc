//! A new allergy or intolerance. What is typed without a code triggers no check, and the page says so.

use askama::Template;
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::{Coded, System};
use hearth_protocol::record::safety::{
    Allergy, AllergyCategory, AllergyStatus, Criticality, Reaction, Severity,
};
use hearth_protocol::scope::Section;

use crate::web::care::Sheet;
use crate::web::form::{Fields, Problems};
use crate::web::frame::Frame;
use crate::web::one_entry::OneEntry;
use crate::web::view::banner::Banner;

#[derive(Template)]
#[template(path = "record/allergy.html")]
pub(super) struct AllergyPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
}

/// Longest substance, reaction.
const WORDS_CHARS_MAX: usize = 200;

impl OneEntry for AllergyPage {
    const SECTION: Section = Section::Safety;
    const TITLE: &'static str = "New allergy";
    const SEEN_AS: &'static str = "allergy-new";

    fn read(fields: &Fields, problems: &mut Problems) -> Body {
        Body::Allergy(read(fields, problems))
    }

    fn of(frame: Frame, banner: Banner, sheet: Sheet) -> Self {
        Self { frame, banner, sheet }
    }
}

fn read(fields: &Fields, problems: &mut Problems) -> Allergy {
    let display = problems.required(fields, "substance", WORDS_CHARS_MAX, "what the person reacts to");
    let code = fields.some("code");
    let substance = match code {
        None => Coded::text(display),
        Some(code) => {
            // A SNOMED CT identifier has 6 to 18 digits.
            if !(6..=18).contains(&code.len()) || !code.bytes().all(|b| b.is_ascii_digit()) {
                problems.add("code", "A SNOMED CT or dm+d code has 6 to 18 digits. Leave it empty if unsure");
            }
            Coded::new(System::Snomed, code, display)
        }
    };
    let is_severe = fields.text("severity") == "severe";
    Allergy {
        substance,
        category: match fields.text("category") {
            "medicine" => Some(AllergyCategory::Medication),
            "food" => Some(AllergyCategory::Food),
            "other" => Some(AllergyCategory::Environment),
            _ => None,
        },
        // A severe reaction in the past is taken as a high risk until a clinician says otherwise.
        criticality: is_severe.then_some(Criticality::High),
        status: match fields.text("status") {
            "confirmed" => AllergyStatus::Confirmed,
            _ => AllergyStatus::Unconfirmed,
        },
        reactions: reaction(fields, problems).into_iter().collect(),
        intolerance: fields.is_ticked("intolerance"),
        note: None,
    }
}

/// One past event: what was seen, parts joined by `+` or commas as people type them.
fn reaction(fields: &Fields, problems: &mut Problems) -> Option<Reaction> {
    let seen = problems.optional(fields, "reaction", WORDS_CHARS_MAX);
    let severity = match fields.text("severity") {
        "mild" => Some(Severity::Mild),
        "moderate" => Some(Severity::Moderate),
        "severe" => Some(Severity::Severe),
        _ => None,
    };
    let parts = seen.as_deref().unwrap_or_default().split(['+', ',']).map(str::trim);
    let manifestations: Vec<Coded> = parts.filter(|part| !part.is_empty()).map(Coded::text).collect();
    let is_known = !manifestations.is_empty() || severity.is_some();
    is_known.then_some(Reaction { manifestations, severity, when: None })
}
