//! Documents with a long tail are saved whole, and closed months are kept as one snapshot.
//!
//! **Invariant:** a snapshot holds what the hub has, in the hub's order and without a gap, so its bytes are those of the
//! hub's own snapshot up to the same place. What the hub has not got stays raw.

use hearth_protocol::document::{self, Compacted, StoredChange};
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, params};

use crate::records::documents::{self, ScopeRow};
use crate::records::{Records, row};
use crate::store::StoreError;

/// A tail of more changes than this is worth saving.
const TAIL_MAX: i64 = 256;
/// How long an action that a tablet sends twice is remembered, in milliseconds: tablets send what waits within days.
const ACTIONS_KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// A document ready to be kept.
struct Saved {
    scope: Scope,
    /// Up to which place the snapshot reached from which this one was made; 0 for none.
    before: u64,
    upto: u64,
    /// Rows of the changes that it replaces.
    tail: Vec<i64>,
    compacted: Compacted,
}

impl Records {
    /// Saves every document whose tail at the hub has grown, and every closed month with any; each in a transaction of
    /// its own. Answers how many were saved.
    pub async fn compact(&self) -> Result<usize, StoreError> {
        let now = self.clock().now();
        self.store().write(move |tx| forget_actions(tx, now)).await?;
        let keys = self.store().read(move |connection| grown(connection, now)).await?;
        let mut count = 0;
        for key in keys {
            // Loading and proving is done beside the writer: nobody who saves a dose waits for it.
            let saved = self.store().read(move |connection| save(connection, &key)).await?;
            if let Some(saved) = saved {
                count += usize::from(self.store().write(move |tx| keep(tx, &saved)).await?);
            }
        }
        Ok(count)
    }
}

fn forget_actions(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let sql = "DELETE FROM idempotency WHERE at < ?1";
    connection.prepare_cached(sql)?.execute([now.plus_ms(-ACTIONS_KEPT_MS).0])?;
    Ok(())
}

fn grown(connection: &Connection, now: Timestamp) -> Result<Vec<Vec<u8>>, StoreError> {
    let sql = "SELECT scope.key FROM change JOIN scope ON scope.id = change.scope
               WHERE change.sequence IS NOT NULL GROUP BY change.scope
               HAVING count(*) > ?1 OR scope.month < ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let open_from = Month::open_from(now).to_string();
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> =
        statement.query_map(params![TAIL_MAX, open_from], |row| row.get(0))?.collect();
    Ok(keys?)
}

/// Saves what the hub has of a document, after its last snapshot and without a gap, and proves it; none where there is
/// nothing to be saved.
fn save(connection: &Connection, key: &[u8]) -> Result<Option<Saved>, StoreError> {
    let scope = row::scope(key)?;
    let Some(row) = documents::find(connection, scope)? else { return Ok(None) };
    if documents::evicted(connection, row.id)?.is_some() {
        return Ok(None);
    }
    let (base, before) = documents::snapshot(connection, row.id)?.unzip();
    let before = before.unwrap_or(0);
    let mut tail = documents::tail(connection, row.id)?;
    let places = before + 1..;
    let without_gap = tail.iter().zip(places).take_while(|(change, place)| change.sequence == Some(*place));
    let rest = tail.split_off(without_gap.count());
    if tail.is_empty() {
        return Ok(None);
    }
    let upto = before + tail.len() as u64;
    let (rows, tail): (Vec<i64>, Vec<StoredChange>) =
        tail.into_iter().map(|change| (change.id, change.stored)).unzip();
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let compacted = document::compact(scope.section(), base.as_ref(), &tail)
        .map_err(|fault| StoreError::Corrupt(format!("{scope}: {fault}")))?;
    check_nothing_lost(&row, &compacted, &rest, upto)?;
    Ok(Some(Saved { scope, before, upto, tail: rows, compacted }))
}

/// Every place of the order is one change, and all that is known to be at the hub is in the snapshot or behind it.
fn check_nothing_lost(
    row: &ScopeRow,
    compacted: &Compacted,
    rest: &[documents::TailChange],
    upto: u64,
) -> Result<(), StoreError> {
    let at_hub = rest.iter().filter(|change| change.sequence.is_some()).map(|change| &change.stored.hash);
    let digests = compacted.hashes.iter().chain(at_hub).map(|hash| Digest::of(row.scope, *hash));
    let digest = digests.fold(Digest::default(), Digest::plus);
    if compacted.snapshot.changes != upto || digest != row.digest {
        return Err(StoreError::Corrupt(format!("{}: other changes than those noted", row.scope)));
    }
    Ok(())
}

/// Puts the snapshot in the place of what it was made from, in one transaction. False when that has changed meanwhile.
fn keep(tx: &Connection, saved: &Saved) -> Result<bool, StoreError> {
    let Some(row) = documents::find(tx, saved.scope)? else { return Ok(false) };
    if documents::base_sequence(tx, row.id)? != saved.before {
        return Ok(false);
    }
    documents::save_snapshot(tx, row.id, &saved.compacted.snapshot, saved.upto)?;
    let mut delete = tx.prepare_cached("DELETE FROM change WHERE id = ?1 AND sequence IS NOT NULL")?;
    for id in &saved.tail {
        if delete.execute([id])? != 1 {
            return Err(StoreError::Corrupt(format!("{}: the tail is not what was saved", saved.scope)));
        }
    }
    Ok(true)
}
