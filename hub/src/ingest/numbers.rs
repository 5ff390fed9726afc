//! The numbers that installations give their entries: each once, in whatever document.
//!
//! A node that came back from a copy of its disk gives numbers a second time. In one document its changes show it; in two
//! documents both changes are sound by themselves, and nodes, which know an entry by its number, would show one of the two.

use hearth_protocol::id::{EntryId, InstallId};
use hearth_protocol::record::Entry;
use rusqlite::{Connection, OptionalExtension, Transaction};

use crate::store::StoreError;

/// Numbers without a gap.
type Range = (u64, u64);

/// Whether one of these entries has the number of one that is in the record.
pub(super) fn is_used(connection: &Connection, entries: &[Entry]) -> Result<bool, StoreError> {
    for entry in entries {
        let EntryId { install, counter } = entry.id;
        if before(connection, install, counter)?.is_some_and(|(_, last)| last >= counter) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Notes the numbers of entries that are in the record from now on.
pub(super) fn note(transaction: &Transaction<'_>, entries: &[Entry]) -> Result<(), StoreError> {
    for entry in entries {
        note_one(transaction, entry.id)?;
    }
    Ok(())
}

fn note_one(transaction: &Transaction<'_>, id: EntryId) -> Result<(), StoreError> {
    let EntryId { install, counter } = id;
    let below = before(transaction, install, counter)?;
    if below.is_some_and(|(_, last)| last >= counter) {
        return Ok(());
    }
    let sql = "DELETE FROM entry_numbers WHERE install = ?1 AND first = ?2 RETURNING last";
    let mut delete = transaction.prepare_cached(sql)?;
    let above = delete.query_row((install.0, counter.saturating_add(1)), |row| row.get(0)).optional()?;
    let first =
        below.filter(|(_, last)| last.saturating_add(1) == counter).map_or(counter, |(first, _)| first);
    let sql = "INSERT INTO entry_numbers (install, first, last) VALUES (?1, ?2, ?3)
               ON CONFLICT (install, first) DO UPDATE SET last = excluded.last";
    let row = (install.0, first, above.unwrap_or(counter));
    transaction.prepare_cached(sql)?.execute(row)?;
    Ok(())
}

/// The last range that begins at a number or before it.
fn before(connection: &Connection, install: InstallId, counter: u64) -> Result<Option<Range>, StoreError> {
    let sql = "SELECT first, last FROM entry_numbers WHERE install = ?1 AND first <= ?2 ORDER BY first DESC LIMIT 1";
    let mut select = connection.prepare_cached(sql)?;
    let found = select.query_row((install.0, counter), |row| Ok((row.get(0)?, row.get(1)?)));
    Ok(found.optional()?)
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
            for (install, counter) in &noted {
                note(&transaction, &[of(*install, *counter)]).unwrap();
            }
            let noted: BTreeSet<(u32, u64)> = noted.into_iter().collect();
            for one in (1..3).flat_map(|install| (0..26).map(move |counter| (install, counter))) {
                prop_assert_eq!(is_used(&transaction, &[of(one.0, one.1)]).unwrap(), noted.contains(&one));
            }
            let starts = noted.iter().filter(|(install, counter)| !noted.contains(&(*install, counter - 1)));
            let rows = transaction.query_row("SELECT count(*) FROM entry_numbers", [], |row| row.get::<_, usize>(0));
            prop_assert_eq!(rows.unwrap(), starts.count());
        }
    }
}
