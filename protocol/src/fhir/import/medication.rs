//! `MedicationRequest` and `MedicationStatement`, with the `Medication` that they name.

use serde_json::Value;

use super::{Draft, NotMapped, Reading, dosage};
use crate::fhir::concept::{coded, label, medicine, quantity_words};
use crate::fhir::set::kind;
use crate::fhir::view::{View, capped, cut, cut_to, notes};
use crate::fhir::when;
use crate::record::coded::Coded;
use crate::record::entry::Body;
use crate::record::medicines::{Order, OrderStatus, Schedule};
use crate::scope::Section;

/// A medicine by name, with what its `Medication` says of strength and form.
pub(super) struct Product {
    pub(super) medicine: Coded,
    strength: Option<String>,
    form: Option<String>,
}

/// The medicine that a resource names by concept or by reference.
pub(super) fn product(reading: Reading<'_>) -> Result<Product, NotMapped> {
    let resource = reading.resource;
    if let Some(named) = resource.one("medicationCodeableConcept").and_then(medicine) {
        return Ok(Product { medicine: named, strength: None, form: None });
    }
    let reference = resource.one("medicationReference").ok_or(NotMapped::Missing("medication"))?;
    let found = reading.resolve(reference).and_then(held_product);
    let shown = || {
        let display = reference.text("display")?;
        Some(Product { medicine: Coded::text(cut_to(display, 500)), strength: None, form: None })
    };
    found.or_else(shown).ok_or(NotMapped::Missing("medication"))
}

fn held_product(medication: &Value) -> Option<Product> {
    let ingredients = capped(medication.list("ingredient"));
    let parts = ingredients.iter().filter_map(|i| i.one("itemCodeableConcept").and_then(label));
    let named = medication.one("code").and_then(medicine);
    let named = named.or_else(|| {
        let parts: Vec<String> = parts.collect();
        (!parts.is_empty()).then(|| Coded::text(cut_to(&parts.join(" + "), 500)))
    })?;
    let strengths: Vec<String> = ingredients.iter().filter_map(|i| strength(i.one("strength")?)).collect();
    let strength = (!strengths.is_empty()).then(|| cut_to(&strengths.join(" + "), 300));
    Some(Product { medicine: named, strength, form: medication.one("form").and_then(label) })
}

fn strength(ratio: &Value) -> Option<String> {
    let amount = quantity_words(ratio.one("numerator")?)?;
    let per = ratio.one("denominator").and_then(quantity_words).filter(|d| d != "1" && d != "1 1");
    Some(per.map_or(amount.clone(), |per| format!("{amount} in {per}")))
}

pub(super) fn read_request(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let resource = reading.resource;
    if resource.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Medicines));
    }
    refuse_repetition(reading)?;
    let mut order = order(reading, resource.list("dosageInstruction"))?;
    order.status = request_status(resource);
    order.start = order.start.or_else(|| resource.text("authoredOn").and_then(when::day));
    order.prescriber = resource.one("requester").and_then(|r| reading.name_of(r));
    order.schedule = schedule(resource);
    Ok(reading.draft(Section::Medicines, resource.text("authoredOn"), Body::Order(order)))
}

pub(super) fn read_statement(reading: Reading<'_>) -> Result<Draft, NotMapped> {
    let resource = reading.resource;
    if resource.text("status") == Some("entered-in-error") {
        return Ok(reading.taken_back(Section::Medicines));
    }
    refuse_repetition(reading)?;
    let mut order = order(reading, resource.list("dosage"))?;
    order.status = statement_status(resource);
    let period = |key: &str| resource.path_text(&["effectivePeriod", key]).and_then(when::day);
    let since = || resource.text("effectiveDateTime").and_then(when::day);
    order.start = order.start.or_else(|| period("start")).or_else(since);
    order.end = order.end.or_else(|| period("end"));
    let happened = resource.text("dateAsserted").or_else(|| when::chosen(resource, "effective"));
    Ok(reading.draft(Section::Medicines, happened, Body::Order(order)))
}

/// A statement based on a request of the set, and a request made out of another, tell of a medicine that is already
/// an order: as orders of their own they would be given twice.
fn refuse_repetition(reading: Reading<'_>) -> Result<(), NotMapped> {
    let sources = reading.resource.list("basedOn").iter().chain(reading.resource.list("derivedFrom"));
    let told = sources.filter_map(|r| reading.resolve(r)).find(|source| {
        matches!(kind(source), "MedicationRequest" | "MedicationStatement")
            && !std::ptr::eq(*source, reading.resource)
            && source.text("status") != Some("entered-in-error")
    });
    told.map_or(Ok(()), |source| Err(NotMapped::Repeats(crate::fhir::set::key(source))))
}

