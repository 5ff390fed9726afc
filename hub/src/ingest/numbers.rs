//! The numbers that installations give their entries: each once, in whatever document.
//!
//! A node that came back from a copy of its disk gives numbers a second time. In one document its changes show it; in two
//! documents both changes are sound by themselves, and nodes, which know an entry by its number, would show one of the two.

use std::collections::btree_map::{self, BTreeMap};

use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::Entry;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::store::StoreError;

/// The numbers that a transaction looks at: mostly those that follow what an installation has used, so where those
/// stand is read once and written once.
#[derive(Debug, Default)]
pub(super) struct Numbers(BTreeMap<InstallId, Place>);

/// Numbers without a gap.
type Range = (u64, u64);

/// A place among the numbers of an installation: the last range that begins there or before it, and where the next begins.
#[derive(Debug)]
struct Place {
    below: Option<Range>,
    above: Option<u64>,
    is_moved: bool,
}

impl Numbers {
    /// Whether one of these entries has the number of one that is in the record.
    pub(super) fn are_used(
        &mut self,
        transaction: &Transaction<'_>,
        entries: &[Entry],
    ) -> Result<bool, StoreError> {
        for entry in entries {
            if self.at(transaction, entry.id)?.has(entry.id.counter) {
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
            self.at(transaction, entry.id)?.note(transaction, install, counter)?;
        }
        Ok(())
    }

    /// Writes what was noted.
    pub(super) fn save(&mut self, transaction: &Transaction<'_>) -> Result<(), StoreError> {
        self.0.iter_mut().try_for_each(|(install, place)| place.save(transaction, *install))
    }

    fn at(&mut self, transaction: &Transaction<'_>, id: EntryId) -> Result<&mut Place, StoreError> {
        let EntryId { install, counter } = id;
        if let Some(known) = self.0.get_mut(&install).filter(|known| !known.is_around(counter)) {
            known.save(transaction, install)?;
            self.0.remove(&install);
        }
        match self.0.entry(install) {
            btree_map::Entry::Occupied(known) => Ok(known.into_mut()),
            btree_map::Entry::Vacant(unknown) => {
                Ok(unknown.insert(Place::read(transaction, install, counter)?))
            }
        }
    }
}

impl Place {
    fn read(connection: &Connection, install: InstallId, counter: u64) -> Result<Self, StoreError> {
        let sql = "SELECT first, last FROM entry_numbers WHERE install = ?1 AND first <= ?2
                   ORDER BY first DESC LIMIT 1";
        let mut select = connection.prepare_cached(sql)?;
        let below =
            select.query_row((install.0, counter), |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let sql = "SELECT min(first) FROM entry_numbers WHERE install = ?1 AND first > ?2";
        let above = connection.prepare_cached(sql)?.query_row((install.0, counter), |row| row.get(0))?;
        Ok(Self { below, above, is_moved: false })
    }

    /// Whether no other range than that below has to do with a number.
    fn is_around(&self, counter: u64) -> bool {
        self.below.is_none_or(|(first, _)| first <= counter) && self.above.is_none_or(|above| counter < above)
    }

    fn has(&self, counter: u64) -> bool {
        self.below.is_some_and(|(_, last)| counter <= last)
    }

    fn note(
        &mut self,
        transaction: &Transaction<'_>,
        install: InstallId,
        counter: u64,
    ) -> Result<(), StoreError> {
        match self.below {
            Some((_, last)) if counter <= last => return Ok(()),
            Some((first, last)) if counter == last.saturating_add(1) => self.below = Some((first, counter)),
            Some(_) | None => {
                self.save(transaction, install)?;
                self.below = Some((counter, counter));
            }
        }
        self.is_moved = true;
        if self.above == Some(counter.saturating_add(1)) { self.join(transaction, install) } else { Ok(()) }
    }

    /// The gap is closed: both ranges are one.
    fn join(&mut self, transaction: &Transaction<'_>, install: InstallId) -> Result<(), StoreError> {
        let (Some((first, _)), Some(above)) = (self.below, self.above) else { return Ok(()) };
        let sql = "DELETE FROM entry_numbers WHERE install = ?1 AND first = ?2 RETURNING last";
        let last = transaction.prepare_cached(sql)?.query_row((install.0, above), |row| row.get(0))?;
        let next = Self::read(transaction, install, above)?.above;
        (self.below, self.above) = (Some((first, last)), next);
        Ok(())
    }

    fn save(&mut self, transaction: &Transaction<'_>, install: InstallId) -> Result<(), StoreError> {
        if let Some((first, last)) = self.below.filter(|_| self.is_moved) {
            let sql = "INSERT INTO entry_numbers (install, first, last) VALUES (?1, ?2, ?3)
                       ON CONFLICT (install, first) DO UPDATE SET last = excluded.last";
            transaction.prepare_cached(sql)?.execute((install.0, first, last))?;
        }
        self.is_moved = false;
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
