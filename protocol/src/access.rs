//! Who may do what: the kind of site x section, and role x section x action. Tested cell by cell.

pub mod pin;
pub mod staffing;

use std::fmt;
use std::str::FromStr;

use minicbor::{Decode, Encode};
use serde::{Deserialize, Serialize};

use crate::id::IdError;
use crate::record::Role;
use crate::scope::Section;

/// What a site is.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode, Serialize, Deserialize,
)]
#[cbor(index_only)]
#[serde(rename_all = "kebab-case")]
pub enum SiteKind {
    /// A care home.
    #[n(0)]
    CareHome,
    /// A community pharmacy.
    #[n(1)]
    Pharmacy,
}

impl fmt::Display for SiteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CareHome => "care-home",
            Self::Pharmacy => "pharmacy",
        })
    }
}

impl FromStr for SiteKind {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        match text {
            "care-home" => Ok(Self::CareHome),
            "pharmacy" => Ok(Self::Pharmacy),
            _ => Err(IdError::Malformed("kind of site: care-home or pharmacy")),
        }
    }
}

/// How much of a section a site may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SiteRight {
    /// The section never reaches the site.
    None,
    /// The site holds it and may not add to it.
    Read,
    /// The site holds it and adds to it.
    Write,
}

/// What sites of a kind may do with a section. The hub sends only what is not [`SiteRight::None`], and takes changes
/// only where it is [`SiteRight::Write`].
pub fn site_right(kind: SiteKind, section: Section) -> SiteRight {
    use SiteRight::{None, Read, Write};
    let (care_home, pharmacy) = match section {
        Section::Identity => (Write, Read),
        Section::Safety | Section::Medicines | Section::Pharmacy => (Write, Write),
        Section::Mar => (Write, Read),
        Section::Plan | Section::Observations | Section::Notes => (Write, None),
        Section::CdRegister => (Write, None),
        Section::History | Section::Letters => (Read, None),
        Section::Discharge => (Read, Read),
        // The hub writes the roster; a site's manager adds to it, so that a night is not lost for a missing account.
        Section::Roster | Section::Settings | Section::Tasks => (Write, Write),
    };
    match kind {
        SiteKind::CareHome => care_home,
        SiteKind::Pharmacy => pharmacy,
    }
}

/// What a person wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// See it.
    View,
    /// Add an entry: record a dose, an observation, a note.
    Record,
    /// Change what guides care: an order, an allergy's status, a plan, a setting; take back an entry of another.
    Change,
    /// Settle a disagreement between two people's changes.
    Settle,
    /// Print or export it.
    Export,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 5] = [Self::View, Self::Record, Self::Change, Self::Settle, Self::Export];
}

