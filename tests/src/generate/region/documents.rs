//! Clinic letters and discharge summaries.

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::fhir::{self, hl7, snomed};
use super::medicines::Ordered;
use super::story::Story;
use super::{ndjson, pdf};

const HEADINGS: &str = "https://fhir.hl7.org.uk/CodeSystem/UKCore-RecordStandardHeadings";

/// Adds letters and, for half of the residents, a discharge summary as PDF. Of those, about half have it as a FHIR
/// document too, which is returned: it lies beside the record, as a hospital would send it.
pub(super) fn add(story: &mut Story, medicines: &[Ordered]) -> Option<Value> {
    let mut dice = story.dice("documents");
    let clinics = [
        (
            "Memory clinic letter",
            "Orientation is a little worse than last year. The medicine is well tolerated and continues. We will see again in a year, by telephone if that is easier.",
        ),
        (
            "Falls clinic letter",
            "Blood pressure drops by 24 mmHg on standing. Please look again at the tablets for blood pressure. Exercises were shown and a sheet was given.",
        ),
        (
            "Eye clinic letter",
            "Pressures are 17 and 18 mmHg with the drops. Fields unchanged. The drops continue every night.",
        ),
        (
            "Dietitian's letter",
            "Weight has come down by 3 kg in six months. Fortified diet, two supplements a day, and weigh every week for a month.",
        ),
    ];
    for (title, text) in dice.sample(&clinics, 2).into_iter().copied() {
        let days = dice.between(14, 330);
        add_letter(story, title, text, days);
    }
    if !dice.percent(50) {
        return None;
    }
    let stay = Stay { home: dice.between(2, 40), nights: dice.between(2, 12), reason: dice.word(&REASONS) };
    let changes = changes(medicines);
    add_summary(story, &stay, &changes);
    dice.percent(50).then(|| document(story, &stay, &changes))
}

const REASONS: [&str; 4] = [
    "Community-acquired pneumonia",
    "Fall with a fracture of the wrist",
    "Urinary tract infection with confusion",
    "Worsening heart failure",
];

/// A stay in hospital.
struct Stay {
    /// Days since the person came home.
    home: i64,
    nights: i64,
    reason: &'static str,
}

/// What the hospital did with a medicine, and why.
struct Change<'a> {
    medicine: &'a Ordered,
    what: &'static str,
    why: Option<&'static str>,
}

/// The first medicine was started, the second changed, the third stopped, the rest goes on.
fn changes(medicines: &[Ordered]) -> Vec<Change<'_>> {
    let of = |(place, medicine)| {
        let (what, why) = match place {
            0 => ("Started", Some("Needed since the stay in hospital")),
            1 => ("Changed", Some("Dose changed after blood tests")),
            2 => ("Stopped", Some("No longer needed, and made drowsy")),
            _ => ("Continued", None),
        };
        Change { medicine, what, why }
    };
    medicines.iter().enumerate().map(of).collect()
}

fn add_letter(story: &mut Story, title: &str, text: &str, days: i64) {
    let date = story.date_ago(days);
    let number = story.person.nhs_number.map_or_else(|| "not known".to_owned(), |n| n.to_string());
    let paragraphs = [
        format!("Date: {date}"),
        format!("Re: {}, born {}, NHS number {number}", story.person.full_name(), story.person.birth_date),
        String::new(),
        format!("Dear {}", story.person.practice.doctor),
        String::new(),
        text.to_owned(),
        String::new(),
        "Yours sincerely".to_owned(),
        format!("Copy to the home and to {}.", story.person.practice.name),
    ];
    let kind = json!({"coding": [fhir::coding(fhir::LOINC, "11488-4", "Consult note")], "text": title});
    add_file(story, title, &kind, days, &pdf::letter(title, &paragraphs));
}

