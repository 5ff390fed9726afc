//! Which version of an order held when, and so which doses it made due.

use std::collections::BTreeMap;

use crate::clinical::dose_times::due_doses;
use crate::record::medicines::Order;
use crate::record::{Body, Entry, Origin, Thing, Version};
use crate::time::Timestamp;

/// The doses of an order that were due from `from` (included) until `until` (excluded), each with the versions that
/// made it due: more than one where people changed the order apart.
///
/// A version makes doses due from the moment it holds until one that replaces it holds; one that was entered in error
/// never does.
pub fn due_in<'a>(
    order: &Thing<'a, Order>,
    from: Timestamp,
    until: Timestamp,
) -> BTreeMap<Timestamp, Vec<Version<'a, Order>>> {
    let mut due: BTreeMap<Timestamp, Vec<Version<'a, Order>>> = BTreeMap::new();
    // Days are counted from the first version: a correction of the route must not move a patch by a day.
    let Some(since) = order.versions().next().map(|v| holds_from(v.entry).date()) else {
        return due;
    };
    for version in order.versions() {
        let (start, end) = held(order, version.entry);
        let span = (start.max(from), end.min(until));
        for dose in due_doses(version.body, since, span.0, span.1) {
            due.entry(dose.due).or_default().push(version);
        }
    }
    due
}

/// From when until when a version held; an empty span for one that was entered in error.
fn held(order: &Thing<'_, Order>, entry: &Entry) -> (Timestamp, Timestamp) {
    let start = holds_from(entry);
    let replacers =
        order.thread.entries.iter().filter(|e| e.id != entry.id && e.replaces.contains(&entry.id));
    let ends =
        replacers.map(|e| if matches!(e.body, Body::EnteredInError(_)) { start } else { holds_from(e) });
    (start, ends.min().unwrap_or(Timestamp(i64::MAX)))
}

/// What a site wrote holds from when it says; what came from outside no earlier than it was known here, so that an old
/// prescription that arrives today makes no past dose overdue.
fn holds_from(entry: &Entry) -> Timestamp {
    match entry.origin {
        Origin::Site(_) => entry.happened,
        Origin::Outside(_) => entry.happened.max(entry.recorded),
    }
}
