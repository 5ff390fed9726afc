use hearth_protocol::audit::Who;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::clock::{ManualTime, TimeSource};
use crate::records;
use crate::testing::{NOW, TestHub, site};

struct Hub {
    hub: TestHub,
    importer: Importer,
}

fn options() -> Options {
    Options { system: "main".to_owned(), site: None, dry_run: false, who: Who::System }
}

fn patient() -> Value {
    json!({
        "resourceType": "Patient", "id": "p1",
        "identifier": [{"system": "https://fhir.nhs.uk/Id/nhs-number", "value": "9990000018"}],
        "name": [{"family": "Example", "given": ["Ann"]}], "gender": "female", "birthDate": "1938-08-14"
    })
}

fn allergy(version: &str, severity: &str) -> Value {
    json!({
        "resourceType": "AllergyIntolerance", "id": "a1",
        "meta": {"versionId": version, "lastUpdated": "2026-01-02T03:04:05Z"},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "code": {"text": "Penicillin"}, "patient": {"reference": "Patient/p1"},
        "reaction": [{"manifestation": [{"text": "Rash"}], "severity": severity}]
    })
}

fn order() -> Value {
    json!({
        "resourceType": "MedicationRequest", "id": "m1", "status": "active", "intent": "order",
        "medicationCodeableConcept": {"text": "Paracetamol 500 mg tablets"},
        "subject": {"reference": "Patient/p1"}, "authoredOn": "2026-01-01",
        "dosageInstruction": [{"text": "One tablet four times a day"}]
    })
}

fn dose() -> Value {
    json!({
        "resourceType": "MedicationAdministration", "id": "d1", "status": "completed",
        "medicationCodeableConcept": {"text": "Paracetamol 500 mg tablets"},
        "subject": {"reference": "Patient/p1"}, "effectiveDateTime": "2026-02-03T08:00:00Z",
        "request": {"reference": "MedicationRequest/m1"},
        "dosage": {"dose": {"value": 1, "unit": "tablet"}}
    })
}

fn letter() -> Value {
    json!({
        "resourceType": "DocumentReference", "id": "l1", "status": "current",
        "type": {"text": "Clinic letter"}, "subject": {"reference": "Patient/p1"}, "date": "2026-01-05T10:00:00Z",
        "content": [{"attachment": {"contentType": "application/pdf", "data": "JVBERi0xLjQ=", "title": "Letter"}}]
    })
}

fn bundle(resources: &[Value]) -> String {
    let entries: Vec<Value> = resources.iter().map(|resource| json!({"resource": resource})).collect();
    json!({"resourceType": "Bundle", "type": "collection", "entry": entries}).to_string()
}

impl Hub {
    async fn new() -> Self {
        let hub = TestHub::new().await;
        let time = ManualTime::at(NOW);
        let clock = Clock::new(time as std::sync::Arc<dyn TimeSource>);
        let importer = Importer::new(hub.store.clone(), clock, Random::seeded(1));
        Self { hub, importer }
    }

    async fn import(&self, resources: &[Value]) -> Report {
        self.importer.json(options(), bundle(resources)).await.unwrap()
    }

    async fn entries(&self, resident: ResidentId, section: Section, at: Timestamp) -> Vec<Entry> {
        let scope = Scope::of_resident(resident, section, at).unwrap();
        self.hub.store.read(move |c| records::entries(c, scope)).await.unwrap()
    }

    async fn newest(&self, resident: ResidentId, section: Section) -> Vec<Entry> {
        let scope = Scope::of_resident(resident, section, NOW).unwrap();
        self.hub.store.read(move |c| records::newest(c, scope)).await.unwrap()
    }

    async fn count(&self, sql: &'static str) -> u64 {
        self.hub.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }
}

