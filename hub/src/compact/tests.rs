use super::*;
use crate::records;
use crate::testing::{NOW, Pen, TestHub, resident, scope};
use hearth_protocol::access::SiteKind;
use hearth_protocol::scope::{Section, Subject};

async fn with_changes(count: usize) -> (TestHub, Pen, Scope, Vec<StoredChange>) {
    let hub = TestHub::new().await;
    hub.add_site("VL1AB", SiteKind::CareHome, 1).await;
    hub.assign("VL1AB", 1).await;
    let (mut pen, notes) = (Pen::new(1), scope(1, Section::Notes));
    let mut written = Vec::new();
    for _ in 0..count {
        written.extend(push(&hub, &mut pen, notes).await);
    }
    (hub, pen, notes, written)
}

async fn push(hub: &TestHub, pen: &mut Pen, scope: Scope) -> Vec<StoredChange> {
    let changes = pen.write(scope);
    hub.push(1, changes.clone()).await;
    changes.into_iter().map(|one| one.change).collect()
}

async fn due_at(hub: &TestHub, now: Timestamp) -> Vec<Scope> {
    hub.store.read(move |connection| due(connection, now)).await.unwrap()
}

#[tokio::test]
async fn a_document_saved_whole_holds_every_change_byte_for_byte_and_the_raw_ones_go() {
    let (hub, mut pen, notes, mut written) = with_changes(70).await;
    assert_eq!(due_at(&hub, NOW).await, vec![notes]);
    compact(&hub.store, notes).await.unwrap();
    assert_eq!(due_at(&hub, NOW).await, vec![]);
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 0);
    // Again from the first snapshot and what came after it.
    written.extend(push(&hub, &mut pen, notes).await);
    let in_order =
        hub.store.read(move |c| Ok((records::changes(c, notes)?, hashes(c, notes)?))).await.unwrap();
    assert_eq!(in_order, (written.clone(), written.iter().map(|change| change.hash).collect()));
    compact(&hub.store, notes).await.unwrap();
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 0);
    let in_order =
        hub.store.read(move |c| Ok((records::changes(c, notes)?, hashes(c, notes)?))).await.unwrap();
    assert_eq!(in_order, (written.clone(), written.iter().map(|change| change.hash).collect()));
    let entries = hub.store.read(move |c| records::entries(c, notes)).await.unwrap();
    assert_eq!(entries.len(), 71);
}

#[tokio::test]
async fn a_damaged_change_is_never_saved_into_a_document() {
    let (hub, _, notes, _) = with_changes(3).await;
    let damage = "UPDATE change SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE seq = 2";
    hub.store.write(move |t| Ok(t.execute(damage, [])?)).await.unwrap();
    assert!(compact(&hub.store, notes).await.is_err());
    assert_eq!((hub.count("snapshot").await, hub.count("change WHERE bytes IS NULL").await), (0, 0));
}

#[tokio::test]
async fn a_document_that_is_not_what_the_index_says_lets_nothing_go() {
    let (hub, mut pen, notes, _) = with_changes(3).await;
    compact(&hub.store, notes).await.unwrap();
    push(&hub, &mut pen, notes).await;
    let damage = "UPDATE change SET hash = randomblob(32) WHERE seq = 2";
    hub.store.write(move |t| Ok(t.execute(damage, [])?)).await.unwrap();
    assert!(compact(&hub.store, notes).await.is_err());
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 1);
}

#[tokio::test]
async fn a_closed_month_becomes_one_snapshot_and_takes_late_entries() {
    let (hub, mut pen, notes, written) = with_changes(3).await;
    let open = Scope::try_new(Subject::Resident(resident(1)), Section::Safety, None).unwrap();
    push(&hub, &mut pen, open).await;
    let at = |text| Timestamp::from_rfc3339(text).unwrap();
    let (last_day, closed) = (at("2026-10-02T12:00:00Z"), at("2026-10-03T12:00:00Z"));
    assert_eq!(due_at(&hub, last_day).await, vec![]);
    assert_eq!(due_at(&hub, closed).await, vec![notes]);
    compact(&hub.store, notes).await.unwrap();
    assert_eq!(due_at(&hub, closed).await, vec![]);
    // A node was off the line over the end of the month.
    let late = push(&hub, &mut pen, notes).await;
    assert_eq!(due_at(&hub, closed).await, vec![notes]);
    compact(&hub.store, notes).await.unwrap();
    assert_eq!(hub.count("change WHERE bytes IS NOT NULL").await, 2, "of the section that has no months");
    let in_order = hub.store.read(move |c| records::changes(c, notes)).await.unwrap();
    assert_eq!(in_order, [written, late].concat());
}
