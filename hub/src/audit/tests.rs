use ed25519_dalek::SigningKey;
use hearth_protocol::audit::{Action, Chain, ChainFault, Checkpoint, Head, What, Who};
use hearth_protocol::id::{InstallId, StaffId};
use hearth_protocol::record::Role;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::{AuditBatch, AuditBytes};
use rusqlite::params;

use super::*;
use crate::sites;
use crate::store::{Store, StoreOptions};

const NODE: InstallId = InstallId(7);
const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn key() -> SigningKey {
    SigningKey::from_bytes(&[4; 32])
}

async fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path().join("hub.db"), &StoreOptions::default()).unwrap();
    let public = key().verifying_key().to_bytes();
    let rows = move |t: &rusqlite::Transaction<'_>| {
        t.execute("INSERT INTO region (one, id, epoch, hub_install) VALUES (1, zeroblob(16), 1, 3)", [])?;
        t.execute("INSERT INTO site VALUES ('VL1AB', 'care-home', 'Home', 'active', 0)", [])?;
        t.execute(
            "INSERT INTO install (id, site, public_key, enrolled_at) VALUES (?1, 'VL1AB', ?2, 0)",
            params![NODE.0, public],
        )?;
        Ok(())
    };
    store.write(rows).await.unwrap();
    (folder, store)
}

fn batch(first: u64, chain: &mut Chain, count: u64) -> AuditBatch {
    let mut event = |at| {
        let what = What::done(Who::Staff(StaffId(u64::MAX), Role::Carer), Action::View);
        AuditBytes(chain.append(Timestamp(at), what).1.bytes)
    };
    let events = (0..count).map(|at| event(i64::try_from(first + at).unwrap())).collect();
    let checkpoint = Checkpoint { install: NODE, head: chain.head(), at: NOW }.sign(&key());
    AuditBatch { first, events, checkpoint: Some(checkpoint), of: None }
}

async fn take_one(store: &Store, batch: AuditBatch) -> Taken {
    store.write(move |t| take(t, sites::install(t, NODE)?.unwrap(), batch, NOW)).await.unwrap()
}

#[tokio::test]
async fn what_an_earlier_installation_had_not_sent_is_taken_from_the_one_that_took_over_and_from_no_other() {
    let (_folder, store) = store().await;
    let mut chain = Chain::from_head(NODE, Head::empty(NODE));
    let (sent, unsent) = (batch(1, &mut chain, 3), batch(4, &mut chain, 2));
    assert_eq!(take_one(&store, sent).await, Taken::Upto(3));
    let unsent = AuditBatch { checkpoint: None, of: Some(NODE), ..unsent };
    let others = |t: &rusqlite::Transaction<'_>| {
        t.execute("INSERT INTO site VALUES ('VL1AC', 'care-home', 'Other', 'active', 0)", [])?;
        let sql = "INSERT INTO install (id, site, public_key, enrolled_at) VALUES (?1, ?2, zeroblob(32), 0)";
        t.execute(sql, (8, "VL1AB"))?;
        t.execute(sql, (9, "VL1AC"))?;
        Ok(())
    };
    store.write(others).await.unwrap();
    let take_from = async |sender: u32| {
        let batch = unsent.clone();
        let taken = store.write(move |t| take(t, sites::install(t, InstallId(sender))?.unwrap(), batch, NOW));
        taken.await.unwrap()
    };
    assert_eq!(take_from(8).await, Taken::NotEarlier, "the other one is still there");
    let replaced = |t: &rusqlite::Transaction<'_>| {
        sites::set_install_state(t, NODE, sites::InstallState::Quarantined, "cloned")
    };
    store.write(replaced).await.unwrap();
    assert_eq!(take_from(9).await, Taken::NotEarlier);
    assert_eq!(take_from(8).await, Taken::Upto(5));
    assert_eq!(take_from(8).await, Taken::Upto(5), "sent again, it is known");
    assert!(store.read(verify_all).await.unwrap().iter().all(|chain| chain.fault.is_none()));
}

