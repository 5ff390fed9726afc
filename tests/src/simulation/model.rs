//! What staff did and what they were told, and what each site was ever allowed to hold: the truth that every replica
//! is compared with.

use std::collections::{BTreeMap, BTreeSet};

use hearth_node::records::{AddError, Added};
use hearth_protocol::id::{EntryId, ResidentId, SiteId};
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::Section;

/// What staff wrote, in one action of one entry.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) site: SiteId,
    pub(super) resident: ResidentId,
    pub(super) section: Section,
    pub(super) replaces: Vec<EntryId>,
    pub(super) told: Told,
    /// How often it was tried.
    pub(super) tries: u32,
    /// The node was put back from a copy, or enrolled anew: what it was told says nothing any more.
    pub(super) is_doubtful: bool,
    /// The site was enrolled anew over it: what the hub had not got was written anew, under another id.
    pub(super) is_renamed: bool,
    /// Newer software writes it, as a kind of entry that the others do not know.
    pub(super) is_newer: bool,
    /// How many days before it was written it happened.
    pub(super) days_ago: i64,
}

/// What staff were told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// Nothing yet, or the answer was lost, or the disk failed: it may be there or not.
    Nothing,
    /// It is saved.
    Saved(EntryId),
    /// It was refused: nothing of it may be anywhere.
    Refused,
}

/// The truth of a run.
#[derive(Clone, Default)]
pub(super) struct Model {
    pub(super) deeds: BTreeMap<u64, Deed>,
    pub(super) saved: BTreeMap<EntryId, u64>,
    /// Whose records a site was ever granted.
    pub(super) ever_granted: BTreeSet<(SiteId, ResidentId)>,
    /// Records that a site was ever told to freeze or forget.
    pub(super) ever_revoked: BTreeSet<(SiteId, ResidentId)>,
    /// Records that a site was ever told to forget.
    pub(super) ever_forgotten: BTreeSet<(SiteId, ResidentId)>,
    /// Sites whose node was put back from a copy.
    pub(super) doubtful: BTreeSet<SiteId>,
    /// Sites that were enrolled anew over what was on their disk.
    pub(super) taken_over: BTreeSet<SiteId>,
    /// Whether the hub was restored from a backup.
    pub(super) is_hub_restored: bool,
}

impl Model {
    /// Staff begin an action; gives its number.
    pub(super) fn begin(&mut self, deed: Deed) -> u64 {
        let is_doubtful = self.doubtful.contains(&deed.site);
        let deed = Deed { is_doubtful, ..deed };
        let number = self.deeds.last_key_value().map_or(1, |(last, _)| last + 1);
        self.deeds.insert(number, deed);
        number
    }

    /// Staff try an action once more.
    pub(super) fn tried(&mut self, number: u64) {
        if let Some(deed) = self.deeds.get_mut(&number) {
            deed.tries += 1;
        }
    }

    /// Staff are told what became of an action. What is wrong with the answer, if anything is.
    pub(super) fn answered(&mut self, number: u64, answer: &Result<Added, AddError>) -> Result<(), String> {
        let Some(deed) = self.deeds.get_mut(&number) else { return Ok(()) };
        match answer {
            Ok(added) => {
                let [id] = added.ids.as_slice() else {
                    return Err(format!("action {number} has {} entries", added.ids.len()));
                };
                if deed.is_doubtful {
                    return Ok(());
                }
                if let Told::Saved(before) = deed.told
                    && before != *id
                {
                    return Err(format!("action {number} was saved as {before} and as {id}"));
                }
                deed.told = Told::Saved(*id);
                if let Some(other) = self.saved.insert(*id, number)
                    && other != number
                {
                    return Err(format!("actions {other} and {number} are both {id}"));
                }
            }
            // The disk may have kept what it said it had not.
            Err(AddError::Store(_)) => {}
            Err(_) if deed.tries == 1 => deed.told = Told::Refused,
            Err(_) => {}
        }
        Ok(())
    }

    /// What a site's node was told counts no more.
    pub(super) fn doubt(&mut self, site: SiteId) {
        self.doubtful.insert(site);
        for deed in self.deeds.values_mut().filter(|deed| deed.site == site) {
            deed.is_doubtful = true;
        }
        let deeds = &self.deeds;
        self.saved.retain(|_, number| deeds.get(number).is_some_and(|deed| !deed.is_doubtful));
    }

    /// A site is enrolled anew over what is on its disk.
    pub(super) fn rename(&mut self, site: SiteId) {
        self.taken_over.insert(site);
        for deed in self.deeds.values_mut().filter(|deed| deed.site == site) {
            deed.is_renamed = true;
        }
    }

    /// Whether one entry stands for what another does: the same action, written anew under another id.
    fn is_same_action(&self, one: EntryId, other: &Entry) -> bool {
        let number = self.saved.get(&one);
        number.is_some_and(|number| self.deeds.get(number).is_some_and(|deed| deed.is_renamed))
            && number == number_in(other).as_ref()
    }

    /// Whether an entry is that of an action, under the id that was told or, where the site was enrolled anew, another.
    pub(super) fn stands_for(&self, entry: &Entry, id: EntryId) -> bool {
        entry.id == id || self.is_same_action(id, entry)
    }

    /// Compares an entry that some replica holds with what was written.
    pub(super) fn check(&self, section: Section, resident: ResidentId, entry: &Entry) -> Result<(), String> {
        let number = number_in(entry).ok_or_else(|| format!("entry {} says what nobody wrote", entry.id))?;
        let deed = self.deeds.get(&number).ok_or_else(|| format!("nobody did action {number}"))?;
        let is_same = deed.section == section
            && deed.resident == resident
            && self.replaces_same(&deed.replaces, &entry.replaces)
            && entry.origin == Origin::Site(deed.site);
        if !is_same {
            return Err(format!("entry {} is not what action {number} wrote", entry.id));
        }
        if deed.is_doubtful {
            return Ok(());
        }
        match &deed.told {
            Told::Saved(id) if !self.stands_for(entry, *id) => {
                Err(format!("action {number} is there as {} and was told to be {id}", entry.id))
            }
            Told::Refused => Err(format!("action {number} was refused and is there as {}", entry.id)),
            Told::Saved(_) | Told::Nothing => Ok(()),
        }
    }
}

impl Model {
    /// Whether an entry replaces what its action said: under the id that it had then, or under another if the site that
    /// wrote the replaced entry was enrolled anew meanwhile.
    fn replaces_same(&self, said: &[EntryId], found: &[EntryId]) -> bool {
        let is_renamed = |id: &EntryId| {
            let deed = self.saved.get(id).and_then(|number| self.deeds.get(number));
            deed.is_none_or(|deed| deed.is_renamed || deed.is_doubtful)
        };
        said == found || (said.len() == found.len() && said.iter().all(is_renamed))
    }
}

/// What an action writes says its number.
pub(super) fn text(number: u64) -> String {
    format!("action {number} {}", "x".repeat(usize::try_from(number % 7).unwrap_or(0) * 40))
}

pub(super) fn number_in(entry: &Entry) -> Option<u64> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "staff write these kinds alone")]
    let text = match &entry.body {
        Body::Note(note) => note.text.as_str(),
        Body::Alert(alert) => alert.text.display.as_str(),
        Body::Message(message) => message.text.as_str(),
        Body::Unknown(newer) => minicbor::decode(&newer.body).ok()?,
        _ => return None,
    };
    text.strip_prefix("action ")?.split(' ').next()?.parse().ok()
}
