//! What a page asks to have written, and why it may not be.

use hearth_protocol::access::staffing::StaffingFault;
use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::Body;
use hearth_protocol::record::site::register::LineFault;
use hearth_protocol::scope::{Section, Subject};
use hearth_protocol::time::Timestamp;

use crate::store::{ActionError, StoreError};

/// An entry that is to be written. Its id, author, origin and the time of recording are the node's to give.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Whose record.
    pub subject: Subject,
    /// Which section: that of the body, or of the entries that it takes back.
    pub section: Section,
    /// When it happened.
    pub happened: Timestamp,
    /// The first entry of the thread that this is a later version of.
    pub thread: Option<EntryId>,
    /// The entries whose place it takes.
    pub replaces: Vec<EntryId>,
    /// What it says.
    pub body: Body,
}

/// What was written: on the disk when it is returned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// The entries' ids, in the order of the drafts.
    pub ids: Vec<EntryId>,
}

/// Why nothing was written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddError {
    /// The role may not do this.
    #[error("the role may not write this in {0}")]
    NotAllowed(Section),
    /// Sites of this kind do not write this section.
    #[error("this site does not write {0}")]
    NotThisSite(Section),
    /// The site does not hold the record, or may no longer.
    #[error("the site does not hold this record")]
    NotHeld,
    /// The record was erased here, is granted again, and not all of it has come.
    #[error("the record is on its way back")]
    Arriving,
    /// Nothing to write, or more than one action writes.
    #[error("an action writes 1 to {DRAFTS_MAX} entries")]
    Count,
    /// The entries are longer than a record takes.
    #[error("the entry is too long")]
    TooLong,
    /// The entry does not belong in the section, or names entries that do not stand in its document.
    #[error("the entry does not belong there")]
    Misplaced,
    /// Dated more than a day into the future.
    #[error("the entry is dated in the future")]
    Future,
    /// The due dose has an entry already.
    #[error("the dose was recorded already as {entry}")]
    AlreadyRecorded {
        /// That entry.
        entry: EntryId,
    },
    /// Somebody else is about to record this due dose.
    #[error("somebody else is recording this dose")]
    HeldByAnother(HeldBy),
    /// The idempotency key belongs to somebody else's action.
    #[error("the idempotency key was used by another account")]
    KeyOfAnother,
    /// It would take the place of an entry that is locked, or strike it.
    #[error("the entry is locked")]
    Locked,
    /// Somebody else settled meanwhile what this would settle.
    #[error("it was settled meanwhile")]
    SettledMeanwhile,
    /// Another installation of the site holds the controlled-drug register.
    #[error("installation {0} holds the controlled-drug register")]
    RegisterElsewhere(InstallId),
    /// A line of the controlled-drug register may not be written so.
    #[error("the register's line may not be written so: {0}")]
    RegisterLine(LineFault),
    /// The register was taken over: the page is counted before anything else is written on it.
    #[error("the register's page has to be counted first")]
    CountFirst,
    /// The controlled-drug register may not change hands so.
    #[error("the register may not change hands so")]
    Lease,
    /// An account may not be written so.
    #[error("the account may not be written so: {0}")]
    Staffing(#[from] StaffingFault),
    /// The passage was changed by somebody else meanwhile.
    #[error("the passage was changed meanwhile")]
    TextChanged,
    /// The store could not.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ActionError for AddError {
    fn of_store(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

/// Most entries of one action: a round of a large home, or a long medicine list.
pub const DRAFTS_MAX: usize = 128;

impl AddError {
    /// What the person who typed is told, and what they can do.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::NotAllowed(_) => "Your role may not do this. Ask the senior on shift.",
            Self::NotThisSite(_) => "This part of the record is written by another organisation.",
            Self::NotHeld => "This person's record is not, or no longer, held here.",
            Self::Arriving => {
                "Nothing was saved: this person's record is still on its way from the hub. Write it on paper and try \
                 again once the record is complete."
            }
            Self::Count | Self::Misplaced => "Nothing was saved. Open the page again and try once more.",
            Self::TooLong => "Nothing was saved: the text is too long. Shorten it and save again.",
            Self::Future => "Nothing was saved: the time is in the future. Correct it and save again.",
            Self::AlreadyRecorded { .. } => {
                "Nothing was saved: this dose has been recorded already. Look at it before you go on."
            }
            Self::HeldByAnother(_) => "Nothing was saved: a colleague is recording this dose now.",
            Self::KeyOfAnother => "Nothing was saved. Open the page again and try once more.",
            Self::Locked => {
                "Nothing was saved: an incident or a line of a register is locked once it is saved. Add what is missing or \
                 wrong to it."
            }
            Self::RegisterElsewhere(_) => {
                "Nothing was saved: the controlled-drug register is held by another node of this home. Record it there, \
                 or have the register handed over first."
            }
            Self::RegisterLine(LineFault::Witness) => {
                "Nothing was saved: a second person has to sign the controlled-drug register."
            }
            Self::RegisterLine(_) => {
                "Nothing was saved: units, count or reason of the register's line are missing or do not fit."
            }
            Self::CountFirst => {
                "Nothing was saved: the register was taken over from another node. Count this page's stock first, on the \
                 register's page, and save it as a stock check."
            }
            Self::Lease => {
                "Nothing was saved: the register changed hands meanwhile, or your role may not do this. Open the register \
                 again."
            }
            Self::SettledMeanwhile => {
                "Nothing was saved: a colleague settled this meanwhile. Open it again to see what they chose and why."
            }
            Self::Staffing(fault) => fault.sentence(),
            Self::TextChanged => {
                "Nothing was saved: somebody changed this passage meanwhile. Read it and save again."
            }
            Self::Store(error) => error.sentence(),
        }
    }
}

/// Who is about to record a due dose.
#[derive(Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// Their name, as it signs entries.
    pub name: String,
    /// Since when.
    pub since: Timestamp,
}

/// Never the name: what is printed for debugging may reach a log.
impl std::fmt::Debug for HeldBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldBy").field("since", &self.since).finish_non_exhaustive()
    }
}

/// The answer to a claim of a due dose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It is the requester's for [`CLAIM_MS`] milliseconds.
    Claimed,
    /// A colleague has it.
    HeldBy(HeldBy),
    /// It has an entry already.
    AlreadyRecorded {
        /// That entry.
        entry: EntryId,
    },
}

/// How long a claim holds without an entry: long enough to pour, identify and give; short enough that a tablet that
/// was put down does not keep a dose from being given.
pub const CLAIM_MS: i64 = 3 * 60 * 1000;
