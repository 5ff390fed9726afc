//! Discharge summaries: `Composition`s with their medicines, or documents of that type.

use serde_json::Value;

use super::{Draft, Reading, document, dosage, medication};
use crate::fhir::concept::{coded, has_code, label};
use crate::fhir::set::kind;
use crate::fhir::view::{View, capped, cut, cut_to, notes};
use crate::fhir::when;
use crate::record::coded::BlobRef;
use crate::record::discharge::{DischargeMedicine, DischargeSummary, MedicineChange, Passage};
use crate::record::entry::Body;
use crate::scope::Section;
use crate::wire::limits;

/// SNOMED CT 373942005 discharge summary, and LOINC's codes of the same meaning.
const DISCHARGE: [&str; 5] = ["373942005", "18842-5", "11490-0", "28655-9", "34105-7"];

/// Bytes that the passages and the list may take together, half an entry each; the rest is in the file.
const PART_BYTES_MAX: usize = limits::ENTRY_BYTES_MAX / 2 - 6 * 1024;

const CHANGES: [&str; 2] = [
    "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-MedicationChangeSummary",
    "https://fhir.nhs.uk/StructureDefinition/Extension-ITK-MedicationChangeSummary-1",
];

/// Whether a `Composition` or `DocumentReference` is a discharge summary.
pub(crate) fn is_discharge(resource: &Value) -> bool {
    resource.one("type").is_some_and(|kind| DISCHARGE.iter().any(|code| has_code(kind, code)))
}

/// A summary of which only the document is there.
pub(super) fn of_document(
    reading: Reading<'_>,
    from: Option<String>,
    files: Vec<BlobRef>,
    status: String,
) -> DischargeSummary {
    let document = reading.resource;
    let period = document.path(&["context", "period"]);
    let day = |key: &str| period.and_then(|p| p.text(key)).and_then(when::day);
    DischargeSummary {
        hospital: from,
        admitted: day("start"),
        discharged: day("end"),
        diagnoses: Vec::new(),
        medicines: Vec::new(),
        passages: Vec::new(),
        files,
        contact: None,
        status,
    }
}

pub(super) fn read(reading: Reading<'_>) -> Draft {
    let composition = reading.resource;
    if composition.text("status") == Some("entered-in-error") {
        return reading.taken_back(Section::Discharge);
    }
    let entries = entries(reading);
    let stay = composition.one("encounter").and_then(|e| reading.resolve(e)).and_then(|e| e.one("period"));
    let stay = stay.or_else(|| composition.path(&["event", "period"]));
    let day = |key: &str| stay.and_then(|p| p.text(key)).and_then(when::day);
    let all = document::passages(composition);
    let text: Vec<String> = all.iter().map(|p| format!("{}\n{}\n", p.heading, p.text)).collect();
    let file = (!text.is_empty()).then(|| document::text_file(&text.join("\n"), "Discharge summary"));
    let conditions = entries.iter().filter(|e| kind(e) == "Condition");
    let summary = DischargeSummary {
        hospital: hospital(reading),
        admitted: day("start"),
        discharged: day("end"),
        diagnoses: conditions
            .filter_map(|c| c.one("code").and_then(coded))
            .take(limits::FHIR_LIST_MAX)
            .collect(),
        medicines: medicines(reading, &entries),
        passages: fitting(all),
        files: file.iter().map(|f| f.reference.clone()).collect(),
        contact: contact(reading),
        status: cut_to(composition.text("status").unwrap_or("unknown"), 40),
    };
    let happened = stay.and_then(|p| p.text("end")).or_else(|| composition.text("date"));
    let mut draft = reading.draft(Section::Discharge, happened, Body::DischargeSummary(summary));
    draft.files.extend(file);
    draft
}

/// What the sections refer to, once each.
fn entries<'a>(reading: Reading<'a>) -> Vec<&'a Value> {
    let mut found: Vec<&'a Value> = Vec::new();
    let mut sections: Vec<(&Value, usize)> =
        capped(reading.resource.list("section")).iter().map(|s| (s, 0)).collect();
    while let Some((section, depth)) = sections.pop() {
        for entry in capped(section.list("entry")).iter().filter_map(|e| reading.resolve(e)) {
            for item in std::iter::once(entry).chain(listed(reading, entry)) {
                if !found.iter().any(|f| std::ptr::eq(*f, item)) && found.len() < 4 * limits::FHIR_LIST_MAX {
                    found.push(item);
                }
            }
        }
        if depth < limits::FHIR_DEPTH_MAX && sections.len() < limits::FHIR_LIST_MAX {
            sections.extend(capped(section.list("section")).iter().map(|s| (s, depth + 1)));
        }
    }
    found
}

