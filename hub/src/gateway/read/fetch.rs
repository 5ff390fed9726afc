//! Asking a main care record for what is needed, in the ways that it says it can answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use hearth_protocol::fhir::ResourceSet;
use hearth_protocol::fhir::set::key;
use hearth_protocol::time::Timestamp;
use serde_json::Value;

use super::changed;
use crate::gateway::client::Failure;
use crate::gateway::export::Stop;
use crate::gateway::link::Contact;

/// The types of which a record has a place for resources, where a server does not give all of a patient at once.
const TYPES: [&str; 19] = [
    "RelatedPerson",
    "AllergyIntolerance",
    "MedicationRequest",
    "MedicationStatement",
    "Flag",
    "Consent",
    "Condition",
    "Appointment",
    "Encounter",
    "Immunization",
    "Observation",
    "DiagnosticReport",
    "CarePlan",
    "Goal",
    "DocumentReference",
    "Composition",
    "MedicationAdministration",
    "MedicationDispense",
    "List",
];
/// Resources that a set may fetch because others refer to them.
pub(super) const REFERRED_MAX: usize = 500;
pub(super) const PAGE: (&str, &str) = ("_count", "200");

/// When the server last changed anything, by its own clock.
pub(super) async fn newest(contact: &Contact) -> Result<Option<Timestamp>, Stop> {
    let entries = if contact.capability().await?.history {
        contact.client.first_page("_history", &[("_count", "1")]).await?
    } else {
        contact.client.first_page("Patient", &[("_sort", "-_lastUpdated"), ("_count", "1")]).await?
    };
    // A server without anything in it changes from now on.
    Ok(Some(entries.iter().filter_map(changed).max().unwrap_or(Timestamp(0))))
}

/// All that the server has of a patient.
pub(super) async fn everything(contact: &Contact, reference: &str) -> Result<Vec<Value>, Failure> {
    let capability = contact.capability().await?;
    if capability.everything() {
        let entries = contact.client.search(&format!("{reference}/$everything"), &[PAGE]).await?;
        return Ok(resources(entries));
    }
    let mut all = vec![contact.client.read(reference).await?.body];
    for kind in TYPES.into_iter().filter(|kind| capability.finds(kind)) {
        all.extend(resources(contact.client.search(kind, &[("patient", reference), PAGE]).await?));
    }
    Ok(all)
}

/// What changed of each patient, where the server has no history of everything. Deletions are not told there.
pub(super) async fn updated(
    contact: &Contact,
    people: &BTreeSet<String>,
    since: &str,
) -> Result<Vec<Value>, Failure> {
    let (capability, since) = (contact.capability().await?, format!("ge{since}"));
    let mut all = Vec::new();
    for reference in people {
        let id = reference.strip_prefix("Patient/").unwrap_or(reference);
        all.extend(contact.client.search("Patient", &[("_id", id), ("_lastUpdated", &since)]).await?);
        for kind in TYPES.into_iter().filter(|kind| capability.finds(kind)) {
            let query = [("patient", reference.as_str()), ("_lastUpdated", &since), PAGE];
            all.extend(contact.client.search(kind, &query).await?);
        }
    }
    Ok(all)
}

/// A patient's resources with those that they refer to and that are needed to read them.
pub(super) async fn set(
    contact: &Contact,
    reference: &str,
    resources: Vec<Value>,
) -> Result<ResourceSet, Failure> {
    let mut set = ResourceSet::new();
    set.refer_to_patient(reference);
    let tells_of_person = |r: &Value| {
        matches!(r.get("resourceType").and_then(Value::as_str), Some("Patient" | "RelatedPerson"))
    };
    let is_person = resources.iter().any(tells_of_person);
    let mut wanted = BTreeSet::new();
    for resource in resources {
        referred(&resource, &mut wanted);
        set.add(None, Arc::new(resource));
    }
    if is_person && set.patient().is_none() {
        wanted.insert(reference.to_owned());
    }
    if is_person && contact.capability().await?.finds("RelatedPerson") {
        let related = contact.client.search("RelatedPerson", &[("patient", reference), PAGE]).await?;
        for related in self::resources(related) {
            if set.get(&key(&related)).is_none() {
                set.add(None, Arc::new(related));
            }
        }
    }
    for name in wanted.into_iter().take(REFERRED_MAX) {
        if set.get(&name).is_some() {
            continue;
        }
        match contact.client.read(&name).await {
            Ok(answer) => set.add(None, Arc::new(answer.body)),
            // What is not there is missed by the importer, which says so.
            Err(Failure::Absent | Failure::Rejected { .. }) => {}
            Err(failure) => return Err(failure),
        }
    }
    Ok(set)
}

/// Names of resources of shared types that a resource refers to.
fn referred(value: &Value, wanted: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            for (name, value) in map {
                let is_link = name == "reference" || name == "url";
                match value.as_str().filter(|text| is_link && is_shared(text)) {
                    Some(text) => {
                        wanted.insert(text.split("/_history/").next().unwrap_or(text).to_owned());
                    }
                    None => referred(value, wanted),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| referred(item, wanted)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn is_shared(reference: &str) -> bool {
    let kinds =
        ["Organization/", "Practitioner/", "PractitionerRole/", "Medication/", "Location/", "Binary/"];
    kinds.iter().any(|kind| reference.starts_with(kind))
}

fn resources(entries: Vec<Value>) -> Vec<Value> {
    let resource = |mut entry: Value| entry.get_mut("resource").map(Value::take);
    // A server may add its remarks to what it found.
    let is_found = |r: &Value| r.get("resourceType").and_then(Value::as_str) != Some("OperationOutcome");
    entries.into_iter().filter_map(resource).filter(is_found).collect()
}
