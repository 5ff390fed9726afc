//! The quarantine: changes that broke a rule, whole, until a person has decided. None is dropped in silence.

pub(crate) mod shown;

use hearth_protocol::document;
use hearth_protocol::id::{ChangeHash, InstallId};
use hearth_protocol::scope::Scope;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::ChangeResult;
use rusqlite::{Connection, OptionalExtension, Transaction};

use super::judge::Verdict;
use super::{Intake, Item, QUARANTINE_PER_INSTALL_MAX};
use crate::sites::{self, Install, InstallState};
use crate::store::{StoreError, columns};

/// What a person decided about a change in quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settlement {
    /// It is not to become part of the record.
    Dismissed,
    /// It was judged again and is now part of the record.
    Accepted,
}

impl Settlement {
    /// The settlement's name in the database and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::Dismissed => "dismissed",
            Self::Accepted => "accepted",
        }
    }
}

/// Keeps a change out of the record by a person's decision; the bytes stay. An error when there is no open row.
pub fn dismiss(
    transaction: &Transaction<'_>,
    id: i64,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE quarantine SET settled_at = ?2, settlement = ?3 WHERE id = ?1 AND settled_at IS NULL";
    let settlement = format!("{}: {reason}", Settlement::Dismissed.name());
    match transaction.execute(sql, (id, now.0, settlement))? {
        0 => Err(StoreError::logic(format!("no open change {id} in the quarantine"))),
        _ => Ok(()),
    }
}

/// Judges a change of the quarantine again: what it lacked (a grant, say) may be there now. None where the installation
/// that sent it is held itself.
pub fn retry(
    transaction: &Transaction<'_>,
    id: i64,
    now: Timestamp,
) -> Result<Option<ChangeResult>, StoreError> {
    let (install, item) = read(transaction, id)?;
    let pusher = sites::install(transaction, install)?.filter(|i| i.state != InstallState::Quarantined);
    let Some(pusher) = pusher else { return Ok(None) };
    let mut intake = Intake::new(transaction, now);
    // The first change of a document was refused with it and is kept nowhere: it is the same everywhere.
    let first = document::genesis(item.scope.section());
    if item.checked.as_ref().is_ok_and(|change| change.deps.contains(&first.hash)) {
        intake.take(pusher, &Item::check(item.scope, first.hash, first.bytes))?;
    }
    let verdict = intake.take(pusher, &item)?;
    intake.added.values_mut().for_each(|added| added.is_unheard = true);
    intake.finish()?;
    Ok(Some(match verdict {
        Verdict::Judged(result) => result,
        Verdict::Expel(reason) => ChangeResult::Rejected(reason.to_owned()),
    }))
}

fn read(connection: &Connection, id: i64) -> Result<(InstallId, Item), StoreError> {
    let sql = "SELECT install, scope, hash, bytes FROM quarantine WHERE id = ?1 AND settled_at IS NULL";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row([id], |row| {
        let item = Item::check(columns::scope(row, 1)?, columns::hash(row, 2)?, row.get(3)?);
        Ok((columns::install(row, 0)?, item))
    });
    found.optional()?.ok_or_else(|| StoreError::logic(format!("no open change {id} in the quarantine")))
}

/// Puts a change into the quarantine under this code.
pub(super) fn put(
    transaction: &Transaction<'_>,
    install: InstallId,
    item: &Item,
    code: &'static str,
    now: Timestamp,
) -> Result<Verdict, StoreError> {
    let sql = "INSERT INTO quarantine (scope, hash, install, code, bytes, received_at)
               VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (scope, hash) DO UPDATE SET code = excluded.code";
    let row = (item.scope.to_key(), item.stated.0, install.0, code, &item.bytes, now.0);
    transaction.prepare_cached(sql)?.execute(row)?;
    metrics::counter!("hearth_hub_quarantined_total", "code" => code).increment(1);
    tracing::warn!(%install, code, "change put into the quarantine");
    let sql = "SELECT count(*) FROM quarantine WHERE install = ?1 AND settled_at IS NULL";
    let open: u64 = transaction.prepare_cached(sql)?.query_row([install.0], |row| row.get(0))?;
    // What it was asked to bring back for others does not count against it.
    let is_own = item.checked.as_ref().map_or(true, |change| change.install == install);
    if open > QUARANTINE_PER_INSTALL_MAX && is_own {
        return Ok(Verdict::Expel("too-much-quarantined"));
    }
    Ok(Verdict::Judged(ChangeResult::Rejected(code.to_owned())))
}

/// Puts what an installation has waiting in a scope into the quarantine: the numbers of what it waits for are given anew.
pub(super) fn put_waiting_aside(
    transaction: &Transaction<'_>,
    pusher: Install,
    scope: Scope,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "SELECT hash, bytes FROM pending WHERE scope = ?1 AND install = ?2 ORDER BY received_at, hash";
    let mut select = transaction.prepare_cached(sql)?;
    let rows = select.query_map((scope.to_key(), pusher.id.0), |row| {
        Ok(Item::check(scope, columns::hash(row, 0)?, row.get(1)?))
    })?;
    for item in rows.collect::<Result<Vec<_>, _>>()? {
        if item.checked.as_ref().is_ok_and(|change| change.install == pusher.id) {
            let sql = "DELETE FROM pending WHERE scope = ?1 AND hash = ?2";
            transaction.prepare_cached(sql)?.execute((scope.to_key(), item.stated.0))?;
            put(transaction, pusher.id, &item, "number-used-twice", now)?;
        }
    }
    Ok(())
}

/// A change was accepted after all: its row, if there is one, is closed.
pub(super) fn forget(
    transaction: &Transaction<'_>,
    scope: Scope,
    hash: ChangeHash,
    now: Timestamp,
) -> Result<(), StoreError> {
    let sql = "UPDATE quarantine SET settled_at = ?3, settlement = ?4
               WHERE scope = ?1 AND hash = ?2 AND settled_at IS NULL";
    let row = (scope.to_key(), hash.0, now.0, Settlement::Accepted.name());
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}