#[tokio::test]
async fn what_is_imported_twice_is_there_once() {
    let hub = Hub::new().await;
    let all = [patient(), allergy("1", "mild"), order(), dose(), letter()];
    let first = hub.import(&all).await;
    assert_eq!((first.created, first.entries, first.parked_total), (1, 5, 0), "{first:?}");
    let changes = hub.count("SELECT count(*) FROM change").await;
    let second = hub.import(&all).await;
    assert_eq!((second.created, second.updated, second.entries), (0, 0, 0));
    assert_eq!((second.unchanged, second.residents), (5, first.residents));
    assert_eq!(hub.count("SELECT count(*) FROM change").await, changes);
    let checked = hub.hub.store.read(crate::audit::verify_all).await.unwrap();
    assert!(checked.iter().all(|chain| chain.fault.is_none()) && !checked.is_empty());
}

#[tokio::test]
async fn a_changed_resource_becomes_a_version_and_the_original_is_kept_whole() {
    let hub = Hub::new().await;
    let resident = hub.import(&[patient(), allergy("1", "mild")]).await.residents[0];
    let first = hub.newest(resident, Section::Safety).await;
    let mut changed = allergy("2", "severe");
    changed["extension"] = json!([{"url": "urn:unknown", "valueDecimal": 1.50}]);
    let report = hub.import(&[patient(), changed.clone()]).await;
    assert_eq!((report.entries, report.updated), (1, 1));
    let newest = hub.newest(resident, Section::Safety).await;
    assert_eq!(newest.len(), 1);
    assert_eq!((newest[0].thread, &newest[0].replaces), (Some(first[0].id), &vec![first[0].id]));
    let Origin::Outside(origin) = &newest[0].origin else { panic!("from outside") };
    assert_eq!(origin.version.as_deref(), Some("2"));
    let kept = hub.hub.store.read(move |c| original(c, "main", resident, "AllergyIntolerance/a1")).await;
    assert_eq!(kept.unwrap().unwrap().to_string(), changed.to_string());
}

#[tokio::test]
async fn a_new_version_that_says_the_same_writes_no_entry() {
    let hub = Hub::new().await;
    hub.import(&[patient(), allergy("1", "mild")]).await;
    let report = hub.import(&[patient(), allergy("2", "mild")]).await;
    assert_eq!((report.entries, report.unchanged, report.updated), (0, 2, 0));
}

#[tokio::test]
async fn an_edit_made_here_stands_beside_a_new_version_from_outside() {
    let hub = Hub::new().await;
    hub.hub.add_site("VL1AB", hearth_protocol::access::SiteKind::CareHome, 7).await;
    let resident = hub.import(&[patient(), allergy("1", "mild")]).await.residents[0];
    let first = hub.newest(resident, Section::Safety).await.remove(0);
    let edit = hub.hub.store.write(move |t| {
        let id = crate::region::next_entry(t)?;
        let edited = Entry { thread: Some(first.id), replaces: vec![first.id], ..first.clone() };
        let edited = Entry { id, ..edited };
        let scope = Scope::of_resident(resident, Section::Safety, NOW).unwrap();
        crate::ingest::append(t, scope, vec![edited], NOW)
    });
    edit.await.unwrap();
    hub.import(&[patient(), allergy("2", "severe")]).await;
    assert_eq!(hub.newest(resident, Section::Safety).await.len(), 2, "a person settles it");
}

#[tokio::test]
async fn a_bad_resource_is_parked_with_its_reason_and_the_rest_lands() {
    let hub = Hub::new().await;
    let bad =
        json!({"resourceType": "AllergyIntolerance", "id": "bad", "patient": {"reference": "Patient/p1"}});
    let mut orphan = dose();
    orphan["request"] = json!({"reference": "MedicationRequest/none"});
    let report = hub.import(&[patient(), bad.clone(), json!({"no": "resource"}), orphan, order()]).await;
    assert_eq!(report.entries, 2, "{report:?}");
    let codes: Vec<&str> = report.parked.iter().map(|parked| parked.code).collect();
    assert_eq!(codes, ["not-a-resource", "missing", "order-unknown"]);
    assert!(report.parked.iter().all(|parked| parked.reason.ends_with('.')));
    assert_eq!(hub.count("SELECT count(*) FROM original WHERE state = 'parked'").await, 2);
    assert_eq!(hub.count("SELECT count(*) FROM parked").await, 1);

    let mut mended = bad;
    mended["code"] = json!({"text": "Latex"});
    let report = hub.import(&[patient(), mended]).await;
    assert_eq!((report.entries, report.parked_total), (1, 0));
    assert_eq!(hub.count("SELECT count(*) FROM original WHERE state = 'parked'").await, 1);
    let garbage = hub.importer.json(options(), "{".to_owned()).await.unwrap();
    assert_eq!(garbage.parked[0].code, "not-json");
}

