//! What people said apart, and what settles it: one list over every kind of thing of a section.
//!
//! Most things are contested within their thread. Of some there is only one a person (particulars, placement, signed
//! decisions) or one a key (settings): there, threads that do not know of each other are one contest.

use std::collections::BTreeMap;

use super::safety::view::Signed as _;
use super::safety::{EscalationLimits, Resuscitation};
use super::thread::{Thread, threads};
use super::version::{Kind as _, open_strikes};
use super::{Body, Coded, Entry};
use crate::id::EntryId;
use crate::scope::Section;

/// Versions that stand side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct Contest<'a> {
    /// The thread that the settlement goes to: of the versions' threads the first.
    pub thread: EntryId,
    /// The versions, newest recorded first; never empty.
    pub standing: Vec<&'a Entry>,
    /// Where somebody took the thing back while somebody else changed it: who and why.
    pub strikes: Vec<&'a Entry>,
}

impl<'a> Contest<'a> {
    /// What a settlement has to replace, so that nothing is left to settle; in order.
    pub fn to_replace(&self) -> Vec<EntryId> {
        let mut ids: Vec<EntryId> = self.standing.iter().chain(&self.strikes).map(|entry| entry.id).collect();
        ids.sort_unstable();
        ids
    }

    /// One of the versions.
    pub fn version(&self, id: EntryId) -> Option<&'a Entry> {
        self.standing.iter().copied().find(|entry| entry.id == id)
    }

    /// Whether the signed paper has to be looked at before it is settled.
    pub fn needs_paper(&self) -> bool {
        self.standing.iter().any(|entry| is_signed(&entry.body))
    }

    /// Whether all versions may hold, each as a thing of its own.
    pub fn may_keep_all(&self) -> bool {
        let may = |entry: &&Entry| {
            matches!(
                entry.body,
                Body::Note(_)
                    | Body::Visit(_)
                    | Body::CareGoal(_)
                    | Body::Statement(_)
                    | Body::Risk(_)
                    | Body::Alert(_)
                    | Body::Task(_)
            )
        };
        self.standing.len() > 1 && self.standing.iter().all(may)
    }
}

/// The same body with other words, where its words are what it says: what a third version is made of. None for kinds that
/// are more than a text.
#[expect(clippy::wildcard_enum_match_arm, reason = "few of many kinds are one text")]
pub fn with_text(body: &Body, text: &str) -> Option<Body> {
    let mut body = body.clone();
    let place = match &mut body {
        Body::Note(note) => &mut note.text,
        Body::Statement(statement) => &mut statement.text,
        Body::CareGoal(goal) => &mut goal.goal,
        Body::EscalationLimits(limits) => &mut limits.text,
        Body::Alert(alert) => {
            // Other words no longer are what the code says.
            alert.text = Coded::text(text);
            return Some(body);
        }
        Body::Task(task) => &mut task.text,
        _ => return None,
    };
    text.clone_into(place);
    Some(body)
}

/// What has to be settled in a section, the oldest thread first. The same for any order of the same entries.
pub fn contests<'a>(entries: impl IntoIterator<Item = &'a Entry>, section: Section) -> Vec<Contest<'a>> {
    // Accounts and register lines have rules of their own, by which nothing is ever left to settle.
    if matches!(section, Section::Roster | Section::CdRegister) {
        return Vec::new();
    }
    let mut groups: BTreeMap<Group, Vec<Thread<'a>>> = BTreeMap::new();
    for thread in threads(entries) {
        if let Some(group) = group_of(&thread) {
            groups.entry(group).or_default().push(thread);
        }
    }
    let mut found: Vec<Contest<'a>> =
        groups.into_iter().filter_map(|(group, of)| contest(&group, &of)).collect();
    found.sort_by_key(|contest| contest.thread);
    found
}

/// What there is one of.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Group {
    OneOfAPerson(u16),
    Setting(String),
    Thread(EntryId),
}

