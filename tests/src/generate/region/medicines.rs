//! Orders of medicines: `MedicationRequest` with dosage that a machine can read and the text that people read.

use serde_json::{Value, json};

use super::fhir::{self, hl7, quantity};
use super::formulary::{MEDICINES, Medicine, Route, USUAL, WARFARIN, When};
use super::history::{self, Problem};
use super::story::Story;
use super::{Edge, fhir::snomed};
use crate::generate::dice::Dice;

/// An order that was added.
#[derive(Clone)]
pub(super) struct Ordered {
    pub(super) name: &'static str,
    pub(super) directions: String,
    pub(super) concept: Value,
    pub(super) route: Value,
}

/// Whether somebody with these problems takes warfarin instead of apixaban.
pub(super) fn takes_warfarin(story: &Story, problems: &[Problem]) -> bool {
    problems.contains(&Problem::AtrialFibrillation) && story.dice("anticoagulant").percent(40)
}

/// Adds the orders: 8 to 14, or 40 where the edge says so.
pub(super) fn add(story: &mut Story) -> Vec<Ordered> {
    let mut dice = story.dice("medicines");
    let chosen = choose(story, &mut dice);
    chosen
        .into_iter()
        .enumerate()
        .map(|(place, medicine)| add_order(story, &mut dice, medicine, place))
        .collect()
}

fn choose(story: &Story, dice: &mut Dice) -> Vec<&'static Medicine> {
    if story.is(Edge::ManyMedicines) {
        return dice.sample(&MEDICINES, 40);
    }
    let problems = history::problems(story);
    let warfarin = takes_warfarin(story, &problems);
    let (usual, _) = MEDICINES.split_at(USUAL);
    let wanted = usize::from(dice.small(8, 14));
    let meant = |m: &&Medicine| m.problem.is_some_and(|p| problems.contains(&p));
    let mut chosen: Vec<&Medicine> = usual.iter().filter(meant).take(12).collect();
    let others: Vec<&Medicine> = usual.iter().filter(|m| m.problem.is_none()).collect();
    chosen.extend(dice.sample(&others, wanted.saturating_sub(chosen.len())).into_iter().copied());
    // Paracetamol, first of the list, is in nearly every chart, and with it there is always one to give when required.
    if let (Some(first), false) = (usual.first(), chosen.iter().any(|m| m.name.starts_with("Paracetamol"))) {
        chosen.push(first);
    }
    let instead = |m| if warfarin && is_apixaban(m) { &WARFARIN } else { m };
    chosen.into_iter().map(instead).collect()
}

fn is_apixaban(medicine: &Medicine) -> bool {
    medicine.name.starts_with("Apixaban")
}

fn add_order(story: &mut Story, dice: &mut Dice, medicine: &'static Medicine, place: usize) -> Ordered {
    let started = dice.between(20, 900);
    let status = status(medicine, dice, place);
    let concept = concept(medicine, dice);
    let dosage = dosage(medicine, story, started);
    let directions = dosage.get("text").and_then(Value::as_str).unwrap_or_default().to_owned();
    let (_, units, ucum) = medicine.dose.1.names();
    let request = json!({
        "extension": medicine.schedule.map(controlled),
        "status": status,
        "statusReason": (status == "on-hold").then(|| json!({"text": "Held until the blood results are back"})),
        "intent": "order",
        "category": [hl7("medicationrequest-category", "community")],
        "medicationCodeableConcept": concept,
        "subject": story.patient(),
        "authoredOn": fhir::day(story.date_ago(started)),
        "requester": story.doctor(),
        "reasonCode": [{"text": medicine.indication}],
        "courseOfTherapyType": hl7("medicationrequest-course-of-therapy", course(medicine)),
        "note": medicine.is_time_critical().then(|| json!([{"text": "Time-critical medicine."}])),
        "dosageInstruction": [dosage],
        "dispenseRequest": {"quantity": quantity("28", units, ucum),
            "expectedSupplyDuration": quantity("28", "days", "d")},
        "substitution": {"allowedBoolean": medicine.schedule.is_none()},
    });
    story.add("MedicationRequest", request);
    Ordered { name: medicine.name, directions, concept, route: route(medicine.route) }
}

/// Most orders are in force; now and then one is held or was stopped, and a course is over.
fn status(medicine: &Medicine, dice: &mut Dice, place: usize) -> &'static str {
    match (&medicine.when, dice.below(40)) {
        (When::Course(..), _) => "completed",
        (When::Required(..), _) => "active",
        (_, 0) if place > 2 => "stopped",
        (_, 1) if place > 2 => "on-hold",
        _ => "active",
    }
}

/// As systems write it: most under the dm+d URI, some with its trailing slash, some under SNOMED CT's.
fn concept(medicine: &Medicine, dice: &mut Dice) -> Value {
    let system = match dice.below(10) {
        0 => "https://dmd.nhs.uk/",
        1 => fhir::SNOMED,
        _ => "https://dmd.nhs.uk",
    };
    match medicine.code {
        Some(code) => json!({"coding": [fhir::coding(system, code, medicine.name)], "text": medicine.name}),
        None => json!({"text": medicine.name}),
    }
}