/// The items of a `List` that a section refers to, as UK discharge documents group medicines.
fn listed<'a>(reading: Reading<'a>, entry: &'a Value) -> Vec<&'a Value> {
    if kind(entry) != "List" {
        return Vec::new();
    }
    capped(entry.list("entry")).iter().filter_map(|e| reading.resolve(e.one("item")?)).collect()
}

fn hospital(reading: Reading<'_>) -> Option<String> {
    let composition = reading.resource;
    let custodian = composition.one("custodian").and_then(|c| reading.name_of(c));
    custodian.or_else(|| composition.list("author").iter().find_map(|a| reading.name_of(a)))
}

fn contact(reading: Reading<'_>) -> Option<String> {
    let composition = reading.resource;
    let people = composition.list("author").iter().chain(composition.one("custodian"));
    people.filter_map(|p| reading.resolve(p)).find_map(|found| {
        let phones = found.list("telecom").iter().filter(|t| t.text("system") == Some("phone"));
        phones.filter_map(|t| t.text("value")).map(|v| cut_to(v, 100)).next()
    })
}

fn medicines(reading: Reading<'_>, entries: &[&Value]) -> Vec<DischargeMedicine> {
    let mut room = PART_BYTES_MAX;
    let lines = entries.iter().filter(|e| matches!(kind(e), "MedicationStatement" | "MedicationRequest"));
    let lines = lines.filter_map(|line| medicine_line(reading, line)).take(limits::FHIR_LIST_MAX);
    let fits = lines.take_while(|line| {
        let size = 80
            + line.directions.len()
            + line.medicine.display.len()
            + line.reason.as_ref().map_or(0, String::len);
        let fits = size <= room;
        room = room.saturating_sub(size);
        fits
    });
    fits.collect()
}

fn medicine_line(reading: Reading<'_>, resource: &Value) -> Option<DischargeMedicine> {
    let inner = Reading { resource, ..reading };
    let medicine = medication::product(inner).ok()?.medicine;
    let dosages = resource.list("dosage").iter().chain(resource.list("dosageInstruction"));
    let sentences: Vec<String> = dosages.filter_map(dosage::sentence).collect();
    let (change, why) = change(resource);
    Some(DischargeMedicine {
        medicine,
        directions: cut_to(&sentences.join("; then "), 2000),
        change,
        reason: why.or_else(|| reason(resource)),
    })
}

fn reason(resource: &Value) -> Option<String> {
    let said = resource.list("statusReason").iter().find_map(label);
    said.or_else(|| notes(resource)).map(|r| cut_to(&r, 1000))
}

/// What the hospital did with a medicine, by UK Core's extension or else by the statement's own status.
fn change(resource: &Value) -> (MedicineChange, Option<String>) {
    let summary = CHANGES.iter().find_map(|url| resource.extension(url));
    let Some(summary) = summary else {
        let stopped = matches!(resource.text("status"), Some("stopped" | "not-taken" | "cancelled"));
        return (if stopped { MedicineChange::Stopped } else { MedicineChange::Unstated }, None);
    };
    let status = summary.extension("status");
    let code = status.and_then(|s| {
        s.path_text(&["valueCoding", "code"])
            .or_else(|| s.path_text(&["valueCodeableConcept", "coding", "code"]))
            .or_else(|| s.text("valueCode"))
    });
    let change = match code.map(str::to_ascii_lowercase).as_deref() {
        Some("added" | "started" | "new" | "initiated") => MedicineChange::Started,
        Some("amended" | "changed" | "modified") => MedicineChange::Changed,
        Some("stopped" | "ceased" | "discontinued" | "removed" | "suspended") => MedicineChange::Stopped,
        Some("unchanged" | "continued" | "same") => MedicineChange::Continued,
        _ => MedicineChange::Unstated,
    };
    let why =
        summary.extension("indicationForChange").and_then(|e| e.one("valueCodeableConcept").and_then(label));
    let details = summary.extension("detailsOfAmendment").and_then(|e| e.text("valueString")).map(cut);
    let words: Vec<String> = why.into_iter().chain(details).collect();
    (change, (!words.is_empty()).then(|| cut_to(&words.join(". "), 1000)))
}

