//! When-required medicines as cards: the protocol whole, which amounts may be given now, and which doses still wait to
//! be asked whether they helped.

use hearth_protocol::clinical::format::age::length;
use hearth_protocol::clinical::format::{self, MedicineLine};
use hearth_protocol::clinical::prn::{self, TakenDose};
use hearth_protocol::id::EntryId;
use hearth_protocol::record::Version;
use hearth_protocol::record::mar::Administration;
use hearth_protocol::record::mar::board::{Board, Recorded, WhenRequired};
use hearth_protocol::record::mar::event::taken_version;
use hearth_protocol::record::medicines::{Dose, PrnProtocol, Quantity};
use hearth_protocol::time::Timestamp;

use super::chart::Chart;
use super::doses::{RecordedLine, allergy_words, name, needs_witness, recorded_line};

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
    /// The protocol, whole.
    pub protocol: Vec<(&'static str, String)>,
    /// Two people sign.
    pub controlled: bool,
    /// Whether nothing speaks against giving it now.
    pub may_give: bool,
    /// Why not.
    pub refused: Vec<String>,
    /// What could not be checked.
    pub cautions: Vec<String>,
    /// Amounts that may be chosen, for a dose from one amount to another.
    pub amounts: Vec<AmountChoice>,
    /// Places on the body that the order names.
    pub sites: Vec<String>,
    /// Recorded allergies that the medicine meets.
    pub allergy: Vec<String>,
    /// The last doses, newest first.
    pub history: Vec<RecordedLine>,
}

/// An amount of a range.
#[derive(Clone, Debug, PartialEq)]
pub struct AmountChoice {
    /// What a form says: the number.
    pub value: String,
    /// With its unit.
    pub words: String,
    /// How much it is.
    pub amount: Quantity,
    /// Why it may not be given now; empty where it may.
    pub refused: Vec<String>,
}

/// A dose that was given when required, of which nobody has said yet whether it helped.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectCard {
    /// Thread of the administration.
    pub administration: EntryId,
    /// The medicine as it stood when it was given.
    pub line: String,
    /// When it was given, and what for.
    pub given: String,
}

impl PrnCard {
    /// The name of the medicine, for what a screen reader says of a button.
    pub fn name(&self) -> &str {
        name(self.line.as_ref())
    }

    /// The amount of the range that a form chose.
    pub fn amount(&self, value: &str) -> Option<&AmountChoice> {
        self.amounts.iter().find(|choice| choice.value == value)
    }
}

/// The card of a when-required medicine.
pub(super) fn prn_card(chart: &Chart, prn: &WhenRequired<'_>) -> PrnCard {
    let newest = prn.order.newest();
    let order = newest.map(|version| version.body);
    let amounts = amounts(chart, prn);
    let mut refused: Vec<String> = prn.check.refused.iter().map(ToString::to_string).collect();
    // The board checks the higher amount of a range; where a lower one fits, it may be given.
    let fits = amounts.iter().any(|choice| choice.refused.is_empty());
    if fits {
        refused.clear();
    }
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
        protocol: order.and_then(|o| o.prn.as_ref()).map(protocol_facts).unwrap_or_default(),
        controlled: order.is_some_and(needs_witness),
        may_give: refused.is_empty() && !prn.order.is_taken_back(),
        refused,
        cautions: prn.check.cautions.iter().map(ToString::to_string).collect(),
        amounts,
        sites: order.and_then(|o| o.sites.clone()).unwrap_or_default(),
        allergy: order.map(|order| allergy_words(chart, order)).unwrap_or_default(),
        history: prn.history.iter().take(4).filter_map(|recorded| recorded_line(chart, recorded)).collect(),
    }
}

/// The ends of a range, each with what its protocol says to it now.
fn amounts(chart: &Chart, prn: &WhenRequired<'_>) -> Vec<AmountChoice> {
    let Some(order) = prn.order.newest().map(|version| version.body) else { return Vec::new() };
    let Dose::Range(low, high) = &order.dose else { return Vec::new() };
    let versions: Vec<_> = prn.history.iter().filter_map(|r| taken_version(&r.thing)).collect();
    let taken: Vec<TakenDose<'_>> =
        versions.iter().map(|v| TakenDose { at: v.entry.happened, amount: v.body.amount.as_ref() }).collect();
    let choice = |amount: &Quantity| AmountChoice {
        value: amount.value.to_string().replace(',', ""),
        words: amount.to_string(),
        refused: prn::check(order, &taken, Some(amount), chart.now)
            .refused
            .iter()
            .map(ToString::to_string)
            .collect(),
        amount: amount.clone(),
    };
    vec![choice(low), choice(high)]
}

/// Oldest first: the one that has waited longest.
pub(super) fn effects(board: &Board<'_>, now: Timestamp) -> Vec<EffectCard> {
    /// A dose of days ago is no longer asked about: nobody could say.
    const ASKED_MS: i64 = 24 * 60 * 60_000;
    let mut waiting = Vec::new();
    for prn in &board.when_required {
        let outstanding = |r: &&Recorded<'_>| prn.effects_outstanding.contains(&r.thing.id());
        for recorded in prn.history.iter().filter(outstanding) {
            let Some(given) = taken_version(&recorded.thing) else { continue };
            if now.ms_since(given.entry.happened) < ASKED_MS {
                waiting.push((given.entry.happened, recorded.thing.id(), given));
            }
        }
    }
    waiting.sort_by_key(|(at, id, _)| (*at, *id));
    let card = |(at, administration, given): (Timestamp, EntryId, Version<'_, Administration>)| {
        let dose = given.body;
        let reason = dose.reason.as_ref().map(|why| format!(" for: {why}")).unwrap_or_default();
        EffectCard {
            administration,
            line: dose.line.clone(),
            given: format!("Given {}{reason}", format::date_time(at)),
        }
    };
    waiting.into_iter().map(card).collect()
}

/// A protocol as label and text, whole: what staff read before they give.
pub fn protocol_facts(protocol: &PrnProtocol) -> Vec<(&'static str, String)> {
    let facts = [
        ("For", protocol.indication.clone()),
        ("Signs, and what to try first", protocol.signs.clone()),
        ("At least apart", protocol.interval_minutes.map(|m| length(i64::from(m)))),
        ("Most doses in 24 h", protocol.doses_per_day.map(|n| n.to_string())),
        ("Most in 24 h", protocol.amount_per_day.as_ref().map(ToString::to_string)),
        ("Call the prescriber", protocol.escalate.clone()),
        ("Ask whether it helped after", protocol.effect_minutes.map(|m| length(i64::from(m)))),
    ];
    facts.into_iter().filter_map(|(label, text)| Some((label, text?))).collect()
}
