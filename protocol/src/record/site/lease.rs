//! Who writes the controlled-drug register: one installation at a time, and what another wrote all the same.
//!
//! Each lease names those that it ends, so that copies agree on who holds the register without comparing clocks. Two
//! leases that nothing has ended were written apart: the newer holds until a person settles it by a further one, and
//! all of it is shown. A line is never refused or left out when copies meet: one that was written without the lease is
//! kept, counted, and marked.

use std::collections::{BTreeMap, BTreeSet};

use super::{LeaseEnded, LeaseHow, RegisterLease, RegisterLine};
use crate::id::{EntryId, InstallId};
use crate::record::Entry;
use crate::record::version::{Kind, Version};

/// The leases of a register.
#[derive(Clone, Debug, PartialEq)]
pub struct Leases<'a> {
    /// Those that no other has ended, newest recorded first: the first holds. Several were written apart.
    pub standing: Vec<Version<'a, RegisterLease>>,
    all: BTreeMap<EntryId, Version<'a, RegisterLease>>,
    /// What each ended lease's holder had written, at the least that any who ended it knew of.
    ended: BTreeMap<EntryId, u64>,
    /// The last entry of each installation in the register.
    last: BTreeMap<InstallId, u64>,
}

impl<'a> Leases<'a> {
    /// The leases among the entries of a register, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (mut all, mut last) = (BTreeMap::new(), BTreeMap::new());
        for entry in entries {
            let known = last.entry(entry.id.install).or_insert(0);
            *known = entry.id.counter.max(*known);
            if let Some(body) = RegisterLease::of(&entry.body) {
                all.insert(entry.id, Version { entry, body });
            }
        }
        let valid: BTreeSet<EntryId> =
            all.values().filter(|lease| is_valid(lease, &all)).map(|lease| lease.entry.id).collect();
        all.retain(|id, _| valid.contains(id));
        let mut ended: BTreeMap<EntryId, u64> = BTreeMap::new();
        for end in all.values().flat_map(|lease| &lease.body.after) {
            let known = ended.entry(end.lease).or_insert(end.last);
            *known = end.last.min(*known);
        }
        let mut standing: Vec<_> =
            all.values().filter(|lease| !ended.contains_key(&lease.entry.id)).copied().collect();
        standing.sort_by_key(|lease| std::cmp::Reverse((lease.entry.recorded, lease.entry.id)));
        Self { standing, all, ended, last }
    }

    /// The lease that holds; none while nobody has written in the register.
    pub fn current(&self) -> Option<Version<'a, RegisterLease>> {
        self.standing.first().copied()
    }

    /// Whether two installations came to hold the register apart.
    pub fn is_contested(&self) -> bool {
        self.standing.len() > 1
    }

    /// What a lease that follows now has to end.
    pub fn to_end(&self) -> Vec<LeaseEnded> {
        let last = |holder| self.last.get(&holder).copied().unwrap_or(0);
        let end = |lease: &Version<'_, RegisterLease>| LeaseEnded {
            lease: lease.entry.id,
            last: last(lease.body.holder),
        };
        self.standing.iter().map(end).collect()
    }

    /// Whether who wrote this line held the register when they wrote it. A line of a time without leases did.
    pub fn covers(&self, entry: &Entry, line: &RegisterLine) -> bool {
        let Some(lease) = line.lease else { return self.all.is_empty() };
        let Some(lease) = self.all.get(&lease) else { return false };
        let known = self.ended.get(&lease.entry.id);
        lease.body.holder == entry.id.install && known.is_none_or(|last| entry.id.counter <= *last)
    }

    /// Whether the register was taken over and this page has not been counted since under the lease that holds.
    pub fn awaits_count<'b>(&self, mut lines: impl Iterator<Item = (&'b Entry, &'b RegisterLine)>) -> bool {
        let Some(current) = self.current() else { return false };
        let is_doubted = current.body.how == LeaseHow::TakenOver || self.is_contested();
        let is_count = |line: &RegisterLine| line.lease == Some(current.entry.id) && line.reason == "counted";
        is_doubted && !lines.any(|(_, line)| is_count(line))
    }
}

