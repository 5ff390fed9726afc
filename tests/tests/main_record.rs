//! Made-up residents in a real FHIR server: it takes them, finds them, keeps them, and refuses nothing of them.
//!
//! The server is built on first use; when it cannot be, these tests fail and say why.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

use hearth_protocol::time::Timestamp;
use hearth_tests::generate::region::{Edge, Region, Resident, region};
use hearth_tests::main_record::{MainRecord, Settings, Software, Tenant};
use serde_json::Value;
use tempfile::TempDir;

const NOW: Timestamp = Timestamp(1_781_000_000_000);
const NHS_NUMBER: &str = "https://fhir.nhs.uk/Id/nhs-number";

async fn started(settings: Settings) -> (MainRecord, TempDir) {
    let software = Software::ready().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let record = MainRecord::start(&software, folder.path(), settings).await.unwrap();
    (record, folder)
}

async fn loaded(tenant: &Tenant, region: &Region) {
    for resident in &region.residents {
        let answers = tenant.transaction(&resident.bundle).await.unwrap();
        for entry in entries(&answers) {
            let status = entry["response"]["status"].as_str().unwrap();
            assert!(status.starts_with("20"), "an entry was answered with {status}");
        }
    }
}

fn entries(bundle: &Value) -> &[Value] {
    bundle["entry"].as_array().map_or(&[], Vec::as_slice)
}

fn of_type<'a>(resident: &'a Resident, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    entries(&resident.bundle).iter().map(|e| &e["resource"]).filter(move |r| r["resourceType"] == kind)
}

async fn count(tenant: &Tenant, kind: &str, resident: &Resident) -> usize {
    tenant.search(kind, &[("patient", &resident.patient)]).await.unwrap().len()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_resident_is_found_with_everything_that_was_sent() {
    let (record, _folder) = started(Settings::default()).await;
    let tenant = record.tenant("found");
    let region = region(20_260_101, 1, 6, NOW);
    loaded(&tenant, &region).await;
    for resident in &region.residents {
        for kind in
            ["MedicationRequest", "AllergyIntolerance", "Observation", "DocumentReference", "Condition"]
        {
            assert_eq!(count(&tenant, kind, resident).await, of_type(resident, kind).count(), "{kind}");
        }
        let number = resident.nhs_number.unwrap().to_plain();
        let found =
            tenant.search("Patient", &[("identifier", &format!("{NHS_NUMBER}|{number}"))]).await.unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["id"], resident.patient.as_str());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_back_is_what_was_sent_and_references_were_resolved() {
    let (record, _folder) = started(Settings::default()).await;
    let tenant = record.tenant("same");
    let region = region(5, 1, 12, NOW);
    let strange = region.residents.iter().find(|r| r.edge == Some(Edge::StrangeName)).unwrap();
    tenant.transaction(&strange.bundle).await.unwrap();
    let patient = tenant.read("Patient", &strange.patient).await.unwrap().unwrap();
    let sent = of_type(strange, "Patient").next().unwrap();
    assert_eq!(patient["name"], sent["name"]);
    assert_eq!(patient["identifier"], sent["identifier"]);
    let practice = patient["generalPractitioner"][0]["reference"].as_str().unwrap();
    let id = practice.strip_prefix("Organization/").unwrap();
    assert!(tenant.read("Organization", id).await.unwrap().is_some());
    let document =
        tenant.search("DocumentReference", &[("patient", &strange.patient)]).await.unwrap().remove(0);
    let url = document["content"][0]["attachment"]["url"].as_str().unwrap();
    let binary = tenant.read("Binary", url.strip_prefix("Binary/").unwrap()).await.unwrap().unwrap();
    assert!(of_type(strange, "Binary").any(|b| b["data"] == binary["data"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_validates_refuses_none_of_the_residents() {
    let (record, _folder) = started(Settings { enforce: true, ..Settings::default() }).await;
    let tenant = record.tenant("strict");
    let region = region(77, 2, 21, NOW);
    assert!(Edge::ALL.iter().all(|edge| region.residents.iter().any(|r| r.edge == Some(*edge))));
    loaded(&tenant, &region).await;
    let mut wrong = of_type(&region.residents[0], "Patient").next().unwrap().clone();
    wrong["birthDate"] = "not a date".into();
    assert!(tenant.put(&wrong).await.is_err(), "the server did not validate");
}

#[tokio::test(flavor = "multi_thread")]
async fn sending_a_resident_again_makes_no_second_one() {
    let (record, _folder) = started(Settings::default()).await;
    let tenant = record.tenant("again");
    let region = region(3, 1, 1, NOW);
    loaded(&tenant, &region).await;
    loaded(&tenant, &region).await;
    let resident = &region.residents[0];
    assert_eq!(tenant.search("Patient", &[]).await.unwrap().len(), 1);
    assert_eq!(tenant.search("Organization", &[]).await.unwrap().len(), 1);
    let orders = of_type(resident, "MedicationRequest").count();
    assert_eq!(count(&tenant, "MedicationRequest", resident).await, orders);
}

#[tokio::test(flavor = "multi_thread")]
async fn tenants_do_not_see_each_other() {
    let (record, _folder) = started(Settings::default()).await;
    let region = region(3, 1, 1, NOW);
    loaded(&record.tenant("one"), &region).await;
    let other = record.tenant("other");
    assert!(other.search("Patient", &[]).await.unwrap().is_empty());
    assert!(other.read("Patient", &region.residents[0].patient).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_kill_and_a_pause_only_delays() {
    let (mut record, _folder) = started(Settings::default()).await;
    let tenant = record.tenant("kill");
    let region = region(3, 1, 1, NOW);
    loaded(&tenant, &region).await;
    record.kill().unwrap();
    assert!(!record.is_healthy().await);
    record.restart().await.unwrap();
    let patient = &region.residents[0].patient;
    assert!(tenant.read("Patient", patient).await.unwrap().is_some());
    record.pause().unwrap();
    assert!(!record.is_healthy().await);
    record.resume().unwrap();
    assert!(tenant.read("Patient", patient).await.unwrap().is_some());
    record.stop().await.unwrap();
    assert!(tenant.read("Patient", patient).await.is_err());
}
