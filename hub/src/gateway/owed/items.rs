//! What administrators see of it: counts, lists without personal data, retry and release.

use hearth_protocol::time::Timestamp;
use hearth_provisioning::api::{
    ItemAction, ItemState, MainRecordItem, MainRecordItems, MainRecordItemsQuery, MainRecordState, PAGE_MAX,
};
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
    state.parked = count("SELECT count(*) FROM owed WHERE system = ?1 AND state = 'rejected'")?
        + count("SELECT count(*) FROM original WHERE system = ?1 AND state = 'parked'")?
        + count("SELECT count(*) FROM parked WHERE system = ?1")?;
    let sql = "SELECT min(received_at) FROM owed WHERE system = ?1 AND state = 'queued'";
    let since: Option<i64> = connection.prepare_cached(sql)?.query_row([name], |row| row.get(0))?;
    state.waiting_since = since.map(Timestamp);
    Ok(state)
}

/// Numbers of items: writes have even ones, what was read and kept aside odd ones, so that one number names one item.
fn number_of_write(id: u64) -> u64 {
    id * 2
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
    let sql = "SELECT id * 2 AS item, state, 0, coalesce(remote, ''), scope, resident, received_at, attempts,
                      not_before, code FROM owed
               WHERE system = ?1 AND id * 2 > ?2 AND ((?3 AND state = 'queued') OR (?4 AND state = 'rejected')
                     OR (?5 AND state IN ('accepted', 'not-supported')) OR (?6 AND state = 'released'))
               UNION ALL
               SELECT id * 2 + 1 AS item, 'rejected', 1, resource, NULL, resident, read_at, 1, NULL, reason
               FROM original WHERE system = ?1 AND id * 2 + 1 > ?2 AND ?4 AND state = 'parked'
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
        resident: Some(columns::resident(row, 5)?),
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
    let (writes, reads) = (chosen(transaction, name, items)?, chosen_reads(transaction, name, items)?);
    for id in &writes {
        match action {
            ItemAction::Retry { .. } => requeue(transaction, *id, now)?,
            ItemAction::Release { reason, .. } => release(transaction, *id, reason, now)?,
        }
    }
    for id in &reads {
        // What is read again whole is looked at anew where it was kept aside.
        let sql = match action {
            ItemAction::Retry { .. } => {
                "UPDATE main_record_person SET read_at = NULL WHERE (system, resident) IN
                 (SELECT system, resident FROM original WHERE id = ?1)"
            }
            ItemAction::Release { .. } => {
                "UPDATE original SET state = 'kept', reason = 'released' WHERE id = ?1"
            }
        };
        transaction.prepare_cached(sql)?.execute([id])?;
    }
    let writes = writes.into_iter().map(number_of_write);
    Ok(writes.chain(reads.into_iter().map(|id| id * 2 + 1)).collect())
}

/// The resources kept aside among these numbers; all of them when none is named.
fn chosen_reads(connection: &Connection, name: &str, items: &[u64]) -> Result<Vec<u64>, StoreError> {
    let sql = "SELECT id FROM original WHERE system = ?1 AND state = 'parked' ORDER BY id";
    let mut select = connection.prepare_cached(sql)?;
    let parked: Vec<u64> = select.query_map([name], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(parked.into_iter().filter(|id| items.is_empty() || items.contains(&(id * 2 + 1))).collect())
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
    let writes = items.iter().filter(|item| *item % 2 == 0);
    let found = writes.map(|item| select.query_row(params![name, item / 2], |row| row.get(0)).optional());
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
    let code = format!("released: {reason}");
    transaction.prepare_cached("UPDATE owed SET code = ?2 WHERE id = ?1")?.execute(params![id, code])?;
    Ok(())
}

fn change(transaction: &Transaction<'_>, sql: &str, id: u64, now: Timestamp) -> Result<(), StoreError> {
    let number = delivery::next_number(transaction)?;
    let mut update = transaction.prepare_cached(sql)?;
    let install: u32 = update.query_row(params![id, now.0, number], |row| row.get(0))?;
    mark(transaction, hearth_protocol::id::InstallId(install))
}
