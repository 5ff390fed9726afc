//! What a handover sheet says of one resident: what happened or was written in the shift, the most pressing first.

use std::collections::BTreeSet;

use hearth_protocol::clinical::format;
use hearth_protocol::id::{EntryId, ResidentId};
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::medicines::{Order, OrderStatus};
use hearth_protocol::record::plan::view::PlanView;
use hearth_protocol::record::site::shifts::Shift;
use hearth_protocol::record::thread::{Thread, threads};
use hearth_protocol::record::{Body, Entry};
use hearth_protocol::scope::Section;
use hearth_protocol::time::Timestamp;

use crate::web::view::banner::Banner;
use crate::web::view::chart::Chart;
use crate::web::view::{doses, item, vitals};

/// How pressing a line is. The order of the kinds is the order of the sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// An incident, or what a colleague marked to be read first.
    First,
    /// A raised score or soft signs.
    Unwell,
    /// A decision on resuscitation or how far treatment goes, an allergy, an alert.
    Safety,
    /// A medicine that is new, changed, held or stopped.
    Medicine,
    /// A dose that was not given, and one that was given when required.
    Dose,
    /// What two people changed apart.
    Apart,
    /// Arrived, left, away.
    Whereabouts,
    /// A visit, a mark on the body map, a change of the plan.
    Care,
    /// The rest.
    Rest,
}

impl Weight {
    /// Whether the line stands on the sheet itself, not among the rest.
    pub fn is_told(self) -> bool {
        self < Self::Rest
    }

    /// The words before the line.
    pub fn label(self) -> &'static str {
        match self {
            Self::First => "! Read first",
            Self::Unwell => "! May be unwell",
            Self::Safety => "! Safety",
            Self::Medicine => "Medicine",
            Self::Dose => "Dose",
            Self::Apart => "! To settle",
            Self::Whereabouts => "Where they are",
            Self::Care => "Care",
            Self::Rest => "Note",
        }
    }
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How pressing it is.
    pub weight: Weight,
    /// What happened.
    pub words: String,
    /// Who wrote it, and when.
    pub by: String,
    happened: Timestamp,
    id: EntryId,
}

/// What the sheet says of one resident.
#[derive(Clone, Debug)]
pub struct PersonSheet {
    /// Who.
    pub resident: ResidentId,
    /// The name.
    pub name: String,
    /// The room.
    pub room: Option<String>,
    /// The title over their allergies.
    pub allergies: &'static str,
    /// Where the person is, when away.
    pub away: Option<String>,
    /// What must be told, the most pressing first.
    pub told: Vec<Line>,
    /// The rest, newest first.
    pub rest: Vec<Line>,
    /// Tasks that are open.
    pub tasks: Vec<String>,
}

impl PersonSheet {
    /// The sheet of a chart for what happened or was written in the shift.
    pub fn of(chart: &Chart, shift: Shift, tasks: Vec<String>) -> Self {
        let banner = Banner::of(chart);
        let mut lines = lines(chart, shift);
        lines.sort_by_key(|line| (line.weight, std::cmp::Reverse((line.happened, line.id))));
        let (told, rest) = lines.into_iter().partition(|line| line.weight.is_told());
        Self {
            resident: chart.resident,
            name: banner.name,
            room: banner.room,
            allergies: banner.allergies.title,
            away: banner.away,
            told,
            rest,
            tasks,
        }
    }

    /// How pressing the first line is; with nothing to tell the least.
    pub fn weight(&self) -> Weight {
        self.told.first().map_or(Weight::Rest, |line| line.weight)
    }

    /// Whether anything at all is said of the person.
    pub fn is_quiet(&self) -> bool {
        self.told.is_empty() && self.rest.is_empty() && self.tasks.is_empty()
    }
}

/// Whether an entry is new in a shift: it happened then, or was written then of something earlier.
fn is_in(shift: Shift, entry: &Entry) -> bool {
    let lies = |at: Timestamp| shift.start <= at && at < shift.end;
    lies(entry.happened) || lies(entry.recorded)
}

