//! The main care records over HTTP.

use hearth_protocol::id::EntryId;
use hearth_protocol::scope::{Scope, Section};
use hearth_provisioning::api::{ItemChange, ItemState, MainRecordItem, MainRecordItems, MainRecords};

use super::*;
use crate::gateway::owed::{self, Refused};
use crate::import::Parked;

const ITEMS: &str = "/api/v1/main-records/main/items";

impl Hub {
    /// A write that the main care record refused, one that waits, a resource that could not be read, and somebody who
    /// is not who they should be.
    async fn with_items(&self) {
        self.add_site("VL1AB").await;
        self.enrol("VL1AB", 7).await;
        let resident = self.add_resident(1).await;
        let scope = Scope::of_resident(resident, Section::Notes, NOW).unwrap();
        let fill = move |t: &rusqlite::Transaction<'_>| {
            for counter in [1, 2] {
                let id = EntryId { install: InstallId(7), counter };
                owed::Owing::default().owe(t, scope, &crate::testing::entry(id, NOW), NOW)?;
            }
            let first = owed::due(t, "main", NOW, 1)?.remove(0);
            owed::reject(t, &first, &Refused::new("status 422 at Note.text", "Ann was named."), NOW)?;
            let sql = "INSERT INTO original (system, resource, resident, blake3, zstd, length, read_at, state, reason)
                       VALUES ('main', 'Flag/9', ?1, zeroblob(32), x'', 0, ?2, 'parked', 'missing')";
            t.execute(sql, (resident.0.as_bytes(), NOW.0))?;
            let sql = "INSERT INTO main_record_person (system, resident, looked_at) VALUES ('main', ?1, ?2)";
            t.execute(sql, (resident.0.as_bytes(), NOW.0))?;
            crate::import::park(t, "main", &Parked::identity_mismatch("Patient/4"), NOW)
        };
        self.store.write(fill).await.unwrap();
    }

    async fn items(&self, query: &str) -> Vec<MainRecordItem> {
        let items: MainRecordItems = self.get(&format!("{ITEMS}{query}")).await.is(StatusCode::OK);
        items.items
    }

    async fn act(&self, action: Value) -> Vec<u64> {
        let change: ItemChange = self.post(ITEMS, action).await.is(StatusCode::OK);
        change.changed
    }

    async fn number(&self, sql: &'static str) -> i64 {
        self.store.read(move |c| Ok(c.query_row(sql, [], |row| row.get(0))?)).await.unwrap()
    }
}

#[tokio::test]
async fn what_a_main_care_record_waits_for_is_listed_in_pages_and_counted_in_the_status() {
    let hub = Hub::start().await;
    hub.with_items().await;
    let records: MainRecords = hub.get(Path::MAIN_RECORDS).await.is(StatusCode::OK);
    let record = &records.main_records[0];
    assert_eq!((record.name.as_str(), record.reachable), ("main", false));
    assert_eq!((record.waiting, record.parked, record.unknown), (1, 3, 0), "the resident is at no site");
    let fleet: Fleet = hub.get(Path::STATUS).await.is(StatusCode::OK);
    assert_eq!(fleet.main_records, records.main_records);

    let schemas = openapi_document()["components"]["schemas"].clone();
    fits(&schemas, "MainRecordItems", &hub.get(ITEMS).await.is(StatusCode::OK));
    let all = hub.items("").await;
    let shown: Vec<(ItemState, bool, &str)> =
        all.iter().map(|item| (item.state, item.inbound, item.resource.as_str())).collect();
    let (waiting, parked) = (ItemState::Waiting, ItemState::Parked);
    assert_eq!(
        shown,
        [
            (parked, false, "notes"),
            (parked, true, "Flag/9"),
            (parked, true, "Patient/4"),
            (waiting, false, "notes")
        ]
    );
    assert!(!format!("{all:?}").contains("Ann"), "what the server said may quote the record");
    assert_eq!(hub.items("?state=waiting").await, [all[3].clone()]);
    let page: MainRecordItems = hub.get(&format!("{ITEMS}?limit=3")).await.is(StatusCode::OK);
    assert_eq!((page.items.len(), page.next), (3, Some(all[2].item)));
    assert_eq!(hub.items(&format!("?after={}", all[2].item)).await, [all[3].clone()]);

    assert_eq!(hub.get("/api/v1/main-records/other/items").await.problem(), ProblemKind::NotFound);
    assert_eq!(hub.get(&format!("{ITEMS}?state=lost")).await.problem(), ProblemKind::Invalid);
}

