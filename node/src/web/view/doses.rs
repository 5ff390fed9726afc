//! The doses of one resident as cards: what is due, what may be given, and what became of the others.

use std::collections::BTreeMap;

use hearth_protocol::clinical::allergy_check;
use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::mar::board::{
    Board, Recorded, Slot, SlotState, Span, Timeliness, Windows, board,
};
use hearth_protocol::record::mar::{Effect, Outcome};
use hearth_protocol::record::medicines::view::{Covert, MedicinesView, OrderItem};
use hearth_protocol::record::medicines::{Dose, Order, OrderStatus, Quantity, Schedule};
use hearth_protocol::record::safety::view::SafetyView;
use hearth_protocol::record::{Body, Thing};
use hearth_protocol::scope::Section;
use hearth_protocol::time::{Date, Timestamp};

use super::chart::Chart;
use super::item::{ItemWay, by, way};
use super::prn::{EffectCard, PrnCard, effects, prn_card};

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
    /// When-required doses of which nobody has said yet whether they helped, the oldest first.
    pub effects: Vec<EffectCard>,
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
    /// The newest version of the order, whatever made the dose due: what a form says was on the screen.
    pub newest: Option<EntryId>,
    /// What the order is now, where it was changed after it made this dose due.
    pub now: Option<String>,
    /// The least and most of a dose from one amount to another: which was given is asked.
    pub range: Option<(Quantity, Quantity)>,
    /// Places on the body that the order names.
    pub sites: Vec<String>,
    /// Where it was last, and when.
    pub last_site: Option<(String, String)>,
    /// How it is given covertly, where a decision allows that.
    pub covert: Option<String>,
}

/// One recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedLine {
    /// What, by whom, when.
    pub words: String,
    /// How far it has come.
    pub way: Option<ItemWay>,
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

    /// The dose of which nobody has said whether it helped.
    pub fn effect(&self, administration: EntryId) -> Option<&EffectCard> {
        self.effects.iter().find(|card| card.administration == administration)
    }

    fn from_board(chart: &Chart, board: &Board<'_>) -> Self {
        let orders = Orders::of(chart);
        let cards = |wanted: fn(&SlotState) -> bool| -> Vec<DoseCard> {
            let slots = board.slots.iter().filter(|slot| wanted(&slot.state));
            slots.map(|slot| dose_card(chart, slot, &orders)).collect()
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
            effects: effects(board, chart.now),
            events: board.events.iter().map(ToString::to_string).collect(),
        }
    }
}

impl DoseCard {
    /// The name of the medicine, for what a screen reader says of a button.
    pub fn name(&self) -> &str {
        name(self.line.as_ref())
    }

    /// Whether giving it may be saved on a tablet that is out of reach: only where there is nothing to check or ask.
    pub fn may_wait(&self) -> bool {
        !self.asks() && self.ask.is_empty() && self.allergy.is_empty()
    }

    /// Whether more has to be said than that it was given.
    pub fn asks(&self) -> bool {
        self.controlled || self.range.is_some() || !self.sites.is_empty()
    }

    /// Whether a form may still record it.
    pub fn is_open(&self) -> bool {
        matches!(self.kind, "due" | "overdue" | "missed")
    }

    /// The places with the one that was used last at the end: a patch or cream moves on.
    pub fn places(&self) -> Vec<String> {
        let is_last = |site: &&String| self.last_site.as_ref().is_some_and(|(last, _)| last == *site);
        let (last, others): (Vec<&String>, Vec<&String>) = self.sites.iter().partition(is_last);
        others.into_iter().chain(last).cloned().collect()
    }
}

