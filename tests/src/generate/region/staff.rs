//! Who works at a home and at its pharmacy.

use hearth_protocol::record::Role;
use hearth_provisioning::roster::Pin;

use super::names::{FAMILIES, YOUNG};
use crate::generate::dice::Dice;

/// A member of staff who does not exist.
#[derive(Clone, PartialEq, Eq)]
pub struct Staff {
    /// Name.
    pub name: String,
    /// Role.
    pub role: Role,
    /// Six digits with which the person signs in, none that a roster refuses.
    pub pin: String,
    /// Professional registration, made up.
    pub registration: Option<String>,
}

/// Never the name or the PIN: what is printed for debugging may reach a log.
impl std::fmt::Debug for Staff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staff").field("role", &self.role).finish_non_exhaustive()
    }
}

/// The staff of a home: a manager, two nurses, four seniors, twelve carers.
pub(super) fn home(dice: &mut Dice) -> Vec<Staff> {
    team(dice, &[(Role::Manager, 1), (Role::Nurse, 2), (Role::Senior, 4), (Role::Carer, 12)])
}

/// The staff of a pharmacy: two pharmacists, two technicians, a locum.
pub(super) fn pharmacy(dice: &mut Dice) -> Vec<Staff> {
    team(dice, &[(Role::Pharmacist, 2), (Role::Technician, 2), (Role::Locum, 1)])
}

fn team(dice: &mut Dice, roles: &[(Role, usize)]) -> Vec<Staff> {
    let roles = roles.iter().flat_map(|(role, count)| std::iter::repeat_n(*role, *count));
    let mut staff: Vec<Staff> = Vec::new();
    for role in roles {
        let name = loop {
            let name = format!("{} {}", dice.word(&YOUNG), dice.word(&FAMILIES));
            if staff.iter().all(|s| s.name != name) {
                break name;
            }
        };
        let (pin, registration) = (pin(dice), registration(role, dice));
        staff.push(Staff { name, role, pin, registration });
    }
    staff
}

fn pin(dice: &mut Dice) -> String {
    loop {
        let pin = format!("{:06}", dice.below(1_000_000));
        if pin.parse::<Pin>().is_ok() {
            return pin;
        }
    }
}

fn registration(role: Role, dice: &mut Dice) -> Option<String> {
    let number = dice.below(10_000);
    match role {
        Role::Nurse => Some(format!("99A{number:04}E")),
        Role::Pharmacist | Role::Locum => Some(format!("299{number:04}")),
        Role::Technician => Some(format!("599{number:04}")),
        Role::Carer | Role::Senior | Role::Manager | Role::Administrator | Role::System => None,
    }
}