fn lines(chart: &Chart, shift: Shift) -> Vec<Line> {
    let mut lines = Vec::new();
    let sections: BTreeSet<Section> = chart.entries().filter_map(|entry| entry.body.section()).collect();
    for section in sections {
        for thread in threads(chart.section(section)) {
            if thread.is_contested() && thread.newest.iter().any(|entry| is_in(shift, entry)) {
                lines.extend(apart(chart, &thread));
            }
            // A locked thread tells each report and addition; of others only what stands is told.
            let fresh = thread.newest.iter().copied().filter(|entry| is_in(shift, entry));
            lines.extend(fresh.filter_map(|entry| line(chart, &thread, entry)));
        }
    }
    lines
}

fn apart(chart: &Chart, thread: &Thread<'_>) -> Option<Line> {
    let newest = *thread.newest.first()?;
    let head = item::of_entry(chart, newest).head;
    Some(made(newest, Weight::Apart, format!("People changed this apart: {head}")))
}

fn made(entry: &Entry, weight: Weight, words: String) -> Line {
    let by = format!("{}, {}", item::by(entry), format::date_time(entry.happened));
    Line { weight, words, by, happened: entry.happened, id: entry.id }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "kinds that no handover needs are left out, new ones too")]
fn line(chart: &Chart, thread: &Thread<'_>, entry: &Entry) -> Option<Line> {
    let is_first = thread.entries.first().is_some_and(|first| first.id == entry.id);
    let said = || {
        let item = item::of_entry(chart, entry);
        if item.text.is_empty() { item.head } else { format!("{}: {}", item.head, item.text) }
    };
    let (weight, words) = match &entry.body {
        Body::Note(note) if note.important => (Weight::First, note.text.clone()),
        Body::Incident(_) if is_first => (Weight::First, said()),
        Body::Incident(_) => (Weight::First, format!("Added. {}", said())),
        Body::VitalSigns(_) => match vitals::of_entry(chart, entry.id) {
            Some(set)
                if set.is_urgent() || set.scored().is_some_and(|score| is_raised(chart, score.total)) =>
            {
                (Weight::Unwell, set.words())
            }
            _ => (Weight::Rest, said()),
        },
        Body::SoftSigns(_) => (Weight::Unwell, said()),
        Body::Resuscitation(_) | Body::EscalationLimits(_) | Body::Alert(_) => (Weight::Safety, said()),
        Body::Allergy(_) => (Weight::Safety, format!("Allergy: {}", said())),
        Body::Order(order) => (Weight::Medicine, format!("{}: {}", order_words(order, is_first), said())),
        Body::Administration(dose) if dose.outcome >= Outcome::Refused => (Weight::Dose, said()),
        Body::Administration(dose) if dose.due.is_none() => {
            (Weight::Dose, format!("When required. {}: {}", doses::outcome_words(dose.outcome), dose.line))
        }
        Body::Placement(placement) => (Weight::Whereabouts, placement_words(placement)),
        Body::Visit(_) | Body::BodyMark(_) | Body::CareGoal(_) | Body::Risk(_) => (Weight::Care, said()),
        Body::Passage(_) => (Weight::Care, format!("Plan changed: {}", said())),
        Body::Note(_) | Body::Measurement(_) | Body::Fluid(_) => (Weight::Rest, said()),
        _ => return None,
    };
    Some(made(entry, weight, words))
}

fn is_raised(chart: &Chart, total: u8) -> bool {
    let plan = PlanView::of(chart.section(Section::Plan));
    total > plan.baseline().map_or(0, |agreed| agreed.body.news2)
}

fn order_words(order: &Order, is_first: bool) -> &'static str {
    match &order.status {
        OrderStatus::Stopped(_) => "STOPPED",
        OrderStatus::OnHold(_) => "ON HOLD",
        OrderStatus::Active if is_first => "NEW",
        OrderStatus::Active => "CHANGED",
    }
}

