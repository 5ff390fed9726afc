//! Versions of one thing: which entries are the newest, and whether people disagree.

use std::collections::{BTreeMap, BTreeSet};

use super::Entry;
use crate::id::EntryId;

/// All entries about one thing (one allergy, one order), and those that nothing has replaced.
#[derive(Clone, Debug, PartialEq)]
pub struct Thread<'a> {
    /// Id of the thread: of its first entry.
    pub id: EntryId,
    /// Every entry of the thread, oldest recorded first, ties by id.
    pub entries: Vec<&'a Entry>,
    /// The entries that no other replaces, newest recorded first, ties by id. More than one means that people
    /// changed the thing apart, and somebody has to settle it. An *entered in error* or a settlement's reason is never
    /// among them.
    pub newest: Vec<&'a Entry>,
}

impl Thread<'_> {
    /// Whether two or more entries stand side by side, none knowing of the other.
    pub fn is_contested(&self) -> bool {
        self.newest.len() > 1 && !self.is_locked()
    }

    /// Whether its entries add to each other, and none takes another's place.
    pub fn is_locked(&self) -> bool {
        self.entries.iter().any(|entry| entry.body.is_locked())
    }
}

/// Sorts entries into threads. The result is the same for any order of the same entries.
///
/// An entry that was entered in error is among no thread's newest; a thread of which nothing is left has none. An entry
/// that is locked is always among them, whatever claims to replace or strike it.
pub fn threads<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<Thread<'a>> {
    let mut by_thread: BTreeMap<EntryId, Vec<&Entry>> = BTreeMap::new();
    let mut replaced: BTreeSet<EntryId> = BTreeSet::new();
    for entry in entries {
        by_thread.entry(entry.thread_id()).or_default().push(entry);
        replaced.extend(entry.replaces.iter().filter(|id| **id != entry.id));
    }
    let order = |e: &&Entry| (e.recorded, e.id);
    by_thread
        .into_iter()
        .map(|(id, mut entries)| {
            entries.sort_by_key(order);
            entries.dedup_by_key(|e| e.id);
            let stands = |e: &&&Entry| {
                let is_replaced = replaced.contains(&e.id) && !e.body.is_locked();
                !is_replaced && !e.body.is_about_entries()
            };
            let newest = entries.iter().rev().filter(stands).copied().collect();
            Thread { id, entries, newest }
        })
        .collect()
}
