//! What administrators see of it: counts, lists without personal data, retry and release.

use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    ItemAction, ItemState, MainRecordItem, MainRecordItems, MainRecordItemsQuery, MainRecordState, PAGE_MAX,
};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, params};

use super::{delivery, mark};
use crate::store::{StoreError, columns};

/// The state of one configured main care record.
pub fn states(connection: &Connection, name: &str, base_url: &str) -> Result<MainRecordState, StoreError> {
    let mut state = MainRecordState {
        name: name.to_owned(),
        base_url: base_url.to_owned(),
        reachable: false,
        software: None,
        last_read: None,
        last_written: None,
        resources: 0,
        waiting: 0,
        waiting_since: None,
        unknown: 0,
        parked: 0,
        last_error: None,
    };
    let sql =
        "SELECT reachable, software, last_read, last_written, last_error FROM main_record WHERE system = ?1";
    let known = connection.prepare_cached(sql)?.query_row([name], |row| {
        state.reachable = row.get(0)?;
        state.software = row.get(1)?;
        state.last_read = row.get::<_, Option<i64>>(2)?.map(Timestamp);
        state.last_written = row.get::<_, Option<i64>>(3)?.map(Timestamp);
        state.last_error = row.get(4)?;
        Ok(())
    });
    known.optional()?;
    let count = |sql: &str| connection.prepare_cached(sql)?.query_row([name], |row| row.get::<_, u64>(0));
    state.resources = count("SELECT count(*) FROM original WHERE system = ?1")?;
    state.waiting = count("SELECT count(*) FROM owed WHERE system = ?1 AND state = 'queued'")?;
    state.unknown = count(
        "SELECT count(*) FROM main_record_person WHERE system = ?1 AND reference IS NULL
         AND resident IN (SELECT resident FROM grant_ WHERE state = 'active')",
    )?;
    state.parked = count("SELECT count(*) FROM owed WHERE system = ?1 AND state = 'rejected'")?
        + count("SELECT count(*) FROM original WHERE system = ?1 AND state = 'parked'")?
        + count("SELECT count(*) FROM parked WHERE system = ?1 AND released_at IS NULL")?;
    let sql = "SELECT min(received_at) FROM owed WHERE system = ?1 AND state = 'queued'";
    let since: Option<i64> = connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))?;
    state.waiting_since = since.map(Timestamp);
    Ok(state)
}

/// What an item is: the remainder of its number by three, so that one number names one item of any kind.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// To be written.
    Write = 0,
    /// A resource that was read.
    Read = 1,
    /// A person who was found and is not who they should be.
    Person = 2,
}

impl Kind {
    fn number(self, id: u64) -> u64 {
        id * 3 + self as u64
    }

    /// The rows of this kind that some numbers name.
    fn ids(self, items: &[u64]) -> impl Iterator<Item = u64> {
        items.iter().filter(move |item| *item % 3 == self as u64).map(|item| item / 3)
    }
}

