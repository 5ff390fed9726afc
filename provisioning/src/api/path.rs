//! The paths of the API, written once for the side that routes and the side that calls.

use hearth_protocol::enrol::TokenId;
use hearth_protocol::id::{SiteId, StaffId};

/// A path of the API with its values filled in.
///
/// The associated constants are the patterns under which the hub routes, in the form of `axum` and RFC 6570.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// `GET`: who the token is, and which hub answers. [`super::Whoami`]
    pub const WHOAMI: &'static str = "/api/v1/whoami";
    /// `GET`: the fleet. [`super::Fleet`]
    pub const STATUS: &'static str = "/api/v1/status";
    /// `GET`: [`super::SiteList`]; `POST` [`super::AddSite`]: 201 [`super::SiteInvited`].
    pub const SITES: &'static str = "/api/v1/sites";
    /// `GET`: [`super::SiteDetail`].
    pub const SITE: &'static str = "/api/v1/sites/{site}";
    /// `POST` [`super::RevokeSite`]: [`super::SiteRevoked`].
    pub const SITE_REVOKE: &'static str = "/api/v1/sites/{site}/revoke";
    /// `POST` [`super::InviteAgain`]: 201 [`super::SiteInvited`].
    pub const SITE_INVITES: &'static str = "/api/v1/sites/{site}/invites";
    /// `DELETE`: the invite is void; 204.
    pub const SITE_INVITE: &'static str = "/api/v1/sites/{site}/invites/{token}";
    /// `GET`: [`super::StaffList`]; `POST` [`super::AddStaff`]: 201 [`super::StaffAdded`].
    pub const STAFF: &'static str = "/api/v1/sites/{site}/staff";
    /// `PATCH` [`super::StaffUpdate`]: [`super::StaffSummary`].
    pub const STAFF_MEMBER: &'static str = "/api/v1/sites/{site}/staff/{staff}";
    /// `GET` with [`super::ResidentQuery`]: [`super::ResidentList`].
    pub const RESIDENTS: &'static str = "/api/v1/residents";
    /// `POST` [`super::FindResident`]: [`super::ResidentList`]. A POST, so that no NHS number stands in a URL.
    pub const RESIDENTS_FIND: &'static str = "/api/v1/residents/find";
    /// `POST` a body of [`super::FHIR_JSON`] or [`super::FHIR_NDJSON`] with [`super::ImportQuery`]:
    /// [`super::ImportReport`].
    pub const RESIDENTS_IMPORT: &'static str = "/api/v1/residents/import";
    /// `POST` [`super::Assign`]: [`super::AssignReport`].
    pub const RESIDENTS_ASSIGN: &'static str = "/api/v1/residents/assign";
    /// `POST` [`super::Move`]: [`super::MoveReport`].
    pub const RESIDENTS_MOVE: &'static str = "/api/v1/residents/move";
    /// `POST` [`super::AuditQuery`]: [`super::AuditPage`]. A POST, so that no NHS number stands in a URL.
    pub const AUDIT_SEARCH: &'static str = "/api/v1/audit/search";
    /// `POST` without a body: every chain is checked from its first entry. [`super::AuditVerification`]
    pub const AUDIT_VERIFY: &'static str = "/api/v1/audit/verify";
    /// `POST` [`super::SignedQuery`]: [`super::SignedEntry`]. A POST, so that no NHS number stands in a URL.
    pub const AUDIT_SIGNED: &'static str = "/api/v1/audit/signed";
    /// `GET`: [`super::MainRecords`].
    pub const MAIN_RECORDS: &'static str = "/api/v1/main-records";
    /// `GET` with [`super::MainRecordItemsQuery`]: [`super::MainRecordItems`]; `POST` [`super::ItemAction`]:
    /// [`super::ItemChange`].
    pub const MAIN_RECORD_ITEMS: &'static str = "/api/v1/main-records/{record}/items";
    /// `GET` with [`super::QuarantineQuery`]: [`super::Quarantine`].
    pub const QUARANTINE: &'static str = "/api/v1/quarantine";
    /// `GET`: [`super::QuarantinedDetail`]; `POST` [`super::QuarantineAction`]: [`super::QuarantineDecision`].
    pub const QUARANTINED: &'static str = "/api/v1/quarantine/{change}";
    /// `POST` without a body: [`super::BackupReport`].
    pub const BACKUP: &'static str = "/api/v1/backup";

    /// A path without values.
    pub fn plain(pattern: &'static str) -> Self {
        Self(pattern.to_owned())
    }

    /// A path of one site.
    pub fn of_site(pattern: &'static str, site: SiteId) -> Self {
        Self(pattern.replace("{site}", site.as_str()))
    }

    /// The path of one invite of a site.
    pub fn of_invite(site: SiteId, token: TokenId) -> Self {
        Self(Self::SITE_INVITE.replace("{site}", site.as_str()).replace("{token}", &token.to_string()))
    }

    /// The path of one member of a site's staff.
    pub fn of_staff(site: SiteId, staff: StaffId) -> Self {
        Self(Self::STAFF_MEMBER.replace("{site}", site.as_str()).replace("{staff}", &staff.to_string()))
    }

    /// A path of one main care record, by its name in the hub's configuration, whose characters need no escape.
    pub fn of_main_record(pattern: &'static str, record: &str) -> Self {
        Self(pattern.replace("{record}", record))
    }

    /// The path of one change in the quarantine.
    pub fn of_quarantined(change: u64) -> Self {
        Self(Self::QUARANTINED.replace("{change}", &change.to_string()))
    }

    /// The path as it stands in the request.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}
