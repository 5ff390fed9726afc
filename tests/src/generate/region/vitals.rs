//! Vital signs as a GP system and a home's earlier records hold them: once a week for two months, weight monthly.

use hearth_protocol::clinical::codes::{Vital, VitalCode};
use serde_json::{Value, json};

use super::fhir::{self, hl7, quantity, snomed};
use super::story::Story;

/// Adds the history.
pub(super) fn add(story: &mut Story) {
    let mut dice = story.dice("vitals");
    let usual = (dice.between(56, 84), dice.between(112, 148), dice.between(14, 18));
    for week in 0..8 {
        let days = week * 7 + dice.between(0, 3);
        let pulse = usual.0 + dice.between(-8, 12);
        let systolic = usual.1 + dice.between(-14, 18);
        let breaths = usual.2 + dice.between(-2, 5);
        add_sign(story, days, Vital::Pulse, &pulse.to_string());
        add_sign(story, days, Vital::RespiratoryRate, &breaths.to_string());
        add_sign(story, days, Vital::OxygenSaturation, &dice.between(92, 99).to_string());
        add_sign(story, days, Vital::Temperature, &fhir::tenths(dice.between(359, 379)));
        add_pressure(story, days, systolic, systolic / 2 + dice.between(4, 18));
        add_alertness(story, days, dice.percent(94));
    }
    let weight = dice.between(445, 860);
    for month in 0..4 {
        add_sign(story, month * 30 + 1, Vital::Weight, &fhir::tenths(weight + month * dice.between(-4, 9)));
    }
}

fn observed(story: &Story, days: i64, vital: Vital, category: &str) -> Value {
    let code = vital.code();
    json!({
        "meta": fhir::profile(&format!("Observation-{}", code.profile)),
        "status": "final",
        "category": [hl7("observation-category", category)],
        "code": {"coding": codings(code)},
        "subject": story.patient(),
        "effectiveDateTime": fhir::instant(story.ago(days, 10, 15)),
        "performer": [story.doctor()],
    })
}

fn codings(code: VitalCode) -> Vec<Value> {
    let mut codings = vec![fhir::coding(fhir::SNOMED, code.snomed, code.display)];
    codings.extend(code.loinc.map(|loinc| json!({"system": fhir::LOINC, "code": loinc})));
    codings
}

fn measured(code: VitalCode, value: &str) -> Value {
    quantity(value, code.unit, code.ucum.unwrap_or_default())
}

fn add_with(story: &mut Story, mut observation: Value, member: &str, value: Value) {
    if let Some(observation) = observation.as_object_mut() {
        observation.insert(member.to_owned(), value);
    }
    story.add("Observation", observation);
}

fn add_sign(story: &mut Story, days: i64, vital: Vital, value: &str) {
    let observation = observed(story, days, vital, "vital-signs");
    add_with(story, observation, "valueQuantity", measured(vital.code(), value));
}

fn add_pressure(story: &mut Story, days: i64, systolic: i64, diastolic: i64) {
    let part = |vital: Vital, value: i64| json!({"code": {"coding": codings(vital.code())}, "valueQuantity": measured(vital.code(), &value.to_string())});
    let parts = json!([part(Vital::Systolic, systolic), part(Vital::Diastolic, diastolic)]);
    let observation = observed(story, days, Vital::BloodPressure, "vital-signs");
    add_with(story, observation, "component", parts);
}

fn add_alertness(story: &mut Story, days: i64, alert: bool) {
    let found =
        if alert { snomed("248234008", "Mentally alert") } else { snomed("130987000", "Acute confusion") };
    let observation = observed(story, days, Vital::Consciousness, "survey");
    add_with(story, observation, "valueCodeableConcept", found);
}
