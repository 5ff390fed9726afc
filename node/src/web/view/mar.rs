//! The chart of a month: a row a medicine and time, a cell a day, when-required doses below, and in words what is missing.

use std::collections::BTreeMap;

use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::id::{EntryId, StaffId};
use hearth_protocol::record::Entry;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::mar::board::{Board, Recorded, Slot, SlotState, Span, Windows, board};
use hearth_protocol::scope::{Month, Section};
use hearth_protocol::time::{Date, Timestamp};

use super::chart::Chart;
use super::doses::{outcome_words, recorded_line};
use super::item::by;

/// A month of a resident's doses.
#[derive(Clone, Debug, PartialEq)]
pub struct MarChart {
    /// `December 2026`.
    pub month: String,
    /// The days.
    pub days: Vec<Day>,
    /// Medicines at set times, by name, then from when they were given like this.
    pub medicines: Vec<MarMedicine>,
    /// Medicines given when required, with each dose.
    pub when_required: Vec<PrnDoses>,
    /// What is missing, in words.
    pub gaps: Vec<String>,
    /// Whose initials they are.
    pub initials: Vec<(String, String)>,
}

/// A day of the month.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// `1` to `31`.
    pub number: i8,
    /// `Tue 01-Dec-2026`.
    pub words: String,
}

/// A medicine as it was ordered at the time: a changed order is another row.
#[derive(Clone, Debug, PartialEq)]
pub struct MarMedicine {
    /// The line, as words where the order is not here.
    pub line: Result<MedicineLine, String>,
    /// Its times of the day.
    pub times: Vec<MarTime>,
}

/// One time of the day over the month.
#[derive(Clone, Debug, PartialEq)]
pub struct MarTime {
    /// `08:00`.
    pub time: String,
    /// A cell a day.
    pub cells: Vec<MarCell>,
}

/// What became of one due dose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MarCell {
    /// `given`, `not`, `gap`, `apart`, `later` or `none`: the class.
    pub kind: &'static str,
    /// What the cell shows: initials or letters.
    pub letters: String,
    /// The same in words, empty where nothing was due.
    pub words: String,
}

/// The doses of a when-required medicine.
#[derive(Clone, Debug, PartialEq)]
pub struct PrnDoses {
    /// The medicine.
    pub line: String,
    /// Each dose in words, oldest first.
    pub doses: Vec<String>,
}

/// The letters of the chart, as its key explains them. Given is the initials of who gave it. There is no national list:
/// `domain.md` §2.4 names letters that staff know.
pub const LEGEND: [(&str, &str); 16] = [
    ("AB", "Given by the person with these initials"),
    ("T", "Taken by the person"),
    ("P", "Taken after a prompt"),
    ("M", "Made available"),
    ("R", "Refused"),
    ("E", "Refused after it was prepared, and destroyed"),
    ("N", "Nausea or vomiting"),
    ("H", "In hospital"),
    ("L", "On leave"),
    ("S", "Asleep"),
    ("NR", "Not required"),
    ("U", "Not available"),
    ("W", "Withheld on clinical advice"),
    ("F", "Another reason: see the dose"),
    ("!", "Missed: nobody recorded it"),
    ("gap", "Due, and without an entry"),
];

/// From the first moment of a month to the first of the next, on clocks here.
pub fn span_of(month: Month, now: Timestamp) -> Option<Span> {
    let zone = now.in_zone().time_zone().clone();
    let year = i16::try_from(month.year()).ok()?;
    let first = jiff::civil::Date::new(year, i8::try_from(month.month()).ok()?, 1).ok()?;
    let next = first.last_of_month().tomorrow().ok()?;
    let moment = |date: jiff::civil::Date| {
        let start = date.to_zoned(zone.clone()).ok()?;
        Some(Timestamp(start.timestamp().as_millisecond()))
    };
    Some(Span { from: moment(first)?, until: moment(next)? })
}