#[tokio::test]
async fn a_nodes_events_are_taken_once_and_verify() {
    let (_folder, store) = store().await;
    let mut chain = Chain::from_head(NODE, Head::empty(NODE));
    let (first, second) = (batch(1, &mut chain, 3), batch(4, &mut chain, 2));
    assert_eq!(take_one(&store, first.clone()).await, Taken::Upto(3));
    assert_eq!(take_one(&store, first).await, Taken::Upto(3));
    assert_eq!(take_one(&store, second).await, Taken::Upto(5));
    let what = What::done(Who::System, Action::Start);
    store.write(move |t| append(t, NOW, what)).await.unwrap();

    let checked = store.read(verify_all).await.unwrap();
    let found: Vec<_> = checked.iter().map(|c| (c.install, c.events, c.fault, c.bad_checkpoint)).collect();
    assert_eq!(found, [(InstallId(3), 1, None, None), (NODE, 5, None, None)]);

    let by_staff = Filter { staff: Some(StaffId(u64::MAX)), ..Filter::default() };
    let page = store.read(move |c| search(c, &by_staff, 3)).await.unwrap();
    assert_eq!(page.events.iter().map(|f| f.event.n).collect::<Vec<_>>(), [5, 4, 3]);
    let rest = Filter { staff: Some(StaffId(u64::MAX)), after: page.next, ..Filter::default() };
    let page = store.read(move |c| search(c, &rest, 3)).await.unwrap();
    assert_eq!((page.events.iter().map(|f| f.event.n).collect::<Vec<_>>(), page.next), (vec![2, 1], None));
}

#[tokio::test]
async fn a_node_that_rewrote_or_lost_its_past_is_found_at_once() {
    let (_folder, store) = store().await;
    let mut chain = Chain::from_head(NODE, Head::empty(NODE));
    assert_eq!(take_one(&store, batch(1, &mut chain, 4)).await, Taken::Upto(4));

    let mut other = Chain::from_head(NODE, Head::empty(NODE));
    other.append(Timestamp(99), What::done(Who::System, Action::Start));
    let same_events_after_another_past = batch(2, &mut other, 5);
    assert_eq!(take_one(&store, same_events_after_another_past).await, Taken::BadCheckpoint);
    let mut other = Chain::from_head(NODE, Head::empty(NODE));
    let forked = AuditBatch { first: 2, ..batch(7, &mut other, 2) };
    assert_eq!(take_one(&store, forked).await, Taken::Fault(ChainFault::Forked { n: 2 }));

    let mut skipping = chain;
    skipping.append(Timestamp(5), What::done(Who::System, Action::Stop));
    let gap = batch(6, &mut skipping, 1);
    assert_eq!(take_one(&store, gap).await, Taken::Fault(ChainFault::Gap { after: 4, before: 6 }));

    let mut unsigned = batch(5, &mut chain, 1);
    unsigned.checkpoint.as_mut().unwrap().signature[0] ^= 1;
    assert_eq!(take_one(&store, unsigned).await, Taken::BadCheckpoint);
    let faults: u64 =
        store.read(|c| Ok(c.query_row("SELECT count(*) FROM audit_fault", [], |r| r.get(0))?)).await.unwrap();
    assert_eq!(faults, 3);
}

#[tokio::test]
async fn what_is_done_to_the_hubs_own_copy_is_found() {
    let tamperings = [
        ("UPDATE audit_event SET bytes = x'00' WHERE install = 7 AND n = 2", true),
        ("DELETE FROM audit_event WHERE install = 7 AND n = 2", true),
        ("DELETE FROM audit_event WHERE install = 7 AND n = 4", true),
        ("DELETE FROM audit_event WHERE install = 7", true),
        ("UPDATE audit_event SET hash = zeroblob(32) WHERE install = 7 AND n = 1", true),
        ("UPDATE audit_event SET received_at = 5", false),
    ];
    for (sql, is_found) in tamperings {
        let (_folder, store) = store().await;
        let mut chain = Chain::from_head(NODE, Head::empty(NODE));
        take_one(&store, batch(1, &mut chain, 4)).await;
        store.write(move |t| Ok(t.execute(sql, [])?)).await.unwrap();
        let checked = store.read(verify_all).await.unwrap();
        assert_eq!(checked.iter().any(|c| c.fault.is_some()), is_found, "{sql}: {checked:?}");
    }
}

#[tokio::test]
async fn events_that_a_restored_hub_has_lost_are_asked_for_again() {
    let (_folder, store) = store().await;
    let mut chain = Chain::from_head(NODE, Head::empty(NODE));
    let all = batch(1, &mut chain, 4);
    let later = batch(5, &mut chain, 1);
    take_one(&store, batch(1, &mut Chain::from_head(NODE, Head::empty(NODE)), 2)).await;
    store.write(|t| crate::region::start_epoch(t, InstallId(9), NOW).map(drop)).await.unwrap();
    assert_eq!(take_one(&store, later.clone()).await, Taken::Lost { after: 2 });
    assert_eq!(take_one(&store, all).await, Taken::Upto(4));
    assert_eq!(take_one(&store, later).await, Taken::Upto(5));
}
