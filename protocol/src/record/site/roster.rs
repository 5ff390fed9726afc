//! Who may sign in at a site now.

use std::collections::BTreeMap;

use super::StaffMember;
use crate::id::StaffId;
use crate::record::Entry;
use crate::record::version::{Thing, Version, all_standing, sorted, things};
use crate::scope::Section;
use crate::time::Timestamp;

/// A site's staff at a moment.
#[derive(Clone, Debug, PartialEq)]
pub struct RosterView<'a> {
    /// Accounts by name, then by id.
    pub staff: Vec<StaffItem<'a>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// An account.
#[derive(Clone, Debug, PartialEq)]
pub struct StaffItem<'a> {
    /// The account.
    pub staff: StaffId,
    /// Standing versions, newest recorded first; the first is current.
    pub standing: Vec<Version<'a, StaffMember>>,
    /// Whether the account may sign in now.
    pub active: bool,
}

impl<'a> RosterView<'a> {
    /// The view of all entries of a site's roster, in any order, at `now`.
    ///
    /// An account is active only if every standing version says so and none has run out: an account that was closed
    /// stays closed, whatever was changed apart.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>, now: Timestamp) -> Self {
        let (threads, unread) = sorted(entries, Section::Roster);
        let all: Vec<Thing<'a, StaffMember>> = things(&threads);
        let mut by_account: BTreeMap<StaffId, Vec<Version<'a, StaffMember>>> = BTreeMap::new();
        for version in all_standing(&all) {
            by_account.entry(version.body.staff).or_default().push(version);
        }
        let mut staff: Vec<StaffItem<'a>> =
            by_account.into_iter().map(|(staff, standing)| item(staff, standing, now)).collect();
        staff.sort_by_cached_key(|item| (item.name().to_lowercase(), item.staff));
        Self { staff, unread }
    }

    /// Accounts that may sign in, by name.
    pub fn active(&self) -> impl Iterator<Item = &StaffItem<'a>> {
        self.staff.iter().filter(|item| item.active)
    }

    /// The account, whether it may sign in or not.
    pub fn account(&self, staff: StaffId) -> Option<&StaffItem<'a>> {
        self.staff.iter().find(|item| item.staff == staff)
    }
}

impl<'a> StaffItem<'a> {
    /// The newest version.
    pub fn current(&self) -> Option<&'a StaffMember> {
        self.standing.first().map(|v| v.body)
    }

    fn name(&self) -> &'a str {
        self.current().map_or("", |member| member.name.as_str())
    }
}

fn item(staff: StaffId, standing: Vec<Version<'_, StaffMember>>, now: Timestamp) -> StaffItem<'_> {
    let is_open =
        |v: &Version<'_, StaffMember>| v.body.active && v.body.until.is_none_or(|until| now < until);
    let active = !standing.is_empty() && standing.iter().all(is_open);
    StaffItem { staff, standing, active }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::fixture::{entry, history, minute, reordered, version};
    use crate::record::{Body, Role};

    fn member(staff: u64, name: &str, active: bool, until: Option<i64>) -> Body {
        Body::StaffMember(StaffMember {
            staff: StaffId(staff),
            name: name.into(),
            role: Role::Carer,
            active,
            pin: None,
            until: until.map(minute),
            registration: None,
            new_pin: false,
            agency: None,
        })
    }

    #[test]
    fn an_agency_pass_ends_with_the_shift() {
        let entries = [entry(1, 0, member(1, "Ann", true, Some(720)))];
        let active = |now| RosterView::of(&entries, minute(now)).active().count();
        assert_eq!((active(719), active(720)), (1, 0));
    }

    #[test]
    fn a_closed_account_stays_closed_whatever_was_changed_apart() {
        let first = entry(1, 0, member(1, "Ann", true, None));
        let closed = version(2, 10, &first, &[&first], member(1, "Ann", false, None));
        let renamed = version(3, 11, &first, &[&first], member(1, "Anne", true, None));
        let entries = [first, closed, renamed];
        let view = RosterView::of(&entries, minute(60));
        assert_eq!((view.staff.len(), view.active().count()), (1, 0));
        assert!(!view.account(StaffId(1)).unwrap().active);
    }

    #[test]
    fn staff_are_listed_by_name() {
        let entries = [entry(1, 0, member(1, "zoe", true, None)), entry(2, 0, member(2, "Ann", true, None))];
        let view = RosterView::of(&entries, minute(1));
        assert_eq!(view.active().map(|s| s.staff).collect::<Vec<_>>(), [StaffId(2), StaffId(1)]);
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order(
            (entries, again) in history(
                (1u64..4, any::<bool>()).prop_map(|(staff, active)| member(staff, "A", active, None))
            ).prop_flat_map(reordered)
        ) {
            prop_assert_eq!(RosterView::of(&entries, minute(0)), RosterView::of(&again, minute(0)));
        }
    }
}
