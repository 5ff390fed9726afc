//! What the node that wrote an entry is told of its way.
//!
//! A level: a state that is told again changes nothing, and the newest is the one that counts. So a link begins at
//! what is known to have arrived, and what was on its way when the last link broke is told again.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::id::{EntryId, InstallId, SiteId};
use hearth_protocol::wire::message::{DeliveryState, EntryDelivery};
use rusqlite::{Connection, OptionalExtension, Transaction, params};

use super::NO_PATIENT;
use crate::sites;
use crate::store::StoreError;

/// States that changed after a number, and the number up to which they are all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewStates {
    /// One state an entry.
    pub states: Vec<EntryDelivery>,
    /// Ask for what came after this one next.
    pub upto: u64,
}

/// Up to which number an installation is known to have been told.
pub fn told(connection: &Connection, install: InstallId) -> Result<u64, StoreError> {
    let mut select = connection.prepare_cached("SELECT change_no FROM delivery_told WHERE install = ?1")?;
    Ok(select.query_row([install.0], |row| row.get(0)).optional()?.unwrap_or(0))
}

/// Notes that everything up to this number is on an installation's disk, as it has said itself: sent is not arrived.
pub fn confirm_told(transaction: &Transaction<'_>, install: InstallId, upto: u64) -> Result<(), StoreError> {
    let sql = "INSERT INTO delivery_told (install, change_no) VALUES (?1, ?2)
               ON CONFLICT (install) DO UPDATE SET change_no = max(change_no, excluded.change_no)";
    transaction.prepare_cached(sql)?.execute(params![install.0, upto])?;
    Ok(())
}

/// The states of a site's entries that changed after a number, at most so many changes: whichever of its installations
/// wrote them, the one that asks holds them now.
pub fn news(connection: &Connection, site: SiteId, after: u64, limit: u32) -> Result<NewStates, StoreError> {
    let mut changed = BTreeMap::new();
    for writer in sites::installs_of(connection, site)? {
        let sql = "SELECT change_no, counter FROM owed WHERE install = ?1 AND change_no > ?2
                   ORDER BY change_no LIMIT ?3";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map(params![writer.0, after, limit], |row| {
            Ok((row.get::<_, u64>(0)?, EntryId { install: writer, counter: row.get(1)? }))
        })?;
        for row in rows {
            let (number, entry) = row?;
            changed.insert(number, entry);
        }
    }
    let changed: Vec<(u64, EntryId)> = changed.into_iter().take(limit as usize).collect();
    let upto = changed.last().map_or(after, |(number, _)| *number);
    let entries: BTreeSet<EntryId> = changed.into_iter().map(|(_, entry)| entry).collect();
    let states =
        entries.into_iter().map(|entry| Ok(EntryDelivery { entry, state: state(connection, entry)? }));
    Ok(NewStates { states: states.collect::<Result<_, StoreError>>()?, upto })
}

/// One state for all main care records that are owed the entry: what a person has to know first.
fn state(connection: &Connection, entry: EntryId) -> Result<DeliveryState, StoreError> {
    let sql = "SELECT state, code, reason FROM owed WHERE install = ?1 AND counter = ?2 ORDER BY id";
    let mut select = connection.prepare_cached(sql)?;
    let rows = select.query_map(params![entry.install.0, entry.counter], |row| {
        let (state, code, reason): (String, Option<String>, Option<String>) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        let is_stranger = code.as_deref() == Some(NO_PATIENT);
        Ok((rank(&state, is_stranger), told_as(&state, reason)))
    })?;
    let states: Vec<(u8, DeliveryState)> = rows.collect::<Result<_, _>>()?;
    let first = states.into_iter().min_by_key(|(rank, _)| *rank);
    Ok(first.map_or(DeliveryState::NotSupported, |(_, state)| state))
}

/// A record that does not know the resident only counts where none of them does.
fn rank(state: &str, is_stranger: bool) -> u8 {
    match (state, is_stranger) {
        ("rejected", false) => 0,
        ("queued", _) => 1,
        ("accepted", _) => 2,
        ("rejected", true) => 3,
        ("released", _) => 4,
        _ => 5,
    }
}

fn told_as(state: &str, reason: Option<String>) -> DeliveryState {
    match state {
        "queued" => DeliveryState::Queued,
        "accepted" => DeliveryState::Accepted,
        "not-supported" => DeliveryState::NotSupported,
        _ => DeliveryState::Rejected(reason.unwrap_or_default()),
    }
}

/// The number of the next change of a state.
pub(super) fn next_number(transaction: &Transaction<'_>) -> Result<u64, StoreError> {
    let sql = "UPDATE delivery_clock SET number = number + 1 RETURNING number";
    Ok(transaction.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}