#[tokio::test]
async fn what_a_system_takes_back_or_deletes_is_taken_back_and_may_return() {
    let hub = Hub::new().await;
    let resident = hub.import(&[patient(), allergy("1", "mild"), order()]).await.residents[0];
    let mut wrong = allergy("2", "mild");
    wrong["verificationStatus"] = json!({"coding": [{"code": "entered-in-error"}]});
    assert_eq!(hub.import(&[patient(), wrong.clone()]).await.entries, 1);
    assert!(hub.newest(resident, Section::Safety).await.is_empty());
    assert_eq!(hub.import(&[patient(), wrong]).await.entries, 0);
    assert_eq!(hub.import(&[patient(), allergy("3", "mild")]).await.entries, 1);
    assert_eq!(hub.newest(resident, Section::Safety).await.len(), 1);

    let gone = json!({"resourceType": "Bundle", "type": "history", "entry": [
        {"request": {"method": "DELETE", "url": "MedicationRequest/m1"}}]});
    let report = hub.importer.json(options(), gone.to_string()).await.unwrap();
    assert_eq!(report.entries, 1);
    assert!(hub.newest(resident, Section::Medicines).await.is_empty());
    let again = hub.importer.json(options(), gone.to_string()).await.unwrap();
    assert_eq!(again.entries, 0);
    assert_eq!(hub.import(&[patient(), order()]).await.entries, 1, "it came back");
}

#[tokio::test]
async fn a_dose_whose_date_was_corrected_moves_to_its_month() {
    let hub = Hub::new().await;
    let resident = hub.import(&[patient(), order(), dose()]).await.residents[0];
    let mut later = dose();
    later["effectiveDateTime"] = json!("2026-03-03T08:00:00Z");
    assert_eq!(hub.import(&[patient(), order(), later]).await.entries, 2);
    let at = |text| Timestamp::from_rfc3339(text).unwrap();
    let february = hub.entries(resident, Section::Mar, at("2026-02-03T08:00:00Z")).await;
    assert!(february.iter().any(|e| matches!(e.body, Body::EnteredInError(_))), "{february:?}");
    let march = hub.entries(resident, Section::Mar, at("2026-03-03T08:00:00Z")).await;
    assert!(matches!(march.as_slice(), [Entry { body: Body::Administration(_), .. }]), "{march:?}");
}

#[tokio::test]
async fn a_letters_file_is_stored_once_under_its_name() {
    let hub = Hub::new().await;
    let resident = hub.import(&[patient(), letter()]).await.residents[0];
    let letters = hub.newest(resident, Section::Letters).await;
    let [Entry { body: Body::Letter(found), .. }] = letters.as_slice() else { panic!("{letters:?}") };
    let id = found.files[0].id;
    let bytes: Vec<u8> = hub
        .hub
        .store
        .read(move |c| Ok(c.query_row("SELECT bytes FROM blob WHERE id = ?1", [id.0], |row| row.get(0))?))
        .await
        .unwrap();
    assert_eq!(hearth_protocol::id::BlobId::of(&bytes), id);
    assert_eq!(hub.count("SELECT count(*) FROM blob_ref").await, 1);
}

