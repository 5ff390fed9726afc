//! The quarantine: changes that broke a rule, kept whole until a person has decided. Never what they say.

use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId};
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// Which changes to list, in the query of the request.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuarantineQuery {
    /// Those that installations of this site sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<SiteId>,
    /// Those that broke the rule with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Those that somebody has decided about too.
    #[serde(default)]
    pub all: bool,
    /// Those after this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// How many at most; [`super::PAGE_MAX`] when absent or larger.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u32>,
}

/// Changes in the quarantine, oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quarantine {
    /// The changes.
    pub changes: Vec<QuarantinedChange>,
    /// Where the next page begins (`after`); null on the last.
    pub next: Option<u64>,
}

/// A change in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedChange {
    /// Its number at the hub.
    pub change: u64,
    /// The code of the rule that it broke.
    pub code: String,
    /// The installation that sent it.
    pub install: InstallId,
    /// That installation's site, where the hub knows it.
    pub site: Option<SiteId>,
    /// Whose record it is of; null for a document of a site.
    pub resident: Option<ResidentId>,
    /// The section.
    pub section: String,
    /// When it came.
    #[serde(with = "rfc3339")]
    pub received: Timestamp,
    /// What was decided: `accepted`, or `dismissed` and why; null while nothing was.
    pub settlement: Option<String>,
}

/// A change in the quarantine with what it holds, by name and time alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedDetail {
    /// The change.
    pub change: QuarantinedChange,
    /// Who made it, as it says itself; null where it cannot be read.
    pub author: Option<InstallId>,
    /// Its entries; none where it cannot be read.
    pub entries: Vec<QuarantinedEntry>,
    /// What the code means and what a release would do.
    pub meaning: String,
}

/// An entry of a change in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantinedEntry {
    /// Its name.
    pub entry: EntryId,
    /// When it says that it happened.
    #[serde(with = "rfc3339")]
    pub happened: Timestamp,
    /// When it says that it was recorded.
    #[serde(with = "rfc3339")]
    pub recorded: Timestamp,
}

/// What is to be done with a change in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "action")]
pub enum QuarantineAction {
    /// Judge it again by today's rules, and take it into the record if it keeps them.
    Release,
    /// It stays out of the record. The bytes stay in the quarantine.
    Discard {
        /// Why, kept beside it.
        reason: String,
    },
}

/// What became of a change in the quarantine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineDecision {
    /// The change.
    pub change: u64,
    /// What became of it.
    pub outcome: QuarantineOutcome,
}

/// What became of a change in the quarantine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum QuarantineOutcome {
    /// It is part of the record and goes to every site that holds it.
    Accepted,
    /// It keeps the rules and waits for a change that the hub has not got.
    Waiting,
    /// It stays out.
    Discarded,
}
