//! The numbers that installations give their entries: each once, in whatever document.
//!
//! A node that came back from a copy of its disk gives numbers a second time. In one document its changes show it; in two
//! documents both changes are sound by themselves, and nodes, which know an entry by its number, would show one of the two.

use std::collections::{BTreeMap, BTreeSet};

use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::Entry;
use rusqlite::{Connection, Transaction};

use crate::store::StoreError;

/// Numbers that are read together: what one installation gave its entries, mostly without a gap, and at worst with half as
/// many.
const BLOCK: u64 = 256;

/// The numbers that a transaction looks at, and those around them: read once and written once. A long outbox comes document
/// by document, so its numbers leave gaps until the last of it is there.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<InstallId, Ranges>);

/// Numbers of one installation, as ranges without a gap: the last of each by its first.
#[derive(Debug, Default)]
struct Ranges {
    now: BTreeMap<u64, u64>,
    stored: BTreeMap<u64, u64>,
    /// The blocks of which all is known.
    read: BTreeSet<u64>,
}

impl Numbers {
    /// Whether one of these entries has the number of one that is in the record.
    pub(super) fn are_used(
        &mut self,
        transaction: &Transaction<'_>,
        entries: &[Entry],
    ) -> Result<bool, StoreError> {
        for entry in entries {
            let EntryId { install, counter } = entry.id;
            let ranges = self.0.entry(install).or_default();
            ranges.read(transaction, install, counter)?;
            if ranges.with(counter).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Notes the numbers of entries that are in the record from now on.
    pub(super) fn note(
        &mut self,
        transaction: &Transaction<'_>,
        entries: &[Entry],
    ) -> Result<(), StoreError> {
        for entry in entries {
            let EntryId { install, counter } = entry.id;
            let ranges = self.0.entry(install).or_default();
            for near in [counter.saturating_sub(1), counter, counter.saturating_add(1)] {
                ranges.read(transaction, install, near)?;
            }
            ranges.add(counter);
        }
        Ok(())
    }

    /// Writes what was noted.
    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.0.iter_mut().try_for_each(|(install, ranges)| ranges.save(transaction, *install))
    }
}

impl Ranges {
    /// Reads the ranges that have to do with the block of a number, unless they are known.
    fn read(&mut self, connection: &Connection, install: InstallId, counter: u64) -> Result<(), StoreError> {
        let block = counter / BLOCK;
        if !self.read.insert(block) {
            return Ok(());
        }
        let first = block * BLOCK;
        let sql =
            "SELECT first, last FROM entry_numbers WHERE install = ?1 AND first <= ?3 AND first >= coalesce(
                     (SELECT max(first) FROM entry_numbers WHERE install = ?1 AND first <= ?2), ?2)";
        let mut select = connection.prepare_cached(sql)?;
        let mut rows = select.query((install.0, first, first.saturating_add(BLOCK - 1)))?;
        while let Some(found) = rows.next()? {
            let (first, last) = (found.get(0)?, found.get(1)?);
            // One that reaches here from a block that is known may have grown since.
            if self.stored.insert(first, last).is_none() {
                self.now.insert(first, last);
            }
        }
        Ok(())
    }

    /// The range in which a number is.
    fn with(&self, counter: u64) -> Option<(u64, u64)> {
        let (first, last) = self.now.range(..=counter).next_back()?;
        (counter <= *last).then_some((*first, *last))
    }

    fn add(&mut self, counter: u64) {
        if self.with(counter).is_some() {
            return;
        }
        let below = counter.checked_sub(1).and_then(|before| self.with(before));
        let above = counter.checked_add(1).and_then(|after| self.now.remove(&after));
        self.now.insert(below.map_or(counter, |(first, _)| first), above.unwrap_or(counter));
    }

    fn save(&mut self, transaction: &Transaction<'_>, install: InstallId) -> Result<(), StoreError> {
        let sql = "DELETE FROM entry_numbers WHERE install = ?1 AND first = ?2";
        let mut delete = transaction.prepare_cached(sql)?;
        for first in self.stored.keys().filter(|first| !self.now.contains_key(first)) {
            delete.execute((install.0, first))?;
        }
        let sql = "INSERT INTO entry_numbers (install, first, last) VALUES (?1, ?2, ?3)
                   ON CONFLICT (install, first) DO UPDATE SET last = excluded.last";
        let mut put = transaction.prepare_cached(sql)?;
        for (first, last) in self.now.iter().filter(|(first, last)| self.stored.get(first) != Some(last)) {
            put.execute((install.0, first, last))?;
        }
        self.stored.clone_from(&self.now);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hearth_protocol::id::InstallId;
    use proptest::prelude::*;

    use super::*;
    use crate::testing::{NOW, entry};

    proptest! {
        #[test]
        fn a_number_is_used_when_it_was_noted_and_ranges_have_gaps_between_them(
            noted in prop::collection::vec((1_u32..3, 1_u64..24), 0..40),
        ) {
            let mut connection = Connection::open_in_memory().unwrap();
            connection.execute_batch(include_str!("../store/schema/0011_entry_numbers.sql")).unwrap();
            let transaction = connection.transaction().unwrap();
            let of = |install, counter| entry(EntryId { install: InstallId(install), counter }, NOW);
            let mut numbers = Numbers::default();
            for (install, counter) in &noted {
                numbers.note(&transaction, &[of(*install, *counter)]).unwrap();
            }
            let noted: BTreeSet<(u32, u64)> = noted.into_iter().collect();
            for one in (1..3).flat_map(|install| (0..26).map(move |counter| (install, counter))) {
                prop_assert_eq!(
                    numbers.are_used(&transaction, &[of(one.0, one.1)]).unwrap(), noted.contains(&one)
                );
            }
            numbers.save(&transaction).unwrap();
            let starts = noted.iter().filter(|(install, counter)| !noted.contains(&(*install, counter - 1)));
            let rows = transaction.query_row("SELECT count(*) FROM entry_numbers", [], |row| row.get::<_, usize>(0));
            prop_assert_eq!(rows.unwrap(), starts.count());
        }
    }
}