fn order(reading: Reading<'_>, dosages: &[Value]) -> Result<Order, NotMapped> {
    let resource = reading.resource;
    let Product { medicine, strength, form } = product(reading)?;
    let read = dosage::read(dosages);
    let by_code = capped(resource.list("reasonCode")).iter().find_map(label);
    let by_reference = || resource.list("reasonReference").iter().find_map(|r| reason(reading, r));
    let instructions: Vec<String> = read.instructions.into_iter().chain(notes(resource)).collect();
    Ok(Order {
        medicine,
        brand: None,
        strength,
        form,
        dose: read.dose,
        route: read.route,
        timing: read.timing,
        prn: read.prn,
        start: read.start,
        end: read.end,
        status: OrderStatus::Active,
        prescriber: None,
        indication: by_code.or_else(by_reference),
        instructions: (!instructions.is_empty()).then(|| cut(&instructions.join("\n"))),
        time_critical_minutes: None,
        schedule: None,
        review: None,
        homely: false,
        received: None,
        reason: None,
        overridden: None,
        sites: None,
    })
}

fn reason(reading: Reading<'_>, reference: &Value) -> Option<String> {
    let found = reading.resolve(reference).and_then(|c| c.one("code")).and_then(coded).map(|c| c.display);
    found.or_else(|| reference.text("display").map(|d| cut_to(d, 300)))
}

/// What is only proposed is not to be given, and neither is what a prescriber asked not to give.
fn request_status(resource: &Value) -> OrderStatus {
    if resource.flag("doNotPerform") == Some(true) {
        return OrderStatus::Stopped("The prescriber asks that this is not given.".to_owned());
    }
    let status = resource.text("status");
    let said = || resource.one("statusReason").and_then(label);
    match status {
        Some("active") if matches!(resource.text("intent"), Some("proposal" | "option")) => {
            OrderStatus::OnHold("Only proposed, not yet ordered.".to_owned())
        }
        Some("active") => OrderStatus::Active,
        Some("on-hold") => OrderStatus::OnHold(said().unwrap_or_else(|| "On hold at its source.".to_owned())),
        Some("draft") => OrderStatus::OnHold("Drafted, not yet ordered.".to_owned()),
        Some("cancelled" | "stopped" | "completed") => ended(status, said()),
        _ => OrderStatus::OnHold("Its source does not say whether it is in use.".to_owned()),
    }
}

fn statement_status(resource: &Value) -> OrderStatus {
    let status = resource.text("status");
    let said = || resource.list("statusReason").iter().find_map(label);
    match status {
        Some("active") => OrderStatus::Active,
        Some("intended") => OrderStatus::OnHold("Intended, not yet started.".to_owned()),
        Some("on-hold") => OrderStatus::OnHold(said().unwrap_or_else(|| "On hold at its source.".to_owned())),
        Some("completed" | "stopped" | "not-taken") => ended(status, said()),
        _ => OrderStatus::OnHold("Its source does not say whether it is in use.".to_owned()),
    }
}

fn ended(status: Option<&str>, said: Option<String>) -> OrderStatus {
    let word = match status {
        Some("completed") => "Completed.",
        Some("cancelled") => "Cancelled before it was used.",
        Some("not-taken") => "Not taken.",
        _ => "Stopped.",
    };
    OrderStatus::Stopped(said.unwrap_or_else(|| word.to_owned()))
}

