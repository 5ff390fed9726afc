//! What a manager looks at of a resident's doses: missed, late, refused on days running, given past a warning; each
//! with what was done about it.

use std::collections::BTreeMap;

use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::mar::board::{Slot, SlotState, Span, Timeliness, Windows, board};
use hearth_protocol::record::mar::refusals::refused_running;
use hearth_protocol::record::site::Task;
use hearth_protocol::record::site::tasks::TasksView;
use hearth_protocol::record::{Entry, Thing};
use hearth_protocol::scope::Section;

use super::chart::Chart;
use super::doses::recorded_line;

/// How far back is looked, in milliseconds.
const BACK_MS: i64 = 7 * 86_400_000;

/// Why a dose is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// Nobody recorded it.
    Missed,
    /// Refused on three days running.
    RefusedRunning,
    /// Somebody was warned and went on.
    Warned,
    /// Taken out of its time.
    Late,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Missed => "Missed",
            Self::RefusedRunning => "Refused on 3 days running",
            Self::Warned => "Given past a warning",
            Self::Late => "Late",
        }
    }
}

/// One thing to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Why.
    pub why: Why,
    /// Thread of the administration that it is about.
    pub about: EntryId,
    /// The medicine.
    pub line: String,
    /// What is recorded.
    pub words: Vec<String>,
    /// What was done about it; none while nobody has looked.
    pub followed: Option<String>,
}

/// The findings of the last week, the gravest first, those that nobody has looked at before the others.
pub fn findings(chart: &Chart, tasks: &[Entry]) -> Vec<Finding> {
    let span = Span { from: chart.now.plus_ms(-BACK_MS), until: chart.now };
    let (medicines, mar) = (chart.section(Section::Medicines), chart.section(Section::Mar));
    let board = board(medicines, mar, span, &Windows::default(), chart.now);
    let followed = followed(tasks);
    let running = refused_running(&board.slots);
    let mut found = Vec::new();
    for slot in &board.slots {
        let line = line(slot);
        let mut put = |why, about: EntryId| {
            let words = slot.recorded.iter().filter_map(|r| recorded_line(chart, r)).map(|l| l.words);
            let due = format!("Due {} {}", format::day(slot.due.date()), format::time(slot.due));
            let words = std::iter::once(due).chain(words).collect();
            let followed = followed.get(&about).cloned();
            found.push(Finding { why, about, line: line.clone(), words, followed });
        };
        let Some(first) = slot.recorded.first() else { continue };
        if slot.state == SlotState::Recorded(Outcome::Missed) {
            put(Why::Missed, first.thing.id());
            continue;
        }
        if running.get(&slot.order) == Some(&slot.due.date()) {
            put(Why::RefusedRunning, first.thing.id());
        }
        for recorded in &slot.recorded {
            if recorded.thing.standing.iter().any(|v| v.body.overridden.is_some()) {
                put(Why::Warned, recorded.thing.id());
            }
            if matches!(recorded.timeliness, Timeliness::Late(_)) {
                put(Why::Late, recorded.thing.id());
            }
        }
    }
    found.sort_by_key(|finding| (finding.followed.is_some(), finding.why));
    found
}

/// What was done about entries, by the entry.
fn followed(tasks: &[Entry]) -> BTreeMap<EntryId, String> {
    let view = TasksView::of(tasks);
    let words = |task: &Task, who: &str| match (&task.outcome, task.done) {
        (Some(outcome), true) => format!("{outcome} \u{2014} {who}"),
        (None, true) => format!("Done \u{2014} {who}"),
        (_, false) => format!("Still to do: {} \u{2014} {who}", task.text),
    };
    let tasks = view.done.iter().chain(&view.open);
    let newest = tasks.filter_map(Thing::newest);
    newest.filter_map(|v| Some((v.body.about?, words(v.body, &v.entry.author.name)))).collect()
}

fn line(slot: &Slot<'_>) -> String {
    let ordered = slot.versions.first().map(|v| MedicineLine::of(v.body).to_string());
    let recorded = slot.recorded.first().and_then(|r| r.thing.newest()).map(|v| v.body.line.clone());
    ordered.or(recorded).unwrap_or_default()
}
