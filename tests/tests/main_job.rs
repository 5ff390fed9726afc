//! The main job with real processes: import, assign, enrol, first sync, cut; edits at the home, at the pharmacy and in
//! the main care record; heal; and everything everywhere, once.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

mod common;

use std::path::Path;

use common::{HOME, PHARMACY, equal, eventually, now, records, saved, sign_in, started_with};
use hearth_protocol::fhir::export::own_identifiers;
use hearth_tests::generate::region::{Region as Made, Resident, region as make};
use hearth_tests::inspect;
use hearth_tests::main_record::{MainRecord, Settings, Software, Tenant};
use hearth_tests::region::{Options, Person, Region};
use serde_json::{Value, json};

/// The tenant of a caller that names none, as the hub does.
const TENANT: &str = "default";

const NOTE: &str = "A quiet night by the window";
const KNEE: &str = "Says that the left knee aches";
const HOMES: &str = "Wool fat";
const PHARMACYS: &str = "Zinc plaster";
const SURGERYS: &str = "Lanolin cream";
const DIRECTIONS: &str = "Raised by the surgery after the blood test";

/// A main care record that knows everybody, and a region that was assigned them and has read them whole.
struct World {
    _record: MainRecord,
    tenant: Tenant,
    region: Region,
    made: Made,
}

impl World {
    async fn start(folder: &Path) -> Self {
        let data = folder.join("main-record");
        std::fs::create_dir_all(&data).unwrap();
        let software = Software::ready().unwrap();
        let record = MainRecord::start(&software, &data, Settings::default()).await.unwrap();
        let (tenant, made) = (record.tenant(TENANT), make(7, 1, 3, now()));
        for resident in &made.residents {
            tenant.transaction(&resident.bundle).await.unwrap();
        }
        let options = Options { main_record: Some(record.base_url()), ..Options::default() };
        let region = started_with(folder, &made, options).await;
        let world = Self { _record: record, tenant, region, made };
        let read = "SELECT count(*) FROM main_record_person WHERE read_at IS NOT NULL";
        let all = world.made.residents.len();
        eventually("everybody's whole record", async || (world.count(read) == all).then_some(())).await;
        equal(&world.region).await;
        world
    }

    /// An ordinary resident: nothing is unusual about the record.
    fn resident(&self) -> &Resident {
        self.made.residents.iter().find(|resident| resident.edge.is_none()).unwrap()
    }

