//! A care home that does not exist: its residents' records as a UK main care record holds them, and its staff.
//!
//! A resident is one transaction Bundle of FHIR R4 after UK Core, about 200 resources. The same records can be had as
//! NDJSON by type, the form of a bulk export. Some residents stress the edges ([`Edge`]).
//!
//! Two things come from lists of real terms, used here for made-up people only: SNOMED CT codes of conditions,
//! allergies and results, and the medicines of [`formulary`](self), where the source of each code is said.

mod documents;
mod edge;
mod fhir;
mod formulary;
mod history;
mod medicines;
mod names;
mod ndjson;
mod pdf;
mod person;
mod plan;
mod results;
mod safety;
mod soon;
mod staff;
mod story;
mod vitals;

use hearth_protocol::clinical::NhsNumber;
use hearth_protocol::time::Timestamp;
use serde_json::Value;

pub use edge::Edge;
pub use staff::Staff;

use super::dice::Dice;
use story::Story;

/// A care home, the pharmacy that serves it, and the records of its residents.
#[derive(Clone, Debug)]
pub struct Region {
    /// Name of the home.
    pub home: String,
    /// Who works at the home.
    pub home_staff: Vec<Staff>,
    /// Name of the pharmacy.
    pub pharmacy: String,
    /// Who works at the pharmacy.
    pub pharmacy_staff: Vec<Staff>,
    /// The residents, by room.
    pub residents: Vec<Resident>,
}

/// A resident and everything the main care record holds of them.
#[derive(Clone, Debug)]
pub struct Resident {
    /// Room in the home.
    pub room: u16,
    /// NHS number; one resident in a home may have none.
    pub nhs_number: Option<NhsNumber>,
    /// What is unusual about the record.
    pub edge: Option<Edge>,
    /// Id of the Patient resource.
    pub patient: String,
    /// A transaction that creates or updates everything under its own id, so that it can be sent again.
    pub bundle: Value,
    /// A hospital's discharge summary as a FHIR document, for those who were in hospital.
    pub discharge: Option<Value>,
    resources: Vec<Value>,
}

