//! What a node believes of what the hub sends, and what becomes of the rest.

use hearth_protocol::document;
use hearth_protocol::head::SignerKey;
use hearth_protocol::scope::Section;
use hearth_protocol::sync::node::{Intake, IntakeItem};
use hearth_protocol::wire::message::{FeedNumber, Sequence, SnapshotPart};

use super::exchange_tests::{Order, write};
use super::sample::{Sample, dump, signing_key};
use super::*;

async fn unvouched(sample: &Sample) -> Vec<String> {
    let read = sample.records.store().read(|connection| {
        let mut select = connection.prepare("SELECT code FROM unvouched ORDER BY sequence, code")?;
        let codes: Result<Vec<String>, rusqlite::Error> = select.query_map([], |row| row.get(0))?.collect();
        Ok::<_, StoreError>(codes?)
    });
    read.await.unwrap()
}

/// What a hub that was tampered with would send: the same with a change of installation 7 put in behind, and one that a
/// hub's import built upon it.
async fn tampered(order: &Order) -> Order {
    let thief = Sample::of_install(7).await;
    let mut forged = Order::default();
    write(&thief, 1, 1, "a").await;
    write(&thief, 1, 2, "put in").await;
    forged.pull(&thief.records).await;
    let mut tampered = Order(order.0.clone(), order.1.clone());
    for (scope, changes) in &mut tampered.0 {
        changes.push(forged.0[scope].last().unwrap().clone());
    }
    tampered
}

#[tokio::test]
async fn a_change_that_its_writer_did_not_sign_is_kept_aside_counted_audited_and_shown_nowhere() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    let tampered = tampered(&order).await;
    let audited = dump(&b.records, "audit").await.len();
    assert_eq!(b.records.take_in(tampered.intake()).await, Ok(Some(true)), "both hold the same all the same");
    assert_eq!(unvouched(&b).await, ["unsigned"]);
    assert_eq!(b.records.link().borrow().unvouched, 1);
    assert_eq!(dump(&b.records, "entry").await.len(), 1);
    assert_eq!(dump(&b.records, "audit").await.len(), audited + 1);
    b.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&b.records, "entry").await.len(), 1);

    write(&b, 2, 3, "b goes on").await;
    b.records.take_in(tampered.intake()).await.unwrap();
    assert_eq!((unvouched(&b).await.len(), dump(&b.records, "audit").await.len()), (1, audited + 2));

    write(&a, 1, 2, "what it wrote itself").await;
    order.pull(&a.records).await;
    order.pull(&b.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    assert_eq!(dump(&b.records, "entry").await.len(), 3, "the forged one does not stand in its way");
}

#[tokio::test]
async fn a_head_that_comes_late_lets_in_what_was_held_back() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    write(&a, 1, 2, "b").await;
    order.pull(&a.records).await;
    let heads = std::mem::take(&mut order.1);
    assert_eq!(b.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!(unvouched(&b).await, ["unsigned", "unsigned"]);
    order.1 = heads;
    assert_eq!(b.records.take_in(order.intake()).await, Ok(Some(true)));
    assert!(unvouched(&b).await.is_empty());
    assert_eq!(dump(&b.records, "entry").await.len(), 2);
    assert_eq!(b.records.link().borrow().unvouched, 0);
}

#[tokio::test]
async fn a_run_that_was_not_noted_is_found_in_the_document_when_its_changes_come_again_with_more() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    b.records.take_in(order.intake()).await.unwrap();
    b.records.store().write(|tx| Ok::<_, StoreError>(tx.execute("DELETE FROM run", [])?)).await.unwrap();
    write(&a, 1, 2, "b").await;
    write(&a, 1, 3, "c").await;
    order.pull(&a.records).await;
    assert_eq!(b.records.take_in(order.intake()).await, Ok(Some(true)));
    assert!(unvouched(&b).await.is_empty());
    assert_eq!(dump(&b.records, "entry").await.len(), 3);
}

#[tokio::test]
async fn a_document_with_a_change_put_in_is_taken_without_it() {
    let (a, b) = (Sample::of_install(7).await, Sample::of_install(8).await);
    let mut order = Order::default();
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    let tampered = tampered(&order).await;
    let (scope, changes) = tampered.0.iter().next().unwrap();
    let snapshot = document::save(&document::rebuild(Section::Notes, None, changes).unwrap()).unwrap();
    let part = SnapshotPart {
        item: 1,
        scope: *scope,
        sequence: Sequence(changes.len() as u64),
        heads: snapshot.heads.clone(),
        changes: snapshot.changes,
        blake3: snapshot.blake3,
        length: snapshot.bytes.len() as u64,
        offset: 0,
        bytes: snapshot.bytes,
        vouchers: tampered.vouchers(*scope),
        signers: Vec::new(),
    };
    let (cursor, digest) = (Some(FeedNumber(9)), Some(tampered.digest()));
    let intake = Intake { items: vec![IntakeItem::Snapshot(part)], cursor, digest, ..Intake::default() };
    assert_eq!(b.records.take_in(intake).await, Ok(Some(true)));
    assert_eq!(
        (unvouched(&b).await, dump(&b.records, "entry").await.len()),
        (vec!["unsigned".to_owned()], 1)
    );
    b.records.rebuild_read_model().await.unwrap();
    write(&b, 2, 1, "b").await;
    b.records.rebuild_read_model().await.unwrap();
    assert_eq!(dump(&b.records, "entry").await.len(), 2);
}

#[tokio::test]
async fn what_was_kept_aside_for_what_an_earlier_installation_wrote_comes_again_after_the_next_has_written_that_anew()
 {
    let (disk, copy) = (Sample::of_install(8).await, Sample::of_install(8).await);
    let mut order = Order::default();
    assert_eq!(copy.records.take_over().await, Ok(0));
    write(&disk, 2, 1, "after the disk was copied").await;
    order.pull(&disk.records).await;
    write(&copy, 2, 1, "under the same number, once the copy was put back").await;
    copy.records.take_in(order.intake()).await.unwrap();
    assert_eq!(unvouched(&copy).await, ["number-used-twice"]);
    let anew = copy.enrolled_anew(9);
    assert_eq!(anew.records.take_over().await, Ok(1));
    let (scope, changes) = order.0.iter().next().unwrap();
    let held = anew.records.hashes(vec![*scope]).await.unwrap().scopes;
    assert!(!held[0].hashes.contains(&changes.last().unwrap().hash), "the hub is to send it again");
    order.pull(&anew.records).await;
    assert_eq!(anew.records.take_in(order.intake()).await, Ok(Some(true)));
    assert_eq!((unvouched(&anew).await.len(), dump(&anew.records, "entry").await.len()), (0, 2));
    anew.records.rebuild_read_model().await.unwrap();
}

#[tokio::test]
async fn the_first_key_of_an_installation_stays() {
    let sample = Sample::new().await;
    let key = signing_key(InstallId(99)).verifying_key();
    let other = SignerKey { install: InstallId(8), site: None, key };
    let audited = dump(&sample.records, "audit").await.len();
    sample.records.keep_signers(vec![other]).await.unwrap();
    assert_eq!(dump(&sample.records, "audit").await.len(), audited + 1);
    let (a, mut order) = (Sample::of_install(8).await, Order::default());
    write(&a, 1, 1, "a").await;
    order.pull(&a.records).await;
    sample.records.take_in(order.intake()).await.unwrap();
    assert!(unvouched(&sample).await.is_empty());
}