/// A page of the items of a main care record, oldest number first.
pub fn items(
    connection: &Connection,
    name: &str,
    query: &MainRecordItemsQuery,
) -> Result<MainRecordItems, StoreError> {
    let limit = query.limit.unwrap_or(PAGE_MAX).clamp(1, PAGE_MAX);
    let (waiting, parked, done, released) = match query.state {
        None => (true, true, false, false),
        Some(state) => (
            state == ItemState::Waiting,
            state == ItemState::Parked,
            state == ItemState::Done,
            state == ItemState::Released,
        ),
    };
    let sql = "SELECT id * 3 AS item, state, 0, coalesce(remote, ''), scope, resident, received_at, attempts,
                      not_before, code FROM owed
               WHERE system = ?1 AND id * 3 > ?2 AND ((?3 AND state = 'queued') OR (?4 AND state = 'rejected')
                     OR (?5 AND state IN ('accepted', 'not-supported')) OR (?6 AND state = 'released'))
               UNION ALL
               SELECT id * 3 + 1 AS item, iif(state = 'parked', 'rejected', 'released'), 1, resource, NULL, resident,
                      read_at, 1, NULL, coalesce(detail, reason)
               FROM original WHERE system = ?1 AND id * 3 + 1 > ?2
                     AND ((?4 AND state = 'parked') OR (?6 AND state = 'kept' AND reason = 'released'))
               UNION ALL
               SELECT id * 3 + 2 AS item, iif(released_at IS NULL, 'rejected', 'released'), 1, resource, NULL, NULL,
                      at, 1, NULL, reason
               FROM parked WHERE system = ?1 AND id * 3 + 2 > ?2
                     AND ((?4 AND released_at IS NULL) OR (?6 AND released_at IS NOT NULL))
               ORDER BY item LIMIT ?7";
    let mut select = connection.prepare_cached(sql)?;
    let after = query.after.unwrap_or(0);
    let row = params![name, after, waiting, parked, done, released, limit + 1];
    let mut items: Vec<MainRecordItem> = select.query_map(row, item)?.collect::<Result<_, _>>()?;
    let more = items.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    items.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    let next = if more { items.last().map(|last| last.item) } else { None };
    Ok(MainRecordItems { items, next })
}

fn item(row: &Row<'_>) -> rusqlite::Result<MainRecordItem> {
    let state: String = row.get(1)?;
    let inbound: bool = row.get(2)?;
    let stated: String = row.get(3)?;
    let resource = if inbound || !stated.is_empty() {
        stated
    } else {
        // Nothing is there yet: the section says what kind of thing it is.
        columns::scope(row, 4)?.section().name().to_owned()
    };
    let waits = state == "queued";
    Ok(MainRecordItem {
        item: row.get(0)?,
        state: match state.as_str() {
            "queued" => ItemState::Waiting,
            "rejected" => ItemState::Parked,
            "released" => ItemState::Released,
            _ => ItemState::Done,
        },
        inbound,
        resource,
        resident: if row.get_ref(5)? == ValueRef::Null { None } else { Some(columns::resident(row, 5)?) },
        since: Timestamp(row.get(6)?),
        attempts: row.get(7)?,
        next_attempt: row.get::<_, Option<i64>>(8)?.filter(|_| waits).map(Timestamp),
        reason: row.get(9)?,
    })
}

/// Tries items again, or gives them up, and returns the numbers of those that were changed.
pub fn act(
    transaction: &Transaction<'_>,
    name: &str,
    action: &ItemAction,
    now: Timestamp,
) -> Result<Vec<u64>, StoreError> {
    let items = match action {
        ItemAction::Release { items, .. } if items.is_empty() => return Ok(Vec::new()),
        ItemAction::Release { items, .. } | ItemAction::Retry { items } => items,
    };
    let mut changed = Vec::new();
    for id in chosen(transaction, name, items)? {
        match action {
            ItemAction::Retry { .. } => requeue(transaction, id, now)?,
            ItemAction::Release { reason, .. } => release(transaction, id, reason, now)?,
        }
        changed.push(Kind::Write.number(id));
    }
    for kind in [Kind::Read, Kind::Person] {
        for id in kept_aside(transaction, name, kind, items)? {
            match action {
                ItemAction::Retry { .. } => look_again(transaction, kind, id)?,
                ItemAction::Release { reason, .. } => forgive(transaction, kind, id, reason, now)?,
            }
            changed.push(kind.number(id));
        }
    }
    Ok(changed)
}

