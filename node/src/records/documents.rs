//! The documents' rows: tips, changes, snapshots.

use hearth_protocol::document::{self, CheckedChange, Snapshot, StoredChange, Tip};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::sync::digest::Digest;
use hearth_protocol::wire::limits;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::row::{self, corrupt, count, int};
use crate::store::StoreError;

/// A document's row.
#[derive(Clone, Debug)]
pub(crate) struct ScopeRow {
    pub(crate) id: i64,
    pub(crate) scope: Scope,
    pub(crate) tip: Tip,
    pub(crate) changes: u64,
    pub(crate) sequence: u64,
    pub(crate) digest: Digest,
}

/// The row of a document that is held.
pub(crate) fn find(connection: &Connection, scope: Scope) -> Result<Option<ScopeRow>, StoreError> {
    let sql = "SELECT id, heads, max_op, own_changes, changes, sequence, digest FROM scope WHERE key = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([scope.to_key()], |row| {
        let heads: Vec<u8> = row.get(1)?;
        let digest: Vec<u8> = row.get(6)?;
        let numbers: (i64, i64, i64, i64) = (row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?);
        Ok((row.get(0)?, heads, numbers, digest))
    });
    let Some((id, heads, (max_op, own_changes, changes, sequence), digest)) = found.optional()? else {
        return Ok(None);
    };
    let tip = Tip { heads: row::heads(&heads)?, max_op: count(max_op), own_changes: count(own_changes) };
    let digest = Digest::from_bytes(&digest).ok_or_else(|| corrupt("digest"))?;
    Ok(Some(ScopeRow { id, scope, tip, changes: count(changes), sequence: count(sequence), digest }))
}

/// The row of a document, made without any change where there is none.
pub(crate) fn find_or_make(connection: &Connection, scope: Scope) -> Result<ScopeRow, StoreError> {
    if let Some(found) = find(connection, scope)? {
        return Ok(found);
    }
    let sql = "INSERT INTO scope (key, subject, section, month, heads, max_op, own_changes, digest)
               VALUES (?1, ?2, ?3, ?4, x'', 0, 0, ?5)";
    connection.prepare_cached(sql)?.execute(params![
        scope.to_key(),
        row::subject_key(scope.subject()),
        row::section_code(scope.section()),
        scope.month().map(|month| month.to_string()),
        Digest::default().to_bytes(),
    ])?;
    let id = connection.last_insert_rowid();
    let (tip, digest) = (Tip::default(), Digest::default());
    Ok(ScopeRow { id, scope, tip, changes: 0, sequence: 0, digest })
}

/// Writes what has changed in a document's row.
pub(crate) fn save(connection: &Connection, row: &ScopeRow) -> Result<(), StoreError> {
    let sql =
        "UPDATE scope SET heads = ?2, max_op = ?3, own_changes = ?4, changes = ?5, sequence = ?6, digest = ?7
               WHERE id = ?1";
    connection.prepare_cached(sql)?.execute(params![
        row.id,
        row::heads_to_bytes(&row.tip.heads),
        int(row.tip.max_op),
        int(row.tip.own_changes),
        int(row.changes),
        int(row.sequence),
        row.digest.to_bytes(),
    ])?;
    Ok(())
}

/// Keeps a change and moves the tip on; `None` when it is there already. With its place in the hub's order it counts
/// in the digest.
pub(crate) fn insert_change(
    connection: &Connection,
    own: InstallId,
    row: &mut ScopeRow,
    change: &CheckedChange,
    sequence: Option<u64>,
) -> Result<Option<i64>, StoreError> {
    let sql = "INSERT INTO change (scope, hash, sequence, bytes) VALUES (?1, ?2, ?3, ?4)
               ON CONFLICT (scope, hash) DO NOTHING";
    let inserted = connection.prepare_cached(sql)?.execute(params![
        row.id,
        change.hash.0,
        sequence.map(int),
        change.bytes
    ])?;
    if inserted == 0 {
        if let Some(sequence) = sequence {
            let id = change_id(connection, row.id, change.hash)?.ok_or_else(|| corrupt("change"))?;
            set_sequence(connection, row, id, change.hash, sequence)?;
        }
        return Ok(None);
    }
    let id = connection.last_insert_rowid();
    row.changes += 1;
    if let Some(sequence) = sequence {
        row.sequence = row.sequence.max(sequence);
        row.digest = row.digest.plus(Digest::of(row.scope, change.hash));
    }
    row.tip.advance(own, change);
    Ok(Some(id))
}

