//! What somebody at a site has to do.

use super::Task;
use crate::record::Entry;
use crate::record::version::{Thing, newest_first, sorted, split_taken_back, things};
use crate::scope::Section;
use crate::time::Timestamp;

/// A site's tasks.
#[derive(Clone, Debug, PartialEq)]
pub struct TasksView<'a> {
    /// Tasks to do, the soonest due first, those without a time last. One that was done and changed apart is to do.
    pub open: Vec<Thing<'a, Task>>,
    /// Tasks that are done, newest first.
    pub done: Vec<Thing<'a, Task>>,
    /// Tasks that were entered in error, newest first.
    pub taken_back: Vec<Thing<'a, Task>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

impl<'a> TasksView<'a> {
    /// The view of all entries of a site's tasks, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Tasks);
        let (mut standing, mut taken_back) = split_taken_back(things::<Task>(&threads));
        newest_first(&mut standing);
        newest_first(&mut taken_back);
        let is_open = |task: &Thing<'a, Task>| task.standing.iter().any(|v| !v.body.done);
        let (mut open, done): (Vec<_>, Vec<_>) = standing.into_iter().partition(is_open);
        open.sort_by_key(|task| (due(task).is_none(), due(task), task.id()));
        Self { open, done, taken_back, unread }
    }

    /// Tasks whose time is over at `now`.
    pub fn overdue(&self, now: Timestamp) -> impl Iterator<Item = &Thing<'a, Task>> {
        self.open.iter().filter(move |task| due(task).is_some_and(|due| due < now))
    }
}

/// The soonest time that a standing version names.
fn due(task: &Thing<'_, Task>) -> Option<Timestamp> {
    task.standing.iter().filter_map(|v| v.body.due).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, id, ids, minute, reordered, version};

    fn task(due: Option<i64>, done: bool) -> Body {
        let due = due.map(minute);
        Body::Task(Task { text: "weigh".into(), due, done, ..Task::default() })
    }

    #[test]
    fn the_soonest_task_stands_first() {
        let entries = [
            entry(1, 0, task(None, false)),
            entry(2, 0, task(Some(60), false)),
            entry(3, 0, task(Some(30), false)),
            entry(4, 0, task(Some(10), true)),
        ];
        let view = TasksView::of(&entries);
        assert_eq!(view.open.iter().map(Thing::id).collect::<Vec<_>>(), [id(3), id(2), id(1)]);
        assert_eq!(view.overdue(minute(45)).map(Thing::id).collect::<Vec<_>>(), [id(3)]);
        assert_eq!(view.done.len(), 1);
    }

    #[test]
    fn a_task_done_and_changed_apart_is_still_to_do() {
        let first = entry(1, 0, task(Some(60), false));
        let done = version(2, 10, &first, &[&first], task(Some(60), true));
        let moved = version(3, 11, &first, &[&first], task(Some(90), false));
        let entries = [first, done, moved];
        assert_eq!(TasksView::of(&entries).open.len(), 1);
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
            (entries, again) in history(
                (prop::option::of(0i64..99), any::<bool>()).prop_map(|(due, done)| task(due, done))
            ).prop_flat_map(reordered)
        ) {
            let view = TasksView::of(&entries);
            prop_assert_eq!(&view, &TasksView::of(&again));
            let all = view.open.iter().chain(&view.done).chain(&view.taken_back);
            let listed = ids(all.flat_map(|t| &t.thread.entries).copied());
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert!(ids(said).iter().all(|id| listed.contains(id)));
        }
    }
}
