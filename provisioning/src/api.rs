//! The hub's admin API: paths, headers, limits and the JSON of every request and response.
//!
//! The hub serves it over HTTPS under the region's web authority; the `hearth` command and the hub's console use it.
//! A request carries `Authorization: Bearer` with an administrator's token. A write carries an [`IDEMPOTENCY_KEY`]:
//! the same key with the same request within a day gets the first answer again. What is refused is answered with a
//! [`Problem`] (RFC 9457). Times are RFC 3339 in UTC. Names of fields and kinds are for ever; new ones may be added.

mod audit;
mod backup;
mod main_record;
mod path;
mod problem;
mod quarantine;
mod resident;
pub mod rfc3339;
mod signed;
mod site;
mod staff;
mod status;

pub use audit::{
    AuditEvent, AuditPage, AuditQuery, AuditVerification, ChainState, ChainVerification, Outcome,
};
pub use backup::BackupReport;
pub use main_record::{
    ItemAction, ItemChange, ItemState, MainRecordItem, MainRecordItems, MainRecordItemsQuery,
    MainRecordState, MainRecords,
};
pub use path::Path;
pub use problem::{Fault, PROBLEM_CONTENT_TYPE, Problem, ProblemKind};
pub use quarantine::{
    Quarantine, QuarantineAction, QuarantineDecision, QuarantineOutcome, QuarantineQuery, QuarantinedChange,
    QuarantinedDetail, QuarantinedEntry,
};
pub use resident::{
    Assign, AssignReport, FindResident, ImportQuery, ImportReport, Move, MoveReport, ParkedResource,
    Resident, ResidentList, ResidentQuery, ResidentRef,
};
pub use signed::{HeadProof, SignedEntry, SignedQuery};
pub use site::{
    AddSite, Install, InstallState, InviteAgain, InviteState, InviteSummary, IssuedInvite, RevokeSite, Site,
    SiteDetail, SiteInvited, SiteList, SiteRevoked,
};
pub use staff::{AddStaff, NewStaff, StaffAdded, StaffList, StaffSummary, StaffUpdate};
pub use status::{Alarm, Fleet, HubStatus, SiteStatus, Whoami};

/// The header by which a write is recognised when it is sent again: a UUID that the client draws for each write.
pub const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// How long the hub keeps the answer to an [`IDEMPOTENCY_KEY`], in hours.
pub const IDEMPOTENCY_HOURS: u64 = 24;

/// Longest JSON request, in bytes: a thousand staff with their verifiers.
pub const REQUEST_BYTES_MAX: usize = 1024 * 1024;

/// Longest part of an import, in bytes: the largest synthetic patient bundles are about 30 MB.
pub const IMPORT_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The size at which the command cuts an NDJSON file into parts, between lines, in bytes.
pub const IMPORT_PART_BYTES: usize = 8 * 1024 * 1024;

/// Most residents or staff in one request.
pub const BATCH_MAX: usize = 1000;

/// Most rows that a list answers with; more come with its `next`.
pub const PAGE_MAX: u32 = 500;

/// Shortest and longest life of an invite, in hours.
pub const INVITE_HOURS: std::ops::RangeInclusive<u32> = 1..=72;

/// Life of an invite when none is asked for, in hours.
pub const INVITE_HOURS_DEFAULT: u32 = 24;

/// Content type of an import that is one FHIR resource, usually a Bundle.
pub const FHIR_JSON: &str = "application/fhir+json";

/// Content type of an import that is one FHIR resource a line.
pub const FHIR_NDJSON: &str = "application/fhir+ndjson";

#[cfg(test)]
mod tests;
