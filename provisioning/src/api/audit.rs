//! The audit: search, and the proof that nothing was removed.

use hearth_protocol::id::{InstallId, ResidentId, SiteId, StaffId};
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::resident::ResidentRef;
use super::rfc3339;

/// Which events to find; every part that is given must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuditQuery {
    /// About this resident.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resident: Option<ResidentRef>,
    /// By this member of staff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staff: Option<StaffId>,
    /// At this site.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Of this action, such as `view` or `break-glass`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// From this moment.
    #[serde(with = "rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Before this moment.
    #[serde(with = "rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// How many at most; [`super::PAGE_MAX`] when absent or larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Events, newest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditPage {
    /// The events.
    pub events: Vec<AuditEvent>,
    /// Where the next page begins (`after`), opaque; null on the last.
    pub next: Option<String>,
}

/// One event of the audit.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEvent {
    /// When it happened, by the clock of where it happened.
    #[serde(with = "rfc3339")]
    pub happened: Timestamp,
    /// When the hub had it.
    #[serde(with = "rfc3339")]
    pub received: Timestamp,
    /// The site; null for the hub.
    pub site: Option<SiteId>,
    /// The installation; null for the hub.
    pub install: Option<InstallId>,
    /// Its place in that installation's chain.
    pub sequence: u64,
    /// The member of staff.
    pub staff: Option<StaffId>,
    /// Their name, or the administrator's, or that of the system.
    pub who: String,
    /// The device, such as a tablet's name.
    pub device: Option<String>,
    /// What was done, such as `view`, `edit`, `print`, `export`, `break-glass`, `site-revoke`.
    pub action: String,
    /// Whether it was allowed.
    pub outcome: Outcome,
    /// The resident.
    pub resident: Option<ResidentId>,
    /// What it was done to, such as a page or a scope.
    pub subject: Option<String>,
    /// The reason given, as for break-glass.
    pub reason: Option<String>,
}

/// Ids only: what is printed for debugging may reach a log.
impl std::fmt::Debug for AuditEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuditEvent")
            .field("install", &self.install)
            .field("sequence", &self.sequence)
            .field("action", &self.action)
            .finish_non_exhaustive()
    }
}

/// Whether what was asked for was allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It was.
    Allowed,
    /// It was refused.
    Refused,
    /// It failed.
    Failed,
}

/// Every chain of the region, each checked from its first entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditVerification {
    /// Whether every chain is whole.
    pub whole: bool,
    /// The chains: the hub's own first, then by site.
    pub chains: Vec<ChainVerification>,
}

/// One chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainVerification {
    /// The site; null for the hub.
    pub site: Option<SiteId>,
    /// The installation; null for the hub.
    pub install: Option<InstallId>,
    /// How many entries were checked.
    pub entries: u64,
    /// The newest entry.
    #[serde(with = "rfc3339::option", default)]
    pub newest: Option<Timestamp>,
    /// The hash of the newest entry, as hexadecimal digits: compare it with what the site shows.
    pub head: Option<String>,
    /// What was found.
    pub state: ChainState,
}

/// What checking a chain found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "result")]
pub enum ChainState {
    /// Every hash and signature fits.
    Whole,
    /// Entries are missing.
    Gap {
        /// The last entry before the gap.
        after: u64,
        /// The first entry after it.
        before: u64,
    },
    /// An entry was changed.
    Altered {
        /// The entry.
        sequence: u64,
    },
    /// A signature is not the installation's.
    BadSignature {
        /// The newest entry that it vouches for.
        sequence: u64,
    },
}
