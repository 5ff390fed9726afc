//! Doses of which nobody wrote anything: the system writes them down as missed, so that no gap is left unexplained
//! (NICE SC1, CQC) and the manager follows each up.
//!
//! Each node of a home does so, once a dose. Two that are parted may both write it: the chart takes the two for one, and
//! whatever a person wrote goes before both.

use std::time::Duration;

use hearth_protocol::clinical::format::MedicineLine;
use hearth_protocol::id::{EntryId, ResidentId, StaffId};
use hearth_protocol::record::mar::board::{Slot, Span, Windows, board};
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::{Body, Role};
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{AddError, Draft, IdempotencyKey, Records, Requester};
use hearth_protocol::access::SiteKind;

/// How long a dose stays overdue before it is missed: by then the next round has begun. What a person writes later still
/// goes before it.
pub const MISSED_AFTER_MS: i64 = 4 * 60 * 60_000;
/// How far back is looked: a node that was off for longer is no witness of what happened.
const LOOK_BACK_MS: i64 = 26 * 60 * 60_000;
/// How far back doses are read: a weekly one with what was recorded of it.
const READ_MS: i64 = 8 * 24 * 60 * 60_000;
/// How often is looked.
const EVERY: Duration = Duration::from_mins(10);

/// Looks again and again until told to stop.
pub async fn keep_watch(records: Records, stop: CancellationToken) {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = tick.tick() => match records.write_missed().await {
                Ok(0) => {}
                Ok(count) => tracing::info!(count, "doses without an entry were written down as missed"),
                // The next look finds the same doses.
                Err(error) => tracing::warn!(%error, "missed doses could not be written down"),
            },
        }
    }
}

impl Records {
    /// Writes down as missed every due dose of the last day that is long overdue and of which nobody wrote anything, and
    /// says how many there were.
    pub async fn write_missed(&self) -> Result<usize, AddError> {
        let is_open = self.link().borrow().lease.is_open();
        if self.site().kind != SiteKind::CareHome || !is_open {
            return Ok(0);
        }
        let mut written = 0;
        for resident in self.residents().await? {
            let away = resident.placement.as_ref().and_then(|place| place.away.clone());
            written += self.write_missed_of(resident.id, away.as_deref()).await?;
        }
        Ok(written)
    }

    async fn write_missed_of(&self, resident: ResidentId, away: Option<&str>) -> Result<usize, AddError> {
        let (now, subject) = (self.clock().now(), Subject::Resident(resident));
        let medicines = self.entries(subject, &[Section::Medicines], None).await?;
        let mar = self.entries(subject, &[Section::Mar], Some(now.plus_ms(-READ_MS))).await?;
        let until = now.plus_ms(-MISSED_AFTER_MS);
        let span = Span { from: now.plus_ms(-LOOK_BACK_MS), until };
        let board = board(&medicines, &mar, span, &Windows::default(), now);
        let mut written = 0;
        for slot in board.gaps(until) {
            let Some(key) = key(slot.order, slot.due) else { continue };
            match self.add(&system(), key, vec![draft(subject, slot, away, now)]).await {
                Ok(_) => written += 1,
                // Somebody was faster, or is about to write it, or the record is still on its way: the next look sees.
                Err(AddError::AlreadyRecorded { .. } | AddError::HeldByAnother(_) | AddError::Arriving) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

fn draft(subject: Subject, slot: &Slot<'_>, away: Option<&str>, now: Timestamp) -> Draft {
    let version = slot.versions.first();
    let dose = Administration {
        order: slot.order,
        order_version: version.map_or(slot.order, |v| v.entry.id),
        due: Some(slot.due),
        outcome: Outcome::Missed,
        amount: None,
        reason: away.map(|where_to| format!("The person is away: {where_to}")),
        site: None,
        witness: None,
        line: version.map(|v| MedicineLine::of(v.body).to_string()).unwrap_or_default(),
        overridden: None,
    };
    Draft {
        subject,
        section: Section::Mar,
        happened: now,
        thread: None,
        replaces: Vec::new(),
        body: Body::Administration(dose),
    }
}

/// The name under which the system writes.
pub fn system() -> Requester {
    Requester { staff: StaffId(0), role: Role::System, name: "Hearth".to_owned(), device: 0, session: 0 }
}

/// One key a dose: whoever asks for it, it is written once at a node.
pub fn key(order: EntryId, due: Timestamp) -> Option<IdempotencyKey> {
    format!("missed-{order}-{:x}", due.0).parse().ok()
}
