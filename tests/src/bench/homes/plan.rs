//! How many homes there are and what they write.

use std::time::Duration;

use crate::generate::workload::{BaseResident, Workload, WorkloadEntry};

/// Between being level and the first entry.
pub(in crate::bench) const REST: Duration = Duration::from_secs(1);
/// The first day whose entries the homes write; those of before are in no record.
const FIRST_DAY: u16 = 40;

/// How many homes there are and what they write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::Args)]
pub struct HomesPlan {
    /// Homes
    #[arg(long)]
    pub homes: u16,
    /// Residents of each, of whom the base record is known
    #[arg(long)]
    pub residents: u16,
    /// For how long each home writes an entry a second
    #[arg(long)]
    pub seconds: u16,
}

impl HomesPlan {
    /// The options by which another process is told the plan.
    pub(in crate::bench) fn arguments(self) -> Vec<String> {
        let named = [("--homes", self.homes), ("--residents", self.residents), ("--seconds", self.seconds)];
        named.into_iter().flat_map(|(name, value)| [name.to_owned(), value.to_string()]).collect()
    }

    /// The base records of all residents, those of the first home first.
    pub(in crate::bench) fn base(self, work: &Workload) -> Vec<BaseResident> {
        let mut base = work.fan();
        base.truncate(usize::from(self.homes) * usize::from(self.residents));
        base
    }

    /// What is written: by each home in turn, of each of its residents in turn.
    pub(in crate::bench) fn entries(self, work: &Workload) -> Vec<WorkloadEntry> {
        let count = usize::from(self.homes) * usize::from(self.seconds);
        let mut entries: Vec<WorkloadEntry> = work.days(FIRST_DAY..u16::MAX).take(count).collect();
        let residents = (0..self.seconds).flat_map(|second| {
            (0..self.homes).map(move |home| home * self.residents + second % self.residents)
        });
        for (entry, resident) in entries.iter_mut().zip(residents) {
            entry.resident = resident;
        }
        entries
    }

    /// The home of a resident.
    pub(in crate::bench) fn home_of(self, resident: u16) -> usize {
        usize::from(resident / self.residents)
    }

    /// When the entry of this place is due, from the first on.
    pub(in crate::bench) fn due(self, turn: u32) -> Duration {
        Duration::from_secs(1) * turn / u32::from(self.homes)
    }
}

impl std::fmt::Display for HomesPlan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { homes, residents, seconds } = self;
        write!(
            f,
            "{homes} homes of {residents} residents with base records; each home writes an entry a second for {seconds} s"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::workload::SEED;
    use hearth_protocol::time::Timestamp;

    #[test]
    fn every_home_writes_once_a_second_of_residents_of_its_own() {
        let plan = HomesPlan { homes: 3, residents: 2, seconds: 4 };
        let entries = plan.entries(&Workload::new(SEED, Timestamp(0)));
        let homes: Vec<usize> = entries.iter().map(|entry| plan.home_of(entry.resident)).collect();
        assert_eq!(homes, [0, 1, 2].repeat(4));
        assert_eq!(plan.due(6), Duration::from_secs(2));
    }
}
