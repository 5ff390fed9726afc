//! Every file of the public data is sorted and read, and facts of some are as their publishers meant them.
//!
//! The data is not part of the project: it lies in `../shared/data` beside it or in the folder that
//! `HEARTH_FHIR_DATA` names. Without it these tests say so and check nothing.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::{entries, round_trip};
use crate::fhir::import::tests::context;
use crate::fhir::set::kind;
use crate::fhir::{
    Draft, NotMapped, ResourceSet, Split, Splitter, import, patch_original, split, split_ndjson,
};
use crate::record::entry::Body;
use crate::record::history::ResultValue;
use crate::record::identity::{NhsNumberStatus, Security};
use crate::record::medicines::{Dose, OrderStatus, Schedule, Timing};
use crate::record::safety::AllergyStatus;

/// A folder of the data, or none with a line that says why nothing is checked.
fn folder(name: &str) -> Option<PathBuf> {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data");
    let root = std::env::var_os("HEARTH_FHIR_DATA").map_or(beside, PathBuf::from);
    let folder = root.join(name);
    if !folder.is_dir() {
        println!("SKIPPED: the public FHIR data is absent ({}). Set HEARTH_FHIR_DATA.", folder.display());
        return None;
    }
    Some(folder)
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    files
}

fn read(path: &Path) -> Split {
    split(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

/// What became of the resources of a folder: type, then outcome, then how many.
#[derive(Default)]
struct Tally(BTreeMap<(String, String), usize>);

impl Tally {
    fn count(&mut self, kind: &str, outcome: &str) {
        *self.0.entry((kind.to_owned(), outcome.to_owned())).or_default() += 1;
    }

    fn add(&mut self, split: &Split) -> Vec<Draft> {
        let mut all = Vec::new();
        for set in &split.patients {
            for resource in set.resources() {
                match import(set, resource, &context()) {
                    Ok(drafts) => {
                        self.count(kind(resource), "mapped");
                        all.extend(drafts);
                    }
                    Err(NotMapped::Repeats(_)) => self.count(kind(resource), "repeats another"),
                    Err(NotMapped::PartOf(_)) => self.count(kind(resource), "read with another"),
                    Err(NotMapped::OrderUnknown(_)) => self.count(kind(resource), "order not imported"),
                    Err(other) => self.count(kind(resource), &other.to_string()),
                }
            }
        }
        for problem in &split.problems {
            self.count("-", &problem.reason.to_string());
        }
        all
    }

    fn print(&self, folder: &str) {
        println!("{folder}:");
        for ((kind, outcome), count) in &self.0 {
            println!("  {count:>6} {kind}: {outcome}");
        }
    }

    fn mapped(&self, kind: &str) -> usize {
        self.0.get(&(kind.to_owned(), "mapped".to_owned())).copied().unwrap_or(0)
    }

    fn all(&self, kind: &str) -> usize {
        self.0.iter().filter(|((k, _), _)| k == kind).map(|(_, count)| count).sum()
    }
}

fn tally_folder(name: &str) -> Option<(Tally, Vec<Draft>)> {
    let folder = folder(name)?;
    let mut tally = Tally::default();
    let drafts = files(&folder).iter().flat_map(|path| tally.add(&read(path))).collect();
    tally.print(name);
    Some((tally, drafts))
}

fn draft<'a>(drafts: &'a [Draft], key: &str) -> &'a Body {
    &drafts.iter().find(|d| d.key == key).unwrap_or_else(|| panic!("{key} is mapped")).body
}

fn import_file(folder: &Path, name: &str) -> Vec<Draft> {
    Tally::default().add(&read(&folder.join(name)))
}

