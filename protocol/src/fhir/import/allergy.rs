//! `AllergyIntolerance`.

use serde_json::Value;

use super::{Draft, NotMapped, Reading};
use crate::fhir::concept::{coded, has_code};
use crate::fhir::view::{View, capped, cut_to, notes};
use crate::fhir::when;
use crate::record::coded::Coded;
use crate::record::entry::Body;
use crate::record::safety::{
    Allergy, AllergyCategory, AllergyStatus, Criticality, NoKnownAllergies, Reaction, Severity,
};
use crate::scope::Section;

/// SNOMED CT 716186003 no known allergy, and the IPS code of the same meaning.
const NONE_KNOWN: [&str; 2] = ["716186003", "no-known-allergies"];

/// Codes that deny one kind of allergy, such as 409137002 no known drug allergy. They say less than the others, so
/// the entry quotes them.
const NONE_OF_A_KIND: [&str; 6] = [
    "409137002",
    "428607008",
    "428197003",
    "no-known-medication-allergies",
    "no-known-environmental-allergies",
    "no-known-food-allergies",
];

/// Codes of lists of allergies: SNOMED CT in UK Core, LOINC elsewhere.
const ALLERGY_LISTS: [&str; 2] = ["886921000000105", "48765-2"];

pub(super) fn read(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let resource = reading.resource;
    let verification = resource.one("verificationStatus");
    if verification.is_some_and(|v| has_code(v, "entered-in-error")) {
        return Ok(reading.taken_back(Section::Safety));
    }
    let happened = resource.text("recordedDate").or_else(|| when::chosen(resource, "onset"));
    let substance = substance(resource).ok_or(NotMapped::Missing("code"))?;
    let refuted = verification.is_some_and(|v| has_code(v, "refuted"));
    let denies =
        |codes: &[&str]| resource.one("code").is_some_and(|c| codes.iter().any(|code| has_code(c, code)));
    let body = if denies(&NONE_KNOWN) && !refuted {
        Body::NoKnownAllergies(NoKnownAllergies { source: source(reading, None) })
    } else if denies(&NONE_OF_A_KIND) && !refuted {
        Body::NoKnownAllergies(NoKnownAllergies { source: source(reading, Some(&substance.display)) })
    } else {
        Body::Allergy(allergy(resource, substance, refuted))
    };
    Ok(reading.draft(Section::Safety, happened, body))
}

/// A `List` says something of its own only where it is a list of allergies that is empty because there are none.
pub(super) fn read_list(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let list = reading.resource;
    let about_allergies =
        list.one("code").is_some_and(|c| ALLERGY_LISTS.iter().any(|code| has_code(c, code)));
    let none = list.one("emptyReason").is_some_and(|r| has_code(r, "nilknown"));
    if !about_allergies || !none {
        return Err(NotMapped::PartOf("other resources".to_owned()));
    }
    if list.text("status") != Some("current") {
        return Ok(reading.taken_back(Section::Safety));
    }
    let body = Body::NoKnownAllergies(NoKnownAllergies { source: source(reading, None) });
    Ok(reading.draft(Section::Safety, list.text("date"), body))
}

/// Who said that there are none. A denial of one kind is quoted, so that nobody reads it as more.
fn source(reading: Reading<'_>, only: Option<&str>) -> Option<String> {
    let asserter = reading.origin().asserter;
    match (only, asserter) {
        (Some(only), Some(asserter)) => Some(format!("Only this was said: {only} ({asserter})")),
        (Some(only), None) => Some(format!("Only this was said: {only}")),
        (None, asserter) => asserter,
    }
}

fn substance(resource: &Value) -> Option<Coded> {
    let of_reactions = || resource.list("reaction").iter().filter_map(|r| r.one("substance")).find_map(coded);
    resource.one("code").and_then(coded).or_else(of_reactions)
}

fn allergy(resource: &Value, substance: Coded, refuted: bool) -> Allergy {
    Allergy {
        substance,
        category: resource.list("category").iter().find_map(category),
        criticality: resource.text("criticality").and_then(criticality),
        status: status(resource, refuted),
        reactions: capped(resource.list("reaction")).iter().map(reaction).collect(),
        intolerance: resource.text("type") == Some("intolerance"),
        note: note(resource),
    }
}

fn status(resource: &Value, refuted: bool) -> AllergyStatus {
    let is = |element: &str, code: &str| resource.one(element).is_some_and(|s| has_code(s, code));
    if refuted {
        return AllergyStatus::Refuted(notes(resource).unwrap_or_default());
    }
    if is("clinicalStatus", "resolved") || is("clinicalStatus", "inactive") {
        return AllergyStatus::Resolved;
    }
    if is("verificationStatus", "confirmed") { AllergyStatus::Confirmed } else { AllergyStatus::Unconfirmed }
}

