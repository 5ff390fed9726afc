//! Months pass: they are closed on both sides alike, let go of, and fetched again.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may fail where it stands")]

use std::sync::atomic::{AtomicU64, Ordering};

use hearth_node::records::{Draft, Requester};
use hearth_protocol::id::{EntryId, ResidentId, StaffId};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Scope, Section, Subject};
use hearth_protocol::time::Timestamp;
use hearth_tests::memory_link::{MemoryHub, MemoryNode, snapshot_at_hub, snapshot_at_node};
use uuid::Uuid;

/// Numbers the actions, so that none is taken for another sent twice.
static KEYS: AtomicU64 = AtomicU64::new(1);

const MARGARET: ResidentId = ResidentId(Uuid::from_u128(1));

fn at(text: &str) -> Timestamp {
    Timestamp::from_rfc3339(text).unwrap()
}

fn notes(at: Timestamp) -> Scope {
    Scope::of_resident(MARGARET, Section::Notes, at).unwrap()
}

async fn write(node: &MemoryNode, happened: Timestamp, text: &str) -> EntryId {
    let carer =
        Requester { staff: StaffId(1), role: Role::Nurse, name: "A. Nurse".into(), device: 1, session: 1 };
    let body = Body::Note(Note { category: "general".into(), text: text.into(), important: false });
    let subject = Subject::Resident(MARGARET);
    let draft =
        Draft { subject, section: Section::Notes, happened, thread: None, replaces: Vec::new(), body };
    let key = format!("action-{:08}", KEYS.fetch_add(1, Ordering::Relaxed)).parse().unwrap();
    node.records.add(&carer, key, vec![draft]).await.unwrap().ids[0]
}

async fn read(node: &MemoryNode, of: Timestamp) -> Vec<EntryId> {
    node.records.entries_of(notes(of)).await.unwrap().iter().map(|entry| entry.id).collect()
}

/// Every node holds what the hub says that it is to hold.
async fn agree(hub: &MemoryHub, nodes: &[&MemoryNode]) {
    for node in nodes {
        let site = node.records.site().id;
        let level = hub.store.read(move |c| hearth_hub::feed::level(c, site)).await.unwrap().unwrap();
        let held = node.records.held().await.unwrap();
        assert_eq!((held.digest, held.scopes), (level.digest, level.scopes), "{site}");
    }
}

#[tokio::test]
async fn a_month_closes_alike_at_the_hub_and_at_nodes_and_takes_what_comes_late() {
    let november = at("2026-11-30T12:00:00Z");
    let hub = MemoryHub::new(november).await.unwrap();
    let (a, b) = (hub.add_home("VL1AB", 7).await.unwrap(), hub.add_home("VL1AC", 8).await.unwrap());
    for node in [&a, &b] {
        hub.assign(node, MARGARET).await.unwrap();
        hub.meet(node).await.unwrap();
        for n in 0..5 {
            write(node, november.plus_ms(n * 60_000), "in time").await;
        }
    }
    hub.meet(&a).await.unwrap();
    // The line of the second home is down over the end of the month.
    hub.pass_days(4);
    let december = hub.now();
    write(&a, december, "in December").await;
    hub.meet(&a).await.unwrap();
    assert_eq!((hub.compact().await.unwrap(), a.records.compact().await.unwrap()), (1, 1));
    let closed = snapshot_at_hub(&hub, notes(november)).await.unwrap();
    assert_eq!(closed.1, 6);
    assert_eq!(snapshot_at_node(&a, notes(november)).await.unwrap(), closed, "the same bytes");
    assert_eq!(b.records.compact().await.unwrap(), 0);

    hub.meet(&b).await.unwrap();
    hub.meet(&a).await.unwrap();
    agree(&hub, &[&a, &b]).await;
    assert_eq!(read(&a, november).await, read(&b, november).await);
    assert_eq!(read(&a, november).await.len(), 10);
    assert_eq!(hub.compact().await.unwrap(), 1);
    a.records.compact().await.unwrap();
    b.records.compact().await.unwrap();
    let closed = snapshot_at_hub(&hub, notes(november)).await.unwrap();
    assert_eq!(closed.1, 11);
    assert_eq!(snapshot_at_node(&a, notes(november)).await.unwrap(), closed);
    assert_eq!(snapshot_at_node(&b, notes(november)).await.unwrap(), closed);
    agree(&hub, &[&a, &b]).await;
}

