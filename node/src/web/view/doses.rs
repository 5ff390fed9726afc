//! The doses of one resident as cards: what is due, what may be given, and what became of the others.

use hearth_protocol::clinical::allergy_check;
use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::Outcome;
use hearth_protocol::record::mar::board::{
    Board, Recorded, Slot, SlotState, Span, Timeliness, WhenRequired, Windows, board,
};
use hearth_protocol::record::medicines::{Order, Schedule};
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::scope::Section;
use hearth_protocol::time::{Date, Timestamp};

use super::chart::Chart;
use super::item::{ItemWay, by, way};

/// All cards of a resident.
#[derive(Clone, Debug, PartialEq)]
pub struct Doses {
    /// What waits to be recorded: overdue, due, held; in order of time.
    pub now: Vec<DoseCard>,
    /// What has been recorded since yesterday, newest first.
    pub recorded: Vec<DoseCard>,
    /// What comes later today.
    pub later: Vec<DoseCard>,
    /// When-required medicines.
    pub when_required: Vec<PrnCard>,
    /// What must not have happened.
    pub events: Vec<String>,
}

/// One due dose.
#[derive(Clone, Debug, PartialEq)]
pub struct DoseCard {
    /// Thread of the order.
    pub order: EntryId,
    /// The version that is on the screen.
    pub version: Option<EntryId>,
    /// When it is due.
    pub due: Timestamp,
    /// `08:00`, with the day where it is not today.
    pub time: String,
    /// The medicine.
    pub line: Option<MedicineLine>,
    /// With food, and the like.
    pub instructions: Option<String>,
    /// What it is for.
    pub indication: Option<String>,
    /// Two people sign.
    pub controlled: bool,
    /// Minutes either side, where harm follows when it is late.
    pub time_critical: Option<u16>,
    /// `overdue`, `due`, `held`, `later`, `recorded` or `apart`: the class.
    pub kind: &'static str,
    /// The state in words.
    pub state: String,
    /// What became of it, one line a recording.
    pub recorded: Vec<RecordedLine>,
    /// What has to be asked before it can be given.
    pub ask: Vec<String>,
    /// Recorded allergies that the medicine meets.
    pub allergy: Vec<String>,
    /// A colleague who is recording it now.
    pub held_by: Option<String>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLine {
    /// What, by whom, when.
    pub words: String,
    /// How far it has come.
    pub way: Option<ItemWay>,
}

/// One when-required medicine.
#[derive(Clone, Debug, PartialEq)]
pub struct PrnCard {
    /// Thread of the order.
    pub order: EntryId,
    /// The version that is on the screen.
    pub version: Option<EntryId>,
    /// The medicine.
    pub line: Option<MedicineLine>,
    /// What it is for.
    pub indication: Option<String>,
    /// Two people sign.
    pub controlled: bool,
    /// Whether nothing speaks against giving it now.
    pub may_give: bool,
    /// Why not.
    pub refused: Vec<String>,
    /// What could not be checked.
    pub cautions: Vec<String>,
    /// Recorded allergies that the medicine meets.
    pub allergy: Vec<String>,
    /// The last doses, newest first.
    pub history: Vec<RecordedLine>,
}

/// Outcomes of a dose that is not given, by key, as forms offer them; the first five are the common ones.
pub const NOT_GIVEN: [(&str, Outcome, &str); 10] = [
    ("refused", Outcome::Refused, "Refused"),
    ("asleep", Outcome::Asleep, "Asleep"),
    ("hospital", Outcome::InHospital, "In hospital"),
    ("leave", Outcome::SocialLeave, "On leave or out"),
    ("unavailable", Outcome::NotAvailable, "Not available"),
    ("destroyed", Outcome::RefusedDestroyed, "Refused after it was prepared, and destroyed"),
    ("nausea", Outcome::Nausea, "Nausea or vomiting"),
    ("not-required", Outcome::NotRequired, "Not required"),
    ("withheld", Outcome::Withheld, "Withheld on clinical advice"),
    ("other", Outcome::Other, "Another reason"),
];

impl Doses {
    /// The cards of a chart: from a day ago to the end of today.
    pub fn of(chart: &Chart) -> Self {
        let span = span(chart.now);
        let windows = Windows::default();
        let board =
            board(chart.section(Section::Medicines), chart.section(Section::Mar), span, &windows, chart.now);
        Self::from_board(chart, &board)
    }

