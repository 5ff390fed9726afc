//! Documents saved whole, in the background: a new holder of a scope is not sent every change, and the bytes of the
//! changes go.
//!
//! **Invariant:** the bytes of a change go only in the transaction that keeps the snapshot from which they come out again,
//! byte for byte. Its place, hash and author stay.

mod let_go;

use std::collections::BTreeSet;
use std::time::Duration;

use hearth_protocol::document::{self, Snapshot, StoredChange};
use hearth_protocol::id::ChangeHash;
use hearth_protocol::scope::{Month, Scope};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, OptionalExtension, Transaction};
use tokio_util::sync::CancellationToken;

use crate::clock::Clock;
use crate::feed::stored_snapshot;
use crate::store::{Store, StoreError, columns};

/// How often the hub looks for scopes that are to be saved.
const LOOK_EVERY: Duration = Duration::from_secs(30);
/// Scopes that one look takes.
const SCOPES_PER_LOOK: usize = 64;
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
    // A document that cannot be saved is told once a run and does not stand in the way of the others.
    let mut failed = BTreeSet::new();
    loop {
        tokio::select! {
            biased;
            () = cancelled.cancelled() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        let now = clock.now();
        let scopes = match store.read(move |connection| due(connection, now)).await {
            Ok(scopes) => scopes,
            Err(error) => {
                tracing::warn!(%error, "scopes that are to be saved could not be listed");
                continue;
            }
        };
        let fresh: Vec<Scope> = scopes.into_iter().filter(|scope| !failed.contains(scope)).collect();
        for scope in fresh.into_iter().take(SCOPES_PER_LOOK) {
            let start = clock.monotonic();
            if let Err(error) = compact(&store, scope).await {
                tracing::error!(?scope, %error, "a document could not be saved whole");
                failed.insert(scope);
            }
            let rest = clock.monotonic().saturating_sub(start) * REST_FACTOR;
            tokio::select! {
                biased;
                () = cancelled.cancelled() => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }
}

/// Saves a scope's document whole, up to its newest change, after proving that it reads back, and lets go of the bytes
/// of changes that nobody is sent any more.
pub async fn compact(store: &Store, scope: Scope) -> Result<(), StoreError> {
    let packed = store.read(move |connection| build(connection, scope)).await?;
    let Some(packed) = packed else { return Ok(()) };
    store.write(move |transaction| keep(transaction, scope, &packed)).await
}

/// Scopes with a long tail, and closed months with any.
pub fn due(connection: &Connection, now: Timestamp) -> Result<Vec<Scope>, StoreError> {
    let sql = "SELECT key FROM scope WHERE head_seq - snapshot_seq > 64
               UNION SELECT key FROM scope WHERE head_seq > snapshot_seq AND substr(key, 19) > x'0000'
               AND substr(key, 19) < ?1";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([Month::open_from(now).to_key()], |row| columns::scope(row, 0))?;
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
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let compacted = document::compact(scope.section(), base.as_ref(), &tail).map_err(fault)?;
    let (snapshot, upto) = (compacted.snapshot, before.unwrap_or(0) + places(tail.len()));
    // Every place in the order is one change: more, fewer or another means that something was lost or doubled.
    if compacted.hashes != hashes(connection, scope)? || snapshot.bytes.len() > limits::SNAPSHOT_BYTES_MAX {
        return Err(StoreError::logic(format!("document of {} changes at place {upto}", snapshot.changes)));
    }
    let zstd = zstd::bulk::compress(&snapshot.bytes, ZSTD_LEVEL);
    let zstd = zstd.map_err(|_| StoreError::logic("a document could not be packed"))?;
    let unpacked = zstd::bulk::decompress(&zstd, limits::SNAPSHOT_BYTES_MAX).ok();
    if unpacked.as_ref() != Some(&snapshot.bytes) {
        return Err(StoreError::logic("a document does not come out of its packing"));
    }
    Ok(Some(Packed { upto: Sequence(upto), snapshot, zstd }))
}

/// The hashes of a scope's changes in the hub's order, the first at place 1, whether or not their bytes are still raw.
pub fn hashes(connection: &Connection, scope: Scope) -> Result<Vec<ChangeHash>, StoreError> {
    let mut select = connection.prepare_cached("SELECT hash FROM change WHERE scope = ?1 ORDER BY seq")?;
    let rows = select.query_map([scope.to_key()], |row| columns::hash(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn keep(transaction: &Transaction<'_>, scope: Scope, packed: &Packed) -> Result<(), StoreError> {
    let sql = "INSERT INTO snapshot (scope, upto_seq, changes, heads, blake3, length, zstd)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (scope) DO UPDATE SET
               upto_seq = excluded.upto_seq, changes = excluded.changes, heads = excluded.heads,
               blake3 = excluded.blake3, length = excluded.length, zstd = excluded.zstd
               WHERE excluded.upto_seq > upto_seq";
    let (snapshot, key) = (&packed.snapshot, scope.to_key());
    let heads = columns::hashes_to_bytes(&snapshot.heads);
    let row =
        (key, packed.upto.0, snapshot.changes, heads, snapshot.blake3, snapshot.bytes.len(), &packed.zstd);
    if transaction.execute(sql, row)? == 0 {
        // A newer one is there already.
        return Ok(());
    }
    let sql = "UPDATE scope SET snapshot_seq = max(snapshot_seq, ?2) WHERE key = ?1";
    transaction.execute(sql, (key, packed.upto.0))?;
    let_go::let_go(transaction, scope, packed.upto, places(packed.zstd.len()))
}

fn places(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn fault(fault: document::SnapshotFault) -> StoreError {
    StoreError::logic(fault.to_string())
}

#[cfg(test)]
mod tests;
