//! Lives that nobody here made up go through a real main care record into the hub's sections, and what the home writes
//! about these people comes back out of the record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_hub::gateway::owed;
use hearth_hub::{records, scopes};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::safety::AllergyStatus;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::wire::message::DeliveryState;
use hearth_provisioning::api::{ItemState, MainRecordItemsQuery};
use hearth_tests::main_record::Settings;
use hearth_tests::outside::{self, Life, Lives, SHARED};
use serde_json::{Value, json};

use crate::bodies;
use crate::world::{self, World, name};

/// A debug build of the server takes its time with a whole life.
const PATIENCE: Duration = Duration::from_mins(2);

#[tokio::test(flavor = "multi_thread")]
async fn whole_lives_from_synthea_are_read_to_the_last_resource_and_written_back_to() {
    go_through(&outside::synthea().unwrap(), &BTreeMap::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_of_a_bulk_export_are_read_to_the_last_resource_and_written_back_to() {
    go_through(&outside::bulk().unwrap(), &BTreeMap::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_examples_of_uk_core_are_read_to_the_last_resource_and_written_back_to() {
    // An example of an extension has a Condition without its code; a dose of zero has no order, and one is of an order
    // that is not among the examples.
    let parked = [
        (("Condition", "missing"), 1),
        (("MedicationAdministration", "missing"), 1),
        (("MedicationAdministration", "order-unknown"), 1),
    ];
    let parked = parked.map(|((kind, reason), count)| ((kind.to_owned(), reason.to_owned()), count));
    go_through(&outside::uk_core().unwrap(), &BTreeMap::from(parked)).await;
}

/// The whole way there and back, with every resource accounted for.
async fn go_through(lives: &Lives, parked: &BTreeMap<(String, String), usize>) {
    println!("{} people of {}", lives.people.len(), lives.source);
    let mut world = World::empty(Settings::default(), lives.asked_by, PATIENCE, |base| base).await;
    for life in &lives.people {
        world.admit(life).await;
    }
    break_one(&world).await;
    let pass = world.pass().await;
    assert_eq!(pass.residents, lives.people.len() as u64, "{pass:?} {:?}", world.troubles().await);
    assert_eq!(world.pass().await.entries, 0, "what was read is read again");

    let mut expected: BTreeMap<(String, String), usize> = BTreeMap::new();
    expected.insert(("AllergyIntolerance".into(), "missing".into()), 1);
    if lives.is_public {
        expected.extend(parked.clone());
    }
    let mut kept_aside = BTreeMap::new();
    for (index, life) in lives.people.iter().enumerate() {
        let found = Tally::of(&world, index).await;
        found.print(index);
        found.accounts_for(life);
        for (what, count) in found.parked {
            *kept_aside.entry(what).or_default() += count;
        }
    }
    assert_eq!(kept_aside, expected, "kept aside for other reasons than those known");
    let items = world.store.read(|c| owed::items(c, world::SYSTEM, &MainRecordItemsQuery::default()));
    let items = items.await.unwrap().items;
    assert_eq!(items.len(), expected.values().sum::<usize>(), "each is shown");
    assert!(
        items.iter().all(|item| item.state == ItemState::Parked && item.inbound && item.resident.is_some())
    );

    for index in 0..lives.people.len() {
        write_back(&mut world, index).await;
    }
}

/// A resource that cannot be read, of the first person.
async fn break_one(world: &World) {
    let patient = format!("Patient/{}", world.people[0].patient);
    let broken =
        json!({"resourceType": "AllergyIntolerance", "id": "no-code", "patient": {"reference": patient}});
    world.tenant.put(&broken).await.unwrap();
}

/// What became of a person's resources at the hub.
struct Tally {
    /// How many of each type, and how: `mapped`, or why they are kept without an entry.
    outcomes: BTreeMap<(String, String), usize>,
    /// Type and reason of what was kept aside.
    parked: BTreeMap<(String, String), usize>,
    /// Entries of the record in each section, by the type of the resource that says so.
    entries: BTreeMap<(String, Section), usize>,
    /// Resources that are said to have become entries, and have none.
    without_entry: Vec<String>,
}

impl Tally {
    async fn of(world: &World, index: usize) -> Self {
        let resident = world.ids[index];
        let read = move |c: &rusqlite::Connection| {
            let sql = "SELECT resource, state, coalesce(reason, '') FROM original WHERE system = ?1 AND resident = ?2";
            let mut select = c.prepare(sql)?;
            let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
            let rows = select.query_map((world::SYSTEM, resident.0.as_bytes()), row)?;
            let originals: Vec<(String, String, String)> = rows.collect::<Result<_, _>>()?;
            let mut entries = Vec::new();
            for scope in scopes::of_subject(c, Subject::Resident(resident))? {
                entries.extend(records::entries(c, scope)?.into_iter().map(|entry| (scope.section(), entry)));
            }
            Ok((originals, entries))
        };
        let (originals, entries) = world.store.read(read).await.unwrap();
        let mut tally = Self {
            outcomes: BTreeMap::new(),
            parked: BTreeMap::new(),
            entries: BTreeMap::new(),
            without_entry: Vec::new(),
        };
        let mut said = BTreeSet::new();
        for (section, resource) in
            entries.iter().filter_map(|(section, entry)| Some((section, source(entry)?)))
        {
            *tally.entries.entry((kind(&resource).to_owned(), *section)).or_default() += 1;
            said.insert(resource);
        }
        for (resource, state, reason) in originals {
            let kind = kind(&resource).to_owned();
            if state == "parked" {
                *tally.parked.entry((kind.clone(), reason.clone())).or_default() += 1;
            }
            if state == "mapped" && !said.contains(&resource) {
                tally.without_entry.push(resource);
            }
            let outcome = if state == "mapped" { state } else { format!("{state}, {reason}") };
            *tally.outcomes.entry((kind, outcome)).or_default() += 1;
        }
        tally
    }

    fn print(&self, index: usize) {
        println!("person {index}:");
        for ((kind, outcome), count) in &self.outcomes {
            println!("  {count:>6} {kind}: {outcome}");
        }
        for ((kind, section), count) in &self.entries {
            println!("  {count:>6} entries of {kind} in {}", section.name());
        }
    }

    /// Every resource that went in is an entry, kept whole because records have no place for it, or kept aside.
    fn accounts_for(&self, life: &Life) {
        let mut there: BTreeMap<String, usize> = BTreeMap::new();
        for ((kind, outcome), count) in &self.outcomes {
            let known =
                ["mapped", "kept, type", "kept, part-of", "kept, repeats"].contains(&outcome.as_str());
            assert!(known || outcome.starts_with("parked, "), "{kind}: {outcome}");
            *there.entry(kind.clone()).or_default() += count;
        }
        let broken = self.parked.get(&("AllergyIntolerance".into(), "missing".into())).copied();
        for (kind, count) in life.counts() {
            let ours = if kind == "AllergyIntolerance" { broken.unwrap_or(0) } else { 0 };
            // Only those that something refers to are read.
            if !SHARED.contains(&kind.as_str()) {
                assert_eq!(there.get(&kind).copied().unwrap_or(0), count + ours, "{kind}");
            }
        }
        // What was entered in error and never read before takes nothing back.
        let errors = life.resources().filter(|one| one.to_string().contains("\"entered-in-error\""));
        let errors: BTreeSet<String> = errors.map(name).collect();
        let lost: Vec<&String> = self.without_entry.iter().filter(|name| !errors.contains(*name)).collect();
        assert_eq!(lost, Vec::<&String>::new(), "said to be in the record, and is not");
        for (kind, section) in [("Patient", Section::Identity), ("Condition", Section::History)] {
            let mapped = self.outcomes.get(&(kind.to_owned(), "mapped".to_owned())).copied();
            let entries = self.entries.get(&(kind.to_owned(), section)).copied();
            assert_eq!(mapped, entries, "{kind}");
        }
    }
}

/// The resource of the main care record that an entry came from.
fn source(entry: &Entry) -> Option<String> {
    match &entry.origin {
        Origin::Outside(origin) if origin.system == world::SYSTEM => Some(origin.resource.clone()),
        Origin::Outside(_) | Origin::Site(_) => None,
    }
}

fn kind(resource: &str) -> &str {
    resource.split('/').next().unwrap()
}

/// A nurse writes about somebody, and what the main care record then says is what she wrote.
async fn write_back(world: &mut World, index: usize) {
    let signs = world.write(index, Section::Observations, bodies::vital_signs()).await;
    let allergy = bodies::allergy("Latex", AllergyStatus::Confirmed);
    let allergy = world.write(index, Section::Safety, allergy).await;
    let note = world.write(index, Section::Notes, bodies::note("Listened to the wireless.")).await;
    let order = order(world, index).await;
    let mut all = vec![signs, allergy, note];
    let dose = match &order {
        Some(order) => {
            let body = Body::Administration(bodies::dose(order, Outcome::Given));
            Some(world.write(index, Section::Mar, body).await)
        }
        None => None,
    };
    all.extend(dose);
    world.settle().await;
    for entry in &all {
        assert_eq!(world.state(*entry).await, DeliveryState::Accepted);
    }

    let patient = format!("Patient/{}", world.people[index].patient);
    let note = only(world, "DocumentReference", note).await;
    assert!(note["subject"]["reference"] == json!(patient) && note["content"].is_array());
    let latex = only(world, "AllergyIntolerance", allergy).await;
    assert_eq!((&latex["code"]["text"], &latex["patient"]["reference"]), (&json!("Latex"), &json!(patient)));
    if let (Some(dose), Some(order)) = (dose, &order) {
        let dose = only(world, "MedicationAdministration", dose).await;
        assert_eq!(dose["request"]["reference"], json!(source(order).unwrap()));
        assert_eq!(dose["status"], json!("completed"));
    }
    assert_eq!(pulses(world, index).await, 1);

    let confirmed = world.newest(index, Section::Safety).await;
    let old = confirmed.iter().find(|entry| entry.id == allergy).unwrap().clone();
    world.time.advance(Duration::from_secs(30));
    let refuted = bodies::allergy("Latex", AllergyStatus::Refuted("Tolerated twice.".into()));
    let change = world.replace(index, Section::Safety, refuted, &[&old]).await;
    world.settle().await;
    assert_eq!(world.state(change).await, DeliveryState::Accepted);
    let latex = world.there("AllergyIntolerance", allergy).await;
    assert_eq!((latex.len(), &latex[0]["meta"]["versionId"]), (1, &json!("2")), "updated in place");
    assert_eq!(latex[0]["verificationStatus"]["coding"][0]["code"], json!("refuted"));
    assert_eq!(world.provenance(&latex[0]).await.len(), 2);
    assert_eq!(world.pass().await.entries, 0, "what Hearth wrote was read as somebody else's");
}

/// An order of the main care record.
async fn order(world: &World, index: usize) -> Option<Entry> {
    let medicines = world.newest(index, Section::Medicines).await;
    let requested = |entry: &Entry| source(entry).is_some_and(|name| name.starts_with("MedicationRequest/"));
    medicines.into_iter().find(|entry| matches!(entry.body, Body::Order(_)) && requested(entry))
}

/// What the main care record has of an entry: one UK Core resource, once, with who stands behind it.
async fn only(world: &World, kind: &str, entry: EntryId) -> Value {
    let mut there = world.there(kind, entry).await;
    assert_eq!(there.len(), 1, "{kind}");
    let resource = there.remove(0);
    let profile = resource["meta"]["profile"][0].as_str().unwrap();
    assert!(profile.starts_with("https://fhir.hl7.org.uk/StructureDefinition/UKCore-"), "{profile}");
    assert_eq!(resource["meta"]["versionId"], json!("1"));
    let provenance = world.provenance(&resource).await;
    assert_eq!(provenance.len(), 1, "{}", name(&resource));
    assert_eq!(provenance[0]["agent"][0]["who"]["display"], json!("A. Nurse"));
    resource
}

/// How many resources there say the pulse that the nurse counted.
async fn pulses(world: &World, index: usize) -> usize {
    let patient = &world.people[index].patient;
    let found = world.tenant.search("Observation", &[("patient", patient)]).await.unwrap();
    let own =
        |one: &&Value| one["identifier"][0]["value"].as_str().is_some_and(|v| v.starts_with("urn:uuid:"));
    let rate = |one: &&Value| one["meta"]["profile"].to_string().contains("HeartRate");
    found.iter().filter(own).filter(rate).filter(|one| one["valueQuantity"]["value"] == json!(95)).count()
}
