//! `MedicationAdministration` and `MedicationDispense`.

use serde_json::Value;

use super::{Draft, NotMapped, Reading, dosage, medication};
use crate::fhir::concept::{code_in, has_code, label, quantity};
use crate::fhir::export::{DUE, OUTCOMES};
use crate::fhir::set::key;
use crate::fhir::view::{View, capped, cut, cut_to, notes};
use crate::fhir::when;
use crate::id::{EntryId, StaffId};
use crate::record::entry::{Author, Body, Role};
use crate::record::mar::{Administration, Outcome};
use crate::record::pharmacy::Supply;
use crate::scope::Section;

pub(super) fn read_administration(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let given = reading.resource;
    if given.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Mar));
    }
    let request = given.one("request").ok_or(NotMapped::Missing("request"))?;
    let order = order_of(reading, request)?;
    let outcome = outcome(given).ok_or(NotMapped::Missing("status"))?;
    let text = given.path_text(&["dosage", "text"]).map(|t| cut_to(t, 1000));
    let body = Body::Administration(Administration {
        order,
        order_version: order,
        due: given.extension(DUE).and_then(|e| e.text("valueDateTime")).and_then(when::moment),
        outcome,
        amount: given.path(&["dosage", "dose"]).and_then(quantity).filter(|_| outcome.is_taken()),
        reason: reason(given, outcome),
        site: given.path(&["dosage", "site"]).and_then(label),
        witness: witness(reading),
        line: text.map_or_else(|| line(reading), Ok)?,
        overridden: None,
    });
    Ok(reading.draft(Section::Mar, when::chosen(given, "effective"), body))
}

fn line(reading: Reading<'_>) -> Result<String, NotMapped> {
    medication::product(reading).map(|p| p.medicine.display)
}

/// The thread of the order that a reference names.
fn order_of(reading: Reading<'_>, reference: &Value) -> Result<EntryId, NotMapped> {
    let held = reading.resolve(reference).map(key);
    let named = || {
        let mut parts = reference.text("reference")?.split("/_history/").next()?.rsplit('/');
        let (id, kind) = (parts.next()?, parts.next()?);
        Some(format!("{kind}/{id}"))
    };
    let key = held.or_else(named).ok_or(NotMapped::Missing("request"))?;
    (reading.context.thread_of)(&key).ok_or_else(|| NotMapped::OrderUnknown(cut_to(&key, 200)))
}

fn outcome(given: &Value) -> Option<Outcome> {
    let reasons = given.list("statusReason").iter().chain(given.list("reasonCode"));
    let own = reasons.clone().filter_map(|r| code_in(r, OUTCOMES)).find_map(outcome_named);
    let coded = |code: &str| reasons.clone().any(|r| has_code(r, code));
    match given.text("status")? {
        "completed" | "in-progress" => Some(own.filter(|o| o.is_taken()).unwrap_or(Outcome::Given)),
        "not-done" | "stopped" | "on-hold" => Some(own.filter(|o| !o.is_taken()).unwrap_or_else(|| {
            if coded("182895007") {
                Outcome::Refused
            } else if coded("242990004") {
                Outcome::NotAvailable
            } else if given.text("status") == Some("on-hold") {
                Outcome::Withheld
            } else {
                Outcome::Other
            }
        })),
        "unknown" => own,
        _ => None,
    }
}

fn outcome_named(code: &str) -> Option<Outcome> {
    crate::fhir::export::outcomes().find(|(_, known)| *known == code).map(|(outcome, _)| outcome)
}

/// Why, in words: a note, or the reason's own words where its code does not already say it.
fn reason(given: &Value, outcome: Outcome) -> Option<String> {
    let said = || {
        let reasons = given.list("statusReason").iter().chain(given.list("reasonCode"));
        reasons.filter(|r| code_in(r, OUTCOMES).is_none()).find_map(label)
    };
    notes(given).or_else(|| if outcome.is_taken() || outcome == Outcome::Other { said() } else { None })
}