/// Whether a lease was written by who may: the first holder and who takes over for themselves, who hands over for
/// another and while it holds every lease that it ends.
fn is_valid(lease: &Version<'_, RegisterLease>, all: &BTreeMap<EntryId, Version<'_, RegisterLease>>) -> bool {
    let writer = lease.entry.id.install;
    match lease.body.how {
        LeaseHow::Opened => lease.body.holder == writer && lease.body.after.is_empty(),
        LeaseHow::TakenOver => lease.body.holder == writer,
        LeaseHow::HandedOver => {
            let holds = |end: &LeaseEnded| all.get(&end.lease).is_none_or(|of| of.body.holder == writer);
            lease.body.after.iter().any(|end| all.contains_key(&end.lease))
                && lease.body.after.iter().any(holds)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::id::ResidentId;
    use crate::record::Body;
    use crate::record::fixture::entry;
    use crate::record::medicines::Decimal;
    use crate::record::site::register::pages;

    fn of(install: u32, counter: u64, minutes: i64, body: Body) -> Entry {
        Entry { id: EntryId { install: InstallId(install), counter }, ..entry(counter, minutes, body) }
    }

    fn lease(holder: u32, how: LeaseHow, after: Vec<LeaseEnded>) -> Body {
        Body::RegisterLease(RegisterLease {
            holder: InstallId(holder),
            how,
            after,
            reason: None,
            witness: None,
        })
    }

    fn line(lease: Option<EntryId>) -> Body {
        Body::RegisterLine(RegisterLine {
            resident: ResidentId(Uuid::nil()),
            page: "morphine".into(),
            change: Decimal::whole(1),
            counted: None,
            reason: "received".into(),
            witness: None,
            lease,
            note: None,
        })
    }

    fn apart(entries: &[Entry]) -> Vec<bool> {
        pages(entries).iter().flat_map(|page| &page.lines).map(|line| line.apart).collect()
    }

    #[test]
    fn who_is_handed_the_register_holds_it_and_what_the_other_writes_after_is_marked() {
        let opened = of(1, 1, 0, lease(1, LeaseHow::Opened, Vec::new()));
        let first = of(1, 2, 1, line(Some(opened.id)));
        let so_far = [opened.clone(), first.clone()];
        let end = Leases::of(&so_far).to_end();
        assert_eq!(end, [LeaseEnded { lease: opened.id, last: 2 }]);
        let handed = of(1, 3, 2, lease(2, LeaseHow::HandedOver, end));
        let there = of(2, 1, 3, line(Some(handed.id)));
        let after_all = of(1, 4, 4, line(Some(opened.id)));
        let stolen = of(1, 5, 5, line(Some(handed.id)));
        let entries = [opened, first, handed.clone(), there, after_all, stolen];
        let leases = Leases::of(&entries);
        assert_eq!(leases.current().map(|l| l.body.holder), Some(InstallId(2)));
        assert!(!leases.is_contested());
        assert_eq!(apart(&entries), [false, false, true, true]);
    }

    #[test]
    fn a_take_over_marks_what_the_lost_holder_wrote_unseen_whatever_the_clocks_say() {
        let opened = of(1, 1, 0, lease(1, LeaseHow::Opened, Vec::new()));
        let seen = of(1, 2, 1, line(Some(opened.id)));
        let end = Leases::of([&opened, &seen]).to_end();
        let taken = of(2, 1, 50, lease(2, LeaseHow::TakenOver, end));
        // The lost holder's clock is behind, so that its line looks older than the take-over.
        let unseen = of(1, 3, 2, line(Some(opened.id)));
        let entries = [opened, seen, taken.clone(), unseen];
        assert_eq!(Leases::of(&entries).current().map(|l| l.entry.id), Some(taken.id));
        assert_eq!(apart(&entries), [false, true]);
        assert!(pages(&entries)[0].is_wrong());
    }

    #[test]
    fn nobody_hands_over_what_they_do_not_hold() {
        let opened = of(1, 1, 0, lease(1, LeaseHow::Opened, Vec::new()));
        let end = vec![LeaseEnded { lease: opened.id, last: 1 }];
        let grabbed = of(2, 1, 1, lease(2, LeaseHow::HandedOver, end));
        let entries = [opened, grabbed];
        assert_eq!(Leases::of(&entries).current().map(|l| l.body.holder), Some(InstallId(1)));
    }

    #[test]
    fn two_who_opened_it_apart_are_seen_and_a_further_lease_settles_it() {
        let one = of(1, 1, 0, lease(1, LeaseHow::Opened, Vec::new()));
        let two = of(2, 1, 1, lease(2, LeaseHow::Opened, Vec::new()));
        let entries = [one.clone(), two.clone()];
        let leases = Leases::of(&entries);
        assert!(leases.is_contested());
        assert_eq!(leases.current().map(|l| l.entry.id), Some(two.id));
        let settled = of(1, 2, 2, lease(1, LeaseHow::TakenOver, leases.to_end()));
        let entries = [one, two, settled.clone()];
        assert!(!Leases::of(&entries).is_contested());
        assert!(Leases::of(&entries).awaits_count(std::iter::empty()));
    }

    /// What two nodes do that hear of each other now and then: write a line where they believe they may, hand the
    /// register over, take it over, hear of all that the other wrote.
    fn parted(steps: Vec<(bool, u8)>) -> (Vec<Entry>, bool) {
        let mut nodes: [Vec<Entry>; 2] = [Vec::new(), Vec::new()];
        let mut taken_over = false;
        for (at, (second, step)) in (0i64..).zip(steps) {
            let (me, other) = (usize::from(second), usize::from(!second));
            let install = if second { 2 } else { 1 };
            let mine = nodes[me].clone();
            let leases = Leases::of(&mine);
            let holds = leases.current().is_some_and(|l| l.body.holder == InstallId(install));
            let current = leases.current().map(|l| l.entry.id);
            let counter = mine.iter().filter(|e| e.id.install.0 == install).count() as u64 + 1;
            let body = match step {
                0 | 1 if holds => Some(line(current)),
                0 | 1 if leases.standing.is_empty() && !second => {
                    Some(lease(1, LeaseHow::Opened, Vec::new()))
                }
                2 if holds => Some(lease(3 - install, LeaseHow::HandedOver, leases.to_end())),
                3 if !holds && current.is_some() => {
                    taken_over = true;
                    Some(lease(install, LeaseHow::TakenOver, leases.to_end()))
                }
                4.. => {
                    let news: Vec<Entry> =
                        nodes[other].iter().filter(|e| !mine.contains(e)).cloned().collect();
                    nodes[me].extend(news);
                    None
                }
                _ => None,
            };
            nodes[me].extend(body.map(|body| of(install, counter, at, body)));
        }
        let [mut all, second] = nodes;
        all.extend(second);
        all.sort_by_key(|e| e.id);
        all.dedup_by_key(|e| e.id);
        (all, taken_over)
    }

    proptest! {
        #[test]
        fn without_a_take_over_no_line_is_ever_written_apart(
            steps in prop::collection::vec((any::<bool>(), prop::sample::select(vec![0u8, 1, 2, 4])), 0..40)
        ) {
            let (entries, taken_over) = parted(steps);
            prop_assert!(!taken_over);
            prop_assert!(!apart(&entries).contains(&true));
            prop_assert!(Leases::of(&entries).standing.len() <= 1);
        }

        #[test]
        fn the_leases_are_the_same_for_any_order_and_no_line_is_lost(
            (steps, seed) in (prop::collection::vec((any::<bool>(), 0u8..5), 0..40), any::<u64>())
        ) {
            let (entries, _) = parted(steps);
            let mut again = entries.clone();
            again.sort_by_key(|e| e.id.counter.wrapping_mul(seed | 1).rotate_left(e.id.install.0));
            prop_assert_eq!(Leases::of(&entries), Leases::of(&again));
            let lines = entries.iter().filter(|e| matches!(e.body, Body::RegisterLine(_))).count();
            prop_assert_eq!(apart(&again).len(), lines);
        }
    }
}