#[test]
fn lives_from_synthea_are_read_whole() {
    let Some((tally, drafts)) = tally_folder("synthea-r4-elderly") else { return };
    for kind in
        ["Patient", "Condition", "MedicationRequest", "Observation", "Encounter", "Immunization", "CarePlan"]
    {
        assert!(tally.all(kind) > 0);
        assert_eq!(tally.mapped(kind), tally.all(kind), "{kind}");
    }
    let Body::Order(galantamine) = draft(&drafts, "MedicationRequest/a5f54ed2-6d2a-4077-b2da-6889443e8849")
    else {
        panic!("an order")
    };
    assert_eq!(galantamine.medicine.display, "Galantamine 4 MG Oral Tablet");
    assert_eq!(galantamine.status, OrderStatus::Active);
    assert!(matches!(galantamine.timing, Timing::Text(_)), "nothing is due where no times were sent");
    let Body::Order(statin) = draft(&drafts, "MedicationRequest/2731dcf8-2220-43b0-9797-7d69fe015961") else {
        panic!("an order")
    };
    assert_eq!(statin.dose, Dose::Text("1 (unit not stated)".into()));
    assert!(matches!(&statin.timing, Timing::Times { times, .. } if times.len() == 1));
    let lipids = drafts
        .iter()
        .filter(|d| matches!(&d.body, Body::TestResult(r) if r.panel.as_deref() == Some("Lipid Panel")));
    assert!(lipids.count() > 100);
}

#[test]
fn a_bulk_export_is_sorted_by_person_with_its_notes_as_files() {
    let Some(folder) = folder("synthea-bulk-10-ndjson") else { return };
    let texts: Vec<String> = files(&folder).iter().map(|p| std::fs::read_to_string(p).unwrap()).collect();
    let split = split_ndjson(texts.iter().map(String::as_str));
    let mut tally = Tally::default();
    let drafts = tally.add(&split);
    tally.print("synthea-bulk-10-ndjson");
    assert_eq!(split.patients.len(), 13);
    assert!(split.problems.is_empty());
    for kind in ["Patient", "AllergyIntolerance", "MedicationRequest", "DocumentReference", "Encounter"] {
        assert_eq!(tally.mapped(kind), tally.all(kind), "{kind}");
    }
    let Body::Allergy(aspirin) = draft(&drafts, "AllergyIntolerance/1b2ce4a9-9773-f40f-6692-cb4d1283a9ca")
    else {
        panic!("an allergy")
    };
    assert_eq!((aspirin.substance.display.as_str(), &aspirin.status), ("Aspirin", &AllergyStatus::Confirmed));
    let notes = drafts.iter().filter(|d| d.key.starts_with("DocumentReference/"));
    assert!(notes.clone().all(|d| d.files.len() == 1 && !d.files[0].bytes.is_empty()));
    let Body::Order(lisinopril) = draft(&drafts, "MedicationRequest/002eb5b8-2964-effd-3b09-f132017dae04")
    else {
        panic!("an order")
    };
    assert_eq!(lisinopril.prescriber.as_deref(), Some("Dr. Olevia458 Hermiston71"));
    assert!(matches!(lisinopril.status, OrderStatus::Stopped(_)));
}

#[test]
fn the_examples_of_uk_core_mean_what_their_publisher_says() {
    let Some((tally, drafts)) = tally_folder("uk-core/examples-json") else { return };
    assert_eq!(tally.mapped("AllergyIntolerance"), 5);
    assert_eq!(tally.mapped("Observation"), 35);
    let wrong = draft(&drafts, "AllergyIntolerance/UKCore-AllergyIntolerance-EnteredInError-Example");
    assert!(matches!(wrong, Body::EnteredInError(_)));
    let none =
        draft(&drafts, "AllergyIntolerance/UKCore-AllergyIntolerance-Sn-NegHandlNoKnownAllergies-Example");
    assert!(
        matches!(none, Body::NoKnownAllergies(n) if n.source.as_deref().unwrap().contains("No known drug allergy"))
    );
    let Body::Order(amoxicillin) =
        draft(&drafts, "MedicationStatement/UKCore-MedicationStatement-Amoxicillin-Example")
    else {
        panic!("an order")
    };
    assert_eq!(amoxicillin.timing, Timing::WhenRequired);
    let prn = amoxicillin.prn.as_ref().unwrap();
    assert_eq!((prn.indication.as_deref(), prn.doses_per_day), (Some("Pain of ear"), Some(4)));
    assert_eq!(amoxicillin.end.unwrap().to_string(), "2021-05-15");
    let Body::Alert(flag) = draft(&drafts, "Flag/UKCore-Flag-FoodAllergy-Example") else {
        panic!("an alert")
    };
    assert_eq!((flag.text.display.as_str(), flag.active), ("Patient has a severe peanut allergy.", true));
    let Body::TestResult(absent) = draft(&drafts, "Observation/UKCore-Observation-Lab-Sn-AbsentData-Example")
    else {
        panic!("a result")
    };
    assert_eq!(absent.value, Some(ResultValue::Absent("Specimen unsatisfactory for evaluation".into())));
}

