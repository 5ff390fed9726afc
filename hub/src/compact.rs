//! Documents saved whole, in the background, so that a new holder of a scope is not sent every change.
//!
//! The changes stay: they are what is checked, repaired and counted. A snapshot only saves time and bytes.

use std::time::Duration;

use hearth_protocol::document::{self, Snapshot, StoredChange};
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, OptionalExtension};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::feed::stored_snapshot;
use crate::store::{Store, StoreError, columns};

/// How often the hub looks for scopes with a long tail.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Scopes that one look takes.
const SCOPES_PER_LOOK: u32 = 64;
/// After each document the compactor rests this many times as long as the document took: it never uses more than a
/// quarter of one core.
const REST_FACTOR: u32 = 3;
/// A document is packed once and sent often.
const ZSTD_LEVEL: i32 = 9;

/// A document ready to be stored.
struct Packed {
    upto: Sequence,
    snapshot: Snapshot,
    zstd: Vec<u8>,
}

/// Compacts for as long as it is not cancelled.
pub async fn run(store: Store, clock: Clock, cancelled: CancellationToken) {
    loop {
        tokio::select! {
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let scopes = match store.read(with_long_tail).await {
            Ok(scopes) => scopes,
            Err(error) => {
                tracing::warn!(%error, "scopes with a long tail could not be listed");
                continue;
            }
        };
        for scope in scopes {
            let start = clock.monotonic();
            if let Err(error) = compact(&store, scope).await {
                tracing::error!(?scope, %error, "a document could not be saved whole");
            }
            let rest = clock.monotonic().saturating_sub(start) * REST_FACTOR;
            tokio::select! {
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

/// Saves a scope's document whole, up to its newest change, after proving that it reads back.
pub async fn compact(store: &Store, scope: Scope) -> Result<(), StoreError> {
    let packed = store.read(move |connection| build(connection, scope)).await?;
    let Some(packed) = packed else { return Ok(()) };
    let stored = store.write(move |transaction| {
        let sql = "INSERT INTO snapshot (scope, upto_seq, changes, heads, blake3, length, zstd)
                   VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (scope) DO UPDATE SET
                   upto_seq = excluded.upto_seq, changes = excluded.changes, heads = excluded.heads,
                   blake3 = excluded.blake3, length = excluded.length, zstd = excluded.zstd
                   WHERE excluded.upto_seq > upto_seq";
        let (snapshot, key) = (packed.snapshot, scope.to_key());
        let heads = columns::hashes_to_bytes(&snapshot.heads);
        let length = snapshot.bytes.len();
        let row = (key, packed.upto.0, snapshot.changes, heads, snapshot.blake3, length, packed.zstd);
        transaction.execute(sql, row)?;
        let sql = "UPDATE scope SET snapshot_seq = max(snapshot_seq, ?2) WHERE key = ?1";
        transaction.execute(sql, (key, packed.upto.0))?;
        Ok(())
    });
    stored.await
}

fn with_long_tail(connection: &Connection) -> Result<Vec<Scope>, StoreError> {
    let sql = "SELECT key FROM scope WHERE head_seq - snapshot_seq > 64 LIMIT ?1";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([SCOPES_PER_LOOK], |row| columns::scope(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Builds the document from the last snapshot and the changes after it, each checked again.
fn build(connection: &Connection, scope: Scope) -> Result<Option<Packed>, StoreError> {
    let sql = "SELECT upto_seq FROM snapshot WHERE scope = ?1";
    let before: Option<u64> = connection.query_row(sql, [scope.to_key()], |row| row.get(0)).optional()?;
    let base = before.map(|_| stored_snapshot(connection, scope)).transpose()?;
    let sql = "SELECT hash, bytes FROM change WHERE scope = ?1 AND seq > ?2 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), before.unwrap_or(0)), |row| {
        Ok(StoredChange { hash: columns::hash(row, 0)?, bytes: row.get(1)? })
    })?;
    let tail: Vec<StoredChange> = rows.collect::<Result<_, _>>()?;
    if tail.is_empty() {
        return Ok(None);
    }
    let upto = before.unwrap_or(0) + u64::try_from(tail.len()).unwrap_or(u64::MAX);
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let document = document::rebuild(scope.section(), base.as_ref(), &tail).map_err(fault)?;
    let snapshot = document::save(&document).map_err(fault)?;
    // Every place in the order is one change: more or fewer means that something was lost or doubled.
    if snapshot.changes != upto || snapshot.bytes.len() > limits::SNAPSHOT_BYTES_MAX {
        return Err(StoreError::logic(format!("document of {} changes at place {upto}", snapshot.changes)));
    }
    let zstd = zstd::bulk::compress(&snapshot.bytes, ZSTD_LEVEL);
    let zstd = zstd.map_err(|_| StoreError::logic("a document could not be packed"))?;
    Ok(Some(Packed { upto: Sequence(upto), snapshot, zstd }))
}

fn fault(fault: document::SnapshotFault) -> StoreError {
    StoreError::logic(fault.to_string())
}

#[cfg(test)]
mod tests;
