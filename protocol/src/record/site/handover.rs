//! What was said of a shift's handover sheet, and who has read it.

use std::collections::BTreeMap;

use super::{HandoverLine, HandoverRead};
use crate::id::StaffId;
use crate::record::Entry;
use crate::record::version::{Thing, Version, newest_first, sorted, split_taken_back, things};
use crate::scope::Section;
use crate::time::Timestamp;

/// What belongs to the sheet of one shift.
#[derive(Clone, Debug, PartialEq)]
pub struct HandoverView<'a> {
    /// The leader's lines, oldest first.
    pub lines: Vec<Thing<'a, HandoverLine>>,
    /// Who has read the sheet: each person once, the sheet that told them most; by name.
    pub read: Vec<Version<'a, HandoverRead>>,
}

impl<'a> HandoverView<'a> {
    /// What was said of the sheet of the shift that began at `shift`, from all entries of the site's tasks in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>, shift: Timestamp) -> Self {
        let (threads, _) = sorted(entries, Section::Tasks);
        let (mut lines, _) = split_taken_back(things::<HandoverLine>(&threads));
        lines.retain(|line| line.newest().is_some_and(|v| v.body.shift == shift));
        newest_first(&mut lines);
        lines.reverse();
        let mut by_person: BTreeMap<StaffId, Version<'a, HandoverRead>> = BTreeMap::new();
        let (read, _) = split_taken_back(things::<HandoverRead>(&threads));
        for version in read.iter().filter_map(Thing::newest).filter(|v| v.body.shift == shift) {
            let told = |v: &Version<'a, HandoverRead>| (v.body.as_of, v.entry.recorded, v.entry.id);
            let kept = by_person.entry(version.entry.author.staff).or_insert(version);
            if told(&version) > told(kept) {
                *kept = version;
            }
        }
        let mut read: Vec<Version<'a, HandoverRead>> = by_person.into_values().collect();
        read.sort_by(|a, b| {
            let key = |v: &Version<'a, HandoverRead>| (v.entry.author.name.clone(), v.entry.id);
            key(a).cmp(&key(b))
        });
        Self { lines, read }
    }

    /// The sheet that this person read last, if they have.
    pub fn read_by(&self, staff: StaffId) -> Option<Version<'a, HandoverRead>> {
        self.read.iter().find(|v| v.entry.author.staff == staff).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, id, minute, reordered};

    fn read(shift: i64, as_of: i64) -> Body {
        Body::HandoverRead(HandoverRead { shift: minute(shift), as_of: minute(as_of) })
    }

    fn line(shift: i64, text: &str) -> Body {
        Body::HandoverLine(HandoverLine { shift: minute(shift), text: text.into() })
    }

    #[test]
    fn each_person_stands_once_with_the_sheet_that_told_them_most() {
        let other = |mut entry: Entry| {
            entry.author.staff = StaffId(8);
            entry
        };
        let entries = [
            entry(1, 5, read(0, 5)),
            entry(2, 9, read(0, 9)),
            entry(3, 7, read(0, 7)),
            other(entry(4, 8, read(0, 8))),
            entry(5, 8, read(480, 8)),
        ];
        let view = HandoverView::of(&entries, minute(0));
        assert_eq!(view.read.iter().map(|v| v.entry.id).collect::<Vec<_>>(), [id(2), id(4)]);
        assert_eq!(view.read_by(StaffId(9)), None);
    }

    #[test]
    fn lines_of_the_shift_stand_in_the_order_in_which_they_were_written() {
        let entries = [entry(1, 9, line(0, "b")), entry(2, 5, line(0, "a")), entry(3, 6, line(480, "c"))];
        let view = HandoverView::of(&entries, minute(0));
        let texts: Vec<&str> =
            view.lines.iter().filter_map(Thing::newest).map(|v| v.body.text.as_str()).collect();
        assert_eq!(texts, ["a", "b"]);
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order(
            (entries, again) in history(prop_oneof![
                (0i64..2, 0i64..99).prop_map(|(shift, as_of)| read(shift, as_of)),
                (0i64..2, "[a-c]").prop_map(|(shift, text)| line(shift, &text)),
            ]).prop_flat_map(reordered)
        ) {
            prop_assert_eq!(HandoverView::of(&entries, minute(1)), HandoverView::of(&again, minute(1)));
        }
    }
}
