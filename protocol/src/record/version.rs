//! Threads of one kind, with what their entries say: what every section's view is made of.

use std::collections::BTreeSet;

use super::thread::{Thread, threads};
use super::{Body, Entry, history, identity, mar, medicines, notes, observations, plan, safety, site};
use crate::id::EntryId;
use crate::scope::Section;

/// What an entry of one kind says.
pub trait Kind: Sized {
    /// The body, if it is of this kind.
    fn of(body: &Body) -> Option<&Self>;
}

macro_rules! kinds {
    ($($variant:ident($type:ty)),+ $(,)?) => {$(
        impl Kind for $type {
            fn of(body: &Body) -> Option<&Self> {
                if let Body::$variant(body) = body { Some(body) } else { None }
            }
        }
    )+};
}

kinds! {
    Demographics(identity::Demographics),
    Placement(identity::Placement),
    Allergy(safety::Allergy),
    NoKnownAllergies(safety::NoKnownAllergies),
    Alert(safety::Alert),
    Resuscitation(safety::Resuscitation),
    EscalationLimits(safety::EscalationLimits),
    Order(medicines::Order),
    StockMovement(medicines::StockMovement),
    CovertDecision(medicines::CovertDecision),
    Reconciliation(medicines::Reconciliation),
    CareGoal(plan::CareGoal),
    Statement(plan::Statement),
    Baseline(plan::Baseline),
    OxygenScale(plan::OxygenScale),
    Risk(plan::Risk),
    Passage(plan::Passage),
    Problem(history::Problem),
    Appointment(history::Appointment),
    TestResult(history::TestResult),
    Administration(mar::Administration),
    Effect(mar::Effect),
    VitalSigns(observations::VitalSigns),
    SoftSigns(observations::SoftSigns),
    Measurement(observations::Measurement),
    Fluid(observations::Fluid),
    Note(notes::Note),
    Incident(notes::Incident),
    BodyMark(notes::BodyMark),
    Visit(notes::Visit),
    StaffMember(site::StaffMember),
    Setting(site::Setting),
    Task(site::Task),
    HandoverLine(site::HandoverLine),
    HandoverRead(site::HandoverRead),
    RegisterLine(site::RegisterLine),
    RegisterLease(site::RegisterLease),
}

/// An entry with what it says.
#[derive(Debug, PartialEq)]
pub struct Version<'a, T> {
    /// Who said it, when and from where.
    pub entry: &'a Entry,
    /// What it says.
    pub body: &'a T,
}

impl<T> Clone for Version<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Version<'_, T> {}

impl<'a, T: Kind> Version<'a, T> {
    fn of(entry: &'a Entry) -> Option<Self> {
        T::of(&entry.body).map(|body| Self { entry, body })
    }
}

/// One thing (an allergy, an order) with the versions of it that stand.
#[derive(Debug, PartialEq)]
pub struct Thing<'a, T> {
    /// All its entries: its history, with what was taken back.
    pub thread: Thread<'a>,
    /// The versions that nothing has replaced, newest recorded first. More than one: people changed it apart. None:
    /// it was taken back as entered in error.
    pub standing: Vec<Version<'a, T>>,
    /// Whether somebody took it back as entered in error while somebody else changed it.
    pub struck_apart: bool,
}

impl<T> Clone for Thing<'_, T> {
    fn clone(&self) -> Self {
        let Self { thread, standing, struck_apart } = self;
        Self { thread: thread.clone(), standing: standing.clone(), struck_apart: *struck_apart }
    }
}

impl<'a, T: Kind> Thing<'a, T> {
    /// Id of the thing: of its first entry.
    pub fn id(&self) -> EntryId {
        self.thread.id
    }

    /// The newest version that stands; the others are in [`Self::standing`].
    pub fn newest(&self) -> Option<Version<'a, T>> {
        self.standing.first().copied()
    }

    /// Whether a person has to settle what two others did apart.
    pub fn is_contested(&self) -> bool {
        !self.thread.is_locked() && (self.standing.len() > 1 || self.struck_apart)
    }

    /// The entries that a new version has to replace, so that nothing is left to settle: every version that stands, and
    /// every strike that nobody has answered. What names fewer leaves the thing contested.
    pub fn to_replace(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.standing.iter().map(|v| v.entry.id).collect();
        ids.extend(open_strikes(&self.thread).map(|strike| strike.id));
        ids.sort_unstable();
        ids
    }

    /// Whether nothing of it stands.
    pub fn is_taken_back(&self) -> bool {
        self.standing.is_empty()
    }

    /// Every version that nobody took back, replaced ones too, oldest recorded first: what held at its time.
    pub fn sound_versions(&self) -> impl Iterator<Item = Version<'a, T>> {
        let strikes = self.thread.entries.iter().filter(|e| matches!(e.body, Body::EnteredInError(_)));
        let struck: BTreeSet<EntryId> = strikes.flat_map(|e| e.replaces.iter().copied()).collect();
        self.versions().filter(move |v| !struck.contains(&v.entry.id))
    }

    /// Every version, replaced ones too, oldest recorded first.
    pub fn versions(&self) -> impl Iterator<Item = Version<'a, T>> {
        self.thread.entries.iter().filter_map(|entry| Version::of(entry))
    }
}

