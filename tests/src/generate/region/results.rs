//! Laboratory results: single values, and the reports that gather them.

use serde_json::{Value, json};

use super::fhir::{self, hl7, quantity};
use super::history::{self, Problem};
use super::medicines;
use super::story::Story;
use crate::generate::dice::Dice;

/// What is measured: SNOMED CT code and term, LOINC code, unit and its UCUM code, digits after the point, the range
/// in which values fall, and the laboratory's range, both in the last digit.
struct Test {
    snomed: &'static str,
    term: &'static str,
    loinc: &'static str,
    unit: (&'static str, &'static str),
    decimal: bool,
    seen: (i64, i64),
    normal: (i64, i64),
}

const fn test(
    codes: (&'static str, &'static str),
    term: &'static str,
    unit: (&'static str, &'static str),
    decimal: bool,
    seen: (i64, i64),
    normal: (i64, i64),
) -> Test {
    Test { snomed: codes.0, term, loinc: codes.1, unit, decimal, seen, normal }
}

const MILLIMOLE: (&str, &str) = ("mmol/L", "mmol/L");
const CELLS: (&str, &str) = ("10*9/L", "10*9/L");

const KIDNEY: [Test; 5] = [
    test(("1000661000000107", "2951-2"), "Serum sodium level", MILLIMOLE, false, (129, 146), (133, 146)),
    test(("1000651000000109", "2823-3"), "Serum potassium level", MILLIMOLE, true, (33, 57), (35, 53)),
    test(("1000951000000103", "22664-7"), "Serum urea level", MILLIMOLE, true, (35, 165), (25, 78)),
    test(
        ("1000731000000107", "14682-9"),
        "Serum creatinine level",
        ("umol/L", "umol/L"),
        false,
        (52, 180),
        (45, 84),
    ),
    test(
        ("1020291000000106", "33914-3"),
        "GFR (glomerular filtration rate) calculated by abbreviated Modification of Diet in Renal Disease Study Group calculation",
        ("mL/min/1.73m*2", "mL/min/{1.73_m2}"),
        false,
        (24, 90),
        (60, 120),
    ),
];
const BLOOD: [Test; 3] = [
    test(
        ("1022431000000105", "718-7"),
        "Haemoglobin estimation",
        ("g/L", "g/L"),
        false,
        (92, 155),
        (115, 165),
    ),
    test(("1022541000000102", "6690-2"), "Total white cell count", CELLS, true, (32, 145), (40, 110)),
    test(("1022651000000100", "777-3"), "Platelet count", CELLS, false, (120, 430), (150, 450)),
];
const SUGAR: [Test; 1] = [test(
    ("999791000000106", "59261-8"),
    "Haemoglobin A1c level - International Federation of Clinical Chemistry and Laboratory Medicine standardised",
    ("mmol/mol", "mmol/mol"),
    false,
    (38, 86),
    (20, 41),
)];
const CLOTTING: [Test; 1] = [test(
    ("165581004", "6301-6"),
    "International normalised ratio",
    ("{INR}", "{INR}"),
    true,
    (16, 43),
    (20, 30),
)];

/// Adds the reports of the last year.
pub(super) fn add(story: &mut Story) {
    let problems = history::problems(story);
    for days in [340, 210, 95, 12] {
        add_report(story, "Urea and electrolytes", &KIDNEY, days);
    }
    for days in [300, 150, 12] {
        add_report(story, "Full blood count", &BLOOD, days);
    }
    if problems.contains(&Problem::Diabetes) {
        for days in [280, 100] {
            add_report(story, "Haemoglobin A1c", &SUGAR, days);
        }
    }
    if medicines::takes_warfarin(story, &problems) {
        for week in 0..10 {
            add_report(story, "INR", &CLOTTING, 3 + week * 14);
        }
    }
}

fn add_report(story: &mut Story, title: &str, tests: &[Test], days: i64) {
    let mut dice = story.dice(&format!("results/{title}/{days}"));
    let results: Vec<Value> =
        tests.iter().map(|test| fhir::reference(&add_result(story, test, days, &mut dice))).collect();
    let report = json!({
        "status": "final",
        "category": [hl7("v2-0074", "LAB")],
        "code": {"text": title},
        "subject": story.patient(),
        "effectiveDateTime": fhir::instant(story.ago(days, 9, 40)),
        "issued": fhir::instant(story.ago(days, 16, 5)),
        "performer": [story.doctor()],
        "result": results,
    });
    story.add("DiagnosticReport", report);
}

fn add_result(story: &mut Story, test: &Test, days: i64, dice: &mut Dice) -> String {
    let value = dice.between(test.seen.0, test.seen.1);
    let shown = |n: i64| {
        quantity(&if test.decimal { fhir::tenths(n) } else { n.to_string() }, test.unit.0, test.unit.1)
    };
    let (low, high) = test.normal;
    let mark = if value < low {
        Some("L")
    } else if value > high {
        Some("H")
    } else {
        None
    };
    let observation = json!({
        "status": "final",
        "category": [hl7("observation-category", "laboratory")],
        "code": {"coding": [fhir::coding(fhir::SNOMED, test.snomed, test.term),
            {"system": fhir::LOINC, "code": test.loinc}], "text": test.term},
        "subject": story.patient(),
        "effectiveDateTime": fhir::instant(story.ago(days, 9, 40)),
        "issued": fhir::instant(story.ago(days, 16, 5)),
        "performer": [story.doctor()],
        "valueQuantity": shown(value),
        "interpretation": mark.map(|code| json!([hl7("v3-ObservationInterpretation", code)])),
        "referenceRange": [{"low": shown(low), "high": shown(high)}],
    });
    story.add("Observation", observation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_results_are_inside_and_some_outside_their_range() {
        for test in KIDNEY.iter().chain(&BLOOD).chain(&SUGAR).chain(&CLOTTING) {
            let (seen, normal) = (test.seen, test.normal);
            assert!(seen.0 < normal.1 && seen.1 > normal.0, "{} is never normal", test.term);
            assert!(seen.0 < normal.0 || seen.1 > normal.1, "{} is never abnormal", test.term);
        }
    }
}
