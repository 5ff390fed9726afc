//! What passes between the pharmacy, the home and the prescriber.

use minicbor::{Decode, Encode};

use super::coded::Coded;
use super::medicines::Quantity;
use crate::id::EntryId;
use crate::time::{Date, Timestamp};

/// Medicines supplied to the home for a person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Supply {
    /// Thread of the order, if there is one.
    #[n(0)]
    pub order: Option<EntryId>,
    /// What was supplied.
    #[n(1)]
    pub medicine: Coded,
    /// How much.
    #[n(2)]
    pub quantity: Option<Quantity>,
    /// Batch.
    #[n(3)]
    pub batch: Option<String>,
    /// Expiry.
    #[n(4)]
    pub expires: Option<Date>,
    /// Directions on the label.
    #[n(5)]
    pub directions: Option<String>,
    /// FHIR `medicationdispense-status`.
    #[n(6)]
    pub status: String,
}

/// How far a Discharge Medicines Service referral has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum Stage {
    /// Received, nothing done.
    #[n(0)]
    Received,
    /// Checked against what was taken before.
    #[n(1)]
    One,
    /// First prescription after discharge checked.
    #[n(2)]
    Two,
    /// Talked with the person or carer.
    #[n(3)]
    Three,
    /// Closed before its end, with the reason in the note.
    #[n(4)]
    Closed,
}

/// A Discharge Medicines Service referral.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Referral {
    /// Who referred.
    #[n(0)]
    pub from: Option<String>,
    /// When it was received: the clock of 72 hours starts.
    #[n(1)]
    pub received: Timestamp,
    /// How far it has come.
    #[n(2)]
    pub stage: Stage,
    /// The discharge summary.
    #[n(3)]
    pub summary: Option<EntryId>,
    /// What was found.
    #[n(4)]
    pub note: Option<String>,
}

/// Something a pharmacist raised with a prescriber or a home.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Intervention {
    /// About which order.
    #[n(0)]
    pub order: Option<EntryId>,
    /// What was raised.
    #[n(1)]
    pub issue: String,
    /// With whom.
    #[n(2)]
    pub raised_with: String,
    /// What came of it; none while it is open.
    #[n(3)]
    pub outcome: Option<String>,
    /// Whether it was accepted; none while it is open.
    #[n(4)]
    pub accepted: Option<bool>,
}

/// A message about a person.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Message {
    /// The message; empty in an entry that only marks one as seen or done.
    #[n(0)]
    pub text: String,
    /// Seen by the other side.
    #[n(1)]
    pub seen: bool,
    /// Dealt with.
    #[n(2)]
    pub done: bool,
}
