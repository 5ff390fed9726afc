//! Signed heads in the database: those that nodes push, those of the hub's own entries, and the certificates of all who
//! sign.

mod ahead;
mod own;
mod proof;
mod read;

use std::collections::BTreeSet;

use hearth_protocol::head::{HeadFault, HeadSignature, Run, RunHash, SignedHead};
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, OptionalExtension, Transaction};

pub(crate) use ahead::note_ahead;
pub use own::{HeadKeys, note_signer, settle_own};
pub(crate) use own::{note_own, prepare, sign_own};
pub(crate) use proof::{Carrier, Proof, carrier};
pub(crate) use read::{Sent, keys, proven, signers, vouchers};

use crate::store::{StoreError, columns};

/// How far the run of an installation in a scope is signed.
pub(crate) fn signed(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
) -> Result<Option<(Run, HeadSignature)>, StoreError> {
    let sql = "SELECT seq, hash, signature FROM signed_head WHERE scope = ?1 AND install = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((scope.to_key(), install.0), |row| {
        let run = Run { seq: row.get(0)?, hash: RunHash(row.get(1)?) };
        Ok((run, HeadSignature(row.get(2)?)))
    });
    Ok(found.optional()?)
}

/// Compares a head, whose signature holds, with the changes of its installation that came with it (number and hash, in
/// any order), notes the head, and returns which of them it vouches for.
///
/// What is pushed by another than its author, to give the hub back what it lost, is judged by this as well.
pub(crate) fn vouch(
    transaction: &Transaction<'_>,
    head: &SignedHead,
    mut came: Vec<(u64, ChangeHash)>,
    now: Timestamp,
) -> Result<Result<BTreeSet<ChangeHash>, HeadFault>, StoreError> {
    let base = signed(transaction, head.scope, head.install)?.map(|(run, _)| run).unwrap_or_default();
    if head.seq <= base.seq {
        return Ok(Ok(BTreeSet::new()));
    }
    came.retain(|(seq, _)| *seq > base.seq);
    came.sort_unstable();
    came.dedup();
    let mut continued = follow(base, &came);
    if continued.is_none() {
        // A database from before heads were signed holds changes that none of them reaches.
        came.extend(stored_after(transaction, (head.scope, head.install), base.seq)?);
        came.sort_unstable();
        came.dedup();
        continued = follow(base, &came);
    }
    let Some(run) = continued else { return Ok(Err(HeadFault::Gap)) };
    let Some(run) = reached(head, run) else { return Ok(Err(HeadFault::BadSignature)) };
    keep(transaction, head.scope, head.install, (run, head.signature), now)?;
    note_after(transaction, head)?;
    ahead::catch_up(transaction, head.scope, head.install, run, now)?;
    Ok(Ok(came.into_iter().map(|(_, hash)| hash).collect()))
}

/// Vouches for changes of an installation that take the numbers of others which it had signed and the hub did not store.
///
/// A node that was told to erase a record goes on from what the hub has stored of it, and gives the numbers of what was
/// refused there anew. What the old head vouched for beyond what is stored is vouched for no more. None when the head does
/// not continue what is stored, or when one of the others only waits for a change that is on its way.
pub(crate) fn vouch_anew(
    transaction: &Transaction<'_>,
    head: &SignedHead,
    mut came: Vec<(u64, ChangeHash)>,
    now: Timestamp,
) -> Result<Option<BTreeSet<ChangeHash>>, StoreError> {
    let stored = stored_after(transaction, (head.scope, head.install), 0)?;
    let Some(stored) = follow(Run::default(), &stored) else { return Ok(None) };
    came.retain(|(seq, _)| *seq > stored.seq);
    came.sort_unstable();
    came.dedup();
    let Some(run) = follow(stored, &came).and_then(|run| reached(head, run)) else { return Ok(None) };
    if came.is_empty() || waits(transaction, head, stored.seq + 1)? {
        return Ok(None);
    }
    for table in ["signed_head", "vouched", "head_ahead", "change_ahead"] {
        let sql = format!("DELETE FROM {table} WHERE scope = ?1 AND install = ?2 AND seq > ?3");
        let row = (head.scope.to_key(), head.install.0, stored.seq);
        transaction.prepare_cached(&sql)?.execute(row)?;
    }
    keep(transaction, head.scope, head.install, (run, head.signature), now)?;
    note_after(transaction, head)?;
    Ok(Some(came.into_iter().map(|(_, hash)| hash).collect()))
}

