use std::path::Path;

use hearth_protocol::id::{ChangeHash, ResidentId};
use hearth_protocol::scope::{Scope, Section, Subject};
use proptest::prelude::*;
use rusqlite::params;
use uuid::Uuid;

use super::*;
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;
use crate::records::{documents, row};
use crate::store::{Store, Tx};

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A change of a document comes.
    Move(u128, Section, u8),
    /// A change of a document is not at the hub after all.
    TakeBack(u128, Section, u8),
    /// A record is granted, frozen, or about to be forgotten.
    Right(u128, &'static str),
    /// A record is erased, its right with it or not.
    Erase(u128, bool),
    /// The node hears the hub's digest, of these documents or of others.
    Compare(bool),
}

/// What becomes of a transaction.
#[derive(Clone, Copy, Debug)]
enum End {
    Kept,
    Undone,
    /// The node is started again after it.
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let (resident, section) = (1..4_u128, prop::sample::select(vec![Section::Safety, Section::Plan]));
    let state = prop::sample::select(vec!["granted", "frozen", "forgetting"]);
    let change = (resident.clone(), section, 0..4_u8);
    prop_oneof![
        6 => change.clone().prop_map(|(who, what, hash)| Step::Move(who, what, hash)),
        2 => change.prop_map(|(who, what, hash)| Step::TakeBack(who, what, hash)),
        2 => (resident.clone(), state).prop_map(|(who, state)| Step::Right(who, state)),
        1 => (resident, any::<bool>()).prop_map(|(who, right)| Step::Erase(who, right)),
        2 => any::<bool>().prop_map(Step::Compare),
    ]
}

fn transaction() -> impl Strategy<Value = (Vec<Step>, End)> {
    let end = prop_oneof![6 => Just(End::Kept), 2 => Just(End::Undone), 1 => Just(End::Restart)];
    (prop::collection::vec(step(), 1..6), end)
}

fn document(who: u128, section: Section) -> Scope {
    Scope::try_new(Subject::Resident(ResidentId(Uuid::from_u128(who))), section, None).unwrap()
}

fn act(tx: &Tx<'_>, step: Step) -> Result<(), StoreError> {
    match step {
        Step::Move(who, section, hash) => {
            let mut row = documents::find_or_make(tx, document(who, section))?;
            row.digest = row.digest.plus(Digest::of(row.scope, ChangeHash([hash; 32])));
            documents::save(tx, &row)
        }
        Step::TakeBack(who, section, hash) => {
            let Some(mut row) = documents::find(tx, document(who, section))? else { return Ok(()) };
            row.digest = row.digest.minus(Digest::of(row.scope, ChangeHash([hash; 32])));
            documents::save(tx, &row)
        }
        Step::Right(who, state) => {
            let sql = "INSERT INTO resident (id, state, since) VALUES (?1, ?2, 0)
                       ON CONFLICT (id) DO UPDATE SET state = ?2";
            tx.execute(sql, params![Uuid::from_u128(who).as_bytes(), state])?;
            Ok(())
        }
        Step::Erase(who, right) => {
            let subject = row::subject_key(Subject::Resident(ResidentId(Uuid::from_u128(who))));
            tx.execute("DELETE FROM scope WHERE subject = ?1", [subject])?;
            if right {
                tx.execute("DELETE FROM resident WHERE id = ?1", [Uuid::from_u128(who).as_bytes()])?;
            }
            Ok(())
        }
        Step::Compare(is_other) => {
            let mut told = counted(tx)?.digest;
            if is_other {
                told = told.plus(Digest::of(document(9, Section::Plan), ChangeHash([1; 32])));
            }
            assert_eq!(agrees(tx, told)?, !is_other);
            Ok(())
        }
    }
}

fn open(directory: &Path) -> Store {
    Store::open_unencrypted(&directory.join("node.db"), &Clock::from_source(ManualTime::at(NOON))).unwrap()
}

/// What is kept, as it is stored, and what is held.
async fn both(store: &Store) -> (Option<Sum>, Sum) {
    store.read(|connection| Ok::<_, StoreError>((stored(connection)?, counted(connection)?))).await.unwrap()
}

async fn run(transactions: Vec<(Vec<Step>, End)>) {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path());
    for (steps, end) in transactions {
        let told = format!("{steps:?}, {end:?}");
        let done = store.write(move |tx| {
            steps.into_iter().try_for_each(|step| act(tx, step))?;
            if matches!(end, End::Undone) { Err(StoreError::Closed) } else { Ok(()) }
        });
        assert_eq!(done.await.is_ok(), !matches!(end, End::Undone));
        if matches!(end, End::Restart) {
            drop(store);
            store = open(directory.path());
        }
        let (kept, held) = both(&store).await;
        assert_eq!(kept.unwrap_or_default(), held, "{told}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn the_sum_that_is_kept_is_that_of_all_documents_whatever_was_done_or_undone(
        transactions in prop::collection::vec(transaction(), 1..16),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(run(transactions));
    }
}

#[tokio::test]
async fn a_sum_or_a_digest_that_was_damaged_is_found_when_all_is_counted_and_put_right() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write(|tx| act(tx, Step::Move(1, Section::Plan, 1))).await.unwrap();
    let damage = [
        "UPDATE meta SET value = zeroblob(48) WHERE key = 'summed'",
        // Below the triggers, as by another program.
        "UPDATE scope SET digest = zeroblob(40)",
    ];
    for sql in damage {
        let other = Connection::open(directory.path().join("node.db")).unwrap();
        other.execute(sql, []).unwrap();
        drop(other);
        let (kept, held) = both(&store).await;
        assert_ne!(kept, Some(held));
        assert_eq!(store.write(|tx| recount(tx)).await, Ok(true));
        assert_eq!(both(&store).await.0, Some(held));
        assert_eq!(store.write(|tx| recount(tx)).await, Ok(false));
    }
}

#[tokio::test]
async fn a_sum_that_is_not_there_or_cannot_be_read_is_counted_and_kept_again() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    store.write(|tx| act(tx, Step::Move(1, Section::Plan, 1))).await.unwrap();
    for sql in ["DELETE FROM meta WHERE key = 'summed'", "UPDATE meta SET value = x'07' WHERE key = 'summed'"]
    {
        let damaged = store.write(move |tx| Ok::<_, StoreError>(tx.execute(sql, [])?));
        assert_eq!(damaged.await, Ok(1));
        let (none, held) = both(&store).await;
        assert_eq!((none, store.read(kept).await), (None, Ok(held)));
        store.write(|tx| act(tx, Step::Move(2, Section::Plan, 1))).await.unwrap();
        let (kept, held) = both(&store).await;
        assert_eq!(kept, Some(held));
    }
}

#[tokio::test]
async fn strays_are_looked_for_again_once_a_document_has_come_or_a_right_has_gone() {
    let directory = tempfile::tempdir().unwrap();
    let store = open(directory.path());
    let steps: [(&[Step], bool); 5] = [
        (&[], true),
        (&[], false),
        (&[Step::Move(1, Section::Plan, 1), Step::Right(1, "granted")], true),
        (&[Step::Move(1, Section::Plan, 2), Step::Right(1, "frozen")], false),
        (&[Step::Erase(1, true)], true),
    ];
    for (steps, is_first) in steps {
        let looked = store.write(move |tx| {
            steps.iter().try_for_each(|step| act(tx, *step))?;
            is_first_look(tx)
        });
        assert_eq!(looked.await, Ok(is_first), "{steps:?}");
    }
}