/// Whether a role may do this in a section, at a site whose [`site_right`] allows it.
///
/// The table is the whole rule: what is not named is refused.
pub fn role_may(role: Role, section: Section, action: Action) -> bool {
    use Action::{Change, Export, Record, Settle, View};
    let allowed: &[Action] = match (role, section) {
        // Care: doses, observations and notes are everybody's work; orders and plans are not.
        (Role::Carer, Section::Mar | Section::Observations | Section::Notes | Section::Tasks) => {
            &[View, Record]
        }
        (Role::Carer, Section::Safety) => &[View, Record],
        (Role::Carer, Section::Medicines | Section::Pharmacy) => &[View],
        (
            Role::Carer,
            Section::Identity | Section::Plan | Section::Discharge | Section::Roster | Section::Settings,
        ) => &[View],
        // Who gives a controlled drug writes its line.
        (Role::Carer, Section::CdRegister) => &[View, Record],
        (Role::Carer, Section::History | Section::Letters) => &[],

        (Role::Senior, Section::Mar | Section::Observations | Section::Notes | Section::Tasks) => {
            &[View, Record, Change, Settle, Export]
        }
        (Role::Senior, Section::Safety | Section::Medicines | Section::Plan) => {
            &[View, Record, Change, Settle, Export]
        }
        (Role::Senior, Section::CdRegister | Section::Pharmacy) => &[View, Record],
        (Role::Senior, Section::Identity) => &[View, Record, Change],
        (Role::Senior, Section::History | Section::Letters | Section::Discharge) => &[View, Export],
        // Who is in charge of a shift makes and ends agency passes for it: see `staffing`.
        (Role::Senior | Role::Nurse, Section::Roster) => &[View, Record],
        (Role::Senior | Role::Nurse, Section::Settings) => &[View],

        (Role::Nurse | Role::Manager, Section::History | Section::Letters | Section::Discharge) => {
            &[View, Export]
        }
        (Role::Nurse | Role::Manager, _) => &[View, Record, Change, Settle, Export],

        // A pharmacy: medicines work. Plan, observations, notes, history and letters never reach it.
        (Role::Pharmacist | Role::Locum, Section::Identity | Section::Mar | Section::Discharge) => {
            &[View, Export]
        }
        (Role::Pharmacist | Role::Locum, Section::Safety | Section::Medicines | Section::Pharmacy) => {
            &[View, Record, Change, Settle, Export]
        }
        (Role::Pharmacist, Section::Tasks | Section::Settings | Section::Roster) => &[View, Record, Change],
        (Role::Locum, Section::Tasks) => &[View, Record],
        (Role::Locum, Section::Settings | Section::Roster) => &[View],
        (Role::Technician, Section::Identity | Section::Safety | Section::Medicines | Section::Mar) => {
            &[View]
        }
        (Role::Technician, Section::Discharge | Section::Settings | Section::Roster) => &[View],
        (Role::Technician, Section::Pharmacy | Section::Tasks) => &[View, Record],
        (
            Role::Pharmacist | Role::Locum | Role::Technician,
            Section::Plan
            | Section::Observations
            | Section::Notes
            | Section::History
            | Section::Letters
            | Section::CdRegister,
        ) => &[],

        // The hub's administrators run sites and devices; clinical content is not theirs to see.
        (Role::Administrator, Section::Roster | Section::Settings) => &[View, Record, Change],
        (Role::Administrator, _) => &[],
        // The gateway writes what the main care record says.
        (Role::System, _) => &[View, Record, Change],
    };
    allowed.contains(&action)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as it is printed for people: one row a role and section, the letters of what is allowed.
    fn printed() -> String {
        let roles = [
            Role::Carer,
            Role::Senior,
            Role::Nurse,
            Role::Manager,
            Role::Pharmacist,
            Role::Technician,
            Role::Locum,
            Role::Administrator,
        ];
        let mut text = String::new();
        for section in Section::ALL {
            let cells: Vec<String> = roles
                .into_iter()
                .map(|role| {
                    let letters = ["v", "r", "c", "s", "e"];
                    let cell = Action::ALL.into_iter().zip(letters);
                    cell.map(|(action, l)| if role_may(role, section, action) { l } else { "-" }).collect()
                })
                .collect();
            let row = format!("{:<13}{}\n", section.name(), cells.join(" "));
            text.push_str(&row);
        }
        text
    }

    #[test]
    fn every_cell_is_as_agreed() {
        insta::assert_snapshot!(printed(), @r"
        identity     v---- vrc-- vrcse vrcse v---e v---- v---e -----
        safety       vr--- vrcse vrcse vrcse vrcse v---- vrcse -----
        medicines    v---- vrcse vrcse vrcse vrcse v---- vrcse -----
        plan         v---- vrcse vrcse vrcse ----- ----- ----- -----
        history      ----- v---e v---e v---e ----- ----- ----- -----
        letters      ----- v---e v---e v---e ----- ----- ----- -----
        discharge    v---- v---e v---e v---e v---e v---- v---e -----
        mar          vr--- vrcse vrcse vrcse v---e v---- v---e -----
        observations vr--- vrcse vrcse vrcse ----- ----- ----- -----
        notes        vr--- vrcse vrcse vrcse ----- ----- ----- -----
        pharmacy     v---- vr--- vrcse vrcse vrcse vr--- vrcse -----
        roster       v---- vr--- vr--- vrcse vrc-- v---- v---- vrc--
        settings     v---- v---- v---- vrcse vrc-- v---- v---- vrc--
        tasks        vr--- vrcse vrcse vrcse vrc-- vr--- vr--- -----
        cd-register  vr--- vr--- vrcse vrcse ----- ----- ----- -----
        ");
    }

    #[test]
    fn a_pharmacy_never_gets_notes_plan_observations_history_or_letters() {
        for section in
            [Section::Notes, Section::Plan, Section::Observations, Section::History, Section::Letters]
        {
            assert_eq!(site_right(SiteKind::Pharmacy, section), SiteRight::None, "{section}");
        }
    }

    #[test]
    fn a_care_home_writes_doses_and_a_pharmacy_only_reads_them() {
        assert_eq!(site_right(SiteKind::CareHome, Section::Mar), SiteRight::Write);
        assert_eq!(site_right(SiteKind::Pharmacy, Section::Mar), SiteRight::Read);
    }

    #[test]
    fn an_administrator_sees_no_clinical_section() {
        for section in Section::ALL.into_iter().filter(|s| !s.is_of_site()) {
            for action in Action::ALL {
                assert!(!role_may(Role::Administrator, section, action), "{section} {action:?}");
            }
        }
    }
}