#[tokio::test]
async fn items_are_tried_again_or_given_up_whichever_way_they_go() {
    let hub = Hub::start().await;
    hub.with_items().await;
    let all = hub.items("?state=parked").await;
    let numbers: Vec<u64> = all.iter().map(|item| item.item).collect();
    assert_eq!(hub.act(json!({"action": "retry", "items": []})).await, numbers);
    let queued = hub.items("?state=waiting").await;
    assert_eq!((queued.len(), queued[0].item), (2, numbers[0]));
    assert_eq!(hub.number("SELECT looked_at FROM main_record_person").await, 0, "the person is looked for");
    assert_eq!(hub.act(json!({"action": "retry", "items": [numbers[1], 999]})).await, [numbers[1]]);

    for bad in [
        json!({"action": "release", "items": [], "reason": "by hand"}),
        json!({"action": "release", "items": numbers, "reason": " "}),
    ] {
        assert_eq!(hub.post(ITEMS, bad).await.problem(), ProblemKind::Invalid);
    }
    assert_eq!(
        hub.post("/api/v1/main-records/other/items", json!({"action": "retry", "items": []})).await.problem(),
        ProblemKind::NotFound
    );
    assert_eq!(hub.items("?state=released").await, []);
    let give_up = json!({"action": "release", "items": numbers, "reason": "Entered there by hand."});
    assert_eq!(hub.act(give_up.clone()).await, numbers);
    let released = hub.items("?state=released").await;
    assert_eq!(released.iter().map(|item| item.item).collect::<Vec<_>>(), numbers);
    let why = Some("released: Entered there by hand.");
    assert!(released.iter().all(|item| item.reason.as_deref() == why), "{released:?}");
    assert!(hub.act(give_up).await.is_empty(), "twice");
    assert_eq!(hub.items("").await.len(), 1, "the one that waits is left");
    let records: MainRecords = hub.get(Path::MAIN_RECORDS).await.is(StatusCode::OK);
    assert_eq!((records.main_records[0].waiting, records.main_records[0].parked), (1, 0));

    // The same person found again is not shown again; a person who fits is.
    let again = |t: &rusqlite::Transaction<'_>| {
        crate::import::park(t, "main", &Parked::identity_mismatch("Patient/4"), NOW)
    };
    hub.store.write(again).await.unwrap();
    assert_eq!(hub.items("?state=parked").await, []);
    let audited: Vec<String> = hub.audited().await.into_iter().map(|(action, _)| action).collect();
    assert!(audited.iter().filter(|action| *action == "main-record").count() >= 4, "{audited:?}");
    assert!(hub.verify().await.whole);
}

#[tokio::test]
async fn an_extract_is_imported_under_the_name_of_a_configured_main_care_record_alone() {
    let hub = Hub::start().await;
    hub.add_site("VL1AB").await;
    let import = async |query: &str| {
        let path = format!("{}?name=a.json&site=VL1AB{query}", Path::RESIDENTS_IMPORT);
        let request = hub.request(Method::POST, &path).bearer_auth(TOKEN).header("content-type", FHIR_JSON);
        Answered::of(request.body(r#"{"resourceType": "Patient", "id": "p", "birthDate": "1938-08-14"}"#))
            .await
    };
    assert_eq!(import("&system=mian").await.problem(), ProblemKind::NotFound);
    let report: ImportReport = import("&system=main").await.is(StatusCode::OK);
    assert_eq!(report.residents_created, 1);
    let known = "SELECT count(*) FROM outside_person WHERE system = 'main' AND reference = 'Patient/p'";
    assert_eq!(hub.number(known).await, 1);
}