/// The row of a change of the tail.
pub(crate) fn change_id(
    connection: &Connection,
    scope_id: i64,
    hash: ChangeHash,
) -> Result<Option<i64>, StoreError> {
    let mut statement = connection.prepare_cached("SELECT id FROM change WHERE scope = ?1 AND hash = ?2")?;
    Ok(statement.query_row(params![scope_id, hash.0], |row| row.get(0)).optional()?)
}

/// Notes the place in the hub's order of a change that was kept without one, in the row `id`; nothing where it had one.
pub(crate) fn set_sequence(
    connection: &Connection,
    row: &mut ScopeRow,
    id: i64,
    hash: ChangeHash,
    sequence: u64,
) -> Result<(), StoreError> {
    let sql = "UPDATE change SET sequence = ?2 WHERE id = ?1 AND sequence IS NULL";
    let updated = connection.prepare_cached(sql)?.execute([id, int(sequence)])?;
    if updated > 0 {
        row.digest = row.digest.plus(Digest::of(row.scope, hash));
        row.sequence = row.sequence.max(sequence);
    }
    Ok(())
}

/// A change of the tail as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct TailChange {
    pub(crate) id: i64,
    pub(crate) sequence: Option<u64>,
    pub(crate) stored: StoredChange,
}

/// The changes after the snapshot: the hub's order first, then what waits, in the order in which it was made.
pub(crate) fn tail(connection: &Connection, scope_id: i64) -> Result<Vec<TailChange>, StoreError> {
    let sql = "SELECT id, sequence, hash, bytes FROM change WHERE scope = ?1
               ORDER BY sequence IS NULL, sequence, id";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([scope_id])?;
    let mut tail = Vec::new();
    while let Some(row) = rows.next()? {
        let (hash, sequence): (Vec<u8>, Option<i64>) = (row.get(2)?, row.get(1)?);
        let stored = StoredChange { hash: row::hash(&hash)?, bytes: row.get(3)? };
        tail.push(TailChange { id: row.get(0)?, sequence: sequence.map(count), stored });
    }
    Ok(tail)
}

/// A stored change, read.
pub(crate) fn checked(row: &ScopeRow, stored: &StoredChange) -> Result<CheckedChange, StoreError> {
    document::check(row.scope.section(), stored.hash, &stored.bytes).map_err(|_| corrupt("change"))
}

/// The changes after the snapshot, read, each as it is stored beside it.
pub(crate) fn checked_tail(
    connection: &Connection,
    row: &ScopeRow,
) -> Result<Vec<(TailChange, CheckedChange)>, StoreError> {
    let read = |change: TailChange| checked(row, &change.stored).map(|checked| (change, checked));
    tail(connection, row.id)?.into_iter().map(read).collect()
}

/// Up to which place in the hub's order a document's content is not in the tail; 0 where all of it is.
pub(crate) fn base_sequence(connection: &Connection, scope_id: i64) -> Result<u64, StoreError> {
    let sql = "SELECT max(sequence) FROM (SELECT sequence FROM snapshot WHERE scope = ?1
               UNION ALL SELECT sequence FROM evicted WHERE scope = ?1)";
    let found: Option<i64> = connection.prepare_cached(sql)?.query_row([scope_id], |row| row.get(0))?;
    Ok(found.map_or(0, count))
}

/// Up to which place in the hub's order a document's content was let go; none for one that is here.
pub(crate) fn evicted(connection: &Connection, scope_id: i64) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT sequence FROM evicted WHERE scope = ?1";
    let found: Option<i64> =
        connection.prepare_cached(sql)?.query_row([scope_id], |row| row.get(0)).optional()?;
    Ok(found.map(count))
}

