//! Entries as the hub holds them, read from the stored changes of a scope.

use hearth_protocol::document::{self, Snapshot, StoredChange};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Entry;
use hearth_protocol::record::thread::threads;
use hearth_protocol::scope::Scope;
use rusqlite::{Connection, OptionalExtension};

use crate::feed::stored_snapshot;
use crate::store::{StoreError, columns};

/// Every entry of a scope; none for a scope to which nothing was written.
pub fn entries(connection: &Connection, scope: Scope) -> Result<Vec<Entry>, StoreError> {
    let (upto, mut found) = match snapshot(connection, scope)? {
        None => (0, Vec::new()),
        Some((upto, snapshot)) => {
            let loaded = document::load(&snapshot).map_err(|_| StoreError::Corrupt)?;
            (upto, document::entries(&loaded).0)
        }
    };
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

/// The changes of a scope in the hub's order, byte for byte as they came: those whose raw bytes have gone are taken out
/// of the snapshot.
pub fn changes(connection: &Connection, scope: Scope) -> Result<Vec<StoredChange>, StoreError> {
    let (upto, mut found) = match snapshot(connection, scope)? {
        None => (0, Vec::new()),
        Some((upto, snapshot)) => {
            let loaded = document::load(&snapshot);
            let changes = loaded.and_then(|document| document::read_back(scope.section(), &document));
            (upto, changes.map_err(|_| StoreError::Corrupt)?)
        }
    };
    let sql = "SELECT hash, bytes FROM change WHERE scope = ?1 AND seq > ?2 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), upto), |row| {
        Ok(StoredChange { hash: columns::hash(row, 0)?, bytes: row.get(1)? })
    })?;
    for row in rows {
        found.push(row?);
    }
    Ok(found)
}

/// The stored snapshot, and up to which change it goes.
fn snapshot(connection: &Connection, scope: Scope) -> Result<Option<(u64, Snapshot)>, StoreError> {
    let sql = "SELECT upto_seq FROM snapshot WHERE scope = ?1";
    let upto = connection.prepare_cached(sql)?.query_row([scope.to_key()], |row| row.get(0)).optional()?;
    let Some(upto) = upto else { return Ok(None) };
    metrics::counter!("hearth_documents_opened_total").increment(1);
    Ok(Some((upto, stored_snapshot(connection, scope)?)))
}
