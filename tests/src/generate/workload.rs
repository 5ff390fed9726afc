//! The fixed work that benches and sync tests do: a care home of 60 for a month or a year.
//!
//! Counts, lengths and distributions are those with which the other sync engines were measured, so that a figure of
//! ours can be laid beside theirs: 4 notes, 3 sets of observations and 12 administrations a resident a day, notes of
//! 80 to 160 letters of words that follow Zipf's law, and entry ids of 64 random bits, which nothing can compress.

mod base;
mod body;
mod changes;
mod entry;
mod json;
mod words;

use std::ops::Range;

use hearth_protocol::time::Timestamp;

pub use base::{BaseAllergy, BaseContact, BaseMedicine, BaseResident, PLAN_FIELDS};
pub use changes::{Change, GpChange};
pub use entry::{Kind, WorkloadEntry};

use super::dice::Dice;
use words::Words;

/// The seed with which figures are published.
pub const SEED: u64 = 20_260_101;
/// Residents of the home.
pub const RESIDENTS: u16 = 60;
/// Medicines of each resident.
pub const MEDICINES: u8 = 9;
/// Members of staff who sign.
pub const STAFF: u8 = 25;
/// Entries a resident a day: 4 notes, 3 sets of observations, 12 administrations.
pub const ENTRIES_A_DAY: usize = 4 + 3 + 12;

/// Milliseconds of a day.
const DAY_MS: i64 = 86_400_000;

/// The work that a seed stands for.
pub struct Workload {
    seed: u64,
    start: Timestamp,
    words: Words,
    staff: Vec<String>,
    /// Ids of each resident's medicines in the base records.
    medicines: Vec<Vec<u64>>,
}

impl Workload {
    /// The work of a seed. Day 0 begins at `start`.
    pub fn new(seed: u64, start: Timestamp) -> Self {
        let words = Words::new(&mut Dice::new(seed, "words"));
        let staff = base::staff(&words, &mut Dice::new(seed, "staff"));
        let mut work = Self { seed, start, words, staff, medicines: Vec::new() };
        let ids = |resident: &BaseResident| resident.medicines.iter().map(|m| m.id).collect();
        work.medicines = work.base().iter().map(ids).collect();
        work
    }

    /// The names that sign, by [`WorkloadEntry::staff`].
    pub fn staff(&self) -> &[String] {
        &self.staff
    }

    /// What is known of the home's residents before day 0.
    pub fn base(&self) -> Vec<BaseResident> {
        self.residents("base", RESIDENTS)
    }

    /// Residents of other homes without any history: 4,000 for 200 sites of 20.
    pub fn fan(&self) -> Vec<BaseResident> {
        self.residents("fan", 4_000)
    }