impl MarChart {
    /// The chart of a month, from a record's medicines and the doses of the month and of the day on either side.
    pub fn of(chart: &Chart, month: Month) -> Option<Self> {
        let span = span_of(month, chart.now)?;
        let days = days(span);
        let board = board(
            chart.section(Section::Medicines),
            chart.section(Section::Mar),
            span,
            &Windows::default(),
            chart.now,
        );
        let signers = Signers::of(chart.section(Section::Mar));
        Some(Self {
            month: format::month(month),
            medicines: medicines(&board, &days, &signers),
            when_required: when_required(chart, &board, span),
            gaps: gaps(&board, chart.now),
            initials: signers.key(),
            days: days.into_iter().map(|(_, day)| day).collect(),
        })
    }
}

fn days(span: Span) -> Vec<(Date, Day)> {
    let (mut date, last) = (span.from.date(), span.until.date());
    let mut days = Vec::with_capacity(31);
    while date.0 < last.0 && days.len() < 31 {
        days.push((date, Day { number: date.0.day(), words: format::day(date) }));
        let Ok(next) = date.0.tomorrow() else { break };
        date = Date(next);
    }
    days
}

fn medicines(board: &Board<'_>, days: &[(Date, Day)], signers: &Signers) -> Vec<MarMedicine> {
    // By medicine as it was ordered, then by time of the day.
    type Times<'s, 'a> = BTreeMap<(i8, i8), Vec<&'s Slot<'a>>>;
    let mut rows: BTreeMap<(String, EntryId), (Result<MedicineLine, String>, Times<'_, '_>)> =
        BTreeMap::new();
    for slot in &board.slots {
        let line = line_of(slot);
        let words = line.as_ref().map_or_else(Clone::clone, ToString::to_string);
        let at = slot.due.in_zone();
        let row = rows.entry((words, slot.order)).or_insert_with(|| (line, Times::new()));
        row.1.entry((at.hour(), at.minute())).or_default().push(slot);
    }
    rows.into_values()
        .map(|(line, times)| MarMedicine {
            line,
            times: times
                .into_iter()
                .map(|((hour, minute), slots)| MarTime {
                    time: format!("{hour:02}:{minute:02}"),
                    cells: days.iter().map(|(date, _)| cell(&slots, *date, signers)).collect(),
                })
                .collect(),
        })
        .collect()
}

fn line_of(slot: &Slot<'_>) -> Result<MedicineLine, String> {
    let ordered = slot.versions.first().map(|version| MedicineLine::of(version.body));
    ordered.ok_or_else(|| {
        let recorded = slot.recorded.first().and_then(|recorded| recorded.thing.newest());
        recorded.map_or("The order is not here".to_owned(), |v| v.body.line.clone())
    })
}

fn cell(slots: &[&Slot<'_>], on: Date, signers: &Signers) -> MarCell {
    let Some(slot) = slots.iter().find(|slot| slot.due.date() == on) else {
        return MarCell { kind: "none", letters: String::new(), words: String::new() };
    };
    let signed = slot.recorded.iter().filter_map(|recorded| recorded.thing.newest());
    let newest = signed.filter(|v| v.body.outcome != Outcome::Missed).max_by_key(|v| v.entry.id);
    let who = newest.map(|v| by(v.entry)).unwrap_or_default();
    match &slot.state {
        SlotState::NotYet | SlotState::Due => cell_of("later", "", "Not due yet"),
        SlotState::Overdue => cell_of("gap", "gap", "Due, and without an entry"),
        SlotState::HeldForReview => cell_of("gap", "held", "Held: people changed the order apart"),
        SlotState::RecordedApart(_) => cell_of("apart", "2×", "Recorded more than once: look at the doses"),
        SlotState::Recorded(Outcome::Missed) => cell_of("gap", "!", outcome_words(Outcome::Missed)),
        SlotState::Recorded(outcome) => {
            let letters = match newest {
                Some(v) if *outcome == Outcome::Given => signers.initials(v.entry),
                _ => letters(*outcome).to_owned(),
            };
            let kind = if outcome.is_taken() { "given" } else { "not" };
            MarCell { kind, letters, words: format!("{} \u{2014} {who}", outcome_words(*outcome)) }
        }
    }
}

fn cell_of(kind: &'static str, letters: &str, words: &str) -> MarCell {
    MarCell { kind, letters: letters.to_owned(), words: words.to_owned() }
}

fn letters(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Given => "",
        Outcome::SelfAdministered => "T",
        Outcome::Prompted => "P",
        Outcome::MadeAvailable => "M",
        Outcome::Refused => "R",
        Outcome::RefusedDestroyed => "E",
        Outcome::Nausea => "N",
        Outcome::InHospital => "H",
        Outcome::SocialLeave => "L",
        Outcome::Asleep => "S",
        Outcome::NotRequired => "NR",
        Outcome::NotAvailable => "U",
        Outcome::Withheld => "W",
        Outcome::Other => "F",
        Outcome::Missed => "!",
    }
}

