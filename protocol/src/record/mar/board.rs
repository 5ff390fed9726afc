//! The board of a span of time: every due dose with what became of it, and every when-required medicine.
//!
//! A due dose is (order, due time). Nothing that was recorded is hidden: two recordings of one due dose stand side by
//! side, and a recording for a time that no order names any more has a slot of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::event::{SafetyEvent, open_events, safety_events, taken_version};
use super::schedule::due_in;
use super::{Administration, Effect, Outcome};
use crate::clinical::prn::{self, PrnCheck, TakenDose};
use crate::id::EntryId;
use crate::record::medicines::{Order, Timing};
use crate::record::version::{newest_first, sorted, split_taken_back, things};
use crate::record::{Entry, Thing, Version};
use crate::scope::Section;
use crate::time::Timestamp;

/// When a dose may be given and when it is late. A site's settings; the default hour either side is what most homes'
/// policies say and no published standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Minutes before the due time from which it may be given.
    pub early_minutes: u16,
    /// Minutes after the due time from which it is overdue.
    pub late_minutes: u16,
    /// Minutes after which the effect of a when-required dose is asked for, where its protocol says nothing.
    pub effect_minutes: u32,
}

impl Default for Windows {
    fn default() -> Self {
        Self { early_minutes: 60, late_minutes: 60, effect_minutes: 60 }
    }
}

/// A resident's doses in a span.
#[derive(Clone, Debug, PartialEq)]
pub struct Board<'a> {
    /// Due doses by time, then by order.
    pub slots: Vec<Slot<'a>>,
    /// When-required medicines that may be given or were given, by order.
    pub when_required: Vec<WhenRequired<'a>>,
    /// Doses recorded without a due time for an order that is not here or is not given when required.
    pub unplanned: Vec<Recorded<'a>>,
    /// What must not have happened, in all entries that were passed, not only in the span.
    pub events: Vec<SafetyEvent>,
    /// Administrations that were entered in error: not counted, still listed.
    pub taken_back: Vec<Thing<'a, Administration>>,
    /// Effects whose administration is not here.
    pub stray_effects: Vec<Thing<'a, Effect>>,
    /// Entries that this software cannot read: their number is shown.
    pub unread: Vec<&'a Entry>,
}

/// One due dose.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot<'a> {
    /// Thread of the order.
    pub order: EntryId,
    /// When it is due.
    pub due: Timestamp,
    /// The versions of the order that made it due; none where it was only recorded.
    pub versions: Vec<Version<'a, Order>>,
    /// Where it stands.
    pub state: SlotState,
    /// What was recorded, each by its own thread.
    pub recorded: Vec<Recorded<'a>>,
    /// Minutes either side of the due time that are in time, where harm follows when it is late.
    pub time_critical_minutes: Option<u16>,
    /// What has to be asked before it can be given. Only on the next dose of its order.
    pub ask: Vec<SafetyEvent>,
}

/// Where a due dose stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SlotState {
    /// It cannot be given yet.
    NotYet,
    /// It can be given.
    Due,
    /// It should have been given.
    Overdue,
    /// People changed the order apart: it is not given until somebody settles the order.
    HeldForReview,
    /// This became of it.
    Recorded(Outcome),
    /// Different recordings stand: a person has to look.
    RecordedApart(Vec<Outcome>),
}

/// One recording of a dose.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded<'a> {
    /// The administration; contested where it was corrected apart.
    pub thing: Thing<'a, Administration>,
    /// Whether it was in time.
    pub timeliness: Timeliness,
    /// What it did.
    pub effects: Vec<Thing<'a, Effect>>,
}

/// Whether a dose was taken in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timeliness {
    /// Not taken, or without a due time.
    NotApplicable,
    /// Within its window.
    InTime,
    /// So many minutes before it was due.
    Early(i64),
    /// So many minutes after it was due.
    Late(i64),
}

/// A when-required medicine.
#[derive(Clone, Debug, PartialEq)]
pub struct WhenRequired<'a> {
    /// The order; contested where it is held for review.
    pub order: Thing<'a, Order>,
    /// Whether it may be given now. A contested order may not, whatever this says: see [`Self::may_give`].
    pub check: PrnCheck,
    /// Its doses in all entries that were passed, newest first.
    pub history: Vec<Recorded<'a>>,
    /// Threads of the doses whose effect is still to be asked for.
    pub effects_outstanding: Vec<EntryId>,
    /// What has to be asked before it can be given.
    pub ask: Vec<SafetyEvent>,
}