/// The schedule that the Electronic Prescription Service writes beside a controlled drug.
fn schedule(resource: &Value) -> Option<Schedule> {
    let drug = resource.extension("https://fhir.nhs.uk/StructureDefinition/Extension-DM-ControlledDrug")?;
    match drug.extension("schedule")?.path_text(&["valueCoding", "code"])? {
        "CD2" => Some(Schedule::Two),
        "CD3" => Some(Schedule::Three),
        "CD4" | "CD4-1" | "CD4-2" => Some(Schedule::Four),
        "CD5" => Some(Schedule::Five),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::import::tests::{body_of, context, import_one};
    use crate::fhir::{ResourceSet, import};
    use crate::record::coded::System;
    use crate::record::medicines::{Decimal, Dose, Quantity};
    use serde_json::json;

    fn request() -> Value {
        json!({"resourceType": "MedicationRequest", "id": "7", "status": "active", "intent": "order",
            "medicationCodeableConcept": {"coding": [{"system": "https://dmd.nhs.uk/", "code": "322236009",
                "display": "Paracetamol 500mg tablets"}]},
            "authoredOn": "2026-03-01T09:00:00Z", "requester": {"display": "Dr A Example"},
            "reasonCode": [{"text": "Back pain"}],
            "dosageInstruction": [{"text": "Two tablets four times a day",
                "timing": {"repeat": {"frequency": 4, "period": 1, "periodUnit": "d"}},
                "doseAndRate": [{"doseQuantity": {"value": 2, "unit": "tablet"}}]}]})
    }

    fn order_of(resource: &Value) -> Order {
        let Body::Order(order) = body_of(resource) else { panic!("an order") };
        order
    }

    #[test]
    fn a_request_is_an_order_with_its_medicine_dose_and_prescriber() {
        let order = order_of(&request());
        assert_eq!(order.medicine, Coded::new(System::Dmd, "322236009", "Paracetamol 500mg tablets"));
        let two = Quantity { value: Decimal { mantissa: 2, places: 0 }, unit: "tablet".into() };
        assert_eq!(order.dose, Dose::Fixed(two));
        assert_eq!(order.status, OrderStatus::Active);
        assert_eq!(order.prescriber.as_deref(), Some("Dr A Example"));
        assert_eq!(order.indication.as_deref(), Some("Back pain"));
        assert_eq!(order.start.unwrap().to_string(), "2026-03-01");
        assert!(order.instructions.unwrap().contains("Times 08:00, 12:00, 17:00, 22:00 chosen by Hearth"));
    }

    #[test]
    fn what_is_not_to_be_given_is_never_active() {
        for (key, value) in [
            ("status", json!("stopped")),
            ("status", json!("draft")),
            ("status", json!("unheard-of")),
            ("intent", json!("proposal")),
            ("doNotPerform", json!(true)),
        ] {
            let mut resource = request();
            resource[key] = value.clone();
            assert_ne!(order_of(&resource).status, OrderStatus::Active, "{key} {value}");
        }
        let mut wrong = request();
        wrong["status"] = json!("entered-in-error");
        assert!(matches!(import_one(&wrong).body, Body::EnteredInError(_)));
    }

    #[test]
    fn a_medicine_is_found_where_it_is_contained() {
        let mut resource = request();
        resource["contained"] = json!([{"resourceType": "Medication", "id": "m", "code": {"text": "Morphine oral solution"},
            "form": {"text": "Oral solution"}, "ingredient": [{"strength": {"numerator": {"value": 10, "unit": "mg"},
            "denominator": {"value": 5, "unit": "mL"}}}]}]);
        resource.as_object_mut().unwrap().remove("medicationCodeableConcept");
        resource["medicationReference"] = json!({"reference": "#m"});
        let order = order_of(&resource);
        assert_eq!(order.medicine, Coded::text("Morphine oral solution"));
        assert_eq!(order.strength.as_deref(), Some("10 mg in 5 mL"));
        assert_eq!(order.form.as_deref(), Some("Oral solution"));
    }

    #[test]
    fn a_statement_of_a_request_does_not_make_a_second_order() {
        let statement = json!({"resourceType": "MedicationStatement", "id": "8", "status": "active",
            "basedOn": [{"reference": "MedicationRequest/7"}], "medicationCodeableConcept": {"text": "Paracetamol"}});
        let set = ResourceSet::of([request(), statement.clone()]);
        let refused = import(&set, &statement, &context()).unwrap_err();
        assert_eq!(refused, NotMapped::Repeats("MedicationRequest/7".into()));
        let alone = ResourceSet::of([statement.clone()]);
        assert!(import(&alone, &statement, &context()).is_ok());
    }

    #[test]
    fn a_controlled_drug_keeps_its_schedule() {
        let mut resource = request();
        resource["extension"] = json!([{"url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-ControlledDrug",
            "extension": [{"url": "schedule", "valueCoding": {"code": "CD2"}}]}]);
        assert_eq!(order_of(&resource).schedule, Some(Schedule::Two));
    }
}
