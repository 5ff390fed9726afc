//! Entries as the hub holds them, read from the stored changes of a scope.

use hearth_protocol::document::{self, Snapshot};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Entry;
use hearth_protocol::record::thread::threads;
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::limits;
use rusqlite::{Connection, OptionalExtension};

use crate::store::{StoreError, columns};

/// Every entry of a scope; none for a scope to which nothing was written.
pub fn entries(connection: &Connection, scope: Scope) -> Result<Vec<Entry>, StoreError> {
    let (upto, mut found) = from_snapshot(connection, scope)?;
    let sql = "SELECT hash, bytes FROM change WHERE scope = ?1 AND seq > ?2 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query((scope.to_key(), upto))?;
    while let Some(row) = rows.next()? {
        let (hash, bytes): (_, Vec<u8>) = (columns::hash(row, 0)?, row.get(1)?);
        let change = document::check(scope.section(), hash, &bytes).map_err(|_| StoreError::Corrupt)?;
        found.extend(change.entries);
    }
    Ok(found)
}

/// How many entries a scope has.
pub fn count(connection: &Connection, scope: Scope) -> Result<usize, StoreError> {
    entries(connection, scope).map(|entries| entries.len())
}

/// The entries of a scope that nothing has replaced, newest of each thread first.
pub fn newest(connection: &Connection, scope: Scope) -> Result<Vec<Entry>, StoreError> {
    let all = entries(connection, scope)?;
    Ok(threads(&all).into_iter().flat_map(|thread| thread.newest).cloned().collect())
}

/// The entries of one thread of a scope that nothing has replaced.
pub fn newest_of_thread(
    connection: &Connection,
    scope: Scope,
    thread: EntryId,
) -> Result<Vec<EntryId>, StoreError> {
    let all = entries(connection, scope)?;
    let found = threads(&all).into_iter().find(|t| t.id == thread);
    Ok(found.map(|t| t.newest.iter().map(|entry| entry.id).collect()).unwrap_or_default())
}

/// The entries of the stored snapshot, and up to which change it goes.
fn from_snapshot(connection: &Connection, scope: Scope) -> Result<(u64, Vec<Entry>), StoreError> {
    let sql = "SELECT upto_seq, changes, heads, blake3, zstd FROM snapshot WHERE scope = ?1";
    let row = connection.prepare_cached(sql)?.query_row([scope.to_key()], |row| {
        let packed: Vec<u8> = row.get(4)?;
        let heads = columns::hashes(row, 2)?;
        Ok((row.get(0)?, Snapshot { bytes: packed, blake3: row.get(3)?, heads, changes: row.get(1)? }))
    });
    let Some((upto, mut snapshot)) = row.optional()? else {
        return Ok((0, Vec::new()));
    };
    snapshot.bytes = zstd::bulk::decompress(&snapshot.bytes, limits::SNAPSHOT_BYTES_MAX)
        .map_err(|_| StoreError::Corrupt)?;
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let loaded = document::load(&snapshot).map_err(|_| StoreError::Corrupt)?;
    Ok((upto, document::entries(&loaded).0))
}
