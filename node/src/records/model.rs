//! The read model: the entries as screens read them. It is kept as changes come and can be rebuilt from the documents.

use hearth_protocol::document;
use hearth_protocol::id::{ChangeHash, EntryId};
use hearth_protocol::record::{BlobRef, Body, Entry};
use hearth_protocol::scope::Scope;
use rusqlite::{Connection, params};

use super::documents::{self, ScopeRow};
use super::row::{self, entry_key};
use crate::store::StoreError;

/// Adds an entry to the read model, unless it is there; `change` is the row of the change that brought it.
pub(crate) fn insert(
    connection: &Connection,
    scope_id: i64,
    scope: Scope,
    entry: &Entry,
    change: Option<i64>,
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO entry (id, scope, subject, section, kind, thread, happened, recorded, change, bytes)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT (id) DO NOTHING";
    let inserted = connection.prepare_cached(sql)?.execute(params![
        entry_key(entry.id),
        scope_id,
        row::subject_key(scope.subject()),
        row::section_code(scope.section()),
        entry.body.kind(),
        entry_key(entry.thread_id()),
        entry.happened.0,
        entry.recorded.0,
        change,
        entry.to_bytes(),
    ])?;
    if inserted > 0 {
        insert_links(connection, entry)?;
    }
    Ok(())
}

fn insert_links(connection: &Connection, entry: &Entry) -> Result<(), StoreError> {
    let sql = "INSERT INTO replaced (entry, by) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    for replaced in &entry.replaces {
        connection.prepare_cached(sql)?.execute(params![entry_key(*replaced), entry_key(entry.id)])?;
    }
    if let Body::Administration(dose) = &entry.body
        && let Some(due) = dose.due
    {
        let sql = "INSERT INTO dose (\"order\", due, entry) VALUES (?1, ?2, ?3)";
        let values = params![entry_key(dose.order), due.0, entry_key(entry.id)];
        connection.prepare_cached(sql)?.execute(values)?;
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
    let document = documents::load(connection, row)?;
    connection.prepare_cached("DELETE FROM entry WHERE scope = ?1")?.execute([row.id])?;
    let (entries, _) = document::entries(&document);
    let bringers = bringers(connection, row)?;
    for entry in &entries {
        let change = bringers.iter().find(|(id, _)| *id == entry.id).map(|(_, change)| *change);
        insert(connection, row.id, row.scope, entry, change)?;
    }
    Ok(())
}

/// Which change of the tail brought which entry.
fn bringers(connection: &Connection, row: &ScopeRow) -> Result<Vec<(EntryId, i64)>, StoreError> {
    let mut bringers = Vec::new();
    for change in documents::tail(connection, row.id)? {
        let hash: ChangeHash = change.stored.hash;
        let checked = document::check(row.scope.section(), hash, &change.stored.bytes)
            .map_err(|fault| StoreError::Corrupt(format!("{}: {fault}", row.scope)))?;
        bringers.extend(checked.entries.iter().map(|entry| (entry.id, change.id)));
    }
    Ok(bringers)
}

/// Makes the whole read model anew. Deliveries, which are no part of a document, stay.
pub(crate) fn rebuild(connection: &Connection) -> Result<(), StoreError> {
    let mut statement = connection.prepare("SELECT key FROM scope ORDER BY id")?;
    let keys: Result<Vec<Vec<u8>>, rusqlite::Error> = statement.query_map([], |row| row.get(0))?.collect();
    for key in keys? {
        let scope = row::scope(&key)?;
        let row = documents::find(connection, scope)?.ok_or_else(|| row::corrupt("scope"))?;
        rebuild_scope(connection, &row)?;
    }
    Ok(())
}