fn note(resource: &Value) -> Option<String> {
    let partial = when::chosen(resource, "onset").filter(|t| !when::is_exact(t));
    let onset = resource.text("onsetString").or(partial).map(|t| format!("Onset: {}", cut_to(t, 200)));
    let lines: Vec<String> = notes(resource).into_iter().chain(onset).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

fn category(value: &Value) -> Option<AllergyCategory> {
    match value.as_str()? {
        "medication" => Some(AllergyCategory::Medication),
        "food" => Some(AllergyCategory::Food),
        "environment" => Some(AllergyCategory::Environment),
        "biologic" => Some(AllergyCategory::Biologic),
        _ => None,
    }
}

fn criticality(code: &str) -> Option<Criticality> {
    match code {
        "low" => Some(Criticality::Low),
        "high" => Some(Criticality::High),
        "unable-to-assess" => Some(Criticality::UnableToAssess),
        _ => None,
    }
}

/// What Hearth writes before the time of a reaction, which FHIR holds only as a date.
pub(crate) const WHEN: &str = "When: ";

fn reaction(value: &Value) -> Reaction {
    let mut manifestations: Vec<Coded> =
        capped(value.list("manifestation")).iter().filter_map(coded).collect();
    let description = value.text("description");
    let told = description.and_then(|d| d.strip_prefix(WHEN));
    manifestations.extend(description.filter(|_| told.is_none()).map(|d| Coded::text(cut_to(d, 500))));
    let severity = match value.text("severity") {
        Some("mild") => Some(Severity::Mild),
        Some("moderate") => Some(Severity::Moderate),
        Some("severe") => Some(Severity::Severe),
        _ => None,
    };
    Reaction { manifestations, severity, when: value.text("onset").or(told).map(|t| cut_to(t, 100)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::{body_of, import_one};
    use crate::record::coded::System;
    use serde_json::json;

    fn resource(verification: &str, code: &str) -> Value {
        json!({"resourceType": "AllergyIntolerance", "id": "17",
            "meta": {"versionId": "3", "lastUpdated": "2026-02-01T10:00:00Z"},
            "clinicalStatus": {"coding": [{"code": "active"}]},
            "verificationStatus": {"coding": [{"code": verification}]},
            "category": ["medication"], "criticality": "high", "type": "intolerance",
            "code": {"coding": [{"system": "http://snomed.info/sct", "code": code, "display": "Penicillin"}]},
            "recordedDate": "2019-05", "recorder": {"display": "Mill Surgery"},
            "reaction": [{"manifestation": [{"text": "Rash"}], "severity": "moderate", "onset": "2001"}],
            "note": [{"text": "Told by the daughter"}]})
    }

    #[test]
    fn an_allergy_keeps_its_substance_risk_status_and_reactions() {
        let draft = import_one(&resource("confirmed", "373270004"));
        assert_eq!(draft.key, "AllergyIntolerance/17");
        assert_eq!(draft.section, Section::Safety);
        assert_eq!(draft.happened, when::moment("2019-05").unwrap());
        assert_eq!(draft.origin.version.as_deref(), Some("3"));
        assert_eq!(draft.origin.asserter.as_deref(), Some("Mill Surgery"));
        let Body::Allergy(allergy) = draft.body else { panic!("an allergy") };
        assert_eq!(allergy.substance, Coded::new(System::Snomed, "373270004", "Penicillin"));
        assert_eq!(allergy.category, Some(AllergyCategory::Medication));
        assert_eq!(allergy.criticality, Some(Criticality::High));
        assert_eq!(allergy.status, AllergyStatus::Confirmed);
        assert!(allergy.intolerance);
        assert_eq!(allergy.note.as_deref(), Some("Told by the daughter"));
        let reaction = Reaction {
            manifestations: vec![Coded::text("Rash")],
            severity: Some(Severity::Moderate),
            when: Some("2001".into()),
        };
        assert_eq!(allergy.reactions, [reaction]);
    }

    #[test]
    fn only_a_code_that_denies_all_allergies_denies_all() {
        let none = body_of(&resource("confirmed", "716186003"));
        assert_eq!(none, Body::NoKnownAllergies(NoKnownAllergies { source: Some("Mill Surgery".into()) }));
        let Body::NoKnownAllergies(drugs) = body_of(&resource("confirmed", "409137002")) else { panic!() };
        assert_eq!(drugs.source.as_deref(), Some("Only this was said: Penicillin (Mill Surgery)"));
    }

    #[test]
    fn a_refuted_allergy_stays_with_its_reason_and_an_erroneous_one_is_taken_back() {
        let Body::Allergy(refuted) = body_of(&resource("refuted", "1")) else { panic!() };
        assert_eq!(refuted.status, AllergyStatus::Refuted("Told by the daughter".into()));
        assert!(matches!(body_of(&resource("entered-in-error", "1")), Body::EnteredInError(_)));
    }
}