fn placement_words(placement: &hearth_protocol::record::identity::Placement) -> String {
    let parts = [
        placement.away.as_ref().map(|away| format!("Away: {away}")),
        placement.left.map(|day| format!("Left {}", format::date(day))),
        placement.arrived.map(|day| format!("Arrived {}", format::date(day))),
        placement.room.as_ref().map(|room| format!("Room {room}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use hearth_protocol::record::mar::Administration;
    use hearth_protocol::record::notes::{Incident, Note};
    use hearth_protocol::record::observations::{Breathing, Consciousness, VitalSigns};
    use uuid::Uuid;

    use super::*;
    use crate::web::view::made::entry;

    const START: Timestamp = Timestamp(1_796_108_400_000);
    const SHIFT: Shift = Shift { start: START, end: Timestamp(START.0 + 7 * 3_600_000) };

    fn at(minutes: i64) -> Timestamp {
        START.plus_ms(minutes * 60_000)
    }

    fn note(text: &str, important: bool) -> Body {
        Body::Note(Note { category: "general".into(), text: text.into(), important })
    }

    fn dose(outcome: Outcome, due: bool) -> Body {
        let order = EntryId { install: hearth_protocol::id::InstallId(7), counter: 99 };
        Body::Administration(Administration {
            order,
            order_version: order,
            due: due.then_some(START),
            outcome,
            amount: None,
            reason: None,
            site: None,
            witness: None,
            line: "paracetamol".into(),
            overridden: None,
        })
    }

    fn vitals(rate: u16) -> Body {
        Body::VitalSigns(VitalSigns {
            respiratory_rate: Some(rate),
            oxygen_saturation: Some(97),
            breathing: Some(Breathing::Air),
            systolic: Some(125),
            diastolic: Some(75),
            pulse: Some(70),
            consciousness: Some(Consciousness::Alert),
            temperature_tenths: Some(370),
            note: None,
            device: None,
        })
    }

    fn chart(entries: Vec<Entry>) -> Chart {
        let mut chart = Chart::new(ResidentId(Uuid::from_u128(1)), "VL1AB".parse().unwrap(), SHIFT.end);
        for entry in entries {
            chart.put(entry.body.section().unwrap(), [entry]);
        }
        chart
    }

    #[test]
    fn the_most_pressing_stands_first_and_nothing_of_the_shift_is_left_out() {
        let fall = Body::Incident(Incident { kind: "fall".into(), ..Incident::default() });
        let chart = chart(vec![
            entry(1, at(5), note("Slept well.", false)),
            entry(2, at(10), dose(Outcome::Refused, true)),
            entry(3, at(20), vitals(26)),
            entry(4, at(30), note("Ring the GP.", true)),
            entry(5, at(15), fall),
            entry(6, at(40), dose(Outcome::Given, true)),
            entry(7, at(50), dose(Outcome::Given, false)),
            entry(8, at(60), vitals(16)),
        ]);
        let sheet = PersonSheet::of(&chart, SHIFT, Vec::new());
        let weights: Vec<Weight> = sheet.told.iter().map(|line| line.weight).collect();
        let expected = [Weight::First, Weight::First, Weight::Unwell, Weight::Dose, Weight::Dose];
        assert_eq!(weights, expected);
        assert_eq!(sheet.told[0].words, "Ring the GP.");
        assert_eq!(sheet.rest.len(), 2, "the note and the usual score; doses given on time need no telling");
        assert_eq!(sheet.weight(), Weight::First);
    }

    #[test]
    fn only_what_happened_or_was_written_in_the_shift_is_told() {
        let late = Entry { recorded: at(60), ..entry(3, at(-500), note("Written late.", true)) };
        let chart = chart(vec![
            entry(1, at(-1), note("Before.", true)),
            entry(2, SHIFT.end, note("After.", true)),
            late,
        ]);
        let sheet = PersonSheet::of(&chart, SHIFT, Vec::new());
        assert_eq!(sheet.told.iter().map(|line| line.words.as_str()).collect::<Vec<_>>(), ["Written late."]);
    }

    #[test]
    fn what_two_people_changed_apart_is_to_be_settled() {
        let first = entry(1, at(-600), note("Tea.", false));
        let other = |n: u64, text: &str| Entry {
            thread: Some(first.id),
            replaces: vec![first.id],
            ..entry(n, at(10), note(text, false))
        };
        let chart = chart(vec![first.clone(), other(2, "Coffee."), other(3, "Milk.")]);
        let sheet = PersonSheet::of(&chart, SHIFT, Vec::new());
        assert!(sheet.told.iter().any(|line| line.weight == Weight::Apart));
        assert!(!sheet.is_quiet());
    }
}