/// A span of time: from (included), until (excluded).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// From, included.
    pub from: Timestamp,
    /// Until, excluded.
    pub until: Timestamp,
}

impl Span {
    fn holds(self, moment: Timestamp) -> bool {
        self.from <= moment && moment < self.until
    }
}

impl<'a> Board<'a> {
    /// Due doses before a moment of which nobody recorded anything, held ones too: no gap is left unexplained, so the
    /// system records them as missed and the manager follows up (NICE SC1, CQC).
    pub fn gaps(&self, before: Timestamp) -> impl Iterator<Item = &Slot<'a>> {
        self.slots.iter().filter(move |slot| slot.due < before && !slot.is_recorded())
    }
}

impl WhenRequired<'_> {
    /// Whether nothing speaks against giving it now.
    pub fn may_give(&self) -> bool {
        !self.order.is_contested()
            && !self.order.is_taken_back()
            && self.check.may_give()
            && self.ask.is_empty()
    }
}

impl Slot<'_> {
    /// Whether something was recorded for it.
    pub fn is_recorded(&self) -> bool {
        !self.recorded.is_empty()
    }
}

/// The board of a span at `now`, from all entries of the resident's medicines section and of the months of the
/// administration record that the span and the day before it touch.
pub fn board<'a>(
    medicines: impl IntoIterator<Item = &'a Entry>,
    mar: impl IntoIterator<Item = &'a Entry>,
    span: Span,
    windows: &Windows,
    now: Timestamp,
) -> Board<'a> {
    let (order_threads, _) = sorted(medicines, Section::Medicines);
    let (mar_threads, unread) = sorted(mar, Section::Mar);
    let orders: Vec<Thing<'a, Order>> = things(&order_threads);
    let (doses, mut taken_back) = split_taken_back(things::<Administration>(&mar_threads));
    newest_first(&mut taken_back);
    let events = safety_events(&orders, &doses);
    let effects = things(&mar_threads);
    let context = Context { orders, doses, effects, events, windows, now };
    Board {
        slots: context.slots(span),
        when_required: context.when_required(),
        unplanned: context.unplanned(),
        stray_effects: context.stray_effects(),
        events: context.events,
        taken_back,
        unread,
    }
}

struct Context<'a, 'w> {
    orders: Vec<Thing<'a, Order>>,
    doses: Vec<Thing<'a, Administration>>,
    effects: Vec<Thing<'a, Effect>>,
    events: Vec<SafetyEvent>,
    windows: &'w Windows,
    now: Timestamp,
}