fn add_summary(story: &mut Story, stay: &Stay, changes: &[Change<'_>]) {
    let mut paragraphs = vec![
        format!("Patient: {}, born {}", story.person.full_name(), story.person.birth_date),
        format!("Hospital: {HOSPITAL}, ward 7"),
        format!(
            "Admitted {}, discharged {}",
            story.date_ago(stay.home + stay.nights),
            story.date_ago(stay.home)
        ),
        format!("Reason: {}", stay.reason),
        String::new(),
        "Medicines at discharge:".to_owned(),
    ];
    paragraphs.extend(changes.iter().map(line));
    paragraphs.push(String::new());
    paragraphs.push(
        "Plan: blood tests in two weeks. Please call the ward with questions, 020 7946 0700.".to_owned(),
    );
    let kind = snomed("373942005", "Discharge summary");
    let title = "Discharge summary";
    add_file(story, title, &kind, stay.home, &pdf::letter(title, &paragraphs));
}

const HOSPITAL: &str = "Example General Hospital";

fn line(change: &Change<'_>) -> String {
    let why = change.why.map(|why| format!(" Reason: {why}.")).unwrap_or_default();
    format!("{}: {}, {}{why}", change.what, change.medicine.name, change.medicine.directions)
}

/// The file as Binary, and the `DocumentReference` that points to it by its address on the server.
fn add_file(story: &mut Story, title: &str, kind: &Value, days: i64, bytes: &[u8]) {
    let id = story.id();
    let binary = json!({"meta": null, "contentType": "application/pdf", "data": BASE64.encode(bytes)});
    let url = story.add_as("Binary", &id, binary);
    let date = fhir::instant(story.ago(days, 15, 30));
    let document = json!({
        "status": "current",
        "docStatus": "final",
        "type": kind,
        "category": [{"text": "Clinical correspondence"}],
        "subject": story.patient(),
        "date": date,
        "author": [story.doctor()],
        "description": title,
        "content": [{"attachment": {"contentType": "application/pdf", "language": "en-GB", "url": url,
            "size": bytes.len(), "title": format!("{title}.pdf"), "creation": date}}],
    });
    story.add("DocumentReference", document);
}

/// The summary as a FHIR document: Composition, the person, the medicines.
fn document(story: &mut Story, stay: &Stay, changes: &[Change<'_>]) -> Value {
    let timestamp = fhir::instant(story.ago(stay.home, 14, 0));
    let statements: Vec<Value> = changes.iter().map(|change| statement(story, stay, change)).collect();
    let composition = composition(story, stay, changes, &statements, &timestamp);
    let practice = &story.person.practice;
    let known = [
        story.person.reference(),
        format!("Practitioner/{}", practice.doctor_id),
        format!("Organization/{}", practice.id),
    ];
    let mut resources = vec![composition];
    resources.extend(story.resources_of(&known));
    resources.extend(statements);
    ndjson::document(&story.id(), &timestamp, &resources)
}

fn composition(
    story: &mut Story,
    stay: &Stay,
    changes: &[Change<'_>],
    statements: &[Value],
    date: &Value,
) -> Value {
    let id = story.id();
    let rows: String = changes.iter().map(row).collect();
    let table = format!(
        "<table><tr><th>Change</th><th>Medicine</th><th>Directions</th><th>Reason</th></tr>{rows}</table>"
    );
    let entries: Vec<Value> = statements
        .iter()
        .filter_map(|s| s.get("id").and_then(Value::as_str))
        .map(|id| fhir::reference(&format!("MedicationStatement/{id}")))
        .collect();
    let (from, to) = (story.date_ago(stay.home + stay.nights), story.date_ago(stay.home));
    let section = |code: &str, title: &str, xhtml: &str, entry: Option<Value>| {
        json!({"title": title, "code": {"coding": [fhir::coding(HEADINGS, code, title)]},
            "text": fhir::narrative(xhtml), "entry": entry})
    };
    let mut composition = fhir::head("Composition", &id, "Composition");
    let body = json!({
        "status": "final",
        "type": snomed("373942005", "Discharge summary"),
        "subject": story.patient(),
        "date": date,
        "author": [story.doctor()],
        "title": "Discharge summary",
        "confidentiality": "N",
        "section": [
            section("discharge-details", "Discharge details",
                &format!("<p>{HOSPITAL}, ward 7. Admitted {from}, discharged {to}.</p>"), None),
            section("diagnoses", "Diagnoses", &format!("<p>{}</p>", fhir::escaped(stay.reason)), None),
            section("medications-and-medical-devices", "Medications and medical devices", &table, Some(json!(entries))),
            section("plan-and-requested-actions", "Plan and requested actions",
                "<p>Blood tests in two weeks. Call the ward with questions, 020 7946 0700.</p>", None),
        ],
    });
    if let (Some(composition), Value::Object(body)) = (composition.as_object_mut(), body) {
        composition.extend(body);
    }
    fhir::without_nulls(composition)
}

fn row(change: &Change<'_>) -> String {
    format!(
        "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
        change.what,
        fhir::escaped(change.medicine.name),
        fhir::escaped(&change.medicine.directions),
        fhir::escaped(change.why.unwrap_or_default())
    )
}

/// UK Core's change summary has the code `amended`; started and stopped are said by the status and in words.
fn statement(story: &mut Story, stay: &Stay, change: &Change<'_>) -> Value {
    let id = story.id();
    let day = fhir::day(story.date_ago(stay.home));
    let amended = (change.what == "Changed").then(|| {
        let system = "https://fhir.hl7.org.uk/CodeSystem/UKCore-MedicationChangeStatus";
        json!([{"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationChangeSummary",
            "extension": [{"url": "status", "valueCoding": fhir::coding(system, "amended", "Amended")},
                {"url": "dateChanged", "valueDateTime": day}]}])
    });
    let mut statement = fhir::head("MedicationStatement", &id, "MedicationStatement");
    let body = json!({
        "extension": amended,
        "status": if change.what == "Stopped" { "stopped" } else { "active" },
        "statusReason": change.why.map(|why| json!([{ "text": why }])),
        "category": hl7("medication-statement-category", "inpatient"),
        "medicationCodeableConcept": change.medicine.concept,
        "subject": story.patient(),
        "effectiveDateTime": day,
        "dateAsserted": day,
        "note": [{"text": change.why.map_or_else(|| change.what.to_owned(), |why| format!("{}: {why}", change.what))}],
        "dosage": [{"text": change.medicine.directions, "route": change.medicine.route}],
    });
    if let (Some(statement), Value::Object(body)) = (statement.as_object_mut(), body) {
        statement.extend(body);
    }
    fhir::without_nulls(statement)
}
