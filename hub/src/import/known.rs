//! What of an outside system was imported before.

use std::collections::BTreeMap;

use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::scope::Scope;
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;

use crate::store::{StoreError, columns};

/// Longest resource that is unpacked.
const RESOURCE_BYTES_MAX: usize = hearth_protocol::wire::limits::FHIR_DOCUMENT_BYTES_MAX;

/// An outside thing that became a thread of entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    pub(super) resource: String,
    pub(super) scope: Scope,
    pub(super) thread: EntryId,
    pub(super) newest: EntryId,
    pub(super) content: [u8; 32],
}

/// A resource that is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Original {
    pub(super) blake3: [u8; 32],
    pub(super) is_parked: bool,
    /// It was parked because the order that it names was not in the record.
    pub(super) waits_for_order: bool,
}

/// What is known of one resident from one system.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) items: BTreeMap<String, Item>,
    pub(super) originals: BTreeMap<String, Original>,
}

impl Known {
    pub(super) fn read(
        connection: &Connection,
        system: &str,
        resident: ResidentId,
    ) -> Result<Self, StoreError> {
        let sql = "SELECT resource, blake3, state, reason FROM original WHERE system = ?1 AND resident = ?2";
        let mut select = connection.prepare_cached(sql)?;
        let rows = select.query_map(params![system, resident.0.as_bytes()], |row| {
            let state: String = row.get(2)?;
            // One that was deleted there and comes again is looked at anew, as is one that was parked.
            let is_parked = matches!(state.as_str(), "parked" | "deleted");
            let reason: Option<String> = row.get(3)?;
            let waits_for_order = state == "parked" && reason.as_deref() == Some("order-unknown");
            Ok((row.get(0)?, Original { blake3: row.get(1)?, is_parked, waits_for_order }))
        })?;
        let originals = rows.collect::<Result<_, _>>()?;
        Ok(Self { items: items(connection, system, resident)?, originals })
    }

    /// Keys of the items that a resource became.
    pub(super) fn keys_of<'a>(&'a self, resource: &'a str) -> impl Iterator<Item = &'a String> {
        self.items.iter().filter(move |(_, item)| item.resource == resource).map(|(key, _)| key)
    }
}

fn items(
    connection: &Connection,
    system: &str,
    resident: ResidentId,
) -> Result<BTreeMap<String, Item>, StoreError> {
    let sql = "SELECT key, resource, scope, thread, newest, content FROM outside_item \
               WHERE system = ?1 AND resident = ?2";
    let mut select = connection.prepare_cached(sql)?;
    let mut rows = select.query(params![system, resident.0.as_bytes()])?;
    let mut items = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let (thread, newest): (String, String) = (row.get(3)?, row.get(4)?);
        let entry = |text: String| text.parse().map_err(|_| StoreError::Corrupt);
        let item = Item {
            resource: row.get(1)?,
            scope: columns::scope(row, 2)?,
            thread: entry(thread)?,
            newest: entry(newest)?,
            content: row.get(5)?,
        };
        items.insert(row.get(0)?, item);
    }
    Ok(items)
}

/// A resource of a resident as the system sent it last.
pub fn original(
    connection: &Connection,
    system: &str,
    resident: ResidentId,
    resource: &str,
) -> Result<Option<Value>, StoreError> {
    let sql = "SELECT zstd FROM original WHERE system = ?1 AND resident = ?2 AND resource = ?3";
    let mut select = connection.prepare_cached(sql)?;
    let packed: Option<Vec<u8>> =
        select.query_row(params![system, resident.0.as_bytes(), resource], |row| row.get(0)).optional()?;
    packed.map(|packed| unpack(&packed)).transpose()
}

pub(super) fn pack(json: &str) -> Result<Vec<u8>, StoreError> {
    zstd::bulk::compress(json.as_bytes(), 3).map_err(|_| StoreError::logic("a resource was not packed"))
}

pub(super) fn unpack(packed: &[u8]) -> Result<Value, StoreError> {
    let bytes = zstd::bulk::decompress(packed, RESOURCE_BYTES_MAX).map_err(|_| StoreError::Corrupt)?;
    serde_json::from_slice(&bytes).map_err(|_| StoreError::Corrupt)
}