/// The newest changes in a document's snapshot; none without one. Opens nothing.
pub(crate) fn snapshot_heads(connection: &Connection, scope_id: i64) -> Result<Vec<ChangeHash>, StoreError> {
    let sql = "SELECT heads FROM snapshot WHERE scope = ?1";
    let found: Option<Vec<u8>> =
        connection.prepare_cached(sql)?.query_row([scope_id], |row| row.get(0)).optional()?;
    row::heads(&found.unwrap_or_default())
}

/// The last place in the hub's order that a document's snapshot reaches; none without one. Opens nothing.
pub(crate) fn snapshot_sequence(connection: &Connection, scope_id: i64) -> Result<Option<u64>, StoreError> {
    let sql = "SELECT sequence FROM snapshot WHERE scope = ?1";
    let found: Option<i64> =
        connection.prepare_cached(sql)?.query_row([scope_id], |row| row.get(0)).optional()?;
    Ok(found.map(count))
}

/// The snapshot of a document and its last place in the hub's order.
pub(crate) fn snapshot(
    connection: &Connection,
    scope_id: i64,
) -> Result<Option<(Snapshot, u64)>, StoreError> {
    let sql = "SELECT bytes, blake3, heads, changes, sequence FROM snapshot WHERE scope = ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let found = statement.query_row([scope_id], |row| {
        let parts: (Vec<u8>, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let numbers: (i64, i64) = (row.get(3)?, row.get(4)?);
        Ok((parts, numbers))
    });
    let Some(((packed, blake3, heads), (changes, sequence))) = found.optional()? else { return Ok(None) };
    let bytes =
        zstd::bulk::decompress(&packed, limits::SNAPSHOT_BYTES_MAX).map_err(|_| corrupt("snapshot"))?;
    let blake3 = blake3.try_into().map_err(|_| corrupt("snapshot"))?;
    let snapshot = Snapshot { bytes, blake3, heads: row::heads(&heads)?, changes: count(changes) };
    Ok(Some((snapshot, count(sequence))))
}

/// Puts a snapshot in the place of the one that was there.
pub(crate) fn save_snapshot(
    connection: &Connection,
    scope_id: i64,
    snapshot: &Snapshot,
    sequence: u64,
) -> Result<(), StoreError> {
    let packed = zstd::bulk::compress(&snapshot.bytes, ZSTD_LEVEL).map_err(|_| corrupt("snapshot"))?;
    let sql = "INSERT INTO snapshot (scope, sequence, heads, changes, blake3, bytes) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
               ON CONFLICT (scope) DO UPDATE SET sequence = ?2, heads = ?3, changes = ?4, blake3 = ?5, bytes = ?6";
    connection.prepare_cached(sql)?.execute(params![
        scope_id,
        int(sequence),
        row::heads_to_bytes(&snapshot.heads),
        int(snapshot.changes),
        snapshot.blake3,
        packed,
    ])?;
    Ok(())
}

/// A first sync packs hundreds of documents: level 9 takes six times as long for a few bytes in a hundred.
const ZSTD_LEVEL: i32 = 3;

/// Loads a document and checks it: every change's hash, and that the heads are those of its row.
pub(crate) fn load(connection: &Connection, row: &ScopeRow) -> Result<automerge::Automerge, StoreError> {
    let snapshot = snapshot(connection, row.id)?.map(|(snapshot, _)| snapshot);
    let tail: Vec<StoredChange> = tail(connection, row.id)?.into_iter().map(|change| change.stored).collect();
    metrics::counter!("hearth_documents_opened_total").increment(1);
    let loaded = document::rebuild(row.scope.section(), snapshot.as_ref(), &tail);
    let document = loaded.map_err(|fault| StoreError::Corrupt(format!("{}: {fault}", row.scope)))?;
    if document::heads(&document) != row.tip.heads {
        return Err(StoreError::Corrupt(format!("{}: other heads than those noted", row.scope)));
    }
    Ok(document)
}
