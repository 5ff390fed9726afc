//! What staff write of the day.

use minicbor::{Decode, Encode};

pub mod view;

/// A daily note.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// Kind, by key: `general`, `food`, `drink`, `wash`, `mood`, `sleep`, `activity`, `family`, `handover`.
    #[n(0)]
    pub category: String,
    /// The note.
    #[n(1)]
    pub text: String,
    /// Whether the next shift is to read it first.
    #[n(2)]
    pub important: bool,
}

/// An incident. Locked once saved: additions are new entries of its thread that replace nothing, and nothing replaces it
/// or strikes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Incident {
    /// Kind, by key: `fall`, `skin`, `choking`, `medicine`, `behaviour`, `missing`, `other`.
    #[n(0)]
    pub kind: String,
    /// What happened.
    #[n(1)]
    pub text: String,
    /// Where.
    #[n(2)]
    pub place: Option<String>,
    /// Injury, in words.
    #[n(3)]
    pub injury: Option<String>,
    /// Whether somebody saw it.
    #[n(4)]
    pub witnessed: Option<bool>,
    /// What was done, and who was told.
    #[n(5)]
    pub actions: Option<String>,
    /// Whether the head was or may have been hit; none where nobody can say.
    #[n(6)]
    pub head_injury: Option<bool>,
    /// Who found the person.
    #[n(7)]
    pub found_by: Option<String>,
    /// How the person came up from the floor, by key: `self`, `helped`, `hoist`, `cushion`, `ambulance`, `not-moved`.
    #[n(8)]
    pub lifted: Option<String>,
    /// What was seen or measured afterwards, in words.
    #[n(9)]
    pub observed: Option<String>,
    /// Whether the next of kin was told.
    #[n(10)]
    pub kin_told: Option<bool>,
    /// Whether the GP was told.
    #[n(11)]
    pub gp_told: Option<bool>,
    /// To whom it has to be reported, by key: `riddor`, `cqc`, `safeguarding`.
    #[n(12)]
    pub reports: Option<Vec<String>>,
    /// Of an addition: what the follow-up has come to, by key: `open`, `closed`.
    #[n(13)]
    pub follow_up: Option<String>,
}

/// A mark on the body map.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct BodyMark {
    /// Place, by key.
    #[n(0)]
    pub place: String,
    /// Kind, by key: `bruise`, `skin-tear`, `pressure`, `rash`, `wound`, `patch`, `other`.
    #[n(1)]
    pub kind: String,
    /// In words.
    #[n(2)]
    pub text: Option<String>,
    /// Whether it has healed.
    #[n(3)]
    pub healed: bool,
    /// How large, in words, such as `3 cm x 2 cm`.
    #[n(4)]
    pub size: Option<String>,
    /// Of a follow-up: how it has changed, by key: `better`, `same`, `worse`, `healed`.
    #[n(5)]
    pub change: Option<String>,
}

/// A visit by a professional or family.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Visit {
    /// Who came.
    #[n(0)]
    pub who: String,
    /// What was said or done.
    #[n(1)]
    pub text: Option<String>,
    /// Kind, by key: `gp`, `nurse`, `therapist`, `social-worker`, `pharmacist`, `family`, `other`.
    #[n(2)]
    pub kind: Option<String>,
    /// What came of it: what has to be done now.
    #[n(3)]
    pub outcome: Option<String>,
}