/// Whether the change of an installation with this number is vouched for and waits for another.
fn waits(connection: &Connection, head: &SignedHead, seq: u64) -> Result<bool, StoreError> {
    let sql = "SELECT 1 FROM vouched JOIN pending USING (scope, hash)
               WHERE scope = ?1 AND vouched.install = ?2 AND seq = ?3";
    Ok(connection.prepare_cached(sql)?.exists((head.scope.to_key(), head.install.0, seq))?)
}

/// Notes what a head vouches for that did not come with it.
fn note_after(transaction: &Transaction<'_>, head: &SignedHead) -> Result<(), StoreError> {
    let later = (head.seq - u64::try_from(head.after.len()).unwrap_or(0) + 1..).zip(&head.after);
    for (seq, hash) in later {
        note_vouched(transaction, head.scope, head.install, (seq, *hash))?;
    }
    Ok(())
}

/// The run that a head signs, if it is this one with what the head says comes later.
fn reached(head: &SignedHead, run: Run) -> Option<Run> {
    let run = head.after.iter().fold(run, |run, hash| run.then(*hash));
    (run == Run { seq: head.seq, hash: head.hash }).then_some(run)
}

/// The run with these changes; none where one is missing.
fn follow(base: Run, changes: &[(u64, ChangeHash)]) -> Option<Run> {
    changes.iter().try_fold(base, |run, (seq, hash)| (*seq == run.seq + 1).then(|| run.then(*hash)))
}

fn stored_after(
    connection: &Connection,
    (scope, install): (Scope, InstallId),
    seq: u64,
) -> Result<Vec<(u64, ChangeHash)>, StoreError> {
    let sql = "SELECT actor_seq, hash FROM change WHERE scope = ?1 AND install = ?2 AND actor_seq > ?3
               ORDER BY actor_seq";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select
        .query_map((scope.to_key(), install.0, seq), |row| Ok((row.get(0)?, columns::hash(row, 1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn keep(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    (run, signature): (Run, HeadSignature),
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "INSERT INTO signed_head (scope, install, seq, hash, signature, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (scope, install) DO UPDATE SET
               seq = excluded.seq, hash = excluded.hash, signature = excluded.signature,
               received_at = excluded.received_at WHERE excluded.seq > seq";
    let row = (scope.to_key(), install.0, run.seq, run.hash.0, signature.0, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// Notes a change that is vouched for and not stored.
pub(crate) fn note_vouched(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    (seq, hash): (u64, ChangeHash),
) -> Result<(), StoreError> {
    let sql =
        "INSERT INTO vouched (scope, install, seq, hash) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), install.0, seq, hash.0))?;
    Ok(())
}

/// Whether a head that came before vouches for a change that is not stored.
pub(crate) fn is_vouched(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
    hash: ChangeHash,
) -> Result<bool, StoreError> {
    let sql = "SELECT EXISTS (SELECT 1 FROM vouched WHERE scope = ?1 AND install = ?2 AND hash = ?3)";
    let mut select = connection.prepare_cached(sql)?;
    Ok(select.query_row((scope.to_key(), install.0, hash.0), |row| row.get(0))?)
}

/// A change that was vouched for is stored now.
pub(crate) fn forget_vouched(
    transaction: &Transaction<'_>,
    scope: Scope,
    install: InstallId,
    seq: u64,
) -> Result<(), StoreError> {
    let sql = "DELETE FROM vouched WHERE scope = ?1 AND install = ?2 AND seq = ?3";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), install.0, seq))?;
    Ok(())
}