#[tokio::test]
async fn a_month_that_was_let_go_of_comes_back_when_it_is_opened_and_late_entries_reach_everybody() {
    let november = at("2026-11-15T12:00:00Z");
    let hub = MemoryHub::new(november).await.unwrap();
    let (a, b) = (hub.add_home("VL1AB", 7).await.unwrap(), hub.add_home("VL1AC", 8).await.unwrap());
    for node in [&a, &b] {
        hub.assign(node, MARGARET).await.unwrap();
        hub.meet(node).await.unwrap();
    }
    for _ in 0..4 {
        write(&a, november, "in November").await;
    }
    let late = write(&b, november, "with the line down for months").await;
    hub.meet(&a).await.unwrap();
    hub.pass_days(150);
    hub.compact().await.unwrap();
    assert_eq!(a.records.evict().await, Ok(1));
    assert_eq!(b.records.evict().await, Ok(0), "what waits for the hub stays");
    hub.meet(&b).await.unwrap();
    hub.meet(&a).await.unwrap();
    agree(&hub, &[&a, &b]).await;
    assert_eq!(read(&a, november).await, [late]);

    a.records.want_month(notes(november));
    hub.meet(&a).await.unwrap();
    assert_eq!(read(&a, november).await.len(), 5);
    // What is written to it now goes out as ever.
    let more = write(&a, november, "remembered").await;
    hub.meet(&a).await.unwrap();
    hub.pass_days(15);
    assert_eq!(a.records.evict().await, Ok(1));
    hub.meet(&b).await.unwrap();
    assert!(read(&b, november).await.contains(&more));
    agree(&hub, &[&a, &b]).await;
}

#[tokio::test]
async fn a_new_node_is_sent_the_months_that_it_keeps_and_knows_the_others() {
    let november = at("2026-11-15T12:00:00Z");
    let hub = MemoryHub::new(november).await.unwrap();
    let a = hub.add_home("VL1AB", 7).await.unwrap();
    hub.assign(&a, MARGARET).await.unwrap();
    hub.meet(&a).await.unwrap();
    for _ in 0..4 {
        write(&a, november, "in November").await;
    }
    hub.meet(&a).await.unwrap();
    hub.pass_days(150);
    let april = hub.now();
    write(&a, april, "in April").await;
    hub.meet(&a).await.unwrap();
    hub.compact().await.unwrap();

    let b = hub.add_home("VL1AC", 8).await.unwrap();
    hub.assign(&b, MARGARET).await.unwrap();
    hub.meet(&b).await.unwrap();
    agree(&hub, &[&a, &b]).await;
    assert_eq!((read(&b, november).await.len(), read(&b, april).await.len()), (0, 1));
    let months = b.records.months(MARGARET, Section::Notes).await.unwrap();
    let known: Vec<(String, bool)> =
        months.iter().map(|held| (held.month.to_string(), held.is_here)).collect();
    assert_eq!(known, [("2027-04".to_owned(), true), ("2026-11".to_owned(), false)]);
    // It writes into a month of which it has never seen a change, and is taken for no copy.
    let own = write(&b, november, "remembered").await;
    hub.meet(&b).await.unwrap();
    hub.meet(&a).await.unwrap();
    assert!(read(&a, november).await.contains(&own));
    b.records.want_month(notes(november));
    hub.meet(&b).await.unwrap();
    assert_eq!(read(&b, november).await, read(&a, november).await);
    agree(&hub, &[&a, &b]).await;
}

#[tokio::test]
async fn nodes_that_let_go_of_months_are_compared_and_put_right_as_ever() {
    let november = at("2026-11-15T12:00:00Z");
    let hub = MemoryHub::new(november).await.unwrap();
    let a = hub.add_home("VL1AB", 7).await.unwrap();
    hub.assign(&a, MARGARET).await.unwrap();
    hub.meet(&a).await.unwrap();
    for _ in 0..4 {
        write(&a, november, "in November").await;
    }
    hub.meet(&a).await.unwrap();
    hub.pass_days(150);
    assert_eq!(a.records.evict().await, Ok(1));
    let open = write(&a, hub.now(), "now").await;
    hub.meet(&a).await.unwrap();
    // What the node notes of the month is damaged: it differs from the hub.
    let damage = a.records.store().write(|tx| {
        let sql = "UPDATE scope SET digest = zeroblob(40) WHERE id IN (SELECT scope FROM evicted)";
        Ok::<_, hearth_node::store::StoreError>(tx.execute(sql, [])?)
    });
    assert_eq!(damage.await, Ok(1));
    hub.meet(&a).await.unwrap();
    hub.meet(&a).await.unwrap();
    agree(&hub, &[&a]).await;
    assert_eq!(read(&a, hub.now()).await, [open]);
    a.records.want_month(notes(november));
    hub.meet(&a).await.unwrap();
    assert_eq!(read(&a, november).await.len(), 4);
}
