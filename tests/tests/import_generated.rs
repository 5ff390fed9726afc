//! Our own importer reads every made-up resident, from Bundles and from a bulk export alike.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail where it stands")]

use hearth_protocol::fhir::import::{Context, import};
use hearth_protocol::fhir::set::ResourceSet;
use hearth_protocol::fhir::split::{split, split_ndjson};
use hearth_protocol::record::Body;
use hearth_protocol::record::medicines::{Dose, Order, Timing};
use hearth_protocol::time::Timestamp;
use hearth_tests::generate::region::{Region, Resident, region};
use serde_json::Value;

const NOW: Timestamp = Timestamp(1_781_000_000_000);

fn made() -> Region {
    region(20_260_101, 1, 21, NOW)
}

fn kind(resource: &Value) -> &str {
    resource.get("resourceType").and_then(Value::as_str).unwrap()
}

fn set(resident: &Resident) -> ResourceSet {
    let mut found = split(resident.bundle.clone());
    assert!(found.problems.is_empty());
    assert_eq!(found.patients.len(), 1);
    found.patients.remove(0)
}

fn bodies(set: &ResourceSet, wanted: &str) -> Vec<Body> {
    let context = Context { system: "main care record", read_at: NOW, thread_of: &|_| None };
    set.resources()
        .filter(|r| kind(r) == wanted)
        .flat_map(|r| import(set, r, &context).unwrap_or_else(|e| panic!("{wanted} was not read: {e}")))
        .map(|draft| draft.body)
        .collect()
}

fn orders(set: &ResourceSet) -> Vec<Order> {
    let order = |body: Body| {
        let Body::Order(order) = body else { panic!("an order was read as kind {}", body.kind()) };
        order
    };
    bodies(set, "MedicationRequest").into_iter().map(order).collect()
}

#[test]
fn every_person_and_allergy_is_read() {
    for resident in &made().residents {
        let set = set(resident);
        let people = bodies(&set, "Patient");
        let [Body::Demographics(person)] = people.as_slice() else { panic!("no demographics") };
        assert_eq!(person.nhs_number, resident.nhs_number);
        assert!(!bodies(&set, "AllergyIntolerance").is_empty());
    }
}

#[test]
fn every_order_is_read_with_its_dose_and_its_times() {
    for resident in &made().residents {
        let set = set(resident);
        let expected = set.resources().filter(|r| kind(r) == "MedicationRequest").count();
        let orders = orders(&set);
        assert_eq!(orders.len(), expected);
        for order in orders {
            assert!(!matches!(order.timing, Timing::Text(_)), "{} has no times", order.medicine.display);
            assert!(matches!(order.dose, Dose::Fixed(_)), "{} has no dose", order.medicine.display);
            if order.timing == Timing::WhenRequired {
                let protocol = order.prn.unwrap();
                assert!(protocol.interval_minutes.is_some() && protocol.amount_per_day.is_some());
            }
        }
    }
}

#[test]
fn a_bulk_export_has_the_same_people() {
    let region = made();
    let files = region.ndjson();
    let found = split_ndjson(files.values().map(String::as_str));
    assert!(found.problems.is_empty());
    assert_eq!(found.patients.len(), region.residents.len());
}
