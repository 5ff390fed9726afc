//! Signed heads that reach over changes which the hub has not got: after a loss an installation may send what it writes
//! before what it is asked to send again. Such a head and what came under it wait, and are proven once the rest is here.

use hearth_protocol::head::{HeadSignature, Run, RunHash, SignedHead};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::{keep, note_vouched};
use crate::store::{StoreError, columns};

/// Keeps a head whose signature holds, and a change that came under it and waits for others.
pub(crate) fn note_ahead(
    transaction: &Transaction<'_>,
    head: &SignedHead,
    (seq, hash): (u64, ChangeHash),
    now: Timestamp,
) -> Result<(), StoreError> {
    let (scope, install) = (head.scope.to_key(), head.install.0);
    let after: Vec<u8> = head.after.iter().flat_map(|hash| hash.0).collect();
    let sql = "INSERT INTO head_ahead (scope, install, seq, hash, signature, after, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (scope, install) DO UPDATE SET
               seq = excluded.seq, hash = excluded.hash, signature = excluded.signature, after = excluded.after,
               received_at = excluded.received_at WHERE excluded.seq > seq";
    let row = (scope, install, head.seq, head.hash.0, head.signature.0, after, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    let sql =
        "INSERT INTO change_ahead (scope, install, seq, hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    transaction.prepare_cached(sql)?.execute((scope, install, seq, hash.0))?;
    Ok(())
}

/// A run is signed this far now: if that closes the gap before a head that waits, it is the head, and what came under it
/// is vouched for.
pub(super) fn catch_up(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    run: Run,
    now: Timestamp,
) -> Result<(), StoreError> {
    let Some(head) = waiting(transaction, scope, install)? else { return Ok(()) };
    let last_came = head.seq.saturating_sub(u64::try_from(head.after.len()).unwrap_or(u64::MAX));
    let came = changes(transaction, scope, install, run.seq, last_came)?;
    let all = || came.iter().map(|(_, hash)| hash).chain(&head.after);
    let proven = all().fold(run, |run, hash| run.then(*hash));
    if proven == (Run { seq: head.seq, hash: head.hash }) {
        keep(transaction, scope, install, (proven, head.signature), now)?;
        for place in (run.seq.saturating_add(1)..).zip(all()) {
            note_vouched(transaction, scope, install, (place.0, *place.1))?;
        }
    } else if head.seq > run.seq {
        // The gap is smaller than it was.
        return Ok(());
    }
    for table in ["head_ahead", "change_ahead"] {
        let sql = format!("DELETE FROM {table} WHERE scope = ?1 AND install = ?2");
        transaction.prepare_cached(&sql)?.execute((scope.to_key(), install.0))?;
    }
    Ok(())
}

fn waiting(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
) -> Result<Option<SignedHead>, StoreError> {
    let sql = "SELECT seq, hash, signature, after FROM head_ahead WHERE scope = ?1 AND install = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((scope.to_key(), install.0), |row| {
        let after: Vec<u8> = row.get(3)?;
        let after = after.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).map(ChangeHash).collect();
        let (seq, hash, signature) = (row.get(0)?, RunHash(row.get(1)?), HeadSignature(row.get(2)?));
        Ok(SignedHead { scope, install, seq, hash, signature, after })
    });
    Ok(found.optional()?)
}

fn changes(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
    after: u64,
    upto: u64,
) -> Result<Vec<(u64, ChangeHash)>, StoreError> {
    let sql =
        "SELECT seq, hash FROM change_ahead WHERE scope = ?1 AND install = ?2 AND seq > ?3 AND seq <= ?4
               ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), install.0, after, upto), |row| {
        Ok((row.get(0)?, columns::hash(row, 1)?))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}
