//! Allergies to `AllergyIntolerance`.

use serde_json::{Value, json};

use super::{Part, Writing};
use crate::fhir::concept::{SNOMED, concept, one_code};
use crate::fhir::import::allergy::WHEN;
use crate::fhir::view::Builder;
use crate::record::safety::{
    Allergy, AllergyCategory, AllergyStatus, Criticality, NoKnownAllergies, Reaction, Severity,
};

const CLINICAL: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical";
const VERIFICATION: &str = "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification";

pub(super) fn write(writing: Writing<'_>, allergy: &Allergy) -> Vec<Part> {
    let reactions: Vec<Value> = allergy.reactions.iter().map(reaction).collect();
    let category = allergy.category.map(|c| json!([category(c)]));
    let resource = common(writing, &allergy.status)
        .with("type", if allergy.intolerance { "intolerance" } else { "allergy" })
        .maybe("category", category)
        .maybe("criticality", allergy.criticality.map(criticality))
        .with("code", concept(&allergy.substance))
        .maybe("note", note(allergy))
        .maybe("reaction", Some(reactions));
    Part::whole("AllergyIntolerance", resource)
}

pub(super) fn write_none(writing: Writing<'_>, none: &NoKnownAllergies) -> Vec<Part> {
    let resource = common(writing, &AllergyStatus::Confirmed)
        .with("code", one_code(SNOMED, "716186003", "No known allergy"))
        .maybe("note", none.source.as_ref().map(|s| json!([{"text": s}])));
    Part::whole("AllergyIntolerance", resource)
}

/// FHIR forbids a clinical status beside an allergy that was entered in error, and asks for one beside all others.
fn common(writing: Writing<'_>, status: &AllergyStatus) -> Builder {
    let (clinical, verification) = match status {
        AllergyStatus::Confirmed => (("active", "Active"), ("confirmed", "Confirmed")),
        AllergyStatus::Unconfirmed => (("active", "Active"), ("unconfirmed", "Unconfirmed")),
        AllergyStatus::Resolved => (("resolved", "Resolved"), ("confirmed", "Confirmed")),
        AllergyStatus::Refuted(_) => (("inactive", "Inactive"), ("refuted", "Refuted")),
    };
    Writing::profiled("AllergyIntolerance", "AllergyIntolerance")
        .with("clinicalStatus", one_code(CLINICAL, clinical.0, clinical.1))
        .with("verificationStatus", one_code(VERIFICATION, verification.0, verification.1))
        .with("patient", writing.patient())
        .with("recordedDate", writing.happened())
        .with("recorder", writing.author())
}

fn note(allergy: &Allergy) -> Option<Value> {
    let reason = if let AllergyStatus::Refuted(reason) = &allergy.status { Some(reason) } else { None };
    let lines: Vec<Value> = reason
        .into_iter()
        .chain(&allergy.note)
        .filter(|t| !t.trim().is_empty())
        .map(|t| json!({"text": t}))
        .collect();
    (!lines.is_empty()).then_some(Value::Array(lines))
}

fn category(category: AllergyCategory) -> &'static str {
    match category {
        AllergyCategory::Medication => "medication",
        AllergyCategory::Food => "food",
        AllergyCategory::Environment => "environment",
        AllergyCategory::Biologic => "biologic",
    }
}

fn criticality(criticality: Criticality) -> &'static str {
    match criticality {
        Criticality::Low => "low",
        Criticality::UnableToAssess => "unable-to-assess",
        Criticality::High => "high",
    }
}

fn reaction(reaction: &Reaction) -> Value {
    let severity = reaction.severity.map(|s| match s {
        Severity::Mild => "mild",
        Severity::Moderate => "moderate",
        Severity::Severe => "severe",
    });
    let mut seen: Vec<Value> = reaction.manifestations.iter().map(concept).collect();
    if seen.is_empty() {
        // FHIR asks for at least one.
        seen.push(json!({"text": "Not stated"}));
    }
    // `onset` is a date in FHIR, and what was told seldom is one.
    Builder::new()
        .with("manifestation", seen)
        .maybe("description", reaction.when.as_ref().map(|w| format!("{WHEN}{w}")))
        .maybe("severity", severity)
        .build()
}