#[test]
fn patient_summaries_of_many_vendors_are_read() {
    let Some((tally, _)) = tally_folder("ips") else { return };
    for kind in ["AllergyIntolerance", "Condition", "Immunization", "Composition", "MedicationRequest"] {
        assert_eq!(tally.mapped(kind), tally.all(kind), "{kind}");
    }
    let folder = folder("ips").unwrap();
    let drafts = import_file(&folder, "connectathon_samples__UK_NHSx_IPS_Example_01-modified.json");
    let Body::Demographics(person) = draft(&drafts, "Patient/2") else { panic!("demographics") };
    assert_eq!(person.nhs_number.unwrap().to_plain(), "9690937286");
    assert!(person.contacts[0].next_of_kin);
    let orders: Vec<&str> =
        drafts.iter().filter(|d| matches!(d.body, Body::Order(_))).map(|d| d.key.as_str()).collect();
    assert_eq!(orders, ["MedicationRequest/32", "MedicationRequest/20"], "each medicine once");
    let Body::Allergy(sesame) = draft(&drafts, "AllergyIntolerance/29") else { panic!("an allergy") };
    assert_eq!(sesame.reactions[0].manifestations[0].display, "Difficulty breathing");
}

#[test]
fn prescriptions_of_the_electronic_service_are_read() {
    let Some((tally, _)) = tally_folder("nhs-eps") else { return };
    for kind in ["Patient", "MedicationRequest", "MedicationDispense"] {
        assert_eq!(tally.mapped(kind), tally.all(kind), "{kind}");
    }
    let folder = folder("nhs-eps").unwrap();
    let drafts = import_file(
        &folder,
        "secondary-care__community__acute__nominated-pharmacy__clinical-practitioner__controlled-drugs__1-Prepare-Request-200_OK.json",
    );
    let Body::Order(morphine) = draft(&drafts, "MedicationRequest/00d3dd04-d162-49ce-a808-6f220906f1c8")
    else {
        panic!("an order")
    };
    assert_eq!(morphine.schedule, Some(Schedule::Two));
    assert_eq!(morphine.timing, Timing::Text("1 tablet, daily".into()));
    assert_eq!(morphine.medicine.code.as_ref().unwrap().code, "36126511000001106");
    assert!(morphine.prescriber.is_some());
}

#[test]
fn people_of_the_demographics_service_keep_their_security_code() {
    let Some((tally, _)) = tally_folder("nhs-pds") else { return };
    assert_eq!(tally.mapped("Patient"), tally.all("Patient"));
    let folder = folder("nhs-pds").unwrap();
    let sensitive = import_file(&folder, "mocks__Sensitive_Patient.json");
    let Body::Demographics(person) = draft(&sensitive, "Patient/9000000025") else { panic!("demographics") };
    assert_eq!(person.security, Security::Restricted);
    assert_eq!(
        (person.address.as_ref(), person.phone.as_ref(), person.practice.as_ref()),
        (None, None, None)
    );
    let open = import_file(&folder, "stubs__patientResponses__patient_9000000009.json");
    let Body::Demographics(person) = draft(&open, "Patient/9000000009") else { panic!("demographics") };
    assert_eq!(person.nhs_number_status, Some(NhsNumberStatus::PresentAndVerified));
    assert_eq!(person.died.unwrap().to_string(), "2010-10-22");
    assert_eq!(person.practice.as_ref().unwrap().ods.as_deref(), Some("Y12345"));
    assert_eq!(person.communication.as_deref(), Some("French, interpreter needed"));
}

#[test]
fn the_examples_of_the_standard_and_of_parsers_never_stop_the_rest() {
    for name in ["hl7-r4-spec-examples", "hl7-fhir-test-cases-r4"] {
        let Some(folder) = folder(name) else { return };
        let mut tally = Tally::default();
        for path in files(&folder).iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let text = std::fs::read_to_string(path).unwrap();
            let mut splitter = Splitter::default();
            splitter.add_text(&text);
            tally.add(&splitter.finish());
        }
        tally.print(name);
        assert!(tally.mapped("Observation") + tally.mapped("Patient") > 0, "{name}");
    }
}

