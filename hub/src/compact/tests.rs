use super::*;
use crate::testing::{Pen, TestHub, scope};
use hearth_protocol::access::SiteKind;
use hearth_protocol::scope::Section;

async fn with_changes(count: usize) -> (TestHub, Pen, Scope) {
    let hub = TestHub::new().await;
    hub.add_site("VL1AB", SiteKind::CareHome, 1).await;
    hub.assign("VL1AB", 1).await;
    let (mut pen, notes) = (Pen::new(1), scope(1, Section::Notes));
    for _ in 0..count {
        hub.push(1, pen.write(notes)).await;
    }
    (hub, pen, notes)
}

#[tokio::test]
async fn a_document_saved_whole_holds_every_change_byte_for_byte() {
    let (hub, mut pen, notes) = with_changes(70).await;
    assert_eq!(hub.store.read(with_long_tail).await, Ok(vec![notes]));
    compact(&hub.store, notes).await.unwrap();
    assert_eq!(hub.store.read(with_long_tail).await, Ok(vec![]));
    // Again from the first snapshot and what came after it.
    hub.push(1, pen.write(notes)).await;
    compact(&hub.store, notes).await.unwrap();
    let read = hub.store.read(move |c| {
        let mut select = c.prepare("SELECT hash, bytes FROM change ORDER BY hash")?;
        let rows = select
            .query_map([], |row| Ok(StoredChange { hash: columns::hash(row, 0)?, bytes: row.get(1)? }))?;
        Ok((stored_snapshot(c, notes)?, rows.collect::<Result<Vec<_>, _>>()?))
    });
    let (snapshot, stored) = read.await.unwrap();
    let mut saved = document::changes(&document::load(&snapshot).unwrap());
    saved.sort_by_key(|change| change.hash);
    assert_eq!(saved, stored);
}

#[tokio::test]
async fn a_damaged_change_is_never_saved_into_a_document() {
    let (hub, _, notes) = with_changes(3).await;
    let damage = "UPDATE change SET bytes = substr(bytes, 1, length(bytes) - 1) WHERE seq = 2";
    hub.store.write(move |t| Ok(t.execute(damage, [])?)).await.unwrap();
    assert!(compact(&hub.store, notes).await.is_err());
    assert_eq!(hub.count("snapshot").await, 0);
}
