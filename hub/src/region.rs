//! The region as the database knows it: its id and epoch, and the installation as which the hub itself writes.

use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::RegionId;
use rusqlite::{Connection, OptionalExtension, Transaction};
use uuid::Uuid;

use crate::store::{StoreError, columns};

/// How long nodes may bring back what a hub lost, in milliseconds: as long as a node may be away and keep its records.
const REPAIR_MS: i64 = 90 * 24 * 60 * 60 * 1000;

/// The region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its id.
    pub id: RegionId,
    /// Its epoch: changes when the hub lost something.
    pub epoch: u64,
    /// The installation as which the hub writes.
    pub hub_install: InstallId,
}

/// The region of this database; none before it was begun.
pub fn get(connection: &Connection) -> Result<Option<Region>, StoreError> {
    let sql = "SELECT id, epoch, hub_install FROM region WHERE one = 1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row([], |row| {
        let id = RegionId(Uuid::from_bytes(row.get(0)?));
        Ok(Region { id, epoch: row.get(1)?, hub_install: columns::install(row, 2)? })
    });
    Ok(found.optional()?)
}

/// The region of this database; an error before it was begun.
pub fn require(connection: &Connection) -> Result<Region, StoreError> {
    get(connection)?.ok_or_else(|| StoreError::logic("the database belongs to no region yet"))
}

/// Begins a region in an empty database. The same region again changes nothing; another one is refused.
pub fn begin(
    transaction: &Transaction<'_>,
    id: RegionId,
    hub_install: InstallId,
) -> Result<Region, StoreError> {
    if let Some(found) = get(transaction)? {
        return if found.id == id {
            Ok(found)
        } else {
            Err(StoreError::logic(format!("the database belongs to region {}", found.id.0)))
        };
    }
    let sql = "INSERT INTO region (one, id, epoch, hub_install) VALUES (1, ?1, 1, ?2)";
    transaction.execute(sql, (id.0.as_bytes(), hub_install.0))?;
    Ok(Region { id, epoch: 1, hub_install })
}

/// Starts a new epoch, after a restore or a failover with loss: every node repairs and pushes back what it still has.
///
/// The hub writes as a new installation from here on, since the old one's numbers may have been used already. The epoch
/// is counted from the time in seconds, so that the same backup restored twice begins two of them.
pub fn start_epoch(
    transaction: &Transaction<'_>,
    hub_install: InstallId,
    now: Timestamp,
) -> Result<u64, StoreError> {
    let before = require(transaction)?.hub_install;
    let sql =
        "UPDATE region SET epoch = max(epoch + 1, ?2), hub_install = ?1, hub_entries = 0 RETURNING epoch";
    let epoch = transaction.query_row(sql, (hub_install.0, now.0 / 1000), |row| row.get(0))?;
    let sql = "INSERT INTO epoch (epoch, started_at, hub_install) VALUES (?1, ?2, ?3)";
    transaction.execute(sql, (epoch, now.0, before.0))?;
    Ok(epoch)
}

/// Whether nodes may still bring back what the hub lost when the present epoch began.
pub fn is_repairing(connection: &Connection, now: Timestamp) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached("SELECT max(started_at) FROM epoch")?;
    let started: Option<i64> = select.query_row([], |row| row.get(0))?;
    Ok(started.is_some_and(|started| now.ms_since(Timestamp(started)) <= REPAIR_MS))
}

/// Whether the hub itself wrote as this installation before a loss.
pub fn was_hub(connection: &Connection, install: InstallId) -> Result<bool, StoreError> {
    let mut select = connection.prepare_cached("SELECT 1 FROM epoch WHERE hub_install = ?1")?;
    Ok(select.exists([install.0])?)
}

/// The hub writes as another installation from here on, whose number no installation has.
pub fn write_as(transaction: &Transaction<'_>, hub_install: InstallId) -> Result<(), StoreError> {
    transaction.execute("UPDATE region SET hub_install = ?1, hub_entries = 0", [hub_install.0])?;
    Ok(())
}

/// The id of the next entry that the hub writes.
pub fn next_entry(transaction: &Transaction<'_>) -> Result<EntryId, StoreError> {
    let sql = "UPDATE region SET hub_entries = hub_entries + 1 RETURNING hub_install, hub_entries";
    let mut update = transaction.prepare_cached(sql)?;
    let id =
        update.query_row([], |row| Ok(EntryId { install: columns::install(row, 0)?, counter: row.get(1)? }));
    id.optional()?.ok_or_else(|| StoreError::logic("the database belongs to no region yet"))
}
