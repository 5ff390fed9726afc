//! What staff did and what they were told, and what each site was ever allowed to hold: the truth that every replica
//! is compared with.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hearth_node::records::{AddError, Added};
use hearth_protocol::id::{EntryId, InstallId, ResidentId, SiteId};
use hearth_protocol::record::coded::Coded;
use hearth_protocol::record::entry::{Author, UnknownBody};
use hearth_protocol::record::notes::Note;
use hearth_protocol::record::pharmacy::Message;
use hearth_protocol::record::safety::Alert;
use hearth_protocol::record::{Body, Entry, Origin};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use super::run::now;

/// What staff wrote, in one action of one entry.
#[derive(Clone, Debug)]
pub(super) struct Deed {
    pub(super) site: SiteId,
    pub(super) resident: ResidentId,
    pub(super) section: Section,
    pub(super) author: Author,
    pub(super) replaces: Vec<EntryId>,
    pub(super) told: Told,
    /// When they were first told that it is saved.
    pub(super) saved_at: Duration,
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
    /// When it happened, as each try said.
    pub(super) happened: Vec<Timestamp>,
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
    /// Records that a site was told to forget.
    pub(super) forgotten: BTreeMap<(SiteId, ResidentId), Vec<Forget>>,
    /// Entries of which their site knew that the hub had them, and when that was first seen.
    pub(super) acknowledged: BTreeMap<EntryId, Duration>,
    /// Doubtful actions that the hub had before their node was put back: they count all the same.
    pub(super) doubtful_at_hub: BTreeSet<u64>,
    /// Actions of which a node that was put back said that they are saved.
    pub(super) told_in_doubt: BTreeSet<u64>,
    /// Sites whose node was put back from a copy, each with the installations that it then was.
    pub(super) doubtful: BTreeMap<SiteId, BTreeSet<InstallId>>,
    /// Sites that were enrolled anew over what was on their disk.
    pub(super) taken_over: BTreeSet<SiteId>,
    /// When the hub was restored from a backup.
    pub(super) restores: Vec<Restore>,
}

/// An order to forget a record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forget {
    pub(super) at: Duration,
    /// When the record was given again.
    pub(super) until: Option<Duration>,
}

/// The hub went back to a backup.
#[derive(Clone, Copy, Debug)]
pub(super) struct Restore {
    pub(super) backup: Duration,
    pub(super) at: Duration,
}