    /// What the home writes on these days, oldest first. A day is the same whichever days are asked for with it.
    pub fn days(&self, days: Range<u16>) -> impl Iterator<Item = WorkloadEntry> + '_ {
        days.flat_map(|day| self.day(&format!("day/{day}"), day))
    }

    /// The first 30 days: 34,200 entries.
    pub fn month(&self) -> impl Iterator<Item = WorkloadEntry> + '_ {
        self.days(0..30)
    }

    /// The first 365 days: 416,100 entries, of which the first 34,200 are [`Workload::month`].
    pub fn year(&self) -> impl Iterator<Item = WorkloadEntry> + '_ {
        self.days(0..365)
    }

    /// The seven days after the month that the site writes while it is cut off: 7,980 entries.
    pub fn week(&self) -> impl Iterator<Item = WorkloadEntry> + '_ {
        (30..37).flat_map(|day| self.day(&format!("week/{day}"), day))
    }

    /// What is changed at the hub in that week: 2,000 changes of medicines and plans and notes of the practice.
    pub fn gp(&self) -> Vec<GpChange> {
        changes::gp(&self.words, self.seed, self.start.plus_ms(30 * DAY_MS))
    }

    /// 500 entries for a site that is connected, in no order.
    pub fn live(&self) -> Vec<WorkloadEntry> {
        let day = self.day("live", 40);
        let mut dice = Dice::new(self.seed, "live/order");
        let mut keyed: Vec<(u64, WorkloadEntry)> = day.into_iter().map(|e| (dice.bits(), e)).collect();
        keyed.sort_by_key(|(key, _)| *key);
        keyed.into_iter().take(500).map(|(_, entry)| entry).collect()
    }

    fn residents(&self, label: &str, count: u16) -> Vec<BaseResident> {
        let of = |index| {
            BaseResident::made(index, &self.words, &mut Dice::new(self.seed, &format!("{label}/{index}")))
        };
        (0..count).map(of).collect()
    }

    fn day(&self, label: &str, day: u16) -> Vec<WorkloadEntry> {
        let midnight = self.start.plus_ms(i64::from(day) * DAY_MS);
        let mut dice = Dice::new(self.seed, label);
        let mut entries: Vec<WorkloadEntry> = (0..RESIDENTS)
            .flat_map(|resident| entry::of_day(resident, midnight, &self.words, &mut dice))
            .collect();
        entries.sort_by_key(|e| (e.at, e.id));
        entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn work() -> Workload {
        Workload::new(SEED, Timestamp(1_767_225_600_000))
    }

    fn json_bytes(work: &Workload, entries: impl Iterator<Item = WorkloadEntry>) -> usize {
        entries.map(|e| work.json(&e).len() + 1).sum()
    }

    #[test]
    fn the_month_has_the_published_count_and_size() {
        let work = work();
        assert_eq!(work.month().count(), 34_200);
        let size = json_bytes(&work, work.month());
        assert!((5_386_500..=5_953_500).contains(&size), "{size} bytes are not within 5 % of 5.67 MB");
    }

    #[test]
    fn the_year_has_the_published_count_and_begins_with_the_month() {
        let work = work();
        assert_eq!(work.year().count(), 416_100);
        assert!(work.month().eq(work.year().take(34_200)));
    }

    #[test]
    fn the_other_parts_have_the_published_counts() {
        let work = work();
        assert_eq!(work.base().len(), 60);
        assert_eq!(work.week().count(), 7_980);
        assert_eq!(work.gp().len(), 2_000);
        assert_eq!(work.live().len(), 500);
        assert_eq!(work.fan().len(), 4_000);
    }

    #[test]
    fn base_records_have_the_published_sizes() {
        let work = work();
        let base = work.base();
        let size = base.iter().map(|r| r.json().len()).sum::<usize>() / base.len();
        assert!((10_600..=11_800).contains(&size), "a base record of {size} bytes is not about 11.2 kB");
    }

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
        let of = |seed: u64| {
            let work = Workload::new(seed, Timestamp(0));
            let lines: Vec<String> = work.days(3..5).map(|e| work.json(&e)).collect();
            lines.join("\n")
        };
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn outcomes_follow_their_shares() {
        let work = work();
        let given = work
            .month()
            .filter(|e| matches!(e.kind, Kind::Administration { outcome, .. } if outcome.is_taken()))
            .count();
        let share = given * 100 / (60 * 30 * 12);
        assert!((91..=93).contains(&share), "{share} % were given");
    }

    #[test]
    fn frequent_words_are_as_frequent_as_zipf_says() {
        let work = work();
        let text: String = work.month().filter_map(|e| e.text().map(|t| format!("{t} "))).collect();
        let total = text.split(' ').count();
        let mut counts = std::collections::HashMap::<&str, usize>::new();
        for word in text.split(' ') {
            *counts.entry(word).or_default() += 1;
        }
        let most = counts.values().max().copied().unwrap_or(0);
        let share = most * 1000 / total;
        assert!((35..=65).contains(&share), "the commonest word is {share} in 1000");
    }
}