/// As many passages as an entry takes; the file has them all.
fn fitting(passages: Vec<Passage>) -> Vec<Passage> {
    let mut room = PART_BYTES_MAX;
    let mut kept = Vec::new();
    for passage in passages {
        let text = cut_to(&passage.text, room.min(limits::FHIR_TEXT_BYTES_MAX));
        let size = text.len() + passage.heading.len() + 16;
        if size > room {
            break;
        }
        room -= size;
        kept.push(Passage { heading: passage.heading, text });
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fhir::NotMapped;
    use crate::fhir::import::tests::context;
    use crate::fhir::{import, split};
    use serde_json::json;

    fn document() -> Value {
        let line = |id: &str, name: &str, code: &str| {
            json!({"fullUrl": format!("urn:uuid:{id}"), "resource": {"resourceType": "MedicationStatement", "id": id,
                "status": "active", "subject": {"reference": "urn:uuid:p"},
                "medicationCodeableConcept": {"text": name}, "dosage": [{"text": "One at night"}],
                "extension": [{"url": CHANGES[0], "extension": [
                    {"url": "status", "valueCoding": {"code": code}},
                    {"url": "indicationForChange", "valueCodeableConcept": {"text": "Low blood pressure"}}]}]}})
        };
        json!({"resourceType": "Bundle", "type": "document", "entry": [
            {"fullUrl": "urn:uuid:c", "resource": {"resourceType": "Composition", "id": "c", "status": "final",
                "type": {"coding": [{"system": "http://snomed.info/sct", "code": "373942005"}]},
                "subject": {"reference": "urn:uuid:p"}, "encounter": {"reference": "urn:uuid:e"},
                "custodian": {"reference": "urn:uuid:h"}, "author": [{"reference": "urn:uuid:h"}], "date": "2026-03-10",
                "section": [
                    {"title": "Diagnoses", "entry": [{"reference": "urn:uuid:d"}]},
                    {"title": "Medications", "text": {"div": "<div>See list</div>"},
                        "entry": [{"reference": "urn:uuid:l"}, {"reference": "urn:uuid:m3"}]}]}},
            {"fullUrl": "urn:uuid:p", "resource": {"resourceType": "Patient", "id": "p", "name": [{"family": "Example"}]}},
            {"fullUrl": "urn:uuid:h", "resource": {"resourceType": "Organization", "id": "h", "name": "General Hospital",
                "telecom": [{"system": "phone", "value": "01632 960100"}]}},
            {"fullUrl": "urn:uuid:e", "resource": {"resourceType": "Encounter", "id": "e", "status": "finished",
                "subject": {"reference": "urn:uuid:p"}, "class": {"code": "IMP"},
                "period": {"start": "2026-03-01T10:00:00Z", "end": "2026-03-10T16:00:00Z"}}},
            {"fullUrl": "urn:uuid:d", "resource": {"resourceType": "Condition", "id": "d", "code": {"text": "Pneumonia"},
                "subject": {"reference": "urn:uuid:p"}}},
            {"fullUrl": "urn:uuid:l", "resource": {"resourceType": "List", "id": "l", "subject": {"reference": "urn:uuid:p"},
                "entry": [{"item": {"reference": "urn:uuid:m1"}}, {"item": {"reference": "urn:uuid:m2"}}]}},
            line("m1", "Ramipril 5mg", "stopped"), line("m2", "Mirtazapine 15mg", "added"), line("m3", "Senna", "amended")]})
    }

    #[test]
    fn a_summary_has_its_stay_diagnoses_changes_and_reasons() {
        let split = split(document());
        let set = &split.patients[0];
        let composition = set.get("urn:uuid:c").unwrap();
        let draft = import(set, composition, &context()).unwrap().remove(0);
        let Body::DischargeSummary(summary) = draft.body else { panic!("a summary") };
        assert_eq!(summary.hospital.as_deref(), Some("General Hospital"));
        assert_eq!(summary.contact.as_deref(), Some("01632 960100"));
        assert_eq!(summary.admitted.unwrap().to_string(), "2026-03-01");
        assert_eq!(summary.discharged.unwrap().to_string(), "2026-03-10");
        assert_eq!(summary.diagnoses, [crate::record::Coded::text("Pneumonia")]);
        let mut lines: Vec<_> =
            summary.medicines.iter().map(|m| (m.medicine.display.as_str(), m.change)).collect();
        lines.sort_unstable_by_key(|line| line.0);
        assert_eq!(
            lines,
            [
                ("Mirtazapine 15mg", MedicineChange::Started),
                ("Ramipril 5mg", MedicineChange::Stopped),
                ("Senna", MedicineChange::Changed)
            ]
        );
        assert_eq!(summary.medicines[0].directions, "One at night");
        assert_eq!(summary.medicines[0].reason.as_deref(), Some("Low blood pressure"));
        assert_eq!(draft.files.len(), 1);
    }

    #[test]
    fn the_hospitals_list_makes_no_orders_until_somebody_has_reconciled_it() {
        let split = split(document());
        let set = &split.patients[0];
        for id in ["m1", "m2", "m3"] {
            let line = set.get(&format!("urn:uuid:{id}")).unwrap();
            assert_eq!(import(set, line, &context()), Err(NotMapped::PartOf("Composition/c".into())), "{id}");
        }
    }
}
