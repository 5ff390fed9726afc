//! Records that are right and unusual.

/// What is unusual about a resident's record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// PDS security code R: no address, telephone or practice, and the site is a secret.
    Restricted,
    /// A name of well over a hundred letters.
    LongName,
    /// Apostrophes, diacritics and what looks like markup, in the name and in free text.
    StrangeName,
    /// Forty medicines.
    ManyMedicines,
    /// No NHS number.
    NoNumber,
    /// Died a week ago.
    Deceased,
    /// An allergy and the statement that there is none, and one substance both confirmed and refuted.
    ConflictingAllergies,
}

impl Edge {
    /// Every edge.
    pub const ALL: [Self; 7] = [
        Self::Restricted,
        Self::LongName,
        Self::StrangeName,
        Self::ManyMedicines,
        Self::NoNumber,
        Self::Deceased,
        Self::ConflictingAllergies,
    ];

    /// The edge of the resident of this index: every third has one, until each was had.
    pub(super) fn of(index: u16) -> Option<Self> {
        (index % 3 == 2).then(|| Self::ALL.get(usize::from(index / 3)).copied()).flatten()
    }
}