    /// What the hub's database counts.
    fn count(&self, sql: &str) -> usize {
        inspect::hub(&self.region.hub_data()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    }

    fn cut(&self) {
        self.region.sites().for_each(|site| site.line().cut());
    }

    fn heal(&self) {
        self.region.sites().for_each(|site| site.line().heal());
    }

    /// What Hearth wrote of a type, found by its identifiers.
    async fn ours(&self, kind: &str) -> Vec<Value> {
        let all = self.tenant.search(kind, &[]).await.unwrap();
        all.into_iter().filter(|resource| own_identifiers(resource).next().is_some()).collect()
    }

    /// Whether a type has one resource of Hearth with these words, and that has one Provenance.
    async fn has_once(&self, kind: &str, words: &str) -> bool {
        let with_words = |resource: &&Value| resource.to_string().contains(words);
        let found: Vec<Value> = self.ours(kind).await;
        let found: Vec<&Value> = found.iter().filter(with_words).collect();
        let [one] = found[..] else { return false };
        let target = format!("\"{kind}/{}\"", one["id"].as_str().unwrap());
        let provenances = self.tenant.search("Provenance", &[]).await.unwrap();
        provenances.iter().filter(|provenance| provenance.to_string().contains(&target)).count() == 1
    }
}

/// The path of a resident's record at a site.
async fn record_of(person: &Person, resident: &Resident) -> String {
    let number = resident.nhs_number.unwrap().to_string();
    for path in records(person).await {
        if person.open(&path).await.unwrap().html.contains(&number) {
            return path;
        }
    }
    unreachable!("the resident is on no page");
}

/// A note, observations, an allergy, and a dose of what is given when required.
async fn work_at_home(nurse: &Person, record: &str) {
    let note = [("kind", "general"), ("text", NOTE)];
    saved(&nurse.fill_in(&format!("{record}/notes/new"), &note).await.unwrap());
    let vitals = [
        ("rate", "22"),
        ("saturation", "93"),
        ("breathing", "air"),
        ("systolic", "104"),
        ("diastolic", "70"),
        ("pulse", "112"),
        ("consciousness", "alert"),
        ("temperature", "38.4"),
    ];
    saved(&nurse.fill_in(&format!("{record}/obs/new"), &vitals).await.unwrap());
    let allergy = [("substance", HOMES), ("reaction", "Rash")];
    saved(&nurse.fill_in(&format!("{record}/allergies/new"), &allergy).await.unwrap());

    let round = record.replace("/r/", "/round/");
    let doses = nurse.open(&round).await.unwrap().links(&format!("{round}/prn"));
    let form = nurse.open(doses.first().unwrap()).await.unwrap();
    saved(&nurse.send(&form, &format!("{round}/prn"), &[("reason", KNEE)]).await.unwrap());
}

/// An allergy; the pages offer a pharmacist nothing else to write, and refuse the notes of a home.
async fn work_at_pharmacy(pharmacist: &Person, record: &str) {
    let allergy = [("substance", PHARMACYS), ("reaction", "Rash")];
    saved(&pharmacist.fill_in(&format!("{record}/allergies/new"), &allergy).await.unwrap());
    for form in ["notes", "obs"] {
        let refused = pharmacist.open(&format!("{record}/{form}/new")).await.unwrap();
        assert!(refused.status.is_client_error(), "{form}: {}", refused.status);
    }
}

/// The surgery changes the dose of a medicine and adds an allergy; what the hub's database says once it has both.
async fn work_at_surgery(world: &World) {
    let patient = world.resident().patient.as_str();
    let orders = world.tenant.search("MedicationRequest", &[("patient", patient)]).await.unwrap();
    let is_regular = |order: &&Value| {
        order["status"] == "active" && order["dosageInstruction"][0].get("asNeededCodeableConcept").is_none()
    };
    let mut order = orders.iter().find(is_regular).unwrap().clone();
    let dosage = &mut order["dosageInstruction"][0];
    dosage["additionalInstruction"] = json!([{ "text": DIRECTIONS }]);
    dosage["doseAndRate"][0]["doseQuantity"]["value"] = 3.into();
    world.tenant.put(&order).await.unwrap();
    let allergy = json!({
        "resourceType": "AllergyIntolerance",
        "id": "lanolin",
        "verificationStatus": {"coding": [{"system":
            "http://terminology.hl7.org/CodeSystem/allergyintolerance-verification", "code": "confirmed"}]},
        "code": {"text": SURGERYS},
        "patient": {"reference": format!("Patient/{patient}")},
    });
    world.tenant.put(&allergy).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_home_pharmacy_and_surgery_wrote_apart_is_everywhere_once_after_the_line_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let world = World::start(folder.path()).await;
    let nurse = sign_in(&world.region, HOME, &world.made.home_staff[1]).await;
    let pharmacist = sign_in(&world.region, PHARMACY, &world.made.pharmacy_staff[0]).await;
    let record = record_of(&nurse, world.resident()).await;
    let shown = async |person: &Person| person.open(&record).await.unwrap().text();

    world.cut();
    work_at_home(&nurse, &record).await;
    work_at_pharmacy(&pharmacist, &record).await;
    work_at_surgery(&world).await;
    let read = "SELECT count(*) FROM original WHERE resource = 'AllergyIntolerance/lanolin'";
    eventually("the surgery's allergy", async || (world.count(read) == 1).then_some(())).await;
    let at_home = shown(&nurse).await;
    assert!(at_home.contains(NOTE) && at_home.contains(HOMES));
    assert!(![PHARMACYS, SURGERYS, DIRECTIONS].iter().any(|words| at_home.contains(words)));
    assert!(world.ours("AllergyIntolerance").await.is_empty(), "the lines are cut");

    world.heal();
    let owed = "SELECT count(*) FROM owed WHERE state = 'accepted'";
    // The note, the observations, the dose and both allergies.
    eventually("what the main care record is owed", async || (world.count(owed) == 5).then_some(())).await;
    assert_eq!(world.count("SELECT count(*) FROM owed"), 5);
    equal(&world.region).await;

    let sent = [
        ("AllergyIntolerance", HOMES),
        ("AllergyIntolerance", PHARMACYS),
        ("DocumentReference", NOTE),
        ("MedicationAdministration", KNEE),
        ("Observation", "38.4"),
    ];
    for (kind, words) in sent {
        assert!(world.has_once(kind, words).await, "{kind} is there once, with its Provenance");
    }
    let (at_home, at_pharmacy) = (shown(&nurse).await, shown(&pharmacist).await);
    for words in [HOMES, PHARMACYS, SURGERYS, DIRECTIONS] {
        assert!(at_home.contains(words), "{words} is on the home's page");
        assert!(at_pharmacy.contains(words), "{words} is on the pharmacy's page");
    }
    assert!(!at_pharmacy.contains(NOTE), "a home's note never reaches a pharmacy");
    eventually("the receipt", async || shown(&nurse).await.contains("In the main care record").then_some(()))
        .await;
}
