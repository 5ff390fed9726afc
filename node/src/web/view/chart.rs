//! The entries of one resident that a page was allowed to read.

use std::collections::BTreeMap;

use hearth_protocol::id::{EntryId, ResidentId, SiteId};
use hearth_protocol::record::Entry;
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::records::EntryState;

/// Entries by section, with the way of each, at a moment.
#[derive(Clone, Debug)]
pub struct Chart {
    /// Whose.
    pub resident: ResidentId,
    /// The site that shows it.
    pub site: SiteId,
    /// When it was read.
    pub now: Timestamp,
    sections: BTreeMap<Section, Vec<Entry>>,
    states: BTreeMap<EntryId, EntryState>,
}

impl Chart {
    /// An empty chart.
    pub fn new(resident: ResidentId, site: SiteId, now: Timestamp) -> Self {
        Self { resident, site, now, sections: BTreeMap::new(), states: BTreeMap::new() }
    }

    /// Puts in the entries of a section. A section that was put in and is empty differs from one that the person may
    /// not see.
    pub fn put(&mut self, section: Section, entries: impl IntoIterator<Item = Entry>) {
        self.sections.entry(section).or_default().extend(entries);
    }

    /// Puts in how far entries have come.
    pub fn put_states(&mut self, states: BTreeMap<EntryId, EntryState>) {
        self.states.extend(states);
    }

    /// Every entry.
    pub fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.sections.values().flatten()
    }

    /// The entries of a section; none where it was not read.
    pub fn section(&self, section: Section) -> &[Entry] {
        self.sections.get(&section).map_or(&[], Vec::as_slice)
    }

    /// Whether the section was read.
    pub fn has(&self, section: Section) -> bool {
        self.sections.contains_key(&section)
    }

    /// How far an entry has come, where it was read.
    pub fn state(&self, entry: EntryId) -> Option<&EntryState> {
        self.states.get(&entry)
    }

    /// An entry of any section that was read.
    pub fn entry(&self, id: EntryId) -> Option<&Entry> {
        self.sections.values().flatten().find(|entry| entry.id == id)
    }
}