fn controlled(schedule: u8) -> Value {
    let system = "https://fhir.nhs.uk/CodeSystem/medicationrequest-controlled-drug";
    let coding = fhir::coding(system, &format!("CD{schedule}"), &format!("Schedule {schedule}"));
    json!([{"url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-ControlledDrug",
        "extension": [{"url": "schedule", "valueCoding": coding}]}])
}

fn course(medicine: &Medicine) -> &'static str {
    match medicine.when {
        When::Course(..) => "acute",
        When::Required(..) | When::Daily(_) | When::Weekly(..) => "continuous",
    }
}

fn dosage(medicine: &Medicine, story: &Story, started: i64) -> Value {
    let (amount, unit) = medicine.dose;
    let (one, many, ucum) = unit.names();
    let dose = quantity(amount, if amount == "1" { one } else { many }, ucum);
    let required = matches!(medicine.when, When::Required(..));
    json!({
        "sequence": 1,
        "text": words(medicine),
        "additionalInstruction": medicine.instructions.map(|text| json!([{ "text": text }])),
        "timing": {"repeat": repeat(medicine, story, started)},
        "asNeededCodeableConcept": required.then(|| json!({"text": medicine.indication})),
        "route": route(medicine.route),
        "doseAndRate": [{"type": hl7("dose-rate-type", "ordered"), "doseQuantity": dose}],
        "maxDosePerPeriod": most(medicine),
    })
}

fn repeat(medicine: &Medicine, story: &Story, started: i64) -> Value {
    let seconds = |times: &[&str]| times.iter().map(|t| format!("{t}:00")).collect::<Vec<_>>();
    match medicine.when {
        When::Daily(times) => {
            json!({"frequency": times.len(), "period": 1, "periodUnit": "d", "timeOfDay": seconds(times)})
        }
        When::Weekly(day, time) => {
            json!({"frequency": 1, "period": 1, "periodUnit": "wk", "dayOfWeek": [day],
            "timeOfDay": seconds(&[time])})
        }
        When::Required(hours, _) => json!({"frequency": 1, "period": hours, "periodUnit": "h"}),
        When::Course(days, times) => {
            let bounds = json!({"start": fhir::day(story.date_ago(started)),
                "end": fhir::day(story.date_ago(started - i64::from(days) + 1))});
            json!({"boundsPeriod": bounds, "frequency": times.len(), "period": 1, "periodUnit": "d",
                "timeOfDay": seconds(times)})
        }
    }
}

/// The most in 24 hours of what is given when required.
fn most(medicine: &Medicine) -> Option<Value> {
    let When::Required(_, doses) = medicine.when else {
        return None;
    };
    let (amount, unit) = medicine.dose;
    let (_, many, ucum) = unit.names();
    let tenths: u32 = amount.replace('.', "").parse().unwrap_or(1);
    let total = tenths * u32::from(doses);
    let total = if amount.contains('.') { fhir::tenths(total.into()) } else { total.to_string() };
    Some(json!({"numerator": quantity(&total, many, ucum), "denominator": quantity("24", "hours", "h")}))
}

fn words(medicine: &Medicine) -> String {
    let (amount, unit) = medicine.dose;
    let (one, many, _) = unit.names();
    let dose = format!("{amount} {}", if amount == "1" { one } else { many });
    let when = match medicine.when {
        When::Daily(times) => format!("at {}", times.join(", ")),
        When::Weekly(day, time) => format!("once a week on {day} at {time}"),
        When::Required(hours, doses) => format!(
            "when required for {}, at least {hours} hours apart, at most {} in 24 hours",
            medicine.indication,
            if doses == 1 { "once".to_owned() } else { format!("{doses} times") }
        ),
        When::Course(days, times) => format!("at {} for {days} days", times.join(", ")),
    };
    match medicine.instructions {
        Some(more) => format!("{dose} {when}. {more}."),
        None => format!("{dose} {when}."),
    }
}

fn route(route: Route) -> Value {
    match route {
        Route::Oral => snomed("26643006", "Oral route"),
        Route::Subcutaneous => snomed("34206005", "Subcutaneous route"),
        Route::Transdermal => snomed("45890007", "Transdermal route"),
        Route::Eye => snomed("54485002", "Ophthalmic route"),
        Route::Inhaled => snomed("18679011000001101", "Inhalation"),
        Route::Cutaneous => snomed("448598008", "Cutaneous route"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_in_a_day_is_the_dose_times_the_doses() {
        let of = |name: &str| {
            let medicine = MEDICINES.iter().find(|m| m.name.starts_with(name)).unwrap();
            most(medicine).unwrap().pointer("/numerator/value").unwrap().to_string()
        };
        assert_eq!(of("Paracetamol"), "8");
        assert_eq!(of("Morphine sulfate"), "15.0");
        assert_eq!(of("Lorazepam"), "1.0");
    }
}
