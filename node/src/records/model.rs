//! The read model: the entries as screens read them. It is kept as changes come and can be rebuilt from the documents.

use automerge::Automerge;
use hearth_protocol::document::{self, CheckedChange};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::{BlobRef, Body, Entry};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, params};

use super::documents::{self, ScopeRow};
use super::row::{self, entry_key};
use crate::store::StoreError;

/// Adds an entry to the read model, unless it is there; `change` is the row of the change that brought it.
pub(crate) fn insert(
    connection: &Connection,
    scope_id: i64,
    entry: &Entry,
    change: Option<i64>,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO entry (id, scope, happened, change, bytes, \"order\", due)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING";
    let (order, due) = dose_of(&entry.body).unzip();
    let inserted = connection.prepare_cached(sql)?.execute(params![
        entry_key(entry.id),
        scope_id,
        entry.happened.0,
        change,
        entry.to_bytes(),
        order.map(entry_key),
        due.map(|due: Timestamp| due.0),
    ])?;
    if inserted > 0 {
        insert_links(connection, entry)?;
    } else {
        note_hidden(connection, scope_id, entry.id)?;
    }
    if matches!(entry.body, Body::Unknown(_)) {
        insert_unread(connection, scope_id, entry.id)?;
    }
    Ok(())
}

/// Notes an entry that cannot be shown, since an entry of another document has its number: a copied disk gave it twice.
fn note_hidden(connection: &Connection, scope_id: i64, id: EntryId) -> Result<(), StoreError> {
    let sql = "INSERT INTO hidden (entry, scope) SELECT ?1, ?2 FROM entry WHERE id = ?1 AND scope <> ?2
               ON CONFLICT DO NOTHING";
    if connection.prepare_cached(sql)?.execute(params![entry_key(id), scope_id])? > 0 {
        tracing::error!(entry = %id, "an entry is not shown: another has its number");
    }
    Ok(())
}

/// The due dose that an entry records: of which order, and when it was due.
fn dose_of(body: &Body) -> Option<(EntryId, Timestamp)> {
    let Body::Administration(dose) = body else { return None };
    dose.due.map(|due| (dose.order, due))
}

/// Adds all that a change brings.
pub(crate) fn insert_all(
    connection: &Connection,
    row: &ScopeRow,
    change: &CheckedChange,
    change_id: Option<i64>,
) -> Result<(), StoreError> {
    for entry in &change.entries {
        insert(connection, row.id, entry, change_id)?;
    }
    change.unreadable.iter().try_for_each(|id| insert_unread(connection, row.id, *id))
}

/// Takes out all that a change of a document brought, however it came in.
pub(crate) fn remove_all(
    connection: &Connection,
    row: &ScopeRow,
    change: &CheckedChange,
) -> Result<(), StoreError> {
    let entries = change.entries.iter().map(|entry| entry.id).chain(change.unreadable.iter().copied());
    let of_entry = [
        "DELETE FROM entry WHERE id = ?1 AND scope = ?2",
        "DELETE FROM unread WHERE entry = ?1 AND scope = ?2",
        "DELETE FROM hidden WHERE entry = ?1 AND scope = ?2",
    ];
    for id in entries {
        for sql in of_entry {
            connection.prepare_cached(sql)?.execute(params![entry_key(id), row.id])?;
        }
    }
    Ok(())
}

/// Notes an entry that this software is too old for. It stays in its document, and is read once the software can.
fn insert_unread(connection: &Connection, scope_id: i64, id: EntryId) -> Result<(), StoreError> {
    let sql = "INSERT INTO unread (entry, scope) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    connection.prepare_cached(sql)?.execute(params![entry_key(id), scope_id])?;
    Ok(())
}

fn insert_links(connection: &Connection, entry: &Entry) -> Result<(), StoreError> {
    let sql = "INSERT INTO replaced (entry, by) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    for replaced in &entry.replaces {
        connection.prepare_cached(sql)?.execute(params![entry_key(*replaced), entry_key(entry.id)])?;
    }
    for blob in blobs_of(&entry.body) {
        let sql = "INSERT INTO blob (id) VALUES (?1) ON CONFLICT (id) DO NOTHING";
        connection.prepare_cached(sql)?.execute([blob.0])?;
        let sql = "INSERT INTO blob_use (blob, entry) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
        connection.prepare_cached(sql)?.execute(params![blob.0, entry_key(entry.id)])?;
    }
    Ok(())
}

/// The files that an entry names, so that they are fetched and kept with it.
#[expect(clippy::wildcard_enum_match_arm, reason = "few of many kinds of entry name a file")]
pub(crate) fn blobs_of(body: &Body) -> Vec<hearth_protocol::id::BlobId> {
    let files: Vec<&BlobRef> = match body {
        Body::Demographics(demographics) => demographics.photo.iter().collect(),
        Body::Letter(letter) => letter.files.iter().collect(),
        Body::DischargeSummary(summary) => summary.files.iter().collect(),
        Body::Measurement(measurement) => measurement.file.iter().collect(),
        _ => Vec::new(),
    };
    files.into_iter().map(|file| file.id).collect()
}

