//! The whole way with a real main care record: what it holds is at the home, what the home writes is in it, and the
//! person who typed it is told.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::time::{Duration, Instant};

use common::{HOME, now, records, saved, sign_in, started};
use hearth_tests::generate::region::region as make;
use hearth_tests::main_record::{MainRecord, Settings, Software, Tenant};
use hearth_tests::region::Options;
use serde_json::Value;

/// The tenant of a caller that names none, as the hub does.
const TENANT: &str = "default";

async fn eventually<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} does not come");
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
}

async fn holding(tenant: &Tenant, kind: &str, words: &str) -> Option<Value> {
    let found = tenant.search(kind, &[]).await.unwrap();
    found.into_iter().find(|resource| resource.to_string().contains(words))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_home_writes_reaches_the_main_care_record_and_the_typist_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("main-record");
    std::fs::create_dir_all(&data).unwrap();
    let software = Software::ready().unwrap();
    let record = MainRecord::start(&software, &data, Settings::default()).await.unwrap();
    let tenant = record.tenant(TENANT);
    for resident in &make(7, 1, 2, now()).residents {
        tenant.transaction(&resident.bundle).await.unwrap();
    }
    let options = Options { main_record: Some(record.base_url()), ..Options::default() };
    let (region, made) = started(folder.path(), 2, options).await;
    let nurse = sign_in(&region, HOME, &made.home_staff[1]).await;
    let path = records(&nurse).await.remove(0);

    region.site(HOME).unwrap().line().cut();
    let note = [("kind", "general"), ("text", "Listened to the wireless until nine")];
    saved(&nurse.fill_in(&format!("{path}/notes/new"), &note).await.unwrap());
    let allergy = [("substance", "Zinc plaster"), ("reaction", "Rash")];
    saved(&nurse.fill_in(&format!("{path}/allergies/new"), &allergy).await.unwrap());
    assert!(holding(&tenant, "AllergyIntolerance", "Zinc plaster").await.is_none(), "the line is cut");
    region.site(HOME).unwrap().line().heal();

    let sent =
        eventually("the allergy", async || holding(&tenant, "AllergyIntolerance", "Zinc plaster").await);
    let sent = sent.await;
    assert!(sent["identifier"][0]["value"].as_str().unwrap().starts_with("urn:uuid:"));
    let target = format!("AllergyIntolerance/{}", sent["id"].as_str().unwrap());
    eventually("its Provenance", async || holding(&tenant, "Provenance", &target).await).await;
    eventually("the receipt", async || {
        let page = nurse.open(&path).await.unwrap().text();
        page.contains("In the main care record").then_some(())
    })
    .await;
    let twice = tenant.search("AllergyIntolerance", &[]).await.unwrap();
    let twice = twice.iter().filter(|resource| resource.to_string().contains("Zinc plaster")).count();
    assert_eq!(twice, 1, "once and not twice");
}
