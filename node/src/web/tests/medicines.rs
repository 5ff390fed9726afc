//! Medicines: their list and orders, the round, when required, charts.

mod orders;

use std::sync::Arc;

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::ResidentId;
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::{Section, Subject};

use super::home::Home;
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
