//! Conditions, immunisations and appointments.

use serde_json::{Value, json};

use super::fhir::{self, hl7, snomed};
use super::story::Story;

/// A long-term condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    Hypertension,
    Diabetes,
    AtrialFibrillation,
    HeartFailure,
    Alzheimers,
    Parkinsons,
    Osteoporosis,
    Hypothyroidism,
    Copd,
    KidneyDisease,
    Osteoarthritis,
    Depression,
    Stroke,
    Glaucoma,
    ChronicPain,
    Cancer,
}

/// Each problem, how many of a hundred residents have it, its SNOMED CT code and term.
const PROBLEMS: [(Problem, u64, &str, &str); 16] = [
    (Problem::Hypertension, 55, "59621000", "Essential hypertension"),
    (Problem::Diabetes, 24, "44054006", "Type 2 diabetes mellitus"),
    (Problem::AtrialFibrillation, 26, "49436004", "Atrial fibrillation"),
    (Problem::HeartFailure, 18, "84114007", "Heart failure"),
    (Problem::Alzheimers, 45, "26929004", "Alzheimer's disease"),
    (Problem::Parkinsons, 12, "49049000", "Parkinson's disease"),
    (Problem::Osteoporosis, 35, "64859006", "Osteoporosis"),
    (Problem::Hypothyroidism, 18, "40930008", "Hypothyroidism"),
    (Problem::Copd, 17, "13645005", "Chronic obstructive lung disease"),
    (Problem::KidneyDisease, 28, "433144002", "Chronic kidney disease stage 3"),
    (Problem::Osteoarthritis, 38, "396275006", "Osteoarthritis"),
    (Problem::Depression, 24, "35489007", "Depressive disorder"),
    (Problem::Stroke, 20, "230690007", "Cerebrovascular accident"),
    (Problem::Glaucoma, 12, "23986001", "Glaucoma"),
    (Problem::ChronicPain, 22, "82423001", "Chronic pain"),
    (Problem::Cancer, 8, "363346000", "Malignant neoplastic disease"),
];

/// The problems of a record.
pub(super) fn problems(story: &Story) -> Vec<Problem> {
    let mut dice = story.dice("problems");
    let has = |(problem, chance, ..): &(Problem, u64, &str, &str)| dice.percent(*chance).then_some(*problem);
    PROBLEMS.iter().filter_map(has).collect()
}

/// Adds conditions, immunisations and appointments.
pub(super) fn add(story: &mut Story) {
    let held = problems(story);
    for (problem, _, code, term) in PROBLEMS {
        if held.contains(&problem) {
            add_condition(story, code, term, "active");
        }
    }
    add_condition(story, "68566005", "Urinary tract infectious disease", "resolved");
    add_immunisations(story);
    add_appointments(story);
}

fn add_condition(story: &mut Story, code: &str, term: &str, status: &str) {
    let mut dice = story.dice(term);
    let onset = story.date_ago(dice.between(200, 7_000));
    let ended = (status == "resolved").then(|| fhir::day(story.date_ago(dice.between(20, 190))));
    let condition = json!({
        "clinicalStatus": hl7("condition-clinical", status),
        "verificationStatus": hl7("condition-ver-status", "confirmed"),
        "category": [hl7("condition-category", "problem-list-item")],
        "code": {"coding": [fhir::coding(fhir::SNOMED, code, term)], "text": term},
        "subject": story.patient(),
        "onsetDateTime": fhir::day(onset),
        "abatementDateTime": ended,
        "recordedDate": fhir::day(onset),
        "recorder": story.doctor(),
    });
    story.add("Condition", condition);
}

fn add_immunisations(story: &mut Story) {
    let mut dice = story.dice("immunisations");
    let influenza = fhir::coding(
        "https://dmd.nhs.uk",
        "11278411000001109",
        "Influenza vaccine (split virion, inactivated) suspension for injection 0.5ml pre-filled syringes (Pfizer Ltd)",
    );
    for year in 0..3 {
        let day = story.date_ago(40 + year * 365 + dice.between(0, 30));
        let status = if dice.percent(94) { "completed" } else { "not-done" };
        let lot = format!("FL{:05}", dice.below(100_000));
        add_immunisation(story, &influenza, day, status, (status == "completed").then_some(lot.as_str()));
    }
    if dice.percent(70) {
        let pneumococcal = json!({"code": "10245211000001108", "system": "https://dmd.nhs.uk", "display":
            "Pneumococcal polysaccharide conjugated vaccine (adsorbed) suspension for injection 0.5ml pre-filled syringes"});
        let day = story.date_ago(dice.between(700, 4_000));
        add_immunisation(story, &pneumococcal, day, "completed", None);
    }
}

fn add_immunisation(
    story: &mut Story,
    vaccine: &Value,
    day: hearth_protocol::time::Date,
    status: &str,
    lot: Option<&str>,
) {
    let refused = (status == "not-done").then(|| hl7("v3-ActReason", "PATOBJ"));
    let immunization = json!({
        "status": status,
        "statusReason": refused,
        "vaccineCode": {"coding": [vaccine]},
        "patient": story.patient(),
        "occurrenceDateTime": fhir::day(day),
        "primarySource": true,
        "lotNumber": lot,
    });
    story.add("Immunization", immunization);
}

fn add_appointments(story: &mut Story) {
    let mut dice = story.dice("appointments");
    let kinds = [
        ("Chiropody at the home", 15),
        ("GP ward round", 10),
        ("Diabetic eye screening", 20),
        ("Memory clinic review", 45),
        ("Dentist, home visit", 30),
        ("Parkinson's nurse, by video", 40),
        ("Anticoagulation clinic", 15),
    ];
    for (what, minutes) in dice.sample(&kinds, 3).into_iter().copied() {
        let days = dice.between(-45, 60);
        let start = story.ago(days, dice.between(9, 16), 15 * dice.between(0, 3));
        let appointment = json!({
            "status": if days > 0 { "fulfilled" } else { "booked" },
            "description": what,
            "start": fhir::instant(start),
            "end": fhir::instant(start.plus_ms(minutes * 60_000)),
            "minutesDuration": minutes,
            "created": fhir::day(story.date_ago(days.max(0) + 20)),
            "participant": [{"actor": story.patient(), "status": "accepted"},
                {"actor": story.doctor(), "status": "accepted"}],
        });
        story.add("Appointment", appointment);
    }
    let encounter = json!({
        "status": "finished",
        "class": fhir::coding("http://terminology.hl7.org/CodeSystem/v3-ActCode", "HH", "home health"),
        "type": [snomed("439708006", "Home visit")],
        "subject": story.patient(),
        "participant": [{"individual": story.doctor()}],
        "period": {"start": fhir::instant(story.ago(9, 11, 0)), "end": fhir::instant(story.ago(9, 11, 20))},
        "reasonCode": [{"text": dice.word(&["Weekly ward round", "Cough for three days", "Review after a fall"])}],
    });
    story.add("Encounter", encounter);
}
