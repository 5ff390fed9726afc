//! The fleet at a glance, and who asks.

use hearth_protocol::access::SiteKind;
use hearth_protocol::id::{InstallId, SiteId};
use hearth_protocol::time::Timestamp;
use hearth_protocol::wire::Transport;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::main_record::MainRecordState;
use super::rfc3339;

/// Who the token is, and which hub answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Whoami {
    /// The administrator, by the name that the hub's configuration gives the token.
    pub administrator: String,
    /// The region.
    pub region: Uuid,
    /// The region's name.
    pub region_name: String,
    /// The hub's software and version.
    pub software: String,
    /// The hub's time.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
}

/// The hub and every site.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fleet {
    /// The hub.
    pub hub: HubStatus,
    /// The sites, those with alarms first, then by ODS code.
    pub sites: Vec<SiteStatus>,
    /// The main care records.
    pub main_records: Vec<MainRecordState>,
}

/// The hub's own state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HubStatus {
    /// Its software and version.
    pub software: String,
    /// Its time.
    #[serde(with = "rfc3339")]
    pub time: Timestamp,
    /// When it started.
    #[serde(with = "rfc3339")]
    pub started: Timestamp,
    /// The region's epoch: changes when the hub was restored with loss.
    pub epoch: u64,
    /// Scopes held.
    pub scopes: u64,
    /// Changes held.
    pub changes: u64,
    /// Residents held.
    pub residents: u64,
    /// Changes kept aside for a person because they broke a rule.
    pub quarantined: u64,
    /// Bytes free where the data is.
    pub disk_free_bytes: Option<u64>,
    /// When the issuing authority's certificate ends.
    #[serde(with = "rfc3339")]
    pub issuing_ends: Timestamp,
    /// When the last backup was made.
    #[serde(with = "rfc3339::option", default)]
    pub last_backup: Option<Timestamp>,
}

/// One site's state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiteStatus {
    /// Its ODS code.
    pub ods: SiteId,
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: SiteKind,
    /// Its installation; null before it enrols.
    pub install: Option<InstallId>,
    /// Whether it is connected now.
    pub online: bool,
    /// What carries its connection; null while it is not connected.
    #[serde(default)]
    pub transport: Option<Transport>,
    /// When it was last heard.
    #[serde(with = "rfc3339::option", default)]
    pub last_contact: Option<Timestamp>,
    /// Entries that it said it still has to send, when last heard.
    pub waiting_at_site: Option<u64>,
    /// Scopes that the hub has for it and it has not yet confirmed.
    pub waiting_at_hub: u64,
    /// Its software and version.
    pub software: Option<String>,
    /// When its certificate ends.
    #[serde(with = "rfc3339::option", default)]
    pub certificate_ends: Option<Timestamp>,
    /// Its clock less the hub's, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// Bytes free on its disk.
    pub disk_free_bytes: Option<u64>,
    /// Conflicts that wait for a person there.
    pub conflicts_open: Option<u64>,
    /// Doses that were due and have no record.
    pub doses_at_risk: Option<u64>,
    /// What asks for somebody's attention.
    pub alarms: Vec<Alarm>,
}

/// What asks for an administrator's attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Alarm {
    /// Never enrolled, and no invite is open.
    NotEnrolled,
    /// Not heard for longer than its lease allows without a banner.
    Silent,
    /// Connected, and its cursor has not moved for ten minutes though there is something to read.
    Stuck,
    /// Its certificate ends within two weeks.
    CertificateEnds,
    /// Its clock is more than five minutes off, or dated an entry within the last day that cannot have been then.
    Clock,
    /// Less than 5 GB free.
    Disk,
    /// An installation is held because its changes do not fit together.
    Quarantined,
    /// Doses were due and have no record.
    DosesAtRisk,
    /// It was revoked.
    Revoked,
    /// An alarm of a newer hub.
    #[serde(other)]
    Other,
}

impl Alarm {
    /// The alarm in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NotEnrolled => "not enrolled",
            Self::Silent => "silent",
            Self::Stuck => "stuck",
            Self::CertificateEnds => "certificate ends soon",
            Self::Clock => "clock is off",
            Self::Disk => "disk is nearly full",
            Self::Quarantined => "installation held",
            Self::DosesAtRisk => "doses at risk",
            Self::Revoked => "revoked",
            Self::Other => "another alarm",
        }
    }
}
