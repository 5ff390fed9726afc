//! The audit on its way to the hub.

use hearth_protocol::audit::Head;
use hearth_protocol::wire::limits;
use hearth_protocol::wire::message::AuditBytes;
use rusqlite::Connection;

use super::{Records, row, trail};
use crate::store::StoreError;

/// Key of the last event that is on the hub's disk, in `meta`.
const SHIPPED: &str = "audit-shipped";

/// Events to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditShipment {
    /// Number of the first.
    pub first: u64,
    /// The events.
    pub events: Vec<AuditBytes>,
    /// The head of the chain, if the last event is the newest.
    pub head: Option<Head>,
}

impl Records {
    /// The next events that the hub does not have; none when it has all.
    pub async fn audit_to_ship(&self) -> Result<Option<AuditShipment>, StoreError> {
        let install = self.0.site.install;
        self.0
            .store
            .read(move |connection| {
                let head = trail::head(connection, install)?;
                Ok(next(connection)?.map(|(first, events)| {
                    let last = first + events.len() as u64 - 1;
                    AuditShipment { first, events, head: (last == head.n).then_some(head) }
                }))
            })
            .await
    }

    /// Notes that events up to this number, and no others, are on the hub's disk. Answers whether that is news.
    pub async fn audit_shipped(&self, upto: u64) -> Result<bool, StoreError> {
        self.0
            .store
            .write(move |tx| {
                let known = shipped(tx)?;
                if upto == known {
                    return Ok(false);
                }
                row::set_meta(tx, SHIPPED, upto)?;
                Ok(true)
            })
            .await
    }
}

/// The last event that is on the hub's disk.
pub(super) fn shipped(connection: &Connection) -> Result<u64, StoreError> {
    Ok(row::meta::<u64>(connection, SHIPPED)?.unwrap_or(0))
}

/// Begins a chain of which the hub has nothing.
pub(super) fn begin(connection: &Connection) -> Result<(), StoreError> {
    row::set_meta(connection, SHIPPED, 0_u64)
}

fn next(connection: &Connection) -> Result<Option<(u64, Vec<AuditBytes>)>, StoreError> {
    let shipped = shipped(connection)?;
    let sql = "SELECT bytes FROM audit WHERE n > ?1 ORDER BY n LIMIT ?2";
    let mut statement = connection.prepare_cached(sql)?;
    let most = row::int(limits::AUDIT_EVENTS_MAX as u64);
    let rows = statement.query_map([row::int(shipped), most], |row| row.get(0).map(AuditBytes))?;
    let events: Result<Vec<AuditBytes>, rusqlite::Error> = rows.collect();
    let events = events?;
    Ok((!events.is_empty()).then_some((shipped + 1, events)))
}
