//! The numbers of changes in documents that were erased, or that the hub lost with nothing kept here: none is given a
//! second time while another site may still hold the change that has it.
//!
//! A hub that was restored sends a record back without what it lost. Whoever writes on from there gives numbers again, and
//! a site that holds the changes of before could read the document no more. So it waits for them to be given back; only
//! how many there were is kept, nothing of what they said.

use hearth_protocol::id::ResidentId;
use hearth_protocol::scope::{Scope, Subject};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, params};

use super::documents::{self, ScopeRow};
use super::row;
use crate::store::StoreError;

/// How long a document waits for what a hub lost of it, in milliseconds: sites that can be reached have given it back by
/// then, and a record that takes no entries is a danger of its own.
const WAITS_MS: i64 = 3_600_000;

/// Notes how far this installation has numbered its changes in the documents of a record that is about to be erased. What
/// the hub never had, nobody else has.
pub(super) fn note(tx: &Connection, subject: Subject) -> Result<(), StoreError> {
    let sql = "INSERT INTO used (scope, own_changes)
               SELECT key, own FROM (SELECT key, own_changes - (
                   SELECT count(*) FROM outbox JOIN change ON change.id = outbox.change
                   WHERE change.scope = scope.id AND outbox.seq IS NOT NULL) AS own
                 FROM scope WHERE subject = ?1) WHERE own > 0
               ON CONFLICT (scope) DO UPDATE SET own_changes = max(own_changes, excluded.own_changes)";
    tx.prepare_cached(sql)?.execute([row::subject_key(subject)])?;
    Ok(())
}

/// Notes how far this installation has numbered its changes in a month that the hub has lost and that is not kept here.
pub(super) fn lost_at_hub(tx: &Connection, row: &ScopeRow, now: Timestamp) -> Result<(), StoreError> {
    if row.tip.own_changes == 0 {
        return Ok(());
    }
    let sql = "INSERT INTO used (scope, own_changes, back) VALUES (?1, ?2, ?3)
               ON CONFLICT (scope) DO UPDATE SET own_changes = max(own_changes, excluded.own_changes), back = ?3";
    let own = row::int(row.tip.own_changes);
    tx.prepare_cached(sql)?.execute(params![row.scope.to_key(), own, now.0])?;
    Ok(())
}

/// A record that was erased is granted again: it waits from now on.
pub(super) fn granted_again(tx: &Connection, resident: ResidentId, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE used SET back = ?2 WHERE substr(scope, 1, 17) = ?1";
    let key = row::subject_key(Subject::Resident(resident));
    tx.prepare_cached(sql)?.execute(params![key, now.0])?;
    Ok(())
}

/// Whether a change in a document would have a number that was used, and what has it may still come.
pub(super) fn is_awaited(connection: &Connection, scope: Scope, now: Timestamp) -> Result<bool, StoreError> {
    let sql = "SELECT own_changes, back FROM used WHERE scope = ?1";
    let found = connection.prepare_cached(sql)?.query_row([scope.to_key()], |row| {
        Ok((row::count(row.get(0)?), row.get::<_, Option<i64>>(1)?.map(Timestamp)))
    });
    let Some((used, back)) = found.optional()? else { return Ok(false) };
    let here = documents::find(connection, scope)?.map_or(0, |row| row.tip.own_changes);
    let waits = back.is_some_and(|back| (0..WAITS_MS).contains(&now.ms_since(back)));
    if here < used && !waits {
        tracing::warn!(%scope, here, used, "what was written here before has not come back: its numbers are used again");
    }
    Ok(here < used && waits)
}

/// Another installation begins, with numbers of its own.
pub(super) fn begin(tx: &Connection) -> Result<(), StoreError> {
    tx.execute("DELETE FROM used", [])?;
    Ok(())
}
