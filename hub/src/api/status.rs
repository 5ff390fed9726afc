//! The fleet at a glance, and who asks.

use axum::Json;
use axum::extract::State;
use hearth_protocol::id::InstallId;
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::message::Health;
use hearth_provisioning::api::{Alarm, Fleet, HubStatus, SiteStatus, Whoami};
use rusqlite::{Connection, Row};

use super::call::Admin;
use super::{Api, Links, Refusal, main_records};
use crate::region;
use crate::store::{StoreError, columns};

/// Name and version of this software.
pub(super) const SOFTWARE: &str = concat!("hearth-hub ", env!("CARGO_PKG_VERSION"));

const MINUTE_MS: i64 = 60 * 1000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// Time after which a site that is not heard shows its banner.
const SILENT_MS: i64 = 3 * DAY_MS;
const CERTIFICATE_MS: i64 = 14 * DAY_MS;
const CLOCK_MS: u64 = 5 * 60 * 1000;
/// How long a site is shown to have dated entries wrongly, after the last.
const MISDATED_MS: i64 = DAY_MS;
const STUCK_MS: i64 = 10 * MINUTE_MS;
const DISK_BYTES: u64 = 5_000_000_000;

const SITES: &str = "
SELECT s.ods, s.name, s.kind, s.state, i.id, i.last_seen, i.software, i.health, i.health_at,
  (SELECT max(not_after) FROM certificate c WHERE c.install = i.id),
  (SELECT count(*) FROM subscription u WHERE u.site = s.ods AND u.feed_no > coalesce(i.cursor, 0)),
  EXISTS (SELECT 1 FROM invite v WHERE v.site = s.ods AND v.used_by IS NULL AND v.revoked_at IS NULL
          AND v.not_after >= ?1),
  EXISTS (SELECT 1 FROM install q WHERE q.site = s.ods AND q.state = 'quarantined'),
  (SELECT max(m.received_at) FROM install d JOIN misdated m ON m.install = d.id WHERE d.site = s.ods)
FROM site s
LEFT JOIN install i ON i.id = (SELECT id FROM install a WHERE a.site = s.ods AND a.state = 'active'
                               ORDER BY a.enrolled_at DESC LIMIT 1)
ORDER BY s.ods";

pub(super) async fn whoami(State(api): State<Api>, admin: Admin) -> Json<Whoami> {
    let region = api.parts().certifier.region();
    Json(Whoami {
        administrator: admin.name,
        region: region.id,
        region_name: region.name.clone(),
        software: SOFTWARE.to_owned(),
        time: api.now(),
    })
}

pub(super) async fn fleet(State(api): State<Api>) -> Result<Json<Fleet>, Refusal> {
    let (now, started) = (api.now(), api.0.started);
    let issuing_ends = api.parts().certifier.keys().issuing.not_after();
    let read = move |connection: &Connection| {
        let hub = hub(connection, now, started, issuing_ends)?;
        let mut select = connection.prepare_cached(SITES)?;
        let rows = select.query_map([now.0], site)?;
        let sites: Vec<Seen> = rows.collect::<Result<_, _>>()?;
        Ok((hub, sites))
    };
    let (hub, seen) = api.parts().store.read(read).await?;
    let links = api.parts().links.as_ref();
    let mut sites: Vec<SiteStatus> = seen.into_iter().map(|seen| status(seen, now, links)).collect();
    sites.sort_by_key(|site| (site.alarms.is_empty(), site.ods));
    Ok(Json(Fleet { hub, sites, main_records: main_records::states(&api).await? }))
}

fn hub(
    connection: &Connection,
    now: Timestamp,
    started: Timestamp,
    issuing_ends: Timestamp,
) -> Result<HubStatus, StoreError> {
    let count = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, u64>(0));
    Ok(HubStatus {
        software: SOFTWARE.to_owned(),
        time: now,
        started,
        epoch: region::require(connection)?.epoch,
        scopes: count("SELECT count(*) FROM scope")?,
        changes: count("SELECT coalesce(sum(head_seq), 0) FROM scope")?,
        residents: count("SELECT count(*) FROM resident")?,
        quarantined: count("SELECT count(*) FROM quarantine WHERE settled_at IS NULL")?,
        disk_free_bytes: disk_free(connection),
        issuing_ends,
        last_backup: connection
            .query_row("SELECT max(made_at) FROM backup", [], |row| row.get::<_, Option<i64>>(0))?
            .map(Timestamp),
    })
}