impl<'a> Context<'a, '_> {
    fn slots(&self, span: Span) -> Vec<Slot<'a>> {
        let mut planned: BTreeMap<(Timestamp, EntryId), Vec<Version<'a, Order>>> = BTreeMap::new();
        for order in &self.orders {
            for (due, versions) in due_in(order, span.from, span.until) {
                planned.insert((due, order.id()), versions);
            }
        }
        let recorded = self.recorded_by_slot();
        for key in recorded.keys().filter(|(due, _)| span.holds(*due)) {
            planned.entry(*key).or_default();
        }
        let mut slots: Vec<Slot<'a>> = planned
            .into_iter()
            .map(|(key, versions)| self.slot(key, versions, recorded.get(&key).cloned().unwrap_or_default()))
            .collect();
        self.ask_next(&mut slots);
        slots
    }

    fn slot(
        &self,
        (due, order): (Timestamp, EntryId),
        versions: Vec<Version<'a, Order>>,
        things: Vec<Thing<'a, Administration>>,
    ) -> Slot<'a> {
        let critical = self.critical_minutes(&versions, &things);
        let recorded: Vec<Recorded<'a>> = things.into_iter().map(|t| self.recorded(t, critical)).collect();
        let state = match slot_outcome(&recorded) {
            Some(state) => state,
            None if self.is_held(order, &versions) => SlotState::HeldForReview,
            None => self.timing(due, critical),
        };
        Slot { order, due, versions, state, recorded, time_critical_minutes: critical, ask: Vec::new() }
    }

    /// The narrowest window that any version concerned states.
    fn critical_minutes(
        &self,
        versions: &[Version<'a, Order>],
        things: &[Thing<'a, Administration>],
    ) -> Option<u16> {
        let seen: BTreeSet<EntryId> =
            things.iter().flat_map(|t| &t.standing).map(|v| v.body.order_version).collect();
        let on_screen = self.orders.iter().flat_map(Thing::versions).filter(|v| seen.contains(&v.entry.id));
        versions.iter().copied().chain(on_screen).filter_map(|v| v.body.time_critical_minutes).min()
    }

    fn is_held(&self, order: EntryId, versions: &[Version<'a, Order>]) -> bool {
        let contested = self.orders.iter().find(|o| o.id() == order).filter(|o| o.is_contested());
        contested.is_some_and(|o| o.standing.iter().any(|v| versions.contains(v)))
    }

    fn timing(&self, due: Timestamp, critical: Option<u16>) -> SlotState {
        let early = i64::from(critical.unwrap_or(self.windows.early_minutes)) * 60_000;
        let late = i64::from(critical.unwrap_or(self.windows.late_minutes)) * 60_000;
        match self.now.ms_since(due) {
            ms if ms < -early => SlotState::NotYet,
            ms if ms <= late => SlotState::Due,
            _ => SlotState::Overdue,
        }
    }

    fn recorded(&self, thing: Thing<'a, Administration>, critical: Option<u16>) -> Recorded<'a> {
        let timeliness = self.timeliness(&thing, critical);
        let own: BTreeSet<EntryId> = thing.thread.entries.iter().map(|e| e.id).collect();
        let is_of = |e: &&Thing<'a, Effect>| e.versions().any(|v| own.contains(&v.body.administration));
        let effects = self.effects.iter().filter(is_of).cloned().collect();
        Recorded { thing, timeliness, effects }
    }

    fn timeliness(&self, thing: &Thing<'a, Administration>, critical: Option<u16>) -> Timeliness {
        let Some((taken, due)) = taken_version(thing).and_then(|v| Some((v.entry.happened, v.body.due?)))
        else {
            return Timeliness::NotApplicable;
        };
        let minutes = taken.ms_since(due) / 60_000;
        if minutes < -i64::from(critical.unwrap_or(self.windows.early_minutes)) {
            Timeliness::Early(-minutes)
        } else if minutes > i64::from(critical.unwrap_or(self.windows.late_minutes)) {
            Timeliness::Late(minutes)
        } else {
            Timeliness::InTime
        }
    }

    /// Standing administrations by due dose. One that was corrected apart to different doses stands at each.
    fn recorded_by_slot(&self) -> BTreeMap<(Timestamp, EntryId), Vec<Thing<'a, Administration>>> {
        let mut by_slot: BTreeMap<(Timestamp, EntryId), Vec<Thing<'a, Administration>>> = BTreeMap::new();
        for thing in &self.doses {
            let slots = thing.standing.iter().filter_map(|v| Some((v.body.due?, v.body.order)));
            for slot in slots.collect::<BTreeSet<_>>() {
                by_slot.entry(slot).or_default().push(thing.clone());
            }
        }
        by_slot
    }

    /// Puts what must be asked on the next dose of each order that nobody has recorded yet.
    fn ask_next(&self, slots: &mut [Slot<'a>]) {
        if self.events.is_empty() {
            return;
        }
        let mut asked: BTreeSet<EntryId> = BTreeSet::new();
        for slot in slots.iter_mut().filter(|slot| !slot.is_recorded()) {
            let is_before = |event: &&SafetyEvent| match event {
                SafetyEvent::GivenTwice { due, .. } => *due < slot.due,
                SafetyEvent::TooSoon { .. } => true,
            };
            let open = open_events(&self.events, slot.order, &self.doses);
            let ask: Vec<SafetyEvent> = open.into_iter().filter(is_before).cloned().collect();
            if !ask.is_empty() && asked.insert(slot.order) {
                slot.ask = ask;
            }
        }
    }

    fn when_required(&self) -> Vec<WhenRequired<'a>> {
        let is_current = |o: &&Thing<'a, Order>| {
            !self.doses_without_due(o.id()).is_empty()
                || o.standing.iter().any(|v| v.body.timing == Timing::WhenRequired)
        };
        self.orders.iter().filter(|o| is_when_required(o)).filter(is_current).map(|o| self.item(o)).collect()
    }

    fn item(&self, order: &Thing<'a, Order>) -> WhenRequired<'a> {
        let doses = self.doses_without_due(order.id());
        let taken: Vec<Version<'a, Administration>> = doses.iter().filter_map(taken_version).collect();
        let counted: Vec<TakenDose<'a>> = taken
            .iter()
            .map(|v| TakenDose { at: v.entry.happened, amount: v.body.amount.as_ref() })
            .collect();
        let newest = order.newest().or_else(|| order.versions().last());
        let check = newest.map(|v| prn::check(v.body, &counted, None, self.now)).unwrap_or_default();
        let wait = newest.and_then(|v| v.body.prn.as_ref()?.effect_minutes);
        let history: Vec<Recorded<'a>> = doses.into_iter().map(|d| self.recorded(d, None)).collect();
        let effects_outstanding = self.outstanding(&history, wait.unwrap_or(self.windows.effect_minutes));
        let ask = open_events(&self.events, order.id(), &self.doses).into_iter().cloned().collect();
        WhenRequired { order: order.clone(), check, history, effects_outstanding, ask }
    }

    fn outstanding(&self, history: &[Recorded<'a>], minutes: u32) -> Vec<EntryId> {
        let is_due = |r: &&Recorded<'a>| {
            let taken = taken_version(&r.thing).map(|v| v.entry.happened);
            taken.is_some_and(|at| self.now.ms_since(at) >= i64::from(minutes) * 60_000)
        };
        let is_asked = |r: &&Recorded<'a>| r.effects.iter().any(|e| !e.is_taken_back());
        history.iter().filter(is_due).filter(|r| !is_asked(r)).map(|r| r.thing.id()).collect()
    }

    fn doses_without_due(&self, order: EntryId) -> Vec<Thing<'a, Administration>> {
        let is_of = |d: &&Thing<'a, Administration>| {
            d.standing.iter().any(|v| v.body.order == order && v.body.due.is_none())
        };
        let mut doses: Vec<Thing<'a, Administration>> = self.doses.iter().filter(is_of).cloned().collect();
        newest_first(&mut doses);
        doses
    }

    fn unplanned(&self) -> Vec<Recorded<'a>> {
        let planned: BTreeSet<EntryId> =
            self.orders.iter().filter(|o| is_when_required(o)).map(Thing::id).collect();
        let is_unplanned = |d: &&Thing<'a, Administration>| {
            d.standing.iter().any(|v| v.body.due.is_none() && !planned.contains(&v.body.order))
        };
        let mut doses: Vec<Thing<'a, Administration>> =
            self.doses.iter().filter(is_unplanned).cloned().collect();
        newest_first(&mut doses);
        doses.into_iter().map(|d| self.recorded(d, None)).collect()
    }

    fn stray_effects(&self) -> Vec<Thing<'a, Effect>> {
        let known: BTreeSet<EntryId> =
            self.doses.iter().flat_map(|d| &d.thread.entries).map(|e| e.id).collect();
        let is_stray = |e: &&Thing<'a, Effect>| !e.versions().any(|v| known.contains(&v.body.administration));
        self.effects.iter().filter(is_stray).cloned().collect()
    }
}

