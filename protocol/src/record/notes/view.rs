//! Notes as they are shown: newest first, what the next shift must read apart.

use super::{BodyMark, Incident, Note, Visit};
use crate::record::version::{Kind, newest_first, sorted, split_taken_back, things};
use crate::record::{Entry, Thing, Version};
use crate::scope::Section;

/// A resident's notes, each list newest first.
#[derive(Clone, Debug, PartialEq)]
pub struct NotesView<'a> {
    /// Daily notes.
    pub notes: Vec<Thing<'a, Note>>,
    /// Incidents, each with its additions.
    pub incidents: Vec<IncidentItem<'a>>,
    /// Marks on the body map that have not healed. One that was closed and changed apart counts as not healed.
    pub marks: Vec<Thing<'a, BodyMark>>,
    /// Marks that have healed.
    pub healed_marks: Vec<Thing<'a, BodyMark>>,
    /// Visits.
    pub visits: Vec<Thing<'a, Visit>>,
    /// Entries of things that were entered in error: still listed.
    pub taken_back: Vec<&'a Entry>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// An incident with its additions. It is locked once saved, so entries side by side are additions, not a conflict.
#[derive(Clone, Debug, PartialEq)]
pub struct IncidentItem<'a> {
    /// The incident with its history.
    pub thing: Thing<'a, Incident>,
    /// What was reported and added and still stands, oldest recorded first.
    pub reports: Vec<Version<'a, Incident>>,
}

impl<'a> NotesView<'a> {
    /// The view of all entries of the months that were passed, in any order.
    pub fn of(entries: impl IntoIterator<Item = &'a Entry>) -> Self {
        let (threads, unread) = sorted(entries, Section::Notes);
        let mut taken_back = Vec::new();
        let notes = standing(things(&threads), &mut taken_back);
        let incidents = standing(things(&threads), &mut taken_back).into_iter().map(incident).collect();
        let visits = standing(things(&threads), &mut taken_back);
        let is_open = |mark: &Thing<'a, BodyMark>| mark.standing.iter().any(|v| !v.body.healed);
        let marks: Vec<Thing<'a, BodyMark>> = standing(things(&threads), &mut taken_back);
        let (marks, healed_marks) = marks.into_iter().partition(is_open);
        Self { notes, incidents, marks, healed_marks, visits, taken_back, unread }
    }

    /// Notes that the next shift is to read first, newest first.
    pub fn important(&self) -> impl Iterator<Item = &Thing<'a, Note>> {
        self.notes.iter().filter(|note| note.standing.iter().any(|v| v.body.important))
    }
}

fn incident(thing: Thing<'_, Incident>) -> IncidentItem<'_> {
    let reports = thing.standing.iter().rev().copied().collect();
    IncidentItem { thing, reports }
}

fn standing<'a, T: Kind>(things: Vec<Thing<'a, T>>, taken_back: &mut Vec<&'a Entry>) -> Vec<Thing<'a, T>> {
    let (mut standing, struck) = split_taken_back(things);
    taken_back.extend(struck.into_iter().flat_map(|thing| thing.thread.entries));
    newest_first(&mut standing);
    standing
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::Body;
    use crate::record::fixture::{entry, history, id, ids, reordered, strike, version};

    fn note(text: &str, important: bool) -> Body {
        Body::Note(Note { category: "general".into(), text: text.into(), important })
    }

    fn fall(text: &str) -> Body {
        let (kind, text) = ("fall".into(), text.into());
        Body::Incident(Incident { kind, text, ..Incident::default() })
    }

    fn mark(healed: bool) -> Body {
        Body::BodyMark(BodyMark {
            place: "left-shin".into(),
            kind: "bruise".into(),
            healed,
            ..BodyMark::default()
        })
    }

    #[test]
    fn the_newest_note_stands_first_and_the_important_ones_apart() {
        let entries =
            [entry(1, 0, note("a", true)), entry(2, 60, note("b", false)), entry(3, 30, note("c", true))];
        let view = NotesView::of(&entries);
        assert_eq!(view.notes.iter().map(Thing::id).collect::<Vec<_>>(), [id(2), id(3), id(1)]);
        assert_eq!(view.important().map(Thing::id).collect::<Vec<_>>(), [id(3), id(1)]);
    }

    #[test]
    fn an_addition_to_an_incident_stands_after_the_report() {
        let first = entry(1, 0, fall("found on the floor"));
        let added = version(2, 60, &first, &[], fall("GP called"));
        let entries = [added, first];
        let view = NotesView::of(&entries);
        let texts: Vec<&str> = view.incidents[0].reports.iter().map(|v| v.body.text.as_str()).collect();
        assert_eq!(texts, ["found on the floor", "GP called"]);
    }

    #[test]
    fn nothing_takes_the_place_of_an_incident_and_nothing_strikes_it() {
        let first = entry(1, 0, fall("found on the floor"));
        let other = version(2, 60, &first, &[&first], fall("sat down by himself"));
        let struck = strike(3, 61, &first);
        let entries = [other, first, struck];
        let view = NotesView::of(&entries);
        let texts: Vec<&str> = view.incidents[0].reports.iter().map(|v| v.body.text.as_str()).collect();
        assert_eq!(texts, ["found on the floor", "sat down by himself"]);
        assert!(!view.incidents[0].thing.is_contested() && view.taken_back.is_empty());
    }

    #[test]
    fn a_mark_closed_and_changed_apart_stays_open() {
        let first = entry(1, 0, mark(false));
        let healed = version(2, 60, &first, &[&first], mark(true));
        let worse = version(3, 61, &first, &[&first], mark(false));
        assert_eq!(NotesView::of([&first, &healed]).healed_marks.len(), 1);
        let entries = [first, healed, worse];
        assert_eq!(NotesView::of(&entries).marks.len(), 1);
    }

    proptest! {
        #[test]
        fn the_view_is_the_same_for_any_order_and_nothing_is_lost(
            (entries, again) in history(prop_oneof![
                ("[a-c]", any::<bool>()).prop_map(|(text, important)| note(&text, important)),
                "[a-c]".prop_map(|text| fall(&text)),
                any::<bool>().prop_map(mark),
            ]).prop_flat_map(reordered)
        ) {
            let view = NotesView::of(&entries);
            prop_assert_eq!(&view, &NotesView::of(&again));
            let notes = view.notes.iter().flat_map(|t| &t.thread.entries);
            let incidents = view.incidents.iter().flat_map(|t| &t.thing.thread.entries);
            let marks = view.marks.iter().chain(&view.healed_marks).flat_map(|t| &t.thread.entries);
            let listed = ids(notes.chain(incidents).chain(marks).chain(&view.taken_back).copied());
            let said = entries.iter().filter(|e| !matches!(e.body, Body::EnteredInError(_)));
            prop_assert!(ids(said).iter().all(|id| listed.contains(id)));
        }
    }
}