/// The things of one kind among these threads, in order of their ids.
pub fn things<'a, T: Kind>(threads: &[Thread<'a>]) -> Vec<Thing<'a, T>> {
    let is_kind = |thread: &&Thread<'a>| thread.entries.iter().any(|e| T::of(&e.body).is_some());
    threads.iter().filter(is_kind).map(thing).collect()
}

/// The entries of a section sorted into threads, and those that this software cannot read or that belong elsewhere.
pub fn sorted<'a>(
    entries: impl IntoIterator<Item = &'a Entry>,
    section: Section,
) -> (Vec<Thread<'a>>, Vec<&'a Entry>) {
    let threads = threads(entries);
    let belongs = |entry: &&Entry| entry.body.section() == Some(section) || entry.body.is_about_entries();
    let unread = threads.iter().flat_map(|t| &t.entries).filter(|e| !belongs(e)).copied().collect();
    (threads, unread)
}

/// Newest first by when it happened, ties by when it was recorded and by id, the same on every copy.
pub(crate) fn newest_first<T: Kind>(things: &mut [Thing<'_, T>]) {
    things.sort_by_key(|thing| {
        let newest = thing.newest().map(|v| (v.entry.happened, v.entry.recorded));
        std::cmp::Reverse((newest, thing.id()))
    });
}

/// The standing versions of all these things together, newest recorded first, the same on every copy.
pub(crate) fn all_standing<'a, T: Kind>(things: &[Thing<'a, T>]) -> Vec<Version<'a, T>> {
    let mut standing: Vec<Version<'a, T>> = things.iter().flat_map(|t| t.standing.iter().copied()).collect();
    standing.sort_by_key(|v| std::cmp::Reverse((v.entry.recorded, v.entry.id)));
    standing
}

/// Splits off the things of which nothing stands: (standing, taken back).
pub(crate) fn split_taken_back<T: Kind>(things: Vec<Thing<'_, T>>) -> (Vec<Thing<'_, T>>, Vec<Thing<'_, T>>) {
    things.into_iter().partition(|thing| !thing.is_taken_back())
}

fn thing<'a, T: Kind>(thread: &Thread<'a>) -> Thing<'a, T> {
    let standing: Vec<Version<'a, T>> = thread.newest.iter().filter_map(|e| Version::of(e)).collect();
    let struck_apart = !standing.is_empty() && open_strikes(thread).next().is_some();
    Thing { thread: thread.clone(), standing, struck_apart }
}

/// The strikes of a thread that nothing has replaced.
pub(crate) fn open_strikes<'t, 'a>(thread: &'t Thread<'a>) -> impl Iterator<Item = &'a Entry> + use<'t, 'a> {
    let replaced: BTreeSet<EntryId> =
        thread.entries.iter().flat_map(|e| e.replaces.iter().filter(|id| **id != e.id)).copied().collect();
    let is_strike = |e: &&'a Entry| matches!(e.body, Body::EnteredInError(_));
    thread.entries.iter().copied().filter(is_strike).filter(move |e| !replaced.contains(&e.id))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::fixture::{entry, history, id, strike, version};
    use crate::record::thread::threads;

    fn note(text: &str) -> Body {
        let (category, text) = ("general".into(), text.into());
        Body::Note(notes::Note { category, text, important: false })
    }

    fn only(entries: &[Entry]) -> Thing<'_, notes::Note> {
        things(&threads(entries)).remove(0)
    }

    #[test]
    fn a_version_that_names_the_strike_too_settles_it() {
        let first = entry(1, 0, note("a"));
        let edit = version(2, 5, &first, &[&first], note("b"));
        let struck = strike(3, 6, &first);
        let mut entries = vec![first.clone(), edit.clone(), struck];
        assert_eq!((only(&entries).is_contested(), only(&entries).to_replace()), (true, vec![id(2), id(3)]));
        let half = version(4, 7, &first, &[&edit], note("c"));
        entries.push(half);
        assert!(only(&entries).is_contested());
        let settled =
            Entry { replaces: only(&entries).to_replace(), ..version(5, 8, &first, &[], note("d")) };
        entries.push(settled);
        assert!(!only(&entries).is_contested());
        assert_eq!(only(&entries).newest().map(|v| v.entry.id), Some(id(5)));
    }

    proptest! {
        #[test]
        fn replacing_what_is_named_always_settles(entries in history(Just(note("a")))) {
            for thing in things::<notes::Note>(&threads(&entries)) {
                let root = thing.thread.entries[0];
                let replaces = thing.to_replace();
                let settled = Entry { replaces, ..version(99, 9_999, root, &[], note("settled")) };
                let all: Vec<Entry> = entries.iter().cloned().chain([settled]).collect();
                let after = things::<notes::Note>(&threads(&all));
                let after = after.iter().find(|t| t.id() == thing.id()).unwrap();
                prop_assert!(!after.is_contested());
                prop_assert_eq!(after.newest().map(|v| v.entry.id), Some(id(99)));
            }
        }
    }
}