    /// How many wait to be recorded, and how many of them are overdue.
    pub fn count(&self) -> (usize, usize) {
        let overdue = self.now.iter().filter(|card| card.kind == "overdue").count();
        (self.now.len(), overdue)
    }

    /// The card of a due dose, wherever it stands.
    pub fn card(&self, order: EntryId, due: Timestamp) -> Option<&DoseCard> {
        let all = self.now.iter().chain(&self.recorded).chain(&self.later);
        all.into_iter().find(|card| card.order == order && card.due == due)
    }

    /// The card of a when-required medicine.
    pub fn prn(&self, order: EntryId) -> Option<&PrnCard> {
        self.when_required.iter().find(|card| card.order == order)
    }

    fn from_board(chart: &Chart, board: &Board<'_>) -> Self {
        let cards = |wanted: fn(&SlotState) -> bool| -> Vec<DoseCard> {
            board.slots.iter().filter(|slot| wanted(&slot.state)).map(|slot| dose_card(chart, slot)).collect()
        };
        let mut recorded =
            cards(|state| matches!(state, SlotState::Recorded(_) | SlotState::RecordedApart(_)));
        recorded.reverse();
        Self {
            now: cards(|state| {
                matches!(state, SlotState::Due | SlotState::Overdue | SlotState::HeldForReview)
            }),
            recorded,
            later: cards(|state| matches!(state, SlotState::NotYet)),
            when_required: board.when_required.iter().map(|prn| prn_card(chart, prn)).collect(),
            events: board.events.iter().map(ToString::to_string).collect(),
        }
    }
}

impl DoseCard {
    /// The name of the medicine, for what a screen reader says of a button.
    pub fn name(&self) -> &str {
        name(self.line.as_ref())
    }
}

impl PrnCard {
    /// The name of the medicine, for what a screen reader says of a button.
    pub fn name(&self) -> &str {
        name(self.line.as_ref())
    }
}

fn name(line: Option<&MedicineLine>) -> &str {
    line.and_then(|line| line.parts.first()).map_or("", |part| part.text.as_str())
}

/// What a round shows: the last day, and the rest of today.
pub fn span(now: Timestamp) -> Span {
    const DAY_MS: i64 = 86_400_000;
    let tomorrow = now.in_zone().tomorrow().and_then(|z| z.start_of_day());
    let until = tomorrow.map_or(now.plus_ms(DAY_MS), |z| Timestamp(z.timestamp().as_millisecond()));
    Span { from: now.plus_ms(-DAY_MS), until }
}

/// What an outcome is called on screen.
pub fn outcome_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Given => "Given",
        Outcome::SelfAdministered => "Taken by the person",
        Outcome::Prompted => "Taken after a prompt",
        Outcome::MadeAvailable => "Made available",
        Outcome::Refused => "Not given: refused",
        Outcome::RefusedDestroyed => "Not given: refused and destroyed",
        Outcome::Nausea => "Not given: nausea or vomiting",
        Outcome::InHospital => "Not given: in hospital",
        Outcome::SocialLeave => "Not given: on leave",
        Outcome::Asleep => "Not given: asleep",
        Outcome::NotRequired => "Not given: not required",
        Outcome::NotAvailable => "Not given: not available",
        Outcome::Withheld => "Not given: withheld on clinical advice",
        Outcome::Other => "Not given: another reason",
        Outcome::Missed => "Missed: nobody recorded it",
    }
}

fn dose_card(chart: &Chart, slot: &Slot<'_>) -> DoseCard {
    let order = slot.versions.first().map(|version| version.body);
    let (kind, state) = state(slot, chart.now);
    DoseCard {
        order: slot.order,
        version: slot.versions.first().map(|version| version.entry.id),
        due: slot.due,
        time: time(slot.due, chart.now.date()),
        line: order.map(MedicineLine::of),
        instructions: order.and_then(|o| o.instructions.clone()),
        indication: order.and_then(|o| o.indication.clone()),
        controlled: order.is_some_and(needs_witness),
        time_critical: slot.time_critical_minutes,
        kind,
        state,
        recorded: slot.recorded.iter().filter_map(|recorded| recorded_line(chart, recorded)).collect(),
        ask: slot.ask.iter().map(ToString::to_string).collect(),
        allergy: order.map(|order| allergy_words(chart, order)).unwrap_or_default(),
        held_by: None,
    }
}

