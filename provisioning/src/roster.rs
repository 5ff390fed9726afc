//! The staff of a site: read from CSV, PINs judged and made into verifiers, accounts made of them.

mod csv;

pub use csv::{COLUMNS, RosterError, RosterFault, RosterRow, end_of_account, read};
pub use hearth_protocol::access::pin::{
    PIN_DIGITS, Pin, PinError, VerifierError, check_verifier, pin_fits, verifier,
};

use hearth_protocol::id::StaffId;
use hearth_protocol::record::Role;
use hearth_protocol::record::site::StaffMember;

use crate::api::NewStaff;

/// The roles that a person of a site may have.
pub const STAFF_ROLES: [Role; 7] =
    [Role::Carer, Role::Senior, Role::Nurse, Role::Manager, Role::Pharmacist, Role::Technician, Role::Locum];

/// The role of a site's staff with this name, as JSON and CSV write it.
pub fn staff_role(name: &str) -> Option<Role> {
    let text: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(name);
    let role: Role = serde::Deserialize::deserialize(text).ok()?;
    STAFF_ROLES.contains(&role).then_some(role)
}

/// The name of a role, as JSON and CSV write it.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Carer => "carer",
        Role::Senior => "senior",
        Role::Nurse => "nurse",
        Role::Manager => "manager",
        Role::Pharmacist => "pharmacist",
        Role::Technician => "technician",
        Role::Locum => "locum",
        Role::Administrator => "administrator",
        Role::System => "system",
    }
}

/// The account of a new member of staff, as it stands in the site's roster.
pub fn member(staff: StaffId, new: &NewStaff) -> StaffMember {
    StaffMember {
        staff,
        name: new.name.clone(),
        role: new.role,
        active: true,
        pin: new.pin_verifier.clone(),
        until: new.until,
        registration: new.registration.clone(),
        new_pin: false,
        agency: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_of_staff_reads_back_and_no_other() {
        for role in STAFF_ROLES {
            assert_eq!(staff_role(role_name(role)), Some(role));
            assert_eq!(serde_json::to_value(role).unwrap(), role_name(role));
        }
        for other in ["administrator", "system", "Carer", "doctor", ""] {
            assert_eq!(staff_role(other), None, "{other}");
        }
    }
}