fn when_required(chart: &Chart, board: &Board<'_>, span: Span) -> Vec<PrnDoses> {
    let within = |recorded: &&Recorded<'_>| {
        recorded.thing.newest().is_some_and(|v| (span.from..span.until).contains(&v.entry.happened))
    };
    let row = |history: &[Recorded<'_>], line: String| -> Option<PrnDoses> {
        let found = history.iter().filter(within);
        let mut doses: Vec<String> =
            found.filter_map(|r| recorded_line(chart, r)).map(|line| line.words).collect();
        doses.reverse();
        Some(PrnDoses { line, doses }).filter(|row| !row.doses.is_empty())
    };
    let lines = board.when_required.iter().filter_map(|prn| {
        let shown = prn.order.newest().or_else(|| prn.order.versions().last())?;
        row(&prn.history, MedicineLine::of(shown.body).to_string())
    });
    let unplanned = row(&board.unplanned, "Doses without a time of an order that is not here".to_owned());
    lines.chain(unplanned).collect()
}

fn gaps(board: &Board<'_>, now: Timestamp) -> Vec<String> {
    let words = |slot: &Slot<'_>| {
        let name = line_of(slot).map_or_else(
            |words| words,
            |line| line.parts.first().map_or(String::new(), |part| part.text.clone()),
        );
        format!("{} {}: {name}", format::day(slot.due.date()), format::time(slot.due))
    };
    let is_gap = |slot: &&Slot<'_>| {
        slot.due < now
            && matches!(
                slot.state,
                SlotState::Overdue | SlotState::HeldForReview | SlotState::Recorded(Outcome::Missed)
            )
    };
    board.slots.iter().filter(is_gap).map(words).collect()
}

/// Who signed, each with initials that nobody else of the chart has.
struct Signers(BTreeMap<(StaffId, String), (String, String)>);

impl Signers {
    fn of(entries: &[Entry]) -> Self {
        let mut signers: BTreeMap<(StaffId, String), (String, String)> = BTreeMap::new();
        for entry in entries {
            signers
                .entry((entry.author.staff, entry.author.name.clone()))
                .or_insert_with(|| (String::new(), by(entry)));
        }
        let mut taken: BTreeMap<String, u32> = BTreeMap::new();
        for ((_, name), (initials, _)) in &mut signers {
            let letters: String =
                name.split_whitespace().filter_map(|word| word.chars().next()).take(3).collect();
            let letters = letters.to_uppercase();
            let count = taken.entry(letters.clone()).or_insert(0);
            *count += 1;
            // Letters of the key are no initials: a nurse called Rose is not a refusal.
            let is_letter = LEGEND.iter().any(|(known, _)| *known == letters);
            *initials = if *count > 1 || is_letter { format!("{letters}{count}") } else { letters };
        }
        Self(signers)
    }

    fn initials(&self, entry: &Entry) -> String {
        let found = self.0.get(&(entry.author.staff, entry.author.name.clone()));
        found.map(|(initials, _)| initials.clone()).unwrap_or_default()
    }

    fn key(&self) -> Vec<(String, String)> {
        self.0.values().cloned().collect()
    }
}
