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

/// An incident. Locked once saved; additions are new entries of its thread.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
}

/// A mark on the body map.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
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
}

/// A visit by a professional or family.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Visit {
    /// Who came.
    #[n(0)]
    pub who: String,
    /// What was said or done.
    #[n(1)]
    pub text: Option<String>,
}