#[tokio::test]
async fn people_are_linked_by_number_and_never_against_their_birth_date() {
    let hub = Hub::new().await;
    let first = hub.import(&[patient()]).await.residents[0];
    let elsewhere = Options { system: "other".to_owned(), ..options() };
    let mut same = patient();
    same["id"] = json!("x9");
    let linked = hub.importer.json(elsewhere.clone(), bundle(std::slice::from_ref(&same))).await.unwrap();
    assert_eq!((linked.residents, linked.created), (vec![first], 0));

    let mut other = same.clone();
    other["id"] = json!("x10");
    other["birthDate"] = json!("1950-01-01");
    let refused = hub.importer.json(elsewhere.clone(), bundle(&[other])).await.unwrap();
    assert_eq!((refused.residents.len(), refused.parked[0].code), (0, "identity-mismatch"));

    let mut unsure = same;
    unsure["id"] = json!("x11");
    unsure["identifier"][0]["extension"] = json!([{
        "url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
        "valueCodeableConcept": {"coding": [{"code": "trace-required"}]}
    }]);
    let apart = hub.importer.json(elsewhere, bundle(&[unsure])).await.unwrap();
    assert_eq!(apart.created, 1, "a number in doubt links nobody");
    assert_eq!(hub.count("SELECT count(*) FROM resident").await, 2);
}

#[tokio::test]
async fn lines_in_parts_and_in_any_order_find_their_person() {
    let hub = Hub::new().await;
    let one = format!("{}\nnot json\n\n", allergy("1", "mild"));
    let first = hub.importer.ndjson(options(), one).await.unwrap();
    assert_eq!((first.created, first.entries, first.parked_total), (1, 1, 1));
    let second = hub.importer.ndjson(options(), format!("{}\n{}\n", patient(), order())).await.unwrap();
    assert_eq!((second.created, second.entries), (0, 2));
    assert_eq!(second.residents, first.residents);
}

#[tokio::test]
async fn a_dose_that_came_before_its_order_is_taken_when_the_order_comes() {
    let hub = Hub::new().await;
    let early = hub.import(&[patient(), dose()]).await;
    assert_eq!((early.entries, early.parked[0].code), (1, "order-unknown"));
    let late = hub.import(&[patient(), order()]).await;
    assert_eq!((late.entries, late.parked_total), (2, 0));
    assert_eq!(hub.count("SELECT count(*) FROM original WHERE state = 'parked'").await, 0);
    assert_eq!(hub.import(&[patient(), order(), dose()]).await.entries, 0);
}

#[tokio::test]
async fn a_dry_run_reports_and_changes_nothing() {
    let hub = Hub::new().await;
    let dry = Options { dry_run: true, ..options() };
    let all = bundle(&[patient(), allergy("1", "mild"), order(), dose()]);
    let report = hub.importer.json(dry, all).await.unwrap();
    assert_eq!((report.created, report.entries, report.parked_total), (1, 4, 0), "{report:?}");
    for table in ["resident", "change", "original", "audit_event"] {
        let count = format!("SELECT count(*) FROM {table}");
        let found: u64 =
            hub.hub.store.read(move |c| Ok(c.query_row(&count, [], |row| row.get(0))?)).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test]
async fn an_import_for_a_site_reaches_its_feed() {
    let hub = Hub::new().await;
    hub.hub.add_site("VL1AB", hearth_protocol::access::SiteKind::CareHome, 7).await;
    let options = Options { site: Some(site("VL1AB")), ..options() };
    let report = hub.importer.json(options, bundle(&[patient(), order()])).await.unwrap();
    let held = hub.hub.store.read(|c| crate::grants::residents_of(c, site("VL1AB"))).await.unwrap();
    assert_eq!(held, report.residents);
    assert_eq!(hub.count("SELECT count(*) FROM subscription").await, 2);
    let subject = Subject::Resident(held[0]);
    let scopes = hub.hub.store.read(move |c| crate::scopes::of_subject(c, subject)).await.unwrap();
    assert_eq!(scopes.len(), 2);
}

#[tokio::test]
async fn real_bundles_import_and_import_again_without_a_change() {
    let beside = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/data");
    let folder = std::env::var("HEARTH_FHIR_DATA").unwrap_or_else(|_| beside.to_owned());
    let folder = std::path::Path::new(&folder).join("synthea-r4-elderly");
    let Ok(listed) = std::fs::read_dir(&folder) else {
        println!("{} is absent: nothing was imported", folder.display());
        return;
    };
    let files =
        listed.map(|entry| entry.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "json"));
    let mut files: Vec<_> = files.filter(|p| std::fs::metadata(p).unwrap().len() < 3_000_000).collect();
    files.sort();
    for file in files.into_iter().take(2) {
        let hub = Hub::new().await;
        let text = std::fs::read_to_string(&file).unwrap();
        let first = hub.importer.json(options(), text.clone()).await.unwrap();
        assert!(first.entries > 0, "{first:?}");
        let second = hub.importer.json(options(), text).await.unwrap();
        assert_eq!((second.entries, second.created, second.parked_total), (0, 0, first.parked_total));
        println!(
            "{}: {} resources, {} entries, {} parked",
            file.display(),
            first.resources,
            first.entries,
            first.parked_total
        );
    }
}

