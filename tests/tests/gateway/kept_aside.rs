//! What does not go through, either way: it is kept aside, shown, and tried again or given up.

use std::time::Duration;

use hearth_hub::gateway::owed;
use hearth_protocol::scope::Section;
use hearth_protocol::wire::message::DeliveryState;
use hearth_provisioning::api::{ItemAction, ItemState, MainRecordItemsQuery};
use hearth_tests::main_record::Settings;
use serde_json::json;

use crate::world::{self, World, name};
use crate::{bodies, of_type};

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_aside_is_listed_without_words_and_tried_again_or_given_up() {
    let mut world = World::new(1, Settings { enforce: true, ..Settings::default() }).await;
    world.pass().await;
    let bad = world.write(0, Section::Safety, bodies::allergy_with_code(" not a code ")).await;
    world.pass().await;
    let list = || world.store.read(|c| owed::items(c, world::SYSTEM, &MainRecordItemsQuery::default()));
    let items = list().await.unwrap().items;
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].state, items[0].inbound), (ItemState::Parked, false));
    assert!(!items[0].reason.as_ref().unwrap().contains("not a code"), "{items:?}");
    let state = world.store.read(|c| owed::states(c, world::SYSTEM, "http://x")).await.unwrap();
    assert!(state.reachable && state.parked == 1 && state.resources > 50);
    let now = world.clock.now();
    let again = ItemAction::Retry { items: Vec::new() };
    let changed = world.store.write(move |t| owed::act(t, world::SYSTEM, &again, now)).await.unwrap();
    assert_eq!(changed, vec![items[0].item]);
    assert_eq!(world.state(bad).await, DeliveryState::Queued);
    world.pass().await;
    let give_up = ItemAction::Release { items: changed, reason: "entered there by hand".into() };
    world.store.write(move |t| owed::act(t, world::SYSTEM, &give_up, now)).await.unwrap();
    assert!(list().await.unwrap().items.is_empty());
    assert!(matches!(world.state(bad).await, DeliveryState::Rejected(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_kept_aside_is_read_again_or_given_up() {
    let world = World::new(1, Settings::default()).await;
    let patient = format!("Patient/{}", world.resident(0).patient);
    for id in ["first", "second"] {
        let bad = json!({"resourceType": "AllergyIntolerance", "id": id, "patient": {"reference": patient}});
        world.tenant.put(&bad).await.unwrap();
    }
    assert_eq!(world.pass().await.parked, 2);
    let query = MainRecordItemsQuery::default();
    let list = || world.store.read(move |c| owed::items(c, world::SYSTEM, &MainRecordItemsQuery::default()));
    let items = list().await.unwrap().items;
    assert!(items.iter().all(|item| item.inbound && item.resident == Some(world.ids[0])), "{items:?}");
    assert_eq!(items[0].reason.as_deref(), Some("The element code is absent or cannot be read."));
    let now = world.clock.now();
    let act = |action| world.store.write(move |t| owed::act(t, world::SYSTEM, &action, now));
    let retried = act(ItemAction::Retry { items: Vec::new() }).await.unwrap();
    assert_eq!(retried, items.iter().map(|item| item.item).collect::<Vec<_>>());
    let pass = world.pass().await;
    assert_eq!((pass.residents, pass.entries, pass.parked), (1, 0, 2), "read again, and no better");
    let released = ItemAction::Release { items: vec![items[0].item], reason: "The surgery knows.".into() };
    act(released).await.unwrap();
    assert_eq!(list().await.unwrap().items, items[1..]);
    act(ItemAction::Retry { items: Vec::new() }).await.unwrap();
    assert_eq!(world.pass().await.parked, 1, "what was given up is left alone");
    let query = MainRecordItemsQuery { state: Some(ItemState::Released), ..query };
    let given_up = world.store.read(move |c| owed::items(c, world::SYSTEM, &query)).await.unwrap().items;
    assert_eq!(given_up.iter().map(|item| item.item).collect::<Vec<_>>(), [items[0].item]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_leads_to_somebody_else_reads_and_writes_nothing_and_is_shown() {
    let mut world = World::new(1, Settings::default()).await;
    let resident = world.ids[0];
    // Somebody typed a number at admission, and it is another person's.
    let patient = of_type(&world, 0, "Patient").next().unwrap().clone();
    let mut admitted = patient.clone();
    admitted["birthDate"] = "1921-01-01".into();
    admitted["id"] = "elsewhere".into();
    world.import("admissions", &admitted).await;
    let note = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
    let pass = world.pass().await;
    assert_eq!((pass.residents, pass.entries), (0, 0), "{pass:?}");
    let DeliveryState::Rejected(reason) = world.state(note).await else { panic!("written to somebody else") };
    assert!(reason.contains("somebody else"), "{reason}");
    assert!(world.there("DocumentReference", note).await.is_empty());
    let list = || world.store.read(|c| owed::items(c, world::SYSTEM, &MainRecordItemsQuery::default()));
    let items = list().await.unwrap().items;
    let shown = items.iter().find(|item| item.inbound).unwrap();
    assert_eq!(shown.resource, name(&patient));
    assert!(shown.reason.as_ref().unwrap().contains("birth date"), "{shown:?}");
    let state = world.store.read(|c| owed::states(c, world::SYSTEM, "http://x")).await.unwrap();
    assert_eq!(state.unknown, 1);

    // The birth date was wrong and the number right: once that is mended, all goes on by itself.
    admitted["birthDate"] = patient["birthDate"].clone();
    world.import("admissions", &admitted).await;
    let (again, now) = (ItemAction::Retry { items: vec![shown.item] }, world.clock.now());
    world.store.write(move |t| owed::act(t, world::SYSTEM, &again, now)).await.unwrap();
    assert_eq!(world.pass().await.residents, 1);
    world.settle().await;
    assert_eq!(world.state(note).await, DeliveryState::Accepted);
    assert!(list().await.unwrap().items.is_empty());
    assert_eq!(world.ids, [resident]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_that_cannot_be_read_is_kept_aside_and_the_rest_goes_on() {
    let world = World::new(1, Settings::default()).await;
    let patient = &world.resident(0).patient;
    let bad = json!({"resourceType": "AllergyIntolerance", "id": "no-code",
        "patient": {"reference": format!("Patient/{patient}")}});
    world.tenant.put(&bad).await.unwrap();
    let pass = world.pass().await;
    assert_eq!(pass.parked, 1, "{pass:?}");
    assert!(pass.entries > 50);
    let parked = world.count("SELECT count(*) FROM original WHERE state = 'parked'").await;
    assert_eq!(parked, 1);
    let mended = json!({"resourceType": "AllergyIntolerance", "id": "no-code", "code": {"text": "Nuts"},
        "patient": {"reference": format!("Patient/{patient}")}});
    world.tenant.put(&mended).await.unwrap();
    assert_eq!(world.pass().await.entries, 1);
    assert_eq!(world.count("SELECT count(*) FROM original WHERE state = 'parked'").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_that_refuses_an_entry_says_why_to_its_author_and_lets_the_next_one_pass() {
    let mut world = World::new(1, Settings { enforce: true, ..Settings::default() }).await;
    world.pass().await;
    let bad = world.write(0, Section::Safety, bodies::allergy_with_code(" not a code ")).await;
    let good = world.write(0, Section::Notes, bodies::note("Slept well.")).await;
    world.pass().await;
    let DeliveryState::Rejected(reason) = world.state(bad).await else { panic!("taken") };
    assert!(!reason.is_empty());
    assert_eq!(world.state(good).await, DeliveryState::Accepted);
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_of_somebody_whom_the_record_does_not_know_say_so_and_go_when_it_does() {
    let mut world = World::new(2, Settings::default()).await;
    let number = world.resident(1).nhs_number.unwrap().to_plain();
    let resident = world.ids[1];
    let forget = "UPDATE nhs_number SET number = '9434765919' WHERE resident = ?1";
    let changed = world.store.write(move |t| Ok(t.execute(forget, [resident.0.as_bytes()])?));
    assert_eq!(changed.await.unwrap(), 1);
    let note = world.write(1, Section::Notes, bodies::note("Ate well.")).await;
    world.pass().await;
    let DeliveryState::Rejected(reason) = world.state(note).await else { panic!("sent to nobody") };
    assert!(reason.contains("no person"), "{reason}");
    let restore = "UPDATE nhs_number SET number = ?2 WHERE resident = ?1";
    let changed = world.store.write(move |t| Ok(t.execute(restore, (resident.0.as_bytes(), number))?));
    changed.await.unwrap();
    world.time.advance(Duration::from_mins(16));
    world.settle().await;
    assert_eq!(world.state(note).await, DeliveryState::Accepted);
}
