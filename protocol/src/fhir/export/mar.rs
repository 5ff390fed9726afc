//! What became of a dose, as a `MedicationAdministration`.

use serde_json::{Value, json};

use super::{NotExported, Part, Writing, medicine};
use crate::fhir::concept::{SNOMED, concept, quantity_of};
use crate::fhir::view::Builder;
use crate::record::coded::Coded;
use crate::record::mar::{Administration, Outcome};
use crate::record::medicines::Dose;

/// The code system of Hearth's outcomes. No national list exists (UK Core binds none); a URN that is only unique
/// claims no web site.
pub const OUTCOMES: &str = "urn:uuid:3f1d5c9a-7d0b-5a5e-8f52-1f7a0b6d2c11";

/// The extension that holds when a dose was due, for which R4 has no element.
pub const DUE: &str = "urn:uuid:b8c9c0c4-0f0f-5d8b-9a44-7f6de1d6f0a3";

const TABLE: [(Outcome, &str, &str); 15] = [
    (Outcome::Given, "given", "Given by staff"),
    (Outcome::SelfAdministered, "self-administered", "Taken by the person"),
    (Outcome::Prompted, "prompted", "Taken after a prompt"),
    (Outcome::MadeAvailable, "made-available", "Made available"),
    (Outcome::Refused, "refused", "Declined"),
    (Outcome::RefusedDestroyed, "refused-destroyed", "Declined after it was prepared, and destroyed"),
    (Outcome::Nausea, "nausea", "Nausea or vomiting"),
    (Outcome::InHospital, "in-hospital", "In hospital"),
    (Outcome::SocialLeave, "social-leave", "On leave"),
    (Outcome::Asleep, "asleep", "Asleep"),
    (Outcome::NotRequired, "not-required", "Not required"),
    (Outcome::NotAvailable, "not-available", "Not available"),
    (Outcome::Withheld, "withheld", "Withheld on clinical advice"),
    (Outcome::Other, "other", "Another reason"),
    (Outcome::Missed, "missed", "Nobody recorded anything"),
];

/// Every outcome with its code in [`OUTCOMES`].
pub fn outcomes() -> impl Iterator<Item = (Outcome, &'static str)> {
    TABLE.iter().map(|row| (row.0, row.1))
}

pub(super) fn write(writing: Writing<'_>, dose: &Administration) -> Result<Vec<Part>, NotExported> {
    let link = writing.target.order.ok_or(NotExported::OrderNeeded)?;
    let reason = dose.reason.as_ref().filter(|r| !r.trim().is_empty());
    let warned = dose.overridden.as_ref().map(|w| format!("Given after this warning was read: {w}"));
    let notes: Vec<Value> =
        reason.into_iter().cloned().chain(warned).map(|text| json!({"text": text})).collect();
    let (reason_element, concepts) = reasons(dose.outcome);
    let due = dose.due.map(|due| json!([{"url": DUE, "valueDateTime": due.to_rfc3339()}]));
    let resource = Writing::profiled("MedicationAdministration", "MedicationAdministration")
        .maybe("extension", due)
        .with("status", status(dose.outcome))
        .with(reason_element, concepts)
        .with("medicationCodeableConcept", medicine::concept_of(link.order))
        .with("subject", writing.patient())
        .with("effectiveDateTime", writing.happened())
        .with("performer", performers(writing, dose))
        .with("request", request(writing, dose, link.reference))
        .maybe("note", Some(notes))
        .with("dosage", dosage(dose, &link.order.dose, link.order.route.as_ref()));
    Ok(Part::whole("MedicationAdministration", resource))
}

fn status(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Given | Outcome::SelfAdministered | Outcome::Prompted | Outcome::MadeAvailable => {
            "completed"
        }
        Outcome::Withheld => "on-hold",
        Outcome::Missed => "unknown",
        Outcome::Refused
        | Outcome::RefusedDestroyed
        | Outcome::Nausea
        | Outcome::InHospital
        | Outcome::SocialLeave
        | Outcome::Asleep
        | Outcome::NotRequired
        | Outcome::NotAvailable
        | Outcome::Other => "not-done",
    }
}

/// `statusReason` says why a dose was not given, `reasonCode` how one was: FHIR allows the first only then.
fn reasons(outcome: Outcome) -> (&'static str, Value) {
    let row = TABLE.iter().find(|row| row.0 == outcome);
    let (code, display) = row.map_or(("other", "Another reason"), |row| (row.1, row.2));
    let mut codings = Vec::new();
    if matches!(outcome, Outcome::Refused | Outcome::RefusedDestroyed) {
        codings.push(json!({"system": SNOMED, "code": "182895007", "display": "Drug declined by patient"}));
    } else if outcome == Outcome::NotAvailable {
        let display = "Drug not available for administration";
        codings.push(json!({"system": SNOMED, "code": "242990004", "display": display}));
    }
    codings.push(json!({"system": OUTCOMES, "code": code, "display": display}));
    let element = if outcome.is_taken() { "reasonCode" } else { "statusReason" };
    (element, json!([{"coding": codings, "text": display}]))
}

fn performers(writing: Writing<'_>, dose: &Administration) -> Value {
    let system = "http://terminology.hl7.org/CodeSystem/med-admin-perform-function";
    let actor = |code: &str, display: &str, who: Value| json!({"function": {"coding": [{"system": system, "code": code, "display": display}]}, "actor": who});
    let mut performers = vec![actor("performer", "Performer", writing.author())];
    if let Some(witness) = &dose.witness {
        performers.push(actor("witness", "Witness", super::provenance::person(witness)));
    }
    Value::Array(performers)
}

/// The order: by the main care record's own reference, or by the identifier that Hearth gives it.
fn request(writing: Writing<'_>, dose: &Administration, reference: Option<&str>) -> Value {
    let identifier = super::identifier(dose.order, "", writing.target.region);
    match reference {
        Some(reference) => json!({"reference": reference}),
        None => json!({"type": "MedicationRequest", "identifier": super::identifier_of(identifier)}),
    }
}

/// The line as it stood on the screen, and what was given of it. FHIR asks for an amount: none was given of a dose
/// that was not taken, and an amount that is only words is said to be unknown.
fn dosage(dose: &Administration, ordered: &Dose, route: Option<&Coded>) -> Value {
    let ordered = if let Dose::Fixed(amount) = ordered { Some(amount) } else { None };
    let given =
        if dose.outcome.is_taken() { dose.amount.as_ref().or(ordered).map(quantity_of) } else { None };
    let none = || {
        let unit = ordered.map(|amount| amount.unit.as_str());
        Builder::new().with("value", 0).maybe("unit", unit).build()
    };
    let unknown = || {
        let absent = "http://hl7.org/fhir/StructureDefinition/data-absent-reason";
        json!({"extension": [{"url": absent, "valueCode": "unknown"}]})
    };
    let amount = given.unwrap_or_else(|| if dose.outcome.is_taken() { unknown() } else { none() });
    Builder::new()
        .maybe("text", Some(dose.line.as_str()))
        .maybe("site", dose.site.as_ref().filter(|s| !s.trim().is_empty()).map(|s| json!({"text": s})))
        .maybe("route", route.map(concept))
        .with("dose", amount)
        .build()
}
