//! How much of the fixed work is done.

use crate::generate::workload::{GpChange, WorkloadEntry};

/// How much work there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Residents, 1 to 60.
    pub residents: u16,
    /// Days of 19 entries a resident.
    pub days: u16,
    /// Residents of whom only the base record is known.
    pub others: u16,
}

impl Size {
    /// The published size: 60 residents for 30 days, 34,200 entries.
    pub const MONTH: Self = Self { residents: 60, days: 30, others: 0 };
    /// 60 residents for a year, 416,100 entries.
    pub const YEAR: Self = Self { residents: 60, days: 365, others: 0 };
    /// What the tests do.
    pub const TINY: Self = Self { residents: 6, days: 3, others: 0 };

    /// Of these entries those of the residents that there are.
    pub fn of(self, entries: impl Iterator<Item = WorkloadEntry>) -> impl Iterator<Item = WorkloadEntry> {
        entries.filter(move |entry| entry.resident < self.residents)
    }

    /// Of the changes made elsewhere those of the residents that there are.
    pub fn changes(self, mut changes: Vec<GpChange>) -> Vec<GpChange> {
        changes.retain(|change| change.resident < self.residents);
        changes
    }

    /// How many entries a connected node writes.
    pub fn live(self) -> usize {
        if self.residents == Self::MONTH.residents { 500 } else { 20 }
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} residents, {} days", self.residents, self.days)
    }
}