fn witness(reading: Reading<'_>) -> Option<Author> {
    let performers = capped(reading.resource.list("performer")).iter();
    let mut witnesses = performers.filter(|p| p.one("function").is_some_and(|f| has_code(f, "witness")));
    let name = witnesses.find_map(|p| reading.name_of(p.one("actor")?))?;
    Some(Author { staff: StaffId(0), role: Role::System, name })
}

pub(super) fn read_dispense(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let dispense = reading.resource;
    if dispense.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Pharmacy));
    }
    let batch =
        dispense.one("medicationReference").and_then(|r| reading.resolve(r)).and_then(|m| m.one("batch"));
    let sentences: Vec<String> =
        capped(dispense.list("dosageInstruction")).iter().filter_map(dosage::sentence).collect();
    let body = Body::Supply(Supply {
        order: dispense.list("authorizingPrescription").iter().find_map(|r| order_of(reading, r).ok()),
        medicine: medication::product(reading)?.medicine,
        quantity: dispense.one("quantity").and_then(quantity),
        batch: batch.and_then(|b| b.text("lotNumber")).map(|l| cut_to(l, 100)),
        expires: batch.and_then(|b| b.text("expirationDate")).and_then(when::day),
        directions: (!sentences.is_empty()).then(|| cut(&sentences.join("; then "))),
        status: cut_to(dispense.text("status").unwrap_or("unknown"), 40),
    });
    let happened = dispense.text("whenHandedOver").or_else(|| dispense.text("whenPrepared"));
    Ok(reading.draft(Section::Pharmacy, happened, body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::context;
    use crate::fhir::{Context, ResourceSet, import};
    use crate::id::InstallId;
    use serde_json::json;

    fn given(status: &str, reason: &str) -> Value {
        json!({"resourceType": "MedicationAdministration", "id": "1", "status": status,
            "statusReason": [{"coding": [{"system": "http://snomed.info/sct", "code": reason, "display": "Reason"}]}],
            "medicationCodeableConcept": {"text": "Senna"}, "request": {"reference": "MedicationRequest/7"},
            "effectiveDateTime": "2026-05-01T08:05:00Z", "dosage": {"dose": {"value": 1, "unit": "tablet"}}})
    }

    #[test]
    fn a_dose_belongs_to_an_order_that_was_imported_before() {
        let order = EntryId { install: InstallId(1), counter: 9 };
        let thread_of = |key: &str| (key == "MedicationRequest/7").then_some(order);
        let knowing = Context { thread_of: &thread_of, ..context() };
        for (status, code, expected) in [
            ("completed", "", Outcome::Given),
            ("not-done", "182895007", Outcome::Refused),
            ("not-done", "242990004", Outcome::NotAvailable),
            ("not-done", "1", Outcome::Other),
            ("on-hold", "1", Outcome::Withheld),
        ] {
            let resource = given(status, code);
            let set = ResourceSet::of([resource.clone()]);
            let Body::Administration(read) = import(&set, &resource, &knowing).unwrap().remove(0).body else {
                panic!()
            };
            assert_eq!((read.order, read.outcome), (order, expected), "{status} {code}");
            assert_eq!(read.line, "Senna");
            let unknown = import(&set, &resource, &context()).unwrap_err();
            assert_eq!(unknown, NotMapped::OrderUnknown("MedicationRequest/7".into()));
        }
    }

    #[test]
    fn a_supply_is_kept_also_without_an_order() {
        let dispense = json!({"resourceType": "MedicationDispense", "id": "1", "status": "completed",
            "contained": [{"resourceType": "Medication", "id": "m", "code": {"text": "Senna"},
                "batch": {"lotNumber": "L7", "expirationDate": "2027-01-31"}}],
            "medicationReference": {"reference": "#m"}, "quantity": {"value": 28, "unit": "tablet"},
            "dosageInstruction": [{"text": "One at night"}]});
        let set = ResourceSet::of([dispense.clone()]);
        let Body::Supply(supply) = import(&set, &dispense, &context()).unwrap().remove(0).body else {
            panic!()
        };
        assert_eq!((supply.order, supply.batch.as_deref()), (None, Some("L7")));
        assert_eq!(supply.expires.unwrap().to_string(), "2027-01-31");
        assert_eq!(supply.directions.as_deref(), Some("One at night"));
    }
}
