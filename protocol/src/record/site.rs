//! What belongs to a site and not to a resident.

use minicbor::{Decode, Encode};

pub mod handover;
pub mod lease;
pub mod register;
pub mod roster;
pub mod settings;
pub mod shifts;
pub mod tasks;

use super::entry::Role;
use super::medicines::Decimal;
use crate::id::{EntryId, InstallId, ResidentId, StaffId};
use crate::time::Timestamp;

/// A member of staff of a site.
#[derive(Clone, PartialEq, Eq, Encode, Decode)]
pub struct StaffMember {
    /// The account.
    #[n(0)]
    pub staff: StaffId,
    /// Name as it is shown on the tile and signs entries.
    #[n(1)]
    pub name: String,
    /// Role.
    #[n(2)]
    pub role: Role,
    /// Whether the account may sign in.
    #[n(3)]
    pub active: bool,
    /// Argon2id verifier of the PIN (PHC string); none until one is set.
    #[n(4)]
    pub pin: Option<String>,
    /// The account ends here: an agency pass ends with the shift.
    #[n(5)]
    pub until: Option<Timestamp>,
    /// Professional registration, such as an NMC or GPhC number.
    #[n(6)]
    pub registration: Option<String>,
    /// The PIN is one that somebody else chose: the next sign-in asks for one of the person's own.
    #[n(7)]
    #[cbor(default)]
    pub new_pin: bool,
    /// The agency whose staff the person is, in words: the account is a pass for one shift.
    #[n(8)]
    pub agency: Option<String>,
}

/// Never the name or the verifier: what is printed for debugging may reach a log.
impl std::fmt::Debug for StaffMember {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StaffMember")
            .field("staff", &self.staff)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// A setting of a site.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Setting {
    /// Its key.
    #[n(0)]
    pub key: String,
    /// Its value, as JSON.
    #[n(1)]
    pub value: String,
}

/// Something that somebody has to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Task {
    /// About whom.
    #[n(0)]
    pub resident: Option<ResidentId>,
    /// What.
    #[n(1)]
    pub text: String,
    /// Until when.
    #[n(2)]
    pub due: Option<Timestamp>,
    /// For whom: a role, or anybody.
    #[n(3)]
    pub role: Option<Role>,
    /// Done.
    #[n(4)]
    pub done: bool,
    /// What happened.
    #[n(5)]
    pub outcome: Option<String>,
    /// How often it comes again once it is done, by key: `daily`, `weekly`, `monthly`.
    #[n(6)]
    pub repeats: Option<String>,
    /// The entry that it follows up, such as a missed dose.
    #[n(7)]
    pub about: Option<EntryId>,
}

/// A line that the leader of a shift puts at the head of its handover sheet.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HandoverLine {
    /// When the shift began.
    #[n(0)]
    pub shift: Timestamp,
    /// The line.
    #[n(1)]
    pub text: String,
}

/// Somebody has read the handover sheet of a shift: the entry's author.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct HandoverRead {
    /// When the shift began.
    #[n(0)]
    pub shift: Timestamp,
    /// The moment of which the sheet told: what was written later was not on it.
    #[n(1)]
    pub as_of: Timestamp,
}

/// A line of the controlled-drug register. The balance is computed and compared with the count.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterLine {
    /// Whose.
    #[n(0)]
    pub resident: ResidentId,
    /// Drug, strength and form: the page.
    #[n(1)]
    pub page: String,
    /// Units in (positive) or out (negative).
    #[n(2)]
    pub change: Decimal,
    /// Units found in the cupboard after it.
    #[n(3)]
    pub counted: Option<Decimal>,
    /// Received, given, wasted, returned, counted, corrected.
    #[n(4)]
    pub reason: String,
    /// The second person.
    #[n(5)]
    pub witness: Option<super::entry::Author>,
    /// The entry by which this installation held the register when it wrote the line. The node sets it.
    #[n(6)]
    pub lease: Option<EntryId>,
    /// From or to whom, why, or about which dose, in words.
    #[n(7)]
    pub note: Option<String>,
}

/// Which installation writes the controlled-drug register from now on: one at a time, so that its balance is live.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct RegisterLease {
    /// The installation that holds the register.
    #[n(0)]
    pub holder: InstallId,
    /// How it came by it.
    #[n(1)]
    pub how: LeaseHow,
    /// The leases that this one ends, each with the last entry of its holder that was known here. The node sets it.
    #[n(2)]
    #[cbor(default)]
    pub after: Vec<LeaseEnded>,
    /// Why, in words.
    #[n(3)]
    pub reason: Option<String>,
    /// The second person.
    #[n(4)]
    pub witness: Option<super::entry::Author>,
}

/// How an installation came by the controlled-drug register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum LeaseHow {
    /// There was none: it wrote the first line.
    #[n(0)]
    Opened,
    /// Who held it handed it over.
    #[n(1)]
    HandedOver,
    /// Who held it was lost, and a manager took it over.
    #[n(2)]
    TakenOver,
}

/// A lease of the register that a later one ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct LeaseEnded {
    /// The lease.
    #[n(0)]
    pub lease: EntryId,
    /// Number of the last entry of its holder in the register that was known to who ended it. What the holder wrote
    /// under it after that was written apart.
    #[n(1)]
    pub last: u64,
}
