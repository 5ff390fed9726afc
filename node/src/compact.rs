//! Documents with a long tail are saved whole, so that loading them stays quick.

use hearth_protocol::document;
use hearth_protocol::time::Timestamp;
use rusqlite::Connection;

use crate::records::{Records, documents, row};
use crate::store::StoreError;

/// A tail of more changes than this is worth saving.
const TAIL_MAX: i64 = 256;
/// How long an action that a tablet sends twice is remembered, in milliseconds: tablets send what waits within days.
const ACTIONS_KEPT_MS: i64 = 30 * 24 * 3_600_000;

impl Records {
    /// Saves every document whose tail has grown and is wholly at the hub; each in a transaction of its own. Answers
    /// how many were saved.
    pub async fn compact(&self) -> Result<usize, StoreError> {
        let now = self.clock().now();
        let keys = self.store().write(move |tx| {
            forget_actions(tx, now)?;
            grown(tx)
        });
        let keys = keys.await?;
        let count = keys.len();
        for key in keys {
            self.store().write(move |tx| compact(tx, &key)).await?;
        }
        Ok(count)
    }
}

fn forget_actions(connection: &Connection, now: Timestamp) -> Result<(), StoreError> {
    let sql = "DELETE FROM idempotency WHERE at < ?1";
    connection.prepare_cached(sql)?.execute([now.plus_ms(-ACTIONS_KEPT_MS).0])?;
    Ok(())
}

fn grown(connection: &Connection) -> Result<Vec<Vec<u8>>, StoreError> {
    let sql = "SELECT scope.key FROM scope JOIN change ON change.scope = scope.id GROUP BY scope.id
               HAVING count(*) > ?1 AND count(change.sequence) = count(*)";
    let mut statement = connection.prepare_cached(sql)?;
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> =
        statement.query_map([TAIL_MAX], |row| row.get(0))?.collect();
    Ok(keys?)
}

/// Loads, saves, proves by loading again, and only then lets go of the tail.
fn compact(connection: &Connection, key: &[u8]) -> Result<(), StoreError> {
    let scope = row::scope(key)?;
    let Some(row) = documents::find(connection, scope)? else { return Ok(()) };
    let tail = documents::tail(connection, row.id)?;
    if tail.iter().any(|change| change.sequence.is_none()) {
        return Ok(());
    }
    let document = documents::load(connection, &row)?;
    let snapshot =
        document::save(&document).map_err(|fault| StoreError::Corrupt(format!("{scope}: {fault}")))?;
    if snapshot.heads != row.tip.heads || snapshot.changes != row.changes {
        return Err(StoreError::Corrupt(format!("{scope}: other changes than those noted")));
    }
    documents::save_snapshot(connection, row.id, &snapshot, row.sequence)?;
    connection.prepare_cached("DELETE FROM change WHERE scope = ?1")?.execute([row.id])?;
    Ok(())
}
