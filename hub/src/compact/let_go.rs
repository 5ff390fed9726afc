//! Which changes of a snapshot lose their raw bytes: those that every holder has.
//!
//! A site that was away for a day is sent the few changes that it has not got and not the whole month, as long as they
//! are less than the month. Sites that are further behind get the snapshot anyway and hold nothing up.

use hearth_protocol::id::InstallId;
use hearth_protocol::scope::Scope;
use hearth_protocol::wire::message::Sequence;
use rusqlite::{Connection, Transaction};

use crate::feed::RAW_TO_PACKED;
use crate::store::{StoreError, columns};

/// Lets go of the bytes of changes up to the snapshot's end, as far as no holder is better served with them.
pub(super) fn let_go(
    transaction: &Transaction<'_>,
    scope: Scope,
    upto: Sequence,
    packed_bytes: u64,
) -> Result<(), StoreError> {
    let cheaper_from = cheaper_as_changes(transaction, scope, upto, packed_bytes)?;
    let mut last = upto.0;
    for (install, confirmed) in holders(transaction, scope)? {
        let held = held_by(transaction, scope, install, confirmed)?;
        if held >= cheaper_from {
            last = last.min(held);
        }
    }
    let sql = "UPDATE change SET bytes = NULL WHERE scope = ?1 AND seq <= ?2 AND bytes IS NOT NULL";
    transaction.prepare_cached(sql)?.execute((scope.to_key(), last))?;
    Ok(())
}

/// The first place after which the raw changes together are less than the document, as both travel.
fn cheaper_as_changes(
    connection: &Connection,
    scope: Scope,
    upto: Sequence,
    packed_bytes: u64,
) -> Result<u64, StoreError> {
    let sql = "SELECT seq, length(bytes) FROM change WHERE scope = ?1 AND seq <= ?2 ORDER BY seq DESC";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query((scope.to_key(), upto.0))?;
    let mut bytes = 0_u64;
    while let Some(row) = rows.next()? {
        let (seq, length): (u64, Option<u64>) = (row.get(0)?, row.get(1)?);
        let Some(length) = length else { return Ok(seq) };
        bytes = bytes.saturating_add(length);
        if bytes / RAW_TO_PACKED > packed_bytes {
            return Ok(seq);
        }
    }
    Ok(0)
}

/// The active installations of sites that subscribe to a scope, each with what it has confirmed.
fn holders(connection: &Connection, scope: Scope) -> Result<Vec<(InstallId, u64)>, StoreError> {
    let sql = "SELECT i.id, coalesce(h.confirmed_seq, 0) FROM subscription u
               JOIN install i ON i.site = u.site AND i.state = 'active'
               LEFT JOIN holding h ON h.install = i.id AND h.scope = u.scope WHERE u.scope = ?1";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map([scope.to_key()], |row| Ok((columns::install(row, 0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Up to where an installation needs to be sent nothing: what it has confirmed, and its own changes right after that.
fn held_by(
    connection: &Connection,
    scope: Scope,
    install: InstallId,
    confirmed: u64,
) -> Result<u64, StoreError> {
    let sql = "SELECT min(seq) - 1 FROM change WHERE scope = ?1 AND seq > ?2 AND install <> ?3";
    let mut select = connection.prepare_cached(sql)?;
    let first: Option<u64> = select.query_row((scope.to_key(), confirmed, install.0), |row| row.get(0))?;
    Ok(first.unwrap_or(u64::MAX))
}
