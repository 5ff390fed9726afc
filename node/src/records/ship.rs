//! The audit on its way to the hub.

use hearth_protocol::audit::Head;
use hearth_protocol::id::InstallId;
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
    /// The earlier installation that wrote them; none for this one's own.
    pub of: Option<InstallId>,
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
                    AuditShipment { of: None, first, events, head: (last == head.n).then_some(head) }
                }))
            })
            .await
    }

    /// The next events that an earlier installation had not sent; none when the hub has all.
    pub async fn audit_before(&self) -> Result<Option<AuditShipment>, StoreError> {
        self.0.store.read(before).await
    }

    /// Lets go of events of an earlier installation: up to this number they are on the hub's disk. Answers whether any
    /// were.
    pub async fn audit_before_shipped(&self, of: InstallId, upto: u64) -> Result<bool, StoreError> {
        self.0
            .store
            .write(move |tx| {
                let sql = "DELETE FROM audit_before WHERE install = ?1 AND n <= ?2";
                Ok(tx.prepare_cached(sql)?.execute((of.0, row::int(upto)))? > 0)
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

fn before(connection: &Connection) -> Result<Option<AuditShipment>, StoreError> {
    let sql = "SELECT install, n, bytes FROM audit_before
               WHERE install = (SELECT min(install) FROM audit_before) ORDER BY n LIMIT ?1";
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([row::int(limits::AUDIT_EVENTS_MAX as u64)])?;
    let mut found: Option<AuditShipment> = None;
    while let Some(row) = rows.next()? {
        let (of, first) = (Some(InstallId(row.get(0)?)), row::count(row.get(1)?));
        let shipment = found.get_or_insert(AuditShipment { of, first, events: Vec::new(), head: None });
        shipment.events.push(AuditBytes(row.get(2)?));
    }
    Ok(found)
}
