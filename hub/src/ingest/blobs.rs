//! Which files the entries of a scope name: a site may fetch a file when it holds a scope that names it.

use hearth_protocol::id::BlobId;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::Scope;
use rusqlite::Transaction;

use crate::store::StoreError;

/// Notes the files that these entries name.
pub(super) fn note(transaction: &Transaction<'_>, scope: Scope, entries: &[Entry]) -> Result<(), StoreError> {
    let sql = "INSERT INTO blob_ref (blob, scope) VALUES (?1, ?2) ON CONFLICT DO NOTHING";
    for blob in entries.iter().flat_map(|entry| named(&entry.body)) {
        transaction.prepare_cached(sql)?.execute((blob.0, scope.to_key()))?;
    }
    Ok(())
}

fn named(body: &Body) -> Vec<BlobId> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the other kinds name no file")]
    let files = match body {
        Body::Letter(letter) => letter.files.iter().collect(),
        Body::DischargeSummary(summary) => summary.files.iter().collect(),
        Body::Demographics(person) => person.photo.iter().collect(),
        Body::Measurement(measurement) => measurement.file.iter().collect(),
        _ => Vec::new(),
    };
    files.into_iter().map(|file| file.id).collect()
}
