//! Histories for the tests of the merge rules.

use proptest::prelude::*;

use super::entry::EnteredInError;
use super::{Author, Body, Entry, Origin, Role};
use crate::id::{EntryId, InstallId, StaffId};
use crate::time::Timestamp;

/// The moment that tests count minutes from: Mon 05-Jan-2026 00:00.
pub(crate) const START: Timestamp = Timestamp(1_767_571_200_000);

/// So many minutes after [`START`].
pub(crate) fn minute(minutes: i64) -> Timestamp {
    START.plus_ms(minutes * 60_000)
}

/// An id of one installation.
pub(crate) fn id(counter: u64) -> EntryId {
    EntryId { install: InstallId(1), counter }
}

/// A first version, which happened and was recorded so many minutes after [`START`].
pub(crate) fn entry(counter: u64, minutes: i64, body: Body) -> Entry {
    Entry {
        id: id(counter),
        happened: minute(minutes),
        recorded: minute(minutes),
        author: Author { staff: StaffId(7), role: Role::Nurse, name: "A Nurse".into() },
        origin: Origin::Site("VL1AB".parse().unwrap()),
        thread: None,
        replaces: Vec::new(),
        body,
    }
}

/// A later version, which takes the place of these.
pub(crate) fn version(counter: u64, minutes: i64, of: &Entry, replaces: &[&Entry], body: Body) -> Entry {
    Entry {
        thread: Some(of.thread_id()),
        replaces: replaces.iter().map(|e| e.id).collect(),
        ..entry(counter, minutes, body)
    }
}

/// Takes an entry back.
pub(crate) fn strike(counter: u64, minutes: i64, of: &Entry) -> Entry {
    let body = Body::EnteredInError(EnteredInError { reason: "wrong resident".into() });
    version(counter, minutes, of, &[of], body)
}

/// How one entry of a random history hangs on those before it.
#[derive(Clone, Debug)]
struct Link {
    parent: Option<prop::sample::Index>,
    mask: u8,
    strikes: bool,
    minutes: i64,
}

fn link() -> impl Strategy<Value = Link> {
    let parent = prop::option::of(any::<prop::sample::Index>());
    (parent, any::<u8>(), prop::bool::weighted(0.1), 0i64..5_000)
        .prop_map(|(parent, mask, strikes, minutes)| Link { parent, mask, strikes, minutes })
}

/// Random histories of up to 14 entries: first versions, versions that replace some of their thread, strikes.
pub(crate) fn history(body: impl Strategy<Value = Body>) -> impl Strategy<Value = Vec<Entry>> {
    prop::collection::vec((link(), body), 0..14).prop_map(|steps| {
        let mut entries: Vec<Entry> = Vec::new();
        for (counter, (link, body)) in (1u64..).zip(steps) {
            entries.push(linked(&entries, counter, &link, body));
        }
        entries
    })
}

fn linked(before: &[Entry], counter: u64, link: &Link, body: Body) -> Entry {
    let Some(parent) = link.parent.filter(|_| !before.is_empty()).map(|index| index.get(before)) else {
        return entry(counter, link.minutes, body);
    };
    let thread: Vec<&Entry> = before.iter().filter(|e| e.thread_id() == parent.thread_id()).collect();
    let chosen = |place: usize| link.mask >> (place % 8) & 1 == 1;
    let replaces: Vec<&Entry> =
        thread.iter().enumerate().filter(|(place, _)| chosen(*place)).map(|(_, e)| *e).collect();
    let error = Body::EnteredInError(EnteredInError { reason: "mistake".into() });
    let body = if link.strikes { error } else { body };
    version(counter, link.minutes, parent, &replaces, body)
}

/// A history with the same entries in another order, some of them arriving twice.
pub(crate) fn reordered(entries: Vec<Entry>) -> impl Strategy<Value = (Vec<Entry>, Vec<Entry>)> {
    let twice = prop::sample::subsequence(entries.clone(), 0..=entries.len());
    (Just(entries), twice).prop_flat_map(|(entries, twice)| {
        let all: Vec<Entry> = entries.iter().cloned().chain(twice).collect();
        (Just(entries), Just(all).prop_shuffle())
    })
}

/// Every id of these entries, sorted.
pub(crate) fn ids<'a>(entries: impl IntoIterator<Item = &'a Entry>) -> Vec<EntryId> {
    let mut ids: Vec<EntryId> = entries.into_iter().map(|e| e.id).collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}
