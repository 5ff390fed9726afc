//! Staff of a site.

use hearth_protocol::id::StaffId;
use hearth_protocol::record::Role;
use hearth_protocol::time::Timestamp;
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// New members of a site's staff, one or many. All are added or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddStaff {
    /// The members, at most [`super::BATCH_MAX`].
    pub staff: Vec<NewStaff>,
}

/// A new member of staff. The PIN itself never leaves the computer on which it is chosen.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewStaff {
    /// Name as it signs entries.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Professional registration, such as an NMC or `GPhC` number.
    #[serde(default)]
    pub registration: Option<String>,
    /// The account ends here.
    #[serde(with = "rfc3339::option", default)]
    pub until: Option<Timestamp>,
    /// Argon2id verifier of the PIN (PHC string); without one the manager sets a PIN at the site.
    #[serde(default)]
    pub pin_verifier: Option<String>,
}

/// Never the name or the verifier: what is printed for debugging may reach a log.
impl std::fmt::Debug for NewStaff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewStaff").field("role", &self.role).finish_non_exhaustive()
    }
}

/// The accounts that were made, in the order of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffAdded {
    /// The accounts.
    pub staff: Vec<StaffSummary>,
}

/// The staff of a site, by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffList {
    /// The accounts.
    pub staff: Vec<StaffSummary>,
}

/// An account, without its verifier.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StaffSummary {
    /// The account.
    pub staff: StaffId,
    /// Name as it signs entries.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Whether the account may sign in.
    pub active: bool,
    /// Whether a PIN is set.
    pub has_pin: bool,
    /// The account ends here.
    #[serde(with = "rfc3339::option", default)]
    pub until: Option<Timestamp>,
    /// Professional registration.
    pub registration: Option<String>,
}

/// Never the name: what is printed for debugging may reach a log.
impl std::fmt::Debug for StaffSummary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffSummary")
            .field("staff", &self.staff)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Changes an account; what is absent stays as it is.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StaffUpdate {
    /// Whether the account may sign in: false for a leaver.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<bool>,
    /// Role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// The account ends here.
    #[serde(with = "rfc3339::option", default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// Argon2id verifier of a new PIN (PHC string).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin_verifier: Option<String>,
}

/// Never the verifier: what is printed for debugging may reach a log.
impl std::fmt::Debug for StaffUpdate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffUpdate")
            .field("active", &self.active)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}