fn group_of(thread: &Thread<'_>) -> Option<Group> {
    let newest = thread.newest.first()?;
    if let Body::Setting(setting) = &newest.body {
        return Some(Group::Setting(setting.key.clone()));
    }
    // Passages of a text are merged word by word; what newer software wrote cannot be judged here; what is locked adds up.
    if matches!(newest.body, Body::Passage(_) | Body::Unknown(_)) || thread.is_locked() {
        return None;
    }
    let is_one = is_one_of_a_person(&newest.body);
    Some(if is_one { Group::OneOfAPerson(newest.body.kind()) } else { Group::Thread(thread.id) })
}

fn is_one_of_a_person(body: &Body) -> bool {
    matches!(body, Body::Demographics(_) | Body::Placement(_)) || is_signed(body)
}

fn is_signed(body: &Body) -> bool {
    matches!(body, Body::Resuscitation(_) | Body::EscalationLimits(_))
}

fn is_withdrawn(body: &Body) -> bool {
    let resuscitation = Resuscitation::of(body).is_some_and(Resuscitation::is_withdrawn);
    resuscitation || EscalationLimits::of(body).is_some_and(EscalationLimits::is_withdrawn)
}

fn contest<'a>(group: &Group, threads: &[Thread<'a>]) -> Option<Contest<'a>> {
    let mut standing: Vec<&'a Entry> =
        threads.iter().flat_map(|thread| thread.newest.iter().copied()).collect();
    let strikes: Vec<&'a Entry> = threads.iter().flat_map(open_strikes).collect();
    let is_alone = threads.iter().all(|thread| thread.newest.len() < 2);
    if is_alone {
        // A paper that was withdrawn in a thread of its own says nothing against another.
        standing.retain(|entry| !is_withdrawn(&entry.body));
    }
    standing.sort_by_key(|entry| std::cmp::Reverse((entry.recorded, entry.id)));
    let first = *standing.first()?;
    let is_thread = matches!(group, Group::Thread(_));
    // Where there is one of a kind, versions that say the same leave nothing to decide.
    let differs = standing.len() > 1 && (is_thread || standing.iter().any(|entry| entry.body != first.body));
    let is_struck = strikes.iter().any(|strike| standing.iter().any(|v| v.thread_id() == strike.thread_id()));
    let thread = standing.iter().map(|entry| entry.thread_id()).min()?;
    (differs || is_struck).then_some(Contest { thread, standing, strikes })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::record::entry::Settlement;
    use crate::record::fixture::{entry, history, id, reordered, strike, version};
    use crate::record::identity::Placement;
    use crate::record::notes::{Incident, Note};
    use crate::record::safety::CprDecision;
    use crate::record::site::Setting;

    fn note(text: &str) -> Body {
        Body::Note(Note { category: "general".into(), text: text.into(), important: false })
    }

    fn room(room: &str) -> Body {
        Body::Placement(Placement { room: Some(room.into()), arrived: None, left: None, away: None })
    }

    fn cpr(decision: CprDecision, withdrawn: Option<&str>) -> Body {
        Body::Resuscitation(Resuscitation {
            decision,
            signed: None,
            clinician: None,
            form: None,
            paper: None,
            review: None,
            withdrawn: withdrawn.map(Into::into),
            paper_seen: None,
        })
    }

    fn settle(contest: &Contest<'_>, counter: u64, body: Body) -> [Entry; 2] {
        let new = entry(counter, 9_000, body);
        let reason = Settlement {
            reason: "asked".into(),
            settled: contest.to_replace(),
            chosen: None,
            paper_seen: None,
        };
        let new = Entry { thread: Some(contest.thread), replaces: contest.to_replace(), ..new };
        let why =
            Entry { thread: Some(contest.thread), ..entry(counter + 1, 9_000, Body::Settlement(reason)) };
        [new, why]
    }

    #[test]
    fn two_edits_of_one_note_and_an_edit_beside_a_strike_have_to_be_settled() {
        let first = entry(1, 0, note("a"));
        let (left, right) =
            (version(2, 1, &first, &[&first], note("b")), version(3, 2, &first, &[&first], note("c")));
        let entries = [first.clone(), left.clone(), right];
        let found = contests(&entries, Section::Notes);
        assert_eq!((found.len(), found[0].to_replace()), (1, vec![id(2), id(3)]));
        let entries = [first.clone(), left, strike(4, 3, &first)];
        assert_eq!(contests(&entries, Section::Notes)[0].to_replace(), vec![id(2), id(4)]);
        assert!(contests(&[first.clone(), strike(5, 3, &first)], Section::Notes).is_empty());
    }

    #[test]
    fn what_there_is_one_of_is_compared_over_threads_and_the_same_said_twice_is_no_contest() {
        let (left, right) = (entry(1, 0, room("3")), entry(2, 1, room("4")));
        let entries = [left.clone(), right];
        assert_eq!(contests(&entries, Section::Identity)[0].to_replace(), vec![id(1), id(2)]);
        assert!(contests(&[left, entry(2, 1, room("3"))], Section::Identity).is_empty());
        let set = |counter, value: &str| {
            entry(counter, 0, Body::Setting(Setting { key: "mar.late".into(), value: value.into() }))
        };
        assert_eq!(contests(&[set(1, "30"), set(2, "60")], Section::Settings).len(), 1);
    }

    #[test]
    fn decisions_on_cpr_are_compared_over_threads_need_the_paper_and_a_withdrawn_one_counts_no_more() {
        let (yes, no) = (cpr(CprDecision::Attempt, None), cpr(CprDecision::DoNotAttempt, None));
        let entries = [entry(1, 0, yes.clone()), entry(2, 1, no)];
        let found = contests(&entries, Section::Safety);
        assert!(found.len() == 1 && found[0].needs_paper() && !found[0].may_keep_all());
        let withdrawn = cpr(CprDecision::DoNotAttempt, Some("new form"));
        assert!(
            contests(&[entry(1, 0, yes.clone()), entry(2, 1, withdrawn.clone())], Section::Safety).is_empty()
        );
        // Withdrawn by one and changed by another at once: somebody has to look.
        let first = entry(1, 0, yes.clone());
        let apart = [version(2, 1, &first, &[&first], withdrawn), version(3, 1, &first, &[&first], yes)];
        let entries: Vec<Entry> = std::iter::once(first).chain(apart).collect();
        assert_eq!(contests(&entries, Section::Safety).len(), 1);
    }

    #[test]
    fn what_is_locked_is_never_settled() {
        let incident = |text: &str| Body::Incident(Incident { text: text.into(), ..Incident::default() });
        let first = entry(1, 0, incident("a"));
        assert!(
            contests(&[first.clone(), version(2, 1, &first, &[], incident("b"))], Section::Notes).is_empty()
        );
    }

    proptest! {
        #[test]
        fn the_list_is_the_same_for_any_order_and_one_settlement_of_each_leaves_none(
            (entries, again) in history(
                prop_oneof!["[a-c]".prop_map(|text| note(&text)), "[a-c]".prop_map(|text| room(&text))]
            ).prop_flat_map(reordered)
        ) {
            let found = contests(&entries, Section::Notes);
            prop_assert_eq!(&found, &contests(&again, Section::Notes));
            let settled = found.iter().zip(1_000..).flat_map(|(contest, n)| {
                settle(contest, n * 2, contest.standing[0].body.clone())
            });
            let all: Vec<Entry> = entries.iter().cloned().chain(settled).collect();
            let left = contests(&all, Section::Notes);
            prop_assert!(left.is_empty(), "{:?}", left);
        }

        #[test]
        fn nothing_that_stood_is_lost_by_settling(entries in history("[a-c]".prop_map(|text| note(&text)))) {
            for contest in contests(&entries, Section::Notes) {
                let settled = settle(&contest, 1_000, note("settled"));
                let all: Vec<Entry> = entries.iter().cloned().chain(settled).collect();
                let thread = threads(&all).into_iter().find(|thread| thread.id == contest.thread).unwrap();
                for id in contest.to_replace() {
                    prop_assert!(thread.entries.iter().any(|entry| entry.id == id));
                }
                prop_assert_eq!(thread.newest.iter().map(|entry| entry.id).collect::<Vec<_>>(), vec![id(1_000)]);
            }
        }
    }
}
