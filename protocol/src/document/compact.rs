//! A document and what came after it, made one: the raw changes may go, because each comes out of it again.
//!
//! The bytes of a saved document depend on the order in which its changes were applied. Node and hub both save in the
//! hub's order, so that up to the same place they hold the same bytes, whenever each of them saved before.

use std::panic::{AssertUnwindSafe, catch_unwind};

use automerge::Automerge;

use super::{Snapshot, SnapshotFault, StoredChange, changes, check, load, rebuild, save};
use crate::id::ChangeHash;
use crate::scope::Section;

/// A document saved whole and proven.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The document.
    pub snapshot: Snapshot,
    /// Its changes, in the hub's order: the first is at place 1.
    pub hashes: Vec<ChangeHash>,
}

/// Saves the document of a snapshot, if there is one, and of the changes that follow it in the hub's order.
///
/// It is proven by reading back what was saved: heads, number, and every change at its place, those of the tail byte
/// for byte and those before by their hash, computed anew. What was given may then go.
pub fn compact(
    section: Section,
    base: Option<&Snapshot>,
    tail: &[StoredChange],
) -> Result<Compacted, SnapshotFault> {
    let document = rebuild(section, base, tail)?;
    let snapshot = save(&document)?;
    let saved = read_back(section, &load(&snapshot)?)?;
    let before = base.map_or(0, |base| usize::try_from(base.changes).unwrap_or(usize::MAX));
    if saved.get(before..) != Some(tail) {
        return Err(SnapshotFault::ChangeLost);
    }
    Ok(Compacted { snapshot, hashes: saved.iter().map(|change| change.hash).collect() })
}

/// The changes of a saved document in the hub's order, each checked as if it had just arrived.
pub fn read_back(section: Section, document: &Automerge) -> Result<Vec<StoredChange>, SnapshotFault> {
    // What automerge takes out of a damaged document is not trusted to come without a panic.
    let taken = catch_unwind(AssertUnwindSafe(|| changes(document)));
    let taken = taken.map_err(|_| SnapshotFault::Unloadable)?;
    for change in &taken {
        check(section, change.hash, &change.bytes).map_err(|_| SnapshotFault::ChangeLost)?;
    }
    Ok(taken)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::tests::note;
    use super::super::{Tip, add, genesis};
    use super::*;
    use crate::id::InstallId;

    /// A history of several installations that write apart: each writes upon what it has seen, in one total order.
    fn history(steps: &[(u8, bool)]) -> Vec<StoredChange> {
        let section = Section::Notes;
        let first = genesis(section);
        let mut order = vec![first.clone()];
        let mut tips: Vec<(Tip, usize)> = vec![(Tip::default(), 0); 4];
        for (counter, (writer, has_seen)) in (1..).zip(steps) {
            let own = InstallId(0xffff_0000 - u32::from(*writer));
            let (tip, seen) = &mut tips[usize::from(*writer)];
            let upto = if *has_seen { order.len() } else { (*seen).max(1) };
            for change in &order[(*seen).min(upto)..upto] {
                tip.advance(own, change);
            }
            let text = format!("note {counter}");
            let change = add(own, section, tip, vec![note(own, counter, &text)]).unwrap();
            order.push(change);
            // Its own change is seen; those of others between are not, unless it looks.
            if upto + 1 == order.len() {
                *seen = order.len();
            } else {
                *seen = upto;
            }
        }
        order.iter().map(super::super::CheckedChange::to_stored).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn whoever_saves_when_the_bytes_up_to_one_place_are_the_same(
            steps in prop::collection::vec((0u8..4, any::<bool>()), 1..60),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
        ) {
            let order = history(&steps);
            let at_once = compact(Section::Notes, None, &order).unwrap();
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(order.len())).collect();
            cuts.push(order.len());
            cuts.sort_unstable();
            let (mut base, mut from) = (None, 0);
            for cut in cuts {
                let part = compact(Section::Notes, base.as_ref(), &order[from..cut]).unwrap();
                (base, from) = (Some(part.snapshot), cut);
            }
            prop_assert_eq!(base.as_ref(), Some(&at_once.snapshot));
            let hashes: Vec<ChangeHash> = order.iter().map(|change| change.hash).collect();
            prop_assert_eq!(&at_once.hashes, &hashes);
            prop_assert_eq!(read_back(Section::Notes, &load(&at_once.snapshot).unwrap()), Ok(order));
        }
    }

    #[test]
    fn a_tail_in_another_order_than_the_hubs_is_not_saved() {
        let mut order = history(&[(0, true), (1, false), (2, false)]);
        assert!(compact(Section::Notes, None, &order).is_ok());
        order.swap(1, 2);
        let swapped = compact(Section::Notes, None, &order).unwrap();
        assert_ne!(swapped.hashes[1], swapped.hashes[2]);
        order.swap(0, 1);
        assert!(compact(Section::Notes, None, &order).is_err());
    }
}
