//! What a merge of two charts can bring to light, and what it asks of the next dose.

use std::collections::BTreeMap;
use std::fmt;

use super::Administration;
use crate::clinical::format::date_time;
use crate::id::EntryId;
use crate::record::medicines::Order;
use crate::record::{Thing, Version};
use crate::time::Timestamp;

/// Something that must not have happened. Both administrations stay; the next dose asks before it can be given.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SafetyEvent {
    /// One due dose was taken more than once.
    GivenTwice {
        /// Thread of the order.
        order: EntryId,
        /// When the dose was due.
        due: Timestamp,
        /// Threads of the administrations.
        administrations: Vec<EntryId>,
        /// When the last of them was taken.
        last: Timestamp,
    },
    /// A when-required dose was taken sooner after another than its protocol allows.
    TooSoon {
        /// Thread of the order.
        order: EntryId,
        /// Threads of the two administrations, the earlier first.
        administrations: Vec<EntryId>,
        /// When the later one was taken.
        last: Timestamp,
    },
}

impl SafetyEvent {
    /// Thread of the order.
    pub fn order(&self) -> EntryId {
        match self {
            Self::GivenTwice { order, .. } | Self::TooSoon { order, .. } => *order,
        }
    }

    /// When the last dose of the event was taken.
    pub fn last(&self) -> Timestamp {
        match self {
            Self::GivenTwice { last, .. } | Self::TooSoon { last, .. } => *last,
        }
    }

    /// Threads of the administrations that it is about.
    pub fn administrations(&self) -> &[EntryId] {
        match self {
            Self::GivenTwice { administrations, .. } | Self::TooSoon { administrations, .. } => {
                administrations
            }
        }
    }
}

/// A sentence for whoever is about to give the next dose.
impl fmt::Display for SafetyEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GivenTwice { due, administrations, .. } => write!(
                f,
                "The dose due at {} is recorded as taken {} times. Check with the nurse in charge or the prescriber \
                 before you give the next.",
                date_time(*due),
                administrations.len()
            ),
            Self::TooSoon { last, .. } => write!(
                f,
                "The dose at {} was taken sooner after the one before than is allowed. Check with the nurse in charge \
                 or the prescriber before you give the next.",
                date_time(*last)
            ),
        }
    }
}

/// Every event among these administrations, by order and time. Taken-back administrations do not count, and two
/// corrections of one administration are one giving.
pub fn safety_events(orders: &[Thing<'_, Order>], doses: &[Thing<'_, Administration>]) -> Vec<SafetyEvent> {
    let mut by_dose: BTreeMap<(EntryId, Option<Timestamp>), Vec<Version<'_, Administration>>> =
        BTreeMap::new();
    for version in doses.iter().filter_map(taken_version) {
        by_dose.entry((version.body.order, version.body.due)).or_default().push(version);
    }
    let mut events: Vec<SafetyEvent> = by_dose
        .into_iter()
        .flat_map(|((order, due), taken)| match due {
            Some(due) => given_twice(order, due, &taken).into_iter().collect(),
            None => too_soon(orders, order, taken),
        })
        .collect();
    events.sort();
    events
}

/// The events that the next dose of an order still has to answer: those after which no dose was recorded by somebody
/// who had read the warning ([`Administration::overridden`]). A later dose that was given without knowing of the event,
/// at another node, answers nothing.
pub fn open_events<'e>(
    events: &'e [SafetyEvent],
    order: EntryId,
    doses: &[Thing<'_, Administration>],
) -> Vec<&'e SafetyEvent> {
    let standing = doses.iter().flat_map(|dose| &dose.standing);
    let warned: Vec<_> = standing.filter(|v| v.body.order == order && v.body.overridden.is_some()).collect();
    let is_answered = |event: &SafetyEvent| {
        warned.iter().any(|v| {
            v.entry.happened > event.last() && !event.administrations().contains(&v.entry.thread_id())
        })
    };
    events.iter().filter(|e| e.order() == order && !is_answered(e)).collect()
}

/// The standing version that says that the dose was taken, if one does.
pub fn taken_version<'a>(dose: &Thing<'a, Administration>) -> Option<Version<'a, Administration>> {
    dose.standing.iter().find(|v| v.body.outcome.is_taken()).copied()
}

fn given_twice(order: EntryId, due: Timestamp, taken: &[Version<'_, Administration>]) -> Option<SafetyEvent> {
    let last = taken.iter().map(|v| v.entry.happened).max()?;
    let mut administrations: Vec<EntryId> = taken.iter().map(|v| v.entry.thread_id()).collect();
    administrations.sort_unstable();
    (administrations.len() > 1).then_some(SafetyEvent::GivenTwice { order, due, administrations, last })
}

fn too_soon(
    orders: &[Thing<'_, Order>],
    order: EntryId,
    mut taken: Vec<Version<'_, Administration>>,
) -> Vec<SafetyEvent> {
    taken.sort_by_key(|v| (v.entry.happened, v.entry.id));
    let pairs = taken.iter().zip(taken.iter().skip(1));
    pairs
        .filter(|(first, second)| {
            let apart = second.entry.happened.ms_since(first.entry.happened);
            interval_ms(orders, second.body).is_some_and(|interval| apart < interval)
        })
        .map(|(first, second)| SafetyEvent::TooSoon {
            order,
            administrations: vec![first.entry.thread_id(), second.entry.thread_id()],
            last: second.entry.happened,
        })
        .collect()
}

/// The interval of the version of the order that was on the screen: a protocol that is made stricter later makes no
/// past dose too soon.
fn interval_ms(orders: &[Thing<'_, Order>], dose: &Administration) -> Option<i64> {
    let thing = orders.iter().find(|o| o.id() == dose.order)?;
    let seen = thing.versions().find(|v| v.entry.id == dose.order_version)?;
    Some(i64::from(seen.body.prn.as_ref()?.interval_minutes?) * 60_000)
}