/// Whether any version of the order was ever given when required.
fn is_when_required(order: &Thing<'_, Order>) -> bool {
    order.versions().any(|v| v.body.timing == Timing::WhenRequired)
}

/// What the recordings of one due dose come to. *Missed*, which the system makes, yields to whatever a person wrote.
fn slot_outcome(recorded: &[Recorded<'_>]) -> Option<SlotState> {
    let outcomes =
        |r: &Recorded<'_>| -> BTreeSet<Outcome> { r.thing.standing.iter().map(|v| v.body.outcome).collect() };
    let all: Vec<BTreeSet<Outcome>> = recorded.iter().map(outcomes).collect();
    let by_people: Vec<&BTreeSet<Outcome>> =
        all.iter().filter(|set| set.iter().any(|o| *o != Outcome::Missed)).collect();
    let told: BTreeSet<Outcome> = by_people.iter().copied().flatten().copied().collect();
    match (by_people.len(), told.first()) {
        (0, _) => all.first().map(|_| SlotState::Recorded(Outcome::Missed)),
        (1, Some(outcome)) if told.len() == 1 => Some(SlotState::Recorded(*outcome)),
        _ => Some(SlotState::RecordedApart(told.into_iter().collect())),
    }
}

/// The newest dose of each order that the person has, or may have, in them: for a transfer to hospital.
pub fn last_taken<'a>(
    mar: impl IntoIterator<Item = &'a Entry>,
) -> BTreeMap<EntryId, Version<'a, Administration>> {
    let (threads, _) = sorted(mar, Section::Mar);
    let mut last: BTreeMap<EntryId, Version<'a, Administration>> = BTreeMap::new();
    let doses = things::<Administration>(&threads);
    let mut taken: Vec<Version<'a, Administration>> = doses.iter().filter_map(taken_version).collect();
    taken.sort_by_key(|v| (v.entry.happened, v.entry.id));
    last.extend(taken.into_iter().map(|v| (v.body.order, v)));
    last
}

#[cfg(test)]
mod tests;
