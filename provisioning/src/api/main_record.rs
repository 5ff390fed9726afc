//! The main care records: what came, what waits, what was refused and why.

use hearth_protocol::id::ResidentId;
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// The main care records of the region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainRecords {
    /// In the order of the configuration.
    pub main_records: Vec<MainRecordState>,
}

/// The state of one main care record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainRecordState {
    /// Its name in the hub's configuration.
    pub name: String,
    /// Where it is.
    pub base_url: String,
    /// Whether it answered when last asked.
    pub reachable: bool,
    /// What it says it is, such as `HAPI FHIR Server 8.0`.
    pub software: Option<String>,
    /// When it was last read to the end.
    #[serde(with = "rfc3339::option", default)]
    pub last_read: Option<Timestamp>,
    /// When it last took a write.
    #[serde(with = "rfc3339::option", default)]
    pub last_written: Option<Timestamp>,
    /// Resources read and kept.
    pub resources: u64,
    /// Writes that wait to be sent.
    pub waiting: u64,
    /// The oldest of them.
    #[serde(with = "rfc3339::option", default)]
    pub waiting_since: Option<Timestamp>,
    /// Residents whom it does not know, or not surely: nothing is read or written of them.
    pub unknown: u64,
    /// What is kept aside, read or to be written, until a person decides.
    pub parked: u64,
    /// What went wrong last.
    pub last_error: Option<String>,
}

/// Which items to list, in the query of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MainRecordItemsQuery {
    /// Those in this state; parked and waiting when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<ItemState>,
    /// Those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many at most; [`super::PAGE_MAX`] when absent or larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Items of one main care record, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainRecordItems {
    /// The items.
    pub items: Vec<MainRecordItem>,
    /// Where the next page begins (`after`); null on the last.
    pub next: Option<u64>,
}

/// A write that waits, or a resource that is kept aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MainRecordItem {
    /// Its number at the hub.
    pub item: u64,
    /// Its state.
    pub state: ItemState,
    /// True for what was read, false for what is to be written.
    pub inbound: bool,
    /// Type and id of the resource.
    pub resource: String,
    /// The resident.
    pub resident: Option<ResidentId>,
    /// Since when.
    #[serde(with = "rfc3339")]
    pub since: Timestamp,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is tried next.
    #[serde(with = "rfc3339::option", default)]
    pub next_attempt: Option<Timestamp>,
    /// Why it is where it is, without personal data.
    pub reason: Option<String>,
}

/// The state of an item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ItemState {
    /// To be sent.
    Waiting,
    /// Kept aside until a person decides.
    Parked,
    /// Done.
    Done,
    /// Given up by a person, with the reason.
    Released,
}

/// What is to be done with items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum ItemAction {
    /// Try again now: these items, or all that are parked when none are named.
    Retry {
        /// The items.
        items: Vec<u64>,
    },
    /// Give up: these items are no longer owed.
    Release {
        /// The items; at least one.
        items: Vec<u64>,
        /// Why, for the audit.
        reason: String,
    },
}

/// What was done with items.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemChange {
    /// Those that were changed.
    pub changed: Vec<u64>,
}