fn prn_card(chart: &Chart, prn: &WhenRequired<'_>) -> PrnCard {
    let newest = prn.order.newest();
    let order = newest.map(|version| version.body);
    let mut refused: Vec<String> = prn.check.refused.iter().map(ToString::to_string).collect();
    if prn.order.is_contested() {
        refused
            .push("People changed this order apart. Do not give it until the order is settled.".to_owned());
    }
    refused.extend(prn.ask.iter().map(ToString::to_string));
    PrnCard {
        order: prn.order.id(),
        version: newest.map(|version| version.entry.id),
        line: order.map(MedicineLine::of),
        indication: order
            .and_then(|o| o.prn.as_ref().and_then(|p| p.indication.clone()).or_else(|| o.indication.clone())),
        controlled: order.is_some_and(needs_witness),
        may_give: prn.may_give(),
        refused,
        cautions: prn.check.cautions.iter().map(ToString::to_string).collect(),
        allergy: order.map(|order| allergy_words(chart, order)).unwrap_or_default(),
        history: prn.history.iter().take(4).filter_map(|recorded| recorded_line(chart, recorded)).collect(),
    }
}

/// Warnings of allergies that the medicine meets by code or name. The check knows no ingredients or drug classes.
fn allergy_words(chart: &Chart, order: &Order) -> Vec<String> {
    let view = SafetyView::of(chart.section(Section::Safety));
    let known = view.allergies.iter().filter_map(|item| item.shown().map(|v| (item.thing.id(), v.body)));
    let found = allergy_check::check(&order.medicine, order.brand.as_deref(), known);
    let words = |m: &allergy_check::AllergyMatch| {
        format!(
            "Recorded allergy: {}. This medicine may hold it. Call the prescriber before you give it.",
            m.substance
        )
    };
    found.matches.iter().map(words).collect()
}

/// Whether a second person must sign: a drug of schedule 2 leaves the cupboard with a witness.
fn needs_witness(order: &Order) -> bool {
    order.schedule == Some(Schedule::Two)
}

fn state(slot: &Slot<'_>, now: Timestamp) -> (&'static str, String) {
    let minutes = now.ms_since(slot.due) / 60_000;
    match &slot.state {
        SlotState::NotYet => ("later", "Later".to_owned()),
        SlotState::Due => ("due", "Due now".to_owned()),
        SlotState::Overdue => ("overdue", format!("Overdue by {}", format::age::length(minutes))),
        SlotState::HeldForReview => {
            ("held", "Held: people changed this order apart. Do not give it until it is settled".to_owned())
        }
        SlotState::Recorded(outcome) => ("recorded", outcome_words(*outcome).to_owned()),
        SlotState::RecordedApart(_) => ("apart", "Recorded more than once: check the person".to_owned()),
    }
}

fn recorded_line(chart: &Chart, recorded: &Recorded<'_>) -> Option<RecordedLine> {
    let newest = recorded.thing.newest()?;
    let timeliness = match recorded.timeliness {
        Timeliness::NotApplicable | Timeliness::InTime => String::new(),
        Timeliness::Early(minutes) => format!(", {} early", format::age::length(minutes)),
        Timeliness::Late(minutes) => format!(", {} late", format::age::length(minutes)),
    };
    let reason = newest.body.reason.as_ref().map(|reason| format!(". {reason}")).unwrap_or_default();
    let witness = newest.body.witness.as_ref().map(|w| format!(", witness {}", w.name)).unwrap_or_default();
    let words = format!(
        "{} {}{timeliness} \u{2014} {}{witness}{reason}",
        outcome_words(newest.body.outcome),
        format::date_time(newest.entry.happened),
        by(newest.entry),
    );
    Some(RecordedLine { words, way: way(chart, newest.entry) })
}

fn time(due: Timestamp, today: Date) -> String {
    if due.date() == today {
        format::time(due)
    } else {
        format!("{} {}", format::day(due.date()), format::time(due))
    }
}