/// Bytes that the database may still grow by; none where the file system does not say.
fn disk_free(connection: &Connection) -> Option<u64> {
    let system = rustix::fs::statvfs(connection.path()?).ok()?;
    Some(system.f_bavail.saturating_mul(system.f_frsize))
}

/// What the database says of a site.
struct Seen {
    status: SiteStatus,
    has_invite: bool,
    has_quarantined: bool,
    is_closed: bool,
    /// When something last came that a wrong clock had dated.
    misdated: Option<Timestamp>,
}

fn site(row: &Row<'_>) -> rusqlite::Result<Seen> {
    let health: Option<Vec<u8>> = row.get(7)?;
    // A report of a later version that cannot be read is no report.
    let health: Option<Health> = health.and_then(|bytes| minicbor::decode(&bytes).ok());
    let (seen, reported): (Option<i64>, Option<i64>) = (row.get(5)?, row.get(8)?);
    let state: String = row.get(3)?;
    Ok(Seen {
        status: SiteStatus {
            ods: columns::site(row, 0)?,
            name: row.get(1)?,
            kind: columns::site_kind(row, 2)?,
            install: row.get::<_, Option<u32>>(4)?.map(InstallId),
            online: false,
            transport: None,
            last_contact: seen.max(reported).map(Timestamp),
            waiting_at_site: health.as_ref().map(|h| h.waiting),
            waiting_at_hub: row.get(10)?,
            software: row.get(6)?,
            certificate_ends: row.get::<_, Option<i64>>(9)?.map(Timestamp),
            clock_offset_ms: health.as_ref().map(|h| h.clock_offset_ms),
            disk_free_bytes: health.as_ref().map(|h| h.disk_free),
            conflicts_open: health.as_ref().map(|h| h.conflicts),
            doses_at_risk: health.as_ref().map(|h| h.doses_overdue),
            alarms: Vec::new(),
        },
        has_invite: row.get(11)?,
        has_quarantined: row.get(12)?,
        is_closed: state != "active",
        misdated: row.get::<_, Option<i64>>(13)?.map(Timestamp),
    })
}

fn status(seen: Seen, now: Timestamp, links: &dyn Links) -> SiteStatus {
    let transport = seen.status.install.and_then(|install| links.transport(install));
    let behind_since = seen.status.install.and_then(|install| links.behind_since(install));
    let online = transport.is_some();
    let status = SiteStatus { online, transport, ..seen.status };
    let silent = status.last_contact.is_none_or(|at| now.ms_since(at) > SILENT_MS);
    let stuck = behind_since.is_some_and(|since| now.ms_since(since) > STUCK_MS);
    let ends = |at: Timestamp| at.ms_since(now) < CERTIFICATE_MS;
    let enrolled = status.install.is_some();
    let is_off = status.clock_offset_ms.is_some_and(|ms| ms.unsigned_abs() > CLOCK_MS);
    let alarms = [
        (Alarm::Revoked, seen.is_closed),
        (Alarm::NotEnrolled, !seen.is_closed && !enrolled && !seen.has_invite),
        (Alarm::Silent, enrolled && !online && silent),
        (Alarm::Stuck, online && stuck),
        (Alarm::CertificateEnds, status.certificate_ends.is_some_and(ends)),
        (Alarm::Clock, is_off || seen.misdated.is_some_and(|at| now.ms_since(at) < MISDATED_MS)),
        (Alarm::Disk, status.disk_free_bytes.is_some_and(|bytes| bytes < DISK_BYTES)),
        (Alarm::Quarantined, seen.has_quarantined),
        (Alarm::DosesAtRisk, status.doses_at_risk.is_some_and(|doses| doses > 0)),
    ];
    let alarms = alarms.into_iter().filter(|(_, raised)| *raised).map(|(alarm, _)| alarm).collect();
    SiteStatus { alarms, ..status }
}
