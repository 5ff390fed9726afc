//! The digest over all documents, brought up to date by those that moved (see `store::moved`).

use hearth_protocol::sync::digest::Digest;
use rusqlite::{Connection, OptionalExtension as _};

use super::{repair, row};
use crate::store::{StoreError, Tx};

/// Whether the documents were summed, and none has come or gone and no right has changed since.
pub(super) fn is_known(tx: &Tx<'_>) -> Result<bool, StoreError> {
    Ok(tx.prepare_cached("SELECT 1 FROM temp.summed")?.exists([])?)
}

/// Whether the digest over all documents is this one.
///
/// A sum that was brought up to date is believed where it agrees; where it does not, all documents are summed anew.
pub(super) fn agrees(tx: &Tx<'_>, digest: Digest) -> Result<bool, StoreError> {
    if up_to_date(tx)? == Some(digest) {
        return Ok(true);
    }
    let (_, sum) = repair::sum(tx)?;
    tx.prepare_cached("DELETE FROM temp.moved")?.execute([])?;
    keep(tx, sum)?;
    Ok(sum == digest)
}

/// The last sum with what has moved since; none where it does not hold any more.
fn up_to_date(tx: &Tx<'_>) -> Result<Option<Digest>, StoreError> {
    let mut select = tx.prepare_cached("SELECT digest FROM temp.summed")?;
    let found: Option<Vec<u8>> = select.query_row([], |row| row.get(0)).optional()?;
    let Some(bytes) = found else { return Ok(None) };
    let mut sum = parsed(&bytes)?;
    let moved = moved(tx)?;
    if !moved.is_empty() {
        sum = moved.into_iter().fold(sum, |sum, (before, now)| sum.minus(before).plus(now));
        tx.prepare_cached("DELETE FROM temp.moved")?.execute([])?;
        keep(tx, sum)?;
    }
    Ok(Some(sum))
}

/// The digests that were summed of documents that moved, and their present ones.
fn moved(connection: &Connection) -> Result<Vec<(Digest, Digest)>, StoreError> {
    let sql = "SELECT moved.digest, scope.digest FROM temp.moved JOIN scope ON scope.id = moved.scope
               WHERE NOT EXISTS (
                 SELECT 1 FROM resident WHERE resident.id = substr(scope.subject, 2) AND state <> 'granted')";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query([])?;
    let mut moved = Vec::new();
    while let Some(found) = rows.next()? {
        moved.push((parsed(&found.get::<_, Vec<u8>>(0)?)?, parsed(&found.get::<_, Vec<u8>>(1)?)?));
    }
    Ok(moved)
}

fn keep(tx: &Tx<'_>, sum: Digest) -> Result<(), StoreError> {
    let sql = "INSERT INTO temp.summed (one, digest) VALUES (1, ?1)
               ON CONFLICT (one) DO UPDATE SET digest = excluded.digest";
    tx.prepare_cached(sql)?.execute([sum.to_bytes()])?;
    Ok(())
}

fn parsed(bytes: &[u8]) -> Result<Digest, StoreError> {
    Digest::from_bytes(bytes).ok_or_else(|| row::corrupt("digest"))
}

#[cfg(test)]
mod tests {
    use hearth_protocol::id::{ChangeHash, ResidentId};
    use hearth_protocol::scope::{Scope, Section, Subject};
    use proptest::prelude::*;
    use rusqlite::params;
    use uuid::Uuid;

    use super::*;
    use crate::records::documents;
    use crate::records::sample::Sample;

    #[derive(Clone, Copy, Debug)]
    enum Step {
        /// A change of a document comes.
        Move(u128, Section, u8),
        /// A record is granted, frozen, or about to be forgotten.
        Right(u128, &'static str),
        /// A record is erased, its right with it or not.
        Erase(u128, bool),
        /// The documents are summed.
        Sum,
    }

    fn step() -> impl Strategy<Value = Step> {
        let (resident, section) = (1..4_u128, prop::sample::select(vec![Section::Safety, Section::Plan]));
        let state = prop::sample::select(vec!["granted", "frozen", "forgetting"]);
        prop_oneof![
            6 => (resident.clone(), section, any::<u8>()).prop_map(|(who, what, hash)| Step::Move(who, what, hash)),
            2 => (resident.clone(), state).prop_map(|(who, state)| Step::Right(who, state)),
            1 => (resident, any::<bool>()).prop_map(|(who, right)| Step::Erase(who, right)),
            4 => Just(Step::Sum),
        ]
    }

    fn act(tx: &Tx<'_>, step: Step) -> Result<(), StoreError> {
        let id = |who| ResidentId(Uuid::from_u128(who));
        match step {
            Step::Move(who, section, hash) => {
                let scope = Scope::try_new(Subject::Resident(id(who)), section, None).unwrap();
                let mut row = documents::find_or_make(tx, scope)?;
                row.digest = row.digest.plus(Digest::of(scope, ChangeHash([hash; 32])));
                documents::save(tx, &row)
            }
            Step::Right(who, state) => {
                let sql = "INSERT INTO resident (id, state, since) VALUES (?1, ?2, 0)
                           ON CONFLICT (id) DO UPDATE SET state = ?2";
                tx.execute(sql, params![id(who).0.as_bytes(), state])?;
                Ok(())
            }
            Step::Erase(who, right) => {
                let subject = row::subject_key(Subject::Resident(id(who)));
                tx.execute("DELETE FROM scope WHERE subject = ?1", [subject])?;
                if right {
                    tx.execute("DELETE FROM resident WHERE id = ?1", [id(who).0.as_bytes()])?;
                }
                Ok(())
            }
            Step::Sum => {
                let (_, sum) = repair::sum(tx)?;
                assert!(agrees(tx, sum)? && is_known(tx)?);
                let scope = Scope::try_new(Subject::Resident(id(9)), Section::Plan, None).unwrap();
                assert!(!agrees(tx, sum.plus(Digest::of(scope, ChangeHash([1; 32]))))?);
                Ok(())
            }
        }
    }

    async fn run(steps: Vec<(Step, bool)>) {
        let sample = Sample::new().await;
        let store = sample.records.store();
        for (step, is_kept) in steps {
            let done = store.write(move |tx| {
                act(tx, step)?;
                if is_kept { Ok(()) } else { Err(StoreError::Closed) }
            });
            assert_eq!(done.await.is_ok(), is_kept);
            let compared = store.write(|tx| Ok::<_, StoreError>((up_to_date(tx)?, repair::sum(tx)?.1)));
            let (known, sum) = compared.await.unwrap();
            assert!(known.is_none_or(|known| known == sum), "{step:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn a_sum_that_is_known_is_that_of_all_documents_whatever_was_done_or_undone(
            steps in prop::collection::vec((step(), prop::bool::weighted(0.8)), 1..30),
        ) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(run(steps));
        }
    }
}
