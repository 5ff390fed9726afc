//! A new allergy or intolerance. What is typed without a code triggers no check, and the page says so.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use hearth_protocol::access::Action;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::Body;
use hearth_protocol::record::coded::{Coded, System};
use hearth_protocol::record::safety::{
    Allergy, AllergyCategory, AllergyStatus, Criticality, Reaction, Severity,
};
use hearth_protocol::scope::Section;

use super::care::{self, Sheet};
use super::error::PageError;
use super::form::{Fields, Problems};
use super::frame::{Frame, Place};
use super::requester::{Posted, Requester};
use super::view::banner::Banner;
use super::{Web, page};

#[derive(Template)]
#[template(path = "allergy.html")]
pub(super) struct AllergyPage {
    pub(super) frame: Frame,
    pub(super) banner: Banner,
    pub(super) sheet: Sheet,
}

/// Longest substance, reaction.
const WORDS_CHARS_MAX: usize = 200;

/// The empty form.
pub(super) async fn ask(
    State(web): State<Web>,
    requester: Requester,
    Path(resident): Path<String>,
) -> Result<Response, PageError> {
    let resident = resident.parse().map_err(|_| PageError::NotFound)?;
    let sheet = Sheet::new(&web, &requester);
    let shown = page_of(&web, &requester, resident, sheet).await?;
    requester.saw(resident, "allergy-new").await?;
    Ok(page::html(&shown))
}

/// Saves the allergy, or shows the form again with what is wrong.
pub(super) async fn save(
    State(web): State<Web>,
    Path(resident): Path<String>,
    posted: Posted,
) -> Result<Response, PageError> {
    let resident: ResidentId = resident.parse().map_err(|_| PageError::NotFound)?;
    let Posted { requester, fields, key } = posted;
    requester.require(resident, Section::Safety, Action::Record).await?;
    let mut problems = Problems::default();
    let allergy = read(&fields, &mut problems);
    if !problems.is_empty() {
        let sheet = Sheet::again(&web, &requester, fields, problems);
        return Ok(page::unprocessable(&page_of(&web, &requester, resident, sheet).await?));
    }
    let at = fields.recorded_at(web.now());
    let draft = care::draft(resident, Section::Safety, at, Body::Allergy(allergy));
    let added = web.records().add(&requester.who(), key, vec![draft]).await?;
    let id = added.ids.first().map(ToString::to_string).unwrap_or_default();
    Ok(page::see(&format!("/r/{resident}?saved={id}")))
}

async fn page_of(
    web: &Web,
    requester: &Requester,
    resident: ResidentId,
    sheet: Sheet,
) -> Result<AllergyPage, PageError> {
    requester.require(resident, Section::Safety, Action::Record).await?;
    let chart = care::chart(web, requester, resident, &[]).await?;
    let banner = Banner::of(&chart);
    let frame = care::frame(web, requester, &banner, "New allergy", Place::Residents);
    let frame = if sheet.problems.is_empty() { frame } else { frame.with_problem() };
    Ok(AllergyPage { frame, banner, sheet })
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
