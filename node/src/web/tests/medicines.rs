//! Medicines: their list and orders, the round, when required, charts.

mod charts;
mod orders;
mod round;

use std::sync::Arc;

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::mar::{Administration, Outcome};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};

use super::home::{Home, MARGARET};
use crate::clock::{Clock, ManualTime};
use crate::records::sample::NOON;

/// The home at 12:12, with doses due since 12:00.
async fn home() -> (Home, Arc<ManualTime>) {
    let time = ManualTime::at(NOON.plus_ms(12 * 60_000));
    (Home::new(SiteKind::CareHome, Clock::from_source(time.clone())).await, time)
}

/// The entries of a section of a resident, as the store has them.
async fn entries(home: &Home, resident: ResidentId, section: Section) -> Vec<Entry> {
    home.records.entries(Subject::Resident(resident), &[section], None).await.unwrap()
}

/// What the newest entry of a section says.
async fn newest(home: &Home, resident: ResidentId, section: Section) -> Body {
    entries(home, resident, section).await.into_iter().max_by_key(|entry| entry.id).unwrap().body
}

/// A when-required dose of 90 minutes ago, of which nobody has said whether it helped.
pub(super) async fn paracetamol_given(home: &Home) -> EntryId {
    let order = home.order(MARGARET, "Paracetamol").await;
    let dose = Administration {
        order,
        order_version: order,
        due: None,
        outcome: Outcome::Given,
        amount: None,
        reason: Some("Headache".into()),
        site: None,
        witness: None,
        line: "paracetamol".into(),
        overridden: None,
    };
    home.add(Subject::Resident(MARGARET), Section::Mar, -90, Body::Administration(dose)).await
}