pub(super) fn name(line: Option<&MedicineLine>) -> &str {
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

/// What is known of the orders beside the doses that they make due.
struct Orders<'a> {
    view: MedicinesView<'a>,
    /// Where each order's medicine was last put on the body.
    sites: BTreeMap<EntryId, (Timestamp, &'a str)>,
}

impl<'a> Orders<'a> {
    fn of(chart: &'a Chart) -> Self {
        let view = MedicinesView::of(chart.section(Section::Medicines), chart.now.date());
        let mut sites: BTreeMap<EntryId, (Timestamp, &'a str)> = BTreeMap::new();
        for entry in chart.section(Section::Mar) {
            let Body::Administration(dose) = &entry.body else { continue };
            let Some(site) = dose.site.as_deref().filter(|_| dose.outcome.is_taken()) else { continue };
            let last = sites.entry(dose.order).or_insert((entry.happened, site));
            if entry.happened >= last.0 {
                *last = (entry.happened, site);
            }
        }
        Self { view, sites }
    }
}

fn covert_words(item: &OrderItem<'_>, today: Date) -> Option<String> {
    match item.covert {
        Covert::No => None,
        Covert::ForReview => {
            Some("The covert decision was changed apart: do not give it covertly".to_owned())
        }
        Covert::Allowed => {
            let decision = item.covert_decisions.iter().find_map(|d| d.newest().filter(|v| v.body.active))?;
            let review = match decision.body.review {
                Some(day) if day < today => format!(". The review of {} is overdue", format::date(day)),
                Some(day) => format!(". Review {}", format::date(day)),
                None => String::new(),
            };
            Some(format!("May be given covertly: {}{review}", decision.body.method))
        }
    }
}

/// What the order is now, where another version than the one that made the dose due is the newest.
fn now_words(slot: &Slot<'_>, item: &OrderItem<'_>) -> Option<String> {
    let newest = item.thing.newest()?;
    let made = slot.versions.first()?;
    let words = match (&newest.body.status, &made.body.status) {
        (OrderStatus::Stopped(why), _) => format!("stopped: {why}"),
        (OrderStatus::OnHold(why), _) => format!("on hold: {why}"),
        (OrderStatus::Active, _) => MedicineLine::of(newest.body).to_string(),
    };
    (newest.entry.id != made.entry.id).then(|| {
        format!("{words} \u{2014} {}, {}", by(newest.entry), format::date_time(newest.entry.happened))
    })
}

fn dose_card(chart: &Chart, slot: &Slot<'_>, orders: &Orders<'_>) -> DoseCard {
    let order = slot.versions.first().map(|version| version.body);
    let item = orders.view.order(slot.order);
    let last_site = orders.sites.get(&slot.order);
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
        newest: item.and_then(|item| item.thing.newest()).map(|version| version.entry.id),
        now: item.and_then(|item| now_words(slot, item)),
        range: order.and_then(|o| match &o.dose {
            Dose::Range(low, high) => Some((low.clone(), high.clone())),
            Dose::Fixed(_) | Dose::Text(_) => None,
        }),
        sites: order.and_then(|o| o.sites.clone()).unwrap_or_default(),
        last_site: last_site.map(|(at, site)| ((*site).to_owned(), format::date_time(*at))),
        covert: item.and_then(|item| covert_words(item, chart.now.date())),
    }
}

/// Warnings of allergies that the medicine meets by code or name. The check knows no ingredients or drug classes.
pub(super) fn allergy_words(chart: &Chart, order: &Order) -> Vec<String> {
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
pub(super) fn needs_witness(order: &Order) -> bool {
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
        SlotState::Recorded(Outcome::Missed) => ("missed", outcome_words(Outcome::Missed).to_owned()),
        SlotState::Recorded(outcome) => ("recorded", outcome_words(*outcome).to_owned()),
        SlotState::RecordedApart(_) => ("apart", "Recorded more than once: check the person".to_owned()),
    }
}

pub(super) fn recorded_line(chart: &Chart, recorded: &Recorded<'_>) -> Option<RecordedLine> {
    let newest = recorded.thing.newest()?;
    let timeliness = match recorded.timeliness {
        Timeliness::NotApplicable | Timeliness::InTime => String::new(),
        Timeliness::Early(minutes) => format!(", {} early", format::age::length(minutes)),
        Timeliness::Late(minutes) => format!(", {} late", format::age::length(minutes)),
    };
    let amount = newest.body.amount.as_ref().map(|amount| format!(", {amount}")).unwrap_or_default();
    let site = newest.body.site.as_ref().map(|site| format!(", on the {site}")).unwrap_or_default();
    let effects = recorded.effects.iter().filter_map(Thing::newest);
    let effects: Vec<String> = effects.map(|effect| format!(". {}", effect_words(effect.body))).collect();
    let effects = effects.concat();
    let reason = newest.body.reason.as_ref().map(|reason| format!(". {reason}")).unwrap_or_default();
    let witness = newest.body.witness.as_ref().map(|w| format!(", witness {}", w.name)).unwrap_or_default();
    let words = format!(
        "{} {}{amount}{site}{timeliness} \u{2014} {}{witness}{reason}{effects}",
        outcome_words(newest.body.outcome),
        format::date_time(newest.entry.happened),
        by(newest.entry),
    );
    Some(RecordedLine { words, way: way(chart, newest.entry) })
}

/// What a when-required dose did, in words.
pub fn effect_words(effect: &Effect) -> String {
    let helped = match effect.helped {
        Some(true) => "It helped",
        Some(false) => "It did not help",
        None => "Effect",
    };
    effect.text.as_ref().map_or(helped.to_owned(), |text| format!("{helped}: {text}"))
}

fn time(due: Timestamp, today: Date) -> String {
    if due.date() == today {
        format::time(due)
    } else {
        format!("{} {}", format::day(due.date()), format::time(due))
    }
}
