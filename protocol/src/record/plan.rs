//! How the person is cared for, and what they want.
//!
//! The passages that people edit together are automerge texts of the plan's document ([`HEADINGS`]); the rest are
//! entries.

use minicbor::{Decode, Encode};

pub mod merge;
pub mod passages;
pub mod view;

use crate::time::Date;

/// The texts of a plan's document, by name: care plan domains, then About Me (PRSB 2.01), then wishes.
///
/// The list belongs to schema version 1 of the document, whose first change makes them; it never changes.
pub const HEADINGS: [&str; 29] = [
    "mobility",
    "nutrition",
    "hydration",
    "continence",
    "skin",
    "sleep",
    "communication",
    "cognition",
    "mood",
    "social",
    "pain",
    "breathing",
    "oral",
    "falls",
    "personal-care",
    "medicines-support",
    "safeguarding",
    "family",
    "religion",
    "activities",
    "about-most-important",
    "about-people",
    "about-communicate",
    "about-wellness",
    "about-do",
    "about-do-not",
    "about-support",
    "about-also",
    "wishes",
];

/// A passage of the plan as somebody left it: beside the text of the document, which merges letter by letter, what each
/// person meant it to say, so that who wrote it is known and two who wrote apart are shown apart.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Passage {
    /// One of [`HEADINGS`].
    #[n(0)]
    pub heading: String,
    /// The whole passage.
    #[n(1)]
    pub text: String,
    /// Who it was written with: the person, or who supported them.
    #[n(2)]
    pub with: Option<String>,
    /// When it is to be looked at again.
    #[n(3)]
    pub review: Option<Date>,
}

/// A goal and what is done for it.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct CareGoal {
    /// The heading that it belongs to, one of [`HEADINGS`], or words from outside.
    #[n(0)]
    pub heading: String,
    /// What is wanted.
    #[n(1)]
    pub goal: String,
    /// What is done for it.
    #[n(2)]
    pub actions: Option<String>,
    /// When it is to be looked at again.
    #[n(3)]
    pub review: Option<Date>,
    /// Whether it holds now.
    #[n(4)]
    pub active: bool,
}

/// A passage from elsewhere that belongs to the plan.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Statement {
    /// Its heading.
    #[n(0)]
    pub heading: String,
    /// The passage.
    #[n(1)]
    pub text: String,
}

/// The NEWS2 that clinicians agreed is normal for this person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Baseline {
    /// The usual total.
    #[n(0)]
    pub news2: u8,
    /// Who agreed it: name and role.
    #[n(1)]
    pub agreed_by: Option<String>,
    /// The day on which it was agreed.
    #[n(2)]
    pub agreed: Option<Date>,
    /// When it is to be looked at again.
    #[n(3)]
    pub review: Option<Date>,
    /// Hours from one set to the next while the score is not above the usual one, where that was agreed too; without
    /// it the college's intervals hold. From 1 to [`CHECK_HOURS_MAX`].
    #[n(4)]
    pub check_hours: Option<u16>,
}

/// Most hours between two sets that can be agreed: four weeks, so that the last set is among those that pages read.
pub const CHECK_HOURS_MAX: u16 = 28 * 24;

/// Which of NEWS2's oxygen scales applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Encode, Decode)]
#[cbor(index_only)]
pub enum SpO2Scale {
    /// The usual one.
    #[default]
    #[n(1)]
    One,
    /// A clinician set a target of 88-92 %.
    #[n(2)]
    Two,
}

/// Which scale a clinician set.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct OxygenScale {
    /// The scale.
    #[n(0)]
    pub scale: SpO2Scale,
    /// The clinician, by name.
    #[n(1)]
    pub set_by: String,
    /// What the clinician is: specialist nurse, consultant.
    #[n(2)]
    pub role: Option<String>,
    /// The day on which the clinician decided it. It holds from when it was entered: a score that staff acted on is
    /// never changed behind them.
    #[n(3)]
    pub decided: Option<Date>,
    /// Why.
    #[n(4)]
    pub reason: Option<String>,
}

/// A risk and how it is managed.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Risk {
    /// Falls, skin, choking, infection, ...
    #[n(0)]
    pub kind: String,
    /// How high, in words or as a score.
    #[n(1)]
    pub level: String,
    /// What is done about it.
    #[n(2)]
    pub management: Option<String>,
    /// When it is to be looked at again.
    #[n(3)]
    pub review: Option<Date>,
}
