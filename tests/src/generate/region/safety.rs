//! Allergies and flags.

use serde_json::{Value, json};

use super::Edge;
use super::fhir::{self, hl7, snomed};
use super::story::Story;

/// Code, term, kind, and whether it is a side effect and no allergy.
type Substance = (&'static str, &'static str, &'static str, bool);

const SUBSTANCES: [Substance; 10] = [
    ("764146007", "Penicillin", "medication", false),
    ("387207008", "Ibuprofen", "medication", false),
    ("387494007", "Codeine", "medication", true),
    ("387458008", "Aspirin", "medication", true),
    ("372694001", "Erythromycin", "medication", true),
    ("387179001", "Trimethoprim", "medication", false),
    ("111088007", "Latex", "environment", false),
    ("762952008", "Peanut", "food", false),
    ("44027008", "Shellfish", "food", false),
    ("102263004", "Eggs (edible)", "food", false),
];

const REACTIONS: [(&str, &str); 6] = [
    ("271807003", "Rash"),
    ("247472004", "Hives"),
    ("422587007", "Nausea"),
    ("56018004", "Wheezing"),
    ("418290006", "Itching"),
    ("41291007", "Angioedema"),
];

/// Adds allergies, or the statement that there are none, and flags.
pub(super) fn add(story: &mut Story) {
    add_allergies(story);
    add_flags(story);
}

fn add_allergies(story: &mut Story) {
    let mut dice = story.dice("allergies");
    if story.is(Edge::ConflictingAllergies) {
        let (penicillin, _) = SUBSTANCES.split_at(1);
        for substance in penicillin {
            add_allergy(story, *substance, "confirmed");
            add_allergy(story, *substance, "refuted");
        }
        add_no_known(story);
    } else if dice.percent(35) {
        add_no_known(story);
    } else {
        let count = usize::from(dice.small(1, 3));
        for substance in dice.sample(&SUBSTANCES, count) {
            let status = if dice.percent(80) { "confirmed" } else { "unconfirmed" };
            add_allergy(story, *substance, status);
        }
        if dice.percent(12) {
            add_uncoded(story);
        }
    }
}

fn add_allergy(story: &mut Story, (code, term, category, intolerance): Substance, status: &str) {
    let mut dice = story.dice(&format!("allergy/{term}/{status}"));
    let (reaction, seen) = dice.pick(&REACTIONS).copied().unwrap_or(("271807003", "Rash"));
    let severe = seen == "Angioedema";
    let recorded = story.date_ago(dice.between(400, 9_000));
    let standing = if status == "refuted" { "resolved" } else { "active" };
    let allergy = json!({
        "clinicalStatus": hl7("allergyintolerance-clinical", standing),
        "verificationStatus": hl7("allergyintolerance-verification", status),
        "type": if intolerance { "intolerance" } else { "allergy" },
        "category": [category],
        "criticality": if severe { "high" } else { "low" },
        "code": {"coding": [fhir::coding(fhir::SNOMED, code, term)], "text": term},
        "patient": story.patient(),
        "recordedDate": fhir::day(recorded),
        "recorder": story.doctor(),
        "reaction": [{"manifestation": [snomed(reaction, seen)],
            "severity": if severe { "severe" } else { dice.word(&["mild", "moderate"]) },
            "onset": fhir::day(recorded)}],
        "note": (status == "refuted").then(|| json!([{"text": "Tested at the allergy clinic and found to tolerate it."}])),
    });
    story.add("AllergyIntolerance", allergy);
}

fn add_uncoded(story: &mut Story) {
    let allergy = json!({
        "clinicalStatus": hl7("allergyintolerance-clinical", "active"),
        "verificationStatus": hl7("allergyintolerance-verification", "unconfirmed"),
        "code": {"text": "Pink plasters"},
        "patient": story.patient(),
        "note": [{"text": "Told by the family; skin was red for days."}],
    });
    story.add("AllergyIntolerance", allergy);
}

fn add_no_known(story: &mut Story) {
    let none = json!({
        "clinicalStatus": hl7("allergyintolerance-clinical", "active"),
        "verificationStatus": hl7("allergyintolerance-verification", "confirmed"),
        "code": snomed("716186003", "No known allergy"),
        "patient": story.patient(),
        "recordedDate": fhir::day(story.date_ago(320)),
        "recorder": story.doctor(),
    });
    story.add("AllergyIntolerance", none);
}

fn add_flags(story: &mut Story) {
    let mut dice = story.dice("flags");
    if dice.percent(70) {
        let code = snomed("129839007", "At risk for falls");
        add_flag(story, "safety", &code, 200);
    }
    let decided = dice.between(30, 600);
    if dice.percent(60) {
        let code = snomed("450476008", "Not for attempted cardiopulmonary resuscitation");
        add_flag(story, "clinical", &code, decided);
    } else if dice.percent(40) {
        let code = snomed("450475007", "For attempted cardiopulmonary resuscitation");
        add_flag(story, "clinical", &code, decided);
    }
    if story.is(Edge::StrangeName) {
        let code = json!({"text": "Says \"no\" & means <yes>; ask twice <script>alert(1)</script>"});
        add_flag(story, "behavioral", &code, 10);
    }
}

fn add_flag(story: &mut Story, category: &str, code: &Value, days: i64) {
    let flag = json!({
        "status": "active",
        "category": [hl7("flag-category", category)],
        "code": code,
        "subject": story.patient(),
        "period": {"start": fhir::day(story.date_ago(days))},
        "author": story.doctor(),
    });
    story.add("Flag", flag);
}