impl Model {
    /// Staff begin an action; gives its number.
    pub(super) fn begin(&mut self, deed: Deed) -> u64 {
        let is_doubtful = self.doubtful.contains_key(&deed.site);
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

    /// What is tried says that it happened then.
    pub(super) fn said(&mut self, number: u64, happened: Timestamp) {
        if let Some(deed) = self.deeds.get_mut(&number) {
            deed.happened.push(happened);
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
                    self.told_in_doubt.insert(number);
                    return Ok(());
                }
                if deed.told == Told::Nothing {
                    deed.saved_at = now();
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

    /// What a site's node was told counts no more, but for what the hub had then.
    pub(super) fn doubt(&mut self, site: SiteId, install: InstallId) {
        self.doubtful.entry(site).or_default().insert(install);
        for (number, deed) in self.deeds.iter_mut().filter(|(_, deed)| deed.site == site && !deed.is_doubtful)
        {
            deed.is_doubtful = true;
            if matches!(deed.told, Told::Saved(id) if self.acknowledged.contains_key(&id)) {
                self.doubtful_at_hub.insert(*number);
            }
        }
        let deeds = &self.deeds;
        self.saved.retain(|_, number| deeds.get(number).is_some_and(|deed| !deed.is_doubtful));
    }

    /// A site's node knows that the hub has these.
    pub(super) fn acknowledge<'a>(&mut self, site: SiteId, ids: impl IntoIterator<Item = &'a EntryId>) {
        // What a copy believes of the hub is what its disk says.
        if self.doubtful.contains_key(&site) {
            return;
        }
        for id in ids.into_iter().filter(|id| self.saved.contains_key(id)) {
            self.acknowledged.entry(*id).or_insert_with(now);
        }
    }

    /// Whether the hub was ever restored.
    pub(super) fn is_hub_restored(&self) -> bool {
        !self.restores.is_empty()
    }

    /// Whether a hub that was restored may have lost what was saved, since its backup may be older.
    pub(super) fn may_hub_have_lost(&self, deed: &Deed, id: EntryId) -> bool {
        let acknowledged = self.acknowledged.get(&id);
        let is_lost_by = |restore: &Restore| {
            deed.saved_at <= restore.at && acknowledged.is_none_or(|at| *at > restore.backup)
        };
        self.restores.iter().any(is_lost_by)
    }

    /// Administrators give a site a record, again if it was told to forget it.
    pub(super) fn grant(&mut self, site: SiteId, resident: ResidentId) {
        self.ever_granted.insert((site, resident));
        for order in self.forgotten.get_mut(&(site, resident)).into_iter().flatten() {
            order.until.get_or_insert_with(now);
        }
    }

    /// Whether the hub was restored and the site was ever told to forget a record and given it again: the hub may take for
    /// held there what the site has erased, until both are compared.
    pub(super) fn may_lack_for_a_while(&self, site: SiteId) -> bool {
        let of_site = self.forgotten.iter().filter(|((of, _), _)| *of == site);
        self.is_hub_restored() && of_site.flat_map(|(_, orders)| orders).any(|order| order.until.is_some())
    }

    /// Administrators tell a site to forget a record.
    pub(super) fn forget(&mut self, site: SiteId, resident: ResidentId) {
        let orders = self.forgotten.entry((site, resident)).or_default();
        orders.push(Forget { at: now(), until: None });
    }

    /// Whether a site was ordered to forget what it had saved, or saved while the order was on its way, and the hub was
    /// restored after the order.
    ///
    /// No replica can keep that: the order reached the site before it could hear of the loss, and what it was told to erase
    /// it had to erase; what it hears of before, it gives back first. Only a hub that sends such an order no sooner than
    /// a backup has the record would keep it, and then the record stays at a site which is to hold it no more.
    pub(super) fn is_forgotten_before_a_restore(&self, deed: &Deed) -> bool {
        let orders = self.forgotten.get(&(deed.site, deed.resident)).into_iter().flatten();
        let mut of_this = orders.filter(|order| order.until.is_none_or(|until| deed.saved_at <= until));
        self.restores.last().is_some_and(|last| of_this.any(|order| order.at <= last.at))
    }

    /// Whether a program that is honest logs this, since a node's disk was copied: its audit goes two ways.
    pub(super) fn explains(&self, logged: &str) -> bool {
        let names = |install: &InstallId| logged.contains(&format!("install={install}"));
        logged.starts_with("a node's audit does not continue its chain")
            && self.doubtful.values().flatten().any(names)
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
            && entry.origin == Origin::Site(deed.site)
            && entry.author == deed.author
            && entry.body == body(deed, number)
            && deed.happened.contains(&entry.happened);
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

/// The number of a kind of entry that no software has yet.
const NEWER_KIND: u16 = 60_000;

/// What an action writes.
pub(super) fn body(deed: &Deed, number: u64) -> Body {
    let text = text(number);
    #[expect(clippy::wildcard_enum_match_arm, reason = "staff write in these three sections alone")]
    match deed.section {
        // Writing to memory cannot fail.
        _ if deed.is_newer => {
            Body::Unknown(UnknownBody { kind: NEWER_KIND, body: minicbor::to_vec(text).unwrap_or_default() })
        }
        Section::Notes => Body::Note(Note { category: "general".into(), text, important: false }),
        Section::Safety => Body::Alert(Alert { text: Coded::text(text), active: true, ended_reason: None }),
        _ => Body::Message(Message { text, seen: false, done: false }),
    }
}

/// What an action writes says its number.
fn text(number: u64) -> String {
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