/// What the facts above rest on, in one Bundle of our own, so that they are checked where the public data is absent.
#[test]
fn a_bundle_of_our_own_shows_the_same_facts() {
    let bundle = json!({"resourceType": "Bundle", "type": "searchset", "entry": [
        {"resource": {"resourceType": "Patient", "id": "p", "name": [{"family": "Example"}],
            "meta": {"security": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "R"}]}}},
        {"resource": {"resourceType": "MedicationRequest", "id": "1", "status": "active", "intent": "order",
            "subject": {"reference": "Patient/p"}, "medicationReference": {"reference": "Medication/m"},
            "dosageInstruction": [{"text": "1 tablet, daily"}],
            "extension": [{"url": "https://fhir.nhs.uk/StructureDefinition/Extension-DM-ControlledDrug",
                "extension": [{"url": "schedule", "valueCoding": {"code": "CD2"}}]}]}},
        {"resource": {"resourceType": "MedicationStatement", "id": "2", "status": "active",
            "subject": {"reference": "Patient/p"}, "basedOn": [{"reference": "MedicationRequest/1"}],
            "medicationReference": {"reference": "Medication/m"}}},
        {"resource": {"resourceType": "Medication", "id": "m", "code": {"coding": [
            {"system": "http://snomed.info/sct", "code": "36126511000001106", "display": "Morphine 10mg tablets"}]}}},
        {"resource": {"resourceType": "AllergyIntolerance", "id": "3", "patient": {"reference": "Patient/p"},
            "verificationStatus": {"coding": [{"code": "entered-in-error"}]}, "code": {"text": "Amoxicillin"}}},
        {"resource": {"resourceType": "Observation", "id": "4", "subject": {"reference": "Patient/p"},
            "code": {"text": "Count"}, "dataAbsentReason": {"text": "Unsatisfactory"}}},
        {"resource": {"resourceType": "Claim", "id": "5", "patient": {"reference": "Patient/p"}}}]});
    let mut tally = Tally::default();
    let drafts = tally.add(&split(bundle));
    let Body::Demographics(person) = draft(&drafts, "Patient/p") else { panic!("demographics") };
    assert_eq!(person.security, Security::Restricted);
    let Body::Order(morphine) = draft(&drafts, "MedicationRequest/1") else { panic!("an order") };
    assert_eq!(
        (morphine.schedule, &morphine.timing),
        (Some(Schedule::Two), &Timing::Text("1 tablet, daily".into()))
    );
    assert!(matches!(draft(&drafts, "AllergyIntolerance/3"), Body::EnteredInError(_)));
    let Body::TestResult(absent) = draft(&drafts, "Observation/4") else { panic!("a result") };
    assert_eq!(absent.value, Some(ResultValue::Absent("Unsatisfactory".into())));
    assert_eq!((drafts.len(), tally.mapped("MedicationStatement"), tally.mapped("Claim")), (4, 0, 0));
}

/// An entry that says what its original says patches nothing, down to the last digit and extension.
#[test]
fn an_entry_that_changes_nothing_leaves_every_original_as_it_is() {
    let mut patched = 0;
    for name in ["uk-core/examples-json", "ips", "synthea-r4-elderly"] {
        let Some(folder) = folder(name) else { return };
        for set in files(&folder).iter().flat_map(|path| read(path).patients) {
            for original in set.resources().filter(|r| PATCHED.contains(&kind(r))) {
                let Ok(drafts) = import(&ResourceSet::of([original.clone()]), original, &context()) else {
                    continue;
                };
                if matches!(drafts[0].body, Body::EnteredInError(_)) {
                    continue;
                }
                let entry = entries::with(drafts[0].body.clone());
                let result = patch_original(original, &entry, &round_trip::target(None), &context());
                assert_eq!(result.as_ref(), Ok(original), "{}", drafts[0].key);
                patched += 1;
            }
        }
    }
    assert!(patched > 100, "{patched}");
}

const PATCHED: [&str; 3] = ["AllergyIntolerance", "Flag", "MedicationStatement"];