/// What was read and kept aside, of these numbers; all of the kind when none is named.
fn kept_aside(
    connection: &Connection,
    name: &str,
    kind: Kind,
    items: &[u64],
) -> Result<Vec<u64>, StoreError> {
    let sql = if kind == Kind::Read {
        "SELECT id FROM original WHERE system = ?1 AND state = 'parked' ORDER BY id"
    } else {
        "SELECT id FROM parked WHERE system = ?1 AND released_at IS NULL ORDER BY id"
    };
    let mut select = connection.prepare_cached(sql)?;
    let all: Vec<u64> = select.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let named: Vec<u64> = kind.ids(items).collect();
    Ok(all.into_iter().filter(|id| items.is_empty() || named.contains(id)).collect())
}

/// Lets what was kept aside be read again at the next look, whole: it is judged anew then.
fn look_again(transaction: &Transaction<'_>, kind: Kind, id: u64) -> Result<(), StoreError> {
    let sql = if kind == Kind::Read {
        "UPDATE main_record_person SET read_at = NULL WHERE (system, resident) IN
         (SELECT system, resident FROM original WHERE id = ?1)"
    } else {
        // Whose number led to the wrong person is not noted with it, so all who were not found are looked for.
        "UPDATE main_record_person SET looked_at = 0 WHERE reference IS NULL AND system IN
         (SELECT system FROM parked WHERE id = ?1)"
    };
    transaction.prepare_cached(sql)?.execute([id])?;
    Ok(())
}

fn forgive(
    transaction: &Transaction<'_>,
    kind: Kind,
    id: u64,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let why = released(reason);
    if kind == Kind::Read {
        let sql = "UPDATE original SET state = 'kept', reason = 'released', detail = ?2 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute((id, why))?;
    } else {
        let sql = "UPDATE parked SET released_at = ?2, reason = ?3 WHERE id = ?1";
        transaction.prepare_cached(sql)?.execute((id, now.0, why))?;
    }
    Ok(())
}

/// What is shown of an item that a person gave up.
fn released(reason: &str) -> String {
    format!("released: {reason}")
}

/// The writes among these numbers that wait or are kept aside; all that are kept aside when none is named.
fn chosen(connection: &Connection, name: &str, items: &[u64]) -> Result<Vec<u64>, StoreError> {
    if items.is_empty() {
        let sql = "SELECT id FROM owed WHERE system = ?1 AND state = 'rejected' ORDER BY id";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map([name], |row| row.get(0))?;
        return Ok(rows.collect::<Result<_, _>>()?);
    }
    let sql = "SELECT id FROM owed WHERE system = ?1 AND id = ?2 AND state IN ('rejected', 'queued')";
    let mut select = connection.prepare_cached(sql)?;
    let found =
        Kind::Write.ids(items).map(|id| select.query_row(params![name, id], |row| row.get(0)).optional());
    Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

/// Puts a write back among those that wait, to be tried now.
pub(super) fn requeue(transaction: &Transaction<'_>, id: u64, now: Timestamp) -> Result<(), StoreError> {
    let sql =
        "UPDATE owed SET state = 'queued', not_before = ?2, code = NULL, reason = NULL, changed_at = ?2,
               change_no = ?3 WHERE id = ?1 RETURNING install";
    change(transaction, sql, id, now)
}

fn release(transaction: &Transaction<'_>, id: u64, reason: &str, now: Timestamp) -> Result<(), StoreError> {
    let sql = "UPDATE owed SET state = 'released', changed_at = ?2, change_no = ?3,
               reason = 'An administrator decided that the main care record does not get this entry.'
               WHERE id = ?1 RETURNING install";
    change(transaction, sql, id, now)?;
    let sql = "UPDATE owed SET code = ?2 WHERE id = ?1";
    transaction.prepare_cached(sql)?.execute(params![id, released(reason)])?;
    Ok(())
}

fn change(transaction: &Transaction<'_>, sql: &str, id: u64, now: Timestamp) -> Result<(), StoreError> {
    let number = delivery::next_number(transaction)?;
    let mut update = transaction.prepare_cached(sql)?;
    let install: u32 = update.query_row(params![id, now.0, number], |row| row.get(0))?;
    mark(transaction, hearth_protocol::id::InstallId(install))
}
