//! The medicine administration record: what became of each dose (NICE SC1, CQC).

use minicbor::{Decode, Encode};

pub mod board;
pub mod event;
pub mod refusals;
pub mod schedule;

use super::entry::Author;
use super::medicines::Quantity;
use crate::id::EntryId;
use crate::time::Timestamp;

/// What became of a dose. There is no national code list; `domain.md` §2.4 gives the letters staff know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Outcome {
    /// Given by staff.
    #[n(0)]
    Given,
    /// Taken by the person.
    #[n(1)]
    SelfAdministered,
    /// Taken after a prompt.
    #[n(2)]
    Prompted,
    /// Made available.
    #[n(3)]
    MadeAvailable,
    /// Declined.
    #[n(10)]
    Refused,
    /// Declined after it was prepared, and destroyed.
    #[n(11)]
    RefusedDestroyed,
    /// Nausea or vomiting.
    #[n(12)]
    Nausea,
    /// In hospital.
    #[n(13)]
    InHospital,
    /// On leave.
    #[n(14)]
    SocialLeave,
    /// Asleep.
    #[n(15)]
    Asleep,
    /// Not required.
    #[n(16)]
    NotRequired,
    /// Not available.
    #[n(17)]
    NotAvailable,
    /// Withheld on clinical advice.
    #[n(18)]
    Withheld,
    /// Another reason, in words.
    #[n(19)]
    Other,
    /// Nobody recorded anything; made by the system, followed up by the manager.
    #[n(30)]
    Missed,
}

impl Outcome {
    /// Whether the person has, or may have, the medicine in them.
    pub fn is_taken(self) -> bool {
        matches!(self, Self::Given | Self::SelfAdministered | Self::Prompted | Self::MadeAvailable)
    }
}

/// What became of one dose. A due dose is (order, due time); a when-required dose has no due time.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Administration {
    /// Thread of the order.
    #[n(0)]
    pub order: EntryId,
    /// The version of the order that was on the screen.
    #[n(1)]
    pub order_version: EntryId,
    /// When it was due; none when required.
    #[n(2)]
    pub due: Option<Timestamp>,
    /// What became of it.
    #[n(3)]
    pub outcome: Outcome,
    /// How much was given, where it is not the order's dose.
    #[n(4)]
    pub amount: Option<Quantity>,
    /// Why not given, or why given when required.
    #[n(5)]
    pub reason: Option<String>,
    /// Where on the body, for a patch or cream.
    #[n(6)]
    pub site: Option<String>,
    /// The second person, for a controlled drug.
    #[n(7)]
    pub witness: Option<Author>,
    /// The medicine as it stood on the screen, so that the line can be read without the order.
    #[n(8)]
    pub line: String,
    /// Somebody was warned (a dose already given, an allergy) and went on; what the warning said.
    #[n(9)]
    pub overridden: Option<String>,
}

/// What a when-required dose did.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Effect {
    /// The administration.
    #[n(0)]
    pub administration: EntryId,
    /// Whether it helped.
    #[n(1)]
    pub helped: Option<bool>,
    /// In words.
    #[n(2)]
    pub text: Option<String>,
}