/// Somebody without an NHS number, as some other file tells of them.
fn stranger(id: &str, number: &str, born: &str) -> Value {
    json!({"resourceType": "Patient", "id": id, "identifier": [{"system": "urn:region", "value": number},
               {"system": "urn:elsewhere", "value": "1"}],
           "name": [{"family": "Example", "given": ["Ann"]}], "birthDate": born})
}

async fn asked_by(hub: &Hub, system: &str) {
    let sql = "INSERT INTO main_record (system, configured, identifier_system) VALUES ('main', 1, ?1)
               ON CONFLICT (system) DO UPDATE SET identifier_system = ?1";
    let system = system.to_owned();
    hub.hub.store.write(move |t| Ok(t.execute(sql, [system])?)).await.unwrap();
}

async fn from(hub: &Hub, system: &str, resource: Value) -> Report {
    let options = Options { system: system.to_owned(), ..options() };
    hub.importer.json(options, bundle(&[resource])).await.unwrap()
}

async fn values(hub: &Hub, resident: ResidentId) -> Vec<String> {
    hub.hub.store.read(move |c| identifiers::values(c, "urn:region", resident)).await.unwrap()
}

#[tokio::test]
async fn whoever_has_no_nhs_number_is_known_by_what_the_main_care_record_is_asked_by() {
    let hub = Hub::new().await;
    asked_by(&hub, "urn:region").await;
    let ann = from(&hub, "one", stranger("a", "R-1", "1938-08-14")).await.residents[0];
    assert_eq!(values(&hub, ann).await, ["R-1"]);
    assert_eq!(from(&hub, "two", stranger("b", "R-1", "1938-08-14")).await.residents, [ann]);
    let other = from(&hub, "two", stranger("c", "R-2", "1938-08-14")).await;
    assert_eq!(other.created, 1, "the identifiers that nobody is asked by link nobody");
    let wrong = from(&hub, "three", stranger("d", "R-1", "1940-01-01")).await;
    assert_eq!((wrong.residents.len(), wrong.parked[0].code), (0, "identity-mismatch"));
    let moved = from(&hub, "one", stranger("a", "R-2", "1938-08-14")).await;
    assert_eq!((moved.residents.len(), moved.parked[0].code), (0, "identity-mismatch"));
    let parked = "SELECT count(*) FROM parked WHERE system = 'one'";
    let count = |sql: &'static str| hub.hub.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?));
    let before: u64 = count(parked).await.unwrap();
    from(&hub, "one", stranger("a", "R-1", "1938-08-14")).await;
    let after: u64 = count(parked).await.unwrap();
    assert_eq!((before, after), (1, 0), "a person who fits again is kept aside no more");
}

#[tokio::test]
async fn residents_who_came_before_the_main_care_record_was_configured_are_bound_when_it_is() {
    let hub = Hub::new().await;
    let ann = from(&hub, "file", stranger("a", "R-1", "1938-08-14")).await.residents[0];
    assert!(values(&hub, ann).await.is_empty());
    hub.hub.store.write(|t| identifiers::bind_kept(t, "urn:region")).await.unwrap();
    assert_eq!(values(&hub, ann).await, ["R-1"]);
}