/// Makes the read model of one document anew from what is stored of it.
pub(crate) fn rebuild_scope(connection: &Connection, row: &ScopeRow) -> Result<(), StoreError> {
    let document = opened(connection, row)?;
    connection.prepare_cached("DELETE FROM entry WHERE scope = ?1")?.execute([row.id])?;
    connection.prepare_cached("DELETE FROM unread WHERE scope = ?1")?.execute([row.id])?;
    connection.prepare_cached("DELETE FROM hidden WHERE scope = ?1")?.execute([row.id])?;
    insert_document(connection, row, document.as_ref())
}

/// A document; none of a month that was let go of: there is what came since, and nothing to load it onto.
fn opened(connection: &Connection, row: &ScopeRow) -> Result<Option<Automerge>, StoreError> {
    match documents::evicted(connection, row.id)? {
        None => documents::load(connection, row).map(Some),
        Some(_) => Ok(None),
    }
}

/// Adds all that is in a document, unless it is there.
fn insert_document(
    connection: &Connection,
    row: &ScopeRow,
    document: Option<&Automerge>,
) -> Result<(), StoreError> {
    for (id, change) in brought(connection, row)? {
        insert_all(connection, row, &change, Some(id))?;
    }
    let (entries, unreadable) = document.map(document::entries).unwrap_or_default();
    for entry in &entries {
        insert(connection, row.id, entry, None)?;
    }
    unreadable.iter().try_for_each(|id| insert_unread(connection, row.id, *id))
}

/// The changes of the tail, each with its row.
fn brought(connection: &Connection, row: &ScopeRow) -> Result<Vec<(i64, CheckedChange)>, StoreError> {
    let mut brought = Vec::new();
    for change in documents::tail(connection, row.id)? {
        let checked = document::check(row.scope.section(), change.stored.hash, &change.stored.bytes)
            .map_err(|fault| StoreError::Corrupt(format!("{}: {fault}", row.scope)))?;
        brought.push((change.id, checked));
    }
    Ok(brought)
}

/// Key in `meta` of the version that the read model was made with.
const READER: &str = "reader";
/// The keys of the documents of which an entry is not shown and could be: what had its number has gone.
const SHOWABLE: &str = "SELECT key FROM scope WHERE id IN
    (SELECT scope FROM hidden WHERE entry NOT IN (SELECT id FROM entry)) ORDER BY id";

/// Reads again what older software could not, the first time that this version opens the database. Answers how many
/// documents.
pub(crate) fn read_again(connection: &Connection, version: &str) -> Result<usize, StoreError> {
    if row::meta::<String>(connection, READER)?.as_deref() == Some(version) {
        return Ok(0);
    }
    let sql = "SELECT key FROM scope WHERE id IN (SELECT scope FROM unread) ORDER BY id";
    let count = each(connection, sql, rebuild_scope)?;
    row::set_meta(connection, READER, version)?;
    Ok(count)
}

/// Makes the whole read model anew. Deliveries, which are no part of a document, stay.
pub(crate) fn rebuild(connection: &Connection) -> Result<(), StoreError> {
    each(connection, "SELECT key FROM scope ORDER BY id", rebuild_scope).map(drop)
}

/// Shows the entries whose numbers were given a second time, where what hid them has gone.
pub(super) fn show_hidden(connection: &Connection) -> Result<(), StoreError> {
    let show = |connection: &Connection, row: &ScopeRow| {
        let shown =
            opened(connection, row).and_then(|document| insert_document(connection, row, document.as_ref()));
        match shown {
            // One document that cannot be read keeps nothing of another from being shown.
            Err(StoreError::Corrupt(what)) => {
                tracing::error!(scope = %row.scope, what, "a document cannot be read");
                Ok(())
            }
            done => done,
        }
    };
    if each(connection, SHOWABLE, show)? > 0 {
        let sql = "DELETE FROM hidden WHERE EXISTS
                   (SELECT 1 FROM entry WHERE id = hidden.entry AND scope = hidden.scope)";
        connection.execute(sql, [])?;
    }
    Ok(())
}

/// Does this for each of the documents whose keys a query gives. Answers how many.
fn each(
    connection: &Connection,
    sql: &str,
    act: impl Fn(&Connection, &ScopeRow) -> Result<(), StoreError>,
) -> Result<usize, StoreError> {
    let mut statement = connection.prepare(sql)?;
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    let keys = keys?;
    for key in &keys {
        let row = documents::find(connection, row::scope(key)?)?.ok_or_else(|| row::corrupt("scope"))?;
        act(connection, &row)?;
    }
    Ok(keys.len())
}
