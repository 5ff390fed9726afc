//! Signed heads that reach over changes which the hub has not got: after a loss an installation may send what it writes
//! before what it is asked to send again. Such a head and what came under it wait, and are proven once the rest is here.

use hearth_protocol::head::{HeadSignature, Run, RunHash, SignedHead};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, Transaction};

use super::{keep, note_vouched, reached};
use crate::store::{StoreError, columns};

/// Most heads of one run that wait for one who brought them; the furthest stay. What a session has on its way at a time is
/// less, and whatever is dropped comes again.
const HEADS_MAX: u32 = 64;

/// Keeps a head whose signature holds, and a change that came under it and waits for others. What one installation
/// brings stands in the way of nobody else's.
pub(crate) fn note_ahead(
    transaction: &Transaction<'_>,
    bringer: InstallId,
    head: &SignedHead,
    (seq, hash): (u64, ChangeHash),
    now: Timestamp,
) -> Result<(), StoreError> {
    let (scope, install) = (head.scope.to_key(), head.install.0);
    let after: Vec<u8> = head.after.iter().flat_map(|hash| hash.0).collect();
    let sql = "INSERT INTO head_ahead (scope, install, bringer, seq, hash, signature, after, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (scope, install, bringer, seq) DO UPDATE SET
               hash = excluded.hash, signature = excluded.signature, after = excluded.after,
               received_at = excluded.received_at";
    let row = (scope, install, bringer.0, head.seq, head.hash.0, head.signature.0, after, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    let of_run = "head_ahead WHERE scope = ?1 AND install = ?2 AND bringer = ?3";
    let sql =
        format!("DELETE FROM {of_run} AND seq NOT IN (SELECT seq FROM {of_run} ORDER BY seq DESC LIMIT ?4)");
    transaction.prepare_cached(&sql)?.execute((scope, install, bringer.0, HEADS_MAX))?;
    let sql = "INSERT INTO change_ahead (scope, install, bringer, seq, hash) VALUES (?1, ?2, ?3, ?4, ?5)
               ON CONFLICT DO NOTHING";
    transaction.prepare_cached(sql)?.execute((scope, install, bringer.0, seq, hash.0))?;
    Ok(())
}

/// A run is signed this far now: if that closes the gap before a head that waits, it is the head, and what came under it
/// is vouched for. A head before which there is a gap still waits on.
pub(super) fn catch_up(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    mut run: Run,
    now: Timestamp,
) -> Result<(), StoreError> {
    for (bringer, head) in waiting(transaction, scope, install)? {
        let last_came = head.seq.saturating_sub(u64::try_from(head.after.len()).unwrap_or(u64::MAX));
        let came = changes(transaction, &head, bringer, (run.seq, last_came))?;
        let signed = reached(&head, came.iter().fold(run, |run, hash| run.then(*hash)));
        if let Some(proven) = signed {
            keep(transaction, scope, install, (proven, head.signature), now)?;
            for (seq, hash) in (run.seq.saturating_add(1)..).zip(came.iter().chain(&head.after)) {
                note_vouched(transaction, scope, install, (seq, *hash))?;
            }
            run = proven;
        }
    }
    forget_upto(transaction, scope, install, run.seq)
}

/// The heads that wait, the one that reaches least first, with who brought each.
fn waiting(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
) -> Result<Vec<(InstallId, SignedHead)>, StoreError> {
    let sql = "SELECT bringer, seq, hash, signature, after FROM head_ahead WHERE scope = ?1 AND install = ?2
               ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), install.0), |row| {
        let after: Vec<u8> = row.get(4)?;
        let after = after.chunks_exact(32).filter_map(|hash| hash.try_into().ok()).map(ChangeHash).collect();
        let (seq, hash, signature) = (row.get(1)?, RunHash(row.get(2)?), HeadSignature(row.get(3)?));
        Ok((columns::install(row, 0)?, SignedHead { scope, install, seq, hash, signature, after }))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn changes(
    connection: &Connection,
    head: &SignedHead,
    bringer: InstallId,
    (after, upto): (u64, u64),
) -> Result<Vec<ChangeHash>, StoreError> {
    let sql = "SELECT hash FROM change_ahead WHERE scope = ?1 AND install = ?2 AND bringer = ?3
               AND seq > ?4 AND seq <= ?5 ORDER BY seq";
    let mut select = connection.prepare_cached(sql)?;
    let row = (head.scope.to_key(), head.install.0, bringer.0, after, upto);
    let rows = select.query_map(row, |row| columns::hash(row, 0))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn forget_upto(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    seq: u64,
) -> Result<(), StoreError> {
    for table in ["head_ahead", "change_ahead"] {
        let sql = format!("DELETE FROM {table} WHERE scope = ?1 AND install = ?2 AND seq <= ?3");
        transaction.prepare_cached(&sql)?.execute((scope.to_key(), install.0, seq))?;
    }
    Ok(())
}
