//! Finding events.

use hearth_protocol::audit::{Action, Event};
use hearth_protocol::id::{InstallId, ResidentId, SiteId, StaffId};
use hearth_protocol::time::Timestamp;
use rusqlite::{Connection, named_params};

use super::chains::hub_install;
use crate::store::StoreError;

/// Which events to find; every part that is given must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// About this resident.
    pub resident: Option<ResidentId>,
    /// By this member of staff.
    pub staff: Option<StaffId>,
    /// By an installation of this site, or about this site.
    pub site: Option<SiteId>,
    /// Of this action.
    pub action: Option<Action>,
    /// From this moment.
    pub since: Option<Timestamp>,
    /// Before this moment.
    pub until: Option<Timestamp>,
    /// Those after this one, in the order of the page.
    pub after: Option<PageKey>,
}

/// The place of an event in pages: newest first, then by installation and number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageKey {
    /// When it happened.
    pub at: Timestamp,
    /// Whose chain.
    pub install: InstallId,
    /// Place in the chain.
    pub n: u64,
}

/// An event that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The event.
    pub event: Event,
    /// When the hub had it.
    pub received: Timestamp,
    /// The site whose installation it is; none for the hub.
    pub site: Option<SiteId>,
    /// Whether it stands in the hub's own chain.
    pub is_hub: bool,
}

/// Events, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The events.
    pub events: Vec<Found>,
    /// Where the next page begins; none on the last.
    pub next: Option<PageKey>,
}

const SEARCH: &str = "
SELECT i.at, i.install, i.n, e.bytes, e.received_at, install.site
FROM audit_index i
JOIN audit_event e ON e.install = i.install AND e.n = i.n
LEFT JOIN install ON install.id = i.install
WHERE (:resident IS NULL OR i.resident = :resident)
  AND (:staff IS NULL OR i.staff = :staff)
  AND (:site IS NULL OR i.site = :site OR install.site = :site)
  AND (:action IS NULL OR i.action = :action)
  AND i.at >= :since AND i.at < :until
  AND (i.at, i.install, i.n) < (:at, :install, :n)
ORDER BY i.at DESC, i.install DESC, i.n DESC
LIMIT :limit";

/// Finds at most `limit` events.
pub fn search(connection: &Connection, filter: &Filter, limit: u32) -> Result<Page, StoreError> {
    let hub = hub_install(connection)?;
    let after =
        filter.after.unwrap_or(PageKey { at: Timestamp(i64::MAX), install: InstallId(u32::MAX), n: 0 });
    let mut statement = connection.prepare_cached(SEARCH)?;
    let mut rows = statement.query(named_params! {
        ":resident": filter.resident.map(|r| *r.0.as_bytes()),
        ":staff": filter.staff.map(|s| s.0.cast_signed()),
        ":site": filter.site.map(|s| s.to_string()),
        ":action": filter.action.map(Action::number),
        ":since": filter.since.map_or(i64::MIN, |t| t.0),
        ":until": filter.until.map_or(i64::MAX, |t| t.0),
        ":at": after.at.0,
        ":install": after.install.0,
        ":n": after.n,
        ":limit": limit.saturating_add(1),
    })?;
    let mut page = Page::default();
    let mut last = None;
    while let Some(row) = rows.next()? {
        if page.events.len() >= usize::try_from(limit).unwrap_or(usize::MAX) {
            page.next = last;
            break;
        }
        let install = InstallId(row.get(1)?);
        last = Some(PageKey { at: Timestamp(row.get(0)?), install, n: row.get(2)? });
        let bytes: Vec<u8> = row.get(3)?;
        let site: Option<String> = row.get(5)?;
        let event = Event::from_bytes(&bytes).map_err(|fault| StoreError::logic(fault.to_string()))?;
        page.events.push(Found {
            event,
            received: Timestamp(row.get(4)?),
            site: site.and_then(|site| site.parse().ok()),
            is_hub: install == hub,
        });
    }
    Ok(page)
}
