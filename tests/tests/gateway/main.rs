//! The gateway against a real main care record: what it says becomes entries, what the home writes arrives there once,
//! and what breaks on the way is made good.
//!
//! The server is built on first use; when it cannot be, these tests fail and say why.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a test may fail where it stands"
)]

mod bodies;
mod kept_aside;
#[expect(clippy::print_stdout, reason = "what became of every resource is for whoever runs the test")]
mod lives;
mod proxy;
mod world;

use std::time::Duration;

use hearth_hub::grants;
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::safety::AllergyStatus;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{DeliveryState, RevokeMode};
use hearth_tests::main_record::Settings;
use proxy::{Fault, Proxy};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use world::{World, name};

fn orders(entries: &[Entry]) -> Vec<&Entry> {
    entries.iter().filter(|entry| matches!(entry.body, Body::Order(_))).collect()
}

fn of_type<'a>(world: &'a World, index: usize, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let entries = world.resident(index).bundle["entry"].as_array().unwrap();
    entries.iter().map(|entry| &entry["resource"]).filter(move |one| one["resourceType"] == kind)
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_newly_assigned_resident_is_read_once_and_changes_follow() {
    let world = World::new(2, Settings::default()).await;
    let first = world.pass().await;
    assert_eq!(first.residents, 2);
    assert!(first.entries > 100, "{first:?}");
    for index in 0..2 {
        let medicines = world.newest(index, Section::Medicines).await;
        assert_eq!(orders(&medicines).len(), of_type(&world, index, "MedicationRequest").count());
        assert!(!world.newest(index, Section::Safety).await.is_empty());
        assert!(!world.newest(index, Section::Identity).await.is_empty());
    }
    let again = world.pass().await;
    assert_eq!((again.residents, again.entries), (0, 0), "{again:?}");

    let request = of_type(&world, 0, "MedicationRequest").next().unwrap();
    let id = request["id"].as_str().unwrap();
    let mut request = world.tenant.read("MedicationRequest", id).await.unwrap().unwrap();
    request["status"] = "stopped".into();
    world.tenant.put(&request).await.unwrap();
    let before = world.newest(0, Section::Medicines).await.len();
    let third = world.pass().await;
    assert_eq!(third.entries, 1, "{third:?}");
    let newest = world.newest(0, Section::Medicines).await;
    assert_eq!(newest.len(), before, "the change is not a version of its thread");
    let changed = newest.iter().find(|entry| match &entry.origin {
        Origin::Outside(origin) => origin.resource == name(&request),
        Origin::Site(_) => false,
    });
    let changed = changed.unwrap();
    assert!(changed.thread.is_some() && changed.replaces.len() == 1);
    assert_eq!(world.pass().await.entries, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_home_writes_arrives_once_with_who_stands_behind_it() {
    let mut world = World::new(1, Settings::default()).await;
    world.pass().await;
    let medicines = world.newest(0, Section::Medicines).await;
    let order = orders(&medicines)[0].clone();
    let dose = Body::Administration(Administration { ..bodies::dose(&order, Outcome::Given) });
    let signs = world.write(0, Section::Observations, bodies::vital_signs()).await;
    let dose = world.write(0, Section::Mar, dose).await;
    let allergy = world.write(0, Section::Safety, bodies::allergy("Latex", AllergyStatus::Confirmed)).await;
    let note = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
    assert_eq!(world.state(note).await, DeliveryState::Queued);
    let told = world.news(0).await.upto;

    let pass = world.pass().await;
    assert_eq!(pass.sent, 4);
    for entry in [signs, dose, allergy, note] {
        assert_eq!(world.state(entry).await, DeliveryState::Accepted);
    }
    assert_eq!(world.news(told).await.states.len(), 4);
    let given = world.there("MedicationAdministration", dose).await;
    assert_eq!(given.len(), 1);
    let Origin::Outside(origin) = &order.origin else { panic!("an order of the home") };
    assert_eq!(given[0]["request"]["reference"], json!(origin.resource));
    let latex = world.there("AllergyIntolerance", allergy).await;
    assert_eq!(latex[0]["patient"]["reference"], json!(format!("Patient/{}", world.resident(0).patient)));
    for resource in [&given[0], &latex[0]] {
        let provenance = world.provenance(resource).await;
        assert_eq!(provenance.len(), 1);
        assert_eq!(provenance[0]["agent"][0]["who"]["display"], json!("A. Nurse"));
    }
    let signs = world.tenant.search("Observation", &[("patient", &world.resident(0).patient)]).await.unwrap();
    let dangling = |one: &Value| one.to_string().contains("\"reference\":\"urn:uuid:");
    assert!(!signs.iter().any(dangling), "a part refers to nothing");

    // What Hearth wrote comes back in the record's feed, and is nobody else's.
    world.time.advance(Duration::from_mins(1));
    let again = world.pass().await;
    assert_eq!((again.sent, again.entries), (0, 0), "{again:?}");
    assert_eq!(world.there("AllergyIntolerance", allergy).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_what_the_gp_said_is_a_change_of_the_original_and_never_over_a_newer_one() {
    let mut world = World::new(1, Settings::default()).await;
    let patient = format!("Patient/{}", world.resident(0).patient);
    let allergy = json!({"resourceType": "AllergyIntolerance", "id": "gp-1", "code": {"text": "Penicillin"},
        "extension": [{"url": "urn:x:kept", "valueString": "as it was"}],
        "clinicalStatus": {"coding": [{"code": "active",
            "system": "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"}]},
        "patient": {"reference": patient}});
    world.tenant.put(&allergy).await.unwrap();
    world.pass().await;
    let of_gp =
        |entry: &&Entry| matches!(&entry.body, Body::Allergy(a) if a.substance.display == "Penicillin");
    let newest = world.newest(0, Section::Safety).await;
    let old = newest.iter().find(of_gp).unwrap().clone();
    let refuted = bodies::allergy("Penicillin", AllergyStatus::Refuted("Tolerated twice.".into()));
    let first = world.replace(0, Section::Safety, refuted, &[&old]).await;
    world.pass().await;
    assert_eq!(world.state(first).await, DeliveryState::Accepted);
    let there = world.tenant.read("AllergyIntolerance", "gp-1").await.unwrap().unwrap();
    assert_eq!(there["verificationStatus"]["coding"][0]["code"], json!("refuted"));
    assert_eq!(there["extension"], allergy["extension"], "what Hearth does not know was lost");
    assert_eq!(world.provenance(&there).await.len(), 1);
    assert_eq!(world.pass().await.entries, 0, "the hub read its own change as the GP's");

    // The GP changes it, and somebody at the home who has not seen that changes it too.
    let mut changed = there.clone();
    changed["criticality"] = "high".into();
    world.tenant.put(&changed).await.unwrap();
    let mine = world.entries(0, Section::Safety).await.into_iter().find(|entry| entry.id == first).unwrap();
    let second = bodies::allergy("Penicillin", AllergyStatus::Unconfirmed);
    let second = world.replace(0, Section::Safety, second, &[&mine]).await;
    world.pass().await;
    let DeliveryState::Rejected(reason) = world.state(second).await else { panic!("written over the GP's") };
    assert!(reason.contains("changed"), "{reason}");
    let there = world.tenant.read("AllergyIntolerance", "gp-1").await.unwrap().unwrap();
    assert_eq!(there["criticality"], json!("high"));

    // Both versions stand in the record, and whoever settles them is heard.
    let newest = world.newest(0, Section::Safety).await;
    let both: Vec<&Entry> = newest.iter().filter(of_gp).collect();
    assert_eq!(both.len(), 2);
    let settled = bodies::allergy("Penicillin", AllergyStatus::Confirmed);
    let settled = world.replace(0, Section::Safety, settled, &both).await;
    world.pass().await;
    assert_eq!(world.state(settled).await, DeliveryState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_allergy_of_the_home_that_the_gp_changes_comes_back_as_its_next_version() {
    let mut world = World::new(1, Settings::default()).await;
    world.pass().await;
    let id = world.write(0, Section::Safety, bodies::allergy("Latex", AllergyStatus::Unconfirmed)).await;
    world.pass().await;
    let mut there = world.there("AllergyIntolerance", id).await.remove(0);
    there["verificationStatus"]["coding"][0]["code"] = "confirmed".into();
    there["verificationStatus"]["coding"][0]["display"] = "Confirmed".into();
    world.tenant.put(&there).await.unwrap();
    let pass = world.pass().await;
    assert_eq!(pass.entries, 1, "{pass:?}");
    let newest = world.newest(0, Section::Safety).await;
    let latex = |entry: &&Entry| matches!(&entry.body, Body::Allergy(a) if a.substance.display == "Latex");
    let latex: Vec<&Entry> = newest.iter().filter(latex).collect();
    assert_eq!(latex.len(), 1);
    assert_eq!(latex[0].thread, Some(id));
    assert!(matches!(&latex[0].body, Body::Allergy(a) if a.status == AllergyStatus::Confirmed));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_back_is_marked_as_entered_in_error_there() {
    let mut world = World::new(1, Settings::default()).await;
    let note = world.write(0, Section::Notes, bodies::note("For another resident.")).await;
    world.pass().await;
    let kind = world.count("SELECT count(*) FROM written WHERE remote IS NOT NULL").await;
    assert_eq!(kind, 1);
    let entry = world.entries(0, Section::Notes).await.into_iter().find(|entry| entry.id == note).unwrap();
    world.time.advance(Duration::from_secs(30));
    let back = world.replace(0, Section::Notes, bodies::taken_back("wrong resident"), &[&entry]).await;
    world.pass().await;
    assert_eq!(world.state(back).await, DeliveryState::Accepted);
    let there = world.there("DocumentReference", note).await;
    assert_eq!(there[0]["status"], json!("entered-in-error"));
    assert_eq!(world.provenance(&there[0]).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_lost_or_sent_twice_when_the_record_is_killed_in_the_middle() {
    let mut world = World::new(3, Settings::default()).await;
    world.pass().await;
    let mut notes = Vec::new();
    for number in 0..10 {
        for index in 0..3 {
            let text = format!("Round {number}.");
            notes.push((index, world.write(index, Section::Notes, bodies::note(&text)).await));
        }
    }
    let before = totals(&world).await;
    let gateway = world.gateway.clone();
    let sending = tokio::spawn(async move { gateway.pass().await.unwrap() });
    while world.count("SELECT count(*) FROM owed WHERE state = 'accepted'").await < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    world.server.kill().unwrap();
    sending.await.unwrap();
    assert!(world.count("SELECT count(*) FROM owed WHERE state = 'queued'").await > 0, "killed too late");
    // The hub is killed too, and forgets of a write that it was made.
    let forget =
        "UPDATE owed SET state = 'queued' WHERE id = 2; UPDATE written SET remote = NULL, version = NULL
                  WHERE counter = 2;";
    world.store.write(move |t| Ok(t.execute_batch(forget)?)).await.unwrap();
    world.restart_hub().await;
    world.server.restart().await.unwrap();
    world.time.advance(Duration::from_mins(10));
    world.settle().await;
    let mut texts = Vec::new();
    for (index, note) in &notes {
        assert_eq!(world.state(*note).await, DeliveryState::Accepted);
        let there = world.there("DocumentReference", *note).await;
        assert_eq!(there.len(), 1);
        assert_eq!(there[0]["meta"]["versionId"], json!("1"), "written again");
        let patient = format!("Patient/{}", world.resident(*index).patient);
        assert_eq!(there[0]["subject"]["reference"], json!(patient));
        texts.push(name(&there[0]));
        assert_eq!(world.provenance(&there[0]).await.len(), 1);
    }
    texts.sort();
    texts.dedup();
    assert_eq!(texts.len(), 30, "two entries are one resource");
    // The server's own count, whatever the resources carry: nothing that nobody owns.
    let after = totals(&world).await;
    assert_eq!(after, (before.0 + 30, before.1 + 30));
    assert_eq!(world.pass().await.entries, 0);
}

/// All documents and all statements of provenance that the server holds.
async fn totals(world: &World) -> (usize, usize) {
    let all = async |kind| world.tenant.search(kind, &[]).await.unwrap().len();
    (all("DocumentReference").await, all("Provenance").await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_stands_still_only_delays_and_the_order_of_a_resident_is_kept() {
    let mut world = World::new(1, Settings::default()).await;
    world.pass().await;
    world.server.pause().unwrap();
    let first = world.write(0, Section::Notes, bodies::note("First.")).await;
    let second = world.write(0, Section::Notes, bodies::note("Second.")).await;
    let pass = world.gateway.pass().await.unwrap();
    assert_eq!((pass.sent, pass.failures), (0, 2));
    assert_eq!(world.last_error().await.as_deref(), Some("no answer in time"));
    let waits = "SELECT count(*) FROM owed WHERE state = 'queued' AND attempts = 0";
    assert_eq!(world.count(waits).await, 1, "the second was tried before the first");
    world.server.resume().unwrap();
    world.time.advance(Duration::from_mins(10));
    world.settle().await;
    for note in [first, second] {
        assert_eq!(world.state(note).await, DeliveryState::Accepted);
        assert_eq!(world.there("DocumentReference", note).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_late_cut_wrong_or_refusals_for_now_cost_time_and_nothing_else() {
    let proxy = Proxy::new().await;
    let address = proxy.address();
    let mut world = World::through(1, Settings::default(), |base| {
        proxy.forward_to(&base);
        address
    })
    .await;
    for fault in [Fault::Status(503), Fault::Status(429), Fault::HalfBody, Fault::WrongJson] {
        world.pass().await;
        let note = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
        proxy.break_with(Some(fault));
        let pass = world.gateway.pass().await.unwrap();
        assert_eq!((pass.sent, pass.failures), (0, 2), "{fault:?}");
        assert_eq!(world.state(note).await, DeliveryState::Queued);
        if fault == Fault::Status(429) {
            world.time.advance(Duration::from_secs(100));
            proxy.break_with(None);
            assert_eq!(world.pass().await.sent, 0, "the wait that the record asked for was not kept");
        }
        proxy.break_with(None);
        world.time.advance(Duration::from_mins(10));
        world.settle().await;
        assert_eq!(world.state(note).await, DeliveryState::Accepted);
        let there = world.there("DocumentReference", note).await;
        assert_eq!(there.len(), 1, "{fault:?}");
        assert_eq!(world.provenance(&there[0]).await.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_gateway_sends_what_comes_and_reads_who_is_assigned() {
    let mut world = World::new(2, Settings::default()).await;
    let resident = world.ids[1];
    let taken = world.store.write(move |t| {
        grants::revoke(t, world::site(), resident, RevokeMode::Forget, Timestamp(1_790_000_000_000))
    });
    taken.await.unwrap();
    let (gateway, stop) = (world.gateway.clone(), CancellationToken::new());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { gateway.run(stop).await }
    });
    until(&world, "SELECT count(*) FROM main_record_person WHERE read_at IS NOT NULL", 1).await;
    let note = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
    until(&world, "SELECT count(*) FROM owed WHERE state = 'accepted'", 1).await;
    assert_eq!(world.there("DocumentReference", note).await.len(), 1);
    let now = world.clock.now();
    world.store.write(move |t| grants::assign(t, world::site(), resident, now)).await.unwrap();
    until(&world, "SELECT count(*) FROM main_record_person WHERE read_at IS NOT NULL", 2).await;
    stop.cancel();
    tokio::time::timeout(Duration::from_secs(5), running).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_without_a_history_is_read_by_date_and_whole_once_a_day() {
    let proxy = Proxy::new().await;
    proxy.be_plain();
    let address = proxy.address();
    let mut world = World::through(2, Settings::default(), |base| {
        proxy.forward_to(&base);
        address
    })
    .await;
    let first = world.pass().await;
    assert_eq!((first.residents, first.parked), (2, 0), "{first:?}");
    for index in 0..2 {
        let medicines = world.newest(index, Section::Medicines).await;
        assert_eq!(orders(&medicines).len(), of_type(&world, index, "MedicationRequest").count());
    }
    assert_eq!(world.pass().await.entries, 0, "what was read is read again");

    // A change, a new resource, and a lost answer to a write, which is not made twice.
    let patient = format!("Patient/{}", world.resident(0).patient);
    let request = of_type(&world, 0, "MedicationRequest").next().unwrap()["id"].as_str().unwrap().to_owned();
    let mut request = world.tenant.read("MedicationRequest", &request).await.unwrap().unwrap();
    request["status"] = "stopped".into();
    world.tenant.put(&request).await.unwrap();
    let nuts = json!({"resourceType": "AllergyIntolerance", "id": "nuts", "code": {"text": "Nuts"},
        "patient": {"reference": patient}});
    world.tenant.put(&nuts).await.unwrap();
    let changed = world.pass().await;
    assert_eq!((changed.entries, changed.residents), (2, 0), "{changed:?}");
    assert_eq!(world.pass().await.entries, 0, "the overlap is read as something new");
    let note = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
    proxy.break_with(Some(Fault::HalfBody));
    assert_eq!(world.gateway.pass().await.unwrap().sent, 0);
    proxy.break_with(None);
    world.time.advance(Duration::from_mins(10));
    world.settle().await;
    assert_eq!(world.there("DocumentReference", note).await.len(), 1);
    assert_eq!(world.pass().await.entries, 0, "what Hearth wrote was read as somebody else's");

    // Nobody tells of a deletion: it is seen when everything is read again.
    let gone = world.tenant.request(reqwest::Method::DELETE, "AllergyIntolerance/nuts").send().await.unwrap();
    assert!(gone.status().is_success());
    let stands = |entry: &Entry| matches!(&entry.body, Body::Allergy(a) if a.substance.display == "Nuts");
    assert_eq!(world.pass().await.entries, 0);
    assert!(world.newest(0, Section::Safety).await.iter().any(stands));
    world.time.advance(Duration::from_hours(25));
    let next_day = world.pass().await;
    assert_eq!((next_day.residents, next_day.entries), (2, 1), "{next_day:?}");
    assert!(!world.newest(0, Section::Safety).await.iter().any(stands));
    assert_eq!(proxy.refused(), 0, "asked for what the server says it cannot do");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_while_nobody_held_the_record_is_taken_back_when_somebody_does() {
    let world = World::new(1, Settings::default()).await;
    let (resident, patient) = (world.ids[0], format!("Patient/{}", world.resident(0).patient));
    let nuts = json!({"resourceType": "AllergyIntolerance", "id": "nuts", "code": {"text": "Nuts"},
        "patient": {"reference": patient}});
    world.tenant.put(&nuts).await.unwrap();
    world.pass().await;
    let now = world.clock.now();
    let left =
        world.store.write(move |t| grants::revoke(t, world::site(), resident, RevokeMode::Forget, now));
    left.await.unwrap();
    world.tenant.request(reqwest::Method::DELETE, "AllergyIntolerance/nuts").send().await.unwrap();
    // The feed tells of it while the resident is nobody's; then all else is read again.
    world.pass().await;
    world.store.write(move |t| grants::assign(t, world::site(), resident, now)).await.unwrap();
    world.pass().await;
    let stands = |entry: &Entry| matches!(&entry.body, Body::Allergy(a) if a.substance.display == "Nuts");
    assert!(!world.newest(0, Section::Safety).await.iter().any(stands));
}

/// Waits until a count is reached.
async fn until(world: &World, sql: &'static str, count: u64) {
    for _ in 0..600 {
        if world.count(sql).await >= count {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("not reached: {sql}, {:?}", world.last_error().await);
}