/// Makes a home of so many residents. Homes of one region differ in `home` (0 to 999), which keeps their NHS numbers
/// apart; a home has at most 900 residents. Every third resident has one of the [`Edge`]s, each once.
pub fn region(seed: u64, home: u16, residents: u16, now: Timestamp) -> Region {
    let mut dice = Dice::new(seed, &format!("home/{home}"));
    let name = format!("{} {}", dice.word(&names::HOMES), dice.word(&["House", "Court", "Lodge", "Grange"]));
    let pharmacy = format!("{} Pharmacy", dice.word(&names::FAMILIES));
    let resident = |index| Story::new(seed, home, index, now, &name).tell();
    Region {
        home_staff: staff::home(&mut dice),
        pharmacy_staff: staff::pharmacy(&mut dice),
        residents: (0..residents.min(900)).map(resident).collect(),
        home: name,
        pharmacy,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NOW: Timestamp = Timestamp(1_781_000_000_000);

    fn made(seed: u64) -> Region {
        region(seed, 1, 24, NOW)
    }

    fn entries(bundle: &Value) -> &[Value] {
        bundle["entry"].as_array().map_or(&[], Vec::as_slice)
    }

    fn of_type<'a>(resident: &'a Resident, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        resident.resources.iter().filter(move |r| r["resourceType"] == kind)
    }

    fn with(region: &Region, edge: Edge) -> &Resident {
        region.residents.iter().find(|r| r.edge == Some(edge)).unwrap()
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("reference").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|v| references(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| references(v, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn printed(region: &Region) -> String {
        let bundles: Vec<String> = region
            .residents
            .iter()
            .flat_map(|r| std::iter::once(&r.bundle).chain(&r.discharge))
            .map(Value::to_string)
            .collect();
        bundles.join("\n") + &region.ndjson().into_values().collect::<String>()
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        assert_eq!(printed(&made(7)), printed(&made(7)));
        assert_ne!(printed(&made(7)), printed(&made(8)));
        assert_eq!(made(7).home_staff, made(7).home_staff);
    }

    #[test]
    fn nhs_numbers_are_valid_of_the_test_range_and_unique_in_the_region() {
        let mut seen = BTreeSet::new();
        for home in 0..4 {
            for resident in region(3, home, 30, NOW).residents {
                let Some(number) = resident.nhs_number else { continue };
                assert!(number.to_plain().starts_with("999"));
                assert_eq!(number.to_plain().parse(), Ok(number));
                assert!(seen.insert(number), "a number stands twice");
            }
        }
        assert!(seen.len() >= 4 * 29);
    }

    #[test]
    fn every_reference_of_a_bundle_names_one_of_its_entries() {
        for resident in &made(11).residents {
            for bundle in std::iter::once(&resident.bundle).chain(&resident.discharge) {
                let names: BTreeSet<&str> =
                    entries(bundle).iter().filter_map(|e| e["fullUrl"].as_str()).collect();
                assert_eq!(names.len(), entries(bundle).len(), "two entries have one name");
                let mut found = Vec::new();
                references(bundle, &mut found);
                for reference in found {
                    assert!(names.contains(reference.as_str()), "{reference} is not in the Bundle");
                }
            }
        }
    }

    #[test]
    fn every_document_points_to_a_pdf_of_its_record() {
        for resident in &made(11).residents {
            assert!(of_type(resident, "DocumentReference").count() >= 2);
            for document in of_type(resident, "DocumentReference") {
                let attachment = &document["content"][0]["attachment"];
                let id = attachment["url"].as_str().unwrap().strip_prefix("Binary/").unwrap();
                let binary = of_type(resident, "Binary").find(|b| b["id"] == id).unwrap();
                let bytes =
                    data_encoding::BASE64.decode(binary["data"].as_str().unwrap().as_bytes()).unwrap();
                assert!(bytes.starts_with(b"%PDF-") && attachment["size"] == bytes.len());
            }
        }
    }

    #[test]
    fn an_ordinary_record_has_what_a_record_has() {
        for resident in made(5).residents.iter().filter(|r| r.edge.is_none()) {
            let count = |kind| of_type(resident, kind).count();
            assert_eq!(count("Patient"), 1);
            assert!((8..=15).contains(&count("MedicationRequest")), "{} orders", count("MedicationRequest"));
            assert!(count("AllergyIntolerance") >= 1 && count("RelatedPerson") >= 1);
            assert!(count("Observation") >= 80 && count("DiagnosticReport") >= 7);
            assert_eq!((count("CarePlan"), count("Appointment")), (2, 3));
            assert!(count("Immunization") >= 3 && count("Condition") >= 1);
            let required = |m: &&Value| !m["dosageInstruction"][0]["asNeededCodeableConcept"].is_null();
            assert!(of_type(resident, "MedicationRequest").any(|m| required(&m)));
            assert!(entries(&resident.bundle).len() < 1_000);
        }
    }

    #[test]
    fn what_is_given_when_required_says_how_much_at_most() {
        let region = made(5);
        let orders = region.residents.iter().flat_map(|r| of_type(r, "MedicationRequest"));
        for dosage in orders.map(|o| &o["dosageInstruction"][0]) {
            let required = !dosage["asNeededCodeableConcept"].is_null();
            assert_eq!(required, !dosage["maxDosePerPeriod"].is_null());
            assert_eq!(required, dosage["timing"]["repeat"]["timeOfDay"].is_null());
            assert!(dosage["text"].as_str().unwrap().len() > 5);
        }
    }

    #[test]
    fn every_edge_stands_in_the_record_that_is_named_for_it() {
        let region = made(9);
        let patient = |edge| of_type(with(&region, edge), "Patient").next().unwrap().clone();
        let restricted = patient(Edge::Restricted);
        assert_eq!(restricted["meta"]["security"][0]["code"], "R");
        assert!(restricted["address"].is_null() && restricted["generalPractitioner"].is_null());
        assert!(patient(Edge::LongName)["name"][0]["text"].as_str().unwrap().len() > 100);
        assert!(patient(Edge::StrangeName)["name"][0]["family"].as_str().unwrap().contains('\''));
        assert_eq!(of_type(with(&region, Edge::ManyMedicines), "MedicationRequest").count(), 40);
        assert!(patient(Edge::NoNumber)["identifier"].is_null());
        assert!(patient(Edge::Deceased)["deceasedDateTime"].is_string());
        assert_eq!(of_type(with(&region, Edge::ConflictingAllergies), "AllergyIntolerance").count(), 3);
    }

    #[test]
    fn bulk_export_holds_each_resource_once_and_one_type_a_file() {
        let files = made(2).ndjson();
        for (kind, file) in &files {
            let parsed: Vec<Value> = file.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
            let ids: BTreeSet<String> = parsed.iter().map(|r| r["id"].to_string()).collect();
            assert_eq!(ids.len(), parsed.len());
            assert!(parsed.iter().all(|r| r["resourceType"] == kind.as_str()));
        }
        assert_eq!(files["Patient"].lines().count(), 24);
        assert!(files["Organization"].lines().count() <= 2);
    }

    #[test]
    fn staff_have_different_names_and_four_digits() {
        let region = made(4);
        let staff = region.home_staff.iter().chain(&region.pharmacy_staff);
        assert!(staff.clone().all(|s| s.pin.len() == 6 && s.pin.bytes().all(|b| b.is_ascii_digit())));
        let names: BTreeSet<&String> = region.home_staff.iter().map(|s| &s.name).collect();
        assert_eq!((names.len(), region.pharmacy_staff.len()), (19, 5));
    }

    #[test]
    fn some_residents_were_in_hospital() {
        let region = made(6);
        let documents: Vec<&Value> = region.residents.iter().filter_map(|r| r.discharge.as_ref()).collect();
        assert!(!documents.is_empty() && documents.len() < region.residents.len());
        for document in documents {
            assert_eq!(entries(document)[0]["resource"]["type"]["coding"][0]["code"], "373942005");
        }
    }
}
